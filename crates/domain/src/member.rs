//! Member: one person's record in one community.
//!
//! ```text
//! (nothing) ──Applied──> Applied ──Approved──> Active ⇄ Suspended
//!     ▲                     │                    │          │
//!     └──────Applied────── Left <────Left────────┴──────────┘
//! ```
//! Owns membership and roles with dates. Points are the account's, identity the person's.

use serde::{Deserialize, Serialize};

use crate::envelope::Instant;
use crate::ids::{PersonId, UnitId};
use crate::personal::Personal;

/// What sort of member somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// 物业人员
    PropertyStaff,
    /// 保安员
    SecurityGuard,
    /// 社区工作者
    CommunityWorker,
    /// 楼道长
    BuildingHead,
    /// "犇牛"志愿者
    Volunteer,
}

/// A role in the team, held from a date to a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 队长, the community police officer.
    Captain,
    /// 指导员, the community secretary.
    Instructor,
    /// A police officer.
    Officer,
    /// 调解员
    Mediator,
    /// 网格员
    GridWorker,
}

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
}

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
}

// STUB-BEGIN
/// State.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// As what.
    pub kind: Option<MemberKind>,
    /// May take part.
    pub active: bool,
    /// Roles with their dates.
    pub roles: Vec<(Role, Instant, Option<Instant>)>,
}

crate::refusal::refusals! {
    /// Why it is refused.
    MemberNotActive = WrongState, "person_id", "This needs an active member of the community.";
}

impl Member {
    /// Key of the stream.
    pub fn key(community: UnitId, person: PersonId) -> String {
        format!("{community}/{person}")
    }

    /// The member, who must be active.
    pub fn active(
        world: &crate::world::World,
        community: UnitId,
        person: PersonId,
    ) -> Result<std::sync::Arc<Self>, crate::refusal::Stop> {
        let member = world.state::<Self>(Self::key(community, person))?;
        if member.active {
            Ok(member)
        } else {
            Err(Refusal::MemberNotActive.into())
        }
    }

    /// True if they hold the role.
    pub fn holds(&self, role: Role, at: Instant) -> bool {
        self.roles.iter().any(|(held, from, until)| {
            *held == role && *from <= at && until.is_none_or(|until| at < until)
        })
    }
}

impl crate::world::Aggregate for Member {
    const CATEGORY: &'static str = "member";
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
    fn evolve(&mut self, event: &Event, _: &crate::world::Stamp) {
        match event {
            Event::MemberApplied { kind, .. } => self.kind = Some(*kind),
            Event::MemberApproved { .. } | Event::MemberReinstated {} => self.active = true,
            Event::RoleGranted {
                role, from, until, ..
            } => self.roles.push((*role, *from, *until)),
            Event::MemberSuspended { .. } | Event::MemberLeft {} => self.active = false,
            Event::RoleRevoked { .. } | Event::GuardianConsentGiven {} => {}
        }
    }
}
// STUB-END
