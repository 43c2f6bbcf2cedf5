//! The scrub of the log as callers see it.
//!
//! Owns the way from the log's report to the protocol's, and the settings of the scrub in a service.
//! Decides nothing.

use std::num::NonZeroU64;
use std::time::Duration;

use eventlog::{
    SCRUB_BYTES_PER_SECOND, SCRUB_EVERY, Scrub, ScrubFinding, ScrubOptions, ScrubOutcome,
    ScrubReport, ScrubbedPart,
};
use tonic::{Code, Status};

use crate::backend::Backend;
use crate::{status, wire};

/// Most MiB a second that a scrub may be set to read.
pub const RATE_MIB_MAX: u64 = 1024 * 1024;
/// Most hours between two passes.
pub const EVERY_HOURS_MAX: u64 = 24 * 366;

const MIB: u64 = 1024 * 1024;

/// How a service scrubs its log: at most so many MiB a second, a pass every so many hours, the first
/// one when the log is opened. A rate of 0 turns it off: then a pass runs only when asked for, at the
/// usual rate. Both numbers must lie within their bounds.
pub fn options(rate_mib: Option<u64>, every_hours: Option<u64>) -> ScrubOptions {
    let every = every_hours.map_or(SCRUB_EVERY, Duration::from_hours);
    let rate = match rate_mib {
        None => Some(SCRUB_BYTES_PER_SECOND),
        Some(mib) => NonZeroU64::new(mib * MIB),
    };
    ScrubOptions {
        bytes_per_second: Some(rate.unwrap_or(SCRUB_BYTES_PER_SECOND)),
        every: rate.map(|_| every),
    }
}

/// The scrub of the log behind the services.
///
/// # Errors
/// `FAILED_PRECONDITION` where the log is not on disk.
pub fn of(backend: &Backend) -> Result<&Scrub, Status> {
    backend.scrub.as_ref().ok_or_else(|| {
        let message = "This log is not on disk, so there is nothing to scrub.";
        status::status(Code::FailedPrecondition, "LOG_NOT_ON_DISK", message)
    })
}

/// How it stands; `position` is that of the log's last event.
pub fn answer(scrub: &Scrub, position: u64) -> wire::GetScrubResponse {
    let status = scrub.status();
    let running = status.running.map(|running| wire::ScrubPass {
        number: running.number,
        position: running.position,
        bytes: running.bytes,
        ..wire::ScrubPass::default()
    });
    wire::GetScrubResponse {
        running,
        last: status.last.as_ref().map(pass),
        passes: status.totals.passes,
        bytes: status.totals.bytes,
        healed: status.totals.healed,
        unhealed: status.totals.unhealed,
        lost: status.totals.lost,
        standing: status.standing.iter().map(finding).collect(),
        second_copy_fault: scrub.second_copy_fault().unwrap_or_default(),
        position,
    }
}

/// A pass that has ended.
pub fn pass(report: &ScrubReport) -> wire::ScrubPass {
    wire::ScrubPass {
        number: report.number,
        complete: report.complete,
        position: report.position,
        bytes: report.bytes,
        took: prost_types::Duration::try_from(report.took).ok(),
        healed: report.healed,
        unhealed: report.unhealed,
        lost: report.lost,
        findings: report.findings.iter().map(finding).collect(),
    }
}

fn finding(finding: &ScrubFinding) -> wire::ScrubFinding {
    let part = match finding.part {
        ScrubbedPart::Journal => wire::ScrubbedPart::Journal,
        ScrubbedPart::SecondCopy => wire::ScrubbedPart::SecondCopy,
        ScrubbedPart::Index => wire::ScrubbedPart::Index,
    };
    let (outcome, detail, lost_position) = match &finding.outcome {
        ScrubOutcome::Healed(done) => (wire::ScrubOutcome::Healed, done.clone(), 0),
        ScrubOutcome::Unhealed(why) => (wire::ScrubOutcome::Unhealed, why.clone(), 0),
        ScrubOutcome::Lost { position } => {
            let detail = format!("the block at position {position} is damaged in both copies");
            (wire::ScrubOutcome::Lost, detail, *position)
        }
    };
    wire::ScrubFinding {
        part: part.into(),
        what: finding.what.clone(),
        outcome: outcome.into(),
        detail,
        lost_position,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_of_nothing_leaves_only_what_is_asked_for() {
        let usual = options(None, None);
        assert_eq!(usual.every, Some(Duration::from_hours(24)));
        assert_eq!(usual.bytes_per_second, NonZeroU64::new(16 * MIB));
        let off = options(Some(0), Some(3));
        assert_eq!(
            (off.every, off.bytes_per_second),
            (None, usual.bytes_per_second)
        );
        let set = options(Some(2), Some(3));
        assert_eq!(set.every, Some(Duration::from_hours(3)));
        assert_eq!(set.bytes_per_second, NonZeroU64::new(2 * MIB));
        assert!(RATE_MIB_MAX.checked_mul(MIB).is_some());
    }
}
