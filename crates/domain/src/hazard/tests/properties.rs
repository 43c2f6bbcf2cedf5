//! What holds in every history: evolve bears any order, and no close-out comes without a passed
//! re-inspection.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::testing::any_history;

/// One event of each type, from the goldens, and those of the other purposes.
fn one_of_each() -> Vec<Event> {
    let golden = include_str!("../../../golden/events.jsonl");
    let lines = golden
        .lines()
        .map(|line| -> Value { serde_json::from_str(line).expect("a golden line is JSON") });
    let mine = lines.filter(|line| line["category"] == "hazard");
    let decoded = mine.map(|line| {
        let name = line["type"].as_str().expect("a text");
        let payload = serde_json::to_vec(&line["payload"]).expect("JSON");
        crate::encoding::decode(name, &payload).expect("a golden event")
    });
    let due_at = at(DUE);
    let others = [Purpose::ReportUp, Purpose::Reinspection];
    let of_purpose = |purpose| {
        let deadline = Deadline {
            due_at,
            basis: String::new(),
        };
        let fact = None;
        [
            Event::DeadlineSet { purpose, deadline },
            Event::DeadlineBreached { purpose, due_at },
            Event::BreachWithdrawn {
                purpose,
                due_at,
                fact,
            },
        ]
    };
    decoded
        .chain(others.into_iter().flat_map(of_purpose))
        .collect()
}

/// Who may act, and what they may try.
pub(super) fn moves() -> Vec<(u128, Command)> {
    vec![
        (4, verify_yellow()),
        (4, verify(HazardLevel::Major, Urgency::Red)),
        (4, reject()),
        (4, link(71)),
        (4, assign()),
        (4, unclear()),
        (2, rule()),
        (4, refer()),
        (4, give_back()),
        (4, interim()),
        (4, report_up()),
        (4, extend("2024-02-20T00:00:00Z")),
        (5, claim_done(None)),
        (3, pass()),
        (5, pass()),
        (6, pass()),
        (6, fail()),
        (4, close()),
        (3, recur()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_order_of_events_of_any_hazard_is_borne(history in any_history(one_of_each())) {
        let mut hazard = Hazard::default();
        for (event, stamp) in &history {
            hazard.evolve(event, stamp);
            // What falls due can always be asked, and only of what is open.
            prop_assert!(hazard.next_due(id(70)).is_none() || hazard.state.is_open());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_is_closed_out_without_another_persons_look(
        steps in proptest::collection::vec((proptest::sample::select(moves()), 0_i64..30), 1..40)
    ) {
        let mut history = reported();
        let mut now = at("2024-02-01T09:00:00Z");
        for ((person, command), hours) in steps {
            now += chrono::Duration::hours(hours);
            let before = hazard(&history);
            let cx = by(id(person), now);
            let due = before.next_due(id(70)).filter(|(at, _)| *at < now);
            if let Some((_, command)) = due {
                // The timer is never refused what falls due.
                history = history.then(command, &by_system(now));
            }
            if history.when(command.clone(), &cx).is_err() {
                continue;
            }
            history = history.then(command, &cx);
            let after = hazard(&history);
            if after.state == HazardState::ClosedOut {
                prop_assert_eq!(before.state, HazardState::Reinspected);
                let major = after.level == Some(HazardLevel::Major);
                prop_assert!(!major || (after.interim_measure && after.reported_up_at.is_some()));
            }
            if after.state == HazardState::Reinspected && before.state != after.state {
                let claimed = after.claimed.as_ref().expect("claimed");
                prop_assert!(claimed.by != id(person) && !after.was_reported_by(id(person)));
            }
            if after.state == HazardState::Referred {
                prop_assert!(after.next_due(id(70)).is_none());
            }
        }
    }
}
