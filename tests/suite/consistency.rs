//! A query sees what its caller has written, and what follows from it.
//!
//! Owns `at_least` and `with_consequences`: the award that follows from a verification, a position
//! of another epoch, a position that is not there yet.

use api::session::timestamp;
use api::wire;
use tonic::Code;

use crate::harness::ADMIN;
use crate::town::{CAPTAIN, Town, at, refused, volunteer};

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
