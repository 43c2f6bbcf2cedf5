//! The people and units around the activities, as of each date: a person joins, leaves, rejoins and
//! moves; a tag moves; a household splits; a unit is moved, or splits while items are open.

use api::session::timestamp;
use api::wire;
use chrono::Duration;
use domain::Instant;
use serde_json::Value;
use tonic::Code;
use uuid::Uuid;

use crate::harness::ADMIN;
use crate::town::{
    CAPTAIN, OFFICER, Town, at, checkpoint, community, refused, staff, tag, unit, volunteer,
    volunteer_login,
};

/// Questions must have seen everything that was recorded.
pub(crate) async fn seen(town: &Town) -> Option<wire::ReadConsistency> {
    let log = town.log().await;
    Some(wire::ReadConsistency {
        at_least: Some(wire::LogPosition {
            epoch: log.epoch,
            position: log.position,
        }),
        with_consequences: false,
    })
}

/// Members and volunteers of a unit at a date, by a server.
pub(crate) async fn members(town: &Town, unit: Uuid, as_of: Instant) -> (u64, u64) {
    let request = wire::GetMembershipCountsRequest {
        unit_id: unit.to_string(),
        as_of: Some(timestamp(as_of)),
        consistency: seen(town).await,
        ..Default::default()
    };
    let answer = town.done(ADMIN, request).await;
    let mut kinds = answer.active_by_kind.iter();
    let volunteers = kinds.find(|kind| kind.kind() == wire::MemberKind::Volunteer);
    (answer.members, volunteers.map_or(0, |kind| kind.count))
}

async fn leave(town: &Town, person: Uuid) {
    let request = wire::LeaveMembershipRequest {
        command_id: town.id(),
        community_id: community().to_string(),
        person_id: person.to_string(),
    };
    town.done(CAPTAIN, request).await;
}

async fn apply(town: &Town, community: Uuid, number: usize) {
    let request = wire::ApplyForMembershipRequest {
        command_id: town.id(),
        community_id: community.to_string(),
        person_id: volunteer(number).to_string(),
        kind: wire::MemberKind::Volunteer.into(),
        ..Default::default()
    };
    town.done(&volunteer_login(number), request).await;
    let request = wire::ApproveMemberRequest {
        command_id: town.id(),
        community_id: community.to_string(),
        person_id: volunteer(number).to_string(),
    };
    town.done(ADMIN, request).await;
}

