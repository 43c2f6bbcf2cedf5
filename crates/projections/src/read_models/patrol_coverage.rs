//! `patrol_coverage`: planned, done and verified minutes and checkpoints, by zone, day and hour.
//!
//! A partition is a community; every event of a shift carries it as its envelope's unit. Days
//! and hours are local to the unit's zone. Time is kept in seconds, so that cells add up; minutes
//! are what remains whole. Never reads a zone's geometry: the rules did that when they scanned.
//!
//! Forgets a shift once it is verified: what a later dispute changes, its events say from what to
//! what.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, Timelike};
use domain::ids::{CheckpointId, PersonId, ShiftId, UnitId, ZoneId};
use domain::patrol_shift::{self, FiledPart, MissedCheckpoint};
use domain::{Event, Instant};
use serde::{Deserialize, Serialize};

use crate::read_model::{Fact, ReadModel, Row, no_index, pairs, row_value};

/// The model.
#[derive(Debug)]
pub struct PatrolCoverage;

/// Which cell: a zone in an hour of a local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot {
    /// The local day.
    pub day: NaiveDate,
    /// The local hour, 0..=23.
    pub hour: u32,
    /// The zone.
    pub zone: ZoneId,
}

/// What was patrolled there and then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Person-seconds planned: window × least crew.
    pub planned_seconds: u64,
    /// Person-seconds from check-in to check-out, within the window.
    pub done_seconds: u64,
    /// Person-seconds that were verified.
    pub verified_seconds: u64,
    /// Checkpoints scanned, each once per shift, at the scan's hour.
    pub checkpoints_hit: u32,
    /// Checkpoints neither scanned nor left out, at the last hour of the shift.
    pub checkpoints_missed: u32,
}

impl Cell {
    /// Whole minutes planned.
    pub fn planned_minutes(&self) -> u64 {
        self.planned_seconds / 60
    }

    /// Whole minutes done.
    pub fn done_minutes(&self) -> u64 {
        self.done_seconds / 60
    }

    /// Whole minutes verified.
    pub fn verified_minutes(&self) -> u64 {
        self.verified_seconds / 60
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another cell.
    pub fn add(&mut self, other: &Self) {
        self.planned_seconds += other.planned_seconds;
        self.done_seconds += other.done_seconds;
        self.verified_seconds += other.verified_seconds;
        self.checkpoints_hit += other.checkpoints_hit;
        self.checkpoints_missed += other.checkpoints_missed;
    }
}

/// A shift that is not settled yet: what its later events need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningShift {
    zone: ZoneId,
    from: Instant,
    until: Instant,
    crew_min: u32,
    #[serde(with = "pairs")]
    present_since: BTreeMap<PersonId, Instant>,
    hit: BTreeSet<CheckpointId>,
    filed: Vec<FiledPart>,
}

/// The coverage of a community.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// By local day, hour and zone.
    #[serde(with = "pairs")]
    pub cells: BTreeMap<Slot, Cell>,
    /// Shifts that are not settled yet.
    #[serde(with = "pairs")]
    pub running: BTreeMap<ShiftId, RunningShift>,
}

impl Coverage {
    /// Cells from one local day to another, both included, in the order of day, hour and zone.
    pub fn between(
        &self,
        first: NaiveDate,
        last: NaiveDate,
        zone: Option<ZoneId>,
    ) -> impl Iterator<Item = (&Slot, &Cell)> {
        let start = Slot {
            day: first,
            hour: 0,
            zone: ZoneId(uuid::Uuid::nil()),
        };
        self.cells
            .range(start..)
            .take_while(move |(slot, _)| slot.day <= last)
            .filter(move |(slot, _)| zone.is_none_or(|zone| slot.zone == zone))
    }

    fn cell(&mut self, zone: ZoneId, at: Instant, time_zone: chrono_tz::Tz) -> &mut Cell {
        self.cells.entry(slot(zone, at, time_zone)).or_default()
    }

    /// Changes the cells of `from..until` by the seconds that lie in each.
    fn spread(
        &mut self,
        zone: ZoneId,
        (from, until): (Instant, Instant),
        time_zone: chrono_tz::Tz,
        mut change: impl FnMut(&mut Cell, u64),
    ) {
        for (slot, seconds) in by_hour(zone, from, until, time_zone) {
            let cell = self.cells.entry(slot).or_default();
            change(cell, seconds);
            if cell.is_empty() {
                self.cells.remove(&slot);
            }
        }
    }

    fn plan(&mut self, shift: &RunningShift, time_zone: chrono_tz::Tz) {
        let crew = u64::from(shift.crew_min);
        self.spread(
            shift.zone,
            (shift.from, shift.until),
            time_zone,
            |cell, seconds| {
                cell.planned_seconds += seconds * crew;
            },
        );
    }

