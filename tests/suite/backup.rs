//! A backup holds what was acknowledged when it was taken, and a log is made out of it whole or not
//! at all.
//!
//! Owns `backup` and `restore` from end to end: beside a service under load, growing, to a position,
//! moved, tampered with.

use std::fs;
use std::path::{Path, PathBuf};

use api::wire;
use serde_json::Value;
use tonic::Code;

use crate::damage::root;
use crate::harness::{ADMIN, Ran, Server, files, run, run_on};
use crate::load::{Load, VOLUNTEERS, gone};
use crate::town::{Town, refused, volunteer_login};

/// Seed of the load beside a backup.
const SEED: u64 = 4;

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// A place beside the town's data.
fn beside(town: &Town, name: &str) -> PathBuf {
    town.folder.data().with_file_name(name)
}

fn back_up(town: &Town) -> Ran {
    let to = beside(town, "backup");
    town.folder.run(&["backup"], &["--to", text(&to)])
}

fn restore(town: &Town, to: &Path, args: &[&str]) -> Ran {
    let from = beside(town, "backup");
    let fixed = [
        "restore",
        "--from",
        text(&from),
        "--data",
        text(to),
        "--as",
        ADMIN,
    ];
    run(&[&fixed, args].concat())
}

fn manifest(town: &Town) -> Value {
    let path = beside(town, "backup").join("manifest.json");
    let bytes = fs::read(path).expect("a manifest");
    serde_json::from_slice(&bytes).expect("a manifest is JSON")
}

fn position(manifest: &Value) -> u64 {
    manifest["position"].as_u64().expect("a position")
}

fn replay(data: &Path) -> Vec<Value> {
    run_on(data, &["replay"], &["--reveal"])
        .exits(0)
        .json_lines()
}

/// A number in what `backup` prints.
#[track_caller]
fn count(ran: &Ran, name: &str) -> u64 {
    let word = ran
        .stdout
        .split_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    word.and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in: {}", ran.stdout))
}

