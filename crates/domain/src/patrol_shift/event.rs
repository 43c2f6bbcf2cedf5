//! What happens to a shift.

use serde::{Deserialize, Serialize};

use super::anomalies::Anomaly;
use super::command::{Capture, FiledPart};
use crate::envelope::Instant;
use crate::ids::{CheckpointId, PersonId, UnitId, ZoneId};

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
    /// A scan came after the shift was completed; it changes nothing that was verified.
    LateScanRecorded {
        /// Who.
        person: PersonId,
        /// Which.
        checkpoint: CheckpointId,
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

/// Minutes of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonMinutes {
    /// Who.
    pub person: PersonId,
    /// Whole minutes.
    pub minutes: u32,
}
