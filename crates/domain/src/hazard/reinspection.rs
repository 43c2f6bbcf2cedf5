//! Another person looks; then it is closed, and may come back.

use std::sync::Arc;

use super::case::{Case, check_reason};
use super::{Deadline, Event, Hazard, HazardState, Purpose, Refusal};
use crate::envelope::Instant;
use crate::policy_set::{self, PolicySet, PolicySets};
use crate::refusal::Stop;
use crate::separation::not_same;
use crate::world::Decision;

impl Hazard {
    /// When it must be looked at again, while somebody still can miss it.
    pub fn reinspection_running(&self) -> Option<Instant> {
        let runs = self.state == HazardState::Rectified && self.reinspection_breach.is_none();
        self.reinspection_due.filter(|_| runs)
    }

    /// When it must be looked at again if it is said at `from` to be rectified, in working days of a
    /// zone; none where the policy names none. Pure, as [`Hazard::deadline`].
    pub fn reinspection_deadline(
        policy: &PolicySet,
        from: Instant,
        zone: chrono_tz::Tz,
    ) -> Option<Deadline> {
        let days = policy.timers.hazard_reinspection_working_days?;
        Some(Deadline {
            due_at: policy.calendar.working_days_after(from, days, zone),
            basis: policy.reference(),
        })
    }

    /// What a look at an instant shows of the time to do so: the breach of it that nobody recorded
    /// yet, or the withdrawal of one that was.
    pub(super) fn looked_at(&self, at: Instant) -> (Option<Event>, Option<Event>) {
        let purpose = Purpose::Reinspection;
        match self.reinspection_due {
            Some(due_at) if due_at < at && self.reinspection_breach.is_none() => {
                (Some(Event::DeadlineBreached { purpose, due_at }), None)
            }
            Some(due_at) if at <= due_at && self.reinspection_breach.is_some() => {
                let withdrawn = Event::BreachWithdrawn {
                    purpose,
                    due_at,
                    // The fact stands in the same commit.
                    fact: None,
                };
                (None, Some(withdrawn))
            }
            _ => (None, None),
        }
    }
}

impl Case<'_> {
    /// The policy set in force; none where there is none, as may be with what was imported.
    pub(super) fn policy_if_any(&self) -> Result<Option<Arc<PolicySet>>, Stop> {
        match PolicySets::in_force(self.world, self.unit, self.cx.now) {
            Ok(policy) => Ok(Some(policy)),
            Err(Stop::Refused(refused))
                if *refused == policy_set::Refusal::NoPolicySet.refused() =>
            {
                Ok(None)
            }
            Err(stop) => Err(stop),
        }
    }

    /// A re-inspection, with what it means for the deadlines.
    pub(super) fn reinspect(
        &self,
        passed: bool,
        reason: Option<&str>,
        inspected_at: Option<Instant>,
    ) -> Result<Decision, Stop> {
        let hazard = self.hazard;
        let person = self.cx.person()?;
        self.not_a_reporter(person, Refusal::ReinspectorIsReporter)?;
        if let Some(claimed) = &hazard.claimed {
            not_same(
                self.world,
                person,
                claimed.by,
                Refusal::ReinspectorIsRectifier,
            )?;
        }
        let envelope = self.at(self.when(inspected_at)?);
        let looked_at = envelope.occurred_at;
        if hazard.claimed.as_ref().is_some_and(|it| it.at > looked_at) {
            return Err(Refusal::TimeBeforeClaim.into());
        }
        let event = if passed {
            Event::ReinspectionPassed {
                reinspected_by: person,
            }
        } else {
            let reason = reason.ok_or(Refusal::ReasonNotAllowed)?;
            check_reason(reason)?;
            Event::ReinspectionFailed {
                reinspected_by: person,
                reason: reason.to_owned(),
            }
        };
        Ok(self.with_breaches(event, &envelope))
    }

    pub(super) fn close_out(&self) -> Result<Decision, Stop> {
        Ok(self.one(Event::HazardClosedOut {
            closed_by: self.cx.person()?,
        }))
    }

    pub(super) fn record_recurrence(&self, seen_at: Option<Instant>) -> Result<Decision, Stop> {
        let envelope = self.at(self.when(seen_at)?);
        let event = Event::HazardRecurred {
            reported_by: self.cx.person()?,
        };
        Ok(self.all(vec![event], &envelope))
    }
}
