use domain::campaign::{Campaign, Event as Wave};
use domain::ids::{CampaignId, PersonId, UnitId};
use domain::member::{Event as M, Member};
use domain::patrol_shift::{Event as E, PatrolShift};

use crate::fixture::{COMMUNITY, History, SHIFT, ZONE, at, happened, id};
use crate::read_models::members::Month;
use crate::read_models::volunteer_growth::Community;
use crate::read_models::volunteer_growth::curve::{Asked, Retained};
use crate::tests::folded;

fn asked(as_of: &str) -> Asked {
    Asked {
        from: None,
        until: None,
        as_of: at(as_of),
    }
}

async fn attended(history: &mut History, n: u128, when: &str, person: u128) {
    let key: CampaignId = id(n);
    let verified = Wave::ParticipationVerified {
        person: id(person),
        community: id(COMMUNITY),
        minutes: 60,
        doors: 3,
        verified_by: id(1),
    };
    history
        .one::<Campaign>(when, Some(COMMUNITY), key, verified)
        .await;
}

/// Two joined in January and one in February; one of the first left in March, the other was active
/// in February and March.
async fn history() -> History {
    let mut history = History::new();
    history.born().await;
    history.joins("2024-01-10T00:00:00Z", 11).await;
    history.joins("2024-01-20T00:00:00Z", 12).await;
    history.joins("2024-02-15T00:00:00Z", 13).await;
    attended(&mut history, 41, "2024-02-20T00:00:00Z", 11).await;
    let key = format!("{}/{}", id::<UnitId>(COMMUNITY), id::<PersonId>(12));
    history
        .one::<Member>(
            "2024-03-05T00:00:00Z",
            Some(COMMUNITY),
            key,
            M::MemberLeft {},
        )
        .await;
    attended(&mut history, 42, "2024-03-15T00:00:00Z", 11).await;
    // Who left is not active, whatever they do.
    attended(&mut history, 43, "2024-03-16T00:00:00Z", 12).await;
    history
}

fn community(history: &History) -> Community {
    let models = folded(history);
    let build = models.volunteer_growth.read();
    build
        .partitions
        .get(&id(COMMUNITY))
        .cloned()
        .unwrap_or_default()
}

#[tokio::test]
async fn the_curve_tells_who_joined_left_and_was_active_at_the_end_of_each_month() {
    let community = community(&history().await);
    let rows = |as_of: &str| {
        let (curve, _) = community.curve(&asked(as_of));
        let rows = curve.into_iter().map(|(month, growth)| {
            (
                month.month,
                growth.joined,
                growth.left,
                growth.members,
                growth.active,
            )
        });
        rows.collect::<Vec<_>>()
    };
    assert_eq!(
        rows("2024-05-10T00:00:00Z"),
        [
            (1, 2, 0, 2, 0),
            (2, 1, 0, 3, 1),
            (3, 0, 1, 2, 1),
            (4, 0, 0, 2, 0),
            (5, 0, 0, 2, 0),
        ]
    );
    // As of a day the month counts up to that day.
    assert_eq!(
        rows("2024-02-16T00:00:00Z"),
        [(1, 2, 0, 2, 0), (2, 1, 0, 3, 0)]
    );
    assert!(rows("2023-12-01T00:00:00Z").is_empty());
}

#[tokio::test]
async fn thirty_days_are_counted_with_the_last_one() {
    let community = community(&history().await);
    // 15 March is the first of the thirty days that end on 13 April in Shanghai.
    for (as_of, active) in [("2024-04-13T15:59:59Z", 1), ("2024-04-13T16:00:00Z", 0)] {
        let (curve, _) = community.curve(&asked(as_of));
        let month = Month {
            year: 2024,
            month: 4,
        };
        assert_eq!(curve[&month].active, active, "{as_of}");
    }
}

#[tokio::test]
async fn those_who_joined_in_one_month_are_followed_from_then_on() {
    let community = community(&history().await);
    let (_, cohorts) = community.curve(&asked("2024-04-30T00:00:00Z"));
    let january = &cohorts[&Month {
        year: 2024,
        month: 1,
    }];
    let retained = |members, active| Retained { members, active };
    assert_eq!(january.joined, 2);
    assert_eq!(
        january.months,
        [
            retained(2, 0),
            retained(2, 1),
            retained(1, 1),
            retained(1, 0)
        ]
    );
    let february = &cohorts[&Month {
        year: 2024,
        month: 2,
    }];
    assert_eq!((february.joined, february.months.len()), (1, 3));
    let late = Asked {
        from: Some(Month {
            year: 2024,
            month: 2,
        }),
        ..asked("2024-04-30T00:00:00Z")
    };
    assert_eq!(community.curve(&late).1.len(), 1);
}

#[tokio::test]
async fn a_patrol_that_is_found_not_to_count_makes_nobody_active() {
    let mut history = History::new();
    history.born().await;
    history.joins("2024-02-01T00:00:00Z", 11).await;
    let interval = (at("2024-02-10T12:00:00Z"), at("2024-02-10T13:00:00Z"));
    let verified = E::ParticipationVerified {
        person: id(11),
        community: id(COMMUNITY),
        zone: id(ZONE),
        intervals: vec![interval],
        minutes: 60,
        verified_by: id(1),
    };
    history.shift("2024-02-11T00:00:00Z", verified).await;
    let active = |history: &History| {
        let (curve, _) = community(history).curve(&asked("2024-02-20T00:00:00Z"));
        curve.values().map(|month| month.active).collect::<Vec<_>>()
    };
    assert_eq!(active(&history), [1]);
    let again = E::ParticipationReverified {
        person: id(11),
        community: id(COMMUNITY),
        zone: id(ZONE),
        accepted: false,
        before: vec![interval],
        intervals: Vec::new(),
        minutes: 0,
        reason: None,
        verified_by: id(2),
    };
    let key: domain::ids::ShiftId = id(SHIFT);
    let event = happened::<PatrolShift>(key, again, "2024-02-12T00:00:00Z", Some(COMMUNITY));
    history.record("2024-02-12T00:00:00Z", vec![event]).await;
    assert_eq!(active(&history), [0]);
}
