//! What an appender sees when the disk fails: nothing acknowledged is lost, nothing more is
//! acknowledged, reading goes on, and opening again goes on where it was.

use std::sync::Arc;

use super::tests::options_of_test;
use super::*;
use crate::faults::{EIO, ENOSPC, Fault, Faulty};
use crate::fixture::{self, commit, stream};

#[tokio::test]
async fn a_failing_journal_loses_nothing_that_was_acknowledged() {
    let faults = [
        Fault::ShortWrite,
        Fault::Write(EIO),
        Fault::Write(ENOSPC),
        Fault::Sync(EIO),
        Fault::Sync(ENOSPC),
    ];
    for (fault, after) in faults
        .into_iter()
        .flat_map(|fault| [(fault, 0), (fault, 3)])
    {
        check(fault, after).await;
    }
}

async fn check(fault: Fault, after: i64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    DiskLog::create(&path, fixture::log_id(), &options_of_test()).unwrap();
    let faulty = Arc::new(Faulty::new(fault));
    let options = Options {
        files: Arc::clone(&faulty) as Arc<dyn FileLayer>,
        ..options_of_test()
    };
    let log = DiskLog::open(&path, &options).unwrap();
    let append = async |log: &DiskLog, number: u64| {
        let mut draft = commit(number, &[("shift/a", number)]);
        draft.events[0].payload = vec![b'x'; 1_500];
        log.append(draft).await
    };
    for number in 0..4 {
        append(&log, number).await.unwrap();
    }
    // The segment made ahead writes too: it is finished once a commit has found it waiting.
    while crate::journal::segment::list(&path.join("journal"))
        .unwrap()
        .len()
        < 2
    {
        std::thread::yield_now();
    }
    faulty.arm(after);
    let mut acknowledged = 4;
    let error = loop {
        match append(&log, acknowledged).await {
            Ok(receipt) => acknowledged = receipt.position,
            Err(error) => break error,
        }
        assert!(acknowledged < 20, "{fault:?} {after}");
    };
    assert!(matches!(error, AppendError::Poisoned(_)), "{error}");
    assert_eq!(acknowledged, 4 + u64::try_from(after).unwrap());
    assert_eq!(append(&log, acknowledged).await, Err(error));
    assert!(log.head().poisoned.is_some());
    assert_eq!(log.head().position, acknowledged);
    let read: Vec<_> = log.read(1, u64::MAX).map(Result::unwrap).collect();
    assert_eq!(read.len() as u64, acknowledged);
    assert_eq!(log.stream_version(&stream("shift/a")), Ok(acknowledged));
    assert!(log.close().is_err());
    drop(log);

    let log = DiskLog::open(&path, &options_of_test()).unwrap();
    let position = log.head().position;
    assert!((acknowledged..=acknowledged + 1).contains(&position));
    let again: Vec<_> = log.read(1, acknowledged).map(Result::unwrap).collect();
    assert_eq!(again, read, "{fault:?}");
    assert_eq!(append(&log, position).await.unwrap().position, position + 1);
    drop(log);
    assert_eq!(crate::verify(&path, &mut |_| ()).unwrap().findings, []);
}

#[test]
fn a_second_copy_that_fails_is_made_anew_at_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    DiskLog::create(&path, fixture::log_id(), &options_of_test()).unwrap();
    // A file where the folder of the first volume should be.
    let in_the_way = path.join("log/00000001");
    std::fs::write(&in_the_way, b"no folder").unwrap();
    let log = DiskLog::open(&path, &options_of_test()).unwrap();
    let drafts = (0..3).map(|number| commit(number, &[("shift/a", number)]));
    for answered in log.hand_over(drafts.collect()).unwrap() {
        answered.blocking_recv().unwrap().result.unwrap();
    }
    log.close().unwrap();
    assert!(log.second_copy_fault().is_some());
    drop(log);
    std::fs::remove_file(in_the_way).unwrap();
    let log = DiskLog::open(&path, &options_of_test()).unwrap();
    assert!(!log.report().clean);
    assert_eq!((log.head().position, log.second_copy_fault()), (3, None));
    drop(log);
    assert_eq!(crate::verify(&path, &mut |_| ()).unwrap().findings, []);
}
