//! Measuring appends. Owns the order of the cells: in every pass each figure and its baseline stand
//! next to each other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::drafts::Drafts;
use super::raw::Raw;
use super::{BenchError, Row, Sample, ratio, resident_bytes, row};
use crate::commit::CommitDraft;
use crate::disk::{DiskLog, Options};
use crate::limits::GROUP_COMMITS_MAX;
use crate::log::{AppendError, EventLog as _};

/// Drafts made at a time, outside of what is timed.
const DRAFTS_AT_A_TIME: usize = 16_384;

/// A group is expected to take no less: so few drafts are made that short passes stay short.
const GROUP_PACE: Duration = Duration::from_micros(200);

/// As a pass, while filling.
const FILL_PACE: Duration = Duration::from_millis(10);

/// Events of the one large commit.
const LARGE_COMMIT_EVENTS: usize = 256;

/// After how many events filling the log gives a row.
const FILL_ROW_EVENTS: u64 = 1_000_000;

/// What to measure.
#[derive(Clone)]
pub struct AppendPlan {
    /// The folder to work in: the log in `log`, the baselines beside it. Made if it is missing; a
    /// log that is there already is gone on with.
    pub dir: PathBuf,
    /// Numbers of single-event commits that are handed over together, each 1 to
    /// `GROUP_COMMITS_MAX`.
    pub groups: Vec<usize>,
    /// Whether one commit of many events is measured too.
    pub large_commit: bool,
    /// Numbers of tasks that append through the async trait.
    pub tasks: Vec<usize>,
    /// How often every figure is measured; the median counts. At least 1.
    pub passes: usize,
    /// How long one figure is measured in one pass, at least.
    pub pass: Duration,
    /// Events that the log is filled up to before anything is measured, 0 for none.
    pub fill_to: u64,
    /// How the log is opened.
    pub options: Options,
}

impl AppendPlan {
    /// The usual figures in a folder.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            groups: vec![1, 16, 64, 256, 1_024],
            large_commit: true,
            tasks: vec![16, 64, 256],
            passes: 5,
            pass: Duration::from_millis(400),
            fill_to: 0,
            options: Options::new(Arc::new(crate::clock::SystemClock::new())),
        }
    }

    /// Where the log is.
    pub fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }
}

/// The least ratio to the plain file that the design asks for.
fn target(variant: &str, group: usize) -> Option<f64> {
    match (variant, group) {
        ("writer", 1) => Some(1.0),
        ("writer", 16) => Some(1.1),
        ("writer", 64) => Some(1.0),
        ("writer", 256) => Some(0.6),
        ("one_commit", 256) => Some(0.85),
        _ => None,
    }
}

/// The samples of one figure and its baselines, pass by pass.
#[derive(Default)]
struct Cell {
    raw: Vec<Sample>,
    preallocated: Vec<Sample>,
    log: Vec<Sample>,
}

/// Measures appends and gives a row for each figure. Blocks: not for an async thread.
pub fn append(plan: &AppendPlan, give: &mut dyn FnMut(Row)) -> Result<(), BenchError> {
    if plan.passes == 0 {
        return Err(BenchError::Plan("at least one pass is needed"));
    }
    let possible = |group: &usize| (1..=GROUP_COMMITS_MAX).contains(group);
    if !plan.groups.iter().all(possible) || plan.tasks.contains(&0) {
        return Err(BenchError::Plan("a group holds 1 to 1024 commits"));
    }
    std::fs::create_dir_all(&plan.dir)?;
    let dir = plan.log_dir();
    if !crate::open::holds_log(&dir) {
        DiskLog::create(&dir, Uuid::from_u128(0xbe4c), &plan.options)?;
    }
    let log = Arc::new(DiskLog::open(&dir, &plan.options)?);
    // Another seed than any earlier run on this log, so that its streams are new.
    let mut seed = log.head().position << 16;
    fill(&log, plan.fill_to, &mut seed, give)?;

    let mut raw = Raw::plain(&plan.dir.join("raw"))?;
    let mut preallocated = Raw::preallocated(
        &plan.dir.join("raw-preallocated"),
        plan.options.segment_bytes,
    )?;
    let single = plan.groups.iter().map(|group| (*group, 1));
    let large = plan.large_commit.then_some((1, LARGE_COMMIT_EVENTS));
    let figures: Vec<(usize, usize)> = single.chain(large).collect();
    let mut cells: Vec<Cell> = figures.iter().map(|_| Cell::default()).collect();
    let mut tasks: Vec<Vec<Sample>> = plan.tasks.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.passes {
        for (figure, cell) in figures.iter().zip(&mut cells) {
            seed += 1;
            let mut drafts = Drafts::new(seed);
            let mut next = || groups(&mut drafts, *figure, plan.pass);
            cell.raw
                .push(timed(plan.pass, || Ok(raw.run(&bytes(next()))?))?);
            cell.preallocated
                .push(timed(plan.pass, || Ok(preallocated.run(&bytes(next()))?))?);
            seed += 1;
            let mut drafts = Drafts::new(seed);
            let mut next = || groups(&mut drafts, *figure, plan.pass);
            cell.log.push(timed(plan.pass, || hand_over(&log, next()))?);
        }
        for (count, samples) in plan.tasks.iter().zip(&mut tasks) {
            samples.push(many_tasks(&log, *count, seed + 1, plan.pass)?);
            seed += *count as u64;
        }
    }
    let log_events = Some(log.head().position);
    for ((commits, events), cell) in figures.iter().zip(&cells) {
        let group = commits * events;
        give(row("append", "raw", group, &cell.raw));
        give(Row {
            ratio_to_raw: ratio(&cell.preallocated, &cell.raw),
            ..row("append", "raw_preallocated", group, &cell.preallocated)
        });
        let variant = if *events == 1 { "writer" } else { "one_commit" };
        give(Row {
            ratio_to_raw: ratio(&cell.log, &cell.raw),
            ratio_to_preallocated: ratio(&cell.log, &cell.preallocated),
            target: target(variant, group),
            log_events,
            resident_bytes: resident_bytes(),
            ..row("append", variant, group, &cell.log)
        });
    }
    for (count, samples) in plan.tasks.iter().zip(&tasks) {
        let beside = plan.groups.iter().position(|group| group == count);
        let raw = beside.map_or(&[][..], |place| cells[place].raw.as_slice());
        give(Row {
            ratio_to_raw: ratio(samples, raw),
            log_events,
            resident_bytes: resident_bytes(),
            ..row("append", "tasks", *count, samples)
        });
    }
    log.close()?;
    std::fs::remove_file(plan.dir.join("raw"))?;
    std::fs::remove_file(plan.dir.join("raw-preallocated"))?;
    Ok(())
}

