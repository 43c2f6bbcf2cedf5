//! What is lost in both copies is given up openly: by name, by an administrator, in a new epoch.
//!
//! Owns `log accept-loss` from the refusal to serve to the first receipts of the new epoch. How a
//! fork comes through an interruption is tested where it is built.

use api::wire;
use serde_json::Value;
use tonic::Code;

use crate::damage::Spot;
use crate::harness::{ADMIN, Ran, Server};
use crate::town::{Town, refused, volunteer_login};

/// A command with its answer.
struct Told {
    request: wire::ReportHazardRequest,
    receipt: wire::Receipt,
}

/// Reports so many hazards.
async fn told(town: &Town, count: usize) -> Vec<Told> {
    let mut told = Vec::with_capacity(count);
    for _ in 0..count {
        let request = town.hazard(&town.id());
        let answer = town.done(&volunteer_login(0), request.clone()).await;
        let receipt = answer.receipt.expect("a receipt");
        told.push(Told { request, receipt });
    }
    told
}

fn seen(receipt: &wire::Receipt) -> wire::GetHazardTotalsRequest {
    wire::GetHazardTotalsRequest {
        consistency: Some(wire::ReadConsistency {
            at_least: Some(wire::LogPosition {
                epoch: receipt.epoch,
                position: receipt.position,
            }),
            with_consequences: false,
        }),
        ..Default::default()
    }
}

fn accept(town: &Town, subject: &str, lose_after: Option<u64>) -> Ran {
    let position = lose_after.map(|position| position.to_string());
    let mut args = vec!["--as", subject];
    if let Some(position) = &position {
        args.extend(["--lose-after", position]);
    }
    town.folder.run(&["log", "accept-loss"], &args)
}

/// `position=…` in what it prints of what is proven.
#[track_caller]
fn proven(ran: &Ran) -> u64 {
    let word = ran
        .stdout
        .split_whitespace()
        .find_map(|word| word.strip_prefix("position="));
    word.and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no position in: {}", ran.stdout))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_in_both_copies_is_accepted_by_its_name_and_begins_an_epoch() {
    let mut town = Town::with_volunteers(1).await;
    let told = told(&town, 60).await;
    let before = town.log().await;
    assert_eq!(
        before.origin,
        format!("test.example/log/{}/1", before.log_id)
    );
    town.stop().terminate().exits(0);
    let history = town.folder.replay(&[]);
    let spot = Spot::after(&town.folder.data(), 7);
    spot.damage_journal();
    spot.damage_copy();

    let served = Server::refuses_to_start(&town.folder.data()).exits(3);
    town.folder.run(&["log", "info"], &[]).exits(1);
    let damaged = town.folder.digests();
    for nobody in ["nobody", &volunteer_login(0)] {
        let ran = accept(&town, nobody, None).exits(3);
        assert!(ran.stderr.contains("administrator"), "{}", ran.stderr);
    }
    let shown = accept(&town, ADMIN, None).exits(1);
    let end = proven(&shown);
    assert!(
        served
            .stderr
            .contains(&format!("whole up to position {end}")),
        "both name the same end: {}",
        served.stderr
    );
    assert!(shown.stderr.contains(&format!("--lose-after {end}")));
    assert!(shown.stdout.contains(&format!("positions {} to", end + 1)));
    for wrong in [end - 1, end + 1, before.position] {
        accept(&town, ADMIN, Some(wrong)).exits(2);
    }
    assert_eq!(town.folder.digests(), damaged, "nothing was changed so far");

    accept(&town, ADMIN, Some(end)).exits(0);
    let nothing = accept(&town, ADMIN, Some(end)).exits(3);
    assert!(nothing.stderr.contains("nothing to accept"));
    town.folder.run(&["verify"], &[]).exits(0);
    let after = town.folder.replay(&[]);
    let kept = usize::try_from(end).expect("a small log");
    assert_eq!(
        after[..kept],
        history[..kept],
        "what was proven is as it was"
    );
    first_commit(&after[kept..], end, before.position);
    let aside = town
        .folder
        .run(&["log", "info"], &["--json"])
        .exits(0)
        .json();
    assert_eq!(aside["epochs"][1]["first_position"], end + 1);
    assert!(
        aside["set_aside"]
            .as_array()
            .is_some_and(|aside| !aside.is_empty())
    );

    town.start().await;
    receipts(&town, &told, end).await;
    let log = town.log().await;
    assert_eq!(log.epoch, 2);
    let prefix = format!("test.example/log/{}/2-", log.log_id);
    assert!(log.origin.starts_with(&prefix), "{}", log.origin);
    town.stop().terminate().exits(0);
    town.folder.run(&["verify"], &[]).exits(0);
}

/// The one event of the new epoch, so far.
#[track_caller]
fn first_commit(events: &[Value], end: u64, claimed: u64) {
    let [event] = events else {
        panic!("one event is expected: {events:?}");
    };
    assert_eq!(event["type"], "EpochStarted");
    assert_eq!(event["stream"], "genesis/log");
    let told = &event["payload"];
    assert_eq!(
        (&told["epoch"], &told["parent_epoch"]),
        (&2.into(), &1.into())
    );
    assert_eq!(told["parent_position"], end);
    assert_eq!(told["claimed_position"], claimed);
    assert!(told["reason"]["accepted_loss"]["finding"].is_string());
}

/// Old receipts are refused by name, new ones are of the new epoch; a command whose commit was kept
/// gets its first receipt, one that was lost is taken anew.
async fn receipts(town: &Town, told: &[Told], end: u64) {
    let (kept, lost): (Vec<_>, Vec<_>) = told.iter().partition(|told| told.receipt.position <= end);
    assert!(!kept.is_empty() && !lost.is_empty());
    let session = town.by(&volunteer_login(0));
    for told in [kept[0], lost[0]] {
        let answer = session.call(seen(&told.receipt)).await;
        refused(answer, Code::FailedPrecondition, "EPOCH_IS_ANOTHER");
    }
    for told in kept {
        let again = session.call(told.request.clone()).await;
        let first = wire::Receipt {
            replayed: true,
            ..told.receipt.clone()
        };
        assert_eq!(again.expect("an answer").receipt, Some(first));
    }
    for told in lost {
        let anew = session.call(told.request.clone()).await;
        let receipt = anew.expect("an answer").receipt.expect("a receipt");
        assert!(!receipt.replayed);
        assert_eq!(receipt.epoch, 2);
        assert!(receipt.position > end);
        session
            .call(seen(&receipt))
            .await
            .expect("a position of this epoch can be waited for");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_given_up_of_a_log_that_is_whole_or_can_be_healed_or_is_served() {
    let mut town = Town::with_volunteers(1).await;
    told(&town, 5).await;
    let end = town.log().await.position;
    let running = accept(&town, ADMIN, Some(end)).exits(3);
    assert!(running.stderr.contains("in use"), "{}", running.stderr);
    town.stop().terminate().exits(0);
    let whole = accept(&town, ADMIN, Some(end)).exits(3);
    assert!(whole.stderr.contains("nothing to accept"));
    Spot::after(&town.folder.data(), 7).damage_journal();
    let damaged = town.folder.digests();
    let healable = accept(&town, ADMIN, Some(end)).exits(3);
    assert!(healable.stderr.contains("heals"), "{}", healable.stderr);
    assert_eq!(town.folder.digests(), damaged);
    town.start().await;
    assert_eq!(town.log().await.position, end);
}
