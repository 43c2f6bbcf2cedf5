//! What happens to an account: postings, each naming the lots it concerns.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Activity, LotPart};
use crate::envelope::Instant;
use crate::ids::{PersonId, RedemptionId};
use crate::personal::Personal;

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Points were granted as a lot (value date: the activity's `occurred_at`).
    AwardGranted {
        /// Its id, [`super::award_id`].
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
    /// An activity was verified again with another result (value date: its `occurred_at`).
    AwardRevised {
        /// Which award.
        award: Uuid,
        /// Points more, or less.
        delta: i32,
        /// Position of the event that verified it again.
        fact: u64,
        /// Minutes verified now.
        minutes: u32,
        /// Who verified it.
        verified_by: PersonId,
        /// Of which policy set (`name/version`).
        policy_set: String,
        /// In a sentence.
        why: String,
        /// When its points can be spent, if that begins anew: nothing of it was left or gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vests_at: Option<Instant>,
        /// When they expire; counts only beside `vests_at`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Instant>,
    },
    /// An activity without an award was found not to count (value date: its `occurred_at`): what
    /// verified it before brings none any more.
    ActivityVoided {
        /// Which.
        activity: Uuid,
        /// Position of the event that found it.
        fact: u64,
        /// Who did.
        verified_by: PersonId,
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
    /// Of what was revised away or taken back, so much was gone: the account owes it. What is held
    /// is not gone before it is spent.
    PointsOwed {
        /// Of which award.
        award: Uuid,
        /// How many.
        points: u32,
    },
    /// What is owed was paid out of other points.
    DebtRepaid {
        /// Out of which lots.
        lots: Vec<LotPart>,
    },
    /// Points came back to an award that owed them: so much less is owed.
    DebtWithdrawn {
        /// Of which award.
        award: Uuid,
        /// How many points less it owes.
        points: u32,
        /// What of them others had paid, given back to these lots.
        lots: Vec<LotPart>,
    },
    /// Points were set aside for a redemption.
    PointsHeld {
        /// For which.
        redemption: RedemptionId,
        /// Out of which lots, the earliest expiry first.
        lots: Vec<LotPart>,
    },
    /// They were given free again.
    HoldReleased {
        /// Of which redemption.
        redemption: RedemptionId,
        /// To which lots.
        lots: Vec<LotPart>,
    },
    /// They were spent.
    PointsSpent {
        /// On which redemption.
        redemption: RedemptionId,
        /// Out of which lots.
        lots: Vec<LotPart>,
    },
    /// What was redeemed came back, and so did the points.
    PointsReturned {
        /// Of which redemption.
        redemption: RedemptionId,
        /// To which lots.
        lots: Vec<LotPart>,
    },
    /// What was left of a lot that is dead, posted when a debit touched it (value date: its expiry).
    PointsExpired {
        /// Which lot.
        lot: Uuid,
        /// How many points.
        points: u32,
    },
    /// The account can spend nothing.
    AccountFrozen {
        /// Why.
        reason: Personal,
        /// Who did it.
        frozen_by: PersonId,
    },
    /// It can spend again.
    AccountUnfrozen {
        /// Who did it.
        unfrozen_by: PersonId,
    },
}
