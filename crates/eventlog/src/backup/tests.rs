use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::commit::{Commit, Head};
use crate::disk::DiskLog;
use crate::disk::tests::{contents, options_of_test};
use crate::faults::{Fault, Faulty};
use crate::fixture::{self, commit};
use crate::fork::{self, Held, Intent};
use crate::log::EventLog as _;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        DiskLog::create(&place.path("log"), fixture::log_id(), &options_of_test()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self, name: &str) -> DiskLog {
        DiskLog::open(&self.path(name), &options_of_test()).unwrap()
    }

    fn back_up(&self) -> Result<BackupReport, BackupError> {
        let (from, to) = (self.path("log"), self.path("backup"));
        backup(
            &from,
            &to,
            fixture::instant(9),
            &options_of_test(),
            &mut |_| (),
        )
    }

    fn check(&self) -> Result<Manifest, BackupError> {
        super::check(&self.path("backup"), &mut |_| ())
    }

    fn restore(&self, name: &str) -> (Manifest, Head, Vec<Commit>) {
        let manifest = self.check().unwrap();
        let (from, into) = (self.path("backup"), self.path(name));
        restore(&from, &manifest, &into, &options_of_test()).unwrap();
        let log = self.open(name);
        let state = (manifest, log.head(), commits(&log));
        drop(log);
        let report = crate::verify(&into, crate::VerifyOptions::default(), &mut |_| ()).unwrap();
        assert_eq!(report.findings, []);
        state
    }
}

/// Appends so many commits of some size, each of it durable by itself.
fn append(log: &DiskLog, count: u64) {
    for number in log.head().commits..log.head().commits + count {
        let mut draft = commit(number, &[("shift/a", number)]);
        draft.events[0].payload = fixture::noise(number, 20_000);
        let answered = log.hand_over(vec![draft]).unwrap().remove(0);
        answered.blocking_recv().unwrap().result.unwrap();
    }
}

fn commits(log: &DiskLog) -> Vec<Commit> {
    log.read(1, u64::MAX).map(Result::unwrap).collect()
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    contents(dir)
}

#[test]
fn a_backup_grows_and_each_of_its_ends_is_restored_byte_for_byte() {
    let place = Place::new();
    let log = place.open("log");
    append(&log, 3);
    let first = place.back_up().unwrap();
    assert_eq!((first.copied, first.skipped), (1, 0));
    assert!(!first.manifest.closed_cleanly, "somebody was writing");
    append(&log, 40);
    let second = place.back_up().unwrap();
    let segments = second.manifest.files.len() as u64;
    assert!(segments >= 3, "{segments}");
    assert_eq!((second.copied, second.skipped), (segments, 0));
    append(&log, 1);
    let third = place.back_up().unwrap();
    assert_eq!((third.copied, third.skipped), (1, segments - 1));
    assert!(third.bytes_copied < second.bytes_copied / 10);
    let all = commits(&log);
    log.close().unwrap();
    let head = log.head();
    drop(log);
    let fourth = place.back_up().unwrap();
    assert_eq!((fourth.copied, fourth.bytes_copied), (0, 0));
    assert!(fourth.manifest.closed_cleanly);
    assert_eq!(place.check().unwrap(), fourth.manifest);
    let (manifest, restored, read) = place.restore("restored");
    assert_eq!((restored, read), (head, all));
    assert_eq!(manifest.position, 44);
}

#[test]
fn what_an_earlier_manifest_counts_stays_valid_until_the_next_is_in_place() {
    let place = Place::new();
    let log = place.open("log");
    append(&log, 5);
    let first = place.back_up().unwrap().manifest;
    let manifest = fs::read(place.path("backup/manifest.json")).unwrap();
    append(&log, 30);
    place.back_up().unwrap();
    // As if the second backup had been cut short before its manifest.
    fs::write(place.path("backup/manifest.json"), manifest).unwrap();
    assert_eq!(place.check().unwrap(), first);
    let (_, restored, read) = place.restore("restored");
    assert_eq!((restored.position, read.len()), (5, 5));
    let again = place.back_up().unwrap();
    assert_eq!(again.manifest.position, 35);
}

#[test]
fn a_first_backup_that_was_cut_short_is_gone_on_with() {
    let place = Place::new();
    let log = place.open("log");
    append(&log, 20);
    place.back_up().unwrap();
    fs::remove_file(place.path("backup/manifest.json")).unwrap();
    let none = BackupError::NoBackup(place.path("backup"));
    assert_eq!(place.check(), Err(none));
    assert_eq!(place.back_up().unwrap().manifest.position, 20);
}

#[test]
fn a_backup_may_be_interrupted_at_every_step() {
    let place = Place::new();
    let log = place.open("log");
    append(&log, 12);
    let mut held = place.back_up().unwrap().manifest;
    let mut interrupted = 0;
    for operations in 0.. {
        // It grows by a segment now and then.
        append(&log, 2);
        let faulty = Arc::new(Faulty::new(Fault::Stop));
        faulty.arm(operations);
        let stopping = Options {
            files: faulty,
            ..options_of_test()
        };
        let (from, to) = (place.path("log"), place.path("backup"));
        let outcome = backup(&from, &to, fixture::instant(9), &stopping, &mut |_| ());
        let now = place.check().unwrap();
        let end = log.head().position;
        match outcome {
            Ok(report) => {
                assert_eq!((&now, now.position), (&report.manifest, end));
                break;
            }
            // The new manifest may be in place already, and only its folder not be synced.
            Err(_) => assert!(now == held || now.position == end, "after {operations}"),
        }
        interrupted += 1;
        held = now;
    }
    assert!(interrupted > 5, "{interrupted}");
    assert_eq!(place.restore("restored").2, commits(&log));
}

