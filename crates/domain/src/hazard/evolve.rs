//! How events make the state. Total: bears any order, and events of other hazards.

use super::{ClaimedRectification, Event, Hazard, HazardState, Purpose};
use crate::envelope::Instant;
use crate::world::Stamp;

impl Hazard {
    pub(super) fn take(&mut self, event: &Event, stamp: &Stamp) {
        match event {
            Event::HazardReported {
                unit,
                reporter,
                imported,
                ..
            } => {
                self.state = HazardState::Reported;
                self.unit = Some(*unit);
                self.reporter = *reporter;
                self.reported_at = Some(stamp.occurred_at);
                self.batch = imported.as_ref().map(|imported| imported.batch);
            }
            Event::HazardVerified { level, urgency, .. } => {
                self.state = HazardState::Verified;
                self.level = Some(*level);
                self.urgency = Some(*urgency);
            }
            Event::HazardRejected { .. } => self.state = HazardState::Invalid,
            Event::HazardLinkedAsDuplicate { .. } => self.state = HazardState::Duplicate,
            Event::DuplicateLinked {
                duplicate,
                reporters,
            } => {
                self.duplicates.insert(*duplicate);
                self.reporters.extend(reporters);
            }
            Event::BoundaryUnclearRaised { .. } => {
                self.state = HazardState::BoundaryUnclear;
                self.jointly_owned = false;
            }
            Event::JointOwnerRuled { .. } => {
                self.state = HazardState::Rectifying;
                self.jointly_owned = true;
            }
            Event::OwnerAssigned { .. } => self.state = HazardState::Rectifying,
            Event::HazardReferred { .. } => {
                self.state = HazardState::Referred;
                self.jointly_owned = false;
            }
            Event::ReferralReturned { .. } => {
                self.state = HazardState::Verified;
                self.drop_passed(stamp.occurred_at);
            }
            Event::DeadlineSet {
                purpose: Purpose::ReportUp,
                deadline,
            } => self.report_up_due = Some(deadline.due_at),
            Event::DeadlineSet {
                purpose: Purpose::Reinspection,
                deadline,
            } => self.reinspection_due = Some(deadline.due_at),
            Event::DeadlineSet { deadline, .. } | Event::ExtensionGranted { deadline, .. } => {
                self.deadline = Some(deadline.due_at);
            }
            Event::RectificationPlanned { .. } => {}
            Event::InterimMeasureTaken { .. } => self.interim_measure = true,
            Event::MajorHazardReportedUp { .. } => {
                self.reported_up_at.get_or_insert(stamp.occurred_at);
            }
            Event::RectificationClaimed { rectified_by } => {
                self.state = HazardState::Rectified;
                // Each claim is looked at on its own.
                self.reinspection_due = None;
                self.reinspection_breach = None;
                self.claimed = Some(ClaimedRectification {
                    by: *rectified_by,
                    at: stamp.occurred_at,
                    position: stamp.position,
                });
            }
            Event::ReinspectionPassed { .. } => self.state = HazardState::Reinspected,
            Event::ReinspectionFailed { .. } => {
                self.state = HazardState::Rectifying;
                self.claimed = None;
            }
            Event::HazardClosedOut { .. } => {
                self.state = HazardState::ClosedOut;
                self.closed_at = Some(stamp.occurred_at);
            }
            Event::HazardRecurred { reported_by } => {
                *self = Self {
                    state: HazardState::Reported,
                    unit: self.unit,
                    batch: self.batch,
                    reporter: Some(*reported_by),
                    reported_at: Some(stamp.occurred_at),
                    ..Self::default()
                };
            }
            Event::DeadlineBreached {
                purpose, due_at, ..
            } => self.mark_breach(*purpose, *due_at, true),
            Event::BreachWithdrawn {
                purpose, due_at, ..
            } => self.mark_breach(*purpose, *due_at, false),
            Event::ClosedBySource { closed } => {
                self.state = HazardState::ClosedBySource;
                self.closed_at = Some(closed.closed_at);
            }
        }
    }

    fn mark_breach(&mut self, purpose: Purpose, due_at: Instant, stands: bool) {
        match purpose {
            Purpose::ReportUp => self.report_up_breached = stands,
            Purpose::Reinspection => self.reinspection_breach = stands.then_some(due_at),
            Purpose::Rectification if stands => {
                self.breaches.insert(due_at);
            }
            Purpose::Rectification => {
                self.breaches.remove(&due_at);
            }
        }
    }

    /// Deadlines that passed while another authority had it are not breached by us: what passed
    /// before was found to be a breach when it was referred.
    fn drop_passed(&mut self, returned_at: Instant) {
        let passed = |due: &Instant| *due < returned_at;
        if !self.breached() {
            self.deadline = self.deadline.filter(|due| !passed(due));
        }
        if self.owes_report_up() {
            self.report_up_due = self.report_up_due.filter(|due| !passed(due));
        }
    }
}
