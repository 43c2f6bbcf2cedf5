//! What every decision about a dispute needs: who acts, for whom, when, by which rules.

use std::collections::BTreeSet;

use super::{Dispute, Event, MEDIATORS, Panel, Paper, Party, Purpose, REASON_BYTES_MAX, Refusal};
use crate::envelope::{Envelope, Instant, Trust};
use crate::ids::{DisputeId, PersonId, UnitId};
use crate::member::Role;
use crate::open_item::{self, Item};
use crate::patrol_shift::answers_for;
use crate::person::Person;
use crate::personal::Personal;
use crate::policy_set::{Mediation, PolicySets};
use crate::refusal::Stop;
use crate::world::{Context, Decision, World};

/// A dispute that exists, with what a decision about it needs.
pub(super) struct Case<'a> {
    pub(super) id: DisputeId,
    pub(super) dispute: &'a Dispute,
    pub(super) community: UnitId,
    pub(super) world: &'a World,
    pub(super) cx: &'a Context,
}

impl Case<'_> {
    /// The community that answers for the dispute now.
    pub(super) fn owner(&self) -> Result<UnitId, Stop> {
        let item = Item::Dispute(self.id);
        open_item::owner(self.world, item, self.community, self.cx.now)
    }

    /// The envelope of something done now.
    pub(super) fn now(&self) -> Envelope {
        self.at(self.cx.now)
    }

    pub(super) fn at(&self, occurred_at: Instant) -> Envelope {
        let mut envelope = Envelope::at(occurred_at);
        envelope.unit = Some(self.community.0);
        envelope
    }

    /// One event, done now.
    pub(super) fn one(&self, event: Event) -> Decision {
        self.all(vec![event], &self.now())
    }

    /// Events of this dispute under one envelope. What the timer could have found, it found at
    /// its own instant.
    pub(super) fn all(&self, events: Vec<Event>, envelope: &Envelope) -> Decision {
        let mut decision = Decision::new();
        for event in events {
            let mut envelope = envelope.clone();
            if let Event::DeadlineBreached { due_at, .. }
            | Event::ObligationOverdue { due_at, .. } = &event
            {
                envelope.occurred_at = *due_at;
                envelope.trust = Trust::System;
                envelope.evidence.clear();
            }
            if let Event::DeadlineSet { basis, .. } = &event {
                decision.used(basis);
                envelope.trust = Trust::System;
                envelope.evidence.clear();
            }
            decision.push::<Dispute>(self.id, event, envelope);
        }
        decision
    }

    /// What happened then: not in the future, within the policy's window, not before this began.
    pub(super) fn when(&self, at: Option<Instant>) -> Result<Instant, Stop> {
        let at = at.unwrap_or(self.cx.now);
        if at > self.cx.now {
            return Err(Refusal::TimeInTheFuture.into());
        }
        if self.dispute.registered_at > Some(at) {
            return Err(Refusal::TimeBeforeRegistration.into());
        }
        if at < self.cx.now
            && !PolicySets::within_back_date_window(self.world, self.community, at, self.cx)?
        {
            return Err(Refusal::BackDatedTooFar.into());
        }
        Ok(at)
    }

    /// True if somebody is a party, under whichever of their records.
    pub(super) fn is_party(&self, person: PersonId) -> Result<bool, Stop> {
        let records = Person::records(self.world, person)?;
        let mut records = records.iter();
        Ok(records.any(|record| self.dispute.parties.contains_key(record)))
    }

    /// The person who acts, if a mediator and no party.
    pub(super) fn mediator(&self) -> Result<PersonId, Stop> {
        let person = self.cx.person()?;
        if self.is_party(person)? {
            return Err(Refusal::MediatorIsParty.into());
        }
        let seated = |panel: &Panel| panel.seats(person);
        if self.dispute.panel.as_ref().is_some_and(seated) || self.holds(person, MEDIATORS)? {
            return Ok(person);
        }
        Err(Refusal::ActorDoesNotMediate.into())
    }

    /// The person who acts, if no party and a holder of one of the roles, or an administrator.
    pub(super) fn holder(&self, roles: &[Role], otherwise: Refusal) -> Result<PersonId, Stop> {
        let person = self.cx.person()?;
        if self.is_party(person)? {
            return Err(Refusal::MediatorIsParty.into());
        }
        if self.holds(person, roles)? {
            return Ok(person);
        }
        Err(otherwise.into())
    }

    pub(super) fn holds(&self, person: PersonId, roles: &[Role]) -> Result<bool, Stop> {
        answers_for(self.world, self.owner()?, person, roles, self.cx.now)
    }

    /// The envelope of a party's own act, and the party: through its own login, or on a paper that
    /// a mediator enters.
    pub(super) fn party_act(
        &self,
        party: PersonId,
        paper: Paper,
    ) -> Result<(Party, Envelope), Stop> {
        // Proof comes first: who may not act for a person is not told whether that is a party.
        let envelope = self.own_act(party, paper)?;
        let known = self.dispute.parties.get(&party);
        Ok((*known.ok_or(Refusal::NotAParty)?, envelope))
    }

    /// The envelope of somebody's own act.
    pub(super) fn own_act(&self, person: PersonId, paper: Paper) -> Result<Envelope, Stop> {
        let mut envelope = self.now();
        envelope.evidence.extend(paper);
        if !Person::is_same(self.world, self.cx.person()?, person)? {
            if paper.is_none() {
                return Err(Refusal::PartyActNotProven.into());
            }
            self.mediator()?;
            envelope.trust = Trust::Witnessed;
        }
        Ok(envelope)
    }

    /// The rules of mediation in force now, and the set they stand in.
    pub(super) fn rules(&self) -> Result<(Mediation, String), Stop> {
        let policy = PolicySets::in_force(self.world, self.community, self.cx.now)?;
        let rules = policy.mediation.clone();
        Ok((rules.ok_or(Refusal::NoMediationRules)?, policy.reference()))
    }

    /// That something must or may be done some days from now.
    pub(super) fn date(
        &self,
        purpose: Purpose,
        days: impl FnOnce(&Mediation) -> u32,
    ) -> Result<Event, Stop> {
        let (rules, basis) = self.rules()?;
        let due_at = self.cx.now + chrono::Duration::days(i64::from(days(&rules)));
        Ok(Event::DeadlineSet {
            purpose,
            due_at,
            basis,
        })
    }

    /// The date from which the record may be closed. None without rules of mediation: those of an
    /// earlier policy set may be gone, and no party is held in a dispute for want of them.
    pub(super) fn archive_date(&self) -> Result<Option<Event>, Stop> {
        let policy = PolicySets::in_force(self.world, self.community, self.cx.now)?;
        if policy.mediation.is_none() {
            return Ok(None);
        }
        let date = self.date(Purpose::Archive, |rules| rules.archive_days)?;
        Ok(Some(date))
    }

    /// The end of a dispute and the date from which its record may be closed.
    pub(super) fn ended(
        &self,
        mut events: Vec<Event>,
        envelope: &Envelope,
    ) -> Result<Decision, Stop> {
        events.extend(self.archive_date()?);
        Ok(self.all(events, envelope))
    }
}

pub(super) fn check_reason(reason: &str) -> Result<(), Stop> {
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(Refusal::ReasonNotAllowed.into());
    }
    Ok(())
}

pub(super) fn check_text(text: &Personal) -> Result<(), Stop> {
    if text.is_blank() || text.is_too_long() {
        return Err(Refusal::TextNotAllowed.into());
    }
    Ok(())
}

/// True if something stands twice.
pub(super) fn stands_twice<T: Ord + Copy>(items: impl IntoIterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    !items.into_iter().all(|item| seen.insert(item))
}
