use proptest::prelude::*;

use super::*;
use crate::import_batch::{self, BatchFile};
use crate::testing::{History, any_history, at, by, by_system, id, team};

// The life told here: reported by 3 at 08:00, verified by 4 at 09:00 as yellow, so due a day
// later, assigned, claimed by 5 at 20:00, re-inspected by 6 at 21:00, closed at 22:00.
const DUE: &str = "2024-02-02T09:00:00Z";
/// After the deadline.
const LATE: &str = "2024-02-03T00:00:00Z";

fn on_1_february(person: u128, hour: u32) -> Context {
    by(id(person), at(&format!("2024-02-01T{hour:02}:00:00Z")))
}

fn late(person: u128) -> Context {
    by(id(person), at(LATE))
}

fn timer() -> Context {
    by_system(at(LATE))
}

fn report(hazard: u128) -> Command {
    Command::ReportHazard {
        hazard: id(hazard),
        unit: id(101),
        kind: "blocked stairs".to_owned(),
        place: Place::from_degrees(32.5, 120.1),
        description: Some(Personal::new("boxes")),
        photos: vec![[1; 32]],
        seen_at: None,
    }
}

fn verify(level: HazardLevel, urgency: Urgency) -> Command {
    Command::VerifyHazard {
        hazard: id(70),
        level,
        urgency,
    }
}

fn verify_yellow() -> Command {
    verify(HazardLevel::General, Urgency::Yellow)
}

fn reject() -> Command {
    Command::RejectHazard {
        hazard: id(70),
        reason: "nothing there".to_owned(),
    }
}

fn link(master: u128) -> Command {
    Command::LinkDuplicate {
        hazard: id(70),
        master: id(master),
    }
}

fn assign() -> Command {
    Command::AssignOwner {
        hazard: id(70),
        owner: "property company".to_owned(),
    }
}

fn extend(until: &str) -> Command {
    Command::GrantExtension {
        hazard: id(70),
        until: at(until),
        reason: "parts are ordered".to_owned(),
    }
}

fn interim() -> Command {
    Command::TakeInterimMeasure {
        hazard: id(70),
        measure: Personal::new("a fence"),
    }
}

fn report_up() -> Command {
    Command::ReportUp {
        hazard: id(70),
        authority: "district office".to_owned(),
    }
}

fn claim_done(done_at: Option<&str>) -> Command {
    Command::ClaimRectification {
        hazard: id(70),
        done_at: done_at.map(at),
        photos: vec![[2; 32]],
    }
}

fn pass() -> Command {
    Command::Reinspect {
        hazard: id(70),
        passed: true,
        reason: None,
    }
}

fn fail() -> Command {
    Command::Reinspect {
        hazard: id(70),
        passed: false,
        reason: Some("still blocked".to_owned()),
    }
}

fn close() -> Command {
    Command::CloseOut { hazard: id(70) }
}

fn recur() -> Command {
    Command::RecordRecurrence {
        hazard: id(70),
        seen_at: None,
    }
}

fn breach(due_at: &str) -> Command {
    Command::RecordBreach {
        hazard: id(70),
        due_at: at(due_at),
    }
}

fn closing(closed_at: &str) -> SourceClosing {
    SourceClosing {
        closed_at: at(closed_at),
        status: "closed".to_owned(),
        reason: Some(Personal::new("case resolved")),
    }
}

fn import(due_at: Option<&str>, closed_at: Option<&str>) -> Command {
    Command::ImportHazard {
        hazard: id(70),
        imported: Imported {
            batch: id(80),
            source: "source".to_owned(),
            external_id: "1".to_owned(),
        },
        unit: id(101),
        kind: "pothole".to_owned(),
        place: None,
        opened_at: at("2024-02-01T08:00:00Z"),
        owner: "works".to_owned(),
        due_at: due_at.map(at),
        closed: closed_at.map(closing),
    }
}

fn close_by_source(closed_at: &str) -> Command {
    Command::CloseBySource {
        hazard: id(70),
        batch: id(80),
        closed: closing(closed_at),
    }
}

/// A team with an approved batch and another hazard, 71, to be a master.
fn base() -> History {
    use import_batch::Command as Batch;
    let start = at("2024-02-01T07:00:00Z");
    let (uploader, approver) = (by(id(7), start), by(id(8), start));
    let upload = Batch::UploadBatch {
        batch: id(80),
        source: "source".to_owned(),
        files: vec![BatchFile {
            name: "rows.csv".to_owned(),
            sha256: "0".repeat(64),
        }],
    };
    let check = Batch::CheckBatch {
        batch: id(80),
        rows_good: 9,
        rows_bad: 0,
    };
    team()
        .then(upload, &uploader)
        .then(check, &uploader)
        .then(Batch::ApproveBatch { batch: id(80) }, &approver)
        .then(report(71), &by(id(3), start))
}

