//! Before the walk: planning, signing up, calling off, missing.

use std::collections::BTreeSet;

use chrono::Duration;

use super::{
    CREW_MAX, Case, Command, Event, PLANNERS, PatrolShift, ROUTE_MAX, Refusal, SHIFT_HOURS_MAX,
    ShiftTimer, answers_for, check_reason,
};
use crate::checkpoint::Checkpoint;
use crate::envelope::{Envelope, Instant, Trust};
use crate::ids::{PersonId, UnitId, ZoneId};
use crate::policy_set::PolicySets;
use crate::reaction::require_system;
use crate::refusal::Stop;
use crate::unit::Unit;
use crate::world::{Context, Decision, World};
use crate::zone_plan::ZonePlans;

/// True if it lasts, and not longer than a shift may.
pub(super) fn is_window(from: Instant, until: Instant) -> bool {
    let length = until.signed_duration_since(from);
    length > Duration::zero() && length <= Duration::hours(SHIFT_HOURS_MAX)
}

/// Version of the zone plan in force at the start, which must have the zone.
pub(super) fn zone_plan_version(
    world: &World,
    community: UnitId,
    zone: ZoneId,
    from: Instant,
) -> Result<u32, Stop> {
    let plans = world.state::<ZonePlans>(community)?;
    let plan = plans.in_force(from).ok_or(Refusal::NoZonePlan)?;
    if plan.has(zone) {
        Ok(plan.version)
    } else {
        Err(Refusal::ZoneNotInPlan.into())
    }
}

pub(super) fn plan(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::PlanShift {
        shift,
        community,
        zone,
        route,
        from,
        until,
        crew_min,
    } = command
    else {
        return Ok(Decision::new());
    };
    Unit::taking(world, *community, *until)?;
    if !answers_for(world, *community, cx.person()?, PLANNERS, cx.now)? {
        return Err(Refusal::PlannerNotAllowed.into());
    }
    if !is_window(*from, *until) {
        return Err(Refusal::WindowNotAllowed.into());
    }
    if *until <= cx.now {
        return Err(Refusal::ShiftAlreadyOver.into());
    }
    if *crew_min == 0 || *crew_min as usize > CREW_MAX {
        return Err(Refusal::CrewMinNotAllowed.into());
    }
    let twice = route.iter().collect::<BTreeSet<_>>().len() < route.len();
    if route.len() > ROUTE_MAX || twice {
        return Err(Refusal::RouteNotAllowed.into());
    }
    for id in route {
        let checkpoint = world.state::<Checkpoint>(id)?;
        let stands = checkpoint.installed && !checkpoint.retired;
        if !stands || checkpoint.community != Some(*community) {
            return Err(Refusal::CheckpointNotInstalled.into());
        }
    }
    let zone_plan_version = zone_plan_version(world, *community, *zone, *from)?;
    // A shift without a policy set at its start could be neither marked nor missed.
    PolicySets::in_force(world, *community, *from)?;
    let mut envelope = Envelope::at(cx.now);
    envelope.unit = Some(community.0);
    let event = Event::ShiftPlanned {
        community: *community,
        zone: *zone,
        zone_plan_version,
        route: route.clone(),
        from: *from,
        until: *until,
        crew_min: *crew_min,
    };
    Ok(Decision::new().with::<PatrolShift>(shift, event, envelope))
}

impl Case<'_> {
    pub(super) fn sign_up(&self, person: PersonId) -> Result<Decision, Stop> {
        if self.shift.crew.contains_key(&person) {
            return Err(Refusal::AlreadySignedUp.into());
        }
        if self.cx.now >= self.plan.until {
            return Err(Refusal::ShiftAlreadyEnded.into());
        }
        if self.shift.crew.len() >= CREW_MAX {
            return Err(Refusal::CrewFull.into());
        }
        self.member(person)?;
        Ok(self.now(Event::PatrollerSignedUp { person }))
    }

    pub(super) fn cancel(&self, reason: &str) -> Result<Decision, Stop> {
        let person = self.cx.person()?;
        if !answers_for(self.world, self.owner()?, person, PLANNERS, self.cx.now)? {
            return Err(Refusal::PlannerNotAllowed.into());
        }
        check_reason(reason)?;
        Ok(self.now(Event::ShiftCancelled {
            reason: reason.to_owned(),
        }))
    }

    pub(super) fn record_missed(&self) -> Result<Decision, Stop> {
        let (mut decision, mut envelope) = self.due(ShiftTimer::Missed)?;
        envelope.trust = Trust::System;
        decision.push::<PatrolShift>(self.id, Event::ShiftMissed {}, envelope);
        Ok(decision)
    }

    /// Refuses unless the system acts and the timer is due; the envelope stands at the due instant.
    pub(super) fn due(&self, timer: ShiftTimer) -> Result<(Decision, Envelope), Stop> {
        require_system(self.cx)?;
        let policy = PolicySets::in_force(self.world, self.plan.community, self.plan.from)?;
        match self.shift.deadline_running(&policy) {
            Some((at, running)) if running == timer && at <= self.cx.now => {
                let mut decision = Decision::new();
                decision.used(&policy.reference());
                Ok((decision, self.envelope(at)))
            }
            _ => Err(match timer {
                ShiftTimer::Missed => Refusal::ShiftNotMissedYet.into(),
                ShiftTimer::AutoCheckOut => Refusal::CheckOutNotOverdue.into(),
            }),
        }
    }
}
