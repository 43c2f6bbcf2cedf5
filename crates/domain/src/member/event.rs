//! What happens to a member's record.

use serde::{Deserialize, Serialize};

use super::{ConsentPurpose, MemberKind, Role};
use crate::envelope::Instant;
use crate::ids::{CorrectionId, PersonId, UnitId};
use crate::personal::Personal;

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Somebody asked to become a member.
    MemberApplied {
        /// Where.
        community: UnitId,
        /// Who.
        person: PersonId,
        /// As what.
        kind: MemberKind,
        /// Under 14 years of age.
        under_14: bool,
    },
    /// The guardian agrees (proof in the envelope's evidence).
    GuardianConsentGiven {},
    /// Somebody was taken in.
    MemberApproved {
        /// By whom.
        approved_by: PersonId,
        /// True if done by the only administrator there was.
        bootstrap: bool,
    },
    /// A role was given.
    RoleGranted {
        /// Which.
        role: Role,
        /// From when on.
        from: Instant,
        /// Until when (exclusive).
        until: Option<Instant>,
        /// Reference of the appointment.
        appointment: Option<String>,
        /// By whom.
        granted_by: PersonId,
        /// True if done by the only administrator there was.
        bootstrap: bool,
    },
    /// A role was taken back.
    RoleRevoked {
        /// Which.
        role: Role,
        /// From when on.
        until: Instant,
        /// By whom.
        revoked_by: PersonId,
    },
    /// Kept from taking part.
    MemberSuspended {
        /// Why.
        reason: Personal,
    },
    /// Takes part again.
    MemberReinstated {},
    /// Left.
    MemberLeft {},
    /// Was trained (at the envelope's `occurred_at`).
    TrainingRecorded {
        /// In what.
        course: String,
        /// By whom it was recorded.
        recorded_by: PersonId,
    },
    /// Agreed to a use of their data.
    ConsentGiven {
        /// To what.
        purpose: ConsentPurpose,
    },
    /// Agrees no longer.
    ConsentWithdrawn {
        /// To what.
        purpose: ConsentPurpose,
    },
    /// Asked for the record to be corrected.
    RecordCorrectionRequested {
        /// The request.
        correction: CorrectionId,
        /// What is wrong.
        what: Personal,
    },
    /// The record was checked, and corrected where it was wrong.
    RecordCorrected {
        /// The request that is answered, if there was one.
        correction: Option<CorrectionId>,
        /// What sort of member they are in truth; absent if that was right.
        kind: Option<MemberKind>,
        /// What was found.
        finding: Personal,
        /// By whom.
        corrected_by: PersonId,
    },
    /// This record is of a person who is known by another id now.
    MembersMerged {
        /// That id.
        into: PersonId,
        /// By whom it was found.
        merged_by: PersonId,
    },
    /// The record of a duplicate was merged into this one.
    MemberTakenOver {
        /// The duplicate.
        duplicate: PersonId,
        /// As what the person is a member from now on by the duplicate's record; absent if their own
        /// record goes on as it was.
        member_as: Option<MemberKind>,
        /// The duplicate's record is of somebody under 14 years of age.
        under_14: bool,
        /// The duplicate was suspended, so the person is from now on.
        suspended: bool,
        /// By whom it was found.
        merged_by: PersonId,
    },
}
