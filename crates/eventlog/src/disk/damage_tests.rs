//! Damage of every kind to every kind of file. After a clean stop damage to one copy is healed to
//! the last byte or is without effect; after a kill it is healed or refused; it is never silent.
//!
//! `EVENTLOG_TEST_SEED` and `EVENTLOG_TEST_CASES` choose other cases and more of them.

use std::collections::BTreeMap;

use super::tests::{contents, options_of_test, restore};
use super::*;
use crate::block::BlockHeader;
use crate::carve::carve;
use crate::commit::Commit;
use crate::faults::{Fault, Faulty};
use crate::fixture::{self, commit};

type Contents = BTreeMap<PathBuf, Vec<u8>>;

fn options() -> Options {
    Options {
        volume_events: 1_000,
        ..options_of_test()
    }
}

/// A small generator, so that a seed names all cases.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::env::var("EVENTLOG_TEST_SEED").map_or(Ok(7), |seed| seed.parse());
        let seed = seed.unwrap();
        println!("EVENTLOG_TEST_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

/// A log as it was left, and what it held.
struct Left {
    _dir: tempfile::TempDir,
    path: PathBuf,
    files: Contents,
    head: Head,
    commits: Vec<Commit>,
    clean: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    WithoutEffect,
    Healed,
    Refused,
}

/// Groups of different sizes, also of several blocks, over three segments.
fn append_some(log: &DiskLog, random: &mut Random, groups: u64) {
    for _ in 0..groups {
        let first = log.head().commits;
        let drafts = (first..first + 1 + random.next() % 6).map(|number| {
            let mut draft = commit(number, &[("shift/a", number)]);
            let length = random.below(60_000);
            draft.events[0].payload = (0..length)
                .map(|_| random.next().to_le_bytes()[0])
                .collect();
            draft
        });
        for answered in log.hand_over(drafts.collect()).unwrap() {
            answered.blocking_recv().unwrap().result.unwrap();
        }
    }
}

impl Left {
    fn new(random: &mut Random, clean: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        DiskLog::create(&path, fixture::log_id(), &options()).unwrap();
        let log = DiskLog::open(&path, &options()).unwrap();
        append_some(&log, random, 5);
        if !clean {
            while log.synced_position() < log.head().position {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        append_some(&log, random, 3);
        if clean {
            log.close().unwrap();
        }
        // As a kill leaves it: what was written stands in the files, nothing is closed.
        let files = contents(&path);
        let (head, commits) = (
            log.head(),
            log.read(1, u64::MAX).map(Result::unwrap).collect(),
        );
        drop(log);
        assert!(files.keys().filter(|path| is_segment(path)).count() >= 4);
        Self {
            _dir: dir,
            path,
            files,
            head,
            commits,
            clean,
        }
    }

    /// Leaves the folder with these files, opens it and judges what came of it.
    #[track_caller]
    fn judge(&self, damaged: &Contents, what: &str) -> Outcome {
        restore(&self.path, damaged);
        let before = contents(&self.path);
        let report = crate::verify(&self.path, &mut |_| ());
        assert!(
            contents(&self.path) == before,
            "{what}: verifying changed something"
        );
        let log = match DiskLog::open(&self.path, &options()) {
            Ok(log) => log,
            Err(OpenError::Damaged { proven, what: why }) => {
                assert!(proven <= self.head.position, "{what}");
                assert!(
                    contents(&self.path) == before,
                    "{what}: {why}: changed and refused"
                );
                assert!(
                    report.is_err() || !report.unwrap().findings.is_empty(),
                    "{what}: {why}"
                );
                return Outcome::Refused;
            }
            Err(error) => panic!("{what}: {error}"),
        };
        let healed = log.report().healed.clone();
        assert_eq!(log.head(), self.head, "{what}: {healed:?}");
        let commits: Vec<_> = log.read(1, u64::MAX).map(Result::unwrap).collect();
        assert!(commits == self.commits, "{what}");
        drop(log);
        for (path, bytes) in self.files.iter().filter(|(path, _)| is_segment(path)) {
            let same = std::fs::read(path).unwrap() == *bytes;
            // Bytes behind a segment's header are read by nobody.
            assert!(
                same || healed.is_empty(),
                "{what}: {} differs",
                path.display()
            );
        }
        let findings = crate::verify(&self.path, &mut |_| ()).unwrap().findings;
        assert_eq!(findings, [], "{what}");
        let log = DiskLog::open(&self.path, &options()).unwrap();
        assert!(
            log.report().clean && log.report().healed.is_empty(),
            "{what}"
        );
        if healed.is_empty() {
            Outcome::WithoutEffect
        } else {
            Outcome::Healed
        }
    }

    fn files(&self, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        self.files
            .keys()
            .filter(|path| wanted(path))
            .cloned()
            .collect()
    }

    fn used(&self, path: &Path) -> usize {
        let bytes = &self.files[path];
        bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1)
    }
}

fn is_segment(path: &Path) -> bool {
    path.parent()
        .is_some_and(|parent| parent.ends_with("journal"))
        && path.extension().is_some_and(|extension| extension == "seg")
}

fn is_named(name: &'static str) -> impl Fn(&Path) -> bool {
    move |path| path.file_name().is_some_and(|other| other == name)
}

/// How many cases of each kind: few unless more are asked for.
fn cases(long: bool) -> usize {
    let asked = std::env::var("EVENTLOG_TEST_CASES").ok();
    asked.map_or(if long { 60 } else { 1 }, |asked| asked.parse().unwrap())
}

fn flips(left: &Left, random: &mut Random, cases: usize) -> BTreeMap<(String, Outcome), u32> {
    let mut counts = BTreeMap::new();
    let segments = left.files(is_segment);
    let used: Vec<_> = segments
        .iter()
        .filter(|path| left.used(path) > 600)
        .collect();
    for _ in 0..cases {
        let segment = used[random.below(used.len())];
        let last = *used.last().unwrap();
        let (sled, head) = (left.files(is_named("db")), left.files(is_named("head")));
        let conf = left.files(is_named("conf"));
        let whole = |path: &PathBuf| 0..left.files[path].len();
        let places = [
            ("journal, used", segment, 512..left.used(segment)),
            ("journal, header", segment, 0..64),
            (
                "journal, zeros",
                last,
                left.used(last) + 16..left.files[last].len(),
            ),
            (
                "journal, last block",
                last,
                left.used(last) - 200..left.used(last),
            ),
            ("sled's file", &sled[0], whole(&sled[0])),
            ("sled's configuration", &conf[0], whole(&conf[0])),
            ("head", &head[0], 0..4_200),
        ];
        for (kind, path, range) in places {
            let at = range.start + random.below(range.len());
            let bit = random.below(8);
            let mut damaged = left.files.clone();
            damaged.get_mut(path).unwrap()[at] ^= 1 << bit;
            let what = format!("{} byte {at} bit {bit}", path.display());
            let outcome = left.judge(&damaged, &what);
            *counts.entry((kind.to_owned(), outcome)).or_default() += 1;
        }
    }
    counts
}

/// Cuts and deletions of one file or folder.
fn cuts(left: &Left, long: bool) -> BTreeMap<(String, Outcome), u32> {
    let mut counts = BTreeMap::new();
    let mut judge = |kind: &str, damaged: &Contents, what: &str| {
        let outcome = left.judge(damaged, what);
        *counts.entry((kind.to_owned(), outcome)).or_default() += 1;
    };
    let segments = left.files(is_segment);
    let sled = left.files(is_named("db"));
    for path in segments.iter().chain(&sled) {
        let (length, used) = (left.files[path].len(), left.used(path));
        let lengths = [0, 300, used / 2, used.saturating_sub(1), used, length - 1];
        for to in lengths.into_iter().step_by(if long { 1 } else { 3 }) {
            let mut damaged = left.files.clone();
            damaged.get_mut(path).unwrap().truncate(to);
            let kind = if is_segment(path) {
                "segment cut"
            } else {
                "sled cut"
            };
            judge(
                kind,
                &damaged,
                &format!("{} cut to {to} of {length}", path.display()),
            );
        }
    }
    for path in segments.iter().chain(&left.files(is_named("head"))) {
        let mut damaged = left.files.clone();
        damaged.remove(path);
        let kind = if is_segment(path) {
            "segment deleted"
        } else {
            "head deleted"
        };
        judge(kind, &damaged, &format!("{} deleted", path.display()));
    }
    for folder in ["journal", "log", "log/00000001"] {
        let mut damaged = left.files.clone();
        damaged.retain(|path, _| !path.starts_with(left.path.join(folder)));
        judge(&format!("folder {folder} deleted"), &damaged, folder);
    }
    counts
}

fn show(title: &str, counts: &BTreeMap<(String, Outcome), u32>) {
    println!("{title}");
    for ((kind, outcome), count) in counts {
        println!("  {kind}: {outcome:?} {count}");
    }
}

fn after_a_clean_stop(long: bool) {
    let mut random = Random::new();
    let left = Left::new(&mut random, true);
    let mut counts = flips(&left, &mut random, cases(long));
    counts.extend(cuts(&left, long));
    show("after a clean stop", &counts);
    assert!(
        counts
            .keys()
            .all(|(_, outcome)| *outcome != Outcome::Refused),
        "one copy is whole and the end is known"
    );
}

fn after_a_kill(long: bool) {
    let mut random = Random::new();
    let left = Left::new(&mut random, false);
    assert!(!left.clean);
    let mut counts = flips(&left, &mut random, cases(long));
    counts.extend(cuts(&left, long));
    show("after a kill", &counts);
    let refused = |(kind, outcome): &(String, Outcome)| {
        *outcome == Outcome::Refused && !kind.contains("journal") && !kind.contains("segment")
    };
    assert!(!counts.keys().any(refused), "the journal is whole");
}

#[test]
fn damage_after_a_clean_stop_is_healed() {
    after_a_clean_stop(false);
}

#[test]
fn damage_after_a_kill_is_healed_or_refused() {
    after_a_kill(false);
}

#[test]
#[ignore = "minutes: many cases of damage"]
fn much_damage_is_never_silent() {
    after_a_clean_stop(true);
    after_a_kill(true);
}

/// Every occurrence of the block at a position, with its length.
fn occurrences(path: &Path, position: u64) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    carve(path, &mut |header: &BlockHeader, place, block| {
        if header.first_position == position {
            places.push((usize::try_from(place).unwrap(), block.len()));
        }
    })
    .unwrap();
    places
}

#[test]
fn the_same_block_lost_in_both_copies_is_refused_by_name() {
    let mut random = Random::new();
    let left = Left::new(&mut random, true);
    let mut positions = Vec::new();
    let copies = [left.files(is_segment), left.files(is_named("db"))];
    for path in &copies[0] {
        carve(path, &mut |header, _, _| {
            positions.push(header.first_position);
        })
        .unwrap();
    }
    for _ in 0..cases(false) {
        let position = positions[random.below(positions.len())];
        let other = positions[random.below(positions.len())];
        let mut damaged = left.files.clone();
        let mut lose = |position: u64, copies: &[&Vec<PathBuf>]| {
            for path in copies.iter().copied().flatten() {
                restore(&left.path, &left.files);
                for (place, length) in occurrences(path, position) {
                    damaged.get_mut(path).unwrap()[place + random.below(length)] ^= 4;
                }
            }
        };
        lose(position, &[&copies[0], &copies[1]]);
        restore(&left.path, &damaged);
        let before = contents(&left.path);
        match DiskLog::open(&left.path, &options()).err() {
            Some(OpenError::Damaged { proven, what }) => {
                assert!(proven < position, "{what}");
                assert!(
                    contents(&left.path) == before && what.contains("position"),
                    "{what}"
                );
            }
            other => panic!("{other:?}"),
        }
        if position != other {
            let mut damaged = left.files.clone();
            restore(&left.path, &left.files);
            for (path, position) in copies[0]
                .iter()
                .map(|path| (path, position))
                .chain(copies[1].iter().map(|path| (path, other)))
            {
                for (place, _) in occurrences(path, position) {
                    damaged.get_mut(path).unwrap()[place + 200] ^= 4;
                }
            }
            let what = format!("blocks {position} and {other}");
            assert_eq!(left.judge(&damaged, &what), Outcome::Healed, "{what}");
        }
    }
}

#[test]
fn healing_may_be_interrupted() {
    interrupted_healing(3);
}

#[test]
#[ignore = "half a minute: the same at every step"]
fn healing_may_be_interrupted_anywhere() {
    interrupted_healing(1);
}

fn interrupted_healing(steps: usize) {
    let mut random = Random::new();
    let left = Left::new(&mut random, true);
    let segments = left.files(is_segment);
    let mut damaged = left.files.clone();
    damaged.get_mut(&segments[0]).unwrap()[5_000] ^= 1;
    damaged.remove(&segments[1]);
    let mut stopped = 0;
    for operations in (0..).step_by(steps) {
        restore(&left.path, &damaged);
        let faulty = Arc::new(Faulty::new(Fault::Stop));
        faulty.arm(operations);
        let stopping = Options {
            files: faulty,
            ..options()
        };
        let done = DiskLog::open(&left.path, &stopping).is_ok();
        stopped += 1;
        let log = DiskLog::open(&left.path, &options());
        let log = log.unwrap_or_else(|error| panic!("stopped after {operations}: {error}"));
        assert_eq!(log.head(), left.head, "stopped after {operations}");
        drop(log);
        for path in &segments {
            assert!(
                std::fs::read(path).unwrap() == left.files[path],
                "{operations}"
            );
        }
        let old = contents(&left.path.join("journal/set-aside"));
        assert!(old.values().any(|bytes| *bytes == damaged[&segments[0]]));
        if done {
            break;
        }
    }
    assert!(stopped * steps > 20, "{stopped}");
}

#[test]
fn any_part_of_a_group_that_was_not_acknowledged_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    DiskLog::create(&path, fixture::log_id(), &options()).unwrap();
    let log = DiskLog::open(&path, &options()).unwrap();
    let (before, head) = (contents(&path), log.head());
    let mut random = Random::new();
    let drafts = (0..4).map(|number| {
        let mut draft = commit(number, &[("shift/a", number)]);
        draft.events[0].payload = (0..100_000)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        draft
    });
    for answered in log.hand_over(drafts.collect()).unwrap() {
        answered.blocking_recv().unwrap().result.unwrap();
    }
    let (after, whole) = (contents(&path), log.head());
    drop(log);
    let mut blocks = Vec::new();
    for segment in after.keys().filter(|path| is_segment(path)) {
        restore(&path, &after);
        carve(segment, &mut |_, place, block| {
            blocks.push((
                segment.clone(),
                usize::try_from(place).unwrap(),
                block.to_vec(),
            ));
        })
        .unwrap();
    }
    assert_eq!(blocks.len(), 4, "over two segments");
    for subset in 0..1_u32 << blocks.len() {
        let mut files = before.clone();
        for (segment, bytes) in after.iter().filter(|(path, _)| is_segment(path)) {
            let mut bytes = bytes.clone();
            bytes[512..].fill(0);
            files.insert(segment.clone(), bytes);
        }
        for (number, (segment, place, block)) in blocks.iter().enumerate() {
            if subset >> number & 1 == 1 {
                let bytes = files.get_mut(segment).unwrap();
                bytes[*place..*place + block.len()].copy_from_slice(block);
            }
        }
        restore(&path, &files);
        let log = DiskLog::open(&path, &options());
        let log = log.unwrap_or_else(|error| panic!("{subset:b}: {error}"));
        let wanted = if subset == 15 { &whole } else { &head };
        assert_eq!(log.head(), *wanted, "{subset:b}");
        let number = log.head().commits;
        log.hand_over(vec![commit(number, &[("shift/a", number)])])
            .unwrap();
        drop(log);
        assert_eq!(
            crate::verify(&path, &mut |_| ()).unwrap().findings,
            [],
            "{subset:b}"
        );
    }
}
