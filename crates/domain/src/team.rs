//! Team: the people of a community who work together under a captain.
//!
//! ```text
//! (nothing) ──TeamFormed──> formed ⟲ MemberJoinedTeam, MemberLeftTeam, CaptainAppointed,
//!                                    InstructorAppointed
//! ```
//! Owns who is in a team and since when. What a member may do follows from the roles of their
//! membership, never from a team: the captain of a team is a police officer of the community, its
//! instructor the community's secretary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, Instant};
use crate::ids::{PersonId, TeamId, UnitId};
use crate::member::{Member, MemberKind, Role};
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::unit::Unit;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Longest name of a team, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Most members of a team at a time.
pub const MEMBERS_MAX: usize = 1_000;

/// State of a team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// The community it was formed in.
    pub community: Option<UnitId>,
    /// Its name.
    pub name: String,
    /// Who is in it, and since when.
    pub members: BTreeMap<PersonId, Instant>,
    /// 队长
    pub captain: Option<PersonId>,
    /// 指导员
    pub instructor: Option<PersonId>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Form a team.
    FormTeam {
        /// A random id, given by the caller.
        team: TeamId,
        /// Where.
        community: UnitId,
        /// Its name, 1..=200 bytes.
        name: String,
    },
    /// Take an active member of the community in.
    JoinTeam {
        /// Which team.
        team: TeamId,
        /// Who.
        person: PersonId,
    },
    /// Let somebody go.
    LeaveTeam {
        /// Which team.
        team: TeamId,
        /// Who.
        person: PersonId,
    },
    /// Make a member of the team its captain; a police officer of the community.
    AppointCaptain {
        /// Which team.
        team: TeamId,
        /// Who.
        person: PersonId,
    },
    /// Make a member of the team its instructor; the secretary of the community.
    AppointInstructor {
        /// Which team.
        team: TeamId,
        /// Who.
        person: PersonId,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A team was formed.
    TeamFormed {
        /// Where.
        community: UnitId,
        /// Its name.
        name: String,
        /// By whom.
        formed_by: PersonId,
    },
    /// Somebody is in it.
    MemberJoinedTeam {
        /// Who.
        person: PersonId,
        /// What sort of member they were then.
        kind: MemberKind,
        /// By whom.
        taken_in_by: PersonId,
    },
    /// Somebody is not in it any more.
    MemberLeftTeam {
        /// Who.
        person: PersonId,
    },
    /// It has a captain.
    CaptainAppointed {
        /// Who.
        person: PersonId,
        /// By whom.
        appointed_by: PersonId,
    },
    /// It has an instructor.
    InstructorAppointed {
        /// Who.
        person: PersonId,
        /// By whom.
        appointed_by: PersonId,
    },
}

refusals! {
    /// Why it is refused.
    TeamAlreadyFormed = AlreadyExists, "team_id", "A team with this id is formed already.";
    TeamNotFound = NotFound, "team_id", "There is no team with this id.";
    TeamNameNotAllowed = Invalid, "name", "A team's name is 1 to 200 bytes.";
    AlreadyInTeam = AlreadyExists, "person_id", "This person is in the team already.";
    NotInTeam = WrongState, "person_id", "This person is not in the team.";
    TeamFull = WrongState, "team_id", "A team has at most 1,000 members at a time.";
    CaptainIsNoOfficer = NotAllowed, "person_id", "The captain of a team holds the role of captain or officer in the community now.";
    InstructorIsNotSecretary = NotAllowed, "person_id", "The instructor of a team holds the role of instructor in the community now: its secretary.";
    AlreadyAppointed = WrongState, "person_id", "This person holds this office in the team already.";
}

impl Team {
    /// Refuses unless somebody in the team holds one of the roles in the community now.
    fn check_office(
        &self,
        community: UnitId,
        person: PersonId,
        roles: &[Role],
        otherwise: Refusal,
        (world, cx): (&World, &Context),
    ) -> Result<(), Stop> {
        if !self.members.contains_key(&person) {
            return Err(Refusal::NotInTeam.into());
        }
        let member = Member::active(world, community, person)?;
        if roles.iter().any(|role| member.holds(*role, cx.now)) {
            Ok(())
        } else {
            Err(otherwise.into())
        }
    }
}

