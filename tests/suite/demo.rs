//! `benniu demo`: one run shows everything, and exits 0 only if all of it checks.

use std::sync::OnceLock;

use crate::harness::{Folder, Ran, run};

/// The run that the tests share, and its folder.
fn shared() -> &'static (Folder, Ran) {
    static SHARED: OnceLock<(Folder, Ran)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let folder = Folder::empty();
        let ran = folder.run(&["demo"], &[]);
        (folder, ran)
    })
}

#[test]
fn the_demo_exits_0_and_prints_the_figures_of_the_pilot_and_of_the_import() {
    let (_, ran) = shared();
    let ran = ran.clone().exits(0);
    let digits_only = ran.stdout.replace(',', "");
    let words: Vec<_> = digits_only
        .split(|letter: char| !letter.is_ascii_digit())
        .collect();
    for figure in ["2401", "2139", "1228", "262", "245", "481", "1200"] {
        assert!(
            words.contains(&figure),
            "{figure} is not in:\n{}",
            ran.stdout
        );
    }
    assert!(!ran.stdout.contains("WRONG"), "{}", ran.stdout);
}

#[test]
fn the_folder_of_the_demo_verifies_and_has_no_event_left_unanswered() {
    let (folder, ran) = shared();
    assert!(ran.status.success());
    folder.run(&["verify"], &[]).exits(0);
    assert_eq!(folder.replay(&["--type", "ReactionStuck"]).len(), 0);
    let hazards = folder.replay(&["--type", "HazardReported"]).len();
    assert_eq!(hazards, 2_401 + 6);
    assert_eq!(folder.replay(&["--type", "AwardRevised"]).len(), 2);
    assert_eq!(folder.replay(&["--type", "JointOwnerRuled"]).len(), 1);
    assert_eq!(folder.replay(&["--type", "HandoverAccepted"]).len(), 1);
}

#[test]
fn the_demo_does_not_begin_in_a_folder_that_holds_a_log() {
    let folder = Folder::born();
    let before = folder.digests();
    let ran = folder.run(&["demo"], &[]).exits(3);
    assert!(!ran.stderr.trim().is_empty(), "it says why");
    assert_eq!(folder.digests(), before);
}

/// Insists that the demo finds what was tampered with, by the check that is there for it.
#[track_caller]
fn finds(sabotage: &str, check: &str) -> Ran {
    let ran = run(&["demo", "--sabotage", sabotage]).exits(1);
    let mut wrong = ran.stdout.lines().filter(|line| line.contains("WRONG"));
    assert!(wrong.any(|line| line.contains(check)), "{}", ran.stdout);
    ran
}

#[test]
fn the_demo_exits_1_when_a_cell_of_the_import_is_altered() {
    finds("altered-cell", "closed after the deadline");
}

#[test]
fn the_demo_exits_1_when_an_award_is_dropped() {
    finds("dropped-award", "without exactly one award");
}

#[test]
fn the_demo_exits_1_when_an_event_is_changed_and_two_runs_tell_the_same_root_before_the_race() {
    // What is changed is changed in the files at the end: until then it is the same history.
    let again = finds("changed-event", "findings of the verification");
    let root = |ran: &Ran| {
        let mut lines = ran.stdout.lines();
        let line = lines.find(|line| line.starts_with("Before the race"));
        line.expect("a line with the root").to_owned()
    };
    assert!(root(&again).contains(" root="), "{}", root(&again));
    assert_eq!(root(&again), root(&shared().1));
}
