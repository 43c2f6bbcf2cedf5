//! Hazards under another policy set: each is folded twice, as recorded and as supposed.
//!
//! Both see the same facts. What the rules make of a fact is asked of the domain's
//! `Hazard::consequences` with the supposed state and set. As long as a deadline falls on the same
//! instant in both, all that is recorded of it stands, so that supposing the set in force changes
//! nothing, not even when a timer came by. Where it does not, its recorded breach and withdrawal are
//! left out, and the supposed breach stands at the instant of its deadline, before the first commit
//! after it. A deadline that was stated, by an import's source or by an extension, is a fact.
//!
//! Keeps hazards that are open or referred, and drops each as it ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use domain::envelope::Trust;
use domain::hazard::{Event as E, Hazard, HazardState, Purpose, Rules, When};
use domain::ids::{BatchId, HazardId, UnitId};
use domain::policy_set::PolicySet;
use domain::{Aggregate as _, Envelope, Event, Instant, import_batch, policy_set};
use eventlog::execute::stamp;
use eventlog::{CommitHeader, RecordedEvent};
use uuid::Uuid;

use crate::feed::{Decoded, DecodedCommit, Decoder};

/// A hazard that has not ended.
struct Held {
    recorded: Hazard,
    supposed: Hazard,
    /// Its last recorded event: what stands beside it in its stream.
    last: RecordedEvent,
    /// Supposed deadlines that no timer of the record works off.
    timers: Vec<(Instant, Purpose)>,
}

/// The hazards of the log.
pub(super) struct Hazards {
    set: Arc<PolicySet>,
    unit: Option<UnitId>,
    held: HashMap<HazardId, Held>,
    due: BTreeSet<(Instant, HazardId, Purpose)>,
    /// Open import batches, and what fell due meanwhile: timers hold still for them.
    batches: HashMap<BatchId, BTreeSet<(Instant, HazardId, Purpose)>>,
    /// Since when a unit has a policy set of its own.
    own_since: BTreeMap<UnitId, Instant>,
}

impl Hazards {
    pub(super) fn new(set: Arc<PolicySet>, unit: Option<UnitId>) -> Self {
        Self {
            set,
            unit,
            held: HashMap::new(),
            due: BTreeSet::new(),
            batches: HashMap::new(),
            own_since: BTreeMap::new(),
        }
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.held.len() + self.due.len()
    }

    /// A commit as it would stand; one that is not supposed to be otherwise gives no new deadline.
    pub(super) fn take(
        &mut self,
        commit: DecodedCommit,
        supposes: bool,
        decoder: &Decoder,
    ) -> DecodedCommit {
        let DecodedCommit { header, events } = commit;
        let mut made = Vec::with_capacity(events.len());
        self.fall_due(&header, decoder, &mut made);
        let mut events: Vec<_> = events.into_iter().map(Some).collect();
        let mut touched = BTreeSet::new();
        for at in 0..events.len() {
            let (before, rest) = events.split_at_mut(at + 1);
            let Some(told) = before.last_mut().and_then(Option::take) else {
                continue;
            };
            match told.event() {
                Some(Event::Hazard(event)) => {
                    let event = event.clone();
                    let hazard = Told {
                        decoded: told,
                        event,
                        rest,
                        supposes,
                        decoder,
                    };
                    touched.extend(self.hazard(hazard, &mut made));
                    continue;
                }
                Some(Event::ImportBatch(event)) => self.batch(&told, event),
                Some(Event::PolicySets(policy_set::Event::PolicySetEffective {
                    unit,
                    effective_from,
                    ..
                })) => {
                    let since = self.own_since.entry(*unit).or_insert(*effective_from);
                    *since = (*since).min(*effective_from);
                }
                _ => {}
            }
            made.push(told);
        }
        for id in touched {
            self.settle(id);
        }
        DecodedCommit {
            header,
            events: made,
        }
    }

    fn batch(&mut self, decoded: &Decoded, event: &import_batch::Event) {
        let Ok(id) = Uuid::parse_str(decoded.stream().key()).map(BatchId) else {
            return;
        };
        match event {
            import_batch::Event::BatchUploaded { .. } => {
                self.batches.entry(id).or_default();
            }
            import_batch::Event::BatchApplied { .. }
            | import_batch::Event::BatchRejected { .. } => {
                let waited = self.batches.remove(&id);
                self.due.extend(waited.into_iter().flatten());
            }
            import_batch::Event::BatchChecked { .. }
            | import_batch::Event::BatchApproved { .. } => {}
        }
    }

    /// The supposed set, if it is the one in force in a unit at an instant.
    fn policy(
        &self,
        unit: Option<UnitId>,
        at: Instant,
        decoder: &Decoder,
    ) -> Option<Arc<PolicySet>> {
        let Some(supposed_in) = self.unit else {
            return Some(Arc::clone(&self.set));
        };
        let path = decoder.path(unit?, at);
        let own = |unit: &UnitId| self.own_since.get(unit).is_some_and(|since| *since <= at);
        let nearest = path.iter().find(|unit| **unit == supposed_in || own(unit));
        (nearest == Some(&supposed_in)).then(|| Arc::clone(&self.set))
    }

