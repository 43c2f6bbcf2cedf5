//! A dispute from the visit that found it to the archive, over the API: voluntary to its end, on
//! time by the timers, and shown only to those whom it concerns.

use api::session::timestamp;
use api::wire;
use chrono::Duration;
use domain::Instant;
use tonic::Code;
use uuid::Uuid;

use crate::town::{
    CAPTAIN, INSPECTOR, OFFICER, RECTIFIER, Town, community, refused, staff, volunteer,
    volunteer_login,
};

/// Who is at odds: two volunteers with logins of their own.
fn party(number: usize) -> (String, String) {
    (volunteer(number).to_string(), volunteer_login(number))
}

/// Who hears of it on a visit and helps to settle it.
const HELPER: usize = 2;
/// Somebody whom it does not concern.
const PASSER_BY: usize = 3;

/// Registers a dispute of the two parties, found on a visit.
async fn found(town: &Town, relapse_of: &str) -> String {
    let dispute_id = town.id();
    let request = wire::RegisterDisputeRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
        community_id: community().to_string(),
        source: wire::DisputeSource::Visit.into(),
        source_id: town.id(),
        kind: wire::DisputeKind::Neighbour.into(),
        party_ids: vec![party(0).0, party(1).0],
        subject: "water comes through the wall".to_owned(),
        relapse_of: relapse_of.to_owned(),
        ..Default::default()
    };
    town.done(&volunteer_login(HELPER), request).await;
    dispute_id
}

/// Both parties take part, the captain mediates, the panel is there and rights are told.
async fn accepted(town: &Town) -> String {
    let dispute_id = found(town, "").await;
    for number in [0, 1] {
        let (party_id, login) = party(number);
        let request = wire::GiveConsentRequest {
            command_id: town.id(),
            dispute_id: dispute_id.clone(),
            party_id,
            paper: Vec::new(),
        };
        town.done(&login, request).await;
    }
    let request = wire::AcceptDisputeRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
    };
    town.done(CAPTAIN, request).await;
    let request = wire::FormPanelRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
        panel: Some(wire::Panel {
            lead_id: staff(CAPTAIN).to_string(),
            lead_office: "command hub".to_owned(),
            officer_id: staff(OFFICER).to_string(),
            justice_office_id: staff(RECTIFIER).to_string(),
            legal_service_id: staff(INSPECTOR).to_string(),
            member_ids: vec![volunteer(HELPER).to_string()],
        }),
    };
    town.done(CAPTAIN, request).await;
    let request = wire::NotifyRightsRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
    };
    town.done(CAPTAIN, request).await;
    dispute_id
}

async fn session(town: &Town, dispute_id: &str, how: wire::SessionType, parties: &[usize]) {
    let request = wire::HoldSessionRequest {
        command_id: town.id(),
        dispute_id: dispute_id.to_owned(),
        session_type: how.into(),
        party_ids: parties.iter().map(|number| party(*number).0).collect(),
        mediator_ids: vec![staff(OFFICER).to_string(), volunteer(HELPER).to_string()],
        minutes: vec![1; 32],
        held_at: None,
    };
    town.done(OFFICER, request).await;
}

/// The expert looks while the helper persuades; then terms are found: the first party seals the
/// bath within the days given.
async fn agreed(town: &Town, days: i64) -> String {
    let dispute_id = accepted(town).await;
    let request = wire::ScheduleSessionRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
        starts_at: Some(timestamp(town.now() + Duration::hours(1))),
    };
    town.done(CAPTAIN, request).await;
    let assessment_id = town.id();
    let request = wire::RequestAssessmentRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
        assessment_id: assessment_id.clone(),
        expert_id: volunteer(PASSER_BY).to_string(),
        question: "where the water comes from".to_owned(),
    };
    town.done(CAPTAIN, request).await;
    session(town, &dispute_id, wire::SessionType::Persuasion, &[0]).await;
    let request = wire::RecordAssessmentRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
        assessment_id,
        finding: "a joint of the upper bath".to_owned(),
        report: Vec::new(),
    };
    town.done(&volunteer_login(PASSER_BY), request).await;
    session(town, &dispute_id, wire::SessionType::Joint, &[0, 1]).await;
    let request = wire::ReachAgreementRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
        form: wire::AgreementForm::Written.into(),
        terms: "the bath is sealed".to_owned(),
        terms_sha256: vec![2; 32],
        obligations: vec![wire::Obligation {
            number: 1,
            debtor_id: party(0).0,
            creditor_id: party(1).0,
            what: "seal the bath".to_owned(),
            due_at: Some(timestamp(town.now() + Duration::days(days))),
        }],
        reached_at: None,
    };
    town.done(OFFICER, request).await;
    dispute_id
}

