//! `HazardService`: the closed loop of a hazard from report to close-out.

use super::service;
use crate::parse::{self, Parsed};
use crate::wire;
use domain::hazard::{Command, SourceClosing};

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
                authority: parse::text("authority", r.authority)?,
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
    others {}
}

/// What a source says of the closing.
fn closing(closed: wire::SourceClosing) -> Parsed<SourceClosing> {
    Ok(SourceClosing {
        closed_at: parse::instant("closed.closed_at", closed.closed_at)?,
        status: parse::text("closed.status", closed.status)?,
        reason: parse::optional_personal("closed.reason", closed.reason)?,
    })
}
