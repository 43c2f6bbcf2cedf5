//! How fast a pass reads. Owns the waiting between steps and the notice that the log is closed.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use super::Control;

/// Bytes between two looks at the time.
const STEP_BYTES: u64 = 64 * 1024;

/// A pass that is this far behind what it may read does not catch up.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// The bound on what a pass reads in a second.
pub(super) struct Pace<'a> {
    control: &'a Control,
    bytes_per_second: Option<NonZeroU64>,
    /// When what was read so far may have been read.
    allowed: Instant,
    bytes: u64,
    /// Bytes since the last look.
    since: u64,
}

impl<'a> Pace<'a> {
    pub(super) fn new(control: &'a Control, bytes_per_second: Option<NonZeroU64>) -> Self {
        Self {
            control,
            bytes_per_second,
            allowed: Instant::now(),
            bytes: 0,
            since: 0,
        }
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes note of a step of this many bytes, and waits if it came too early. False once the log
    /// is closed: then the pass must end.
    pub(super) fn step(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        self.since += bytes;
        if self.since < STEP_BYTES {
            return true;
        }
        let bytes = std::mem::take(&mut self.since);
        let Some(rate) = self.bytes_per_second else {
            return self.control.pause(Duration::ZERO);
        };
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
        let now = Instant::now();
        let oldest = now.checked_sub(BEHIND_MAX).unwrap_or(now);
        let step = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.allowed = self.allowed.max(oldest) + step;
        self.control
            .pause(self.allowed.saturating_duration_since(now))
    }

    /// Waits, reading nothing; false once the log is closed.
    pub(super) fn pause(&self, time: Duration) -> bool {
        self.control.pause(time)
    }
}
