//! The loop: who may, deadlines and their breaches, bounds.

use super::*;

#[test]
fn another_than_the_reporter_verifies() {
    let own = late(3);
    reported().refuses(verify_yellow(), &own, Refusal::VerifierIsReporter);
}

#[test]
fn deadlines_follow_the_urgency() {
    for (urgency, due_at) in [
        (Urgency::Red, "2024-02-01T11:00:00Z"),
        (Urgency::Yellow, DUE),
        (Urgency::Blue, "2024-02-04T09:00:00Z"),
    ] {
        let command = verify(HazardLevel::General, urgency);
        let history = reported().then(command, &on_1_february(4, 9));
        assert_eq!(hazard(&history).deadline_running(), Some(at(due_at)));
    }
}

#[test]
fn a_breach_is_recorded_once_and_only_after_the_deadline() {
    let on_time = by_system(at(DUE));
    rectifying().refuses(breach(DUE), &on_time, Refusal::DeadlineNotDue);
    let history = rectifying().then(breach(DUE), &timer());
    history.refuses(breach(DUE), &timer(), Refusal::BreachAlreadyRecorded);
    assert!(hazard(&history).breached());
    assert_eq!(hazard(&history).deadline_running(), None);
    let claimed = history.then(claim_done(None), &late(5));
    claimed.refuses(breach(DUE), &timer(), Refusal::BreachAlreadyRecorded);
    assert_eq!(claimed.outcome(pass(), &late(6)), "ReinspectionPassed");
}

#[test]
fn a_breach_happens_when_the_deadline_passes_whoever_finds_it() {
    let breached = ("DeadlineBreached".to_owned(), at(DUE), Trust::System);
    let claimed_late = rectifying().then(claim_done(None), &late(5));
    let imported = base().then(import(Some(DUE), None), &on_1_february(7, 10));
    for (history, command, cx) in [
        (rectifying(), breach(DUE), timer()),
        (rectified(), fail(), late(6)),
        (claimed_late, pass(), late(6)),
        (imported, close_by_source(LATE), late(7)),
        (base(), import(Some(DUE), Some(LATE)), late(7)),
    ] {
        let events = told(&history, &command, &cx);
        assert!(events.contains(&breached), "{command:?}: {events:?}");
    }
}

#[test]
fn a_claim_too_late_is_a_breach_also_when_no_timer_came_by() {
    let history = rectifying().then(claim_done(None), &late(5));
    let outcome = history.outcome(pass(), &late(6));
    assert_eq!(outcome, "DeadlineBreached + ReinspectionPassed");
    let closed = history.then(pass(), &late(6)).then(close(), &late(6));
    assert!(hazard(&closed).breached());
}

#[test]
fn a_breach_is_withdrawn_when_a_late_claim_shows_that_it_was_met() {
    let history = rectifying()
        .then(breach(DUE), &timer())
        .then(claim_done(Some("2024-02-02T08:00:00Z")), &late(5));
    let position = hazard(&history).claimed.as_ref().expect("claimed").position;
    let events = history.when(pass(), &late(6)).expect("passed");
    let withdrawn = Event::BreachWithdrawn {
        purpose: Purpose::Rectification,
        due_at: at(DUE),
        fact: Some(position),
    };
    assert_eq!(events[1], withdrawn.into());
    let history = history.then(pass(), &late(6));
    assert!(!hazard(&history).breached());
    history.refuses(breach(DUE), &timer(), Refusal::DeadlineMet);
}

#[test]
fn a_breach_stands_when_the_late_claim_fails() {
    let history = rectifying()
        .then(breach(DUE), &timer())
        .then(claim_done(Some("2024-02-02T08:00:00Z")), &late(5));
    assert_eq!(history.outcome(fail(), &late(6)), "ReinspectionFailed");
    assert!(hazard(&history.then(fail(), &late(6))).breached());
}

