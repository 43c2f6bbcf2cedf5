//! What is wrong is refused by its stable name, and the log does not move.
//!
//! Owns the ways in which a caller can be wrong: unknown ids, wrong states, four eyes, logins,
//! malformed fields, sizes and deadlines.

use api::session::{Rpc, timestamp};
use api::wire;
use chrono::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::raw;
use crate::town::{
    CAPTAIN, INSPECTOR, INSTRUCTOR, OFFICER, RECTIFIER, SHIFT_MINUTES, Town, at, community,
    refused, staff, tag, volunteer, volunteer_login,
};

/// Metadata key of the caller's login.
const PRINCIPAL: &str = "benniu-principal";

/// Insists that a call is refused for a field, which the details name.
#[track_caller]
fn refused_for_field<T: std::fmt::Debug>(answer: Result<T, Status>, reason: &str, field: &str) {
    let status = answer.expect_err(field);
    let named = status
        .get_details_bad_request()
        .map(|details| details.field_violations);
    let named: Vec<_> = named
        .into_iter()
        .flatten()
        .map(|violation| violation.field)
        .collect();
    assert_eq!(named, [field], "{status:?}");
    refused::<T>(Err(status), Code::InvalidArgument, reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_id_is_not_found() {
    let town = Town::with_volunteers(1).await;
    let before = town.log().await;
    let person_id = volunteer(0).to_string();

    let request = wire::SignUpRequest {
        command_id: town.id(),
        shift_id: town.id(),
        person_id: person_id.clone(),
    };
    refused(
        town.by(CAPTAIN).call(request).await,
        Code::NotFound,
        "SHIFT_NOT_FOUND",
    );
    let unknown = town.id();
    let answer = town
        .by(OFFICER)
        .call(town.verification(&unknown, volunteer(0)))
        .await;
    refused(answer, Code::NotFound, "SHIFT_NOT_FOUND");
    let answer = town.by(CAPTAIN).call(town.close_out(&unknown)).await;
    refused(answer, Code::NotFound, "HAZARD_NOT_FOUND");
    let request = wire::JoinCampaignRequest {
        command_id: town.id(),
        campaign_id: town.id(),
        person_id,
    };
    refused(
        town.by(CAPTAIN).call(request).await,
        Code::NotFound,
        "CAMPAIGN_NOT_FOUND",
    );
    let request = wire::ReportHazardRequest {
        unit_id: town.id(),
        ..town.hazard(&unknown)
    };
    refused(
        town.by(OFFICER).call(request).await,
        Code::NotFound,
        "UNIT_NOT_FOUND",
    );
    let plan = wire::PlanShiftRequest {
        zone_id: unknown.clone(),
        ..town.plan(&unknown, 0, town.now() + Duration::hours(3))
    };
    refused(
        town.by(CAPTAIN).call(plan).await,
        Code::NotFound,
        "ZONE_NOT_IN_PLAN",
    );
    let request = wire::GetHazardRequest {
        hazard_id: unknown,
        consistency: None,
    };
    let status = town
        .by(CAPTAIN)
        .call(request)
        .await
        .expect_err("there is none");
    assert_eq!(status.code(), Code::NotFound, "{status:?}");

    assert_eq!(town.log().await.position, before.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_state_is_refused() {
    let town = Town::with_volunteers(2).await;
    let (walker, other) = (volunteer(0), volunteer(1));
    let shift = town
        .sign_up(0, town.now() + Duration::hours(1), &[walker])
        .await;
    let hazard = town.report().await;
    let before = town.log().await;

    let answer = town
        .by(OFFICER)
        .call(town.verification(&shift, walker))
        .await;
    refused(answer, Code::FailedPrecondition, "SHIFT_NOT_COMPLETED");
    let answer = town.by(CAPTAIN).call(town.check_in(&shift, other)).await;
    refused(answer, Code::FailedPrecondition, "PERSON_NOT_SIGNED_UP");
    let request = wire::CheckOutRequest {
        command_id: town.id(),
        shift_id: shift.clone(),
        person_id: walker.to_string(),
        at: None,
    };
    let answer = town.by(CAPTAIN).call(request).await;
    refused(answer, Code::FailedPrecondition, "SHIFT_NOT_IN_PROGRESS");
    let answer = town.by(INSPECTOR).call(town.reinspection(&hazard)).await;
    refused(answer, Code::FailedPrecondition, "HAZARD_NOT_RECTIFIED");
    let answer = town.by(CAPTAIN).call(town.close_out(&hazard)).await;
    refused(answer, Code::FailedPrecondition, "HAZARD_NOT_REINSPECTED");
    let answer = town
        .by(CAPTAIN)
        .call(town.plan(&shift, 0, town.now()))
        .await;
    refused(answer, Code::AlreadyExists, "SHIFT_ALREADY_PLANNED");
    let answer = town.by(CAPTAIN).call(town.hazard(&hazard)).await;
    refused(answer, Code::AlreadyExists, "HAZARD_ALREADY_REPORTED");

    assert_eq!(town.log().await.position, before.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_verifies_their_own_part() {
    let mut town = Town::with_volunteers(2).await;
    let captain = staff(CAPTAIN);
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[captain, volunteer(0)])
        .await;
    let campaign = town
        .campaign(at("2024-07-02T10:00:00Z"), &[captain, volunteer(1)])
        .await;
    let before = town.log().await;

    let answer = town
        .by(CAPTAIN)
        .call(town.verification(&shift, captain))
        .await;
    refused(answer, Code::PermissionDenied, "VERIFIER_IS_BENEFICIARY");
    let answer = town
        .by(CAPTAIN)
        .call(town.verification(&shift, volunteer(0)))
        .await;
    refused(answer, Code::PermissionDenied, "VERIFIER_WAS_ON_SHIFT");
    let answer = town
        .by(CAPTAIN)
        .call(town.campaign_verification(&campaign, captain))
        .await;
    refused(answer, Code::PermissionDenied, "VERIFIER_IS_BENEFICIARY");
    let login = volunteer_login(1);
    let answer = town
        .by(&login)
        .call(town.verification(&shift, volunteer(0)))
        .await;
    refused(answer, Code::PermissionDenied, "VERIFIER_NOT_ALLOWED");

    assert_eq!(town.log().await.position, before.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reinspects_what_they_rectified_or_reported() {
    let town = Town::with_volunteers(1).await;
    let hazard = town.report().await;
    town.rectify(&hazard).await;
    let before = town.log().await;

    let answer = town.by(RECTIFIER).call(town.reinspection(&hazard)).await;
    refused(answer, Code::PermissionDenied, "REINSPECTOR_IS_RECTIFIER");
    let answer = town
        .by(&volunteer_login(0))
        .call(town.reinspection(&hazard))
        .await;
    refused(answer, Code::PermissionDenied, "REINSPECTOR_IS_REPORTER");

    assert_eq!(town.log().await.position, before.position);
    town.done(INSPECTOR, town.reinspection(&hazard)).await;
    town.done(CAPTAIN, town.close_out(&hazard)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_nobody_here_may_not_call() {
    let town = Town::with_volunteers(1).await;
    let hazard = town.hazard(&town.id());
    let before = town.log().await;

    let answer = town.by("stranger").call(hazard.clone()).await;
    refused(answer, Code::Unauthenticated, "PRINCIPAL_NOT_REGISTERED");
    let answer = town
        .by("stranger")
        .call(wire::GetLogRequest::default())
        .await;
    refused(answer, Code::Unauthenticated, "PRINCIPAL_NOT_REGISTERED");
    for system in ["system:timer", "system:reaction", "system:import"] {
        let answer = town.by(system).call(hazard.clone()).await;
        refused(answer, Code::PermissionDenied, "PRINCIPAL_IS_THE_SYSTEM");
    }
    for headers in [&[][..], &[(PRINCIPAL, "")]] {
        let status = raw::call(town.url(), headers, &hazard).await;
        refused::<()>(Err(status), Code::Unauthenticated, "PRINCIPAL_MISSING");
    }
    let headers = [(PRINCIPAL, CAPTAIN), ("benniu-channel", "timer")];
    let status = raw::call(town.url(), &headers, &hazard).await;
    refused::<()>(Err(status), Code::InvalidArgument, "CHANNEL_UNKNOWN");
    let request = wire::AppointAdministratorRequest {
        command_id: town.id(),
        person_id: staff(CAPTAIN).to_string(),
    };
    let answer = town.by(CAPTAIN).call(request).await;
    refused(answer, Code::PermissionDenied, "ACTOR_IS_NO_ADMINISTRATOR");

    assert_eq!(town.log().await.position, before.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_carries_one_content() {
    let town = Town::with_volunteers(1).await;
    let first = town.hazard(&town.id());
    town.done(CAPTAIN, first.clone()).await;
    let before = town.log().await;

    let other_kind = wire::ReportHazardRequest {
        kind: "broken street light".to_owned(),
        ..first.clone()
    };
    let answer = town.by(CAPTAIN).call(other_kind).await;
    refused(answer, Code::FailedPrecondition, "COMMAND_ID_REUSED");
    let other_words = wire::ReportHazardRequest {
        description: "beside the river".to_owned(),
        ..first
    };
    let answer = town.by(CAPTAIN).call(other_words).await;
    refused(answer, Code::FailedPrecondition, "COMMAND_ID_REUSED");

    assert_eq!(town.log().await.position, before.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_has_one_open_shift() {
    let mut town = Town::with_volunteers(1).await;
    let walker = volunteer(0);
    let from = town.now() + Duration::hours(1);
    let first = town.sign_up(0, from, &[walker]).await;
    let second = town.sign_up(1, from, &[walker]).await;
    town.advance(from).await;
    town.done(CAPTAIN, town.check_in(&first, walker)).await;
    let before = town.log().await;

    let answer = town.by(CAPTAIN).call(town.check_in(&second, walker)).await;
    refused(answer, Code::FailedPrecondition, "PERSON_HAS_OPEN_SHIFT");
    assert_eq!(town.log().await.position, before.position);

    town.advance(from + Duration::minutes(10)).await;
    town.check_out(&first, walker).await;
    town.done(CAPTAIN, town.check_in(&second, walker)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_field_is_named() {
    let town = Town::with_volunteers(1).await;
    let now = town.now();
    let shift = town.id();
    let hazard = town.hazard(&town.id());
    let plan = town.plan(&shift, 0, now + Duration::hours(1));
    let before = town.log().await;
    let captain = town.by(CAPTAIN);

    for wrong in ["", "7", "not-a-uuid", "0190a3c25b1e7c449d1f2f6f5f1b7a10"] {
        let request = wire::ReportHazardRequest {
            hazard_id: wrong.to_owned(),
            ..hazard.clone()
        };
        refused_for_field(captain.call(request).await, "FIELD_MALFORMED", "hazard_id");
        let request = wire::ReportHazardRequest {
            command_id: wrong.to_owned(),
            ..hazard.clone()
        };
        refused_for_field(captain.call(request).await, "FIELD_MALFORMED", "command_id");
    }
    let route = wire::PlanShiftRequest {
        route: vec![shift.clone(), "x".into()],
        ..plan.clone()
    };
    refused_for_field(captain.call(route).await, "FIELD_MALFORMED", "route[1]");

    let moment = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    for wrong in [
        moment(0, -1),
        moment(0, 1_000_000_000),
        moment(i64::MAX, 0),
        moment(-1, 0),
    ] {
        let request = wire::PlanShiftRequest {
            from: wrong,
            ..plan.clone()
        };
        refused_for_field(captain.call(request).await, "FIELD_MALFORMED", "from");
    }
    let request = wire::PlanShiftRequest {
        until: None,
        ..plan.clone()
    };
    refused_for_field(captain.call(request).await, "FIELD_MALFORMED", "until");

    for wrong in [0, 77, -1] {
        let request = wire::VerifyHazardRequest {
            command_id: town.id(),
            hazard_id: town.id(),
            level: wrong,
            urgency: wire::Urgency::Red.into(),
        };
        refused_for_field(
            town.by(OFFICER).call(request).await,
            "FIELD_MALFORMED",
            "level",
        );
    }
    let mut capture = town.capture(volunteer(0), None);
    capture.method = 99;
    let request = wire::ScanCheckpointRequest {
        command_id: town.id(),
        shift_id: shift,
        person_id: volunteer(0).to_string(),
        tag: tag(0, 0),
        capture: Some(capture),
    };
    refused_for_field(
        captain.call(request).await,
        "FIELD_MALFORMED",
        "capture.method",
    );
    let nowhere = Some(wire::Place {
        lat_e7: 900_000_001,
        lon_e7: 0,
    });
    let request = wire::ReportHazardRequest {
        place: nowhere,
        ..hazard.clone()
    };
    refused_for_field(captain.call(request).await, "FIELD_MALFORMED", "place");

    let request = wire::ReportHazardRequest {
        kind: String::new(),
        ..hazard.clone()
    };
    refused_for_field(captain.call(request).await, "KIND_NOT_ALLOWED", "kind");
    let future = Some(timestamp(now + Duration::days(1)));
    let request = wire::ReportHazardRequest {
        seen_at: future,
        ..hazard
    };
    let status = captain
        .call(request)
        .await
        .expect_err("it lies in the future");
    refused::<()>(Err(status), Code::InvalidArgument, "TIME_IN_THE_FUTURE");
    let long = Some(timestamp(now + Duration::days(3)));
    let request = wire::PlanShiftRequest {
        until: long,
        ..plan
    };
    refused_for_field(captain.call(request).await, "WINDOW_NOT_ALLOWED", "until");

    assert_eq!(town.log().await.position, before.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused() {
    let town = Town::with_volunteers(0).await;
    let before = town.log().await;
    let plan = |bytes: usize| wire::AdoptZonePlanRequest {
        command_id: town.id(),
        community_id: community().to_string(),
        geojson: " ".repeat(bytes),
        effective_from: None,
    };

    refused_for_field(
        town.by(CAPTAIN).call(plan(300_000)).await,
        "FIELD_MALFORMED",
        "geojson",
    );
    // Above what a message may be the transport refuses, before anything is parsed.
    refused(
        town.by(CAPTAIN).call(plan(3_000_000)).await,
        Code::ResourceExhausted,
        "MESSAGE_TOO_LARGE",
    );

    assert_eq!(town.log().await.position, before.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_message_and_methods_that_are_none_are_refused() {
    let town = Town::with_volunteers(0).await;
    let before = town.log().await;
    let headers = [(PRINCIPAL, CAPTAIN)];

    let nonsense = vec![0xff; 40];
    let path = wire::ReportHazardRequest::PATH;
    let status = raw::send(town.url(), path, &headers, nonsense).await;
    refused::<()>(Err(status), Code::InvalidArgument, "MESSAGE_MALFORMED");
    let status = raw::send(
        town.url(),
        "/benniu.v1.HazardService/Unheard",
        &headers,
        Vec::new(),
    )
    .await;
    refused::<()>(Err(status), Code::Unimplemented, "METHOD_UNKNOWN");

    assert_eq!(town.log().await.position, before.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_is_kept_and_a_repeat_tells_what_came_of_it() {
    let town = Town::with_volunteers(0).await;
    let before = town.log().await;
    let headers = |timeout| [(PRINCIPAL, CAPTAIN), ("grpc-timeout", timeout)];

    let hazard = town.hazard(&town.id());
    let status = raw::call(town.url(), &headers("1x"), &hazard).await;
    refused::<()>(Err(status), Code::InvalidArgument, "DEADLINE_MALFORMED");
    // A wait for a position that never comes ends with the caller's deadline.
    let beyond = wire::GetLogRequest {
        consistency: Some(wire::ReadConsistency {
            at_least: Some(wire::LogPosition {
                epoch: before.epoch,
                position: before.position + 1_000,
            }),
            with_consequences: false,
        }),
    };
    let status = raw::call(town.url(), &headers("50m"), &beyond).await;
    refused::<()>(Err(status), Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    assert_eq!(town.log().await.position, before.position);

    // A command whose time is over when it comes is not taken; under its id it can be sent again.
    let status = raw::call(town.url(), &headers("1n"), &hazard).await;
    refused::<()>(Err(status), Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    assert_eq!(town.log().await.position, before.position);
    let receipt = town
        .done(CAPTAIN, hazard.clone())
        .await
        .receipt
        .expect("a receipt");
    assert_eq!(receipt.position, before.position + 1);
    let again = town.done(CAPTAIN, hazard).await.receipt.expect("a receipt");
    assert_eq!((again.position, again.replayed), (receipt.position, true));
    assert_eq!(town.log().await.position, before.position + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_clock_is_not_moved() {
    let folder = crate::harness::Folder::born_on_real_clock();
    let server = crate::harness::Server::start(&folder.data()).await;
    let admin = server.session(crate::harness::ADMIN).await;
    let before = admin
        .call(wire::GetLogRequest::default())
        .await
        .expect("the log");
    assert_eq!(before.clock(), wire::ClockKind::Real);

    let request = wire::AdvanceClockRequest {
        command_id: "0190a3c2-5b1e-7c44-9d1f-2f6f5f1b7a10".to_owned(),
        to: Some(timestamp(at("2999-01-01T00:00:00Z"))),
    };
    refused(
        admin.call(request).await,
        Code::FailedPrecondition,
        "CLOCK_IS_REAL",
    );

    let after = admin
        .call(wire::GetLogRequest::default())
        .await
        .expect("the log");
    assert_eq!(after.position, before.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_filing_is_approved_by_an_outsider() {
    let mut town = Town::with_volunteers(2).await;
    town.advance(at("2024-07-20T02:00:00Z")).await;
    let from = at("2024-07-05T15:00:00Z");
    let part = |person: uuid::Uuid| wire::FiledPart {
        person_id: person.to_string(),
        from: Some(timestamp(from)),
        until: Some(timestamp(from + Duration::minutes(SHIFT_MINUTES))),
    };
    let shift_id = town.id();
    let request = wire::FileLateShiftRequest {
        command_id: town.id(),
        shift_id: shift_id.clone(),
        community_id: community().to_string(),
        zone_id: town.zone(3).to_owned(),
        parts: vec![part(staff(OFFICER)), part(volunteer(0))],
        reason: "the app was down that night".to_owned(),
    };
    town.done(CAPTAIN, request).await;
    let before = town.log().await;

    let approval = || wire::ApproveLateShiftRequest {
        command_id: town.id(),
        shift_id: shift_id.clone(),
    };
    let answer = town.by(CAPTAIN).call(approval()).await;
    refused(answer, Code::PermissionDenied, "APPROVER_FILED_IT");
    let answer = town.by(OFFICER).call(approval()).await;
    refused(answer, Code::PermissionDenied, "APPROVER_WAS_ON_SHIFT");
    let answer = town.by(&volunteer_login(1)).call(approval()).await;
    refused(answer, Code::PermissionDenied, "APPROVER_NOT_ALLOWED");
    assert_eq!(town.log().await.position, before.position);

    town.done(INSTRUCTOR, approval()).await;
}
