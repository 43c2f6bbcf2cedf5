//! The table: in which states a command can be taken, and which rule answers it.

use super::case::Case;
use super::{Command, HazardState, Refusal};
use crate::refusal::Stop;
use crate::world::Decision;

/// In which states a command can be taken at all, and what it is answered elsewhere. A report and
/// an import make the hazard; they answer for themselves.
pub(super) fn gate(state: HazardState, command: &Command) -> Result<(), Refusal> {
    use Command as C;
    use HazardState as S;
    use Refusal as R;
    let (allowed, otherwise) = match command {
        C::ReportHazard { .. } | C::ImportHazard { .. } => {
            (state == S::Unknown, R::HazardAlreadyReported)
        }
        _ if state == S::Unknown => (false, R::HazardNotFound),
        C::VerifyHazard { .. } => (state == S::Reported, R::HazardNotReported),
        C::RejectHazard { .. } | C::LinkDuplicate { .. } => (
            matches!(state, S::Reported | S::Verified),
            R::HazardNotReported,
        ),
        C::AssignOwner { .. } if state == S::BoundaryUnclear => (false, R::BoundaryNotRuled),
        C::AssignOwner { .. } | C::RaiseUnclearBoundary { .. } => (
            matches!(state, S::Verified | S::Rectifying),
            R::HazardNotVerified,
        ),
        C::RuleJointOwner { .. } => (state == S::BoundaryUnclear, R::BoundaryNotUnclear),
        C::ReferHazard { .. } => (
            matches!(state, S::Verified | S::BoundaryUnclear | S::Rectifying),
            R::HazardNotReferable,
        ),
        C::ReturnReferral { .. } => (state == S::Referred, R::HazardNotReferred),
        C::PlanRectification { .. } | C::GrantExtension { .. } | C::ClaimRectification { .. } => {
            (state == S::Rectifying, R::HazardNotRectifying)
        }
        C::TakeInterimMeasure { .. } | C::ReportUp { .. } => (state.is_open(), R::HazardNotOpen),
        C::Reinspect { .. } => (state == S::Rectified, R::HazardNotRectified),
        C::CloseOut { .. } => (state == S::Reinspected, R::HazardNotReinspected),
        C::RecordRecurrence { .. } => (
            matches!(state, S::ClosedOut | S::ClosedBySource),
            R::HazardNotClosed,
        ),
        // Who may do it is asked first, and then how the hazard stands.
        C::RecordBreach { .. } | C::CloseBySource { .. } => (true, R::HazardNotOpen),
    };
    if allowed { Ok(()) } else { Err(otherwise) }
}

impl Case<'_> {
    /// The rule of each command.
    pub(super) fn answer(&self, command: &Command) -> Result<Decision, Stop> {
        use Command as C;
        match command {
            C::ReportHazard { .. } | C::ImportHazard { .. } => {
                Err(Refusal::HazardAlreadyReported.into())
            }
            C::VerifyHazard { level, urgency, .. } => self.verify(*level, *urgency),
            C::RejectHazard { reason, .. } => self.reject(reason),
            C::LinkDuplicate { master, .. } => self.link_duplicate(*master),
            C::AssignOwner { owner, .. } => self.assign_owner(owner),
            C::RaiseUnclearBoundary {
                candidates, reason, ..
            } => self.raise_unclear_boundary(candidates, reason),
            C::RuleJointOwner {
                lead,
                joint,
                council_meeting,
                minutes,
                ..
            } => self.rule_joint_owner(lead, joint, council_meeting, *minutes),
            C::ReferHazard {
                authority,
                external_id,
                reason,
                ..
            } => self.refer(authority, external_id.as_deref(), reason),
            C::ReturnReferral { reason, .. } => self.return_referral(reason),
            C::PlanRectification {
                plan, finish_by, ..
            } => self.plan_rectification(plan, *finish_by),
            C::GrantExtension { until, reason, .. } => self.grant_extension(*until, reason),
            C::TakeInterimMeasure { measure, .. } => self.take_interim_measure(measure),
            C::ReportUp {
                to,
                authority,
                reported_at,
                ..
            } => self.report_up(*to, authority, *reported_at),
            C::ClaimRectification {
                done_at, photos, ..
            } => self.claim_rectification(*done_at, photos),
            C::Reinspect {
                passed,
                reason,
                inspected_at,
                ..
            } => self.reinspect(*passed, reason.as_deref(), *inspected_at),
            C::CloseOut { .. } => self.close_out(),
            C::RecordRecurrence { seen_at, .. } => self.record_recurrence(*seen_at),
            C::RecordBreach {
                purpose, due_at, ..
            } => self.record_breach(*purpose, *due_at),
            C::CloseBySource { batch, closed, .. } => self.close_by_source(*batch, closed),
        }
    }
}