fn applied(history: History) -> History {
    let apply = import_batch::Command::ApplyBatch {
        batch: id(80),
        rows_applied: 1,
        rows_known: 0,
    };
    history.then(apply, &late(7))
}

fn reported() -> History {
    base().then(report(70), &on_1_february(3, 8))
}

fn verified() -> History {
    reported().then(verify_yellow(), &on_1_february(4, 9))
}

fn rectifying() -> History {
    verified().then(assign(), &on_1_february(4, 10))
}

fn rectified() -> History {
    rectifying().then(claim_done(None), &on_1_february(5, 20))
}

fn reinspected() -> History {
    rectified().then(pass(), &on_1_february(6, 21))
}

fn closed_out() -> History {
    reinspected().then(close(), &on_1_february(4, 22))
}

fn hazard(history: &History) -> std::sync::Arc<Hazard> {
    history.state(id::<HazardId>(70))
}

/// A hazard in every state.
fn states() -> Vec<History> {
    let imported = import(Some(DUE), Some("2024-02-01T20:00:00Z"));
    vec![
        base(),
        reported(),
        verified(),
        rectifying(),
        rectified(),
        reinspected(),
        closed_out(),
        reported().then(reject(), &on_1_february(4, 9)),
        reported().then(link(71), &on_1_february(4, 9)),
        base().then(imported, &late(7)),
    ]
}

type Row<'a> = (
    Command,
    Context,
    &'a [(&'a [HazardState], &'a str)],
    &'a str,
);

/// What a command comes to in every state: as the row says, else the answer of the row's end.
#[track_caller]
fn check((command, cx, answers, otherwise): Row) {
    for history in states() {
        let state = hazard(&history).state;
        let mut answers = answers.iter();
        let expected = answers
            .find(|(states, _)| states.contains(&state))
            .map_or(otherwise, |(_, answer)| answer);
        let outcome = history.outcome(command.clone(), &cx);
        assert_eq!(outcome, expected, "{command:?} in {state:?}");
    }
}

#[test]
#[rustfmt::skip]
fn every_command_in_every_state_has_its_answer() {
    use HazardState as S;
    let unknown = (&[S::Unknown][..], "HAZARD_NOT_FOUND");
    let open = &[S::Reported, S::Verified, S::Rectifying, S::Rectified, S::Reinspected];
    let imported = "HazardReported + Claimed + OwnerAssigned";
    let rows: [Row; 17] = [
        (report(70), late(3), &[(&[S::Unknown], "HazardReported")], "HAZARD_ALREADY_REPORTED"),
        (verify_yellow(), late(2), &[unknown, (&[S::Reported], "HazardVerified + DeadlineSet")], "HAZARD_NOT_REPORTED"),
        (reject(), late(2), &[unknown, (&[S::Reported, S::Verified], "HazardRejected")], "HAZARD_NOT_REPORTED"),
        (link(71), late(2), &[unknown, (&[S::Reported, S::Verified], "HazardLinkedAsDuplicate")], "HAZARD_NOT_REPORTED"),
        (assign(), late(2), &[unknown, (&[S::Verified, S::Rectifying], "OwnerAssigned")], "HAZARD_NOT_VERIFIED"),
        (extend("2024-02-04T00:00:00Z"), late(2), &[unknown, (&[S::Rectifying], "ExtensionGranted")], "HAZARD_NOT_RECTIFYING"),
        (interim(), late(2), &[unknown, (open, "InterimMeasureTaken")], "HAZARD_NOT_OPEN"),
        (report_up(), late(2), &[unknown, (open, "HAZARD_NOT_MAJOR")], "HAZARD_NOT_OPEN"),
        (claim_done(None), late(2), &[unknown, (&[S::Rectifying], "RectificationClaimed")], "HAZARD_NOT_RECTIFYING"),
        (pass(), late(2), &[unknown, (&[S::Rectified], "ReinspectionPassed")], "HAZARD_NOT_RECTIFIED"),
        (fail(), late(2), &[unknown, (&[S::Rectified], "ReinspectionFailed + DeadlineBreached")], "HAZARD_NOT_RECTIFIED"),
        (close(), late(2), &[unknown, (&[S::Reinspected], "HazardClosedOut")], "HAZARD_NOT_REINSPECTED"),
        (recur(), late(2), &[unknown, (&[S::ClosedOut, S::ClosedBySource], "HazardRecurred")], "HAZARD_NOT_CLOSED"),
        (breach(DUE), timer(), &[
            unknown,
            (&[S::Reported], "NO_DEADLINE"),
            (&[S::Verified, S::Rectifying], "DeadlineBreached"),
            (&[S::Rectified], "RECTIFICATION_AWAITS_REINSPECTION"),
            (&[S::Reinspected], "DEADLINE_MET"),
        ], "HAZARD_NOT_OPEN"),
        (breach(DUE), late(2), &[unknown], "ACTOR_IS_NOT_THE_SYSTEM"),
        (import(None, None), late(7), &[
            (&[S::Unknown], imported),
            (&[S::ClosedBySource], "HAZARD_ALREADY_IMPORTED"),
        ], "HAZARD_ALREADY_REPORTED"),
        (close_by_source(LATE), late(7), &[
            unknown,
            (&[S::ClosedBySource], "HAZARD_NOT_OPEN"),
        ], "HAZARD_NOT_IMPORTED"),
    ];
    for row in rows {
        check(row);
    }
}

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

