//! What an open log measures of itself at the place where it happens. Owns the handles of its
//! histograms and the counting of refused appends; never knows who looks at them.
//!
//! Everything else that is told of a log is read off it when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};

use metrics::Histogram;

use crate::log::AppendError;

/// Where the durations and sizes go that a log measures; by default nowhere. One record costs tens of
/// nanoseconds, comes once per append or per group, and is never kept by the log.
#[derive(Debug, Clone)]
pub struct Measures {
    /// Seconds from an append's call to its answer, refusals included; recorded by whoever waits, so
    /// an append that nobody waits for any more is not.
    pub append_seconds: Histogram,
    /// Commits that were made durable together.
    pub group_commits: Histogram,
    /// Seconds that writing and syncing such a group took.
    pub group_seconds: Histogram,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            append_seconds: Histogram::noop(),
            group_commits: Histogram::noop(),
            group_seconds: Histogram::noop(),
        }
    }
}

/// Why appends are refused, as short stable names.
const REFUSALS: [&str; 9] = [
    "conflict",
    "overloaded",
    "too_large",
    "malformed",
    "clock_jumped",
    "poisoned",
    "low_space",
    "unreadable",
    "closed",
];

/// The place of a refusal's name among [`REFUSALS`].
const fn place(refusal: &AppendError) -> usize {
    match refusal {
        AppendError::Conflict { .. } => 0,
        AppendError::Overloaded => 1,
        AppendError::TooLarge { .. } => 2,
        AppendError::Malformed(_) => 3,
        AppendError::ClockJumped { .. } => 4,
        AppendError::Poisoned(_) => 5,
        AppendError::LowSpace { .. } => 6,
        AppendError::Unreadable(_) => 7,
        // A log that is open for reading only counts nothing.
        AppendError::Closed | AppendError::ReadOnly => 8,
    }
}

impl AppendError {
    /// A short name of what it is, the same for ever: what metrics call it.
    pub const fn name(&self) -> &'static str {
        REFUSALS[place(self)]
    }
}

/// How often appends were refused, by why.
#[derive(Debug, Default)]
pub(crate) struct Refused([AtomicU64; REFUSALS.len()]);

impl Refused {
    /// Counts a refusal.
    pub(crate) fn count(&self, refusal: &AppendError) {
        self.0[place(refusal)].fetch_add(1, Ordering::Relaxed);
    }

    /// Every name with its count.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        REFUSALS.into_iter().zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use metrics::HistogramFn;

    use super::*;
    use crate::disk::tests::options_of_test;
    use crate::disk::{DiskLog, Options};
    use crate::fixture;
    use crate::log::EventLog as _;

    #[derive(Default)]
    struct Seen(Mutex<Vec<f64>>);

    impl HistogramFn for Seen {
        fn record(&self, value: f64) {
            self.0.lock().unwrap().push(value);
        }
    }

    #[tokio::test]
    async fn appends_and_groups_are_measured_and_refusals_counted_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let seen: [Arc<Seen>; 3] = Default::default();
        let measures = Measures {
            append_seconds: Histogram::from_arc(Arc::clone(&seen[0])),
            group_commits: Histogram::from_arc(Arc::clone(&seen[1])),
            group_seconds: Histogram::from_arc(Arc::clone(&seen[2])),
        };
        let options = Options {
            measures,
            ..options_of_test()
        };
        DiskLog::create(dir.path(), fixture::log_id(), &options).unwrap();
        let log = DiskLog::open(dir.path(), &options).unwrap();
        let streams = [("shift/a", 0), ("shift/b", 0)];
        log.append(fixture::commit(0, &streams)).await.unwrap();
        let conflict = log.append(fixture::commit(1, &streams)).await.unwrap_err();
        assert_eq!(conflict.name(), "conflict");
        assert_eq!(log.appended(), (2, 1));
        log.close().unwrap();
        log.append(fixture::commit(2, &streams)).await.unwrap_err();
        drop(log);

        let [appends, commits, seconds] = seen.map(|seen| seen.0.lock().unwrap().clone());
        assert_eq!((appends.len(), commits), (3, vec![1.0]));
        assert!(seconds.len() == 1 && seconds[0] > 0.0 && appends[0] > seconds[0]);

        let log = DiskLog::open(dir.path(), &options).unwrap();
        assert_eq!(log.appended(), (0, 0), "counted from the opening on");
        log.append(fixture::commit(3, &streams)).await.unwrap_err();
        let refused: Vec<_> = log.refused().filter(|(_, count)| *count > 0).collect();
        assert_eq!(refused, [("conflict", 1)]);
        assert_eq!(log.refused().count(), REFUSALS.len());
    }
}
