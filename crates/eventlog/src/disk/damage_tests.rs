//! Damage of every kind to every kind of file. After a clean stop damage to one copy is healed to
//! the last byte or is without effect; after a kill it is healed or refused; it is never silent.
//!
//! - `quotas`: flips, cuts and deletions; `groups`: parts of a group that was not acknowledged
//!
//! `EVENTLOG_TEST_SEED` chooses other cases.

use std::collections::BTreeMap;
use std::ops::Range;

use super::tests::{contents, options_of_test, restore};
use super::*;
use crate::carve::carve;
use crate::commit::Commit;
use crate::faults::{Fault, Faulty};
use crate::fixture::{self, commit};

type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// Small, so that there are files of every level.
const CHUNK_EVENTS: u64 = 1;

/// So that there are several volumes of the second copy.
const VOLUME_EVENTS: u64 = 16;

fn verified(path: &Path) -> Result<crate::VerifyReport, OpenError> {
    let options = crate::VerifyOptions {
        chunk_events: CHUNK_EVENTS,
        ..crate::VerifyOptions::default()
    };
    crate::verify(path, options, &mut |_| ())
}

fn options() -> Options {
    Options {
        volume_events: VOLUME_EVENTS,
        chunk_events: CHUNK_EVENTS,
        thorough: true,
        ..options_of_test()
    }
}

/// Goes over everything, and puts right what can be put right while the log is open.
fn scrub(log: &DiskLog) -> crate::ScrubReport {
    let scrub = log.scrub();
    let report = scrub.wait_for(scrub.start()).unwrap();
    assert!(report.complete);
    report
}

/// As a service opens a log: the old part is not verified after a clean stop.
fn quickly() -> Options {
    Options {
        thorough: false,
        scrub: crate::ScrubOptions {
            bytes_per_second: None,
            every: None,
        },
        ..options()
    }
}

/// A small generator, so that a seed names all cases.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        let seed = std::env::var("EVENTLOG_TEST_SEED").map_or(Ok(7), |seed| seed.parse());
        let seed = seed.unwrap();
        println!("EVENTLOG_TEST_SEED={seed}");
        Self(seed)
    }

    /// One of several that a seed gives.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

/// Segments that are left, at least: three that hold something, and the one that comes next.
const SEGMENTS: usize = 4;
/// How long the next segment may take on a busy machine.
const SEGMENT_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// A log as it was left, and what it held.
struct Left {
    _dir: tempfile::TempDir,
    path: PathBuf,
    files: Contents,
    /// The first position and the place of every whole block of both copies.
    blocks: BTreeMap<PathBuf, Vec<(u64, Range<usize>)>>,
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
        for number in 0..8 {
            let draft = commit(number, &[("shift/a", number)]);
            for answered in log.hand_over(vec![draft]).unwrap() {
                answered.blocking_recv().unwrap().result.unwrap();
            }
        }
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
        while !log.shared.view.index.is_settled() && !clean {
            std::thread::yield_now();
        }
        // As a kill leaves it: what was written stands in the files, nothing is closed. The segment that
        // comes next is made beside the writer, and is among what is damaged.
        let segments = || contents(&path).into_keys().filter(|path| is_segment(path));
        let waited = std::time::Instant::now();
        while segments().count() < SEGMENTS && waited.elapsed() < SEGMENT_WAIT_MAX {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let files = contents(&path);
        let (head, commits) = (
            log.head(),
            log.read(1, u64::MAX).map(Result::unwrap).collect(),
        );
        drop(log);
        assert!(files.keys().filter(|path| is_segment(path)).count() >= SEGMENTS);
        let mut blocks = BTreeMap::new();
        let log = |path: &&PathBuf| is_segment(path) || is_named("db")(path);
        restore(&path, &files);
        for path in files.keys().filter(log) {
            let blocks: &mut Vec<_> = blocks.entry(path.clone()).or_default();
            carve(path, &mut |header, place, block| {
                let place = usize::try_from(place).unwrap();
                blocks.push((header.first_position, place..place + block.len()));
            })
            .unwrap();
        }
        if clean {
            assert_eq!(verified(&path).unwrap().findings, [], "as it was closed");
        }
        Self {
            _dir: dir,
            path,
            files,
            blocks,
            head,
            commits,
            clean,
        }
    }

