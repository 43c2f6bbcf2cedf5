//! `benniu log scrub`: verify and heal both copies and the index, now.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use comfy_table::{Table, presets};
use eventlog::{DiskLog, EventLog as _, ScrubOptions};
use serde_json::json;

use crate::cli::{Failure, watch};
use crate::folder::{self, Keeping};
use crate::session::Session;
use crate::{scrub, wire};

/// How often a pass is looked at while it runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Verify both copies and the index of a log and heal what is damaged in one of them
///
/// With --server, asks a running service for a pass, which runs in its background at the rate that it
/// is set to, and waits for its end. With --data, opens the folder, which nobody may be serving, and
/// goes over all of it. What is damaged in one copy is made anew out of the other, old files are set
/// aside. Exits with 1 if something is left that could not be healed, saying what.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    place: Place,
    /// Login subject of an administrator to call the server with
    #[arg(long = "as", value_name = "SUBJECT", default_value = "admin")]
    subject: String,
    /// With --data: read at most so many MiB a second [default: as fast as it goes]
    #[arg(long, value_name = "MIB", conflicts_with = "server",
          value_parser = clap::value_parser!(u64).range(1..=scrub::RATE_MIB_MAX))]
    rate: Option<u64>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Place {
    #[arg(
        long,
        value_name = "URL",
        help = "Ask a running server, such as http://127.0.0.1:50051"
    )]
    server: Option<String>,
    /// Open this data folder; no service may be running on it
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What came of it.
struct Scrubbed {
    pass: wire::ScrubPass,
    /// What the opening of a folder put right before.
    opening: Vec<String>,
}

pub(in crate::cli) async fn run(args: Args) -> Result<(), Failure> {
    let scrubbed = match (&args.place.server, &args.place.data) {
        (Some(url), _) => on_server(url, &args.subject).await?,
        (None, Some(dir)) => on_folder(dir, args.rate).await?,
        (None, None) => return Err(Failure::Usage("--server or --data is needed".to_owned())),
    };
    if args.json {
        writeln!(io::stdout(), "{}", as_json(&scrubbed))?;
    } else {
        print(&scrubbed)?;
    }
    let pass = &scrubbed.pass;
    let left = pass.unhealed + pass.lost;
    if !pass.complete {
        Err(Failure::CouldNot(
            "the log was closed before the scrub had gone over all of it".to_owned(),
        ))
    } else if left > 0 {
        Err(Failure::Wrong(format!(
            "{left} findings are not healed; each says what is left"
        )))
    } else {
        Ok(())
    }
}

async fn on_server(url: &str, subject: &str) -> Result<Scrubbed, Failure> {
    let session = Session::connect(url, subject)
        .await
        .map_err(Failure::could_not)?;
    let asked = session.call(wire::StartScrubRequest {}).await?;
    let watch = watch::Watch::start("scrubbing");
    loop {
        let stands = session.call(wire::GetScrubRequest {}).await?;
        if let Some(running) = stands.running {
            watch.at(running.position);
        }
        if let Some(pass) = stands.last.filter(|last| last.number >= asked.number) {
            return Ok(Scrubbed {
                pass,
                opening: Vec::new(),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn on_folder(dir: &Path, rate: Option<u64>) -> Result<Scrubbed, Failure> {
    let keeping = Keeping {
        scrub: ScrubOptions {
            bytes_per_second: rate
                .and_then(|rate| scrub::options(Some(rate), None).bytes_per_second),
            every: None,
        },
        ..Keeping::default()
    };
    let opened = folder::open_by_its_clock(dir, DiskLog::open, keeping).await?;
    let (log, opening) = (opened.log, opened.report.healed);
    let watch = watch::Watch::start("scrubbing");
    let work = move || {
        let scrub = log.scrub();
        let number = scrub.start();
        loop {
            let status = scrub.status();
            if let Some(last) = status.last.filter(|last| last.number >= number) {
                return log.close().map(|()| last).map_err(Failure::could_not);
            }
            if let Some(running) = status.running {
                watch.at(running.position);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    };
    let report = tokio::task::spawn_blocking(work)
        .await
        .map_err(Failure::could_not)??;
    Ok(Scrubbed {
        pass: scrub::pass(&report),
        opening,
    })
}

const fn part(part: wire::ScrubbedPart) -> &'static str {
    match part {
        wire::ScrubbedPart::Journal => "journal",
        wire::ScrubbedPart::SecondCopy => "second_copy",
        wire::ScrubbedPart::Index => "index",
        wire::ScrubbedPart::Unspecified => "unknown",
    }
}

const fn outcome(outcome: wire::ScrubOutcome) -> &'static str {
    match outcome {
        wire::ScrubOutcome::Healed => "healed",
        wire::ScrubOutcome::Unhealed => "unhealed",
        wire::ScrubOutcome::Lost => "lost",
        wire::ScrubOutcome::Unspecified => "unknown",
    }
}

/// How long a pass took, in milliseconds.
fn millis(pass: &wire::ScrubPass) -> u64 {
    let took = pass.took.unwrap_or_default();
    let seconds = u64::try_from(took.seconds).unwrap_or(0);
    seconds * 1_000 + u64::try_from(took.nanos).unwrap_or(0) / 1_000_000
}

fn per_second(pass: &wire::ScrubPass) -> u64 {
    let bytes = pass.bytes.saturating_mul(1_000);
    bytes.checked_div(millis(pass)).unwrap_or(bytes)
}

fn as_json(scrubbed: &Scrubbed) -> serde_json::Value {
    let pass = &scrubbed.pass;
    json!({
        "pass": pass.number,
        "complete": pass.complete,
        "position": pass.position,
        "bytes": pass.bytes,
        "milliseconds": millis(pass),
        "bytes_per_second": per_second(pass),
        "healed": pass.healed,
        "unhealed": pass.unhealed,
        "lost": pass.lost,
        "healed_by_opening": scrubbed.opening,
        "findings": pass.findings.iter().map(|finding| json!({
            "part": part(finding.part()),
            "what": finding.what,
            "outcome": outcome(finding.outcome()),
            "detail": finding.detail,
            "lost_position": (finding.lost_position > 0).then_some(finding.lost_position),
        })).collect::<Vec<_>>(),
    })
}

fn print(scrubbed: &Scrubbed) -> io::Result<()> {
    let mut out = io::stdout();
    let pass = &scrubbed.pass;
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let rows = [
        ("pass", pass.number.to_string()),
        ("gone over up to position", pass.position.to_string()),
        ("bytes read", pass.bytes.to_string()),
        ("bytes a second", per_second(pass).to_string()),
        ("healed", pass.healed.to_string()),
        ("not healed", pass.unhealed.to_string()),
        ("lost in both copies", pass.lost.to_string()),
    ];
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    writeln!(out, "{table}")?;
    for healed in &scrubbed.opening {
        writeln!(out, "healed by the opening: {healed}")?;
    }
    for finding in &pass.findings {
        writeln!(
            out,
            "{}: {}: {}: {}",
            part(finding.part()).replace('_', " "),
            outcome(finding.outcome()),
            finding.what,
            finding.detail
        )?;
    }
    Ok(())
}
