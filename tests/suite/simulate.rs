//! `benniu simulate` from end to end: the same root twice, a killed run, a folder that is taken.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::harness::{Folder, binary, run, run_on};

/// Longest that a run may take to begin writing.
const BEGIN_TIME_MAX: Duration = Duration::from_mins(1);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

fn simulate(folder: &Folder, args: &[&str]) -> crate::harness::Ran {
    let common = ["--communities", "2", "--days", "2", "--seed", "9"];
    run_on(&folder.data(), &["simulate"], &[&common, args].concat())
}

#[test]
fn a_history_has_the_same_root_again_and_verifies() {
    let (first, second) = (Folder::empty(), Folder::empty());
    let first_run = simulate(&first, &["--threads", "1", "--json"])
        .exits(0)
        .json();
    let second_run = simulate(&second, &["--threads", "2", "--json"])
        .exits(0)
        .json();
    assert_eq!(first_run["root"], second_run["root"]);
    assert_eq!(first_run["by_type"], second_run["by_type"]);
    let verified = first.run(&["verify"], &[]).exits(0);
    let line = format!(
        "events={} commits={} root={}\n",
        first_run["events"],
        first_run["commits"],
        first_run["root"].as_str().expect("a root")
    );
    assert_eq!(verified.stdout, line);
    let before = first.digests();
    let again = simulate(&first, &[]).exits(3);
    assert!(
        again.stderr.contains("is not empty; a history"),
        "{}",
        again.stderr
    );
    assert_eq!(first.digests(), before, "nothing was touched");
}

#[test]
fn a_table_tells_what_was_written() {
    let folder = Folder::empty();
    let ran = simulate(&folder, &[]).exits(0);
    for word in [
        "patrol_shift",
        "a day in a community",
        "events a second",
        "root=",
    ] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
}

#[test]
fn a_run_that_is_killed_leaves_a_log_that_verifies_and_is_not_gone_on_with() {
    let folder = Folder::empty();
    let data = folder.data();
    let mut running = Command::new(binary())
        .args([
            "simulate",
            "--communities",
            "50",
            "--days",
            "3653",
            "--seed",
            "1",
            "--data",
        ])
        .arg(&data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    // The look-up key is there before the first commit, and the views only at the end.
    let mut waited = Duration::ZERO;
    while fs::metadata(data.join("keys/look-up")).is_err() {
        assert!(waited < BEGIN_TIME_MAX, "it began");
        thread::sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
    let mut events = 0;
    while events < 5_000 {
        assert!(waited < BEGIN_TIME_MAX, "it wrote");
        thread::sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
        let path = data.to_str().expect("temporary folders have plain names");
        let told = run(&["log", "info", "--data", path, "--json"]);
        if told.status.success() {
            events = told.json()["events"].as_u64().unwrap_or(0);
        }
    }
    running.kill().expect("it still runs");
    running.wait().expect("it ends");
    assert!(data.join("keys/look-up").exists() && !data.join("views").exists());
    folder.run(&["verify"], &[]).exits(0);
    let again = simulate(&folder, &[]).exits(3);
    assert!(
        again.stderr.contains("is not empty; a history"),
        "{}",
        again.stderr
    );
}
