//! `benniu replay` gives the life of a case and of a person as JSON Lines, in order.

use api::wire;
use serde_json::Value;

use crate::town::{CAPTAIN, INSPECTOR, Town, at, volunteer};

fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().expect("a type"))
        .collect()
}

/// Insists on what every line has, and on the order of the log.
fn check_lines(events: &[Value]) {
    let mut last = 0;
    for event in events {
        let position = event["position"].as_u64().expect("a position");
        assert!(position > last, "{event} comes after {last}");
        last = position;
        let account = event["stream"]
            .as_str()
            .is_some_and(|stream| stream.starts_with("account/"));
        assert!(
            match event["version"].as_u64() {
                // A gap would tell whose award is withheld.
                None => account && event["version"].is_null(),
                Some(version) => !account && version > 0,
            },
            "{event}"
        );
        assert!(
            event["stream"]
                .as_str()
                .is_some_and(|stream| stream.contains('/')),
            "{event}"
        );
        assert!(
            event["type"].is_string() && event["payload"].is_object(),
            "{event}"
        );
        for time in ["occurred_at", "recorded_at"] {
            let text = event[time].as_str().expect("an instant");
            assert!(text.parse::<domain::Instant>().is_ok(), "{event}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hazard_and_a_person_are_replayed_event_by_event() {
    let mut town = Town::with_volunteers(2).await;
    let walker = volunteer(0);
    let hazard = town.report().await;
    town.rectify(&hazard).await;
    town.done(INSPECTOR, town.reinspection(&hazard)).await;
    town.done(CAPTAIN, town.close_out(&hazard)).await;
    let other = town.report().await;
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[walker, volunteer(1)])
        .await;
    town.verify(&shift, walker).await;
    town.verify(&shift, volunteer(1)).await;
    town.balance(walker).await;
    let request = wire::LeaveMembershipRequest {
        command_id: town.id(),
        community_id: crate::town::community().to_string(),
        person_id: walker.to_string(),
    };
    town.done(CAPTAIN, request).await;

    let check = |hazard_events: &[Value], person_events: &[Value]| {
        check_lines(hazard_events);
        assert_eq!(
            types(hazard_events),
            [
                "HazardReported",
                "HazardVerified",
                "DeadlineSet",
                "OwnerAssigned",
                "RectificationClaimed",
                "DeadlineSet",
                "ReinspectionPassed",
                "HazardClosedOut",
            ]
        );
        let stream = format!("hazard/{hazard}");
        for (n, event) in hazard_events.iter().enumerate() {
            assert_eq!(event["stream"], stream.as_str());
            assert_eq!(event["version"], n + 1);
        }
        check_lines(person_events);
        let types = types(person_events);
        for kind in [
            "PersonRegistered",
            "MemberApproved",
            "PatrollerSignedUp",
            "PatrollerCheckedIn",
            "PatrollerCheckedOut",
            "ParticipationVerified",
            "AwardGranted",
            "MemberLeft",
        ] {
            let count = types.iter().filter(|name| **name == kind).count();
            assert_eq!(count, 1, "{kind} in {types:?}");
        }
        let stranger = volunteer(1).to_string();
        for event in person_events {
            // What several people's commit records is shown only as far as it is this one's.
            assert_ne!(event["payload"]["person"], stranger.as_str(), "{event}");
        }
    };
    let (person, case) = (walker.to_string(), hazard.as_str());
    // Beside the running service, and after its end.
    check(
        &town.folder.replay(&["--case", case]),
        &town.folder.replay(&["--person", &person]),
    );
    town.stop().terminate().exits(0);
    check(
        &town.folder.replay(&["--case", case]),
        &town.folder.replay(&["--person", &person]),
    );

    let one_stream = town
        .folder
        .replay(&["--stream", &format!("hazard/{other}")]);
    assert_eq!(types(&one_stream), ["HazardReported"]);
    let reported = town.folder.replay(&["--type", "HazardReported"]);
    assert_eq!(reported.len(), 2);
    let all = town.folder.replay(&[]);
    check_lines(&all);
    let from = all[9]["position"].to_string();
    let to = all[19]["position"].to_string();
    assert_eq!(
        town.folder.replay(&["--from", &from, "--to", &to]),
        all[9..=19]
    );
}
