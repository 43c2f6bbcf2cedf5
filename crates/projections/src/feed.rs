//! From recorded commits to facts: decoding, and the zone of time of each event's unit.
//!
//! Owns the [`Decoder`], which sees every commit once and in order. An event that no model wants
//! is never parsed. Never changes a model.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use chrono_tz::Tz;
use domain::ids::UnitId;
use domain::unit::{self, Unit};
use domain::{Aggregate as _, Event, Instant, StreamName, genesis};
use eventlog::execute::stamp;
use eventlog::{Commit, CommitHeader, RecordedEvent};
use uuid::Uuid;

use crate::read_model::Fact;

/// An event that some model wants, decoded.
#[derive(Debug)]
pub struct Decoded {
    recorded: RecordedEvent,
    event: Result<Event, String>,
    zone: Tz,
}

impl Decoded {
    /// The fact, or why it cannot be read.
    ///
    /// # Errors
    /// What is wrong with the stored event.
    pub fn fact(&self) -> Result<Fact<'_>, &str> {
        match &self.event {
            Ok(event) => Ok(fact(&self.recorded, event, self.zone)),
            Err(why) => Err(why),
        }
    }

    /// Its stream.
    pub fn stream(&self) -> &StreamName {
        &self.recorded.stream
    }
}

/// A recorded event as a fact.
pub fn fact<'a>(recorded: &'a RecordedEvent, event: &'a Event, zone: Tz) -> Fact<'a> {
    Fact {
        position: recorded.position,
        version: recorded.version,
        stream: &recorded.stream,
        event,
        envelope: &recorded.envelope,
        recorded_at: recorded.header.recorded_at,
        principal: recorded.header.principal,
        channel: recorded.header.channel,
        zone,
    }
}

/// Decodes a recorded event.
///
/// # Errors
/// What is wrong with it, naming its position.
pub fn decode(recorded: &RecordedEvent) -> Result<Event, String> {
    let category = recorded.stream.category();
    Event::decode(category, &recorded.type_name, &recorded.payload)
        .map_err(|error| format!("position {}: {error}", recorded.position))
}

/// A commit with those of its events that some model wants.
#[derive(Debug)]
pub struct DecodedCommit {
    /// About the commit as a whole.
    pub header: Arc<CommitHeader>,
    /// The wanted events, in order.
    pub events: Vec<Decoded>,
}

impl DecodedCommit {
    /// The position of its last event, wanted or not.
    pub fn last_position(&self) -> u64 {
        self.header.last_position()
    }
}

/// Decodes commits and knows the zones of time of units.
#[derive(Debug, Clone)]
pub struct Decoder {
    wanted: fn(&str) -> bool,
    default_zone: Tz,
    units: HashMap<UnitId, Unit>,
}

impl Decoder {
    /// A decoder of events of the categories that are wanted.
    pub fn new(wanted: fn(&str) -> bool) -> Self {
        Self {
            wanted,
            default_zone: Tz::UTC,
            units: HashMap::new(),
        }
    }

    /// Sets the zone of the log, where its birth is not among the commits to come.
    pub fn set_default_zone(&mut self, zone: Tz) {
        self.default_zone = zone;
    }

    /// Makes a unit known as the commits before those to come left it.
    pub fn set_unit(&mut self, id: UnitId, unit: Unit) {
        self.units.insert(id, unit);
    }

    /// The zone of time in force in a unit at an instant.
    pub fn zone(&self, unit: Option<Uuid>, at: Instant) -> Tz {
        let look_up = |unit: UnitId| Ok::<_, Infallible>(self.units.get(&unit));
        let mut here = unit.map(UnitId);
        for _ in 0..=unit::DEPTH_MAX {
            let Some(unit) = here else { break };
            if let Some(zone) = self.units.get(&unit).and_then(|unit| unit.zone) {
                return zone;
            }
            let Ok(above) = unit::tree::above(unit, at, &look_up);
            here = above;
        }
        self.default_zone
    }

    /// Decodes the wanted events of the next commit. Seeing a commit again is harmless.
    pub fn decode(&mut self, commit: Commit) -> DecodedCommit {
        let mut events = Vec::new();
        for recorded in commit.events {
            let category = recorded.stream.category();
            if !(self.wanted)(category) && !matches!(category, "genesis" | "unit") {
                continue;
            }
            let event = decode(&recorded);
            self.observe(&recorded, event.as_ref().ok());
            events.push(Decoded {
                zone: self.zone(recorded.envelope.unit, recorded.envelope.occurred_at),
                recorded,
                event,
            });
        }
        DecodedCommit {
            header: commit.header,
            events,
        }
    }

    fn observe(&mut self, recorded: &RecordedEvent, event: Option<&Event>) {
        match event {
            Some(Event::Genesis(genesis::Event::LogBorn { zone, .. })) => {
                self.default_zone = *zone;
            }
            Some(Event::Unit(event)) => {
                if let Ok(id) = Uuid::parse_str(recorded.stream.key()) {
                    let unit = self.units.entry(UnitId(id)).or_default();
                    unit.evolve(event, &stamp(recorded));
                }
            }
            _ => {}
        }
    }
}
