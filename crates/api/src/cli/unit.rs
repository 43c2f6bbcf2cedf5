//! `benniu unit`: the tree of units as of a date, or one unit with its dates.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use domain::Instant;
use domain::unit::DEPTH_MAX;
use serde_json::json;
use uuid::Uuid;

use super::Failure;
use super::source::{self, Opened, Source};
use crate::parse::Violation;
use crate::services::unit;
use crate::session::timestamp;
use crate::{parse, wire};

/// Show the tree of units as of a date, or one unit with all its dates
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The unit's id; the whole tree if absent
    unit: Option<Uuid>,
    /// As of this instant; now if absent
    #[arg(long, value_name = "TIME", value_parser = super::instant)]
    as_of: Option<Instant>,
    /// Show also units that were split or merged by then
    #[arg(long)]
    ended: bool,
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.source.open().await?;
    match args.unit {
        Some(unit) => one(&opened, unit, &args).await,
        None => tree(&opened, &args).await,
    }
}

fn wrong(Violation { field, description }: Violation) -> Failure {
    Failure::Usage(format!("{field}: {description}"))
}

fn when(time: Option<prost_types::Timestamp>) -> String {
    let instant = parse::optional_instant("", time).ok().flatten();
    instant.map_or_else(String::new, |instant| {
        instant.format("%Y-%m-%d %H:%M").to_string()
    })
}

fn level(unit: &wire::Unit) -> String {
    let name = unit.level().as_str_name();
    name.trim_start_matches("UNIT_LEVEL_").to_lowercase()
}

/// All units as of the date.
async fn all(opened: &Opened, args: &Args) -> Result<Vec<wire::Unit>, Failure> {
    let mut request = wire::ListUnitsRequest {
        as_of: args.as_of.map(timestamp),
        include_ended: args.ended,
        page_size: 1_000,
        ..Default::default()
    };
    let mut units = Vec::new();
    loop {
        let (page, next) = match opened {
            Opened::Server(session) => {
                let page = session.call(request.clone()).await?;
                (page.units, page.next_page_token)
            }
            Opened::Folder { log, models } => {
                let now = source::present(log);
                unit::page(&models.units.read(), &request, now).map_err(wrong)?
            }
        };
        units.extend(page);
        request.page_token = next;
        if request.page_token.is_empty() {
            return Ok(units);
        }
    }
}

async fn tree(opened: &Opened, args: &Args) -> Result<(), Failure> {
    let units = all(opened, args).await?;
    let mut out = io::stdout().lock();
    if args.source.json {
        let units: Vec<_> = units.iter().map(as_json).collect();
        writeln!(out, "{}", json!({ "units": units }))?;
        return Ok(());
    }
    let known: BTreeSet<_> = units.iter().map(|unit| unit.unit_id.as_str()).collect();
    let mut below = BTreeMap::<&str, Vec<&wire::Unit>>::new();
    for unit in &units {
        // What stands below a unit that is not shown stands at the top.
        let parent = unit.parent_id.as_str();
        let parent = if known.contains(parent) { parent } else { "" };
        below.entry(parent).or_default().push(unit);
    }
    for units in below.values_mut() {
        units.sort_by(|one, other| (&one.name, &one.unit_id).cmp(&(&other.name, &other.unit_id)));
    }
    print_below("", 0, &below, &mut out)?;
    Ok(())
}

fn print_below(
    parent: &str,
    depth: usize,
    below: &BTreeMap<&str, Vec<&wire::Unit>>,
    out: &mut impl io::Write,
) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    for unit in below.get(parent).into_iter().flatten() {
        let (indent, level) = ("  ".repeat(depth), level(unit));
        let end = unit
            .ended_at
            .map_or_else(String::new, |at| format!("  ends {}", when(Some(at))));
        writeln!(
            out,
            "{indent}{} ({level})  {}{end}",
            unit.name, unit.unit_id
        )?;
        print_below(&unit.unit_id, depth + 1, below, out)?;
    }
    Ok(())
}

fn as_json(unit: &wire::Unit) -> serde_json::Value {
    json!({
        "unit": unit.unit_id, "level": level(unit), "name": unit.name, "parent": unit.parent_id,
        "time_zone": unit.time_zone, "founded_at": when(unit.founded_at),
        "ended_at": when(unit.ended_at), "successors": unit.successor_ids, "rest": unit.rest_id,
    })
}

async fn one(opened: &Opened, unit: Uuid, args: &Args) -> Result<(), Failure> {
    let request = wire::GetUnitRequest {
        unit_id: unit.to_string(),
        as_of: args.as_of.map(timestamp),
        consistency: None,
    };
    let answer = match opened {
        Opened::Server(session) => session.call(request).await?,
        Opened::Folder { log, models } => {
            unit::show(&models.units.read(), &request, source::present(log))?
        }
    };
    let unit = answer.unit.clone().unwrap_or_default();
    let mut out = io::stdout().lock();
    if args.source.json {
        let mut whole = as_json(&unit);
        whole["path"] = json!(answer.path_ids);
        whole["predecessors"] = json!(answer.predecessor_ids);
        whole["responsible"] = json!(answer.responsible_unit_id);
        let names = answer.names.iter();
        let names: Vec<_> = names
            .map(|it| json!({ "name": it.name, "from": when(it.from) }))
            .collect();
        whole["names"] = json!(names);
        let parents = answer.parents.iter();
        let parents: Vec<_> = parents
            .map(|it| json!({ "parent": it.parent_id, "from": when(it.from) }))
            .collect();
        whole["parents"] = json!(parents);
        writeln!(out, "{whole}")?;
        return Ok(());
    }
    writeln!(out, "{} {} ({})", unit.unit_id, unit.name, level(&unit))?;
    writeln!(out, "path: {}", answer.path_ids.join(" < "))?;
    if unit.ended_at.is_some() {
        let successors = unit.successor_ids.join(", ");
        let (end, rest) = (when(unit.ended_at), &unit.rest_id);
        writeln!(
            out,
            "ends: {end}   successors: {successors}   the rest goes to: {rest}"
        )?;
    }
    if !answer.predecessor_ids.is_empty() {
        writeln!(out, "took over from: {}", answer.predecessor_ids.join(", "))?;
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["from (UTC)", "what", "value"]);
    for name in &answer.names {
        table.add_row([when(name.from), "name".to_owned(), name.name.clone()]);
    }
    for parent in &answer.parents {
        table.add_row([
            when(parent.from),
            "parent".to_owned(),
            parent.parent_id.clone(),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}
