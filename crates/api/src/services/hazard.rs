//! `HazardService`: the closed loop of a hazard from report to close-out.

mod wired;

use std::collections::BTreeSet;

use domain::hazard::{self, Command, HazardState, SourceClosing};
use domain::ids::{HazardId, UnitId};
use domain::{Aggregate as _, Event, Visibility, personal};
use eventlog::execute::decode;
use eventlog::{EventLog, RecordedEvent};
use projections::Build;
use projections::read_models::case_board::list::{Filter, NotAPageToken, Order};
use projections::read_models::case_board::{CaseBoard, Standing};
use projections::read_models::units::Succession;
use tonic::{Request, Response, Status};

use super::service;
use crate::backend::subtree;
use crate::parse::{self, Parsed};
use crate::{answer, paging, status, wire};

/// Most steps that an answer shows.
pub const STEPS_MAX: usize = 1_000;
/// Most duplicates of duplicates that are followed to the hazard that is kept.
const MASTERS_MAX: usize = 100;

service! {
    impl hazard_service_server::HazardService;
    commands {
        report_hazard(r: ReportHazardRequest) -> ReportHazardResponse =
            Command::ReportHazard {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                unit: parse::id("unit_id", &r.unit_id)?,
                kind: parse::text("kind", r.kind)?,
                place: parse::optional_place("place", r.place)?,
                description: parse::optional_personal("description", r.description)?,
                photos: parse::digests("photos", &r.photos)?,
                seen_at: parse::optional_instant("seen_at", r.seen_at)?,
            };
        verify_hazard(r: VerifyHazardRequest) -> VerifyHazardResponse =
            Command::VerifyHazard {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                level: parse::choice::<wire::HazardLevel>("level", r.level)?,
                urgency: parse::choice::<wire::Urgency>("urgency", r.urgency)?,
            };
        reject_hazard(r: RejectHazardRequest) -> RejectHazardResponse =
            Command::RejectHazard {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                reason: parse::text("reason", r.reason)?,
            };
        link_duplicate(r: LinkDuplicateRequest) -> LinkDuplicateResponse =
            Command::LinkDuplicate {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                master: parse::id("master_id", &r.master_id)?,
            };
        assign_owner(r: AssignOwnerRequest) -> AssignOwnerResponse =
            Command::AssignOwner {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                owner: parse::text("owner", r.owner)?,
            };
        raise_unclear_boundary(r: RaiseUnclearBoundaryRequest) -> RaiseUnclearBoundaryResponse =
            Command::RaiseUnclearBoundary {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                candidates: wired::owners("candidates", &r.candidates)?,
                reason: parse::text("reason", r.reason)?,
            };
        rule_joint_owner(r: RuleJointOwnerRequest) -> RuleJointOwnerResponse =
            Command::RuleJointOwner {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                lead: parse::text("lead", r.lead)?,
                joint: wired::owners("joint", &r.joint)?,
                council_meeting: parse::text("council_meeting", r.council_meeting)?,
                minutes: parse::optional_digest("minutes", &r.minutes)?,
            };
        refer_hazard(r: ReferHazardRequest) -> ReferHazardResponse =
            Command::ReferHazard {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                authority: parse::text("authority", r.authority)?,
                external_id: parse::optional_text("external_id", r.external_id)?,
                reason: parse::text("reason", r.reason)?,
            };
        return_referral(r: ReturnReferralRequest) -> ReturnReferralResponse =
            Command::ReturnReferral {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                reason: parse::text("reason", r.reason)?,
            };
        plan_rectification(r: PlanRectificationRequest) -> PlanRectificationResponse =
            Command::PlanRectification {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                plan: parse::personal("plan", r.plan)?,
                finish_by: parse::instant("finish_by", r.finish_by)?,
            };
        grant_extension(r: GrantExtensionRequest) -> GrantExtensionResponse =
            Command::GrantExtension {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                until: parse::instant("until", r.until)?,
                reason: parse::text("reason", r.reason)?,
            };
        take_interim_measure(r: TakeInterimMeasureRequest) -> TakeInterimMeasureResponse =
            Command::TakeInterimMeasure {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                measure: parse::personal("measure", r.measure)?,
            };
        report_up(r: ReportUpRequest) -> ReportUpResponse =
            Command::ReportUp {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                to: parse::optional_id("upper_unit_id", &r.upper_unit_id)?,
                authority: parse::text("authority", r.authority)?,
                reported_at: parse::optional_instant("reported_at", r.reported_at)?,
            };
        claim_rectification(r: ClaimRectificationRequest) -> ClaimRectificationResponse =
            Command::ClaimRectification {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                done_at: parse::optional_instant("done_at", r.done_at)?,
                photos: parse::digests("photos", &r.photos)?,
            };
        reinspect(r: ReinspectRequest) -> ReinspectResponse =
            Command::Reinspect {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                passed: r.passed,
                reason: parse::optional_text("reason", r.reason)?,
                inspected_at: parse::optional_instant("inspected_at", r.inspected_at)?,
            };
        close_out(r: CloseOutRequest) -> CloseOutResponse =
            Command::CloseOut {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
            };
        record_recurrence(r: RecordRecurrenceRequest) -> RecordRecurrenceResponse =
            Command::RecordRecurrence {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                seen_at: parse::optional_instant("seen_at", r.seen_at)?,
            };
        import_hazard(r: ImportHazardRequest) -> ImportHazardResponse =
            Command::ImportHazard {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                imported: parse::required(
                    "imported",
                    parse::optional_imported("imported", r.imported)?,
                )?,
                unit: parse::id("unit_id", &r.unit_id)?,
                kind: parse::text("kind", r.kind)?,
                place: parse::optional_place("place", r.place)?,
                opened_at: parse::instant("opened_at", r.opened_at)?,
                owner: parse::text("owner", r.owner)?,
                due_at: parse::optional_instant("due_at", r.due_at)?,
                closed: r.closed.map(closing).transpose()?,
            };
        close_by_source(r: CloseBySourceRequest) -> CloseBySourceResponse =
            Command::CloseBySource {
                hazard: parse::id("hazard_id", &r.hazard_id)?,
                batch: parse::id("batch_id", &r.batch_id)?,
                closed: closing(parse::required("closed", r.closed)?)?,
            };
    }
    others {
        async fn get_hazard(
            &self,
            request: Request<wire::GetHazardRequest>,
        ) -> Result<Response<wire::GetHazardResponse>, Status> {
            let request = request.into_inner();
            let id: HazardId = parse::id("hazard_id", &request.hazard_id)
                .map_err(|why| status::invalid(&why))?;
            let waited = self.backend.wait(request.consistency).await?;
            let build = waited.read(&self.backend.engine.models().case_board)?;
            let mut answer = life(&build, self.backend.executor.log().as_ref(), id)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn list_hazards(
            &self,
            request: Request<wire::ListHazardsRequest>,
        ) -> Result<Response<wire::ListHazardsResponse>, Status> {
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let models = self.backend.engine.models();
            let now = self.backend.executor.now();
            let units = subtree(models, &request.unit_id, now)?;
            let succession = crate::reading::ready(&models.units)?.succession(now);
            let order =
                if request.oldest_first { Order::OldestFirst } else { Order::NewestFirst };
            let size =
                paging::size(request.page_size).map_err(|why| status::invalid(&why))?;
            let token = Some(std::mem::take(&mut request.page_token));
            let mut filter = filter(units, request).map_err(|why| status::invalid(&why))?;
            filter.succession = succession;
            let build = waited.read(&self.backend.engine.models().case_board)?;
            let token = token.as_deref().filter(|token| !token.is_empty());
            let page = build
                .list(&filter, order, size, token)
                .map_err(|NotAPageToken| status::invalid(&paging::malformed()))?;
            Ok(Response::new(wire::ListHazardsResponse {
                hazards: page.cases.iter().map(|(id, case)| wired::hazard(*id, case)).collect(),
                read_point: Some(waited.point(&build)?),
                next_page_token: page.next.unwrap_or_default(),
            }))
        }

        async fn get_hazard_totals(
            &self,
            request: Request<wire::GetHazardTotalsRequest>,
        ) -> Result<Response<wire::GetHazardTotalsResponse>, Status> {
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let models = self.backend.engine.models();
            let now = self.backend.executor.now();
            let filter = Filter {
                units: subtree(models, &request.unit_id, now)?,
                succession: crate::reading::ready(&models.units)?.succession(now),
                source: parse::optional_text("source", request.source)
                    .map_err(|why| status::invalid(&why))?,
                ..Filter::default()
            };
            let build = waited.read(&self.backend.engine.models().case_board)?;
            Ok(Response::new(wire::GetHazardTotalsResponse {
                totals: Some(wired::totals(build.totals(&filter))),
                read_point: Some(waited.point(&build)?),
            }))
        }
    }
}

/// What a source says of the closing.
fn closing(closed: wire::SourceClosing) -> Parsed<SourceClosing> {
    Ok(SourceClosing {
        closed_at: parse::instant("closed.closed_at", closed.closed_at)?,
        status: parse::text("closed.status", closed.status)?,
        reason: parse::optional_personal("closed.reason", closed.reason)?,
    })
}

/// A hazard with its whole life, both of one position.
pub(crate) fn life(
    build: &Build<CaseBoard>,
    log: &dyn EventLog,
    id: HazardId,
) -> Result<wire::GetHazardResponse, Status> {
    let Some(case) = build.case(id) else {
        return Err(status::refused(&hazard::Refusal::HazardNotFound.refused()));
    };
    let stream = hazard::Hazard::stream(id);
    let recorded = log
        .read_stream(&stream, 1, STEPS_MAX)
        .map_err(|error| status::of_read(&error))?;
    let mut answer = wire::GetHazardResponse {
        hazard: Some(wired::hazard(id, case)),
        master: kept(build, id),
        ..Default::default()
    };
    for event in recorded
        .iter()
        .filter(|event| event.position <= build.position)
    {
        take_step(&mut answer, event)?;
    }
    Ok(answer)
}

/// The hazard that is kept in the end, if this is a duplicate.
fn kept(build: &Build<CaseBoard>, id: HazardId) -> Option<wire::Hazard> {
    let master = |id: &HazardId| build.case(*id)?.handling.as_ref()?.master;
    let kept = std::iter::successors(master(&id), master)
        .take(MASTERS_MAX)
        .last()?;
    Some(wired::hazard(kept, build.case(kept)?))
}

fn filter(units: Option<BTreeSet<UnitId>>, request: wire::ListHazardsRequest) -> Parsed<Filter> {
    let standing = match wire::HazardStanding::try_from(request.standing) {
        Ok(wire::HazardStanding::Unspecified) => None,
        Ok(wire::HazardStanding::Open) => Some(Standing::Open),
        Ok(wire::HazardStanding::Closed) => Some(Standing::Closed),
        Ok(wire::HazardStanding::Dismissed) => Some(Standing::Dismissed),
        Ok(wire::HazardStanding::Referred) => Some(Standing::Referred),
        Err(_) => {
            return Err(parse::Violation::new(
                "standing",
                "It is none of its values.",
            ));
        }
    };
    let state: Option<HazardState> =
        parse::optional_choice::<wire::HazardState>("state", request.state)?;
    Ok(Filter {
        succession: Succession::default(),
        units,
        state,
        standing,
        breached: request.breached_only.then_some(true),
        owner: parse::optional_text("owner", request.owner)?,
        source: parse::optional_text("source", request.source)?,
    })
}

/// Adds an event to the life of a hazard; a withheld one is left out.
fn take_step(answer: &mut wire::GetHazardResponse, recorded: &RecordedEvent) -> Result<(), Status> {
    if recorded.envelope.visibility == Visibility::Withheld {
        return Ok(());
    }
    let event = decode(recorded).map_err(|error| status::of_execute(&error))?;
    match &event {
        Event::Hazard(hazard::Event::HazardReported {
            place, description, ..
        }) => {
            answer.place = place.map(Into::into);
            answer.description = description
                .as_ref()
                .map_or_else(String::new, |text| text.reveal().to_owned());
        }
        Event::Hazard(hazard::Event::RectificationPlanned { plan, .. }) => {
            plan.reveal().clone_into(&mut answer.plan);
        }
        Event::Hazard(hazard::Event::InterimMeasureTaken { measure }) => {
            answer.interim_measures.push(wire::InterimMeasure {
                taken_at: Some(answer::instant(recorded.envelope.occurred_at)),
                measure: measure.reveal().to_owned(),
            });
        }
        _ => {}
    }
    let mut payload: serde_json::Value =
        serde_json::from_slice(&recorded.payload).map_err(|error| status::fault(&error))?;
    personal::withdraw(&mut payload);
    answer.steps.push(wire::HazardStep {
        position: recorded.position,
        version: recorded.version,
        r#type: recorded.type_name.to_string(),
        occurred_at: Some(answer::instant(recorded.envelope.occurred_at)),
        recorded_at: Some(answer::instant(recorded.header.recorded_at)),
        principal_id: recorded.header.principal.to_string(),
        channel: recorded.header.channel.name().to_owned(),
        payload_json: payload.to_string(),
    });
    Ok(())
}
