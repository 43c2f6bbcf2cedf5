//! `missed_alarms`: what a patrol should have done and did not, for the duty desk.
//!
//! A partition is a shift. An alarm is a missed shift, a missed checkpoint or a forgotten check-out.
//! Nobody acknowledges one: what answers it is what the shift's later events say of the same thing,
//! such as a late scan or that the part was settled. The index orders alarms by (when, position),
//! which never changes, so that a page neither skips nor repeats.

use std::collections::BTreeSet;

use domain::ids::{CheckpointId, PersonId, ShiftId, UnitId, ZoneId};
use domain::patrol_shift;
use domain::{Event, Instant};
use serde::{Deserialize, Serialize};

use crate::build::Build;
use crate::by_time::{self, ByTime};
use crate::read_model::{Fact, ReadModel, Row, row_value};

/// Most alarms on one page.
pub const PAGE_ALARMS_MAX: usize = 1_000;

/// The model.
#[derive(Debug)]
pub struct MissedAlarms;

/// What was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// Nobody came.
    Shift,
    /// A checkpoint of the route was neither scanned nor left out with a reason.
    Checkpoint(CheckpointId),
    /// Somebody forgot to end their part; it was ended at the planned end.
    CheckOut(PersonId),
}

/// What sort of alarm it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A missed shift.
    Shift,
    /// A missed checkpoint.
    Checkpoint,
    /// A forgotten check-out.
    CheckOut,
}

impl Missed {
    /// What sort it is.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Shift => Kind::Shift,
            Self::Checkpoint(_) => Kind::Checkpoint,
            Self::CheckOut(_) => Kind::CheckOut,
        }
    }
}

/// What a later event says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The checkpoint was scanned after all, and the scan counts.
    Scanned,
    /// Somebody looked at the shift, or at the part, and settled it.
    Settled,
    /// The shift does not count at all.
    Voided,
}

/// One alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What was missed.
    pub missed: Missed,
    /// When it counts as missed; never changes.
    pub at: Instant,
    /// The zone: of a checkpoint where it lay, else where the shift patrols.
    pub zone: ZoneId,
    /// What answered it, and when; the last answer of several.
    pub answer: Option<(Answer, Instant)>,
    /// Position of the event that raised it.
    pub position: u64,
}

/// A shift and its alarms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The community it lies in.
    pub community: UnitId,
    /// The zone it was planned for.
    pub zone: ZoneId,
    /// Start.
    pub from: Instant,
    /// End.
    pub until: Instant,
    /// Its alarms, in the order they were raised.
    pub alarms: Vec<Alarm>,
}

/// A partition: the shift, once it is planned.
pub type AlarmSlot = Option<Record>;
/// Where an alarm stands in a shift: the position that raised it, and the shift.
pub type AlarmKey = (u64, ShiftId);
/// A place in the order.
pub type Place = by_time::Place<AlarmKey>;
/// What the index knows of a shift: the place of each alarm.
pub type Entry = Box<[(Instant, u64)]>;

/// Which alarms; what is absent does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these units.
    pub units: Option<BTreeSet<UnitId>>,
    /// Of this sort.
    pub kind: Option<Kind>,
    /// Missed from then on.
    pub from: Option<Instant>,
    /// Missed before then.
    pub until: Option<Instant>,
    /// That nothing has answered.
    pub unanswered_only: bool,
}

impl Filter {
    /// True if the alarm is one of those asked for.
    pub fn matches(&self, record: &Record, alarm: &Alarm) -> bool {
        let units = self.units.as_ref();
        units.is_none_or(|units| units.contains(&record.community))
            && self.kind.is_none_or(|kind| kind == alarm.missed.kind())
            && self.from.is_none_or(|from| from <= alarm.at)
            && self.until.is_none_or(|until| alarm.at < until)
            && (!self.unanswered_only || alarm.answer.is_none())
    }
}

impl Record {
    fn raise(&mut self, missed: Missed, zone: Option<ZoneId>, fact: &Fact<'_>) {
        self.alarms.push(Alarm {
            missed,
            at: fact.occurred_at(),
            zone: zone.unwrap_or(self.zone),
            answer: None,
            position: fact.position,
        });
    }

    fn answer(&mut self, answer: Answer, at: Instant, concerns: impl Fn(Missed) -> bool) {
        let alarms = self.alarms.iter_mut();
        for alarm in alarms.filter(|alarm| concerns(alarm.missed)) {
            alarm.answer = Some((answer, at));
        }
    }

