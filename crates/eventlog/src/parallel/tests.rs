use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::disk::tests::options_of_test;
use crate::disk::{DiskLog, SEGMENT_BYTES_MIN};
use crate::fixture::{self, commit};
use crate::index::StreamKey;

const COMMITS: u64 = 600;
const PARTITIONS: usize = 5;

/// A log of many blocks in several segments: each commit is a group of its own.
async fn log(dir: &std::path::Path) -> DiskLog {
    let options = crate::Options {
        segment_bytes: SEGMENT_BYTES_MIN,
        ..options_of_test()
    };
    DiskLog::create(dir, fixture::log_id(), &options).unwrap();
    let log = DiskLog::open(dir, &options).unwrap();
    for number in 0..COMMITS {
        let (a, b) = (format!("shift/{}", number % 7), format!("case/{number}"));
        let draft = commit(number, &[(&a, number / 7), (&b, 0)]);
        log.append(draft).await.unwrap();
    }
    log
}

fn partition_of(stream: &domain::StreamName) -> usize {
    usize::try_from(StreamKey::of(stream).digest() % 5).unwrap()
}

type Parts = Vec<(usize, u64)>;

#[expect(
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "the shape of a split"
)]
fn split(commit: Commit) -> Result<Parts, ReadError> {
    let parts = commit
        .events
        .iter()
        .map(|event| (partition_of(&event.stream), event.position));
    Ok(parts.collect())
}

fn push(state: &mut Vec<u64>, position: u64) {
    state.push(position);
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn empty() -> Vec<Vec<u64>> {
    vec![Vec::new(); PARTITIONS]
}

#[tokio::test]
async fn every_partition_gets_its_events_in_order_whatever_the_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path()).await;
    for (from, to) in [(1, u64::MAX), (100, 900), (7, 7), (5, 4)] {
        let mut expected = empty();
        for event in log.read(from, to).flat_map(|commit| commit.unwrap().events) {
            expected[partition_of(&event.stream)].push(event.position);
        }
        for count in [1, 2, 3, 8] {
            let replay = ParallelReplay {
                threads: threads(count),
                split,
                fold: push,
            };
            let states = replay.run(&log, (from, to), empty()).unwrap();
            assert_eq!(states, expected, "{count} threads over {from}..={to}");
        }
    }
}

#[tokio::test]
async fn the_earliest_failure_is_told_and_nothing_after_it_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path()).await;
    let failing = |commit: Commit| match commit.header.first_position {
        position if position >= 401 => Err(ReadError::Damaged {
            position,
            what: "on purpose".to_owned(),
        }),
        _ => split(commit),
    };
    let reached = Mutex::new(empty());
    for _ in 0..20 {
        let replay = ParallelReplay {
            threads: threads(4),
            split: failing,
            fold: |number: &mut usize, position| reached.lock().unwrap()[*number].push(position),
        };
        let failed = replay.run(&log, (1, u64::MAX), (0..PARTITIONS).collect());
        assert!(
            matches!(failed, Err(ReadError::Damaged { position: 401, .. })),
            "{failed:?}"
        );
        let mut folded: Vec<u64> = std::mem::replace(&mut *reached.lock().unwrap(), empty())
            .into_iter()
            .flatten()
            .collect();
        folded.sort_unstable();
        assert_eq!(folded, (1..=400).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_panic_is_passed_on_and_ends_every_thread() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path()).await;
    let panicked = AtomicBool::new(false);
    let replay = ParallelReplay {
        threads: threads(3),
        split,
        fold: |state: &mut Vec<u64>, position| {
            assert!(position < 300 || panicked.swap(true, Ordering::Relaxed));
            state.push(position);
        },
    };
    let run = || replay.run(&log, (1, u64::MAX), empty());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    assert!(panicked.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_log_in_memory_is_replayed_the_same_way() {
    let log = Arc::new(crate::MemoryLog::new(
        fixture::log_id(),
        Arc::new(fixture::clock()),
    ));
    for number in 0..20 {
        log.append(commit(number, &[("shift/a", number)]))
            .await
            .unwrap();
    }
    let replay = ParallelReplay {
        threads: threads(2),
        split,
        fold: push,
    };
    let states = replay.run(&*log, (3, 18), empty()).unwrap();
    let all: Vec<u64> = states.into_iter().flatten().collect();
    assert_eq!(all, (3..=18).collect::<Vec<_>>());
    log.inject(crate::memory::Fault::FailRead);
    assert!(replay.run(&*log, (3, 18), empty()).is_err());
}
