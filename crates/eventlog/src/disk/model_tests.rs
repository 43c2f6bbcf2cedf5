//! A log on disk beside a naive one in memory: random appends, readings, closings, kills and faults
//! of the disk, each answer compared. Owns the naive log and the steps.
//!
//! What was acknowledged must be there whatever happened; of what was not, any number of the first
//! commits may be. `EVENTLOG_TEST_SEED` chooses other steps; a failure is made smaller before it is
//! shown.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::damage_tests::Random;
use super::tests::{options_of_test, restore, try_contents};
use super::*;
use crate::commit::{Commit, CommitDraft};
use crate::faults::{EIO, ENOSPC, Fault, Faulty};
use crate::fixture::{self, noise};
use crate::limits::SUBSCRIPTION_COMMITS_MAX;
use crate::subscribe::Subscription;

const STREAMS: u8 = 6;
const CHUNK_EVENTS: u64 = 8;
const STEPS: usize = 60;

/// A commit as it is to be made of what the log holds by then.
#[derive(Debug, Clone)]
struct Shape {
    /// Streams that are expected at the version they have, and by how much that is wrong.
    read: Vec<(u8, u8)>,
    /// The stream of each event.
    written: Vec<u8>,
    /// Bytes of each payload.
    length: usize,
}

#[derive(Debug, Clone)]
enum Step {
    /// Commits that are handed over together.
    Append(Vec<Shape>),
    Range {
        from: u16,
        to: u16,
    },
    Stream {
        stream: u8,
        from: u8,
        limit: u8,
    },
    Follow,
    Checkpoint,
    /// Closed and opened again.
    Close {
        thorough: bool,
    },
    /// Killed while nothing was being appended, and opened again.
    Kill,
    /// The disk fails while groups are appended; then it is opened again.
    Fail {
        fault: Fault,
        after: u8,
        groups: Vec<Vec<Shape>>,
    },
    /// Killed again while it was opened.
    KillOpening {
        after: u8,
        closed: bool,
    },
}

