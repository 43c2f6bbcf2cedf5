//! `case_board`: hazards with owner, state and deadline, as the duty desk sees them.
//!
//! A partition is a hazard. What only some of them come to stands in [`handling`]. The index orders them by (opened at, id), which never changes for a
//! hazard: so a page token neither skips nor repeats while the board moves. Listing and counting
//! stand in [`list`].

pub mod handling;
pub mod list;

use std::collections::BTreeSet;

use domain::hazard::{self, HazardLevel, HazardState, Purpose, Urgency};
use domain::ids::{BatchId, HazardId, UnitId};
use domain::open_item::{self, Item, OpenItem};
use domain::{Event, Instant};
use serde::{Deserialize, Serialize};

use handling::Handling;

use crate::read_model::{Fact, ReadModel, Row, row_value};

/// The model.
#[derive(Debug)]
pub struct CaseBoard;

/// Where an imported hazard comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Name of the source.
    pub source: String,
    /// Its id there.
    pub external_id: String,
    /// The batch that brought it.
    pub batch: BatchId,
}

/// The breach of a deadline that is recorded and not withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// What the deadline was for.
    pub purpose: Purpose,
    /// Which deadline.
    pub due_at: Instant,
    /// Position of the event that records it.
    pub position: u64,
}

/// A hazard on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The unit it lies in.
    pub unit: UnitId,
    /// What kind.
    pub kind: String,
    /// Where it stands.
    pub state: HazardState,
    /// Who answers for it; the lead of several.
    pub owner: Option<String>,
    /// How grave.
    pub level: Option<HazardLevel>,
    /// How soon.
    pub urgency: Option<Urgency>,
    /// When it was first seen; never changes.
    pub opened_at: Instant,
    /// When it must be rectified.
    pub deadline: Option<Instant>,
    /// What the deadline follows from.
    pub deadline_basis: Option<String>,
    /// Breaches that stand.
    pub breaches: Vec<Breach>,
    /// Breaches that were withdrawn, as a count; both stay visible in the events.
    pub breaches_withdrawn: u32,
    /// When it was closed, as claimed.
    pub closed_at: Option<Instant>,
    /// Times it got more time.
    pub extensions: u32,
    /// Times a re-inspection failed.
    pub reinspections_failed: u32,
    /// Times it came back after it was closed.
    pub recurrences: u32,
    /// Where it was imported from.
    pub imported: Option<Origin>,
    /// What only some come to: joint owners, measures, reports upward, referrals, duplicates.
    pub handling: Option<Box<Handling>>,
    /// Position of the last event that changed it.
    pub position: u64,
    /// Version of its stream after that event.
    pub version: u64,
    /// To whom it was given, if its unit ends.
    pub given: OpenItem,
}

impl Case {
    /// True if a breach is recorded and not withdrawn.
    pub fn is_breached(&self) -> bool {
        !self.breaches.is_empty()
    }

    /// True if this one answers for it, alone or with others.
    pub fn is_owned_by(&self, owner: &String) -> bool {
        let joint = self.handling.as_ref();
        self.owner.as_ref() == Some(owner)
            || joint.is_some_and(|handling| handling.joint_owners.contains(owner))
    }

    /// True if it is closed and the breach of the deadline it was closed under stands.
    pub fn is_closed_late(&self) -> bool {
        Standing::of(self.state) == Standing::Closed
            && self
                .breaches
                .iter()
                .filter(|breach| breach.purpose == Purpose::Rectification)
                .any(|breach| Some(breach.due_at) == self.deadline)
    }
}

/// Whether somebody must still act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Somebody must.
    Open,
    /// It is done.
    Closed,
    /// It was none, or a duplicate.
    Dismissed,
    /// Another authority has it.
    Referred,
}

impl Standing {
    /// Of a state.
    pub fn of(state: HazardState) -> Self {
        match state {
            HazardState::Unknown | HazardState::Invalid | HazardState::Duplicate => Self::Dismissed,
            HazardState::ClosedOut | HazardState::ClosedBySource => Self::Closed,
            HazardState::Referred => Self::Referred,
            HazardState::Reported
            | HazardState::Verified
            | HazardState::BoundaryUnclear
            | HazardState::Rectifying
            | HazardState::Rectified
            | HazardState::Reinspected => Self::Open,
        }
    }
}

/// How many hazards there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// In all: open + closed + dismissed + referred.
    pub total: u64,
    /// Somebody must still act.
    pub open: u64,
    /// Done.
    pub closed: u64,
    /// Of those closed, the ones closed by the source of an import.
    pub closed_by_source: u64,
    /// Of those closed, the ones closed after their deadline.
    pub closed_late: u64,
    /// No hazard, or a duplicate.
    pub dismissed: u64,
    /// Another authority has it.
    pub referred: u64,
    /// Hazards with at least one breach that stands.
    pub breached: u64,
    /// Of those, the ones still open.
    pub open_breached: u64,
    /// Breaches that stand: `DeadlineBreached` less `BreachWithdrawn`.
    pub breaches: u64,
}

