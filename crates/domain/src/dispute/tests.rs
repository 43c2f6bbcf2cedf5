//! The life told here: neighbours 5 and 6 are at odds over a wet wall. Volunteer 3 hears of it on a
//! visit on 1 February; 2 (captain), 7, 8 and 3 are the panel, 4 is the expert. Terms are found on
//! 5 February and bind from noon on: 5 seals the bath until the 20th, 6 paints until 20 March.

mod bonds;
mod properties;
mod table;
mod talks;

use super::*;
use crate::envelope::Trust;
use crate::personal::Personal;
use crate::testing::{History, at, by, by_system, id, team};

/// By then an agreement must be found.
const MEDIATION_DUE: &str = "2024-03-02T09:00:00Z";
/// When the first obligation falls due, and the second.
const FIRST_DUE: &str = "2024-02-20T00:00:00Z";
const SECOND_DUE: &str = "2024-03-20T00:00:00Z";
/// When somebody must have asked how it holds; also the end of the notice period.
const WEEK_AFTER: &str = "2024-02-12T12:00:00Z";
/// After every date.
const LATE: &str = "2024-06-01T00:00:00Z";

fn february(person: u128, day: u32, hour: u32) -> Context {
    by(
        id(person),
        at(&format!("2024-02-{day:02}T{hour:02}:00:00Z")),
    )
}

fn late(person: u128) -> Context {
    by(id(person), at(LATE))
}

fn timer(now: &str) -> Context {
    by_system(at(now))
}

fn ask(ask: Ask) -> Command {
    Command {
        dispute: id(600),
        ask,
    }
}

fn text() -> Personal {
    Personal::new("water comes through the wall")
}

fn visit() -> Source {
    Source::Visit {
        visit: uuid::Uuid::from_u128(900),
    }
}

fn register_as(dispute: u128, source: Source, relapse_of: Option<u128>) -> Command {
    Command {
        dispute: id(dispute),
        ask: Ask::RegisterDispute {
            community: id(101),
            source,
            kind: DisputeKind::Neighbour,
            parties: vec![id(5), id(6)],
            subject: text(),
            relapse_of: relapse_of.map(id),
            paper: None,
        },
    }
}

fn register() -> Command {
    register_as(600, visit(), None)
}

fn consent(party: u128) -> Command {
    ask(Ask::GiveConsent {
        party: id(party),
        paper: None,
    })
}

fn panel() -> Panel {
    Panel {
        lead: id(2),
        lead_office: "police station".to_owned(),
        officer: id(2),
        justice_office: id(7),
        legal_service: id(8),
        members: vec![id(3)],
    }
}

fn hold(session_type: SessionType, parties: &[u128]) -> Command {
    ask(Ask::HoldSession {
        session_type,
        parties: parties.iter().copied().map(id).collect(),
        mediators: vec![id(2), id(3)],
        minutes: [1; 32],
        held_at: None,
    })
}

fn obligation(number: u32, debtor: u128, creditor: u128, due_at: &str) -> Obligation {
    Obligation {
        number,
        debtor: id(debtor),
        creditor: id(creditor),
        what: Personal::new("seal the bath, paint the wall"),
        due_at: at(due_at),
    }
}

fn agree(form: Form, obligations: Vec<Obligation>) -> Command {
    ask(Ask::ReachAgreement {
        form,
        terms: Some(text()),
        terms_sha256: Some([2; 32]),
        obligations,
        reached_at: None,
    })
}

fn both_obligations() -> Vec<Obligation> {
    vec![
        obligation(1, 5, 6, FIRST_DUE),
        obligation(2, 6, 5, SECOND_DUE),
    ]
}

fn sign(party: u128) -> Command {
    ask(Ask::SignAgreement {
        party: id(party),
        paper: None,
    })
}

fn perform(obligation: u32) -> Command {
    ask(Ask::RecordPerformance {
        obligation,
        performed_at: None,
    })
}

fn reason() -> String {
    "so it was decided".to_owned()
}

fn withdraw(party: u128) -> Command {
    ask(Ask::WithdrawFromMediation {
        party: id(party),
        paper: None,
    })
}

fn fail() -> Command {
    ask(Ask::FailMediation {
        reason: reason(),
        remedies: vec![Remedy::Court],
    })
}

/// The team, and another dispute (601) of the same parties.
fn base() -> History {
    team().then(register_as(601, visit(), None), &february(4, 1, 7))
}