#[test]
fn a_breach_before_an_extension_can_still_be_withdrawn() {
    let until = "2024-02-04T00:00:00Z";
    let history = rectifying()
        .then(breach(DUE), &timer())
        .then(extend(until), &late(4));
    assert_eq!(hazard(&history).deadline_running(), Some(at(until)));
    let between = history.clone().then(claim_done(Some(LATE)), &late(5));
    assert_eq!(between.outcome(pass(), &late(6)), "ReinspectionPassed");
    let before = history.then(claim_done(Some(DUE)), &late(5));
    let outcome = before.outcome(pass(), &late(6));
    assert_eq!(outcome, "ReinspectionPassed + BreachWithdrawn");
}

#[test]
fn each_deadline_can_be_breached_once() {
    let until = "2024-02-04T00:00:00Z";
    let history = rectifying()
        .then(breach(DUE), &timer())
        .then(extend(until), &late(4));
    let later = by_system(at("2024-02-05T00:00:00Z"));
    history.refuses(breach(DUE), &later, Refusal::DeadlineReplaced);
    let history = history.then(breach(until), &later);
    history.refuses(breach(until), &later, Refusal::BreachAlreadyRecorded);
    assert_eq!(hazard(&history).breaches.len(), 2);
}

#[test]
fn an_extension_ends_later_than_the_deadline_and_than_now() {
    for (now, until, expected) in [
        ("2024-02-01T12:00:00Z", DUE, "EXTENSION_NOT_LATER"),
        (
            "2024-02-01T12:00:00Z",
            "2024-02-02T09:00:01Z",
            "ExtensionGranted",
        ),
        (LATE, LATE, "EXTENSION_NOT_LATER"),
        (LATE, "2024-02-03T00:00:01Z", "ExtensionGranted"),
    ] {
        let outcome = rectifying().outcome(extend(until), &by(id(4), at(now)));
        assert_eq!(outcome, expected, "{until} at {now}");
    }
    let without = base().then(import(None, None), &late(7));
    without.refuses(
        extend("2024-02-04T00:00:00Z"),
        &late(4),
        Refusal::NoDeadline,
    );
}

#[test]
fn no_timer_is_due_while_a_claim_in_time_waits_or_has_passed() {
    for history in [rectified(), reinspected(), closed_out()] {
        assert_eq!(hazard(&history).deadline_running(), None);
    }
    let in_time = on_1_february(6, 21);
    let failed = rectified().then(fail(), &in_time);
    assert_eq!(hazard(&failed).deadline_running(), Some(at(DUE)));
    assert_eq!(failed.outcome(breach(DUE), &timer()), "DeadlineBreached");
}

#[test]
fn the_re_inspector_is_neither_reporter_nor_rectifier() {
    for command in [pass(), fail()] {
        let history = rectified();
        history.refuses(command.clone(), &late(3), Refusal::ReinspectorIsReporter);
        history.refuses(command.clone(), &late(5), Refusal::ReinspectorIsRectifier);
        history.then(command, &late(4));
    }
    assert_eq!(rectified().outcome(pass(), &timer()), "ACTOR_IS_NO_PERSON");
}

#[test]
fn who_reports_a_recurrence_is_its_reporter() {
    let history = closed_out().then(recur(), &late(6));
    assert_eq!(hazard(&history).state, HazardState::Reported);
    history.refuses(verify_yellow(), &late(6), Refusal::VerifierIsReporter);
    let history = history
        .then(verify_yellow(), &late(4))
        .then(assign(), &late(4))
        .then(claim_done(None), &late(5));
    history.refuses(pass(), &late(6), Refusal::ReinspectorIsReporter);
    assert_eq!(history.outcome(pass(), &late(3)), "ReinspectionPassed");
}

#[test]
fn a_recurrence_starts_the_loop_afresh() {
    let history = rectifying()
        .then(breach(DUE), &timer())
        .then(claim_done(None), &late(5))
        .then(pass(), &late(6))
        .then(close(), &late(4))
        .then(recur(), &late(3));
    let afresh = Hazard {
        state: HazardState::Reported,
        unit: Some(id(101)),
        reporter: Some(id(3)),
        reported_at: Some(at(LATE)),
        ..Hazard::default()
    };
    assert_eq!(*hazard(&history), afresh);
}

