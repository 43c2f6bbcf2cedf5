//! The wall-leak dispute of the demo: found on a visit, settled with an expert and persuasion side
//! by side, performed, archived by the timer, and the helper rewarded.
//!
//! Owns its part of the script. The two households have no login: a mediator enters each act with
//! the hash of the paper that bears it.

use domain::Instant;
use domain::ids::derived;
use sha2::{Digest as _, Sha256};
use tonic::Status;
use uuid::Uuid;

use super::pilot::{By, Pilot, Step as Scene, community, day, local};
use super::{DemoError, Show, after_all, report};
use crate::session::{Session, timestamp};
use crate::wire;

/// Who takes part without a login, and what they are called.
const PEOPLE: [&str; 5] = [
    "household upstairs",
    "household downstairs",
    "mediator of the justice office",
    "mediator of the legal service",
    "master plumber",
];

/// A step of the dispute.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Found by the volunteer on a visit.
    Found,
    /// Both consent, the panel is formed, the expert is asked.
    Accepted,
    /// The volunteer persuades one household.
    Persuaded(usize),
    /// The expert has found the cause.
    Assessed,
    /// All meet and find terms, sign and seal them.
    Agreed,
    /// An obligation was performed, by its number.
    Performed(u32),
    /// Somebody asked how it holds.
    FollowedUp,
    /// The peace held: the help counts.
    Rewarded,
}

/// The steps. The expert works while the volunteer persuades.
pub(crate) fn script() -> Vec<(Instant, Scene)> {
    let at = |date, hour, step| (local(day(2024, 7, date), hour, 15), Scene::Dispute(step));
    vec![
        at(8, 10, Step::Found),
        at(9, 9, Step::Accepted),
        at(9, 19, Step::Persuaded(0)),
        at(10, 11, Step::Assessed),
        at(10, 19, Step::Persuaded(1)),
        at(12, 18, Step::Agreed),
        at(16, 17, Step::Performed(1)),
        at(18, 10, Step::FollowedUp),
        at(25, 17, Step::Performed(2)),
        (
            local(day(2024, 8, 5), 9, 15),
            Scene::Dispute(Step::Rewarded),
        ),
    ]
}

/// Id of the dispute.
pub(crate) fn dispute_id() -> String {
    derived("demo dispute", &[&"wall leak"]).to_string()
}

fn person(number: usize) -> Uuid {
    derived("demo person", &[&PEOPLE[number]])
}

/// SHA-256 of a paper that is kept elsewhere.
fn paper(name: &str) -> Vec<u8> {
    Sha256::digest(name.as_bytes()).to_vec()
}

/// Does a step.
pub(crate) async fn run(pilot: &mut Pilot, step: &Step) -> Result<(), Status> {
    match *step {
        Step::Found => found(pilot).await,
        Step::Accepted => accepted(pilot).await,
        Step::Persuaded(household) => {
            session(pilot, wire::SessionType::Persuasion, &[household]).await
        }
        Step::Assessed => pilot
            .send(By::Officer, |command_id| wire::RecordAssessmentRequest {
                command_id,
                dispute_id: dispute_id(),
                assessment_id: assessment_id(),
                finding: "a joint under the bath upstairs has opened".to_owned(),
                report: paper("the plumber's report"),
            })
            .await
            .map(drop),
        Step::Agreed => agreed(pilot).await,
        Step::Performed(obligation) => pilot
            .send(By::Officer, |command_id| wire::RecordPerformanceRequest {
                command_id,
                dispute_id: dispute_id(),
                obligation,
                performed_at: None,
            })
            .await
            .map(drop),
        Step::FollowedUp => pilot
            .send(By::Captain, |command_id| wire::RecordFollowUpRequest {
                command_id,
                dispute_id: dispute_id(),
                satisfied: true,
            })
            .await
            .map(drop),
        Step::Rewarded => pilot
            .send(By::Captain, |command_id| wire::VerifyHelpRequest {
                command_id,
                dispute_id: dispute_id(),
                person_id: By::Patroller.person().to_string(),
            })
            .await
            .map(drop),
    }
}

fn assessment_id() -> String {
    derived("demo dispute", &[&"assessment"]).to_string()
}

async fn found(pilot: &mut Pilot) -> Result<(), Status> {
    for (number, name) in PEOPLE.iter().enumerate() {
        pilot.register(person(number), name).await?;
    }
    pilot
        .send(By::Patroller, |command_id| wire::RegisterDisputeRequest {
            command_id,
            dispute_id: dispute_id(),
            community_id: community().to_string(),
            source: wire::DisputeSource::Visit.into(),
            source_id: derived("demo dispute", &[&"visit"]).to_string(),
            kind: wire::DisputeKind::Neighbour.into(),
            party_ids: [0, 1].map(|number| person(number).to_string()).to_vec(),
            subject: "water comes through the wall".to_owned(),
            ..Default::default()
        })
        .await
        .map(drop)
}