    fn change(&mut self, event: &patrol_shift::Event, fact: &Fact<'_>) {
        use patrol_shift::Event as E;
        let at = fact.occurred_at();
        match event {
            E::ShiftMissed {} => self.raise(Missed::Shift, None, fact),
            E::CheckpointMissed { checkpoint, zone } => {
                self.raise(Missed::Checkpoint(*checkpoint), *zone, fact);
            }
            E::AutoCheckedOut { person } => self.raise(Missed::CheckOut(*person), None, fact),
            E::LateScanCounted { checkpoint, .. } => {
                let scanned = Missed::Checkpoint(*checkpoint);
                self.answer(Answer::Scanned, fact.recorded_at, |missed| {
                    missed == scanned
                });
            }
            E::ParticipationVerified { person, .. }
            | E::ParticipationRejected { person, .. }
            | E::ParticipationReverified { person, .. } => {
                let settled = Missed::CheckOut(*person);
                self.answer(Answer::Settled, at, |missed| missed == settled);
            }
            // Who settles a shift has seen which checkpoints it missed.
            E::ShiftVerified { .. } => {
                let alarms = self.alarms.iter_mut();
                for alarm in alarms.filter(|alarm| alarm.answer.is_none()) {
                    alarm.answer = Some((Answer::Settled, at));
                }
            }
            E::ShiftVoided { .. } => self.answer(Answer::Voided, at, |_| true),
            _ => {}
        }
    }
}

fn planned(fact: &Fact<'_>) -> AlarmSlot {
    let Event::PatrolShift(patrol_shift::Event::ShiftPlanned {
        community,
        zone,
        from,
        until,
        ..
    }) = fact.event
    else {
        return None;
    };
    Some(Record {
        community: *community,
        zone: *zone,
        from: *from,
        until: *until,
        alarms: Vec::new(),
    })
}

impl ReadModel for MissedAlarms {
    const NAME: &'static str = "missed_alarms";
    const SCHEMA_VERSION: u32 = 1;
    type Key = ShiftId;
    type Partition = AlarmSlot;
    type Entry = Entry;
    type Index = ByTime<AlarmKey>;

    fn wants(category: &str) -> bool {
        category == "patrol_shift"
    }

    fn partition(fact: &Fact<'_>) -> Option<ShiftId> {
        fact.key().map(ShiftId)
    }

    fn apply(slot: &mut AlarmSlot, fact: &Fact<'_>) {
        let Event::PatrolShift(event) = fact.event else {
            return;
        };
        match slot {
            Some(record) => record.change(event, fact),
            None => *slot = planned(fact),
        }
    }

    fn rows(key: &ShiftId, slot: &AlarmSlot) -> Vec<Row> {
        slot.iter()
            .map(|record| (key.to_string(), row_value(record)))
            .collect()
    }

    fn entry(_: &ShiftId, slot: &AlarmSlot) -> Entry {
        let alarms = slot.iter().flat_map(|record| &record.alarms);
        alarms.map(|alarm| (alarm.at, alarm.position)).collect()
    }

    fn reindex(index: &mut ByTime<AlarmKey>, key: &ShiftId, old: Option<&Entry>, new: &Entry) {
        for (at, position) in old.into_iter().flatten() {
            index.move_to((*position, *key), Some(*at), None);
        }
        for (at, position) in new {
            index.move_to((*position, *key), None, Some(*at));
        }
    }
}

impl Build<MissedAlarms> {
    /// At most `size` alarms (bounded by [`PAGE_ALARMS_MAX`]), the newest first, after a place in
    /// the order, and whether there are more.
    pub fn list(
        &self,
        filter: &Filter,
        size: usize,
        after: Option<Place>,
    ) -> (Vec<(ShiftId, &Record, &Alarm)>, bool) {
        let size = size.clamp(1, PAGE_ALARMS_MAX);
        // What lies behind the end of the time asked for is passed over by the index.
        let until = filter
            .until
            .map(|until| (until, (0, ShiftId(uuid::Uuid::nil()))));
        let start = match (after, until) {
            (Some(after), Some(until)) => Some(after.min(until)),
            (after, until) => after.or(until),
        };
        let found = self
            .index()
            .newest_first(start)
            .map_while(|(position, id)| {
                let record = self.partitions.get(&id)?.as_ref()?;
                let mut alarms = record.alarms.iter();
                let alarm = alarms.find(|alarm| alarm.position == position)?;
                let in_time = filter.from.is_none_or(|from| from <= alarm.at);
                in_time.then_some((id, record, alarm))
            });
        let found = found.filter(|(_, record, alarm)| filter.matches(record, alarm));
        by_time::page(found, size)
    }
}
