//! What changes in the tree: names, parents, splits and mergers, each from a date on.
//!
//! Owns their rules. A change takes effect from now on or later, never in the past: what was
//! decided by the tree as it was stays decided. No cycle can arise, for a parent is always of a
//! higher level; a successor is of the same level and has no end of its own.

use std::collections::BTreeSet;

use super::{
    CHANGES_MAX, Command, End, Event, NAME_BYTES_MAX, Refusal, SUCCESSORS_MAX, Unit, UnitLevel,
};
use crate::envelope::{Envelope, Instant};
use crate::genesis::Genesis;
use crate::ids::{PersonId, UnitId};
use crate::refusal::Stop;
use crate::world::{Context, Decision, World};

/// From when on a change holds: not before now, and after the change of the same kind before it.
fn effective(
    from: Option<Instant>,
    latest: Option<Instant>,
    unit: &Unit,
    cx: &Context,
) -> Result<Instant, Stop> {
    let from = from.unwrap_or(cx.now);
    if from < cx.now {
        return Err(Refusal::EffectiveInThePast.into());
    }
    if latest.is_some_and(|latest| from < latest) {
        return Err(Refusal::EffectiveBeforeLatest.into());
    }
    if unit.end.as_ref().is_some_and(|end| end.at <= from) {
        return Err(Refusal::UnitHasEnded.into());
    }
    Ok(from)
}

fn envelope(unit: UnitId, cx: &Context) -> Envelope {
    let mut envelope = Envelope::at(cx.now);
    envelope.unit = Some(unit.0);
    envelope
}

/// Refuses unless a unit may stand above one of this level from an instant on.
pub(super) fn check_parent(
    world: &World,
    parent: UnitId,
    level: UnitLevel,
    from: Instant,
) -> Result<(), Stop> {
    let state = world.state::<Unit>(parent)?;
    match state.level {
        None => Err(Refusal::ParentNotFound.into()),
        Some(above) if above >= level => Err(Refusal::ParentNotAbove.into()),
        Some(_) if state.ended(from).is_some() => Err(Refusal::ParentHasEnded.into()),
        Some(_) => Ok(()),
    }
}

/// Refuses unless a unit may take over from one of this level at an instant.
fn check_successor(world: &World, successor: UnitId, level: Option<UnitLevel>) -> Result<(), Stop> {
    let state = world.state::<Unit>(successor)?;
    if state.level.is_none() {
        return Err(Refusal::SuccessorNotFound.into());
    }
    if state.level != level {
        return Err(Refusal::SuccessorOfOtherLevel.into());
    }
    if state.end.is_some() {
        return Err(Refusal::SuccessorHasEnded.into());
    }
    Ok(())
}

pub(super) fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let (by, _) = Genesis::administrator(world, cx)?;
    match command {
        Command::FoundUnit { .. } | Command::WithdrawUnitChange { .. } => Ok(Decision::new()),
        Command::RenameUnit {
            unit,
            name,
            effective_from,
        } => {
            let state = Unit::existing(world, *unit)?;
            let latest = state.names.latest().map(|(from, _)| from);
            let from = effective(*effective_from, latest, &state, cx)?;
            if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(Refusal::UnitNameNotAllowed.into());
            }
            if state
                .names
                .latest()
                .is_some_and(|(_, latest)| latest == name)
            {
                return Err(Refusal::NameUnchanged.into());
            }
            if state.names.len() >= CHANGES_MAX {
                return Err(Refusal::TooManyChanges.into());
            }
            let event = Event::UnitRenamed {
                name: name.clone(),
                effective_from: from,
                by,
            };
            Ok(Decision::new().with::<Unit>(unit, event, envelope(*unit, cx)))
        }
        Command::MoveUnit {
            unit,
            parent,
            effective_from,
        } => {
            let state = Unit::existing(world, *unit)?;
            let latest = state.parents.latest().map(|(from, _)| from);
            let from = effective(*effective_from, latest, &state, cx)?;
            if let (Some(parent), Some(level)) = (parent, state.level) {
                check_parent(world, *parent, level, from)?;
            }
            if state
                .parents
                .latest()
                .is_some_and(|(_, latest)| latest == parent)
            {
                return Err(Refusal::ParentUnchanged.into());
            }
            if state.parents.len() >= CHANGES_MAX {
                return Err(Refusal::TooManyChanges.into());
            }
            let event = Event::UnitMoved {
                parent: *parent,
                effective_from: from,
                by,
            };
            Ok(Decision::new().with::<Unit>(unit, event, envelope(*unit, cx)))
        }
        Command::SplitUnit { .. } => split(command, by, world, cx),
        Command::MergeUnits {
            units,
            into,
            effective_from,
        } => merge(units, *into, *effective_from, world, cx),
    }
}

