//! Measuring how long it takes to read the events of one stream. Owns the choice of streams; never
//! writes.

use std::path::{Path, PathBuf};
use std::time::Instant;

use domain::StreamName;

use super::cache::{Cache, fetched_bytes};
use super::{BenchError, Row, Sample, resident_bytes, row, times};
use crate::entropy::Entropy;
use crate::journal::place::{Cursor, POINT_BYTES};
use crate::log::{EventLog as _, ReadError};
use crate::read_log::ReadLog;

/// Positions that are tried for each stream that is wanted.
const TRIES_PER_STREAM: usize = 200;

/// What to measure.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// The folder of a log, which is only read.
    pub dir: PathBuf,
    /// The lengths of the streams to read, in events.
    pub lengths: Vec<u64>,
    /// How many streams of each length are read in a pass. They are chosen by chance over the whole
    /// log, the same for the same log; fewer if it holds fewer of that length.
    pub streams: usize,
    /// How often every figure is measured; the median counts. At least 1.
    pub passes: usize,
}

impl StreamPlan {
    /// The usual figures over a log.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            lengths: vec![6, 20],
            streams: 2_000,
            passes: 5,
        }
    }
}

/// Some streams of one length, and a position of each.
struct Chosen {
    length: u64,
    streams: Vec<(StreamName, u64)>,
}

/// Reads streams by chance, cold and warm, beside reading and unpacking one block each at a known
/// place, and gives a row for each figure. A length of which the log holds no stream has no row.
/// Blocks: not for an async thread.
pub fn stream(plan: &StreamPlan, give: &mut dyn FnMut(Row)) -> Result<(), BenchError> {
    if plan.passes == 0 {
        return Err(BenchError::Plan("at least one pass is needed"));
    }
    let log = ReadLog::open(&plan.dir)?;
    let entropy = Entropy::seeded(log.head().position);
    for length in &plan.lengths {
        let chosen = choose(&log, *length, plan.streams, &entropy)?;
        if chosen.streams.is_empty() {
            continue;
        }
        for cache in Cache::BOTH {
            let (mut blocks, mut streams) = (Vec::new(), Vec::new());
            let mut fetched = [0; 2];
            for _ in 0..plan.passes {
                cache.prepare(&plan.dir)?;
                let before = fetched_bytes().unwrap_or(0);
                blocks.push(read_blocks(&log, &chosen)?);
                let between = fetched_bytes().unwrap_or(0);
                fetched[0] += between - before;
                cache.prepare(&plan.dir)?;
                let between = fetched_bytes().unwrap_or(0);
                streams.push(read_streams(&log, &chosen)?);
                fetched[1] += fetched_bytes().unwrap_or(0) - between;
            }
            let group = usize::try_from(*length).unwrap_or(usize::MAX);
            let told = |variant, fetched, samples: &[Sample]| Row {
                cache: Some(cache.name()),
                fetched_bytes: Some(fetched),
                log_events: Some(log.head().position),
                resident_bytes: resident_bytes(),
                ..row("stream", variant, group, samples)
            };
            give(told("block", fetched[0], &blocks));
            give(Row {
                times_baseline: times(&streams, &blocks),
                ..told("stream", fetched[1], &streams)
            });
        }
    }
    Ok(())
}

/// Finds streams of a length by looking at positions by chance.
fn choose(
    log: &ReadLog,
    length: u64,
    count: usize,
    entropy: &Entropy,
) -> Result<Chosen, ReadError> {
    let mut streams = Vec::new();
    let end = log.head().position;
    for _ in 0..count * TRIES_PER_STREAM {
        if streams.len() == count || end == 0 {
            break;
        }
        let mut random = [0; 8];
        entropy.fill(&mut random);
        let position = u64::from_le_bytes(random) % end + 1;
        let Some(commit) = log.commit_at(position)? else {
            continue;
        };
        let stream = commit
            .events
            .iter()
            .find(|event| event.position == position);
        if let Some(event) = stream
            && log.stream_version(&event.stream)? == length
        {
            streams.push((event.stream.clone(), position));
        }
    }
    Ok(Chosen { length, streams })
}

/// Reads and unpacks the block at each stream's position, past the log's own cache. Counted as one
/// event each.
fn read_blocks(log: &ReadLog, chosen: &Chosen) -> Result<Sample, BenchError> {
    timed(chosen, |(_, position)| {
        let mut cursor = Cursor::near(log.places(), *position, POINT_BYTES);
        if let Some((header, bytes)) = cursor.seek(*position)? {
            let damaged = |error: crate::block::NotABlock| ReadError::Damaged {
                position: *position,
                what: error.to_string(),
            };
            std::hint::black_box(header.payload(bytes, false).map_err(damaged)?);
        }
        Ok(1)
    })
}

/// Reads each stream whole.
fn read_streams(log: &ReadLog, chosen: &Chosen) -> Result<Sample, BenchError> {
    timed(chosen, |(stream, position)| {
        let events = log.read_stream(stream, 1, usize::MAX)?;
        if events.len() as u64 == chosen.length {
            return Ok(chosen.length);
        }
        Err(ReadError::Damaged {
            position: *position,
            what: format!("{} events of {stream}, not {}", events.len(), chosen.length),
        })
    })
}

fn timed(
    chosen: &Chosen,
    mut read: impl FnMut(&(StreamName, u64)) -> Result<u64, ReadError>,
) -> Result<Sample, BenchError> {
    let mut sample = Sample::default();
    let start = Instant::now();
    for one in &chosen.streams {
        let begun = Instant::now();
        sample.events += read(one)?;
        sample.latencies.push(begun.elapsed());
    }
    sample.elapsed = start.elapsed();
    Ok(sample)
}
