//! The walk: check-in, scans, skips, findings, check-out and completion.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::Duration;

use super::anomalies::{self, Anomaly};
use super::{
    Capture, Case, DEVICE_BYTES_MAX, Event, FINDINGS_MAX, Method, OFF_ROUTE_MAX, Part, PatrolShift,
    PersonMinutes, Refusal, SCANS_MAX, Scan, ShiftState, ShiftTimer, check_reason, later,
};
use crate::checkpoint::Checkpoint;
use crate::claim::{self, Claim, Kind};
use crate::envelope::{Envelope, Instant, Trust};
use crate::hazard::{self, Hazard, HazardState};
use crate::ids::{CheckpointId, HazardId, PersonId, ZoneId};
use crate::place::Place;
use crate::policy_set::{PolicySet, PolicySets};
use crate::refusal::Stop;
use crate::world::Decision;
use crate::zone_plan::ZonePlans;

pub(super) fn check_capture(capture: &Capture) -> Result<(), Stop> {
    let named = capture
        .device
        .as_ref()
        .is_none_or(|device| (1..=DEVICE_BYTES_MAX).contains(&device.len()));
    if named && capture.place.is_none_or(Place::is_on_earth) {
        Ok(())
    } else {
        Err(Refusal::CaptureNotAllowed.into())
    }
}

/// Whole minutes.
pub(super) fn minutes(length: Duration) -> u32 {
    u32::try_from(length.num_minutes().max(0)).unwrap_or(u32::MAX)
}

