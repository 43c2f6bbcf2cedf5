//! A lead in confidence over the API: it earns its source points, and nobody but the officer who
//! reviews it finds out who that is, by no call, list, statement, replay, log or error text.

mod secrecy;

use api::session::{Session, reason, timestamp};
use api::wire;
use domain::account::award_id;
use domain::ids::derived;
use serde_json::Value;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::harness::{ADMIN, run};
use crate::town::{
    CAPTAIN, INSPECTOR, INSTRUCTOR, OFFICER, RECTIFIER, Town, community, refused, staff, volunteer,
    volunteer_login,
};

/// Who tips.
const TIPSTER: usize = 0;
/// Another volunteer.
const OTHER: usize = 1;
/// Volunteers who hold the roles that no staff has: mediator and grid worker.
const MEDIATOR: usize = 2;
const GRID_WORKER: usize = 3;
/// What is told.
const BODY: &str = "flat 502 is let to strangers";

/// A lead, with all that was asked of it.
struct Told {
    lead_id: String,
    matter_id: String,
    command_ids: Vec<String>,
}

async fn town() -> Town {
    let town = Town::with_volunteers(4).await;
    town.grant(volunteer(MEDIATOR), wire::Role::Mediator).await;
    town.grant(volunteer(GRID_WORKER), wire::Role::GridWorker)
        .await;
    town
}

fn submission(town: &Town, lead_id: &str) -> wire::SubmitLeadRequest {
    wire::SubmitLeadRequest {
        command_id: town.id(),
        lead_id: lead_id.to_owned(),
        community_id: community().to_string(),
        kind: wire::LeadKind::Rental.into(),
        body: BODY.to_owned(),
        ..Default::default()
    }
}

/// Submits a lead in somebody's name.
async fn submit(town: &Town, subject: &str) -> Told {
    let lead_id = town.id();
    let request = submission(town, &lead_id);
    let command_ids = vec![request.command_id.clone()];
    town.done(subject, request).await;
    Told {
        lead_id,
        matter_id: town.id(),
        command_ids,
    }
}

fn triage(town: &Town, lead_id: &str) -> wire::TriageLeadRequest {
    wire::TriageLeadRequest {
        command_id: town.id(),
        lead_id: lead_id.to_owned(),
    }
}

fn access(town: &Town, lead_id: &str) -> wire::AccessLeadRequest {
    wire::AccessLeadRequest {
        command_id: town.id(),
        lead_id: lead_id.to_owned(),
        purpose: "to visit the flat".to_owned(),
    }
}

fn validation(town: &Town, lead_id: &str, matter_id: &str) -> wire::ValidateLeadRequest {
    wire::ValidateLeadRequest {
        command_id: town.id(),
        lead_id: lead_id.to_owned(),
        matter_id: matter_id.to_owned(),
        effect: "four tenants registered".to_owned(),
    }
}

fn rejection(town: &Town, lead_id: &str) -> wire::RejectLeadRequest {
    wire::RejectLeadRequest {
        command_id: town.id(),
        lead_id: lead_id.to_owned(),
        reason: "the owner lives there".to_owned(),
    }
}

/// A lead of the tipster that the officer found true, and that has brought its award.
async fn valid(town: &Town) -> Told {
    let mut told = submit(town, &volunteer_login(TIPSTER)).await;
    let triage = triage(town, &told.lead_id);
    let access = access(town, &told.lead_id);
    let validation = validation(town, &told.lead_id, &told.matter_id);
    told.command_ids.extend([
        triage.command_id.clone(),
        access.command_id.clone(),
        validation.command_id.clone(),
    ]);
    town.done(OFFICER, triage).await;
    let content = town.done(OFFICER, access).await;
    assert_eq!(content.body, BODY);
    assert_eq!(content.source_id, volunteer(TIPSTER).to_string());
    town.done(OFFICER, validation).await;
    // Asked with consequences: what is looked for afterwards is there to be found.
    town.balance(volunteer(TIPSTER)).await;
    told
}

fn consequences() -> wire::ReadConsistency {
    wire::ReadConsistency {
        at_least: None,
        with_consequences: true,
    }
}

async fn shown(town: &Town, subject: &str, lead_id: &str) -> Result<wire::GetLeadResponse, Status> {
    let request = wire::GetLeadRequest {
        lead_id: lead_id.to_owned(),
        consistency: Some(consequences()),
    };
    town.by(subject).call(request).await
}

async fn listed(session: &Session) -> Vec<wire::Lead> {
    let request = wire::ListLeadsRequest {
        consistency: Some(consequences()),
        ..Default::default()
    };
    session.call(request).await.expect("a list").leads
}