    /// Breaches that the timer would have recorded before a commit.
    fn fall_due(&mut self, header: &CommitHeader, decoder: &Decoder, made: &mut Vec<Decoded>) {
        while let Some(timer) = self.due.first().copied()
            && timer.0 < header.recorded_at
        {
            self.due.remove(&timer);
            let (due_at, id, purpose) = timer;
            let Some(held) = self.held.get_mut(&id) else {
                continue;
            };
            let batch = held.supposed.batch;
            if let Some(waits) = batch.and_then(|batch| self.batches.get_mut(&batch)) {
                waits.insert(timer);
                continue;
            }
            held.timers.retain(|timer| *timer != (due_at, purpose));
            // What waited for a batch may have been met or replaced meanwhile.
            if held.supposed.running(purpose) != Some(due_at) {
                continue;
            }
            let event = E::DeadlineBreached { purpose, due_at };
            let mut beside = held.last.clone();
            beside.header = Arc::new(CommitHeader {
                recorded_at: due_at,
                ..header.clone()
            });
            beside.position = header.first_position;
            let zone = decoder.zone(beside.envelope.unit, due_at);
            made.push(held.supposes(event, &beside, zone));
            self.settle(id);
        }
    }

    /// Sets the timers of a hazard; drops one that has ended.
    fn settle(&mut self, id: HazardId) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        for (at, purpose) in std::mem::take(&mut held.timers) {
            let timer = (at, id, purpose);
            self.due.remove(&timer);
            let batch = held.supposed.batch;
            if let Some(waits) = batch.and_then(|batch| self.batches.get_mut(&batch)) {
                waits.remove(&timer);
            }
        }
        if !held.supposed.state.is_open() && held.supposed.state != HazardState::Referred {
            // Should it recur, it begins anew.
            self.held.remove(&id);
            return;
        }
        for purpose in Purpose::ALL {
            let due = held.supposed.running(purpose);
            if let Some(due) = due.filter(|due| held.recorded.due(purpose) != Some(*due)) {
                held.timers.push((due, purpose));
                self.due.insert((due, id, purpose));
            }
        }
    }

    /// Takes an event of a hazard in; which one, if it is kept.
    fn hazard(&mut self, told: Told<'_>, made: &mut Vec<Decoded>) -> Option<HazardId> {
        let Ok(id) = Uuid::parse_str(told.decoded.stream().key()).map(HazardId) else {
            made.push(told.decoded);
            return None;
        };
        let begins = matches!(
            told.event,
            E::HazardReported { .. } | E::HazardRecurred { .. }
        );
        // No deadline follows from a duplicate, and those who reported it need not be kept.
        if matches!(told.event, E::DuplicateLinked { .. })
            || !(begins || self.held.contains_key(&id))
        {
            made.push(told.decoded);
            return None;
        }
        let recorded = told.decoded.recorded();
        let unit = recorded.envelope.unit.map(UnitId);
        let when = told.when();
        let policy = if told.supposes && follows_policy(&told.event) {
            self.policy(unit, when.told_at, told.decoder)
        } else {
            None
        };
        let held = self.held.entry(id).or_insert_with(|| Held {
            recorded: Hazard::default(),
            supposed: Hazard::default(),
            last: recorded.clone(),
            timers: Vec::new(),
        });
        held.last = recorded.clone();
        // Nothing of it is asked again, and it may be long.
        held.last.payload.clear();
        held.take(told, when, policy.as_deref(), made);
        Some(id)
    }
}

/// An event of a hazard, with what comes after it in its commit.
struct Told<'a> {
    decoded: Decoded,
    event: E,
    rest: &'a mut [Option<Decoded>],
    supposes: bool,
    decoder: &'a Decoder,
}

impl Told<'_> {
    /// True of a deadline of the same hazard.
    fn is_deadline(&self, later: &Decoded) -> bool {
        later.stream() == self.decoded.stream() && deadline(later.event()).is_some()
    }

    /// When it happened and was told. The log may have taken it a moment after it was decided: what
    /// runs from then says when that was.
    fn when(&self) -> When {
        let recorded = self.decoded.recorded();
        let occurred_at = recorded.envelope.occurred_at;
        let told_at = match self.event {
            E::HazardVerified { .. }
            | E::ReferralReturned { .. }
            | E::HazardReferred { .. }
            | E::ExtensionGranted { .. } => occurred_at,
            _ => {
                let mut later = self.rest.iter().flatten();
                let set = later.find(|later| self.is_deadline(later));
                let set = set.map(|set| set.recorded().envelope.occurred_at);
                set.unwrap_or(recorded.header.recorded_at)
            }
        };
        When {
            occurred_at,
            told_at,
        }
    }

    /// Takes the deadlines out that its commit sets after it.
    fn take_deadlines(&mut self) -> Vec<Decoded> {
        let rest = std::mem::take(&mut self.rest);
        let taken = rest.iter_mut().filter_map(|later| {
            let sets = later.as_ref().is_some_and(|later| self.is_deadline(later));
            later.take_if(|_| sets)
        });
        taken.collect()
    }
}