/// What the index knows of a hazard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub(crate) opened_at: Instant,
    #[serde(with = "counts")]
    counted: Totals,
}

/// Stores totals as their numbers alone: entries are many.
mod counts {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Totals;

    pub(super) fn serialize<S: Serializer>(
        totals: &Totals,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut numbers = *totals;
        numbers
            .numbers()
            .map(|number| *number)
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Totals, D::Error> {
        let mut totals = Totals::default();
        let stored = <[u64; 10]>::deserialize(deserializer)?;
        for (number, stored) in totals.numbers().into_iter().zip(stored) {
            *number = stored;
        }
        Ok(totals)
    }
}

/// The order of the board and its counts.
#[derive(Debug, Default)]
pub struct Index {
    pub(crate) by_opening: BTreeSet<(Instant, HazardId)>,
    pub(crate) totals: Totals,
}

impl Totals {
    /// One hazard, counted.
    pub(crate) fn of(case: &Case) -> Self {
        let standing = Standing::of(case.state);
        let count = u64::from;
        Self {
            total: 1,
            open: count(standing == Standing::Open),
            closed: count(standing == Standing::Closed),
            closed_by_source: count(case.state == HazardState::ClosedBySource),
            closed_late: count(case.is_closed_late()),
            dismissed: count(standing == Standing::Dismissed),
            referred: count(standing == Standing::Referred),
            breached: count(case.is_breached()),
            open_breached: count(case.is_breached() && standing == Standing::Open),
            breaches: case.breaches.len() as u64,
        }
    }

    /// Each of the numbers, in the order of their declaration.
    fn numbers(&mut self) -> [&mut u64; 10] {
        [
            &mut self.total,
            &mut self.open,
            &mut self.closed,
            &mut self.closed_by_source,
            &mut self.closed_late,
            &mut self.dismissed,
            &mut self.referred,
            &mut self.breached,
            &mut self.open_breached,
            &mut self.breaches,
        ]
    }

