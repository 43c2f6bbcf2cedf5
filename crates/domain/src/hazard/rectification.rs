//! The work: the plan, more time, interim measures, the claim that it is done.

use super::case::{Case, check_reason};
use super::{Deadline, Event, HazardLevel, Refusal, Rules};
use crate::envelope::Instant;
use crate::personal::Personal;
use crate::refusal::Stop;
use crate::unit::Unit;
use crate::world::Decision;

impl Case<'_> {
    pub(super) fn plan_rectification(
        &self,
        plan: &Personal,
        finish_by: Instant,
    ) -> Result<Decision, Stop> {
        if plan.is_blank() || plan.is_too_long() {
            return Err(Refusal::PlanNotAllowed.into());
        }
        let too_late = self.hazard.deadline.is_some_and(|due| finish_by > due);
        if finish_by <= self.cx.now || too_late {
            return Err(Refusal::PlanNotInTime.into());
        }
        Ok(self.one(Event::RectificationPlanned {
            plan: plan.clone(),
            finish_by,
            planned_by: self.cx.person()?,
        }))
    }

    pub(super) fn grant_extension(&self, until: Instant, reason: &str) -> Result<Decision, Stop> {
        check_reason(reason)?;
        let old = self.hazard.deadline.ok_or(Refusal::NoDeadline)?;
        if until <= old || until <= self.cx.now {
            return Err(Refusal::ExtensionNotLater.into());
        }
        let deadline = Deadline {
            due_at: until,
            basis: "extension".to_owned(),
        };
        Ok(self.one(Event::ExtensionGranted {
            deadline,
            reason: reason.to_owned(),
            granted_by: self.cx.person()?,
        }))
    }

    pub(super) fn take_interim_measure(&self, measure: &Personal) -> Result<Decision, Stop> {
        if measure.is_too_long() || measure.is_blank() {
            return Err(Refusal::TextTooLong.into());
        }
        Ok(self.one(Event::InterimMeasureTaken {
            measure: measure.clone(),
        }))
    }

    pub(super) fn claim_rectification(
        &self,
        done_at: Option<Instant>,
        photos: &[[u8; 32]],
    ) -> Result<Decision, Stop> {
        let hazard = self.hazard;
        if hazard.level == Some(HazardLevel::Major) {
            if !hazard.interim_measure {
                return Err(Refusal::InterimMeasureMissing.into());
            }
            if hazard.reported_up_at.is_none() {
                return Err(Refusal::NotReportedUp.into());
            }
        }
        let mut envelope = self.at(self.when(done_at)?);
        if hazard.reported_at > Some(envelope.occurred_at) {
            return Err(Refusal::TimeBeforeReport.into());
        }
        envelope.evidence.extend_from_slice(photos);
        let event = Event::RectificationClaimed {
            rectified_by: self.cx.person()?,
        };
        let policy = self.policy_if_any()?;
        let rules = match &policy {
            // Only working days are counted in the zone of the unit.
            Some(policy) if policy.timers.hazard_reinspection_working_days.is_some() => Rules {
                policy: Some(policy),
                zone: Unit::zone(self.world, self.unit, self.cx.now, self.cx)?,
            },
            _ => self.rules(policy.as_deref()),
        };
        Ok(self.with_consequences(event, &envelope, rules))
    }
}
