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
                Ok(self.one(Event::LeadTransferred {
                    officer,
                    police_case,
                }))
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
        if let Some(first) = self.world.state::<Claim>(&key)?.holder {
            let first = LeadId(first);
            return Ok(self.one(Event::LeadLinkedAsDuplicate {
                officer,
                matter,
                first,
                effect: effect.clone(),
            }));
        }
        let reward = self.lead.source.map(|person| Reward {
            person,
            contribution,
        });
        let validated = self.one(Event::LeadValidated {
            community: self.community,
            officer,
            matter,
            effect: effect.clone(),
            reward,
        });
        let claimed = claim::Event::Claimed { holder: self.id.0 };
        let envelope = withheld(self.community, self.cx.now);
        Ok(validated.with::<Claim>(key, claimed, envelope))
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
        Ok(rejected)
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
