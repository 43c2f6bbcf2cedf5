//! Hand-over: somebody who walks is relieved by a successor, who takes over what is open.
//!
//! The part of who goes ends when the successor accepts, and the successor's begins then: nobody's
//! minutes count twice, and there is no minute without anybody. What nobody has taken over when the
//! offer ends, declined or because who made it goes, stays open with the shift.

use std::collections::BTreeSet;

use super::walk::check_capture;
use super::{
    CREW_MAX, Capture, Case, Event, FINDINGS_MAX, HANDOVERS_MAX, Part, PatrolShift, Refusal,
    VERIFIERS, anomalies, answers_for, check_reason,
};
use crate::claim::{self, Claim, Kind};
use crate::hazard::Hazard;
use crate::ids::{HazardId, PersonId};
use crate::personal::Personal;
use crate::refusal::Stop;
use crate::world::Decision;

use super::anomalies::Anomaly;

impl Case<'_> {
    pub(super) fn hand_over(
        &self,
        from: PersonId,
        to: PersonId,
        open_items: &[HazardId],
    ) -> Result<Decision, Stop> {
        let handed_by = self.cx.person()?;
        let answers = || self.answers(handed_by, VERIFIERS);
        if handed_by != from && !answers()? {
            return Err(Refusal::HandoverNotAllowed.into());
        }
        if !self.begun(from)?.is_open() {
            return Err(Refusal::AlreadyCheckedOut.into());
        }
        // Who has named a successor may name another one; there is one hand-over at a time.
        let pending = self.shift.handover.as_ref();
        if pending.is_some_and(|pending| pending.from != from) {
            return Err(Refusal::HandoverPending.into());
        }
        if self.shift.handovers >= HANDOVERS_MAX {
            return Err(Refusal::TooManyHandovers.into());
        }
        if self.cx.now >= self.plan.until {
            return Err(Refusal::ShiftAlreadyEnded.into());
        }
        self.check_successor(to)?;
        self.check_open_items(open_items)?;
        Ok(self.now(Event::ShiftHandedOver {
            from,
            to,
            open_items: open_items.to_vec(),
            handed_by,
        }))
    }

    /// Somebody who can take over: an active member without a part in this shift.
    fn check_successor(&self, to: PersonId) -> Result<(), Stop> {
        match self.shift.crew.get(&to) {
            Some(part) if part.checked_in.is_some() => {
                return Err(Refusal::SuccessorOnShift.into());
            }
            None if self.shift.crew.len() >= CREW_MAX => return Err(Refusal::CrewFull.into()),
            _ => {}
        }
        self.member(to)
    }

    /// Hazards that somebody must still do something about, each once.
    fn check_open_items(&self, items: &[HazardId]) -> Result<(), Stop> {
        let once: BTreeSet<_> = items.iter().copied().collect();
        let with_left = once.union(&self.shift.open_items).count();
        if with_left > FINDINGS_MAX || once.len() < items.len() {
            return Err(Refusal::OpenItemsNotAllowed.into());
        }
        for item in items {
            if !self.world.state::<Hazard>(item)?.state.is_open() {
                return Err(Refusal::ItemNotOpen.into());
            }
        }
        Ok(())
    }

    pub(super) fn accept_handover(&self, capture: &Capture) -> Result<Decision, Stop> {
        let Some(pending) = &self.shift.handover else {
            return Err(Refusal::ShiftNotHandedOver.into());
        };
        let (from, to) = (pending.from, pending.to);
        if self.cx.person()? != to {
            return Err(Refusal::HandoverNotYours.into());
        }
        check_capture(capture)?;
        if !self.begun(from)?.is_open() {
            return Err(Refusal::AlreadyCheckedOut.into());
        }
        // A device's clock may lag, but nobody takes over before it was offered.
        let at = self.occurred(capture)?.max(pending.at);
        if at >= self.plan.until {
            return Err(Refusal::ShiftAlreadyEnded.into());
        }
        self.check_successor(to)?;
        let key = Kind::OpenShift.key(to);
        if self.world.state::<Claim>(&key)?.holder.is_some() {
            return Err(Refusal::PersonHasOpenShift.into());
        }
        let policy = self.policy(self.plan.from)?;
        let mut odd =
            anomalies::of_capture(capture, &policy.thresholds, self.plan.opens(), self.cx.now);
        if anomalies::shared_device(self.shift, to, capture.device.as_deref()) {
            odd.insert(Anomaly::SameDeviceTwoPeople);
        }
        let envelope = self.captured(at, capture);
        let mut decision = Decision::new();
        decision.used(&policy.reference());
        let signed_up = self.shift.crew.contains_key(&to);
        let sign_up = (!signed_up).then_some(Event::PatrollerSignedUp { person: to });
        let taken_over = [
            Event::HandoverAccepted {
                from,
                to,
                open_items: pending.open_items.iter().copied().collect(),
            },
            Event::PatrollerCheckedOut { person: from },
            Event::PatrollerCheckedIn {
                person: to,
                capture: capture.clone(),
                anomalies: odd.into_iter().collect(),
            },
        ];
        for event in sign_up.into_iter().chain(taken_over) {
            decision.push::<PatrolShift>(self.id, event, envelope.clone());
        }
        self.release(from, envelope.clone(), &mut decision)?;
        let holder = self.id.0;
        decision.push::<Claim>(key, claim::Event::Claimed { holder }, envelope);
        Ok(decision)
    }

    pub(super) fn decline_handover(&self, reason: &Personal) -> Result<Decision, Stop> {
        let Some(pending) = &self.shift.handover else {
            return Err(Refusal::ShiftNotHandedOver.into());
        };
        if self.cx.person()? != pending.to {
            return Err(Refusal::HandoverNotYours.into());
        }
        check_reason(reason.reveal())?;
        Ok(self.now(Event::HandoverDeclined {
            from: pending.from,
            to: pending.to,
            reason: reason.clone(),
        }))
    }

    fn answers(&self, person: PersonId, roles: &[crate::member::Role]) -> Result<bool, Stop> {
        answers_for(self.world, self.owner()?, person, roles, self.cx.now)
    }
}

impl Part {
    /// True while the person is there.
    pub(super) fn is_open(&self) -> bool {
        self.checked_in.is_some() && self.checked_out.is_none()
    }
}
