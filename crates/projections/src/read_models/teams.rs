//! `teams`: who works together under whom, as of a date.
//!
//! A partition is a team. Holds ids and kinds, never a name of a person.

use domain::ids::{PersonId, TeamId, UnitId};
use domain::member::MemberKind;
use domain::unit::dated::Dated;
use domain::{Event, Instant, team};
use serde::{Deserialize, Serialize};

use crate::read_model::{Fact, ReadModel, Row, no_index, row_value};

/// The model.
#[derive(Debug)]
pub struct Teams;

/// Somebody's time in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamMember {
    /// Who.
    pub person: PersonId,
    /// What sort of member of the community they were as they joined.
    pub kind: MemberKind,
    /// From (inclusive).
    pub from: Instant,
    /// Until (exclusive); absent while it lasts.
    pub until: Option<Instant>,
}

/// A team, once formed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamRow {
    /// The community it was formed in.
    pub community: Option<UnitId>,
    /// Its name.
    pub name: String,
    /// When it was formed.
    pub formed_at: Option<Instant>,
    /// Every time in it, in the order of its record.
    pub members: Vec<TeamMember>,
    /// 队长, by date.
    pub captains: Dated<Option<PersonId>>,
    /// 指导员, by date.
    pub instructors: Dated<Option<PersonId>>,
}

impl TeamRow {
    /// Who was in it at an instant.
    pub fn at(&self, at: Instant) -> impl Iterator<Item = &TeamMember> {
        let there =
            move |it: &&TeamMember| it.from <= at && it.until.is_none_or(|until| at < until);
        self.members.iter().filter(there)
    }
}

impl ReadModel for Teams {
    const NAME: &'static str = "teams";
    const SCHEMA_VERSION: u32 = 1;
    type Key = TeamId;
    type Partition = TeamRow;
    no_index!();

    fn wants(category: &str) -> bool {
        category == "team"
    }

    fn partition(fact: &Fact<'_>) -> Option<TeamId> {
        fact.key().map(TeamId)
    }

    fn apply(row: &mut TeamRow, fact: &Fact<'_>) {
        let Event::Team(event) = fact.event else {
            return;
        };
        let at = fact.occurred_at();
        match event {
            team::Event::TeamFormed {
                community, name, ..
            } => {
                row.community = Some(*community);
                row.name.clone_from(name);
                row.formed_at = Some(at);
                row.captains.set(at, None);
                row.instructors.set(at, None);
            }
            team::Event::MemberJoinedTeam { person, kind, .. } => row.members.push(TeamMember {
                person: *person,
                kind: *kind,
                from: at,
                until: None,
            }),
            team::Event::MemberLeftTeam { person } => {
                let mut times = row.members.iter_mut().rev();
                let last = times.find(|it| it.person == *person && it.until.is_none());
                if let Some(member) = last {
                    member.until = Some(at);
                }
                for office in [&mut row.captains, &mut row.instructors] {
                    if office.at(at).copied().flatten() == Some(*person) {
                        office.set(at, None);
                    }
                }
            }
            team::Event::CaptainAppointed { person, .. } => row.captains.set(at, Some(*person)),
            team::Event::InstructorAppointed { person, .. } => {
                row.instructors.set(at, Some(*person));
            }
        }
    }

    fn rows(key: &TeamId, row: &TeamRow) -> Vec<Row> {
        vec![(key.to_string(), row_value(row))]
    }
}
