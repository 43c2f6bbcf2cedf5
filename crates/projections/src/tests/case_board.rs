use std::collections::{BTreeMap, BTreeSet};

use domain::hazard::{self, HazardState};
use domain::ids::{HazardId, UnitId};
use eventlog::EventLog;

use super::folded;
use crate::feed::Decoder;
use crate::fixture::{COMMUNITY, History, at, id};
use crate::read_models::case_board::Standing;
use crate::read_models::case_board::list::{Filter, NotAPageToken, Order};
use crate::{Models, feed};

#[tokio::test]
async fn breaches_count_until_they_are_withdrawn() {
    use hazard::Event as E;
    let mut history = History::new();
    history.born().await;
    let due_at = at("2024-03-02T00:00:00Z");
    for n in [701, 702, 703] {
        history.reported("2024-03-01T00:00:00Z", n).await;
        history
            .due("2024-03-01T00:00:00Z", n, "2024-03-02T00:00:00Z")
            .await;
        history
            .hazard(
                "2024-03-02T00:00:01Z",
                n,
                E::DeadlineBreached {
                    purpose: hazard::Purpose::Rectification,
                    due_at,
                },
            )
            .await;
    }
    let withdrawn = E::BreachWithdrawn {
        purpose: hazard::Purpose::Rectification,
        due_at,
        fact: None,
    };
    history.hazard("2024-03-03T00:00:00Z", 702, withdrawn).await;
    let closed = E::HazardClosedOut { closed_by: id(1) };
    history
        .hazard("2024-03-04T00:00:00Z", 702, closed.clone())
        .await;
    history.hazard("2024-03-04T00:00:00Z", 703, closed).await;
    let models = folded(&history);
    let board = models.case_board.read();
    let totals = board.totals(&Filter::default());
    assert_eq!(
        (totals.total, totals.open, totals.closed, totals.dismissed),
        (3, 1, 2, 0)
    );
    assert_eq!(
        (totals.breached, totals.open_breached, totals.breaches),
        (2, 1, 2)
    );
    assert_eq!(totals.closed_late, 1);
    let everywhere = Filter {
        units: Some(BTreeSet::from([id::<UnitId>(COMMUNITY)])),
        ..Filter::default()
    };
    assert_eq!(
        board.totals(&everywhere),
        totals,
        "kept counts equal counting"
    );
    let case = board.case(id(702)).expect("a case");
    assert_eq!(
        (
            case.is_breached(),
            case.breaches_withdrawn,
            case.is_closed_late()
        ),
        (false, 1, false)
    );
}

#[tokio::test]
async fn totals_equal_a_naive_count_of_the_events() {
    let history = History::whole().await;
    let mut breaches = 0_i64;
    let mut states: BTreeMap<String, hazard::Hazard> = BTreeMap::new();
    for commit in history.log.read(1, u64::MAX) {
        for recorded in commit.expect("readable").events {
            let Ok(domain::Event::Hazard(event)) = feed::decode(&recorded) else {
                continue;
            };
            match event {
                hazard::Event::DeadlineBreached { .. } => breaches += 1,
                hazard::Event::BreachWithdrawn { .. } => breaches -= 1,
                _ => {}
            }
            let stamp = feed_stamp(&recorded);
            let state = states.entry(recorded.stream.to_string()).or_default();
            domain::Aggregate::evolve(state, &event, &stamp);
        }
    }
    let models = folded(&history);
    let totals = models.case_board.read().totals(&Filter::default());
    assert_eq!(i64::try_from(totals.breaches), Ok(breaches));
    let open = states
        .values()
        .filter(|hazard| hazard.state.is_open())
        .count();
    assert_eq!(
        (totals.total, totals.open),
        (states.len() as u64, open as u64)
    );
}

fn feed_stamp(recorded: &eventlog::RecordedEvent) -> domain::Stamp {
    domain::Stamp {
        position: recorded.position,
        version: recorded.version,
        occurred_at: recorded.envelope.occurred_at,
        recorded_at: recorded.header.recorded_at,
    }
}

