//! `UnitService`: units of jurisdiction, as of a date.

use std::ops::Bound;

use domain::Instant;
use domain::ids::UnitId;
use domain::open_item::{self, Item};
use domain::unit::{Command, Refusal, UnitLevel};
use projections::Build;
use projections::read_models::units::{UnitRow, Units};
use tonic::{Request, Response, Status};

use super::service;
use crate::parse::{self, Choice as _, Parsed, Violation};
use crate::{answer, paging, status, wire};

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
        rename_unit(r: RenameUnitRequest) -> RenameUnitResponse =
            Command::RenameUnit {
                unit: parse::id("unit_id", &r.unit_id)?,
                name: parse::text("name", r.name)?,
                effective_from: parse::optional_instant("effective_from", r.effective_from)?,
            };
        move_unit(r: MoveUnitRequest) -> MoveUnitResponse =
            Command::MoveUnit {
                unit: parse::id("unit_id", &r.unit_id)?,
                parent: parse::optional_id("parent_id", &r.parent_id)?,
                effective_from: parse::optional_instant("effective_from", r.effective_from)?,
            };
        withdraw_unit_change(r: WithdrawUnitChangeRequest) -> WithdrawUnitChangeResponse =
            Command::WithdrawUnitChange {
                unit: parse::id("unit_id", &r.unit_id)?,
                change: parse::choice::<wire::UnitChange>("change", r.change)?,
                effective_from: parse::instant("effective_from", r.effective_from)?,
            };
        split_unit(r: SplitUnitRequest) -> SplitUnitResponse =
            Command::SplitUnit {
                unit: parse::id("unit_id", &r.unit_id)?,
                into: parse::each("successor_ids", &r.successor_ids, |field, id| {
                    parse::id(field, id)
                })?,
                rest: parse::id("rest_id", &r.rest_id)?,
                effective_from: parse::optional_instant("effective_from", r.effective_from)?,
            };
        merge_units(r: MergeUnitsRequest) -> MergeUnitsResponse =
            Command::MergeUnits {
                units: parse::each("unit_ids", &r.unit_ids, |field, id| parse::id(field, id))?,
                into: parse::id("successor_id", &r.successor_id)?,
                effective_from: parse::optional_instant("effective_from", r.effective_from)?,
            };
        reassign_open_item(r: ReassignOpenItemRequest) -> ReassignOpenItemResponse =
            open_item::Command::ReassignOpenItem {
                item: item(r.kind, &r.item_id)?,
                to: parse::id("to_unit_id", &r.to_unit_id)?,
            };
    }
    others {
        async fn get_unit(
            &self,
            request: Request<wire::GetUnitRequest>,
        ) -> Result<Response<wire::GetUnitResponse>, Status> {
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let build = waited.read(&self.backend.engine.models().units)?;
            let mut answer = show(&build, &request, self.backend.executor.now())?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn list_units(
            &self,
            request: Request<wire::ListUnitsRequest>,
        ) -> Result<Response<wire::ListUnitsResponse>, Status> {
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let build = waited.read(&self.backend.engine.models().units)?;
            let (units, next) = page(&build, &request, self.backend.executor.now())
                .map_err(|why| status::invalid(&why))?;
            Ok(Response::new(wire::ListUnitsResponse {
                units,
                read_point: Some(waited.point(&build)?),
                next_page_token: next,
            }))
        }
    }
}

/// An open item by its kind and id.
fn item(kind: i32, id: &str) -> Parsed<Item> {
    use wire::OpenItemKind as Kind;
    let id_field = "item_id";
    match Kind::try_from(kind) {
        Ok(Kind::Hazard) => parse::id(id_field, id).map(Item::Hazard),
        Ok(Kind::Dispute) => parse::id(id_field, id).map(Item::Dispute),
        Ok(Kind::Shift) => parse::id(id_field, id).map(Item::Shift),
        Ok(Kind::Campaign) => parse::id(id_field, id).map(Item::Campaign),
        Ok(Kind::Unspecified) | Err(_) => {
            Err(Violation::new("kind", "One of its values must be chosen."))
        }
    }
}

