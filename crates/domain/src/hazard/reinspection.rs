//! Another person looks; then it is closed, and may come back.

use super::case::{Case, check_reason};
use super::{Deadline, Event, Hazard, HazardState, Purpose, Refusal};
use crate::envelope::Instant;
use crate::policy_set::{self, PolicySets};
use crate::refusal::Stop;
use crate::separation::not_same;
use crate::unit::Unit;
use crate::world::Decision;

impl Hazard {
    /// When it must be looked at again, while somebody still can miss it.
    pub fn reinspection_running(&self) -> Option<Instant> {
        let runs = self.state == HazardState::Rectified && self.reinspection_breach.is_none();
        self.reinspection_due.filter(|_| runs)
    }

    /// What a look at an instant shows of the time to do so: the breach of it that nobody recorded
    /// yet, or the withdrawal of one that was.
    fn looked_at(&self, at: Instant) -> (Option<Event>, Option<Event>) {
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
    /// The deadline to look at it again and the policy set it follows from; none where none is in
    /// force, as may be with what was imported, or where it names none.
    pub(super) fn reinspection_deadline(&self) -> Result<Option<(Event, String)>, Stop> {
        let (unit, now) = (self.unit, self.cx.now);
        let policy = match PolicySets::in_force(self.world, unit, now) {
            Ok(policy) => policy,
            Err(Stop::Refused(refused))
                if *refused == policy_set::Refusal::NoPolicySet.refused() =>
            {
                return Ok(None);
            }
            Err(stop) => return Err(stop),
        };
        let Some(days) = policy.timers.hazard_reinspection_working_days else {
            return Ok(None);
        };
        let zone = Unit::zone(self.world, unit, now, self.cx)?;
        let basis = policy.reference();
        let deadline = Deadline {
            due_at: policy.calendar.working_days_after(now, days, zone),
            basis: basis.clone(),
        };
        let purpose = Purpose::Reinspection;
        Ok(Some((Event::DeadlineSet { purpose, deadline }, basis)))
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
        let (unseen, in_time) = hazard.looked_at(looked_at);
        if passed {
            let passed = Event::ReinspectionPassed {
                reinspected_by: person,
            };
            let mut events: Vec<_> = unseen.into_iter().collect();
            // A claim made too late is a breach, whether or not the timer came by before the
            // close-out.
            let claimed = hazard.claimed.as_ref();
            events.extend(claimed.and_then(|claimed| hazard.breach_before(claimed.at)));
            events.push(passed);
            events.extend(in_time);
            // A breach recorded before the claim was known is withdrawn: the claim shows it was
            // met.
            if let Some(claimed) = claimed {
                events.extend(hazard.withdrawals(claimed.at, Some(claimed.position)));
            }
            return Ok(self.all(events, &envelope));
        }
        let reason = reason.ok_or(Refusal::ReasonNotAllowed)?;
        check_reason(reason)?;
        let mut events: Vec<_> = unseen.into_iter().collect();
        events.push(Event::ReinspectionFailed {
            reinspected_by: person,
            reason: reason.to_owned(),
        });
        events.extend(in_time);
        // The claim that held the breach back is void now.
        events.extend(hazard.breach_before(self.cx.now));
        Ok(self.all(events, &envelope))
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