#[test]
fn any_changed_byte_of_a_backup_is_found() {
    let place = Place::new();
    let log = place.open("log");
    append(&log, 20);
    let manifest = place.back_up().unwrap().manifest;
    let whole = files(&place.path("backup"));
    let counted = |path: &Path| {
        let name = path.strip_prefix(place.path("backup")).unwrap();
        let file = manifest
            .files
            .iter()
            .find(|file| Path::new(&file.name) == name);
        file.map(|file| usize::try_from(file.bytes).unwrap())
    };
    let mut found = 0;
    for (path, bytes) in &whole {
        let counted = match counted(path) {
            Some(counted) => counted,
            None if path.ends_with("manifest.json") => bytes.len(),
            None => continue,
        };
        for at in (0..counted).step_by(counted / 60 + 1) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            // A changed blank between the words of the manifest says the same.
            if bytes[at].is_ascii_whitespace() && path.ends_with("manifest.json") {
                continue;
            }
            fs::write(path, changed).unwrap();
            assert!(place.check().is_err(), "{} byte {at}", path.display());
            found += 1;
        }
        fs::write(path, &bytes[..counted - 1]).unwrap();
        assert!(place.check().is_err(), "{} cut", path.display());
        fs::remove_file(path).unwrap();
        assert!(place.check().is_err(), "{} removed", path.display());
        fs::write(path, bytes).unwrap();
    }
    assert!(found > 100, "{found}");
    assert_eq!(place.check().unwrap(), manifest);
}

#[test]
fn a_backup_of_another_log_ahead_or_of_another_kind_is_left_alone() {
    let place = Place::new();
    let log = place.open("log");
    append(&log, 6);
    fs::create_dir(place.path("backup")).unwrap();
    fs::write(place.path("backup/diary"), b"mine").unwrap();
    assert_eq!(
        place.back_up(),
        Err(BackupError::NotEmpty(place.path("backup")))
    );
    fs::remove_file(place.path("backup/diary")).unwrap();
    place.back_up().unwrap();
    log.close().unwrap();
    drop(log);
    let before = files(&place.path("backup"));

    let other = uuid::Uuid::from_u128(77);
    fs::rename(place.path("log"), place.path("away")).unwrap();
    DiskLog::create(&place.path("log"), other, &options_of_test()).unwrap();
    append(&place.open("log"), 9);
    assert!(matches!(place.back_up(), Err(BackupError::OtherLog { .. })));
    fs::remove_dir_all(place.path("log")).unwrap();

    DiskLog::create(&place.path("log"), fixture::log_id(), &options_of_test()).unwrap();
    append(&place.open("log"), 2);
    let ahead = BackupError::Ahead { backup: 6, log: 2 };
    assert_eq!(place.back_up(), Err(ahead));
    assert!(files(&place.path("backup")) == before, "it was touched");
}

#[test]
fn a_log_forked_below_the_end_of_a_backup_goes_to_another_folder() {
    let place = Place::new();
    let log = place.open("log");
    append(&log, 12);
    let early = place.back_up().unwrap().manifest;
    append(&log, 12);
    log.close().unwrap();
    drop(log);
    let fork = |position| {
        let intent = Intent {
            epoch: 2,
            position,
            claimed: None,
            told: serde_json::Value::Null,
        };
        let path = place.path("log");
        let held = Held::take(&path, &options_of_test()).unwrap();
        held.fork(fixture::log_id(), &intent).unwrap();
        drop(held);
        let log = fork::open_pending(&path, &options_of_test()).unwrap();
        append(&log, 20);
        fork::settle(&path, &options_of_test()).unwrap();
    };
    let unforked = files(&place.path("log"));
    fork(10);
    assert_eq!(
        place.back_up(),
        Err(BackupError::OtherHistory { position: 12 })
    );
    assert_eq!(place.check().unwrap(), early);
    // Forked behind its end, a backup goes on: several epochs in one.
    crate::disk::tests::restore(&place.path("log"), &unforked);
    fork(15);
    let late = place.back_up().unwrap();
    assert_eq!((late.manifest.epoch, late.manifest.position), (2, 35));
    let (_, head, read) = place.restore("restored");
    assert_eq!((head.epoch, head.position), (2, 35));
    assert_eq!(read[14].header.epoch, 1);
    assert_eq!(read[15].header.epoch, 2);
}

#[test]
fn a_log_of_which_both_copies_have_lost_something_is_not_backed_up() {
    let place = Place::new();
    let log = place.open("log");
    append(&log, 12);
    log.close().unwrap();
    drop(log);
    place.back_up().unwrap();
    let copied = files(&place.path("backup/journal"));
    let segment = place.path("log/journal/00000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[50_000] ^= 1;
    fs::write(&segment, bytes).unwrap();
    assert_eq!(place.back_up().unwrap().skipped, 1, "the other copy has it");
    assert!(files(&place.path("backup/journal")) == copied);
    fs::remove_dir_all(place.path("log/log")).unwrap();
    let before = files(&place.path("backup"));
    let refused = place.back_up().unwrap_err();
    assert!(
        matches!(&refused, BackupError::Source(OpenError::Damaged { .. })),
        "{refused}"
    );
    assert!(files(&place.path("backup")) == before);
}
