//! Folders that are not to be opened are refused by name, and not a byte of them changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::block::{self, BLOCK_HEADER_BYTES, BlockBuilder, BlockHeader, Gathered, origin_hash};
use crate::disk::{DiskLog, Options, SEGMENT_BYTES_MIN};
use crate::fixture::{self, commit};
use crate::head_file::{SLOT_BYTES, SLOT_STRIDE};
use crate::journal::segment::SEGMENT_HEADER_BYTES;
use crate::log::EventLog as _;
use crate::{ReadLog, VerifyOptions, verify};

fn options() -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES_MIN,
        ..Options::new(Arc::new(fixture::clock()))
    }
}

/// A log of three commits, closed cleanly.
fn made(dir: &Path, log_id: Uuid) {
    made_with(dir, log_id, &options());
}

fn made_with(dir: &Path, log_id: Uuid, options: &Options) {
    DiskLog::create(dir, log_id, options).unwrap();
    let log = DiskLog::open(dir, options).unwrap();
    let drafts = (0..3).map(|number| commit(number, &[("shift/a", number)]));
    for answered in log.hand_over(drafts.collect()).unwrap() {
        answered.blocking_recv().unwrap().result.unwrap();
    }
    log.close().unwrap();
}

fn other_log() -> Uuid {
    Uuid::from_u128(0xf0e)
}

/// Every entry of a folder: of a file its bytes, of a folder nothing.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, None);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, Some(bytes));
        }
    }
    found
}

/// Insists that every way into a folder is refused alike and changes nothing.
#[track_caller]
fn refused(dir: &Path) -> OpenError {
    let before = contents(dir);
    let error = DiskLog::open(dir, &options()).err().expect("a refusal");
    assert_eq!(ReadLog::open(dir).err().as_ref(), Some(&error));
    assert_eq!(
        verify(dir, VerifyOptions::default(), &mut |_| ())
            .err()
            .as_ref(),
        Some(&error)
    );
    let again = DiskLog::create(dir, fixture::log_id(), &options());
    let path = dir.to_owned();
    assert_eq!(again, Err(OpenError::NotEmpty { path }));
    assert_eq!(contents(dir), before);
    error
}

