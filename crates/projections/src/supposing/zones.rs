//! Patrols of a community under another zone plan: the zone of each scan is found anew.
//!
//! The zone of a scan or of a miss is where the checkpoint stood then, in the plan in force; a place
//! that the log does not know leaves the zone as recorded. A shift keeps the zone it was planned for,
//! since that was said by whoever planned it. What a later dispute counts or takes back follows from
//! the scans and misses that it is about.
//!
//! Keeps the places of checkpoints and, of each shift of the community, where its scans lay.

use std::collections::{BTreeMap, HashMap};

use domain::ids::{CheckpointId, ShiftId, UnitId, ZoneId};
use domain::patrol_shift::{Event as E, MissedCheckpoint};
use domain::place::Place;
use domain::zone_plan::{self, Plan, Zone};
use domain::{Event, Instant, checkpoint};
use uuid::Uuid;

use crate::feed::DecodedCommit;

/// A shift of the community.
struct Walk {
    zone: ZoneId,
    scans: BTreeMap<(CheckpointId, Instant), Option<ZoneId>>,
    missed: BTreeMap<CheckpointId, Option<ZoneId>>,
}

/// The patrols of a community.
pub(super) struct Zones {
    community: UnitId,
    plan: Plan,
    places: HashMap<CheckpointId, Place>,
    walks: HashMap<ShiftId, Walk>,
}

impl Zones {
    pub(super) fn new(community: UnitId, zones: Vec<Zone>) -> Self {
        let plan = Plan {
            version: 1,
            effective_from: Instant::default(),
            zones,
        };
        Self {
            community,
            plan,
            places: HashMap::new(),
            walks: HashMap::new(),
        }
    }

    /// A commit as it would stand; one that is not supposed to be otherwise is taken as it is.
    pub(super) fn take(&mut self, commit: DecodedCommit, supposes: bool) -> DecodedCommit {
        let DecodedCommit { header, events } = commit;
        let events = events.into_iter().map(|decoded| {
            let key = Uuid::parse_str(decoded.stream().key()).ok();
            let at = decoded.recorded().envelope.occurred_at;
            let other = match (decoded.event(), key) {
                (Some(Event::Checkpoint(event)), Some(key)) => {
                    self.checkpoint(CheckpointId(key), event);
                    None
                }
                (Some(Event::ZonePlans(event)), _) if supposes => self.plan(event),
                (Some(Event::PatrolShift(event)), Some(key)) => {
                    let mut event = event.clone();
                    self.shift(ShiftId(key), &mut event, at, supposes)
                        .then(|| event.into())
                }
                _ => None,
            };
            match other {
                Some(event) => decoded.with(event),
                None => decoded,
            }
        });
        DecodedCommit {
            events: events.collect(),
            header,
        }
    }

    fn checkpoint(&mut self, id: CheckpointId, event: &checkpoint::Event) {
        match event {
            checkpoint::Event::CheckpointInstalled { place, .. }
            | checkpoint::Event::CheckpointMoved { place } => {
                self.places.insert(id, *place);
            }
            checkpoint::Event::TagReplaced { .. } | checkpoint::Event::CheckpointRetired {} => {}
        }
    }

    /// The supposed plan in the place of one that was adopted.
    fn plan(&self, event: &zone_plan::Event) -> Option<Event> {
        let mut event = event.clone();
        let zone_plan::Event::ZonePlanAdopted {
            community, zones, ..
        } = &mut event;
        if *community != self.community {
            return None;
        }
        zones.clone_from(&self.plan.zones);
        Some(event.into())
    }

    /// Finds the zones of an event of a shift; `false` if it is not one of the community.
    fn shift(&mut self, id: ShiftId, event: &mut E, at: Instant, supposes: bool) -> bool {
        if let E::ShiftPlanned {
            community, zone, ..
        }
        | E::LateShiftFiled {
            community, zone, ..
        } = event
        {
            if *community == self.community {
                let walk = Walk {
                    zone: *zone,
                    scans: BTreeMap::new(),
                    missed: BTreeMap::new(),
                };
                self.walks.insert(id, walk);
            }
            return false;
        }
        let (plan, places) = (&self.plan, &self.places);
        let Some(walk) = self.walks.get_mut(&id) else {
            return false;
        };
        let found = |checkpoint: &CheckpointId, recorded: Option<ZoneId>| {
            let place = places.get(checkpoint).filter(|_| supposes);
            place.map_or(recorded, |place| plan.zone_of(*place))
        };
        match event {
            E::CheckpointScanned {
                checkpoint, zone, ..
            }
            | E::LateScanRecorded {
                checkpoint, zone, ..
            } => {
                *zone = found(checkpoint, *zone);
                walk.scans.insert((*checkpoint, at), *zone);
            }
            E::CheckpointMissed { checkpoint, zone } => {
                *zone = found(checkpoint, *zone);
                walk.missed.insert(*checkpoint, *zone);
            }
            E::LateScanCounted {
                checkpoint,
                zone,
                missed,
                ..
            } => {
                walk.scanned(*checkpoint, at, zone);
                if let Some(missed) = missed {
                    walk.missed(missed);
                }
            }
            E::ShiftVoided { hits, missed, .. } => {
                for hit in hits {
                    walk.scanned(hit.checkpoint, hit.at, &mut hit.zone);
                }
                for missed in missed {
                    walk.missed(missed);
                }
                self.walks.remove(&id);
            }
            E::ShiftCancelled { .. } | E::ShiftMissed {} | E::LateShiftRejected { .. } => {
                self.walks.remove(&id);
                return false;
            }
            _ => return false,
        }
        true
    }
}

impl Walk {
    /// The zone in which a scan counts.
    fn scanned(&self, checkpoint: CheckpointId, at: Instant, zone: &mut ZoneId) {
        if let Some(found) = self.scans.get(&(checkpoint, at)) {
            *zone = found.unwrap_or(self.zone);
        }
    }

    /// The zone in which a miss counts.
    fn missed(&self, missed: &mut MissedCheckpoint) {
        if let Some(found) = self.missed.get(&missed.checkpoint) {
            missed.zone = found.unwrap_or(self.zone);
        }
    }
}