impl Case<'_> {
    /// The policy set in force at an instant, but not before the shift's start: there is one then.
    pub(super) fn policy(&self, at: Instant) -> Result<Arc<PolicySet>, Stop> {
        PolicySets::in_force(self.world, self.plan.community, at.max(self.plan.from))
    }

    /// The earliest instant that may be claimed now without a second person.
    fn back_date_bound(&self) -> Result<Instant, Stop> {
        let days = self.policy(self.cx.now)?.timers.back_date_days;
        Ok(later(self.cx.now, -Duration::days(i64::from(days))))
    }

    /// When it happened: the device's time where that can be, else now. A clock that is far off
    /// must not keep anybody from patrolling; it is marked.
    pub(super) fn occurred(&self, capture: &Capture) -> Result<Instant, Stop> {
        let earliest = self.plan.opens().max(self.back_date_bound()?);
        let claimed = capture.device_at;
        Ok(claimed
            .filter(|at| (earliest..=self.cx.now).contains(at))
            .unwrap_or(self.cx.now))
    }

    pub(super) fn captured(&self, at: Instant, capture: &Capture) -> Envelope {
        let mut envelope = self.envelope(at);
        envelope.device_at = capture.device_at;
        envelope.sent_at = capture.sent_at;
        envelope.trust = match capture.method {
            Method::Nfc | Method::Qr | Method::Geo => Trust::Scanned,
            Method::Manual => Trust::SelfStated,
        };
        envelope
    }

    pub(super) fn check_in(&self, person: PersonId, capture: &Capture) -> Result<Decision, Stop> {
        check_capture(capture)?;
        let Some(part) = self.shift.crew.get(&person) else {
            return Err(Refusal::PersonNotSignedUp.into());
        };
        if part.checked_in.is_some() {
            return Err(Refusal::AlreadyCheckedIn.into());
        }
        let at = self.occurred(capture)?;
        if at < self.plan.opens() {
            return Err(Refusal::CheckInTooEarly.into());
        }
        if at >= self.plan.until {
            return Err(Refusal::ShiftAlreadyEnded.into());
        }
        // Somebody may have been suspended since they signed up.
        self.member(person)?;
        let key = Kind::OpenShift.key(person);
        if self.world.state::<Claim>(&key)?.holder.is_some() {
            return Err(Refusal::PersonHasOpenShift.into());
        }
        let policy = self.policy(self.plan.from)?;
        let grace = Duration::minutes(i64::from(policy.timers.check_in_grace_minutes));
        let mut odd =
            anomalies::of_capture(capture, &policy.thresholds, self.plan.opens(), self.cx.now);
        if at > later(self.plan.from, grace) {
            odd.insert(Anomaly::LateCheckIn);
        }
        if anomalies::shared_device(self.shift, person, capture.device.as_deref()) {
            odd.insert(Anomaly::SameDeviceTwoPeople);
        }
        let envelope = self.captured(at, capture);
        let event = Event::PatrollerCheckedIn {
            person,
            capture: capture.clone(),
            anomalies: odd.into_iter().collect(),
        };
        let mut decision = Decision::new().with::<PatrolShift>(self.id, event, envelope.clone());
        decision.used(&policy.reference());
        if self.shift.state == ShiftState::Planned {
            decision.push::<PatrolShift>(self.id, Event::ShiftStarted {}, envelope.clone());
        }
        let holder = self.id.0;
        decision.push::<Claim>(key, claim::Event::Claimed { holder }, envelope);
        Ok(decision)
    }

    /// A scan; after the shift has ended it is kept, and changes nothing until it is verified again.
    pub(super) fn scan(
        &self,
        person: PersonId,
        tag: &str,
        capture: &Capture,
    ) -> Result<Decision, Stop> {
        check_capture(capture)?;
        // Also one who has gone: scans made without a network arrive after the check-out.
        self.begun(person)?;
        if self.shift.scans.len() >= SCANS_MAX {
            return Err(Refusal::TooManyScans.into());
        }
        let claim = self.world.state::<Claim>(Kind::Tag.key(tag))?;
        let checkpoint_id = CheckpointId(claim.holder.ok_or(Refusal::TagUnknown)?);
        if self.is_one_too_many(checkpoint_id) {
            return Err(Refusal::TooManyScans.into());
        }
        let checkpoint = self.world.state::<Checkpoint>(checkpoint_id)?;
        let at = self.occurred(capture)?;
        let policy = self.policy(at)?;
        let distance_m = match (capture.place, checkpoint.place) {
            (Some(device), Some(stands)) => Some(device.distance_m(stands)),
            _ => None,
        };
        let scan = Scan {
            person,
            tag: tag.to_owned(),
            at,
            place: capture.place,
            device: capture.device.clone(),
        };
        let bounds = &policy.thresholds;
        let mut odd = anomalies::of_capture(capture, bounds, self.plan.opens(), self.cx.now);
        odd.extend(anomalies::of_scan(
            self.shift,
            &scan,
            distance_m,
            checkpoint.radius_m,
            bounds,
        ));
        let anomalies = odd.into_iter().collect();
        let (tag, capture) = (scan.tag, capture.clone());
        let envelope = self.captured(at, &capture);
        let zone = self.zone_of(checkpoint.place, at)?;
        let event = if self.shift.state.has_ended() {
            Event::LateScanRecorded {
                person,
                checkpoint: checkpoint_id,
                zone,
                tag,
                capture,
                anomalies,
            }
        } else {
            Event::CheckpointScanned {
                person,
                checkpoint: checkpoint_id,
                zone,
                tag,
                capture,
                distance_m,
                anomalies,
            }
        };
        let mut decision = Decision::new().with::<PatrolShift>(self.id, event, envelope);
        decision.used(&policy.reference());
        Ok(decision)
    }

    /// True if the checkpoint lies off the route, is not scanned yet, and no further one can be.
    fn is_one_too_many(&self, checkpoint: CheckpointId) -> bool {
        let shift = self.shift;
        let late = shift.late.iter().map(|late| &late.checkpoint);
        let scanned: BTreeSet<_> = shift.hit.keys().chain(late).collect();
        let off = |checkpoint: &CheckpointId| !self.plan.route.contains(checkpoint);
        off(&checkpoint)
            && !scanned.contains(&checkpoint)
            && scanned.iter().filter(|scanned| off(scanned)).count() >= OFF_ROUTE_MAX
    }

    fn zone_of(&self, place: Option<Place>, at: Instant) -> Result<Option<ZoneId>, Stop> {
        let plans = self.world.state::<ZonePlans>(self.plan.community)?;
        let plan = plans.in_force(at);
        Ok(plan
            .zip(place)
            .and_then(|(plan, place)| plan.zone_of(place)))
    }

    pub(super) fn skip(
        &self,
        person: PersonId,
        checkpoint: CheckpointId,
        reason: &str,
    ) -> Result<Decision, Stop> {
        check_reason(reason)?;
        self.begun(person)?;
        if !self.plan.route.contains(&checkpoint) {
            return Err(Refusal::CheckpointNotOnRoute.into());
        }
        if self.shift.hit.contains_key(&checkpoint) {
            return Err(Refusal::CheckpointAlreadyScanned.into());
        }
        if self.shift.skipped.contains(&checkpoint) {
            return Err(Refusal::CheckpointAlreadySkipped.into());
        }
        Ok(self.now(Event::CheckpointSkipped {
            person,
            checkpoint,
            reason: reason.to_owned(),
        }))
    }

    pub(super) fn raise_finding(
        &self,
        person: PersonId,
        hazard: HazardId,
    ) -> Result<Decision, Stop> {
        self.begun(person)?;
        if self.shift.findings.contains(&hazard) {
            return Err(Refusal::FindingAlreadyRaised.into());
        }
        if self.shift.findings.len() >= FINDINGS_MAX {
            return Err(Refusal::TooManyFindings.into());
        }
        if self.world.state::<Hazard>(hazard)?.state == HazardState::Unknown {
            return Err(hazard::Refusal::HazardNotFound.into());
        }
        Ok(self.now(Event::FindingRaised { person, hazard }))
    }

    pub(super) fn check_out(
        &self,
        person: PersonId,
        at: Option<Instant>,
    ) -> Result<Decision, Stop> {
        let part = self.begun(person)?;
        if !part.is_open() {
            return Err(Refusal::AlreadyCheckedOut.into());
        }
        let at = at.unwrap_or(self.cx.now);
        if at > self.cx.now {
            return Err(Refusal::TimeInTheFuture.into());
        }
        if part.checked_in.is_some_and(|came| at < came) {
            return Err(Refusal::CheckOutBeforeCheckIn.into());
        }
        if at < self.back_date_bound()? {
            return Err(Refusal::BackDatedTooFar.into());
        }
        let mut crew = self.shift.crew.clone();
        crew.entry(person).or_default().checked_out = Some(at);
        let envelope = self.envelope(at);
        let event = Event::PatrollerCheckedOut { person };
        let mut decision = Decision::new().with::<PatrolShift>(self.id, event, envelope.clone());
        if !crew.values().any(Part::is_open) {
            self.complete(&crew, Trust::SelfStated, &mut decision)?;
        }
        self.release(person, envelope, &mut decision)?;
        Ok(decision)
    }

    pub(super) fn auto_check_out(&self) -> Result<Decision, Stop> {
        let (mut decision, _) = self.due(ShiftTimer::AutoCheckOut)?;
        let mut envelope = self.envelope(self.plan.until);
        envelope.trust = Trust::System;
        let mut crew = self.shift.crew.clone();
        let mut forgot = Vec::new();
        for (person, part) in crew.iter_mut().filter(|(_, part)| part.is_open()) {
            part.checked_out = Some(self.plan.until);
            let event = Event::AutoCheckedOut { person: *person };
            decision.push::<PatrolShift>(self.id, event, envelope.clone());
            forgot.push(*person);
        }
        self.complete(&crew, Trust::System, &mut decision)?;
        for person in forgot {
            self.release(person, envelope.clone(), &mut decision)?;
        }
        Ok(decision)
    }

    /// Ends the shift when its last one has gone.
    fn complete(
        &self,
        crew: &BTreeMap<PersonId, Part>,
        trust: Trust,
        decision: &mut Decision,
    ) -> Result<(), Stop> {
        let gone = crew.values().filter_map(|part| part.checked_out).max();
        let mut envelope = self.envelope(gone.unwrap_or(self.cx.now));
        envelope.trust = trust;
        let (mut hit, mut skipped, mut missed) = (0, 0, 0);
        for checkpoint in &self.plan.route {
            if self.shift.hit.contains_key(checkpoint) {
                hit += 1;
            } else if self.shift.skipped.contains(checkpoint) {
                skipped += 1;
            } else {
                missed += 1;
                let place = self.world.state::<Checkpoint>(checkpoint)?.place;
                let event = Event::CheckpointMissed {
                    checkpoint: *checkpoint,
                    zone: self.zone_of(place, envelope.occurred_at)?,
                };
                decision.push::<PatrolShift>(self.id, event, envelope.clone());
            }
        }
        let event = Event::ShiftCompleted {
            minutes: self.minutes_of(crew),
            hit,
            skipped,
            missed,
        };
        decision.push::<PatrolShift>(self.id, event, envelope);
        Ok(())
    }

    pub(super) fn minutes_of(&self, crew: &BTreeMap<PersonId, Part>) -> Vec<PersonMinutes> {
        let counted = |(person, part): (&PersonId, &Part)| {
            let (from, until) = part.within(self.plan)?;
            Some(PersonMinutes {
                person: *person,
                minutes: minutes(until.signed_duration_since(from)),
            })
        };
        crew.iter().filter_map(counted).collect()
    }

    pub(super) fn release(
        &self,
        person: PersonId,
        envelope: Envelope,
        decision: &mut Decision,
    ) -> Result<(), Stop> {
        let key = Kind::OpenShift.key(person);
        let holder = self.id.0;
        if self.world.state::<Claim>(&key)?.holder == Some(holder) {
            decision.push::<Claim>(key, claim::Event::Released { holder }, envelope);
        }
        Ok(())
    }
}