/// Takes in what the log got since.
fn catch_up(models: &Models, decoder: &mut Decoder, history: &History) {
    let from = models.case_board.read().position + 1;
    for commit in history.log.read(from, u64::MAX) {
        let commit = [decoder.decode(commit.expect("readable"))];
        models
            .all()
            .into_iter()
            .for_each(|model| model.live().take_in(&commit, false));
    }
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_the_board_moves() {
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let mut history = History::new();
        history.born().await;
        // Several hazards share an instant, so that the id must break the tie.
        for n in 0..23_u128 {
            history
                .reported(&format!("2024-03-{:02}T00:00:00Z", 1 + n / 3), 700 + n)
                .await;
        }
        let (models, mut decoder) = (Models::default(), Decoder::new(Models::wants));
        catch_up(&models, &mut decoder, &history);
        let filter = Filter {
            standing: Some(Standing::Open),
            ..Filter::default()
        };
        let (mut seen, mut token, mut page) = (Vec::new(), None, 0_u128);
        loop {
            let next = {
                let board = models.case_board.read();
                let found = board
                    .list(&filter, order, 4, token.as_deref())
                    .expect("a good token");
                assert!(found.cases.len() <= 4);
                seen.extend(found.cases.iter().map(|(id, _)| *id));
                found.next
            };
            // Between the pages one is opened earlier, one later, and one that was seen changes.
            page += 1;
            let early = format!("2024-02-01T00:00:{page:02}Z");
            let late = format!("2024-04-01T00:00:{page:02}Z");
            let key: HazardId = id(900 + page);
            let report = crate::fixture::reported(None);
            let event =
                crate::fixture::happened::<hazard::Hazard>(key, report, &early, Some(COMMUNITY));
            history.record(&late, vec![event]).await;
            history.reported(&late, 950 + page).await;
            let owner = format!("owner {page}");
            let changed = hazard::Event::OwnerAssigned { owner };
            let key: HazardId = seen[0];
            history
                .one::<hazard::Hazard>(&late, Some(COMMUNITY), key, changed)
                .await;
            catch_up(&models, &mut decoder, &history);
            let Some(next) = next else { break };
            token = Some(next);
            assert!(page < 100, "must come to an end");
            if page == 12 {
                break;
            }
        }
        let distinct: BTreeSet<_> = seen.iter().copied().collect();
        assert_eq!(distinct.len(), seen.len(), "nothing twice");
        for n in 0..23_u128 {
            assert!(
                distinct.contains(&id::<HazardId>(700 + n)),
                "{order:?}: {n} was skipped"
            );
        }
    }
}

