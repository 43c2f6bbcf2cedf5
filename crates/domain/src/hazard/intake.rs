//! From the report to what it is: verified, rejected, a duplicate.

use super::case::{Case, check_reason, occurred};
use super::{
    Command, DUPLICATES_MAX, Event, Hazard, HazardLevel, HazardState, KIND_BYTES_MAX,
    REPORTERS_MAX, Refusal, Urgency,
};
use crate::envelope::Envelope;
use crate::ids::HazardId;
use crate::personal::Personal;
use crate::place::Place;
use crate::policy_set::PolicySets;
use crate::refusal::Stop;
use crate::unit::Unit;
use crate::world::{Context, Decision, World};

pub(super) fn report(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::ReportHazard {
        hazard,
        unit,
        kind,
        place,
        description,
        photos,
        seen_at,
    } = command
    else {
        return Ok(Decision::new());
    };
    if world.state::<Hazard>(hazard)?.state != HazardState::Unknown {
        return Err(Refusal::HazardAlreadyReported.into());
    }
    Unit::taking(world, *unit, cx.now)?;
    check_kind_and_place(kind, *place)?;
    if description.as_ref().is_some_and(Personal::is_too_long) {
        return Err(Refusal::TextTooLong.into());
    }
    let mut envelope = Envelope::at(occurred(world, *unit, *seen_at, cx)?);
    envelope.unit = Some(unit.0);
    envelope.evidence.clone_from(photos);
    let event = Event::HazardReported {
        unit: *unit,
        kind: kind.clone(),
        place: *place,
        description: description.clone(),
        reporter: cx.actor.person,
        imported: None,
    };
    Ok(Decision::new().with::<Hazard>(hazard, event, envelope))
}

pub(super) fn check_kind_and_place(kind: &str, place: Option<Place>) -> Result<(), Stop> {
    if kind.trim().is_empty() || kind.len() > KIND_BYTES_MAX {
        return Err(Refusal::KindNotAllowed.into());
    }
    if place.is_some_and(|place| !place.is_on_earth()) {
        return Err(Refusal::PlaceNotOnEarth.into());
    }
    Ok(())
}

impl Case<'_> {
    pub(super) fn verify(&self, level: HazardLevel, urgency: Urgency) -> Result<Decision, Stop> {
        let verified_by = self.cx.person()?;
        self.not_a_reporter(verified_by, Refusal::VerifierIsReporter)?;
        let policy = PolicySets::in_force(self.world, self.unit, self.cx.now)?;
        let verified = Event::HazardVerified {
            level,
            urgency,
            verified_by,
        };
        let at = self.at(self.cx.now);
        let mut decision = self.with_consequences(verified, &at, self.rules(Some(&policy)));
        decision.used(&policy.reference());
        Ok(decision)
    }

    pub(super) fn reject(&self, reason: &str) -> Result<Decision, Stop> {
        check_reason(reason)?;
        Ok(self.one(Event::HazardRejected {
            reason: reason.to_owned(),
            rejected_by: self.cx.person()?,
        }))
    }

    pub(super) fn link_duplicate(&self, master: HazardId) -> Result<Decision, Stop> {
        if master == self.id {
            return Err(Refusal::MasterIsItself.into());
        }
        let kept = self.world.state::<Hazard>(master)?;
        match kept.state {
            HazardState::Unknown => return Err(Refusal::MasterNotFound.into()),
            HazardState::Duplicate => return Err(Refusal::MasterIsDuplicate.into()),
            _ => {}
        }
        let reporters: Vec<_> = self.hazard.all_reporters().collect();
        if kept.duplicates.len() >= DUPLICATES_MAX
            || kept.reporters.len() + reporters.len() > REPORTERS_MAX
        {
            return Err(Refusal::TooManyDuplicates.into());
        }
        let mut decision = self.one(Event::HazardLinkedAsDuplicate {
            master,
            linked_by: self.cx.person()?,
        });
        let mut envelope = Envelope::at(self.cx.now);
        envelope.unit = kept.unit.map(|unit| unit.0);
        let linked = Event::DuplicateLinked {
            duplicate: self.id,
            reporters,
        };
        decision.push::<Hazard>(master, linked, envelope);
        Ok(decision)
    }
}
