//! `PatrolService`: patrol shifts and who took part.

pub(crate) mod life;
mod list;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use domain::Instant;
use domain::ids::{UnitId, ZoneId};
use domain::patrol_shift::{Capture, Command, FiledPart, Reverified};
use projections::read_models::patrol_coverage::{Cell, PatrolCoverage, Slot};
use projections::read_models::shifts::Filter;
use projections::{Build, Models};
use tonic::{Request, Response, Status};

use super::service;
use crate::backend::subtree;
use crate::gate::Caller;
use crate::parse::{self, Parsed, Violation};
use crate::{paging, status, wire};

service! {
    impl patrol_service_server::PatrolService;
    commands {
        plan_shift(r: PlanShiftRequest) -> PlanShiftResponse =
            Command::PlanShift {
                shift: parse::id("shift_id", &r.shift_id)?,
                community: parse::id("community_id", &r.community_id)?,
                zone: parse::id("zone_id", &r.zone_id)?,
                route: parse::each("route", &r.route, |field, id| parse::id(field, id))?,
                from: parse::instant("from", r.from)?,
                until: parse::instant("until", r.until)?,
                crew_min: r.crew_min,
            };
        sign_up(r: SignUpRequest) -> SignUpResponse =
            Command::SignUp {
                shift: parse::id("shift_id", &r.shift_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
        check_in(r: CheckInRequest) -> CheckInResponse =
            Command::CheckIn {
                shift: parse::id("shift_id", &r.shift_id)?,
                person: parse::id("person_id", &r.person_id)?,
                capture: capture(r.capture)?,
            };
        scan_checkpoint(r: ScanCheckpointRequest) -> ScanCheckpointResponse =
            Command::ScanCheckpoint {
                shift: parse::id("shift_id", &r.shift_id)?,
                person: parse::id("person_id", &r.person_id)?,
                tag: parse::text("tag", r.tag)?,
                capture: capture(r.capture)?,
            };
        skip_checkpoint(r: SkipCheckpointRequest) -> SkipCheckpointResponse =
            Command::SkipCheckpoint {
                shift: parse::id("shift_id", &r.shift_id)?,
                person: parse::id("person_id", &r.person_id)?,
                checkpoint: parse::id("checkpoint_id", &r.checkpoint_id)?,
                reason: parse::text("reason", r.reason)?,
            };
        raise_finding(r: RaiseFindingRequest) -> RaiseFindingResponse =
            Command::RaiseFinding {
                shift: parse::id("shift_id", &r.shift_id)?,
                person: parse::id("person_id", &r.person_id)?,
                hazard: parse::id("hazard_id", &r.hazard_id)?,
            };
        hand_over(r: HandOverRequest) -> HandOverResponse =
            Command::HandOver {
                shift: parse::id("shift_id", &r.shift_id)?,
                from: parse::id("from_id", &r.from_id)?,
                to: parse::id("to_id", &r.to_id)?,
                open_items: parse::each("open_items", &r.open_items, |field, id| {
                    parse::id(field, id)
                })?,
            };
        accept_handover(r: AcceptHandoverRequest) -> AcceptHandoverResponse =
            Command::AcceptHandover {
                shift: parse::id("shift_id", &r.shift_id)?,
                capture: capture(r.capture)?,
            };
        decline_handover(r: DeclineHandoverRequest) -> DeclineHandoverResponse =
            Command::DeclineHandover {
                shift: parse::id("shift_id", &r.shift_id)?,
                reason: parse::personal("reason", r.reason)?,
            };
        dispute_shift(r: DisputeShiftRequest) -> DisputeShiftResponse =
            Command::DisputeShift {
                shift: parse::id("shift_id", &r.shift_id)?,
                reason: parse::personal("reason", r.reason)?,
            };
        reverify_shift(r: ReverifyShiftRequest) -> ReverifyShiftResponse =
            Command::ReverifyShift {
                shift: parse::id("shift_id", &r.shift_id)?,
                parts: parse::each("parts", &r.parts, reverified)?,
            };
        void_shift(r: VoidShiftRequest) -> VoidShiftResponse =
            Command::VoidShift {
                shift: parse::id("shift_id", &r.shift_id)?,
                reason: parse::personal("reason", r.reason)?,
            };
        check_out(r: CheckOutRequest) -> CheckOutResponse =
            Command::CheckOut {
                shift: parse::id("shift_id", &r.shift_id)?,
                person: parse::id("person_id", &r.person_id)?,
                at: parse::optional_instant("at", r.at)?,
            };
        cancel_shift(r: CancelShiftRequest) -> CancelShiftResponse =
            Command::CancelShift {
                shift: parse::id("shift_id", &r.shift_id)?,
                reason: parse::text("reason", r.reason)?,
            };
        verify_participation(r: PatrolServiceVerifyParticipationRequest) -> PatrolServiceVerifyParticipationResponse =
            Command::VerifyParticipation {
                shift: parse::id("shift_id", &r.shift_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
        reject_participation(r: PatrolServiceRejectParticipationRequest) -> PatrolServiceRejectParticipationResponse =
            Command::RejectParticipation {
                shift: parse::id("shift_id", &r.shift_id)?,
                person: parse::id("person_id", &r.person_id)?,
                reason: parse::text("reason", r.reason)?,
            };
        file_late_shift(r: FileLateShiftRequest) -> FileLateShiftResponse =
            Command::FileLateShift {
                shift: parse::id("shift_id", &r.shift_id)?,
                community: parse::id("community_id", &r.community_id)?,
                zone: parse::id("zone_id", &r.zone_id)?,
                parts: parse::each("parts", &r.parts, part)?,
                reason: parse::text("reason", r.reason)?,
            };
        approve_late_shift(r: ApproveLateShiftRequest) -> ApproveLateShiftResponse =
            Command::ApproveLateShift {
                shift: parse::id("shift_id", &r.shift_id)?,
            };
        reject_late_shift(r: RejectLateShiftRequest) -> RejectLateShiftResponse =
            Command::RejectLateShift {
                shift: parse::id("shift_id", &r.shift_id)?,
                reason: parse::text("reason", r.reason)?,
            };
    }
    others {
        async fn get_shift(
            &self,
            request: Request<wire::GetShiftRequest>,
        ) -> Result<Response<wire::GetShiftResponse>, Status> {
            let request = request.into_inner();
            let id = parse::id("shift_id", &request.shift_id)
                .map_err(|why| status::invalid(&why))?;
            let waited = self.backend.wait(request.consistency).await?;
            let build = waited.read(&self.backend.engine.models().patrol_coverage)?;
            let log = self.backend.executor.log();
            let board = waited.read(&self.backend.engine.models().case_board)?;
            let mut answer = life::life(log.as_ref(), build.position, id, &board)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn list_shifts(
            &self,
            request: Request<wire::ListShiftsRequest>,
        ) -> Result<Response<wire::ListShiftsResponse>, Status> {
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let models = self.backend.engine.models();
            let mut filter = Filter {
                units: subtree(models, &request.unit_id, self.backend.executor.now())?,
                ..Filter::default()
            };
            let build = waited.read(&models.shifts)?;
            let board = waited.read(&models.case_board)?;
            let (shifts, next_page_token) = list::page(&build, &board, &mut filter, &request)
                .map_err(|why| status::invalid(&why))?;
            Ok(Response::new(wire::ListShiftsResponse {
                shifts,
                next_page_token,
                read_point: Some(waited.point(&build)?),
            }))
        }

        async fn upload_check_ins(
            &self,
            request: Request<wire::UploadCheckInsRequest>,
        ) -> Result<Response<wire::UploadCheckInsResponse>, Status> {
            let caller = Caller::of(&request)?;
            let check_ins = request.into_inner().check_ins;
            let answers = self.upload(caller, "check_ins", check_ins).await?;
            Ok(Response::new(wire::UploadCheckInsResponse { answers }))
        }

        async fn upload_scans(
            &self,
            request: Request<wire::UploadScansRequest>,
        ) -> Result<Response<wire::UploadScansResponse>, Status> {
            let caller = Caller::of(&request)?;
            let scans = request.into_inner().scans;
            let answers = self.upload(caller, "scans", scans).await?;
            Ok(Response::new(wire::UploadScansResponse { answers }))
        }

        async fn get_patrol_coverage(
            &self,
            request: Request<wire::GetPatrolCoverageRequest>,
        ) -> Result<Response<wire::GetPatrolCoverageResponse>, Status> {
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let models = self.backend.engine.models();
            let at = as_of(&request, self.backend.executor.now())
                .map_err(|why| status::invalid(&why))?;
            let within = subtree(models, &request.unit_id, at)?;
            let build = waited.read(&models.patrol_coverage)?;
            let (cells, next) = coverage(models, &build, within.as_ref(), &request)
                .map_err(|why| status::invalid(&why))?;
            Ok(Response::new(wire::GetPatrolCoverageResponse {
                cells,
                read_point: Some(waited.point(&build)?),
                next_page_token: next,
            }))
        }
    }
}

/// How a check-in or scan was captured.
fn capture(capture: Option<wire::Capture>) -> Parsed<Capture> {
    let capture = parse::required("capture", capture)?;
    Ok(Capture {
        method: parse::choice::<wire::CaptureMethod>("capture.method", capture.method)?,
        place: parse::optional_place("capture.place", capture.place)?,
        device: parse::optional_text("capture.device", capture.device)?,
        device_at: parse::optional_instant("capture.device_at", capture.device_at)?,
        sent_at: parse::optional_instant("capture.sent_at", capture.sent_at)?,
    })
}

/// A person's part in a late filing.
fn part(field: &str, part: &wire::FiledPart) -> Parsed<FiledPart> {
    Ok(FiledPart {
        person: parse::id(&format!("{field}.person_id"), &part.person_id)?,
        from: parse::instant(&format!("{field}.from"), part.from)?,
        until: parse::instant(&format!("{field}.until"), part.until)?,
    })
}

/// As of when the tree of units rolls the coverage up: the end of the last day that is asked for, or
/// now if that is earlier.
pub(crate) fn as_of(request: &wire::GetPatrolCoverageRequest, now: Instant) -> Parsed<Instant> {
    let end = day("day_until", &request.day_until)?
        .and_then(|day| day.succ_opt())
        .map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc());
    Ok(end.map_or(now, |end| end.min(now)))
}

/// What was found of a part.
fn reverified(field: &str, part: &wire::ReverifiedPart) -> Parsed<Reverified> {
    let name = |part: &str| format!("{field}.{part}");
    Ok(Reverified {
        person: parse::id(&name("person_id"), &part.person_id)?,
        accepted: part.accepted,
        from: parse::optional_instant(&name("from"), part.from)?,
        until: parse::optional_instant(&name("until"), part.until)?,
        reason: parse::optional_personal(&name("reason"), part.reason.clone())?,
    })
}

/// A page of the coverage within these units (all if absent), and the token of the next one.
pub(crate) fn coverage(
    models: &Models,
    build: &Build<PatrolCoverage>,
    within: Option<&BTreeSet<UnitId>>,
    request: &wire::GetPatrolCoverageRequest,
) -> Parsed<(Vec<wire::CoverageCell>, String)> {
    let chosen = |unit: &UnitId| within.is_none_or(|units| units.contains(unit));
    let communities = build.partitions.iter().filter(|(unit, _)| chosen(unit));
    let zone: Option<ZoneId> = parse::optional_id("zone_id", &request.zone_id)?;
    let first = day("day_from", &request.day_from)?.unwrap_or(NaiveDate::MIN);
    let last = day("day_until", &request.day_until)?.unwrap_or(NaiveDate::MAX);
    let size = paging::size(request.page_size)?;
    let question = format!("coverage {} {zone:?} {first} {last}", request.unit_id);
    let after = paging::read(&question, &request.page_token)?;
    let key = |community: &UnitId, slot: &Slot| {
        format!("{community}/{}/{:02}/{}", slot.day, slot.hour, slot.zone)
    };
    let mut found = communities
        .flat_map(|(community, coverage)| {
            coverage
                .between(first, last, zone)
                .map(move |(slot, cell)| (community, slot, cell))
        })
        .skip_while(|(community, slot, _)| {
            after
                .as_ref()
                .is_some_and(|after| key(community, slot) <= *after)
        });
    let mut place = None;
    let mut cells = Vec::new();
    for (community, slot, cell) in found.by_ref().take(size) {
        place = Some(key(community, slot));
        cells.push(wire_cell(models, *community, slot, cell));
    }
    let next = match (place, found.next()) {
        (Some(place), Some(_)) => paging::write(&question, &place),
        _ => String::new(),
    };
    Ok((cells, next))
}

fn wire_cell(models: &Models, community: UnitId, slot: &Slot, cell: &Cell) -> wire::CoverageCell {
    let zones = models.zones.read();
    let plans = zones.partitions.get(&community);
    let zone_name = plans
        .and_then(|plans| plans.latest_name(slot.zone))
        .unwrap_or_default();
    wire::CoverageCell {
        zone_name: zone_name.to_owned(),
        community_id: community.to_string(),
        zone_id: slot.zone.to_string(),
        day: slot.day.to_string(),
        hour: slot.hour,
        planned_seconds: cell.planned_seconds,
        done_seconds: cell.done_seconds,
        verified_seconds: cell.verified_seconds,
        checkpoints_hit: cell.checkpoints_hit,
        checkpoints_missed: cell.checkpoints_missed,
    }
}

/// A day, `YYYY-MM-DD`, that may be left empty.
fn day(field: &str, text: &str) -> Parsed<Option<NaiveDate>> {
    if text.is_empty() {
        return Ok(None);
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|_| text.len() == 10)
        .map(Some)
        .ok_or_else(|| Violation::new(field, "A day such as 2024-07-31 is needed."))
}
