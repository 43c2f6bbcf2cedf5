//! `OpenItem`: who answers for an open item of a unit that was split or merged.
//!
//! ```text
//! (answered for by its unit, then by whoever takes over the rest) ──Reassigned──> by another successor
//! ```
//! Owns the rule that every open item has exactly one owner: the unit it was filed in while that
//! stands; after its end the successor that the item was given to, else the one that takes the rest;
//! and so on down the succession. The item's own history is not touched: it keeps the unit it was
//! filed in, and its rules. Its key is `<kind>/<id>`; an item that was never given has no stream.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::campaign::Campaign;
use crate::dispute::{Dispute, DisputeState};
use crate::envelope::{Envelope, Instant};
use crate::hazard::Hazard;
use crate::ids::{CampaignId, DisputeId, HazardId, PersonId, ShiftId, UnitId};
use crate::member::Member;
use crate::patrol_shift::{PatrolShift, ShiftState};
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::unit::{SUCCESSIONS_MAX, Unit};
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Something that somebody must still deal with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// A hazard.
    Hazard(HazardId),
    /// A dispute.
    Dispute(DisputeId),
    /// A patrol shift.
    Shift(ShiftId),
    /// A campaign wave.
    Campaign(CampaignId),
}

impl fmt::Display for Item {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hazard(id) => write!(formatter, "hazard/{id}"),
            Self::Dispute(id) => write!(formatter, "dispute/{id}"),
            Self::Shift(id) => write!(formatter, "patrol_shift/{id}"),
            Self::Campaign(id) => write!(formatter, "campaign/{id}"),
        }
    }
}

impl Item {
    /// The unit it was filed in, and whether somebody must still deal with it; `None` if there is
    /// no such item.
    fn filed(self, world: &World) -> Result<Option<(UnitId, bool)>, Stop> {
        let found = match self {
            Self::Hazard(id) => {
                let hazard = world.state::<Hazard>(id)?;
                hazard.unit.map(|unit| (unit, hazard.state.is_open()))
            }
            Self::Dispute(id) => {
                let dispute = world.state::<Dispute>(id)?;
                let open = dispute.state != DisputeState::Archived;
                dispute.community.map(|community| (community, open))
            }
            Self::Shift(id) => {
                let shift = world.state::<PatrolShift>(id)?;
                let open = matches!(
                    shift.state,
                    ShiftState::Planned
                        | ShiftState::InProgress
                        | ShiftState::Completed
                        | ShiftState::Filed
                );
                shift.plan.as_ref().map(|plan| (plan.community, open))
            }
            Self::Campaign(id) => {
                let campaign = world.state::<Campaign>(id)?;
                let open = campaign.is_open();
                campaign.community.map(|community| (community, open))
            }
        };
        Ok(found)
    }
}

/// To whom an item was given, by the unit that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenItem {
    /// Successors with the instant from which on each answers, in the order they were named.
    given: BTreeMap<UnitId, Vec<(Instant, UnitId)>>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Give an open item of a unit that is or will be split to one of the successors.
    ReassignOpenItem {
        /// Which item.
        item: Item,
        /// The successor.
        to: UnitId,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A successor answers for it.
    OpenItemReassigned {
        /// Which item.
        item: Item,
        /// The unit that ends.
        from: UnitId,
        /// The successor.
        to: UnitId,
        /// From when on: now, or the end of the unit if that is later.
        effective_from: Instant,
        /// Who decided it.
        reassigned_by: PersonId,
    },
}

refusals! {
    /// Why it is refused.
    ItemNotFound = NotFound, "item", "There is no such item.";
    ItemNotOpen = WrongState, "item", "Nobody must deal with this item any more; it stays with the unit it was filed in.";
    UnitNotSplit = WrongState, "item", "The unit that answers for this item is neither split nor merged.";
    NotASuccessor = Invalid, "to_unit_id", "Only a unit that takes over from the item's unit can be given it.";
    ItemIsThere = WrongState, "to_unit_id", "This unit answers for the item already.";
    TooManyReassignments = WrongState, "item", "An item is given to another successor at most 20 times.";
}

/// Most times that an item of one unit is given to a successor.
pub const REASSIGNMENTS_MAX: usize = 20;

