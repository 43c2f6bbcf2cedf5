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
