//! `redemptions`: what was asked for, what waits at the counter, what became of it.
//!
//! A partition is a redemption, folded by the aggregate itself. The index orders them by
//! (requested at, id), which never changes. The hash of a code is not kept here.

use std::collections::BTreeSet;

use domain::ids::{PersonId, RedemptionId, RewardItemId, UnitId};
use domain::redemption::{self, Redemption, RedemptionState};
use domain::{Aggregate as _, Event, Instant};
use serde::{Deserialize, Serialize};

use crate::build::Build;
use crate::by_time::{self, ByTime};
use crate::read_model::{Fact, ReadModel, Row, row_value};

/// Most redemptions on one page.
pub const PAGE_REDEMPTIONS_MAX: usize = 1_000;

/// The model.
#[derive(Debug)]
pub struct Redemptions;

/// A redemption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// For what.
    pub item: RewardItemId,
    /// Whose points.
    pub person: PersonId,
    /// The community that offers the item.
    pub community: UnitId,
    /// When it was asked for; never changes.
    pub requested_at: Instant,
    /// As the rules see it, without the hash of its code.
    pub redemption: Redemption,
    /// When it came to stand as it does.
    pub since: Instant,
    /// Why it ended, where somebody said so.
    pub reason: Option<String>,
    /// Position of the last event that changed it.
    pub position: u64,
    /// Version of its stream after that event.
    pub version: u64,
}

/// Which redemptions; what is absent does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of items of one of these communities.
    pub units: Option<BTreeSet<UnitId>>,
    /// Of this person.
    pub person: Option<PersonId>,
    /// Of this item.
    pub item: Option<RewardItemId>,
    /// In exactly this state.
    pub state: Option<RedemptionState>,
}

impl Filter {
    fn matches(&self, record: &Record) -> bool {
        let units = self.units.as_ref();
        units.is_none_or(|units| units.contains(&record.community))
            && self.person.is_none_or(|person| person == record.person)
            && self.item.is_none_or(|item| item == record.item)
            && self
                .state
                .is_none_or(|state| state == record.redemption.state)
    }
}

/// A place in the order: requested at, id.
pub type Place = by_time::Place<RedemptionId>;

/// Redemptions of a page, and whether there are more.
pub type Page<'a> = (Vec<(RedemptionId, &'a Record)>, bool);

impl ReadModel for Redemptions {
    const NAME: &'static str = "redemptions";
    const SCHEMA_VERSION: u32 = 1;
    type Key = RedemptionId;
    type Partition = Option<Record>;
    type Entry = Option<Instant>;
    type Index = ByTime<RedemptionId>;

    fn wants(category: &str) -> bool {
        category == "redemption"
    }

    fn partition(fact: &Fact<'_>) -> Option<RedemptionId> {
        fact.key().map(RedemptionId)
    }

    fn apply(slot: &mut Option<Record>, fact: &Fact<'_>) {
        use redemption::Event as E;
        let Event::Redemption(event) = fact.event else {
            return;
        };
        if let (
            None,
            E::RedemptionRequested {
                item,
                person,
                community,
            },
        ) = (&slot, event)
        {
            *slot = Some(Record {
                item: *item,
                person: *person,
                community: *community,
                requested_at: fact.occurred_at(),
                redemption: Redemption::default(),
                since: fact.occurred_at(),
                reason: None,
                position: fact.position,
                version: fact.version,
            });
        }
        let Some(record) = slot else { return };
        let before = record.redemption.state;
        record.redemption.evolve(event, &fact.stamp());
        record.redemption.code = None;
        if record.redemption.state != before {
            record.since = fact.occurred_at();
        }
        if let E::RedemptionCancelled { reason, .. }
        | E::RedemptionFailed { reason, .. }
        | E::RedemptionReturned { reason, .. } = event
        {
            record.reason = Some(reason.clone());
        }
        record.position = fact.position;
        record.version = fact.version;
    }

    fn rows(key: &RedemptionId, slot: &Option<Record>) -> Vec<Row> {
        slot.iter()
            .map(|record| (key.to_string(), row_value(record)))
            .collect()
    }

    fn entry(_: &RedemptionId, slot: &Option<Record>) -> Option<Instant> {
        slot.as_ref().map(|record| record.requested_at)
    }

    fn reindex(
        index: &mut ByTime<RedemptionId>,
        key: &RedemptionId,
        old: Option<&Option<Instant>>,
        new: &Option<Instant>,
    ) {
        index.move_to(*key, old.copied().flatten(), *new);
    }
}

impl Build<Redemptions> {
    /// A redemption by id.
    pub fn redemption(&self, id: RedemptionId) -> Option<&Record> {
        self.partitions.get(&id)?.as_ref()
    }

    /// At most `size` redemptions (bounded by [`PAGE_REDEMPTIONS_MAX`]), the newest first, after a
    /// place in that order, that are asked for and that the asker may know, and whether there are more.
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
        let size = size.clamp(1, PAGE_REDEMPTIONS_MAX);
        let mut page = Vec::new();
        for id in self.index().newest_first(after) {
            let Some(record) = self.redemption(id).filter(|it| filter.matches(it)) else {
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
