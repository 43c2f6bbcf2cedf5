//! What can be asked of a redemption.

use serde::Serialize;

use super::CodeHash;
use crate::ids::{RedemptionId, RewardItemId};

/// A command and the redemption it is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Command {
    /// Which redemption; of a request a random id, given by the caller.
    pub redemption: RedemptionId,
    /// What is asked.
    pub ask: Ask,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Ask {
    /// Set points, a piece and a use of the limit aside, for whoever acts.
    RequestRedemption {
        /// For what.
        item: RewardItemId,
    },
    /// Want it; by the person whose points they are.
    ConfirmRedemption {
        /// The hash of the code drawn for it. It is drawn anew for every call, so it is no part of
        /// what a repeat is compared by.
        #[serde(skip)]
        code: CodeHash,
    },
    /// Want another code; the one before is good no more. By the person whose points they are.
    RenewCode {
        /// The hash of the code drawn for it; see `ConfirmRedemption`.
        #[serde(skip)]
        code: CodeHash,
    },
    /// Hand it over against the code; by a clerk who is not that person.
    FulfilRedemption {
        /// The hash of the code as told.
        code: CodeHash,
    },
    /// Do not want it any more; by that person or a clerk.
    CancelRedemption {
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Record that it cannot be handed over; by a clerk who is not that person.
    FailRedemption {
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Record that nobody came in time; the timer does this.
    ExpireRedemption,
    /// Take it back and give the points back; by a clerk who is not that person and did not hand it
    /// over.
    ReturnRedemption {
        /// Why, 1..=500 bytes.
        reason: String,
    },
}
