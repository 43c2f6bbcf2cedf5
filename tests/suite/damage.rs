//! Damage is named, never passed over; what one copy has lost, the other restores.
//!
//! Owns where a byte is flipped: in the middle of the journal's written part, and in the same
//! block of the second copy.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Folder, Server, files, read_written};
use crate::town::Town;

/// Bytes of the journal by which its block is found again in the second copy.
const WINDOW: usize = 48;

/// Where the same byte of the log lies in both copies.
pub(crate) struct Spot {
    journal: (PathBuf, usize),
    copies: Vec<(PathBuf, usize)>,
}

impl Spot {
    /// A byte of a block in the middle of what is written.
    fn in_the_middle(data: &Path) -> Self {
        Self::after(data, 4)
    }

    /// A byte of a block behind so many eighths of what is written.
    pub(crate) fn after(data: &Path, eighths: usize) -> Self {
        let file = files(&data.join("journal"))
            .into_iter()
            .next()
            .expect("a segment");
        let journal = read_written(&file);
        let copies = files(&data.join("log"));
        let copies: Vec<_> = copies
            .iter()
            .map(|file| (file, read_written(file)))
            .collect();
        let spot = (journal.len() / 8 * eighths..journal.len() - WINDOW)
            .step_by(WINDOW)
            .find_map(|at| {
                let window = &journal[at..at + WINDOW];
                // A stretch that stands nowhere else names one block.
                if occurrences(&journal, window).len() > 1 {
                    return None;
                }
                let found = copies.iter().flat_map(|(file, bytes)| {
                    let places = occurrences(bytes, window).into_iter();
                    places.map(|at| ((*file).clone(), at + WINDOW / 2))
                });
                let found: Vec<_> = found.collect();
                (!found.is_empty()).then_some((at, found))
            });
        let (at, copies) = spot.expect("the second copy holds the same bytes");
        Self {
            journal: (file, at + WINDOW / 2),
            copies,
        }
    }

    pub(crate) fn damage_journal(&self) {
        flip(&self.journal);
    }

    pub(crate) fn damage_copy(&self) {
        self.copies.iter().for_each(flip);
    }
}

fn occurrences(bytes: &[u8], window: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    // The standard search for a byte is fast also where nothing is optimised.
    while let Some(next) = bytes[from..].iter().position(|byte| *byte == window[0]) {
        let at = from + next;
        if bytes[at..].starts_with(window) {
            found.push(at);
        }
        from = at + 1;
    }
    found
}

fn flip((file, at): &(PathBuf, usize)) {
    let mut bytes = fs::read(file).expect("it can be read");
    bytes[*at] ^= 0x20;
    fs::write(file, bytes).expect("it can be written");
}

/// A log of some hazards, closed in good order, and its root as `verify` prints it.
async fn closed_log() -> (Town, String) {
    let mut town = Town::with_volunteers(1).await;
    for _ in 0..20 {
        town.report().await;
    }
    town.stop().terminate().exits(0);
    let verified = town.folder.run(&["verify"], &[]).exits(0);
    (town, root(&verified.stdout))
}

/// `events=… commits=… root=…` in what `verify` prints.
pub(crate) fn root(stdout: &str) -> String {
    let line = stdout
        .lines()
        .find(|line| line.contains("root="))
        .expect("a line with the root");
    let words = line.split_whitespace().filter(|word| word.contains('='));
    words.collect::<Vec<_>>().join(" ")
}

/// Insists that `verify` finds it and names the copy.
#[track_caller]
fn verify_names(folder: &Folder, name: &str) {
    let verified = folder.run(&["verify"], &[]).exits(1);
    assert!(
        verified.stderr.contains(name),
        "it should name {name}: {}",
        verified.stderr
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_in_one_copy_is_named_and_healed_from_the_other() {
    for in_journal in [true, false] {
        let (mut town, root_before) = closed_log().await;
        let spot = Spot::in_the_middle(&town.folder.data());
        if in_journal {
            spot.damage_journal();
            verify_names(&town.folder, "segment 1");
        } else {
            spot.damage_copy();
            verify_names(&town.folder, "second copy");
        }
        // A verification changes nothing: the damage is there still.
        town.folder.run(&["verify"], &[]).exits(1);

        town.start().await;
        town.stop().terminate().exits(0);
        let verified = town.folder.run(&["verify"], &[]).exits(0);
        assert_eq!(
            root(&verified.stdout),
            root_before,
            "nothing is lost or changed"
        );
        assert_eq!(town.folder.replay(&["--type", "HazardReported"]).len(), 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_byte_flipped_in_both_copies_is_named_and_nothing_is_served() {
    let (town, _) = closed_log().await;
    let spot = Spot::in_the_middle(&town.folder.data());
    spot.damage_journal();
    spot.damage_copy();
    verify_names(&town.folder, "segment 1");
    let before = town.folder.digests();

    let refused = Server::refuses_to_start(&town.folder.data()).exits(3);
    assert!(!refused.stderr.trim().is_empty(), "it says why");
    let after = town.folder.digests();
    for (file, digest) in &before {
        let kept = after.get(file) == Some(digest);
        let is_log = file.starts_with(town.folder.data().join("journal"))
            || file.starts_with(town.folder.data().join("log"));
        assert!(kept || !is_log, "{} was changed", file.display());
    }
    let replayed = town.folder.run(&["replay"], &[]);
    assert!(
        !replayed.status.success(),
        "a replay is not silently shorter"
    );
    assert!(!replayed.stderr.trim().is_empty(), "it says why");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_cut_short_is_healed_from_the_second_copy() {
    let (mut town, root_before) = closed_log().await;
    let spot = Spot::in_the_middle(&town.folder.data());
    let (journal, at) = &spot.journal;
    let file = fs::OpenOptions::new()
        .write(true)
        .open(journal)
        .expect("it can be opened");
    file.set_len(u64::try_from(*at).expect("an offset"))
        .expect("it can be cut");
    drop(file);
    verify_names(&town.folder, "segment 1");
    town.start().await;
    town.stop().terminate().exits(0);
    let verified = town.folder.run(&["verify"], &[]).exits(0);
    assert_eq!(root(&verified.stdout), root_before);
}