    fn each(&mut self, other: &Self, change: fn(u64, u64) -> u64) {
        let mut other = *other;
        for (mine, theirs) in self.numbers().into_iter().zip(other.numbers()) {
            *mine = change(*mine, *theirs);
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.each(other, u64::saturating_add);
    }

    fn subtract(&mut self, other: &Self) {
        self.each(other, u64::saturating_sub);
    }
}

/// A partition: the case, once it is reported.
pub type CaseSlot = Option<Case>;

fn reported(fact: &Fact<'_>) -> CaseSlot {
    let Event::Hazard(hazard::Event::HazardReported {
        unit,
        kind,
        imported,
        ..
    }) = fact.event
    else {
        return None;
    };
    Some(Case {
        unit: *unit,
        kind: kind.clone(),
        state: HazardState::Reported,
        owner: None,
        level: None,
        urgency: None,
        opened_at: fact.occurred_at(),
        deadline: None,
        deadline_basis: None,
        breaches: Vec::new(),
        breaches_withdrawn: 0,
        closed_at: None,
        extensions: 0,
        reinspections_failed: 0,
        recurrences: 0,
        imported: imported.as_ref().map(|imported| Origin {
            source: imported.source.clone(),
            external_id: imported.external_id.clone(),
            batch: imported.batch,
        }),
        handling: None,
        position: fact.position,
        version: fact.version,
        given: OpenItem::default(),
    })
}

/// A deadline that passed while another authority had it is none of ours, as the rules have it.
fn drop_passed(case: &mut Case, returned_at: Instant) {
    let breached = |due_at| {
        let mut breaches = case.breaches.iter();
        breaches
            .any(|breach| breach.purpose == Purpose::Rectification && Some(breach.due_at) == due_at)
    };
    if case.deadline.is_some_and(|due| due < returned_at) && !breached(case.deadline) {
        case.deadline = None;
        case.deadline_basis = None;
    }
}

fn change(case: &mut Case, event: &hazard::Event, fact: &Fact<'_>) {
    use hazard::Event as E;
    match event {
        E::HazardReported { .. }
        | E::InterimMeasureTaken { .. }
        | E::RectificationPlanned { .. }
        | E::MajorHazardReportedUp { .. }
        | E::DuplicateLinked { .. } => {}
        E::HazardVerified { level, urgency, .. } => {
            case.state = HazardState::Verified;
            case.level = Some(*level);
            case.urgency = Some(*urgency);
        }
        E::HazardRejected { .. } => case.state = HazardState::Invalid,
        E::HazardLinkedAsDuplicate { .. } => case.state = HazardState::Duplicate,
        E::OwnerAssigned { owner } | E::JointOwnerRuled { lead: owner, .. } => {
            case.state = HazardState::Rectifying;
            case.owner = Some(owner.clone());
        }
        // Whoever had it keeps it until the council has ruled.
        E::BoundaryUnclearRaised { .. } => case.state = HazardState::BoundaryUnclear,
        E::HazardReferred { .. } => {
            case.state = HazardState::Referred;
            case.owner = None;
        }
        E::ReferralReturned { .. } => {
            case.state = HazardState::Verified;
            drop_passed(case, fact.occurred_at());
        }
        E::DeadlineSet {
            purpose: Purpose::ReportUp | Purpose::Reinspection,
            ..
        } => {}
        E::DeadlineSet { deadline, .. } => {
            case.deadline = Some(deadline.due_at);
            case.deadline_basis = Some(deadline.basis.clone());
        }
        E::ExtensionGranted { deadline, .. } => {
            case.deadline = Some(deadline.due_at);
            case.deadline_basis = Some(deadline.basis.clone());
            case.extensions += 1;
        }
        E::RectificationClaimed { .. } => case.state = HazardState::Rectified,
        E::ReinspectionPassed { .. } => case.state = HazardState::Reinspected,
        E::ReinspectionFailed { .. } => {
            case.state = HazardState::Rectifying;
            case.reinspections_failed += 1;
        }
        E::HazardClosedOut { .. } => {
            case.state = HazardState::ClosedOut;
            case.closed_at = Some(fact.occurred_at());
        }
        E::ClosedBySource { closed } => {
            case.state = HazardState::ClosedBySource;
            case.closed_at = Some(closed.closed_at);
        }
        E::HazardRecurred { .. } => {
            case.state = HazardState::Reported;
            case.level = None;
            case.urgency = None;
            case.deadline = None;
            case.deadline_basis = None;
            case.closed_at = None;
            case.recurrences += 1;
        }
        E::DeadlineBreached { purpose, due_at } => case.breaches.push(Breach {
            purpose: *purpose,
            due_at: *due_at,
            position: fact.position,
        }),
        E::BreachWithdrawn {
            purpose, due_at, ..
        } => {
            let withdrawn =
                |breach: &Breach| breach.purpose == *purpose && breach.due_at == *due_at;
            let standing = case.breaches.iter().rposition(withdrawn);
            if let Some(index) = standing {
                case.breaches.remove(index);
                case.breaches_withdrawn += 1;
            }
        }
    }
    Handling::take(&mut case.handling, event, fact);
    case.position = fact.position;
    case.version = fact.version;
}

impl ReadModel for CaseBoard {
    const NAME: &'static str = "case_board";
    const SCHEMA_VERSION: u32 = 4;
    type Key = HazardId;
    type Partition = CaseSlot;
    type Entry = Option<Entry>;
    type Index = Index;

    fn wants(category: &str) -> bool {
        matches!(category, "hazard" | "open_item")
    }

    fn partition(fact: &Fact<'_>) -> Option<HazardId> {
        match fact.event {
            Event::OpenItem(open_item::Event::OpenItemReassigned { item, .. }) => match item {
                Item::Hazard(id) => Some(*id),
                _ => None,
            },
            _ => fact.key().map(HazardId),
        }
    }

    fn apply(slot: &mut CaseSlot, fact: &Fact<'_>) {
        if let (Some(case), Event::OpenItem(event)) = (&mut *slot, fact.event) {
            case.given.take(event);
        }
        let Event::Hazard(event) = fact.event else {
            return;
        };
        match slot {
            Some(case) => change(case, event, fact),
            None => *slot = reported(fact),
        }
    }

    fn rows(key: &HazardId, slot: &CaseSlot) -> Vec<Row> {
        slot.iter()
            .map(|case| (key.to_string(), row_value(case)))
            .collect()
    }

    fn entry(_: &HazardId, slot: &CaseSlot) -> Option<Entry> {
        slot.as_ref().map(|case| Entry {
            opened_at: case.opened_at,
            counted: Totals::of(case),
        })
    }

    fn reindex(
        index: &mut Index,
        key: &HazardId,
        old: Option<&Option<Entry>>,
        new: &Option<Entry>,
    ) {
        let old = old.and_then(Option::as_ref);
        if let Some(old) = old {
            index.totals.subtract(&old.counted);
        }
        if let Some(new) = new {
            index.totals.add(&new.counted);
        }
        let at = |entry: &Entry| (entry.opened_at, *key);
        if old.map(at) != new.as_ref().map(at) {
            if let Some(old) = old {
                index.by_opening.remove(&at(old));
            }
            if let Some(new) = new {
                index.by_opening.insert(at(new));
            }
        }
    }
}
