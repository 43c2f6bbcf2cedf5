//! What an event of a hazard brings by itself: deadlines, breaches and their withdrawals.
//!
//! Owns these rules, which deciders apply as something happens and a what-if applies to what has
//! happened with another policy set. Pure. Never judges whether the event itself may happen.

use super::{Deadline, Event, Hazard, HazardLevel, HazardState, Purpose};
use crate::envelope::Instant;
use crate::policy_set::PolicySet;

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// When it happened, as claimed.
    pub occurred_at: Instant,
    /// When it was told; not earlier.
    pub told_at: Instant,
}

/// The rules that give deadlines.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The policy set in force in the hazard's unit as it was told; none gives no deadline.
    pub policy: Option<&'a PolicySet>,
    /// The zone of time there, in which working days begin.
    pub zone: chrono_tz::Tz,
}

/// The events that stand with an event in its commit because of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consequences {
    /// Those that come before it: what had been missed by then.
    pub before: Vec<Event>,
    /// Those that come after it.
    pub after: Vec<Event>,
}

fn set(purpose: Purpose, deadline: Deadline) -> Event {
    Event::DeadlineSet { purpose, deadline }
}

impl Hazard {
    /// What an event brings to a hazard that stands like this before it.
    ///
    /// - verified, or given back by another authority: the deadline to rectify it and, of a major
    ///   one, that to report it upward
    /// - claimed as rectified: the deadline to look at it again
    /// - referred: the breaches of what had passed by then
    /// - reported upward, looked at again, closed by its source: the breach that nobody had recorded
    ///   yet, or the withdrawal of one that was
    /// - given more time, but less than it has: the deadline that it has. Deciders refuse that; it
    ///   comes about where a supposed policy set gives more time than the one in force did.
    ///
    /// Events that are consequences themselves bring nothing; what falls due while nothing happens
    /// is in [`Hazard::running`].
    pub fn consequences(&self, event: &Event, when: When, rules: Rules<'_>) -> Consequences {
        let mut brought = Consequences::default();
        match event {
            Event::HazardVerified { level, urgency, .. } => {
                if let Some(policy) = rules.policy {
                    let deadline = Self::deadline(policy, *urgency, when.told_at);
                    brought.after.push(set(Purpose::Rectification, deadline));
                    if *level == HazardLevel::Major {
                        let upward = Self::report_up_deadline(policy, when.told_at);
                        brought.after.extend(upward);
                    }
                }
            }
            // The time that another authority had it is not the next owner's: deadlines begin anew.
            Event::ReferralReturned { .. } => {
                if let Some(policy) = rules.policy {
                    let deadline = self
                        .urgency
                        .map(|urgency| Self::deadline(policy, urgency, when.told_at));
                    let deadline = deadline.map(|deadline| set(Purpose::Rectification, deadline));
                    brought.after.extend(deadline);
                    if self.level == Some(HazardLevel::Major) && self.owes_report_up() {
                        let upward = Self::report_up_deadline(policy, when.told_at);
                        brought.after.extend(upward);
                    }
                }
            }
            Event::ExtensionGranted { deadline, .. } => {
                let longer = self.deadline.filter(|due_at| *due_at > deadline.due_at);
                if let (Some(due_at), Some(policy)) = (longer, rules.policy) {
                    let basis = policy.reference();
                    let deadline = Deadline { due_at, basis };
                    brought.after.push(set(Purpose::Rectification, deadline));
                }
            }
            // Whoever claims it late does not shorten the time to look at it.
            Event::RectificationClaimed { .. } => {
                let deadline = rules.policy.and_then(|policy| {
                    Self::reinspection_deadline(policy, when.told_at, rules.zone)
                });
                let deadline = deadline.map(|deadline| set(Purpose::Reinspection, deadline));
                brought.after.extend(deadline);
            }
            Event::HazardReferred { .. } => {
                brought.before.extend(self.breach_before(when.told_at));
                let upward = self.report_up_breach_before(when.told_at);
                brought.before.extend(upward);
            }
            Event::MajorHazardReportedUp { .. } => self.told_upward(when, &mut brought),
            Event::ReinspectionPassed { .. } => {
                let (unseen, in_time) = self.looked_at(when.occurred_at);
                brought.before.extend(unseen);
                // A claim made too late is a breach, whether or not the timer came by before the
                // close-out.
                let claimed = self.claimed.as_ref();
                let late = claimed.and_then(|claimed| self.breach_before(claimed.at));
                brought.before.extend(late);
                brought.after.extend(in_time);
                // A breach recorded before the claim was known is withdrawn: the claim shows it was
                // met.
                if let Some(claimed) = claimed {
                    let withdrawn = self.withdrawals(claimed.at, Some(claimed.position));
                    brought.after.extend(withdrawn);
                }
            }
            Event::ReinspectionFailed { .. } => {
                let (unseen, in_time) = self.looked_at(when.occurred_at);
                brought.before.extend(unseen);
                brought.after.extend(in_time);
                // The claim that held the breach back is void now.
                brought.after.extend(self.breach_before(when.told_at));
            }
            Event::ClosedBySource { closed } => {
                // A passed re-inspection has met the deadline already.
                let met =
                    self.state == HazardState::Reinspected && self.claimed_in_time().is_some();
                // A deadline that passed before the referral is a breach already; none has run since.
                let runs = !met && self.state != HazardState::Referred;
                let breach = self.breach_before(closed.closed_at).filter(|_| runs);
                brought.before.extend(breach);
                let withdrawn = self.withdrawals(closed.closed_at, None);
                brought.after.extend(withdrawn);
            }
            Event::HazardReported { .. }
            | Event::HazardRejected { .. }
            | Event::HazardLinkedAsDuplicate { .. }
            | Event::DuplicateLinked { .. }
            | Event::BoundaryUnclearRaised { .. }
            | Event::JointOwnerRuled { .. }
            | Event::OwnerAssigned { .. }
            | Event::DeadlineSet { .. }
            | Event::InterimMeasureTaken { .. }
            | Event::RectificationPlanned { .. }
            | Event::HazardClosedOut { .. }
            | Event::HazardRecurred { .. }
            | Event::DeadlineBreached { .. }
            | Event::BreachWithdrawn { .. } => {}
        }
        brought
    }

