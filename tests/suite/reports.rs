//! Reports over the API and from the command line: the same of a server as of its folder, in pages
//! that join, and silent of what whoever asks may not know.

use api::session::timestamp;
use api::wire;
use chrono::Duration;
use serde_json::Value;
use tonic::Code;

use crate::harness::run;
use crate::town::{
    CAPTAIN, OFFICER, RECTIFIER, Town, community, refused, volunteer, volunteer_login,
};

const CONSEQUENCES: Option<wire::ReadConsistency> = Some(wire::ReadConsistency {
    at_least: None,
    with_consequences: true,
});

/// The report of the service and of its folder, which must be one.
#[track_caller]
fn both(town: &Town, report: &[&str]) -> Value {
    let ask = |place: [&str; 2]| {
        let words = ["report"].iter().chain(report).chain(&place);
        let words: Vec<_> = words.chain(&["--json"]).copied().collect();
        run(&words).exits(0).json()
    };
    let served = ask(["--server", town.url()]);
    let data = town.folder.data();
    let folded = ask(["--data", data.to_str().expect("a plain name")]);
    assert_eq!(served, folded, "{report:?}");
    let table = [&["report"], report, &["--server", town.url()]].concat();
    assert!(!run(&table).exits(0).stdout.trim().is_empty());
    served
}

