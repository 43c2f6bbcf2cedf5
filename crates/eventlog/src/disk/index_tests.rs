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
            for _ in 0..1 + random.below(4) {
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
            answered.blocking_recv().unwrap().unwrap();
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
        self.check(random, reader.index(), what);
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
    let levels: Vec<_> = index_files(&model.path).into_keys().collect();
    assert!(
        levels
            .iter()
            .any(|path| path.to_string_lossy().ends_with(".2.idx"))
    );
}