    /// Only the first report upward meets the deadline, or shows that it was not met.
    fn told_upward(&self, when: When, brought: &mut Consequences) {
        if self.reported_up_at.is_some() {
            return;
        }
        let breach = self.report_up_breach_before(when.occurred_at);
        brought.before.extend(breach);
        let met = self.report_up_due.filter(|due| when.occurred_at <= *due);
        if let Some(due_at) = met.filter(|_| self.report_up_breached) {
            brought.after.push(Event::BreachWithdrawn {
                purpose: Purpose::ReportUp,
                due_at,
                // The fact stands in the same commit.
                fact: None,
            });
        }
    }

    /// The deadline of a purpose, whether or not it may still be breached.
    pub fn due(&self, purpose: Purpose) -> Option<Instant> {
        match purpose {
            Purpose::Rectification => self.deadline,
            Purpose::ReportUp => self.report_up_due,
            Purpose::Reinspection => self.reinspection_due,
        }
    }

    /// The deadline of a purpose that may still be breached: the timer records it strictly after.
    pub fn running(&self, purpose: Purpose) -> Option<Instant> {
        match purpose {
            Purpose::Rectification => self.deadline_running(),
            Purpose::ReportUp => self.report_up_running(),
            Purpose::Reinspection => self.reinspection_running(),
        }
    }

    /// True if the breach of a deadline is recorded and stands.
    pub fn has_breached(&self, purpose: Purpose, due_at: Instant) -> bool {
        match purpose {
            Purpose::Rectification => self.breaches.contains(&due_at),
            Purpose::ReportUp => self.report_up_breached && self.report_up_due == Some(due_at),
            Purpose::Reinspection => self.reinspection_breach == Some(due_at),
        }
    }
}
