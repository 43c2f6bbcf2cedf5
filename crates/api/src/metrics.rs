//! What a running service tells in numbers, in the text format of Prometheus.
//!
//! Owns the list of series and how each is read off the log, its scrub and the read models. What can
//! be asked is asked when somebody looks; only durations and sizes of groups are measured where they
//! happen ([`Measures`]). Serving the text is `listener`. `docs/metrics.md` says what each series
//! means to an operator.

mod listener;

use std::sync::Arc;

use eventlog::{DiskLog, EventLog, Measures, Scrub, ScrubbedPart};
use metrics::{Unit, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use projections::Engine;

pub use listener::{CONNECTIONS_MAX, REQUEST_BYTES_MAX, REQUEST_TIME_MAX, UPKEEP_EVERY, serve};

use crate::backend::Backend;

/// Upper bounds of the buckets of durations, in seconds: from a fast disk to one that hangs.
const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Upper bounds of the buckets of groups, in commits, up to the largest.
const COMMITS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

/// What kind of number a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It may go up and down.
    Gauge,
    /// It only goes up, from the start of the process on.
    Counter,
    /// How many values came to lie in which bucket.
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

/// Every series: its name, its kind, its unit, what it says.
const SERIES: [(&str, Kind, Unit, &str); 31] = [
    (
        "eventlog_head_position",
        Gauge,
        Unit::Count,
        "Last acknowledged position: the number of events in the log.",
    ),
    (
        "eventlog_head_commits",
        Gauge,
        Unit::Count,
        "Commits in the log: the size of the tree.",
    ),
    (
        "eventlog_head_epoch",
        Gauge,
        Unit::Count,
        "Epoch of the log.",
    ),
    (
        "eventlog_synced_position",
        Gauge,
        Unit::Count,
        "Last position of which both copies are on disk.",
    ),
    (
        "eventlog_appended_events_total",
        Counter,
        Unit::Count,
        "Events appended.",
    ),
    (
        "eventlog_appended_commits_total",
        Counter,
        Unit::Count,
        "Commits appended.",
    ),
    (
        "eventlog_refused_appends_total",
        Counter,
        Unit::Count,
        "Appends that the log refused, by reason.",
    ),
    (
        "eventlog_append_seconds",
        Histogram,
        Unit::Seconds,
        "From an append's call to its answer, refusals included.",
    ),
    (
        "eventlog_group_commits",
        Histogram,
        Unit::Count,
        "Commits that were made durable together.",
    ),
    (
        "eventlog_group_seconds",
        Histogram,
        Unit::Seconds,
        "Writing and syncing one such group.",
    ),
    (
        "eventlog_waiting_commits",
        Gauge,
        Unit::Count,
        "Commits that wait for the writer.",
    ),
    (
        "eventlog_writable",
        Gauge,
        Unit::Count,
        "1 while commits are taken, 0 while they are refused.",
    ),
    (
        "eventlog_refusing",
        Gauge,
        Unit::Count,
        "1 while commits are refused for this reason.",
    ),
    (
        "eventlog_second_copy_bad",
        Gauge,
        Unit::Count,
        "1 once nothing more goes into the second copy until the next start.",
    ),
    (
        "eventlog_disk_free_bytes",
        Gauge,
        Unit::Bytes,
        "Free on the disk of the log; of two, the fewer.",
    ),
    (
        "eventlog_disk_used_bytes",
        Gauge,
        Unit::Bytes,
        "Taken on disk, by part of the folder.",
    ),
    (
        "eventlog_index_chunks",
        Gauge,
        Unit::Count,
        "Files of the index that are complete.",
    ),
    (
        "eventlog_index_bytes",
        Gauge,
        Unit::Bytes,
        "What these files take.",
    ),
    (
        "eventlog_index_tail_events",
        Gauge,
        Unit::Count,
        "Events after these files, in memory.",
    ),
    (
        "eventlog_scrub_passes_total",
        Counter,
        Unit::Count,
        "Background verifications that went over everything.",
    ),
    (
        "eventlog_scrub_read_bytes_total",
        Counter,
        Unit::Bytes,
        "Bytes that verification has read.",
    ),
    (
        "eventlog_scrub_findings_total",
        Counter,
        Unit::Count,
        "What it found, by part and outcome; what stays is found again by each pass.",
    ),
    (
        "eventlog_scrub_standing_findings",
        Gauge,
        Unit::Count,
        "What the last complete pass found and did not put right, by part.",
    ),
    (
        "eventlog_scrub_age_seconds",
        Gauge,
        Unit::Seconds,
        "Since the end of the last complete pass, or since the start without one.",
    ),
    (
        "eventlog_scrub_running",
        Gauge,
        Unit::Count,
        "1 while a pass runs.",
    ),
    (
        "eventlog_scrub_position",
        Gauge,
        Unit::Count,
        "Position that the running pass has reached in the journal; 0 without one.",
    ),
    (
        "projections_model_position",
        Gauge,
        Unit::Count,
        "Position up to which a read model holds.",
    ),
    (
        "projections_model_lag_events",
        Gauge,
        Unit::Count,
        "Events that it is behind the log.",
    ),
    (
        "projections_model_fenced",
        Gauge,
        Unit::Count,
        "1 once it has failed and is no longer fed.",
    ),
    (
        "projections_lag_seconds",
        Gauge,
        Unit::Seconds,
        "Between what was recorded last and what was applied last.",
    ),
    (
        "projections_stuck_work",
        Gauge,
        Unit::Count,
        "Commands of a reaction, or of the timers, that are refused and tried again.",
    ),
];

/// The numbers of one service; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    text: PrometheusHandle,
}

