//! `PersonDay`: the verified minutes of a person on a day, so that none counts twice.
//!
//! ```text
//! (empty) ──MinutesClaimed──> intervals held ──MinutesReleased──> fewer intervals
//! ```
//! Owns the intervals that verified participations hold; two never overlap. Its key is
//! `<person>/<day in the unit's zone>`. It has no commands: a shift's decision writes it.

use chrono::{Days, Duration, NaiveDate, NaiveTime, TimeZone};
use serde::{Deserialize, Serialize};

use crate::envelope::Instant;
use crate::ids::{PersonId, ShiftId};
use crate::person::Person;
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

/// `from..until` cut at each midnight of the zone: day, from, until.
pub fn days(
    zone: chrono_tz::Tz,
    from: Instant,
    until: Instant,
) -> Vec<(NaiveDate, Instant, Instant)> {
    let mut cut = Vec::new();
    let mut at = from;
    while at < until {
        let day = at.with_timezone(&zone).date_naive();
        let end = day
            .checked_add_days(Days::new(1))
            .and_then(|next| begins(zone, next))
            .filter(|midnight| *midnight > at && *midnight < until)
            .unwrap_or(until);
        cut.push((day, at, end));
        at = end;
    }
    cut
}

/// The first instant of a day; some zones set their clocks forward at midnight.
fn begins(zone: chrono_tz::Tz, day: NaiveDate) -> Option<Instant> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..8)
        .filter_map(|quarters| {
            let local = midnight.checked_add_signed(Duration::minutes(15 * quarters))?;
            zone.from_local_datetime(&local).earliest()
        })
        .map(|at| at.to_utc())
        .next()
}

impl PersonDay {
    /// The key of its stream.
    pub fn key(person: PersonId, day: NaiveDate) -> String {
        format!("{person}/{day}")
    }

    /// What is held of a person's day, under whichever of their records.
    ///
    /// # Errors
    /// `Need` only.
    pub fn of_person(world: &World, person: PersonId, day: NaiveDate) -> Result<Self, Stop> {
        let mut all = Self::default();
        for record in Person::records(world, person)? {
            let one = world.state::<Self>(Self::key(record, day))?;
            all.held.extend(&one.held);
        }
        Ok(all)
    }

    /// The parts of `from..until` that nothing holds, in order.
    pub fn free(&self, from: Instant, until: Instant) -> Vec<(Instant, Instant)> {
        Self::between(&self.held, from, until)
    }

    /// The parts of `from..until` that nothing but this shift holds, in order: what it may hold
    /// once it has given back what it holds.
    pub fn free_beside(
        &self,
        shift: ShiftId,
        from: Instant,
        until: Instant,
    ) -> Vec<(Instant, Instant)> {
        let others: Vec<_> = self
            .held
            .iter()
            .filter(|held| held.shift != shift)
            .copied()
            .collect();
        Self::between(&others, from, until)
    }

    fn between(held: &[Held], from: Instant, until: Instant) -> Vec<(Instant, Instant)> {
        let mut taken: Vec<_> = held.iter().map(|held| (held.from, held.until)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, id};

    fn holding(intervals: &[(&str, &str)]) -> PersonDay {
        let held = intervals.iter().map(|(from, until)| Held {
            shift: id(1),
            from: at(from),
            until: at(until),
        });
        PersonDay {
            held: held.collect(),
        }
    }

    #[test]
    fn free_is_what_no_interval_holds_whatever_order_they_came_in() {
        let day = holding(&[
            ("2024-07-01T12:00:00Z", "2024-07-01T13:00:00Z"),
            ("2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z"),
        ]);
        let free = |from, until| {
            let free = day.free(at(from), at(until));
            free.iter()
                .map(|(from, until)| (*until - *from).num_minutes())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            free("2024-07-01T09:30:00Z", "2024-07-01T13:15:00Z"),
            [30, 60, 15]
        );
        assert_eq!(free("2024-07-01T11:00:00Z", "2024-07-01T12:00:00Z"), [60]);
        assert!(free("2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z").is_empty());
    }

    #[test]
    fn a_stretch_is_cut_at_each_midnight_of_the_zone() {
        let cut = |zone, from, until| {
            let days = days(zone, at(from), at(until));
            days.iter()
                .map(|(day, from, until)| (day.to_string(), (*until - *from).num_minutes()))
                .collect::<Vec<_>>()
        };
        let shanghai = chrono_tz::Asia::Shanghai;
        assert_eq!(
            cut(shanghai, "2024-07-01T15:00:00Z", "2024-07-01T16:30:00Z"),
            [("2024-07-01".to_owned(), 60), ("2024-07-02".to_owned(), 30),]
        );
        assert_eq!(
            cut(shanghai, "2024-07-01T16:00:00Z", "2024-07-02T16:00:00Z"),
            [("2024-07-02".to_owned(), 24 * 60)]
        );
        // Clocks in Cairo went from 00:00 to 01:00 on 26 April 2024.
        let cairo = chrono_tz::Africa::Cairo;
        assert_eq!(
            cut(cairo, "2024-04-25T21:00:00Z", "2024-04-25T23:00:00Z"),
            [("2024-04-25".to_owned(), 60), ("2024-04-26".to_owned(), 60),]
        );
    }

    #[test]
    fn released_minutes_can_be_claimed_again() {
        let mut day = holding(&[("2024-07-01T12:00:00Z", "2024-07-01T13:00:00Z")]);
        let stamp = Stamp {
            position: 1,
            version: 1,
            occurred_at: at("2024-07-01T12:00:00Z"),
            recorded_at: at("2024-07-01T12:00:00Z"),
        };
        day.evolve(&Event::MinutesReleased { shift: id(1) }, &stamp);
        assert!(day.held.is_empty());
    }
}
