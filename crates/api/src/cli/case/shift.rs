//! How a patrol shift with its whole life is printed.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::when;
use crate::cli::Failure;
use crate::wire;

fn state(shift: &wire::Shift) -> String {
    let name = shift.state().as_str_name();
    name.trim_start_matches("SHIFT_STATE_").to_lowercase()
}

fn result(part: &wire::ShiftPart) -> &'static str {
    match part.result() {
        wire::ShiftPartResult::Unspecified => "not settled",
        wire::ShiftPartResult::Accepted => "accepted",
        wire::ShiftPartResult::Rejected => "rejected",
    }
}

fn handover(handover: &wire::Handover) -> Value {
    json!({
        "from": handover.from_id, "to": handover.to_id, "open_items": handover.open_items,
        "at": when(handover.at),
    })
}

pub(super) fn print(answer: &wire::GetShiftResponse, as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let shift = answer.shift.clone().unwrap_or_default();
    if as_json {
        writeln!(out, "{}", whole(&shift, &answer.steps))?;
        return Ok(());
    }
    writeln!(out, "{} patrol shift ({})", shift.shift_id, state(&shift))?;
    writeln!(
        out,
        "from: {}   until: {}   checkpoints: {} scanned, {} missed, {} late   disputes: {}",
        when(shift.from),
        when(shift.until),
        shift.checkpoints_hit,
        shift.checkpoints_missed,
        shift.late_scans,
        shift.disputes.len(),
    )?;
    for dispute in &shift.disputes {
        let at = when(dispute.disputed_at);
        writeln!(
            out,
            "disputed {at} by {}: {}",
            dispute.disputed_by, dispute.reason
        )?;
    }
    for handover in shift.handovers.iter().chain(&shift.handover) {
        let (at, items) = (when(handover.at), handover.open_items.len());
        let (from, to) = (&handover.from_id, &handover.to_id);
        writeln!(
            out,
            "handed over {at} by {from} to {to}, open items: {items}"
        )?;
    }
    let mut parts = Table::new();
    parts.load_style(presets::UTF8_BORDERS_ONLY);
    parts.set_header(["person", "came (UTC)", "went (UTC)", "found", "minutes"]);
    for part in &shift.parts {
        parts.add_row([
            part.person_id.clone(),
            when(part.checked_in),
            when(part.checked_out),
            result(part).to_owned(),
            part.minutes.to_string(),
        ]);
    }
    writeln!(out, "{parts}")?;
    let mut steps = Table::new();
    steps.load_style(presets::UTF8_BORDERS_ONLY);
    steps.set_header([
        "happened (UTC)",
        "recorded (UTC)",
        "what",
        "position",
        "channel",
    ]);
    for step in &answer.steps {
        steps.add_row([
            when(step.occurred_at),
            when(step.recorded_at),
            step.r#type.clone(),
            step.position.to_string(),
            step.channel.clone(),
        ]);
    }
    writeln!(out, "{steps}")?;
    Ok(())
}

fn whole(shift: &wire::Shift, steps: &[wire::ShiftStep]) -> Value {
    let parts = shift.parts.iter().map(|part| {
        json!({
            "person": part.person_id, "checked_in": when(part.checked_in),
            "checked_out": when(part.checked_out), "result": result(part),
            "minutes": part.minutes,
        })
    });
    let disputes = shift.disputes.iter().map(|dispute| {
        json!({
            "disputed_by": dispute.disputed_by, "reason": dispute.reason,
            "disputed_at": when(dispute.disputed_at),
        })
    });
    let steps = steps.iter().map(|step| {
        json!({
            "position": step.position, "version": step.version, "type": step.r#type,
            "occurred_at": when(step.occurred_at), "recorded_at": when(step.recorded_at),
            "principal": step.principal_id, "channel": step.channel,
            "payload": serde_json::from_str::<Value>(&step.payload_json).unwrap_or_default(),
        })
    });
    json!({
        "shift": shift.shift_id, "community": shift.community_id, "zone": shift.zone_id,
        "zone_plan_version": shift.zone_plan_version, "state": state(shift),
        "from": when(shift.from), "until": when(shift.until), "route": shift.route,
        "parts": parts.collect::<Vec<_>>(), "checkpoints_hit": shift.checkpoints_hit,
        "checkpoints_missed": shift.checkpoints_missed, "late_scans": shift.late_scans,
        "findings": shift.findings, "handover": shift.handover.as_ref().map(handover),
        "handovers": shift.handovers.iter().map(handover).collect::<Vec<_>>(),
        "verified_at": when(shift.verified_at), "disputes": disputes.collect::<Vec<_>>(),
        "version": shift.version, "steps": steps.collect::<Vec<_>>(),
    })
}
