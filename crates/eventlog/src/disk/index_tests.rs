//! The index of a log on disk: its answers against a naive map, its files when they are damaged,
//! missing or foreign, and what opening makes of them.

use std::collections::BTreeMap;

use super::damage_tests::Random;
use super::tests::{contents, options_of_test, restore};
use super::*;
use crate::commit::CommitDraft;
use crate::faults::{Fault, Faulty};
use crate::fixture::{self, commit};
use crate::index::StreamKey;
use crate::{ReadLog, VerifyOptions};

const CHUNK_EVENTS: u64 = 16;

pub(super) fn options() -> Options {
    Options {
        volume_events: 1_000,
        chunk_events: CHUNK_EVENTS,
        ..options_of_test()
    }
}

pub(super) fn verified(path: &Path) -> crate::VerifyReport {
    let options = VerifyOptions {
        chunk_events: CHUNK_EVENTS,
        ..VerifyOptions::default()
    };
    crate::verify(path, options, &mut |_| ()).unwrap()
}

/// The names that tests write to: old and new ones with ids that sort, and one that is hot.
fn name(random: &mut Random, written: u64) -> String {
    match random.below(4) {
        0 => "clock/simulated".to_owned(),
        1 => format!("claim/tag/{}", random.below(40)),
        2 => id_name(written / 8),
        _ => id_name(random.next() % (written / 8 + 1)),
    }
}

fn id_name(number: u64) -> String {
    format!("hazard/{number:08x}-0000-7000-8000-000000000000")
}

/// A log and what it should answer.
struct Model {
    path: PathBuf,
    log: Option<DiskLog>,
    streams: BTreeMap<String, Vec<u64>>,
    position: u64,
    _dir: tempfile::TempDir,
}

impl Model {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        DiskLog::create(&path, fixture::log_id(), &options()).unwrap();
        Self {
            log: Some(DiskLog::open(&path, &options()).unwrap()),
            path,
            streams: BTreeMap::new(),
            position: 0,
            _dir: dir,
        }
    }

    fn log(&self) -> &DiskLog {
        self.log.as_ref().unwrap()
    }

    /// Appends groups of commits of several events, until the log has this many.
    fn grow(&mut self, random: &mut Random, events: u64) {
        while self.position < events {
            let mut drafts = Vec::new();
            for _ in 0..=random.below(4) {
                let count = 1 + random.below(5);
                let mut draft = commit(self.position, &[]);
                for _ in 0..count {
                    self.position += 1;
                    let name = name(random, self.position);
                    draft.events.push(fixture::event(&name, self.position));
                    self.streams.entry(name).or_default().push(self.position);
                }
                drafts.push(draft);
            }
            self.append(drafts);
        }
    }

    fn append(&self, drafts: Vec<CommitDraft>) {
        for answered in self.log().hand_over(drafts).unwrap() {
            answered.blocking_recv().unwrap().result.unwrap();
        }
    }

    fn close(&mut self) {
        self.log().close().unwrap();
        self.log = None;
    }

    fn open(&mut self) -> OpenReport {
        let log = DiskLog::open(&self.path, &options()).unwrap();
        let report = log.report().clone();
        self.log = Some(log);
        report
    }

    #[track_caller]
    fn check(&self, random: &mut Random, index: &crate::index::Index, what: &str) {
        for (name, positions) in &self.streams {
            let key = StreamKey::of(&fixture::stream(name));
            let length = positions.len() as u64;
            assert_eq!(index.version(key), Ok(length), "{what}: {name}");
            let some = 1 + random.next() % (length + 1);
            let edges = [(0, usize::MAX), (1, 1), (length, 9), (length + 1, 9)];
            for (from, limit) in edges.into_iter().chain([(some, random.below(7))]) {
                let skip = usize::try_from(from.saturating_sub(1)).unwrap();
                let wanted: Vec<_> = positions.iter().skip(skip).take(limit).copied().collect();
                let found = index.positions(key, from, limit);
                assert_eq!(found, Ok(wanted), "{what}: {name} from {from}, {limit}");
            }
        }
        for unknown in ["hazard/none".to_owned(), id_name(0xffff_0000)] {
            let key = StreamKey::of(&fixture::stream(&unknown));
            assert_eq!(index.version(key), Ok(0));
            assert_eq!(index.positions(key, 1, 9), Ok(Vec::new()));
        }
    }

    /// Asks the open log and a reader beside it.
    #[track_caller]
    fn check_all(&self, random: &mut Random, what: &str) {
        self.check(random, &self.log().shared.view.index, what);
        let reader = ReadLog::open_with(&self.path, CHUNK_EVENTS).unwrap();
        self.check(random, &reader.index(), what);
    }
}

