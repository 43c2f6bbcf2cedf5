//! Keeps the threads that fold builds to their share of the time, a little at a time.
//!
//! A thread that works on for long keeps its processor until the system looks again, which takes some
//! milliseconds; whoever serves a command meanwhile waits. So these threads rest after each small
//! piece, and a command finds a processor. Owns when a thread rests; the work tells where it may.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a thread works until it rests.
const WORK_MAX: Duration = Duration::from_micros(500);
/// Most time that counts as work since the last rest: a thread may also have waited.
const COUNTED_MAX: Duration = Duration::from_millis(20);

#[derive(Clone, Copy)]
struct Pace {
    share: u32,
    since: Instant,
}

thread_local! {
    static PACE: Cell<Option<Pace>> = const { Cell::new(None) };
}

/// Has this thread work for no more than a share of the time from now on, in percent from 1 to 100.
pub(crate) fn keep_to(share: u32) {
    let since = Instant::now();
    PACE.set(Some(Pace { share, since }));
}

/// To be called between small pieces of work: rests if it is time. Other threads go on at once.
pub(crate) fn step() {
    let Some(pace) = PACE.get() else { return };
    let worked = pace.since.elapsed();
    if worked < WORK_MAX {
        return;
    }
    let rest = to_rest(worked.min(COUNTED_MAX), pace.share);
    if !rest.is_zero() {
        std::thread::sleep(rest);
    }
    keep_to(pace.share);
}

/// The pause after which work has taken no more than its share of the time.
pub(crate) fn to_rest(worked: Duration, share: u32) -> Duration {
    let share = share.clamp(1, 100);
    worked * (100 - share) / share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_and_work_come_to_the_share() {
        let ms = Duration::from_millis;
        for (worked, share, rest) in [(60, 60, 40), (10, 50, 10), (10, 100, 0), (1, 1, 99)] {
            assert_eq!(
                to_rest(ms(worked), share),
                ms(rest),
                "{worked} ms at {share} %"
            );
        }
        assert_eq!(to_rest(ms(1), 0), to_rest(ms(1), 1));
    }

    #[test]
    fn a_thread_that_keeps_to_a_share_rests_and_others_do_not() {
        let work = |pieces: u32| {
            let began = Instant::now();
            while began.elapsed() < WORK_MAX * pieces {
                std::hint::spin_loop();
            }
            let worked = Instant::now();
            step();
            worked.elapsed()
        };
        // Nobody told this thread: it never sleeps.
        step();
        assert!(PACE.get().is_none());
        let rested = std::thread::spawn(move || {
            keep_to(10);
            work(2)
        });
        let rested = rested.join().expect("rested");
        assert!(rested >= to_rest(WORK_MAX * 2, 10), "{rested:?}");
    }
}
