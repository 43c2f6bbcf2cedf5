//! Hazards that the demo's patrols find, through the full closed loop.
//!
//! Owns their part of the script: one rectified in time, a major one, one that breaches its
//! deadline, one whose breach is withdrawn when a late claim shows that it was met, and one that
//! fails its first re-inspection.

use domain::Instant;
use domain::ids::derived;
use tonic::Status;

use super::patrol::shift_id;
use super::pilot::{By, Pilot, Step as Scene, community, day, local, minutes};
use super::{DemoError, Show, after_all, report};
use crate::session::{Session, timestamp};
use crate::wire;

/// Days of July 2024 on which the first shift finds a hazard.
pub(crate) const DAYS: [u32; 5] = [3, 9, 15, 21, 27];
/// What they find.
const KINDS: [&str; 5] = [
    "loose manhole cover",
    "blocked fire exit",
    "broken street light",
    "overloaded cable",
    "burst water pipe",
];

/// A step of the hazard found on a day (by index).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Found and reported by the patrol.
    Found(usize),
    /// Verified by the officer and given an owner.
    Verified(usize),
    /// The owner says it is rectified.
    Claimed(usize),
    /// Somebody else looks; passed or not.
    Looked(usize, bool),
    /// Closed.
    Closed(usize),
}

/// The steps of all hazards. Red is due in 2 h, yellow in 24 h, blue in 72 h of verification.
pub(crate) fn script() -> Vec<(Instant, Scene)> {
    let mut script = Vec::new();
    for (index, date) in DAYS.into_iter().enumerate() {
        let found = local(day(2024, 7, date), 19, 50);
        let mut add = |after_minutes, step| {
            script.push((found + minutes(after_minutes), Scene::Hazard(step)));
        };
        add(0, Step::Found(index));
        add(10, Step::Verified(index));
        // The fourth is done after 14 hours but only claimed after 3 days.
        let claimed = [14 * 60, 90, 49 * 60, 72 * 60 + 30, 20 * 60][index];
        add(claimed, Step::Claimed(index));
        if index == 4 {
            add(claimed + 120, Step::Looked(index, false));
            add(claimed + 600, Step::Claimed(index));
        }
        let looked = claimed + if index == 4 { 720 } else { 180 };
        add(looked, Step::Looked(index, true));
        add(looked + 60, Step::Closed(index));
    }
    script
}

fn hazard_id(index: usize) -> String {
    derived("demo hazard", &[&index]).to_string()
}

fn severity(index: usize) -> (wire::HazardLevel, wire::Urgency) {
    match index {
        1 => (wire::HazardLevel::Major, wire::Urgency::Red),
        4 => (wire::HazardLevel::General, wire::Urgency::Blue),
        _ => (wire::HazardLevel::General, wire::Urgency::Yellow),
    }
}

/// Does a step.
pub(crate) async fn run(pilot: &mut Pilot, step: &Step) -> Result<(), Status> {
    match *step {
        Step::Found(index) => found(pilot, index).await,
        Step::Verified(index) => verified(pilot, index).await,
        Step::Claimed(index) => {
            // What the fourth claim says lies in the past: within the window, before the deadline.
            let done_at = (index == 3).then(|| timestamp(pilot.now() - minutes(58 * 60)));
            pilot
                .send(By::Rectifier, |command_id| {
                    wire::ClaimRectificationRequest {
                        command_id,
                        hazard_id: hazard_id(index),
                        done_at,
                        photos: Vec::new(),
                    }
                })
                .await
                .map(drop)
        }
        Step::Looked(index, passed) => pilot
            .send(By::Inspector, |command_id| wire::ReinspectRequest {
                command_id,
                hazard_id: hazard_id(index),
                passed,
                reason: if passed { "" } else { "it still drips" }.to_owned(),
                inspected_at: None,
            })
            .await
            .map(drop),
        Step::Closed(index) => pilot
            .send(By::Captain, |command_id| wire::CloseOutRequest {
                command_id,
                hazard_id: hazard_id(index),
            })
            .await
            .map(drop),
    }
}

async fn found(pilot: &mut Pilot, index: usize) -> Result<(), Status> {
    pilot
        .send(By::Patroller, |command_id| wire::ReportHazardRequest {
            command_id,
            hazard_id: hazard_id(index),
            unit_id: community().to_string(),
            kind: KINDS[index].to_owned(),
            place: None,
            description: format!("{} beside the path", KINDS[index]),
            photos: Vec::new(),
            seen_at: None,
        })
        .await?;
    pilot
        .send(By::Patroller, |command_id| wire::RaiseFindingRequest {
            command_id,
            shift_id: shift_id(DAYS[index], 0),
            person_id: By::Patroller.person().to_string(),
            hazard_id: hazard_id(index),
        })
        .await
        .map(drop)
}

async fn verified(pilot: &mut Pilot, index: usize) -> Result<(), Status> {
    let (level, urgency) = severity(index);
    pilot
        .send(By::Officer, |command_id| wire::VerifyHazardRequest {
            command_id,
            hazard_id: hazard_id(index),
            level: level.into(),
            urgency: urgency.into(),
        })
        .await?;
    pilot
        .send(By::Officer, |command_id| wire::AssignOwnerRequest {
            command_id,
            hazard_id: hazard_id(index),
            owner: "property company".to_owned(),
        })
        .await?;
    if level == wire::HazardLevel::Major {
        pilot
            .send(By::Officer, |command_id| wire::TakeInterimMeasureRequest {
                command_id,
                hazard_id: hazard_id(index),
                measure: "a guard stands at the exit".to_owned(),
            })
            .await?;
        pilot
            .send(By::Captain, |command_id| wire::ReportUpRequest {
                command_id,
                hazard_id: hazard_id(index),
                authority: "fire brigade".to_owned(),
                upper_unit_id: String::new(),
                reported_at: None,
            })
            .await?;
    }
    Ok(())
}

impl Show<'_> {
    /// What became of them, and of their deadlines.
    pub(super) async fn cases(&mut self, admin: &Session) -> Result<(), DemoError> {
        report::title(self.out, "Hazards found on patrol")?;
        let request = wire::ListHazardsRequest {
            unit_id: community().to_string(),
            oldest_first: true,
            consistency: Some(after_all()),
            ..Default::default()
        };
        let answer = admin.call(request).await?;
        report::cases(self.out, &answer.hazards)?;
        let closed = |hazard: &&wire::Hazard| hazard.state() == wire::HazardState::ClosedOut;
        let checks = &mut self.checks;
        checks.expect(
            "hazards found on patrol and closed out",
            DAYS.len(),
            answer.hazards.iter().filter(closed).count(),
        );
        let standing: u32 = answer.hazards.iter().map(|h| h.breaches).sum();
        let withdrawn: u32 = answer.hazards.iter().map(|h| h.breaches_withdrawn).sum();
        checks.expect("of these, deadlines breached", 1, standing);
        checks.expect("breaches withdrawn by a late fact", 1, withdrawn);
        Ok(())
    }
}
