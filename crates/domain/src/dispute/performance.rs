//! What follows a binding agreement: performance, breach, the court, how it holds, who helped.

use super::{
    COURT_BYTES_MAX, Case, Confirmation, CourtDecision, DisputeState, Event, Owed, Paper, Purpose,
    Refusal, VERIFIERS,
};
use crate::envelope::Instant;
use crate::ids::PersonId;
use crate::person::Person;
use crate::reaction::require_system;
use crate::refusal::Stop;
use crate::separation::{apart, not_same};
use crate::world::Decision;

impl Case<'_> {
    fn owed(&self, obligation: u32) -> Result<Owed, Stop> {
        let owed = self.agreement()?.obligations.get(&obligation);
        Ok(*owed.ok_or(Refusal::ObligationNotFound)?)
    }

    pub(super) fn record_performance(
        &self,
        obligation: u32,
        performed_at: Option<Instant>,
    ) -> Result<Decision, Stop> {
        let owed = self.owed(obligation)?;
        let confirmed_by = self.cx.person()?;
        not_same(
            self.world,
            confirmed_by,
            owed.debtor,
            Refusal::DebtorCannotConfirm,
        )?;
        if !Person::is_same(self.world, confirmed_by, owed.creditor)? {
            self.mediator()?;
        }
        if owed.performed {
            return Err(Refusal::ObligationAlreadyPerformed.into());
        }
        let agreement = self.agreement()?;
        let performed_at = self.when(performed_at)?;
        if performed_at < agreement.reached_at {
            return Err(Refusal::PerformedBeforeAgreement.into());
        }
        let mut events = Vec::new();
        let in_time = performed_at <= owed.due_at;
        if !in_time && !owed.overdue {
            // Late is late, whether or not the timer came by before.
            let due_at = owed.due_at;
            events.push(Event::ObligationOverdue { obligation, due_at });
        }
        events.push(Event::ObligationPerformed {
            obligation,
            confirmed_by,
        });
        if in_time && owed.overdue {
            events.push(Event::OverdueWithdrawn { obligation });
        }
        let mut others = agreement.obligations.iter();
        if others.all(|(number, other)| *number == obligation || other.performed) {
            events.push(Event::AgreementPerformed {});
            events.extend(self.archive_date()?);
        }
        Ok(self.all(events, &self.at(performed_at)))
    }

    pub(super) fn record_overdue(&self, obligation: u32) -> Result<Decision, Stop> {
        require_system(self.cx)?;
        let owed = self.owed(obligation)?;
        let due_at = owed.due_at;
        if owed.performed {
            return Err(Refusal::ObligationAlreadyPerformed.into());
        }
        if owed.overdue {
            return Err(Refusal::OverdueAlreadyRecorded.into());
        }
        if due_at >= self.cx.now {
            return Err(Refusal::ObligationNotDue.into());
        }
        Ok(self.one(Event::ObligationOverdue { obligation, due_at }))
    }

    pub(super) fn urge(&self) -> Result<Decision, Stop> {
        let urged_by = self.mediator()?;
        Ok(self.one(Event::PerformanceUrged { urged_by }))
    }

    pub(super) fn refer_to_court(&self, court: &str) -> Result<Decision, Stop> {
        let referred_by = self.mediator()?;
        if court.trim().is_empty() || court.len() > COURT_BYTES_MAX {
            return Err(Refusal::CourtNotAllowed.into());
        }
        let referred = Event::ReferredToCourt {
            court: court.to_owned(),
            referred_by,
        };
        self.ended(vec![referred], &self.now())
    }

    pub(super) fn request_confirmation(
        &self,
        party: PersonId,
        paper: Paper,
    ) -> Result<Decision, Stop> {
        let (known, envelope) = self.party_act(party, paper)?;
        if self.dispute.confirmation != Confirmation::None {
            return Err(Refusal::ConfirmationAlreadyApplied.into());
        }
        if known.wants_confirmation {
            return Err(Refusal::ConfirmationAlreadyRequested.into());
        }
        let until = self.dispute.dates.get(&Purpose::Confirmation);
        if until.is_some_and(|until| *until < self.cx.now) {
            return Err(Refusal::ConfirmationTooLate.into());
        }
        let mut events = vec![Event::ConfirmationRequested { party }];
        let mut others = self.dispute.parties.iter();
        if others.all(|(other, state)| *other == party || state.wants_confirmation) {
            events.push(Event::ConfirmationApplied {});
        }
        Ok(self.all(events, &envelope))
    }

    pub(super) fn record_court_decision(
        &self,
        decision: CourtDecision,
        document: [u8; 32],
    ) -> Result<Decision, Stop> {
        self.mediator()?;
        if self.dispute.confirmation != Confirmation::Applied {
            return Err(Refusal::ConfirmationNotApplied.into());
        }
        let mut envelope = self.now();
        envelope.evidence.push(document);
        let decided = vec![Event::CourtDecided { decision }];
        if decision == CourtDecision::Void {
            return self.ended(decided, &envelope);
        }
        Ok(self.all(decided, &envelope))
    }

    pub(super) fn record_follow_up(&self, satisfied: bool) -> Result<Decision, Stop> {
        let followed_up_by = self.mediator()?;
        let mut events = vec![Event::FollowUpRecorded {
            satisfied,
            followed_up_by,
        }];
        // Then again at each due date.
        let owed = self.agreement()?.obligations.values();
        let open = owed.filter(|owed| !owed.performed && owed.due_at > self.cx.now);
        if let Some(due_at) = open.map(|owed| owed.due_at).min() {
            events.push(Event::DeadlineSet {
                purpose: Purpose::FollowUp,
                due_at,
                basis: self.rules()?.1,
            });
        }
        Ok(self.all(events, &self.now()))
    }

    pub(super) fn verify_help(&self, person: PersonId) -> Result<Decision, Stop> {
        let verified_by = self.holder(VERIFIERS, Refusal::VerifierNotAllowed)?;
        let helped = self.dispute.effective_at().unwrap_or(self.cx.now);
        apart(
            self.world,
            verified_by,
            person,
            helped,
            Refusal::VerifierIsBeneficiary,
        )?;
        // Whoever turned out to be a party helped themself.
        if self.is_party(person)? {
            return Err(Refusal::MediatorIsParty.into());
        }
        for record in Person::records(self.world, person)? {
            if self.dispute.verified_helpers.contains(&record) {
                return Err(Refusal::HelpAlreadyVerified.into());
            }
        }
        if !self.dispute.helpers.contains(&person) {
            return Err(Refusal::HelperTookNoPart.into());
        }
        let effective_at = self.dispute.effective_at().ok_or(Refusal::PeaceNotHeld)?;
        if self.dispute.state == DisputeState::Archived && !self.dispute.was_kept() {
            return Err(Refusal::PeaceNotHeld.into());
        }
        let notice = self.dispute.dates.get(&Purpose::Notice);
        let notice = *notice.ok_or(Refusal::PeaceNotHeld)?;
        if self.cx.now <= notice {
            return Err(Refusal::NoticeRuns.into());
        }
        if self
            .dispute
            .relapses
            .values()
            .any(|linked| *linked <= notice)
        {
            return Err(Refusal::PeaceNotHeld.into());
        }
        let verified = Event::HelpVerified {
            person,
            community: self.community,
            verified_by,
        };
        // The help counts for the day on which the agreement came to bind.
        Ok(self.all(vec![verified], &self.at(effective_at)))
    }
}