impl Metrics {
    /// Makes a registry of its own, so that two services of one process never mix.
    ///
    /// # Errors
    /// None in practice: only if a list of buckets were empty.
    pub fn new() -> Result<Self, BuildError> {
        let full = |name: &str| Matcher::Full(name.to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(full("eventlog_append_seconds"), &SECONDS)?
            .set_buckets_for_metric(full("eventlog_group_seconds"), &SECONDS)?
            .set_buckets_for_metric(full("eventlog_group_commits"), &COMMITS)?
            .build_recorder();
        with_local_recorder(&recorder, || {
            for (name, kind, unit, says) in SERIES {
                match kind {
                    Gauge => metrics::describe_gauge!(name, unit, says),
                    Counter => metrics::describe_counter!(name, unit, says),
                    Histogram => metrics::describe_histogram!(name, unit, says),
                }
            }
        });
        Ok(Self {
            text: recorder.handle(),
            recorder: Arc::new(recorder),
        })
    }

    /// What the log is to be opened with.
    pub fn measures(&self) -> Measures {
        with_local_recorder(&*self.recorder, || Measures {
            append_seconds: histogram!("eventlog_append_seconds"),
            group_commits: histogram!("eventlog_group_commits"),
            group_seconds: histogram!("eventlog_group_seconds"),
        })
    }

    /// Asks everything and writes it down. Blocks: looks at every file of the log's folder once.
    pub fn render(&self, backend: &Backend) -> String {
        with_local_recorder(&*self.recorder, || {
            log(&**backend.executor.log());
            if let Some(disk) = &backend.disk {
                self::disk(disk);
                scrub(&disk.scrub());
            }
            models(&backend.engine);
            stuck(backend);
        });
        self.text.render()
    }

    /// Sorts what was measured into its buckets, so that it does not gather while nobody looks.
    fn keep_up(&self) {
        self.text.run_upkeep();
    }
}

/// A whole number as the format has it.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, which no position and no disk reaches"
)]
const fn number(value: u64) -> f64 {
    value as f64
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn log(log: &dyn EventLog) {
    let head = log.head();
    gauge!("eventlog_head_position").set(number(head.position));
    gauge!("eventlog_head_commits").set(number(head.commits));
    gauge!("eventlog_head_epoch").set(head.epoch);
    let refusal = log.refusal();
    gauge!("eventlog_writable").set(flag(refusal.is_none()));
    let why = refusal.as_ref().map(eventlog::AppendError::name);
    for reason in ["poisoned", "low_space"] {
        gauge!("eventlog_refusing", "reason" => reason).set(flag(why == Some(reason)));
    }
}

fn disk(log: &DiskLog) {
    gauge!("eventlog_synced_position").set(number(log.synced_position()));
    let (events, commits) = log.appended();
    counter!("eventlog_appended_events_total").absolute(events);
    counter!("eventlog_appended_commits_total").absolute(commits);
    for (reason, count) in log.refused() {
        counter!("eventlog_refused_appends_total", "reason" => reason).absolute(count);
    }
    gauge!("eventlog_waiting_commits").set(number(log.waiting() as u64));
    gauge!("eventlog_second_copy_bad").set(flag(log.second_copy_fault().is_some()));
    // What cannot be found out is no number, rather than the last one that was.
    let free = log.free_bytes().map_or(f64::NAN, number);
    gauge!("eventlog_disk_free_bytes").set(free);
    let used = log.bytes_on_disk().ok();
    let used = |part, of: fn(&eventlog::BytesOnDisk) -> u64| {
        let bytes = used.as_ref().map_or(f64::NAN, |used| number(of(used)));
        gauge!("eventlog_disk_used_bytes", "part" => part).set(bytes);
    };
    used("journal", |used| used.journal);
    used("second_copy", |used| used.second_copy);
    used("index", |used| used.index);
    used("views", |used| used.views);
    used("set_aside", |used| used.set_aside);
    used("reserve", |used| used.reserve);
    let index = log.index_size();
    gauge!("eventlog_index_chunks").set(number(index.chunks));
    gauge!("eventlog_index_bytes").set(number(index.bytes));
    gauge!("eventlog_index_tail_events").set(number(index.tail_events));
}

const fn name(part: ScrubbedPart) -> &'static str {
    match part {
        ScrubbedPart::Journal => "journal",
        ScrubbedPart::SecondCopy => "second_copy",
        ScrubbedPart::Index => "index",
    }
}

