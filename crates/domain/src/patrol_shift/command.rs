//! What can be asked of a shift.

use serde::{Deserialize, Serialize};

use crate::envelope::Instant;
use crate::ids::{CheckpointId, HazardId, PersonId, ShiftId, UnitId, ZoneId};
use crate::personal::Personal;
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

/// A capture as it is asked: when it was sent is no part of the content, so that what a device sends
/// again later is still the same command.
fn unsent<S: serde::Serializer>(capture: &Capture, serializer: S) -> Result<S::Ok, S::Error> {
    let sent_at = None;
    Capture {
        sent_at,
        ..capture.clone()
    }
    .serialize(serializer)
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

/// What was found of a part when a disputed shift is verified again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reverified {
    /// Whose part.
    pub person: PersonId,
    /// Whether it counts.
    pub accepted: bool,
    /// From when it counts, within the planned window; from the check-in if absent.
    pub from: Option<Instant>,
    /// Until when it counts, within the planned window; until the check-out if absent.
    pub until: Option<Instant>,
    /// Why, in words; must be given for a part that does not count.
    pub reason: Option<Personal>,
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
        #[serde(serialize_with = "unsent")]
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
        #[serde(serialize_with = "unsent")]
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
    /// Hand one's part over to a successor, who must accept; by who walks it, or by captain,
    /// instructor or officer.
    HandOver {
        /// Which shift.
        shift: ShiftId,
        /// Who goes.
        from: PersonId,
        /// Who shall take over: an active member without a part in this shift.
        to: PersonId,
        /// Hazards that are still open, 0..=100.
        open_items: Vec<HazardId>,
    },
    /// Take over; the named successor only.
    AcceptHandover {
        /// Which shift.
        shift: ShiftId,
        /// How the successor showed that they were there.
        capture: Capture,
    },
    /// Do not take over; the named successor only.
    DeclineHandover {
        /// Which shift.
        shift: ShiftId,
        /// Why, 1..=500 bytes.
        reason: Personal,
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
    /// Dispute how a shift was settled, within the days that the policy sets.
    DisputeShift {
        /// Which shift.
        shift: ShiftId,
        /// What is wrong, in words.
        reason: Personal,
    },
    /// Settle every part of a disputed shift again; somebody else than before.
    ReverifyShift {
        /// Which shift.
        shift: ShiftId,
        /// What was found, of everybody who came.
        parts: Vec<Reverified>,
    },
    /// Find that a disputed shift does not count at all; somebody else than before.
    VoidShift {
        /// Which shift.
        shift: ShiftId,
        /// Why, in words.
        reason: Personal,
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
            | Self::HandOver { shift, .. }
            | Self::AcceptHandover { shift, .. }
            | Self::DeclineHandover { shift, .. }
            | Self::DisputeShift { shift, .. }
            | Self::ReverifyShift { shift, .. }
            | Self::VoidShift { shift, .. }
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