    fn unplan(&mut self, shift: &RunningShift, time_zone: chrono_tz::Tz) {
        let crew = u64::from(shift.crew_min);
        self.spread(
            shift.zone,
            (shift.from, shift.until),
            time_zone,
            |cell, seconds| {
                cell.planned_seconds = cell.planned_seconds.saturating_sub(seconds * crew);
            },
        );
    }

    /// Adds seconds of verified times, or takes them away.
    fn verified(
        &mut self,
        zone: ZoneId,
        intervals: &[(Instant, Instant)],
        time_zone: chrono_tz::Tz,
        change: fn(u64, u64) -> u64,
    ) {
        for interval in intervals {
            self.spread(zone, *interval, time_zone, |cell, seconds| {
                cell.verified_seconds = change(cell.verified_seconds, seconds);
            });
        }
    }

    /// Changes one cell, and drops it if nothing is left in it.
    fn touch(
        &mut self,
        zone: ZoneId,
        at: Instant,
        time_zone: chrono_tz::Tz,
        change: impl FnOnce(&mut Cell),
    ) {
        let slot = slot(zone, at, time_zone);
        let cell = self.cells.entry(slot).or_default();
        change(cell);
        if cell.is_empty() {
            self.cells.remove(&slot);
        }
    }

    /// Takes a miss back that was counted in the last hour of a shift.
    fn unmiss(&mut self, missed: &MissedCheckpoint, until: Instant, time_zone: chrono_tz::Tz) {
        self.touch(missed.zone, last(until), time_zone, |cell| {
            cell.checkpoints_missed = cell.checkpoints_missed.saturating_sub(1);
        });
    }

    fn done(&mut self, zone: ZoneId, from: Instant, until: Instant, time_zone: chrono_tz::Tz) {
        self.spread(zone, (from, until), time_zone, |cell, seconds| {
            cell.done_seconds += seconds;
        });
    }
}

fn slot(zone: ZoneId, at: Instant, time_zone: chrono_tz::Tz) -> Slot {
    let local = at.with_timezone(&time_zone);
    Slot {
        day: local.date_naive(),
        hour: local.hour(),
        zone,
    }
}

/// The parts of `from..until` by local hour, in whole seconds. Cuts at full local hours; where
/// the zone turns its clock back, both passes of the hour go to the same cell.
fn by_hour(
    zone: ZoneId,
    from: Instant,
    until: Instant,
    time_zone: chrono_tz::Tz,
) -> Vec<(Slot, u64)> {
    let mut parts = Vec::new();
    let (mut at, end) = (from.timestamp(), until.timestamp());
    while at < end {
        let Some(instant) = Instant::from_timestamp(at, 0) else {
            break;
        };
        let local = instant.with_timezone(&time_zone);
        let left = 3_600 - i64::from(local.minute() * 60 + local.second());
        let next = (at + left).min(end);
        let seconds = u64::try_from(next - at).unwrap_or_default();
        parts.push((slot(zone, instant, time_zone), seconds));
        at = next;
    }
    parts
}

/// The last instant before the end of a shift: what was missed counts in that hour.
fn last(until: Instant) -> Instant {
    until - chrono::Duration::microseconds(1)
}