fn scrub(scrub: &Scrub) {
    let status = scrub.status();
    let (running, now) = (status.running.is_some(), status.running);
    counter!("eventlog_scrub_passes_total").absolute(status.totals.passes);
    let read = status.totals.bytes + now.map_or(0, |now| now.bytes);
    counter!("eventlog_scrub_read_bytes_total").absolute(read);
    for part in ScrubbedPart::ALL {
        let (found, name) = (status.found(part), name(part));
        for (outcome, count) in [
            ("healed", found.healed),
            ("unhealed", found.unhealed),
            ("lost", found.lost),
        ] {
            let labels = [("part", name), ("outcome", outcome)];
            counter!("eventlog_scrub_findings_total", &labels).absolute(count);
        }
        let standing = status.standing.iter().filter(|stands| stands.part == part);
        let standing = number(standing.count() as u64);
        gauge!("eventlog_scrub_standing_findings", "part" => name).set(standing);
    }
    gauge!("eventlog_scrub_age_seconds").set(status.age);
    gauge!("eventlog_scrub_running").set(flag(running));
    let position = now.map_or(0, |now| now.position);
    gauge!("eventlog_scrub_position").set(number(position));
}

fn models(engine: &Engine) {
    let health = engine.health();
    let behind = u32::try_from(health.lag_seconds).unwrap_or(u32::MAX);
    gauge!("projections_lag_seconds").set(behind);
    for model in health.models {
        let name = model.name;
        gauge!("projections_model_position", "model" => name).set(number(model.position));
        gauge!("projections_model_lag_events", "model" => name).set(number(model.lag_events));
        let fenced = flag(model.fault.is_some());
        gauge!("projections_model_fenced", "model" => name).set(fenced);
    }
}

fn stuck(backend: &Backend) {
    for reaction in backend.reactions.health() {
        let count = number(reaction.stuck.len() as u64);
        gauge!("projections_stuck_work", "by" => reaction.name).set(count);
    }
    let timers = backend.timers.health().stuck_timers;
    gauge!("projections_stuck_work", "by" => "timers").set(number(timers as u64));
}

#[cfg(test)]
mod tests;
