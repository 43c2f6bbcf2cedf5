//! What can be asked of a hazard.

use serde::Serialize;

use super::terms::{HazardLevel, Purpose, SourceClosing, Urgency};
use crate::envelope::Instant;
use crate::ids::{BatchId, HazardId, UnitId};
use crate::personal::Personal;
use crate::place::Place;
use crate::unit::Imported;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Report a hazard.
    ReportHazard {
        /// A random id, given by the caller.
        hazard: HazardId,
        /// The unit it lies in.
        unit: UnitId,
        /// What kind, 1..=100 bytes.
        kind: String,
        /// Where it is.
        place: Option<Place>,
        /// What was seen, in words.
        description: Option<Personal>,
        /// SHA-256 of photos.
        photos: Vec<[u8; 32]>,
        /// When it was seen; now if absent.
        seen_at: Option<Instant>,
    },
    /// Confirm that it is one.
    VerifyHazard {
        /// Which hazard.
        hazard: HazardId,
        /// How grave.
        level: HazardLevel,
        /// How soon.
        urgency: Urgency,
    },
    /// Find that it is none.
    RejectHazard {
        /// Which hazard.
        hazard: HazardId,
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Find that it is known already.
    LinkDuplicate {
        /// Which hazard.
        hazard: HazardId,
        /// The one that is kept.
        master: HazardId,
    },
    /// Make a unit answer for it.
    AssignOwner {
        /// Which hazard.
        hazard: HazardId,
        /// Who shall rectify it: a unit or department, 1..=200 bytes.
        owner: String,
    },
    /// Say that nobody agrees whose it is.
    RaiseUnclearBoundary {
        /// Which hazard.
        hazard: HazardId,
        /// Units or departments that could be meant, 1..=10, each 1..=200 bytes and once.
        candidates: Vec<String>,
        /// Why it is unclear, 1..=500 bytes.
        reason: String,
    },
    /// Enter who a council ruled shall answer for it together.
    RuleJointOwner {
        /// Which hazard.
        hazard: HazardId,
        /// The unit or department that answers first, 1..=200 bytes.
        lead: String,
        /// Those that act with it, 1..=10, each 1..=200 bytes and once.
        joint: Vec<String>,
        /// Reference of the council meeting, 1..=100 bytes.
        council_meeting: String,
        /// SHA-256 of its minutes.
        minutes: Option<[u8; 32]>,
    },
    /// Give it to another authority.
    ReferHazard {
        /// Which hazard.
        hazard: HazardId,
        /// To whom, 1..=200 bytes.
        authority: String,
        /// Its id there, 1..=200 bytes, if it is known.
        external_id: Option<String>,
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Take it back from that authority.
    ReturnReferral {
        /// Which hazard.
        hazard: HazardId,
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Say how it will be rectified.
    PlanRectification {
        /// Which hazard.
        hazard: HazardId,
        /// How, in words.
        plan: Personal,
        /// When it will be done: later than now, not after the deadline.
        finish_by: Instant,
    },
    /// Give it more time.
    GrantExtension {
        /// Which hazard.
        hazard: HazardId,
        /// The new deadline, later than the old one and than now.
        until: Instant,
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Make it safe for the time being.
    TakeInterimMeasure {
        /// Which hazard.
        hazard: HazardId,
        /// What was done.
        measure: Personal,
    },
    /// Report a major hazard to the level above.
    ReportUp {
        /// Which hazard.
        hazard: HazardId,
        /// The unit above that is told; the next one above if absent.
        to: Option<UnitId>,
        /// The office there, 1..=200 bytes.
        authority: String,
        /// When it was told; now if absent.
        reported_at: Option<Instant>,
    },
    /// Say that it is rectified.
    ClaimRectification {
        /// Which hazard.
        hazard: HazardId,
        /// When it was done; now if absent.
        done_at: Option<Instant>,
        /// SHA-256 of photos.
        photos: Vec<[u8; 32]>,
    },
    /// Look again; neither reporter nor rectifier.
    Reinspect {
        /// Which hazard.
        hazard: HazardId,
        /// What was found.
        passed: bool,
        /// Why it failed, 1..=500 bytes; absent if passed.
        reason: Option<String>,
        /// When it was looked at; now if absent.
        inspected_at: Option<Instant>,
    },
    /// Close it.
    CloseOut {
        /// Which hazard.
        hazard: HazardId,
    },
    /// It is there again.
    RecordRecurrence {
        /// Which hazard.
        hazard: HazardId,
        /// When it was seen; now if absent.
        seen_at: Option<Instant>,
    },
    /// Record that a deadline passed unmet; the timer does this.
    RecordBreach {
        /// Which hazard.
        hazard: HazardId,
        /// What the deadline was for.
        purpose: Purpose,
        /// The deadline that passed.
        due_at: Instant,
    },
    /// Take over the whole life of a hazard from elsewhere.
    ImportHazard {
        /// Follows from source and external id.
        hazard: HazardId,
        /// Batch, source and id there.
        imported: Imported,
        /// The unit it lies in.
        unit: UnitId,
        /// What kind, 1..=100 bytes.
        kind: String,
        /// Where it is.
        place: Option<Place>,
        /// When it was opened there.
        opened_at: Instant,
        /// Who answers for it there, 1..=200 bytes.
        owner: String,
        /// When it was due there, if it was.
        due_at: Option<Instant>,
        /// When it was closed there, if it was.
        closed: Option<SourceClosing>,
    },
    /// Take over that the source has closed an imported hazard.
    CloseBySource {
        /// Which hazard.
        hazard: HazardId,
        /// The batch that brings it.
        batch: BatchId,
        /// What the source says.
        closed: SourceClosing,
    },
}

impl Command {
    /// The hazard it is about.
    pub fn hazard(&self) -> HazardId {
        match self {
            Self::ReportHazard { hazard, .. }
            | Self::VerifyHazard { hazard, .. }
            | Self::RejectHazard { hazard, .. }
            | Self::LinkDuplicate { hazard, .. }
            | Self::AssignOwner { hazard, .. }
            | Self::RaiseUnclearBoundary { hazard, .. }
            | Self::RuleJointOwner { hazard, .. }
            | Self::ReferHazard { hazard, .. }
            | Self::ReturnReferral { hazard, .. }
            | Self::PlanRectification { hazard, .. }
            | Self::GrantExtension { hazard, .. }
            | Self::TakeInterimMeasure { hazard, .. }
            | Self::ReportUp { hazard, .. }
            | Self::ClaimRectification { hazard, .. }
            | Self::Reinspect { hazard, .. }
            | Self::CloseOut { hazard }
            | Self::RecordRecurrence { hazard, .. }
            | Self::RecordBreach { hazard, .. }
            | Self::ImportHazard { hazard, .. }
            | Self::CloseBySource { hazard, .. } => *hazard,
        }
    }
}
