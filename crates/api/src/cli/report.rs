//! `benniu report`: questions about many cases, as tables.
//!
//! Owns how a report is asked of a server or a folder, and how a table or JSON is made of it
//! ([`Sheet`]). Each report is a file with its flags and its columns.

mod alarms;
mod growth;
mod hazards;
mod hotspots;
mod leaderboard;
mod mediation;
mod stock;
mod stuck;
mod timeline;

use std::io::{self, Write as _};

use clap::Subcommand;
use comfy_table::{Table, presets};
use domain::Instant;
use eventlog::ReadLog;
use projections::Models;
use prost_types::Timestamp;
use serde_json::{Map, Value, json};
use tonic::Status;
use uuid::Uuid;

use super::Failure;
use super::picture::{Picture, Shown};
use super::source::{self, Opened, Source};
use crate::pictures::NotDrawn;
use crate::pictures::page;
use crate::session::{Rpc, timestamp};
use crate::{parse, wire};

/// Rows that are asked for at once.
const PAGE_ROWS: i32 = 1_000;

/// Answer questions about many cases: alarms, hazards, mediation, growth, hot spots, stock, honour
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    report: Report,
}

#[derive(Debug, Subcommand)]
enum Report {
    Alarms(alarms::Args),
    Hazards(hazards::Args),
    Mediation(mediation::Args),
    Growth(growth::Args),
    Hotspots(hotspots::Args),
    Stock(stock::Args),
    Leaderboard(leaderboard::Args),
    Stuck(stuck::Args),
    Timeline(timeline::Args),
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    match args.report {
        Report::Alarms(args) => alarms::run(args).await,
        Report::Hazards(args) => hazards::run(args).await,
        Report::Mediation(args) => mediation::run(args).await,
        Report::Growth(args) => growth::run(args).await,
        Report::Hotspots(args) => hotspots::run(args).await,
        Report::Stock(args) => stock::run(args).await,
        Report::Leaderboard(args) => leaderboard::run(args).await,
        Report::Stuck(args) => stuck::run(args).await,
        Report::Timeline(args) => timeline::run(args).await,
    }
}

/// The flags that all reports share.
#[derive(Debug, clap::Args)]
struct Of {
    /// Only this unit and those below it
    #[arg(long, value_name = "ID")]
    unit: Option<Uuid>,
    #[command(flatten)]
    source: Source,
}

impl Of {
    fn unit_id(&self) -> String {
        self.unit.map_or_else(String::new, |unit| unit.to_string())
    }
}

/// Asks a server, or the same question of a folder's models at its present.
async fn ask<R: Rpc + Clone>(
    opened: &Opened,
    request: &R,
    local: impl FnOnce(&Models, &ReadLog, Instant) -> Result<R::Response, Status>,
) -> Result<R::Response, Failure> {
    match opened {
        Opened::Server(session) => Ok(session.call(request.clone()).await?),
        Opened::Folder { log, models } => Ok(local(models, log, source::present(log))?),
    }
}

/// A report as it is printed: what is said of the whole, and rows of the same columns.
struct Sheet {
    name: &'static str,
    columns: &'static [&'static str],
    notes: Vec<(&'static str, Value)>,
    rows: Vec<Vec<Value>>,
}