#[tokio::test]
async fn a_token_belongs_to_its_question() {
    let mut history = History::new();
    history.born().await;
    for n in 701..=703 {
        history.reported("2024-03-01T00:00:00Z", n).await;
    }
    let models = folded(&history);
    let board = models.case_board.read();
    let filter = Filter::default();
    let page = board
        .list(&filter, Order::OldestFirst, 1, None)
        .expect("no token");
    let token = page.next.expect("more pages");
    let other = Filter {
        state: Some(HazardState::Reported),
        ..Filter::default()
    };
    let refuse = |filter, order, token| board.list(filter, order, 1, Some(token)).err();
    assert_eq!(refuse(&filter, Order::OldestFirst, &token), None);
    assert_eq!(
        refuse(&other, Order::OldestFirst, &token),
        Some(NotAPageToken)
    );
    assert_eq!(
        refuse(&filter, Order::NewestFirst, &token),
        Some(NotAPageToken)
    );
    for bad in [
        "",
        "zz",
        &token[2..],
        &format!("{token}00"),
        &token.replace('0', "g"),
    ] {
        assert_eq!(
            refuse(&filter, Order::OldestFirst, bad),
            Some(NotAPageToken),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn filters_restrict_together() {
    let models = folded(&History::whole().await);
    let board = models.case_board.read();
    let count = |filter: &Filter| {
        let page = board
            .list(filter, Order::default(), 10, None)
            .expect("no token");
        assert_eq!(page.cases.len() as u64, board.totals(filter).total);
        page.cases.len()
    };
    let all = Filter::default();
    assert_eq!(count(&all), 4);
    let standing = |standing| Filter {
        standing: Some(standing),
        ..all.clone()
    };
    assert_eq!(count(&standing(Standing::Open)), 2);
    assert_eq!(count(&standing(Standing::Closed)), 1);
    assert_eq!(count(&standing(Standing::Referred)), 1);
    assert_eq!(
        count(&Filter {
            source: Some("elsewhere".into()),
            ..all.clone()
        }),
        1
    );
    assert_eq!(
        count(&Filter {
            breached: Some(true),
            ..standing(Standing::Open)
        }),
        1
    );
    assert_eq!(
        count(&Filter {
            breached: Some(true),
            ..standing(Standing::Closed)
        }),
        0
    );
    assert_eq!(
        count(&Filter {
            owner: Some("property company".into()),
            ..all.clone()
        }),
        2
    );
    assert_eq!(
        count(&Filter {
            owner: Some("water works".into()),
            ..all.clone()
        }),
        1,
        "who acts with the owner is one too"
    );
    assert_eq!(
        count(&Filter {
            units: Some(BTreeSet::new()),
            ..all
        }),
        0
    );
}

#[tokio::test]
async fn the_board_tells_who_several_own_it_what_was_done_and_who_else_has_it() {
    let mut history = History::whole().await;
    let models = folded(&history);
    let handling = |models: &Models, n: u128| {
        let board = models.case_board.read();
        let case = board.case(id(n)).expect("on the board").clone();
        (case.clone(), *case.handling.expect("handled"))
    };
    let (case, ruled) = handling(&models, 703);
    assert_eq!(case.owner.as_deref(), Some("property company"));
    assert_eq!(ruled.joint_owners, ["water works"]);
    assert_eq!(ruled.council_meeting.as_deref(), Some("week 12 of 2024"));
    assert_eq!((ruled.candidates.len(), ruled.interim_measures), (0, 1));
    let (case, referred) = handling(&models, 704);
    assert_eq!(case.state, HazardState::Referred);
    let referral = referred.referral.expect("referred");
    assert_eq!(referral.authority, "market supervision");
    assert_eq!((referral.returned_at, referred.referrals), (None, 1));
    // It comes back, is major, and is told upward too late.
    let due_at = at("2024-05-04T02:00:00Z");
    let purpose = hazard::Purpose::ReportUp;
    let basis = "pilot/1".to_owned();
    let look_due = at("2024-05-07T16:00:00Z");
    let events = [
        hazard::Event::ReferralReturned {
            reason: "not theirs".to_owned(),
            returned_by: id(1),
        },
        hazard::Event::DeadlineSet {
            purpose,
            deadline: hazard::Deadline { due_at, basis },
        },
        hazard::Event::DeadlineBreached { purpose, due_at },
        hazard::Event::MajorHazardReportedUp {
            to: Some(id(crate::fixture::STATION)),
            authority: "fire brigade".to_owned(),
            reported_by: Some(id(11)),
        },
        hazard::Event::DuplicateLinked {
            duplicate: id(701),
            reporters: Vec::new(),
        },
        hazard::Event::DeadlineSet {
            purpose: hazard::Purpose::Reinspection,
            deadline: hazard::Deadline {
                due_at: look_due,
                basis: "pilot/1".to_owned(),
            },
        },
    ];
    for event in events {
        history.hazard("2024-05-04T03:00:00Z", 704, event).await;
    }
    let (case, back) = handling(&folded(&history), 704);
    assert_eq!(case.state, HazardState::Verified);
    assert_eq!(case.deadline, None, "it is not the one to rectify");
    assert!(case.is_breached() && !case.is_closed_late());
    assert_eq!(back.report_up_due, Some(due_at));
    assert_eq!(back.reinspection_due, Some(look_due));
    assert_eq!(back.reported_up.expect("told").by, Some(id(11)));
    assert_eq!(back.duplicates, 1);
    let returned = back.referral.expect("it was").returned_at;
    assert_eq!(returned, Some(at("2024-05-04T03:00:00Z")));
}

#[tokio::test]
async fn what_another_authority_has_stands_under_no_owner_and_comes_back_without_a_passed_deadline()
{
    let mut history = History::new();
    history.born().await;
    let when = "2024-03-01T00:00:00Z";
    history.reported(when, 701).await;
    history.due(when, 701, "2024-03-02T00:00:00Z").await;
    for event in [
        hazard::Event::OwnerAssigned {
            owner: "property company".to_owned(),
        },
        hazard::Event::HazardReferred {
            authority: "market supervision".to_owned(),
            external_id: None,
            reason: "theirs by law".to_owned(),
            referred_by: id(1),
        },
    ] {
        history.hazard(when, 701, event).await;
    }
    let case = |models: &Models| {
        let board = models.case_board.read();
        board.case(id(701)).expect("on the board").clone()
    };
    let referred = case(&folded(&history));
    assert_eq!(referred.owner, None);
    assert_eq!(referred.deadline, Some(at("2024-03-02T00:00:00Z")));
    let returned = hazard::Event::ReferralReturned {
        reason: "not theirs".to_owned(),
        returned_by: id(1),
    };
    history.hazard("2024-03-09T00:00:00Z", 701, returned).await;
    let back = case(&folded(&history));
    assert_eq!((back.deadline, back.deadline_basis), (None, None));
}