#[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
fn apply_shift(coverage: &mut Coverage, event: &patrol_shift::Event, fact: &Fact<'_>) {
    use patrol_shift::Event as E;
    let Some(id) = fact.key().map(ShiftId) else {
        return;
    };
    let (at, time_zone) = (fact.occurred_at(), fact.zone);
    match event {
        E::ShiftPlanned {
            zone,
            from,
            until,
            crew_min,
            ..
        } => {
            let shift = RunningShift {
                zone: *zone,
                from: *from,
                until: *until,
                crew_min: *crew_min,
                present_since: BTreeMap::new(),
                hit: BTreeSet::new(),
                filed: Vec::new(),
            };
            coverage.plan(&shift, time_zone);
            coverage.running.insert(id, shift);
        }
        E::LateShiftFiled { zone, parts, .. } => {
            let shift = RunningShift {
                zone: *zone,
                from: parts.iter().map(|part| part.from).min().unwrap_or(at),
                until: parts.iter().map(|part| part.until).max().unwrap_or(at),
                crew_min: 0,
                present_since: BTreeMap::new(),
                hit: BTreeSet::new(),
                filed: parts.clone(),
            };
            coverage.running.insert(id, shift);
        }
        E::LateShiftApproved { .. } => {
            let filed = coverage
                .running
                .get_mut(&id)
                .map(|shift| (shift.zone, std::mem::take(&mut shift.filed)));
            if let Some((zone, parts)) = filed {
                for part in parts {
                    coverage.done(zone, part.from, part.until, time_zone);
                }
            }
        }
        E::PatrollerCheckedIn { person, .. } => {
            if let Some(shift) = coverage.running.get_mut(&id) {
                shift.present_since.entry(*person).or_insert(at);
            }
        }
        E::PatrollerCheckedOut { person } | E::AutoCheckedOut { person } => {
            let part = coverage.running.get_mut(&id).and_then(|shift| {
                let since = shift.present_since.remove(person)?;
                Some((shift.zone, since.max(shift.from), at.min(shift.until)))
            });
            if let Some((zone, from, until)) = part {
                coverage.done(zone, from, until, time_zone);
            }
        }
        E::CheckpointScanned {
            checkpoint, zone, ..
        } => {
            // A checkpoint outside every zone counts where the shift patrols.
            let hit = coverage.running.get_mut(&id).and_then(|shift| {
                shift
                    .hit
                    .insert(*checkpoint)
                    .then_some(zone.unwrap_or(shift.zone))
            });
            if let Some(zone) = hit {
                coverage.cell(zone, at, time_zone).checkpoints_hit += 1;
            }
        }
        E::CheckpointMissed { zone, .. } => {
            if let Some(shift) = coverage.running.get(&id) {
                let (at, zone) = (last(shift.until), zone.unwrap_or(shift.zone));
                coverage.cell(zone, at, time_zone).checkpoints_missed += 1;
            }
        }
        E::ParticipationVerified {
            zone, intervals, ..
        } => coverage.verified(*zone, intervals, time_zone, u64::saturating_add),
        E::ParticipationReverified {
            zone,
            before,
            intervals,
            ..
        } => {
            coverage.verified(*zone, before, time_zone, u64::saturating_sub);
            coverage.verified(*zone, intervals, time_zone, u64::saturating_add);
        }
        E::LateScanCounted {
            zone,
            missed,
            until,
            ..
        } => {
            coverage.cell(*zone, at, time_zone).checkpoints_hit += 1;
            if let Some(missed) = missed {
                coverage.unmiss(missed, *until, time_zone);
            }
        }
        E::ShiftVoided {
            zone,
            until,
            parts,
            hits,
            missed,
            ..
        } => {
            for part in parts {
                coverage.verified(*zone, &part.counted, time_zone, u64::saturating_sub);
                coverage.spread(
                    *zone,
                    (part.from, part.until),
                    time_zone,
                    |cell, seconds| {
                        cell.done_seconds = cell.done_seconds.saturating_sub(seconds);
                    },
                );
            }
            for hit in hits {
                coverage.touch(hit.zone, hit.at, time_zone, |cell| {
                    cell.checkpoints_hit = cell.checkpoints_hit.saturating_sub(1);
                });
            }
            for missed in missed {
                coverage.unmiss(missed, *until, time_zone);
            }
        }
        E::ShiftCancelled { .. } => {
            if let Some(shift) = coverage.running.remove(&id) {
                coverage.unplan(&shift, time_zone);
            }
        }
        E::ShiftMissed {} | E::ShiftVerified { .. } | E::LateShiftRejected { .. } => {
            coverage.running.remove(&id);
        }
        // A hand-over changes coverage by the check-out and the check-in of its commit.
        E::PatrollerSignedUp { .. }
        | E::ShiftHandedOver { .. }
        | E::HandoverAccepted { .. }
        | E::HandoverDeclined { .. }
        | E::ShiftDisputed { .. }
        | E::ShiftStarted {}
        | E::LateScanRecorded { .. }
        | E::CheckpointSkipped { .. }
        | E::FindingRaised { .. }
        | E::ShiftCompleted { .. }
        | E::ParticipationRejected { .. } => {}
    }
}

impl ReadModel for PatrolCoverage {
    const NAME: &'static str = "patrol_coverage";
    const SCHEMA_VERSION: u32 = 2;
    type Key = UnitId;
    type Partition = Coverage;
    no_index!();

    fn wants(category: &str) -> bool {
        category == "patrol_shift"
    }

    fn partition(fact: &Fact<'_>) -> Option<UnitId> {
        fact.unit()
    }

    fn apply(coverage: &mut Coverage, fact: &Fact<'_>) {
        if let Event::PatrolShift(event) = fact.event {
            apply_shift(coverage, event, fact);
        }
    }

    fn rows(key: &UnitId, coverage: &Coverage) -> Vec<Row> {
        let cells = coverage.cells.iter().map(|(slot, cell)| {
            let row = format!("{key}/cell/{}/{}/{:02}", slot.zone, slot.day, slot.hour);
            (row, row_value(cell))
        });
        let running = coverage
            .running
            .iter()
            .map(|(shift, running)| (format!("{key}/running/{shift}"), row_value(running)));
        cells.chain(running).collect()
    }
}
