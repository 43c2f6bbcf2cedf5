//! After the walk: verified and rejected parts, late filings.

use std::collections::BTreeSet;

use chrono::Duration;

use super::plan::{is_window, zone_plan_version};
use super::walk::minutes;
use super::{
    Case, Command, Event, FILED_PARTS_MAX, FiledPart, PART_PIECES_MAX, Part, PatrolShift, Refusal,
    VERIFIERS, answers_for, check_reason,
};
use crate::envelope::{Envelope, Instant};
use crate::ids::PersonId;
use crate::member::Member;
use crate::person::Person;
use crate::person_day::{self, PersonDay};
use crate::policy_set::PolicySets;
use crate::refusal::Stop;
use crate::separation::{apart, not_same};
use crate::unit::Unit;
use crate::world::{Context, Decision, World};

impl Case<'_> {
    /// True if somebody was on the crew, under whichever of their records.
    pub(super) fn was_on_shift(&self, person: PersonId) -> Result<bool, Stop> {
        let records = Person::records(self.world, person)?;
        let mut records = records.iter();
        Ok(records.any(|record| self.shift.crew.contains_key(record)))
    }

    /// Refuses whoever filed a late shift, also under another record of theirs.
    pub(super) fn did_not_file(&self, person: PersonId) -> Result<(), Stop> {
        match self.shift.filed_by {
            Some(filed_by) => not_same(self.world, person, filed_by, Refusal::VerifierFiledIt),
            None => Ok(()),
        }
    }

    /// Who settles, and the part that is settled.
    fn to_settle(&self, person: PersonId) -> Result<(PersonId, &Part), Stop> {
        let verifier = self.cx.person()?;
        let Some(part) = self.shift.crew.get(&person) else {
            return Err(Refusal::PersonNotOnShift.into());
        };
        if part.checked_in.is_none() {
            return Err(Refusal::PersonNotOnShift.into());
        }
        let done = part.checked_out.unwrap_or(self.plan.until);
        apart(
            self.world,
            verifier,
            person,
            done,
            Refusal::VerifierIsBeneficiary,
        )?;
        if self.was_on_shift(verifier)? {
            return Err(Refusal::VerifierWasOnShift.into());
        }
        self.did_not_file(verifier)?;
        if !answers_for(self.world, self.owner()?, verifier, VERIFIERS, self.cx.now)? {
            return Err(Refusal::VerifierNotAllowed.into());
        }
        if part.accepted.is_some() {
            return Err(Refusal::ParticipationAlreadySettled.into());
        }
        Ok((verifier, part))
    }

    pub(super) fn verify(&self, person: PersonId) -> Result<Decision, Stop> {
        let (verified_by, part) = self.to_settle(person)?;
        let (from, until) = part.within(self.plan).ok_or(Refusal::PersonNotOnShift)?;
        let envelope = self.envelope(until);
        let zone = Unit::zone(self.world, self.plan.community, self.plan.until, self.cx)?;
        let mut intervals = Vec::new();
        let mut claims = Decision::new();
        for (day, from, until) in person_day::days(zone, from, until) {
            let key = PersonDay::key(person, day);
            let held = PersonDay::of_person(self.world, person, day)?;
            for (from, until) in held.free(from, until) {
                let shift = self.id;
                let event = person_day::Event::MinutesClaimed { shift, from, until };
                claims.push::<PersonDay>(&key, event, envelope.clone());
                intervals.push((from, until));
            }
        }
        if intervals.len() > PART_PIECES_MAX {
            return Err(Refusal::PartInTooManyPieces.into());
        }
        let length = intervals
            .iter()
            .map(|(from, until)| until.signed_duration_since(*from))
            .fold(Duration::zero(), |sum, length| sum + length);
        let event = Event::ParticipationVerified {
            person,
            community: self.plan.community,
            zone: self.plan.zone,
            intervals,
            minutes: minutes(length),
            verified_by,
        };
        let mut decision = Decision::new().with::<PatrolShift>(self.id, event, envelope);
        decision.events.append(&mut claims.events);
        self.close(person, true, &mut decision);
        Ok(decision)
    }

    pub(super) fn reject(&self, person: PersonId, reason: &str) -> Result<Decision, Stop> {
        let (rejected_by, _) = self.to_settle(person)?;
        check_reason(reason)?;
        let mut decision = self.now(Event::ParticipationRejected {
            person,
            reason: reason.to_owned(),
            rejected_by,
        });
        self.close(person, false, &mut decision);
        Ok(decision)
    }

    /// Ends the settling if this was the last part of it.
    fn close(&self, person: PersonId, accepts: bool, decision: &mut Decision) {
        let (mut accepted, mut rejected) = (0, 0);
        for (member, part) in &self.shift.crew {
            let settled = if *member == person {
                Some(accepts)
            } else {
                part.accepted
            };
            match settled {
                Some(true) => accepted += 1,
                Some(false) => rejected += 1,
                None if part.checked_in.is_some() => return,
                // Signed up and did not come: there is nothing to settle.
                None => {}
            }
        }
        let event = Event::ShiftVerified { accepted, rejected };
        decision.push::<PatrolShift>(self.id, event, self.envelope(self.cx.now));
    }

    /// Who decides on a late filing.
    fn approver(&self) -> Result<PersonId, Stop> {
        let approver = self.cx.person()?;
        if self.was_on_shift(approver)? {
            return Err(Refusal::ApproverWasOnShift.into());
        }
        if let Some(filed_by) = self.shift.filed_by {
            not_same(self.world, approver, filed_by, Refusal::ApproverFiledIt)?;
        }
        if answers_for(self.world, self.owner()?, approver, VERIFIERS, self.cx.now)? {
            Ok(approver)
        } else {
            Err(Refusal::ApproverNotAllowed.into())
        }
    }

    pub(super) fn approve_late(&self) -> Result<Decision, Stop> {
        let approved_by = self.approver()?;
        let completed = Event::ShiftCompleted {
            minutes: self.minutes_of(&self.shift.crew),
            hit: 0,
            skipped: 0,
            missed: 0,
        };
        // The approval is what carries the date of the completion beyond the back-date window.
        let envelope = self.envelope(self.plan.until);
        Ok(self
            .now(Event::LateShiftApproved { approved_by })
            .with::<PatrolShift>(self.id, completed, envelope))
    }

    pub(super) fn reject_late(&self, reason: &str) -> Result<Decision, Stop> {
        let rejected_by = self.approver()?;
        check_reason(reason)?;
        Ok(self.now(Event::LateShiftRejected {
            rejected_by,
            reason: reason.to_owned(),
        }))
    }
}