fn index_files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = path.join("index");
    if folder.exists() {
        contents(&folder)
    } else {
        BTreeMap::new()
    }
}

#[test]
fn answers_as_a_naive_map_does_over_merges_and_openings() {
    let mut random = Random::new();
    let mut model = Model::new();
    model.check_all(&mut random, "empty");
    for round in 1..=12 {
        let grown = model.position + 1 + random.next() % 200;
        model.grow(&mut random, grown);
        let what = format!("round {round}, {} events", model.position);
        model.check_all(&mut random, &what);
        if random.below(2) == 0 {
            model.close();
            let report = model.open();
            assert!(report.healed.is_empty(), "{what}: {report:?}");
            model.check_all(&mut random, &what);
        }
    }
    model.close();
    assert_eq!(verified(&model.path).findings, []);
    // Closing does not wait for merges; a thorough opening makes them all.
    drop(DiskLog::open(&model.path, &thorough()).unwrap());
    let levels: Vec<_> = index_files(&model.path).into_keys().collect();
    assert!(
        levels
            .iter()
            .any(|path| path.to_string_lossy().ends_with(".2.idx"))
    );
}

/// A log closed cleanly, its index as a whole verification makes it.
fn settled(random: &mut Random, events: u64) -> Model {
    let mut model = Model::new();
    model.grow(random, events);
    model.close();
    let log = DiskLog::open(&model.path, &thorough()).unwrap();
    assert_eq!(log.report().healed, Vec::<String>::new());
    drop(log);
    model
}

fn thorough() -> Options {
    Options {
        thorough: true,
        ..options()
    }
}

#[test]
fn a_new_id_passes_by_old_chunks_and_an_old_one_asks_one() {
    let mut random = Random::new();
    let mut model = settled(&mut random, 500);
    model.open();
    let index = &model.log().shared.view.index;
    let chunks = index.size().chunks;
    assert!(chunks >= 3, "{chunks}");
    let asked = |name: &str| {
        let before = index.asked();
        index
            .version(StreamKey::of(&fixture::stream(name)))
            .unwrap();
        index.asked() - before
    };
    for number in 0..50 {
        assert_eq!(asked(&id_name(0xf000_0000 + number)), 0);
    }
    let old = model
        .streams
        .iter()
        .filter(|(name, _)| name.starts_with("hazard/"));
    for (name, _) in old {
        assert!(
            asked(name) <= 1,
            "{name}: a filter passes one in 65,536 others"
        );
    }
}

#[test]
fn the_same_log_has_the_same_files_whenever_it_was_opened() {
    let mut files = Vec::new();
    for reopened in [false, true] {
        let mut random = Random::new();
        let mut model = Model::new();
        for round in 1..=20 {
            model.grow(&mut random, round * 25);
            if reopened {
                model.close();
                model.open();
            }
        }
        model.close();
        drop(DiskLog::open(&model.path, &thorough()).unwrap());
        let names =
            |(path, bytes): (PathBuf, Vec<u8>)| (path.file_name().unwrap().to_owned(), bytes);
        files.push(
            index_files(&model.path)
                .into_iter()
                .map(names)
                .collect::<Vec<_>>(),
        );
    }
    assert!(files[0].len() > 1);
    assert!(files[0] == files[1]);
}

