//! A rename or a move that was decided and does not hold yet is taken back.
//!
//! What has taken effect stays: whoever wants it otherwise renames or moves the unit again.

use serde::{Deserialize, Serialize};

use super::dated::Dated;
use super::{Event, Refusal, Unit};
use crate::envelope::{Envelope, Instant};
use crate::genesis::Genesis;
use crate::ids::UnitId;
use crate::refusal::Stop;
use crate::world::{Context, Decision, World};

/// Which of a unit's changes is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitChange {
    /// Another name.
    Name,
    /// Another unit above it.
    Parent,
}

fn begins<T>(values: &Dated<T>, at: Instant) -> bool {
    values.iter().any(|(from, _)| from == at)
}

impl Unit {
    /// Takes a change out; what held before it goes on to hold.
    pub(super) fn withdraw(&mut self, change: UnitChange, effective_from: Instant) {
        match change {
            UnitChange::Name => self.names.remove(effective_from),
            UnitChange::Parent => self.parents.remove(effective_from),
        }
    }
}

pub(super) fn decide(
    unit: UnitId,
    change: UnitChange,
    effective_from: Instant,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    let (by, _) = Genesis::administrator(world, cx)?;
    let state = Unit::existing(world, unit)?;
    let known = match change {
        UnitChange::Name => begins(&state.names, effective_from),
        UnitChange::Parent => begins(&state.parents, effective_from),
    };
    if !known {
        return Err(Refusal::ChangeNotFound.into());
    }
    if effective_from <= cx.now {
        return Err(Refusal::ChangeInEffect.into());
    }
    let mut envelope = Envelope::at(cx.now);
    envelope.unit = Some(unit.0);
    let event = Event::UnitChangeWithdrawn {
        change,
        effective_from,
        by,
    };
    Ok(Decision::new().with::<Unit>(unit, event, envelope))
}
