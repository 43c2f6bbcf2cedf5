//! A segment file: a header, then blocks, then zeros to its fixed size. Owns its making ahead of
//! use; never writes a block.
//!
//! ```text
//! segment := header (512 bytes) block* zeros
//! header, little-endian, by offset:
//!   0  magic "bn-segmt"     8  format version:2    10  zeros:2     12  epoch when made:4
//!  16  number:8 (from 1)   24  size:8              32  log id:16   48  zeros:12
//!  60  CRC-32 of 0..60     64  zeros to 512
//! ```

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::files::{FileLayer, Window};
use crate::newer::Newer;

/// The folder of the segments within the log's folder.
pub(crate) const JOURNAL_DIR: &str = "journal";

/// Bytes before the first block.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 512;

/// Size of a segment file.
pub(crate) const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// How much is zero-filled at a time.
const FILL_BYTES: usize = 8 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"bn-segmt";
const SEGMENT_FORMAT_VERSION: u16 = 1;

/// Bytes of a segment's header that say something.
pub(crate) const ENCODED_BYTES: usize = 64;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) epoch: u32,
    pub(crate) number: u64,
    pub(crate) size: u64,
    pub(crate) log_id: Uuid,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; ENCODED_BYTES] {
        let mut bytes = [0; ENCODED_BYTES];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, MAGIC);
        put(8, &SEGMENT_FORMAT_VERSION.to_le_bytes());
        put(12, &self.epoch.to_le_bytes());
        put(16, &self.number.to_le_bytes());
        put(24, &self.size.to_le_bytes());
        put(32, self.log_id.as_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// What a whole header of a newer version than is known comes to.
    pub(crate) fn newer(bytes: &[u8], number: u64) -> Option<Newer> {
        let bytes: &[u8; ENCODED_BYTES] = bytes.first_chunk()?;
        let version = u16::from_le_bytes(*bytes[8..].first_chunk()?);
        let crc = u32::from_le_bytes(*bytes[60..].first_chunk()?);
        let whole = bytes[..8] == *MAGIC && crc == crc32fast::hash(&bytes[..60]);
        (whole && version > SEGMENT_FORMAT_VERSION).then(|| Newer {
            what: format!("segment {number} of the journal"),
            version,
            known: SEGMENT_FORMAT_VERSION,
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; ENCODED_BYTES] = bytes.first_chunk()?;
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
        let version = u16::from_le_bytes(*bytes[8..].first_chunk()?);
        let whole = bytes[..8] == *MAGIC
            && version == SEGMENT_FORMAT_VERSION
            && number(60)? == crc32fast::hash(&bytes[..60]);
        if !whole {
            return None;
        }
        Some(Self {
            epoch: number(12)?,
            number: wide(16)?,
            size: wide(24)?,
            log_id: Uuid::from_bytes(*bytes[32..].first_chunk()?),
        })
    }
}

/// The file of a segment.
pub(crate) fn path(journal: &Path, number: u64) -> PathBuf {
    journal.join(format!("{number:08}.seg"))
}

/// The numbers of the segments that are there, in order; other files are no concern.
pub(crate) fn list(journal: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    let entries = match std::fs::read_dir(journal) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(numbers),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(".seg")?.parse::<u64>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Opens a segment and checks what it says of itself; answers its length too, or what is wrong.
pub(crate) fn open(path: &Path, number: u64, log_id: Uuid) -> Result<(File, u64), String> {
    let io = |error: io::Error| format!("segment {number} of the journal: {error}");
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut window = Window::new(ENCODED_BYTES);
    let header = SegmentHeader::decode(window.get(&file, 0, ENCODED_BYTES).map_err(io)?)
        .ok_or_else(|| format!("the header of segment {number} is damaged"))?;
    if header.number != number || header.log_id != log_id {
        return Err(format!("segment {number} belongs elsewhere"));
    }
    if header.size != length {
        let size = header.size;
        return Err(format!(
            "segment {number} has {length} bytes instead of {size}"
        ));
    }
    Ok((file, length))
}

/// Makes a zero-filled segment, durably: it has its name only once it is whole.
pub(crate) fn make(
    files: &dyn FileLayer,
    journal: &Path,
    header: &SegmentHeader,
) -> io::Result<()> {
    let path = path(journal, header.number);
    let unfinished = path.with_extension("tmp");
    let file = files.open(&unfinished, true)?;
    let zeros = vec![0; FILL_BYTES.min(usize::try_from(header.size).unwrap_or(FILL_BYTES))];
    let mut offset = 0;
    while offset < header.size {
        let left = usize::try_from(header.size - offset).unwrap_or(usize::MAX);
        let part = &zeros[..left.min(zeros.len())];
        file.write_all_at(part, offset)?;
        offset += part.len() as u64;
    }
    file.write_all_at(&header.encode(), 0)?;
    file.sync()?;
    files.rename(&unfinished, &path)?;
    files.sync_dir(journal)
}

/// The first byte at or after `offset` that is not zero, and the one after the last such byte.
pub(crate) fn not_zero(file: &File, offset: u64) -> io::Result<Option<(u64, u64)>> {
    const STEP: usize = 1024 * 1024;
    let zeros = vec![0; STEP];
    let mut window = Window::new(STEP);
    let mut at = offset;
    let mut found = None;
    loop {
        let bytes = window.get(file, at, STEP)?;
        if bytes.is_empty() {
            return Ok(found);
        }
        // Comparing memory is many times faster than looking at each byte.
        let written = bytes != &zeros[..bytes.len()];
        if written && let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
            let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(last) as u64;
            let (start, _) = found.unwrap_or((at + first, 0));
            found = Some((start, at + last as u64 + 1));
        }
        at += bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::OsFiles;
    use crate::fixture;

    #[test]
    fn a_made_segment_has_its_size_and_says_who_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let header = SegmentHeader {
            epoch: 2,
            number: 7,
            size: 10_000,
            log_id: fixture::log_id(),
        };
        make(&OsFiles, dir.path(), &header).unwrap();
        assert_eq!(list(dir.path()).unwrap(), [7]);
        let bytes = std::fs::read(path(dir.path(), 7)).unwrap();
        assert_eq!(bytes.len(), 10_000);
        assert_eq!(SegmentHeader::decode(&bytes), Some(header));
        let file = File::open(path(dir.path(), 7)).unwrap();
        assert_eq!(not_zero(&file, SEGMENT_HEADER_BYTES).unwrap(), None);
        assert_eq!(not_zero(&file, 0).unwrap(), Some((0, 64)));
        for bit in 0..ENCODED_BYTES * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&changed), None);
        }
    }
}
