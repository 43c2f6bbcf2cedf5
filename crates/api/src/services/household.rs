//! `HouseholdService`: who lives together, shown to those whom it concerns.
//!
//! Owns who sees a household: administrators, who leads its community now, and who lived there at
//! the date that is asked for.

use std::collections::BTreeMap;
use std::ops::Bound;

use domain::Instant;
use domain::household::{Command, Refusal};
use domain::ids::{HouseholdId, PersonId, UnitId};
use domain::member::{Member, Role};
use domain::unit::Unit;
use eventlog::execute::{ExecuteError, Executor};
use projections::Build;
use projections::read_models::households::{HouseholdRow, Households};
use tonic::{Request, Response, Status};

use super::service;
use crate::backend::{Backend, subtree};
use crate::gate::Caller;
use crate::parse::{self, Parsed};
use crate::{answer, paging, status, wire};

service! {
    impl household_service_server::HouseholdService;
    commands {
        form_household(r: FormHouseholdRequest) -> FormHouseholdResponse =
            Command::FormHousehold {
                household: parse::id("household_id", &r.household_id)?,
                community: parse::id("community_id", &r.community_id)?,
                persons: persons(&r.person_ids)?,
                from: parse::optional_instant("from", r.from)?,
            };
        join_household(r: JoinHouseholdRequest) -> JoinHouseholdResponse =
            Command::JoinHousehold {
                household: parse::id("household_id", &r.household_id)?,
                person: parse::id("person_id", &r.person_id)?,
                from: parse::optional_instant("from", r.from)?,
            };
        leave_household(r: LeaveHouseholdRequest) -> LeaveHouseholdResponse =
            Command::LeaveHousehold {
                household: parse::id("household_id", &r.household_id)?,
                person: parse::id("person_id", &r.person_id)?,
                at: parse::optional_instant("at", r.at)?,
            };
        split_household(r: SplitHouseholdRequest) -> SplitHouseholdResponse =
            Command::SplitHousehold {
                household: parse::id("household_id", &r.household_id)?,
                into: parse::id("into_id", &r.into_id)?,
                persons: persons(&r.person_ids)?,
                at: parse::optional_instant("at", r.at)?,
            };
    }
    others {
        async fn get_household(
            &self,
            request: Request<wire::GetHouseholdRequest>,
        ) -> Result<Response<wire::GetHouseholdResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let fields = || -> Parsed<(HouseholdId, Option<Instant>)> {
                let household = parse::id("household_id", &request.household_id)?;
                Ok((household, parse::optional_instant("as_of", request.as_of)?))
            };
            let (id, as_of) = fields().map_err(|why| status::invalid(&why))?;
            let waited = self.backend.wait(request.consistency).await?;
            let at = as_of.unwrap_or_else(|| self.backend.executor.now());
            let mut viewer = Viewer::of(&self.backend, caller)?;
            let build = waited.read(&self.backend.engine.models().households)?;
            // Who may not see it is told what somebody is told who made the id up.
            let row = build.partitions.get(&id);
            let seen = match row {
                Some(row) => viewer.sees(row, at)?,
                None => false,
            };
            let Some(row) = row.filter(|_| seen) else {
                return Err(status::refused(&Refusal::HouseholdNotFound.refused()));
            };
            Ok(Response::new(wire::GetHouseholdResponse {
                household: Some(household(id, row, at)),
                read_point: Some(waited.point(&build)?),
            }))
        }

        async fn list_households(
            &self,
            request: Request<wire::ListHouseholdsRequest>,
        ) -> Result<Response<wire::ListHouseholdsResponse>, Status> {
            let caller = Caller::of(&request)?;
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let as_of = parse::optional_instant("as_of", request.as_of)
                .map_err(|why| status::invalid(&why))?;
            let at = as_of.unwrap_or_else(|| self.backend.executor.now());
            let models = self.backend.engine.models();
            let within = subtree(models, &request.unit_id, at)?;
            let mut viewer = Viewer::of(&self.backend, caller)?;
            let build = waited.read(&models.households)?;
            let mut seen = BTreeMap::new();
            for row in build.partitions.values() {
                if let Some(community) = row.community {
                    seen.insert(community, viewer.leads(community)?);
                }
            }
            let chosen = |community: &UnitId| {
                seen.get(community) == Some(&true)
                    && within.as_ref().is_none_or(|units| units.contains(community))
            };
            let (households, next) =
                page(&build, &request, at, chosen).map_err(|why| status::invalid(&why))?;
            Ok(Response::new(wire::ListHouseholdsResponse {
                households,
                next_page_token: next,
                read_point: Some(waited.point(&build)?),
            }))
        }
    }
}

