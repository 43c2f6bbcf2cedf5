//! The book of an item: how events make its state, and what follows from it. Total: bears any
//! order.

use chrono::NaiveDate;

use super::{Event, ItemState, PRICES_MAX, RewardItem, USE_DAYS_MAX};
use crate::envelope::Instant;
use crate::world::Stamp;

impl RewardItem {
    /// Points for one at an instant; none before its first price.
    pub fn price_at(&self, at: Instant) -> Option<u32> {
        let mut prices = self.prices.iter().rev();
        prices
            .find(|(from, _)| *from <= at)
            .map(|(_, price)| *price)
    }

    /// Pieces that should be there by the book and its last count, reserved ones among them.
    pub fn on_hand(&self) -> u32 {
        let book = self.difference.saturating_add(i64::from(self.received));
        let book = book.saturating_sub(i64::from(self.issued));
        u32::try_from(book.max(0)).unwrap_or(u32::MAX)
    }

    /// Pieces reserved.
    pub fn reserved(&self) -> u32 {
        u32::try_from(self.reserved.len()).unwrap_or(u32::MAX)
    }

    /// How many can be reserved on a day of the community's calendar: pieces that nobody has
    /// reserved, or what is left of the quota. Without a quota a service cannot be had.
    pub fn available(&self, day: NaiveDate) -> u32 {
        if self.kind.is_none_or(super::RewardKind::has_stock) {
            return self.on_hand().saturating_sub(self.reserved());
        }
        self.quota.map_or(0, |quota| {
            let days = self.uses.values();
            let count = days.filter(|other| quota.same_period(**other, day)).count();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            // Without a period every use counts, however old.
            let before = quota.period.map_or(self.used_before, |_| 0);
            quota.count.saturating_sub(count.saturating_add(before))
        })
    }

    pub(super) fn take(&mut self, event: &Event, stamp: &Stamp) {
        match event {
            Event::ItemDrafted {
                community,
                name,
                kind,
                price,
                funding_source,
                ..
            } => {
                self.state = ItemState::Draft;
                self.community = Some(*community);
                self.name.clone_from(name);
                self.kind = Some(*kind);
                self.funding_source.clone_from(funding_source);
                self.prices = vec![(stamp.occurred_at, *price)];
            }
            Event::ItemListed { .. } | Event::ItemResumed { .. } => self.state = ItemState::Listed,
            Event::ItemPaused { .. } => self.state = ItemState::Paused,
            Event::ItemRetired { .. } => self.state = ItemState::Retired,
            Event::PriceChanged { price, from, .. } => {
                // In place of those that were to hold from then on, so they rise.
                self.prices.retain(|(other, _)| other < from);
                self.prices.push((*from, *price));
                let old = self.prices.len().saturating_sub(PRICES_MAX);
                let in_force = |(from, _): &(Instant, u32)| *from <= stamp.occurred_at;
                let keep = self.prices.iter().rposition(in_force).unwrap_or(0);
                self.prices.drain(..old.min(keep));
            }
            Event::QuotaSet { quota, .. } => self.quota = Some(*quota),
            Event::PerPersonLimitSet { limit, .. } => self.per_person = Some(*limit),
            Event::StockReceived { count, .. } => {
                self.received = self.received.saturating_add(*count);
            }
            Event::StockCounted {
                counted,
                difference,
                ..
            } => {
                self.difference = self.difference.saturating_add(*difference);
                self.counted = Some((stamp.occurred_at, *counted));
            }
            Event::StockReserved { redemption, day } => {
                self.reserved.insert(*redemption);
                let before = self.uses.len();
                self.uses
                    .retain(|_, use_day| (*day - *use_day).num_days() <= USE_DAYS_MAX);
                let old = u32::try_from(before - self.uses.len()).unwrap_or(u32::MAX);
                self.used_before = self.used_before.saturating_add(old);
                if !self.kind.is_none_or(super::RewardKind::has_stock) {
                    self.uses.insert(*redemption, *day);
                }
            }
            Event::StockReleased { redemption } => {
                self.reserved.remove(redemption);
                self.uses.remove(redemption);
            }
            Event::StockIssued { redemption } => {
                self.reserved.remove(redemption);
                self.issued = self.issued.saturating_add(1);
            }
            Event::StockReturned { redemption } => {
                self.issued = self.issued.saturating_sub(1);
                self.uses.remove(redemption);
            }
        }
    }
}
