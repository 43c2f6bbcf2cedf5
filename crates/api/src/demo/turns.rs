//! What turns out otherwise: a shift handed over with an open item, disputed and settled again with
//! fewer points, and a hazard that two answer for.
//!
//! Owns its part of the show. It plays after the month of patrols, whose figures are told by then.

use domain::Instant;
use domain::ids::derived;
use tonic::Status;
use uuid::Uuid;

use super::pilot::{By, Pilot, community, day, local, minutes, person};
use super::{DemoError, Show, after_all, report};
use crate::session::{Session, timestamp};
use crate::wire;

/// Points of a patrol.
const PATROL: u64 = 50;

fn shift_id() -> String {
    derived("demo shift", &[&"turns"]).to_string()
}

fn hazard_id() -> String {
    derived("demo hazard", &[&"turns"]).to_string()
}

/// When the shift begins: a Sunday after the summer.
fn start() -> Instant {
    local(day(2024, 9, 1), 19, 0)
}

/// Who walks first.
fn first(pilot: &Pilot) -> Uuid {
    person(pilot.active[9])
}

fn capture(pilot: &Pilot, device: &str) -> wire::Capture {
    wire::Capture {
        method: wire::CaptureMethod::Nfc.into(),
        place: None,
        device: device.to_owned(),
        device_at: Some(timestamp(pilot.now())),
        sent_at: Some(timestamp(pilot.now())),
    }
}

/// Planned, begun by one, and handed over to another; the open items offered with it.
async fn hand_over(pilot: &mut Pilot) -> Result<usize, Status> {
    let zone = pilot.patrols.zones().next().map(|(id, _)| id.to_owned());
    let walker = first(pilot).to_string();
    pilot
        .send(By::Captain, |command_id| wire::PlanShiftRequest {
            command_id,
            shift_id: shift_id(),
            community_id: community().to_string(),
            zone_id: zone.unwrap_or_default(),
            route: Vec::new(),
            from: Some(timestamp(start())),
            until: Some(timestamp(start() + minutes(120))),
            crew_min: 1,
        })
        .await?;
    pilot
        .send(By::Captain, |command_id| wire::SignUpRequest {
            command_id,
            shift_id: shift_id(),
            person_id: walker.clone(),
        })
        .await?;
    pilot.advance(start()).await?;
    let shown = capture(pilot, "phone of the first");
    pilot
        .send(By::Captain, |command_id| wire::CheckInRequest {
            command_id,
            shift_id: shift_id(),
            person_id: walker.clone(),
            capture: Some(shown),
        })
        .await?;
    pilot.advance(start() + minutes(30)).await?;
    pilot
        .send(By::Captain, |command_id| wire::ReportHazardRequest {
            command_id,
            hazard_id: hazard_id(),
            unit_id: community().to_string(),
            kind: "water over the path".to_owned(),
            description: "from a pipe between two plots".to_owned(),
            ..Default::default()
        })
        .await?;
    pilot
        .send(By::Captain, |command_id| wire::RaiseFindingRequest {
            command_id,
            shift_id: shift_id(),
            person_id: walker.clone(),
            hazard_id: hazard_id(),
        })
        .await?;
    pilot.advance(start() + minutes(60)).await?;
    pilot
        .send(By::Captain, |command_id| wire::HandOverRequest {
            command_id,
            shift_id: shift_id(),
            from_id: walker.clone(),
            to_id: By::Patroller.person().to_string(),
            open_items: vec![hazard_id()],
        })
        .await?;
    let offered = shift(&pilot.session_of(By::Captain)?).await?;
    let shown = capture(pilot, "phone of the successor");
    pilot
        .send(By::Patroller, |command_id| wire::AcceptHandoverRequest {
            command_id,
            shift_id: shift_id(),
            capture: Some(shown),
        })
        .await?;
    pilot.advance(start() + minutes(120)).await?;
    pilot
        .send(By::Captain, |command_id| wire::CheckOutRequest {
            command_id,
            shift_id: shift_id(),
            person_id: By::Patroller.person().to_string(),
            at: None,
        })
        .await?;
    Ok(offered.shift.unwrap_or_default().open_items.len())
}

/// Verified by the officer, disputed by the successor, settled again by the instructor: the first
/// was there for twenty minutes only, and a patrol takes thirty.
async fn dispute(pilot: &mut Pilot) -> Result<(), Status> {
    let parts = [first(pilot), By::Patroller.person()];
    pilot.advance(local(day(2024, 9, 2), 9, 0)).await?;
    for part in parts {
        pilot
            .send(By::Officer, |command_id| {
                wire::PatrolServiceVerifyParticipationRequest {
                    command_id,
                    shift_id: shift_id(),
                    person_id: part.to_string(),
                }
            })
            .await?;
    }
    pilot.advance(local(day(2024, 9, 3), 9, 0)).await?;
    pilot
        .send(By::Patroller, |command_id| wire::DisputeShiftRequest {
            command_id,
            shift_id: shift_id(),
            reason: "nobody was at the corner when I came".to_owned(),
        })
        .await?;
    pilot.advance(local(day(2024, 9, 4), 9, 0)).await?;
    let settled = parts.map(|part| wire::ReverifiedPart {
        person_id: part.to_string(),
        accepted: true,
        until: (part == parts[0]).then(|| timestamp(start() + minutes(20))),
        reason: "the camera at the gate".to_owned(),
        ..Default::default()
    });
    pilot
        .send(By::Instructor, |command_id| wire::ReverifyShiftRequest {
            command_id,
            shift_id: shift_id(),
            parts: settled.to_vec(),
        })
        .await
        .map(drop)
}

