//! A disk that is full from any write on: nothing acknowledged is lost, reading goes on, the words
//! say what to do, and once there is room an opening goes on where it was.

use std::sync::Arc;

use super::*;
use crate::commit::Commit;
use crate::faults::{Fault, Faulty};
use crate::fixture::{self, commit, stream};
use crate::journal::segment::{self, JOURNAL_DIR};
use crate::space::RESERVE_FILE;

/// Commits of the script. Every fourth is large and cannot be compressed, so that segments end.
const COMMITS: u64 = 14;
const LARGE_BYTES: usize = 90_000;
/// After how many commits the script closes the log and opens it again.
const REOPENED_AFTER: u64 = 7;
/// Bytes of the reserve; the layer makes room when it is removed, whatever its size.
const RESERVE: u64 = 64 * 1024;

/// Without a reserve and without refusing early: every write meets the full disk.
fn options(faulty: &Arc<Faulty>) -> Options {
    Options {
        files: Arc::clone(faulty) as Arc<dyn FileLayer>,
        segment_bytes: SEGMENT_BYTES_MIN,
        low_space_bytes: 0,
        reserve_bytes: 0,
        ..Options::new(Arc::new(fixture::clock()))
    }
}

/// With a reserve, as a service has it.
fn with_reserve(faulty: &Arc<Faulty>) -> Options {
    Options {
        low_space_bytes: 1,
        reserve_bytes: RESERVE,
        ..options(faulty)
    }
}

fn draft(number: u64) -> CommitDraft {
    let mut draft = commit(number, &[("shift/a", number)]);
    if number % 4 == 3 {
        let mut payload = vec![0; LARGE_BYTES];
        crate::Entropy::seeded(number).fill(&mut payload);
        draft.events[0].payload = payload;
    }
    draft
}

/// How far a run of the script came.
struct Run {
    log: Option<DiskLog>,
    acknowledged: u64,
    /// What stopped it, in words.
    words: Option<String>,
}

/// Makes a log, appends, closes, opens and appends again, until something fails.
fn script(path: &Path, faulty: &Arc<Faulty>, options: &Options) -> Run {
    let mut run = Run {
        log: None,
        acknowledged: 0,
        words: None,
    };
    run.words = steps(path, faulty, options, &mut run).err();
    run
}

fn steps(
    path: &Path,
    faulty: &Arc<Faulty>,
    options: &Options,
    run: &mut Run,
) -> Result<(), String> {
    let words = |error: OpenError| error.to_string();
    DiskLog::create(path, fixture::log_id(), options).map_err(words)?;
    for number in 0..COMMITS {
        if number == REOPENED_AFTER
            && let Some(log) = &run.log
        {
            log.close().map_err(|error| error.to_string())?;
            run.log = None;
        }
        let log = match &mut run.log {
            Some(log) => log,
            none => none.insert(DiskLog::open(path, options).map_err(words)?),
        };
        let answered = log.hand_over(vec![draft(number)]);
        let answered = answered.map_err(|error| error.to_string())?.remove(0);
        match answered.blocking_recv().unwrap().result {
            Ok(receipt) => run.acknowledged = receipt.position,
            Err(error) => return Err(error.to_string()),
        }
        wait_for_segment(&path.join(JOURNAL_DIR), faulty);
    }
    let log = run.log.as_ref().unwrap();
    log.close().map_err(|error| error.to_string())
}

/// Waits until the segment ahead is made or failed, so that a run's writes come in one order.
fn wait_for_segment(journal: &Path, faulty: &Faulty) {
    let ahead = || {
        let last = *segment::list(journal).unwrap().last().unwrap();
        let file = File::open(segment::path(journal, last)).unwrap();
        segment::not_zero(&file, segment::SEGMENT_HEADER_BYTES)
            .unwrap()
            .is_none()
    };
    while !faulty.has_struck() && !ahead() {
        std::thread::yield_now();
    }
}

fn read(log: &DiskLog, to: u64) -> Vec<Commit> {
    log.read(1, to).map(Result::unwrap).collect()
}

