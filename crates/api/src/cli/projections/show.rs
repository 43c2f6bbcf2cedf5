//! What the verbs print: tables and sentences for people, JSON for programs.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};

use crate::cli::Failure;
use crate::wire;

/// Longest text of a value in a table, in letters.
const VALUE_LETTERS_MAX: usize = 60;

fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

fn role(build: &wire::ProjectionBuild) -> String {
    word(build.role().as_str_name(), "BUILD_ROLE_")
}

/// What a build does; nothing of one that only the log tells of.
fn phase(build: &wire::ProjectionBuild) -> Option<String> {
    if build.fault_position > 0 {
        return Some("failed".to_owned());
    }
    match build.phase() {
        wire::BuildPhase::Unspecified => None,
        phase => Some(word(phase.as_str_name(), "BUILD_PHASE_")),
    }
}

fn some(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

fn json_of(build: &wire::ProjectionBuild) -> Value {
    let progress = build.progress.as_ref();
    // Without a phase nothing runs, and how far it is nobody knows.
    let runs = build.phase() != wire::BuildPhase::Unspecified;
    json!({
        "model": build.model, "build": build.build, "role": role(build), "phase": phase(build),
        "compared": build.compared,
        "schema_version": some(build.schema_version.into()),
        "position": runs.then_some(build.position),
        "lag_events": runs.then_some(build.lag_events),
        "target": progress.map(|progress| progress.target),
        "events_per_second": progress.map(|progress| progress.events_per_second),
        "seconds_left": progress.and_then(|progress| progress.time_left).map(|left| left.seconds),
        "failed_at": some(build.fault_position), "saved_position": some(build.saved_position),
        "partitions": some(build.partitions), "resident_bytes": some(build.resident_bytes),
    })
}

/// All builds; `position` is the end of the log.
pub(super) fn status(
    builds: &[wire::ProjectionBuild],
    position: u64,
    as_json: bool,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if as_json {
        let builds: Vec<_> = builds.iter().map(json_of).collect();
        writeln!(out, "{}", json!({ "position": position, "builds": builds }))?;
        return Ok(());
    }
    // Of a folder only the log tells, so there is nothing to say in the other columns.
    let runs = |build: &wire::ProjectionBuild| build.phase() != wire::BuildPhase::Unspecified;
    let columns = if builds.iter().any(runs) {
        usize::MAX
    } else {
        4
    };
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let head = [
        "model",
        "build",
        "role",
        "state",
        "position",
        "behind",
        "schema",
        "partitions",
        "MiB",
        "snapshot",
    ];
    table.set_header(head.into_iter().take(columns));
    let text = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    for build in builds {
        let role = if build.compared {
            format!("{}, compared", role(build))
        } else {
            role(build)
        };
        let state = match (phase(build), &build.progress) {
            (Some(phase), Some(progress)) if progress.target > 0 => {
                let percent = progress.position.saturating_mul(100) / progress.target;
                format!("{phase} {percent}%")
            }
            (phase, _) => phase.unwrap_or_else(|| "stored".to_owned()),
        };
        let row = [
            build.model.clone(),
            build.build.to_string(),
            role,
            state,
            text(runs(build).then_some(build.position)),
            text(runs(build).then_some(build.lag_events)),
            text(some(build.schema_version.into())),
            text(some(build.partitions)),
            text(some(build.resident_bytes.div_ceil(1 << 20))),
            text(some(build.saved_position)),
        ];
        table.add_row(row.into_iter().take(columns));
    }
    writeln!(out, "{table}")?;
    writeln!(out, "the log ends at position {position}")?;
    Ok(())
}

/// A candidate that follows the log.
pub(super) fn rebuilt(build: &wire::ProjectionBuild, as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", json_of(build))?;
        return Ok(());
    }
    let (model, number) = (&build.model, build.build);
    writeln!(
        out,
        "{model} build {number} is made and follows the log, at position {}.\n\
         benniu projections compare {model} says what it would change.",
        build.position
    )?;
    Ok(())
}

/// Another build is live.
pub(super) fn switched(
    model: &str,
    from: u32,
    to: u32,
    receipt: Option<wire::Receipt>,
    as_json: bool,
) -> Result<(), Failure> {
    let position = receipt.unwrap_or_default().position;
    let mut out = io::stdout().lock();
    if as_json {
        let answer = json!({ "model": model, "from": from, "to": to, "position": position });
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{model} build {to} is live, by the event at position {position}; build {from} is kept."
    )?;
    Ok(())
}

/// A build is no more.
pub(super) fn gone(
    model: &str,
    build: u32,
    how: &str,
    receipt: Option<wire::Receipt>,
    as_json: bool,
) -> Result<(), Failure> {
    let position = receipt.unwrap_or_default().position;
    let mut out = io::stdout().lock();
    if as_json {
        let answer = json!({ "model": model, "build": build, "position": position });
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{model} build {build} is {how}, by the event at position {position}."
    )?;
    Ok(())
}