/// Nobody knows whose pipe it is, until a council says: of both.
async fn joint_owner(pilot: &mut Pilot) -> Result<(), Status> {
    pilot
        .send(By::Officer, |command_id| wire::VerifyHazardRequest {
            command_id,
            hazard_id: hazard_id(),
            level: wire::HazardLevel::General.into(),
            urgency: wire::Urgency::Blue.into(),
        })
        .await?;
    pilot
        .send(By::Officer, |command_id| {
            wire::RaiseUnclearBoundaryRequest {
                command_id,
                hazard_id: hazard_id(),
                candidates: vec!["property company".to_owned(), "water works".to_owned()],
                reason: "the pipe runs under both plots".to_owned(),
            }
        })
        .await?;
    pilot.advance(local(day(2024, 9, 5), 9, 0)).await?;
    pilot
        .send(By::Captain, |command_id| wire::RuleJointOwnerRequest {
            command_id,
            hazard_id: hazard_id(),
            lead: "property company".to_owned(),
            joint: vec!["water works".to_owned()],
            council_meeting: "week 36 of 2024".to_owned(),
            minutes: Vec::new(),
        })
        .await?;
    pilot
        .send(By::Rectifier, |command_id| {
            wire::ClaimRectificationRequest {
                command_id,
                hazard_id: hazard_id(),
                ..Default::default()
            }
        })
        .await?;
    pilot.advance(local(day(2024, 9, 6), 9, 0)).await?;
    pilot
        .send(By::Inspector, |command_id| wire::ReinspectRequest {
            command_id,
            hazard_id: hazard_id(),
            passed: true,
            ..Default::default()
        })
        .await?;
    pilot
        .send(By::Captain, |command_id| wire::CloseOutRequest {
            command_id,
            hazard_id: hazard_id(),
        })
        .await
        .map(drop)
}

/// The shift as it stands, once everything has followed.
async fn shift(session: &Session) -> Result<wire::GetShiftResponse, Status> {
    let request = wire::GetShiftRequest {
        shift_id: shift_id(),
        consistency: Some(after_all()),
    };
    session.call(request).await
}

impl Show<'_> {
    /// Plays it, and shows the shift, the statement and the hazard.
    pub(super) async fn turns(
        &mut self,
        admin: &Session,
        pilot: &mut Pilot,
    ) -> Result<(), DemoError> {
        report::title(
            self.out,
            "A shift handed over and disputed, a hazard of two owners",
        )?;
        let offered = hand_over(pilot).await?;
        dispute(pilot).await?;
        joint_owner(pilot).await?;
        let settled = shift(&admin.in_the_name_of(By::Captain.subject())?).await?;
        let left = settled.shift.unwrap_or_default().open_items.len();
        let names: Vec<_> = settled.steps.iter().map(|it| it.r#type.as_str()).collect();
        writeln!(self.out, "the shift: {}", names.join(", "))?;
        let request = wire::GetStatementRequest {
            person_id: first(pilot).to_string(),
            page_size: 1_000,
            consistency: Some(after_all()),
            ..Default::default()
        };
        let mut lines = admin.call(request).await?.lines;
        lines.retain(|line| line.activity_id == shift_id());
        let mut points = 0;
        let mut revisions = 0;
        for line in &lines {
            let (what, change) = match line.kind() {
                wire::StatementLineKind::Granted => ("granted", line.points.cast_signed()),
                wire::StatementLineKind::Revised if line.is_less => {
                    revisions += 1;
                    ("revised", -line.points.cast_signed())
                }
                _ => continue,
            };
            points += change;
            writeln!(
                self.out,
                "the first one's statement: {what} {change}: {}",
                line.why
            )?;
        }
        let request = wire::GetHazardRequest {
            hazard_id: hazard_id(),
            consistency: Some(after_all()),
        };
        let hazard = admin.call(request).await?.hazard.unwrap_or_default();
        let owners = hazard.joint_owners.join(", ");
        writeln!(
            self.out,
            "the hazard: {}, with {owners}, by the council of {}",
            hazard.owner, hazard.council_meeting,
        )?;
        let checks = &mut self.checks;
        checks.expect("open items offered with the hand-over", 1, offered);
        checks.expect("of these, left with nobody", 0, left);
        checks.expect("awards revised in the statement", 1, revisions);
        checks.expect("points left of a patrol of twenty minutes", 0, points);
        checks.expect("points that were granted first", PATROL, {
            let granted = lines.iter();
            let granted = granted.filter(|it| it.kind() == wire::StatementLineKind::Granted);
            granted.map(|line| line.points).sum::<u64>()
        });
        checks.expect("joint owners", "water works", owners);
        checks.expect("the hazard of two owners closed out", true, {
            hazard.state() == wire::HazardState::ClosedOut && hazard.breaches == 0
        });
        Ok(())
    }
}
