//! From elsewhere: the whole life of a hazard within an approved import batch.

use super::case::{Case, is_owner};
use super::intake::check_kind_and_place;
use super::{
    Command, Deadline, Event, Hazard, HazardState, Refusal, STATUS_BYTES_MAX, SourceClosing,
};
use crate::claim::{self, Claim, Kind};
use crate::envelope::{Envelope, Instant, Trust};
use crate::ids::BatchId;
use crate::import_batch::ImportBatch;
use crate::personal::Personal;
use crate::refusal::Stop;
use crate::unit::Unit;
use crate::world::{Context, Decision, World};

fn check_closing(closed: &SourceClosing, cx: &Context) -> Result<(), Stop> {
    if !(1..=STATUS_BYTES_MAX).contains(&closed.status.len()) {
        return Err(Refusal::StatusNotAllowed.into());
    }
    if closed.reason.as_ref().is_some_and(Personal::is_too_long) {
        return Err(Refusal::TextTooLong.into());
    }
    if closed.closed_at > cx.now {
        return Err(Refusal::TimeInTheFuture.into());
    }
    Ok(())
}

pub(super) fn import(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::ImportHazard {
        hazard,
        imported,
        unit,
        kind,
        place,
        opened_at,
        owner,
        due_at,
        closed,
    } = command
    else {
        return Ok(Decision::new());
    };
    ImportBatch::approved(world, imported.batch)?;
    if !imported.is_well_formed() {
        return Err(Refusal::ExternalIdNotAllowed.into());
    }
    let claim = Kind::ImportedHazard.key(imported.key());
    if world.state::<Claim>(&claim)?.holder.is_some() {
        return Err(Refusal::HazardAlreadyImported.into());
    }
    if world.state::<Hazard>(hazard)?.state != HazardState::Unknown {
        return Err(Refusal::HazardAlreadyReported.into());
    }
    Unit::taking(world, *unit, *opened_at)?;
    check_kind_and_place(kind, *place)?;
    if !is_owner(owner) {
        return Err(Refusal::OwnerNotAllowed.into());
    }
    if *opened_at > cx.now {
        return Err(Refusal::TimeInTheFuture.into());
    }
    if let Some(closed) = closed {
        check_closing(closed, cx)?;
    }
    let closed_at = closed.as_ref().map(|closed| closed.closed_at);
    if closed_at.is_some_and(|at| at < *opened_at) {
        return Err(Refusal::ClosedBeforeOpened.into());
    }
    if due_at.is_some_and(|at| at < *opened_at) {
        return Err(Refusal::DueBeforeOpened.into());
    }
    let at = |occurred_at: Instant| {
        let mut envelope = Envelope::at(occurred_at);
        envelope.unit = Some(unit.0);
        envelope.trust = Trust::Paper;
        envelope
    };
    let mut decision = Decision::new()
        .with::<Hazard>(
            hazard,
            Event::HazardReported {
                unit: *unit,
                kind: kind.clone(),
                place: *place,
                description: None,
                reporter: None,
                imported: Some(imported.clone()),
            },
            at(*opened_at),
        )
        .with::<Claim>(
            &claim,
            claim::Event::Claimed { holder: hazard.0 },
            at(*opened_at),
        )
        .with::<Hazard>(
            hazard,
            Event::OwnerAssigned {
                owner: owner.clone(),
            },
            at(*opened_at),
        );
    if let Some(due_at) = *due_at {
        let deadline = Deadline {
            due_at,
            basis: imported.source.clone(),
        };
        decision.push::<Hazard>(hazard, Case::due(deadline), at(*opened_at));
        let stated = Hazard {
            deadline: Some(due_at),
            ..Hazard::default()
        };
        if let Some(breach) = stated.breach_before(closed_at.unwrap_or(cx.now)) {
            let mut envelope = at(due_at);
            envelope.trust = Trust::System;
            decision.push::<Hazard>(hazard, breach, envelope);
        }
    }
    if let Some(closed) = closed {
        let event = Event::ClosedBySource {
            closed: closed.clone(),
        };
        decision.push::<Hazard>(hazard, event, at(closed.closed_at));
    }
    Ok(decision)
}

impl Case<'_> {
    pub(super) fn close_by_source(
        &self,
        batch: BatchId,
        closed: &SourceClosing,
    ) -> Result<Decision, Stop> {
        let hazard = self.hazard;
        ImportBatch::approved(self.world, batch)?;
        if hazard.batch.is_none() {
            return Err(Refusal::HazardNotImported.into());
        }
        // Another authority that has it does not keep its source from closing it.
        let referred = hazard.state == HazardState::Referred;
        if !hazard.state.is_open() && !referred {
            return Err(Refusal::HazardNotOpen.into());
        }
        check_closing(closed, self.cx)?;
        if hazard.reported_at > Some(closed.closed_at) {
            return Err(Refusal::ClosedBeforeOpened.into());
        }
        let mut envelope = self.at(closed.closed_at);
        envelope.trust = Trust::Paper;
        let event = Event::ClosedBySource {
            closed: closed.clone(),
        };
        Ok(self.with_breaches(event, &envelope))
    }
}
