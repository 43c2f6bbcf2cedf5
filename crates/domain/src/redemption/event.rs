//! What happens to a redemption. Points, stock and use stand in events of their own, in one commit.

use serde::{Deserialize, Serialize};

use super::CodeHash;
use crate::envelope::Instant;
use crate::ids::{PersonId, RewardItemId, UnitId};

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Somebody wants an item.
    RedemptionRequested {
        /// Which.
        item: RewardItemId,
        /// Who.
        person: PersonId,
        /// The community that offers it.
        community: UnitId,
    },
    /// Points, a piece and a use of the limit are set aside.
    RedemptionReserved {
        /// How many points: the price at this instant.
        points: u32,
        /// Until when it must be confirmed.
        held_until: Instant,
        /// Policy set that says so, `name/version`.
        basis: String,
    },
    /// The person wants it; it can be picked up.
    PickupReadied {
        /// The hash of the one-time code.
        code: CodeHash,
        /// Until when it must be picked up.
        held_until: Instant,
        /// Policy set that says so, `name/version`.
        basis: String,
    },
    /// Another code was drawn; the one before is good no more.
    CodeRenewed {
        /// Its hash.
        code: CodeHash,
    },
    /// It was handed over.
    RedemptionFulfilled {
        /// By whom.
        fulfilled_by: PersonId,
    },
    /// It is not wanted any more.
    RedemptionCancelled {
        /// Why.
        reason: String,
        /// Who said so.
        cancelled_by: PersonId,
    },
    /// Nobody came in time.
    RedemptionExpired {
        /// Until when it was held.
        held_until: Instant,
    },
    /// It could not be handed over.
    RedemptionFailed {
        /// Why.
        reason: String,
        /// Who said so.
        failed_by: PersonId,
    },
    /// It came back, and so did the points.
    RedemptionReturned {
        /// Why.
        reason: String,
        /// Who took it.
        returned_by: PersonId,
    },
}
