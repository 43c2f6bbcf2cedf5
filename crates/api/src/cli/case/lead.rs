//! How a lead is printed: where it stands, never who tipped or what was told.

use std::io::{self, Write as _};

use serde_json::json;

use super::when;
use crate::cli::Failure;
use crate::wire;

fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

pub(super) fn print(answer: &wire::GetLeadResponse, as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let lead = answer.lead.clone().unwrap_or_default();
    let kind = word(lead.kind().as_str_name(), "LEAD_KIND_");
    let state = word(lead.state().as_str_name(), "LEAD_STATE_");
    if as_json {
        let steps = answer
            .steps
            .iter()
            .map(|step| json!({ "type": step.r#type, "occurred_at": when(step.occurred_at) }));
        let whole = json!({
            "lead": lead.lead_id, "community": lead.community_id, "kind": kind, "state": state,
            "submitted_at": when(lead.submitted_at), "officer": lead.officer_id,
            "closed_at": when(lead.closed_at), "accesses": lead.accesses,
            "steps": steps.collect::<Vec<_>>(),
        });
        writeln!(out, "{whole}")?;
        return Ok(());
    }
    writeln!(out, "{} lead, {kind} ({state})", lead.lead_id)?;
    writeln!(
        out,
        "submitted: {}   officer: {}   closed: {}   read: {} times",
        when(lead.submitted_at),
        lead.officer_id,
        when(lead.closed_at),
        lead.accesses,
    )?;
    for step in &answer.steps {
        writeln!(out, "{}  {}", when(step.occurred_at), step.r#type)?;
    }
    writeln!(
        out,
        "Who tipped and what was told is shown to its reviewer alone, by AccessLead."
    )?;
    Ok(())
}
