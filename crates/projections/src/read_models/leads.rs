//! `leads`: what officers must still look into, and what became of it.
//!
//! A partition is a lead. It never holds who tipped, what was told or what was found: those stand in
//! the log's withheld items alone, so that no snapshot and no row can give them away. The index
//! orders leads by (submitted at, id), which never changes. Who may know of a lead is not decided
//! here: the caller says it for each.

use std::collections::BTreeSet;

use domain::ids::{LeadId, PersonId, UnitId};
use domain::lead::{self, LeadKind, LeadState};
use domain::{Event, Instant};
use serde::{Deserialize, Serialize};

use crate::build::Build;
use crate::by_time::{self, ByTime};
use crate::read_model::{Fact, ReadModel, Row, row_value};

/// Most leads on one page.
pub const PAGE_LEADS_MAX: usize = 1_000;

/// The model.
#[derive(Debug)]
pub struct Leads;

/// A lead on the officers' board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The community it lies in.
    pub community: UnitId,
    /// What it is about.
    pub kind: LeadKind,
    /// Where it stands.
    pub state: LeadState,
    /// When it was submitted; never changes.
    pub submitted_at: Instant,
    /// The officer who reviews or reviewed it.
    pub officer: Option<PersonId>,
    /// When it was closed last.
    pub closed_at: Option<Instant>,
    /// How often its body was read.
    pub accesses: u32,
    /// Position of the last event that changed it.
    pub position: u64,
    /// Version of its stream after that event.
    pub version: u64,
}

/// Which leads; what is absent does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// In one of these units.
    pub units: Option<BTreeSet<UnitId>>,
    /// In exactly this state.
    pub state: Option<LeadState>,
    /// That an officer must still look into.
    pub open_only: bool,
}

impl Filter {
    /// True if the lead is one of those asked for.
    pub fn matches(&self, record: &Record) -> bool {
        let units = self.units.as_ref();
        units.is_none_or(|units| units.contains(&record.community))
            && self.state.is_none_or(|wanted| wanted == record.state)
            && (!self.open_only || record.state.is_open())
    }
}

/// A place in the order: submitted at, id.
pub type Place = by_time::Place<LeadId>;

/// Leads of a page, and whether there are more.
pub type Page<'a> = (Vec<(LeadId, &'a Record)>, bool);

/// A partition: the lead, once it is submitted.
pub type LeadSlot = Option<Record>;

fn change(record: &mut Record, event: &lead::Event, fact: &Fact<'_>) {
    use lead::Event as E;
    let mut close = |state| {
        record.state = state;
        record.closed_at = Some(fact.occurred_at());
    };
    match event {
        E::LeadSubmitted { .. } => {}
        E::LeadTriaged { officer } => {
            // A closed lead gets another reviewer and stays what it is.
            if !record.state.is_closed() {
                record.state = LeadState::UnderReview;
            }
            record.officer = Some(*officer);
        }
        E::LeadAccessed { .. } => record.accesses = record.accesses.saturating_add(1),
        E::LeadValidated { .. } => close(LeadState::Valid),
        E::LeadRejected { .. } => close(LeadState::Invalid),
        E::LeadLinkedAsDuplicate { .. } => close(LeadState::Duplicate),
        // It stays closed since when it was.
        E::LeadOvertaken { .. } => record.state = LeadState::Duplicate,
        E::LeadTransferred { .. } => close(LeadState::Transferred),
        E::LeadOutcomeRecorded { .. } => record.state = LeadState::Used,
        E::LeadArchived { .. } => record.state = LeadState::Archived,
    }
    record.position = fact.position;
    record.version = fact.version;
}

impl ReadModel for Leads {
    const NAME: &'static str = "leads";
    const SCHEMA_VERSION: u32 = 1;
    type Key = LeadId;
    type Partition = LeadSlot;
    type Entry = Option<Instant>;
    type Index = ByTime<LeadId>;

    fn wants(category: &str) -> bool {
        category == "lead"
    }

    fn partition(fact: &Fact<'_>) -> Option<LeadId> {
        fact.key().map(LeadId)
    }

    fn apply(slot: &mut LeadSlot, fact: &Fact<'_>) {
        let Event::Lead(event) = fact.event else {
            return;
        };
        match (slot.as_mut(), event) {
            (Some(record), event) => change(record, event, fact),
            (
                None,
                lead::Event::LeadSubmitted {
                    community, kind, ..
                },
            ) => {
                *slot = Some(Record {
                    community: *community,
                    kind: *kind,
                    state: LeadState::Submitted,
                    submitted_at: fact.occurred_at(),
                    officer: None,
                    closed_at: None,
                    accesses: 0,
                    position: fact.position,
                    version: fact.version,
                });
            }
            (None, _) => {}
        }
    }

    fn rows(key: &LeadId, slot: &LeadSlot) -> Vec<Row> {
        slot.iter()
            .map(|record| (key.to_string(), row_value(record)))
            .collect()
    }

    fn entry(_: &LeadId, slot: &LeadSlot) -> Option<Instant> {
        slot.as_ref().map(|record| record.submitted_at)
    }

    fn reindex(
        index: &mut ByTime<LeadId>,
        key: &LeadId,
        old: Option<&Option<Instant>>,
        new: &Option<Instant>,
    ) {
        index.move_to(*key, old.copied().flatten(), *new);
    }
}

impl Build<Leads> {
    /// A lead by id.
    pub fn lead(&self, id: LeadId) -> Option<&Record> {
        self.partitions.get(&id)?.as_ref()
    }

    /// At most `size` leads (bounded by [`PAGE_LEADS_MAX`]) after a place in the order that are asked
    /// for and that the asker may know, and whether there are more.
    ///
    /// # Errors
    /// What `known` fails with.
    pub fn list<E>(
        &self,
        filter: &Filter,
        mut known: impl FnMut(&Record) -> Result<bool, E>,
        size: usize,
        after: Option<Place>,
    ) -> Result<Page<'_>, E> {
        let size = size.clamp(1, PAGE_LEADS_MAX);
        let mut page = Vec::new();
        for id in self.index().oldest_first(after) {
            let Some(record) = self.lead(id).filter(|record| filter.matches(record)) else {
                continue;
            };
            if !known(record)? {
                continue;
            }
            if page.len() == size {
                return Ok((page, true));
            }
            page.push((id, record));
        }
        Ok((page, false))
    }
}