    /// Leaves the folder with these files, has them put right and judges what came of it.
    #[track_caller]
    fn judge(&self, damaged: &Contents, what: &str) -> Outcome {
        restore(&self.path, damaged);
        let before = contents(&self.path);
        let report = verified(&self.path);
        assert!(
            contents(&self.path) == before,
            "{what}: verifying changed something"
        );
        let (log, healed) = match self.settle(what) {
            Ok(settled) => settled,
            Err(OpenError::Damaged { proven, what: why }) => {
                assert!(proven <= self.head.position, "{what}");
                let after = contents(&self.path);
                assert!(
                    self.clean || after == before,
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
        assert_eq!(log.head(), self.head, "{what}: {healed:?}");
        let commits: Vec<_> = log.read(1, u64::MAX).map(Result::unwrap).collect();
        assert!(commits == self.commits, "{what}");
        let stream = fixture::stream("shift/a");
        let events = log.read_stream(&stream, 1, usize::MAX).unwrap();
        let wanted = self.commits.iter().flat_map(|commit| &commit.events);
        assert!(events.iter().eq(wanted), "{what}");
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
        let findings = verified(&self.path).unwrap().findings;
        assert_eq!(findings, [], "{what}: {healed:?}");
        // A reading that met damage has the next opening verify everything; that finds nothing.
        for again in 0..2 {
            let log = DiskLog::open(&self.path, &quickly()).unwrap();
            let report = log.report();
            assert!(report.clean || again == 0, "{what}: {report:?}");
            assert_eq!(report.healed, Vec::<String>::new(), "{what}: {healed:?}");
        }
        // A merge of the index that meets a damaged file makes it again before anybody looks.
        if healed.is_empty() && report.is_ok_and(|report| report.findings.is_empty()) {
            Outcome::WithoutEffect
        } else {
            Outcome::Healed
        }
    }

    /// Opens the folder as a service does and has the scrub go over all of it; what that leaves to
    /// the next opening, the next opening does. Answers what was put right.
    fn settle(&self, what: &str) -> Result<(DiskLog, Vec<String>), OpenError> {
        let log = DiskLog::open(&self.path, &quickly())?;
        let mut healed = log.report().healed.clone();
        assert_eq!(log.head(), self.head, "{what}: {healed:?}");
        let mut read = log.read(1, u64::MAX);
        for commit in &self.commits {
            match read.next() {
                Some(Ok(read)) => assert!(read == *commit, "{what}"),
                Some(Err(_)) => break,
                None => panic!("{what}: silent loss"),
            }
        }
        let scrubbed = scrub(&log);
        healed.extend(scrubbed.findings.into_iter().map(|finding| finding.what));
        if scrubbed.unhealed + scrubbed.lost == 0 {
            return Ok((log, healed));
        }
        drop(log);
        let log = DiskLog::open(&self.path, &quickly())?;
        assert!(!log.report().clean, "{what}: {healed:?}");
        healed.extend(log.report().healed.iter().cloned());
        let left = scrub(&log).findings;
        assert_eq!(left, [], "{what}: {healed:?}");
        Ok((log, healed))
    }

    /// Where the whole blocks of a file are, in a segment or in a file of the second copy.
    fn blocks(&self, path: &Path) -> Vec<Range<usize>> {
        let blocks = self.blocks.get(path).into_iter().flatten();
        blocks.map(|(_, place)| place.clone()).collect()
    }

    /// Flips a bit in the block at a position wherever some files hold it.
    fn lose(&self, files: &mut Contents, paths: &[PathBuf], position: u64, random: &mut Random) {
        for path in paths {
            for (_, place) in self.blocks[path].iter().filter(|(at, _)| *at == position) {
                files.get_mut(path).unwrap()[place.start + random.below(place.len())] ^= 4;
            }
        }
    }

    /// The whole of a file of this kind, or nothing.
    fn whole(&self, path: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<Range<usize>> {
        let whole = 0..self.files[path].len();
        if wanted(path) {
            vec![whole]
        } else {
            Vec::new()
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

fn is_chunk(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "idx")
}

fn is_named(name: &'static str) -> impl Fn(&Path) -> bool {
    move |path| path.file_name().is_some_and(|other| other == name)
}

#[test]
fn the_same_block_lost_in_both_copies_is_refused_by_name() {
    let mut random = Random::new();
    let left = Left::new(&mut random, true);
    let copies = [left.files(is_segment), left.files(is_named("db"))];
    let of_journal = copies[0].iter().flat_map(|path| &left.blocks[path]);
    let positions: Vec<_> = of_journal.map(|(position, _)| *position).collect();
    for _ in 0..4 {
        let position = positions[random.below(positions.len())];
        let mut damaged = left.files.clone();
        left.lose(&mut damaged, &copies[0], position, &mut random);
        left.lose(&mut damaged, &copies[1], position, &mut random);
        restore(&left.path, &damaged);
        let findings = verified(&left.path).unwrap().findings;
        let named = format!("position {}", position - 1);
        let says_so = |finding: &Finding| !finding.healable && finding.what.contains(&named);
        assert!(findings.iter().any(says_so), "{position}: {findings:?}");
        let refused = |error: Option<OpenError>| match error {
            Some(OpenError::Damaged { proven, what }) => {
                assert!(
                    proven < position && what.contains(&named),
                    "{position}: {what}"
                );
            }
            other => panic!("{position}: {other:?}"),
        };
        refused(DiskLog::open(&left.path, &options()).err());
        assert!(
            contents(&left.path) == damaged,
            "{position}: changed and refused"
        );
        refused(left.settle(&named).err());
    }
}

#[test]
fn different_blocks_lost_in_both_copies_are_healed_from_each_other_by_a_thorough_opening() {
    let mut random = Random::new();
    let left = Left::new(&mut random, true);
    let copies = [left.files(is_segment), left.files(is_named("db"))];
    let of_journal = copies[0].iter().flat_map(|path| &left.blocks[path]);
    let positions: Vec<_> = of_journal.map(|(position, _)| *position).collect();
    for _ in 0..3 {
        let [one, other] = [(); 2].map(|()| random.below(positions.len()));
        let other = if one == other {
            (one + 1) % positions.len()
        } else {
            other
        };
        let mut damaged = left.files.clone();
        left.lose(&mut damaged, &copies[0], positions[one], &mut random);
        left.lose(&mut damaged, &copies[1], positions[other], &mut random);
        let what = format!("blocks {} and {}", positions[one], positions[other]);
        restore(&left.path, &damaged);
        let log = DiskLog::open(&left.path, &options());
        let log = log.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(log.report().healed.len(), 2, "{what}: {:?}", log.report());
        assert_eq!(log.head(), left.head, "{what}");
        let commits: Vec<_> = log.read(1, u64::MAX).map(Result::unwrap).collect();
        assert!(commits == left.commits, "{what}");
        drop(log);
        assert_eq!(verified(&left.path).unwrap().findings, [], "{what}");
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

mod groups;
mod quotas;