async fn timeline(
    town: &Town,
    subject: &str,
    kind: wire::CaseKind,
    case_id: &str,
    page_size: i32,
) -> Vec<wire::CaseEvent> {
    let mut request = wire::GetCaseTimelineRequest {
        kind: kind.into(),
        case_id: case_id.to_owned(),
        page_size,
        consistency: CONSEQUENCES,
        ..Default::default()
    };
    let mut events = Vec::new();
    loop {
        let answer = town.done(subject, request.clone()).await;
        assert!(answer.read_point.expect("a read point").position > 0);
        events.extend(answer.events);
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            return events;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_found_and_left_undone_is_told_alike_by_service_and_folder() {
    let mut town = Town::with_volunteers(2).await;
    let from = town.now() + Duration::hours(2);
    let shift = town.sign_up(0, from, &[volunteer(0)]).await;
    let hazard_id = town.id();
    let mut hazard = town.hazard(&hazard_id);
    hazard.place = Some(town.place(0, 0));
    town.done(&volunteer_login(0), hazard).await;
    town.assign(&hazard_id).await;
    town.advance(from + Duration::days(3)).await;
    town.balance(volunteer(0)).await;

    let alarms = both(&town, &["alarms"]);
    let alarms = alarms["alarms"].as_array().expect("alarms");
    assert_eq!((&alarms[0]["what"], alarms.len()), (&"shift".into(), 1));
    assert_eq!(alarms[0]["shift"], shift.as_str());
    let hazards = both(&town, &["hazards"]);
    let total = &hazards["hazards"][1];
    assert_eq!(total["unit"], "all");
    let overdue = serde_json::json!({ "count": 1, "of": 1 });
    assert_eq!(
        (&total["overdue"], &total["open_general"]),
        (&overdue, &1.into())
    );
    let early = both(&town, &["hazards", "--as-of", "2024-07-01T12:00:00Z"]);
    assert_eq!(early["hazards"][1]["overdue"]["count"], 0);
    let days = ["hotspots", "--from", "2024-07-01", "--until", "2024-07-07"];
    let spots = both(&town, &days);
    let spot = &spots["spots"][0];
    // Reported at eight on a Monday morning in Shanghai.
    assert_eq!(
        (&spot["weekday"], &spot["hour"]),
        (&"Mon".into(), &8.into())
    );
    assert_eq!((&spot["hazards"], &spot["before"]), (&1.into(), &0.into()));
    let zones = spot["zones"].as_str().expect("names of zones");
    assert!(zones.contains("North Gate"), "{zones}");
    let hottest = [&days[..], &["--hottest", "5"]].concat();
    assert_eq!(both(&town, &hottest)["spots"], spots["spots"]);
    let growth = both(&town, &["growth"]);
    assert_eq!(growth["months"][0]["joined"], 7);
    let stuck = both(&town, &["stuck"]);
    let kinds: Vec<_> = stuck["stuck"].as_array().expect("rows").iter().collect();
    assert_eq!(kinds.len(), 1, "{stuck}");
    assert_eq!(kinds[0]["id"], hazard_id.as_str());
    assert_eq!(
        both(&town, &["mediation"])["mediation"],
        Value::Array(vec![])
    );
    assert_eq!(both(&town, &["stock"])["books"], Value::Array(vec![]));
    let life = both(&town, &["timeline", "--kind", "hazard", &hazard_id]);
    assert_eq!(life["events"][0]["what"], "HazardReported");

    let whole = timeline(&town, CAPTAIN, wire::CaseKind::Hazard, &hazard_id, 0).await;
    for size in [1, 2, 3] {
        let pages = timeline(&town, CAPTAIN, wire::CaseKind::Hazard, &hazard_id, size).await;
        assert_eq!(pages, whole, "{size}");
    }
    let request = wire::GetHazardRequest {
        hazard_id,
        consistency: CONSEQUENCES,
    };
    let steps = town.done(CAPTAIN, request).await.steps;
    let positions: Vec<_> = whole.iter().map(|event| event.position).collect();
    let shown: Vec<_> = steps.iter().map(|step| step.position).collect();
    assert_eq!(positions, shown);
}

async fn board(town: &Town, page_size: i32) -> Vec<(u32, String, u64)> {
    let mut request = wire::GetLeaderboardRequest {
        unit_id: community().to_string(),
        page_size,
        consistency: CONSEQUENCES,
        ..Default::default()
    };
    let mut standings = Vec::new();
    loop {
        let answer = town.done(CAPTAIN, request.clone()).await;
        let page = answer.standings.into_iter();
        standings.extend(page.map(|it| (it.rank, it.person_id, it.points)));
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            return standings;
        }
    }
}

async fn agree(town: &Town, number: usize) {
    let request = wire::GiveMemberConsentRequest {
        command_id: town.id(),
        community_id: community().to_string(),
        person_id: volunteer(number).to_string(),
        purpose: wire::ConsentPurpose::PublicBoard.into(),
        paper: Vec::new(),
    };
    town.done(&volunteer_login(number), request).await;
}

/// A lead of a volunteer that the officer found true.
async fn valid_lead(town: &Town, number: usize) -> String {
    let lead_id = town.id();
    let submission = wire::SubmitLeadRequest {
        command_id: town.id(),
        lead_id: lead_id.clone(),
        community_id: community().to_string(),
        kind: wire::LeadKind::Rental.into(),
        body: "flat 502 is let to strangers".to_owned(),
        ..Default::default()
    };
    town.done(&volunteer_login(number), submission).await;
    let triage = wire::TriageLeadRequest {
        command_id: town.id(),
        lead_id: lead_id.clone(),
    };
    town.done(OFFICER, triage).await;
    let access = wire::AccessLeadRequest {
        command_id: town.id(),
        lead_id: lead_id.clone(),
        purpose: "to visit the flat".to_owned(),
    };
    town.done(OFFICER, access).await;
    let validation = wire::ValidateLeadRequest {
        command_id: town.id(),
        lead_id: lead_id.clone(),
        matter_id: town.id(),
        effect: "four tenants registered".to_owned(),
    };
    town.done(OFFICER, validation).await;
    lead_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_board_shows_five_who_agreed_or_nobody_and_a_lead_moves_neither_it_nor_growth() {
    let mut town = Town::with_volunteers(6).await;
    let people: Vec<_> = (0..6).map(volunteer).collect();
    let wave = town
        .campaign(town.now() + Duration::hours(1), &people)
        .await;
    for person in people {
        let verification = town.campaign_verification(&wave, person);
        town.done(OFFICER, verification).await;
    }
    for number in 0..4 {
        agree(&town, number).await;
    }
    assert_eq!(board(&town, 0).await, [], "four are too few");
    agree(&town, 4).await;
    let before = board(&town, 0).await;
    assert_eq!(before.len(), 5, "the sixth did not agree");
    assert!(
        before
            .iter()
            .all(|(rank, _, points)| (*rank, *points) == (1, 50))
    );
    assert_eq!(board(&town, 2).await, before, "pages join");
    let growth = both(&town, &["growth"]);

    let lead_id = valid_lead(&town, 3).await;
    town.balance(volunteer(3)).await;
    assert_eq!(board(&town, 0).await, before);
    assert_eq!(both(&town, &["growth"]), growth);
    let shown = both(&town, &["leaderboard"]);
    assert_eq!(shown["standings"].as_array().map(Vec::len), Some(5));
    let request = wire::GetLeaderboardRequest {
        family: wire::ActivityFamily::Lead.into(),
        ..Default::default()
    };
    let answer = town.by(CAPTAIN).call(request).await;
    assert_eq!(answer.expect_err("no board").code(), Code::InvalidArgument);

    // Its reviewer sees what happened and when; nobody else that there is anything.
    let events = timeline(&town, OFFICER, wire::CaseKind::Lead, &lead_id, 1).await;
    assert_eq!(events[0].r#type, "LeadSubmitted");
    for event in &events {
        let told = [&event.principal_id, &event.payload_json, &event.channel];
        assert!(told.iter().all(|text| text.is_empty()) && event.position == 0);
        assert!(event.is_masked);
    }
    for subject in [CAPTAIN, &volunteer_login(3)] {
        let request = wire::GetCaseTimelineRequest {
            kind: wire::CaseKind::Lead.into(),
            case_id: lead_id.clone(),
            ..Default::default()
        };
        let answer = town.by(subject).call(request).await;
        refused(answer, Code::NotFound, "LEAD_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_timeline_of_a_dispute_is_masked_for_whom_it_does_not_concern() {
    let town = Town::with_volunteers(4).await;
    let dispute_id = town.id();
    let request = wire::RegisterDisputeRequest {
        command_id: town.id(),
        dispute_id: dispute_id.clone(),
        community_id: community().to_string(),
        source: wire::DisputeSource::Visit.into(),
        source_id: town.id(),
        kind: wire::DisputeKind::Neighbour.into(),
        party_ids: vec![volunteer(0).to_string(), volunteer(1).to_string()],
        subject: "water comes through the wall".to_owned(),
        ..Default::default()
    };
    town.done(&volunteer_login(2), request).await;
    let kind = wire::CaseKind::Dispute;
    let known = timeline(&town, &volunteer_login(0), kind, &dispute_id, 1).await;
    assert!(known[0].payload_json.contains(&volunteer(1).to_string()));
    assert!(!known[0].payload_json.contains("water"), "no personal text");
    let masked = timeline(&town, RECTIFIER, kind, &dispute_id, 1).await;
    assert_eq!(masked.len(), known.len());
    for event in masked {
        assert!(event.is_masked && event.position > 0);
        assert!(event.payload_json.is_empty() && event.principal_id.is_empty());
    }
    let funnel = both(&town, &["mediation", "--by", "kind"]);
    assert_eq!(funnel["mediation"][0]["group"], "neighbour");
    assert_eq!(funnel["mediation"][0]["registered"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_question_is_refused_by_its_field() {
    let town = Town::with_volunteers(0).await;
    let captain = town.by(CAPTAIN);
    let spots = |day_from: &str, day_until: &str, cell_e7| wire::GetHotSpotsRequest {
        day_from: day_from.to_owned(),
        day_until: day_until.to_owned(),
        cell_e7,
        ..Default::default()
    };
    for (request, field) in [
        (spots("", "2024-07-01", 0), "day_from"),
        (spots("2024-07-02", "2024-07-01", 0), "day_until"),
        (spots("2024-07-01", "2024-07-02", 7), "cell_e7"),
    ] {
        let status = captain.call(request).await.expect_err(field);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(format!("{status:?}").contains(field), "{status:?}");
    }
    let unheard = wire::ListMissedAlarmsRequest {
        unit_id: town.id(),
        from: Some(timestamp(town.now())),
        ..Default::default()
    };
    let answer = captain.call(unheard).await;
    refused(answer, Code::NotFound, "UNIT_NOT_FOUND");
    let request = wire::GetCaseTimelineRequest {
        case_id: town.id(),
        ..Default::default()
    };
    let status = captain.call(request).await.expect_err("no kind");
    assert_eq!(status.code(), Code::InvalidArgument);
    let token = wire::ListStuckWorkRequest {
        page_token: "00".to_owned(),
        ..Default::default()
    };
    let status = captain.call(token).await.expect_err("no token");
    assert_eq!(status.code(), Code::InvalidArgument);
}
