//! The leads of the demo: a rental told in confidence and found true, the same told again, and one
//! that was not true.
//!
//! Owns its part of the script, and the act that shows who sees what of it.

use domain::Instant;
use domain::ids::derived;
use tonic::Status;

use super::pilot::{By, PATROLLER, Pilot, Step as Scene, community, day, local, person};
use super::{DemoError, Show, after_all, report};
use crate::session::Session;
use crate::wire;

/// What stands on a statement instead of a lead.
const CONTRIBUTION: &str = "safety contribution";

/// The leads, by what is told.
const TOLD: [&str; 3] = [
    "flat 502 of building 3 is let to strangers, the landlord has not registered them",
    "in building 3 somebody lets a flat, the fifth floor I think",
    "flat 101 of building 9 stands empty and has light at night",
];

/// A step of a lead.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Told, by number: the second by telephone, entered by the captain.
    Told(usize),
    /// Taken under review and read by the officer.
    Reviewed(usize),
    /// Found true: the first wins, the second tells the same.
    FoundTrue(usize),
    /// Found not true.
    FoundUntrue(usize),
    /// What came of the first.
    Outcome,
}

/// The steps.
pub(crate) fn script() -> Vec<(Instant, Scene)> {
    let at = |date, hour, step| (local(day(2024, 7, date), hour, 25), Scene::Lead(step));
    vec![
        at(3, 20, Step::Told(0)),
        at(4, 9, Step::Told(1)),
        at(4, 15, Step::Reviewed(0)),
        at(5, 16, Step::FoundTrue(0)),
        at(6, 9, Step::Reviewed(1)),
        at(6, 10, Step::FoundTrue(1)),
        at(11, 21, Step::Told(2)),
        at(12, 9, Step::Reviewed(2)),
        at(12, 17, Step::FoundUntrue(2)),
        at(19, 11, Step::Outcome),
    ]
}

fn lead_id(number: usize) -> String {
    derived("demo lead", &[&number]).to_string()
}

/// Does a step.
pub(crate) async fn run(pilot: &mut Pilot, step: &Step) -> Result<(), Status> {
    match *step {
        Step::Told(number) => told(pilot, number).await,
        Step::Reviewed(number) => reviewed(pilot, number).await,
        Step::FoundTrue(number) => pilot
            .send(By::Officer, |command_id| wire::ValidateLeadRequest {
                command_id,
                lead_id: lead_id(number),
                matter_id: derived("demo matter", &[&"flat 502"]).to_string(),
                effect: "four tenants registered, the landlord told his duties".to_owned(),
            })
            .await
            .map(drop),
        Step::FoundUntrue(number) => pilot
            .send(By::Officer, |command_id| wire::RejectLeadRequest {
                command_id,
                lead_id: lead_id(number),
                reason: "the owner is back from a journey".to_owned(),
            })
            .await
            .map(drop),
        Step::Outcome => pilot
            .send(By::Officer, |command_id| wire::RecordLeadOutcomeRequest {
                command_id,
                lead_id: lead_id(0),
                outcome: "the flat is on the list of monthly visits".to_owned(),
            })
            .await
            .map(drop),
    }
}

async fn told(pilot: &mut Pilot, number: usize) -> Result<(), Status> {
    let by_telephone = number == 1;
    let by = if by_telephone {
        By::Captain
    } else {
        By::Patroller
    };
    pilot
        .send(by, |command_id| wire::SubmitLeadRequest {
            command_id,
            lead_id: lead_id(number),
            community_id: community().to_string(),
            kind: wire::LeadKind::Rental.into(),
            body: TOLD[number].to_owned(),
            source_id: String::new(),
            source_unnamed: by_telephone,
            contact: String::new(),
        })
        .await
        .map(drop)
}

async fn reviewed(pilot: &mut Pilot, number: usize) -> Result<(), Status> {
    pilot
        .send(By::Officer, |command_id| wire::TriageLeadRequest {
            command_id,
            lead_id: lead_id(number),
        })
        .await?;
    pilot
        .send(By::Officer, |command_id| wire::AccessLeadRequest {
            command_id,
            lead_id: lead_id(number),
            purpose: "to visit the flat".to_owned(),
        })
        .await
        .map(drop)
}

impl Show<'_> {
    /// Who sees what of the leads: their reviewer, the captain who is another officer, the
    /// administrator; and what the source's statement says.
    pub(super) async fn leads(&mut self, admin: &Session) -> Result<(), DemoError> {
        report::title(self.out, "Leads in confidence: who sees what")?;
        for (by, expected) in [(By::Officer, TOLD.len()), (By::Captain, 0), (By::Admin, 0)] {
            let request = wire::ListLeadsRequest {
                consistency: Some(after_all()),
                ..Default::default()
            };
            let session = admin.in_the_name_of(by.subject())?;
            let leads = session.call(request).await?.leads;
            let subject = by.subject();
            let states: Vec<_> = leads
                .iter()
                .map(|lead| lead.state().as_str_name().trim_start_matches("LEAD_STATE_"))
                .collect();
            let known = if states.is_empty() {
                "none".to_owned()
            } else {
                states.join(", ").to_lowercase()
            };
            writeln!(self.out, "leads that the {subject} knows: {known}")?;
            let name = format!("closed leads that the {subject} knows");
            self.checks.expect(&name, expected, leads.len());
        }
        let request = wire::GetStatementRequest {
            person_id: person(PATROLLER).to_string(),
            page_size: 1_000,
            consistency: Some(after_all()),
            ..Default::default()
        };
        let told_others = admin.call(request.clone()).await?.lines;
        let source = admin.in_the_name_of(By::Patroller.subject())?;
        let lines = source.call(request).await?.lines;
        let granted = |line: &&wire::StatementLine| {
            line.kind() == wire::StatementLineKind::Granted && line.activity_title == CONTRIBUTION
        };
        let contributions: Vec<_> = lines.iter().filter(granted).collect();
        for line in &contributions {
            writeln!(
                self.out,
                "the source's statement: {} points for a {}",
                line.points, line.activity_title
            )?;
        }
        let told_others = told_others.iter().filter(granted).count();
        let hidden = contributions.iter().all(|line| {
            line.activity_id.is_empty() && line.verified_by.is_empty() && line.position == 0
        });
        let recount = self.recount()?;
        let count = |name: &str| recount.types.get(name).copied().unwrap_or_default();
        let checks = &mut self.checks;
        checks.expect("safety contributions of the source", 1, contributions.len());
        checks.expect("of these, shown to the administrator", 0, told_others);
        checks.expect("of these, told without what they are for", true, hidden);
        checks.expect("leads found true and first", 1, count("LeadValidated"));
        checks.expect("leads told before", 1, count("LeadLinkedAsDuplicate"));
        checks.expect("readings of a lead, recorded", 3, count("LeadAccessed"));
        Ok(())
    }
}
