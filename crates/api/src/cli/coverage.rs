//! `benniu coverage`: what was patrolled.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use serde_json::json;
use uuid::Uuid;

use super::Failure;
use super::source::{self, Opened, Source};
use crate::backend::subtree;
use crate::parse::Violation;
use crate::services::patrol;
use crate::wire;

/// Show what was patrolled, by zone, local day and local hour
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this community, or the communities below this unit
    #[arg(long, value_name = "ID")]
    unit: Option<Uuid>,
    /// Only this zone
    #[arg(long, value_name = "ID")]
    zone: Option<Uuid>,
    /// First local day, YYYY-MM-DD
    #[arg(long, value_name = "DAY", default_value = "")]
    from: String,
    /// Last local day, YYYY-MM-DD
    #[arg(long, value_name = "DAY", default_value = "")]
    until: String,
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.source.open().await?;
    let id = |id: Option<Uuid>| id.map_or_else(String::new, |id| id.to_string());
    let mut request = wire::GetPatrolCoverageRequest {
        unit_id: id(args.unit),
        zone_id: id(args.zone),
        day_from: args.from,
        day_until: args.until,
        page_size: 1_000,
        ..Default::default()
    };
    let mut cells = Vec::new();
    loop {
        let (page, next) = match &opened {
            Opened::Server(session) => {
                let page = session.call(request.clone()).await?;
                (page.cells, page.next_page_token)
            }
            Opened::Folder { models, log } => {
                let wrong = |Violation { field, description }: Violation| {
                    Failure::Usage(format!("{field}: {description}"))
                };
                let at = patrol::as_of(&request, source::present(log)).map_err(wrong)?;
                let within = subtree(models, &request.unit_id, at)?;
                patrol::coverage(
                    models,
                    &models.patrol_coverage.read(),
                    within.as_ref(),
                    &request,
                )
                .map_err(wrong)?
            }
        };
        cells.extend(page);
        request.page_token = next;
        if request.page_token.is_empty() {
            return print(&cells, args.source.json);
        }
    }
}

fn print(cells: &[wire::CoverageCell], as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if as_json {
        let cells = cells.iter().map(|cell| {
            json!({
                "community": cell.community_id, "zone": cell.zone_id, "zone_name": cell.zone_name, "day": cell.day,
                "hour": cell.hour, "planned_seconds": cell.planned_seconds,
                "done_seconds": cell.done_seconds, "verified_seconds": cell.verified_seconds,
                "checkpoints_hit": cell.checkpoints_hit,
                "checkpoints_missed": cell.checkpoints_missed,
            })
        });
        writeln!(out, "{}", json!({ "cells": cells.collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "zone",
        "day",
        "hour",
        "planned min",
        "done min",
        "verified min",
        "hit",
        "missed",
    ]);
    for cell in cells {
        table.add_row([
            if cell.zone_name.is_empty() {
                &cell.zone_id
            } else {
                &cell.zone_name
            }
            .clone(),
            cell.day.clone(),
            format!("{:02}", cell.hour),
            (cell.planned_seconds / 60).to_string(),
            (cell.done_seconds / 60).to_string(),
            (cell.verified_seconds / 60).to_string(),
            cell.checkpoints_hit.to_string(),
            cell.checkpoints_missed.to_string(),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}