#[test]
fn a_quick_opening_equals_a_thorough_one() {
    let mut random = Random::new();
    let model = settled(&mut random, 450);
    let mut heads = Vec::new();
    for options in [options(), thorough()] {
        let log = DiskLog::open(&model.path, &options).unwrap();
        assert_eq!(log.report().quick, !options.thorough);
        assert_eq!(log.report().healed, Vec::<String>::new());
        model.check(&mut random, &log.shared.view.index, "opened");
        let commits: Vec<_> = log.read(1, u64::MAX).map(Result::unwrap).collect();
        heads.push((log.head(), commits));
    }
    assert!(heads[0] == heads[1]);
    let quick = VerifyOptions {
        quick: true,
        chunk_events: CHUNK_EVENTS,
    };
    let report = crate::verify(&model.path, quick, &mut |_| ()).unwrap();
    assert_eq!(
        (report.root, report.findings),
        (heads[0].0.root, Vec::new())
    );
    assert_eq!(verified(&model.path).root, heads[0].0.root);
}

/// Damages an index file in some way; says how.
fn damage(random: &mut Random, bytes: &mut Vec<u8>, round: usize) -> String {
    let at = random.below(bytes.len());
    if round.is_multiple_of(4) {
        bytes.truncate(at);
        format!("cut to {at}")
    } else {
        let bit = random.below(8);
        bytes[at] ^= 1 << bit;
        format!("byte {at} bit {bit}")
    }
}

#[test]
fn a_damaged_file_of_the_index_is_found_answered_around_and_made_anew() {
    let mut random = Random::new();
    let mut model = settled(&mut random, 450);
    let whole = contents(&model.path);
    let chunks = index_files(&model.path);
    let paths: Vec<_> = chunks.keys().cloned().collect();
    for round in 0..24 {
        let path = &paths[random.below(paths.len())];
        let mut files = whole.clone();
        let what = damage(&mut random, files.get_mut(path).unwrap(), round);
        let what = format!("{}: {what}", path.display());
        restore(&model.path, &files);
        let findings = verified(&model.path).findings;
        let name = path.file_name().unwrap().to_string_lossy();
        assert_eq!(findings.len(), 1, "{what}: {findings:?}");
        assert!(
            findings[0].healable && findings[0].what.contains(&*name),
            "{what}"
        );
        assert!(
            contents(&model.path) == files,
            "{what}: verifying changes nothing"
        );

        let reader = ReadLog::open_with(&model.path, CHUNK_EVENTS).unwrap();
        model.check(&mut random, &reader.index(), &what);
        assert!(
            contents(&model.path) == files,
            "{what}: reading changes nothing"
        );

        let report = model.open();
        assert_eq!(report.quick, report.healed.is_empty(), "{what}: {report:?}");
        model.check_all(&mut random, &what);
        assert!(!model.log().shared.view.is_distrusted(), "{what}");
        model.close();
        assert!(index_files(&model.path) == chunks, "{what}");
        assert_eq!(verified(&model.path).findings, [], "{what}");
    }
}

#[test]
fn missing_files_of_the_index_are_made_anew_and_the_newest_silently() {
    let mut random = Random::new();
    let mut model = settled(&mut random, 450);
    let whole = contents(&model.path);
    let chunks = index_files(&model.path);
    let newest = chunks.keys().next_back().unwrap();
    for path in chunks.keys().map(Some).chain([None]) {
        let mut files = whole.clone();
        files.retain(|other, _| match path {
            Some(path) => other != path,
            None => !chunks.contains_key(other),
        });
        restore(&model.path, &files);
        let silent = path.is_none_or(|path| path == newest);
        assert_eq!(
            verified(&model.path).findings.is_empty(),
            silent,
            "{path:?}"
        );
        let report = model.open();
        assert_eq!(report.healed.is_empty(), silent, "{path:?}: {report:?}");
        model.check_all(&mut random, "opened");
        model.close();
        assert!(index_files(&model.path) == chunks, "{path:?}");
    }
}

