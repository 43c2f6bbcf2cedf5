//! `PersonDay`: the verified minutes of a person on a day, so that none counts twice.
//!
//! ```text
//! (empty) ──MinutesClaimed──> intervals held ──MinutesReleased──> fewer intervals
//! ```
//! Owns the intervals that verified participations hold; two never overlap. Its key is
//! `<person>/<day in the unit's zone>`. It has no commands: a shift's decision writes it.

use serde::{Deserialize, Serialize};

use crate::envelope::Instant;
use crate::ids::ShiftId;
use crate::refusal::Stop;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Minutes that a shift holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The shift that holds them.
    pub shift: ShiftId,
    /// From (inclusive).
    pub from: Instant,
    /// Until (exclusive).
    pub until: Instant,
}

/// State of a person's day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonDay {
    /// What is held, no two overlapping.
    pub held: Vec<Held>,
}

/// A person's day has no commands of its own.
#[derive(Debug, Clone, Serialize)]
pub enum Command {}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A verified participation holds these minutes.
    MinutesClaimed {
        /// Of this shift.
        shift: ShiftId,
        /// From (inclusive).
        from: Instant,
        /// Until (exclusive).
        until: Instant,
    },
    /// The shift holds nothing here any more.
    MinutesReleased {
        /// Which shift.
        shift: ShiftId,
    },
}

impl PersonDay {
    /// The parts of `from..until` that nothing else holds, in order.
    pub fn free(&self, from: Instant, until: Instant) -> Vec<(Instant, Instant)> {
        let mut taken: Vec<_> = self
            .held
            .iter()
            .map(|held| (held.from, held.until))
            .collect();
        taken.sort_unstable();
        let mut free = Vec::new();
        let mut at = from;
        for (start, end) in taken {
            if end <= at || start >= until {
                continue;
            }
            if start > at {
                free.push((at, start));
            }
            at = at.max(end);
        }
        if at < until {
            free.push((at, until));
        }
        free
    }
}

impl Aggregate for PersonDay {
    const CATEGORY: &'static str = "person_day";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match *command {}
    }

    fn decide(command: &Command, _: &World, _: &Context) -> Result<Decision, Stop> {
        match *command {}
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        match event {
            Event::MinutesClaimed { shift, from, until } => {
                self.held.push(Held {
                    shift: *shift,
                    from: *from,
                    until: *until,
                });
            }
            Event::MinutesReleased { shift } => self.held.retain(|held| held.shift != *shift),
        }
    }
}
