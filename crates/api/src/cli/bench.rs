//! `benniu bench`: what the machine does, beside a baseline measured in the same run.
//!
//! Owns the flags and the printing; appending and replay are measured by [`eventlog::bench`].

mod serve;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant as Stopwatch};

use domain::unit::UnitLevel;
use eventlog::bench::{AppendPlan, OpenPlan, ReplayPlan, StreamPlan};
use eventlog::{EventLog as _, ReadLog};
use projections::read_models::balances::Balances;
use projections::{Models, ReadModel as _, engine};
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
    /// Folding the read models from the first event on one thread and on two, beside reading and
    /// decoding alone, and what they keep in memory
    Rebuild(Read),
    /// A service on the log: its first answer, and commands at a fixed rate without and beside a
    /// rebuild of every read model; writes into the log, so give it a copy
    Serve(Serve),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// The folder of a log that nobody serves; hazards are reported into it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Commands a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// How often everything is rebuilt, with the load before, beside and after
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    passes: u64,
    /// Seconds that the load lasts each time without a rebuild
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// MiB that the read models may keep in memory
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    model_mib: usize,
    /// Login subject of an administrator
    #[arg(long = "as", value_name = "SUBJECT", default_value = "admin")]
    subject: String,
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
        What::Serve(args) => {
            let plan = serve::Plan {
                rate: args.rate,
                seconds: args.seconds,
                passes: args.passes,
                subject: args.subject,
                models: engine::Options {
                    memory_bytes: args.model_mib * 1024 * 1024,
                    ..engine::Options::default()
                },
            };
            serve::run(&args.data, plan).await
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
    threads: usize,
    passes: usize,
    events: u64,
    events_per_second: f64,
    /// To decoding with as many threads.
    ratio_to_decode: f64,
}

/// What the models keep in memory once everything is folded.
#[derive(Debug, Serialize)]
struct Resident {
    bench: &'static str,
    variant: &'static str,
    /// Communities times the years that the log covers.
    community_years: f64,
    partitions: usize,
    /// Bytes the process grew by while folding.
    process_bytes: u64,
    /// Bytes of the stored form before compression, by model.
    stored_bytes: BTreeMap<&'static str, usize>,
    /// Bytes in memory for each stored one; the budget reckons with
    /// [`projections::pages::RESIDENT_PER_STORED`].
    bytes_per_stored_byte: f64,
    process_bytes_per_community_year: f64,
}

/// Threads that every variant is measured with.
const REBUILD_THREADS: [usize; 2] = [1, 2];

fn rebuild(dir: &Path, passes: usize) -> Result<(), Failure> {
    let log = ReadLog::open(dir).map_err(could_not)?;
    // First, while the process has given nothing back that it would take again.
    resident(&log)?;
    let events = log.head().position;
    let variants: [(&'static str, &[&str]); 3] = [
        ("decode", &[]),
        ("balances", &[Balances::NAME]),
        ("all models", Models::NAMES),
    ];
    for count in REBUILD_THREADS {
        let threads = NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        // The variants take turns, so that a slow spell of the machine meets all of them.
        let mut rates = [const { Vec::new() }; 3];
        for _ in 0..passes {
            for (rates, (_, names)) in rates.iter_mut().zip(&variants) {
                let work = || {
                    let models = Models::default();
                    engine::fold(&log, &models, names, threads).map_err(could_not)?;
                    Ok(())
                };
                rates.push(rate(events, &work)?);
            }
        }
        let medians = rates.map(median);
        for ((variant, _), events_per_second) in variants.iter().zip(medians) {
            print(Rebuilt {
                bench: "rebuild",
                variant,
                threads: count,
                passes,
                events,
                events_per_second: events_per_second.round(),
                ratio_to_decode: round(events_per_second / medians[0]),
            });
        }
    }
    Ok(())
}

/// Three digits are enough for people.
fn round(ratio: f64) -> f64 {
    (ratio * 1_000.0).round() / 1_000.0
}

fn resident(log: &ReadLog) -> Result<(), Failure> {
    let before = eventlog::bench::resident_bytes().unwrap_or(0);
    let models = Models::of(log).map_err(could_not)?;
    let after = eventlog::bench::resident_bytes().unwrap_or(0);
    let units = models.units.read();
    let communities = units.partitions.values();
    let communities = communities
        .filter(|row| row.unit.level == Some(UnitLevel::Community))
        .count();
    let first = log.commit_at(1).map_err(could_not)?;
    let began = first.map(|commit| commit.header.recorded_at);
    let ended = log.head().recorded_at;
    let days = began
        .zip(ended)
        .map_or(0, |(began, ended)| (ended - began).num_days());
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let years = communities as f64 * days as f64 / 365.0;
    let process_bytes = after.saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let each = (process_bytes as f64 / years.max(0.001)).round();
    let stored = models.all().into_iter();
    let stored_bytes: BTreeMap<_, _> = stored
        .map(|model| (model.name(), model.live().stored_bytes()))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let bytes_per_stored_byte =
        round(process_bytes as f64 / stored_bytes.values().sum::<usize>().max(1) as f64);
    print(Resident {
        bench: "rebuild",
        variant: "resident",
        community_years: round(years),
        partitions: models
            .all()
            .iter()
            .map(|model| model.live().standing().partitions)
            .sum(),
        process_bytes,
        stored_bytes,
        bytes_per_stored_byte,
        process_bytes_per_community_year: each,
    });
    Ok(())
}

/// Something to measure, once over the whole log.
type Work<'a> = &'a dyn Fn() -> Result<(), Failure>;

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
