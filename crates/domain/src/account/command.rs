//! What can be asked of an account. Holding and spending are asked of a redemption.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Activity;
use crate::ids::PersonId;
use crate::personal::Personal;

/// How far a reversal may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReversalMode {
    /// Only an award that is still pending.
    PendingOnly,
    /// Also a vested one, as long as what is gone of it can be taken from what else can be spent.
    WithinBalance,
    /// Whatever is gone of it; what nothing else can pay is owed.
    IntoDebt,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Grant what the rule gives for a verified activity; the reaction `award_points` does this.
    GrantAward {
        /// To whom.
        person: PersonId,
        /// For what.
        activity: Activity,
    },
    /// Bring an award to what an activity that was verified again gives; a reaction does this. An
    /// activity that has no award yet gets it.
    ReviseAward {
        /// Whose.
        person: PersonId,
        /// The activity as verified last: its `fact` is the position of that verification.
        activity: Activity,
        /// True if the activity does not count at all any more.
        voided: bool,
    },
    /// Take an award back; by another person.
    ReverseAward {
        /// From whom.
        person: PersonId,
        /// Which.
        award: Uuid,
        /// Why.
        reason: Personal,
        /// How far it may go.
        mode: ReversalMode,
    },
    /// Keep an account from spending; awards go on.
    FreezeAccount {
        /// Whose.
        person: PersonId,
        /// Why.
        reason: Personal,
    },
    /// Let it spend again.
    UnfreezeAccount {
        /// Whose.
        person: PersonId,
    },
}

impl Command {
    /// Whose account.
    pub const fn person(&self) -> PersonId {
        match self {
            Self::GrantAward { person, .. }
            | Self::ReviseAward { person, .. }
            | Self::ReverseAward { person, .. }
            | Self::FreezeAccount { person, .. }
            | Self::UnfreezeAccount { person } => *person,
        }
    }
}
