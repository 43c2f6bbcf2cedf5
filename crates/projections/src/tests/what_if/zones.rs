//! Patrols under another zone plan.

use domain::patrol_shift::{Command as Shift, Reverified};
use domain::zone_plan;
use eventlog::Clock as _;

use super::*;
use crate::fixture::{COMMUNITY, History, OTHER_ZONE, SHIFT, ZONE};
use crate::tests::patrol_day::{VOLUNTEER, capture, settle, square};

/// The drawing in force, with other words in it.
fn drawn(changes: &[(&str, &str)]) -> Supposition {
    let mut drawing = square();
    for (from, to) in changes {
        drawing = drawing.replace(from, to);
    }
    Supposition::Zones {
        community: id(COMMUNITY),
        zones: zone_plan::read(&drawing, 25).expect("a drawing"),
    }
}

/// One walked: checkpoint 601 scanned at 20:10 in the zone of time, 602 missed.
async fn walked() -> Told {
    let told = Told::born().await;
    settle(&told.town).await;
    let (shift, person) = (id(SHIFT), id(VOLUNTEER));
    let signed_up = Shift::SignUp { shift, person };
    told.town.run("admin", signed_up).await;
    told.at(24 + 12).await;
    let checked_in = Shift::CheckIn {
        shift,
        person,
        capture: capture("2024-01-02T12:00:00Z"),
    };
    told.town.run("admin", checked_in).await;
    told.timers
        .advance_to(at("2024-01-02T12:10:00Z"))
        .await
        .expect("fired");
    let scanned = Shift::ScanCheckpoint {
        shift,
        person,
        tag: "tag 601".to_owned(),
        capture: capture("2024-01-02T12:10:00Z"),
    };
    told.town.run("admin", scanned).await;
    told.at(48).await;
    told
}

/// `zone hour hit missed` of one side of each differing cell; a side without the cell says nothing.
fn cells(found: &Supposed, side: fn(&Difference) -> &Option<Value>) -> Vec<String> {
    let cell = |difference: &Difference| {
        let row = side(difference).as_ref()?;
        let mut parts = difference.key.split('/').skip(2);
        let zone = uuid::Uuid::parse_str(parts.next()?).ok()?.as_u128();
        let hour = parts.nth(1)?;
        let (hit, missed) = (&row["checkpoints_hit"], &row["checkpoints_missed"]);
        Some(format!("{zone} {hour} {hit} {missed}"))
    };
    found.found.differences.iter().filter_map(cell).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_in_force_changes_nothing() {
    let told = walked().await;
    for model in ["patrol_coverage", "missed_alarms", "zones"] {
        let found = told.supposed(model, drawn(&[])).await;
        assert_eq!(found.found.differences, [], "{model}");
        assert!(found.found.rows > 0, "{model}");
    }
    let log: Arc<dyn eventlog::EventLog> = History::whole().await.log;
    let engine = Engine::start(log, Options::default())
        .await
        .expect("started");
    let found = found(&engine, asked("patrol_coverage", drawn(&[]))).await;
    let found = found.expect("found").found;
    assert_eq!(
        found.differences,
        [],
        "nothing is known of where its checkpoints stood"
    );
    assert!(found.rows > 0);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_and_a_miss_count_in_the_zone_that_would_have_held_the_checkpoint() {
    let told = walked().await;
    let (zone, other) = (
        id::<domain::ids::ZoneId>(ZONE).to_string(),
        id::<domain::ids::ZoneId>(OTHER_ZONE).to_string(),
    );
    let found = told
        .supposed("patrol_coverage", drawn(&[(&zone, &other)]))
        .await;
    let recorded = cells(&found, |difference| &difference.live);
    let supposed = cells(&found, |difference| &difference.rebuilt);
    assert_eq!(recorded, ["201 20 1 0", "201 21 0 1"]);
    // What was planned and walked stays where it was planned.
    assert_eq!(
        supposed,
        ["201 20 0 0", "201 21 0 0", "202 20 1 0", "202 21 0 1"]
    );
    let alarms = told
        .supposed("missed_alarms", drawn(&[(&zone, &other)]))
        .await;
    assert_eq!(alarms.found.differing_rows, 1);
    // Drawn far away, the checkpoint lies in no zone: it counts where the shift patrols.
    let away = told
        .supposed("patrol_coverage", drawn(&[("120.", "110.")]))
        .await;
    assert_eq!(away.found.differences, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_stand_in_the_place_of_those_that_were_adopted() {
    let told = walked().await;
    let found = told.supposed("zones", drawn(&[("gate", "harbour")])).await;
    assert_eq!(found.found.differing_rows, 1);
    let row = found.found.differences[0].rebuilt.clone().expect("a row");
    assert_eq!(row["zones"][0]["name"], "harbour");
    let elsewhere = Supposition::Zones {
        community: id(ELSEWHERE),
        zones: zone_plan::read(&square(), 25).expect("a drawing"),
    };
    let found = told.supposed("zones", elsewhere).await;
    assert_eq!(
        found.found.differing_rows, 0,
        "another community is not concerned"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dispute_counts_and_takes_back_lies_where_the_scans_would_have() {
    let told = walked().await;
    let (shift, person) = (id(SHIFT), id(VOLUNTEER));
    let late = Shift::ScanCheckpoint {
        shift,
        person,
        tag: "tag 602".to_owned(),
        capture: capture("2024-01-02T13:10:00Z"),
    };
    told.town.run("admin", late).await;
    let verified = Shift::VerifyParticipation { shift, person };
    told.town.run("admin", verified).await;
    let reason = Personal::new("the scan came late");
    told.town
        .run("admin", Shift::DisputeShift { shift, reason })
        .await;
    // A captain who had nothing to do with it.
    let applied = domain::member::Command::ApplyForMembership {
        community: id(COMMUNITY),
        person: id(22),
        kind: domain::member::MemberKind::CommunityWorker,
        under_14: false,
        guardian_consent: None,
        applied_at: None,
    };
    told.town.run("admin", applied).await;
    let (community, person_22) = (id(COMMUNITY), id(22));
    let approved = domain::member::Command::ApproveMember {
        community,
        person: person_22,
    };
    told.town.run("admin", approved).await;
    let captain = domain::member::Command::GrantRole {
        community,
        person: person_22,
        role: domain::member::Role::Captain,
        from: told.town.clock.now(),
        until: None,
        appointment: Some("appointment 1".to_owned()),
    };
    told.town.run("admin", captain).await;
    let parts = vec![Reverified {
        person,
        accepted: true,
        from: None,
        until: None,
        reason: None,
    }];
    let reverified = Shift::ReverifyShift { shift, parts };
    told.town.run("inspector", reverified).await;
    let (zone, other) = (
        id::<domain::ids::ZoneId>(ZONE).to_string(),
        id::<domain::ids::ZoneId>(OTHER_ZONE).to_string(),
    );
    let found = told
        .supposed("patrol_coverage", drawn(&[(&zone, &other)]))
        .await;
    let supposed = cells(&found, |difference| &difference.rebuilt);
    assert_eq!(
        supposed,
        ["201 20 0 0", "201 21 0 0", "202 20 1 0", "202 21 1 0"]
    );
}
