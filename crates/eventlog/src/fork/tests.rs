use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::carve::carve;
use crate::commit::Head;
use crate::disk::tests::{contents, options_of_test, restore};
use crate::faults::{Fault, Faulty};
use crate::fixture::{self, commit};
use crate::journal::segment;
use crate::log::EventLog as _;
use crate::merkle::{self, CompactRange};

type Contents = BTreeMap<PathBuf, Vec<u8>>;

fn options() -> Options {
    Options {
        volume_events: 20,
        ..options_of_test()
    }
}

/// The nodes of a tree, as a log would store them for its proofs.
#[derive(Default)]
struct Stored(BTreeMap<(u32, u64), merkle::Hash>);

impl merkle::Nodes for Stored {
    type Error = (u32, u64);
    fn node(&self, level: u32, index: u64) -> Result<merkle::Hash, Self::Error> {
        self.0.get(&(level, index)).copied().ok_or((level, index))
    }
}

/// A log whose groups have one commit, many, and so many that they are several blocks.
struct Town {
    _dir: tempfile::TempDir,
    path: PathBuf,
    files: Contents,
    head: Head,
    commits: Vec<Commit>,
}

fn append(log: &DiskLog, sizes: &[usize]) {
    let first = log.head().commits;
    let drafts = sizes.iter().zip(first..).map(|(size, number)| {
        let mut draft = commit(number, &[("shift/a", number), ("shift/b", number)]);
        draft.events[1].payload = fixture::noise(number ^ u64::from(log.head().epoch) << 32, *size);
        draft
    });
    for answered in log.hand_over(drafts.collect()).unwrap() {
        answered.blocking_recv().unwrap().result.unwrap();
    }
}

fn commits(log: &DiskLog) -> Vec<Commit> {
    log.read(1, u64::MAX).map(Result::unwrap).collect()
}

impl Town {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        DiskLog::create(&path, fixture::log_id(), &options()).unwrap();
        let log = DiskLog::open(&path, &options()).unwrap();
        for group in [&[100; 1][..], &[200; 5], &[60_000; 5], &[90_000; 2], &[10]] {
            append(&log, group);
        }
        log.close().unwrap();
        let (head, commits) = (log.head(), commits(&log));
        drop(log);
        Self {
            files: contents(&path),
            _dir: dir,
            path,
            head,
            commits,
        }
    }

    /// Begins epoch 2 after the first `kept` commits.
    fn fork(&self, kept: usize, options: &Options) -> Result<Pending, OpenError> {
        let intent = Intent {
            epoch: 2,
            position: self.position(kept),
            claimed: Some(self.head.position),
            told: serde_json::json!({"why": "a test"}),
        };
        Held::take(&self.path, options)?.fork(fixture::log_id(), &intent)
    }

    fn position(&self, kept: usize) -> u64 {
        self.commits[kept - 1].header.last_position()
    }

    /// The tree over the first commits.
    fn tree(&self, kept: usize) -> CompactRange {
        let mut tree = CompactRange::new();
        for commit in &self.commits[..kept] {
            tree.append(commit.leaf(), |_, _, _| ());
        }
        tree
    }

    /// Opens the forked log, writes in the new epoch, and insists that all is as it must be.
    #[track_caller]
    fn goes_on(&self, kept: usize, what: &str) -> (Head, Vec<Commit>) {
        let refused = DiskLog::open(&self.path, &options()).err();
        let pending = OpenError::ForkPending {
            path: self.path.clone(),
            epoch: 2,
        };
        assert_eq!(refused, Some(pending.clone()), "{what}");
        assert_eq!(crate::ReadLog::open(&self.path).err(), Some(pending));
        let log = open_pending(&self.path, &options());
        let log = log.unwrap_or_else(|error| panic!("{what}: {error}"));
        let tree = self.tree(kept);
        let head = log.head();
        assert_eq!(
            (head.epoch, head.position, head.commits, head.root),
            (2, self.position(kept), kept as u64, tree.root()),
            "{what}"
        );
        assert!(commits(&log) == self.commits[..kept], "{what}");
        append(&log, &[300, 50_000, 90_000]);
        append(&log, &[7]);
        settle(&self.path, &options()).unwrap();
        let (head, all) = (log.head(), commits(&log));
        assert!(all[kept..].iter().all(|commit| commit.header.epoch == 2));
        assert!(all[..kept] == self.commits[..kept], "{what}");
        drop(log);
        self.is_consistent(kept, &head, &all);
        self.is_whole(&head, what);
        (head, all)
    }

    /// The tree begins with the tree that the fork kept.
    fn is_consistent(&self, kept: usize, head: &Head, all: &[Commit]) {
        let mut nodes = Stored::default();
        let mut tree = CompactRange::new();
        for (commit, number) in all.iter().zip(0..) {
            nodes.0.insert((0, number), commit.leaf());
            tree.append(commit.leaf(), |level, index, hash| {
                nodes.0.insert((level, index), *hash);
            });
        }
        assert_eq!(tree.root(), head.root);
        let (old, new) = (kept as u64, all.len() as u64);
        let proof = merkle::consistency_proof(&nodes, old, new)
            .unwrap()
            .unwrap();
        let old_root = self.tree(kept).root();
        merkle::verify_consistency(old, &old_root, new, &head.root, &proof).unwrap();
    }

    #[track_caller]
    fn is_whole(&self, head: &Head, what: &str) {
        let report =
            crate::verify(&self.path, crate::VerifyOptions::default(), &mut |_| ()).unwrap();
        assert_eq!(report.findings, [], "{what}");
        let log = DiskLog::open(&self.path, &options()).unwrap();
        assert_eq!(log.head(), *head, "{what}");
        assert_eq!(log.report().healed, Vec::<String>::new(), "{what}");
    }

    fn damage(&self, position: u64, copies: &[&str]) -> Contents {
        let mut files = self.files.clone();
        restore(&self.path, &files);
        for (path, bytes) in &mut files {
            let wanted = copies
                .iter()
                .any(|copy| path.starts_with(self.path.join(copy)));
            if !wanted || !path.is_file() {
                continue;
            }
            carve(path, &mut |header, place, _| {
                if (header.first_position..=header.last_position()).contains(&position) {
                    bytes[usize::try_from(place).unwrap() + 160] ^= 4;
                }
            })
            .unwrap();
        }
        files
    }
}

