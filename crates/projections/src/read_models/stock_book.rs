//! `stock_book`: what came in, was set aside, handed out, came back and was counted, by item and
//! local day.
//!
//! A partition is an item with what happened on each day, so that the book can be read as of any
//! day. Where an item stands now, and how many can be had, is `reward_items`' business.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use domain::Event;
use domain::ids::{RewardItemId, UnitId};
use domain::reward_item::{self, RewardKind};
use serde::{Deserialize, Serialize};

use crate::read_model::{Fact, ReadModel, Row, no_index, pairs, row_value};

/// The model.
#[derive(Debug)]
pub struct StockBook;

/// What happened on a day, or in several days together. Of a service pieces are uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// Pieces that came in.
    pub received: u64,
    /// Pieces set aside for a redemption.
    pub reserved: u64,
    /// Pieces given free again.
    pub released: u64,
    /// Pieces handed over; they had been set aside before.
    pub issued: u64,
    /// Pieces that came back.
    pub returned: u64,
    /// By how many the counts found more than the book said, or less.
    pub difference: i64,
    /// How many the last count found; absent if there was none.
    pub counted: Option<u32>,
    /// How many counts there were.
    pub counts: u32,
}

impl Entries {
    /// Adds what happened later.
    pub fn add(&mut self, later: &Self) {
        self.received += later.received;
        self.reserved += later.reserved;
        self.released += later.released;
        self.issued += later.issued;
        self.returned += later.returned;
        self.difference = self.difference.saturating_add(later.difference);
        self.counted = later.counted.or(self.counted);
        self.counts += later.counts;
    }

    /// Pieces that should be there after all of it, reserved ones among them.
    pub fn on_hand(&self) -> i64 {
        let into = i128::from(self.received) + i128::from(self.returned);
        let book = into - i128::from(self.issued) + i128::from(self.difference);
        i64::try_from(book).unwrap_or(i64::MAX)
    }

    /// Pieces that are set aside after all of it.
    pub fn set_aside(&self) -> u64 {
        let gone = self.released.saturating_add(self.issued);
        self.reserved.saturating_sub(gone)
    }
}

/// The book of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// The community that offers it.
    pub community: UnitId,
    /// What it is called.
    pub name: String,
    /// What sort it is.
    pub kind: RewardKind,
    /// What happened, by local day.
    #[serde(with = "pairs")]
    pub days: BTreeMap<NaiveDate, Entries>,
}

impl Book {
    /// Everything up to a day, that day included.
    pub fn until(&self, day: NaiveDate) -> Entries {
        sum(self.days.range(..=day))
    }

    /// Everything before a day.
    pub fn before(&self, day: NaiveDate) -> Entries {
        sum(self.days.range(..day))
    }

    /// Everything from one day to another, both included.
    pub fn between(&self, first: NaiveDate, last: NaiveDate) -> Entries {
        let days = self
            .days
            .range(first..)
            .take_while(|(day, _)| **day <= last);
        sum(days)
    }
}

fn sum<'a>(days: impl Iterator<Item = (&'a NaiveDate, &'a Entries)>) -> Entries {
    let mut sum = Entries::default();
    for (_, entries) in days {
        sum.add(entries);
    }
    sum
}

/// A partition: the book, once the item is prepared.
pub type BookSlot = Option<Book>;

fn enter(entries: &mut Entries, event: &reward_item::Event) {
    use reward_item::Event as E;
    match event {
        E::StockReceived { count, .. } => entries.received += u64::from(*count),
        E::StockReserved { .. } => entries.reserved += 1,
        E::StockReleased { .. } => entries.released += 1,
        E::StockIssued { .. } => entries.issued += 1,
        E::StockReturned { .. } => entries.returned += 1,
        E::StockCounted {
            counted,
            difference,
            ..
        } => {
            entries.difference = entries.difference.saturating_add(*difference);
            entries.counted = Some(*counted);
            entries.counts += 1;
        }
        _ => {}
    }
}

impl ReadModel for StockBook {
    const NAME: &'static str = "stock_book";
    const SCHEMA_VERSION: u32 = 1;
    type Key = RewardItemId;
    type Partition = BookSlot;
    no_index!();

    fn wants(category: &str) -> bool {
        category == "reward_item"
    }

    fn partition(fact: &Fact<'_>) -> Option<RewardItemId> {
        fact.key().map(RewardItemId)
    }

    fn apply(slot: &mut BookSlot, fact: &Fact<'_>) {
        let Event::RewardItem(event) = fact.event else {
            return;
        };
        if let (
            None,
            reward_item::Event::ItemDrafted {
                community,
                name,
                kind,
                ..
            },
        ) = (&slot, event)
        {
            *slot = Some(Book {
                community: *community,
                name: name.clone(),
                kind: *kind,
                days: BTreeMap::new(),
            });
        }
        let Some(book) = slot else { return };
        let mut entries = Entries::default();
        enter(&mut entries, event);
        if entries != Entries::default() {
            let day = fact.occurred_at().with_timezone(&fact.zone).date_naive();
            book.days.entry(day).or_default().add(&entries);
        }
    }

    fn rows(key: &RewardItemId, slot: &BookSlot) -> Vec<Row> {
        slot.iter()
            .map(|book| (key.to_string(), row_value(book)))
            .collect()
    }
}
