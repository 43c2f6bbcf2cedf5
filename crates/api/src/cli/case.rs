//! `benniu case`: a hazard or a dispute with its whole life.

mod dispute;

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use domain::hazard::Refusal;
use domain::ids::{DisputeId, HazardId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Failure;
use super::source::{Opened, Source};
use crate::services::dispute::life::{self, Viewer};
use crate::services::hazard;
use crate::session::{Session, reason};
use crate::{parse, wire};

/// Show a hazard or dispute as it stands, and everything that happened to it
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The hazard's or dispute's id
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
            let board = models.case_board.read();
            print(
                &hazard::life(&board, log.as_ref(), HazardId(args.case))?,
                json,
            )
        }
    }
}

/// Asks a server, which keeps hazards and disputes apart.
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
    dispute::print(&session.call(request).await?, json)
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
        "owner: {}   due: {} ({})   breaches: {}   closed: {}\n",
        hazard.owner,
        when(hazard.due_at),
        hazard.deadline_basis,
        hazard.breaches,
        when(hazard.closed_at),
    )?;
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
