//! `TeamService`: the teams of a community, as of a date.

use std::ops::Bound;

use domain::Instant;
use domain::ids::{PersonId, TeamId, UnitId};
use domain::team::{Command, MEMBERS_MAX, Refusal};
use domain::unit::dated::Dated;
use projections::Build;
use projections::read_models::teams::{TeamRow, Teams};
use tonic::{Request, Response, Status};

use super::service;
use crate::backend::subtree;
use crate::parse::{self, Choice as _, Parsed};
use crate::{answer, paging, status, wire};

service! {
    impl team_service_server::TeamService;
    commands {
        form_team(r: FormTeamRequest) -> FormTeamResponse =
            Command::FormTeam {
                team: parse::id("team_id", &r.team_id)?,
                community: parse::id("community_id", &r.community_id)?,
                name: parse::text("name", r.name)?,
            };
        join_team(r: JoinTeamRequest) -> JoinTeamResponse =
            Command::JoinTeam {
                team: parse::id("team_id", &r.team_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
        leave_team(r: LeaveTeamRequest) -> LeaveTeamResponse =
            Command::LeaveTeam {
                team: parse::id("team_id", &r.team_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
        appoint_captain(r: AppointCaptainRequest) -> AppointCaptainResponse =
            Command::AppointCaptain {
                team: parse::id("team_id", &r.team_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
        appoint_instructor(r: AppointInstructorRequest) -> AppointInstructorResponse =
            Command::AppointInstructor {
                team: parse::id("team_id", &r.team_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
    }
    others {
        async fn get_team(
            &self,
            request: Request<wire::GetTeamRequest>,
        ) -> Result<Response<wire::GetTeamResponse>, Status> {
            let request = request.into_inner();
            let fields = || -> Parsed<(TeamId, Option<Instant>)> {
                let team = parse::id("team_id", &request.team_id)?;
                Ok((team, parse::optional_instant("as_of", request.as_of)?))
            };
            let (id, as_of) = fields().map_err(|why| status::invalid(&why))?;
            let waited = self.backend.wait(request.consistency).await?;
            let at = as_of.unwrap_or_else(|| self.backend.executor.now());
            let build = waited.read(&self.backend.engine.models().teams)?;
            let row = build.partitions.get(&id).filter(|row| stood(row, at));
            let Some(row) = row else {
                return Err(status::refused(&Refusal::TeamNotFound.refused()));
            };
            let members = row.at(at).take(MEMBERS_MAX).map(|member| wire::TeamMember {
                person_id: member.person.to_string(),
                kind: wire::MemberKind::of(member.kind).into(),
                from: Some(answer::instant(member.from)),
            });
            Ok(Response::new(wire::GetTeamResponse {
                team: Some(team(id, row, at)),
                members: members.collect(),
                read_point: Some(waited.point(&build)?),
            }))
        }

        async fn list_teams(
            &self,
            request: Request<wire::ListTeamsRequest>,
        ) -> Result<Response<wire::ListTeamsResponse>, Status> {
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let as_of = parse::optional_instant("as_of", request.as_of)
                .map_err(|why| status::invalid(&why))?;
            let at = as_of.unwrap_or_else(|| self.backend.executor.now());
            let models = self.backend.engine.models();
            let within = subtree(models, &request.unit_id, at)?;
            let chosen =
                |unit: &UnitId| within.as_ref().is_none_or(|units| units.contains(unit));
            let build = waited.read(&models.teams)?;
            let (teams, next) =
                page(&build, &request, at, chosen).map_err(|why| status::invalid(&why))?;
            Ok(Response::new(wire::ListTeamsResponse {
                teams,
                next_page_token: next,
                read_point: Some(waited.point(&build)?),
            }))
        }
    }
}

/// True if it was formed by an instant.
fn stood(row: &TeamRow, at: Instant) -> bool {
    row.formed_at.is_some_and(|formed| formed <= at)
}

/// A page of the teams of the chosen communities, and the token of the next one.
fn page(
    build: &Build<Teams>,
    request: &wire::ListTeamsRequest,
    at: Instant,
    chosen: impl Fn(&UnitId) -> bool,
) -> Parsed<(Vec<wire::Team>, String)> {
    let size = paging::size(request.page_size)?;
    let asked = parse::optional_instant("as_of", request.as_of)?;
    let question = format!("teams {} {asked:?}", request.unit_id);
    let after = match paging::read(&question, &request.page_token)? {
        Some(key) => Bound::Excluded(parse::id::<TeamId>("page_token", &key)?),
        None => Bound::Unbounded,
    };
    let mut found = build
        .partitions
        .range((after, Bound::Unbounded))
        .filter(|(_, row)| row.community.as_ref().is_some_and(&chosen) && stood(row, at));
    let teams: Vec<_> = found
        .by_ref()
        .take(size)
        .map(|(id, row)| team(*id, row, at))
        .collect();
    let next = match (teams.last(), found.next()) {
        (Some(last), Some(_)) => paging::write(&question, &last.team_id),
        _ => String::new(),
    };
    Ok((teams, next))
}

/// A team as of a date, without its members.
fn team(id: TeamId, row: &TeamRow, at: Instant) -> wire::Team {
    let who = |office: &Dated<Option<PersonId>>| {
        let person = office.at(at).copied().flatten();
        person.map_or_else(String::new, |person| person.to_string())
    };
    let community = row.community.map(|community| community.to_string());
    wire::Team {
        team_id: id.to_string(),
        community_id: community.unwrap_or_default(),
        name: row.name.clone(),
        captain_id: who(&row.captains),
        instructor_id: who(&row.instructors),
        members: u32::try_from(row.at(at).count()).unwrap_or(u32::MAX),
    }
}
