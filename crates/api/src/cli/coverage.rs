//! `benniu coverage`: what was patrolled.

use comfy_table::presets;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Failure;
use super::picture::{Picture, Shown, asked};
use super::source::{self, Opened, Source};
use crate::backend::subtree;
use crate::parse::Violation;
use crate::pictures::coverage::{self as picture, Rows};
use crate::pictures::page;
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
    /// What the rows of the picture are
    #[arg(long, value_enum, default_value_t = Rows::Zone)]
    by: Rows,
    #[command(flatten)]
    shown: Shown,
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
        let (page, next, read_point) = match &opened {
            Opened::Server(session) => {
                let page = session.call(request.clone()).await?;
                (page.cells, page.next_page_token, page.read_point)
            }
            Opened::Folder { models, log } => {
                let wrong = |Violation { field, description }: Violation| {
                    Failure::Usage(format!("{field}: {description}"))
                };
                let at = patrol::as_of(&request, source::present(log)).map_err(wrong)?;
                let within = subtree(models, &request.unit_id, at)?;
                let build = models.patrol_coverage.read();
                let page = patrol::coverage(models, &build, within.as_ref(), &request);
                let (cells, next) = page.map_err(wrong)?;
                (cells, next, Some(source::seen(log, &build)))
            }
        };
        cells.extend(page);
        request.page_token = next;
        if request.page_token.is_empty() {
            let answer = wire::GetPatrolCoverageResponse {
                cells,
                next_page_token: String::new(),
                read_point,
            };
            let asked = asked(&[
                ("unit", request.unit_id),
                ("zone", request.zone_id),
                ("from", request.day_from),
                ("until", request.day_until),
            ]);
            let picture = Picture {
                title: picture::TITLE,
                terminal: &|| picture::terminal(&answer, args.by),
                svg: &|| picture::svg(&answer, args.by, &asked),
                lines: &|| lines(&answer.cells),
                tables: &|| vec![table(&answer.cells)],
                json: &|| object(&answer.cells),
            };
            return args.shown.print(args.source.json, &picture);
        }
    }
}

fn object(cells: &[wire::CoverageCell]) -> Value {
    let cells = cells.iter().map(|cell| {
        json!({
            "community": cell.community_id, "zone": cell.zone_id, "zone_name": cell.zone_name, "day": cell.day,
            "hour": cell.hour, "planned_seconds": cell.planned_seconds,
            "done_seconds": cell.done_seconds, "verified_seconds": cell.verified_seconds,
            "checkpoints_hit": cell.checkpoints_hit,
            "checkpoints_missed": cell.checkpoints_missed,
        })
    });
    json!({ "cells": cells.collect::<Vec<_>>() })
}

const COLUMNS: [&str; 8] = [
    "zone",
    "day",
    "hour",
    "planned min",
    "done min",
    "verified min",
    "hit",
    "missed",
];

fn table(cells: &[wire::CoverageCell]) -> page::Table {
    let rows = cells.iter().map(|cell| {
        let zone = if cell.zone_name.is_empty() {
            &cell.zone_id
        } else {
            &cell.zone_name
        };
        vec![
            zone.clone(),
            cell.day.clone(),
            format!("{:02}", cell.hour),
            (cell.planned_seconds / 60).to_string(),
            (cell.done_seconds / 60).to_string(),
            (cell.verified_seconds / 60).to_string(),
            cell.checkpoints_hit.to_string(),
            cell.checkpoints_missed.to_string(),
        ]
    });
    page::Table {
        caption: "coverage, in person-minutes; checkpoints hit and missed".to_owned(),
        columns: COLUMNS.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

fn lines(cells: &[wire::CoverageCell]) -> String {
    let page::Table { columns, rows, .. } = table(cells);
    let mut table = comfy_table::Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(columns);
    table.add_rows(rows);
    table.to_string()
}
