//! The table: in which states a command can be taken, and which rule answers it.

use super::{Case, Command, Refusal, ShiftState};
use crate::refusal::Stop;
use crate::world::Decision;

/// In which states a command can be taken at all, and what it is answered elsewhere. A plan and a
/// late filing make the shift; they answer for themselves.
pub(super) fn gate(state: ShiftState, command: &Command) -> Result<(), Refusal> {
    use Command as C;
    use Refusal as R;
    use ShiftState as S;
    let (allowed, otherwise) = match command {
        C::PlanShift { .. } | C::FileLateShift { .. } => {
            (state == S::Unknown, R::ShiftAlreadyPlanned)
        }
        _ if state == S::Unknown => (false, R::ShiftNotFound),
        C::SignUp { .. } | C::CheckIn { .. } => {
            (state == S::Planned || state.is_walked(), R::ShiftNotOpen)
        }
        C::ScanCheckpoint { .. } => (
            state.is_walked() || state.has_ended(),
            R::ShiftNotInProgress,
        ),
        C::SkipCheckpoint { .. }
        | C::RaiseFinding { .. }
        | C::HandOver { .. }
        | C::CheckOut { .. }
        | C::AutoCheckOut { .. } => (state.is_walked(), R::ShiftNotInProgress),
        C::AcceptHandover { .. } | C::DeclineHandover { .. } => {
            (state == S::HandedOver, R::ShiftNotHandedOver)
        }
        C::CancelShift { .. } | C::RecordMissedShift { .. } => {
            (state == S::Planned, R::ShiftNotPlanned)
        }
        C::VerifyParticipation { .. } | C::RejectParticipation { .. } => (
            matches!(state, S::Completed | S::Verified),
            R::ShiftNotCompleted,
        ),
        C::DisputeShift { .. } => (state == S::Verified, R::ShiftNotVerified),
        C::ReverifyShift { .. } | C::VoidShift { .. } => {
            (state == S::Disputed, R::ShiftNotDisputed)
        }
        C::ApproveLateShift { .. } | C::RejectLateShift { .. } => {
            (state == S::Filed, R::ShiftNotFiled)
        }
    };
    if allowed { Ok(()) } else { Err(otherwise) }
}

impl Case<'_> {
    /// The rule of each command.
    pub(super) fn answer(&self, command: &Command) -> Result<Decision, Stop> {
        use Command as C;
        match command {
            C::PlanShift { .. } | C::FileLateShift { .. } => {
                Err(Refusal::ShiftAlreadyPlanned.into())
            }
            C::SignUp { person, .. } => self.sign_up(*person),
            C::CheckIn {
                person, capture, ..
            } => self.check_in(*person, capture),
            C::ScanCheckpoint {
                person,
                tag,
                capture,
                ..
            } => self.scan(*person, tag, capture),
            C::SkipCheckpoint {
                person,
                checkpoint,
                reason,
                ..
            } => self.skip(*person, *checkpoint, reason),
            C::RaiseFinding { person, hazard, .. } => self.raise_finding(*person, *hazard),
            C::HandOver {
                from,
                to,
                open_items,
                ..
            } => self.hand_over(*from, *to, open_items),
            C::AcceptHandover { capture, .. } => self.accept_handover(capture),
            C::DeclineHandover { reason, .. } => self.decline_handover(reason),
            C::CheckOut { person, at, .. } => self.check_out(*person, *at),
            C::CancelShift { reason, .. } => self.cancel(reason),
            C::RecordMissedShift { .. } => self.record_missed(),
            C::AutoCheckOut { .. } => self.auto_check_out(),
            C::VerifyParticipation { person, .. } => self.verify(*person),
            C::RejectParticipation { person, reason, .. } => self.reject(*person, reason),
            C::DisputeShift { reason, .. } => self.dispute(reason),
            C::ReverifyShift { parts, .. } => self.reverify(parts),
            C::VoidShift { reason, .. } => self.void(reason),
            C::ApproveLateShift { .. } => self.approve_late(),
            C::RejectLateShift { reason, .. } => self.reject_late(reason),
        }
    }
}
