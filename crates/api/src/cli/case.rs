//! `benniu case`: a hazard, a dispute or a patrol shift with its whole life, or where a lead stands.

mod dispute;
mod lead;
mod shift;

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use domain::hazard::Refusal;
use domain::ids::{DisputeId, HazardId, LeadId, ShiftId};
use domain::lead::Refusal as LeadRefusal;
use domain::{dispute as dispute_rules, patrol_shift};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Failure;
use super::source::{Opened, Source};
use crate::services::dispute::life::{self, Viewer};
use crate::services::patrol::life as shift_life;
use crate::services::{hazard, lead as leads};
use crate::session::{Session, reason};
use crate::{parse, wire};

/// Show a hazard, dispute or patrol shift as it stands, and everything that happened to it
///
/// Of a lead it shows where it stands: who tipped and what was told is shown to its reviewer alone.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The hazard's, dispute's, shift's or lead's id
    case: Uuid,
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let json = args.source.json;
    match args.source.open().await? {
        Opened::Server(session) => ask(&session, args.case, json).await,
        Opened::Folder { log, models } => {
            let disputes = models.disputes.read();
            let id = DisputeId(args.case);
            if disputes.dispute(id).is_some() {
                let answer = life::life(&disputes, log.as_ref(), id, &Viewer::Folder)?;
                return dispute::print(&answer, json);
            }
            let board = models.leads.read();
            let id = LeadId(args.case);
            if board.lead(id).is_some() {
                let answer =
                    leads::life::life(&board, log.as_ref(), id, &leads::life::Viewer::Folder)?;
                return lead::print(&answer, json);
            }
            let board = models.case_board.read();
            let hazard = hazard::life(&board, log.as_ref(), HazardId(args.case));
            match hazard {
                Ok(answer) => return print(&answer, json),
                Err(status) if reason(&status) == Some(Refusal::HazardNotFound.refused().name) => {}
                Err(status) => return Err(status.into()),
            }
            let build = models.patrol_coverage.read();
            match shift_life::life(log.as_ref(), build.position, ShiftId(args.case), &board) {
                Ok(answer) => shift::print(&answer, json),
                Err(_) => Err(no_case()),
            }
        }
    }
}

/// Nothing with this id is a hazard, a dispute, a shift, or a lead that may be known.
fn no_case() -> Failure {
    Failure::CouldNot("There is no case with this id.".to_owned())
}

/// Asks a server, which keeps hazards, disputes, shifts and leads apart.
async fn ask(session: &Session, case: Uuid, json: bool) -> Result<(), Failure> {
    let hazard_id = case.to_string();
    let dispute_id = hazard_id.clone();
    let consistency = None;
    let request = wire::GetHazardRequest {
        hazard_id,
        consistency,
    };
    let no_hazard = match session.call(request).await {
        Ok(answer) => return print(&answer, json),
        Err(status) => status,
    };
    if reason(&no_hazard) != Some(Refusal::HazardNotFound.refused().name) {
        return Err(no_hazard.into());
    }
    let request = wire::GetDisputeRequest {
        dispute_id,
        consistency,
    };
    let no_dispute = match session.call(request).await {
        Ok(answer) => return dispute::print(&answer, json),
        Err(status) => status,
    };
    if reason(&no_dispute) != Some(dispute_rules::Refusal::DisputeNotFound.refused().name) {
        return Err(no_dispute.into());
    }
    let request = wire::GetShiftRequest {
        shift_id: case.to_string(),
        consistency,
    };
    match session.call(request).await {
        Ok(answer) => return shift::print(&answer, json),
        Err(status)
            if reason(&status) == Some(patrol_shift::Refusal::ShiftNotFound.refused().name) => {}
        Err(status) => return Err(status.into()),
    }
    let request = wire::GetLeadRequest {
        lead_id: case.to_string(),
        consistency,
    };
    match session.call(request).await {
        Ok(answer) => lead::print(&answer, json),
        Err(status) if reason(&status) == Some(LeadRefusal::LeadNotFound.refused().name) => {
            Err(no_case())
        }
        Err(status) => Err(status.into()),
    }
}

fn when(time: Option<prost_types::Timestamp>) -> String {
    let instant = parse::optional_instant("", time).ok().flatten();
    instant.map_or_else(String::new, |instant| {
        instant.format("%Y-%m-%d %H:%M").to_string()
    })
}

fn state(hazard: &wire::Hazard) -> String {
    hazard
        .state()
        .as_str_name()
        .trim_start_matches("HAZARD_STATE_")
        .to_lowercase()
}