#[track_caller]
fn refused_as_newer(dir: &Path, what: &str) {
    let error = refused(dir);
    assert!(error.to_string().contains("or a newer one"), "{error}");
    let OpenError::NewerVersion {
        what: found,
        version,
        known,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((found.as_str(), version, known), (what, 2, 1));
}

/// Changes the bytes of a file.
fn change(path: &Path, with: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    with(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Sets the format version in a header, and the checksum behind it.
fn set_version(header: &mut [u8], version: u16, crc_at: usize) {
    header[8..10].copy_from_slice(&version.to_le_bytes());
    let crc = crc32fast::hash(&header[..crc_at]);
    header[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn a_folder_without_a_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let no_log = OpenError::NoLog {
        path: dir.path().to_owned(),
    };
    std::fs::write(dir.path().join("letter.txt"), "dear all").unwrap();
    assert_eq!(refused(dir.path()), no_log);
    // Names alone make no log.
    std::fs::write(dir.path().join(HEAD_FILE), "of the department").unwrap();
    assert_eq!(refused(dir.path()), no_log);
    std::fs::create_dir(dir.path().join(JOURNAL_DIR)).unwrap();
    std::fs::write(dir.path().join("journal/00000001.seg"), "dear diary").unwrap();
    assert_eq!(refused(dir.path()), no_log);
}

#[test]
fn a_segment_or_head_of_another_log_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (dir.path().join("own"), dir.path().join("other"));
    made(&own, fixture::log_id());
    made(&other, other_log());
    let whole = contents(&own);
    for file in ["journal/00000001.seg", "journal/00000002.seg", HEAD_FILE] {
        std::fs::copy(other.join(file), own.join(file)).unwrap();
        let error = refused(&own);
        let path = own.join(file);
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        // Two segments and a head: two of three say whose log it is, as far as they agree.
        let expected = OpenError::Foreign {
            path,
            found: other_log(),
            log_id: fixture::log_id(),
        };
        assert_eq!(error, expected);
        let bytes = whole[&own.join(file)].as_deref().unwrap();
        std::fs::write(own.join(file), bytes).unwrap();
    }
    // Without a head, too.
    std::fs::remove_file(own.join(HEAD_FILE)).unwrap();
    let second = "journal/00000002.seg";
    std::fs::copy(other.join(second), own.join(second)).unwrap();
    assert!(matches!(refused(&own), OpenError::Foreign { path, .. } if path == own.join(second)));
}

#[test]
fn a_log_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    made(&path, fixture::log_id());
    // Only the lock is held, so that nothing else writes.
    let lock = File::open(path.join(LOCK_FILE)).unwrap();
    lock.lock().unwrap();
    let before = contents(&path);
    let error = DiskLog::open(&path, &options()).err();
    assert_eq!(error, Some(OpenError::InUse { path: path.clone() }));
    assert_eq!(contents(&path), before);
    lock.unlock().unwrap();
    assert_eq!(DiskLog::open(&path, &options()).unwrap().head().position, 3);
}

#[test]
fn a_newer_head_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    for slot in [0, usize::try_from(SLOT_STRIDE).unwrap()] {
        made(&path, fixture::log_id());
        change(&path.join(HEAD_FILE), |bytes| {
            set_version(&mut bytes[slot..slot + SLOT_BYTES], 2, SLOT_BYTES - 4);
        });
        refused_as_newer(&path, "the file `head`");
        std::fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn a_newer_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    for number in [1, 2] {
        made(&path, fixture::log_id());
        change(&segment::path(&path.join(JOURNAL_DIR), number), |bytes| {
            set_version(bytes, 2, 60);
        });
        refused_as_newer(&path, &format!("segment {number} of the journal"));
        std::fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn a_newer_block_is_refused_and_a_damaged_version_healed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    made(&path, fixture::log_id());
    let segment = path.join("journal/00000001.seg");
    let start = usize::try_from(SEGMENT_HEADER_BYTES).unwrap();
    let whole = std::fs::read(&segment).unwrap();
    change(&segment, |bytes| set_version(&mut bytes[start..], 2, 140));
    refused_as_newer(&path, "the block at byte 512 of segment 1 of the journal");
    // The same version without its checksum is a flipped bit, and the second copy has the block.
    std::fs::write(&segment, whole).unwrap();
    change(&segment, |bytes| bytes[start + 8] ^= 3);
    let log = DiskLog::open(&path, &options()).unwrap();
    assert_eq!((log.head().position, log.report().healed.len()), (3, 1));
}

#[test]
fn a_newer_index_is_refused_and_a_damaged_version_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let options = Options {
        chunk_events: 2,
        ..options()
    };
    made_with(&path, fixture::log_id(), &options);
    let chunk = index::paths(&path.join(INDEX_DIR)).unwrap().remove(0);
    let whole = std::fs::read(&chunk).unwrap();
    change(&chunk, |bytes| {
        *bytes = index::sealed_as(bytes, 2).unwrap();
    });
    let range = "the index of positions 1 to 3";
    refused_as_newer(&path, range);
    // The same version without its checksum is a flipped bit, and the journal says what belongs here.
    std::fs::write(&chunk, &whole).unwrap();
    change(&chunk, |bytes| bytes[8] ^= 3);
    let log = DiskLog::open(&path, &options).unwrap();
    assert_eq!((log.head().position, log.report().healed.len()), (3, 1));
    assert_eq!(std::fs::read(&chunk).unwrap(), whole);
}

#[test]
fn a_newer_record_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    made(&path, fixture::log_id());
    let start = usize::try_from(SEGMENT_HEADER_BYTES).unwrap();
    change(&path.join("journal/00000001.seg"), |bytes| {
        let header = BlockHeader::read(&bytes[start..]).unwrap();
        let mut payload = header.payload(&bytes[start..], true).unwrap();
        let record = block::records(&payload).unwrap().remove(0);
        let length_bytes = usize::from(payload[record.start + 16] >= 0x80) + 1;
        let format = record.start + 16 + length_bytes;
        assert_eq!(payload[format], 1);
        payload[format] = 2;
        // Whole in every other respect.
        let gathered = Gathered {
            payload,
            first_position: header.first_position,
            first_commit: header.first_commit,
            commits: header.commits,
            events: header.events,
        };
        let mut built = Vec::new();
        let place = (header.index, header.count);
        BlockBuilder::new(header.epoch, origin_hash(fixture::log_id())).build(
            &gathered,
            header.group,
            place,
            &mut built,
        );
        assert!(built.len() > BLOCK_HEADER_BYTES);
        bytes[start..start + built.len()].copy_from_slice(&built);
    });
    refused_as_newer(&path, "a commit after position 0");
}
