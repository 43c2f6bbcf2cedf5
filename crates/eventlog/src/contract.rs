//! What every backend of the log must do, as one suite. A new backend implements [`Backend`] in
//! its tests and calls [`check`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::StreamName;

use crate::clock::Clock;
use crate::commit::{Commit, RecordedEvent};
use crate::fixture::{clock, commit, event, hex, instant, log_id, stream};
use crate::limits::{EVENTS_PER_COMMIT_MAX, RECORD_BYTES_MAX, SUBSCRIPTION_COMMITS_MAX};
use crate::log::{AppendError, EventLog};
use crate::merkle::CompactRange;
use crate::record;
use crate::subscribe::Subscription;

/// A backend under test.
pub(crate) trait Backend {
    type Log: EventLog;
    /// A new, empty log with the id of the fixture.
    fn create(&self, clock: Arc<dyn Clock>) -> Arc<Self::Log>;
    /// The same log opened again, after a clean close.
    fn reopen(&self, log: Arc<Self::Log>, clock: Arc<dyn Clock>) -> Arc<Self::Log>;
}

/// The root that [`the_root_depends_on_the_drafts_alone`] must give on every backend.
const ROOT: &str = "a6caa6d423f46be9285ccc069da2598864314f51d865aeb24aebdff81f65cecd";

/// Runs the whole suite.
pub(crate) fn check<B: Backend>(backend: &B) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        an_empty_log_is_empty(backend);
        positions_and_versions_have_no_gaps(backend).await;
        refuses_any_stream_that_moved(backend).await;
        a_commit_is_whole_or_absent(backend).await;
        refuses_what_is_out_of_bounds(backend).await;
        recorded_time_never_falls(backend).await;
        many_appenders_agree(backend).await;
        ranges_give_whole_commits(backend).await;
        a_closed_log_refuses_and_still_reads(backend).await;
        a_reopened_log_is_equal(backend).await;
        the_root_depends_on_the_drafts_alone(backend).await;
        a_subscription_has_no_gap_and_nothing_twice(backend).await;
    });
}

fn all(log: &impl EventLog) -> Vec<Commit> {
    log.read(1, u64::MAX).map(Result::unwrap).collect()
}

/// Everything readable agrees with everything else.
#[track_caller]
fn check_consistent(log: &impl EventLog) {
    let (head, commits) = (log.head(), all(log));
    let mut tree = CompactRange::new();
    let mut position = 0;
    let mut recorded_at = None;
    let mut streams: HashMap<StreamName, Vec<RecordedEvent>> = HashMap::new();
    for commit in &commits {
        assert_eq!(commit.header.log_id, log_id());
        assert_eq!(commit.header.commit_number, tree.size());
        assert_eq!(commit.header.first_position, position + 1);
        assert_eq!(commit.header.event_count as usize, commit.events.len());
        assert!(recorded_at <= Some(commit.header.recorded_at));
        recorded_at = Some(commit.header.recorded_at);
        let (seed, items) = record::items(&commit.record).unwrap();
        let hashes: Vec<_> = (0..)
            .zip(&items)
            .map(|(number, item)| record::item_hash(record::salt(seed, number), item))
            .collect();
        assert_eq!(record::leaf(&hashes), commit.leaf());
        tree.append(commit.leaf(), |_, _, _| ());
        for event in &commit.events {
            position += 1;
            assert_eq!(event.position, position);
            assert_eq!(event.header, commit.header);
            let stream = streams.entry(event.stream.clone()).or_default();
            stream.push(event.clone());
            assert_eq!(event.version, stream.len() as u64);
        }
    }
    assert_eq!((head.position, head.commits), (position, tree.size()));
    assert_eq!((head.root, head.recorded_at), (tree.root(), recorded_at));
    assert_eq!(*log.watch().borrow(), position);
    for (name, events) in &streams {
        assert_eq!(log.stream_version(name), Ok(events.len() as u64));
        assert_eq!(log.read_stream(name, 1, usize::MAX).as_ref(), Ok(events));
        let (skipped, limit) = (events.len() / 2, events.len() / 3 + 1);
        let part: Vec<_> = events.iter().skip(skipped).take(limit).cloned().collect();
        assert_eq!(log.read_stream(name, skipped as u64 + 1, limit), Ok(part));
    }
}

