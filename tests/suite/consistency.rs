//! A query sees what its caller has written, and what follows from it.
//!
//! Owns `at_least` and `with_consequences`: the award that follows from a verification, a position
//! of another epoch, a position that is not there yet.

use api::session::timestamp;
use api::wire;
use tonic::Code;

use crate::harness::{ADMIN, run};
use crate::town::{CAPTAIN, INSPECTOR, RECTIFIER, Town, at, refused, volunteer};

fn seen(at_least: Option<wire::LogPosition>, with_consequences: bool) -> wire::ReadConsistency {
    wire::ReadConsistency {
        at_least,
        with_consequences,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verification_shows_as_a_pending_award_and_seven_days_later_as_points_to_spend() {
    let mut town = Town::with_volunteers(2).await;
    let walker = volunteer(0);
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[walker, volunteer(1)])
        .await;
    let receipt = town.verify(&shift, walker).await;
    let until = at("2024-07-01T13:00:00Z");

    let place = wire::LogPosition {
        epoch: receipt.epoch,
        position: receipt.position,
    };
    let request = wire::GetBalanceRequest {
        person_id: walker.to_string(),
        consistency: Some(seen(Some(place), true)),
        ..Default::default()
    };
    let answer = town.done(ADMIN, request.clone()).await;
    let read_point = answer.read_point.expect("a read point");
    assert!(
        read_point.position > receipt.position,
        "the award follows the verification"
    );
    assert!(read_point.simulated_clock && !read_point.build.is_empty());
    assert_eq!(read_point.stuck_reactions, []);
    let balance = answer.balance.expect("a balance");
    assert_eq!(
        (balance.granted, balance.pending, balance.spendable),
        (50, 50, 0)
    );
    assert_eq!((balance.awards, balance.next_vesting_points), (1, 50));
    let vests_at = until + chrono::Duration::days(7);
    assert_eq!(balance.next_vesting_at, Some(timestamp(vests_at)));

    // Vesting needs no event: it is computed at its instant.
    town.advance(vests_at - chrono::Duration::seconds(1)).await;
    let balance = town.balance(walker).await;
    assert_eq!((balance.pending, balance.spendable), (50, 0));
    town.advance(vests_at).await;
    let balance = town.balance(walker).await;
    assert_eq!((balance.pending, balance.spendable), (0, 50));
    assert_eq!(balance.next_vesting_at, None);

    // As of a day before, it is as it was then.
    let as_of = wire::GetBalanceRequest {
        as_of: Some(timestamp(vests_at - chrono::Duration::days(1))),
        ..request
    };
    let balance = town.done(ADMIN, as_of).await.balance.expect("a balance");
    assert_eq!((balance.pending, balance.spendable), (50, 0));
    // Who is not verified has nothing.
    assert_eq!(town.balance(volunteer(1)).await.granted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_of_another_epoch_is_refused_by_name() {
    let town = Town::with_volunteers(1).await;
    let log = town.log().await;
    let other = wire::LogPosition {
        epoch: log.epoch + 1,
        position: 1,
    };
    for with_consequences in [false, true] {
        let request = wire::GetBalanceRequest {
            person_id: volunteer(0).to_string(),
            consistency: Some(seen(Some(other), with_consequences)),
            ..Default::default()
        };
        let answer = town.by(ADMIN).call(request).await;
        refused(answer, Code::FailedPrecondition, "EPOCH_IS_ANOTHER");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_does_not_come_is_unavailable_and_the_lag_is_named() {
    let town = Town::with_volunteers(1).await;
    let log = town.log().await;
    let ahead = wire::LogPosition {
        epoch: log.epoch,
        position: log.position + 37,
    };
    let request = wire::GetBalanceRequest {
        person_id: volunteer(0).to_string(),
        consistency: Some(seen(Some(ahead), false)),
        ..Default::default()
    };
    let status = town
        .by(ADMIN)
        .call(request)
        .await
        .expect_err("there is no such position");
    assert!(
        status.message().contains("37"),
        "the lag is 37: {}",
        status.message()
    );
    refused::<()>(Err(status), Code::Unavailable, "READ_MODEL_BEHIND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_ends_when_the_position_comes() {
    let town = Town::with_volunteers(1).await;
    let log = town.log().await;
    let next = wire::LogPosition {
        epoch: log.epoch,
        position: log.position + 1,
    };
    let hazard = town.hazard(&town.id());
    let request = wire::GetHazardRequest {
        hazard_id: hazard.hazard_id.clone(),
        consistency: Some(seen(Some(next), false)),
    };
    let captain = town.by(CAPTAIN);
    let waiting = tokio::spawn(async move { captain.call(request).await });
    town.done(CAPTAIN, hazard).await;
    let answer = waiting
        .await
        .expect("it does not panic")
        .expect("it is answered");
    assert!(answer.read_point.expect("a read point").position >= next.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_and_its_folder_tell_the_same() {
    let mut town = Town::with_volunteers(2).await;
    let (first, second) = (volunteer(0), volunteer(1));
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[first, second])
        .await;
    town.verify(&shift, first).await;
    town.balance(first).await;
    let hazard = town.report().await;
    let log = town.log().await;
    let root = domain::ids::hex(&log.root);
    let verified = town.folder.run(&["verify"], &[]).exits(0).stdout;
    let expected = format!(
        "events={} commits={} root={root}\n",
        log.position, log.commit_count
    );
    assert_eq!(verified, expected);

    let person = first.to_string();
    for question in [&["balance", &person][..], &["coverage"], &["case", &hazard]] {
        let of_folder = town.folder.run(question, &["--json"]).exits(0);
        let of_service = [question, &["--json", "--server", town.url()]].concat();
        let of_service = run(&of_service).exits(0);
        assert_eq!(of_folder.json(), of_service.json(), "{question:?}");
        let table = town.folder.run(question, &[]).exits(0);
        assert!(table.stdout.lines().count() > 2, "{}", table.stdout);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_passes_is_recorded_once_and_withdrawn_when_it_was_met() {
    let mut town = Town::with_volunteers(1).await;
    let hazard = town.report().await;
    town.assign(&hazard).await;
    let due = town.now() + chrono::Duration::hours(24);
    let breaches = |town: &Town| {
        let events = town.folder.replay(&["--case", &hazard]);
        let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
        (of("DeadlineBreached"), of("BreachWithdrawn"))
    };
    town.advance(due - chrono::Duration::minutes(1)).await;
    assert_eq!(breaches(&town), (0, 0));
    town.advance(due + chrono::Duration::days(2)).await;
    assert_eq!(breaches(&town), (1, 0));
    town.restart().await;
    town.advance(due + chrono::Duration::days(3)).await;
    assert_eq!(breaches(&town), (1, 0), "once, also after a restart");

    // It had been done in time, as re-inspection confirms.
    let request = wire::ClaimRectificationRequest {
        command_id: town.id(),
        hazard_id: hazard.clone(),
        done_at: Some(timestamp(due - chrono::Duration::hours(1))),
        photos: Vec::new(),
    };
    town.done(RECTIFIER, request).await;
    town.done(INSPECTOR, town.reinspection(&hazard)).await;
    assert_eq!(breaches(&town), (1, 1), "both stay visible");
}
