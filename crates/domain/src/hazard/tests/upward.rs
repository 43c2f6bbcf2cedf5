//! A major hazard is told to a unit above in time, and a breach of that is recorded once.

use super::*;

/// Two hours after it was found to be major.
const UP_DUE: &str = "2024-02-01T11:00:00Z";

fn report_up_to(to: Option<u128>) -> Command {
    Command::ReportUp {
        hazard: id(70),
        to: to.map(id),
        authority: "fire brigade".to_owned(),
        reported_at: None,
    }
}

#[test]
fn a_major_hazard_has_a_deadline_to_be_told_upward_and_a_general_one_has_none() {
    assert_eq!(hazard(&major()).report_up_running(), Some(at(UP_DUE)));
    assert_eq!(hazard(&verified()).report_up_running(), None);
}

#[test]
fn it_is_told_to_a_unit_above_the_one_it_lies_in() {
    let cx = on_1_february(4, 10);
    for other in [101, 999] {
        major().refuses(report_up_to(Some(other)), &cx, Refusal::UpperUnitNotAbove);
    }
    for to in [None, Some(100)] {
        let events = major().when(report_up_to(to), &cx).expect("told");
        let told = Event::MajorHazardReportedUp {
            to: Some(id(100)),
            authority: "fire brigade".to_owned(),
            reported_by: Some(id(4)),
        };
        assert_eq!(events, [told.into()]);
    }
    assert_eq!(
        major().outcome(report_up_to(None), &timer()),
        "ACTOR_IS_NO_PERSON"
    );
}

#[test]
fn where_no_unit_stands_above_the_authority_alone_is_named() {
    let at_the_station = Command::ReportHazard {
        hazard: id(70),
        unit: id(100),
        kind: "gas".to_owned(),
        place: None,
        description: None,
        photos: Vec::new(),
        seen_at: None,
    };
    let history = base().then(at_the_station, &on_1_february(3, 8)).then(
        verify(HazardLevel::Major, Urgency::Red),
        &on_1_february(4, 9),
    );
    let events = history
        .when(report_up_to(None), &on_1_february(4, 10))
        .expect("told");
    let told = Event::MajorHazardReportedUp {
        to: None,
        authority: "fire brigade".to_owned(),
        reported_by: Some(id(4)),
    };
    assert_eq!(events, [told.into()]);
}

#[test]
fn the_breach_is_recorded_once_by_whoever_finds_it_first() {
    let breached = ("DeadlineBreached".to_owned(), at(UP_DUE), Trust::System);
    let by_timer = by_system(at("2024-02-01T11:00:01Z"));
    major().refuses(breach_up(), &by_system(at(UP_DUE)), Refusal::DeadlineNotDue);
    assert_eq!(told(&major(), &breach_up(), &by_timer)[0], breached);
    assert_eq!(
        told(&major(), &report_up(), &on_1_february(4, 12))[0],
        breached
    );
    let recorded = major().then(breach_up(), &by_timer);
    recorded.refuses(breach_up(), &timer(), Refusal::BreachAlreadyRecorded);
    assert_eq!(
        recorded.outcome(report_up(), &on_1_february(4, 12)),
        "MajorHazardReportedUp"
    );
    let late = recorded.then(report_up(), &on_1_february(4, 12));
    assert!(hazard(&late).report_up_breached, "too late stays too late");
    late.refuses(breach_up(), &timer(), Refusal::BreachAlreadyRecorded);
}

#[test]
fn the_timer_asks_for_the_deadline_that_falls_first_and_then_for_the_other() {
    // Blue leaves 72 hours to rectify it, but it is told upward within two.
    let history = reported().then(
        verify(HazardLevel::Major, Urgency::Blue),
        &on_1_february(4, 9),
    );
    let due = |history: &History| {
        let (at, command) = hazard(history).next_due(id(70)).expect("due");
        let Command::RecordBreach { purpose, .. } = command else {
            panic!("{command:?}");
        };
        (purpose, at)
    };
    assert_eq!(due(&history), (Purpose::ReportUp, at(UP_DUE)));
    let rectify = (Purpose::Rectification, at("2024-02-04T09:00:00Z"));
    let breached = history.clone().then(breach_up(), &on_time());
    assert_eq!(due(&breached), rectify);
    let told = history.then(report_up(), &on_1_february(4, 10));
    assert_eq!(due(&told), rectify);
}

fn on_time() -> Context {
    by_system(at("2024-02-01T11:00:01Z"))
}

#[test]
fn a_breach_is_withdrawn_when_it_was_told_in_time_after_all() {
    let recorded = major().then(breach_up(), &on_time());
    let events = recorded
        .when(report_up_at(UP_DUE), &on_1_february(4, 12))
        .expect("told");
    let withdrawn = Event::BreachWithdrawn {
        purpose: Purpose::ReportUp,
        due_at: at(UP_DUE),
        fact: None,
    };
    assert_eq!(events[1], withdrawn.into());
    let early = report_up_at("2024-02-01T07:59:59Z");
    recorded.refuses(early, &on_1_february(4, 12), Refusal::TimeBeforeReport);
}

#[test]
fn a_policy_set_without_the_hours_sets_no_such_deadline() {
    let text = include_str!("../../../../../policies/pilot.toml");
    let text = text.replace("hazard_report_up_hours = 2\n", "");
    let adopt = crate::policy_set::Command::AdoptPolicySet {
        unit: id(101),
        text,
        effective_from: None,
    };
    let history = base()
        .then(adopt, &by(id(1), at("2024-02-01T07:00:00Z")))
        .then(report(70), &on_1_february(3, 8))
        .then(
            verify(HazardLevel::Major, Urgency::Red),
            &on_1_february(4, 9),
        );
    assert_eq!(hazard(&history).report_up_running(), None);
}

#[test]
fn a_plan_ends_by_the_deadline() {
    let cx = on_1_february(5, 12);
    for (finish_by, expected) in [
        ("2024-02-01T12:00:00Z", "PLAN_NOT_IN_TIME"),
        ("2024-02-01T12:00:01Z", "RectificationPlanned"),
        (DUE, "RectificationPlanned"),
        ("2024-02-02T09:00:01Z", "PLAN_NOT_IN_TIME"),
    ] {
        assert_eq!(
            rectifying().outcome(plan(finish_by), &cx),
            expected,
            "{finish_by}"
        );
    }
    let blank = Command::PlanRectification {
        hazard: id(70),
        plan: Personal::new(" "),
        finish_by: at(DUE),
    };
    rectifying().refuses(blank, &cx, Refusal::PlanNotAllowed);
}

#[test]
fn a_report_upward_is_read_as_it_was_stored_before_and_as_it_is_now() {
    let authority = "fire brigade".to_owned();
    for (to, reported_by, payload) in [
        (None, None, r#"{"authority":"fire brigade"}"#.to_owned()),
        (
            Some(id::<UnitId>(100)),
            Some(id::<PersonId>(4)),
            format!(
                r#"{{"to":"{}","authority":"fire brigade","reported_by":"{}"}}"#,
                id::<UnitId>(100),
                id::<PersonId>(4)
            ),
        ),
    ] {
        let event = Event::MajorHazardReportedUp {
            to,
            authority: authority.clone(),
            reported_by,
        };
        let stored = format!(r#"{{"MajorHazardReportedUp":{payload}}}"#);
        let read: Event = serde_json::from_str(&stored).expect("it is read");
        assert_eq!(read, event);
        assert_eq!(
            serde_json::to_string(&event).expect("it is written"),
            stored
        );
    }
}