/// Names and lengths of all that lies in a folder: what a failed restore must leave as it was.
fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let length = |path: PathBuf| {
        let length = fs::metadata(&path).expect("a file").len();
        (path, length)
    };
    files(folder).into_iter().map(length).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_a_service_under_load_is_restored_elsewhere_commit_for_commit() {
    let mut town = Town::with_volunteers(VOLUNTEERS).await;
    let mut load = Load::new(SEED, gone);
    let (data, to) = (town.folder.data(), beside(&town, "backup"));
    let mut ends = Vec::new();
    for _ in 0..2 {
        load.round(&mut town, async |server: Server| {
            // The clients go on sending meanwhile.
            let ran =
                tokio::task::block_in_place(|| run_on(&data, &["backup"], &["--to", text(&to)]));
            ends.push(count(&ran.exits(0), "events"));
            server.kill();
        })
        .await;
    }
    let manifest = manifest(&town);
    let end = position(&manifest);
    assert!(ends[0] < end && ends[1] == end, "{ends:?}");
    assert_eq!(manifest["closed_cleanly"], false);
    load.check(&mut town, 5).await;
    town.start().await;
    let request = town.hazard(&town.id());
    let receipt = town.done(&volunteer_login(0), request).await.receipt;
    let receipt = receipt.expect("a receipt");
    assert!(receipt.position > end, "acknowledged after the backup");
    town.stop().terminate().exits(0);

    let restored = beside(&town, "restored");
    restore(&town, &restored, &[]).exits(0);
    run_on(&restored, &["verify"], &[]).exits(0);
    let (before, after) = (replay(&town.folder.data()), replay(&restored));
    let kept = usize::try_from(end).expect("a small log");
    assert_eq!(after.len(), kept + 1);
    assert_eq!(before[..kept], after[..kept]);
    let started = &after[kept];
    assert_eq!(started["type"], "EpochStarted");
    assert_eq!(started["payload"]["parent_root"], manifest["root"]);
    assert_eq!(
        started["payload"]["reason"]["restored"]["backup_position"],
        end
    );

    // It serves, in its new epoch: what was acknowledged after the backup is refused by name.
    let server = Server::start(&restored).await;
    let session = server.session(ADMIN).await;
    let log = session
        .call(wire::GetLogRequest::default())
        .await
        .expect("a log");
    assert!((log.epoch, log.position) >= (2, end + 1));
    let asked = wire::GetLogRequest {
        consistency: Some(wire::ReadConsistency {
            at_least: Some(wire::LogPosition {
                epoch: receipt.epoch,
                position: receipt.position,
            }),
            with_consequences: false,
        }),
    };
    refused(
        session.call(asked).await,
        Code::FailedPrecondition,
        "EPOCH_IS_ANOTHER",
    );
    server.terminate().exits(0);
    run_on(&restored, &["verify"], &[]).exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_backup_copies_only_what_is_new() {
    let mut town = Town::with_volunteers(1).await;
    for _ in 0..30 {
        town.report().await;
    }
    let first = back_up(&town).exits(0);
    assert_eq!(
        (count(&first, "copied"), count(&first, "unchanged")),
        (1, 0)
    );
    town.report().await;
    let second = back_up(&town).exits(0);
    assert_eq!(
        (count(&second, "copied"), count(&second, "unchanged")),
        (1, 0)
    );
    let (all, new) = (
        count(&first, "bytes_copied"),
        count(&second, "bytes_copied"),
    );
    assert!(new > 0 && new < all / 10, "{new} of {all}");
    town.stop().terminate().exits(0);
    // Closing appends nothing; a backup of the same end copies nothing.
    back_up(&town).exits(0);
    let same = back_up(&town).exits(0);
    assert_eq!((count(&same, "copied"), count(&same, "unchanged")), (0, 1));
    assert_eq!(count(&same, "bytes_copied"), 0);
    assert_eq!(manifest(&town)["closed_cleanly"], true);
    let kept = files(&beside(&town, "backup"));
    assert!(
        kept.iter().all(|file| !text(file).contains("keys")),
        "{kept:?}"
    );
    assert!(same.stderr.contains("look-up"), "{}", same.stderr);

    let before = town.folder.digests();
    back_up(&town).exits(0);
    assert_eq!(
        town.folder.digests(),
        before,
        "a backup changes no byte of the log"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_to_a_position_keeps_the_whole_commits_up_to_it() {
    let mut town = Town::with_volunteers(2).await;
    town.stop().terminate().exits(0);
    back_up(&town).exits(0);
    let history = replay(&town.folder.data());
    let commit = |position: u64| {
        let event = &history[usize::try_from(position).expect("small") - 1];
        event["commit"].as_u64().expect("a commit")
    };
    let end = history.len() as u64;
    // A position within a commit of several events, past the birth of the log.
    let within = (end / 2..end).find(|p| commit(*p) == commit(*p + 1));
    let within = within.expect("a commit of several events");
    let whole = (1..within).rev().find(|p| commit(*p) != commit(within));
    let whole = whole.expect("a commit before it");
    for (to, kept) in [(within, whole), (whole, whole), (end, end)] {
        let restored = beside(&town, &format!("to-{to}"));
        let to = to.to_string();
        restore(&town, &restored, &["--to-position", &to]).exits(0);
        let after = replay(&restored);
        let kept = usize::try_from(kept).expect("small");
        assert_eq!(after.len(), kept + 1);
        assert_eq!(after[..kept], history[..kept]);
        let told = &after[kept]["payload"];
        assert_eq!(
            (&told["epoch"], &told["parent_position"]),
            (&2.into(), &kept.into())
        );
        let claimed = if kept as u64 == end {
            Value::Null
        } else {
            end.into()
        };
        assert_eq!(told["claimed_position"], claimed);
        run_on(&restored, &["verify"], &[]).exits(0);
        let server = Server::start(&restored).await;
        server.terminate().exits(0);
        run_on(&restored, &["verify"], &[]).exits(0);
    }

    let place = beside(&town, "none");
    let before = listing(beside(&town, "backup").parent().expect("a place"));
    let beyond = (end + 1).to_string();
    restore(&town, &place, &["--to-position", &beyond]).exits(2);
    // Before anybody administers it.
    restore(&town, &place, &["--to-position", "1"]).exits(3);
    let after = listing(beside(&town, "backup").parent().expect("a place"));
    assert_eq!(after, before, "nothing was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_makes_nothing_out_of_a_tampered_backup_or_over_other_files() {
    let mut town = Town::with_volunteers(1).await;
    town.report().await;
    town.stop().terminate().exits(0);
    back_up(&town).exits(0);
    let place = beside(&town, "full");
    fs::create_dir(&place).expect("a folder");
    fs::write(place.join("diary"), "mine").expect("a file");
    let all = beside(&town, "backup");
    let all = all.parent().expect("a place").to_owned();
    let before = listing(&all);
    let refused = restore(&town, &place, &[]).exits(3);
    assert!(refused.stderr.contains("not empty"), "{}", refused.stderr);
    let over_itself = restore(&town, &town.folder.data(), &[]).exits(3);
    assert!(over_itself.stderr.contains("not empty"));
    assert_eq!(listing(&all), before);

    let place = beside(&town, "none");
    for name in ["journal/00000001.seg", "manifest.json"] {
        let path = beside(&town, "backup").join(name);
        let whole = fs::read(&path).expect("a file");
        let mut changed = whole.clone();
        changed[700] ^= 1;
        fs::write(&path, changed).expect("written");
        let refused = restore(&town, &place, &[]).exits(3);
        assert!(refused.stderr.contains("backup"), "{}", refused.stderr);
        fs::write(&path, whole).expect("written");
    }
    let args = [
        "restore",
        "--from",
        text(&all),
        "--data",
        text(&place),
        "--as",
        ADMIN,
    ];
    let none = run(&args).exits(3);
    assert!(none.stderr.contains("no backup"), "{}", none.stderr);
    for nobody in ["nobody", &volunteer_login(0)] {
        let from = beside(&town, "backup");
        let args = [
            "restore",
            "--from",
            text(&from),
            "--data",
            text(&place),
            "--as",
            nobody,
        ];
        let refused = run(&args).exits(3);
        assert!(
            refused.stderr.contains("administrator"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(listing(&all), before, "nothing was made");
    restore(&town, &place, &[]).exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_only_moved_keeps_its_epoch_if_it_was_closed() {
    let mut town = Town::with_volunteers(1).await;
    back_up(&town).exits(0);
    let moved = beside(&town, "moved");
    let refused = restore(&town, &moved, &["--moved"]).exits(2);
    assert!(refused.stderr.contains("--moved"));
    restore(&town, &moved, &["--moved", "--to-position", "9"]).exits(2);
    let hazard = town.report().await;
    town.stop().terminate().exits(0);
    let verified = town.folder.run(&["verify"], &[]).exits(0);
    back_up(&town).exits(0);
    restore(&town, &moved, &["--moved"]).exits(0);
    run_on(&moved, &["verify"], &[]).exits(0);
    let server = Server::start(&moved).await;
    let session = server.session(ADMIN).await;
    let log = session
        .call(wire::GetLogRequest::default())
        .await
        .expect("a log");
    assert_eq!(log.epoch, 1);
    let request = wire::GetHazardRequest {
        hazard_id: hazard,
        ..Default::default()
    };
    session.call(request).await.expect("it is there");
    server.terminate().exits(0);
    let again = run_on(&moved, &["verify"], &[]).exits(0);
    assert_eq!(root(&again.stdout), root(&verified.stdout));
}
