//! How a dispute ends and what comes after: failure, withdrawal, archive, reopening, relapse.

use std::collections::BTreeSet;

use super::{
    Case, Dispute, DisputeState, Event, PARTIES_MIN, Paper, Purpose, RELAPSES_MAX, Refusal, Remedy,
    STATION, check_reason, stands_twice,
};
use crate::ids::{DisputeId, PersonId};
use crate::person::Person;
use crate::refusal::Stop;
use crate::world::{Decision, World};

impl Dispute {
    /// Whether another dispute between these parties is this one again.
    pub(super) fn may_relapse_as(
        &self,
        relapse: DisputeId,
        parties: impl Iterator<Item = PersonId>,
        world: &World,
    ) -> Result<(), Stop> {
        if self.state == DisputeState::Unknown {
            return Err(Refusal::RelapseNotFound.into());
        }
        if self.effective_at().is_none() {
            return Err(Refusal::NothingToRelapse.into());
        }
        if self.relapses.contains_key(&relapse) {
            return Err(Refusal::RelapseAlreadyLinked.into());
        }
        if self.relapses.len() >= RELAPSES_MAX {
            return Err(Refusal::TooManyRelapses.into());
        }
        // Somebody may be a party here and there under two records of theirs.
        let survivor = |party| Person::survivor(world, party);
        let ours = self.parties.keys().copied().map(survivor);
        let ours = ours.collect::<Result<BTreeSet<_>, _>>()?;
        let theirs = parties.map(survivor).collect::<Result<BTreeSet<_>, _>>()?;
        if ours.intersection(&theirs).count() < PARTIES_MIN {
            return Err(Refusal::RelapseOfOthers.into());
        }
        Ok(())
    }
}

impl Case<'_> {
    pub(super) fn fail(&self, reason: &str, remedies: &[Remedy]) -> Result<Decision, Stop> {
        let ended_by = self.mediator()?;
        check_reason(reason)?;
        let twice = stands_twice(remedies.iter().map(|remedy| *remedy as u8));
        if remedies.is_empty() || twice {
            return Err(Refusal::RemediesMissing.into());
        }
        let failed = Event::MediationFailed {
            reason: reason.to_owned(),
            remedies: remedies.to_vec(),
            ended_by,
        };
        self.ended(vec![failed], &self.now())
    }

    pub(super) fn withdraw(&self, party: PersonId, paper: Paper) -> Result<Decision, Stop> {
        let (_, envelope) = self.party_act(party, paper)?;
        self.ended(vec![Event::MediationWithdrawn { party }], &envelope)
    }

    pub(super) fn terminate(&self, reason: &str) -> Result<Decision, Stop> {
        let terminated_by = self.holder(STATION, Refusal::TerminatorNotAllowed)?;
        check_reason(reason)?;
        let terminated = Event::DisputeTerminated {
            reason: reason.to_owned(),
            terminated_by,
        };
        self.ended(vec![terminated], &self.now())
    }

    pub(super) fn archive(&self) -> Result<Decision, Stop> {
        if !self.cx.actor.system {
            self.mediator()?;
        }
        if self.dispute.court_is_asked() {
            return Err(Refusal::CourtHasNotDecided.into());
        }
        let cooled = self.dispute.dates.get(&Purpose::Archive);
        if cooled.is_some_and(|cooled| self.cx.now <= *cooled) {
            return Err(Refusal::CoolingNotOver.into());
        }
        Ok(self.one(Event::DisputeArchived {
            registration: self.dispute.registration,
            sessions: self.dispute.sessions.clone(),
            agreement: self.dispute.agreement.as_ref().map(|it| it.position),
        }))
    }

    pub(super) fn reopen(&self, reason: &str) -> Result<Decision, Stop> {
        let reopened_by = self.mediator()?;
        check_reason(reason)?;
        let reopened = Event::DisputeReopened {
            reason: reason.to_owned(),
            reopened_by,
        };
        let offered = Event::MediationOffered {};
        Ok(self.all(vec![reopened, offered], &self.now()))
    }

    pub(super) fn link_relapse(&self, relapse: DisputeId) -> Result<Decision, Stop> {
        let linked_by = self.mediator()?;
        if relapse == self.id {
            return Err(Refusal::RelapseIsItself.into());
        }
        let again = self.world.state::<Dispute>(relapse)?;
        if again.state == DisputeState::Unknown {
            return Err(Refusal::RelapseNotFound.into());
        }
        let parties = again.parties.keys().copied();
        self.dispute.may_relapse_as(relapse, parties, self.world)?;
        Ok(self.one(Event::RelapseLinked { relapse, linked_by }))
    }
}