/// The owner, and those that act with it.
fn owners(hazard: &wire::Hazard) -> String {
    if hazard.joint_owners.is_empty() {
        return hazard.owner.clone();
    }
    let joint = hazard.joint_owners.join(", ");
    let meeting = &hazard.council_meeting;
    format!(
        "{} with {joint}, as the council ruled ({meeting})",
        hazard.owner
    )
}

/// What only some hazards come to, a line each.
fn handling(hazard: &wire::Hazard, master: Option<&wire::Hazard>) -> Vec<String> {
    let mut lines = Vec::new();
    if !hazard.candidates.is_empty() {
        let candidates = hazard.candidates.join(", ");
        lines.push(format!("unclear whose it is: {candidates}"));
    }
    if hazard.interim_measures > 0 || hazard.finish_by.is_some() {
        lines.push(format!(
            "interim measures: {}   planned until: {}",
            hazard.interim_measures,
            when(hazard.finish_by)
        ));
    }
    if hazard.report_up_due_at.is_some() || hazard.reported_up.is_some() {
        let told = hazard.reported_up.clone().unwrap_or_default();
        let late = if hazard.report_up_breached {
            ", not in time"
        } else {
            ""
        };
        lines.push(format!(
            "to be reported upward by: {}{late}   reported: {} {}",
            when(hazard.report_up_due_at),
            when(told.reported_at),
            told.authority
        ));
    }
    if hazard.reinspection_due_at.is_some() {
        let late = if hazard.reinspection_breached {
            ", not in time"
        } else {
            ""
        };
        let due_at = when(hazard.reinspection_due_at);
        lines.push(format!("to be looked at again by: {due_at}{late}"));
    }
    if let Some(referral) = &hazard.referral {
        lines.push(format!(
            "referred to: {} {} {}   returned: {}   times: {}",
            referral.authority,
            referral.external_id,
            when(referral.referred_at),
            when(referral.returned_at),
            hazard.referrals
        ));
    }
    if let Some(master) = master {
        let kept = &master.hazard_id;
        lines.push(format!("duplicate of: {kept} ({})", state(master)));
    }
    if hazard.duplicates > 0 {
        lines.push(format!("duplicates of it: {}", hazard.duplicates));
    }
    lines
}

fn print(answer: &wire::GetHazardResponse, as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let hazard = answer.hazard.clone().unwrap_or_default();
    if as_json {
        let steps = answer.steps.iter().map(|step| {
            json!({
                "position": step.position, "version": step.version, "type": step.r#type,
                "occurred_at": when(step.occurred_at), "recorded_at": when(step.recorded_at),
                "principal": step.principal_id, "channel": step.channel,
                "payload": serde_json::from_str::<Value>(&step.payload_json).unwrap_or_default(),
            })
        });
        let whole = json!({
            "hazard": hazard.hazard_id, "unit": hazard.unit_id, "kind": hazard.kind,
            "state": state(&hazard), "owner": hazard.owner, "opened_at": when(hazard.opened_at),
            "due_at": when(hazard.due_at), "deadline_basis": hazard.deadline_basis,
            "breaches": hazard.breaches, "breaches_withdrawn": hazard.breaches_withdrawn,
            "closed_at": when(hazard.closed_at), "version": hazard.version,
            "joint_owners": hazard.joint_owners, "council_meeting": hazard.council_meeting,
            "candidates": hazard.candidates, "interim_measures": hazard.interim_measures,
            "finish_by": when(hazard.finish_by),
            "report_up_due_at": when(hazard.report_up_due_at),
            "reported_up_at": when(hazard.reported_up.as_ref().and_then(|up| up.reported_at)),
            "report_up_breached": hazard.report_up_breached,
            "reinspection_due_at": when(hazard.reinspection_due_at),
            "reinspection_breached": hazard.reinspection_breached,
            "referred_to": hazard.referral.as_ref().map(|referral| referral.authority.as_str()),
            "referrals": hazard.referrals, "master": hazard.master_id,
            "master_state": answer.master.as_ref().map(state),
            "duplicates": hazard.duplicates,
            "steps": steps.collect::<Vec<_>>(),
        });
        writeln!(out, "{whole}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{} {} ({})",
        hazard.hazard_id,
        hazard.kind,
        state(&hazard)
    )?;
    writeln!(
        out,
        "owner: {}   due: {} ({})   breaches: {}   closed: {}",
        owners(&hazard),
        when(hazard.due_at),
        hazard.deadline_basis,
        hazard.breaches,
        when(hazard.closed_at),
    )?;
    for line in handling(&hazard, answer.master.as_ref()) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "happened (UTC)",
        "recorded (UTC)",
        "what",
        "position",
        "channel",
    ]);
    for step in &answer.steps {
        table.add_row([
            when(step.occurred_at),
            when(step.recorded_at),
            step.r#type.clone(),
            step.position.to_string(),
            step.channel.clone(),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}
