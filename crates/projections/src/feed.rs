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
use eventlog::limits::STREAM_READ_EVENTS_MAX;
use eventlog::{Commit, CommitHeader, EventLog, ReadError, RecordedEvent};
use uuid::Uuid;

use crate::read_model::Fact;

/// An event that some model wants, decoded.
#[derive(Debug)]
pub struct Decoded {
    recorded: RecordedEvent,
    event: Result<Event, String>,
    key: Option<Uuid>,
    zone: Tz,
}

impl Decoded {
    /// The fact, or why it cannot be read.
    ///
    /// # Errors
    /// What is wrong with the stored event.
    pub fn fact(&self) -> Result<Fact<'_>, &str> {
        match &self.event {
            Ok(event) => Ok(Fact {
                key: self.key,
                ..fact(&self.recorded, event, self.zone)
            }),
            Err(why) => Err(why),
        }
    }

    /// Its stream.
    pub fn stream(&self) -> &StreamName {
        &self.recorded.stream
    }

    /// The event as it was recorded.
    pub(crate) fn recorded(&self) -> &RecordedEvent {
        &self.recorded
    }

    /// What happened, if it can be read.
    pub(crate) fn event(&self) -> Option<&Event> {
        self.event.as_ref().ok()
    }

    /// The zone of time of its unit.
    pub(crate) fn zone(&self) -> Tz {
        self.zone
    }

    /// An event that a what-if supposes, at the place of a recorded one, whose payload it is not.
    pub(crate) fn supposed(recorded: RecordedEvent, event: Event, zone: Tz) -> Self {
        Self {
            event: Ok(event),
            key: Uuid::parse_str(recorded.stream.key()).ok(),
            zone,
            recorded,
        }
    }

    /// The same place with another event, as a what-if supposes.
    pub(crate) fn with(self, event: Event) -> Self {
        Self {
            event: Ok(event),
            ..self
        }
    }
}

/// A recorded event as a fact.
pub fn fact<'a>(recorded: &'a RecordedEvent, event: &'a Event, zone: Tz) -> Fact<'a> {
    Fact {
        position: recorded.position,
        version: recorded.version,
        stream: &recorded.stream,
        key: Uuid::parse_str(recorded.stream.key()).ok(),
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

/// Tells which categories of streams are wanted.
pub type Wanted = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Decodes commits and knows the zones of time of units.
#[derive(Clone)]
pub struct Decoder {
    wanted: Wanted,
    default_zone: Tz,
    units: HashMap<UnitId, Unit>,
    generation: u64,
}

impl Decoder {
    /// A decoder of events of the categories that are wanted.
    pub fn new(wanted: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            wanted: Arc::new(wanted),
            default_zone: Tz::UTC,
            units: HashMap::new(),
            generation: 0,
        }
    }

    /// A decoder for the commits after a position, which knows of units what the log knew then.
    /// `units` names those that may have been there; without them the whole log is looked through.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn at(
        wanted: impl Fn(&str) -> bool + Send + Sync + 'static,
        log: &dyn EventLog,
        position: u64,
        units: Option<Vec<UnitId>>,
    ) -> Result<Self, ReadError> {
        let mut decoder = Self::new(wanted);
        if position == 0 {
            return Ok(decoder);
        }
        if let Some(first) = log.commit_at(1)? {
            decoder.look_at(&first, position);
        }
        let Some(units) = units else {
            for commit in log.read(1, position) {
                decoder.look_at(&commit?, position);
            }
            return Ok(decoder);
        };
        for unit in units {
            decoder.look_at_unit(log, unit, position)?;
        }
        Ok(decoder)
    }

    fn look_at(&mut self, commit: &Commit, position: u64) {
        let about_units = commit.events.iter().filter(|recorded| {
            recorded.position <= position
                && matches!(recorded.stream.category(), "genesis" | "unit")
        });
        for recorded in about_units {
            self.observe(recorded, decode(recorded).ok().as_ref());
        }
    }

    fn look_at_unit(
        &mut self,
        log: &dyn EventLog,
        unit: UnitId,
        position: u64,
    ) -> Result<(), ReadError> {
        let stream = Unit::stream(unit);
        let mut version = 1;
        loop {
            let events = log.read_stream(&stream, version, STREAM_READ_EVENTS_MAX)?;
            let Some(last) = events.last() else {
                return Ok(());
            };
            version = last.version + 1;
            let known = events.iter().filter(|event| event.position <= position);
            known.for_each(|event| self.observe(event, decode(event).ok().as_ref()));
        }
    }

    /// Moves with everything that it learns of zones and units.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
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

    /// A unit and those above it at an instant, nearest first.
    pub(crate) fn path(&self, unit: UnitId, at: Instant) -> Vec<UnitId> {
        let look_up = |unit: UnitId| Ok::<_, Infallible>(self.units.get(&unit));
        let Ok(path) = unit::tree::path(unit, at, &look_up);
        path
    }

    /// Decodes the wanted events of the next commit.
    pub fn decode(&mut self, commit: Commit) -> DecodedCommit {
        let mut commit = self.parse(commit);
        self.place(&mut commit);
        commit
    }

    /// Parses the wanted events of a commit; [`Decoder::place`] must follow, in commit order. This is
    /// most of the work, and several threads may do it at once.
    pub fn parse(&self, commit: Commit) -> DecodedCommit {
        let mut events = Vec::new();
        for recorded in commit.events {
            let category = recorded.stream.category();
            if !(self.wanted)(category) && !matches!(category, "genesis" | "unit") {
                continue;
            }
            events.push(Decoded {
                event: decode(&recorded),
                key: Uuid::parse_str(recorded.stream.key()).ok(),
                zone: self.default_zone,
                recorded,
            });
        }
        DecodedCommit {
            header: commit.header,
            events,
        }
    }

    /// Takes in what a commit says of units, and gives each event its zone.
    pub fn place(&mut self, commit: &mut DecodedCommit) {
        for decoded in &mut commit.events {
            self.observe(&decoded.recorded, decoded.event.as_ref().ok());
            let envelope = &decoded.recorded.envelope;
            decoded.zone = self.zone(envelope.unit, envelope.occurred_at);
        }
    }

    fn observe(&mut self, recorded: &RecordedEvent, event: Option<&Event>) {
        match event {
            Some(Event::Genesis(genesis::Event::LogBorn { zone, .. })) => {
                self.default_zone = *zone;
                self.generation += 1;
            }
            Some(Event::Unit(event)) => {
                if let Ok(id) = Uuid::parse_str(recorded.stream.key()) {
                    let unit = self.units.entry(UnitId(id)).or_default();
                    unit.evolve(event, &stamp(recorded));
                    self.generation += 1;
                }
            }
            _ => {}
        }
    }
}
