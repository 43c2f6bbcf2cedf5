//! What happens to a hazard.

use serde::{Deserialize, Serialize};

use super::terms::{Deadline, HazardLevel, Purpose, SourceClosing, Urgency};
use crate::envelope::Instant;
use crate::ids::{HazardId, PersonId, UnitId};
use crate::personal::Personal;
use crate::place::Place;
use crate::unit::Imported;

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Somebody reported it.
    HazardReported {
        /// The unit it lies in.
        unit: UnitId,
        /// What kind.
        kind: String,
        /// Where.
        place: Option<Place>,
        /// What was seen.
        description: Option<Personal>,
        /// Who reported it, if a person of ours.
        reporter: Option<PersonId>,
        /// Where it was imported from.
        imported: Option<Imported>,
    },
    /// It is real.
    HazardVerified {
        /// How grave.
        level: HazardLevel,
        /// How soon.
        urgency: Urgency,
        /// Who says so.
        verified_by: PersonId,
    },
    /// It is none.
    HazardRejected {
        /// Why.
        reason: String,
        /// Who says so.
        rejected_by: PersonId,
    },
    /// It is known already.
    HazardLinkedAsDuplicate {
        /// The one that is kept.
        master: HazardId,
        /// Who says so.
        linked_by: PersonId,
    },
    /// A duplicate of it was found: who reported that one shall learn what becomes of this one.
    DuplicateLinked {
        /// The other report.
        duplicate: HazardId,
        /// Who made it, if persons of ours.
        reporters: Vec<PersonId>,
    },
    /// Nobody agrees whose it is.
    BoundaryUnclearRaised {
        /// Units or departments that could be meant.
        candidates: Vec<String>,
        /// Why it is unclear.
        reason: String,
        /// Who says so.
        raised_by: PersonId,
    },
    /// A council ruled who answers for it together.
    JointOwnerRuled {
        /// The unit or department that answers first.
        lead: String,
        /// Those that act with it.
        joint: Vec<String>,
        /// The meeting that ruled, by its reference.
        council_meeting: String,
        /// Who entered the ruling.
        ruled_by: PersonId,
    },
    /// Somebody answers for it.
    OwnerAssigned {
        /// A unit or department.
        owner: String,
    },
    /// Something must be done by then.
    DeadlineSet {
        /// What it is for.
        #[serde(default, skip_serializing_if = "Purpose::is_rectification")]
        purpose: Purpose,
        /// When and on what basis.
        deadline: Deadline,
    },
    /// It got more time.
    ExtensionGranted {
        /// The new deadline and its basis.
        deadline: Deadline,
        /// Why.
        reason: String,
        /// Who gave it.
        granted_by: PersonId,
    },
    /// It was made safe for the time being.
    InterimMeasureTaken {
        /// What was done.
        measure: Personal,
    },
    /// The owner says how it will be done.
    RectificationPlanned {
        /// How.
        plan: Personal,
        /// When it will be done.
        finish_by: Instant,
        /// Who plans it.
        planned_by: PersonId,
    },
    /// It was reported upward (at the envelope's `occurred_at`).
    MajorHazardReportedUp {
        /// The unit above that was told; absent where none stands above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<UnitId>,
        /// The office there.
        authority: String,
        /// Who told it; absent in events from before it was noted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reported_by: Option<PersonId>,
    },
    /// Another authority takes it.
    HazardReferred {
        /// Which.
        authority: String,
        /// Its id there.
        external_id: Option<String>,
        /// Why.
        reason: String,
        /// Who referred it.
        referred_by: PersonId,
    },
    /// The other authority gave it back.
    ReferralReturned {
        /// Why.
        reason: String,
        /// Who took it back.
        returned_by: PersonId,
    },
    /// The owner says it is done (at the envelope's `occurred_at`).
    RectificationClaimed {
        /// Who says so.
        rectified_by: PersonId,
    },
    /// Another person agrees.
    ReinspectionPassed {
        /// Who looked.
        reinspected_by: PersonId,
    },
    /// Another person does not.
    ReinspectionFailed {
        /// Who looked.
        reinspected_by: PersonId,
        /// Why.
        reason: String,
    },
    /// It is closed.
    HazardClosedOut {
        /// Who closed it.
        closed_by: PersonId,
    },
    /// It is there again.
    HazardRecurred {
        /// Who says so.
        reported_by: PersonId,
    },
    /// The deadline passed unmet.
    DeadlineBreached {
        /// What it is for.
        #[serde(default, skip_serializing_if = "Purpose::is_rectification")]
        purpose: Purpose,
        /// Which deadline.
        due_at: Instant,
    },
    /// It had been met after all.
    BreachWithdrawn {
        /// What it is for.
        #[serde(default, skip_serializing_if = "Purpose::is_rectification")]
        purpose: Purpose,
        /// Which deadline.
        due_at: Instant,
        /// Position of the fact that shows it; absent if the fact is in the same commit.
        fact: Option<u64>,
    },
    /// The source of an import closed it (at `closed_at`).
    ClosedBySource {
        /// What the source says.
        closed: SourceClosing,
    },
}
