//! Unit: a unit of jurisdiction (city, district, station, community, grid).
//!
//! ```text
//! (nothing) ──Founded──> founded
//! ```
//! Owns the tree of units. Paths are resolved by walking up the parents.

use serde::{Deserialize, Serialize};

use crate::claim::{self, Claim, Kind};
use crate::envelope::{Envelope, Trust};
use crate::genesis::Genesis;
use crate::ids::{BatchId, UnitId};
use crate::import_batch::ImportBatch;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Longest name of a unit, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest name of a source, in bytes.
pub const SOURCE_BYTES_MAX: usize = 100;
/// Longest id in a source, in bytes.
pub const EXTERNAL_ID_BYTES_MAX: usize = 200;
/// Deepest tree: more steps up than this end a walk.
pub const DEPTH_MAX: usize = 8;

/// Level of a unit, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitLevel {
    /// 市
    City,
    /// 区
    District,
    /// 派出所
    Station,
    /// 社区
    Community,
    /// 网格
    Grid,
}

/// State of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its level, once founded.
    pub level: Option<UnitLevel>,
    /// Its parent.
    pub parent: Option<UnitId>,
    /// Its zone, if it has one of its own.
    pub zone: Option<chrono_tz::Tz>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Found a unit.
    FoundUnit {
        /// A random id, given by the caller.
        unit: UnitId,
        /// Its level.
        level: UnitLevel,
        /// Its name, 1..=200 bytes; blank only in an import whose source leaves it blank.
        name: String,
        /// The unit above it, of a higher level.
        parent: Option<UnitId>,
        /// Its zone, if it differs from that of the unit above.
        zone: Option<chrono_tz::Tz>,
        /// For an import: batch, source, and the name there.
        imported: Option<Imported>,
    },
}

/// Where an imported record comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The batch that brings it.
    pub batch: BatchId,
    /// Name of the source (`boston-311`).
    pub source: String,
    /// Its key in the source; unique there.
    pub external_id: String,
}

impl Imported {
    /// True if source and id are within their bounds. A source holds no `/`, so that source and id
    /// joined by one name exactly one record.
    pub fn is_well_formed(&self) -> bool {
        let source = self.source.bytes();
        (1..=SOURCE_BYTES_MAX).contains(&self.source.len())
            && source
                .into_iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && (1..=EXTERNAL_ID_BYTES_MAX).contains(&self.external_id.len())
    }

    /// The key under which one holder claims the record.
    pub fn key(&self) -> String {
        format!("{}/{}", self.source, self.external_id)
    }
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A unit was founded.
    UnitFounded {
        /// Its level.
        level: UnitLevel,
        /// Its name.
        name: String,
        /// The unit above it.
        parent: Option<UnitId>,
        /// Its own zone.
        zone: Option<chrono_tz::Tz>,
        /// Where it was imported from.
        imported: Option<Imported>,
    },
}

refusals! {
    /// Why it is refused.
    UnitAlreadyFounded = AlreadyExists, "unit_id", "A unit with this id is founded already.";
    UnitAlreadyImported = AlreadyExists, "external_id", "A unit of this source and name is imported already.";
    ExternalIdNotAllowed = Invalid, "external_id", "A source is 1 to 100 of a-z, 0-9 and '-', and an id in it 1 to 200 bytes.";
    UnitNameNotAllowed = Invalid, "name", "A unit's name is 1 to 200 bytes.";
    ParentNotFound = NotFound, "parent_id", "There is no unit with this id to be the parent.";
    ParentNotAbove = Invalid, "parent_id", "The parent must be of a higher level.";
    UnitNotFound = NotFound, "unit_id", "There is no unit with this id.";
}

impl Unit {
    /// The unit, which must exist.
    pub fn existing(world: &World, unit: UnitId) -> Result<std::sync::Arc<Self>, Stop> {
        let state = world.state::<Self>(unit)?;
        if state.level.is_some() {
            Ok(state)
        } else {
            Err(Refusal::UnitNotFound.into())
        }
    }

    /// The unit and those above it, nearest first.
    pub fn path(world: &World, unit: UnitId) -> Result<Vec<UnitId>, Stop> {
        let mut path = vec![unit];
        while path.len() <= DEPTH_MAX {
            match world.state::<Self>(path[path.len() - 1])?.parent {
                Some(parent) => path.push(parent),
                None => break,
            }
        }
        Ok(path)
    }

    /// The zone of time in force for the unit.
    pub fn zone(world: &World, unit: UnitId, cx: &Context) -> Result<chrono_tz::Tz, Stop> {
        for unit in Self::path(world, unit)? {
            if let Some(zone) = world.state::<Self>(unit)?.zone {
                return Ok(zone);
            }
        }
        Ok(cx.zone)
    }
}

impl Aggregate for Unit {
    const CATEGORY: &'static str = "unit";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        let Command::FoundUnit { unit, .. } = command;
        Self::stream(unit)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let Command::FoundUnit {
            unit,
            level,
            name,
            parent,
            zone,
            imported,
        } = command;
        match imported {
            Some(imported) if !imported.is_well_formed() => {
                return Err(Refusal::ExternalIdNotAllowed.into());
            }
            Some(imported) => ImportBatch::approved(world, imported.batch)?,
            None => {
                Genesis::administrator(world, cx)?;
            }
        }
        if world.state::<Self>(unit)?.level.is_some() {
            return Err(Refusal::UnitAlreadyFounded.into());
        }
        if name.len() > NAME_BYTES_MAX || (name.trim().is_empty() && imported.is_none()) {
            return Err(Refusal::UnitNameNotAllowed.into());
        }
        if let Some(parent) = parent {
            match world.state::<Self>(parent)?.level {
                None => return Err(Refusal::ParentNotFound.into()),
                Some(above) if above >= *level => return Err(Refusal::ParentNotAbove.into()),
                Some(_) => {}
            }
        }
        let mut envelope = Envelope::at(cx.now);
        envelope.unit = Some(unit.0);
        envelope.trust = if imported.is_some() {
            Trust::Paper
        } else {
            Trust::SelfStated
        };
        let mut decision = Decision::new().with::<Self>(
            unit,
            Event::UnitFounded {
                level: *level,
                name: name.clone(),
                parent: *parent,
                zone: *zone,
                imported: imported.clone(),
            },
            envelope.clone(),
        );
        if let Some(imported) = imported {
            let key = Kind::ImportedUnit.key(imported.key());
            if world.state::<Claim>(&key)?.holder.is_some() {
                return Err(Refusal::UnitAlreadyImported.into());
            }
            decision.push::<Claim>(&key, claim::Event::Claimed { holder: unit.0 }, envelope);
        }
        Ok(decision)
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        let Event::UnitFounded {
            level,
            parent,
            zone,
            ..
        } = event;
        self.level = Some(*level);
        self.parent = *parent;
        self.zone = *zone;
    }
}
