//! After the verification: disputed by somebody, verified again by somebody else, or voided.
//!
//! A dispute opens the whole shift again. What is found then takes the place of what was found
//! before, in minutes, coverage and points; scans that came late count from here on.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;

use super::command::Reverified;
use super::event::{CountedScan, MissedCheckpoint, VoidedPart};
use super::walk::minutes;
use super::{
    Case, DISPUTES_MAX, Event, Hit, LateScan, PART_PIECES_MAX, Part, PatrolShift,
    REVERIFIED_PIECES_MAX, REVERIFIED_REASONS_BYTES_MAX, Refusal, VERIFIERS, answers_for, later,
};
use crate::checkpoint::Checkpoint;
use crate::envelope::{Instant, Trust};
use crate::genesis::{self, Genesis};
use crate::ids::{CheckpointId, PersonId};
use crate::person::Person;
use crate::person_day::{self, PersonDay};
use crate::personal::Personal;
use crate::policy_set::PolicySets;
use crate::refusal::Stop;
use crate::unit::Unit;
use crate::world::Decision;

/// Times within which somebody was there.
type Intervals = Vec<(Instant, Instant)>;

fn check_text(reason: &Personal) -> Result<(), Stop> {
    if reason.is_blank() || reason.is_too_long() {
        return Err(Refusal::DisputeReasonNotAllowed.into());
    }
    Ok(())
}

fn length(intervals: &[(Instant, Instant)]) -> u32 {
    let lengths = intervals
        .iter()
        .map(|(from, until)| until.signed_duration_since(*from));
    minutes(lengths.fold(Duration::zero(), |sum, length| sum + length))
}

