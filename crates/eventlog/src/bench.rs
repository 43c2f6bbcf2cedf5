//! What the log costs, measured beside what the bare disk costs in the same run. Owns the
//! measuring and its rows; prints nothing and judges nothing.
//!
//! - `append`: groups handed over to the writer, one large commit, many async tasks, beside a plain
//!   file that is appended to and synced (`raw`)
//! - `replay`: reading a log back, with and without parsing what is in it
//! - `stream`: reading the events of one stream; `open`: opening a log
//! - `cache`: cold and warm
//!
//! Only figures of one run compare: each row has its ratio to the baseline of the same pass, and
//! the median of these over all passes is what counts.

use std::time::Duration;

use serde::Serialize;

use crate::disk::OpenError;
use crate::log::{AppendError, CloseError, ReadError};

mod append;
mod cache;
mod drafts;
mod open;
mod raw;
mod replay;
mod stream;

pub use append::{AppendPlan, append};
pub use open::{OpenPlan, open};
pub use replay::{ReplayPlan, replay};
pub use stream::{StreamPlan, stream};

/// One measured figure. What does not apply to it is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Row {
    /// `append`, `fill`, `replay`, `stream` or `open`.
    pub bench: &'static str,
    /// What was measured: `raw`, `raw_preallocated`, `writer` (single-event commits handed over
    /// together), `one_commit`, `tasks`; `fill`; `blocks`, `decode`, `json_checked`, `json`,
    /// `partitions`; `block`, `stream`; `read_journal`, `after_clean_stop`, `after_kill`, `verified_whole`.
    pub variant: &'static str,
    /// Events handed over together, tasks that append one event each, or the events of a stream.
    pub group: usize,
    /// Threads that read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// Whether the files were in the system's cache: `cold` or `warm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<&'static str>,
    /// Passes whose median this is.
    pub passes: usize,
    /// Events measured in all passes.
    pub events: u64,
    /// Events per second: the median of the passes.
    pub events_per_second: f64,
    /// The median over the passes of events per second as a share of the plain file's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_raw: Option<f64>,
    /// The same, as a share of the preallocated file's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_preallocated: Option<f64>,
    /// For `replay`: as a share of reading and decoding without parsing, with as many threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_decode: Option<f64>,
    /// For `stream` and `open`: the median over the passes of the mean time as a multiple of that of
    /// the baseline, which is reading and unpacking one block, or reading the journal's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times_baseline: Option<f64>,
    /// Bytes that disks gave in all passes, where the system tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_bytes: Option<u64>,
    /// The least ratio to the plain file that the design asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// From handing over to durable, in milliseconds: half of the groups took at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// The same for 99 of 100 groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// The slowest group, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_ms: Option<f64>,
    /// Events in the log when it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_events: Option<u64>,
    /// Resident memory of the process in bytes, where the system tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The plan asks for the impossible.
    #[error("{0}")]
    Plan(&'static str),
    /// The files of the baseline could not be written.
    #[error("the baseline: {0}")]
    Io(#[from] std::io::Error),
    /// The log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log took no commit.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log did not close cleanly.
    #[error(transparent)]
    Close(#[from] CloseError),
}

/// The time of one pass over one figure, with what was done in it.
#[derive(Debug, Default)]
struct Sample {
    events: u64,
    elapsed: Duration,
    /// Of each group.
    latencies: Vec<Duration>,
}

impl Sample {
    fn events_per_second(&self) -> f64 {
        float(self.events) / self.elapsed.as_secs_f64().max(1e-9)
    }

    fn take(&mut self, other: Sample) {
        self.events += other.events;
        self.elapsed += other.elapsed;
        self.latencies.extend(other.latencies);
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures to be looked at")]
fn float(number: u64) -> f64 {
    number as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The row of some passes.
fn row(bench: &'static str, variant: &'static str, group: usize, samples: &[Sample]) -> Row {
    let mut latencies: Vec<Duration> = samples
        .iter()
        .flat_map(|sample| sample.latencies.iter().copied())
        .collect();
    latencies.sort_unstable();
    let share = |percent: usize| {
        let at = (latencies.len() * percent / 100).min(latencies.len().checked_sub(1)?);
        Some(latencies.get(at)?.as_secs_f64() * 1_000.0)
    };
    Row {
        bench,
        variant,
        group,
        passes: samples.len(),
        events: samples.iter().map(|sample| sample.events).sum(),
        events_per_second: median(samples.iter().map(Sample::events_per_second).collect()),
        p50_ms: share(50),
        p99_ms: share(99),
        worst_ms: share(100),
        ..Row::default()
    }
}

/// The median over the passes of one figure's speed as a share of another's.
fn ratio(samples: &[Sample], baseline: &[Sample]) -> Option<f64> {
    let ratios: Vec<f64> = samples
        .iter()
        .zip(baseline)
        .map(|(sample, baseline)| sample.events_per_second() / baseline.events_per_second())
        .collect();
    (!ratios.is_empty()).then(|| median(ratios))
}

/// The median over the passes of one figure's mean time as a multiple of another's.
fn times(samples: &[Sample], baseline: &[Sample]) -> Option<f64> {
    let seconds = |sample: &Sample| {
        sample.elapsed.as_secs_f64() / float(sample.latencies.len() as u64).max(1.0)
    };
    let times: Vec<f64> = samples
        .iter()
        .zip(baseline)
        .map(|(sample, baseline)| seconds(sample) / seconds(baseline).max(1e-9))
        .collect();
    (!times.is_empty()).then(|| median(times))
}

/// Resident memory of this process, where `/proc` tells it.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Options, SEGMENT_BYTES_MIN};
    use std::sync::Arc;

    #[test]
    fn every_figure_has_a_row_with_its_baseline() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            segment_bytes: SEGMENT_BYTES_MIN,
            ..Options::new(Arc::new(crate::SystemClock::new()))
        };
        let plan = AppendPlan {
            groups: vec![1, 16],
            tasks: vec![4],
            passes: 1,
            pass: Duration::from_millis(1),
            fill_to: 300,
            options,
            ..AppendPlan::new(dir.path())
        };
        let mut rows = Vec::new();
        append(&plan, &mut |row| rows.push(row)).unwrap();
        let variants: Vec<_> = rows.iter().map(|row| (row.variant, row.group)).collect();
        assert_eq!(
            variants,
            [
                ("fill", 256),
                ("raw", 1),
                ("raw_preallocated", 1),
                ("writer", 1),
                ("raw", 16),
                ("raw_preallocated", 16),
                ("writer", 16),
                ("raw", 256),
                ("raw_preallocated", 256),
                ("one_commit", 256),
                ("tasks", 4),
            ]
        );
        assert!(rows[3].ratio_to_raw.unwrap() > 0.0 && rows[3].log_events.unwrap() > 300);
        let report = crate::verify(
            &plan.log_dir(),
            crate::VerifyOptions::default(),
            &mut |_| (),
        )
        .unwrap();
        assert_eq!(report.findings, []);

        rows.clear();
        let once = ReplayPlan {
            passes: 1,
            ..ReplayPlan::new(&plan.log_dir())
        };
        replay(&once, &mut |row| rows.push(row)).unwrap();
        assert_eq!(rows.len(), 2 * 2 * 5);
        assert!(rows.iter().all(|row| row.events >= report.events));
        assert!(
            serde_json::to_string(&rows[0])
                .unwrap()
                .contains("\"variant\":\"blocks\"")
        );

        rows.clear();
        let few = StreamPlan {
            streams: 5,
            passes: 1,
            ..StreamPlan::new(&plan.log_dir())
        };
        stream(&few, &mut |row| rows.push(row)).unwrap();
        let told = rows.iter().map(|row| (row.variant, row.group, row.cache));
        let (cold, warm) = (Some("cold"), Some("warm"));
        let expected = [6, 20].into_iter().flat_map(|length| {
            [cold, warm]
                .into_iter()
                .flat_map(move |cache| [("block", length, cache), ("stream", length, cache)])
        });
        assert!(told.eq(expected));
        assert!(rows[1].events == 30 && rows[1].times_baseline.unwrap() > 0.0);

        rows.clear();
        let once = OpenPlan {
            passes: 1,
            options: plan.options.clone(),
            ..OpenPlan::new(&plan.log_dir())
        };
        open(&once, &mut |row| rows.push(row)).unwrap();
        let told = rows.iter().map(|row| (row.variant, row.cache));
        let variants = [
            "read_journal",
            "after_clean_stop",
            "after_kill",
            "verified_whole",
        ];
        let expected = [cold, warm]
            .into_iter()
            .flat_map(|cache| variants.map(|variant| (variant, cache)));
        assert!(told.eq(expected));
        assert_eq!(rows[2].log_events, Some(report.events));
    }
}
