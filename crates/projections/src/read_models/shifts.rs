//! `shifts`: patrol shifts as the duty desk sees them: where each stands, who is on it, and what
//! waits for whom.
//!
//! A partition is a shift. Keeps what a list needs; scans and parts stand in the shift's stream.
//! The index orders them by (start, id), which never changes once planned or filed.

use std::collections::BTreeSet;

use domain::ids::{HazardId, PersonId, ShiftId, UnitId, ZoneId};
use domain::patrol_shift::{self, ShiftState};
use domain::{Event, Instant};
use serde::{Deserialize, Serialize};

use crate::build::Build;
use crate::by_time::{self, ByTime};
use crate::read_model::{Fact, ReadModel, Row, row_value};

/// Most shifts on one page.
pub const PAGE_SHIFTS_MAX: usize = 1_000;

/// The model.
#[derive(Debug)]
pub struct Shifts;

/// A hand-over that waits for its successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Who goes.
    pub from: PersonId,
    /// Who shall take over.
    pub to: PersonId,
    /// Hazards that are offered with it.
    pub open_items: BTreeSet<HazardId>,
}

/// A shift on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The community it lies in.
    pub community: UnitId,
    /// The zone it was planned for.
    pub zone: ZoneId,
    /// Start; never changes.
    pub from: Instant,
    /// End.
    pub until: Instant,
    /// Where it stands.
    pub state: ShiftState,
    /// Who signed up, was there, or is named as a successor now.
    pub people: BTreeSet<PersonId>,
    /// The hand-over that waits.
    pub pending: Option<Pending>,
    /// Hazards that were to be handed over and that nobody took over, but those that wait now.
    pub left: BTreeSet<HazardId>,
    /// Hazards found on the way.
    pub findings: u32,
    /// Times it was disputed.
    pub disputes: u32,
    /// When its last part was settled, the last time.
    pub verified_at: Option<Instant>,
    /// Position of the last event that changed it.
    pub position: u64,
    /// Version of its stream after that event.
    pub version: u64,
}

/// A partition: the shift, once it is planned or filed.
pub type ShiftSlot = Option<Record>;
/// A place in the order: start and id.
pub type Place = by_time::Place<ShiftId>;

/// Which shifts; what is absent does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these units.
    pub units: Option<BTreeSet<UnitId>>,
    /// In exactly this state.
    pub state: Option<ShiftState>,
    /// With this person on it, or named as a successor.
    pub person: Option<PersonId>,
}

impl Filter {
    /// True if the shift is one of those asked for.
    pub fn matches(&self, record: &Record) -> bool {
        let units = self.units.as_ref();
        units.is_none_or(|units| units.contains(&record.community))
            && self.state.is_none_or(|state| record.state == state)
            && self.person.is_none_or(|person| {
                let to = record.pending.as_ref().map(|pending| pending.to);
                record.people.contains(&person) || to == Some(person)
            })
    }
}

fn begun(fact: &Fact<'_>) -> ShiftSlot {
    use patrol_shift::Event as E;
    let Event::PatrolShift(event) = fact.event else {
        return None;
    };
    let (community, zone, from, until, state, people) = match event {
        E::ShiftPlanned {
            community,
            zone,
            from,
            until,
            ..
        } => (
            *community,
            *zone,
            *from,
            *until,
            ShiftState::Planned,
            BTreeSet::new(),
        ),
        E::LateShiftFiled {
            community,
            zone,
            parts,
            ..
        } => (
            *community,
            *zone,
            parts.iter().map(|part| part.from).min()?,
            parts.iter().map(|part| part.until).max()?,
            ShiftState::Filed,
            parts.iter().map(|part| part.person).collect(),
        ),
        _ => return None,
    };
    Some(Record {
        community,
        zone,
        from,
        until,
        state,
        people,
        pending: None,
        left: BTreeSet::new(),
        findings: 0,
        disputes: 0,
        verified_at: None,
        position: fact.position,
        version: fact.version,
    })
}

impl Record {
    /// Hazards that nobody took over, left open or offered now; those settled meanwhile among them.
    pub fn open_items(&self) -> BTreeSet<HazardId> {
        let offered = self.pending.iter().flat_map(|pending| &pending.open_items);
        self.left.iter().chain(offered).copied().collect()
    }

