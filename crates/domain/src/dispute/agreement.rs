//! Terms and how they come to bind: each party's own act, a mediator's signature, the seal.

use super::{
    Agreement, Ask, Case, Event, Form, OBLIGATIONS_MAX, Obligation, Paper, Purpose, Refusal,
    SEALERS, check_text,
};
use crate::envelope::{Envelope, Instant};
use crate::ids::PersonId;
use crate::refusal::Stop;
use crate::world::Decision;

impl Case<'_> {
    pub(super) fn reach_agreement(&self, ask: &Ask) -> Result<Decision, Stop> {
        let Ask::ReachAgreement {
            form,
            terms,
            terms_sha256,
            obligations,
            reached_at,
        } = ask
        else {
            return Ok(Decision::new());
        };
        let recorded_by = self.mediator()?;
        self.may_talk()?;
        let content_is_there = match form {
            Form::Written => terms_sha256.is_some(),
            Form::Oral => terms.is_some(),
        };
        if !content_is_there {
            return Err(Refusal::TermsMissing.into());
        }
        if let Some(terms) = terms {
            check_text(terms)?;
        }
        let reached_at = self.when(*reached_at)?;
        self.check_obligations(obligations, reached_at)?;
        let mut envelope = self.at(reached_at);
        envelope.evidence.extend(*terms_sha256);
        let mut events = self.found_too_late(reached_at);
        events.push(Event::AgreementReached {
            form: *form,
            terms: terms.clone(),
            obligations: obligations.clone(),
            recorded_by,
        });
        let breaches = self.dispute.breaches.iter();
        let met = breaches
            .filter(|(purpose, due_at)| *purpose == Purpose::Mediation && reached_at <= *due_at);
        events.extend(met.map(|(purpose, due_at)| Event::BreachWithdrawn {
            purpose: *purpose,
            due_at: *due_at,
        }));
        Ok(self.all(events, &envelope))
    }

    /// An agreement found too late is a breach, whether or not the timer came by before.
    fn found_too_late(&self, reached_at: Instant) -> Vec<Event> {
        let deadline = self.dispute.dates.get(&Purpose::Mediation);
        deadline
            .map(|due_at| (Purpose::Mediation, *due_at))
            .filter(|breach| breach.1 < reached_at && !self.dispute.breaches.contains(breach))
            .map(|(purpose, due_at)| Event::DeadlineBreached { purpose, due_at })
            .into_iter()
            .collect()
    }

    fn check_obligations(
        &self,
        obligations: &[Obligation],
        reached_at: Instant,
    ) -> Result<(), Stop> {
        if obligations.len() > OBLIGATIONS_MAX {
            return Err(Refusal::ObligationsNotAllowed.into());
        }
        for (number, obligation) in (1..).zip(obligations) {
            let parties = &self.dispute.parties;
            let between_parties = parties.contains_key(&obligation.debtor)
                && parties.contains_key(&obligation.creditor)
                && obligation.debtor != obligation.creditor;
            if obligation.number != number || !between_parties || obligation.due_at <= reached_at {
                return Err(Refusal::ObligationsNotAllowed.into());
            }
            check_text(&obligation.what)?;
        }
        Ok(())
    }

    pub(super) fn agreement(&self) -> Result<&Agreement, Stop> {
        let agreement = self.dispute.agreement.as_ref();
        agreement.ok_or_else(|| Refusal::AgreementNotReached.into())
    }

    pub(super) fn sign(&self, party: PersonId, paper: Paper) -> Result<Decision, Stop> {
        let agreement = self.agreement()?;
        let (known, envelope) = self.party_act(party, paper)?;
        if known.signed {
            return Err(Refusal::PartySignedAlready.into());
        }
        let signed = Event::AgreementSigned { party };
        let mut others = self.dispute.parties.iter();
        let last = others.all(|(other, state)| *other == party || state.signed);
        let whole = last && !agreement.mediators.is_empty();
        self.oral_binds_when(whole, signed, &envelope)
    }

    pub(super) fn sign_as_mediator(&self) -> Result<Decision, Stop> {
        let agreement = self.agreement()?;
        let mediator = self.cx.person()?;
        self.panel_with(mediator)?;
        if agreement.mediators.contains(&mediator) {
            return Err(Refusal::MediatorSignedAlready.into());
        }
        let signed = Event::MediatorSigned { mediator };
        self.oral_binds_when(self.dispute.everybody_signed(), signed, &self.now())
    }

    /// An oral agreement binds with the last word needed; a written one waits for the seal.
    fn oral_binds_when(
        &self,
        whole: bool,
        signed: Event,
        envelope: &Envelope,
    ) -> Result<Decision, Stop> {
        let mut decision = self.all(vec![signed], envelope);
        if whole && self.agreement()?.form == Form::Oral {
            let bound = self.all(self.takes_effect()?, &self.now());
            decision.events.extend(bound.events);
            decision.policy_sets.extend(bound.policy_sets);
        }
        Ok(decision)
    }

    pub(super) fn seal(&self) -> Result<Decision, Stop> {
        let agreement = self.agreement()?;
        let sealed_by = self.holder(SEALERS, Refusal::SealerNotAllowed)?;
        if agreement.form == Form::Oral {
            return Err(Refusal::OralNeedsNoSeal.into());
        }
        if !self.dispute.everybody_signed() {
            return Err(Refusal::SignatureMissing.into());
        }
        if agreement.mediators.is_empty() {
            return Err(Refusal::MediatorSignatureMissing.into());
        }
        let mut events = vec![Event::AgreementSealed { sealed_by }];
        events.extend(self.takes_effect()?);
        Ok(self.all(events, &self.now()))
    }

    /// The agreement binds, and its dates begin to run; one without obligations is performed.
    fn takes_effect(&self) -> Result<Vec<Event>, Stop> {
        let mut events = vec![
            Event::AgreementEffective {},
            self.date(Purpose::FollowUp, |rules| rules.follow_up_days)?,
            self.date(Purpose::Confirmation, |rules| rules.confirmation_days)?,
            self.date(Purpose::Notice, |rules| rules.notice_days)?,
        ];
        if self.agreement()?.all_performed() {
            events.push(Event::AgreementPerformed {});
            events.extend(self.archive_date()?);
        }
        Ok(events)
    }
}
