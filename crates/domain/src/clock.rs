//! `SimulatedClock`: the clock of a log that was born with a simulated one.
//!
//! Owns the event by which the caller moves it. Real clocks never appear here.

use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, Instant};
use crate::genesis::{ClockKind, Genesis};
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Key of the one stream.
pub const KEY: &str = "simulated";

/// State of the clock: where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SimulatedClock {
    /// Where it was last moved to.
    pub stands_at: Option<Instant>,
}

/// What can be asked of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Move the clock on to an instant.
    AdvanceClock {
        /// Where it shall stand.
        to: Instant,
    },
}

/// What happens to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The clock was moved on.
    ClockAdvanced {
        /// Where it stands now.
        to: Instant,
    },
}

refusals! {
    /// Why the clock is not moved.
    ClockIsReal = WrongState, "", "The clock of this log is real; only a log born simulated has one that can be moved.";
    ClockNeverGoesBack = Invalid, "to", "A clock moves forward only.";
}

impl Aggregate for SimulatedClock {
    const CATEGORY: &'static str = "clock";
    type Command = Command;
    type Event = Event;

    fn primary(_: &Command) -> StreamName {
        Self::stream(KEY)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let Command::AdvanceClock { to } = command;
        let genesis = world.state::<Genesis>(crate::genesis::KEY)?;
        let clock = world.state::<Self>(KEY)?;
        match genesis.clock {
            Some(ClockKind::Simulated) if clock.stands_at.is_some_and(|at| at > *to) => {
                Err(Refusal::ClockNeverGoesBack.into())
            }
            Some(ClockKind::Simulated) => Ok(Decision::new().with::<Self>(
                KEY,
                Event::ClockAdvanced { to: *to },
                Envelope::at((*to).max(cx.now)),
            )),
            _ => Err(Refusal::ClockIsReal.into()),
        }
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        let Event::ClockAdvanced { to } = event;
        self.stands_at = Some(*to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_table::{check, row};
    use crate::testing::{History, at, by, id};

    const BORN: &str = "2024-07-01T00:00:00Z";
    const MOVED: &str = "2024-07-03T00:00:00Z";

    fn born(clock: ClockKind) -> History {
        History::given(crate::genesis::birth(clock, id(1), at(BORN)))
    }

    fn advance(to: &str) -> Command {
        Command::AdvanceClock { to: at(to) }
    }

    #[test]
    fn the_table_of_moving_every_sort_of_clock() {
        let cx = by(id(1), at(BORN));
        let simulated = born(ClockKind::Simulated);
        let moved = simulated.clone().then(advance(MOVED), &cx);
        let states = [History::default(), born(ClockKind::Real), simulated, moved];
        let place = |history: &History| {
            let stands_at = history.state::<SimulatedClock>(KEY).stands_at;
            let clock = history.state::<Genesis>(crate::genesis::KEY).clock;
            match (clock, stands_at) {
                (None, _) => "no log".to_owned(),
                (Some(ClockKind::Real), _) => "real".to_owned(),
                (Some(ClockKind::Simulated), None) => "simulated and never moved".to_owned(),
                (Some(ClockKind::Simulated), Some(at)) => format!("moved to {}", at.date_naive()),
            }
        };
        #[rustfmt::skip]
        let rows = [
            row(advance("2024-07-04T00:00:00Z"), cx, ["CLOCK_IS_REAL", "CLOCK_IS_REAL", "ClockAdvanced", "ClockAdvanced"]),
            row(advance(MOVED), cx, ["CLOCK_IS_REAL", "CLOCK_IS_REAL", "ClockAdvanced", "ClockAdvanced"]),
            row(advance("2024-07-02T00:00:00Z"), cx, ["CLOCK_IS_REAL", "CLOCK_IS_REAL", "ClockAdvanced", "CLOCK_NEVER_GOES_BACK"]),
        ];
        let given = "The clock of a log is moved on to 4 July, to 3 July and to 2 July.";
        let source = include_str!("clock.rs");
        check("Clock", given, source, &states, &rows, place);
    }
}