/// What a comparison found.
pub(super) fn compared(
    model: &str,
    found: &wire::CompareBuildsResponse,
    as_json: bool,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if as_json {
        let rows = found.differences.iter().map(|row| {
            json!({
                "key": row.key, "live": value(&row.live_json), "rebuilt": value(&row.rebuilt_json),
                "cut": row.cut,
            })
        });
        let whole = json!({
            "model": model, "live": found.live, "build": found.build, "position": found.position,
            "partitions": found.partitions, "differing_partitions": found.differing_partitions,
            "rows": found.rows, "differing_rows": found.differing_rows,
            "declared_rows": found.declared_rows, "withheld_rows": found.withheld_rows,
            "differences": rows.collect::<Vec<_>>(),
        });
        writeln!(out, "{whole}")?;
        return Ok(());
    }
    if !found.differences.is_empty() {
        writeln!(
            out,
            "{}",
            differing(&found.differences, ["live", "rebuilt"])
        )?;
    }
    let of = match found.differing_rows {
        0 => "all say the same".to_owned(),
        rows => format!(
            "{rows} rows in {} partitions differ{}",
            found.differing_partitions,
            not_shown(found)
        ),
    };
    writeln!(
        out,
        "{model} build {} against the live build {}, both at position {}: of {} rows in {} \
         partitions {of}.",
        found.build, found.live, found.position, found.rows, found.partitions,
    )?;
    Ok(())
}

/// The rows that differ, a line for each column, under the names of both sides.
fn differing(rows: &[wire::RowDifference], [one, other]: [&str; 2]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["row", "column", one, other]);
    for line in rows.iter().flat_map(columns) {
        table.add_row(line);
    }
    table
}

/// What a what-if found.
pub(super) fn supposed(
    model: &str,
    found: &wire::WhatIfFound,
    as_json: bool,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if as_json {
        let rows = found.differences.iter().map(|row| {
            json!({
                "key": row.key, "recorded": value(&row.live_json),
                "supposed": value(&row.rebuilt_json), "cut": row.cut,
            })
        });
        let whole = json!({
            "model": model, "from": found.from, "position": found.position,
            "partitions": found.partitions, "differing_partitions": found.differing_partitions,
            "rows": found.rows, "differing_rows": found.differing_rows,
            "withheld_rows": found.withheld_rows, "differences": rows.collect::<Vec<_>>(),
        });
        writeln!(out, "{whole}")?;
        return Ok(());
    }
    if !found.differences.is_empty() {
        let table = differing(&found.differences, ["recorded", "supposed"]);
        writeln!(out, "{table}")?;
    }
    let of = match found.differing_rows {
        0 => "none would differ".to_owned(),
        rows => {
            let shown = found.differences.len() as u64;
            let shown = (shown < rows).then(|| format!("; {shown} are shown"));
            let withheld = (found.withheld_rows > 0)
                .then(|| format!("; {} are withheld", found.withheld_rows));
            format!(
                "{rows} in {} partitions would differ{}{}",
                found.differing_partitions,
                shown.unwrap_or_default(),
                withheld.unwrap_or_default()
            )
        }
    };
    writeln!(
        out,
        "{model}, supposed from position {} on, at position {}: of {} rows in {} partitions {of}. \
         Nothing was recorded.",
        found.from, found.position, found.rows, found.partitions,
    )?;
    Ok(())
}

/// What is said of rows that differ beside how many they are.
fn not_shown(found: &wire::CompareBuildsResponse) -> String {
    let mut parts = Vec::new();
    if found.declared_rows > 0 {
        let rows = found.declared_rows;
        parts.push(format!(
            ", {rows} of them only in what the change of the schema declared"
        ));
    }
    let shown = found.differences.len() as u64;
    if shown < found.differing_rows {
        parts.push(format!("; {shown} are shown"));
    }
    if found.withheld_rows > 0 {
        parts.push(format!("; {} are withheld", found.withheld_rows));
    }
    parts.concat()
}

/// A value as JSON; a text where it was cut, nothing where there is no row.
fn value(json: &str) -> Value {
    if json.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()))
}

/// The lines of a row: one for each column that differs.
fn columns(row: &wire::RowDifference) -> Vec<[String; 4]> {
    let (live, rebuilt) = (value(&row.live_json), value(&row.rebuilt_json));
    let cells = |column: &str, live: &str, rebuilt: &str| {
        let (live, rebuilt) = (shortened(live), shortened(rebuilt));
        [row.key.clone(), column.to_owned(), live, rebuilt]
    };
    let (Value::Object(old), Value::Object(new)) = (&live, &rebuilt) else {
        let side = |json: &str| match json {
            "" => "no such row".to_owned(),
            json => json.to_owned(),
        };
        return vec![cells("", &side(&row.live_json), &side(&row.rebuilt_json))];
    };
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let cell = |of: &Map<String, Value>, name: &str| {
        let value = of.get(name);
        value.map_or_else(|| "no such column".to_owned(), Value::to_string)
    };
    let differing = names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name));
    differing
        .map(|name| cells(name, &cell(old, name), &cell(new, name)))
        .collect()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(VALUE_LETTERS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(live: &str, rebuilt: &str) -> wire::RowDifference {
        wire::RowDifference {
            key: "k".to_owned(),
            live_json: live.to_owned(),
            rebuilt_json: rebuilt.to_owned(),
            cut: false,
        }
    }

    #[test]
    fn of_a_row_only_the_columns_that_differ_are_listed() {
        let lines = columns(&row(r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1,"b":4,"d":5}"#));
        let lines: Vec<_> = lines.iter().map(|line| line[1..].join(" ")).collect();
        assert_eq!(lines, ["b 2 4", "c 3 no such column", "d no such column 5"]);
    }

    #[test]
    fn a_row_that_one_build_does_not_have_is_one_line() {
        assert_eq!(
            columns(&row("", r#"{"a":1}"#))[0][1..],
            ["", "no such row", r#"{"a":1}"#]
        );
        let long = format!("{{\"a\":\"{}", "点".repeat(100));
        let lines = columns(&row(&long, ""));
        assert_eq!(lines[0][2].chars().count(), VALUE_LETTERS_MAX + 1);
        assert_eq!(value(&long), Value::String(long.clone()), "it was cut");
    }
}
