//! One award for each activity, person and rule, whatever is repeated, lost or rebuilt.

use std::collections::BTreeMap;
use std::fs;

use api::wire;
use serde_json::Value;
use tonic::Code;

use crate::town::{OFFICER, Town, at, refused, volunteer};

/// How often each activity, person and rule was awarded, by the events.
fn awards(town: &Town) -> BTreeMap<(String, String, String), u32> {
    let mut awards = BTreeMap::new();
    for event in town.folder.replay(&["--type", "AwardGranted"]) {
        let payload = &event["payload"];
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let key = (
            text(&payload["activity"]["id"]),
            text(&payload["person"]),
            text(&payload["rule"]),
        );
        *awards.entry(key).or_default() += 1;
    }
    awards
}

/// A town in which two people walked and one of them also went from door to door, all verified.
async fn awarded() -> (Town, String, String) {
    let mut town = Town::with_volunteers(2).await;
    let (first, second) = (volunteer(0), volunteer(1));
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[first, second])
        .await;
    let campaign = town.campaign(at("2024-07-02T10:00:00Z"), &[first]).await;
    town.verify(&shift, first).await;
    town.verify(&shift, second).await;
    let request = town.campaign_verification(&campaign, first);
    town.done(OFFICER, request).await;
    assert_eq!(town.balance(first).await.granted, 100);
    assert_eq!(town.balance(second).await.granted, 50);
    (town, shift, campaign)
}

/// Insists that the three activities are awarded once each.
async fn still_awarded_once(town: &Town, shift: &str, campaign: &str) {
    assert_eq!(town.balance(volunteer(0)).await.granted, 100);
    assert_eq!(town.balance(volunteer(1)).await.granted, 50);
    let key = |activity: &str, person, rule: &str| {
        (
            activity.to_owned(),
            volunteer(person).to_string(),
            rule.to_owned(),
        )
    };
    let expected = BTreeMap::from([
        (key(shift, 0, "PATROL"), 1),
        (key(shift, 1, "PATROL"), 1),
        (key(campaign, 0, "PUBLICITY"), 1),
    ]);
    assert_eq!(awards(town), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activity_verified_again_under_a_new_command_id_brings_nothing_more() {
    let (mut town, shift, campaign) = awarded().await;
    let answer = town
        .by(OFFICER)
        .call(town.verification(&shift, volunteer(0)))
        .await;
    refused(
        answer,
        Code::FailedPrecondition,
        "PARTICIPATION_ALREADY_SETTLED",
    );
    let request = town.campaign_verification(&campaign, volunteer(0));
    let answer = town.by(OFFICER).call(request).await;
    refused(answer, Code::FailedPrecondition, "PARTICIPATION_SETTLED");
    still_awarded_once(&town, &shift, &campaign).await;
    town.restart().await;
    still_awarded_once(&town, &shift, &campaign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_read_models_and_cursors_bring_no_award_again() {
    let (mut town, shift, campaign) = awarded().await;
    for crash in [false, true] {
        let before = town.log().await.position;
        let server = town.stop();
        if crash {
            server.kill();
        } else {
            server.terminate().exits(0);
        }
        // Snapshots and the cursors of reactions and timers are caches: all of it may go.
        let views = town.folder.data().join("views");
        assert!(
            crash || views.is_dir(),
            "an end in good order leaves snapshots"
        );
        if views.is_dir() {
            fs::remove_dir_all(&views).expect("the snapshots can be removed");
        }
        town.start().await;
        still_awarded_once(&town, &shift, &campaign).await;
        assert_eq!(town.log().await.position, before, "nothing was done again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minutes_that_a_shift_has_counted_count_in_no_other() {
    let mut town = Town::with_volunteers(1).await;
    let walker = volunteer(0);
    let shift = town.walk(0, at("2024-07-01T11:00:00Z"), &[walker]).await;
    town.verify(&shift, walker).await;
    town.advance(at("2024-07-20T02:00:00Z")).await;
    let request = wire::FileLateShiftRequest {
        command_id: town.id(),
        shift_id: town.id(),
        community_id: crate::town::community().to_string(),
        zone_id: town.zone(1).to_owned(),
        parts: vec![wire::FiledPart {
            person_id: walker.to_string(),
            from: Some(api::session::timestamp(at("2024-07-01T11:30:00Z"))),
            until: Some(api::session::timestamp(at("2024-07-01T13:10:00Z"))),
        }],
        reason: "walked twice at once".to_owned(),
    };
    let late = request.shift_id.clone();
    town.done(crate::town::CAPTAIN, request).await;
    let request = wire::ApproveLateShiftRequest {
        command_id: town.id(),
        shift_id: late.clone(),
    };
    town.done(crate::town::INSTRUCTOR, request).await;
    town.verify(&late, walker).await;
    // Ten minutes are new: fewer than the thirty that a patrol needs.
    let balance = town.balance(walker).await;
    assert_eq!((balance.granted, balance.forgone), (50, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_patrols_a_day_are_awarded_and_a_third_is_kept_back_by_the_cap() {
    let mut town = Town::with_volunteers(1).await;
    let walker = volunteer(0);
    for start in [
        "2024-07-01T01:00:00Z",
        "2024-07-01T04:00:00Z",
        "2024-07-01T07:00:00Z",
    ] {
        let shift = town.walk(0, at(start), &[walker]).await;
        town.verify(&shift, walker).await;
    }
    let balance = town.balance(walker).await;
    assert_eq!(
        (balance.granted, balance.forgone, balance.pending),
        (100, 50, 100)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_award_taken_back_leaves_the_balance_and_the_statement_says_so() {
    let (town, shift, _) = awarded().await;
    let walker = volunteer(1);
    let request = wire::GetStatementRequest {
        person_id: walker.to_string(),
        ..Default::default()
    };
    let lines = town.done(OFFICER, request.clone()).await.lines;
    let granted = &lines[0];
    assert_eq!(granted.kind(), wire::StatementLineKind::Granted);
    assert_eq!(
        (granted.activity_id.as_str(), granted.rule.as_str()),
        (&*shift, "PATROL")
    );
    assert_eq!(granted.verified_by, crate::town::staff(OFFICER).to_string());
    assert_eq!(granted.policy_set, "pilot/1");

    let reversal = wire::ReverseAwardRequest {
        command_id: town.id(),
        person_id: walker.to_string(),
        award_id: granted.award_id.clone(),
        reason: "seen elsewhere".to_owned(),
        mode: wire::ReversalMode::PendingOnly.into(),
    };
    let own = town
        .by(&crate::town::volunteer_login(1))
        .call(reversal.clone())
        .await;
    refused(own, Code::PermissionDenied, "REVERSER_IS_BENEFICIARY");
    town.done(crate::town::CAPTAIN, reversal).await;
    let balance = town.balance(walker).await;
    assert_eq!((balance.granted, balance.reversed), (50, 50));
    assert_eq!((balance.pending, balance.spendable), (0, 0));
    let lines = town.done(OFFICER, request).await.lines;
    let kinds: Vec<_> = lines.iter().map(wire::StatementLine::kind).collect();
    assert_eq!(
        kinds,
        [
            wire::StatementLineKind::Granted,
            wire::StatementLineKind::Reversed
        ]
    );
}
