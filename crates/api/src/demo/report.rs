//! What the demo prints: tables and a heat map that a person wants to read.
//!
//! Owns the form of the output, never a figure: these come from the API's answers.

use std::collections::BTreeMap;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

use crate::wire;

/// Widest bar of a chart, in characters.
const BAR_WIDTH: u64 = 40;
/// Shades of the heat map, from nothing to the most.
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];

/// A section's title.
pub(crate) fn title(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n== {text}\n")
}

fn table(header: &[&str], numbers_from: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(header);
    for column in numbers_from..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Hazards by unit: name and totals.
pub(crate) fn hazards_by_unit(
    out: &mut dyn Write,
    rows: &[(String, wire::HazardTotals)],
) -> io::Result<()> {
    let mut table = table(
        &[
            "neighbourhood",
            "hazards",
            "closed",
            "late",
            "open",
            "overdue",
        ],
        1,
    );
    for (name, totals) in rows {
        let name = if name.is_empty() {
            "(blank in the source)"
        } else {
            name
        };
        table.add_row([
            name.to_owned(),
            totals.total.to_string(),
            totals.closed.to_string(),
            totals.closed_late.to_string(),
            totals.open.to_string(),
            totals.open_breached.to_string(),
        ]);
    }
    writeln!(out, "{table}")
}

/// The stock book.
pub(crate) fn stock(out: &mut dyn Write, items: &[wire::RewardItem]) -> io::Result<()> {
    let mut table = table(
        &[
            "item",
            "points",
            "received",
            "reserved",
            "issued",
            "on hand",
            "available",
        ],
        1,
    );
    for item in items {
        table.add_row([
            item.name.clone(),
            item.price.to_string(),
            item.received.to_string(),
            item.reserved.to_string(),
            item.issued.to_string(),
            item.on_hand.to_string(),
            item.available.to_string(),
        ]);
    }
    writeln!(out, "{table}")
}

/// Membership by month, with a bar.
pub(crate) fn growth(out: &mut dyn Write, months: &[wire::MembershipMonth]) -> io::Result<()> {
    let most = months
        .iter()
        .map(|month| month.members)
        .max()
        .unwrap_or(1)
        .max(1);
    let mut table = table(&["month", "joined", "left", "members", ""], 1);
    if let Some(column) = table.column_mut(4) {
        column.set_cell_alignment(CellAlignment::Left);
    }
    for month in months {
        let bar = usize::try_from(month.members * BAR_WIDTH / most).unwrap_or_default();
        table.add_row([
            month.month.clone(),
            month.joined.to_string(),
            month.left.to_string(),
            month.members.to_string(),
            "█".repeat(bar),
        ]);
    }
    writeln!(out, "{table}")
}

/// Verified minutes and checkpoints by zone and hour of the day, over all days.
pub(crate) fn coverage(
    out: &mut dyn Write,
    zones: &[(String, String)],
    cells: &[wire::CoverageCell],
) -> io::Result<()> {
    let mut minutes: BTreeMap<(&str, u32), u64> = BTreeMap::new();
    let mut checkpoints: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for cell in cells {
        *minutes.entry((&cell.zone_id, cell.hour)).or_default() += cell.verified_seconds / 60;
        let counted = checkpoints.entry(&cell.zone_id).or_default();
        counted.0 += u64::from(cell.checkpoints_hit);
        counted.1 += u64::from(cell.checkpoints_missed);
    }
    let hours: Vec<u32> = (18..24).chain(0..2).collect();
    let most = minutes.values().copied().max().unwrap_or(1).max(1);
    let mut header = vec!["zone".to_owned()];
    header.extend(
        hours
            .iter()
            .map(|hour| format!("{hour:02}–{:02}", (hour + 1) % 24)),
    );
    header.extend(["hit".to_owned(), "missed".to_owned()]);
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = table(&header, 1);
    for (id, name) in zones {
        let mut row = vec![name.clone()];
        for hour in &hours {
            let count = minutes
                .get(&(id.as_str(), *hour))
                .copied()
                .unwrap_or_default();
            row.push(shaded(count, most));
        }
        let (hit, missed) = checkpoints.get(id.as_str()).copied().unwrap_or_default();
        row.extend([hit.to_string(), missed.to_string()]);
        table.add_row(row);
    }
    writeln!(out, "{table}")?;
    writeln!(
        out,
        "verified person-minutes; {} none … {} the most ({most})",
        SHADES[0], SHADES[4]
    )
}

fn shaded(count: u64, most: u64) -> String {
    let steps = SHADES.len() as u64 - 1;
    let step = usize::try_from((count * steps).div_ceil(most)).unwrap_or_default();
    let shade = SHADES[step.min(SHADES.len() - 1)];
    format!("{count} {shade}{shade}")
}

/// Hazards found on patrol.
pub(crate) fn cases(out: &mut dyn Write, hazards: &[wire::Hazard]) -> io::Result<()> {
    let mut table = table(
        &[
            "found",
            "hazard",
            "state",
            "due",
            "closed",
            "breaches",
            "withdrawn",
        ],
        5,
    );
    for hazard in hazards {
        table.add_row([
            time(hazard.opened_at),
            hazard.kind.clone(),
            words(hazard.state().as_str_name(), "HAZARD_STATE_"),
            time(hazard.due_at),
            time(hazard.closed_at),
            hazard.breaches.to_string(),
            hazard.breaches_withdrawn.to_string(),
        ]);
    }
    writeln!(out, "{table}")
}

/// What happened to a dispute, in order.
pub(crate) fn life(out: &mut dyn Write, steps: &[wire::DisputeStep]) -> io::Result<()> {
    let mut table = table(&["when", "what", "trust", "through"], 4);
    for step in steps {
        table.add_row([
            time(step.occurred_at),
            step.r#type.clone(),
            step.trust.clone(),
            step.channel.clone(),
        ]);
    }
    writeln!(out, "{table}")
}

/// A statement, line by line.
pub(crate) fn statement(
    out: &mut dyn Write,
    lines: &[wire::StatementLine],
    names: &BTreeMap<String, String>,
) -> io::Result<()> {
    let header = [
        "activity",
        "when",
        "rule",
        "verified by",
        "vested",
        "points",
        "sum",
    ];
    let mut table = table(&header, 5);
    let mut sum = 0;
    for line in lines {
        sum += line.points;
        table.add_row([
            line.activity_title.clone(),
            time(line.occurred_at),
            format!("{} of {}", line.rule, line.policy_set),
            names
                .get(&line.verified_by)
                .cloned()
                .unwrap_or_else(|| line.verified_by.clone()),
            time(line.vests_at),
            line.points.to_string(),
            sum.to_string(),
        ]);
    }
    writeln!(out, "{table}")
}

/// `HAZARD_STATE_CLOSED_OUT` as `closed out`.
fn words(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .to_ascii_lowercase()
        .replace('_', " ")
}

/// An instant in the community's time.
fn time(at: Option<prost_types::Timestamp>) -> String {
    at.and_then(|at| chrono::DateTime::from_timestamp(at.seconds, 0))
        .map_or_else(
            || "–".to_owned(),
            |at| {
                at.with_timezone(&chrono_tz::Asia::Shanghai)
                    .format("%Y-%m-%d %H:%M")
                    .to_string()
            },
        )
}