    /// Nobody is named as a successor any more; what nobody took over stays open.
    fn end_handover(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.left.extend(pending.open_items);
        }
        if self.state == ShiftState::HandedOver {
            self.state = ShiftState::InProgress;
        }
    }

    fn change(&mut self, event: &patrol_shift::Event, fact: &Fact<'_>) {
        use patrol_shift::Event as E;
        match event {
            E::PatrollerSignedUp { person } | E::PatrollerCheckedIn { person, .. } => {
                self.people.insert(*person);
            }
            E::ShiftStarted {} => self.state = ShiftState::InProgress,
            E::FindingRaised { .. } => self.findings += 1,
            E::ShiftHandedOver {
                from,
                to,
                open_items,
                ..
            } => {
                self.state = ShiftState::HandedOver;
                self.pending = Some(Pending {
                    from: *from,
                    to: *to,
                    open_items: open_items.iter().copied().collect(),
                });
            }
            E::HandoverAccepted { open_items, .. } => {
                self.end_handover();
                self.left.retain(|item| !open_items.contains(item));
            }
            E::HandoverDeclined { .. } => self.end_handover(),
            E::PatrollerCheckedOut { person } | E::AutoCheckedOut { person } => {
                let pending = self.pending.as_ref();
                if pending.is_some_and(|pending| pending.from == *person) {
                    self.end_handover();
                }
            }
            E::ShiftCompleted { .. } => {
                self.end_handover();
                self.state = ShiftState::Completed;
            }
            E::ShiftCancelled { .. } => self.state = ShiftState::Cancelled,
            E::ShiftMissed {} => self.state = ShiftState::Missed,
            E::ShiftVerified { .. } => {
                self.state = ShiftState::Verified;
                self.verified_at = Some(fact.occurred_at());
            }
            E::ShiftDisputed { .. } => {
                self.state = ShiftState::Disputed;
                self.disputes += 1;
            }
            E::ShiftVoided { .. } => self.state = ShiftState::Voided,
            E::LateShiftRejected { .. } => self.state = ShiftState::FilingRejected,
            E::ShiftPlanned { .. }
            | E::LateShiftFiled { .. }
            | E::LateShiftApproved { .. }
            | E::CheckpointScanned { .. }
            | E::LateScanRecorded { .. }
            | E::LateScanCounted { .. }
            | E::CheckpointSkipped { .. }
            | E::CheckpointMissed { .. }
            | E::ParticipationVerified { .. }
            | E::ParticipationRejected { .. }
            | E::ParticipationReverified { .. } => {}
        }
        self.position = fact.position;
        self.version = fact.version;
    }
}

impl ReadModel for Shifts {
    const NAME: &'static str = "shifts";
    const SCHEMA_VERSION: u32 = 2;
    type Key = ShiftId;
    type Partition = ShiftSlot;
    type Entry = Option<Instant>;
    type Index = ByTime<ShiftId>;

    fn wants(category: &str) -> bool {
        category == "patrol_shift"
    }

    fn partition(fact: &Fact<'_>) -> Option<ShiftId> {
        fact.key().map(ShiftId)
    }

    fn apply(slot: &mut ShiftSlot, fact: &Fact<'_>) {
        let Event::PatrolShift(event) = fact.event else {
            return;
        };
        match slot {
            Some(record) => record.change(event, fact),
            None => *slot = begun(fact),
        }
    }

    fn rows(key: &ShiftId, slot: &ShiftSlot) -> Vec<Row> {
        slot.iter()
            .map(|record| (key.to_string(), row_value(record)))
            .collect()
    }

    fn entry(_: &ShiftId, slot: &ShiftSlot) -> Option<Instant> {
        slot.as_ref().map(|record| record.from)
    }

    fn reindex(
        index: &mut ByTime<ShiftId>,
        key: &ShiftId,
        old: Option<&Option<Instant>>,
        new: &Option<Instant>,
    ) {
        index.move_to(*key, old.copied().flatten(), *new);
    }
}

impl Build<Shifts> {
    /// At most `size` shifts (bounded by [`PAGE_SHIFTS_MAX`]), those that start last first, after
    /// a place in the order, and whether there are more.
    pub fn list(
        &self,
        filter: &Filter,
        size: usize,
        after: Option<Place>,
    ) -> (Vec<(ShiftId, &Record)>, bool) {
        let size = size.clamp(1, PAGE_SHIFTS_MAX);
        let found = self.index().newest_first(after).filter_map(|id| {
            let record = self.partitions.get(&id)?.as_ref()?;
            filter.matches(record).then_some((id, record))
        });
        by_time::page(found, size)
    }
}
