//! `Residence`: the stays of a person in households, one at a time.
//!
//! ```text
//! free ──StayBegan──> lives in a household ──StayEnded──> free
//! ```
//! A claim with dates, named by the person: two households that take the same person in conflict
//! here. It has no commands: a household's decision writes it. Never knows who else lives there.

use serde::{Deserialize, Serialize};

use crate::envelope::Instant;
use crate::ids::{HouseholdId, PersonId};
use crate::person::Person;
use crate::refusal::Stop;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Most stays that a person's record keeps.
pub const STAYS_MAX: usize = 100;

/// A stay in a household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// Where.
    pub household: HouseholdId,
    /// From (inclusive).
    pub from: Instant,
    /// Until (exclusive); absent while it lasts.
    pub until: Option<Instant>,
}

impl Stay {
    fn covers(&self, at: Instant) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// State of a person's stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Residence {
    /// In the order they were recorded.
    pub stays: Vec<Stay>,
}

/// A person's stays have no commands of their own.
#[derive(Debug, Clone, Serialize)]
pub enum Command {}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The person lives in a household (from the envelope's `occurred_at` on).
    StayBegan {
        /// Which.
        household: HouseholdId,
    },
    /// The person lives there no more (from the envelope's `occurred_at` on).
    StayEnded {
        /// Which.
        household: HouseholdId,
    },
}

impl Residence {
    /// Where the person lives at an instant.
    pub fn at(&self, at: Instant) -> Option<HouseholdId> {
        let mut stays = self.stays.iter().rev();
        stays
            .find(|stay| stay.covers(at))
            .map(|stay| stay.household)
    }

    /// True if a stay that begins at an instant and lasts would overlap another one.
    pub fn is_taken_from(&self, from: Instant) -> bool {
        let mut stays = self.stays.iter();
        stays.any(|stay| stay.until.is_none_or(|until| from < until))
    }

    /// True if two persons lived in one household at an instant, under whichever of their records.
    ///
    /// # Errors
    /// `Need` only.
    pub fn shared(
        world: &World,
        one: PersonId,
        other: PersonId,
        at: Instant,
    ) -> Result<bool, Stop> {
        let homes = |person| {
            let records = Person::records(world, person)?;
            let homes = records.into_iter().map(|record| {
                let residence = world.state::<Self>(record)?;
                Ok::<_, Stop>(residence.at(at))
            });
            homes.collect::<Result<Vec<_>, _>>()
        };
        let first = homes(one)?;
        if first.iter().all(Option::is_none) {
            return Ok(false);
        }
        let second = homes(other)?;
        Ok(first
            .iter()
            .flatten()
            .any(|home| second.contains(&Some(*home))))
    }
}

impl Aggregate for Residence {
    const CATEGORY: &'static str = "residence";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match *command {}
    }

    fn decide(command: &Command, _: &World, _: &Context) -> Result<Decision, Stop> {
        match *command {}
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        let at = stamp.occurred_at;
        match event {
            Event::StayBegan { household } => self.stays.push(Stay {
                household: *household,
                from: at,
                until: None,
            }),
            Event::StayEnded { household } => {
                let mut stays = self.stays.iter_mut().rev();
                let last = stays.find(|stay| stay.household == *household && stay.until.is_none());
                if let Some(stay) = last {
                    stay.until = Some(at);
                }
            }
        }
    }
}
