//! What can be asked of a shift.

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

impl Command {
    /// The shift it is about.
    pub fn shift(&self) -> ShiftId {
        match self {
            Self::PlanShift { shift, .. }
            | Self::SignUp { shift, .. }
            | Self::CheckIn { shift, .. }
            | Self::ScanCheckpoint { shift, .. }
            | Self::SkipCheckpoint { shift, .. }
            | Self::RaiseFinding { shift, .. }
            | Self::CheckOut { shift, .. }
            | Self::CancelShift { shift, .. }
            | Self::RecordMissedShift { shift }
            | Self::AutoCheckOut { shift }
            | Self::VerifyParticipation { shift, .. }
            | Self::RejectParticipation { shift, .. }
            | Self::FileLateShift { shift, .. }
            | Self::ApproveLateShift { shift }
            | Self::RejectLateShift { shift, .. } => *shift,
        }
    }
}
