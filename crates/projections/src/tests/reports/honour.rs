use domain::account::{Account, Activity, Event as E};
use domain::ids::{PersonId, UnitId};
use domain::member::{ConsentPurpose, Event as M, Member};
use domain::person::{Event as P, Person};
use domain::policy_set::ActivityFamily;
use uuid::Uuid;

use crate::Models;
use crate::fixture::{COMMUNITY, History, at, happened, id};
use crate::models::AnyModel as _;
use crate::read_models::leaderboard::board::{Asked, Board};
use crate::tests::folded;

const OTHER: u128 = 102;

async fn earns(
    history: &mut History,
    family: ActivityFamily,
    unit: u128,
    person: u128,
    points: u32,
) {
    let event = E::AwardGranted {
        award: Uuid::from_u128(unit * 1_000 + person * 10 + u128::from(points) * 1_000_000),
        person: id(person),
        activity: Activity {
            family,
            id: Uuid::from_u128(1),
            fact: 1,
            occurred_at: at("2024-03-01T12:00:00Z"),
            unit: id(unit),
            minutes: 90,
            verified_by: id(1),
        },
        rule: "RULE".to_owned(),
        policy_set: "pilot/1".to_owned(),
        computed: points,
        granted: points,
        forgone: 0,
        why: "so many".to_owned(),
        vests_at: at("2024-03-10T00:00:00Z"),
        expires_at: None,
    };
    let key: PersonId = id(person);
    let event = happened::<Account>(key, event, "2024-03-01T12:00:00Z", Some(unit));
    history.record("2024-03-02T00:00:00Z", vec![event]).await;
}

async fn agrees(history: &mut History, unit: u128, person: u128, agrees: bool) {
    let purpose = ConsentPurpose::PublicBoard;
    let event = if agrees {
        M::ConsentGiven { purpose }
    } else {
        M::ConsentWithdrawn { purpose }
    };
    let key = format!("{}/{}", id::<UnitId>(unit), id::<PersonId>(person));
    history
        .one::<Member>("2024-03-02T00:00:00Z", Some(unit), key, event)
        .await;
}

/// So many people who agreed and earned 10, 20, … points by patrols.
async fn town(people: u128) -> History {
    let mut history = History::new();
    history.born().await;
    for (n, points) in (0..people).zip((1_u32..).map(|n| n * 10)) {
        agrees(&mut history, COMMUNITY, 20 + n, true).await;
        earns(
            &mut history,
            ActivityFamily::Patrol,
            COMMUNITY,
            20 + n,
            points,
        )
        .await;
    }
    history
}

fn board(models: &Models, change: impl FnOnce(&mut Asked)) -> Board {
    let mut asked = Asked {
        position: u64::MAX,
        ..Asked::default()
    };
    change(&mut asked);
    models.leaderboard.read().board(&asked)
}

fn shown(board: &Board) -> Vec<(u32, u128, u64)> {
    let standings = board.standings.iter();
    standings
        .map(|standing| (standing.rank, standing.person.0.as_u128(), standing.points))
        .collect()
}

#[tokio::test]
async fn the_most_points_stand_first_and_equal_points_share_a_rank() {
    let mut history = town(5).await;
    earns(&mut history, ActivityFamily::Publicity, COMMUNITY, 20, 30).await;
    let models = folded(&history);
    let all = board(&models, |_| {});
    assert_eq!(
        shown(&all),
        [
            (1, 24, 50),
            (2, 20, 40),
            (2, 23, 40),
            (4, 22, 30),
            (5, 21, 20)
        ]
    );
    let patrols = board(&models, |asked| asked.family = Some(ActivityFamily::Patrol));
    assert_eq!(shown(&patrols)[4], (5, 20, 10));
    let later = board(&models, |asked| {
        asked.from = Some(at("2024-04-01T00:00:00Z"));
    });
    assert_eq!((later.standings.len(), later.communities_left_out), (0, 1));
}

#[tokio::test]
async fn a_community_in_which_fewer_than_five_stand_is_left_out_also_of_the_board_above() {
    let mut history = town(5).await;
    for person in 40..44 {
        agrees(&mut history, OTHER, person, true).await;
        earns(&mut history, ActivityFamily::Patrol, OTHER, person, 90).await;
    }
    let models = folded(&history);
    let above = board(&models, |_| {});
    assert_eq!((above.standings.len(), above.communities_left_out), (5, 1));
    let other = board(&models, |asked| asked.units = Some([id(OTHER)].into()));
    assert_eq!((other.standings.len(), other.communities_left_out), (0, 1));
}

#[tokio::test]
async fn who_does_not_agree_stands_on_no_board_and_is_not_one_of_the_five() {
    let mut history = town(6).await;
    agrees(&mut history, COMMUNITY, 25, false).await;
    let models = folded(&history);
    assert!(shown(&board(&models, |_| {})).iter().all(|row| row.1 != 25));
    agrees(&mut history, COMMUNITY, 24, false).await;
    let models = folded(&history);
    assert_eq!(board(&models, |_| {}).standings, []);
}

#[tokio::test]
async fn a_withheld_award_moves_neither_a_board_nor_a_row_of_the_model() {
    let mut history = town(5).await;
    let before = folded(&history);
    earns(&mut history, ActivityFamily::Lead, COMMUNITY, 20, 500).await;
    let award = Uuid::from_u128(COMMUNITY * 1_000 + 200 + 500_000_000);
    let key: PersonId = id(20);
    let reversed = E::AwardReversed {
        award,
        points: 100,
        reason: domain::Personal::new("untrue"),
        reversed_by: id(2),
    };
    history
        .one::<Account>("2024-03-04T00:00:00Z", Some(COMMUNITY), key, reversed)
        .await;
    let after = folded(&history);
    assert_eq!(board(&before, |_| {}), board(&after, |_| {}));
    let (before, after) = (before.leaderboard.checksum(), after.leaderboard.checksum());
    assert_eq!(before.sha256, after.sha256);
}

#[tokio::test]
async fn records_of_one_person_stand_as_one_and_a_page_is_as_known_at_its_position() {
    let mut history = town(5).await;
    let at_first = folded(&history).leaderboard.position();
    earns(&mut history, ActivityFamily::Patrol, COMMUNITY, 60, 100).await;
    let merged = P::PersonsMerged {
        into: id(20),
        merged_by: id(1),
    };
    let key: PersonId = id(60);
    history
        .one::<Person>("2024-03-05T00:00:00Z", None, key, merged)
        .await;
    let models = folded(&history);
    assert_eq!(shown(&board(&models, |_| {}))[0], (1, 20, 110));
    let known = board(&models, |asked| asked.position = at_first);
    assert_eq!(shown(&known)[0], (1, 24, 50));
    assert_eq!(shown(&known)[4], (5, 20, 10));
}
