//! What falls due and when, folded from the log: one timer per stream, in due order.
//!
//! Knows no clock and hands nothing in. Timers of hazards that an open import batch created are
//! held back until the batch is applied or rejected.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use chrono::Duration;
use domain::dispute::{self, Dispute};
use domain::hazard::{self, Hazard};
use domain::ids::{BatchId, DisputeId, HazardId, RedemptionId, ShiftId, UnitId};
use domain::policy_set::PolicySet;
use domain::unit::Unit;
use domain::{
    Aggregate as _, Command, Event, Instant, Stamp, StreamName, import_batch, patrol_shift,
    policy_set, redemption, unit,
};
use eventlog::RecordedEvent;
use eventlog::execute::stamp;
use uuid::Uuid;

/// A command that falls due.
#[derive(Debug, Clone)]
pub struct Due {
    /// The deadline; it is due strictly after this.
    pub at: Instant,
    /// The stream it concerns.
    pub stream: StreamName,
    /// What is handed in.
    pub command: Command,
    /// Position of the event that set the deadline.
    pub cause: u64,
    /// Name of the timer, part of the derived command id.
    pub timer: &'static str,
}

#[derive(Debug, Clone)]
struct Shift {
    id: ShiftId,
    community: UnitId,
    from: Instant,
    until: Instant,
    started: bool,
    cause: u64,
}

/// What is due, in order.
#[derive(Debug, Clone, Default)]
pub struct DueList {
    /// Each with its place in the order.
    timers: HashMap<StreamName, (Instant, Due)>,
    order: BTreeSet<(Instant, StreamName)>,
    /// Batch of each hazard that was imported and is open.
    batch_of: HashMap<StreamName, BatchId>,
    open_batches: HashSet<BatchId>,
    held: HashMap<BatchId, BTreeSet<StreamName>>,
    shifts: HashMap<StreamName, Shift>,
    /// Hazards that are not closed, and what was reckoned to fall due next.
    hazards: HashMap<StreamName, (Hazard, Option<hazard::Due>)>,
    /// Disputes that are not archived, and what was reckoned to fall due next.
    disputes: HashMap<StreamName, (Dispute, Option<dispute::Due>)>,
    policies: HashMap<UnitId, Vec<(Instant, Arc<PolicySet>)>>,
    units: HashMap<UnitId, Unit>,
}

impl DueList {
    /// True if events of this category set or end timers.
    pub fn wants(category: &str) -> bool {
        matches!(
            category,
            "dispute"
                | "hazard"
                | "import_batch"
                | "patrol_shift"
                | "policy_set"
                | "redemption"
                | "unit"
        )
    }

    /// The one that is due first.
    pub fn first(&self) -> Option<&Due> {
        let (_, stream) = self.order.first()?;
        self.timers.get(stream).map(|(_, due)| due)
    }

    /// How many run.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// True if none runs.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many hazards are kept because they are not closed.
    #[cfg(test)]
    pub(crate) fn hazards_kept(&self) -> usize {
        self.hazards.len()
    }

    /// Takes the timer of a stream out, if it is still this one.
    pub fn remove(&mut self, due: &Due) {
        if self.is_current(due) {
            self.clear(&due.stream);
        }
    }

    /// Puts the timer of a stream off, if it is still this one; its deadline stays.
    pub fn postpone(&mut self, due: &Due, until: Instant) {
        if self.is_current(due)
            && let Some((place, _)) = self.timers.get_mut(&due.stream)
            && self.order.remove(&(*place, due.stream.clone()))
        {
            *place = until;
            self.order.insert((until, due.stream.clone()));
        }
    }

    /// Whether the timer of a stream is still this one.
    pub fn is_current(&self, due: &Due) -> bool {
        self.runs(&due.stream, due.cause)
    }

    /// Whether the timer that an event set for a stream still runs.
    pub fn runs(&self, stream: &StreamName, cause: u64) -> bool {
        let current = self.timers.get(stream);
        current.is_some_and(|(_, current)| current.cause == cause)
    }

    /// Takes an event in.
    pub fn apply(&mut self, recorded: &RecordedEvent, event: &Event) {
        self.take(&recorded.stream, event, &stamp(recorded));
    }

