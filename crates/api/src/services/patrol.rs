//! `PatrolService`: patrol shifts and who took part.

use super::service;
use crate::parse::{self, Parsed};
use crate::wire;
use domain::patrol_shift::{Capture, Command, FiledPart};

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
    others {}
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
