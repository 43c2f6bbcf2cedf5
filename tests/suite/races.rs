//! Rules over several streams hold when many callers are at it at once.

use std::collections::BTreeMap;

use api::session::{Rpc, Session, reason};
use api::wire;
use chrono::Duration;

use crate::town::{CAPTAIN, INSTRUCTOR, OFFICER, Town, at, community, tag, volunteer};

/// Sends all of them at once; counts the answers by the name of the refusal, `""` if taken.
async fn all_at_once<R: Rpc + Send>(calls: Vec<(Session, R)>) -> BTreeMap<String, usize>
where
    R::Response: Send,
{
    let send = |(session, request): (Session, R)| {
        tokio::spawn(async move { session.call(request).await.map(drop) })
    };
    let under_way: Vec<_> = calls.into_iter().map(send).collect();
    let mut answers = BTreeMap::new();
    for call in under_way {
        let name = match call.await.expect("no call panics") {
            Ok(()) => String::new(),
            Err(status) => reason(&status).unwrap_or_else(|| panic!("{status:?}")),
        };
        *answers.entry(name).or_default() += 1;
    }
    answers
}

/// One was taken, all others were refused by this name.
fn one_of(count: usize, refusal: &str) -> BTreeMap<String, usize> {
    BTreeMap::from([(String::new(), 1), (refusal.to_owned(), count - 1)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_checks_in_everywhere_at_once_is_on_one_shift() {
    let mut town = Town::with_volunteers(1).await;
    let walker = volunteer(0);
    let from = town.now() + Duration::hours(1);
    let mut shifts = Vec::new();
    for zone in 0..6 {
        shifts.push(town.sign_up(zone, from, &[walker]).await);
    }
    town.advance(from).await;
    let calls = shifts
        .iter()
        .map(|shift| (town.by(CAPTAIN), town.check_in(shift, walker)));
    let answers = all_at_once(calls.collect()).await;
    assert_eq!(answers, one_of(6, "PERSON_HAS_OPEN_SHIFT"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_three_people_verify_at_once_is_verified_and_awarded_once() {
    let mut town = Town::with_volunteers(1).await;
    let walker = volunteer(0);
    let shift = town.walk(0, at("2024-07-01T11:00:00Z"), &[walker]).await;
    let verifiers = [CAPTAIN, INSTRUCTOR, OFFICER];
    let calls = verifiers.map(|by| (town.by(by), town.verification(&shift, walker)));
    let answers = all_at_once(calls.into()).await;
    assert_eq!(answers, one_of(3, "PARTICIPATION_ALREADY_SETTLED"));
    assert_eq!(town.balance(walker).await.granted, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_is_put_up_eight_times_at_once_is_at_one_checkpoint() {
    let town = Town::with_volunteers(0).await;
    let calls = (0..8).map(|_| {
        let request = wire::InstallCheckpointRequest {
            command_id: town.id(),
            checkpoint_id: town.id(),
            community_id: community().to_string(),
            name: "a second one".to_owned(),
            tag: tag(9, 9),
            place: Some(wire::Place {
                lat_e7: 325_060_000,
                lon_e7: 1_201_420_000,
            }),
            radius_m: 50,
        };
        (town.by(CAPTAIN), request)
    });
    let answers = all_at_once(calls.collect()).await;
    assert_eq!(answers, one_of(8, "TAG_ALREADY_IN_USE"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_patrols_of_a_day_that_are_verified_at_once_do_not_pass_the_cap() {
    let mut town = Town::with_volunteers(1).await;
    let walker = volunteer(0);
    let mut shifts = Vec::new();
    for start in [
        "2024-07-01T01:00:00Z",
        "2024-07-01T04:00:00Z",
        "2024-07-01T07:00:00Z",
    ] {
        shifts.push(town.walk(0, at(start), &[walker]).await);
    }
    let calls = shifts
        .iter()
        .map(|shift| (town.by(OFFICER), town.verification(shift, walker)));
    let answers = all_at_once(calls.collect()).await;
    assert_eq!(answers, BTreeMap::from([(String::new(), 3)]));
    let balance = town.balance(walker).await;
    assert_eq!((balance.granted, balance.forgone), (100, 50));
}
