//! What can be asked of a reward item.

use serde::Serialize;

use super::{Bound, RewardKind};
use crate::envelope::Instant;
use crate::ids::{RewardItemId, UnitId};

/// A command and the item it is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Command {
    /// Which item; of a draft a random id, given by the caller.
    pub item: RewardItemId,
    /// What is asked.
    pub ask: Ask,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Ask {
    /// Prepare an item.
    DraftItem {
        /// The community that offers it.
        community: UnitId,
        /// What it is called, 1..=200 bytes.
        name: String,
        /// What sort it is; never changes.
        kind: RewardKind,
        /// Points for one, 1..=1,000,000.
        price: u32,
        /// Who pays for it, 1..=200 bytes.
        funding_source: String,
    },
    /// Offer it.
    OfferItem,
    /// Do not offer it for a while; what is reserved stays so.
    PauseItem,
    /// Offer it again.
    ResumeItem,
    /// Do not offer it any more; what is reserved stays so.
    RetireItem,
    /// Set another price; what is reserved keeps its own.
    ChangePrice {
        /// Points for one, 1..=1,000,000.
        price: u32,
        /// From when on; now if absent.
        from: Option<Instant>,
    },
    /// Say how often a service can be had.
    SetQuota {
        /// So many in each period.
        quota: Bound,
    },
    /// Say how often one person can have it.
    SetPerPersonLimit {
        /// So many in each period, or at all.
        limit: Bound,
    },
    /// Record pieces that came in.
    ReceiveStock {
        /// How many, 1..=1,000,000.
        count: u32,
        /// SHA-256 of the delivery note, if there is one.
        paper: Option<[u8; 32]>,
    },
    /// Record how many pieces are there, reserved ones among them.
    CountStock {
        /// How many, 0..=1,000,000.
        counted: u32,
    },
}
