//! What is kept of a member beside membership and roles: trainings, consents, corrections, and the
//! way of a record to another community or into that of the same person.

use super::{
    CORRECTIONS_MAX, COURSE_BYTES_MAX, Command, ConsentPurpose, Event, Member, MemberKind,
    MemberState, Refusal, TRAININGS_MAX,
};
use crate::envelope::Envelope;
use crate::ids::{CorrectionId, PersonId, UnitId};
use crate::person::Person;
use crate::personal::Personal;
use crate::refusal::Stop;
use crate::separation;
use crate::world::{Context, Decision, World};

/// A record and what a decision about it is given.
pub(super) struct Case<'a> {
    pub(super) community: UnitId,
    pub(super) person: PersonId,
    pub(super) member: &'a Member,
    pub(super) world: &'a World,
    pub(super) cx: &'a Context,
}

impl Case<'_> {
    /// The envelope of something done now, in the community.
    pub(super) fn now(&self) -> Envelope {
        let mut envelope = Envelope::at(self.cx.now);
        envelope.unit = Some(self.community.0);
        envelope
    }

    fn key(&self) -> String {
        Member::key(self.community, self.person)
    }

    /// Who leads the community, and is not the person of the record.
    pub(super) fn other_than_the_person(&self) -> Result<PersonId, Stop> {
        let (approver, _) = Member::approver(self.world, self.community, self.cx)?;
        let same = Refusal::ApproverIsThePerson;
        separation::not_same(self.world, approver, self.person, same)?;
        Ok(approver)
    }

    /// The same, but for the only administrator, who may begin alone.
    fn other_or_alone(&self, community: UnitId) -> Result<(PersonId, bool), Stop> {
        super::other_approver(self.world, community, self.person, self.cx)
    }

    /// Moves to another community: one record ends as the other begins.
    pub(super) fn go(&self, to: UnitId) -> Result<Decision, Stop> {
        if to == self.community {
            return Err(Refusal::CommunityUnchanged.into());
        }
        Member::require_community(self.world, to, self.cx.now)?;
        Member::approver(self.world, self.community, self.cx)?;
        let (approved_by, bootstrap) = self.other_or_alone(to)?;
        let key = Member::key(to, self.person);
        let there = self.world.state::<Member>(&key)?;
        match there.state {
            MemberState::Unknown | MemberState::Left => {}
            MemberState::Merged => return Err(Refusal::MemberMerged.into()),
            _ => return Err(Refusal::AlreadyMember.into()),
        }
        let mut envelope = self.now();
        envelope.unit = Some(to.0);
        let applied = Event::MemberApplied {
            community: to,
            person: self.person,
            kind: self.member.kind.unwrap_or(MemberKind::Volunteer),
            under_14: self.member.under_14,
        };
        let approved = Event::MemberApproved {
            approved_by,
            bootstrap,
        };
        let mut decision = Decision::new()
            .with::<Member>(self.key(), Event::MemberLeft {}, self.now())
            .with::<Member>(&key, applied, envelope.clone());
        if self.member.under_14 {
            // What the guardian agreed to goes along; the paper stands in the record that ends.
            let consent = Event::GuardianConsentGiven {};
            decision.push::<Member>(&key, consent, envelope.clone());
        }
        decision.push::<Member>(&key, approved, envelope);
        Ok(decision)
    }

    pub(super) fn train(&self, command: &Command) -> Result<Decision, Stop> {
        let Command::RecordTraining {
            course,
            trained_at,
            certificate,
            ..
        } = command
        else {
            return Ok(Decision::new());
        };
        let recorded_by = self.other_than_the_person()?;
        if course.trim().is_empty() || course.len() > COURSE_BYTES_MAX {
            return Err(Refusal::CourseNotAllowed.into());
        }
        if *trained_at > self.cx.now {
            return Err(Refusal::TrainedInTheFuture.into());
        }
        if self.member.trainings >= TRAININGS_MAX {
            return Err(Refusal::TooManyTrainings.into());
        }
        // A second person vouches for it, so it may lie as far back as it does.
        let mut envelope = self.now();
        envelope.occurred_at = *trained_at;
        envelope.evidence.extend(*certificate);
        let event = Event::TrainingRecorded {
            course: course.clone(),
            recorded_by,
        };
        Ok(Decision::new().with::<Member>(self.key(), event, envelope))
    }

    pub(super) fn consent(
        &self,
        purpose: ConsentPurpose,
        paper: Option<[u8; 32]>,
        gives: bool,
    ) -> Result<Decision, Stop> {
        let own = self.cx.person()? == self.person;
        if !own {
            Member::approver(self.world, self.community, self.cx)?;
        }
        if paper.is_none() && (!own || (gives && self.member.under_14)) {
            return Err(Refusal::ConsentPaperMissing.into());
        }
        let event = match (gives, self.member.consents.contains(&purpose)) {
            (true, true) => return Err(Refusal::ConsentAlreadyGiven.into()),
            (false, false) => return Err(Refusal::ConsentNotGiven.into()),
            (true, false) => Event::ConsentGiven { purpose },
            (false, true) => Event::ConsentWithdrawn { purpose },
        };
        let mut envelope = self.now();
        envelope.evidence.extend(paper);
        Ok(Decision::new().with::<Member>(self.key(), event, envelope))
    }

    pub(super) fn request_correction(
        &self,
        correction: CorrectionId,
        what: &Personal,
    ) -> Result<Event, Stop> {
        if self.cx.person()? != self.person {
            return Err(Refusal::CorrectionNotOwn.into());
        }
        if what.is_blank() || what.is_too_long() {
            return Err(Refusal::FindingNotAllowed.into());
        }
        if self.member.corrections.contains(&correction) {
            return Err(Refusal::CorrectionAlreadyRequested.into());
        }
        if self.member.corrections.len() >= CORRECTIONS_MAX {
            return Err(Refusal::TooManyCorrections.into());
        }
        Ok(Event::RecordCorrectionRequested {
            correction,
            what: what.clone(),
        })
    }

    pub(super) fn correct(
        &self,
        correction: Option<CorrectionId>,
        kind: Option<MemberKind>,
        finding: &Personal,
    ) -> Result<Event, Stop> {
        let corrected_by = self.other_than_the_person()?;
        if correction.is_some_and(|asked| !self.member.corrections.contains(&asked)) {
            return Err(Refusal::CorrectionNotFound.into());
        }
        if finding.is_blank() || finding.is_too_long() {
            return Err(Refusal::FindingNotAllowed.into());
        }
        if kind.is_some() && kind == self.member.kind {
            return Err(Refusal::KindUnchanged.into());
        }
        Ok(Event::RecordCorrected {
            correction,
            kind,
            finding: finding.clone(),
            corrected_by,
        })
    }

    /// Closes the duplicate's record; a membership that only it had goes on under the person's.
    pub(super) fn merge(&self, duplicate: PersonId) -> Result<Decision, Stop> {
        let (merged_by, _) = self.other_or_alone(self.community)?;
        let stands = Person::survivor(self.world, duplicate)?;
        if duplicate == self.person || stands != self.person {
            return Err(Refusal::PersonsNotMerged.into());
        }
        let key = Member::key(self.community, duplicate);
        let other = self.world.state::<Member>(&key)?;
        if matches!(other.state, MemberState::Unknown | MemberState::Merged) {
            return Err(Refusal::DuplicateNotMember.into());
        }
        let own = matches!(
            self.member.state,
            MemberState::Active | MemberState::Suspended
        );
        // A suspension is of the person: it neither ends by the merge nor is left behind.
        let suspended = other.state == MemberState::Suspended;
        let member_as = other
            .kind
            .filter(|_| (other.state == MemberState::Active || suspended) && !own);
        let merged = Event::MembersMerged {
            into: self.person,
            merged_by,
        };
        let taken = Event::MemberTakenOver {
            duplicate,
            member_as,
            under_14: other.under_14,
            suspended,
            merged_by,
        };
        Ok(Decision::new()
            .with::<Member>(key, merged, self.now())
            .with::<Member>(self.key(), taken, self.now()))
    }
}
