//! What is recorded of people: two records turn out to be of one person, teams, consents, trainings,
//! corrections.

use api::session::timestamp;
use api::wire;
use tonic::Code;
use uuid::Uuid;

use crate::harness::ADMIN;
use crate::people::{members, seen};
use crate::town::{
    CAPTAIN, OFFICER, Town, at, community, refused, staff, unit, volunteer, volunteer_login,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_records_of_one_person_are_compared_as_one_and_the_login_follows() {
    let mut town = Town::with_volunteers(2).await;
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[volunteer(0), volunteer(1)])
        .await;
    // The officer walked as volunteer 0, under an older record of theirs.
    let request = wire::MergePersonsRequest {
        command_id: town.id(),
        person_id: staff(OFFICER).to_string(),
        duplicate_id: volunteer(0).to_string(),
    };
    town.done(ADMIN, request).await;
    for (person, name) in [
        (volunteer(0), "VERIFIER_IS_BENEFICIARY"),
        (volunteer(1), "VERIFIER_WAS_ON_SHIFT"),
    ] {
        let verify = town.verification(&shift, person);
        refused(
            town.by(OFFICER).call(verify).await,
            Code::PermissionDenied,
            name,
        );
    }
    // The login of the duplicate acts as the person who stands, with their roles.
    let close = wire::MergeMembersRequest {
        command_id: town.id(),
        community_id: community().to_string(),
        person_id: staff(OFFICER).to_string(),
        duplicate_id: volunteer(0).to_string(),
    };
    town.done(CAPTAIN, close).await;
    let campaign = town
        .campaign(at("2024-07-02T10:00:00Z"), &[volunteer(1)])
        .await;
    let verify = town.campaign_verification(&campaign, volunteer(1));
    town.done(&volunteer_login(0), verify).await;
    assert_eq!(town.balance(volunteer(1)).await.granted, 50);
    assert_eq!(members(&town, community(), town.now()).await, (6, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_has_its_officer_as_captain_and_shows_who_was_in_it_at_each_date() {
    let mut town = Town::with_volunteers(1).await;
    let team_id = town.id();
    let request = wire::FormTeamRequest {
        command_id: town.id(),
        team_id: team_id.clone(),
        community_id: community().to_string(),
        name: "community policing team".to_owned(),
    };
    town.done(CAPTAIN, request).await;
    let join = |person: Uuid| wire::JoinTeamRequest {
        command_id: town.id(),
        team_id: team_id.clone(),
        person_id: person.to_string(),
    };
    for person in [staff(CAPTAIN), volunteer(0)] {
        town.done(CAPTAIN, join(person)).await;
    }
    let appoint = |person: Uuid| wire::AppointCaptainRequest {
        command_id: town.id(),
        team_id: team_id.clone(),
        person_id: person.to_string(),
    };
    let answer = town.by(CAPTAIN).call(appoint(volunteer(0))).await;
    refused(answer, Code::PermissionDenied, "CAPTAIN_IS_NO_OFFICER");
    town.done(CAPTAIN, appoint(staff(CAPTAIN))).await;
    let before = town.now();
    town.advance(at("2024-07-03T00:00:00Z")).await;
    let request = wire::LeaveTeamRequest {
        command_id: town.id(),
        team_id: team_id.clone(),
        person_id: volunteer(0).to_string(),
    };
    town.done(&volunteer_login(0), request).await;
    let consistency = seen(&town).await;
    for (as_of, count) in [(before, 2), (town.now(), 1)] {
        let request = wire::GetTeamRequest {
            team_id: team_id.clone(),
            as_of: Some(timestamp(as_of)),
            consistency,
        };
        let answer = town.done(ADMIN, request).await;
        assert_eq!(answer.members.len(), count);
        assert_eq!(
            answer.team.expect("a team").captain_id,
            staff(CAPTAIN).to_string()
        );
    }
    let request = wire::ListTeamsRequest {
        unit_id: unit("city").to_string(),
        consistency,
        ..Default::default()
    };
    assert_eq!(town.done(ADMIN, request).await.teams.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_agrees_is_trained_and_has_the_record_corrected() {
    let town = Town::with_volunteers(1).await;
    let (community_id, person_id) = (community().to_string(), volunteer(0).to_string());
    let own = volunteer_login(0);
    let consent = wire::GiveMemberConsentRequest {
        command_id: town.id(),
        community_id: community_id.clone(),
        person_id: person_id.clone(),
        purpose: wire::ConsentPurpose::PublicBoard.into(),
        paper: Vec::new(),
    };
    refused(
        town.by(CAPTAIN).call(consent.clone()).await,
        Code::PermissionDenied,
        "CONSENT_PAPER_MISSING",
    );
    town.done(&own, consent).await;
    let request = wire::WithdrawMemberConsentRequest {
        command_id: town.id(),
        community_id: community_id.clone(),
        person_id: person_id.clone(),
        purpose: wire::ConsentPurpose::PublicBoard.into(),
        paper: Vec::new(),
    };
    town.done(&own, request).await;
    let request = wire::RecordTrainingRequest {
        command_id: town.id(),
        community_id: community_id.clone(),
        person_id: person_id.clone(),
        course: "first aid".to_owned(),
        trained_at: Some(timestamp(at("2022-08-01T00:00:00Z"))),
        certificate: vec![1; 32],
    };
    town.done(CAPTAIN, request).await;
    let correction_id = town.id();
    let request = wire::RequestCorrectionRequest {
        command_id: town.id(),
        community_id: community_id.clone(),
        person_id: person_id.clone(),
        correction_id: correction_id.clone(),
        what: "I am the head of a building".to_owned(),
    };
    town.done(&own, request).await;
    let request = wire::CorrectRecordRequest {
        command_id: town.id(),
        community_id,
        person_id,
        correction_id,
        kind: wire::MemberKind::BuildingHead.into(),
        finding: "so it is".to_owned(),
    };
    town.done(CAPTAIN, request).await;
    assert_eq!(members(&town, community(), town.now()).await, (6, 0));
}
