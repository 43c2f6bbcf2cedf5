//! Who answers for it: one unit, several together by a council's ruling, or another authority.

use std::collections::BTreeSet;

use super::case::{Case, check_reason, is_owner};
use super::{COUNCIL_MEETING_BYTES_MAX, Event, OWNERS_MAX, REFERRAL_ID_BYTES_MAX, RULERS, Refusal};
use crate::patrol_shift::answers_for;
use crate::policy_set::PolicySets;
use crate::refusal::Stop;
use crate::world::Decision;

/// True if these are some owners, each named once.
fn are_owners(owners: &[String]) -> bool {
    let once: BTreeSet<_> = owners.iter().collect();
    (1..=OWNERS_MAX).contains(&owners.len())
        && once.len() == owners.len()
        && owners.iter().all(|owner| is_owner(owner))
}

impl Case<'_> {
    pub(super) fn assign_owner(&self, owner: &str) -> Result<Decision, Stop> {
        if !is_owner(owner) {
            return Err(Refusal::OwnerNotAllowed.into());
        }
        if self.hazard.jointly_owned {
            return Err(Refusal::OwnersRuled.into());
        }
        Ok(self.one(Event::OwnerAssigned {
            owner: owner.to_owned(),
        }))
    }

    pub(super) fn raise_unclear_boundary(
        &self,
        candidates: &[String],
        reason: &str,
    ) -> Result<Decision, Stop> {
        if !are_owners(candidates) {
            return Err(Refusal::CandidatesNotAllowed.into());
        }
        check_reason(reason)?;
        Ok(self.one(Event::BoundaryUnclearRaised {
            candidates: candidates.to_vec(),
            reason: reason.to_owned(),
            raised_by: self.cx.person()?,
        }))
    }

    pub(super) fn rule_joint_owner(
        &self,
        lead: &str,
        joint: &[String],
        council_meeting: &str,
        minutes: Option<[u8; 32]>,
    ) -> Result<Decision, Stop> {
        let ruled_by = self.cx.person()?;
        if !answers_for(self.world, self.unit, ruled_by, RULERS, self.cx.now)? {
            return Err(Refusal::RulerNotAllowed.into());
        }
        if !is_owner(lead) {
            return Err(Refusal::OwnerNotAllowed.into());
        }
        if !are_owners(joint) || joint.iter().any(|owner| owner == lead) {
            return Err(Refusal::JointOwnersNotAllowed.into());
        }
        if council_meeting.trim().is_empty() || council_meeting.len() > COUNCIL_MEETING_BYTES_MAX {
            return Err(Refusal::CouncilMeetingNotAllowed.into());
        }
        let mut envelope = self.at(self.cx.now);
        envelope.evidence.extend(minutes);
        let event = Event::JointOwnerRuled {
            lead: lead.to_owned(),
            joint: joint.to_vec(),
            council_meeting: council_meeting.to_owned(),
            ruled_by,
        };
        Ok(self.all(vec![event], &envelope))
    }

    /// Hands it to another authority. Until it comes back no deadline of ours runs; one that has
    /// passed by now is a breach all the same.
    pub(super) fn refer(
        &self,
        authority: &str,
        external_id: Option<&str>,
        reason: &str,
    ) -> Result<Decision, Stop> {
        if !is_owner(authority) {
            return Err(Refusal::AuthorityNotAllowed.into());
        }
        if external_id.is_some_and(|id| !(1..=REFERRAL_ID_BYTES_MAX).contains(&id.len())) {
            return Err(Refusal::ReferralIdNotAllowed.into());
        }
        check_reason(reason)?;
        let referred = Event::HazardReferred {
            authority: authority.to_owned(),
            external_id: external_id.map(str::to_owned),
            reason: reason.to_owned(),
            referred_by: self.cx.person()?,
        };
        Ok(self.with_breaches(referred, &self.at(self.cx.now)))
    }

    /// Takes it back; deadlines begin anew. That it went back and forth stays to be seen, so nobody
    /// gains by it unseen.
    pub(super) fn return_referral(&self, reason: &str) -> Result<Decision, Stop> {
        check_reason(reason)?;
        let policy = PolicySets::in_force(self.world, self.unit, self.cx.now)?;
        let returned = Event::ReferralReturned {
            reason: reason.to_owned(),
            returned_by: self.cx.person()?,
        };
        let at = self.at(self.cx.now);
        let mut decision = self.with_consequences(returned, &at, self.rules(Some(&policy)));
        decision.used(&policy.reference());
        Ok(decision)
    }
}
