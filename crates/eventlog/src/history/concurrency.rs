//! Many writers and readers at once on every backend: what they were told is explained by one order.
//!
//! `EVENTLOG_TEST_SEED` chooses other operations; how they meet is up to the machine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::commit::{Commit, EventDraft, Receipt};
use crate::disk::DiskLog;
use crate::disk::damage_tests::Random;
use crate::disk::tests::options_of_test;
use crate::fixture;
use crate::log::{AppendError, EventLog};
use crate::memory::MemoryLog;
use crate::subscribe::Subscription;

const WRITERS: u64 = 64;
const READERS: u64 = 16;
/// So few that almost every commit meets another one.
const STREAMS: usize = 10;

fn name(stream: Stream) -> String {
    format!("shared/{stream}")
}

fn stream_of(name: &str) -> Stream {
    name.rsplit('/').next().unwrap().parse().unwrap()
}

/// The log under test and what was done to it.
struct Recording<L> {
    log: Arc<L>,
    moment: AtomicU64,
    operations: Mutex<Vec<Operation>>,
}

impl<L: EventLog> Recording<L> {
    fn now(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    fn push(&self, called: u64, answered: u64, done: Done) {
        let operation = Operation {
            called,
            answered,
            done,
        };
        self.operations.lock().unwrap().push(operation);
    }

    fn recorded(&self, read: impl FnOnce(&L) -> Done) {
        let called = self.now();
        let done = read(&self.log);
        self.push(called, self.now(), done);
    }

    fn version(&self, stream: Stream) -> u64 {
        let mut seen = 0;
        self.recorded(|log| {
            seen = log.stream_version(&fixture::stream(&name(stream))).unwrap();
            let version = seen;
            Done::Version { stream, version }
        });
        seen
    }

    /// Reads some streams, then appends on the condition that they stayed as they were.
    async fn write(&self, random: &mut Random, id: u64) {
        let mut expected: Vec<(Stream, u64)> = Vec::new();
        for _ in 0..random.below(4) {
            let stream = random.below(STREAMS);
            if expected.iter().all(|(other, _)| *other != stream) {
                let version = self.version(stream);
                // Now and then a decision on what never was.
                let off = u64::from(random.below(16) == 0);
                expected.push((stream, version + off));
            }
            if random.below(3) == 0 {
                tokio::task::yield_now().await;
            }
        }
        let written: Vec<_> = (0..=random.below(3))
            .map(|_| match random.below(3) {
                0 => random.below(STREAMS),
                _ => expected.first().map_or(0, |(stream, _)| *stream),
            })
            .collect();
        let mut draft = fixture::commit(id, &[]);
        draft.expected = with_names(&expected);
        draft.events = events(&written, id);
        let called = self.now();
        let append = self.log.append(draft);
        if random.below(20) == 0 {
            drop(append);
            self.push_append((called, u64::MAX), id, expected, Answer::Unknown);
            return;
        }
        let answer = answer_of(append.await);
        self.push_append((called, self.now()), id, expected, answer);
    }

    fn push_append(
        &self,
        (called, answered): (u64, u64),
        id: u64,
        expected: Vec<(Stream, u64)>,
        answer: Answer,
    ) {
        let done = Done::Append {
            id,
            expected,
            answer,
        };
        self.push(called, answered, done);
    }

    /// Appends without a condition; answers how many commits the log then has.
    async fn append_last(&self, id: u64) -> u64 {
        let mut draft = fixture::commit(id, &[]);
        draft.events = events(&[0], id);
        let called = self.now();
        let answer = answer_of(self.log.append(draft).await);
        let Answer::Appended { number, .. } = answer else {
            panic!("{answer:?}");
        };
        self.push_append((called, self.now()), id, Vec::new(), answer);
        number + 1
    }

    fn read(&self, random: &mut Random) {
        let stream = random.below(STREAMS);
        match random.below(4) {
            0 => {
                self.version(stream);
            }
            1 => self.recorded(|log| {
                let read = log.read_stream(&fixture::stream(&name(stream)), 1, usize::MAX);
                let events = read.unwrap();
                let versions = events.iter().map(|event| event.version);
                assert!(versions.eq(1..=events.len() as u64));
                let positions = events.iter().map(|event| event.position).collect();
                Done::Stream { stream, positions }
            }),
            2 => self.recorded(|log| {
                let head = log.head();
                assert_eq!(head.poisoned, None);
                let (position, commits) = (head.position, head.commits);
                Done::Head { position, commits }
            }),
            _ => {
                let from = 1 + random.next() % (self.log.head().position + 2);
                self.recorded(|log| {
                    let ids = log
                        .read(from, u64::MAX)
                        .map(|commit| id_of(&commit.unwrap()));
                    let ids = ids.collect();
                    Done::Range { from, ids }
                });
            }
        }
    }

    /// Follows the log until it has shown so many commits.
    async fn follow(&self, mut until: impl FnMut(usize) -> bool) {
        let mut subscription = Subscription::new(Arc::clone(&self.log), 1);
        let mut before = 0;
        while !until(before) {
            let called = self.now();
            let batch = subscription.next().await.unwrap().unwrap();
            let ids: Vec<_> = batch.iter().map(id_of).collect();
            let count = ids.len();
            self.push(called, self.now(), Done::Followed { before, ids });
            before += count;
        }
    }
}

fn answer_of(result: Result<Receipt, AppendError>) -> Answer {
    match result {
        Ok(receipt) => Answer::Appended {
            number: receipt.commit_number,
            position: receipt.position,
            versions: receipt
                .stream_versions
                .iter()
                .map(|(stream, version)| (stream_of(stream.as_str()), *version))
                .collect(),
        },
        Err(AppendError::Conflict { stream, actual, .. }) => Answer::Conflict {
            stream: stream_of(stream.as_str()),
            actual,
        },
        Err(other) => panic!("{other}"),
    }
}

fn with_names(expected: &[(Stream, u64)]) -> Vec<(domain::StreamName, u64)> {
    let named = |(stream, version): &(Stream, u64)| (fixture::stream(&name(*stream)), *version);
    expected.iter().map(named).collect()
}

fn events(written: &[Stream], id: u64) -> Vec<EventDraft> {
    let event = |stream: &Stream| fixture::event(&name(*stream), id);
    written.iter().map(event).collect()
}

/// The id of the append that a commit came from.
fn id_of(commit: &Commit) -> u64 {
    u64::try_from(commit.header.command_id.as_u128() & u128::from(u64::MAX)).unwrap()
}

fn recorded(commit: &Commit) -> Recorded {
    let written = commit.events.iter();
    Recorded {
        id: id_of(commit),
        first_position: commit.header.first_position,
        written: written
            .map(|event| stream_of(event.stream.as_str()))
            .collect(),
    }
}

/// Lets everybody loose on a log and checks what came of it.
fn check_backend<L: EventLog>(log: Arc<L>, rounds: u64, views: Views) -> Vec<Recorded> {
    let seed = Random::new().next();
    let recording = Arc::new(Recording {
        log,
        moment: 0.into(),
        operations: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    let last_id = WRITERS * rounds;
    runtime.block_on(async {
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let this = Arc::clone(&recording);
            writers.push(tokio::spawn(async move {
                let mut random = Random::seeded(seed ^ writer);
                for round in 0..rounds {
                    this.write(&mut random, writer * rounds + round).await;
                }
            }));
        }
        let done = Arc::new(AtomicU64::new(0));
        let mut readers = Vec::new();
        for reader in 0..READERS {
            let (this, done) = (Arc::clone(&recording), Arc::clone(&done));
            readers.push(tokio::spawn(async move {
                let mut random = Random::seeded(!seed ^ reader);
                if reader % 8 == 0 {
                    let all = || done.load(Ordering::SeqCst);
                    this.follow(|shown| all() > 0 && shown as u64 >= all())
                        .await;
                    return;
                }
                while done.load(Ordering::SeqCst) == 0 {
                    this.read(&mut random);
                    tokio::task::yield_now().await;
                }
                this.read(&mut random);
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
        // The first waits for what nobody waited for; the second wakes those who follow.
        for id in [last_id, last_id + 1] {
            let commits = recording.append_last(id).await;
            done.fetch_max(commits, Ordering::SeqCst);
        }
        for reader in readers {
            reader.await.unwrap();
        }
    });
    let commits = recording.log.read(1, u64::MAX);
    let log: Vec<_> = commits.map(|commit| recorded(&commit.unwrap())).collect();
    let operations = recording.operations.lock().unwrap();
    let count = |wanted: fn(&Answer) -> bool| {
        let answers = operations
            .iter()
            .filter_map(|operation| match &operation.done {
                Done::Append { answer, .. } => Some(answer),
                _ => None,
            });
        answers.filter(|answer| wanted(answer)).count()
    };
    let appended = count(|answer| matches!(answer, Answer::Appended { .. }));
    let conflicts = count(|answer| matches!(answer, Answer::Conflict { .. }));
    let unknown = count(|answer| *answer == Answer::Unknown);
    println!(
        "{} operations, {appended} appended, {conflicts} conflicts, {unknown} not waited for",
        operations.len()
    );
    let asked = usize::try_from(last_id).unwrap();
    assert!(
        appended * 5 > asked && conflicts * 20 > asked,
        "too little was contended"
    );
    if let Err(what) = check(&operations, &log, views) {
        panic!("seed {seed}: {what}");
    }
    log
}

fn on_disk(rounds: u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    DiskLog::create(&path, fixture::log_id(), &options_of_test()).unwrap();
    let log = Arc::new(DiskLog::open(&path, &options_of_test()).unwrap());
    let left = check_backend(Arc::clone(&log), rounds, Views::StreamsLead);
    log.close().unwrap();
    drop(log);
    let log = DiskLog::open(&path, &options_of_test()).unwrap();
    let commits = log
        .read(1, u64::MAX)
        .map(|commit| recorded(&commit.unwrap()));
    assert!(commits.eq(left));
}

#[test]
fn one_order_explains_what_many_saw_on_disk() {
    on_disk(20);
}

#[test]
fn one_order_explains_what_many_saw_in_memory() {
    let log = MemoryLog::new(fixture::log_id(), Arc::new(fixture::clock()));
    check_backend(Arc::new(log), 20, Views::One);
}

#[test]
#[ignore = "a minute: the same with tens of thousands of appends"]
fn one_order_explains_what_very_many_saw() {
    on_disk(600);
    let log = MemoryLog::new(fixture::log_id(), Arc::new(fixture::clock()));
    check_backend(Arc::new(log), 300, Views::One);
}