/// A unit with all its dates, its path as of the date that is asked for, or `now`.
///
/// # Errors
/// `INVALID_ARGUMENT` if a field is malformed, `NOT_FOUND` if there is no such unit.
pub(crate) fn show(
    build: &Build<Units>,
    request: &wire::GetUnitRequest,
    now: Instant,
) -> Result<wire::GetUnitResponse, Status> {
    let fields = || -> Parsed<(UnitId, Option<Instant>)> {
        let unit = parse::id("unit_id", &request.unit_id)?;
        Ok((unit, parse::optional_instant("as_of", request.as_of)?))
    };
    let (id, as_of) = fields().map_err(|why| status::invalid(&why))?;
    let at = as_of.unwrap_or(now);
    let Some(row) = build.unit(id) else {
        return Err(status::refused(&Refusal::UnitNotFound.refused()));
    };
    let names = row.unit.names.iter().map(|(from, name)| wire::UnitName {
        name: name.clone(),
        from: Some(answer::instant(from)),
    });
    let parents = row
        .unit
        .parents
        .iter()
        .map(|(from, parent)| wire::UnitParent {
            parent_id: parent.map_or_else(String::new, |parent| parent.to_string()),
            from: Some(answer::instant(from)),
        });
    let taken = row.unit.taken_in.iter().map(|(_, unit)| unit.to_string());
    let path = build.path(id, at);
    Ok(wire::GetUnitResponse {
        unit: Some(unit(id, row, at)),
        path_ids: path.iter().map(ToString::to_string).collect(),
        names: names.collect(),
        parents: parents.collect(),
        predecessor_ids: taken.collect(),
        responsible_unit_id: build.responsible(id, at).to_string(),
        read_point: None,
    })
}

/// A page of units as of the date that is asked for, or `now`, and the token of the next one.
///
/// # Errors
/// The first field that is malformed.
pub(crate) fn page(
    build: &Build<Units>,
    request: &wire::ListUnitsRequest,
    now: Instant,
) -> Parsed<(Vec<wire::Unit>, String)> {
    let parent: Option<UnitId> = parse::optional_id("parent_id", &request.parent_id)?;
    let level = parse::optional_choice::<wire::UnitLevel>("level", request.level)?;
    let as_of = parse::optional_instant("as_of", request.as_of)?;
    let size = paging::size(request.page_size)?;
    let ended = request.include_ended;
    let question = format!("units {parent:?} {level:?} {as_of:?} {ended}");
    let at = as_of.unwrap_or(now);
    let after = match paging::read(&question, &request.page_token)? {
        Some(key) => Bound::Excluded(parse::id::<UnitId>("page_token", &key)?),
        None => Bound::Unbounded,
    };
    let matches = |id: &UnitId, row: &UnitRow| {
        let there = row.unit.stands(at) || (ended && row.unit.ended(at).is_some());
        there
            && parent.is_none_or(|parent| build.path(*id, at).get(1) == Some(&parent))
            && level.is_none_or(|level: UnitLevel| row.unit.level == Some(level))
    };
    let mut found = build
        .partitions
        .range((after, Bound::Unbounded))
        .filter(|(id, row)| matches(id, row));
    let units: Vec<_> = found
        .by_ref()
        .take(size)
        .map(|(id, row)| unit(*id, row, at))
        .collect();
    let next = match (units.last(), found.next()) {
        (Some(last), Some(_)) => paging::write(&question, &last.unit_id),
        _ => String::new(),
    };
    Ok((units, next))
}

/// A unit as of a date. Its parent is the one it was put below, also if that has ended.
fn unit(id: UnitId, row: &UnitRow, at: Instant) -> wire::Unit {
    let text = |id: UnitId| id.to_string();
    let state = &row.unit;
    let end = state.end.as_ref();
    let level = state.level.map(wire::UnitLevel::of);
    wire::Unit {
        unit_id: text(id),
        level: level.unwrap_or_default().into(),
        name: state.name(at).unwrap_or_default().to_owned(),
        parent_id: state.parent(at).map_or_else(String::new, text),
        time_zone: state
            .zone
            .map_or_else(String::new, |zone| zone.name().to_owned()),
        imported: row.imported.clone().map(Into::into),
        founded_at: state.founded_at.map(answer::instant),
        ended_at: end.map(|end| answer::instant(end.at)),
        successor_ids: end.map_or_else(Vec::new, |end| {
            end.into.iter().map(ToString::to_string).collect()
        }),
        rest_id: end.map_or_else(String::new, |end| text(end.rest)),
    }
}
