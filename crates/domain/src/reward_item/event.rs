//! What happens to a reward item.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Bound, RewardKind};
use crate::envelope::Instant;
use crate::ids::{PersonId, RedemptionId, UnitId};

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// An item was prepared.
    ItemDrafted {
        /// The community that offers it.
        community: UnitId,
        /// What it is called.
        name: String,
        /// What sort it is.
        kind: RewardKind,
        /// Points for one.
        price: u32,
        /// Who pays for it.
        funding_source: String,
        /// Who prepared it.
        drafted_by: PersonId,
    },
    /// It can be redeemed.
    ItemListed {
        /// What sort it is.
        kind: RewardKind,
        /// Points for one, now.
        price: u32,
        /// Who pays for it.
        funding_source: String,
        /// Who listed it.
        listed_by: PersonId,
    },
    /// It cannot be redeemed for a while.
    ItemPaused {
        /// Who did it.
        paused_by: PersonId,
    },
    /// It can be redeemed again.
    ItemResumed {
        /// Who did it.
        resumed_by: PersonId,
    },
    /// It cannot be redeemed any more.
    ItemRetired {
        /// Who did it.
        retired_by: PersonId,
    },
    /// Another price was set.
    PriceChanged {
        /// Points for one.
        price: u32,
        /// From when on.
        from: Instant,
        /// Who did it.
        changed_by: PersonId,
    },
    /// A service can be had so often.
    QuotaSet {
        /// How often.
        quota: Bound,
        /// Who did it.
        set_by: PersonId,
    },
    /// One person can have it so often.
    PerPersonLimitSet {
        /// How often.
        limit: Bound,
        /// Who did it.
        set_by: PersonId,
    },
    /// Pieces came in (delivery note in the envelope's evidence).
    StockReceived {
        /// How many.
        count: u32,
        /// Who took them.
        received_by: PersonId,
    },
    /// The pieces that are there were counted.
    StockCounted {
        /// How many there are.
        counted: u32,
        /// By how many that is more than the book said, or less.
        difference: i64,
        /// Who counted.
        counted_by: PersonId,
    },
    /// A piece, or a use of the quota, was set aside.
    StockReserved {
        /// For which redemption.
        redemption: RedemptionId,
        /// On which day of the community's calendar.
        day: NaiveDate,
    },
    /// It was given free again.
    StockReleased {
        /// Of which redemption.
        redemption: RedemptionId,
    },
    /// It was handed over.
    StockIssued {
        /// For which redemption.
        redemption: RedemptionId,
    },
    /// It came back.
    StockReturned {
        /// Of which redemption.
        redemption: RedemptionId,
    },
}