#[test]
fn a_major_hazard_is_made_safe_and_reported_up_before_it_is_rectified() {
    let major = reported()
        .then(
            verify(HazardLevel::Major, Urgency::Red),
            &on_1_february(4, 9),
        )
        .then(assign(), &on_1_february(4, 10));
    let cx = on_1_february(5, 11);
    major.refuses(claim_done(None), &cx, Refusal::InterimMeasureMissing);
    let safe = major.clone().then(interim(), &cx);
    safe.refuses(claim_done(None), &cx, Refusal::NotReportedUp);
    let told = major.then(report_up(), &cx);
    told.refuses(claim_done(None), &cx, Refusal::InterimMeasureMissing);
    let both = safe.then(report_up(), &cx);
    let outcome = both.outcome(claim_done(None), &cx);
    assert_eq!(outcome, "RectificationClaimed + DeadlineSet");
}

#[test]
fn nothing_is_done_in_the_future_before_the_report_or_beyond_the_window() {
    for (now, done_at, expected) in [
        (LATE, "2024-02-03T00:00:01Z", "TIME_IN_THE_FUTURE"),
        (LATE, "2024-02-01T07:59:59Z", "TIME_BEFORE_REPORT"),
        (
            LATE,
            "2024-02-01T08:00:00Z",
            "RectificationClaimed + DeadlineSet",
        ),
        (
            "2024-02-09T08:00:00Z",
            "2024-02-02T08:00:00Z",
            "RectificationClaimed + DeadlineSet",
        ),
        (
            "2024-02-09T08:00:01Z",
            "2024-02-02T08:00:00Z",
            "BACK_DATED_TOO_FAR",
        ),
    ] {
        let command = claim_done(Some(done_at));
        let outcome = rectifying().outcome(command, &by(id(5), at(now)));
        assert_eq!(outcome, expected, "{done_at} at {now}");
    }
}

#[test]
fn a_duplicate_names_a_master_that_is_none() {
    let duplicate = reported().then(link(71), &late(4));
    let report_72 = Command::ReportHazard {
        hazard: id(72),
        unit: id(101),
        kind: "blocked stairs".to_owned(),
        place: None,
        description: None,
        photos: vec![],
        seen_at: None,
    };
    let link_72 = |master| Command::LinkDuplicate {
        hazard: id(72),
        master: id(master),
    };
    let history = duplicate.then(report_72, &late(3));
    history.refuses(link_72(70), &late(4), Refusal::MasterIsDuplicate);
    history.refuses(link_72(72), &late(4), Refusal::MasterIsItself);
    history.refuses(link_72(99), &late(4), Refusal::MasterNotFound);
}

#[test]
fn texts_and_places_are_bounded() {
    let off_earth = Place {
        lat_e7: 900_000_001,
        lon_e7: 0,
    };
    let reporting = |kind: &str, place, text: &str| Command::ReportHazard {
        hazard: id(70),
        unit: id(101),
        kind: kind.to_owned(),
        place,
        description: Some(Personal::new(text)),
        photos: vec![],
        seen_at: None,
    };
    let (kind, text) = ("x".repeat(101), "x".repeat(4_001));
    for (command, refusal) in [
        (reporting(" ", None, ""), Refusal::KindNotAllowed),
        (reporting(&kind, None, ""), Refusal::KindNotAllowed),
        (
            reporting("kind", Some(off_earth), ""),
            Refusal::PlaceNotOnEarth,
        ),
        (reporting("kind", None, &text), Refusal::TextTooLong),
    ] {
        base().refuses(command, &late(3), refusal);
    }
    let long_reason = Command::RejectHazard {
        hazard: id(70),
        reason: "x".repeat(501),
    };
    reported().refuses(long_reason, &late(4), Refusal::ReasonNotAllowed);
    let no_reason = Command::Reinspect {
        hazard: id(70),
        passed: false,
        reason: None,
        inspected_at: None,
    };
    rectified().refuses(no_reason, &late(6), Refusal::ReasonNotAllowed);
    let nobody = Command::AssignOwner {
        hazard: id(70),
        owner: " ".to_owned(),
    };
    verified().refuses(nobody, &late(4), Refusal::OwnerNotAllowed);
}