fn shape() -> impl Strategy<Value = Shape> {
    let off = prop_oneof![12 => Just(0_u8), 1 => 1_u8..3];
    let length = prop_oneof![6 => 0_usize..400, 2 => 400_usize..9_000, 1 => 60_000_usize..90_000];
    let read = vec((0..STREAMS, off), 0..4);
    (read, vec(0..STREAMS, 1..4), length).prop_map(|(mut read, written, length)| {
        read.sort_unstable();
        read.dedup_by_key(|(stream, _)| *stream);
        // A record is bounded.
        let length = length / written.len();
        Shape {
            read,
            written,
            length,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let group = || vec(shape(), 1..5);
    let fault = prop_oneof![
        3 => Just(Fault::Stop),
        1 => Just(Fault::ShortWrite),
        1 => prop_oneof![Just(EIO), Just(ENOSPC)].prop_map(Fault::Write),
        1 => prop_oneof![Just(EIO), Just(ENOSPC)].prop_map(Fault::Sync),
    ];
    prop_oneof![
        30 => group().prop_map(Step::Append),
        6 => any::<(u16, u16)>().prop_map(|(from, to)| Step::Range { from, to }),
        6 => (0..STREAMS, any::<u8>(), any::<u8>())
            .prop_map(|(stream, from, limit)| Step::Stream { stream, from, limit }),
        5 => Just(Step::Follow),
        2 => Just(Step::Checkpoint),
        3 => any::<bool>().prop_map(|thorough| Step::Close { thorough }),
        2 => Just(Step::Kill),
        4 => (fault, 0_u8..16, vec(group(), 1..5))
            .prop_map(|(fault, after, groups)| Step::Fail { fault, after, groups }),
        1 => (0_u8..40, any::<bool>())
            .prop_map(|(after, closed)| Step::KillOpening { after, closed }),
    ]
}

/// The same log, simply.
#[derive(Debug, Clone, Default)]
struct Naive {
    commits: Vec<Kept>,
    position: u64,
    /// The positions of each stream's events.
    streams: BTreeMap<String, Vec<u64>>,
}

/// What was appended, and where its first event stands.
#[derive(Debug, Clone)]
struct Kept {
    draft: CommitDraft,
    first_position: u64,
    /// The version of each event.
    versions: Vec<u64>,
}

impl Naive {
    fn version(&self, stream: &str) -> u64 {
        self.streams.get(stream).map_or(0, |held| held.len() as u64)
    }

    /// Appends a commit; answers its number and last position, or the stream that has moved.
    fn append(&mut self, draft: &CommitDraft) -> Result<(u64, u64), (String, u64)> {
        for (stream, expected) in &draft.expected {
            let actual = self.version(stream.as_str());
            if actual != *expected {
                return Err((stream.as_str().to_owned(), actual));
            }
        }
        let first_position = self.position + 1;
        let mut versions = Vec::new();
        for event in &draft.events {
            self.position += 1;
            let stream = event.stream.as_str().to_owned();
            let positions = self.streams.entry(stream).or_default();
            positions.push(self.position);
            versions.push(positions.len() as u64);
        }
        self.commits.push(Kept {
            draft: draft.clone(),
            first_position,
            versions,
        });
        Ok((self.commits.len() as u64 - 1, self.position))
    }

    fn draft(&self, shape: &Shape, id: u64) -> CommitDraft {
        let name = |stream: &u8| format!("model/{stream}");
        let mut draft = fixture::commit(id, &[]);
        for (stream, off) in &shape.read {
            let version = self.version(&name(stream)) + u64::from(*off);
            draft
                .expected
                .push((fixture::stream(&name(stream)), version));
        }
        for (stream, number) in shape.written.iter().zip(0..) {
            let mut event = fixture::event(&name(stream), id);
            event.payload = noise(id * 8 + number, shape.length);
            draft.events.push(event);
        }
        draft
    }
}

#[track_caller]
fn assert_same(read: &Commit, kept: &Kept, number: u64) {
    assert_eq!(read.header.commit_number, number);
    assert_eq!(read.header.first_position, kept.first_position);
    assert_eq!(read.header.told(), kept.draft.header);
    assert_eq!(read.events.len(), kept.draft.events.len());
    let events = read.events.iter().zip(&kept.draft.events);
    for ((event, draft), (version, position)) in
        events.zip(kept.versions.iter().zip(kept.first_position..))
    {
        assert_eq!(event.stream, draft.stream);
        assert_eq!((event.version, event.position), (*version, position));
        assert!(event.payload == draft.payload, "position {position}");
    }
}

/// The log under test and the naive one.
struct Pair {
    naive: Naive,
    path: PathBuf,
    faulty: Arc<Faulty>,
    log: Option<Arc<DiskLog>>,
    following: Option<Subscription<DiskLog>>,
    runtime: tokio::runtime::Runtime,
    next_id: u64,
    openings: u64,
    _dir: tempfile::TempDir,
}

fn options(faulty: &Arc<Faulty>, thorough: bool) -> Options {
    Options {
        files: Arc::clone(faulty) as Arc<dyn FileLayer>,
        volume_events: 60,
        chunk_events: CHUNK_EVENTS,
        thorough,
        ..options_of_test()
    }
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let faulty = Arc::new(Faulty::new(Fault::Stop));
        DiskLog::create(&path, fixture::log_id(), &options(&faulty, false)).unwrap();
        let mut this = Self {
            naive: Naive::default(),
            path,
            faulty,
            log: None,
            following: None,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            next_id: 0,
            openings: 0,
            _dir: dir,
        };
        this.open(Fault::Stop, false, Vec::new());
        this
    }

    fn log(&self) -> &Arc<DiskLog> {
        self.log.as_ref().unwrap()
    }

    /// Lets go of the log; answers where its follower was.
    fn drop_log(&mut self) {
        self.following = None;
        drop(self.log.take());
    }

    /// Opens the log and compares all of it; some first commits of `unsure` may be there.
    fn open(&mut self, fault: Fault, thorough: bool, unsure: Vec<CommitDraft>) -> OpenReport {
        self.faulty = Arc::new(Faulty::new(fault));
        let log = DiskLog::open(&self.path, &options(&self.faulty, thorough)).unwrap();
        self.openings += 1;
        let report = log.report().clone();
        let commits: Vec<_> = log.read(1, u64::MAX).map(Result::unwrap).collect();
        let mut unsure = unsure.into_iter();
        while self.naive.commits.len() < commits.len() {
            let next = unsure.next().expect("something that nobody appended");
            // One that was refused leaves nothing.
            let _ = self.naive.append(&next);
        }
        assert_eq!(commits.len(), self.naive.commits.len(), "something is lost");
        for ((commit, kept), number) in commits.iter().zip(&self.naive.commits).zip(0..) {
            assert_same(commit, kept, number);
        }
        let head = log.head();
        assert_eq!((head.position, head.poisoned), (self.naive.position, None));
        for (name, positions) in &self.naive.streams {
            let stream = fixture::stream(name);
            assert_eq!(
                log.stream_version(&stream),
                Ok(positions.len() as u64),
                "{name}"
            );
            let events = log.read_stream(&stream, 1, usize::MAX).unwrap();
            assert!(
                events.iter().map(|event| &event.position).eq(positions),
                "{name}"
            );
        }
        let log = Arc::new(log);
        let from = self.naive.position / 2;
        self.following = Some(Subscription::new(Arc::clone(&log), from));
        self.log = Some(log);
        report
    }

    /// Hands a group over. Answers what nobody knows the fate of once the journal has failed.
    fn append(&mut self, shapes: &[Shape]) -> Option<Vec<CommitDraft>> {
        let mut expected = self.naive.clone();
        let mut drafts = Vec::new();
        let mut wanted = Vec::new();
        for shape in shapes {
            let draft = expected.draft(shape, self.next_id);
            self.next_id += 1;
            wanted.push(expected.append(&draft));
            drafts.push(draft);
        }
        let answers = match self.log().hand_over(drafts.clone()) {
            Ok(answers) => answers,
            Err(AppendError::Poisoned(_)) => return Some(drafts),
            Err(error) => panic!("{error}"),
        };
        let mut unsure = Vec::new();
        for ((answer, wanted), draft) in answers.into_iter().zip(wanted).zip(drafts) {
            match (answer.blocking_recv().unwrap().result, wanted) {
                (Ok(receipt), Ok((number, position))) => {
                    assert_eq!(
                        (receipt.commit_number, receipt.position),
                        (number, position)
                    );
                    assert!(unsure.is_empty());
                    self.naive.append(&draft).unwrap();
                }
                (Err(AppendError::Conflict { stream, actual, .. }), Err(moved)) => {
                    assert_eq!((stream.as_str().to_owned(), actual), moved);
                }
                (Err(AppendError::Poisoned(_)), _) => unsure.push(draft),
                (result, wanted) => panic!("{result:?} instead of {wanted:?}"),
            }
        }
        (!unsure.is_empty()).then_some(unsure)
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append(shapes) => assert!(self.append(shapes).is_none(), "poisoned"),
            Step::Range { from, to } => {
                let end = self.naive.position + 2;
                let (from, to) = (u64::from(*from) % end, u64::from(*to) % end);
                let read: Vec<_> = self.log().read(from, to).map(Result::unwrap).collect();
                let overlaps = |(_, kept): &(u64, &Kept)| {
                    let last = kept.first_position + kept.versions.len() as u64 - 1;
                    kept.first_position <= to && last >= from.max(1) && from.max(1) <= to
                };
                let wanted: Vec<_> = (0..).zip(&self.naive.commits).filter(overlaps).collect();
                assert_eq!(read.len(), wanted.len(), "{from} to {to}");
                for (commit, (number, kept)) in read.iter().zip(wanted) {
                    assert_same(commit, kept, number);
                }
            }
            Step::Stream {
                stream,
                from,
                limit,
            } => {
                let name = format!("model/{stream}");
                let positions = self.naive.streams.get(&name).cloned().unwrap_or_default();
                let from = u64::from(*from) % (positions.len() as u64 + 3);
                let limit = usize::from(*limit) / 4;
                let stream = fixture::stream(&name);
                let read = self.log().read_stream(&stream, from, limit).unwrap();
                let skip = usize::try_from(from.saturating_sub(1)).unwrap();
                let wanted = positions.iter().zip(1..).skip(skip).take(limit);
                let found = read.iter().map(|event| (&event.position, event.version));
                assert!(found.eq(wanted), "{name} from {from}, {limit}");
            }
            Step::Follow => self.follow(),
            Step::Checkpoint => {
                // Blocks go into the second copy after they are acknowledged.
                while self.log().synced_position() < self.naive.position {
                    self.log().copy.checkpoint();
                }
            }
            Step::Close { thorough } => {
                self.log().close().unwrap();
                self.drop_log();
                let report = self.open(Fault::ShortWrite, *thorough, Vec::new());
                assert!(report.clean && report.healed.is_empty(), "{report:?}");
            }
            Step::Kill => {
                self.kill();
                let report = self.open(Fault::Sync(EIO), false, Vec::new());
                assert!(!report.clean, "{report:?}");
            }
            Step::Fail {
                fault,
                after,
                groups,
            } => {
                self.drop_log();
                self.open(*fault, false, Vec::new());
                self.faulty.arm(i64::from(*after));
                let mut unsure = Vec::new();
                for group in groups {
                    unsure.extend(self.append(group).into_iter().flatten());
                }
                self.drop_log();
                self.open(Fault::Stop, false, unsure);
            }
            Step::KillOpening { after, closed } => {
                if *closed {
                    self.drop_log();
                } else {
                    self.kill();
                }
                let faulty = Arc::new(Faulty::new(Fault::Stop));
                faulty.arm(i64::from(*after));
                drop(DiskLog::open(&self.path, &options(&faulty, false)));
                self.open(Fault::Stop, false, Vec::new());
            }
        }
    }

    /// As a kill leaves it: what was written stands in the files, nothing is closed.
    fn kill(&mut self) {
        let files = loop {
            if let Ok(files) = try_contents(&self.path) {
                break files;
            }
        };
        self.drop_log();
        restore(&self.path, &files);
    }

    fn follow(&mut self) {
        let following = self.following.as_mut().unwrap();
        let from = following.position();
        if from > self.naive.position {
            return;
        }
        let batch = self.runtime.block_on(following.next()).unwrap().unwrap();
        assert!((1..=SUBSCRIPTION_COMMITS_MAX).contains(&batch.len()));
        let wanted = (0..).zip(&self.naive.commits);
        let wanted =
            wanted.filter(|(_, kept)| kept.first_position + kept.versions.len() as u64 > from);
        for (commit, (number, kept)) in batch.iter().zip(wanted) {
            assert_same(commit, kept, number);
        }
    }
}

/// Runs so many sequences of steps.
fn run(cases: u32) {
    let mut random = Random::new();
    let mut seed = [0; 32];
    for part in seed.chunks_mut(8) {
        part.copy_from_slice(&random.next().to_le_bytes());
    }
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let (steps, openings) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let result = TestRunner::new_with_rng(config, rng).run(&vec(step(), STEPS), |sequence| {
        let mut pair = Pair::new();
        for step in &sequence {
            pair.run(step);
        }
        steps.set(steps.get() + sequence.len());
        openings.set(openings.get() + pair.openings);
        pair.log().close().unwrap();
        pair.drop_log();
        let options = crate::VerifyOptions {
            chunk_events: CHUNK_EVENTS,
            ..crate::VerifyOptions::default()
        };
        let report = crate::verify(&pair.path, options, &mut |_| ()).unwrap();
        assert_eq!(
            (report.events, report.findings),
            (pair.naive.position, Vec::new())
        );
        Ok(())
    });
    println!("{} steps, {} openings", steps.get(), openings.get());
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn a_log_answers_as_a_naive_one_does_whatever_happens() {
    run(10);
}

#[test]
#[ignore = "minutes: the same with thousands of steps"]
fn a_log_answers_as_a_naive_one_does_for_a_long_time() {
    run(120);
}