/// Founds a unit below one of the town's.
async fn found(town: &Town, name: &str, level: wire::UnitLevel, parent: Uuid) -> Uuid {
    let unit_id = unit(name);
    let request = wire::FoundUnitRequest {
        command_id: town.id(),
        unit_id: unit_id.to_string(),
        level: level.into(),
        name: name.to_owned(),
        parent_id: parent.to_string(),
        ..Default::default()
    };
    town.done(ADMIN, request).await;
    unit_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_joins_leaves_and_rejoins_and_each_date_counts_as_it_was() {
    let mut town = Town::with_volunteers(2).await;
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[volunteer(0)])
        .await;
    town.verify(&shift, volunteer(0)).await;
    let joined = town.now();
    town.advance(at("2024-07-05T00:00:00Z")).await;
    let planned = town
        .sign_up(0, at("2024-07-06T11:00:00Z"), &[volunteer(1)])
        .await;
    leave(&town, volunteer(0)).await;
    let left = town.now();
    let request = wire::SignUpRequest {
        command_id: town.id(),
        shift_id: planned,
        person_id: volunteer(0).to_string(),
    };
    refused(
        town.by(CAPTAIN).call(request).await,
        Code::FailedPrecondition,
        "MEMBER_NOT_ACTIVE",
    );
    town.advance(at("2024-07-09T00:00:00Z")).await;
    apply(&town, community(), 0).await;
    let again = town.now();
    // The five of the staff are members as well.
    assert_eq!(members(&town, community(), joined).await, (7, 2));
    assert_eq!(members(&town, community(), left).await, (6, 1));
    assert_eq!(
        members(&town, community(), left - Duration::seconds(1)).await,
        (7, 2)
    );
    assert_eq!(members(&town, community(), again).await, (7, 2));
    // The account was not touched by any of it, and goes on.
    assert_eq!(town.balance(volunteer(0)).await.granted, 50);
    let shift = town
        .walk(0, at("2024-07-10T11:00:00Z"), &[volunteer(0)])
        .await;
    town.verify(&shift, volunteer(0)).await;
    assert_eq!(town.balance(volunteer(0)).await.granted, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_moves_to_another_community_takes_the_account_along() {
    let mut town = Town::with_volunteers(2).await;
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[volunteer(0)])
        .await;
    town.verify(&shift, volunteer(0)).await;
    let other = found(&town, "other", wire::UnitLevel::Community, unit("station")).await;
    let before = town.now();
    town.advance(at("2024-07-03T00:00:00Z")).await;
    let request = wire::MoveMemberRequest {
        command_id: town.id(),
        community_id: community().to_string(),
        person_id: volunteer(0).to_string(),
        to_community_id: other.to_string(),
    };
    town.done(ADMIN, request).await;
    let after = town.now();
    assert_eq!(members(&town, community(), before).await.1, 2);
    assert_eq!(members(&town, other, before).await.1, 0);
    assert_eq!(members(&town, community(), after).await.1, 1);
    assert_eq!(members(&town, other, after).await.1, 1);
    assert_eq!(members(&town, unit("station"), after).await.1, 2);
    assert_eq!(town.balance(volunteer(0)).await.granted, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_moves_and_each_scan_counts_where_the_tag_was_then() {
    let mut town = Town::with_volunteers(1).await;
    let crew = [volunteer(0)];
    town.walk(0, at("2024-07-01T11:00:00Z"), &crew).await;
    let replace = |checkpoint: Uuid, tag: &str| wire::ReplaceTagRequest {
        command_id: town.id(),
        checkpoint_id: checkpoint.to_string(),
        tag: tag.to_owned(),
    };
    let moved = tag(0, 0);
    // While it hangs there it cannot hang elsewhere.
    let early = replace(checkpoint(1, 0), &moved);
    refused(
        town.by(CAPTAIN).call(early).await,
        Code::AlreadyExists,
        "TAG_ALREADY_IN_USE",
    );
    town.done(CAPTAIN, replace(checkpoint(0, 0), "TAG-NEW"))
        .await;
    town.done(CAPTAIN, replace(checkpoint(1, 0), &moved)).await;
    let shift = town.sign_up(1, at("2024-07-02T11:00:00Z"), &crew).await;
    town.advance(at("2024-07-02T11:00:00Z")).await;
    town.done(CAPTAIN, town.check_in(&shift, volunteer(0)))
        .await;
    let request = wire::ScanCheckpointRequest {
        command_id: town.id(),
        shift_id: shift,
        person_id: volunteer(0).to_string(),
        tag: moved.clone(),
        capture: Some(town.capture(volunteer(0), None)),
    };
    town.done(CAPTAIN, request).await;
    let scans = town.folder.replay(&["--type", "CheckpointScanned"]);
    let at_tag = scans.iter().filter(|scan| scan["payload"]["tag"] == *moved);
    let checkpoints: Vec<_> = at_tag.map(|scan| &scan["payload"]["checkpoint"]).collect();
    let expected = [checkpoint(0, 0), checkpoint(1, 0)].map(|id| Value::from(id.to_string()));
    assert_eq!(checkpoints, expected.iter().collect::<Vec<_>>());
}

/// Who lives in a household at a date, by the command line on the folder.
fn lives(town: &Town, household: &str, as_of: &str) -> Vec<String> {
    let args = [household, "--as-of", as_of, "--json"];
    let answer = town.folder.run(&["household"], &args).exits(0).json();
    let residents = answer["households"][0]["residents"]
        .as_array()
        .expect("residents");
    residents
        .iter()
        .map(|resident| resident["person"].as_str().expect("an id").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_household_splits_and_who_shared_it_on_the_day_does_not_verify() {
    let mut town = Town::with_volunteers(3).await;
    let (home, flat) = (town.id(), town.id());
    let officer = staff(OFFICER);
    let request = wire::FormHouseholdRequest {
        command_id: town.id(),
        household_id: home.clone(),
        community_id: community().to_string(),
        person_ids: [officer, volunteer(0), volunteer(1)]
            .map(|id| id.to_string())
            .to_vec(),
        from: None,
    };
    town.done(CAPTAIN, request).await;
    let together = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[volunteer(0)])
        .await;
    // While they live together, and for what was done then also afterwards.
    let own = town.verification(&together, volunteer(0));
    refused(
        town.by(OFFICER).call(own).await,
        Code::PermissionDenied,
        "SAME_HOUSEHOLD",
    );
    town.advance(at("2024-07-02T00:00:00Z")).await;
    let request = wire::SplitHouseholdRequest {
        command_id: town.id(),
        household_id: home.clone(),
        into_id: flat.clone(),
        person_ids: [volunteer(0), volunteer(1)]
            .map(|id| id.to_string())
            .to_vec(),
        at: None,
    };
    town.done(CAPTAIN, request).await;
    let again = town.verification(&together, volunteer(0));
    refused(
        town.by(OFFICER).call(again).await,
        Code::PermissionDenied,
        "SAME_HOUSEHOLD",
    );
    let apart = town
        .walk(0, at("2024-07-02T11:00:00Z"), &[volunteer(0)])
        .await;
    town.verify(&apart, volunteer(0)).await;
    town.done(CAPTAIN, town.verification(&together, volunteer(0)))
        .await;
    assert_eq!(town.balance(volunteer(0)).await.granted, 100);
    // Reports before and after as of each date, by whoever may see them.
    let text = |ids: &[Uuid]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (before, after) = ("2024-07-01T23:59:59Z", "2024-07-02T00:00:00Z");
    assert_eq!(
        lives(&town, &home, before),
        text(&[officer, volunteer(0), volunteer(1)])
    );
    assert_eq!(lives(&town, &home, after), text(&[officer]));
    assert_eq!(
        lives(&town, &flat, after),
        text(&[volunteer(0), volunteer(1)])
    );
    let consistency = seen(&town).await;
    let show = |as_of: &str| wire::GetHouseholdRequest {
        household_id: home.clone(),
        as_of: Some(timestamp(at(as_of))),
        consistency,
    };
    let resident = volunteer_login(0);
    let answer = town
        .done(&resident, show(before))
        .await
        .household
        .expect("theirs");
    assert_eq!(answer.residents.len(), 3);
    for (subject, as_of) in [(&resident, after), (&volunteer_login(2), before)] {
        let answer = town.by(subject).call(show(as_of)).await;
        refused(answer, Code::NotFound, "HOUSEHOLD_NOT_FOUND");
    }
    let list = |subject: &str| {
        let request = wire::ListHouseholdsRequest {
            unit_id: unit("station").to_string(),
            consistency,
            ..Default::default()
        };
        let session = town.by(subject);
        async move {
            session
                .call(request)
                .await
                .expect("a list")
                .households
                .len()
        }
    };
    assert_eq!((list(CAPTAIN).await, list(&resident).await), (2, 0));
}

/// The open hazards of a unit.
async fn hazards(town: &Town, unit: Uuid) -> Vec<String> {
    let request = wire::ListHazardsRequest {
        unit_id: unit.to_string(),
        oldest_first: true,
        consistency: seen(town).await,
        ..Default::default()
    };
    let answer = town.done(ADMIN, request).await;
    answer
        .hazards
        .into_iter()
        .map(|hazard| hazard.hazard_id)
        .collect()
}

/// The names of the communities that stand at a date, by the command line on the folder.
fn communities(town: &Town, as_of: &str) -> Vec<String> {
    let answer = town
        .folder
        .run(&["unit"], &["--as-of", as_of, "--json"])
        .exits(0)
        .json();
    let units = answer["units"].as_array().expect("units");
    let mut names: Vec<_> = units
        .iter()
        .filter(|unit| unit["level"] == "community")
        .map(|unit| unit["name"].as_str().expect("a name").to_owned())
        .collect();
    names.sort();
    names
}

/// The community is split into `east`, which takes the rest, and `west` at the start of 5 July.
async fn split(town: &Town) -> (Uuid, Uuid) {
    let east = found(town, "east", wire::UnitLevel::Community, unit("station")).await;
    let west = found(town, "west", wire::UnitLevel::Community, unit("station")).await;
    let request = wire::SplitUnitRequest {
        command_id: town.id(),
        unit_id: community().to_string(),
        successor_ids: vec![east.to_string(), west.to_string()],
        rest_id: east.to_string(),
        effective_from: Some(timestamp(at("2024-07-05T00:00:00Z"))),
    };
    town.done(ADMIN, request).await;
    (east, west)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_splits_while_items_are_open_and_each_has_one_owner_before_and_after() {
    let mut town = Town::with_volunteers(2).await;
    let (first, second) = (town.report().await, town.report().await);
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[volunteer(0)])
        .await;
    let (east, west) = split(&town).await;
    let request = wire::ReassignOpenItemRequest {
        command_id: town.id(),
        kind: wire::OpenItemKind::Hazard.into(),
        item_id: second.clone(),
        to_unit_id: west.to_string(),
    };
    town.done(CAPTAIN, request).await;
    // Before: all of it is the community's.
    let mut both = vec![first.clone(), second.clone()];
    // Seen at one instant, they stand in the order of their ids.
    both.sort();
    assert_eq!(hazards(&town, community()).await, both);
    assert!(hazards(&town, east).await.is_empty() && hazards(&town, west).await.is_empty());
    let before = town.now();
    town.advance(at("2024-07-05T00:00:00Z")).await;
    // After: each has one owner, and together they are what there was.
    assert!(hazards(&town, community()).await.is_empty());
    assert_eq!(hazards(&town, east).await, std::slice::from_ref(&first));
    assert_eq!(hazards(&town, west).await, std::slice::from_ref(&second));
    assert_eq!(hazards(&town, unit("station")).await, both);
    assert_eq!(
        communities(&town, "2024-07-04T23:59:59Z"),
        ["community", "east", "west"]
    );
    assert_eq!(communities(&town, "2024-07-05T00:00:00Z"), ["east", "west"]);
    // It takes nothing new, and its captain leads nobody any more.
    let report = town.hazard(&town.id());
    let answer = town.by(&volunteer_login(0)).call(report).await;
    refused(answer, Code::FailedPrecondition, "UNIT_HAS_ENDED");
    let verify = town.verification(&shift, volunteer(0));
    let answer = town.by(OFFICER).call(verify).await;
    refused(answer, Code::PermissionDenied, "VERIFIER_NOT_ALLOWED");
    // Its people go to where they live now; who leads the successor settles what was left open.
    for (person, to) in [
        (staff(OFFICER), east),
        (volunteer(0), east),
        (volunteer(1), west),
    ] {
        let request = wire::MoveMemberRequest {
            command_id: town.id(),
            community_id: community().to_string(),
            person_id: person.to_string(),
            to_community_id: to.to_string(),
        };
        town.done(ADMIN, request).await;
    }
    let request = wire::GrantRoleRequest {
        command_id: town.id(),
        community_id: east.to_string(),
        person_id: staff(OFFICER).to_string(),
        role: wire::Role::Captain.into(),
        from: Some(timestamp(town.now())),
        until: None,
        appointment: "appointment to the east".to_owned(),
    };
    town.done(ADMIN, request).await;
    town.verify(&shift, volunteer(0)).await;
    assert_eq!(town.balance(volunteer(0)).await.granted, 50);
    let now = town.now();
    assert_eq!(members(&town, community(), before).await.1, 2);
    // Who did not move yet counts with the successor that takes the rest.
    assert_eq!(members(&town, east, now).await, (6, 1));
    assert_eq!(members(&town, west, now).await, (1, 1));
    // The history of the item was not touched: it names the unit it was filed in.
    let stream = format!("hazard/{second}");
    let life = town.folder.replay(&["--stream", &stream]);
    assert_eq!(life[0]["payload"]["unit"], community().to_string());
    assert_eq!(life.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_did_not_move_yet_checks_in_and_files_late_at_every_successor_of_a_split_community() {
    let mut town = Town::with_volunteers(2).await;
    let (east, west) = split(&town).await;
    let geojson = std::fs::read_to_string(crate::harness::repository().join("demo/zones.geojson"));
    let geojson = geojson.expect("the drawn zones");
    for successor in [east, west] {
        let request = wire::AdoptZonePlanRequest {
            command_id: town.id(),
            community_id: successor.to_string(),
            geojson: geojson.clone(),
            effective_from: None,
        };
        town.done(ADMIN, request).await;
    }
    let from = at("2024-07-05T11:00:00Z");
    let shift = town.id();
    let request = wire::PlanShiftRequest {
        community_id: east.to_string(),
        route: Vec::new(),
        ..town.plan(&shift, 0, from)
    };
    town.done(ADMIN, request).await;
    let sign_up = || wire::SignUpRequest {
        command_id: town.id(),
        shift_id: shift.clone(),
        person_id: volunteer(0).to_string(),
    };
    // Until the day of the split they are no member there.
    let answer = town.by(ADMIN).call(sign_up()).await;
    refused(answer, Code::FailedPrecondition, "MEMBER_NOT_ACTIVE");
    town.advance(from).await;
    let request = wire::SignUpRequest {
        command_id: town.id(),
        shift_id: shift.clone(),
        person_id: volunteer(0).to_string(),
    };
    town.done(ADMIN, request).await;
    let check_in = town.check_in(&shift, volunteer(0));
    town.done(ADMIN, check_in).await;
    town.advance(from + Duration::hours(2)).await;
    let request = wire::CheckOutRequest {
        command_id: town.id(),
        shift_id: shift.clone(),
        person_id: volunteer(0).to_string(),
        at: None,
    };
    town.done(ADMIN, request).await;
    let verification = town.verification(&shift, volunteer(0));
    town.done(ADMIN, verification).await;
    assert_eq!(town.balance(volunteer(0)).await.granted, 50);
    // The other one walked in the west and files it; before the split that was another community.
    let file = |town: &Town, start: Instant| wire::FileLateShiftRequest {
        command_id: town.id(),
        shift_id: town.id(),
        community_id: west.to_string(),
        zone_id: town.zone(1).to_owned(),
        parts: vec![wire::FiledPart {
            person_id: volunteer(1).to_string(),
            from: Some(timestamp(start)),
            until: Some(timestamp(start + Duration::hours(1))),
        }],
        reason: "the app was down".to_owned(),
    };
    let early = file(&town, at("2024-07-04T12:00:00Z"));
    let answer = town.by(ADMIN).call(early).await;
    refused(answer, Code::FailedPrecondition, "MEMBER_NOT_ACTIVE");
    town.done(ADMIN, file(&town, at("2024-07-05T11:00:00Z")))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_unit_rolls_up_and_is_named_as_of_each_date() {
    let mut town = Town::with_volunteers(1).await;
    let other = found(
        &town,
        "other station",
        wire::UnitLevel::Station,
        unit("district"),
    )
    .await;
    let noon = at("2024-07-05T04:00:00Z");
    let request = wire::MoveUnitRequest {
        command_id: town.id(),
        unit_id: community().to_string(),
        parent_id: other.to_string(),
        effective_from: Some(timestamp(noon)),
    };
    town.done(ADMIN, request).await;
    // A name that was decided and taken back is as if it had never been.
    let request = wire::RenameUnitRequest {
        command_id: town.id(),
        unit_id: community().to_string(),
        name: "mistaken".to_owned(),
        effective_from: Some(timestamp(noon - Duration::hours(1))),
    };
    town.done(ADMIN, request).await;
    let withdraw = || wire::WithdrawUnitChangeRequest {
        command_id: town.id(),
        unit_id: community().to_string(),
        change: wire::UnitChange::Name.into(),
        effective_from: Some(timestamp(noon - Duration::hours(1))),
    };
    town.done(ADMIN, withdraw()).await;
    refused(
        town.by(ADMIN).call(withdraw()).await,
        Code::NotFound,
        "CHANGE_NOT_FOUND",
    );
    let request = wire::RenameUnitRequest {
        command_id: town.id(),
        unit_id: community().to_string(),
        name: "renamed".to_owned(),
        effective_from: Some(timestamp(noon)),
    };
    town.done(ADMIN, request).await;
    town.advance(noon + Duration::days(1)).await;
    let consistency = seen(&town).await;
    for (as_of, name, station) in [
        (noon - Duration::seconds(1), "community", unit("station")),
        (noon, "renamed", other),
    ] {
        let request = wire::GetUnitRequest {
            unit_id: community().to_string(),
            as_of: Some(timestamp(as_of)),
            consistency,
        };
        let answer = town.done(ADMIN, request).await;
        assert_eq!(answer.unit.expect("a unit").name, name);
        let path = [community(), station, unit("district"), unit("city")];
        assert_eq!(answer.path_ids, path.map(|id| id.to_string()));
        assert_eq!(members(&town, station, as_of).await.1, 1);
    }
    assert_eq!(members(&town, unit("station"), noon).await.1, 0);
    let request = wire::MoveUnitRequest {
        command_id: town.id(),
        unit_id: other.to_string(),
        parent_id: community().to_string(),
        effective_from: None,
    };
    refused(
        town.by(ADMIN).call(request).await,
        Code::InvalidArgument,
        "PARENT_NOT_ABOVE",
    );
}
