//! The table: in which states a command can be taken, and which rule answers it.

use super::case::Case;
use super::{Ask, DisputeState, Refusal};
use crate::refusal::Stop;
use crate::world::Decision;

/// In which states a command can be taken at all, and what it is answered elsewhere.
pub(super) fn gate(state: DisputeState, ask: &Ask) -> Result<(), Refusal> {
    use Ask as A;
    use DisputeState as S;
    use Refusal as R;
    let (allowed, otherwise) = match ask {
        A::RegisterDispute { .. } => (state == S::Unknown, R::DisputeAlreadyRegistered),
        _ if state == S::Unknown => (false, R::DisputeNotFound),
        A::GiveConsent { .. }
        | A::RefuseConsent { .. }
        | A::AcceptDispute
        | A::DeclineDispute { .. } => (state == S::Registered, R::DisputeNotRegistered),
        A::FormPanel { .. } => (state == S::Accepted, R::DisputeNotAccepted),
        A::ChallengeMediator { .. }
        | A::ReplaceMediator { .. }
        | A::NotifyRights
        | A::RequestAssessment { .. }
        | A::RecordAssessment { .. }
        | A::ScheduleSession { .. }
        | A::AddEvidence { .. }
        | A::ConsentToExtension { .. } => (state.is_mediating(), R::DisputeNotMediated),
        A::HoldSession { .. } => match state {
            S::Accepted => (false, R::SessionNotScheduled),
            _ => (state.is_mediating(), R::DisputeNotMediated),
        },
        A::AdjournMediation { .. } => (
            matches!(state, S::Scheduled | S::InMediation),
            R::DisputeNotInMediation,
        ),
        A::ReachAgreement { .. } => (state == S::InMediation, R::DisputeNotInMediation),
        A::FlagEscalationRisk { .. } | A::TerminateDispute { .. } => {
            (state.is_open(), R::DisputeNotOpen)
        }
        A::SignAgreement { .. } | A::SignAsMediator | A::SealAgreement => {
            (state == S::Agreed, R::AgreementNotReached)
        }
        A::RecordPerformance { .. } | A::RecordOverdue { .. } => {
            (state.is_in_force(), R::AgreementNotInForce)
        }
        A::UrgePerformance | A::ReferToCourt { .. } => (
            matches!(state, S::Breached | S::Urged),
            R::AgreementNotBreached,
        ),
        A::RequestConfirmation { .. }
        | A::RecordCourtDecision { .. }
        | A::RecordFollowUp { .. } => (
            state.is_in_force() || state == S::Performed,
            R::AgreementNotInForce,
        ),
        A::FailMediation { .. } => (
            state.is_mediating() || state == S::Agreed,
            R::DisputeNotMediated,
        ),
        A::WithdrawFromMediation { .. } if state.is_in_force() => (false, R::AgreementInForce),
        A::WithdrawFromMediation { .. } => (state.is_before_force(), R::DisputeNotOpen),
        A::VerifyHelp { .. } => (
            matches!(state, S::Performing | S::Performed | S::Archived),
            R::PeaceNotHeld,
        ),
        A::ArchiveDispute => (state.has_ended(), R::DisputeNotEnded),
        A::ReopenDispute { .. } => (state == S::Archived, R::DisputeNotArchived),
        // Whether an agreement took effect is told by the agreement, not by the state.
        A::LinkRelapse { .. } | A::RecordBreach { .. } => (true, R::DisputeNotFound),
    };
    if allowed { Ok(()) } else { Err(otherwise) }
}

impl Case<'_> {
    /// The rule of each command.
    pub(super) fn answer(&self, ask: &Ask) -> Result<Decision, Stop> {
        use Ask as A;
        match ask {
            A::RegisterDispute { .. } => self.register(ask),
            A::GiveConsent { party, paper } => self.consent(*party, *paper),
            A::RefuseConsent { party, paper } => self.refuse_consent(*party, *paper),
            A::AcceptDispute => self.accept(),
            A::DeclineDispute {
                reason,
                where_to_go,
            } => self.decline(reason, where_to_go),
            A::FormPanel { panel } => self.form_panel(panel),
            A::ChallengeMediator {
                mediator,
                party,
                reason,
                paper,
            } => self.challenge(*mediator, *party, reason, *paper),
            A::ReplaceMediator {
                mediator,
                replacement,
            } => self.replace(*mediator, *replacement),
            A::NotifyRights => self.notify_rights(),
            A::RequestAssessment {
                assessment,
                expert,
                question,
            } => self.request_assessment(*assessment, *expert, question),
            A::RecordAssessment {
                assessment,
                finding,
                report,
            } => self.record_assessment(*assessment, finding, *report),
            A::ScheduleSession { starts_at } => self.schedule(*starts_at),
            A::HoldSession { .. } => self.hold_session(ask),
            A::AdjournMediation { reason } => self.adjourn(reason),
            A::FlagEscalationRisk { reason } => self.flag_risk(reason),
            A::AddEvidence { items } => self.add_evidence(items),
            A::ConsentToExtension {
                party,
                until,
                paper,
            } => self.consent_to_extension(*party, *until, *paper),
            A::ReachAgreement { .. } => self.reach_agreement(ask),
            A::SignAgreement { party, paper } => self.sign(*party, *paper),
            A::SignAsMediator => self.sign_as_mediator(),
            A::SealAgreement => self.seal(),
            A::RecordPerformance {
                obligation,
                performed_at,
            } => self.record_performance(*obligation, *performed_at),
            A::RecordOverdue { obligation } => self.record_overdue(*obligation),
            A::UrgePerformance => self.urge(),
            A::ReferToCourt { court } => self.refer_to_court(court),
            A::RequestConfirmation { party, paper } => self.request_confirmation(*party, *paper),
            A::RecordCourtDecision { decision, document } => {
                self.record_court_decision(*decision, *document)
            }
            A::FailMediation { reason, remedies } => self.fail(reason, remedies),
            A::WithdrawFromMediation { party, paper } => self.withdraw(*party, *paper),
            A::TerminateDispute { reason } => self.terminate(reason),
            A::RecordFollowUp { satisfied } => self.record_follow_up(*satisfied),
            A::VerifyHelp { person } => self.verify_help(*person),
            A::ArchiveDispute => self.archive(),
            A::ReopenDispute { reason } => self.reopen(reason),
            A::LinkRelapse { relapse } => self.link_relapse(*relapse),
            A::RecordBreach { purpose, due_at } => self.record_breach(*purpose, *due_at),
        }
    }
}
