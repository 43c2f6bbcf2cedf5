//! `hot_spots`: where and when hazards are found, beside when patrols were walked.
//!
//! A partition is a hazard with its cell of a fixed grid, or a patrol shift with the time that was
//! verified of it. The index adds them up by unit, local day and hour, so that a question of any
//! days looks at no partition; adding up by weekday stands in [`heat`]. Hazards alone are counted:
//! incidents do not exist yet. A duplicate, or what was found to be none, is not counted; one that
//! is there again is counted again. What cells tell is of hazards, never of persons.

pub mod heat;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{NaiveDate, Timelike as _};
use domain::ids::{HazardId, PersonId, ShiftId, UnitId, ZoneId};
use domain::place::Place;
use domain::{Event, Instant, hazard, patrol_shift};
use serde::{Deserialize, Serialize};

use crate::read_model::{Fact, ReadModel, Row, pairs, row_value};

/// Side of a cell of the grid that is kept, in 1e-7 degree: 0.001°, some 111 m from south to north.
pub const GRID_E7: i32 = 10_000;

/// The model.
#[derive(Debug)]
pub struct HotSpots;

/// What adds to the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A hazard.
    Hazard(HazardId),
    /// A patrol shift.
    Shift(ShiftId),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hazard(id) => write!(formatter, "hazard/{id}"),
            Self::Shift(id) => write!(formatter, "patrol_shift/{id}"),
        }
    }
}

/// A cell of the grid, by its south-west corner in sides of a cell from the equator and from the
/// meridian of Greenwich.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GridCell {
    /// Cells north of the equator.
    pub north: i32,
    /// Cells east of Greenwich.
    pub east: i32,
}

impl GridCell {
    /// The cell that a place lies in. Integers only, so it is the same for ever.
    pub const fn of(place: Place) -> Self {
        Self {
            north: place.lat_e7.div_euclid(GRID_E7),
            east: place.lon_e7.div_euclid(GRID_E7),
        }
    }
}

/// An hour of a local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hour {
    /// The local day.
    pub day: NaiveDate,
    /// The local hour, 0..=23.
    pub hour: u8,
}

impl Hour {
    fn of(at: Instant, zone: chrono_tz::Tz) -> Self {
        let local = at.with_timezone(&zone);
        Self {
            day: local.date_naive(),
            hour: u8::try_from(local.hour()).unwrap_or_default(),
        }
    }
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spots {
    /// Nothing that counts.
    #[default]
    Nothing,
    /// A hazard.
    Hazard {
        /// The unit it lies in.
        unit: UnitId,
        /// Its cell, if its place is known.
        cell: Option<GridCell>,
        /// When it was reported, and each time it was there again.
        seen: Vec<Hour>,
        /// It was none, or is known already, and never was one.
        dismissed: bool,
    },
    /// A patrol shift.
    Shift {
        /// The community.
        unit: UnitId,
        /// The zone patrolled.
        zone: ZoneId,
        /// Person-seconds that were verified, by person and hour.
        #[serde(with = "pairs")]
        verified: BTreeMap<PersonId, Vec<(Hour, u64)>>,
    },
}

/// What a partition adds: in an hour so many hazards in a cell, or so many person-seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addend {
    hour: Hour,
    what: Addition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Addition {
    /// A hazard in a cell.
    Hazard(GridCell),
    /// A hazard whose place is not known.
    Nowhere,
    /// Person-seconds of patrol in a zone.
    Patrol(ZoneId, u64),
}

/// What the index knows of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    unit: Option<UnitId>,
    adds: Box<[Addend]>,
}

/// The sums of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Hazards by hour and cell.
    pub hazards: BTreeMap<(Hour, GridCell), u64>,
    /// Hazards whose place is not known.
    pub nowhere: BTreeMap<Hour, u64>,
    /// Person-seconds of verified patrol by hour and zone.
    pub patrolled: BTreeMap<(Hour, ZoneId), u64>,
}

/// The sums of all units.
#[derive(Debug, Default)]
pub struct Index(pub BTreeMap<UnitId, Sums>);

fn change<K: Ord>(sums: &mut BTreeMap<K, u64>, key: K, amount: u64, change: fn(u64, u64) -> u64) {
    let sum = sums.entry(key).or_default();
    *sum = change(*sum, amount);
}

impl Index {
    fn each(&mut self, entry: &Entry, how: fn(u64, u64) -> u64) {
        let Some(unit) = entry.unit else { return };
        let sums = self.0.entry(unit).or_default();
        for add in &entry.adds {
            match add.what {
                Addition::Hazard(cell) => change(&mut sums.hazards, (add.hour, cell), 1, how),
                Addition::Nowhere => change(&mut sums.nowhere, add.hour, 1, how),
                Addition::Patrol(zone, seconds) => {
                    change(&mut sums.patrolled, (add.hour, zone), seconds, how);
                }
            }
        }
    }

    /// Drops what has come to nothing.
    fn tidy(&mut self, entry: &Entry) {
        let sums = entry.unit.and_then(|unit| self.0.get_mut(&unit));
        let Some(sums) = sums else { return };
        for add in &entry.adds {
            let nothing = |sum: Option<&u64>| sum == Some(&0);
            match add.what {
                Addition::Hazard(cell) if nothing(sums.hazards.get(&(add.hour, cell))) => {
                    sums.hazards.remove(&(add.hour, cell));
                }
                Addition::Nowhere if nothing(sums.nowhere.get(&add.hour)) => {
                    sums.nowhere.remove(&add.hour);
                }
                Addition::Patrol(zone, _) if nothing(sums.patrolled.get(&(add.hour, zone))) => {
                    sums.patrolled.remove(&(add.hour, zone));
                }
                _ => {}
            }
        }
    }
}