#[test]
fn an_index_of_another_log_or_an_older_version_is_made_anew() {
    let mut random = Random::new();
    let mut model = settled(&mut random, 300);
    let whole = contents(&model.path);
    let chunks = index_files(&model.path);
    let foreign = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = whole.clone();
        for (path, bytes) in &mut files {
            if chunks.contains_key(path) {
                change(bytes);
                let meta = usize::try_from(u64::from_le_bytes(bytes[64..72].try_into().unwrap()));
                let digest = <sha2::Sha256 as sha2::Digest>::new();
                let digest = sha2::Digest::chain_update(digest, &bytes[..96]);
                let digest = sha2::Digest::chain_update(digest, &bytes[128..128 + meta.unwrap()]);
                bytes[96..128].copy_from_slice(&sha2::Digest::finalize(digest));
            }
        }
        files
    };
    for files in [
        foreign(&|bytes| bytes[8] = 0),
        foreign(&|bytes| bytes[16] ^= 1),
        foreign(&|bytes| bytes[48] += 1),
    ] {
        restore(&model.path, &files);
        let reader = ReadLog::open_with(&model.path, CHUNK_EVENTS).unwrap();
        model.check(&mut random, &reader.index(), "read");
        let report = model.open();
        assert!(!report.quick && report.healed.len() == 1, "{report:?}");
        model.check_all(&mut random, "opened");
        model.close();
        assert!(index_files(&model.path) == chunks);
    }
}

#[test]
fn making_the_files_may_be_interrupted_anywhere() {
    let mut random = Random::new();
    let mut model = settled(&mut random, 450);
    let chunks = index_files(&model.path);
    let mut files = contents(&model.path);
    files.retain(|path, _| !chunks.contains_key(path));
    for operations in 0.. {
        restore(&model.path, &files);
        let faulty = Arc::new(Faulty::new(Fault::Stop));
        faulty.arm(operations);
        let stopping = Options {
            files: faulty,
            ..options()
        };
        let done = DiskLog::open(&model.path, &stopping).is_ok();
        let report = model.open();
        assert!(report.healed.is_empty(), "{operations}: {report:?}");
        model.check_all(&mut random, &format!("stopped after {operations}"));
        model.close();
        assert!(index_files(&model.path) == chunks, "{operations}");
        if done {
            assert!(operations > 20, "{operations}");
            break;
        }
    }
}

/// Files as a kill would leave them: the index first, so that it is no newer than the journal.
fn as_killed(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["index", "journal", "log/00000001", ""] {
        let entries = std::fs::read_dir(path.join(folder));
        for entry in entries.into_iter().flatten() {
            let path = entry.unwrap().path();
            // Merging removes files meanwhile.
            if let Ok(bytes) = std::fs::read(&path) {
                files.insert(path, bytes);
            }
        }
    }
    files
}

#[test]
fn whatever_a_kill_leaves_of_the_index_opens_silently() {
    let mut random = Random::new();
    for _ in 0..6 {
        let mut model = Model::new();
        let events = 100 + random.next() % 400;
        model.grow(&mut random, events);
        let files = as_killed(&model.path);
        model.close();
        restore(&model.path, &files);
        assert_eq!(verified(&model.path).findings, []);
        let report = model.open();
        let about_index = report.healed.iter().any(|healed| healed.contains("index"));
        assert!(!report.clean && !about_index, "{report:?}");
        model.check_all(&mut random, "after a kill");
        model.close();
        assert_eq!(verified(&model.path).findings, []);
    }
}

