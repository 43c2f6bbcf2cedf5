//! `PatrolShift`: a patrol from plan to verified participation.
//!
//! ```text
//! Planned ──first check-in──> InProgress ──last check-out──> Completed ──all settled──> Verified
//!    │ Cancelled, Missed (timer)              (timer checks out who forgot)
//! (nothing) ──LateShiftFiled──> Filed ──LateShiftApproved──> Completed / LateShiftRejected
//! ```
//! Owns crew, scans and each person's participation. Scans are marked, never rejected, for odd
//! time or place. Points are not its business: a reaction answers `ParticipationVerified`.

use serde::{Deserialize, Serialize};

use crate::envelope::Instant;
use crate::ids::{CheckpointId, PersonId, ShiftId, UnitId, ZoneId};
use crate::place::Place;

/// How somebody showed that they were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A tag read by NFC.
    Nfc,
    /// A code read by camera.
    Qr,
    /// A position within the fence.
    Geo,
    /// Typed in.
    Manual,
}

/// What is odd about a scan or check-in; it marks, it never rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anomaly {
    /// Further from the checkpoint than its radius.
    OutOfRadius,
    /// No position was given.
    NoFix,
    /// Too far from the person's scan before, for the time between.
    ImpossibleSpeed,
    /// The device's clock differs from ours.
    ClockSkew,
    /// The same tag from two devices within a minute.
    SameTagTwoDevices,
    /// One device used by two people on this shift.
    SameDeviceTwoPeople,
    /// Many tags within seconds.
    TagCluster,
    /// No device named.
    MissingDeviceSignature,
    /// Checked in later than the grace allows.
    LateCheckIn,
}

/// The three clocks and the device of a scan or check-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// How.
    pub method: Method,
    /// Where the device was.
    pub place: Option<Place>,
    /// Which device, 1..=100 bytes.
    pub device: Option<String>,
    /// The device's clock; `occurred_at` is taken from it where given.
    pub device_at: Option<Instant>,
    /// When the device sent it.
    pub sent_at: Option<Instant>,
}

/// A person's part in a late filing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiledPart {
    /// Who.
    pub person: PersonId,
    /// From.
    pub from: Instant,
    /// Until.
    pub until: Instant,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Plan a shift.
    PlanShift {
        /// A random id, given by the caller.
        shift: ShiftId,
        /// Where.
        community: UnitId,
        /// The zone it patrols, of the plan in force at its start.
        zone: ZoneId,
        /// Checkpoints to scan, 0..=100, all installed in the community.
        route: Vec<CheckpointId>,
        /// Start.
        from: Instant,
        /// End, later, at most 24 hours.
        until: Instant,
        /// Least number of people.
        crew_min: u32,
    },
    /// Take part; an active member.
    SignUp {
        /// Which shift.
        shift: ShiftId,
        /// Who.
        person: PersonId,
    },
    /// Be there.
    CheckIn {
        /// Which shift.
        shift: ShiftId,
        /// Who; must have signed up.
        person: PersonId,
        /// How.
        capture: Capture,
    },
    /// Scan a checkpoint.
    ScanCheckpoint {
        /// Which shift.
        shift: ShiftId,
        /// Who; must have checked in.
        person: PersonId,
        /// What the tag says.
        tag: String,
        /// How.
        capture: Capture,
    },
    /// Say why a checkpoint is left out.
    SkipCheckpoint {
        /// Which shift.
        shift: ShiftId,
        /// Who.
        person: PersonId,
        /// Which checkpoint of the route.
        checkpoint: CheckpointId,
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Note a hazard found on the way.
    RaiseFinding {
        /// Which shift.
        shift: ShiftId,
        /// Who.
        person: PersonId,
        /// The hazard's id.
        hazard: crate::ids::HazardId,
    },
    /// End one's part; the last one completes the shift.
    CheckOut {
        /// Which shift.
        shift: ShiftId,
        /// Who.
        person: PersonId,
        /// When; now if absent.
        at: Option<Instant>,
    },
    /// Call it off before it began.
    CancelShift {
        /// Which shift.
        shift: ShiftId,
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Record that nobody came; the timer does this.
    RecordMissedShift {
        /// Which shift.
        shift: ShiftId,
    },
    /// End the part of whoever forgot to; the timer does this.
    AutoCheckOut {
        /// Which shift.
        shift: ShiftId,
    },
    /// Confirm a person's part; by another person.
    VerifyParticipation {
        /// Which shift.
        shift: ShiftId,
        /// Whose part.
        person: PersonId,
    },
    /// Find that a person's part does not count; by another person.
    RejectParticipation {
        /// Which shift.
        shift: ShiftId,
        /// Whose part.
        person: PersonId,
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// File a shift that was walked but never planned, after the window.
    FileLateShift {
        /// A random id, given by the caller.
        shift: ShiftId,
        /// Where.
        community: UnitId,
        /// The zone.
        zone: ZoneId,
        /// Who took part and when, 1..=20.
        parts: Vec<FiledPart>,
        /// Why it is late, 1..=500 bytes.
        reason: String,
    },
    /// Approve a late filing; somebody who was not on the shift and did not file it.
    ApproveLateShift {
        /// Which shift.
        shift: ShiftId,
    },
    /// Refuse a late filing; the same rule.
    RejectLateShift {
        /// Which shift.
        shift: ShiftId,
        /// Why, 1..=500 bytes.
        reason: String,
    },
}

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

// STUB-BEGIN
/// State.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatrolShift {}

impl crate::world::Aggregate for PatrolShift {
    const CATEGORY: &'static str = "patrol_shift";
    type Command = Command;
    type Event = Event;
    fn primary(_: &Command) -> crate::stream::StreamName {
        Self::stream("stub")
    }
    fn decide(
        _: &Command,
        _: &crate::world::World,
        _: &crate::world::Context,
    ) -> Result<crate::world::Decision, crate::refusal::Stop> {
        Ok(crate::world::Decision::new())
    }
    fn evolve(&mut self, _: &Event, _: &crate::world::Stamp) {}
}
// STUB-END
