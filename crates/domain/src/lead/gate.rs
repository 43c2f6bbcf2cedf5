//! The table: in which states a command of an officer who knows the lead can be taken.

use super::{Ask, Lead, LeadState, Refusal, TRIAGES_MAX};
use crate::ids::PersonId;

/// Whether the officer may do this now, and what it is answered otherwise. The lead's reviewer
/// `serves` as an officer of the community or does so no more.
pub(super) fn gate(lead: &Lead, ask: &Ask, officer: PersonId, serves: bool) -> Result<(), Refusal> {
    use Ask as A;
    use LeadState as S;
    use Refusal as R;
    let state = lead.state;
    if matches!(ask, A::TriageLead) {
        return match state {
            _ if lead.source == Some(officer) => Err(R::ReviewerIsSource),
            _ if lead.entered_by == Some(officer) => Err(R::ReviewerEnteredIt),
            S::UnderReview if lead.officer == Some(officer) => Err(R::LeadIsYours),
            // Its reviewer is gone: the one who takes it over settles what is left.
            _ if lead.officer.is_some() && !serves => Ok(()),
            S::Submitted | S::UnderReview if lead.triages >= TRIAGES_MAX => Err(R::TooManyTriages),
            S::Submitted | S::UnderReview => Ok(()),
            _ => Err(R::LeadNotOpen),
        };
    }
    if state == S::Submitted {
        return Err(R::LeadNotTriaged);
    }
    // A closed lead is known to its reviewer only, so this is said of open ones and of those whose
    // reviewer serves no more.
    if lead.officer != Some(officer) {
        return Err(R::LeadReviewedByAnother);
    }
    let (allowed, otherwise) = match ask {
        A::SubmitLead { .. } => (false, R::LeadAlreadySubmitted),
        A::TriageLead | A::AccessLead { .. } => (true, R::LeadNotFound),
        A::ValidateLead { .. } | A::RejectLead { .. } => (
            matches!(state, S::UnderReview | S::Transferred),
            R::LeadNotDecided,
        ),
        A::TransferLead { .. } => (state == S::UnderReview, R::LeadNotUnderReview),
        A::RecordLeadOutcome { .. } => {
            (matches!(state, S::Valid | S::Transferred), R::LeadNotUseful)
        }
        A::ArchiveLead if state == S::Archived => (false, R::LeadAlreadyArchived),
        A::ArchiveLead => (state.is_closed(), R::LeadNotClosed),
    };
    if allowed { Ok(()) } else { Err(otherwise) }
}
