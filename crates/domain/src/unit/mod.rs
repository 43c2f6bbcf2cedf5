//! Unit: a unit of jurisdiction (city, district, station, community, grid).
//!
//! ```text
//! (nothing) ──Founded──> stands ──Split{into}, Merged{into}──> ended, from a date on
//!                         ⟲ Renamed, Moved, TakenIn, each from a date on; ChangeWithdrawn before it
//! ```
//! Owns the tree of units, whose names, parents and ends have dates. Events carry unit ids; who is
//! above whom is resolved as of a date ([`tree`]). A unit that ended takes nothing new; its
//! successors answer for what it leaves open (`open_item`).

mod change;
pub mod dated;
pub mod tree;
mod withdrawal;

pub use withdrawal::UnitChange;

use serde::{Deserialize, Serialize};

use crate::claim::{self, Claim, Kind};
use crate::envelope::{Envelope, Instant, Trust};
use crate::genesis::Genesis;
use crate::ids::{BatchId, PersonId, UnitId};
use crate::import_batch::ImportBatch;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::unit::dated::Dated;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Longest name of a unit, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest name of a source, in bytes.
pub const SOURCE_BYTES_MAX: usize = 100;
/// Longest id in a source, in bytes.
pub const EXTERNAL_ID_BYTES_MAX: usize = 200;
/// Deepest tree: more steps up than this end a walk.
pub const DEPTH_MAX: usize = 8;
/// Most units that one splits into, or that merge into one.
pub const SUCCESSORS_MAX: usize = 20;
/// Longest chain of successions that is followed.
pub const SUCCESSIONS_MAX: usize = 64;
/// Most names, and most parents, that a unit keeps.
pub const CHANGES_MAX: usize = 100;

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

/// How a unit ended, and who took over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// From when on it takes nothing new.
    pub at: Instant,
    /// Who took over: several after a split, one after a merger.
    pub into: Vec<UnitId>,
    /// Who among them answers for whatever nobody gave to another.
    pub rest: UnitId,
}

