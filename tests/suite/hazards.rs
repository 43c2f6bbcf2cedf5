//! Hazards beyond the plain loop, over the API: whose they are is ruled by a council, major ones
//! are told upward in time, others go to another authority, and who reported one that was known
//! already stays informed.

use api::session::timestamp;
use api::wire;
use chrono::Duration;
use tonic::Code;

use crate::harness::run;
use crate::town::{CAPTAIN, INSTRUCTOR, OFFICER, Town, refused, staff, volunteer_login};

async fn shown(town: &Town, hazard_id: &str) -> wire::GetHazardResponse {
    let request = wire::GetHazardRequest {
        hazard_id: hazard_id.to_owned(),
        consistency: Some(wire::ReadConsistency {
            at_least: None,
            with_consequences: true,
        }),
    };
    town.done(CAPTAIN, request).await
}

async fn hazard(town: &Town, hazard_id: &str) -> wire::Hazard {
    shown(town, hazard_id).await.hazard.expect("a hazard")
}

async fn verify(town: &Town, hazard_id: &str, level: wire::HazardLevel) {
    let request = wire::VerifyHazardRequest {
        command_id: town.id(),
        hazard_id: hazard_id.to_owned(),
        level: level.into(),
        urgency: wire::Urgency::Yellow.into(),
    };
    town.done(OFFICER, request).await;
}

fn assign(town: &Town, hazard_id: &str) -> wire::AssignOwnerRequest {
    wire::AssignOwnerRequest {
        command_id: town.id(),
        hazard_id: hazard_id.to_owned(),
        owner: "property company".to_owned(),
    }
}

