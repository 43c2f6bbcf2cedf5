//! What an event brings by itself: that the deciders append just that, and what it is under another
//! policy set.

use proptest::prelude::*;

use super::properties::moves;
use super::*;
use crate::policy_set::{PolicySet, PolicySets};

const PILOT: &str = include_str!("../../../../../policies/pilot.toml");

/// The pilot's set with other times.
fn policy(changes: &[(&str, &str)]) -> PolicySet {
    let mut text = PILOT.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    PolicySet::parse(&text).expect("a policy set")
}

/// True of an event that only ever follows from another one.
fn follows(event: &Event) -> bool {
    matches!(
        event,
        Event::DeadlineSet { .. } | Event::DeadlineBreached { .. } | Event::BreachWithdrawn { .. }
    )
}

/// Asserts that a command on hazard 70 appends its fact and what that brings, and nothing else.
#[track_caller]
fn appends_what_follows(history: &History, command: &Command, cx: &Context) {
    let Ok(decision) = Hazard::decide(command, &history.world(), cx) else {
        return;
    };
    let stream = Hazard::stream(id::<HazardId>(70));
    let mine = decision.events.iter().filter(|new| new.stream == stream);
    let events: Vec<(Event, Instant)> = mine
        .filter_map(|new| match &new.event {
            crate::Event::Hazard(event) => Some((event.clone(), new.envelope.occurred_at)),
            _ => None,
        })
        .collect();
    let Some((fact, occurred_at)) = events.iter().find(|(event, _)| !follows(event)) else {
        return;
    };
    let world = history.world();
    let policy = PolicySets::in_force(&world, id(101), cx.now).ok();
    let rules = Rules {
        policy: policy.as_deref(),
        zone: crate::unit::Unit::zone(&world, id(101), cx.now, cx).expect("a zone"),
    };
    let when = When {
        occurred_at: *occurred_at,
        told_at: cx.now,
    };
    let brought = hazard(history).consequences(fact, when, rules);
    let mut whole = brought.before;
    whole.push(fact.clone());
    whole.extend(brought.after);
    let appended: Vec<_> = events.iter().map(|(event, _)| event.clone()).collect();
    assert_eq!(appended, whole, "{command:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn deciders_append_what_an_event_brings_and_nothing_else(
        steps in proptest::collection::vec(
            (proptest::sample::select(moves()), 0_i64..30, any::<bool>()),
            1..40,
        )
    ) {
        let mut history = reported();
        let mut now = at("2024-02-01T09:00:00Z");
        for ((person, command), hours, fires) in steps {
            now += chrono::Duration::hours(hours);
            let due = hazard(&history).next_due(id(70)).filter(|(at, _)| *at < now && fires);
            if let Some((_, command)) = due {
                history = history.then(command, &by_system(now));
            }
            let cx = by(id(person), now);
            appends_what_follows(&history, &command, &cx);
            if history.when(command.clone(), &cx).is_ok() {
                history = history.then(command, &cx);
            }
        }
    }
}

#[test]
fn the_source_of_an_import_brings_breaches_and_withdrawals_the_same_way() {
    let open = || base().then(import(Some(DUE), None), &on_1_february(7, 10));
    let breached = || applied(open()).then(breach(DUE), &timer());
    for history in [open(), breached(), open().then(refer(), &late(4))] {
        for closed_at in ["2024-02-02T08:00:00Z", LATE] {
            appends_what_follows(&history, &close_by_source(closed_at), &late(7));
        }
    }
}

/// `name purpose due` of each event that is brought.
fn words(events: &[Event]) -> Vec<String> {
    let word = |event: &Event| match event {
        Event::DeadlineSet { purpose, deadline } => {
            format!("due {purpose:?} {:?} {}", deadline.due_at, deadline.basis)
        }
        Event::DeadlineBreached { purpose, due_at } => format!("breach {purpose:?} {due_at:?}"),
        Event::BreachWithdrawn {
            purpose, due_at, ..
        } => format!("withdrawn {purpose:?} {due_at:?}"),
        fact => format!("{fact:?}"),
    };
    events.iter().map(word).collect()
}