async fn accepted(pilot: &mut Pilot) -> Result<(), Status> {
    for household in [0, 1] {
        pilot
            .send(By::Officer, |command_id| wire::GiveConsentRequest {
                command_id,
                dispute_id: dispute_id(),
                party_id: person(household).to_string(),
                paper: paper(&format!("consent {household}")),
            })
            .await?;
    }
    pilot
        .send(By::Captain, |command_id| wire::AcceptDisputeRequest {
            command_id,
            dispute_id: dispute_id(),
        })
        .await?;
    pilot
        .send(By::Captain, |command_id| wire::FormPanelRequest {
            command_id,
            dispute_id: dispute_id(),
            panel: Some(wire::Panel {
                lead_id: By::Instructor.person().to_string(),
                lead_office: "community".to_owned(),
                officer_id: By::Officer.person().to_string(),
                justice_office_id: person(2).to_string(),
                legal_service_id: person(3).to_string(),
                member_ids: vec![By::Patroller.person().to_string()],
            }),
        })
        .await?;
    pilot
        .send(By::Officer, |command_id| wire::NotifyRightsRequest {
            command_id,
            dispute_id: dispute_id(),
        })
        .await?;
    pilot
        .send(By::Officer, |command_id| wire::RequestAssessmentRequest {
            command_id,
            dispute_id: dispute_id(),
            assessment_id: assessment_id(),
            expert_id: person(4).to_string(),
            question: "where the water comes from".to_owned(),
        })
        .await?;
    let starts_at = timestamp(local(day(2024, 7, 9), 19, 0));
    pilot
        .send(By::Officer, |command_id| wire::ScheduleSessionRequest {
            command_id,
            dispute_id: dispute_id(),
            starts_at: Some(starts_at),
        })
        .await
        .map(drop)
}

async fn session(
    pilot: &mut Pilot,
    session_type: wire::SessionType,
    households: &[usize],
) -> Result<(), Status> {
    let parties = households.iter();
    let party_ids: Vec<_> = parties.map(|number| person(*number).to_string()).collect();
    let minutes = paper(&format!("minutes {session_type:?} {households:?}"));
    pilot
        .send(By::Patroller, |command_id| wire::HoldSessionRequest {
            command_id,
            dispute_id: dispute_id(),
            session_type: session_type.into(),
            party_ids,
            mediator_ids: [By::Patroller, By::Officer]
                .map(|by| by.person().to_string())
                .to_vec(),
            minutes,
            held_at: None,
        })
        .await
        .map(drop)
}

async fn agreed(pilot: &mut Pilot) -> Result<(), Status> {
    session(pilot, wire::SessionType::Joint, &[0, 1]).await?;
    let owed = |number, debtor, creditor, what: &str, date| wire::Obligation {
        number,
        debtor_id: person(debtor).to_string(),
        creditor_id: person(creditor).to_string(),
        what: what.to_owned(),
        due_at: Some(timestamp(local(day(2024, 7, date), 18, 0))),
    };
    let obligations = vec![
        owed(1, 0, 1, "seal the joint under the bath", 20),
        owed(2, 0, 1, "paint the wall", 31),
    ];
    pilot
        .send(By::Officer, |command_id| wire::ReachAgreementRequest {
            command_id,
            dispute_id: dispute_id(),
            form: wire::AgreementForm::Written.into(),
            terms: "the joint is sealed and the wall painted; both greet each other again"
                .to_owned(),
            terms_sha256: paper("agreement"),
            obligations,
            reached_at: None,
        })
        .await?;
    for household in [0, 1] {
        pilot
            .send(By::Officer, |command_id| wire::SignAgreementRequest {
                command_id,
                dispute_id: dispute_id(),
                party_id: person(household).to_string(),
                paper: paper("agreement"),
            })
            .await?;
    }
    pilot
        .send(By::Officer, |command_id| wire::SignAsMediatorRequest {
            command_id,
            dispute_id: dispute_id(),
        })
        .await?;
    pilot
        .send(By::Captain, |command_id| wire::SealAgreementRequest {
            command_id,
            dispute_id: dispute_id(),
        })
        .await
        .map(drop)
}

impl Show<'_> {
    /// The life of the dispute, and what it came to.
    pub(super) async fn mediation(&mut self, admin: &Session) -> Result<(), DemoError> {
        report::title(self.out, "A wet wall: found on a visit, settled, performed")?;
        let request = wire::GetDisputeRequest {
            dispute_id: dispute_id(),
            consistency: Some(after_all()),
        };
        let answer = admin.call(request).await?;
        let dispute = answer.dispute.unwrap_or_default();
        report::life(self.out, &answer.steps)?;
        writeln!(
            self.out,
            "{} sessions beside the expert's work; {} of {} obligations performed; {}.",
            dispute.sessions,
            dispute.obligations_performed,
            dispute.obligations,
            dispute.state().as_str_name(),
        )?;
        let recount = self.recount()?;
        let count = |name: &str| recount.types.get(name).copied().unwrap_or_default();
        let checks = &mut self.checks;
        checks.expect(
            "disputes settled, performed and archived",
            true,
            dispute.state() == wire::DisputeState::Archived,
        );
        checks.expect("acts of the parties on paper", 4, {
            count("PartyConsented") + count("AgreementSigned")
        });
        checks.expect("people rewarded for settling it", 1, count("HelpVerified"));
        Ok(())
    }
}
