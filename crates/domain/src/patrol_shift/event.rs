//! What happens to a shift.

use serde::{Deserialize, Serialize};

use super::anomalies::Anomaly;
use super::command::{Capture, FiledPart};
use crate::envelope::Instant;
use crate::ids::{CheckpointId, HazardId, PersonId, UnitId, ZoneId};
use crate::personal::Personal;

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A shift was planned.
    ShiftPlanned {
        /// Where.
        community: UnitId,
        /// The zone it patrols.
        zone: ZoneId,
        /// Version of the zone plan in force at its start.
        zone_plan_version: u32,
        /// Checkpoints to scan.
        route: Vec<CheckpointId>,
        /// Start.
        from: Instant,
        /// End.
        until: Instant,
        /// Least number of people.
        crew_min: u32,
    },
    /// Somebody will take part.
    PatrollerSignedUp {
        /// Who.
        person: PersonId,
    },
    /// Somebody is there.
    PatrollerCheckedIn {
        /// Who.
        person: PersonId,
        /// How.
        capture: Capture,
        /// What is odd.
        anomalies: Vec<Anomaly>,
    },
    /// The first one is there.
    ShiftStarted {},
    /// A checkpoint was scanned.
    CheckpointScanned {
        /// Who.
        person: PersonId,
        /// Which.
        checkpoint: CheckpointId,
        /// The zone the checkpoint lay in, of the plan in force at the scan.
        zone: Option<ZoneId>,
        /// What the tag says.
        tag: String,
        /// How.
        capture: Capture,
        /// Metres from the checkpoint, if a place was given.
        distance_m: Option<u32>,
        /// What is odd.
        anomalies: Vec<Anomaly>,
    },
    /// A scan came after the shift was completed; it changes nothing until it is verified again.
    LateScanRecorded {
        /// Who.
        person: PersonId,
        /// Which.
        checkpoint: CheckpointId,
        /// The zone the checkpoint lay in, of the plan in force at the scan; none if outside every
        /// zone, and in events from before it was noted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<ZoneId>,
        /// What the tag says.
        tag: String,
        /// How.
        capture: Capture,
        /// What is odd.
        anomalies: Vec<Anomaly>,
    },
    /// A checkpoint was left out.
    CheckpointSkipped {
        /// Who.
        person: PersonId,
        /// Which.
        checkpoint: CheckpointId,
        /// Why.
        reason: String,
    },
    /// A hazard was found on the way.
    FindingRaised {
        /// Who.
        person: PersonId,
        /// Its id.
        hazard: crate::ids::HazardId,
    },
    /// Somebody named a successor for their part.
    ShiftHandedOver {
        /// Who goes.
        from: PersonId,
        /// Who shall take over.
        to: PersonId,
        /// Hazards that are still open.
        open_items: Vec<HazardId>,
        /// Who handed it over.
        handed_by: PersonId,
    },
    /// The successor took over; a check-out and a check-in stand in the same commit.
    HandoverAccepted {
        /// Who goes.
        from: PersonId,
        /// Who took over.
        to: PersonId,
        /// Hazards that are still open, and theirs from now on.
        open_items: Vec<HazardId>,
    },
    /// The successor did not take over.
    HandoverDeclined {
        /// Who stays.
        from: PersonId,
        /// Who would have taken over.
        to: PersonId,
        /// Why.
        reason: Personal,
    },
    /// Somebody ended their part.
    PatrollerCheckedOut {
        /// Who.
        person: PersonId,
    },
    /// The system ended the part of somebody who forgot to, at the planned end.
    AutoCheckedOut {
        /// Who.
        person: PersonId,
    },
    /// A checkpoint of the route was neither scanned nor skipped.
    CheckpointMissed {
        /// Which.
        checkpoint: CheckpointId,
        /// The zone it lay in at the shift's end.
        zone: Option<ZoneId>,
    },
    /// The last one ended their part (or a late filing was approved).
    ShiftCompleted {
        /// Minutes of each person.
        minutes: Vec<PersonMinutes>,
        /// Checkpoints of the route scanned at least once.
        hit: u32,
        /// Checkpoints left out with a reason.
        skipped: u32,
        /// Checkpoints missed.
        missed: u32,
    },
    /// It was called off.
    ShiftCancelled {
        /// Why.
        reason: String,
    },
    /// Nobody came.
    ShiftMissed {},
    /// A person's part counts.
    ParticipationVerified {
        /// Whose.
        person: PersonId,
        /// Where.
        community: UnitId,
        /// The zone patrolled.
        zone: ZoneId,
        /// What counts, by interval: minutes that another verified part holds are left out.
        intervals: Vec<(Instant, Instant)>,
        /// Whole minutes of all intervals.
        minutes: u32,
        /// Who says so.
        verified_by: PersonId,
    },
    /// A person's part does not count.
    ParticipationRejected {
        /// Whose.
        person: PersonId,
        /// Why.
        reason: String,
        /// Who says so.
        rejected_by: PersonId,
    },
    /// Somebody disputes how it was settled.
    ShiftDisputed {
        /// Who.
        disputed_by: PersonId,
        /// What is wrong.
        reason: Personal,
    },
    /// A checkpoint that only a late scan shows counts as scanned (at the time of the scan).
    LateScanCounted {
        /// Which.
        checkpoint: CheckpointId,
        /// The zone it counts in.
        zone: ZoneId,
        /// That it counted as missed, if it did.
        missed: Option<MissedCheckpoint>,
        /// The planned end, at which it had been missed.
        until: Instant,
    },
    /// A part was settled again, in place of what was found before.
    ParticipationReverified {
        /// Whose.
        person: PersonId,
        /// Where.
        community: UnitId,
        /// The zone patrolled.
        zone: ZoneId,
        /// Whether it counts.
        accepted: bool,
        /// What counted before, by interval.
        before: Vec<(Instant, Instant)>,
        /// What counts now, by interval.
        intervals: Vec<(Instant, Instant)>,
        /// Whole minutes of all intervals.
        minutes: u32,
        /// Why.
        reason: Option<Personal>,
        /// Who says so.
        verified_by: PersonId,
    },
    /// The shift does not count at all: as if nobody had come.
    ShiftVoided {
        /// Why.
        reason: Personal,
        /// Who says so.
        voided_by: PersonId,
        /// Where.
        community: UnitId,
        /// The zone patrolled.
        zone: ZoneId,
        /// The planned end.
        until: Instant,
        /// Parts that were walked, and what counted of each.
        parts: Vec<VoidedPart>,
        /// Checkpoints that counted as scanned.
        hits: Vec<CountedScan>,
        /// Checkpoints that counted as missed.
        missed: Vec<MissedCheckpoint>,
    },
    /// Every part is settled.
    ShiftVerified {
        /// Parts that count.
        accepted: u32,
        /// Parts that do not.
        rejected: u32,
    },
    /// A shift was filed late.
    LateShiftFiled {
        /// Where.
        community: UnitId,
        /// The zone.
        zone: ZoneId,
        /// Version of the zone plan in force at its start.
        zone_plan_version: u32,
        /// Who took part and when.
        parts: Vec<FiledPart>,
        /// Why it is late.
        reason: String,
        /// Who filed it.
        filed_by: PersonId,
    },
    /// Somebody not on the shift approved the filing.
    LateShiftApproved {
        /// Who.
        approved_by: PersonId,
    },
    /// Somebody not on the shift refused the filing.
    LateShiftRejected {
        /// Who.
        rejected_by: PersonId,
        /// Why.
        reason: String,
    },
}

/// A part of a shift that was voided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidedPart {
    /// Who.
    pub person: PersonId,
    /// From when they were there, within the planned window.
    pub from: Instant,
    /// Until when.
    pub until: Instant,
    /// What counted of it.
    pub counted: Vec<(Instant, Instant)>,
}

/// A checkpoint that counted as scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedScan {
    /// Which.
    pub checkpoint: CheckpointId,
    /// The zone it counted in.
    pub zone: ZoneId,
    /// When it was scanned.
    pub at: Instant,
}

/// A checkpoint that counted as missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedCheckpoint {
    /// Which.
    pub checkpoint: CheckpointId,
    /// The zone it counted in.
    pub zone: ZoneId,
}

/// Minutes of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonMinutes {
    /// Who.
    pub person: PersonId,
    /// Whole minutes.
    pub minutes: u32,
}