/// Signed by all, sealed, effective.
async fn effective(town: &Town, days: i64) -> String {
    let dispute_id = agreed(town, days).await;
    let seal = |command_id| wire::SealAgreementRequest {
        command_id,
        dispute_id: dispute_id.clone(),
    };
    let too_early = town.by(CAPTAIN).call(seal(town.id())).await;
    refused(too_early, Code::FailedPrecondition, "SIGNATURE_MISSING");
    for number in [0, 1] {
        let (party_id, login) = party(number);
        let request = wire::SignAgreementRequest {
            command_id: town.id(),
            dispute_id: dispute_id.clone(),
            party_id,
            paper: Vec::new(),
        };
        town.done(&login, request).await;
    }
    let request = wire::SignAsMediatorRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
    };
    town.done(OFFICER, request).await;
    town.done(CAPTAIN, seal(town.id())).await;
    dispute_id
}

/// A dispute as somebody sees it.
async fn shown(town: &Town, subject: &str, dispute_id: &str) -> wire::GetDisputeResponse {
    let request = wire::GetDisputeRequest {
        dispute_id: dispute_id.to_owned(),
        consistency: Some(wire::ReadConsistency {
            at_least: None,
            with_consequences: true,
        }),
    };
    town.done(subject, request).await
}

async fn state(town: &Town, dispute_id: &str) -> wire::DisputeState {
    let answer = shown(town, CAPTAIN, dispute_id).await;
    answer.dispute.expect("a dispute").state()
}

async fn perform(town: &Town, subject: &str, dispute_id: &str) -> Result<(), tonic::Status> {
    let request = wire::RecordPerformanceRequest {
        command_id: town.id(),
        dispute_id: dispute_id.to_owned(),
        obligation: 1,
        performed_at: None,
    };
    town.by(subject).call(request).await.map(drop)
}

async fn verify_help(town: &Town, dispute_id: &str, person: Uuid) -> Result<(), tonic::Status> {
    let request = wire::VerifyHelpRequest {
        command_id: town.id(),
        dispute_id: dispute_id.to_owned(),
        person_id: person.to_string(),
    };
    town.by(CAPTAIN).call(request).await.map(drop)
}

