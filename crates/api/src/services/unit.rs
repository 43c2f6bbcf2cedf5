//! `UnitService`: units of jurisdiction.

use std::ops::Bound;

use domain::ids::UnitId;
use domain::unit::{Command, UnitLevel};
use projections::read_model::Build;
use projections::read_models::units::{Founded, Units};
use tonic::{Request, Response, Status};

use super::service;
use crate::parse::{self, Choice as _, Parsed};
use crate::{paging, status, wire};

service! {
    impl unit_service_server::UnitService;
    commands {
        found_unit(r: FoundUnitRequest) -> FoundUnitResponse =
            Command::FoundUnit {
                unit: parse::id("unit_id", &r.unit_id)?,
                level: parse::choice::<wire::UnitLevel>("level", r.level)?,
                name: parse::text("name", r.name)?,
                parent: parse::optional_id("parent_id", &r.parent_id)?,
                zone: parse::optional_zone("time_zone", &r.time_zone)?,
                imported: parse::optional_imported("imported", r.imported)?,
            };
    }
    others {
        async fn list_units(
            &self,
            request: Request<wire::ListUnitsRequest>,
        ) -> Result<Response<wire::ListUnitsResponse>, Status> {
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let build = self.backend.engine.models().units.read();
            let (units, next) = page(&build, &request).map_err(|why| status::invalid(&why))?;
            Ok(Response::new(wire::ListUnitsResponse {
                units,
                read_point: Some(waited.point(&build)?),
                next_page_token: next,
            }))
        }
    }
}

/// A page of units and the token of the next one.
fn page(
    build: &Build<Units>,
    request: &wire::ListUnitsRequest,
) -> Parsed<(Vec<wire::Unit>, String)> {
    let parent: Option<UnitId> = parse::optional_id("parent_id", &request.parent_id)?;
    let level = parse::optional_choice::<wire::UnitLevel>("level", request.level)?;
    let size = paging::size(request.page_size)?;
    let question = format!("units {parent:?} {level:?}");
    let after = match paging::read(&question, &request.page_token)? {
        Some(key) => Bound::Excluded(parse::id::<UnitId>("page_token", &key)?),
        None => Bound::Unbounded,
    };
    let matches = |founded: &Founded| {
        parent.is_none_or(|parent| founded.parent == Some(parent))
            && level.is_none_or(|level: UnitLevel| founded.level == level)
    };
    let mut found = build
        .partitions
        .range((after, Bound::Unbounded))
        .filter_map(|(id, row)| row.founded.as_ref().map(|founded| (id, founded)))
        .filter(|(_, founded)| matches(founded));
    let units: Vec<_> = found
        .by_ref()
        .take(size)
        .map(|(id, founded)| unit(*id, founded))
        .collect();
    let next = match (units.last(), found.next()) {
        (Some(last), Some(_)) => paging::write(&question, &last.unit_id),
        _ => String::new(),
    };
    Ok((units, next))
}

fn unit(id: UnitId, founded: &Founded) -> wire::Unit {
    wire::Unit {
        unit_id: id.to_string(),
        level: wire::UnitLevel::of(founded.level).into(),
        name: founded.name.clone(),
        parent_id: founded
            .parent
            .map_or_else(String::new, |parent| parent.to_string()),
        time_zone: founded
            .zone
            .map_or_else(String::new, |zone| zone.name().to_owned()),
        imported: founded.imported.clone().map(Into::into),
    }
}
