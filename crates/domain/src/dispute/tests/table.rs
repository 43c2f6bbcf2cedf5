//! Every command in every state: as a row says it by hand, and as the listing in the docs shows it.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

/// A command, who gives it when, its answer in some states, and the answer in all others.
type Row<'a> = (
    Command,
    Context,
    &'a [(&'a [DisputeState], &'a str)],
    &'a str,
);

/// `snake_case`, as stored.
fn name(state: DisputeState) -> String {
    let value = serde_json::to_value(state).expect("a state");
    value.as_str().expect("a text").to_owned()
}

#[rustfmt::skip]
fn rows() -> Vec<Row<'static>> {
    use DisputeState as S;
    const UNKNOWN: (&[S], &str) = (&[S::Unknown], "DISPUTE_NOT_FOUND");
    const MEDIATING: &[S] = &[S::Accepted, S::Scheduled, S::InMediation, S::Adjourned];
    const BEFORE_FORCE: &[S] = &[S::Registered, S::Accepted, S::Scheduled, S::InMediation, S::Adjourned, S::Agreed];
    const IN_FORCE: &[S] = &[S::Performing, S::Breached, S::Urged];
    const HOLDS: &[S] = &[S::Performing, S::Breached, S::Urged, S::Performed];
    const OPEN: &[S] = &[S::Registered, S::Accepted, S::Scheduled, S::InMediation, S::Adjourned, S::Agreed, S::Performing, S::Breached, S::Urged];
    const ENDED: &[S] = &[S::NotAccepted, S::Performed, S::ReferredToCourt, S::Void, S::Failed, S::Withdrawn, S::Terminated];
    const TOOK_EFFECT: &[S] = &[S::Performing, S::Breached, S::Urged, S::Performed, S::ReferredToCourt, S::Void, S::Archived];
    let party = |n| (id(n), None);
    let (five, paper): (PersonId, Paper) = party(5);
    let soon = at("2024-06-02T00:00:00Z");
    let not_registered = "DISPUTE_NOT_REGISTERED";
    let not_mediated = "DISPUTE_NOT_MEDIATED";
    let not_in_force = "AGREEMENT_NOT_IN_FORCE";
    let replace = Ask::ReplaceMediator { mediator: id(3), replacement: id(4) };
    let challenge = Ask::ChallengeMediator { mediator: id(3), party: five, reason: text(), paper };
    let assess = Ask::RequestAssessment { assessment: id(700), expert: id(4), question: text() };
    let answer = Ask::RecordAssessment { assessment: id(700), finding: text(), report: None };
    let reach = agree(Form::Written, vec![obligation(1, 5, 6, "2024-07-01T00:00:00Z")]);
    let breach = |purpose, due_at| ask(Ask::RecordBreach { purpose, due_at: at(due_at) });
    let court = Ask::RecordCourtDecision { decision: CourtDecision::Confirmed, document: [3; 32] };
    vec![
        (register(), late(3), &[(&[S::Unknown], "DisputeRegistered + MediationOffered")], "DISPUTE_ALREADY_REGISTERED"),
        (consent(5), late(5), &[UNKNOWN, (&[S::Registered], "PartyConsented")], not_registered),
        (ask(Ask::RefuseConsent { party: five, paper }), late(5), &[UNKNOWN, (&[S::Registered], "PartyRefused")], not_registered),
        (ask(Ask::AcceptDispute), late(2), &[UNKNOWN, (&[S::Registered], "CONSENT_MISSING")], not_registered),
        (ask(Ask::DeclineDispute { reason: reason(), where_to_go: reason() }), late(2), &[UNKNOWN, (&[S::Registered], "DisputeNotAccepted + DeadlineSet")], not_registered),
        // That it has a panel already is a matter of the dispute, not of its state.
        (ask(Ask::FormPanel { panel: panel() }), late(2), &[UNKNOWN, (&[S::Accepted], "PANEL_ALREADY_FORMED")], "DISPUTE_NOT_ACCEPTED"),
        (ask(challenge), late(5), &[UNKNOWN, (MEDIATING, "MediatorChallenged")], not_mediated),
        (ask(replace), late(2), &[UNKNOWN, (MEDIATING, "MediatorReplaced")], not_mediated),
        (ask(Ask::NotifyRights), late(2), &[UNKNOWN, (MEDIATING, "RIGHTS_ALREADY_NOTIFIED")], not_mediated),
        (ask(assess), late(2), &[UNKNOWN, (MEDIATING, "ExpertAssessmentRequested")], not_mediated),
        (ask(answer), late(4), &[UNKNOWN, (MEDIATING, "ASSESSMENT_NOT_REQUESTED")], not_mediated),
        (ask(Ask::ScheduleSession { starts_at: soon }), late(2), &[UNKNOWN, (MEDIATING, "SessionScheduled")], not_mediated),
        (hold(SessionType::Persuasion, &[5]), late(3), &[UNKNOWN, (&[S::Accepted], "SESSION_NOT_SCHEDULED"), (MEDIATING, "SessionHeld")], not_mediated),
        (ask(Ask::AdjournMediation { reason: reason() }), late(2), &[UNKNOWN, (&[S::Scheduled, S::InMediation], "MediationAdjourned")], "DISPUTE_NOT_IN_MEDIATION"),
        (ask(Ask::FlagEscalationRisk { reason: text() }), late(2), &[UNKNOWN, (OPEN, "EscalationRiskFlagged")], "DISPUTE_NOT_OPEN"),
        (ask(Ask::AddEvidence { items: vec![[4; 32]] }), late(6), &[UNKNOWN, (MEDIATING, "EvidenceAdded")], not_mediated),
        (ask(Ask::ConsentToExtension { party: five, until: soon, paper }), late(5), &[UNKNOWN, (MEDIATING, "ExtensionConsented")], not_mediated),
        (reach, late(2), &[UNKNOWN, (&[S::InMediation], "DeadlineBreached + AgreementReached")], "DISPUTE_NOT_IN_MEDIATION"),
        (sign(5), late(5), &[UNKNOWN, (&[S::Agreed], "AgreementSigned")], "AGREEMENT_NOT_REACHED"),
        (ask(Ask::SignAsMediator), late(3), &[UNKNOWN, (&[S::Agreed], "MediatorSigned")], "AGREEMENT_NOT_REACHED"),
        (ask(Ask::SealAgreement), late(2), &[UNKNOWN, (&[S::Agreed], "SIGNATURE_MISSING")], "AGREEMENT_NOT_REACHED"),
        (perform(1), late(6), &[UNKNOWN,
            (&[S::Performing], "ObligationOverdue + ObligationPerformed"),
            (&[S::Breached, S::Urged], "ObligationPerformed")], not_in_force),
        (ask(Ask::RecordOverdue { obligation: 1 }), timer(LATE), &[UNKNOWN,
            (&[S::Performing], "ObligationOverdue"),
            (&[S::Breached, S::Urged], "OVERDUE_ALREADY_RECORDED")], not_in_force),
        (ask(Ask::RecordOverdue { obligation: 1 }), late(2), &[UNKNOWN, (IN_FORCE, "ACTOR_IS_NOT_THE_SYSTEM")], not_in_force),
        (ask(Ask::UrgePerformance), late(2), &[UNKNOWN, (&[S::Breached, S::Urged], "PerformanceUrged")], "AGREEMENT_NOT_BREACHED"),
        (ask(Ask::ReferToCourt { court: reason() }), late(2), &[UNKNOWN, (&[S::Breached, S::Urged], "ReferredToCourt + DeadlineSet")], "AGREEMENT_NOT_BREACHED"),
        (ask(Ask::RequestConfirmation { party: five, paper }), february(5, 21, 9), &[UNKNOWN, (HOLDS, "ConfirmationRequested")], not_in_force),
        (ask(court), late(2), &[UNKNOWN, (HOLDS, "CONFIRMATION_NOT_APPLIED")], not_in_force),
        (fail(), late(2), &[UNKNOWN, (MEDIATING, "MediationFailed + DeadlineSet"), (&[S::Agreed], "MediationFailed + DeadlineSet")], not_mediated),
        (withdraw(6), late(6), &[UNKNOWN, (BEFORE_FORCE, "MediationWithdrawn + DeadlineSet"), (IN_FORCE, "AGREEMENT_IN_FORCE")], "DISPUTE_NOT_OPEN"),
        (ask(Ask::TerminateDispute { reason: reason() }), late(2), &[UNKNOWN, (OPEN, "DisputeTerminated + DeadlineSet")], "DISPUTE_NOT_OPEN"),
        (ask(Ask::RecordFollowUp { satisfied: true }), late(2), &[UNKNOWN, (HOLDS, "FollowUpRecorded")], not_in_force),
        (ask(Ask::VerifyHelp { person: id(3) }), late(2), &[UNKNOWN, (&[S::Performing, S::Performed, S::Archived], "HelpVerified")], "PEACE_NOT_HELD"),
        (ask(Ask::ArchiveDispute), timer(LATE), &[UNKNOWN, (ENDED, "DisputeArchived")], "DISPUTE_NOT_ENDED"),
        (ask(Ask::ReopenDispute { reason: reason() }), late(2), &[UNKNOWN, (&[S::Archived], "DisputeReopened + MediationOffered")], "DISPUTE_NOT_ARCHIVED"),
        (ask(Ask::LinkRelapse { relapse: id(601) }), late(2), &[UNKNOWN, (TOOK_EFFECT, "RelapseLinked")], "NOTHING_TO_RELAPSE"),
        (breach(Purpose::Mediation, MEDIATION_DUE), timer(LATE), &[UNKNOWN, (MEDIATING, "DeadlineBreached")], "NO_DEADLINE"),
        (breach(Purpose::FollowUp, WEEK_AFTER), timer(LATE), &[UNKNOWN, (HOLDS, "DeadlineBreached")], "NO_DEADLINE"),
    ]
}