/// State of a unit, with its dates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its level, once founded.
    pub level: Option<UnitLevel>,
    /// When it was founded here.
    pub founded_at: Option<Instant>,
    /// Its names.
    pub names: Dated<String>,
    /// The units above it; none at the top.
    pub parents: Dated<Option<UnitId>>,
    /// Its zone, if it has one of its own.
    pub zone: Option<chrono_tz::Tz>,
    /// How it ends, once that is decided.
    pub end: Option<End>,
    /// Units whose place it takes, alone or with others, and from when on.
    pub taken_in: Vec<(Instant, UnitId)>,
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
    /// Give it another name.
    RenameUnit {
        /// Which unit.
        unit: UnitId,
        /// The name, 1..=200 bytes.
        name: String,
        /// From when on, not in the past; now if absent.
        effective_from: Option<Instant>,
    },
    /// Put it below another unit.
    MoveUnit {
        /// Which unit.
        unit: UnitId,
        /// The unit above it, of a higher level; none at the top.
        parent: Option<UnitId>,
        /// From when on, not in the past; now if absent.
        effective_from: Option<Instant>,
    },
    /// Take back a rename or a move that does not hold yet.
    WithdrawUnitChange {
        /// Which unit.
        unit: UnitId,
        /// Which of the two.
        change: UnitChange,
        /// From when on it would hold.
        effective_from: Instant,
    },
    /// End it; others of its level, founded before, take over.
    SplitUnit {
        /// Which unit.
        unit: UnitId,
        /// Who takes over: 2..=20 units.
        into: Vec<UnitId>,
        /// Who among them answers for what nobody gives to another.
        rest: UnitId,
        /// From when on, not in the past; now if absent.
        effective_from: Option<Instant>,
    },
    /// End units; one of their level, that may have stood before, takes over.
    MergeUnits {
        /// Which units: 1..=20.
        units: Vec<UnitId>,
        /// Who takes over.
        into: UnitId,
        /// From when on, not in the past; now if absent.
        effective_from: Option<Instant>,
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
    /// It has another name.
    UnitRenamed {
        /// The name.
        name: String,
        /// From when on.
        effective_from: Instant,
        /// The administrator who decided it.
        by: PersonId,
    },
    /// It stands below another unit.
    UnitMoved {
        /// The unit above it.
        parent: Option<UnitId>,
        /// From when on.
        effective_from: Instant,
        /// The administrator who decided it.
        by: PersonId,
    },
    /// A rename or a move that did not hold yet was taken back.
    UnitChangeWithdrawn {
        /// Which of the two.
        change: UnitChange,
        /// From when on it would have held.
        effective_from: Instant,
        /// The administrator who decided it.
        by: PersonId,
    },
    /// It ends, and several others take over.
    UnitSplit {
        /// Who takes over.
        into: Vec<UnitId>,
        /// Who among them answers for what nobody gives to another.
        rest: UnitId,
        /// From when on.
        effective_from: Instant,
        /// The administrator who decided it.
        by: PersonId,
    },
    /// It ends, and another one takes over.
    UnitsMerged {
        /// Who takes over.
        into: UnitId,
        /// From when on.
        effective_from: Instant,
        /// The administrator who decided it.
        by: PersonId,
    },
    /// It takes over, alone or with others, from units that end.
    UnitsTakenIn {
        /// From whom.
        units: Vec<UnitId>,
        /// From when on.
        effective_from: Instant,
        /// The administrator who decided it.
        by: PersonId,
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
    UnitHasEnded = WrongState, "unit_id", "This unit was split or merged; what is new goes to a successor.";
    ParentHasEnded = WrongState, "parent_id", "The parent was split or merged by then.";
    ParentUnchanged = WrongState, "parent_id", "The unit stands below this parent already.";
    NameUnchanged = WrongState, "name", "The unit has this name already.";
    EffectiveInThePast = Invalid, "effective_from", "A change of the tree takes effect from now on.";
    EffectiveBeforeLatest = Invalid, "effective_from", "It must take effect after the changes that were decided before it.";
    ChangeNotFound = NotFound, "effective_from", "No such change of this unit was decided for this instant.";
    ChangeInEffect = WrongState, "effective_from", "This change has taken effect; only another change undoes it.";
    TooManyChanges = WrongState, "unit_id", "A unit keeps at most 100 names and 100 parents.";
    SuccessorsNotAllowed = Invalid, "into", "A unit is split into 2 to 20 units, each named once.";
    MergedNotAllowed = Invalid, "units", "1 to 20 units are merged into one, each named once.";
    SuccessorNotFound = NotFound, "into", "There is no unit with this id to take over; it is founded first.";
    SuccessorOfOtherLevel = Invalid, "into", "Who takes over is of the same level.";
    SuccessorHasEnded = WrongState, "into", "Who takes over must not end itself.";
    SuccessorIsItself = Invalid, "into", "A unit does not take over from itself.";
    RestNotAmongSuccessors = Invalid, "rest_id", "Who answers for the rest must be one of the successors.";
}

impl Aggregate for Unit {
    const CATEGORY: &'static str = "unit";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match command {
            Command::FoundUnit { unit, .. }
            | Command::RenameUnit { unit, .. }
            | Command::MoveUnit { unit, .. }
            | Command::WithdrawUnitChange { unit, .. }
            | Command::SplitUnit { unit, .. }
            | Command::MergeUnits { into: unit, .. } => Self::stream(unit),
        }
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        match command {
            Command::FoundUnit { .. } => found(command, world, cx),
            Command::WithdrawUnitChange {
                unit,
                change,
                effective_from,
            } => withdrawal::decide(*unit, *change, *effective_from, world, cx),
            Command::RenameUnit { .. }
            | Command::MoveUnit { .. }
            | Command::SplitUnit { .. }
            | Command::MergeUnits { .. } => change::decide(command, world, cx),
        }
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        match event {
            Event::UnitFounded {
                level,
                name,
                parent,
                zone,
                ..
            } => {
                self.level = Some(*level);
                self.founded_at = Some(stamp.occurred_at);
                self.names.set(stamp.occurred_at, name.clone());
                self.parents.set(stamp.occurred_at, *parent);
                self.zone = *zone;
            }
            Event::UnitRenamed {
                name,
                effective_from,
                ..
            } => self.names.set(*effective_from, name.clone()),
            Event::UnitMoved {
                parent,
                effective_from,
                ..
            } => self.parents.set(*effective_from, *parent),
            Event::UnitChangeWithdrawn {
                change,
                effective_from,
                ..
            } => self.withdraw(*change, *effective_from),
            Event::UnitSplit {
                into,
                rest,
                effective_from,
                ..
            } => {
                self.end = Some(End {
                    at: *effective_from,
                    into: into.clone(),
                    rest: *rest,
                });
            }
            Event::UnitsMerged {
                into,
                effective_from,
                ..
            } => {
                self.end = Some(End {
                    at: *effective_from,
                    into: vec![*into],
                    rest: *into,
                });
            }
            Event::UnitsTakenIn {
                units,
                effective_from,
                ..
            } => {
                let taken_in = units.iter().map(|unit| (*effective_from, *unit));
                self.taken_in.extend(taken_in);
            }
        }
    }
}

fn found(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::FoundUnit {
        unit,
        level,
        name,
        parent,
        zone,
        imported,
    } = command
    else {
        return Ok(Decision::new());
    };
    match imported {
        Some(imported) if !imported.is_well_formed() => {
            return Err(Refusal::ExternalIdNotAllowed.into());
        }
        Some(imported) => ImportBatch::approved(world, imported.batch)?,
        None => {
            Genesis::administrator(world, cx)?;
        }
    }
    if world.state::<Unit>(unit)?.level.is_some() {
        return Err(Refusal::UnitAlreadyFounded.into());
    }
    if name.len() > NAME_BYTES_MAX || (name.trim().is_empty() && imported.is_none()) {
        return Err(Refusal::UnitNameNotAllowed.into());
    }
    if let Some(parent) = parent {
        change::check_parent(world, *parent, *level, cx.now)?;
    }
    let mut envelope = Envelope::at(cx.now);
    envelope.unit = Some(unit.0);
    envelope.trust = if imported.is_some() {
        Trust::Paper
    } else {
        Trust::SelfStated
    };
    let mut decision = Decision::new().with::<Unit>(
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

#[cfg(test)]
mod tests;