pub(super) fn file_late(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::FileLateShift {
        shift,
        community,
        zone,
        parts,
        reason,
    } = command
    else {
        return Ok(Decision::new());
    };
    let filed_by = cx.person()?;
    check_reason(reason)?;
    let from = check_parts(parts, cx.now)?;
    Unit::taking(world, *community, from)?;
    let owner = Unit::responsible(world, *community, cx.now)?;
    for part in parts {
        // As of the day of the deed; where the unit has ended since, as of now.
        let at = if owner == *community {
            part.from
        } else {
            cx.now
        };
        Member::counted(world, owner, part.person, at)?;
    }
    let zone_plan_version = zone_plan_version(world, *community, *zone, from)?;
    // Without a policy set at its start, what it earns could never be decided.
    PolicySets::in_force(world, *community, from)?;
    let mut envelope = Envelope::at(cx.now);
    envelope.unit = Some(community.0);
    let event = Event::LateShiftFiled {
        community: *community,
        zone: *zone,
        zone_plan_version,
        parts: parts.clone(),
        reason: reason.clone(),
        filed_by,
    };
    Ok(Decision::new().with::<PatrolShift>(shift, event, envelope))
}

/// When the earliest part began, if the parts can be those of a shift.
fn check_parts(parts: &[FiledPart], now: Instant) -> Result<Instant, Stop> {
    let persons: BTreeSet<_> = parts.iter().map(|part| part.person).collect();
    let from = parts.iter().map(|part| part.from).min();
    let until = parts.iter().map(|part| part.until).max();
    let (Some(from), Some(until)) = (from, until) else {
        return Err(Refusal::PartsNotAllowed.into());
    };
    if parts.len() > FILED_PARTS_MAX || persons.len() < parts.len() {
        return Err(Refusal::PartsNotAllowed.into());
    }
    let lasts = parts.iter().all(|part| part.from < part.until);
    if !lasts || until > now || !is_window(from, until) {
        return Err(Refusal::PartTimesNotAllowed.into());
    }
    Ok(from)
}