#[test]
fn a_log_forks_after_every_commit_also_within_a_block_and_a_group() {
    let town = Town::new();
    for kept in 1..=town.commits.len() {
        restore(&town.path, &town.files);
        let pending = town.fork(kept, &options()).unwrap();
        assert_eq!(
            (pending.epoch, pending.parent_epoch, pending.parent_position),
            (2, 1, town.position(kept))
        );
        assert_eq!(pending.parent_commits, kept as u64);
        assert_eq!(
            pending.parent_root,
            domain::ids::hex(&town.tree(kept).root())
        );
        assert_eq!(super::pending(&town.path).unwrap(), Some(pending));
        town.goes_on(kept, &format!("{kept} commits kept"));
        assert_eq!(super::pending(&town.path).unwrap(), None);
        let aside = contents(&town.path.join("set-aside"));
        assert!(!aside.is_empty(), "the second copy was moved, not deleted");
    }
}

#[test]
fn what_lay_behind_the_fork_is_moved_aside_byte_for_byte() {
    let town = Town::new();
    town.fork(3, &options()).unwrap();
    let journal = contents(&town.path.join("journal/set-aside"));
    for (path, bytes) in &town.files {
        if path.extension().is_some_and(|extension| extension == "seg") {
            let kept = fs::read(path).is_ok_and(|now| now == *bytes);
            assert!(
                kept || journal.values().any(|old| old == bytes),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn only_the_end_of_a_commit_and_a_higher_epoch_are_taken() {
    let town = Town::new();
    let held = Held::take(&town.path, &options()).unwrap();
    let intent = |epoch, position| Intent {
        epoch,
        position,
        claimed: None,
        told: Value::Null,
    };
    for refused in [intent(2, 0), intent(1, 2), intent(2, 3), intent(2, 99)] {
        let id = fixture::log_id();
        assert!(held.fork(id, &refused).is_err(), "{refused:?}");
        assert!(contents(&town.path) == town.files, "{refused:?}");
    }
}

fn interrupted(steps: usize) {
    let town = Town::new();
    let kept = 8;
    let (mut before, mut under_way) = (0, 0);
    for operations in (0..).step_by(steps) {
        restore(&town.path, &town.files);
        let faulty = Arc::new(Faulty::new(Fault::Stop));
        faulty.arm(operations);
        let stopping = Options {
            files: faulty,
            ..options()
        };
        let what = format!("stopped after {operations}");
        let done = town.fork(kept, &stopping).is_ok();
        if super::pending(&town.path).unwrap().is_none() {
            before += 1;
            assert!(!done);
            let log = DiskLog::open(&town.path, &options()).unwrap();
            assert_eq!(log.head(), town.head, "{what}: as if nothing had been");
            continue;
        }
        under_way += 1;
        // Stopped once more while it is finished.
        let again = Arc::new(Faulty::new(Fault::Stop));
        again.arm(operations / 2);
        let stopping = Options {
            files: again,
            ..options()
        };
        drop(open_pending(&town.path, &stopping));
        town.goes_on(kept, &what);
        if done {
            break;
        }
    }
    assert!(before > 0 && under_way > 5, "{before} {under_way}");
}

#[test]
fn a_fork_may_be_interrupted() {
    interrupted(5);
}

#[test]
#[ignore = "half a minute: the same at every step"]
fn a_fork_may_be_interrupted_anywhere() {
    interrupted(1);
}

#[test]
fn dead_blocks_never_come_back_even_if_their_files_do() {
    let town = Town::new();
    let kept = 8;
    town.fork(kept, &options()).unwrap();
    let (head, _) = town.goes_on(kept, "forked");
    let live = contents(&town.path);
    let mut healed = 0;
    for (path, dead) in &town.files {
        if live.get(path) == Some(dead) || path.ends_with("LOCK") {
            continue;
        }
        for also_second_copy in [false, true] {
            let mut files = live.clone();
            files.insert(path.clone(), dead.clone());
            if also_second_copy {
                let of_copy = town.files.iter().filter(|(path, _)| path.ends_with("db"));
                files.extend(of_copy.map(|(path, bytes)| (path.clone(), bytes.clone())));
            }
            restore(&town.path, &files);
            match DiskLog::open(&town.path, &options()) {
                Ok(log) => {
                    healed += 1;
                    assert_eq!(log.head(), head, "{}", path.display());
                }
                Err(OpenError::Damaged { .. }) => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }
    assert!(healed > 2, "{healed}");
    // A live block that is lost in the journal while both branches stand in the second copy.
    let dead_copy = town.files.iter().find(|(path, _)| path.ends_with("db"));
    let mut files = live.clone();
    let volume = town.path.join("log/00000099/db");
    files.insert(volume, dead_copy.unwrap().1.clone());
    restore(&town.path, &files);
    for number in segment::list(&town.path.join("journal")).unwrap() {
        let path = segment::path(&town.path.join("journal"), number);
        carve(&path.clone(), &mut |header, place, _| {
            if header.first_position > town.position(kept - 1) {
                let bytes = files.get_mut(&path).unwrap();
                bytes[usize::try_from(place).unwrap() + 160] ^= 4;
            }
        })
        .unwrap();
    }
    restore(&town.path, &files);
    match DiskLog::open(&town.path, &options()) {
        Ok(log) => assert_eq!(log.head(), head),
        Err(error) => assert!(matches!(error, OpenError::Damaged { .. }), "{error}"),
    }
}

#[test]
fn an_examination_says_what_an_opening_would_and_changes_nothing() {
    let town = Town::new();
    let examine = |files: &Contents| {
        restore(&town.path, files);
        let mut seen = Vec::new();
        let held = Held::take(&town.path, &options()).unwrap();
        let verdict = held.examine(&mut |commit| seen.push(commit.clone()));
        drop(held);
        assert!(contents(&town.path) == *files, "it changed something");
        (verdict.unwrap(), seen)
    };
    assert_eq!(examine(&town.files), (Verdict::Whole, Vec::new()));
    let one = town.damage(9, &["journal"]);
    assert_eq!(examine(&one).0, Verdict::Healable);

    let mut ends = BTreeSet::new();
    for commit in &town.commits {
        let files = town.damage(commit.header.first_position, &["journal", "log"]);
        restore(&town.path, &files);
        let Some(OpenError::Damaged { proven, .. }) = DiskLog::open(&town.path, &options()).err()
        else {
            panic!("it is damaged");
        };
        restore(&town.path, &files);
        if proven == 0 {
            let held = Held::take(&town.path, &options()).unwrap();
            let refused = held.examine(&mut |_| ());
            assert!(matches!(refused, Err(OpenError::Damaged { .. })));
            continue;
        }
        let (Verdict::Damaged(loss), seen) = examine(&files) else {
            panic!("it is damaged");
        };
        let kept = seen.len();
        assert!(seen == town.commits[..kept]);
        assert_eq!((loss.position, loss.epoch, loss.next_epoch), (proven, 1, 2));
        assert_eq!(loss.root, town.tree(kept).root());
        assert_eq!(loss.claimed, Some(town.head.position));
        ends.insert(proven);
        town.fork(kept, &options()).unwrap();
        town.goes_on(kept, &format!("lost after {proven}"));
    }
    assert!(ends.len() >= 3, "{ends:?}");
}

#[test]
fn a_log_may_be_forked_again_and_again() {
    let town = Town::new();
    town.fork(8, &options()).unwrap();
    let (head, all) = town.goes_on(8, "once");
    let again = |epoch, position| {
        let intent = Intent {
            epoch,
            position,
            claimed: None,
            told: Value::Null,
        };
        let folder = Held::take(&town.path, &options()).unwrap();
        folder.fork(fixture::log_id(), &intent)
    };
    assert!(again(2, head.position).is_err(), "epochs never repeat");
    // Below the first fork: what is kept is of the first epoch again.
    let position = all[3].header.last_position();
    let pending = again(3, position).unwrap();
    assert_eq!((pending.parent_epoch, pending.parent_commits), (1, 4));
    let log = open_pending(&town.path, &options()).unwrap();
    append(&log, &[10]);
    settle(&town.path, &options()).unwrap();
    let head = log.head();
    assert_eq!((head.epoch, head.commits), (3, 5));
    drop(log);
    town.is_whole(&head, "twice");
}