impl OpenItem {
    /// The successor that an ended unit's item was given to, as of an instant.
    pub fn successor(&self, of: UnitId, at: Instant) -> Option<UnitId> {
        let given = self.given.get(&of)?;
        let last = given.iter().rev().find(|(from, _)| *from <= at)?;
        Some(last.1)
    }

    /// Who answers at an instant for an item that was filed in a unit.
    ///
    /// # Errors
    /// Those of the look-up.
    pub fn owner<U: Deref<Target = Unit>, E>(
        &self,
        filed: UnitId,
        at: Instant,
        look_up: &impl Fn(UnitId) -> Result<Option<U>, E>,
    ) -> Result<UnitId, E> {
        let mut here = filed;
        for _ in 0..SUCCESSIONS_MAX {
            let rest = look_up(here)?.and_then(|unit| unit.ended(at).map(|end| end.rest));
            match rest {
                Some(rest) => here = self.successor(here, at).unwrap_or(rest),
                None => break,
            }
        }
        Ok(here)
    }

    /// Takes in that it was given to a successor.
    pub fn take(&mut self, event: &Event) {
        let Event::OpenItemReassigned {
            from,
            to,
            effective_from,
            ..
        } = event;
        let given = self.given.entry(*from).or_default();
        let place = given.partition_point(|(other, _)| other <= effective_from);
        given.insert(place, (*effective_from, *to));
    }
}

/// The unit that answers now for an item that was filed in a unit.
///
/// # Errors
/// `Need` only.
pub fn owner(world: &World, item: Item, filed: UnitId, at: Instant) -> Result<UnitId, Stop> {
    // While the unit stands, the item has no stream that could say otherwise.
    if world.state::<Unit>(filed)?.ended(at).is_none() {
        return Ok(filed);
    }
    let given = world.state::<OpenItem>(item)?;
    given.owner(filed, at, &|unit| world.state::<Unit>(unit).map(Some))
}

/// The unit on the item's way whose successors include `to`, with its end and who answers for the
/// item after that end.
fn predecessor(
    world: &World,
    given: &OpenItem,
    filed: UnitId,
    to: UnitId,
) -> Result<(UnitId, Instant, UnitId), Stop> {
    let mut here = filed;
    for _ in 0..SUCCESSIONS_MAX {
        let unit = world.state::<Unit>(here)?;
        let Some(end) = &unit.end else { break };
        let last = given.given.get(&here).and_then(|given| given.last());
        let successor = last.map_or(end.rest, |(_, to)| *to);
        if end.into.contains(&to) {
            return Ok((here, end.at, successor));
        }
        here = successor;
    }
    Err(if here == filed {
        Refusal::UnitNotSplit.into()
    } else {
        Refusal::NotASuccessor.into()
    })
}

impl Aggregate for OpenItem {
    const CATEGORY: &'static str = "open_item";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        let Command::ReassignOpenItem { item, .. } = command;
        Self::stream(item)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let Command::ReassignOpenItem { item, to } = command;
        let Some((filed, open)) = item.filed(world)? else {
            return Err(Refusal::ItemNotFound.into());
        };
        let owner = owner(world, *item, filed, cx.now)?;
        let (reassigned_by, _) = Member::approver(world, owner, cx)?;
        if !open {
            return Err(Refusal::ItemNotOpen.into());
        }
        let given = world.state::<Self>(item)?;
        let (from, end, successor) = predecessor(world, &given, filed, *to)?;
        if successor == *to {
            return Err(Refusal::ItemIsThere.into());
        }
        if given.given.get(&from).map_or(0, Vec::len) >= REASSIGNMENTS_MAX {
            return Err(Refusal::TooManyReassignments.into());
        }
        let mut envelope = Envelope::at(cx.now);
        envelope.unit = Some(owner.0);
        let event = Event::OpenItemReassigned {
            item: *item,
            from,
            to: *to,
            effective_from: end.max(cx.now),
            reassigned_by,
        };
        Ok(Decision::new().with::<Self>(item, event, envelope))
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        self.take(event);
    }
}

#[cfg(test)]
#[path = "open_item_tests.rs"]
mod tests;