impl Held {
    fn take(
        &mut self,
        mut told: Told<'_>,
        when: When,
        policy: Option<&PolicySet>,
        made: &mut Vec<Decoded>,
    ) {
        let at = stamp(told.decoded.recorded());
        if let Some(stands) = self.stands(&told.event) {
            self.recorded.evolve(&told.event, &at);
            if stands {
                self.supposed.evolve(&told.event, &at);
                made.push(told.decoded);
            }
            return;
        }
        let beside = told.decoded.recorded().clone();
        let rules = Rules {
            policy,
            zone: told.decoder.zone(beside.envelope.unit, when.told_at),
        };
        let brought = self.supposed.consequences(&told.event, when, rules);
        let own = |event: &E| match event {
            E::DeadlineBreached { purpose, due_at } => self.recorded.due(*purpose) != Some(*due_at),
            E::BreachWithdrawn {
                purpose, due_at, ..
            } => !self.recorded.has_breached(*purpose, *due_at),
            _ => true,
        };
        let before: Vec<_> = brought.before.into_iter().filter(own).collect();
        let after: Vec<_> = brought.after.into_iter().filter(own).collect();
        let mut set = if policy.is_some() && gives_deadlines(&told.event) {
            told.take_deadlines()
        } else {
            Vec::new()
        };
        let zone = told.decoded.zone();
        for event in before {
            made.push(self.supposes(event, &beside, zone));
        }
        self.recorded.evolve(&told.event, &at);
        self.supposed.evolve(&told.event, &at);
        made.push(told.decoded);
        for set in &set {
            if let Some(Event::Hazard(event)) = set.event() {
                self.recorded.evolve(event, &stamp(set.recorded()));
            }
        }
        for event in after {
            let same = set.iter().position(|set| is_set_for(set, &event));
            let Some(stands) = same.map(|place| set.swap_remove(place)) else {
                let mut beside = beside.clone();
                if let E::DeadlineSet { .. } = event {
                    beside.envelope = from_now(&beside.envelope, when.told_at);
                }
                made.push(self.supposes(event, &beside, zone));
                continue;
            };
            let stands = if falls_on_the_same(&stands, &event) {
                stands
            } else {
                stands.with(event.into())
            };
            if let Some(Event::Hazard(event)) = stands.event() {
                self.supposed.evolve(event, &stamp(stands.recorded()));
            }
            made.push(stands);
        }
    }

    /// Whether a recorded breach or withdrawal would stand, too; none of another event.
    fn stands(&self, event: &E) -> Option<bool> {
        match *event {
            E::DeadlineBreached { purpose, due_at } => {
                let due = self.supposed.due(purpose) == Some(due_at);
                Some(due && !self.supposed.has_breached(purpose, due_at))
            }
            E::BreachWithdrawn {
                purpose, due_at, ..
            } => Some(self.supposed.has_breached(purpose, due_at)),
            _ => None,
        }
    }

    /// An event that would stand beside a recorded one.
    fn supposes(&mut self, event: E, beside: &RecordedEvent, zone: chrono_tz::Tz) -> Decoded {
        let mut recorded = beside.clone();
        if let E::DeadlineBreached { due_at, .. } = &event {
            recorded.envelope = from_now(&recorded.envelope, *due_at);
            recorded.envelope.trust = Trust::System;
        }
        self.supposed.evolve(&event, &stamp(&recorded));
        Decoded::supposed(recorded, event.into(), zone)
    }
}

/// True of an event of which a policy set says by when something must follow.
fn gives_deadlines(event: &E) -> bool {
    matches!(
        event,
        E::HazardVerified { .. } | E::ReferralReturned { .. } | E::RectificationClaimed { .. }
    )
}

/// True of an event whose consequences a policy set has a say in.
fn follows_policy(event: &E) -> bool {
    gives_deadlines(event) || matches!(event, E::ExtensionGranted { .. })
}

/// What stands around a consequence: the unit, and an instant of its own.
fn from_now(envelope: &Envelope, at: Instant) -> Envelope {
    let mut own = Envelope::at(at);
    own.unit = envelope.unit;
    own
}

fn deadline(event: Option<&Event>) -> Option<(Purpose, Instant)> {
    match event {
        Some(Event::Hazard(E::DeadlineSet { purpose, deadline })) => {
            Some((*purpose, deadline.due_at))
        }
        _ => None,
    }
}

fn is_set_for(set: &Decoded, event: &E) -> bool {
    let purpose = deadline(set.event()).map(|(purpose, _)| purpose);
    matches!(event, E::DeadlineSet { purpose: other, .. } if purpose == Some(*other))
}

fn falls_on_the_same(set: &Decoded, event: &E) -> bool {
    let due = deadline(set.event()).map(|(_, due)| due);
    matches!(event, E::DeadlineSet { deadline, .. } if due == Some(deadline.due_at))
}