fn registered() -> History {
    base().then(register(), &february(3, 1, 8))
}

fn consented() -> History {
    registered()
        .then(consent(5), &february(5, 1, 8))
        .then(consent(6), &february(6, 1, 8))
}

fn accepted() -> History {
    consented()
        .then(ask(Ask::AcceptDispute), &february(2, 1, 9))
        .then(ask(Ask::FormPanel { panel: panel() }), &february(2, 1, 10))
        .then(ask(Ask::NotifyRights), &february(2, 1, 10))
}

fn scheduled() -> History {
    let starts_at = at("2024-02-02T18:00:00Z");
    accepted().then(ask(Ask::ScheduleSession { starts_at }), &february(2, 1, 11))
}

fn in_mediation() -> History {
    scheduled().then(hold(SessionType::Joint, &[5, 6]), &february(2, 2, 18))
}

fn adjourned() -> History {
    let adjourn = ask(Ask::AdjournMediation { reason: reason() });
    in_mediation().then(adjourn, &february(2, 3, 9))
}

fn agreed_as(form: Form, obligations: Vec<Obligation>) -> History {
    in_mediation().then(agree(form, obligations), &february(2, 5, 9))
}

fn agreed() -> History {
    agreed_as(Form::Written, both_obligations())
}

fn signed(history: History) -> History {
    history
        .then(sign(5), &february(5, 5, 10))
        .then(sign(6), &february(6, 5, 10))
        .then(ask(Ask::SignAsMediator), &february(2, 5, 11))
}

fn performing() -> History {
    signed(agreed()).then(ask(Ask::SealAgreement), &february(2, 5, 12))
}

fn breached() -> History {
    let overdue = ask(Ask::RecordOverdue { obligation: 1 });
    performing().then(overdue, &timer("2024-02-20T00:00:01Z"))
}

fn urged() -> History {
    breached().then(ask(Ask::UrgePerformance), &february(2, 20, 9))
}

fn performed() -> History {
    performing()
        .then(perform(1), &february(6, 10, 9))
        .then(perform(2), &february(5, 10, 9))
}

fn void() -> History {
    let confirm = |party| {
        ask(Ask::RequestConfirmation {
            party: id(party),
            paper: None,
        })
    };
    let decided = ask(Ask::RecordCourtDecision {
        decision: CourtDecision::Void,
        document: [3; 32],
    });
    performing()
        .then(confirm(5), &february(5, 6, 9))
        .then(confirm(6), &february(6, 6, 9))
        .then(decided, &february(2, 15, 9))
}

fn archived(history: History) -> History {
    history.then(ask(Ask::ArchiveDispute), &timer("2024-05-01T00:00:00Z"))
}

/// The events with how they stand in their envelopes.
#[track_caller]
fn told(history: &History, command: &Command, cx: &Context) -> Vec<(String, Instant, Trust)> {
    let decision = Dispute::decide(command, &history.world(), cx).expect("allowed");
    let events = decision.events.into_iter();
    events
        .map(|event| {
            let envelope = &event.envelope;
            (event.event.encode().0, envelope.occurred_at, envelope.trust)
        })
        .collect()
}

fn dispute(history: &History) -> std::sync::Arc<Dispute> {
    history.state(id::<DisputeId>(600))
}

/// A dispute in every state, in the order of [`DisputeState::ALL`].
fn states() -> Vec<History> {
    let not_accepted = registered().then(
        ask(Ask::DeclineDispute {
            reason: reason(),
            where_to_go: "the district court".to_owned(),
        }),
        &february(2, 1, 9),
    );
    let referred = urged().then(
        ask(Ask::ReferToCourt {
            court: "the district court".to_owned(),
        }),
        &february(2, 25, 9),
    );
    let terminate = ask(Ask::TerminateDispute { reason: reason() });
    vec![
        base(),
        registered(),
        not_accepted,
        accepted(),
        scheduled(),
        in_mediation(),
        adjourned(),
        agreed(),
        performing(),
        breached(),
        urged(),
        performed(),
        referred,
        void(),
        in_mediation().then(fail(), &february(2, 4, 9)),
        agreed().then(withdraw(6), &february(6, 5, 10)),
        in_mediation().then(terminate, &february(2, 4, 9)),
        archived(performed()),
    ]
}

#[test]
fn the_tests_know_every_state() {
    let found: Vec<_> = states().iter().map(|it| dispute(it).state).collect();
    assert_eq!(found, DisputeState::ALL);
}
