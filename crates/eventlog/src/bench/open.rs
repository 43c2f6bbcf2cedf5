//! Measuring how long a log takes to open. Owns the passes; appends nothing, and leaves the log
//! closed cleanly.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::cache::{Cache, fetched_bytes};
use super::{BenchError, Row, Sample, resident_bytes, row, times};
use crate::disk::{DiskLog, Options};
use crate::head_file::HEAD_FILE;
use crate::journal::segment::JOURNAL_DIR;
use crate::log::EventLog as _;

/// Bytes read at a time by the baseline.
const READ_BYTES: usize = 1024 * 1024;

/// What to measure.
#[derive(Clone)]
pub struct OpenPlan {
    /// The folder of the log. Its lock is taken.
    pub dir: PathBuf,
    /// How often every figure is measured; the median counts. At least 1.
    pub passes: usize,
    /// Whether it is also opened so that all of it is verified.
    pub whole: bool,
    /// How the log is opened.
    pub options: Options,
}

impl OpenPlan {
    /// The usual figures of a log.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            passes: 5,
            whole: true,
            options: Options::new(Arc::new(crate::clock::SystemClock::new())),
        }
    }
}

/// The variants of a log in one state of the cache.
#[derive(Default)]
struct Cell {
    journal: Vec<Sample>,
    clean: Vec<Sample>,
    killed: Vec<Sample>,
    whole: Vec<Sample>,
    fetched: [u64; 4],
}

/// Opens a log after a clean stop, as after a kill, and so that all of it is verified, cold and warm,
/// beside reading the bytes of its journal, and gives a row for each. As after a kill means that the
/// head says what it says while the log is open: the opening verifies what was synced last and the
/// newest volume. Blocks: not for an async thread.
pub fn open(plan: &OpenPlan, give: &mut dyn FnMut(Row)) -> Result<(), BenchError> {
    if plan.passes == 0 {
        return Err(BenchError::Plan("at least one pass is needed"));
    }
    let journal = plan.dir.join(JOURNAL_DIR);
    // Whatever state it is in: the first figure is to be that of a clean stop.
    timed_open(plan, &plan.options, false)?;
    let thorough = Options {
        thorough: true,
        ..plan.options.clone()
    };
    for cache in Cache::BOTH {
        let mut cell = Cell::default();
        let mut events = 0;
        for _ in 0..plan.passes {
            let mut measure =
                |number: usize, work: &mut dyn FnMut() -> Result<Sample, BenchError>| {
                    cache.prepare(&plan.dir)?;
                    let before = fetched_bytes();
                    let sample = work()?;
                    let fetched = fetched_bytes().unwrap_or(0) - before.unwrap_or(0);
                    cell.fetched[number] += fetched;
                    Ok::<_, BenchError>(sample)
                };
            let read = measure(0, &mut || read_all(&journal))?;
            let clean = measure(1, &mut || timed_open(plan, &plan.options, true))?;
            let killed = measure(2, &mut || timed_open(plan, &plan.options, plan.whole))?;
            if plan.whole {
                let whole = measure(3, &mut || timed_open(plan, &thorough, false))?;
                cell.whole.push(whole);
            }
            events = clean.events;
            cell.journal.push(read);
            cell.clean.push(clean);
            cell.killed.push(killed);
        }
        let variants = [
            ("read_journal", &cell.journal),
            ("after_clean_stop", &cell.clean),
            ("after_kill", &cell.killed),
            ("verified_whole", &cell.whole),
        ];
        for ((variant, samples), fetched) in variants.into_iter().zip(cell.fetched) {
            if samples.is_empty() {
                continue;
            }
            let row = row("open", variant, 1, samples);
            give(Row {
                cache: Some(cache.name()),
                times_baseline: times(samples, &cell.journal),
                fetched_bytes: Some(fetched),
                log_events: Some(events),
                resident_bytes: resident_bytes(),
                ..row
            });
        }
    }
    Ok(())
}

/// Opens the log, timed, and closes it, so that the next opening finds it as after a clean stop or
/// not.
fn timed_open(plan: &OpenPlan, options: &Options, kill_next: bool) -> Result<Sample, BenchError> {
    let start = Instant::now();
    let log = DiskLog::open(&plan.dir, options)?;
    let elapsed = start.elapsed();
    let events = log.head().position;
    let head = plan.dir.join(HEAD_FILE);
    let while_open = std::fs::read(&head)?;
    log.close()?;
    drop(log);
    if kill_next {
        std::fs::write(&head, while_open)?;
        File::open(&head)?.sync_all()?;
    }
    Ok(Sample {
        events,
        elapsed,
        latencies: vec![elapsed],
    })
}

/// Reads the bytes of the journal's files and drops them.
fn read_all(journal: &Path) -> Result<Sample, BenchError> {
    let start = Instant::now();
    let mut bytes = vec![0; READ_BYTES];
    for entry in std::fs::read_dir(journal)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let mut file = File::open(entry.path())?;
        while file.read(&mut bytes)? > 0 {
            std::hint::black_box(&bytes);
        }
    }
    let elapsed = start.elapsed();
    Ok(Sample {
        events: 0,
        elapsed,
        latencies: vec![elapsed],
    })
}
