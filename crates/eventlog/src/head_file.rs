//! The file `head`: where the log was known to end. Owns its two slots; never leads the journal.
//!
//! ```text
//! head := slot (padded to 4096 bytes) slot
//! slot, little-endian, by offset:
//!   0  magic "bn-head\n"       8  format version:2     10  flags:2
//!  12  epoch:4                16  sequence:8           24  log id:16
//!  40  last acknowledged position:8                    48  hash of its block:32
//!  80  last position synced in both copies:8           88  zeros:4       92  CRC-32 of 0..92
//! ```
//!
//! Flags: bit 0, closed cleanly; bit 1, closed with something in it that must be verified whole.
//!
//! The valid slot with the higher sequence counts; writing goes to the other one. A whole slot of a
//! newer format version makes the file unreadable: which slot counts is that version's to say.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::files::{FileLayer, LogFile};
use crate::newer::Newer;

/// The name of the file in the log's folder.
pub(crate) const HEAD_FILE: &str = "head";

const MAGIC: &[u8; 8] = b"bn-head\n";
const HEAD_FORMAT_VERSION: u16 = 1;
const FLAG_CLEAN: u16 = 1;
const FLAG_DISTRUSTED: u16 = 2;
pub(crate) const SLOT_BYTES: usize = 96;
pub(crate) const SLOT_STRIDE: u64 = 4_096;

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadSlot {
    pub(crate) log_id: Uuid,
    pub(crate) epoch: u32,
    pub(crate) sequence: u64,
    /// Whether it was closed with nothing known that is wrong in it.
    pub(crate) clean: bool,
    /// Whether it was closed at all: then it ends at `position`, whatever is wrong before.
    pub(crate) ended: bool,
    pub(crate) position: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) synced: u64,
}

impl HeadSlot {
    pub(crate) fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, MAGIC);
        put(8, &HEAD_FORMAT_VERSION.to_le_bytes());
        let flags = match (self.clean, self.ended) {
            (true, _) => FLAG_CLEAN,
            (false, true) => FLAG_DISTRUSTED,
            (false, false) => 0,
        };
        put(10, &flags.to_le_bytes());
        put(12, &self.epoch.to_le_bytes());
        put(16, &self.sequence.to_le_bytes());
        put(24, self.log_id.as_bytes());
        put(40, &self.position.to_le_bytes());
        put(48, &self.hash);
        put(80, &self.synced.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..92]);
        bytes[92..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` if the slot is not whole.
    fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<Result<Self, Newer>> {
        let wide = |at: usize| {
            bytes[at..]
                .first_chunk()
                .map(|part| u64::from_le_bytes(*part))
        };
        let number = |at: usize| {
            bytes[at..]
                .first_chunk()
                .map(|part| u32::from_le_bytes(*part))
        };
        let short = |at: usize| {
            bytes[at..]
                .first_chunk()
                .map(|part| u16::from_le_bytes(*part))
        };
        let version = short(8)?;
        let whole =
            bytes[..8] == *MAGIC && version > 0 && number(92)? == crc32fast::hash(&bytes[..92]);
        if !whole {
            return None;
        }
        if version > HEAD_FORMAT_VERSION {
            return Some(Err(Newer {
                what: format!("the file `{HEAD_FILE}`"),
                version,
                known: HEAD_FORMAT_VERSION,
            }));
        }
        Some(Ok(Self {
            log_id: Uuid::from_bytes(*bytes[24..].first_chunk()?),
            epoch: number(12)?,
            sequence: wide(16)?,
            clean: short(10)? & FLAG_CLEAN != 0,
            ended: short(10)? & (FLAG_CLEAN | FLAG_DISTRUSTED) != 0,
            position: wide(40)?,
            hash: *bytes[48..].first_chunk()?,
            synced: wide(80)?,
        }))
    }
}

/// Why the file gives no slot although it is there and can be whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It was written by a newer version.
    #[error(transparent)]
    Newer(#[from] Newer),
}

/// Reads the slot that counts; `None` when the file is missing or neither slot is whole.
pub(crate) fn read(dir: &Path) -> Result<Option<HeadSlot>, Unread> {
    let file = match File::open(dir.join(HEAD_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    // However long the file is, no more than two slots are looked at.
    file.take(SLOT_STRIDE + SLOT_BYTES as u64)
        .read_to_end(&mut bytes)?;
    Ok(parse(&bytes)?)
}

/// The slot that counts in the bytes of the file.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<HeadSlot>, Newer> {
    let slot = |at: u64| {
        let part = bytes.get(usize::try_from(at).ok()?..)?;
        HeadSlot::decode(part.first_chunk()?)
    };
    let mut newest: Option<HeadSlot> = None;
    for slot in [slot(0), slot(SLOT_STRIDE)].into_iter().flatten() {
        let slot = slot?;
        if newest.is_none_or(|newest| slot.sequence >= newest.sequence) {
            newest = Some(slot);
        }
    }
    Ok(newest)
}

/// Writes slots, each over the older one.
pub(crate) struct HeadFile {
    file: Arc<dyn LogFile>,
    last: HeadSlot,
}

impl HeadFile {
    /// Goes on after `last`, which need not be in the file yet.
    pub(crate) fn open(files: &dyn FileLayer, dir: &Path, last: HeadSlot) -> io::Result<Self> {
        Ok(Self {
            file: files.open(&dir.join(HEAD_FILE), true)?.into(),
            last,
        })
    }

    /// What was written last.
    pub(crate) fn last(&self) -> HeadSlot {
        self.last
    }

    /// Writes a slot, unsynced; its sequence is set here. Answers what to sync it with.
    pub(crate) fn write(&mut self, slot: HeadSlot) -> io::Result<Arc<dyn LogFile>> {
        let slot = HeadSlot {
            sequence: self.last.sequence + 1,
            ..slot
        };
        self.file
            .write_all_at(&slot.encode(), (slot.sequence % 2) * SLOT_STRIDE)?;
        self.last = slot;
        Ok(Arc::clone(&self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::OsFiles;
    use crate::fixture;

    fn slot(position: u64) -> HeadSlot {
        HeadSlot {
            log_id: fixture::log_id(),
            epoch: 1,
            sequence: 0,
            clean: false,
            ended: false,
            position,
            hash: [3; 32],
            synced: 2,
        }
    }

    #[test]
    fn a_slot_says_how_the_log_was_closed() {
        for (clean, ended) in [(true, true), (false, true), (false, false)] {
            let slot = HeadSlot {
                clean,
                ended,
                ..slot(4)
            };
            assert_eq!(parse(&slot.encode()), Ok(Some(slot)));
        }
    }

    #[test]
    fn the_newer_whole_slot_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let mut head = HeadFile::open(&OsFiles, dir.path(), slot(0)).unwrap();
        for position in 1..=3 {
            head.write(slot(position)).unwrap().sync().unwrap();
            assert_eq!(read(dir.path()).unwrap(), Some(head.last()));
        }
        assert_eq!(head.last().position, 3);
        let path = dir.path().join(HEAD_FILE);
        let whole = std::fs::read(&path).unwrap();
        for bit in 0..SLOT_BYTES * 8 {
            let mut bytes = whole.clone();
            bytes[4_096 + bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(
                read(dir.path()).unwrap().unwrap().position,
                2,
                "the older slot stands in"
            );
        }
        std::fs::write(&path, &whole[..50]).unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
    }
}