impl Command {
    fn team(&self) -> TeamId {
        match self {
            Self::FormTeam { team, .. }
            | Self::JoinTeam { team, .. }
            | Self::LeaveTeam { team, .. }
            | Self::AppointCaptain { team, .. }
            | Self::AppointInstructor { team, .. } => *team,
        }
    }
}

impl Aggregate for Team {
    const CATEGORY: &'static str = "team";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        Self::stream(command.team())
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let id = command.team();
        let team = world.state::<Self>(id)?;
        let community = match (team.community, command) {
            (None, Command::FormTeam { community, .. }) => {
                Member::require_community(world, *community, cx.now)?;
                *community
            }
            (Some(_), Command::FormTeam { .. }) => return Err(Refusal::TeamAlreadyFormed.into()),
            (None, _) => return Err(Refusal::TeamNotFound.into()),
            // A team outlives the community it was formed in.
            (Some(community), _) => Unit::responsible(world, community, cx.now)?,
        };
        let event = match command {
            Command::FormTeam { name, .. } => {
                let (formed_by, _) = Member::approver(world, community, cx)?;
                if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
                    return Err(Refusal::TeamNameNotAllowed.into());
                }
                Event::TeamFormed {
                    community,
                    name: name.clone(),
                    formed_by,
                }
            }
            Command::JoinTeam { person, .. } => {
                let (taken_in_by, _) = Member::approver(world, community, cx)?;
                if team.members.contains_key(person) {
                    return Err(Refusal::AlreadyInTeam.into());
                }
                if team.members.len() >= MEMBERS_MAX {
                    return Err(Refusal::TeamFull.into());
                }
                let member = Member::active(world, community, *person)?;
                Event::MemberJoinedTeam {
                    person: *person,
                    // An active member has applied as something.
                    kind: member.kind.unwrap_or(MemberKind::Volunteer),
                    taken_in_by,
                }
            }
            Command::LeaveTeam { person, .. } => {
                if cx.person()? != *person {
                    Member::approver(world, community, cx)?;
                }
                if !team.members.contains_key(person) {
                    return Err(Refusal::NotInTeam.into());
                }
                Event::MemberLeftTeam { person: *person }
            }
            Command::AppointCaptain { person, .. } => {
                let (appointed_by, _) = Member::approver(world, community, cx)?;
                let roles = [Role::Captain, Role::Officer];
                let otherwise = Refusal::CaptainIsNoOfficer;
                team.check_office(community, *person, &roles, otherwise, (world, cx))?;
                if team.captain == Some(*person) {
                    return Err(Refusal::AlreadyAppointed.into());
                }
                Event::CaptainAppointed {
                    person: *person,
                    appointed_by,
                }
            }
            Command::AppointInstructor { person, .. } => {
                let (appointed_by, _) = Member::approver(world, community, cx)?;
                let otherwise = Refusal::InstructorIsNotSecretary;
                let roles = [Role::Instructor];
                team.check_office(community, *person, &roles, otherwise, (world, cx))?;
                if team.instructor == Some(*person) {
                    return Err(Refusal::AlreadyAppointed.into());
                }
                Event::InstructorAppointed {
                    person: *person,
                    appointed_by,
                }
            }
        };
        let mut envelope = Envelope::at(cx.now);
        envelope.unit = Some(community.0);
        Ok(Decision::new().with::<Self>(id, event, envelope))
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        match event {
            Event::TeamFormed {
                community, name, ..
            } => {
                self.community = Some(*community);
                self.name.clone_from(name);
            }
            Event::MemberJoinedTeam { person, .. } => {
                self.members.insert(*person, stamp.occurred_at);
            }
            Event::MemberLeftTeam { person } => {
                self.members.remove(person);
                self.captain = self.captain.filter(|captain| captain != person);
                self.instructor = self.instructor.filter(|instructor| instructor != person);
            }
            Event::CaptainAppointed { person, .. } => self.captain = Some(*person),
            Event::InstructorAppointed { person, .. } => self.instructor = Some(*person),
        }
    }
}

#[cfg(test)]
#[path = "team_tests.rs"]
mod tests;
