//! From the first word to acceptance: registration, consent, acceptance or the way elsewhere.

use super::{
    Ask, Case, Dispute, Event, PARTIES_MAX, PARTIES_MIN, Purpose, REASON_BYTES_MAX, Refusal,
    Source, Stance, check_reason, check_text, stands_twice,
};
use crate::ids::PersonId;
use crate::member::Member;
use crate::person::Person;
use crate::refusal::Stop;
use crate::world::Decision;

impl Case<'_> {
    pub(super) fn register(&self, ask: &Ask) -> Result<Decision, Stop> {
        let Ask::RegisterDispute {
            community,
            source,
            kind,
            parties,
            subject,
            relapse_of,
            paper,
        } = ask
        else {
            return Ok(Decision::new());
        };
        Member::require_community(self.world, *community, self.cx.now)?;
        let registered_by = self.cx.person()?;
        self.check_parties(parties)?;
        check_text(subject)?;
        let mut envelope = self.now();
        let source_event = match source {
            Source::Application { applicant } => {
                if !parties.contains(applicant) {
                    return Err(Refusal::ApplicantIsNoParty.into());
                }
                envelope = self.own_act(*applicant, *paper)?;
                Event::ApplicationMade { party: *applicant }
            }
            Source::Visit { .. } | Source::Incident { .. } => {
                // Administrators answer for every community.
                if !self.holds(registered_by, &[])? {
                    let member = Member::active(self.world, *community, registered_by);
                    member.map_err(|stop| match stop {
                        Stop::Refused(_) => Refusal::RegistrarNotMember.into(),
                        need @ Stop::Need(_) => need,
                    })?;
                }
                Event::MediationOffered {}
            }
        };
        if let Source::Incident {
            no_illegal_act,
            mediation_applicable,
            ..
        } = source
            && !(*no_illegal_act && *mediation_applicable)
        {
            return Err(Refusal::GateNotPassed.into());
        }
        let registered = Event::DisputeRegistered {
            community: *community,
            source: *source,
            kind: *kind,
            parties: parties.clone(),
            subject: subject.clone(),
            relapse_of: *relapse_of,
            registered_by,
        };
        let mut decision = self.all(vec![registered, source_event], &envelope);
        if let Some(earlier) = relapse_of {
            let dispute = self.world.state::<Dispute>(earlier)?;
            if let Some(community) = dispute.community {
                let earlier = Case {
                    id: *earlier,
                    dispute: &dispute,
                    community,
                    world: self.world,
                    cx: self.cx,
                };
                // As for a relapse that is linked later.
                if !earlier.is_party(registered_by)? {
                    earlier.mediator()?;
                }
            }
            dispute.may_relapse_as(self.id, parties.iter().copied(), self.world)?;
            let linked = Event::RelapseLinked {
                relapse: self.id,
                linked_by: registered_by,
            };
            let mut envelope = self.now();
            envelope.unit = dispute.community.map(|community| community.0);
            decision.push::<Dispute>(earlier, linked, envelope);
        }
        Ok(decision)
    }

    fn check_parties(&self, parties: &[PersonId]) -> Result<(), Stop> {
        let count = PARTIES_MIN..=PARTIES_MAX;
        if !count.contains(&parties.len()) || stands_twice(parties.iter().copied()) {
            return Err(Refusal::PartiesNotAllowed.into());
        }
        for party in parties {
            if !self.world.state::<Person>(party)?.is_active() {
                return Err(Refusal::PartyNotFound.into());
            }
        }
        Ok(())
    }

    pub(super) fn consent(&self, party: PersonId, paper: super::Paper) -> Result<Decision, Stop> {
        let (known, envelope) = self.party_act(party, paper)?;
        if known.stance == Stance::Consented {
            return Err(Refusal::PartyConsentedAlready.into());
        }
        Ok(self.all(vec![Event::PartyConsented { party }], &envelope))
    }

    pub(super) fn refuse_consent(
        &self,
        party: PersonId,
        paper: super::Paper,
    ) -> Result<Decision, Stop> {
        let (known, envelope) = self.party_act(party, paper)?;
        if known.stance == Stance::Refused {
            return Err(Refusal::PartyRefusedAlready.into());
        }
        Ok(self.all(vec![Event::PartyRefused { party }], &envelope))
    }

    pub(super) fn accept(&self) -> Result<Decision, Stop> {
        let accepted_by = self.mediator()?;
        let mut parties = self.dispute.parties.values();
        if !parties.all(|party| party.stance == Stance::Consented) {
            return Err(Refusal::ConsentMissing.into());
        }
        let deadline = self.date(Purpose::Mediation, |rules| rules.days)?;
        let events = vec![Event::DisputeAccepted { accepted_by }, deadline];
        Ok(self.all(events, &self.now()))
    }

    pub(super) fn decline(&self, reason: &str, where_to_go: &str) -> Result<Decision, Stop> {
        let decided_by = self.mediator()?;
        check_reason(reason)?;
        if where_to_go.trim().is_empty() || where_to_go.len() > REASON_BYTES_MAX {
            return Err(Refusal::WhereToGoNotAllowed.into());
        }
        let declined = Event::DisputeNotAccepted {
            reason: reason.to_owned(),
            where_to_go: where_to_go.to_owned(),
            decided_by,
        };
        self.ended(vec![declined], &self.now())
    }
}
