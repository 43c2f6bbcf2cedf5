//! The tree of units as of a date: who is above whom, and who answers for a unit that is no more.
//!
//! Owns the walks. Whoever knows units (the world of a decision, a read model, a timer's list)
//! hands in how to look one up, so that all of them walk alike.

use std::ops::Deref;

use super::{DEPTH_MAX, Refusal, SUCCESSIONS_MAX, Unit};
use crate::envelope::Instant;
use crate::ids::UnitId;
use crate::refusal::Stop;
use crate::world::{Context, World};

/// The unit that answers at an instant for what was filed in a unit: itself, or, once it was split
/// or merged, whoever took over, in turn. A chain of successions ends after [`SUCCESSIONS_MAX`].
///
/// # Errors
/// Those of the look-up.
pub fn responsible<U: Deref<Target = Unit>, E>(
    unit: UnitId,
    at: Instant,
    look_up: &impl Fn(UnitId) -> Result<Option<U>, E>,
) -> Result<UnitId, E> {
    let mut here = unit;
    for _ in 0..SUCCESSIONS_MAX {
        let end = look_up(here)?.and_then(|unit| unit.ended(at).map(|end| end.rest));
        match end {
            Some(rest) => here = rest,
            None => break,
        }
    }
    Ok(here)
}

/// The unit above one at an instant; if that was split or merged by then, whoever answers for it.
///
/// # Errors
/// Those of the look-up.
pub fn above<U: Deref<Target = Unit>, E>(
    unit: UnitId,
    at: Instant,
    look_up: &impl Fn(UnitId) -> Result<Option<U>, E>,
) -> Result<Option<UnitId>, E> {
    match look_up(unit)?.and_then(|unit| unit.parent(at)) {
        Some(parent) => responsible(parent, at, look_up).map(Some),
        None => Ok(None),
    }
}

/// A unit and those above it at an instant, nearest first, at most [`DEPTH_MAX`] steps.
///
/// # Errors
/// Those of the look-up.
pub fn path<U: Deref<Target = Unit>, E>(
    unit: UnitId,
    at: Instant,
    look_up: &impl Fn(UnitId) -> Result<Option<U>, E>,
) -> Result<Vec<UnitId>, E> {
    let mut path = vec![unit];
    let mut here = unit;
    while path.len() <= DEPTH_MAX
        && let Some(parent) = above(here, at, look_up)?
    {
        here = parent;
        path.push(here);
    }
    Ok(path)
}

impl Unit {
    /// The unit, which must exist.
    ///
    /// # Errors
    /// `UNIT_NOT_FOUND` if it was never founded.
    pub fn existing(world: &World, unit: UnitId) -> Result<std::sync::Arc<Self>, Stop> {
        let state = world.state::<Self>(unit)?;
        if state.level.is_some() {
            Ok(state)
        } else {
            Err(Refusal::UnitNotFound.into())
        }
    }

    /// The unit, which must exist and take what is new at an instant.
    ///
    /// # Errors
    /// `UNIT_NOT_FOUND` if it was never founded, `UNIT_HAS_ENDED` once it was split or merged.
    pub fn taking(world: &World, unit: UnitId, at: Instant) -> Result<std::sync::Arc<Self>, Stop> {
        let state = Self::existing(world, unit)?;
        if state.ended(at).is_some() {
            return Err(Refusal::UnitHasEnded.into());
        }
        Ok(state)
    }

    /// The unit and those above it at an instant, nearest first.
    pub fn path(world: &World, unit: UnitId, at: Instant) -> Result<Vec<UnitId>, Stop> {
        path(unit, at, &|unit| world.state::<Self>(unit).map(Some))
    }

    /// The unit that answers at an instant for what was filed in a unit, if nobody said otherwise
    /// of the item (`open_item`).
    pub fn responsible(world: &World, unit: UnitId, at: Instant) -> Result<UnitId, Stop> {
        responsible(unit, at, &|unit| world.state::<Self>(unit).map(Some))
    }

    /// The zone of time in force for the unit at an instant.
    pub fn zone(
        world: &World,
        unit: UnitId,
        at: Instant,
        cx: &Context,
    ) -> Result<chrono_tz::Tz, Stop> {
        for unit in Self::path(world, unit, at)? {
            if let Some(zone) = world.state::<Self>(unit)?.zone {
                return Ok(zone);
            }
        }
        Ok(cx.zone)
    }
}