impl Case<'_> {
    pub(super) fn dispute(&self, reason: &Personal) -> Result<Decision, Stop> {
        let disputed_by = self.cx.person()?;
        let administrators = &self.world.state::<Genesis>(genesis::KEY)?.administrators;
        if !administrators.contains(&disputed_by) {
            match self.member(disputed_by) {
                Ok(()) => {}
                Err(Stop::Refused(_)) => return Err(Refusal::DisputerNotAllowed.into()),
                Err(need) => return Err(need),
            }
        }
        check_text(reason)?;
        if self.shift.disputes >= DISPUTES_MAX {
            return Err(Refusal::TooManyDisputes.into());
        }
        let policy = PolicySets::in_force(self.world, self.plan.community, self.plan.from)?;
        let days = policy.timers.shift_dispute_days;
        let days = days.ok_or(Refusal::NoDisputeWindow)?;
        let verified_at = self.shift.verified_at.unwrap_or(self.plan.until);
        if self.cx.now > later(verified_at, Duration::days(i64::from(days))) {
            return Err(Refusal::DisputeTooLate.into());
        }
        let mut decision = self.now(Event::ShiftDisputed {
            disputed_by,
            reason: reason.clone(),
        });
        decision.used(&policy.reference());
        Ok(decision)
    }

    /// Who settles a dispute: somebody with a role for it who neither walked, nor filed it, nor
    /// settled the shift before, nor ever disputed it.
    fn arbiter(&self) -> Result<PersonId, Stop> {
        let person = self.cx.person()?;
        if self.was_on_shift(person)? {
            return Err(Refusal::VerifierWasOnShift.into());
        }
        let records = Person::records(self.world, person)?;
        let is_among = |some: &BTreeSet<PersonId>| records.iter().any(|it| some.contains(it));
        if is_among(&self.shift.settled_by) {
            return Err(Refusal::VerifierSettledItBefore.into());
        }
        if is_among(&self.shift.disputed_by) {
            return Err(Refusal::VerifierDisputesIt.into());
        }
        self.did_not_file(person)?;
        if !answers_for(self.world, self.owner()?, person, VERIFIERS, self.cx.now)? {
            return Err(Refusal::VerifierNotAllowed.into());
        }
        Ok(person)
    }

    pub(super) fn reverify(&self, parts: &[Reverified]) -> Result<Decision, Stop> {
        let verified_by = self.arbiter()?;
        let named: BTreeMap<_, _> = parts.iter().map(|part| (part.person, part)).collect();
        let came: BTreeMap<_, _> = self
            .shift
            .crew
            .iter()
            .filter(|(_, part)| part.checked_in.is_some())
            .collect();
        if parts.len() != named.len() || !named.keys().eq(came.keys().copied()) {
            return Err(Refusal::PartsNotComplete.into());
        }
        // What is decided together must fit into one commit.
        let reasons = parts.iter().filter_map(|part| part.reason.as_ref());
        if reasons.map(|reason| reason.reveal().len()).sum::<usize>() > REVERIFIED_REASONS_BYTES_MAX
        {
            return Err(Refusal::ReasonsTooLong.into());
        }
        let mut decision = Decision::new();
        self.count_late_scans(&named, &mut decision)?;
        let (mut accepted, mut pieces) = (0, 0);
        for (person, part) in came {
            if let Some(found) = named.get(person) {
                accepted += u32::from(found.accepted);
                pieces += self.settle_anew(part, found, verified_by, &mut decision)?;
            }
        }
        if pieces > REVERIFIED_PIECES_MAX {
            return Err(Refusal::TooManyPieces.into());
        }
        let rejected = u32::try_from(parts.len()).unwrap_or(u32::MAX) - accepted;
        let verified = Event::ShiftVerified { accepted, rejected };
        decision.push::<PatrolShift>(self.id, verified, self.envelope(self.cx.now));
        Ok(decision)
    }

    /// One part, with the minutes it gives back and those it takes; in how many pieces.
    fn settle_anew(
        &self,
        part: &Part,
        found: &Reverified,
        verified_by: PersonId,
        decision: &mut Decision,
    ) -> Result<usize, Stop> {
        let person = found.person;
        let own = part.within(self.plan).ok_or(Refusal::PersonNotOnShift)?;
        let (from, until) = self.found_within(found, own)?;
        // The value date stays: the activity happened when it happened.
        let envelope = self.envelope(own.1);
        let zone = Unit::zone(self.world, self.plan.community, self.plan.until, self.cx)?;
        let mut intervals = Intervals::new();
        let mut days = Decision::new();
        self.release_minutes(person, part, &mut days)?;
        if found.accepted {
            for (day, from, until) in person_day::days(zone, from, until) {
                let key = PersonDay::key(person, day);
                let held = PersonDay::of_person(self.world, person, day)?;
                for (from, until) in held.free_beside(self.id, from, until) {
                    let shift = self.id;
                    let event = person_day::Event::MinutesClaimed { shift, from, until };
                    days.push::<PersonDay>(&key, event, envelope.clone());
                    intervals.push((from, until));
                }
            }
        }
        if intervals.len() > PART_PIECES_MAX {
            return Err(Refusal::PartInTooManyPieces.into());
        }
        let pieces = intervals.len();
        let event = Event::ParticipationReverified {
            person,
            community: self.plan.community,
            zone: self.plan.zone,
            accepted: found.accepted,
            before: part.counted.clone(),
            minutes: length(&intervals),
            intervals,
            reason: found.reason.clone(),
            verified_by,
        };
        decision.push::<PatrolShift>(self.id, event, envelope);
        decision.events.append(&mut days.events);
        Ok(pieces)
    }

    /// The times that were found for a part, within the planned window.
    fn found_within(
        &self,
        found: &Reverified,
        own: (Instant, Instant),
    ) -> Result<(Instant, Instant), Stop> {
        if let Some(reason) = &found.reason {
            check_text(reason)?;
        }
        if !found.accepted {
            if found.reason.is_none() || found.from.is_some() || found.until.is_some() {
                return Err(Refusal::ReverifiedPartNotAllowed.into());
            }
            return Ok(own);
        }
        let times = (found.from.unwrap_or(own.0), found.until.unwrap_or(own.1));
        if found.from.is_some() || found.until.is_some() {
            let window = self.plan.from..=self.plan.until;
            let within = window.contains(&times.0) && window.contains(&times.1);
            if !within || times.0 >= times.1 || times.1 > self.cx.now {
                return Err(Refusal::ReverifiedPartNotAllowed.into());
            }
        }
        Ok(times)
    }

    /// Gives back the minutes that a part holds.
    fn release_minutes(
        &self,
        person: PersonId,
        part: &Part,
        decision: &mut Decision,
    ) -> Result<(), Stop> {
        let zone = Unit::zone(self.world, self.plan.community, self.plan.until, self.cx)?;
        let days: BTreeSet<_> = part
            .counted
            .iter()
            .flat_map(|(from, until)| person_day::days(zone, *from, *until))
            .map(|(day, ..)| day)
            .collect();
        for day in days {
            let key = PersonDay::key(person, day);
            // Read, so that nobody else changes the day at the same time.
            self.world.state::<PersonDay>(&key)?;
            let event = person_day::Event::MinutesReleased { shift: self.id };
            decision.push::<PersonDay>(&key, event, self.envelope(self.cx.now));
        }
        Ok(())
    }

    /// True if a scan was made within a part that is found to count now.
    fn lies_within(&self, late: &LateScan, named: &BTreeMap<PersonId, &Reverified>) -> bool {
        let found = named.get(&late.person).filter(|found| found.accepted);
        let Some((found, part)) = found.zip(self.shift.crew.get(&late.person)) else {
            return false;
        };
        // Times that were found take the place of those that were told.
        let from = found.from.or(part.checked_in);
        let until = found.until.or(part.checked_out);
        let at = late.hit.at;
        from.is_some_and(|from| from <= at) && until.is_some_and(|until| at <= until)
    }

    /// Checkpoints that only late scans show, each at the time of its earliest one: a scan made
    /// when nobody's part counts shows nothing, nor does one of another community's checkpoint.
    fn count_late_scans(
        &self,
        named: &BTreeMap<PersonId, &Reverified>,
        decision: &mut Decision,
    ) -> Result<(), Stop> {
        let mut shown: BTreeMap<CheckpointId, Hit> = BTreeMap::new();
        for late in &self.shift.late {
            if self.shift.hit.contains_key(&late.checkpoint) || !self.lies_within(late, named) {
                continue;
            }
            let first = shown.entry(late.checkpoint).or_insert(late.hit);
            if late.hit.at < first.at {
                *first = late.hit;
            }
        }
        for (checkpoint, late) in &shown {
            let stands = self.world.state::<Checkpoint>(checkpoint)?;
            if stands.community != Some(self.plan.community) {
                continue;
            }
            let missed = self.shift.missed.get(checkpoint);
            let event = Event::LateScanCounted {
                checkpoint: *checkpoint,
                zone: late.zone.unwrap_or(self.plan.zone),
                missed: missed.map(|zone| MissedCheckpoint {
                    checkpoint: *checkpoint,
                    zone: zone.unwrap_or(self.plan.zone),
                }),
                until: self.plan.until,
            };
            let mut envelope = self.envelope(late.at);
            envelope.trust = Trust::System;
            decision.push::<PatrolShift>(self.id, event, envelope);
        }
        Ok(())
    }

    pub(super) fn void(&self, reason: &Personal) -> Result<Decision, Stop> {
        let voided_by = self.arbiter()?;
        check_text(reason)?;
        let shift = self.shift;
        let voided = |(person, part): (&PersonId, &Part)| {
            let (from, until) = part.within(self.plan)?;
            Some(VoidedPart {
                person: *person,
                from,
                until,
                counted: part.counted.clone(),
            })
        };
        let event = Event::ShiftVoided {
            reason: reason.clone(),
            voided_by,
            community: self.plan.community,
            zone: self.plan.zone,
            until: self.plan.until,
            parts: shift.crew.iter().filter_map(voided).collect(),
            hits: shift
                .hit
                .iter()
                .map(|(checkpoint, hit)| CountedScan {
                    checkpoint: *checkpoint,
                    zone: hit.zone.unwrap_or(self.plan.zone),
                    at: hit.at,
                })
                .collect(),
            missed: shift
                .missed
                .iter()
                .map(|(checkpoint, zone)| MissedCheckpoint {
                    checkpoint: *checkpoint,
                    zone: zone.unwrap_or(self.plan.zone),
                })
                .collect(),
        };
        let mut decision = self.now(event);
        for (person, part) in &shift.crew {
            self.release_minutes(*person, part, &mut decision)?;
        }
        Ok(decision)
    }
}
