//! The same command again gets the first answer, for ever.

use api::wire;

use crate::town::{CAPTAIN, OFFICER, Town, at, volunteer};

/// A receipt as the repeat of a command shows it.
fn repeated(first: &wire::Receipt) -> wire::Receipt {
    wire::Receipt {
        replayed: true,
        ..first.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_command_again_gets_the_first_receipt() {
    let mut town = Town::with_volunteers(1).await;
    let hazard = town.hazard(&town.id());
    let reported = town
        .done(CAPTAIN, hazard.clone())
        .await
        .receipt
        .expect("a receipt");
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[volunteer(0)])
        .await;
    let verification = town.verification(&shift, volunteer(0));
    let verified = town
        .done(OFFICER, verification.clone())
        .await
        .receipt
        .expect("a receipt");
    assert!(!reported.replayed && !verified.replayed);
    assert_eq!(reported.commit_hash.len(), 32);
    town.balance(volunteer(0)).await;
    let before = town.log().await;

    let again = town
        .done(CAPTAIN, hazard.clone())
        .await
        .receipt
        .expect("a receipt");
    assert_eq!(again, repeated(&reported));
    let again = town
        .done(OFFICER, verification.clone())
        .await
        .receipt
        .expect("a receipt");
    assert_eq!(again, repeated(&verified));

    // Also weeks later and after a restart.
    town.advance(at("2024-08-01T00:00:00Z")).await;
    town.restart().await;
    let later = town.log().await;
    let again = town.done(CAPTAIN, hazard).await.receipt.expect("a receipt");
    assert_eq!(again, repeated(&reported));
    let again = town
        .done(OFFICER, verification)
        .await
        .receipt
        .expect("a receipt");
    assert_eq!(again, repeated(&verified));
    let after = town.log().await;
    assert_eq!((after.position, after.root), (later.position, later.root));
    assert!(before.position < later.position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_belongs_to_who_used_it() {
    let town = Town::with_volunteers(0).await;
    let hazard = town.hazard(&town.id());
    town.done(CAPTAIN, hazard.clone()).await;
    let same_id = wire::ReportHazardRequest {
        hazard_id: town.id(),
        ..hazard
    };
    let receipt = town
        .done(OFFICER, same_id)
        .await
        .receipt
        .expect("a receipt");
    assert!(!receipt.replayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_leaves_the_command_id_free() {
    let mut town = Town::with_volunteers(1).await;
    let from = at("2024-07-01T11:00:00Z");
    let shift = town.sign_up(0, from, &[volunteer(0)]).await;
    let too_early = town.check_in(&shift, volunteer(0));
    town.by(CAPTAIN)
        .call(too_early.clone())
        .await
        .expect_err("three hours too early");
    town.advance(from).await;
    let receipt = town
        .done(CAPTAIN, too_early)
        .await
        .receipt
        .expect("a receipt");
    assert!(!receipt.replayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_who_send_the_same_at_once_is_first_and_the_others_repeat_it() {
    let town = Town::with_volunteers(0).await;
    let before = town.log().await;
    let hazard = town.hazard(&town.id());
    let calls = (0..16).map(|_| {
        let (captain, hazard) = (town.by(CAPTAIN), hazard.clone());
        tokio::spawn(async move { captain.call(hazard).await })
    });
    let calls: Vec<_> = calls.collect();
    let mut firsts = 0;
    for call in calls {
        let answer = call
            .await
            .expect("no call panics")
            .expect("every call is answered");
        let receipt = answer.receipt.expect("a receipt");
        assert_eq!(receipt.position, before.position + 1);
        firsts += u32::from(!receipt.replayed);
    }
    assert_eq!(firsts, 1);
    assert_eq!(town.log().await.position, before.position + 1);
}