#[test]
fn every_command_in_every_state_has_its_answer() {
    for (command, cx, answers, otherwise) in rows() {
        for history in states() {
            let state = dispute(&history).state;
            let mut answers = answers.iter();
            let expected = answers
                .find(|(states, _)| states.contains(&state))
                .map_or(otherwise, |(_, answer)| answer);
            let outcome = history.outcome(command.clone(), &cx);
            assert_eq!(outcome, expected, "{:?} in {state:?}", command.ask);
        }
    }
}

#[test]
fn the_table_has_a_row_for_every_command() {
    let source = include_str!("../command.rs");
    let asks = source.split("pub enum Ask {\n").nth(1).expect("the asks");
    let asks = asks.split("\n}\n").next().expect("their end").lines();
    let declared: std::collections::BTreeSet<_> = asks
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .map(|line| line.trim_end_matches([' ', '{', ',']).to_owned())
        .collect();
    let told: std::collections::BTreeSet<_> =
        rows().iter().map(|(command, ..)| word(command)).collect();
    assert_eq!(told, declared);
}

/// What only part of a state allows: where, in words; a history; the command, who and when; what
/// comes of it.
type Situation = (&'static str, History, Command, Context, &'static str);

#[rustfmt::skip]
fn situations() -> Vec<Situation> {
    let accepted_bare = consented().then(ask(Ask::AcceptDispute), &february(2, 1, 9));
    let formed = accepted_bare.clone().then(ask(Ask::FormPanel { panel: panel() }), &february(2, 1, 10));
    let assess = Ask::RequestAssessment { assessment: id(700), expert: id(4), question: text() };
    let answer = Ask::RecordAssessment { assessment: id(700), finding: text(), report: None };
    let extend = |party| ask(Ask::ConsentToExtension { party: id(party), until: at(LATE), paper: None });
    let confirm = |party| ask(Ask::RequestConfirmation { party: id(party), paper: None });
    let confirming = performing().then(confirm(5), &february(5, 6, 9));
    let asked = confirming.clone().then(confirm(6), &february(6, 6, 9));
    let court = |decision| ask(Ask::RecordCourtDecision { decision, document: [3; 32] });
    let nothing_owed = agreed_as(Form::Oral, vec![]).then(sign(5), &february(5, 5, 10)).then(sign(6), &february(6, 5, 10));
    vec![
        ("registered, all consent", consented(), ask(Ask::AcceptDispute), february(2, 1, 9), "DisputeAccepted + DeadlineSet"),
        ("accepted, no panel", accepted_bare, ask(Ask::FormPanel { panel: panel() }), february(2, 1, 10), "PanelFormed"),
        ("accepted, rights not told", formed, ask(Ask::NotifyRights), february(2, 1, 10), "RightsNotified"),
        ("in_mediation, expert asked", in_mediation().then(ask(assess), &february(2, 3, 9)), ask(answer), february(4, 3, 10), "ExpertAssessmentRecorded"),
        ("accepted, all others willing", accepted().then(extend(5), &february(5, 3, 9)), extend(6), february(6, 3, 9), "ExtensionConsented + ExtensionAgreed"),
        ("in_mediation, in time", in_mediation(), agree(Form::Written, both_obligations()), february(2, 5, 9), "AgreementReached"),
        ("agreed in writing, all signed", signed(agreed()), ask(Ask::SealAgreement), february(2, 5, 12), "AgreementSealed + AgreementEffective + DeadlineSet + DeadlineSet + DeadlineSet"),
        ("agreed orally, nothing owed, all but the mediator", nothing_owed, ask(Ask::SignAsMediator), february(2, 5, 11), "MediatorSigned + AgreementEffective + DeadlineSet + DeadlineSet + DeadlineSet + AgreementPerformed + DeadlineSet"),
        ("performing, two owed", performing(), perform(1), february(6, 10, 9), "ObligationPerformed"),
        ("performing, the last owed", performing().then(perform(1), &february(6, 10, 9)), perform(2), february(5, 10, 10), "ObligationPerformed + AgreementPerformed + DeadlineSet"),
        ("performing, more falls due", performing(), ask(Ask::RecordFollowUp { satisfied: true }), february(2, 10, 9), "FollowUpRecorded + DeadlineSet"),
        ("performing, all others want the court", confirming, confirm(6), february(6, 6, 9), "ConfirmationRequested + ConfirmationApplied"),
        ("performing, court asked", asked.clone(), court(CourtDecision::Confirmed), february(2, 15, 9), "CourtDecided"),
        ("performing, court asked", asked, court(CourtDecision::Void), february(2, 15, 9), "CourtDecided + DeadlineSet"),
    ]
}

