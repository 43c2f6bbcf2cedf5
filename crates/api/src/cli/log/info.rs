//! `benniu log info`: what a log is made of and what it takes.

use std::io::{self, Write as _};
use std::path::PathBuf;

use comfy_table::{Table, presets};
use domain::ids::hex;
use eventlog::{FolderState, LogInfo};
use serde_json::json;

use crate::cli::{Failure, watch};

/// Show what a log is made of: epochs, segments, blocks, copies, bytes on disk
///
/// Reads only; a service may be running on the folder, and then it shows what was acknowledged.
/// Exits with 1 if the journal is damaged, saying where; `benniu verify` looks at both copies.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Folder of the log
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(args: Args) -> Result<(), Failure> {
    let (data, watch) = (args.data, watch::Watch::start("reading the log"));
    let info = tokio::task::spawn_blocking(move || {
        eventlog::info(&data, &mut |position| watch.at(position))
    });
    let info = info
        .await
        .map_err(Failure::could_not)?
        .map_err(Failure::could_not)?;
    if args.json {
        writeln!(io::stdout(), "{}", as_json(&info))?;
    } else {
        print(&info)?;
    }
    match info.finding {
        None => Ok(()),
        Some(finding) => Err(Failure::Wrong(format!(
            "the journal is damaged: {finding}; `benniu serve` heals what the second copy still holds"
        ))),
    }
}

fn state(info: &LogInfo) -> &'static str {
    match info.state {
        FolderState::Closed => "closed",
        FolderState::NotClosed => "not_closed",
        FolderState::Running => "running",
    }
}

fn per_event(info: &LogInfo, bytes: u64) -> u64 {
    bytes.checked_div(info.events).unwrap_or_default()
}

fn as_json(info: &LogInfo) -> serde_json::Value {
    let used: u64 = info.segments.iter().map(|segment| segment.used).sum();
    json!({
        "state": state(info),
        "log_id": info.log_id,
        "epochs": info.epochs.iter().map(|epoch| json!({
            "epoch": epoch.epoch, "first_position": epoch.first_position,
        })).collect::<Vec<_>>(),
        "events": info.events,
        "commits": info.commits,
        "root": hex(&info.root),
        "recorded_at": info.recorded_at,
        "head": info.head.map(|head| json!({
            "epoch": head.epoch, "position": head.position, "synced_position": head.synced,
        })),
        "blocks": info.blocks(),
        "segments": info.segments.iter().map(|segment| json!({
            "number": segment.number, "size": segment.size, "used": segment.used,
            "blocks": segment.blocks,
        })).collect::<Vec<_>>(),
        "volumes": info.volumes.iter().map(|volume| json!({
            "number": volume.number, "bytes": volume.bytes,
        })).collect::<Vec<_>>(),
        "bytes": {
            "journal": info.bytes.journal, "journal_used": used,
            "second_copy": info.bytes.second_copy, "index": info.bytes.index,
            "views": info.bytes.views, "set_aside": info.bytes.set_aside,
            "reserve": info.bytes.reserve, "free": info.free,
        },
        "bytes_per_event": {
            "journal_used": per_event(info, used),
            "journal": per_event(info, info.bytes.journal),
            "second_copy": per_event(info, info.bytes.second_copy),
            "index": per_event(info, info.bytes.index),
            "views": per_event(info, info.bytes.views),
            "in_use": per_event(info, info.bytes.in_use()),
        },
        "set_aside": info.set_aside.iter().map(|(path, bytes)| json!({
            "path": path, "bytes": bytes,
        })).collect::<Vec<_>>(),
        "finding": info.finding,
    })
}

fn print(info: &LogInfo) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let used: u64 = info.segments.iter().map(|segment| segment.used).sum();
    let size: u64 = info.segments.iter().map(|segment| segment.size).sum();
    let epochs = info
        .epochs
        .iter()
        .map(|epoch| format!("{} from position {}", epoch.epoch, epoch.first_position));
    let last = |text: Option<String>| text.unwrap_or_else(|| "missing or damaged".to_owned());
    let rows = [
        ("state", state(info).replace('_', " ")),
        ("log", info.log_id.to_string()),
        ("epochs", epochs.collect::<Vec<_>>().join(", ")),
        ("events", info.events.to_string()),
        ("commits", info.commits.to_string()),
        ("root", hex(&info.root)),
        (
            "last recorded",
            info.recorded_at
                .map_or_else(String::new, |at| at.to_rfc3339()),
        ),
        (
            "head",
            last(info.head.map(|head| {
                format!(
                    "acknowledged up to {}, both copies synced up to {}",
                    head.position, head.synced
                )
            })),
        ),
        (
            "journal",
            format!(
                "{} segments, {} blocks, {used} of {size} bytes used",
                info.segments.len(),
                info.blocks()
            ),
        ),
        ("second copy", format!("{} volumes", info.volumes.len())),
        (
            "set aside",
            format!("{} files or folders", info.set_aside.len()),
        ),
    ];
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    let mut out = io::stdout();
    writeln!(out, "{table}")?;
    let mut bytes = Table::new();
    bytes.load_style(presets::UTF8_BORDERS_ONLY);
    bytes.set_header(["bytes on disk", "all", "per event"]);
    for (name, taken) in [
        ("journal", info.bytes.journal),
        ("second copy", info.bytes.second_copy),
        ("index", info.bytes.index),
        ("views", info.bytes.views),
        ("set aside", info.bytes.set_aside),
    ] {
        bytes.add_row([
            name.to_owned(),
            taken.to_string(),
            per_event(info, taken).to_string(),
        ]);
    }
    for (name, taken) in [("reserve", info.bytes.reserve), ("free", info.free)] {
        bytes.add_row([name.to_owned(), taken.to_string()]);
    }
    writeln!(out, "{bytes}")?;
    for segment in &info.segments {
        let (number, blocks) = (segment.number, segment.blocks);
        writeln!(
            out,
            "segment {number}: {blocks} blocks, {} of {} bytes used",
            segment.used, segment.size
        )?;
    }
    for (path, bytes) in &info.set_aside {
        writeln!(out, "set aside: {} ({bytes} bytes)", path.display())?;
    }
    Ok(())
}