/// Some drafts, grouped as they are to be handed over: not more than fill the time at the pace of
/// [`GROUP_PACE`].
fn groups(
    drafts: &mut Drafts,
    (commits, events): (usize, usize),
    pass: Duration,
) -> Vec<Vec<CommitDraft>> {
    let paced = pass.as_nanos() / GROUP_PACE.as_nanos();
    let paced = usize::try_from(paced).unwrap_or(usize::MAX).max(1);
    let count = (DRAFTS_AT_A_TIME / (commits * events)).clamp(1, paced);
    (0..count)
        .map(|_| (0..commits).map(|_| drafts.commit(events)).collect())
        .collect()
}

/// What the plain file gets of them: the payloads alone.
fn bytes(groups: Vec<Vec<CommitDraft>>) -> Vec<Vec<Vec<u8>>> {
    let payloads = |group: Vec<CommitDraft>| {
        let events = group.into_iter().flat_map(|draft| draft.events);
        events.map(|event| event.payload).collect()
    };
    groups.into_iter().map(payloads).collect()
}

/// Repeats until the time is full.
fn timed(
    pass: Duration,
    mut run: impl FnMut() -> Result<Sample, BenchError>,
) -> Result<Sample, BenchError> {
    let mut sample = Sample::default();
    while sample.elapsed < pass {
        sample.take(run()?);
    }
    Ok(sample)
}

/// Hands groups over to the writer, each when the one before is durable and everybody in it was
/// answered. The last answer is waited for first: waiting for each in turn would wake this thread
/// again and again, which costs the writer more than the answers themselves.
fn hand_over(log: &DiskLog, groups: Vec<Vec<CommitDraft>>) -> Result<Sample, BenchError> {
    let mut sample = Sample::default();
    let start = Instant::now();
    for group in groups {
        sample.events += group.iter().map(|one| one.events.len() as u64).sum::<u64>();
        let begun = Instant::now();
        for answered in log.hand_over(group)?.into_iter().rev() {
            let ended = |_| AppendError::Poisoned("the writer has ended".to_owned());
            answered.blocking_recv().map_err(ended)?.result?;
        }
        sample.latencies.push(begun.elapsed());
    }
    sample.elapsed = start.elapsed();
    Ok(sample)
}

/// Appends from many tasks, each waiting for its own commit before it makes the next.
fn many_tasks(
    log: &Arc<DiskLog>,
    count: usize,
    seed: u64,
    pass: Duration,
) -> Result<Sample, BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    runtime.block_on(async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..count)
            .map(|number| {
                let log = Arc::clone(log);
                tokio::spawn(async move {
                    let mut drafts = Drafts::new(seed + number as u64);
                    let mut latencies = Vec::new();
                    while start.elapsed() < pass {
                        let draft = drafts.commit(1);
                        let begun = Instant::now();
                        log.append(draft).await?;
                        latencies.push(begun.elapsed());
                    }
                    Ok::<_, AppendError>(latencies)
                })
            })
            .collect();
        let mut sample = Sample::default();
        for task in tasks {
            let ended = |_| AppendError::Malformed("a task panicked");
            sample.latencies.extend(task.await.map_err(ended)??);
        }
        sample.elapsed = start.elapsed();
        sample.events = sample.latencies.len() as u64;
        Ok(sample)
    })
}

/// Fills the log, with a row now and then.
fn fill(
    log: &DiskLog,
    to: u64,
    seed: &mut u64,
    give: &mut dyn FnMut(Row),
) -> Result<(), BenchError> {
    let group = LARGE_COMMIT_EVENTS;
    while log.head().position < to {
        let goal = to.min(log.head().position + FILL_ROW_EVENTS);
        *seed += 1;
        let mut drafts = Drafts::new(*seed);
        let mut sample = Sample::default();
        while log.head().position < goal {
            sample.take(hand_over(log, groups(&mut drafts, (group, 1), FILL_PACE))?);
        }
        give(Row {
            log_events: Some(log.head().position),
            resident_bytes: resident_bytes(),
            ..row("fill", "fill", group, &[sample])
        });
    }
    Ok(())
}
