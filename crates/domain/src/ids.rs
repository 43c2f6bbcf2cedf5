//! Ids: random UUIDs given by whoever creates the thing, each kind a type of its own.
//!
//! Owns the id types and the derived ids (an id that follows from others, so that a repeat finds
//! it again). Never makes a random one: randomness comes in at the rim.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self { Self(id) }
        }
    )+ };
}

ids! {
    /// A unit of jurisdiction: city, district, station, community or grid.
    UnitId
    /// A real person; holds all identity fields.
    PersonId
    /// A login of a person or system.
    PrincipalId
    /// An import batch.
    BatchId
    /// A patrol zone, the same over the versions of a community's zone plan.
    ZoneId
    /// A checkpoint on a patrol route.
    CheckpointId
    /// A patrol shift.
    ShiftId
    /// A hazard.
    HazardId
    /// A campaign wave.
    CampaignId
    /// A dispute.
    DisputeId
    /// A question to an expert in a dispute.
    AssessmentId
    /// A household.
    HouseholdId
    /// A team of a community.
    TeamId
    /// A request to correct a member's record.
    CorrectionId
    /// A lead.
    LeadId
    /// What a lead tells of: a dwelling, person or case, by its id in the station's registers.
    MatterId
    /// What stands for a lead on an account: random, so that it leads nowhere.
    ContributionId
    /// Something that points are redeemed for.
    RewardItemId
    /// A redemption of points for an item.
    RedemptionId
}

impl PrincipalId {
    /// The id of the principal with this login subject; the same subject is the same principal.
    pub fn of_subject(subject: &str) -> Self {
        Self(derived("principal", &[&subject_hash(subject)]))
    }
}

/// SHA-256 of a login subject in hexadecimal: what is stored instead of the subject.
pub fn subject_hash(subject: &str) -> String {
    hex(&Sha256::digest(subject.as_bytes()))
}

/// An id that follows from `parts`: the first 16 bytes of SHA-256 over the kind and the
/// length-prefixed parts, marked as a version-8 UUID (RFC 9562 §5.8).
pub fn derived(kind: &str, parts: &[&dyn fmt::Display]) -> Uuid {
    let mut hasher = Sha256::new();
    hasher.update(b"benniu ");
    hasher.update(kind.as_bytes());
    for part in parts {
        let text = part.to_string();
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    let digest = hasher.finalize();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_depend_on_kind_and_on_where_one_part_ends() {
        assert_eq!(derived("a", &[&"x", &"y"]), derived("a", &[&"x", &"y"]));
        assert_ne!(derived("a", &[&"x", &"y"]), derived("b", &[&"x", &"y"]));
        assert_ne!(derived("a", &[&"xy", &""]), derived("a", &[&"x", &"y"]));
    }
}
