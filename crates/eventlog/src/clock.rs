//! Where instants come from. Owns the two clocks and the judgement of a jumping clock; never
//! decides what an instant means. `SystemClock` is the only caller of `SystemTime::now`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SubsecRound as _};
use domain::Instant;

/// How far the wall clock may run apart from the monotonic clock between two commits before the
/// log refuses to take its word.
pub const CLOCK_JUMP_SECONDS_MAX: u64 = 60;

/// The drift that is forgiven beyond [`CLOCK_JUMP_SECONDS_MAX`]: one part in this many of the
/// time passed, far above what a clock that is being slewed does.
const CLOCK_DRIFT_DIVISOR: u32 = 1_000;

/// A source of wall-clock instants.
pub trait Clock: Send + Sync + 'static {
    /// The instant now, in whole microseconds.
    fn now(&self) -> Instant;

    /// Time passed since an arbitrary moment, unmoved by changes of the wall clock. `None` on a
    /// simulated clock, which may step any distance.
    fn monotonic(&self) -> Option<Duration> {
        None
    }
}

/// The clock of the machine.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading starts at zero now.
    pub fn new() -> Self {
        Self {
            started: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place at the rim that may ask the machine for the time"
    )]
    fn now(&self) -> Instant {
        Instant::from(SystemTime::now()).trunc_subsecs(6)
    }

    fn monotonic(&self) -> Option<Duration> {
        Some(self.started.elapsed())
    }
}

/// A clock that stands still until it is set. Clones share one reading.
#[derive(Debug, Clone)]
pub struct SimulatedClock {
    now: Arc<Mutex<Instant>>,
}

impl SimulatedClock {
    /// A clock that shows `start`.
    pub fn new(start: Instant) -> Self {
        Self {
            now: Arc::new(Mutex::new(start.trunc_subsecs(6))),
        }
    }

    /// Moves the clock to `instant`, or leaves it where that would go back. Answers what it shows.
    pub fn advance_to(&self, instant: Instant) -> Instant {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = (*now).max(instant.trunc_subsecs(6));
        *now
    }

    /// Moves the clock on by `step`, or leaves it where no instant is that far. Answers what it
    /// shows.
    pub fn advance_by(&self, step: Duration) -> Instant {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let later = chrono::TimeDelta::from_std(step)
            .ok()
            .and_then(|s| now.checked_add_signed(s));
        if let Some(later) = later {
            *now = later.trunc_subsecs(6);
        }
        *now
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Instant {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a clock for the writer and refuses a wall clock that jumped while the log was open.
pub(crate) struct WatchedClock {
    clock: Arc<dyn Clock>,
    accepted: Option<(Instant, Duration)>,
}

/// By how many seconds (signed) the wall clock ran apart from the monotonic one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jumped {
    pub(crate) seconds: i64,
}

impl WatchedClock {
    /// Takes the clock's first reading as right: a gap since the log was last open is accepted.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let accepted = clock.monotonic().map(|passed| (clock.now(), passed));
        Self { clock, accepted }
    }

    /// The instant now, at least `not_before`; refuses a jump of the wall clock, and a
    /// `not_before` that lies as far ahead of it.
    pub(crate) fn now(&mut self, not_before: Option<Instant>) -> Result<Instant, Jumped> {
        let now = self.clock.now();
        let Some(passed) = self.clock.monotonic() else {
            return Ok(not_before.map_or(now, |floor| now.max(floor.trunc_subsecs(6))));
        };
        if let Some((wall_before, passed_before)) = self.accepted {
            let expected = passed.saturating_sub(passed_before);
            let bound =
                Duration::from_secs(CLOCK_JUMP_SECONDS_MAX) + expected / CLOCK_DRIFT_DIVISOR;
            let apart = (now - wall_before)
                .checked_sub(&chrono::TimeDelta::from_std(expected).unwrap_or_default())
                .unwrap_or(chrono::TimeDelta::MAX);
            if apart.abs().to_std().unwrap_or(Duration::MAX) > bound {
                return Err(Jumped {
                    seconds: apart.num_seconds(),
                });
            }
        }
        self.accepted = Some((now, passed));
        let Some(floor) = not_before else {
            return Ok(now);
        };
        let ahead = (floor - now).num_seconds();
        if ahead > i64::try_from(CLOCK_JUMP_SECONDS_MAX).unwrap_or(i64::MAX) {
            return Err(Jumped { seconds: ahead });
        }
        Ok(now.max(floor.trunc_subsecs(6)))
    }
}

/// The instant this many microseconds after 1970-01-01 UTC, if the calendar reaches that far.
pub(crate) fn instant_from_micros(micros: i64) -> Option<Instant> {
    DateTime::from_timestamp_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock whose two readings are set apart.
    #[derive(Clone)]
    struct Split(Arc<Mutex<(Instant, Duration)>>);

    impl Clock for Split {
        fn now(&self) -> Instant {
            self.0.lock().unwrap().0
        }
        fn monotonic(&self) -> Option<Duration> {
            Some(self.0.lock().unwrap().1)
        }
    }

    #[test]
    fn a_jump_of_the_wall_clock_is_refused_until_it_comes_back() {
        let start = instant_from_micros(1_000_000_000_000_000).unwrap();
        let split = Split(Arc::new(Mutex::new((start, Duration::ZERO))));
        let mut watched = WatchedClock::new(Arc::new(split.clone()));
        let mut reading = |wall_seconds: i64, passed_seconds: u64| {
            let wall = start + chrono::TimeDelta::seconds(wall_seconds);
            *split.0.lock().unwrap() = (wall, Duration::from_secs(passed_seconds));
            watched
                .now(None)
                .map(|_| ())
                .map_err(|jumped| jumped.seconds)
        };
        assert_eq!(reading(10, 10), Ok(()));
        assert_eq!(reading(70, 11), Ok(()), "within the bound");
        assert_eq!(reading(200, 12), Err(129));
        assert_eq!(reading(-100, 13), Err(-172));
        assert_eq!(reading(72, 14), Ok(()));
        assert_eq!(
            reading(200_100, 200_000),
            Ok(()),
            "a long wait forgives some drift"
        );
    }

    #[test]
    fn a_simulated_clock_never_goes_back() {
        let start = instant_from_micros(5).unwrap();
        let clock = SimulatedClock::new(start);
        let shared = clock.clone();
        let later = shared.advance_by(Duration::from_secs(9));
        assert_eq!(clock.now(), later);
        assert_eq!(clock.advance_to(start), later);
    }
}
