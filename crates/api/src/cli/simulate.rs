//! `benniu simulate`: a realistic history in a log of its own.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant as Stopwatch};

use comfy_table::{CellAlignment, Table, presets};
use eventlog::OpenError;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde_json::json;

use super::Failure;
use crate::folder::FolderError;
use crate::simulate::{
    self, COMMUNITIES_MAX, DAYS_MAX, Outcome, Plan, Progress, SimulateError, THREADS_MAX,
};

/// How often the bar is drawn at most while nothing is told.
const TICK: Duration = Duration::from_millis(500);

/// Write a realistic history through the real deciders on a simulated clock
///
/// Makes a log in an empty folder and lets communities live in it from 2023 on: members who join and
/// leave, teams, households, grids; patrol shifts with check-ins, scans and verification; hazards,
/// disputes, leads and publicity campaigns with their whole life; reward items and redemptions.
/// Reactions award points and timers fire on the way, so `benniu serve` goes on where it ends.
///
/// A mature community of 481 volunteers writes some 460 events a day. The first community grows from
/// 14 volunteers to 481 in two years; the others have up to two years behind them when it begins.
/// Calls of 110 and 12345, councils, desk requests, care visits and duty rosters are not simulated,
/// for this version does not have them.
///
/// The same seed, communities, days and version give the same root, whatever the number of threads.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder to make the log in; missing or empty
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many communities live in it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(COMMUNITIES_MAX)))]
    communities: u32,
    /// How many days they live
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// What all ids, salts and chances are drawn from
    #[arg(long, value_name = "S")]
    seed: u64,
    /// How many threads decide; those of the machine if absent
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=i64::from(THREADS_MAX)))]
    threads: Option<u32>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let threads = args.threads.unwrap_or_else(machine);
    let plan = Plan {
        data: args.data,
        communities: args.communities,
        days: args.days,
        seed: args.seed,
        threads,
    };
    let begun = Stopwatch::now();
    let bar = Bar::start(args.days);
    let outcome = simulate::run(&plan, &mut |progress| bar.at(progress)).await;
    drop(bar);
    let outcome = outcome.map_err(|error| told(&error))?;
    let seconds = begun.elapsed().as_secs_f64();
    if args.json {
        print_json(&plan, &outcome, seconds)
    } else {
        print_table(&plan, &outcome, seconds)
    }
}

/// Threads of the machine.
fn machine() -> u32 {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(threads).unwrap_or(1).min(THREADS_MAX)
}

fn told(error: &SimulateError) -> Failure {
    let hint = match error {
        SimulateError::Folder(FolderError::Open(OpenError::NotEmpty { .. })) => {
            "; a history is simulated into a folder that is missing or empty"
        }
        _ => "",
    };
    Failure::CouldNot(format!("{error}{hint}"))
}

/// Days lived, with events a second and the time left, on standard error and only where a person
/// looks.
struct Bar {
    bar: ProgressBar,
    begun: Stopwatch,
}

impl Bar {
    fn start(days: u32) -> Self {
        let bar = ProgressBar::new(u64::from(days));
        let style = ProgressStyle::with_template(
            "simulating {wide_bar} day {pos} of {len}, {msg}, {eta} left",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(TICK);
        let begun = Stopwatch::now();
        Self { bar, begun }
    }

    fn at(&self, progress: Progress) {
        let seconds = self.begun.elapsed().as_secs().max(1);
        let rate = HumanCount(progress.events / seconds);
        let events = HumanCount(progress.events);
        self.bar.set_message(format!("{events} events, {rate}/s"));
        self.bar.set_position(u64::from(progress.days));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Events of one community on one day, on average.
#[expect(clippy::cast_precision_loss, reason = "a mean for people to read")]
fn a_day(plan: &Plan, events: u64) -> f64 {
    events as f64 / f64::from(plan.communities) / f64::from(plan.days)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn rate(outcome: &Outcome, seconds: f64) -> f64 {
    outcome.events as f64 / seconds.max(f64::EPSILON)
}

fn print_json(plan: &Plan, outcome: &Outcome, seconds: f64) -> Result<(), Failure> {
    let answer = json!({
        "events": outcome.events,
        "commits": outcome.commits,
        "root": domain::ids::hex(&outcome.root),
        "communities": plan.communities,
        "days": plan.days,
        "seed": plan.seed,
        "threads": plan.threads,
        "events_per_community_day": a_day(plan, outcome.events),
        "seconds": seconds,
        "events_per_second": rate(outcome, seconds),
        "by_type": outcome.by_type,
        "refused": outcome.refused,
    });
    writeln!(io::stdout(), "{answer}")?;
    Ok(())
}

fn print_table(plan: &Plan, outcome: &Outcome, seconds: f64) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["category", "events", "a day in a community"]);
    for (category, types) in &outcome.by_type {
        let events = types.values().sum();
        let day = format!("{:.2}", a_day(plan, events));
        table.add_row([category.clone(), HumanCount(events).to_string(), day]);
    }
    for column in 1..=2 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = io::stdout();
    writeln!(out, "{table}")?;
    let refused: u64 = outcome.refused.values().sum();
    writeln!(
        out,
        "{:.0} events a day in a community; {} events a second; {refused} commands refused by a rule",
        a_day(plan, outcome.events),
        HumanCount(whole(rate(outcome, seconds))),
    )?;
    writeln!(
        out,
        "events={} commits={} root={}",
        outcome.events,
        outcome.commits,
        domain::ids::hex(&outcome.root)
    )?;
    Ok(())
}

/// A rate in whole numbers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is not negative and far below the bound"
)]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}