fn an_empty_log_is_empty<B: Backend>(backend: &B) {
    let log = backend.create(Arc::new(clock()));
    check_consistent(&*log);
    assert_eq!(
        (log.head().epoch, log.head().position, log.log_id()),
        (1, 0, log_id())
    );
    assert_eq!(log.head().root, crate::merkle::empty_root());
    assert_eq!(log.stream_version(&stream("shift/a")), Ok(0));
    assert_eq!(log.read_stream(&stream("shift/a"), 1, 10), Ok(Vec::new()));
    assert_eq!(log.commit_at(1), Ok(None));
}

async fn positions_and_versions_have_no_gaps<B: Backend>(backend: &B) {
    let log = backend.create(Arc::new(clock()));
    let first = log
        .append(commit(0, &[("shift/a", 0), ("shift/b", 0)]))
        .await
        .unwrap();
    assert_eq!(
        (first.epoch, first.position, first.commit_number),
        (1, 2, 0)
    );
    let mut draft = commit(1, &[("shift/b", 1)]);
    draft
        .events
        .extend([event("shift/c", 7), event("shift/b", 8)]);
    let second = log.append(draft).await.unwrap();
    assert_eq!(
        (second.position, second.commit_number, second.replayed),
        (5, 1, false)
    );
    assert_eq!(
        second.stream_versions,
        [(stream("shift/b"), 3), (stream("shift/c"), 1)]
    );
    let read = all(&*log);
    assert_eq!(read[1].receipt(false), second);
    assert_eq!(read[1].events[2].payload, r#"{"number":8}"#.as_bytes());
    assert_eq!(read[1].header.recorded_at, instant(0));
    check_consistent(&*log);
}

async fn refuses_any_stream_that_moved<B: Backend>(backend: &B) {
    let log = backend.create(Arc::new(clock()));
    log.append(commit(0, &[("shift/a", 0), ("shift/b", 0)]))
        .await
        .unwrap();
    let conflict = |name: &str, expected, actual| AppendError::Conflict {
        stream: stream(name),
        expected,
        actual,
    };
    let refused = |draft| {
        let log = Arc::clone(&log);
        async move { log.append(draft).await.unwrap_err() }
    };
    assert_eq!(
        refused(commit(1, &[("shift/a", 0)])).await,
        conflict("shift/a", 0, 1)
    );
    assert_eq!(
        refused(commit(1, &[("shift/a", 2)])).await,
        conflict("shift/a", 2, 1)
    );
    assert_eq!(
        refused(commit(1, &[("shift/c", 1)])).await,
        conflict("shift/c", 1, 0)
    );
    let mut reads_more = commit(1, &[("shift/a", 1)]);
    reads_more.expected.push((stream("shift/b"), 0));
    assert_eq!(refused(reads_more.clone()).await, conflict("shift/b", 0, 1));
    reads_more.expected[1] = (stream("claim/free"), 0);
    log.append(reads_more.clone()).await.unwrap();
    reads_more.expected = vec![(stream("shift/a"), 2), (stream("claim/free"), 1)];
    assert_eq!(refused(reads_more).await, conflict("claim/free", 1, 0));
    check_consistent(&*log);
}

async fn a_commit_is_whole_or_absent<B: Backend>(backend: &B) {
    let log = backend.create(Arc::new(clock()));
    log.append(commit(0, &[("shift/b", 0)])).await.unwrap();
    let before = log.head();
    let refused = log
        .append(commit(1, &[("shift/a", 0), ("shift/b", 0), ("shift/c", 0)]))
        .await;
    assert!(matches!(refused, Err(AppendError::Conflict { .. })));
    assert_eq!(log.head(), before);
    assert_eq!(log.stream_version(&stream("shift/a")), Ok(0));
    log.append(commit(2, &[("shift/a", 0), ("shift/b", 1), ("shift/c", 0)]))
        .await
        .unwrap();
    check_consistent(&*log);
}

async fn refuses_what_is_out_of_bounds<B: Backend>(backend: &B) {
    let log = backend.create(Arc::new(clock()));
    let check = async |change: fn(&mut crate::commit::CommitDraft), refused: bool| {
        let mut draft = commit(log.head().commits, &[("shift/a", log.head().commits)]);
        change(&mut draft);
        match log.append(draft).await {
            Ok(_) => assert!(!refused),
            Err(AppendError::TooLarge { actual, max, .. }) => assert!(refused && actual > max),
            Err(AppendError::Malformed(_)) => assert!(refused),
            Err(other) => panic!("{other}"),
        }
    };
    check(|_| (), false).await;
    check(|draft| draft.events.clear(), true).await;
    check(|draft| draft.events[0].type_name = "".into(), true).await;
    check(|draft| draft.expected.extend(draft.expected.clone()), true).await;
    check(
        |draft| draft.events[0].payload = vec![b' '; RECORD_BYTES_MAX],
        true,
    )
    .await;
    check(
        |draft| draft.events[0].payload = vec![b' '; RECORD_BYTES_MAX - 1_000],
        false,
    )
    .await;
    check(
        |draft| draft.events = vec![event("shift/x", 0); EVENTS_PER_COMMIT_MAX + 1],
        true,
    )
    .await;
    check(|draft| draft.header.role = Some("x".repeat(101)), true).await;
    check(
        |draft| draft.header.policy_sets = vec!["x".to_owned(); 65],
        true,
    )
    .await;
    check_consistent(&*log);
}

async fn recorded_time_never_falls<B: Backend>(backend: &B) {
    let time = clock();
    let log = backend.create(Arc::new(time.clone()));
    let append = async |number, not_before| {
        let mut draft = commit(number, &[("shift/a", number)]);
        draft.not_before = not_before;
        log.append(draft).await.unwrap().recorded_at
    };
    assert_eq!(append(0, None).await, instant(0));
    time.advance_by(Duration::from_secs(5));
    assert_eq!(append(1, Some(instant(2))).await, instant(5));
    assert_eq!(append(2, Some(instant(9))).await, instant(9));
    assert_eq!(append(3, None).await, instant(9), "never back to the clock");
    check_consistent(&*log);
}

async fn many_appenders_agree<B: Backend>(backend: &B) {
    let log = backend.create(Arc::new(clock()));
    let tasks: Vec<_> = (0..8)
        .map(|task: u64| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let own = format!("task/{task}");
                for number in 0..20 {
                    loop {
                        let shared = log.stream_version(&stream("task/shared")).unwrap();
                        let streams = [(own.as_str(), number), ("task/shared", shared)];
                        match log.append(commit(task * 100 + number, &streams)).await {
                            Ok(receipt) => {
                                let read = log.commit_at(receipt.position).unwrap().unwrap();
                                assert_eq!(read.receipt(false), receipt);
                                assert!(*log.watch().borrow() >= receipt.position);
                                break;
                            }
                            Err(AppendError::Conflict { stream, .. }) => {
                                assert_eq!(stream.as_str(), "task/shared");
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(log.stream_version(&stream("task/shared")), Ok(160));
    check_consistent(&*log);
}

async fn ranges_give_whole_commits<B: Backend>(backend: &B) {
    let log = backend.create(Arc::new(clock()));
    for number in 0..10 {
        let streams = [
            ("shift/a", number),
            ("shift/b", number),
            ("shift/c", number),
        ];
        log.append(commit(number, &streams)).await.unwrap();
    }
    let numbers = |from, to| -> Vec<u64> {
        log.read(from, to)
            .map(|commit| commit.unwrap().header.commit_number)
            .collect()
    };
    assert!(numbers(0, 0).is_empty());
    assert_eq!(numbers(0, 1), [0]);
    assert_eq!(numbers(3, 4), [0, 1]);
    assert_eq!(numbers(5, 5), [1]);
    assert_eq!(numbers(28, u64::MAX), [9]);
    assert!(numbers(31, u64::MAX).is_empty());
    assert!(numbers(9, 8).is_empty());
    assert_eq!(log.commit_at(12).unwrap().unwrap().header.commit_number, 3);
}

async fn a_subscription_has_no_gap_and_nothing_twice<B: Backend>(backend: &B) {
    let log = backend.create(Arc::new(clock()));
    let append = async |number| {
        let streams = [("shift/a", number), ("shift/b", number)];
        log.append(commit(number, &streams)).await.unwrap();
    };
    let before = SUBSCRIPTION_COMMITS_MAX as u64 + 40;
    let waiting: Vec<_> = (0..before)
        .map(|number| log.append(commit(number, &[("shift/a", number), ("shift/b", number)])))
        .collect();
    for append in waiting {
        append.await.unwrap();
    }
    let following = {
        let log: Arc<dyn EventLog> = Arc::clone(&log) as Arc<dyn EventLog>;
        tokio::spawn(async move {
            let mut subscription = Subscription::new(log, 4);
            let mut numbers = Vec::new();
            while numbers.last() != Some(&(before + 59)) {
                let commits = subscription.next().await.unwrap().unwrap();
                assert!((1..=SUBSCRIPTION_COMMITS_MAX).contains(&commits.len()));
                numbers.extend(commits.iter().map(|commit| commit.header.commit_number));
                assert_eq!(subscription.position(), numbers.last().unwrap() * 2 + 3);
                tokio::task::yield_now().await;
            }
            // Nothing more is there: it waits.
            let waited = tokio::time::timeout(Duration::from_millis(20), subscription.next());
            assert!(waited.await.is_err());
            numbers
        })
    };
    for number in before..before + 60 {
        append(number).await;
    }
    let numbers = following.await.unwrap();
    assert_eq!(numbers, (1..before + 60).collect::<Vec<_>>());
}

async fn a_closed_log_refuses_and_still_reads<B: Backend>(backend: &B) {
    let log = backend.create(Arc::new(clock()));
    log.append(commit(0, &[("shift/a", 0)])).await.unwrap();
    log.close().unwrap();
    assert_eq!(
        log.append(commit(1, &[("shift/a", 1)])).await,
        Err(AppendError::Closed)
    );
    log.close().unwrap();
    check_consistent(&*log);
}

async fn a_reopened_log_is_equal<B: Backend>(backend: &B) {
    let mut log = backend.create(Arc::new(clock()));
    for round in 0..3 {
        for number in 0..20 {
            let name = format!("shift/{}", number % 7);
            let version = log.stream_version(&stream(&name)).unwrap();
            log.append(commit(round * 100 + number, &[(&name, version)]))
                .await
                .unwrap();
        }
        let (head, commits) = (log.head(), all(&*log));
        log.close().unwrap();
        log = backend.reopen(log, Arc::new(clock()));
        assert_eq!(log.head(), head);
        assert_eq!(all(&*log), commits);
        check_consistent(&*log);
    }
}

async fn the_root_depends_on_the_drafts_alone<B: Backend>(backend: &B) {
    let log = backend.create(Arc::new(clock()));
    let mut waiting = Vec::new();
    for number in 0..100 {
        let mut draft = commit(number, &[("shift/a", number)]);
        draft.events[0].payload = vec![b'x'; 100 * usize::try_from(number).unwrap()];
        waiting.push(log.append(draft));
        if number % 9 == 0 {
            for append in waiting.drain(..) {
                append.await.unwrap();
            }
        }
    }
    for append in waiting {
        append.await.unwrap();
    }
    assert_eq!(
        hex(&log.head().root),
        ROOT,
        "the root of these drafts must never change"
    );
}
