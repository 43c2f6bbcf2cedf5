//! The bare disk: blocks framed with a length and a CRC, written and synced one after the other.
//! Owns the two files of the baseline; knows nothing of the log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use super::Sample;

/// The preallocated file has at least this size, so that any group fits.
const PREALLOCATED_BYTES_MIN: u64 = 1024 * 1024;

/// A file that is appended to.
pub(crate) enum Raw {
    /// Plain: it grows with every write.
    Plain(File),
    /// Zero-filled and synced beforehand; written over from its start when full.
    Preallocated {
        /// The file.
        file: File,
        /// The place of the next write.
        offset: u64,
        /// Its size in bytes.
        size: u64,
    },
}

impl Raw {
    /// An empty file that grows.
    pub(crate) fn plain(path: &Path) -> io::Result<Self> {
        Ok(Self::Plain(create(path)?))
    }

    /// A file of about this size, and at least of [`PREALLOCATED_BYTES_MIN`].
    pub(crate) fn preallocated(path: &Path, size: u64) -> io::Result<Self> {
        let mut file = create(path)?;
        let zeros = vec![0; 1024 * 1024];
        let steps = size.max(PREALLOCATED_BYTES_MIN) / zeros.len() as u64;
        for _ in 0..steps {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        Ok(Self::Preallocated {
            file,
            offset: 0,
            size: steps * zeros.len() as u64,
        })
    }

    /// Writes and syncs one block of some payloads.
    fn append(&mut self, payloads: &[Vec<u8>], frame: &mut Vec<u8>) -> io::Result<()> {
        frame.clear();
        frame.extend_from_slice(&[0; 8]);
        for payload in payloads {
            let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            frame.extend_from_slice(&length.to_le_bytes());
            frame.extend_from_slice(payload);
        }
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let crc = crc32fast::hash(&frame[8..]);
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
        match self {
            Self::Plain(file) => {
                file.write_all(frame)?;
                file.sync_data()
            }
            Self::Preallocated { file, offset, size } => {
                if *offset + frame.len() as u64 > *size {
                    *offset = 0;
                }
                file.write_all_at(frame, *offset)?;
                *offset += frame.len() as u64;
                file.sync_data()
            }
        }
    }

    /// Appends groups of payloads, timed.
    pub(crate) fn run(&mut self, groups: &[Vec<Vec<u8>>]) -> io::Result<Sample> {
        let mut sample = Sample::default();
        let mut frame = Vec::new();
        let start = Instant::now();
        for group in groups {
            let begun = Instant::now();
            self.append(group, &mut frame)?;
            sample.latencies.push(begun.elapsed());
            sample.events += group.len() as u64;
        }
        sample.elapsed = start.elapsed();
        Ok(sample)
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
}
