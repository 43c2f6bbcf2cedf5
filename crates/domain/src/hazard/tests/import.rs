//! Taken over from elsewhere, within an approved batch.

use super::*;

#[test]
fn a_whole_life_is_imported_in_one_decision() {
    let opened = "HazardReported + Claimed + OwnerAssigned";
    let early = "2024-02-01T20:00:00Z";
    for (due_at, closed_at, rest, state) in [
        (None, None, "", HazardState::Rectifying),
        (
            None,
            Some(LATE),
            " + ClosedBySource",
            HazardState::ClosedBySource,
        ),
        (
            Some("2024-02-04T00:00:00Z"),
            None,
            " + DeadlineSet",
            HazardState::Rectifying,
        ),
        (
            Some(DUE),
            None,
            " + DeadlineSet + DeadlineBreached",
            HazardState::Rectifying,
        ),
        (
            Some(DUE),
            Some(early),
            " + DeadlineSet + ClosedBySource",
            HazardState::ClosedBySource,
        ),
        (
            Some(DUE),
            Some(DUE),
            " + DeadlineSet + ClosedBySource",
            HazardState::ClosedBySource,
        ),
        (
            Some(DUE),
            Some(LATE),
            " + DeadlineSet + DeadlineBreached + ClosedBySource",
            HazardState::ClosedBySource,
        ),
    ] {
        let command = import(due_at, closed_at);
        let outcome = base().outcome(command.clone(), &late(7));
        assert_eq!(
            outcome,
            format!("{opened}{rest}"),
            "{due_at:?} {closed_at:?}"
        );
        let history = base().then(command, &late(7));
        assert_eq!(hazard(&history).state, state);
        assert_eq!(
            hazard(&history).breached(),
            rest.contains("DeadlineBreached")
        );
    }
}

#[test]
fn what_is_imported_carries_its_own_times_and_is_paper() {
    let life = told(&base(), &import(Some(DUE), Some(LATE)), &late(7));
    let opened = at("2024-02-01T08:00:00Z");
    let expected = [
        ("HazardReported", opened, Trust::Paper),
        ("Claimed", opened, Trust::Paper),
        ("OwnerAssigned", opened, Trust::Paper),
        ("DeadlineSet", opened, Trust::Paper),
        ("DeadlineBreached", at(DUE), Trust::System),
        ("ClosedBySource", at(LATE), Trust::Paper),
    ];
    let expected = expected.map(|(name, at, trust)| (name.to_owned(), at, trust));
    assert_eq!(life, expected);
}

#[test]
fn an_import_needs_an_approved_batch_and_times_in_order() {
    let ended = applied(base());
    let refusal = import_batch::Refusal::BatchNotApproved;
    ended.refuses(import(None, None), &late(7), refusal);
    let before = "2024-02-01T07:00:00Z";
    let after = "2024-02-03T00:00:01Z";
    for (due_at, closed_at, refusal) in [
        (None, Some(before), Refusal::ClosedBeforeOpened),
        (Some(before), None, Refusal::DueBeforeOpened),
        (None, Some(after), Refusal::TimeInTheFuture),
    ] {
        base().refuses(import(due_at, closed_at), &late(7), refusal);
    }
}

#[test]
fn texts_of_an_import_are_bounded() {
    let with = |change: &dyn Fn(&mut Imported, &mut SourceClosing)| {
        let mut command = import(None, Some(LATE));
        if let Command::ImportHazard {
            imported,
            closed: Some(closed),
            ..
        } = &mut command
        {
            change(imported, closed);
        }
        command
    };
    let text = |length| "x".repeat(length);
    for (command, refusal) in [
        (
            with(&|id, _| id.source = text(101)),
            Refusal::ExternalIdNotAllowed,
        ),
        (
            with(&|id, _| id.external_id = text(201)),
            Refusal::ExternalIdNotAllowed,
        ),
        (
            with(&|id, _| id.external_id = text(0)),
            Refusal::ExternalIdNotAllowed,
        ),
        (
            with(&|_, closed| closed.status = text(0)),
            Refusal::StatusNotAllowed,
        ),
        (
            with(&|_, closed| closed.status = text(101)),
            Refusal::StatusNotAllowed,
        ),
        (
            with(&|_, closed| closed.reason = Some(Personal::new(text(4_001)))),
            Refusal::TextTooLong,
        ),
    ] {
        base().refuses(command, &late(7), refusal);
    }
}

#[test]
fn timers_hold_still_while_the_batch_is_open() {
    let history = base().then(import(Some(DUE), None), &on_1_february(7, 10));
    history.refuses(breach(DUE), &timer(), Refusal::ImportStillOpen);
    let applied = applied(history);
    assert_eq!(applied.outcome(breach(DUE), &timer()), "DeadlineBreached");
}

#[test]
fn a_closing_by_the_source_withdraws_a_breach_that_it_shows_was_none() {
    let breached = base().then(import(Some(DUE), None), &late(7));
    assert!(hazard(&breached).breached());
    let in_time = close_by_source("2024-02-02T08:00:00Z");
    let withdrawn = Event::BreachWithdrawn {
        purpose: Purpose::Rectification,
        due_at: at(DUE),
        fact: None,
    };
    let events = breached.when(in_time.clone(), &late(7)).expect("imported");
    assert_eq!(events[1], withdrawn.into());
    let history = breached.clone().then(in_time, &late(7));
    assert_eq!(hazard(&history).state, HazardState::ClosedBySource);
    assert!(!hazard(&history).breached());
    let too_late = close_by_source(LATE);
    assert_eq!(breached.outcome(too_late, &late(7)), "ClosedBySource");
}

#[test]
fn a_closing_by_the_source_after_the_deadline_is_a_breach_unless_a_re_inspection_met_it() {
    let open = base().then(import(Some(DUE), None), &on_1_february(7, 10));
    let command = || close_by_source(LATE);
    let breached = "DeadlineBreached + ClosedBySource";
    assert_eq!(open.outcome(command(), &late(7)), breached);
    let claimed = open.then(claim_done(None), &on_1_february(5, 20));
    assert_eq!(claimed.outcome(command(), &late(7)), breached);
    let passed = claimed.then(pass(), &on_1_february(6, 21));
    assert_eq!(passed.outcome(command(), &late(7)), "ClosedBySource");
}

#[test]
fn a_source_closes_after_it_opened_and_not_in_the_future() {
    let open = base().then(import(None, None), &late(7));
    for (closed_at, refusal) in [
        ("2024-02-01T07:59:59Z", Refusal::ClosedBeforeOpened),
        ("2024-02-03T00:00:01Z", Refusal::TimeInTheFuture),
    ] {
        open.refuses(close_by_source(closed_at), &late(7), refusal);
    }
    let refusal = import_batch::Refusal::BatchNotApproved;
    applied(open).refuses(close_by_source(LATE), &late(7), refusal);
}
