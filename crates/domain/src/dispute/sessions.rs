//! The talks: sessions, rests, evidence, warnings, and more time by consent of all.

use super::{
    Ask, Case, EVIDENCE_MAX, Event, Paper, Purpose, Refusal, SESSIONS_MAX, SessionType,
    check_reason, check_text, stands_twice,
};
use crate::envelope::{Instant, Trust};
use crate::ids::PersonId;
use crate::personal::Personal;
use crate::refusal::Stop;
use crate::world::Decision;

impl Case<'_> {
    pub(super) fn schedule(&self, starts_at: Instant) -> Result<Decision, Stop> {
        self.mediator()?;
        if self.dispute.panel.is_none() {
            return Err(Refusal::PanelMissing.into());
        }
        if starts_at < self.cx.now {
            return Err(Refusal::SessionInThePast.into());
        }
        Ok(self.one(Event::SessionScheduled { starts_at }))
    }

    /// Nothing is settled before a panel that nobody objects to has told the parties their rights.
    pub(super) fn may_talk(&self) -> Result<(), Stop> {
        if !self.dispute.challenged.is_empty() {
            return Err(Refusal::ChallengeStands.into());
        }
        if !self.dispute.rights_notified {
            return Err(Refusal::RightsNotNotified.into());
        }
        Ok(())
    }

    pub(super) fn hold_session(&self, ask: &Ask) -> Result<Decision, Stop> {
        let Ask::HoldSession {
            session_type,
            parties,
            mediators,
            minutes,
            held_at,
        } = ask
        else {
            return Ok(Decision::new());
        };
        self.mediator()?;
        self.may_talk()?;
        if self.dispute.sessions.len() >= SESSIONS_MAX {
            return Err(Refusal::TooManySessions.into());
        }
        let known = |party: &PersonId| self.dispute.parties.contains_key(party);
        let all = parties.len() == self.dispute.parties.len();
        if parties.is_empty()
            || stands_twice(parties.iter().copied())
            || !parties.iter().all(known)
            || (*session_type == SessionType::Joint && !all)
        {
            return Err(Refusal::SessionPartiesNotAllowed.into());
        }
        if mediators.is_empty() || stands_twice(mediators.iter().copied()) {
            return Err(Refusal::SessionMediatorsNotAllowed.into());
        }
        for mediator in mediators {
            self.panel_with(*mediator)?;
        }
        let mut envelope = self.at(self.when(*held_at)?);
        envelope.trust = Trust::Witnessed;
        envelope.evidence.push(*minutes);
        let held = Event::SessionHeld {
            session_type: *session_type,
            parties: parties.clone(),
            mediators: mediators.clone(),
        };
        Ok(self.all(vec![held], &envelope))
    }

    pub(super) fn adjourn(&self, reason: &str) -> Result<Decision, Stop> {
        self.mediator()?;
        check_reason(reason)?;
        Ok(self.one(Event::MediationAdjourned {
            reason: reason.to_owned(),
        }))
    }

    pub(super) fn flag_risk(&self, reason: &Personal) -> Result<Decision, Stop> {
        let flagged_by = self.mediator()?;
        check_text(reason)?;
        Ok(self.one(Event::EscalationRiskFlagged {
            reason: reason.clone(),
            flagged_by,
        }))
    }

    pub(super) fn add_evidence(&self, items: &[[u8; 32]]) -> Result<Decision, Stop> {
        let person = self.cx.person()?;
        if !self.is_party(person)? {
            self.mediator()?;
        }
        if !(1..=EVIDENCE_MAX).contains(&items.len()) {
            return Err(Refusal::EvidenceNotAllowed.into());
        }
        let mut envelope = self.now();
        envelope.evidence.extend_from_slice(items);
        let added = Event::EvidenceAdded { given_by: person };
        Ok(self.all(vec![added], &envelope))
    }

    pub(super) fn consent_to_extension(
        &self,
        party: PersonId,
        until: Instant,
        paper: Paper,
    ) -> Result<Decision, Stop> {
        let (_, envelope) = self.party_act(party, paper)?;
        let deadline = self.dispute.dates.get(&Purpose::Mediation);
        if until <= self.cx.now || deadline.is_some_and(|deadline| until <= *deadline) {
            return Err(Refusal::ExtensionNotLater.into());
        }
        // Another date is another proposal: all are asked again.
        let proposed = self.dispute.extension.as_ref();
        let mut willing = proposed
            .filter(|(other, _)| *other == until)
            .map(|(_, willing)| willing.clone())
            .unwrap_or_default();
        if !willing.insert(party) {
            return Err(Refusal::ExtensionAlreadyConsented.into());
        }
        let mut events = vec![Event::ExtensionConsented { party, until }];
        if willing.len() == self.dispute.parties.len() {
            events.push(Event::ExtensionAgreed { until });
        }
        Ok(self.all(events, &envelope))
    }
}