/// Somebody's balance, shown to them.
async fn own_balance(town: &Town, person: usize) -> wire::Balance {
    let request = wire::GetBalanceRequest {
        person_id: volunteer(person).to_string(),
        consistency: Some(consequences()),
        ..Default::default()
    };
    let answer = town.done(&volunteer_login(person), request).await;
    answer.balance.expect("a balance")
}

async fn statement(town: &Town, subject: &str, person: usize) -> wire::GetStatementResponse {
    let request = wire::GetStatementRequest {
        person_id: volunteer(person).to_string(),
        consistency: Some(consequences()),
        ..Default::default()
    };
    town.done(subject, request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_valid_rental_lead_earns_its_source_50_points_and_reads_as_a_safety_contribution() {
    let mut town = town().await;
    let told = valid(&town).await;
    let balance = own_balance(&town, TIPSTER).await;
    assert_eq!((balance.granted, balance.pending), (50, 50));
    let lead = shown(&town, OFFICER, &told.lead_id)
        .await
        .expect("its reviewer");
    let types: Vec<_> = lead.steps.iter().map(|step| step.r#type.as_str()).collect();
    assert_eq!(
        types,
        [
            "LeadSubmitted",
            "LeadTriaged",
            "LeadAccessed",
            "LeadValidated"
        ]
    );
    assert_eq!(lead.lead.expect("a lead").state(), wire::LeadState::Valid);
    let validated = town.now();
    let midnight = |days| {
        let zone = chrono::FixedOffset::east_opt(8 * 3_600).expect("Shanghai's");
        let day = validated.with_timezone(&zone).date_naive() + chrono::Duration::days(days);
        let midnight = day
            .and_time(chrono::NaiveTime::MIN)
            .and_local_timezone(zone);
        Some(timestamp(midnight.unwrap().to_utc()))
    };
    assert_eq!(balance.next_vesting_at, midnight(8));
    town.advance(validated + chrono::Duration::days(9)).await;
    town.restart().await;
    let balance = own_balance(&town, TIPSTER).await;
    assert_eq!((balance.granted, balance.spendable), (50, 50));
    let lines = statement(&town, &volunteer_login(TIPSTER), TIPSTER).await;
    let lines = lines.lines;
    let titles: Vec<_> = lines
        .iter()
        .map(|line| line.activity_title.as_str())
        .collect();
    assert_eq!(titles, ["safety contribution", "safety contribution"]);
    // Days, not times; neither what it is for nor where it stands.
    let expected = [
        (wire::StatementLineKind::Granted, 0, 50, 0),
        (wire::StatementLineKind::Vested, 8, 0, 50),
    ];
    for (line, (kind, day, pending, spendable)) in lines.iter().zip(expected) {
        let shown = wire::StatementLine {
            kind: kind.into(),
            value_date: midnight(day),
            points: 50,
            pending,
            spendable,
            award_id: line.award_id.clone(),
            policy_set: "pilot/1".to_owned(),
            computed: 50,
            granted: 50,
            vests_at: midnight(8),
            activity_title: "safety contribution".to_owned(),
            ..Default::default()
        };
        assert_eq!(*line, shown);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_leads_about_one_matter_validated_at_once_the_one_submitted_first_wins_and_is_awarded()
 {
    let town = town().await;
    let first = submit(&town, &volunteer_login(TIPSTER)).await;
    let second = submit(&town, &volunteer_login(OTHER)).await;
    town.done(OFFICER, triage(&town, &first.lead_id)).await;
    town.done(CAPTAIN, triage(&town, &second.lead_id)).await;
    let matter = town.id();
    let (by_officer, by_captain) = (town.by(OFFICER), town.by(CAPTAIN));
    let (one, other) = tokio::join!(
        by_officer.call(validation(&town, &first.lead_id, &matter)),
        by_captain.call(validation(&town, &second.lead_id, &matter)),
    );
    one.expect("taken");
    other.expect("taken");
    let mut states = Vec::new();
    for (subject, told) in [(OFFICER, &first), (CAPTAIN, &second)] {
        let answer = shown(&town, subject, &told.lead_id)
            .await
            .expect("its reviewer");
        states.push(answer.lead.expect("a lead").state());
    }
    assert_eq!(states, [wire::LeadState::Valid, wire::LeadState::Duplicate]);
    // If the other one was validated first, its award is revised to nothing.
    for (number, expected) in [(TIPSTER, 50), (OTHER, 0)] {
        let balance = own_balance(&town, number).await;
        assert_eq!(balance.granted.cast_signed() + balance.revised, expected);
        assert_eq!(balance.debt, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_validation_gets_the_first_receipt_and_brings_no_second_award() {
    let town = town().await;
    let told = submit(&town, &volunteer_login(TIPSTER)).await;
    town.done(OFFICER, triage(&town, &told.lead_id)).await;
    let told_first = told.matter_id.clone();
    let request = validation(&town, &told.lead_id, &told_first);
    let first = town.done(OFFICER, request.clone()).await.receipt;
    let first = first.expect("a receipt");
    // The server draws another contribution; the command is the same.
    let again = town.done(OFFICER, request.clone()).await.receipt;
    let again = again.expect("a receipt");
    assert!(again.replayed && !first.replayed);
    assert_eq!(again.position, first.position);
    let other = wire::ValidateLeadRequest {
        matter_id: town.id(),
        ..request
    };
    let other = town.by(OFFICER).call(other).await;
    refused(other, Code::FailedPrecondition, "COMMAND_ID_REUSED");
    assert_eq!(own_balance(&town, TIPSTER).await.granted, 50);
    let awards = town.folder.replay(&["--reveal", "--type", "AwardGranted"]);
    assert_eq!(awards.len(), 1);
    // The same of one that has become a duplicate.
    let told = submit(&town, &volunteer_login(OTHER)).await;
    town.done(OFFICER, triage(&town, &told.lead_id)).await;
    let request = validation(&town, &told.lead_id, &told_first);
    let first = town.done(OFFICER, request.clone()).await.receipt;
    let again = town.done(OFFICER, request.clone()).await.receipt;
    let (first, again) = (first.expect("a receipt"), again.expect("a receipt"));
    assert!(again.replayed && !first.replayed);
    assert_eq!(again.position, first.position);
    let other = wire::ValidateLeadRequest {
        effect: "nothing".to_owned(),
        ..request
    };
    let other = town.by(OFFICER).call(other).await;
    refused(other, Code::FailedPrecondition, "COMMAND_ID_REUSED");
    assert_eq!(own_balance(&town, OTHER).await.granted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tells_untrue_leads_again_and_again_waits_and_nobody_else_is_told() {
    let mut town = town().await;
    let tipster = volunteer_login(TIPSTER);
    for _ in 0..3 {
        let told = submit(&town, &tipster).await;
        town.done(OFFICER, triage(&town, &told.lead_id)).await;
        town.done(OFFICER, rejection(&town, &told.lead_id)).await;
    }
    let throttled = town.by(&tipster).call(submission(&town, &town.id())).await;
    refused(throttled, Code::PermissionDenied, "LEADS_THROTTLED");
    submit(&town, &volunteer_login(OTHER)).await;
    // An officer may enter what the person tells; the answer says nothing of their past.
    let entry = |source: usize| wire::SubmitLeadRequest {
        source_id: volunteer(source).to_string(),
        ..submission(&town, &town.id())
    };
    for source in [TIPSTER, OTHER] {
        town.done(CAPTAIN, entry(source)).await;
    }
    let by_other = town.by(&volunteer_login(OTHER)).call(entry(TIPSTER)).await;
    refused(by_other, Code::PermissionDenied, "ENTRY_NOT_ALLOWED");
    town.advance(town.now() + chrono::Duration::days(31)).await;
    submit(&town, &tipster).await;
    assert_eq!(own_balance(&town, TIPSTER).await.granted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_leads_neither_skip_nor_repeat_while_they_change() {
    let mut town = town().await;
    let mut all = Vec::new();
    for number in 0..5 {
        let source = volunteer_login([TIPSTER, OTHER][number % 2]);
        all.push(submit(&town, &source).await.lead_id);
        town.advance(town.now() + chrono::Duration::minutes(1))
            .await;
    }
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = wire::ListLeadsRequest {
            page_size: 2,
            page_token,
            consistency: Some(consequences()),
            ..Default::default()
        };
        let answer = town.done(OFFICER, request).await;
        seen.extend(answer.leads.into_iter().map(|lead| lead.lead_id));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let last = seen.last().expect("a lead").clone();
        town.done(OFFICER, triage(&town, &last)).await;
    }
    assert_eq!(seen, all);
    let malformed = wire::ListLeadsRequest {
        page_token: "00".to_owned(),
        ..Default::default()
    };
    let answer = town.by(OFFICER).call(malformed).await;
    assert_eq!(answer.expect_err("malformed").code(), Code::InvalidArgument);
}