fn split(command: &Command, by: PersonId, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::SplitUnit {
        unit,
        into,
        rest,
        effective_from,
    } = command
    else {
        return Ok(Decision::new());
    };
    let state = Unit::existing(world, *unit)?;
    let from = ending(&state, *effective_from, cx)?;
    let distinct: BTreeSet<_> = into.iter().collect();
    if !(2..=SUCCESSORS_MAX).contains(&into.len()) || distinct.len() < into.len() {
        return Err(Refusal::SuccessorsNotAllowed.into());
    }
    if into.contains(unit) {
        return Err(Refusal::SuccessorIsItself.into());
    }
    if !into.contains(rest) {
        return Err(Refusal::RestNotAmongSuccessors.into());
    }
    for successor in into {
        check_successor(world, *successor, state.level)?;
    }
    let event = Event::UnitSplit {
        into: into.clone(),
        rest: *rest,
        effective_from: from,
        by,
    };
    let mut decision = Decision::new().with::<Unit>(unit, event, envelope(*unit, cx));
    for successor in into {
        let taken_in = Event::UnitsTakenIn {
            units: vec![*unit],
            effective_from: from,
            by,
        };
        decision.push::<Unit>(successor, taken_in, envelope(*successor, cx));
    }
    Ok(decision)
}

/// From when on a unit is no more: after its other changes, which would never hold.
fn ending(unit: &Unit, from: Option<Instant>, cx: &Context) -> Result<Instant, Stop> {
    if unit.end.is_some() {
        return Err(Refusal::UnitHasEnded.into());
    }
    let changes = [
        unit.names.latest().map(|(from, _)| from),
        unit.parents.latest().map(|(from, _)| from),
    ];
    effective(from, changes.into_iter().flatten().max(), unit, cx)
}

fn merge(
    units: &[UnitId],
    into: UnitId,
    from: Option<Instant>,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    let (by, _) = Genesis::administrator(world, cx)?;
    let successor = Unit::existing(world, into)?;
    let distinct: BTreeSet<_> = units.iter().collect();
    if !(1..=SUCCESSORS_MAX).contains(&units.len()) || distinct.len() < units.len() {
        return Err(Refusal::MergedNotAllowed.into());
    }
    if units.contains(&into) {
        return Err(Refusal::SuccessorIsItself.into());
    }
    // One date for all of them.
    let effective_from = from.unwrap_or(cx.now);
    let taken_in = Event::UnitsTakenIn {
        units: units.to_vec(),
        effective_from,
        by,
    };
    let mut decision = Decision::new().with::<Unit>(into, taken_in, envelope(into, cx));
    for unit in units {
        let state = Unit::existing(world, *unit)?;
        ending(&state, Some(effective_from), cx)?;
        if state.level != successor.level {
            return Err(Refusal::SuccessorOfOtherLevel.into());
        }
        let merged = Event::UnitsMerged {
            into,
            effective_from,
            by,
        };
        decision.push::<Unit>(unit, merged, envelope(*unit, cx));
    }
    check_successor(world, into, successor.level)?;
    Ok(decision)
}

impl Unit {
    /// How it ended, if it has by an instant.
    pub fn ended(&self, at: Instant) -> Option<&End> {
        self.end.as_ref().filter(|end| end.at <= at)
    }

    /// The unit above it at an instant.
    pub fn parent(&self, at: Instant) -> Option<UnitId> {
        self.parents.at(at).copied().flatten()
    }

    /// Units whose place it had taken by an instant.
    pub fn predecessors(&self, at: Instant) -> impl Iterator<Item = UnitId> {
        let taken_in = self.taken_in.iter();
        taken_in
            .filter(move |(from, _)| *from <= at)
            .map(|(_, unit)| *unit)
    }

    /// Its name at an instant.
    pub fn name(&self, at: Instant) -> Option<&str> {
        self.names.at(at).map(String::as_str)
    }

    /// True if it stands at an instant: founded by then and not split or merged. What an import
    /// brings reaches further back than its founding, so a day before counts as that of founding
    /// only where `founded_at` says so.
    pub fn stands(&self, at: Instant) -> bool {
        self.founded_at.is_some_and(|founded| founded <= at) && self.ended(at).is_none()
    }
}
