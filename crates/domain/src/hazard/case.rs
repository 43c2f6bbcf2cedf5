//! What every decision about a hazard needs: which, where, who acts, when.

use super::{
    Consequences, Deadline, Event, Hazard, OWNER_BYTES_MAX, Purpose, REASON_BYTES_MAX, Refusal,
    Rules, When,
};
use crate::envelope::{Envelope, Instant, Trust};
use crate::ids::{HazardId, PersonId, UnitId};
use crate::policy_set::{PolicySet, PolicySets};
use crate::refusal::Stop;
use crate::separation::not_same;
use crate::world::{Context, Decision, World};

/// A hazard that exists, with what a decision about it needs.
pub(super) struct Case<'a> {
    pub(super) id: HazardId,
    pub(super) hazard: &'a Hazard,
    pub(super) unit: UnitId,
    pub(super) world: &'a World,
    pub(super) cx: &'a Context,
}

impl Case<'_> {
    pub(super) fn at(&self, occurred_at: Instant) -> Envelope {
        let mut envelope = Envelope::at(occurred_at);
        envelope.unit = Some(self.unit.0);
        envelope
    }

    /// One event, done now.
    pub(super) fn one(&self, event: Event) -> Decision {
        self.all(vec![event], &self.at(self.cx.now))
    }

    /// Events of this hazard under one envelope. A breach happens when the deadline passes,
    /// whoever finds it and when.
    pub(super) fn all(&self, events: Vec<Event>, envelope: &Envelope) -> Decision {
        let mut decision = Decision::new();
        for event in events {
            let mut envelope = envelope.clone();
            match &event {
                Event::DeadlineBreached { due_at, .. } => {
                    envelope.occurred_at = *due_at;
                    envelope.trust = Trust::System;
                    envelope.evidence.clear();
                }
                // It runs from when it is set, whenever the fact behind it happened.
                Event::DeadlineSet { .. } => envelope = self.at(self.cx.now),
                _ => {}
            }
            decision.push::<Hazard>(self.id, event, envelope);
        }
        decision
    }

    /// An event with what it brings by itself, under a policy set where one gives deadlines, and the
    /// zone of time in which working days begin.
    pub(super) fn with_consequences(
        &self,
        event: Event,
        envelope: &Envelope,
        rules: Rules<'_>,
    ) -> Decision {
        let when = When {
            occurred_at: envelope.occurred_at,
            told_at: self.cx.now,
        };
        let Consequences { before, after } = self.hazard.consequences(&event, when, rules);
        let gives_deadline = after
            .iter()
            .any(|event| matches!(event, Event::DeadlineSet { .. }));
        let events = before.into_iter().chain([event]).chain(after);
        let mut decision = self.all(events.collect(), envelope);
        if let Some(policy) = rules.policy.filter(|_| gives_deadline) {
            decision.used(&policy.reference());
        }
        decision
    }

    /// The same where no policy set gives a deadline.
    pub(super) fn with_breaches(&self, event: Event, envelope: &Envelope) -> Decision {
        self.with_consequences(event, envelope, self.rules(None))
    }

    /// The rules of a policy set that counts no working days for the event.
    pub(super) fn rules<'p>(&self, policy: Option<&'p PolicySet>) -> Rules<'p> {
        let zone = self.cx.zone;
        Rules { policy, zone }
    }

    /// That it must be rectified by then.
    pub(super) fn due(deadline: Deadline) -> Event {
        Event::DeadlineSet {
            purpose: Purpose::Rectification,
            deadline,
        }
    }

    /// Refuses with `reporter` whoever reported it, also under another record of theirs.
    pub(super) fn not_a_reporter(&self, person: PersonId, reporter: Refusal) -> Result<(), Stop> {
        for reported_by in self.hazard.all_reporters() {
            not_same(self.world, person, reported_by, reporter)?;
        }
        Ok(())
    }

    /// When it happened: not in the future, within the policy's window.
    pub(super) fn when(&self, at: Option<Instant>) -> Result<Instant, Stop> {
        occurred(self.world, self.unit, at, self.cx)
    }
}

/// When something happened in a unit: not in the future, within the policy's window.
pub(super) fn occurred(
    world: &World,
    unit: UnitId,
    at: Option<Instant>,
    cx: &Context,
) -> Result<Instant, Stop> {
    let at = at.unwrap_or(cx.now);
    if at > cx.now {
        return Err(Refusal::TimeInTheFuture.into());
    }
    if at < cx.now && !PolicySets::within_back_date_window(world, unit, at, cx)? {
        return Err(Refusal::BackDatedTooFar.into());
    }
    Ok(at)
}

pub(super) fn check_reason(reason: &str) -> Result<(), Stop> {
    if (1..=REASON_BYTES_MAX).contains(&reason.len()) {
        Ok(())
    } else {
        Err(Refusal::ReasonNotAllowed.into())
    }
}

/// True if it can name an owner or authority.
pub(super) fn is_owner(owner: &str) -> bool {
    !owner.trim().is_empty() && owner.len() <= OWNER_BYTES_MAX
}
