//! The review: what the officer finds, and what follows.

use chrono::Duration;

use super::intake::check_text;
use super::{ACCESSES_MAX, Ask, Event, Lead, Refusal, Reward, confidential, rules, withheld};
use crate::claim::{self, Claim, Kind};
use crate::ids::{ContributionId, LeadId, MatterId, PersonId, UnitId};
use crate::lead_source::{self, LeadSource};
use crate::personal::Personal;
use crate::refusal::Stop;
use crate::world::{Context, Decision, World};

/// A lead and the officer who acts on it.
pub(super) struct Review<'a> {
    pub(super) id: LeadId,
    pub(super) lead: &'a Lead,
    pub(super) community: UnitId,
    pub(super) officer: PersonId,
    pub(super) world: &'a World,
    pub(super) cx: &'a Context,
}

impl Review<'_> {
    /// The rule of each command; its state was checked before.
    pub(super) fn answer(&self, ask: &Ask) -> Result<Decision, Stop> {
        let officer = self.officer;
        match ask {
            Ask::SubmitLead { .. } => Err(Refusal::LeadAlreadySubmitted.into()),
            Ask::TriageLead => Ok(self.one(Event::LeadTriaged { officer })),
            Ask::AccessLead { purpose } => self.access(purpose),
            Ask::ValidateLead {
                matter,
                effect,
                contribution,
            } => self.validate(*matter, effect, *contribution),
            Ask::RejectLead { reason } => self.reject(reason),
            Ask::TransferLead { police_case } => {
                check_text(police_case)?;
                let police_case = police_case.clone();
                Ok(self.closing(self.one(Event::LeadTransferred {
                    officer,
                    police_case,
                })))
            }
            Ask::RecordLeadOutcome { outcome } => {
                check_text(outcome)?;
                let outcome = outcome.clone();
                Ok(self.one(Event::LeadOutcomeRecorded { officer, outcome }))
            }
            Ask::ArchiveLead => self.archive(),
        }
    }

    fn one(&self, event: Event) -> Decision {
        let envelope = withheld(self.community, self.cx.now);
        confidential().with::<Lead>(self.id, event, envelope)
    }

    fn access(&self, purpose: &Personal) -> Result<Decision, Stop> {
        check_text(purpose)?;
        if self.lead.accesses >= ACCESSES_MAX {
            return Err(Refusal::TooManyAccesses.into());
        }
        Ok(self.one(Event::LeadAccessed {
            officer: self.officer,
            purpose: purpose.clone(),
        }))
    }

    fn validate(
        &self,
        matter: MatterId,
        effect: &Personal,
        contribution: ContributionId,
    ) -> Result<Decision, Stop> {
        check_text(effect)?;
        let officer = self.officer;
        let key = Kind::LeadMatter.key(matter);
        let mut found = confidential();
        if let Some(first) = self.world.state::<Claim>(&key)?.holder {
            let first = LeadId(first);
            let other = self.world.state::<Lead>(first)?;
            if other.submitted <= self.lead.submitted {
                return Ok(self.closing(self.one(Event::LeadLinkedAsDuplicate {
                    officer,
                    matter,
                    first,
                    effect: effect.clone(),
                })));
            }
            self.overtake(&mut found, matter, first, &other);
        }
        let reward = self.lead.source.map(|person| Reward {
            person,
            contribution,
        });
        let validated = Event::LeadValidated {
            community: self.community,
            officer,
            matter,
            effect: effect.clone(),
            reward,
        };
        let envelope = || withheld(self.community, self.cx.now);
        found.push::<Lead>(self.id, validated, envelope());
        let claimed = claim::Event::Claimed { holder: self.id.0 };
        found.push::<Claim>(key, claimed, envelope());
        Ok(self.closing(found))
    }

    /// Takes the matter over from a lead that was found valid before, but submitted later. It comes
    /// first in the commit, so that its award is taken off before the other one is reckoned; and is
    /// dated as its finding was, as every revision of an award is by the day of the deed.
    fn overtake(&self, found: &mut Decision, matter: MatterId, later: LeadId, of: &Lead) {
        let community = of.community.unwrap_or(self.community);
        let overtaken = Event::LeadOvertaken {
            community,
            officer: self.officer,
            matter,
            first: self.id,
            reward: of.reward,
        };
        let found_at = of.closed_at.unwrap_or(self.cx.now);
        found.push::<Lead>(later, overtaken, withheld(community, found_at));
        let released = claim::Event::Released { holder: later.0 };
        let envelope = withheld(self.community, self.cx.now);
        found.push::<Claim>(Kind::LeadMatter.key(matter), released, envelope);
    }

    /// What closes a lead that its source submitted makes room for another of theirs.
    fn closing(&self, mut closed: Decision) -> Decision {
        if let (true, Some(source), None) = (
            self.lead.state.is_open(),
            self.lead.source,
            self.lead.entered_by,
        ) {
            let settled = lead_source::Event::OpenLeadSettled {};
            let envelope = withheld(self.community, self.cx.now);
            closed.push::<LeadSource>(source, settled, envelope);
        }
        closed
    }

    /// What was entered for somebody else is not held against them: they may never have said it.
    fn reject(&self, reason: &Personal) -> Result<Decision, Stop> {
        check_text(reason)?;
        let mut rejected = self.one(Event::LeadRejected {
            officer: self.officer,
            reason: reason.clone(),
        });
        if let (Some(source), None) = (self.lead.source, self.lead.entered_by) {
            let counted = lead_source::Event::InvalidLeadCounted {};
            let envelope = withheld(self.community, self.cx.now);
            rejected.push::<LeadSource>(source, counted, envelope);
        }
        Ok(self.closing(rejected))
    }

    /// Not before the policy's days are over: the matter becomes free, and whoever tells it then
    /// tells it anew.
    fn archive(&self) -> Result<Decision, Stop> {
        let rules = rules(self.world, self.community, self.cx.now)?;
        if let (Some((rules, _)), Some(closed_at)) = (&rules, self.lead.closed_at)
            && self.cx.now < closed_at + Duration::days(i64::from(rules.archive_days))
        {
            return Err(Refusal::ArchivedTooEarly.into());
        }
        let officer = self.officer;
        let mut archived = self.one(Event::LeadArchived { officer });
        if let Some((_, policy)) = &rules {
            archived.used(policy);
        }
        if let Some(matter) = self.lead.matter {
            let released = claim::Event::Released { holder: self.id.0 };
            let envelope = withheld(self.community, self.cx.now);
            archived.push::<Claim>(Kind::LeadMatter.key(matter), released, envelope);
        }
        Ok(archived)
    }
}
