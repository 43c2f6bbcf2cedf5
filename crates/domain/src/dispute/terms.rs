//! The words of mediation: closed choices and small values that commands and events share.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::Instant;
use crate::ids::PersonId;
use crate::personal::Personal;

/// Where a dispute stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DisputeState {
    /// There is none.
    #[default]
    Unknown,
    /// It is known; the parties are asked.
    Registered,
    /// The team does not mediate it.
    NotAccepted,
    /// The team mediates it.
    Accepted,
    /// The parties are called together.
    Scheduled,
    /// They have met.
    InMediation,
    /// It rests.
    Adjourned,
    /// Terms are found; they do not bind yet.
    Agreed,
    /// The agreement binds; obligations are open.
    Performing,
    /// An obligation is overdue.
    Breached,
    /// The debtors were urged.
    Urged,
    /// Every obligation is performed.
    Performed,
    /// The creditor was shown the way to court.
    ReferredToCourt,
    /// The court found the agreement void.
    Void,
    /// No agreement was found.
    Failed,
    /// A party did not want to go on.
    Withdrawn,
    /// It may not be mediated.
    Terminated,
    /// The record is closed.
    Archived,
}

impl DisputeState {
    /// Every state, in the order of a dispute's life.
    pub const ALL: [Self; 18] = [
        Self::Unknown,
        Self::Registered,
        Self::NotAccepted,
        Self::Accepted,
        Self::Scheduled,
        Self::InMediation,
        Self::Adjourned,
        Self::Agreed,
        Self::Performing,
        Self::Breached,
        Self::Urged,
        Self::Performed,
        Self::ReferredToCourt,
        Self::Void,
        Self::Failed,
        Self::Withdrawn,
        Self::Terminated,
        Self::Archived,
    ];

    /// True while mediators look for an agreement.
    pub fn is_mediating(self) -> bool {
        matches!(
            self,
            Self::Accepted | Self::Scheduled | Self::InMediation | Self::Adjourned
        )
    }

    /// True before an agreement binds: either party may still stop.
    pub fn is_before_force(self) -> bool {
        self.is_mediating() || matches!(self, Self::Registered | Self::Agreed)
    }

    /// True while obligations of a binding agreement are open.
    pub fn is_in_force(self) -> bool {
        matches!(self, Self::Performing | Self::Breached | Self::Urged)
    }

    /// True if somebody must still act.
    pub fn is_open(self) -> bool {
        self.is_before_force() || self.is_in_force()
    }

    /// True if nothing is left but the archive.
    pub fn has_ended(self) -> bool {
        !self.is_open() && !matches!(self, Self::Unknown | Self::Archived)
    }
}

/// How a dispute came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Found on a visit (走访).
    Visit {
        /// The visit's id.
        visit: Uuid,
    },
    /// It stood behind an incident (警情), and the triage at the scene let mediation through.
    Incident {
        /// The incident's id.
        incident: Uuid,
        /// There was no illegal act.
        no_illegal_act: bool,
        /// Mediation applies to it.
        mediation_applicable: bool,
    },
    /// A party asked for mediation (申请).
    Application {
        /// Which.
        applicant: PersonId,
    },
}

/// What a dispute is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeKind {
    /// 邻里纠纷
    Neighbour,
    /// 日常消费纠纷
    Consumer,
    /// Another one; the list is open.
    Other,
}

/// Who mediates: 1+3+N. Which office is the "1" is the choice of whoever forms the panel, among
/// those that the policy set names; the lead may also sit for one of the three offices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panel {
    /// Who leads.
    pub lead: PersonId,
    /// For which office, one of the policy set's `lead_offices`.
    pub lead_office: String,
    /// 派出所: holds captain or officer in the community.
    pub officer: PersonId,
    /// 司法所
    pub justice_office: PersonId,
    /// 法律服务所
    pub legal_service: PersonId,
    /// The N: active members of the community, at most [`super::MEMBERS_MAX`].
    pub members: Vec<PersonId>,
}

impl Panel {
    /// Everybody on it; the lead may stand twice.
    pub fn everybody(&self) -> impl Iterator<Item = PersonId> {
        let seats = [
            self.lead,
            self.officer,
            self.justice_office,
            self.legal_service,
        ];
        seats.into_iter().chain(self.members.iter().copied())
    }

    /// True if this person sits on it.
    pub fn seats(&self, person: PersonId) -> bool {
        self.everybody().any(|other| other == person)
    }

    /// Puts another person into every seat of this one.
    pub(super) fn replace(&mut self, person: PersonId, by: PersonId) {
        let seats = [
            &mut self.lead,
            &mut self.officer,
            &mut self.justice_office,
            &mut self.legal_service,
        ];
        for seat in seats.into_iter().chain(self.members.iter_mut()) {
            if *seat == person {
                *seat = by;
            }
        }
    }
}

/// How a session was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionType {
    /// All parties together.
    Joint,
    /// With a party alone.
    Separate,
    /// People whom a party trusts talk to it.
    Persuasion,
}

/// The form of an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// 调解协议书: signed, sealed.
    Written,
    /// 口头协议: its content is recorded, each party confirms it.
    Oral,
}

/// What a party owes another by an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligation {
    /// From 1, without gaps.
    pub number: u32,
    /// Which party owes it.
    pub debtor: PersonId,
    /// To which.
    pub creditor: PersonId,
    /// What.
    pub what: Personal,
    /// By when.
    pub due_at: Instant,
}

/// What a date is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// An agreement must be found by then.
    Mediation,
    /// Somebody must have asked by then how the agreement holds.
    FollowUp,
    /// The parties may apply for the court's confirmation until then.
    Confirmation,
    /// Help is rewarded from then on, if the dispute has not broken out again.
    Notice,
    /// The record may be closed from then on.
    Archive,
}

/// What the parties can do when mediation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Sue.
    Court,
    /// Go to arbitration.
    Arbitration,
    /// Ask an authority for its decision.
    Administrative,
}

/// What a court says of an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CourtDecision {
    /// It can be enforced.
    Confirmed,
    /// It cannot; it still binds as a contract.
    NotConfirmed,
    /// It never bound anybody.
    Void,
}
