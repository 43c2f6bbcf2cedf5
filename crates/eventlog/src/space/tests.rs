//! The room on a disk whose size the test says.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::files::{LogFile, OsFiles};

/// A disk of which so much is free beside the reserve.
#[derive(Debug)]
struct Disk {
    free: AtomicU64,
    no_reserve: bool,
}

impl FileLayer for Disk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn LogFile>> {
        OsFiles.open(path, create)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let freed = std::fs::metadata(path)?.len();
        self.free.fetch_add(freed, Ordering::Relaxed);
        OsFiles.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        OsFiles.sync_dir(path)
    }

    fn free(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::Relaxed))
    }

    fn allocate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        if self.no_reserve {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if !path.exists() {
            self.free.fetch_sub(bytes, Ordering::Relaxed);
        }
        std::fs::write(path, vec![0; usize::try_from(bytes).unwrap()])
    }
}

const RESERVE: u64 = 1_000;
const LOW: u64 = 500;

struct Case {
    dir: tempfile::TempDir,
    disk: Arc<Disk>,
    space: Space,
}

fn case(free: u64, no_reserve: bool) -> Case {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk {
        free: free.into(),
        no_reserve,
    });
    let space = space(&disk, dir.path());
    Case { dir, disk, space }
}

fn space(disk: &Arc<Disk>, dir: &Path) -> Space {
    let wanted = Wanted {
        reserve: RESERVE,
        low: LOW,
    };
    Space::new(Arc::clone(disk) as Arc<dyn FileLayer>, dir, wanted)
}

impl Case {
    fn holds_reserve(&self) -> bool {
        self.dir.path().join(RESERVE_FILE).exists()
    }

    fn set_free(&self, free: u64) {
        self.disk.free.store(free, Ordering::Relaxed);
        self.space.look();
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what `refusal` answers"
)]
fn low(free: u64, wanted: u64) -> Option<AppendError> {
    Some(AppendError::LowSpace { free, wanted })
}

#[test]
fn commits_are_taken_while_the_reserve_is_there_and_enough_is_free_beside_it() {
    let case = case(RESERVE + LOW, false);
    assert!(case.holds_reserve());
    assert_eq!(case.space.refusal(), None);
    case.set_free(LOW - 1);
    assert_eq!(case.space.refusal(), low(LOW - 1, LOW));
    assert!(case.holds_reserve());
    case.set_free(LOW);
    assert_eq!(case.space.refusal(), None);
}

#[test]
fn a_disk_without_room_for_the_reserve_takes_commits_once_there_is() {
    let wanted = RESERVE + LOW;
    let case = case(wanted - 1, false);
    assert!(!case.holds_reserve());
    assert_eq!(case.space.refusal(), low(wanted - 1, wanted));
    case.set_free(wanted);
    assert!(case.holds_reserve());
    assert_eq!(case.space.refusal(), None);
}

#[test]
fn the_reserve_lets_a_write_be_finished_and_then_commits_are_refused() {
    let case = case(RESERVE + LOW, false);
    case.disk.free.store(0, Ordering::Relaxed);
    let write = || match case.disk.free.load(Ordering::Relaxed) {
        0 => Err(io::Error::from(io::ErrorKind::StorageFull)),
        free => Ok(free),
    };
    assert_eq!(case.space.finish(write).unwrap(), RESERVE);
    assert!(!case.holds_reserve());
    assert_eq!(case.space.refusal(), low(0, RESERVE + LOW));
    // There is one reserve, and other failures are not its business.
    case.disk.free.store(0, Ordering::Relaxed);
    assert!(is_full(&case.space.finish(write).unwrap_err()));
    case.set_free(RESERVE + LOW);
    assert_eq!(case.space.refusal(), None);
    let broken = || Err::<(), _>(io::Error::other("broken"));
    assert!(case.space.finish(broken).is_err() && case.holds_reserve());
}

#[test]
fn a_checkpoint_without_room_takes_the_reserve_before_it_begins() {
    let case = case(CHECKPOINT_MARGIN_BYTES + 10 + RESERVE, false);
    case.space.prepare_checkpoint(10);
    assert!(case.holds_reserve());
    case.space.prepare_checkpoint(11);
    assert!(!case.holds_reserve());
}

#[test]
fn a_reserve_that_was_left_is_taken_over_and_one_of_a_closed_log_removed() {
    let case = case(RESERVE + LOW, false);
    // As a kill leaves it, on a disk that has filled up since.
    case.disk.free.store(0, Ordering::Relaxed);
    let again = space(&case.disk, case.dir.path());
    assert_eq!(again.refusal(), low(0, LOW));
    assert!(case.holds_reserve());
    again.remove_reserve();
    assert!(!case.holds_reserve());
}

#[test]
fn a_file_system_that_can_hold_no_reserve_is_served_without() {
    let case = case(LOW + RESERVE, true);
    assert!(!case.holds_reserve());
    assert_eq!(case.space.refusal(), None);
    case.set_free(LOW - 1);
    assert_eq!(case.space.refusal(), low(LOW - 1, LOW));
}

#[test]
fn the_reserve_given_up_for_one_is_room_for_all() {
    let case = case(10_000, false);
    let mut tries = 0;
    let finished = case.space.finish(|| {
        tries += 1;
        if tries == 1 {
            // Meanwhile another thread met the same.
            assert!(case.space.release());
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    });
    assert!(finished.is_ok() && tries == 2);
}

#[test]
fn a_reserve_that_somebody_removed_counts_as_given_up() {
    let case = case(10_000, false);
    std::fs::remove_file(case.dir.path().join(RESERVE_FILE)).unwrap();
    assert!(case.space.release());
    assert!(!case.space.release());
}
