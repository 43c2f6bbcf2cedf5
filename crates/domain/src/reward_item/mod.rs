//! `RewardItem`: something that points are redeemed for, with its price and its stock (兑换物品).
//!
//! ```text
//! (nothing) ──ItemDrafted──> Draft ──ItemListed──> Listed ⇄ Paused
//!                              └────────ItemRetired──┴───┴──> Retired
//! ```
//! Owns price, stock, quota and the per-person limit of an item. Goods have a stock: what is
//! reserved and issued never exceeds what was received and counted. Services have a quota for each
//! period instead. The price is the one at the reservation. Reservations, issues and returns are
//! written by a redemption's decision; whose they are is not the item's business, so a person's use
//! of it stands in [`crate::reward_use`].

mod command;
mod event;
mod keeping;
mod stock;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use command::{Ask, Command};
pub use event::Event;
pub(crate) use keeping::CLERKS;

use crate::envelope::Instant;
use crate::ids::{RedemptionId, UnitId};
use crate::policy_set::Period;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Longest name, and longest name of a funding source, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Highest price, in points.
pub const PRICE_MAX: u32 = 1_000_000;
/// Most pieces received or counted at once, and highest quota or limit.
pub const COUNT_MAX: u32 = 1_000_000;
/// Prices that are kept, the one in force and those to come first; older ones stand in the events.
pub const PRICES_MAX: usize = 50;
/// Most days between setting a price and its first day.
pub const PRICE_AHEAD_DAYS_MAX: i64 = 366;
/// Days for which the uses of a service are kept: more than its longest period.
pub const USE_DAYS_MAX: i64 = 400;

/// What sort of reward it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RewardKind {
    /// 物品, handed over at the station.
    Goods,
    /// 公益服务 of a partner, such as a haircut.
    PartnerService,
    /// 物业费减免, borne or repaid by a third party.
    FeeReduction,
}

impl RewardKind {
    /// Whether there is a stock of it; else there is a quota.
    pub const fn has_stock(self) -> bool {
        matches!(self, Self::Goods)
    }
}

/// Where an item stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// There is none.
    #[default]
    Unknown,
    /// Not yet shown.
    Draft,
    /// Can be redeemed.
    Listed,
    /// Cannot be redeemed for a while.
    Paused,
    /// Cannot be redeemed any more.
    Retired,
}

impl ItemState {
    /// All of them, in the order of a life.
    pub const ALL: &'static [Self] = &[
        Self::Unknown,
        Self::Draft,
        Self::Listed,
        Self::Paused,
        Self::Retired,
    ];
}

/// So many in a period; without a period, so many at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// In each of these periods of the community's calendar.
    pub period: Option<Period>,
    /// So many, from 1.
    pub count: u32,
}

impl Bound {
    /// Whether two days lie in the same period of it.
    pub fn same_period(&self, one: NaiveDate, other: NaiveDate) -> bool {
        let key = |day| {
            self.period
                .map(|period| crate::award::period_key(period, day))
        };
        key(one) == key(other)
    }
}

/// State of an item: what its rules need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewardItem {
    /// Where it stands.
    pub state: ItemState,
    /// The community that offers it.
    pub community: Option<UnitId>,
    /// What it is called.
    pub name: String,
    /// What sort it is.
    pub kind: Option<RewardKind>,
    /// Who pays for it.
    pub funding_source: String,
    /// Prices by the instant from which they hold, rising.
    pub prices: Vec<(Instant, u32)>,
    /// Pieces received.
    pub received: u32,
    /// Pieces reserved, by redemption.
    pub reserved: BTreeSet<RedemptionId>,
    /// Pieces issued and not returned.
    pub issued: u32,
    /// What all counts found more than the book said, or less.
    pub difference: i64,
    /// When it was counted last, and how many there were.
    pub counted: Option<(Instant, u32)>,
    /// How often a service can be had.
    pub quota: Option<Bound>,
    /// When a service was had, by redemption: reserved or issued.
    pub uses: BTreeMap<RedemptionId, NaiveDate>,
    /// How often it was had so long ago that no period counts it.
    #[serde(default)]
    pub used_before: u32,
    /// How often one person can have it.
    pub per_person: Option<Bound>,
}

refusals! {
    /// Why it is refused.
    ItemNotFound = NotFound, "item_id", "There is no reward item with this id.";
    ItemAlreadyDrafted = AlreadyExists, "item_id", "There is a reward item with this id already.";
    ItemNotDraft = WrongState, "item_id", "Only a draft is listed.";
    ItemNotListed = WrongState, "item_id", "This item cannot be redeemed now: it is not listed.";
    ItemNotPaused = WrongState, "item_id", "Only a paused item is listed again.";
    ItemRetired = WrongState, "item_id", "This item is retired.";
    CommunityNotFound = NotFound, "community_id", "There is no community with this id.";
    KeeperNotAllowed = NotAllowed, "", "Items and their prices are kept by an administrator, captain or instructor of the community.";
    ClerkNotAllowed = NotAllowed, "", "This needs a clerk, captain or instructor of the community, or an administrator.";
    NameNotAllowed = Invalid, "name", "A name is 1 to 200 bytes.";
    FundingSourceNotAllowed = Invalid, "funding_source", "A funding source is 1 to 200 bytes.";
    PriceNotAllowed = Invalid, "price", "A price is 1 to 1,000,000 points.";
    PriceInThePast = Invalid, "from", "A price holds from now on, or from later on.";
    PriceTooFarAhead = Invalid, "from", "A price is set at most 366 days ahead.";
    TooManyPrices = WrongState, "from", "At most 50 prices are kept, those to come among them.";
    CountNotAllowed = Invalid, "count", "A count is 1 to 1,000,000.";
    ItemHasNoStock = WrongState, "item_id", "Only goods have a stock; services have a quota.";
    ItemHasNoQuota = WrongState, "item_id", "Only services have a quota; goods have a stock.";
    OutOfStock = WrongState, "item_id", "Every piece is reserved or issued.";
    QuotaUsedUp = WrongState, "item_id", "The quota of this period is used up.";
    StockMissing = WrongState, "item_id", "By the last count no piece is left to be handed over.";
}

/// In which states a command can be taken at all, and what it is answered elsewhere.
fn gate(state: ItemState, ask: &Ask) -> Result<(), Refusal> {
    use ItemState as S;
    use Refusal as R;
    let (allowed, otherwise) = match ask {
        Ask::DraftItem { .. } => (state == S::Unknown, R::ItemAlreadyDrafted),
        _ if state == S::Unknown => (false, R::ItemNotFound),
        Ask::OfferItem => (state == S::Draft, R::ItemNotDraft),
        Ask::PauseItem => (state == S::Listed, R::ItemNotListed),
        Ask::ResumeItem => (state == S::Paused, R::ItemNotPaused),
        Ask::RetireItem
        | Ask::ChangePrice { .. }
        | Ask::SetQuota { .. }
        | Ask::SetPerPersonLimit { .. }
        | Ask::ReceiveStock { .. } => (state != S::Retired, R::ItemRetired),
        // What is left is counted also when nobody can have it any more.
        Ask::CountStock { .. } => (true, R::ItemRetired),
    };
    if allowed { Ok(()) } else { Err(otherwise) }
}

impl Aggregate for RewardItem {
    const CATEGORY: &'static str = "reward_item";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        Self::stream(command.item)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let item = world.state::<Self>(command.item)?;
        gate(item.state, &command.ask)?;
        keeping::decide(command, &item, world, cx)
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        self.take(event, stamp);
    }
}
