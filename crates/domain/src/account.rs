//! Account: the points of a person, as lots (积分账户).
//!
//! ```text
//! lot: granted (pending until vests_at) ──time──> vested ──time──> expired
//!         └──────────────AwardReversed──────────────┘
//! ```
//! Owns postings: awards and their reversal. Balances follow from them alone; a rule change never
//! moves one. Vesting and expiry are computed at their instant and need no event.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::Instant;
use crate::ids::{PersonId, UnitId, derived};
use crate::personal::Personal;
use crate::policy_set::ActivityFamily;

/// The verified activity that an award is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its family.
    pub family: ActivityFamily,
    /// The shift's or campaign's id: with the person it names the participation.
    pub id: Uuid,
    /// Position of the event that verified it.
    pub fact: u64,
    /// When it happened.
    pub occurred_at: Instant,
    /// Where.
    pub unit: UnitId,
    /// Verified minutes.
    pub minutes: u32,
    /// Who verified it.
    pub verified_by: PersonId,
}

/// The id of the one award for an activity, person and rule.
pub fn award_id(activity: Uuid, person: PersonId, rule: &str) -> Uuid {
    derived("award", &[&activity, &person, &rule])
}

/// How far a reversal may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReversalMode {
    /// Only an award that is still pending.
    PendingOnly,
    /// Also a vested one, as long as nothing of it is spent.
    WithinBalance,
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
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Points were granted as a lot (value date: the activity's `occurred_at`).
    AwardGranted {
        /// Its id, [`award_id`].
        award: Uuid,
        /// To whom.
        person: PersonId,
        /// For what.
        activity: Activity,
        /// By which rule.
        rule: String,
        /// Of which policy set (`name/version`).
        policy_set: String,
        /// What the rule gives.
        computed: u32,
        /// What was granted.
        granted: u32,
        /// What a cap kept back: computed − granted.
        forgone: u32,
        /// In a sentence.
        why: String,
        /// When it can be spent.
        vests_at: Instant,
        /// When it expires.
        expires_at: Option<Instant>,
    },
    /// An award was taken back.
    AwardReversed {
        /// Which.
        award: Uuid,
        /// How many points.
        points: u32,
        /// Why.
        reason: Personal,
        /// Who did it.
        reversed_by: PersonId,
    },
}

// STUB-BEGIN
/// State.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {}

impl crate::world::Aggregate for Account {
    const CATEGORY: &'static str = "account";
    type Command = Command;
    type Event = Event;
    fn primary(_: &Command) -> crate::stream::StreamName {
        Self::stream("stub")
    }
    fn decide(
        _: &Command,
        _: &crate::world::World,
        _: &crate::world::Context,
    ) -> Result<crate::world::Decision, crate::refusal::Stop> {
        Ok(crate::world::Decision::new())
    }
    fn evolve(&mut self, _: &Event, _: &crate::world::Stamp) {}
}
// STUB-END
