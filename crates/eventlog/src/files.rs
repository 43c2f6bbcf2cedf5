//! The file system as the writing side of the log sees it. Owns the few operations that durability
//! depends on, behind a trait so that tests can let them fail; never knows what is in a file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// An open file that is written at places and synced.
pub trait LogFile: Send + Sync {
    /// Writes all of `bytes` at `offset`, or fails with an unknown part of them written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Resolves when what was written is durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
}

/// Opens files and makes directory entries durable.
pub trait FileLayer: fmt::Debug + Send + Sync + 'static {
    /// Opens a file for writing, made empty if `create` and it did not exist.
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn LogFile>>;
    /// Moves a file within the log's folder.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file another name beside the one it has.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
    /// Makes the entries of a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// How many bytes are free on the disk of a folder, for whoever is not its administrator.
    fn free(&self, path: &Path) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
    /// Lets a file take at least so many bytes of the disk without writing them; it may be missing.
    fn allocate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        Ok(rustix::fs::fallocate(
            &file,
            rustix::fs::FallocateFlags::empty(),
            0,
            bytes,
        )?)
    }
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFiles;

impl LogFile for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl FileLayer for OsFiles {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn LogFile>> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(create)
            .truncate(false)
            .open(path)?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// Lets what is read of a file next come from the disk and not from memory, where the system can.
pub(crate) fn forget_cached(file: &File) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed) {
        tracing::debug!(%error, "a file stays in the page cache");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Reads a file through a window that slides forward, so that small reads in order cost few calls.
pub(crate) struct Window {
    bytes: Vec<u8>,
    start: u64,
    filled: usize,
    step: usize,
}

impl Window {
    /// A window that reads at least `step` bytes at a time.
    pub(crate) fn new(step: usize) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            filled: 0,
            step,
        }
    }

    /// Forgets what was read, for another file.
    pub(crate) fn reset(&mut self) {
        self.filled = 0;
    }

    /// The bytes `offset .. offset + length` of `file`, fewer only at its end.
    pub(crate) fn get(&mut self, file: &File, offset: u64, length: usize) -> io::Result<&[u8]> {
        let start = offset
            .checked_sub(self.start)
            .and_then(|skip| usize::try_from(skip).ok());
        let held = start.is_some_and(|start| start + length <= self.filled);
        if !held {
            let wanted = length.max(self.step);
            if self.bytes.len() < wanted {
                self.bytes.resize(wanted, 0);
            }
            self.start = offset;
            self.filled = 0;
            while self.filled < wanted {
                let at = offset + self.filled as u64;
                match file.read_at(&mut self.bytes[self.filled..wanted], at) {
                    Ok(0) => break,
                    Ok(count) => self.filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let start = usize::try_from(offset - self.start)
            .unwrap_or(self.filled)
            .min(self.filled);
        Ok(&self.bytes[start..(start + length).min(self.filled)])
    }
}

/// What the system says of a failure, and what to do where that is known.
pub(crate) fn in_words(error: &io::Error) -> String {
    if crate::space::is_full(error) {
        format!("{error}; free some space on that disk, then start again")
    } else {
        error.to_string()
    }
}

/// Whether all bytes are zero.
pub(crate) fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