/// Hazards that an owner has, alone or with others.
async fn owned_by(town: &Town, owner: &str) -> Vec<String> {
    let request = wire::ListHazardsRequest {
        owner: owner.to_owned(),
        ..Default::default()
    };
    let hazards = town.done(CAPTAIN, request).await.hazards;
    hazards.into_iter().map(|hazard| hazard.hazard_id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hazard_with_unclear_boundary_gets_joint_owners_by_a_council() {
    let town = Town::with_volunteers(1).await;
    let hazard_id = town.report().await;
    verify(&town, &hazard_id, wire::HazardLevel::General).await;
    let request = wire::RaiseUnclearBoundaryRequest {
        command_id: town.id(),
        hazard_id: hazard_id.clone(),
        candidates: vec!["property company".to_owned(), "water works".to_owned()],
        reason: "the pipe runs under both".to_owned(),
    };
    town.done(OFFICER, request).await;
    let unclear = hazard(&town, &hazard_id).await;
    assert_eq!(unclear.state(), wire::HazardState::BoundaryUnclear);
    assert_eq!(unclear.candidates, ["property company", "water works"]);
    let alone = town.by(OFFICER).call(assign(&town, &hazard_id)).await;
    refused(alone, Code::FailedPrecondition, "BOUNDARY_NOT_RULED");
    let rule = || wire::RuleJointOwnerRequest {
        command_id: town.id(),
        hazard_id: hazard_id.clone(),
        lead: "property company".to_owned(),
        joint: vec!["water works".to_owned()],
        council_meeting: "week 27 of 2024".to_owned(),
        minutes: vec![7; 32],
    };
    let outsider = town.by(&volunteer_login(0)).call(rule()).await;
    refused(outsider, Code::PermissionDenied, "RULER_NOT_ALLOWED");
    town.done(INSTRUCTOR, rule()).await;

    let ruled = hazard(&town, &hazard_id).await;
    assert_eq!(ruled.state(), wire::HazardState::Rectifying);
    assert_eq!(ruled.owner, "property company");
    assert_eq!(ruled.joint_owners, ["water works"]);
    assert_eq!(ruled.council_meeting, "week 27 of 2024");
    assert!(ruled.candidates.is_empty());
    assert_eq!(ruled.due_at, unclear.due_at, "the clock never stood still");
    for owner in ["property company", "water works"] {
        assert_eq!(
            owned_by(&town, owner).await,
            std::slice::from_ref(&hazard_id)
        );
    }
    let other = town.by(OFFICER).call(assign(&town, &hazard_id)).await;
    refused(other, Code::FailedPrecondition, "OWNERS_RULED");

    let request = wire::PlanRectificationRequest {
        command_id: town.id(),
        hazard_id: hazard_id.clone(),
        plan: "dig and seal".to_owned(),
        finish_by: Some(timestamp(town.now() + Duration::hours(20))),
    };
    town.done(OFFICER, request).await;
    let request = wire::TakeInterimMeasureRequest {
        command_id: town.id(),
        hazard_id: hazard_id.clone(),
        measure: "a fence around it".to_owned(),
    };
    town.done(OFFICER, request).await;
    let told = shown(&town, &hazard_id).await;
    assert_eq!(told.plan, "dig and seal");
    assert_eq!(told.interim_measures[0].measure, "a fence around it");
    let planned = told.hazard.expect("a hazard").finish_by;
    assert_eq!(planned, Some(timestamp(town.now() + Duration::hours(20))));
    let case = ["case", &hazard_id, "--server", town.url()];
    let printed = run(&case).exits(0).stdout;
    let owners = "property company with water works, as the council ruled (week 27 of 2024)";
    assert!(printed.contains(owners), "{printed}");
    // An id of nothing at all is said to be no case, whoever is asked.
    let nothing = town.id();
    for ran in [
        run(&["case", &nothing, "--server", town.url()]),
        town.folder.run(&["case", &nothing], &[]),
    ] {
        let said = ran.exits(3).stderr;
        assert!(said.contains("no case with this id"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_major_hazard_not_reported_upward_in_time_is_breached_once() {
    let mut town = Town::with_volunteers(1).await;
    let (late, in_time) = (town.report().await, town.report().await);
    for hazard_id in [&late, &in_time] {
        verify(&town, hazard_id, wire::HazardLevel::Major).await;
        town.done(OFFICER, assign(&town, hazard_id)).await;
    }
    let due = town.now() + Duration::hours(2);
    let report_up = |town: &Town, hazard_id: &str| wire::ReportUpRequest {
        command_id: town.id(),
        hazard_id: hazard_id.to_owned(),
        authority: "fire brigade".to_owned(),
        ..Default::default()
    };
    let breaches = |town: &Town, hazard_id: &str| {
        let events = town.folder.replay(&["--case", hazard_id]);
        let of = |kind: &str| {
            let up = events.iter().filter(|event| {
                event["type"] == kind && event["payload"]["purpose"] == "report_up"
            });
            up.count()
        };
        (of("DeadlineBreached"), of("BreachWithdrawn"))
    };
    town.advance(due - Duration::minutes(1)).await;
    town.done(CAPTAIN, report_up(&town, &in_time)).await;
    town.advance(due + Duration::hours(1)).await;
    assert_eq!(breaches(&town, &late), (1, 0));
    assert_eq!(breaches(&town, &in_time), (0, 0));
    let standing = hazard(&town, &late).await;
    assert!(standing.report_up_breached);
    assert_eq!((standing.breaches, standing.reported_up), (1, None));
    assert_eq!(standing.report_up_due_at, Some(timestamp(due)));
    let told = hazard(&town, &in_time).await;
    let reported = told.reported_up.expect("reported");
    assert_eq!(reported.reported_by, staff(CAPTAIN).to_string());
    assert!(
        !reported.upper_unit_id.is_empty(),
        "the station stands above"
    );

    town.restart().await;
    town.advance(due + Duration::hours(2)).await;
    town.done(CAPTAIN, report_up(&town, &late)).await;
    assert_eq!(
        breaches(&town, &late),
        (1, 0),
        "once, and too late stays too late"
    );
    let claim = wire::ClaimRectificationRequest {
        command_id: town.id(),
        hazard_id: late.clone(),
        ..Default::default()
    };
    let unsafe_still = town.by(OFFICER).call(claim).await;
    refused(
        unsafe_still,
        Code::FailedPrecondition,
        "INTERIM_MEASURE_MISSING",
    );

    // The other one had been told earlier still; a third shows that after its breach.
    let third = town.report().await;
    verify(&town, &third, wire::HazardLevel::Major).await;
    let told_at = town.now() + Duration::hours(1);
    town.advance(town.now() + Duration::hours(5)).await;
    assert_eq!(breaches(&town, &third), (1, 0));
    let request = wire::ReportUpRequest {
        reported_at: Some(timestamp(told_at)),
        ..report_up(&town, &third)
    };
    town.done(CAPTAIN, request).await;
    assert_eq!(breaches(&town, &third), (1, 1), "both stay visible");
    assert!(!hazard(&town, &third).await.report_up_breached);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hazard_is_referred_and_comes_back_and_no_deadline_runs_in_between() {
    let mut town = Town::with_volunteers(1).await;
    let hazard_id = town.report().await;
    town.assign(&hazard_id).await;
    let request = wire::ReferHazardRequest {
        command_id: town.id(),
        hazard_id: hazard_id.clone(),
        authority: "market supervision".to_owned(),
        external_id: "2024-17".to_owned(),
        reason: "theirs by law".to_owned(),
    };
    town.done(OFFICER, request).await;
    town.advance(town.now() + Duration::days(3)).await;
    let away = hazard(&town, &hazard_id).await;
    assert_eq!(
        (away.state(), away.breaches),
        (wire::HazardState::Referred, 0)
    );
    let referral = away.referral.expect("referred");
    assert_eq!(referral.authority, "market supervision");
    assert_eq!(referral.external_id, "2024-17");
    let totals = wire::GetHazardTotalsRequest::default();
    let totals = town.done(CAPTAIN, totals).await.totals.expect("totals");
    assert_eq!((totals.total, totals.referred, totals.open), (1, 1, 0));
    let list = wire::ListHazardsRequest {
        standing: wire::HazardStanding::Referred.into(),
        ..Default::default()
    };
    assert_eq!(town.done(CAPTAIN, list).await.hazards.len(), 1);

    let request = wire::ReturnReferralRequest {
        command_id: town.id(),
        hazard_id: hazard_id.clone(),
        reason: "not theirs".to_owned(),
    };
    town.done(OFFICER, request).await;
    let back = hazard(&town, &hazard_id).await;
    assert_eq!(back.state(), wire::HazardState::Verified);
    assert_eq!(
        back.due_at,
        Some(timestamp(town.now() + Duration::hours(24)))
    );
    assert_eq!(back.referrals, 1);
    town.advance(town.now() + Duration::hours(25)).await;
    assert_eq!(hazard(&town, &hazard_id).await.breaches, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reported_a_duplicate_sees_what_becomes_of_the_hazard_and_earns_nothing_for_it() {
    let town = Town::with_volunteers(2).await;
    let kept = town.report_by(&volunteer_login(0)).await;
    let again = town.report_by(&volunteer_login(1)).await;
    let request = wire::LinkDuplicateRequest {
        command_id: town.id(),
        hazard_id: again.clone(),
        master_id: kept.clone(),
    };
    town.done(OFFICER, request).await;
    let verify = |town: &Town| wire::VerifyHazardRequest {
        command_id: town.id(),
        hazard_id: kept.clone(),
        level: wire::HazardLevel::General.into(),
        urgency: wire::Urgency::Yellow.into(),
    };
    let own = town.by(&volunteer_login(1)).call(verify(&town)).await;
    refused(own, Code::PermissionDenied, "VERIFIER_IS_REPORTER");
    town.done(OFFICER, verify(&town)).await;
    let informed = shown(&town, &again).await;
    let duplicate = informed.hazard.expect("a hazard");
    assert_eq!(duplicate.state(), wire::HazardState::Duplicate);
    assert_eq!(duplicate.master_id, kept);
    let master = informed.master.expect("the one that is kept");
    assert_eq!(master.state(), wire::HazardState::Verified);
    assert_eq!(master.duplicates, 1);
    for person in [0, 1] {
        let balance = town.balance(crate::town::volunteer(person)).await;
        assert_eq!((balance.granted, balance.awards), (0, 0));
    }
}