    /// The same for an event that is known but need not be in the log yet.
    pub fn take(&mut self, stream: &StreamName, event: &Event, stamp: &Stamp) {
        let position = stamp.position;
        match event {
            Event::Hazard(event) => self.hazard(stream, event, stamp),
            Event::PatrolShift(event) => self.shift(stream, event, position),
            Event::ImportBatch(event) => self.batch(stream, event),
            Event::Dispute(event) => self.dispute(stream, event, stamp),
            Event::Redemption(event) => self.redemption(stream, event, position),
            Event::PolicySets(policy_set::Event::PolicySetEffective {
                unit,
                text,
                effective_from,
                ..
            }) => {
                if let Ok(set) = PolicySet::parse(text) {
                    let sets = self.policies.entry(*unit).or_default();
                    sets.push((*effective_from, Arc::new(set)));
                    self.reckon_all_shifts();
                }
            }
            Event::Unit(event) => {
                if let Ok(id) = Uuid::parse_str(stream.key()) {
                    let unit = self.units.entry(UnitId(id)).or_default();
                    unit.evolve(event, stamp);
                }
                if !matches!(event, unit::Event::UnitFounded { .. }) {
                    self.reckon_all_shifts();
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, due: Due) {
        self.clear(&due.stream);
        let batch = self.batch_of.get(&due.stream);
        match batch.filter(|batch| self.open_batches.contains(batch)) {
            Some(batch) => {
                self.held
                    .entry(*batch)
                    .or_default()
                    .insert(due.stream.clone());
            }
            None => {
                self.order.insert((due.at, due.stream.clone()));
            }
        }
        self.timers.insert(due.stream.clone(), (due.at, due));
    }

    fn clear(&mut self, stream: &StreamName) {
        if let Some((place, due)) = self.timers.remove(stream) {
            self.order.remove(&(place, due.stream));
        }
        if let Some(held) = self.batch_of.get(stream).and_then(|b| self.held.get_mut(b)) {
            held.remove(stream);
        }
    }

    /// The aggregate says what falls due next; the timer changes only if that does, so that its
    /// command id stays the same.
    fn hazard(&mut self, stream: &StreamName, event: &hazard::Event, stamp: &Stamp) {
        use hazard::Event as E;
        let Ok(id) = Uuid::parse_str(stream.key()).map(HazardId) else {
            return;
        };
        match event {
            E::HazardReported {
                imported: Some(imported),
                ..
            } => {
                self.batch_of.insert(stream.clone(), imported.batch);
            }
            // Should it recur, it begins anew: nothing of what was sets a timer.
            E::HazardRejected { .. }
            | E::HazardLinkedAsDuplicate { .. }
            | E::HazardClosedOut { .. }
            | E::ClosedBySource { .. } => {
                self.hazards.remove(stream);
                self.clear(stream);
                self.batch_of.remove(stream);
                return;
            }
            E::HazardReported { .. } | E::HazardRecurred { .. } => {}
            // It may come after the hazard has ended, as the withdrawal of a breach does.
            _ if !self.hazards.contains_key(stream) => return,
            _ => {}
        }
        let (hazard, known) = self.hazards.entry(stream.clone()).or_default();
        hazard.evolve(event, stamp);
        let next = hazard.next_due(id);
        if next == *known {
            return;
        }
        known.clone_from(&next);
        match next {
            None => self.clear(stream),
            Some((at, command)) => self.set(Due {
                at,
                stream: stream.clone(),
                command: command.into(),
                cause: stamp.position,
                timer: "hazard_deadline",
            }),
        }
    }

    fn batch(&mut self, stream: &StreamName, event: &import_batch::Event) {
        let Ok(batch) = Uuid::parse_str(stream.key()).map(BatchId) else {
            return;
        };
        match event {
            import_batch::Event::BatchUploaded { .. } => {
                self.open_batches.insert(batch);
            }
            import_batch::Event::BatchApplied { .. }
            | import_batch::Event::BatchRejected { .. } => {
                self.open_batches.remove(&batch);
                for stream in self.held.remove(&batch).into_iter().flatten() {
                    if let Some((place, _)) = self.timers.get(&stream) {
                        self.order.insert((*place, stream));
                    }
                }
            }
            import_batch::Event::BatchChecked { .. }
            | import_batch::Event::BatchApproved { .. } => {}
        }
    }

    fn shift(&mut self, stream: &StreamName, event: &patrol_shift::Event, position: u64) {
        use patrol_shift::Event as E;
        match event {
            E::ShiftPlanned {
                community,
                from,
                until,
                ..
            } => {
                let Ok(id) = Uuid::parse_str(stream.key()) else {
                    return;
                };
                let shift = Shift {
                    id: ShiftId(id),
                    community: *community,
                    from: *from,
                    until: *until,
                    started: false,
                    cause: position,
                };
                self.shifts.insert(stream.clone(), shift);
                self.reckon_shift(stream);
            }
            E::ShiftStarted {} => {
                if let Some(shift) = self.shifts.get_mut(stream) {
                    shift.started = true;
                    shift.cause = position;
                }
                self.reckon_shift(stream);
            }
            E::ShiftCompleted { .. } | E::ShiftCancelled { .. } | E::ShiftMissed {} => {
                self.shifts.remove(stream);
                self.clear(stream);
            }
            _ => {}
        }
    }

    /// The aggregate says what falls due next; the timer changes only if that does, so that its
    /// command id stays the same.
    fn dispute(&mut self, stream: &StreamName, event: &dispute::Event, stamp: &Stamp) {
        let Ok(id) = Uuid::parse_str(stream.key()).map(DisputeId) else {
            return;
        };
        if matches!(event, dispute::Event::DisputeArchived { .. }) {
            // Taken up again, it begins anew: nothing of what was sets a timer.
            self.disputes.remove(stream);
            return self.clear(stream);
        }
        let (dispute, known) = self.disputes.entry(stream.clone()).or_default();
        dispute.evolve(event, stamp);
        let next = dispute.next_due(id);
        if next == *known {
            return;
        }
        known.clone_from(&next);
        match next {
            None => self.clear(stream),
            Some((at, command)) => self.set(Due {
                at,
                stream: stream.clone(),
                command: command.into(),
                cause: stamp.position,
                timer: "dispute_due",
            }),
        }
    }

    /// What is held falls due when its time is over; every other step ends the hold.
    fn redemption(&mut self, stream: &StreamName, event: &redemption::Event, position: u64) {
        use redemption::Event as E;
        match event {
            E::RedemptionReserved { held_until, .. } | E::PickupReadied { held_until, .. } => {
                if let Ok(id) = Uuid::parse_str(stream.key()) {
                    let command = redemption::Command {
                        redemption: RedemptionId(id),
                        ask: redemption::Ask::ExpireRedemption,
                    };
                    self.set(Due {
                        at: *held_until,
                        stream: stream.clone(),
                        command: command.into(),
                        cause: position,
                        timer: "redemption_hold",
                    });
                }
            }
            E::RedemptionRequested { .. } | E::CodeRenewed { .. } => {}
            E::RedemptionFulfilled { .. }
            | E::RedemptionCancelled { .. }
            | E::RedemptionExpired { .. }
            | E::RedemptionFailed { .. }
            | E::RedemptionReturned { .. } => self.clear(stream),
        }
    }

    fn reckon_all_shifts(&mut self) {
        let streams: Vec<_> = self.shifts.keys().cloned().collect();
        for stream in &streams {
            self.reckon_shift(stream);
        }
    }

    /// Sets a shift's timer by the policy in force at its start; without one it has none.
    fn reckon_shift(&mut self, stream: &StreamName) {
        let Some(shift) = self.shifts.get(stream) else {
            return;
        };
        let Some(policy) = self.policy(shift.community, shift.from) else {
            return self.clear(stream);
        };
        let after = |at: Instant, minutes: u32| {
            at.checked_add_signed(Duration::minutes(i64::from(minutes)))
                .unwrap_or(at)
        };
        let due = if shift.started {
            Due {
                at: after(shift.until, policy.timers.check_out_overdue_minutes),
                stream: stream.clone(),
                command: patrol_shift::Command::AutoCheckOut { shift: shift.id }.into(),
                cause: shift.cause,
                timer: "check_out_overdue",
            }
        } else {
            Due {
                at: after(shift.from, policy.timers.shift_missed_minutes),
                stream: stream.clone(),
                command: patrol_shift::Command::RecordMissedShift { shift: shift.id }.into(),
                cause: shift.cause,
                timer: "shift_missed",
            }
        };
        self.set(due);
    }

    fn policy(&self, unit: UnitId, at: Instant) -> Option<Arc<PolicySet>> {
        let look_up = |unit: UnitId| Ok::<_, Infallible>(self.units.get(&unit));
        let Ok(path) = unit::tree::path(unit, at, &look_up);
        path.iter().find_map(|unit| {
            let mut sets = self.policies.get(unit)?.iter().rev();
            let (_, set) = sets.find(|(from, _)| *from <= at)?;
            Some(Arc::clone(set))
        })
    }
}
