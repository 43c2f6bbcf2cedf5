//! `reward_items`: what points are redeemed for, with the stock book of each item.
//!
//! A partition is an item, folded by the aggregate itself, so that book and rules never differ.
//! Lists are in the order of ids, which never changes, so that a page neither skips nor repeats.

use std::collections::BTreeSet;
use std::ops::Bound;

use domain::ids::{RewardItemId, UnitId};
use domain::reward_item::{ItemState, RewardItem};
use domain::{Aggregate as _, Event, Instant};
use serde::{Deserialize, Serialize};

use crate::build::Build;
use crate::read_model::{Fact, ReadModel, Row, no_index, row_value};

/// Most items on one page.
pub const PAGE_ITEMS_MAX: usize = 1_000;

/// The model.
#[derive(Debug)]
pub struct RewardItems;

/// An item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// As the rules see it.
    pub item: RewardItem,
    /// The zone of time of its community.
    pub zone: chrono_tz::Tz,
    /// Position of the last event that changed it.
    pub position: u64,
    /// Version of its stream after that event.
    pub version: u64,
}

impl Record {
    /// How many can be reserved at an instant.
    pub fn available_at(&self, at: Instant) -> u32 {
        self.item
            .available(at.with_timezone(&self.zone).date_naive())
    }
}

/// Which items; what is absent does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one of these communities.
    pub units: Option<BTreeSet<UnitId>>,
    /// In exactly this state.
    pub state: Option<ItemState>,
}

impl Filter {
    fn matches(&self, item: &RewardItem) -> bool {
        let units = self.units.as_ref();
        units.is_none_or(|units| item.community.is_some_and(|unit| units.contains(&unit)))
            && self.state.is_none_or(|state| state == item.state)
    }
}

impl ReadModel for RewardItems {
    const NAME: &'static str = "reward_items";
    const SCHEMA_VERSION: u32 = 2;
    type Key = RewardItemId;
    type Partition = Option<Record>;
    no_index!();

    fn wants(category: &str) -> bool {
        category == "reward_item"
    }

    fn partition(fact: &Fact<'_>) -> Option<RewardItemId> {
        fact.key().map(RewardItemId)
    }

    fn apply(slot: &mut Option<Record>, fact: &Fact<'_>) {
        let Event::RewardItem(event) = fact.event else {
            return;
        };
        let record = slot.get_or_insert_with(|| Record {
            item: RewardItem::default(),
            zone: fact.zone,
            position: 0,
            version: 0,
        });
        record.item.evolve(event, &fact.stamp());
        record.zone = fact.zone;
        record.position = fact.position;
        record.version = fact.version;
    }

    fn rows(key: &RewardItemId, slot: &Option<Record>) -> Vec<Row> {
        slot.iter()
            .map(|record| (key.to_string(), row_value(record)))
            .collect()
    }
}

impl Build<RewardItems> {
    /// An item by id.
    pub fn item(&self, id: RewardItemId) -> Option<&Record> {
        self.partitions.get(&id)?.as_ref()
    }

    /// At most `size` items (bounded by [`PAGE_ITEMS_MAX`]) after an id, and whether there are more.
    pub fn list(
        &self,
        filter: &Filter,
        size: usize,
        after: Option<RewardItemId>,
    ) -> (Vec<(RewardItemId, &Record)>, bool) {
        let size = size.clamp(1, PAGE_ITEMS_MAX);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.partitions.range((from, Bound::Unbounded));
        let mut found = rest.filter_map(|(id, slot)| {
            let record = slot.as_ref()?;
            filter.matches(&record.item).then_some((*id, record))
        });
        let page: Vec<_> = found.by_ref().take(size).collect();
        let more = found.next().is_some();
        (page, more)
    }
}