#[test]
fn damage_before_a_quick_opening_is_found_when_read_and_healed_at_the_next() {
    let mut random = Random::new();
    let mut model = settled(&mut random, 450);
    model.open();
    let commits: Vec<_> = model.log().read(1, u64::MAX).map(Result::unwrap).collect();
    model.close();
    let segment = model.path.join("journal/00000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[5_000] ^= 4;
    std::fs::write(&segment, bytes).unwrap();
    assert_eq!(verified(&model.path).findings.len(), 1);

    let reader = ReadLog::open_with(&model.path, CHUNK_EVENTS).unwrap();
    let part = reader.read(1, 5).map(Result::unwrap).count();
    assert_eq!(reader.damaged_segments(), [0; 0], "not met yet");
    let read: Vec<_> = reader.read(1, u64::MAX).map(Result::unwrap).collect();
    assert!(part > 0 && read == commits);
    assert_eq!(reader.damaged_segments(), [1]);
    model.check(&mut random, &reader.index(), "out of both copies");
    drop(reader);
    let report = model.open();
    assert!(report.quick && report.healed.is_empty(), "{report:?}");
    let read: Vec<_> = model.log().read(1, u64::MAX).collect();
    assert!(matches!(read.last(), Some(Err(ReadError::Damaged { .. }))));
    model.close();

    let report = model.open();
    assert!(
        !report.clean && !report.quick && report.healed.len() == 1,
        "{report:?}"
    );
    let read: Vec<_> = model.log().read(1, u64::MAX).map(Result::unwrap).collect();
    assert!(read == commits);
    model.check_all(&mut random, "healed");
    model.close();
    assert_eq!(verified(&model.path).findings, []);
}

#[test]
fn parts_of_an_open_log_can_be_checked_again() {
    let mut random = Random::new();
    let mut model = settled(&mut random, 300);
    model.open();
    let (log, end) = (model.log(), model.position);
    let check = |range| {
        let mut reached = Vec::new();
        let findings = log.check(&range, &mut |position| reached.push(position));
        (findings.unwrap(), reached)
    };
    for range in [1..=end, 40..=41, 100..=200, end..=end, 0..=u64::MAX] {
        let (findings, reached) = check(range.clone());
        assert_eq!(findings, [], "{range:?}");
        assert!(reached.is_sorted() && *reached.last().unwrap() >= end.min(*range.end()));
    }
    assert!(!log.shared.view.is_distrusted());
    let segment = model.path.join("journal/00000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[5_000] ^= 4;
    std::fs::write(&segment, bytes).unwrap();
    let (findings, reached) = check(1..=end);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(log.shared.view.is_distrusted() && *reached.last().unwrap() < end);
    model.close();
    let report = model.open();
    assert!(!report.quick && report.healed.len() == 1, "{report:?}");
    std::fs::remove_dir_all(model.path.join("log")).unwrap();
    let (findings, log) = (Vec::new(), model.log());
    assert_ne!(log.check(&(1..=end), &mut |_| ()).unwrap(), findings);
}

#[test]
fn after_a_fork_the_index_is_that_of_the_kept_part_and_goes_on() {
    let mut random = Random::new();
    for _ in 0..3 {
        let mut model = settled(&mut random, 300);
        model.open();
        let commits: Vec<_> = model.log().read(1, u64::MAX).map(Result::unwrap).collect();
        let kept = commits[commits.len() / 4 + random.below(commits.len() / 2)]
            .header
            .last_position();
        model.close();
        let held = crate::fork::Held::take(&model.path, &options()).unwrap();
        let intent = crate::fork::Intent {
            epoch: 2,
            position: kept,
            claimed: None,
            told: serde_json::Value::Null,
        };
        held.fork(fixture::log_id(), &intent).unwrap();
        drop(held);
        model.position = kept;
        for positions in model.streams.values_mut() {
            positions.retain(|position| *position <= kept);
        }
        model.streams.retain(|_, positions| !positions.is_empty());
        model.log = Some(crate::fork::open_pending(&model.path, &options()).unwrap());
        crate::fork::settle(&model.path, &options()).unwrap();
        for round in 1..=4 {
            model.grow(&mut random, kept + round * 40);
            model.check_all(&mut random, &format!("forked at {kept}, round {round}"));
            model.close();
            assert_eq!(verified(&model.path).findings, [], "forked at {kept}");
            let report = model.open();
            assert!(report.quick && report.healed.is_empty(), "{report:?}");
            assert_eq!(model.log().head().epoch, 2);
        }
    }
}
