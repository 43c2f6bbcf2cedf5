//! Account: the points of a person, as lots (积分账户).
//!
//! ```text
//! lot: granted (pending until vests_at) ──time──> vested ──time──> expired
//!        │ AwardRevised: more, or less            │  ▲ HoldReleased
//!        │ AwardReversed: taken back              ▼  │
//!        │                                       held ──PointsSpent──> spent
//!        │                                        ▲                      │ PointsReturned
//!        └─ what was gone by then: PointsOwed     └────── vested <───────┘
//! account: open ⇄ frozen (spends nothing)
//! ```
//! Owns postings: every debit names the lots it takes from. Balances follow from postings alone; a
//! rule change never moves one. Vesting and expiry are computed at their instant; expiry is posted
//! when a debit touches a dead lot. What a redemption is, is not its business. Points never go
//! from one person to another.

mod awards;
mod command;
mod earner;
mod event;
mod evolve;
mod lot;
mod posting;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use command::{Command, ReversalMode};
pub use event::Event;
pub use lot::{Balance, Lot, LotPart, Totals};
pub(crate) use posting::Posting;
pub use posting::{EXPIRIES_PER_DEBIT_MAX, LOTS_PER_DEBIT_MAX};

use crate::envelope::Instant;
use crate::ids::{PersonId, RedemptionId, UnitId, derived};
use crate::policy_set::ActivityFamily;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// The verified activity that an award is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its family.
    pub family: ActivityFamily,
    /// The shift's, campaign's or dispute's id: with the person it names the participation. Of a
    /// lead a random contribution, never the lead's id.
    pub id: Uuid,
    /// Position of the event that verified it; of a lead, to which no account leads, the number of
    /// the finding: 0 valid, 1 overtaken.
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

/// State of an account: its lots, what is set aside and spent, and totals that check them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// By award.
    pub lots: BTreeMap<Uuid, Lot>,
    /// What is set aside, by redemption.
    pub holds: BTreeMap<RedemptionId, Vec<LotPart>>,
    /// Activities without an award that do not count, by the position of what found so last.
    pub voided: BTreeMap<Uuid, u64>,
    /// What was spent and not returned, by redemption.
    pub spent_on: BTreeMap<RedemptionId, Vec<LotPart>>,
    /// It can spend nothing.
    pub is_frozen: bool,
    /// Everything posted, kept event by event.
    pub totals: Totals,
}

refusals! {
    /// Why it is refused.
    AwardAlreadyGranted = AlreadyExists, "activity", "This activity has brought this person its award already.";
    NoRuleForActivity = WrongState, "activity", "The policy set in force at the time has no rule for this family of activity.";
    KindEarnsNothing = WrongState, "person_id", "This rule gives nothing to this kind of member.";
    VerifierIsBeneficiary = NotAllowed, "activity", "Nobody is awarded for what they verified themselves.";
    VestingOutOfRange = WrongState, "activity", "The policy set's vesting or expiry lies beyond every calendar.";
    RevisionOutOfRange = WrongState, "activity", "The award and what the activity gives differ by more than an account can revise.";
    RevisionOutdated = WrongState, "activity", "The award follows a later verification of this activity already.";
    AwardNotFound = NotFound, "award_id", "This account has no award with this id.";
    AwardAlreadyReversed = WrongState, "award_id", "This award is taken back already.";
    AwardAlreadyVested = WrongState, "award_id", "Only an award that is still pending may be taken back this way.";
    AwardExpired = WrongState, "award_id", "This award has expired; there is nothing to take back.";
    BalanceTooSmall = WrongState, "mode", "What is gone of this award exceeds what else can be spent; only a reversal into debt takes it back.";
    ReverserIsBeneficiary = NotAllowed, "person_id", "Nobody takes back an award of their own.";
    ReverserNotAllowed = NotAllowed, "", "Awards are taken back by an administrator, or by a captain or instructor of the unit where they were earned.";
    ReasonNotAllowed = Invalid, "reason", "A reason is 1 to 4,000 bytes.";
    PointsNotEnough = WrongState, "person_id", "The account has fewer points that can be spent than this takes.";
    TooManyLots = WrongState, "person_id", "One debit takes from at most 500 lots.";
    AccountNotFound = NotFound, "person_id", "This person has no account yet.";
    AccountNotConserved = WrongState, "person_id", "The lots of this account do not add up to what was posted; nothing is moved before that is looked into.";
    AccountIsFrozen = WrongState, "person_id", "This account is frozen; it spends nothing.";
    AccountNotFrozen = WrongState, "person_id", "This account is not frozen.";
    FreezerIsBeneficiary = NotAllowed, "person_id", "Nobody freezes or unfreezes an account of their own.";
    FreezerNotAllowed = NotAllowed, "", "Accounts are frozen and unfrozen by an administrator, or by a captain or instructor of a unit where points were earned.";
}

impl Aggregate for Account {
    const CATEGORY: &'static str = "account";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        Self::stream(command.person())
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        match command {
            Command::GrantAward { person, activity } => awards::grant(*person, activity, world, cx),
            Command::ReviseAward {
                person,
                activity,
                voided,
            } => awards::revise(*person, activity, *voided, world, cx),
            Command::ReverseAward { .. } => awards::reverse(command, world, cx),
            Command::FreezeAccount { .. } | Command::UnfreezeAccount { .. } => {
                awards::freeze(command, world, cx)
            }
        }
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        self.take(event);
    }
}

#[cfg(test)]
mod tests;
