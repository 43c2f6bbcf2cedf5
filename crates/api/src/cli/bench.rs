//! `benniu bench`: what the machine does, beside a baseline measured in the same run.
//!
//! Owns the flags and the printing; appending and replay are measured by [`eventlog::bench`].

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant as Stopwatch};

use eventlog::bench::{AppendPlan, OpenPlan, ReplayPlan, StreamPlan};
use eventlog::{EventLog as _, ReadLog};
use projections::feed::Decoder;
use projections::read_model::ReadModel as _;
use projections::read_models::balances::Balances;
use projections::{Models, feed};
use serde::Serialize;

use super::Failure;
use crate::demo;

/// Least time that one figure is measured in one pass.
const PASS_MIN: Duration = Duration::from_millis(500);

/// Measure, beside a baseline of the same run, as JSON Lines
///
/// Only ratios within one run compare: a line says how its rate stands to that of the baseline.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Appending to a log, beside plain and preallocated files that are appended to and synced
    Append(Append),
    /// Reading a log from its first event, cold and warm, on one thread and on two, beside decoding
    /// without parsing
    Replay(Read),
    /// Reading the events of single streams, cold and warm, beside reading one block
    Stream(Read),
    /// Opening a log after a clean stop, as after a kill and verifying all of it, cold and warm, beside
    /// reading its journal's bytes; takes the log's lock
    Open(Open),
    /// Folding the read models from the first event, beside reading and decoding alone
    Rebuild(Read),
}

#[derive(Debug, clap::Args)]
struct Append {
    /// Work in this folder, so on its disk; a temporary one if absent
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Numbers of single-event commits that are handed over together
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256, 1_024])]
    groups: Vec<usize>,
    /// Numbers of tasks that append through the async trait
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64, 256])]
    tasks: Vec<usize>,
    /// How often each figure is measured; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    passes: u64,
    /// Fill the log up to so many events before anything is measured
    #[arg(long, value_name = "EVENTS", default_value_t = 0)]
    fill_to: u64,
}

#[derive(Debug, clap::Args)]
struct Read {
    /// The folder of a log; if absent, the demo's history is played into a temporary one first
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How often each figure is measured; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    passes: u64,
}

#[derive(Debug, clap::Args)]
struct Open {
    #[command(flatten)]
    read: Read,
    /// Leave out verifying all of the log, which takes seconds per million events
    #[arg(long)]
    not_whole: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Append(args) => blocking(move || append(&args)).await,
        What::Replay(args) => {
            let (dir, kept) = log_to_read(&args).await?;
            let mut plan = ReplayPlan::new(&dir);
            plan.passes = passes(args.passes);
            let measured =
                blocking(move || eventlog::bench::replay(&plan, &mut print).map_err(could_not));
            let measured = measured.await;
            drop(kept);
            measured
        }
        What::Stream(args) => {
            let (dir, kept) = log_to_read(&args).await?;
            let mut plan = StreamPlan::new(&dir);
            plan.passes = passes(args.passes);
            let measured =
                blocking(move || eventlog::bench::stream(&plan, &mut print).map_err(could_not));
            let measured = measured.await;
            drop(kept);
            measured
        }
        What::Open(args) => {
            let (dir, kept) = log_to_read(&args.read).await?;
            let mut plan = OpenPlan::new(&dir);
            plan.passes = passes(args.read.passes);
            plan.whole = !args.not_whole;
            let measured =
                blocking(move || eventlog::bench::open(&plan, &mut print).map_err(could_not));
            let measured = measured.await;
            drop(kept);
            measured
        }
        What::Rebuild(args) => {
            let (dir, kept) = log_to_read(&args).await?;
            let measured = blocking(move || rebuild(&dir, passes(args.passes))).await;
            drop(kept);
            measured
        }
    }
}

async fn blocking(
    work: impl FnOnce() -> Result<(), Failure> + Send + 'static,
) -> Result<(), Failure> {
    tokio::task::spawn_blocking(work).await.map_err(could_not)?
}

fn could_not(error: impl std::fmt::Display) -> Failure {
    Failure::could_not(error)
}

fn passes(count: u64) -> usize {
    usize::try_from(count).unwrap_or(1)
}

