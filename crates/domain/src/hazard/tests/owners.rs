//! Whose it is: joint owners by a council's ruling, other authorities, and who reported it again.

use super::*;
use crate::reactions;
use crate::stream::StreamName;

const TEN: u32 = 10;

fn ruling(lead: &str, joint: &[&str], council_meeting: &str) -> Command {
    Command::RuleJointOwner {
        hazard: id(70),
        lead: lead.to_owned(),
        joint: joint.iter().map(|&owner| owner.to_owned()).collect(),
        council_meeting: council_meeting.to_owned(),
        minutes: None,
    }
}

#[test]
fn a_ruling_names_a_lead_and_others_and_the_meeting_and_keeps_its_minutes() {
    let history = verified().then(unclear(), &on_1_february(4, TEN));
    let cx = on_1_february(2, 11);
    let long = "x".repeat(101);
    let many: Vec<_> = (0..11).map(|n| format!("unit {n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    for (command, refusal) in [
        (ruling(" ", &["b"], "m"), Refusal::OwnerNotAllowed),
        (ruling("a", &[], "m"), Refusal::JointOwnersNotAllowed),
        (ruling("a", &["a"], "m"), Refusal::JointOwnersNotAllowed),
        (
            ruling("a", &["b", "b"], "m"),
            Refusal::JointOwnersNotAllowed,
        ),
        (ruling("a", &many, "m"), Refusal::JointOwnersNotAllowed),
        (ruling("a", &["b"], " "), Refusal::CouncilMeetingNotAllowed),
        (
            ruling("a", &["b"], &long),
            Refusal::CouncilMeetingNotAllowed,
        ),
    ] {
        history.refuses(command, &cx, refusal);
    }
    let decision = Hazard::decide(&rule(), &history.world(), &cx).expect("allowed");
    assert_eq!(decision.events[0].envelope.evidence, [[5; 32]]);
}

#[test]
fn only_who_speaks_for_the_council_enters_its_ruling() {
    let history = verified().then(unclear(), &on_1_february(4, TEN));
    for person in [3, 5, 8] {
        history.refuses(rule(), &on_1_february(person, 11), Refusal::RulerNotAllowed);
    }
    for person in [1, 2] {
        history.clone().then(rule(), &on_1_february(person, 11));
    }
}

#[test]
fn what_a_council_ruled_only_a_council_changes() {
    let history = verified()
        .then(unclear(), &on_1_february(4, TEN))
        .then(rule(), &on_1_february(2, 11));
    history.refuses(assign(), &on_1_february(4, 12), Refusal::OwnersRuled);
    let again = history
        .then(unclear(), &on_1_february(4, 12))
        .then(rule(), &on_1_february(2, 13));
    assert_eq!(hazard(&again).state, HazardState::Rectifying);
}

#[test]
fn an_unclear_boundary_does_not_stop_the_clock() {
    let history = verified().then(unclear(), &on_1_february(4, TEN));
    assert_eq!(hazard(&history).deadline_running(), Some(at(DUE)));
    let breached = history.then(breach(DUE), &timer());
    assert!(hazard(&breached).breached());
}

#[test]
fn candidates_are_some_and_each_stands_once() {
    let raise = |candidates: &[&str]| Command::RaiseUnclearBoundary {
        hazard: id(70),
        candidates: candidates.iter().map(|&owner| owner.to_owned()).collect(),
        reason: "the pipe runs under both".to_owned(),
    };
    let cx = on_1_february(4, TEN);
    for candidates in [&[][..], &["a", "a"], &[" "]] {
        verified().refuses(raise(candidates), &cx, Refusal::CandidatesNotAllowed);
    }
    assert_eq!(
        verified().outcome(raise(&["a"]), &cx),
        "BoundaryUnclearRaised"
    );
}

#[test]
fn while_another_authority_has_it_no_deadline_of_ours_runs() {
    let history = rectifying().then(refer(), &on_1_february(4, 12));
    assert_eq!(hazard(&history).next_due(id(70)), None);
    history.refuses(breach(DUE), &timer(), Refusal::HazardNotOpen);
    let back = history.then(give_back(), &late(4));
    let state = hazard(&back);
    assert_eq!(state.state, HazardState::Verified);
    assert_eq!(state.deadline_running(), Some(at("2024-02-04T00:00:00Z")));
    assert!(!state.breached());
}

#[test]
fn a_referral_after_the_deadline_hides_no_breach() {
    let history = rectifying().then(refer(), &late(4));
    assert_eq!(hazard(&history).breaches.len(), 1);
}

#[test]
fn an_imported_hazard_that_comes_back_keeps_its_sources_deadline() {
    let history = base()
        .then(import(Some(DUE), None), &on_1_february(7, TEN))
        .then(refer(), &on_1_february(4, 12));
    assert_eq!(
        history.outcome(give_back(), &on_1_february(4, 13)),
        "ReferralReturned"
    );
    let back = history.then(give_back(), &on_1_february(4, 13));
    assert_eq!(hazard(&back).deadline_running(), Some(at(DUE)));
}

#[test]
fn a_deadline_that_passed_while_another_authority_had_it_is_no_breach() {
    let imported = applied(
        base()
            .then(import(Some(DUE), None), &on_1_february(7, TEN))
            .then(refer(), &on_1_february(4, 12)),
    );
    let back = imported.then(give_back(), &late(4));
    assert_eq!(hazard(&back).next_due(id(70)), None);
    back.refuses(breach(DUE), &timer(), Refusal::NoDeadline);
    // What was a breach before it went stays one.
    let breached = base()
        .then(import(Some(DUE), None), &on_1_february(7, TEN))
        .then(refer(), &late(4))
        .then(give_back(), &late(4));
    assert!(hazard(&breached).breached());
}

#[test]
fn a_time_to_tell_it_upward_that_passed_elsewhere_is_none_where_the_policy_sets_no_hours_any_more()
{
    let back = Event::ReferralReturned {
        reason: "not theirs".to_owned(),
        returned_by: id(4),
    };
    let history = major().then(refer(), &on_1_february(4, TEN)).and::<Hazard>(
        id::<HazardId>(70),
        back,
        at(LATE),
    );
    assert_eq!(hazard(&history).report_up_running(), None);
}

#[test]
fn referrals_are_bounded() {
    let refer = |authority: &str, external_id: Option<String>| Command::ReferHazard {
        hazard: id(70),
        authority: authority.to_owned(),
        external_id,
        reason: "theirs by law".to_owned(),
    };
    let cx = on_1_february(4, TEN);
    for (command, refusal) in [
        (refer(" ", None), Refusal::AuthorityNotAllowed),
        (
            refer("a", Some(String::new())),
            Refusal::ReferralIdNotAllowed,
        ),
        (
            refer("a", Some("x".repeat(201))),
            Refusal::ReferralIdNotAllowed,
        ),
    ] {
        verified().refuses(command, &cx, refusal);
    }
}

/// Hazard `n`, reported by a person at 08:00.
fn also_reported(history: History, n: u128, person: u128) -> History {
    history.then(report(n), &on_1_february(person, 8))
}

fn link_to(n: u128, master: u128) -> Command {
    Command::LinkDuplicate {
        hazard: id(n),
        master: id(master),
    }
}

#[test]
fn whoever_reported_a_duplicate_counts_as_a_reporter_of_what_is_kept() {
    let history = also_reported(reported(), 72, 5);
    let history = also_reported(history, 73, 6)
        .then(link_to(73, 72), &on_1_february(4, 9))
        .then(link_to(72, 70), &on_1_february(4, 9));
    let kept = hazard(&history);
    let reporters: Vec<PersonId> = kept.all_reporters().collect();
    assert_eq!(reporters, [id(3), id(5), id(6)]);
    // Who reported it, under whichever number, neither verifies nor re-inspects it.
    for person in [3, 5, 6] {
        history.refuses(
            verify_yellow(),
            &on_1_february(person, 9),
            Refusal::VerifierIsReporter,
        );
    }
    let rectified = history
        .then(verify_yellow(), &on_1_february(4, 9))
        .then(assign(), &on_1_february(4, TEN))
        .then(claim_done(None), &on_1_february(8, 20));
    rectified.refuses(
        pass(),
        &on_1_february(6, 21),
        Refusal::ReinspectorIsReporter,
    );
    assert_eq!(
        rectified.outcome(pass(), &on_1_february(7, 21)),
        "ReinspectionPassed"
    );
}

#[test]
fn a_hazard_has_a_bounded_number_of_duplicates() {
    let history = (0..100).fold(reported(), |history, n| {
        let linked = Event::DuplicateLinked {
            duplicate: id(1_000 + n),
            reporters: Vec::new(),
        };
        history.and::<Hazard>(id::<HazardId>(70), linked, at(DUE))
    });
    let history = also_reported(history, 72, 5);
    history.refuses(
        link_to(72, 70),
        &on_1_february(4, 9),
        Refusal::TooManyDuplicates,
    );
}

#[test]
fn neither_a_report_nor_its_duplicate_brings_an_award() {
    let stamp = Stamp {
        position: 9,
        version: 1,
        occurred_at: at(DUE),
        recorded_at: at(DUE),
    };
    let history = reported();
    let stream: StreamName = Hazard::stream(id::<HazardId>(70));
    let linked = history
        .when(link(71), &on_1_february(4, 9))
        .expect("linked");
    for event in linked {
        let asked = reactions::ALL.iter();
        let commands = asked.flat_map(|reaction| (reaction.react)(&stream, &event, &stamp));
        assert_eq!(commands.count(), 0, "{event:?}");
    }
}