#[test]
fn a_disk_that_is_full_from_any_write_on_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("never-full");
    let faulty = Arc::new(Faulty::new(Fault::Full));
    faulty.arm(i64::MAX);
    let whole = script(&path, &faulty, &options(&faulty));
    assert_eq!((whole.words, whole.acknowledged), (None, COMMITS));
    let writes = faulty.disarm(i64::MAX);
    assert!(segment::list(&path.join(JOURNAL_DIR)).unwrap().len() >= 3);
    let expected = read(whole.log.as_ref().unwrap(), COMMITS);
    drop(whole.log);

    let mut refused_when = [0; 3];
    for after in 0..writes {
        let path = dir.path().join("full");
        faulty.arm(after);
        let run = script(&path, &faulty, &options(&faulty));
        let words = run
            .words
            .unwrap_or_else(|| panic!("write {after} of {writes} did not fail"));
        assert!(words.contains("No space left"), "{after}: {words}");
        assert!(words.contains("free some space"), "{after}: {words}");
        match &run.log {
            None => {
                refused_when[0] += 1;
                assert!(
                    !path.exists() || run.acknowledged > 0 || opens_or_is_empty(&path, &faulty)
                );
            }
            Some(log) => {
                refused_when[1 + usize::from(log.head().poisoned.is_none())] += 1;
                assert_eq!(read(log, u64::MAX), expected[..read(log, u64::MAX).len()]);
                assert_eq!(log.head().position, run.acknowledged, "{after}");
                let version = log.stream_version(&stream("shift/a"));
                assert_eq!(version, Ok(run.acknowledged), "{after}");
                let again = log.hand_over(vec![draft(run.acknowledged)]);
                assert!(again.is_err(), "{after}: it takes more");
            }
        }
        drop(run.log);

        faulty.disarm(after);
        goes_on(&path, &faulty, run.acknowledged, &expected);
        std::fs::remove_dir_all(&path).unwrap();
    }
    assert!(
        refused_when.iter().all(|count| *count > 0),
        "{refused_when:?}"
    );
    println!("{writes} writes; failed while opening, appending, closing: {refused_when:?}");
}

#[test]
fn with_a_reserve_a_full_disk_refuses_new_commits_and_the_stop_is_clean() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let faulty = Arc::new(Faulty::new(Fault::Full));
    let options = with_reserve(&faulty);
    faulty.arm(i64::MAX);
    let whole = script(&path, &faulty, &options);
    assert_eq!((whole.words, whole.acknowledged), (None, COMMITS));
    let writes = faulty.disarm(i64::MAX);
    let expected = read(whole.log.as_ref().unwrap(), COMMITS);
    drop(whole.log);
    assert!(!path.join(RESERVE_FILE).exists());

    let mut stopped_clean = 0;
    for after in 0..writes {
        std::fs::remove_dir_all(&path).unwrap();
        faulty.arm(after);
        let run = script(&path, &faulty, &options);
        if let Some(log) = run.log {
            // The last writes are followed by no commit that could be refused.
            if let Some(words) = run.words {
                assert!(words.contains("no restart is needed"), "{after}: {words}");
                let refusal = log.refusal();
                assert!(
                    matches!(refusal, Some(AppendError::LowSpace { .. })),
                    "{after}: {refusal:?}"
                );
            }
            assert_eq!(log.head().position, run.acknowledged, "{after}");
            assert_eq!(read(&log, u64::MAX).len() as u64, run.acknowledged);
            assert_eq!(log.close(), Ok(()), "{after}");
            drop(log);
            let log = crate::ReadLog::open(&path).unwrap();
            assert_eq!(log.state(), crate::FolderState::Closed, "{after}");
            stopped_clean += 1;
        }
        faulty.disarm(after);
        goes_on(&path, &faulty, run.acknowledged, &expected);
    }
    println!("{writes} writes; stopped clean: {stopped_clean}");
    assert!(stopped_clean > 30, "{stopped_clean}");
}

/// Whether a folder is as before a log was made in it, or holds one.
fn opens_or_is_empty(path: &Path, faulty: &Arc<Faulty>) -> bool {
    let empty = std::fs::read_dir(path).unwrap().next().is_none();
    empty
        || !matches!(
            DiskLog::open(path, &options(faulty)),
            Err(OpenError::NoLog { .. })
        )
}

/// With room again, the log opens, holds what was acknowledged, and takes the rest.
fn goes_on(path: &Path, faulty: &Arc<Faulty>, acknowledged: u64, expected: &[Commit]) {
    let options = options(faulty);
    if std::fs::read_dir(path).unwrap().next().is_none() {
        DiskLog::create(path, fixture::log_id(), &options).unwrap();
    }
    let log = DiskLog::open(path, &options).unwrap();
    let position = log.head().position;
    assert!((acknowledged..=acknowledged + 1).contains(&position));
    for number in position..COMMITS {
        let answered = log.hand_over(vec![draft(number)]).unwrap().remove(0);
        answered.blocking_recv().unwrap().result.unwrap();
    }
    log.close().unwrap();
    assert_eq!(read(&log, u64::MAX), expected);
    drop(log);
    let verified = crate::verify(path, crate::VerifyOptions::default(), &mut |_| ()).unwrap();
    assert_eq!((verified.events, verified.findings), (COMMITS, Vec::new()));
}
