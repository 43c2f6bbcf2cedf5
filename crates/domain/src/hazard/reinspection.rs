//! Another person looks; then it is closed, and may come back.

use super::case::{Case, check_reason};
use super::{Event, Refusal};
use crate::envelope::Instant;
use crate::refusal::Stop;
use crate::separation::not_same;
use crate::world::Decision;

impl Case<'_> {
    /// A re-inspection, with what it means for the deadline.
    pub(super) fn reinspect(&self, passed: bool, reason: Option<&str>) -> Result<Decision, Stop> {
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
        if passed {
            let passed = Event::ReinspectionPassed {
                reinspected_by: person,
            };
            let Some(claimed) = &hazard.claimed else {
                return Ok(self.one(passed));
            };
            // A claim made too late is a breach, whether or not the timer came by before the
            // close-out.
            let mut events: Vec<_> = hazard.breach_before(claimed.at).into_iter().collect();
            events.push(passed);
            // A breach recorded before the claim was known is withdrawn: the claim shows it was
            // met.
            events.extend(hazard.withdrawals(claimed.at, Some(claimed.position)));
            return Ok(self.all(events, &self.at(self.cx.now)));
        }
        let reason = reason.ok_or(Refusal::ReasonNotAllowed)?;
        check_reason(reason)?;
        let mut events = vec![Event::ReinspectionFailed {
            reinspected_by: person,
            reason: reason.to_owned(),
        }];
        // The claim that held the breach back is void now.
        events.extend(hazard.breach_before(self.cx.now));
        Ok(self.all(events, &self.at(self.cx.now)))
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
