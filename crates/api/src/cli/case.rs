//! `benniu case`: a hazard with its whole life.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use domain::ids::HazardId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Failure;
use super::source::{Opened, Source};
use crate::services::hazard;
use crate::{parse, wire};

/// Show a hazard as it stands, and everything that happened to it
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The hazard's id
    hazard: Uuid,
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let answer = match args.source.open().await? {
        Opened::Server(session) => {
            let hazard_id = args.hazard.to_string();
            session
                .call(wire::GetHazardRequest {
                    hazard_id,
                    consistency: None,
                })
                .await?
        }
        Opened::Folder { log, models } => hazard::life(
            &models.case_board.read(),
            log.as_ref(),
            HazardId(args.hazard),
        )?,
    };
    print(&answer, args.source.json)
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
