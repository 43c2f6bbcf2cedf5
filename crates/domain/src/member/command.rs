//! What can be asked of a member's record.

use serde::Serialize;

use super::{ConsentPurpose, MemberKind, Role};
use crate::envelope::Instant;
use crate::ids::{CorrectionId, PersonId, UnitId};
use crate::personal::Personal;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Ask to become a member (again).
    ApplyForMembership {
        /// Where.
        community: UnitId,
        /// Who.
        person: PersonId,
        /// As what.
        kind: MemberKind,
        /// Under 14 years of age: needs the guardian's consent.
        under_14: bool,
        /// SHA-256 of the guardian's consent.
        guardian_consent: Option<[u8; 32]>,
        /// Since when, if earlier than now.
        applied_at: Option<Instant>,
    },
    /// Take somebody in; not oneself.
    ApproveMember {
        /// Where.
        community: UnitId,
        /// Who.
        person: PersonId,
    },
    /// Give a role.
    GrantRole {
        /// Where.
        community: UnitId,
        /// To whom.
        person: PersonId,
        /// Which.
        role: Role,
        /// From when on.
        from: Instant,
        /// Until when (exclusive); open if absent.
        until: Option<Instant>,
        /// Reference of the appointment; needed for officers, captains and mediators.
        appointment: Option<String>,
    },
    /// Take a role back from now on.
    RevokeRole {
        /// Where.
        community: UnitId,
        /// From whom.
        person: PersonId,
        /// Which.
        role: Role,
    },
    /// Keep somebody from taking part.
    SuspendMember {
        /// Where.
        community: UnitId,
        /// Who.
        person: PersonId,
        /// Why.
        reason: Personal,
    },
    /// Let them take part again.
    ReinstateMember {
        /// Where.
        community: UnitId,
        /// Who.
        person: PersonId,
    },
    /// Leave.
    LeaveMembership {
        /// Where.
        community: UnitId,
        /// Who.
        person: PersonId,
    },
    /// Leave one community and be a member of another from the same instant on. Roles stay behind,
    /// for an appointment is to one community; the account is the person's and goes along.
    MoveMember {
        /// The community that is left.
        community: UnitId,
        /// Who.
        person: PersonId,
        /// The other community.
        to: UnitId,
    },
    /// Record that somebody was trained; not oneself.
    RecordTraining {
        /// Where.
        community: UnitId,
        /// Who.
        person: PersonId,
        /// In what, 1..=200 bytes.
        course: String,
        /// When.
        trained_at: Instant,
        /// SHA-256 of the certificate.
        certificate: Option<[u8; 32]>,
    },
    /// Agree to a use of one's data; by oneself, or on paper.
    GiveMemberConsent {
        /// Where.
        community: UnitId,
        /// Who.
        person: PersonId,
        /// To what.
        purpose: ConsentPurpose,
        /// SHA-256 of the paper, if somebody else records it.
        paper: Option<[u8; 32]>,
    },
    /// Agree no longer.
    WithdrawMemberConsent {
        /// Where.
        community: UnitId,
        /// Who.
        person: PersonId,
        /// To what.
        purpose: ConsentPurpose,
        /// SHA-256 of the paper, if somebody else records it.
        paper: Option<[u8; 32]>,
    },
    /// Ask for one's record to be corrected.
    RequestCorrection {
        /// Where.
        community: UnitId,
        /// Who.
        person: PersonId,
        /// A random id, given by the caller.
        correction: CorrectionId,
        /// What is wrong.
        what: Personal,
    },
    /// Check a record and correct it; not one's own.
    CorrectRecord {
        /// Where.
        community: UnitId,
        /// Whose.
        person: PersonId,
        /// The request that is answered, if there was one.
        correction: Option<CorrectionId>,
        /// What sort of member they are in truth; absent if that was right.
        kind: Option<MemberKind>,
        /// What was found.
        finding: Personal,
    },
    /// Close the record that a person has under a duplicate of theirs.
    MergeMembers {
        /// Where.
        community: UnitId,
        /// The person, by the record that stands.
        person: PersonId,
        /// The duplicate, merged into the person before.
        duplicate: PersonId,
    },
}

impl Command {
    /// Whose record in which community it is about.
    pub(super) fn subject(&self) -> (UnitId, PersonId) {
        match self {
            Self::ApplyForMembership {
                community, person, ..
            }
            | Self::ApproveMember { community, person }
            | Self::GrantRole {
                community, person, ..
            }
            | Self::RevokeRole {
                community, person, ..
            }
            | Self::SuspendMember {
                community, person, ..
            }
            | Self::ReinstateMember { community, person }
            | Self::LeaveMembership { community, person }
            | Self::MoveMember {
                community, person, ..
            }
            | Self::RecordTraining {
                community, person, ..
            }
            | Self::GiveMemberConsent {
                community, person, ..
            }
            | Self::WithdrawMemberConsent {
                community, person, ..
            }
            | Self::RequestCorrection {
                community, person, ..
            }
            | Self::CorrectRecord {
                community, person, ..
            }
            | Self::MergeMembers {
                community, person, ..
            } => (*community, *person),
        }
    }
}
