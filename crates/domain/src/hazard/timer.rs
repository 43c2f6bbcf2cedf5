//! Deadlines: when they fall, whether they were met, and the breach that the timer records.

use super::case::Case;
use super::{
    ClaimedRectification, Command, Deadline, Event, Hazard, HazardState, Purpose, Refusal, Urgency,
};
use crate::envelope::Instant;
use crate::ids::HazardId;
use crate::import_batch::ImportBatch;
use crate::policy_set::PolicySet;
use crate::reaction::require_system;
use crate::refusal::Stop;
use crate::world::Decision;

/// An instant, and the command that is due strictly after it.
pub type Due = (Instant, Command);

impl Hazard {
    /// What falls due next. A hazard has one timer at a time: the next follows from what the
    /// first brings.
    pub fn next_due(&self, hazard: HazardId) -> Option<Due> {
        let rectify = self.deadline_running();
        let report = self.report_up_running();
        [
            (Purpose::Rectification, rectify),
            (Purpose::ReportUp, report),
            (Purpose::Reinspection, self.reinspection_running()),
        ]
        .into_iter()
        .filter_map(|(purpose, at)| Some((at?, purpose)))
        .min()
        .map(|(due_at, purpose)| {
            let command = Command::RecordBreach {
                hazard,
                purpose,
                due_at,
            };
            (due_at, command)
        })
    }

    /// When a hazard of this urgency, verified at `from`, must be rectified. Pure, so that a
    /// what-if can ask it with another policy set.
    pub fn deadline(policy: &PolicySet, urgency: Urgency, from: Instant) -> Deadline {
        let hours = match urgency {
            Urgency::Red => policy.timers.hazard_red_hours,
            Urgency::Yellow => policy.timers.hazard_yellow_hours,
            Urgency::Blue => policy.timers.hazard_blue_hours,
        };
        Deadline {
            due_at: from + chrono::Duration::hours(i64::from(hours)),
            basis: policy.reference(),
        }
    }

    /// The deadline to report a major hazard upward, found at `from`; none if the policy sets none.
    pub(super) fn report_up_deadline(policy: &PolicySet, from: Instant) -> Option<Event> {
        let hours = policy.timers.hazard_report_up_hours?;
        Some(Event::DeadlineSet {
            purpose: Purpose::ReportUp,
            deadline: Deadline {
                due_at: from + chrono::Duration::hours(i64::from(hours)),
                basis: policy.reference(),
            },
        })
    }

    /// True while it is owed that a major hazard be reported upward, and no breach of it stands.
    pub(super) fn owes_report_up(&self) -> bool {
        self.reported_up_at.is_none() && !self.report_up_breached
    }

    /// The deadline to report it upward that may still be breached.
    pub fn report_up_running(&self) -> Option<Instant> {
        let runs = self.state.is_open() && self.owes_report_up();
        self.report_up_due.filter(|_| runs)
    }

    /// The breach of that deadline, unless it is recorded, met, or lies later than `at`.
    pub(super) fn report_up_breach_before(&self, at: Instant) -> Option<Event> {
        let due_at = self.report_up_due.filter(|due_at| *due_at < at)?;
        self.owes_report_up().then_some(Event::DeadlineBreached {
            purpose: Purpose::ReportUp,
            due_at,
        })
    }

    /// The deadline to rectify it that may still be breached: none once it is met, breached or the
    /// hazard is closed, and none while a claim made in time waits for its re-inspection, which
    /// records the breach itself if the claim fails.
    pub fn deadline_running(&self) -> Option<Instant> {
        let runs = self.state.is_open() && !self.breached() && self.claimed_in_time().is_none();
        self.deadline.filter(|_| runs)
    }

    /// True if the breach of the present deadline is recorded and stands.
    pub fn breached(&self) -> bool {
        self.deadline
            .is_some_and(|due| self.breaches.contains(&due))
    }

    /// The breach of the present deadline, unless it is recorded already or the deadline lies
    /// later than `at`.
    pub(super) fn breach_before(&self, at: Instant) -> Option<Event> {
        let due_at = self.deadline.filter(|due_at| *due_at < at)?;
        let purpose = Purpose::Rectification;
        (!self.breached()).then_some(Event::DeadlineBreached { purpose, due_at })
    }

    /// The withdrawal of every breach of a deadline that was met, for it was done at `at`.
    pub(super) fn withdrawals(
        &self,
        at: Instant,
        fact: Option<u64>,
    ) -> impl Iterator<Item = Event> {
        let met = self.breaches.range(at..);
        met.map(move |due_at| Event::BreachWithdrawn {
            purpose: Purpose::Rectification,
            due_at: *due_at,
            fact,
        })
    }

    /// A claim made in time that no re-inspection has failed.
    pub(super) fn claimed_in_time(&self) -> Option<&ClaimedRectification> {
        let due = self.deadline?;
        self.claimed.as_ref().filter(|claimed| claimed.at <= due)
    }
}

impl Case<'_> {
    pub(super) fn record_breach(
        &self,
        purpose: Purpose,
        due_at: Instant,
    ) -> Result<Decision, Stop> {
        require_system(self.cx)?;
        let hazard = self.hazard;
        if !hazard.state.is_open() {
            return Err(Refusal::HazardNotOpen.into());
        }
        if let Some(batch) = hazard.batch
            && self.world.state::<ImportBatch>(batch)?.is_open()
        {
            return Err(Refusal::ImportStillOpen.into());
        }
        let (deadline, breached) = match purpose {
            Purpose::Rectification => (hazard.deadline, hazard.breached()),
            Purpose::ReportUp => (hazard.report_up_due, hazard.report_up_breached),
            Purpose::Reinspection => (
                hazard.reinspection_due,
                hazard.reinspection_breach.is_some(),
            ),
        };
        match deadline {
            None => Err(Refusal::NoDeadline.into()),
            Some(at) if at != due_at => Err(Refusal::DeadlineReplaced.into()),
            Some(_) if breached => Err(Refusal::BreachAlreadyRecorded.into()),
            Some(at) if at >= self.cx.now => Err(Refusal::DeadlineNotDue.into()),
            Some(_) if purpose == Purpose::ReportUp && hazard.reported_up_at.is_some() => {
                Err(Refusal::ReportedUpAlready.into())
            }
            Some(_)
                if purpose == Purpose::Reinspection && hazard.state != HazardState::Rectified =>
            {
                Err(Refusal::LookedAtAgain.into())
            }
            Some(_) if purpose == Purpose::Rectification && hazard.claimed_in_time().is_some() => {
                if hazard.state == HazardState::Reinspected {
                    return Err(Refusal::DeadlineMet.into());
                }
                Err(Refusal::RectificationAwaitsReinspection.into())
            }
            Some(due_at) => Ok(self.one(Event::DeadlineBreached { purpose, due_at })),
        }
    }
}