impl Sheet {
    const fn new(name: &'static str, columns: &'static [&'static str]) -> Self {
        Self {
            name,
            columns,
            notes: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// All of it as an object: the notes by name, the rows as objects under the sheet's name.
    fn object(&self) -> Map<String, Value> {
        let rows = self.rows.iter().map(|row| {
            let columns = self.columns.iter().map(|column| column.replace(' ', "_"));
            Value::Object(columns.zip(row.iter().cloned()).collect())
        });
        let notes = self.notes.iter();
        let mut whole: Map<_, _> = notes
            .map(|(name, value)| (name.replace(' ', "_"), value.clone()))
            .collect();
        whole.insert(self.name.to_owned(), rows.collect());
        whole
    }

    /// Its rows for a page; the notes go into the caption.
    fn table(&self) -> page::Table {
        let notes = self.notes.iter();
        let notes = notes.map(|(name, value)| format!("; {name}: {}", text(value)));
        page::Table {
            caption: format!("{}{}", self.name, notes.collect::<String>()),
            columns: self
                .columns
                .iter()
                .map(|&column| column.to_owned())
                .collect(),
            rows: self
                .rows
                .iter()
                .map(|row| row.iter().map(text).collect())
                .collect(),
        }
    }

    fn print(&self, as_json: bool) -> Result<(), Failure> {
        print(&[self], as_json)
    }
}

/// Prints sheets below each other, or one object of all.
fn print(sheets: &[&Sheet], as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", object(sheets))?;
    } else {
        writeln!(out, "{}", lines(sheets))?;
    }
    Ok(())
}

/// Prints sheets with their picture, in the form that is asked for.
fn print_picture(
    shown: &Shown,
    as_json: bool,
    sheets: &[&Sheet],
    title: &str,
    terminal: &dyn Fn() -> String,
    svg: &dyn Fn() -> Result<String, NotDrawn>,
) -> Result<(), Failure> {
    let picture = Picture {
        title,
        terminal,
        svg,
        lines: &|| lines(sheets),
        tables: &|| sheets.iter().map(|sheet| sheet.table()).collect(),
        json: &|| object(sheets),
    };
    shown.print(as_json, &picture)
}

fn object(sheets: &[&Sheet]) -> Value {
    let whole: Map<_, _> = sheets.iter().flat_map(|sheet| sheet.object()).collect();
    Value::Object(whole)
}

fn lines(sheets: &[&Sheet]) -> String {
    let mut lines = Vec::new();
    for sheet in sheets {
        let notes = sheet.notes.iter();
        lines.extend(notes.map(|(name, value)| format!("{name}: {}", text(value))));
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        table.set_header(sheet.columns);
        for row in &sheet.rows {
            table.add_row(row.iter().map(text));
        }
        lines.push(table.to_string());
    }
    lines.join("\n")
}

/// A value as a person reads it; a share as `3 of 7`.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(share) if share.contains_key("of") => {
            let number = |key| share.get(key).map_or_else(String::new, text);
            format!("{} of {}", number("count"), number("of"))
        }
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// A share, never divided.
fn share(rate: Option<wire::Rate>) -> Value {
    let rate = rate.unwrap_or_default();
    json!({ "count": rate.numerator, "of": rate.denominator })
}

/// An instant to the minute, in UTC.
fn when(time: Option<Timestamp>) -> Value {
    let instant = parse::optional_instant("", time).ok().flatten();
    instant.map_or(Value::Null, |instant| {
        json!(instant.format("%Y-%m-%d %H:%M").to_string())
    })
}

/// The name of a member of an enumeration, as it is read.
fn word(name: &str, prefix: &str) -> Value {
    match name.trim_start_matches(prefix).to_lowercase().as_str() {
        "unspecified" => Value::Null,
        word => json!(word),
    }
}

fn instant(time: Option<Instant>) -> Option<Timestamp> {
    time.map(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_says_the_same_as_a_table_and_as_an_object() {
        let mut sheet = Sheet::new("hazards", &["unit", "overdue in all"]);
        sheet.notes.push(("as of", json!("2024-07-31")));
        let rate = wire::Rate {
            numerator: 3,
            denominator: 7,
        };
        sheet.rows.push(vec![json!("a"), share(Some(rate))]);
        let whole = Value::Object(sheet.object());
        assert_eq!(
            whole,
            json!({
                "as_of": "2024-07-31",
                "hazards": [{ "unit": "a", "overdue_in_all": { "count": 3, "of": 7 } }],
            })
        );
        let cells: Vec<_> = sheet.rows[0].iter().map(text).collect();
        assert_eq!(cells, ["a", "3 of 7"]);
        assert_eq!(text(&word("X_UNSPECIFIED", "X_")), "");
        assert_eq!(text(&json!([1, 2])), "1 2");
    }
}
