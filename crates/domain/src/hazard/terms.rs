//! The words of a hazard: level, urgency, state, claims and deadlines.

use serde::{Deserialize, Serialize};

use crate::envelope::Instant;
use crate::ids::PersonId;
use crate::personal::Personal;

/// How grave it is; duties follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HazardLevel {
    /// 一般
    General,
    /// 重大
    Major,
}

/// How soon it must be rectified; deadlines follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Within hours.
    Red,
    /// Within a day.
    Yellow,
    /// Within days.
    Blue,
}

/// Where a hazard stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HazardState {
    /// There is none.
    #[default]
    Unknown,
    /// Somebody reported it.
    Reported,
    /// It is real, with level and urgency.
    Verified,
    /// Nobody agrees whose it is; the council rules on it.
    BoundaryUnclear,
    /// An owner, or several together, work on it.
    Rectifying,
    /// The owner says it is done.
    Rectified,
    /// Another person looked and agrees.
    Reinspected,
    /// Done.
    ClosedOut,
    /// It was none.
    Invalid,
    /// It is one that is known already.
    Duplicate,
    /// The source of the import says it is closed.
    ClosedBySource,
    /// Another authority has it, and may give it back.
    Referred,
}

impl HazardState {
    /// True while somebody must still do something about it.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Reported
                | Self::Verified
                | Self::BoundaryUnclear
                | Self::Rectifying
                | Self::Rectified
                | Self::Reinspected
        )
    }
}

/// A claim of rectification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedRectification {
    /// Who says it is done.
    pub by: PersonId,
    /// When it was done, as claimed.
    pub at: Instant,
    /// Position of the claim.
    pub position: u64,
}

/// What a deadline is for.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To rectify it; what a stored deadline is for where it does not say.
    #[default]
    Rectification,
    /// To report a major hazard upward.
    ReportUp,
    /// To look at it again after it is said to be rectified.
    Reinspection,
}

impl Purpose {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Rectification, Self::ReportUp, Self::Reinspection];

    /// True for the one that is not written down.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands a reference over"
    )]
    pub(super) fn is_rectification(&self) -> bool {
        *self == Self::Rectification
    }
}

/// A deadline and the rule it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// By when it must be done.
    pub due_at: Instant,
    /// The policy set, or the import's source, that says so.
    pub basis: String,
}

/// What a source says of the closing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceClosing {
    /// When.
    pub closed_at: Instant,
    /// The source's status, 1..=100 bytes.
    pub status: String,
    /// The source's reason, free text.
    pub reason: Option<Personal>,
}
