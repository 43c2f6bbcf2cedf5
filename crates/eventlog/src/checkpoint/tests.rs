//! The second copy as the writer feeds it, without a writer.

use super::*;
use crate::files::OsFiles;
use crate::fixture::{self, noise};
use crate::space::Wanted;

const VOLUME_EVENTS: u64 = 300;

fn start(dir: &std::path::Path, bad: Option<String>) -> Checkpoints {
    let head = HeadSlot {
        log_id: fixture::log_id(),
        epoch: 1,
        sequence: 0,
        clean: false,
        ended: false,
        position: 0,
        hash: [0; 32],
        synced: 0,
    };
    let head = HeadFile::open(&OsFiles, dir, head).unwrap();
    let wanted = Wanted { reserve: 0, low: 0 };
    let space = Arc::new(Space::new(Arc::new(OsFiles), dir, wanted));
    Checkpoints::start(dir.to_owned(), VOLUME_EVENTS, None, bad, head, space).unwrap()
}

#[test]
fn more_blocks_than_may_wait_all_reach_the_second_copy_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let copy = start(dir.path(), None);
    let block = |number| noise(number, 100_000);
    let count = 2 * FEED_BYTES_MAX / 100_000;
    for number in 1..=count {
        copy.insert(number, number, &block(number));
        assert!(copy.shared.feed().bytes < FEED_BYTES_MAX + 100_000);
    }
    copy.close(true).unwrap();
    let mut next = 1;
    for number in 1..=volume_of(count, VOLUME_EVENTS) {
        let volume = Volume::open(dir.path(), number).unwrap();
        for held in volume.blocks() {
            assert!(held.unwrap() == (next, block(next)), "block {next}");
            next += 1;
        }
        volume.close();
    }
    assert_eq!(next, count + 1);
    let head = crate::head_file::read(dir.path()).unwrap().unwrap();
    assert!(head.clean && head.synced == count);
}

#[test]
fn a_copy_that_is_bad_takes_nothing_holds_nobody_up_and_is_not_closed_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let copy = start(dir.path(), Some("it could not be caught up".to_owned()));
    for number in 1..=2 * FEED_BYTES_MAX / 1_000_000 {
        copy.insert(number, number, &vec![1; 1_000_000]);
    }
    copy.close(true).unwrap();
    let head = crate::head_file::read(dir.path()).unwrap().unwrap();
    assert!(!head.clean && head.ended && head.synced == 0);
}

#[test]
fn a_thread_that_panics_leaves_the_writer_free() {
    let dir = tempfile::tempdir().unwrap();
    let copy = start(dir.path(), None);
    let shared = Arc::clone(&copy.shared);
    let panicked = std::thread::spawn(move || {
        let _guard = PanicGuard(&shared);
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    for number in 1..=2 * FEED_BYTES_MAX / 1_000_000 {
        copy.insert(number, number, &vec![1; 1_000_000]);
    }
    assert!(copy.monitor().bad().is_some());
    copy.close(true).unwrap();
}