/// Events with their times, as decided.
#[track_caller]
fn told(history: &History, command: &Command, cx: &Context) -> Vec<(String, Instant, Trust)> {
    let decision = Hazard::decide(command, &history.world(), cx).expect("allowed");
    let events = decision.events.into_iter();
    events
        .map(|event| {
            let envelope = &event.envelope;
            let name = event.event.encode().0;
            (name, envelope.occurred_at, envelope.trust)
        })
        .collect()
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
    assert_eq!(both.outcome(claim_done(None), &cx), "RectificationClaimed");
}

#[test]
fn nothing_is_done_in_the_future_before_the_report_or_beyond_the_window() {
    for (now, done_at, expected) in [
        (LATE, "2024-02-03T00:00:01Z", "TIME_IN_THE_FUTURE"),
        (LATE, "2024-02-01T07:59:59Z", "TIME_BEFORE_REPORT"),
        (LATE, "2024-02-01T08:00:00Z", "RectificationClaimed"),
        (
            "2024-02-09T08:00:00Z",
            "2024-02-02T08:00:00Z",
            "RectificationClaimed",
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
    };
    rectified().refuses(no_reason, &late(6), Refusal::ReasonNotAllowed);
    let nobody = Command::AssignOwner {
        hazard: id(70),
        owner: " ".to_owned(),
    };
    verified().refuses(nobody, &late(4), Refusal::OwnerNotAllowed);
}

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_events_is_borne(history in any_history({
        let deadline = |due_at| Deadline { due_at: at(due_at), basis: String::new() };
        let reported = |imported| Event::HazardReported {
            unit: id(101),
            kind: String::new(),
            place: None,
            description: None,
            reporter: None,
            imported,
        };
        vec![
            reported(None),
            reported(Some(Imported { batch: id(80), source: String::new(), external_id: String::new() })),
            Event::HazardVerified { level: HazardLevel::Major, urgency: Urgency::Red, verified_by: id(4) },
            Event::HazardRejected { reason: String::new(), rejected_by: id(4) },
            Event::HazardLinkedAsDuplicate { master: id(70), linked_by: id(4) },
            Event::OwnerAssigned { owner: String::new() },
            Event::DeadlineSet { deadline: deadline(DUE) },
            Event::ExtensionGranted { deadline: deadline(LATE), reason: String::new(), granted_by: id(4) },
            Event::InterimMeasureTaken { measure: Personal::new("") },
            Event::MajorHazardReportedUp { authority: String::new() },
            Event::RectificationClaimed { rectified_by: id(5) },
            Event::ReinspectionPassed { reinspected_by: id(6) },
            Event::ReinspectionFailed { reinspected_by: id(6), reason: String::new() },
            Event::HazardClosedOut { closed_by: id(4) },
            Event::HazardRecurred { reported_by: id(3) },
            Event::DeadlineBreached { due_at: at(DUE) },
            Event::BreachWithdrawn { due_at: at(LATE), fact: None },
            Event::ClosedBySource { closed: closing(DUE) },
        ]
    })) {
        let mut hazard = Hazard::default();
        for (event, stamp) in &history {
            hazard.evolve(event, stamp);
        }
        prop_assert!(hazard.deadline_running().is_none() || hazard.state.is_open());
    }
}