#[test]
fn another_policy_set_gives_other_deadlines_to_the_same_event() {
    let verified = |level, urgency| Event::HazardVerified {
        level,
        urgency,
        verified_by: id(4),
    };
    let major = verified(HazardLevel::Major, Urgency::Red);
    let yellow = verified(HazardLevel::General, Urgency::Yellow);
    let claimed = Event::RectificationClaimed {
        rectified_by: id(5),
    };
    let extended = |until: &str| Event::ExtensionGranted {
        deadline: Deadline {
            due_at: at(until),
            basis: "extension".to_owned(),
        },
        reason: "parts are ordered".to_owned(),
        granted_by: id(4),
    };
    let strict = policy(&[
        ("version = 1", "version = 2"),
        ("hazard_yellow_hours = 24", "hazard_yellow_hours = 1"),
        ("hazard_red_hours = 2", "hazard_red_hours = 1"),
        ("hazard_report_up_hours = 2\n", ""),
        (
            "hazard_reinspection_working_days = 2",
            "hazard_reinspection_working_days = 1",
        ),
    ]);
    let longer = policy(&[("version = 1", "version = 3")]);
    let none = policy(&[("hazard_reinspection_working_days = 2\n", "")]);
    let verified_at = at("2024-02-01T09:00:00Z");
    let open = Hazard::default();
    let running = Hazard {
        deadline: Some(at(DUE)),
        ..Hazard::default()
    };
    let rows: [(&Hazard, &Event, Option<&PolicySet>, &[&str]); 9] = [
        (
            &open,
            &yellow,
            Some(&strict),
            &["due Rectification 2024-02-01T10:00:00Z pilot/2"],
        ),
        (
            &open,
            &yellow,
            Some(&longer),
            &["due Rectification 2024-02-02T09:00:00Z pilot/3"],
        ),
        (&open, &yellow, None, &[]),
        (
            &open,
            &major,
            Some(&strict),
            &["due Rectification 2024-02-01T10:00:00Z pilot/2"],
        ),
        (
            &open,
            &major,
            Some(&longer),
            &[
                "due Rectification 2024-02-01T11:00:00Z pilot/3",
                "due ReportUp 2024-02-01T11:00:00Z pilot/3",
            ],
        ),
        (
            &open,
            &claimed,
            Some(&strict),
            &["due Reinspection 2024-02-02T16:00:00Z pilot/2"],
        ),
        (&open, &claimed, Some(&none), &[]),
        (
            &running,
            &extended("2024-02-03T00:00:00Z"),
            Some(&longer),
            &[],
        ),
        (
            &running,
            &extended("2024-02-01T12:00:00Z"),
            Some(&longer),
            &["due Rectification 2024-02-02T09:00:00Z pilot/3"],
        ),
    ];
    for (stands, event, policy, expected) in rows {
        let when = When {
            occurred_at: verified_at,
            told_at: verified_at,
        };
        let zone = chrono_tz::Asia::Shanghai;
        let brought = stands.consequences(event, when, Rules { policy, zone });
        assert_eq!(words(&brought.after), expected, "{event:?}");
        assert!(brought.before.is_empty(), "{event:?}");
    }
}

#[test]
fn what_was_missed_by_then_comes_before_the_event_and_a_withdrawal_after_it() {
    let looked = || Event::ReinspectionPassed {
        reinspected_by: id(6),
    };
    let claim = |claimed_at: &str| ClaimedRectification {
        by: id(5),
        at: at(claimed_at),
        position: 9,
    };
    let late_claim = Hazard {
        deadline: Some(at(DUE)),
        claimed: Some(claim(LATE)),
        reinspection_due: Some(at(LATE)),
        ..Hazard::default()
    };
    let told_late = Hazard {
        breaches: [at(DUE)].into(),
        claimed: Some(claim("2024-02-02T08:00:00Z")),
        ..late_claim.clone()
    };
    let when = |occurred_at: &str| When {
        occurred_at: at(occurred_at),
        told_at: at("2024-02-05T00:00:00Z"),
    };
    let rules = Rules {
        policy: None,
        zone: chrono_tz::UTC,
    };
    let brought = late_claim.consequences(&looked(), when("2024-02-04T00:00:00Z"), rules);
    let missed = [
        "breach Reinspection 2024-02-03T00:00:00Z",
        "breach Rectification 2024-02-02T09:00:00Z",
    ];
    assert_eq!(
        (words(&brought.before), brought.after.len()),
        (missed.map(str::to_owned).to_vec(), 0)
    );
    let brought = told_late.consequences(&looked(), when(LATE), rules);
    let after = ["withdrawn Rectification 2024-02-02T09:00:00Z".to_owned()];
    assert_eq!(
        (brought.before.len(), words(&brought.after)),
        (0, after.to_vec())
    );
}
