//! Redemption: points for an item, from the reservation to the hand-over (兑换、核销).
//!
//! ```text
//! (nothing) ──RedemptionRequested, RedemptionReserved──> Reserved ──PickupReadied──> ReadyForPickup
//!                                                           │ Cancelled, Expired, Failed │
//!                                                           ▼                            ▼
//!                                 given free again <────────┴────────────────┘      Fulfilled ──> Returned
//! ```
//! Owns the life of a redemption and its time-outs. A request and its reservation are one commit:
//! points, stock and the person's limit together, or nothing. The person confirms within minutes
//! and gets a one-time code, shown once and stored as a hash; who lost it asks for another. A clerk
//! who is not the beneficiary hands over against the code. Whoever redeems acts in person: nobody
//! spends another's points. The table of states and commands stands in
//! `docs/state-machines/redemption.md`, written by the tests.

mod case;
mod code;
mod command;
mod event;
mod rules;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use code::{CODE_BYTES, Code, CodeHash};
pub use command::{Ask, Command};
pub use event::Event;
pub use rules::RedemptionRules;

use crate::envelope::Instant;
use crate::ids::{PersonId, RewardItemId, UnitId};
use crate::member::Member;
use crate::refusal::{Stop, refusals};
use crate::reward_item::CLERKS;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 500;

/// Where a redemption stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RedemptionState {
    /// There is none.
    #[default]
    Unknown,
    /// Points, a piece and a use of the limit are set aside; the person has not confirmed.
    Reserved,
    /// Confirmed; waits to be handed over against the code.
    ReadyForPickup,
    /// Handed over; the points are spent.
    Fulfilled,
    /// The person, or a clerk, did not want it any more.
    Cancelled,
    /// Nobody came in time.
    Expired,
    /// It could not be handed over.
    Failed,
    /// It came back, and so did the points.
    Returned,
}

impl RedemptionState {
    /// All of them, in the order of a life.
    pub const ALL: &'static [Self] = &[
        Self::Unknown,
        Self::Reserved,
        Self::ReadyForPickup,
        Self::Fulfilled,
        Self::Cancelled,
        Self::Expired,
        Self::Failed,
        Self::Returned,
    ];

    /// Whether something is set aside for it.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Reserved | Self::ReadyForPickup)
    }
}

/// State of a redemption: what its rules need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redemption {
    /// Where it stands.
    pub state: RedemptionState,
    /// For what.
    pub item: Option<RewardItemId>,
    /// Whose points.
    pub person: Option<PersonId>,
    /// The community that offers the item.
    pub community: Option<UnitId>,
    /// How many points: the price at the reservation.
    pub points: u32,
    /// Until when it is held.
    pub held_until: Option<Instant>,
    /// The hash of the code that is good.
    pub code: Option<CodeHash>,
    /// Who handed it over, and when.
    pub fulfilled: Option<(PersonId, Instant)>,
}

refusals! {
    /// Why it is refused.
    RedemptionNotFound = NotFound, "redemption_id", "There is no redemption with this id.";
    RedemptionAlreadyRequested = AlreadyExists, "redemption_id", "There is a redemption with this id already.";
    RedemptionNotReserved = WrongState, "redemption_id", "This needs a reservation that is not confirmed yet.";
    RedemptionNotReady = WrongState, "redemption_id", "This needs a redemption that waits to be picked up.";
    RedemptionNotHeld = WrongState, "redemption_id", "Nothing is set aside for this redemption any more.";
    RedemptionNotFulfilled = WrongState, "redemption_id", "Only what was handed over is returned.";
    HoldHasExpired = WrongState, "redemption_id", "The time to confirm or to pick up is over.";
    HoldNotExpired = WrongState, "redemption_id", "The time to confirm or to pick up is not over.";
    NoRedemptionRules = WrongState, "item_id", "The policy set in force here has no rules of redemption.";
    PerPersonLimitReached = WrongState, "item_id", "This person has had as many of this item as one person may.";
    NotTheBeneficiary = NotAllowed, "", "Only the person whose points they are does this.";
    ClerkIsBeneficiary = NotAllowed, "", "Nobody hands over to themselves, or takes back their own.";
    ClerkNotAllowed = NotAllowed, "", "This needs a clerk, captain or instructor of the community, or an administrator.";
    ReturnerHandedItOver = NotAllowed, "", "Who handed it over does not take it back.";
    CodeDoesNotMatch = NotAllowed, "code", "This is not the code of this redemption.";
    CodeMissing = Invalid, "code", "A code is needed.";
    ReturnTooLate = WrongState, "redemption_id", "The time to return it is over.";
    ReasonNotAllowed = Invalid, "reason", "A reason is 1 to 500 bytes.";
}

/// In which states a command can be taken at all, and what it is answered elsewhere.
fn gate(state: RedemptionState, ask: &Ask) -> Result<(), Refusal> {
    use RedemptionState as S;
    use Refusal as R;
    let (allowed, otherwise) = match ask {
        Ask::RequestRedemption { .. } => (state == S::Unknown, R::RedemptionAlreadyRequested),
        _ if state == S::Unknown => (false, R::RedemptionNotFound),
        Ask::ConfirmRedemption { .. } => (state == S::Reserved, R::RedemptionNotReserved),
        Ask::RenewCode { .. } | Ask::FulfilRedemption { .. } => {
            (state == S::ReadyForPickup, R::RedemptionNotReady)
        }
        Ask::CancelRedemption { .. } | Ask::FailRedemption { .. } | Ask::ExpireRedemption => {
            (state.holds(), R::RedemptionNotHeld)
        }
        Ask::ReturnRedemption { .. } => (state == S::Fulfilled, R::RedemptionNotFulfilled),
    };
    if allowed { Ok(()) } else { Err(otherwise) }
}

impl Redemption {
    /// Whether a member hands over what the community offers, at an instant. They, the beneficiary
    /// and administrators may know of a redemption; nobody else.
    pub fn is_handed_over_by(member: &Member, at: Instant) -> bool {
        CLERKS.iter().any(|role| member.holds(*role, at))
    }
}

impl Aggregate for Redemption {
    const CATEGORY: &'static str = "redemption";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        Self::stream(command.redemption)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let redemption = world.state::<Self>(command.redemption)?;
        gate(redemption.state, &command.ask)?;
        case::decide(command, &redemption, world, cx)
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        use RedemptionState as S;
        match event {
            Event::RedemptionRequested {
                item,
                person,
                community,
            } => {
                self.item = Some(*item);
                self.person = Some(*person);
                self.community = Some(*community);
            }
            Event::RedemptionReserved {
                points, held_until, ..
            } => {
                self.state = S::Reserved;
                self.points = *points;
                self.held_until = Some(*held_until);
            }
            Event::PickupReadied {
                code, held_until, ..
            } => {
                self.state = S::ReadyForPickup;
                self.code = Some(code.clone());
                self.held_until = Some(*held_until);
            }
            Event::CodeRenewed { code } => self.code = Some(code.clone()),
            Event::RedemptionFulfilled { fulfilled_by } => {
                self.state = S::Fulfilled;
                self.fulfilled = Some((*fulfilled_by, stamp.occurred_at));
            }
            Event::RedemptionCancelled { .. } => self.state = S::Cancelled,
            Event::RedemptionExpired { .. } => self.state = S::Expired,
            Event::RedemptionFailed { .. } => self.state = S::Failed,
            Event::RedemptionReturned { .. } => self.state = S::Returned,
        }
        if !self.state.holds() {
            self.code = None;
        }
    }
}
