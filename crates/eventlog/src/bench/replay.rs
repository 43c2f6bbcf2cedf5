//! Measuring how fast a log is read back. Owns the passes; never writes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::de::IgnoredAny;

use super::cache::{Cache, fetched_bytes};
use super::{BenchError, Row, Sample, ratio, resident_bytes, row};
use crate::commit::Commit;
use crate::index::StreamKey;
use crate::journal::place::{Cursor, SEQUENTIAL_BYTES};
use crate::log::{EventLog as _, ReadError};
use crate::parallel::ParallelReplay;
use crate::read_log::ReadLog;

/// What to measure.
#[derive(Debug, Clone)]
pub struct ReplayPlan {
    /// The folder of the log, which is only read.
    pub dir: PathBuf,
    /// How often every figure is measured; the median counts. At least 1.
    pub passes: usize,
    /// Events of the log that are read, from the first on; the whole log if it holds fewer.
    pub events_max: u64,
}

impl ReplayPlan {
    /// The usual figures over a log.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            passes: 3,
            events_max: 5_000_000,
        }
    }
}

/// What is done with each block or event, and its name.
const VARIANTS: [(&str, Reading); 5] = [
    ("decode", Reading::Decode),
    ("blocks", Reading::Blocks),
    ("json_checked", Reading::JsonChecked),
    ("json", Reading::Json),
    ("partitions", Reading::Partitions),
];

/// Partitions of a replay that keeps the order of each.
const PARTITIONS: usize = 16;

#[derive(Clone, Copy)]
enum Reading {
    /// Read and unpack blocks.
    Blocks,
    /// Decode the commits in them too.
    Decode,
    /// Go over the JSON of each payload.
    JsonChecked,
    /// Parse it into values.
    Json,
    /// The same, block by block, each event given to the partition of its stream in order.
    Partitions,
}

/// Reads a log from its start, on one thread and on two, cold and warm, and gives a row for each
/// figure. But for `partitions`, each thread has a part of the log to itself. Blocks: not for an
/// async thread.
pub fn replay(plan: &ReplayPlan, give: &mut dyn FnMut(Row)) -> Result<(), BenchError> {
    if plan.passes == 0 {
        return Err(BenchError::Plan("at least one pass is needed"));
    }
    let log = Arc::new(ReadLog::open(&plan.dir)?);
    let events = log.head().position.min(plan.events_max);
    for cache in Cache::BOTH {
        for threads in [1, 2] {
            let mut samples: Vec<Vec<Sample>> = VARIANTS.iter().map(|_| Vec::new()).collect();
            let mut fetched = [0; VARIANTS.len()];
            for _ in 0..plan.passes {
                let cells = VARIANTS.iter().zip(&mut samples).zip(&mut fetched);
                for (((_, reading), samples), fetched) in cells {
                    cache.prepare(&plan.dir)?;
                    let before = fetched_bytes().unwrap_or(0);
                    samples.push(pass(&log, *reading, events, threads)?);
                    *fetched += fetched_bytes().unwrap_or(0) - before;
                }
            }
            for place in [1, 0, 2, 3, 4] {
                let (variant, own) = (VARIANTS[place].0, &samples[place]);
                give(Row {
                    threads: Some(threads),
                    cache: Some(cache.name()),
                    fetched_bytes: Some(fetched[place]),
                    ratio_to_decode: ratio(own, &samples[0]),
                    log_events: Some(log.head().position),
                    resident_bytes: resident_bytes(),
                    ..row("replay", variant, 1, own)
                });
            }
        }
    }
    Ok(())
}

/// Reads a range block by block with several threads, in order within each partition.
fn partitions(log: &ReadLog, events: u64, threads: u64) -> Result<u64, BenchError> {
    let threads = usize::try_from(threads).ok().and_then(NonZeroUsize::new);
    let replay = ParallelReplay {
        threads: threads.unwrap_or(NonZeroUsize::MIN),
        split: |commit: Commit| {
            let parts = commit.events.iter().map(|event| {
                let wrong = |error: serde_json::Error| ReadError::Damaged {
                    position: event.position,
                    what: error.to_string(),
                };
                let value: serde_json::Value =
                    serde_json::from_slice(&event.payload).map_err(wrong)?;
                let digest = StreamKey::of(&event.stream).digest();
                let partition = usize::try_from(digest % PARTITIONS as u128).unwrap_or_default();
                Ok((partition, value))
            });
            parts.collect::<Result<Vec<_>, ReadError>>()
        },
        fold: |count: &mut u64, value: serde_json::Value| {
            std::hint::black_box(value);
            *count += 1;
        },
    };
    let counts = replay.run(log, (1, events), vec![0; PARTITIONS])?;
    Ok(counts.into_iter().sum())
}

fn pass(
    log: &Arc<ReadLog>,
    reading: Reading,
    events: u64,
    threads: u64,
) -> Result<Sample, BenchError> {
    let start = Instant::now();
    if matches!(reading, Reading::Partitions) {
        let count = partitions(log, events, threads)?;
        return Ok(Sample {
            events: count,
            elapsed: start.elapsed(),
            latencies: Vec::new(),
        });
    }
    let share = events.div_ceil(threads).max(1);
    let count = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| {
                let (from, to) = (part * share + 1, ((part + 1) * share).min(events));
                scope.spawn(move || read(log, reading, from, to))
            })
            .collect();
        let mut count = 0;
        for part in parts {
            let ended = |_| BenchError::Plan("a reading thread panicked");
            count += part.join().map_err(ended)??;
        }
        Ok::<u64, BenchError>(count)
    })?;
    Ok(Sample {
        events: count,
        elapsed: start.elapsed(),
        latencies: Vec::new(),
    })
}

/// Reads a range; answers how many events it held.
fn read(log: &ReadLog, reading: Reading, from: u64, to: u64) -> Result<u64, ReadError> {
    let mut count = 0;
    if matches!(reading, Reading::Blocks) {
        let mut cursor = Cursor::near(log.places(), from, SEQUENTIAL_BYTES);
        while count <= to.saturating_sub(from) {
            let Some((header, bytes)) = cursor.next()? else {
                break;
            };
            let damaged = |error: crate::block::NotABlock| ReadError::Damaged {
                position: header.first_position,
                what: error.to_string(),
            };
            let payload = header.payload(bytes, false).map_err(damaged)?;
            std::hint::black_box(&payload);
            count += u64::from(header.events);
        }
        return Ok(count);
    }
    for commit in log.read(from, to) {
        let commit = commit?;
        for event in &commit.events {
            let wrong = |error: serde_json::Error| ReadError::Damaged {
                position: event.position,
                what: error.to_string(),
            };
            match reading {
                Reading::Blocks | Reading::Decode => {}
                Reading::JsonChecked => {
                    serde_json::from_slice::<IgnoredAny>(&event.payload).map_err(wrong)?;
                }
                Reading::Json | Reading::Partitions => {
                    let value: serde_json::Value =
                        serde_json::from_slice(&event.payload).map_err(wrong)?;
                    std::hint::black_box(&value);
                }
            }
        }
        count += commit.events.len() as u64;
        std::hint::black_box(&commit);
    }
    Ok(count)
}