/// The parts of some times by local hour, in whole seconds.
fn by_hour(intervals: &[(Instant, Instant)], zone: chrono_tz::Tz) -> Vec<(Hour, u64)> {
    let mut parts = Vec::new();
    for (from, until) in intervals {
        let (mut at, end) = (from.timestamp(), until.timestamp());
        while at < end {
            let Some(instant) = Instant::from_timestamp(at, 0) else {
                break;
            };
            let local = instant.with_timezone(&zone);
            let left = 3_600 - i64::from(local.minute() * 60 + local.second());
            let next = (at + left).min(end);
            let seconds = u64::try_from(next - at).unwrap_or_default();
            parts.push((Hour::of(instant, zone), seconds));
            at = next;
        }
    }
    parts
}

impl Spots {
    fn hazard(&mut self, event: &hazard::Event, fact: &Fact<'_>) {
        let hour = Hour::of(fact.occurred_at(), fact.zone);
        match (&mut *self, event) {
            (Self::Nothing, hazard::Event::HazardReported { unit, place, .. }) => {
                *self = Self::Hazard {
                    unit: *unit,
                    cell: place.map(GridCell::of),
                    seen: vec![hour],
                    dismissed: false,
                };
            }
            (Self::Hazard { seen, .. }, hazard::Event::HazardRecurred { .. }) => seen.push(hour),
            (
                Self::Hazard {
                    seen, dismissed, ..
                },
                hazard::Event::HazardRejected { .. }
                | hazard::Event::HazardLinkedAsDuplicate { .. },
            ) => {
                // What came before it was there again stays.
                seen.pop();
                *dismissed = seen.is_empty();
            }
            _ => {}
        }
    }

    fn shift(&mut self, event: &patrol_shift::Event, time_zone: chrono_tz::Tz) {
        use patrol_shift::Event as E;
        let (person, unit, zone, intervals) = match event {
            E::ParticipationVerified {
                person,
                community,
                zone,
                intervals,
                ..
            }
            | E::ParticipationReverified {
                person,
                community,
                zone,
                intervals,
                ..
            } => (*person, *community, *zone, intervals),
            E::ShiftVoided { .. } => {
                *self = Self::Nothing;
                return;
            }
            _ => return,
        };
        if *self == Self::Nothing {
            *self = Self::Shift {
                unit,
                zone,
                verified: BTreeMap::new(),
            };
        }
        if let Self::Shift { verified, .. } = self {
            verified.insert(person, by_hour(intervals, time_zone));
        }
    }
}

impl ReadModel for HotSpots {
    const NAME: &'static str = "hot_spots";
    const SCHEMA_VERSION: u32 = 2;
    type Key = Origin;
    type Partition = Spots;
    type Entry = Entry;
    type Index = Index;

    fn wants(category: &str) -> bool {
        matches!(category, "hazard" | "patrol_shift")
    }

    fn partition(fact: &Fact<'_>) -> Option<Origin> {
        use hazard::Event as H;
        use patrol_shift::Event as S;
        let id = fact.key()?;
        match fact.event {
            Event::Hazard(
                H::HazardReported { .. }
                | H::HazardRecurred { .. }
                | H::HazardRejected { .. }
                | H::HazardLinkedAsDuplicate { .. },
            ) => Some(Origin::Hazard(HazardId(id))),
            Event::PatrolShift(
                S::ParticipationVerified { .. }
                | S::ParticipationReverified { .. }
                | S::ShiftVoided { .. },
            ) => Some(Origin::Shift(ShiftId(id))),
            _ => None,
        }
    }

    fn apply(spots: &mut Spots, fact: &Fact<'_>) {
        match fact.event {
            Event::Hazard(event) => spots.hazard(event, fact),
            Event::PatrolShift(event) => spots.shift(event, fact.zone),
            _ => {}
        }
    }

    fn rows(key: &Origin, spots: &Spots) -> Vec<Row> {
        match spots {
            Spots::Nothing => Vec::new(),
            spots => vec![(key.to_string(), row_value(spots))],
        }
    }

    fn entry(_: &Origin, spots: &Spots) -> Entry {
        let (unit, adds) = match spots {
            Spots::Nothing => (None, Box::default()),
            Spots::Hazard {
                unit,
                cell,
                seen,
                dismissed,
            } => {
                let what = cell.map_or(Addition::Nowhere, Addition::Hazard);
                let seen = seen.iter().filter(|_| !dismissed);
                let adds = seen.map(|hour| Addend { hour: *hour, what });
                (Some(*unit), adds.collect())
            }
            Spots::Shift {
                unit,
                zone,
                verified,
            } => {
                let adds = verified.values().flatten().map(|(hour, seconds)| Addend {
                    hour: *hour,
                    what: Addition::Patrol(*zone, *seconds),
                });
                (Some(*unit), adds.collect())
            }
        };
        Entry { unit, adds }
    }

    fn reindex(index: &mut Index, _: &Origin, old: Option<&Entry>, new: &Entry) {
        if let Some(old) = old {
            index.each(old, u64::saturating_sub);
        }
        index.each(new, u64::saturating_add);
        if let Some(old) = old {
            index.tidy(old);
        }
    }
}