fn print(row: impl Serialize) {
    // A row is numbers and names; a reader who has gone away wants no more of them.
    if let Ok(line) = serde_json::to_string(&row) {
        let _ = writeln!(io::stdout(), "{line}");
    }
}

fn append(args: &Append) -> Result<(), Failure> {
    let temporary = tempfile::Builder::new().prefix("benniu-bench-").tempdir()?;
    let mut plan = AppendPlan::new(args.data.as_deref().unwrap_or(temporary.path()));
    plan.groups.clone_from(&args.groups);
    plan.tasks.clone_from(&args.tasks);
    plan.passes = passes(args.passes);
    plan.fill_to = args.fill_to;
    eventlog::bench::append(&plan, &mut print).map_err(could_not)
}

/// The log to read, and what keeps it there.
async fn log_to_read(args: &Read) -> Result<(PathBuf, Option<tempfile::TempDir>), Failure> {
    if let Some(dir) = &args.data {
        return Ok((dir.clone(), None));
    }
    writeln!(
        io::stderr(),
        "benniu: playing the demo's history into a temporary folder"
    )?;
    let temporary = tempfile::Builder::new().prefix("benniu-bench-").tempdir()?;
    let dir = temporary.path().join("log");
    let options = demo::Options {
        data: Some(dir.clone()),
        sabotage: None,
    };
    demo::run(&options, &mut io::sink())
        .await
        .map_err(could_not)?;
    Ok((dir, Some(temporary)))
}

/// A figure of rebuilding.
#[derive(Debug, Serialize)]
struct Rebuilt {
    bench: &'static str,
    /// `decode` is the baseline: reading and decoding all events, applying none.
    variant: &'static str,
    threads: u32,
    passes: usize,
    events: u64,
    events_per_second: f64,
    ratio_to_decode: f64,
}

/// Something to measure, once over the whole log.
type Work<'a> = &'a dyn Fn() -> Result<(), Failure>;

fn rebuild(dir: &Path, passes: usize) -> Result<(), Failure> {
    let log = ReadLog::open(dir).map_err(could_not)?;
    let events = log.head().position;
    let decode = || fold(&log, |_| true, &Models::default(), &[]);
    let balances = || fold(&log, Balances::wants, &Models::default(), &[Balances::NAME]);
    let all = || fold(&log, Models::wants, &Models::default(), Models::NAMES);
    let variants: [(&'static str, Work<'_>); 3] = [
        ("decode", &decode),
        ("balances", &balances),
        ("all models", &all),
    ];
    // The variants take turns, so that a slow spell of the machine meets all of them.
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..passes {
        for (rates, (_, work)) in rates.iter_mut().zip(&variants) {
            rates.push(rate(events, work)?);
        }
    }
    let medians = rates.map(median);
    for ((variant, _), events_per_second) in variants.iter().zip(medians) {
        print(Rebuilt {
            bench: "rebuild",
            variant,
            threads: 1,
            passes,
            events,
            events_per_second: events_per_second.round(),
            ratio_to_decode: (events_per_second / medians[0] * 1_000.0).round() / 1_000.0,
        });
    }
    Ok(())
}

/// Events per second of some work over the whole log, repeated until it took long enough.
fn rate(events: u64, work: Work<'_>) -> Result<f64, Failure> {
    let started = Stopwatch::now();
    let mut rounds = 0_u32;
    while started.elapsed() < PASS_MIN {
        work()?;
        rounds += 1;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate needs no more than 52 bits"
    )]
    let total = events as f64 * f64::from(rounds);
    Ok(total / started.elapsed().as_secs_f64())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Reads the log, decodes the events that are wanted and applies them to the named models.
fn fold(
    log: &ReadLog,
    wanted: fn(&str) -> bool,
    models: &Models,
    names: &[&str],
) -> Result<(), Failure> {
    let mut decoder = Decoder::new(wanted);
    let applied: Vec<_> = names.iter().filter_map(|name| models.named(name)).collect();
    for commit in log.read(1, log.head().position) {
        let commit: [feed::DecodedCommit; 1] = [decoder.decode(commit.map_err(could_not)?)];
        for model in &applied {
            model.live().take_in(&commit, false);
        }
    }
    Ok(())
}