#[test]
fn what_only_part_of_a_state_allows_goes_through_there() {
    for (place, history, command, cx, expected) in situations() {
        assert_eq!(history.outcome(command, &cx), expected, "{place}");
    }
}

/// The name of what is asked.
fn word(command: &Command) -> String {
    let text = format!("{:?}", command.ask);
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

/// The listing: for each command what comes of it where, states with one answer on one line.
fn listing() -> String {
    let mut text = "# Dispute: states and commands\n\n\
        Written by the test `the_listing_in_the_docs_is_that_of_the_rules` (`UPDATE_GOLDEN=1` writes \
        it anew). Each command is given by somebody who may, on 1 June 2024 (confirmation on 21 \
        February), in the life that `crates/domain/src/dispute/tests.rs` tells; a cell names the \
        events and where the dispute stands after them, or the refusal.\n\n\
        | command | in state | answer | then |\n|---|---|---|---|\n"
        .to_owned();
    for (command, cx, ..) in rows() {
        let mut answers: Vec<(String, String, Vec<String>)> = Vec::new();
        for history in states() {
            let before = dispute(&history).state;
            let outcome = history.outcome(command.clone(), &cx);
            // Nothing changes where it is refused.
            let after = if history.when(command.clone(), &cx).is_ok() {
                let after = dispute(&history.then(command.clone(), &cx)).state;
                let same = after == before;
                if same { "same".to_owned() } else { name(after) }
            } else {
                String::new()
            };
            let known = answers
                .iter_mut()
                .find(|it| it.0 == outcome && it.1 == after);
            match known {
                Some((.., states)) => states.push(name(before)),
                None => answers.push((outcome, after, vec![name(before)])),
            }
        }
        let word = if cx.actor.system {
            format!("{} (timer)", word(&command))
        } else {
            word(&command)
        };
        for (outcome, after, states) in answers {
            let states = states.join(", ");
            let _ = writeln!(text, "| {word} | {states} | {outcome} | {after} |");
        }
    }
    text += "\n## What only part of a state allows\n\n\
        | command | where | answer | then |\n|---|---|---|---|\n";
    for (place, history, command, cx, _) in situations() {
        let outcome = history.outcome(command.clone(), &cx);
        let word = word(&command);
        let after = dispute(&history.then(command, &cx)).state;
        let _ = writeln!(text, "| {word} | {place} | {outcome} | {} |", name(after));
    }
    text
}

#[test]
fn the_listing_in_the_docs_is_that_of_the_rules() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state-machines/dispute.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(docs.parent().expect("a folder")).expect("a folder");
        std::fs::write(&docs, listing()).expect("written");
    }
    let written = std::fs::read_to_string(&docs).unwrap_or_default();
    assert!(
        written == listing(),
        "{} is not what the rules say",
        docs.display()
    );
}
