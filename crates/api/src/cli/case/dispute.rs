//! How a dispute with its whole life is printed.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::when;
use crate::cli::Failure;
use crate::wire;

fn state(dispute: &wire::Dispute) -> String {
    let name = dispute.state().as_str_name();
    name.trim_start_matches("DISPUTE_STATE_").to_lowercase()
}

fn kind(dispute: &wire::Dispute) -> String {
    let name = dispute.kind().as_str_name();
    name.trim_start_matches("DISPUTE_KIND_").to_lowercase()
}

pub(super) fn print(answer: &wire::GetDisputeResponse, as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let dispute = answer.dispute.clone().unwrap_or_default();
    if as_json {
        let steps = answer.steps.iter().map(|step| {
            json!({
                "position": step.position, "version": step.version, "type": step.r#type,
                "occurred_at": when(step.occurred_at), "recorded_at": when(step.recorded_at),
                "principal": step.principal_id, "channel": step.channel, "trust": step.trust,
                "payload": serde_json::from_str::<Value>(&step.payload_json).unwrap_or_default(),
            })
        });
        let whole = json!({
            "dispute": dispute.dispute_id, "community": dispute.community_id,
            "kind": kind(&dispute), "state": state(&dispute), "parties": dispute.party_ids,
            "registered_at": when(dispute.registered_at), "due_at": when(dispute.due_at),
            "breaches": dispute.breaches, "sessions": dispute.sessions,
            "effective_at": when(dispute.effective_at), "obligations": dispute.obligations,
            "obligations_performed": dispute.obligations_performed,
            "obligations_overdue": dispute.obligations_overdue, "relapses": dispute.relapse_ids,
            "ended_at": when(dispute.ended_at), "version": dispute.version,
            "steps": steps.collect::<Vec<_>>(),
        });
        writeln!(out, "{whole}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{} dispute, {} ({})",
        dispute.dispute_id,
        kind(&dispute),
        state(&dispute)
    )?;
    writeln!(
        out,
        "registered: {}   sessions: {}   effective: {}   performed: {} of {}   due: {}   breaches: \
         {}   ended: {}\n",
        when(dispute.registered_at),
        dispute.sessions,
        when(dispute.effective_at),
        dispute.obligations_performed,
        dispute.obligations,
        when(dispute.due_at),
        dispute.breaches,
        when(dispute.ended_at),
    )?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "happened (UTC)",
        "recorded (UTC)",
        "what",
        "trust",
        "position",
        "channel",
    ]);
    for step in &answer.steps {
        table.add_row([
            when(step.occurred_at),
            when(step.recorded_at),
            step.r#type.clone(),
            step.trust.clone(),
            step.position.to_string(),
            step.channel.clone(),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}
