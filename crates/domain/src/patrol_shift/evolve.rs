//! How events make the state. Total: bears any order, and events of other shifts.

use super::{Capture, Event, Handover, Hit, LateScan, PatrolShift, Plan, Scan, ShiftState};
use crate::envelope::Instant;
use crate::ids::PersonId;
use crate::world::Stamp;

impl PatrolShift {
    pub(super) fn take(&mut self, event: &Event, stamp: &Stamp) {
        use ShiftState as S;
        match event {
            Event::ShiftPlanned {
                community,
                zone,
                route,
                from,
                until,
                ..
            } => {
                self.state = S::Planned;
                self.plan = Some(Plan {
                    community: *community,
                    zone: *zone,
                    route: route.clone(),
                    from: *from,
                    until: *until,
                });
            }
            Event::PatrollerSignedUp { person } => {
                self.crew.entry(*person).or_default();
            }
            Event::PatrollerCheckedIn {
                person, capture, ..
            } => {
                self.crew.entry(*person).or_default().checked_in = Some(stamp.occurred_at);
                self.note_device(*person, capture);
            }
            Event::ShiftStarted {} => self.state = S::InProgress,
            Event::CheckpointScanned {
                person,
                checkpoint,
                zone,
                tag,
                capture,
                ..
            } => {
                let hit = Hit {
                    zone: *zone,
                    at: stamp.occurred_at,
                };
                self.hit.entry(*checkpoint).or_insert(hit);
                self.note_scan(*person, tag, capture, stamp.occurred_at);
            }
            Event::LateScanRecorded {
                person,
                checkpoint,
                zone,
                tag,
                capture,
                ..
            } => {
                self.late.push(LateScan {
                    person: *person,
                    checkpoint: *checkpoint,
                    hit: Hit {
                        zone: *zone,
                        at: stamp.occurred_at,
                    },
                });
                self.note_scan(*person, tag, capture, stamp.occurred_at);
            }
            Event::CheckpointSkipped { checkpoint, .. } => {
                self.skipped.insert(*checkpoint);
            }
            Event::FindingRaised { hazard, .. } => {
                self.findings.insert(*hazard);
            }
            Event::PatrollerCheckedOut { person } | Event::AutoCheckedOut { person } => {
                self.crew.entry(*person).or_default().checked_out = Some(stamp.occurred_at);
                // Who has gone hands nothing over any more.
                let handover = self.handover.as_ref();
                if handover.is_some_and(|pending| pending.from == *person) {
                    self.end_handover();
                }
            }
            Event::CheckpointMissed { checkpoint, zone } => {
                self.missed.insert(*checkpoint, *zone);
            }
            Event::ShiftCompleted { .. } => {
                self.end_handover();
                self.state = S::Completed;
            }
            Event::ShiftCancelled { .. } => self.state = S::Cancelled,
            Event::ShiftMissed {} => self.state = S::Missed,
            other => self.settle(other, stamp),
        }
    }

    /// Hand-overs, and what is found of the parts.
    fn settle(&mut self, event: &Event, stamp: &Stamp) {
        use ShiftState as S;
        match event {
            Event::ShiftHandedOver {
                from,
                to,
                open_items,
                ..
            } => {
                self.state = S::HandedOver;
                self.handovers = self.handovers.saturating_add(1);
                self.handover = Some(Handover {
                    from: *from,
                    to: *to,
                    open_items: open_items.iter().copied().collect(),
                    at: stamp.occurred_at,
                });
            }
            Event::HandoverAccepted { open_items, .. } => {
                self.end_handover();
                self.open_items.retain(|item| !open_items.contains(item));
            }
            Event::HandoverDeclined { .. } => self.end_handover(),
            Event::ParticipationVerified {
                person,
                intervals,
                verified_by,
                ..
            } => self.find(*person, true, intervals, *verified_by),
            Event::ParticipationRejected {
                person,
                rejected_by,
                ..
            } => self.find(*person, false, &[], *rejected_by),
            Event::ParticipationReverified {
                person,
                accepted,
                intervals,
                verified_by,
                ..
            } => self.find(*person, *accepted, intervals, *verified_by),
            Event::ShiftVerified { .. } => {
                self.state = S::Verified;
                self.verified_at = Some(stamp.occurred_at);
            }
            Event::ShiftDisputed { disputed_by, .. } => {
                self.state = S::Disputed;
                self.disputed_by.insert(*disputed_by);
                self.disputes = self.disputes.saturating_add(1);
            }
            Event::LateScanCounted {
                checkpoint, zone, ..
            } => {
                self.missed.remove(checkpoint);
                self.hit.entry(*checkpoint).or_insert(Hit {
                    zone: Some(*zone),
                    at: stamp.occurred_at,
                });
            }
            Event::ShiftVoided { voided_by, .. } => {
                self.state = S::Voided;
                self.settled_by.insert(*voided_by);
                for part in self.crew.values_mut() {
                    part.accepted = part.checked_in.map(|_| false);
                    part.counted.clear();
                }
                self.hit.clear();
                self.missed.clear();
            }
            other => self.file(other),
        }
    }

    /// Late filings.
    fn file(&mut self, event: &Event) {
        use ShiftState as S;
        match event {
            Event::LateShiftFiled {
                community,
                zone,
                parts,
                filed_by,
                ..
            } => {
                self.state = S::Filed;
                self.filed_by = Some(*filed_by);
                self.plan = Some(Plan {
                    community: *community,
                    zone: *zone,
                    route: Vec::new(),
                    from: parts.iter().map(|part| part.from).min().unwrap_or_default(),
                    until: parts
                        .iter()
                        .map(|part| part.until)
                        .max()
                        .unwrap_or_default(),
                });
                for part in parts {
                    let filed = self.crew.entry(part.person).or_default();
                    filed.checked_in = Some(part.from);
                    filed.checked_out = Some(part.until);
                }
            }
            Event::LateShiftRejected { .. } => self.state = S::FilingRejected,
            _ => {}
        }
    }

    /// Nobody is named as a successor any more; what nobody took over stays open.
    fn end_handover(&mut self) {
        if let Some(pending) = self.handover.take() {
            self.open_items.extend(pending.open_items);
        }
        if self.state == ShiftState::HandedOver {
            self.state = ShiftState::InProgress;
        }
    }

    /// What was found of a part.
    fn find(
        &mut self,
        person: PersonId,
        accepted: bool,
        counted: &[(Instant, Instant)],
        settled_by: PersonId,
    ) {
        let part = self.crew.entry(person).or_default();
        part.accepted = Some(accepted);
        part.counted = counted.to_vec();
        self.settled_by.insert(settled_by);
    }
}

impl PatrolShift {
    fn note_device(&mut self, person: PersonId, capture: &Capture) {
        if let Some(device) = &capture.device {
            self.devices.insert((device.clone(), person));
        }
    }

    fn note_scan(&mut self, person: PersonId, tag: &str, capture: &Capture, at: Instant) {
        self.note_device(person, capture);
        self.scans.push(Scan {
            person,
            tag: tag.to_owned(),
            at,
            place: capture.place,
            device: capture.device.clone(),
        });
    }
}