fn persons(ids: &[String]) -> Parsed<Vec<PersonId>> {
    parse::each("person_ids", ids, |field, id| parse::id(field, id))
}

/// Who asks, and which communities they lead.
struct Viewer {
    person: Option<PersonId>,
    administrator: bool,
    executor: Executor,
    leads: BTreeMap<UnitId, bool>,
}

impl Viewer {
    fn of(backend: &Backend, caller: Caller) -> Result<Self, Status> {
        let executor = backend.executor.clone();
        let read = || -> Result<_, ExecuteError> {
            let person = backend.acting_person(caller.principal)?;
            let administrators = &backend.genesis()?.administrators;
            let administrator = person.is_some_and(|it| administrators.contains(&it));
            Ok((person, administrator))
        };
        let (person, administrator) = read().map_err(|error| status::of_execute(&error))?;
        Ok(Self {
            person,
            administrator,
            executor,
            leads: BTreeMap::new(),
        })
    }

    /// Whether they lead a community now, or the one that answers for it.
    fn leads(&mut self, community: UnitId) -> Result<bool, Status> {
        if self.administrator {
            return Ok(true);
        }
        let Some(person) = self.person else {
            return Ok(false);
        };
        if let Some(known) = self.leads.get(&community) {
            return Ok(*known);
        }
        let now = self.executor.now();
        let look_up = |unit: UnitId| self.executor.state::<Unit>(unit).map(Some);
        let read = || -> Result<bool, ExecuteError> {
            let community = domain::unit::tree::responsible(community, now, &look_up)?;
            let member = self
                .executor
                .state::<Member>(Member::key(community, person))?;
            let roles = [Role::Captain, Role::Instructor];
            Ok(roles.iter().any(|role| member.holds(*role, now)))
        };
        let leads = read().map_err(|error| status::of_execute(&error))?;
        self.leads.insert(community, leads);
        Ok(leads)
    }

    /// Whether they see a household as of a date.
    fn sees(&mut self, row: &HouseholdRow, at: Instant) -> Result<bool, Status> {
        if row
            .at(at)
            .any(|resident| Some(resident.person) == self.person)
        {
            return Ok(true);
        }
        match row.community {
            Some(community) => self.leads(community),
            None => Ok(false),
        }
    }
}

/// A page of the households of the chosen communities where somebody lived at a date, and the token
/// of the next one.
///
/// # Errors
/// The first field that is malformed.
pub(crate) fn page(
    build: &Build<Households>,
    request: &wire::ListHouseholdsRequest,
    at: Instant,
    chosen: impl Fn(&UnitId) -> bool,
) -> Parsed<(Vec<wire::Household>, String)> {
    let person: Option<PersonId> = parse::optional_id("person_id", &request.person_id)?;
    let size = paging::size(request.page_size)?;
    let asked = parse::optional_instant("as_of", request.as_of)?;
    let question = format!("households {} {person:?} {asked:?}", request.unit_id);
    let after = match paging::read(&question, &request.page_token)? {
        Some(key) => Bound::Excluded(parse::id::<HouseholdId>("page_token", &key)?),
        None => Bound::Unbounded,
    };
    let lived = |row: &HouseholdRow| {
        let mut residents = row.at(at);
        residents.any(|resident| person.is_none_or(|person| resident.person == person))
    };
    let mut found = build
        .partitions
        .range((after, Bound::Unbounded))
        .filter(|(_, row)| row.community.as_ref().is_some_and(&chosen) && lived(row));
    let households: Vec<_> = found
        .by_ref()
        .take(size)
        .map(|(id, row)| household(*id, row, at))
        .collect();
    let next = match (households.last(), found.next()) {
        (Some(last), Some(_)) => paging::write(&question, &last.household_id),
        _ => String::new(),
    };
    Ok((households, next))
}

/// A household as of a date.
pub(crate) fn household(id: HouseholdId, row: &HouseholdRow, at: Instant) -> wire::Household {
    let residents = row.at(at).map(|resident| wire::Resident {
        person_id: resident.person.to_string(),
        from: Some(answer::instant(resident.from)),
        until: resident.until.map(answer::instant),
    });
    let text = |id: Option<String>| id.unwrap_or_default();
    wire::Household {
        household_id: id.to_string(),
        community_id: text(row.community.map(|community| community.to_string())),
        split_from_id: text(row.split_from.map(|household| household.to_string())),
        residents: residents.collect(),
    }
}