fn days_on(town: &Town, days: i64) -> Instant {
    town.now() + Duration::days(days)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_found_on_a_visit_is_settled_performed_and_archived_and_the_helper_rewarded() {
    let mut town = Town::with_volunteers(4).await;
    let dispute_id = effective(&town, 14).await;
    assert_eq!(
        state(&town, &dispute_id).await,
        wire::DisputeState::Performing
    );
    town.advance(days_on(&town, 2)).await;
    let by_debtor = perform(&town, &party(0).1, &dispute_id).await;
    refused(by_debtor, Code::PermissionDenied, "DEBTOR_CANNOT_CONFIRM");
    perform(&town, &party(1).1, &dispute_id)
        .await
        .expect("performed");
    assert_eq!(
        state(&town, &dispute_id).await,
        wire::DisputeState::Performed
    );
    let early = verify_help(&town, &dispute_id, volunteer(HELPER)).await;
    refused(early, Code::FailedPrecondition, "NOTICE_RUNS");
    // The timer closes the record a week after the end.
    town.advance(days_on(&town, 8)).await;
    assert_eq!(
        state(&town, &dispute_id).await,
        wire::DisputeState::Archived
    );
    let archived = town.folder.replay(&["--type", "DisputeArchived"]);
    let payload = &archived[0]["payload"];
    assert_eq!(payload["sessions"].as_array().map(Vec::len), Some(2));
    assert!(payload["registration"].is_u64() && payload["agreement"].is_u64());
    verify_help(&town, &dispute_id, volunteer(HELPER))
        .await
        .expect("the peace held");
    assert_eq!(town.balance(volunteer(HELPER)).await.granted, 50);
    let again = verify_help(&town, &dispute_id, volunteer(HELPER)).await;
    refused(again, Code::AlreadyExists, "HELP_ALREADY_VERIFIED");
    town.restart().await;
    assert_eq!(
        state(&town, &dispute_id).await,
        wire::DisputeState::Archived
    );
    assert_eq!(town.balance(volunteer(HELPER)).await.granted, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_obligation_that_falls_due_unperformed_is_breached_urged_and_referred_to_court() {
    let mut town = Town::with_volunteers(4).await;
    let dispute_id = effective(&town, 10).await;
    town.advance(days_on(&town, 11)).await;
    let answer = shown(&town, CAPTAIN, &dispute_id).await;
    let dispute = answer.dispute.expect("a dispute");
    assert_eq!(dispute.state(), wire::DisputeState::Breached);
    // Nobody asked within the week how it holds, either.
    assert_eq!((dispute.obligations_overdue, dispute.breaches), (1, 1));
    let timers = answer.steps.iter().filter(|step| step.channel == "timer");
    let timers: Vec<_> = timers.map(|step| step.r#type.as_str()).collect();
    assert_eq!(timers, ["DeadlineBreached", "ObligationOverdue"]);
    let overdue = wire::ListDisputesRequest {
        breached_only: true,
        ..Default::default()
    };
    assert_eq!(town.done(CAPTAIN, overdue).await.disputes.len(), 1);
    let stuck = town.stuck(wire::StuckWorkKind::Dispute).await;
    // The follow-up was due first.
    assert_eq!(stuck, [(dispute_id.clone(), "FOLLOW_UP".to_owned())]);
    let request = wire::UrgePerformanceRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
    };
    town.done(OFFICER, request).await;
    let request = wire::ReferToCourtRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
        court: "the district court".to_owned(),
    };
    town.done(OFFICER, request).await;
    town.advance(days_on(&town, 8)).await;
    assert_eq!(
        state(&town, &dispute_id).await,
        wire::DisputeState::Archived
    );
    assert_eq!(town.stuck(wire::StuckWorkKind::Dispute).await, []);
    let help = verify_help(&town, &dispute_id, volunteer(HELPER)).await;
    refused(help, Code::FailedPrecondition, "PEACE_NOT_HELD");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mediation_that_nobody_ends_in_its_days_stands_among_stuck_work_until_it_is_ended() {
    let mut town = Town::with_volunteers(4).await;
    let dispute_id = accepted(&town).await;
    assert_eq!(town.stuck(wire::StuckWorkKind::Dispute).await, []);
    town.advance(days_on(&town, 31)).await;
    let stuck = town.stuck(wire::StuckWorkKind::Dispute).await;
    assert_eq!(stuck, [(dispute_id.clone(), "MEDIATION".to_owned())]);
    let request = wire::FailMediationRequest {
        command_id: town.id(),
        dispute_id,
        reason: "nobody came".to_owned(),
        remedies: vec![wire::Remedy::Court.into()],
    };
    town.done(OFFICER, request).await;
    assert_eq!(town.stuck(wire::StuckWorkKind::Dispute).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_party_may_stop_until_the_agreement_binds_and_not_after() {
    let town = Town::with_volunteers(4).await;
    let withdraw = |dispute_id: &str, number: usize| wire::WithdrawFromMediationRequest {
        command_id: town.id(),
        dispute_id: dispute_id.to_owned(),
        party_id: party(number).0,
        paper: Vec::new(),
    };
    let open = agreed(&town, 14).await;
    // Nobody withdraws for another.
    let by_other = town.by(&party(1).1).call(withdraw(&open, 0)).await;
    refused(by_other, Code::PermissionDenied, "PARTY_ACT_NOT_PROVEN");
    town.done(&party(1).1, withdraw(&open, 1)).await;
    assert_eq!(state(&town, &open).await, wire::DisputeState::Withdrawn);
    let bound = effective(&town, 14).await;
    let late = town.by(&party(0).1).call(withdraw(&bound, 0)).await;
    refused(late, Code::FailedPrecondition, "AGREEMENT_IN_FORCE");
    // What broke out again is linked, and the funnel counts all of it.
    let again = found(&town, &bound).await;
    let first = shown(&town, CAPTAIN, &bound)
        .await
        .dispute
        .expect("a dispute");
    assert_eq!(first.relapse_ids, [again]);
    let request = wire::GetMediationReportRequest {
        unit_id: community().to_string(),
        ..Default::default()
    };
    let report = town.done(CAPTAIN, request).await.report.expect("a report");
    assert_eq!(
        (
            report.registered,
            report.accepted,
            report.agreed,
            report.effective
        ),
        (3, 2, 2, 1)
    );
    assert_eq!((report.withdrawn, report.relapsed, report.open), (1, 1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_whom_it_concerns_sees_who_is_at_odds() {
    let town = Town::with_volunteers(4).await;
    let dispute_id = effective(&town, 14).await;
    for subject in [
        CAPTAIN,
        OFFICER,
        INSPECTOR,
        &party(0).1,
        &volunteer_login(HELPER),
    ] {
        let answer = shown(&town, subject, &dispute_id).await;
        let dispute = answer.dispute.expect("a dispute");
        assert_eq!(dispute.party_ids.len(), 2, "{subject}");
        let said = answer
            .steps
            .iter()
            .any(|step| step.payload_json.contains(&party(0).0));
        assert!(said, "{subject}");
    }
    let passer_by = volunteer_login(PASSER_BY);
    let answer = shown(&town, &passer_by, &dispute_id).await;
    let listed = town
        .done(&passer_by, wire::ListDisputesRequest::default())
        .await;
    let known = shown(&town, CAPTAIN, &dispute_id).await;
    assert!(known.steps.iter().all(|step| !step.principal_id.is_empty()));
    // Neither the parties nor the logins through which they act, nor who mediates.
    let mut hidden: Vec<_> = [0, 1].map(|number| party(number).0).into();
    hidden.extend(known.steps.iter().map(|step| step.principal_id.clone()));
    hidden.push(staff(OFFICER).to_string());
    for text in [format!("{answer:?}"), format!("{listed:?}")] {
        for id in &hidden {
            assert!(!text.contains(id), "{id} in {text}");
        }
    }
    let told = |step: &wire::DisputeStep| step.payload_json.as_str() != "";
    assert!(!answer.steps.iter().any(told));
    assert_eq!(
        answer.dispute.expect("a dispute").state(),
        wire::DisputeState::Performing
    );
    assert!(
        answer.steps.len() > 10,
        "that something happened is no secret"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_disputes_neither_skip_nor_repeat_while_they_change() {
    let mut town = Town::with_volunteers(4).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(found(&town, "").await);
        town.advance(town.now() + Duration::minutes(1)).await;
    }
    let page = |page_token: String| wire::ListDisputesRequest {
        oldest_first: true,
        page_size: 2,
        page_token,
        ..Default::default()
    };
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let answer = town.done(CAPTAIN, page(token)).await;
        seen.extend(answer.disputes.into_iter().map(|it| it.dispute_id));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
        // Those on later pages and those seen may change between the pages.
        let request = wire::DeclineDisputeRequest {
            command_id: town.id(),
            dispute_id: all[seen.len() - 1].clone(),
            reason: "not for us".to_owned(),
            where_to_go: "the district court".to_owned(),
        };
        town.done(CAPTAIN, request).await;
    }
    assert_eq!(seen, all);
    let malformed = page("00".to_owned());
    let answer = town.by(CAPTAIN).call(malformed).await;
    assert_eq!(answer.expect_err("malformed").code(), Code::InvalidArgument);
}
