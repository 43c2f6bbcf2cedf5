//! A file system that fails on demand. Owns the counting of operations; below it is the real one.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::files::{FileLayer, LogFile, OsFiles};
use crate::space::RESERVE_FILE;

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is gone: this operation and all after it do nothing.
    Stop,
    /// A write to a segment stops at the last whole sector of its first half, once.
    ShortWrite,
    /// No space is left: this write and all after it fail, to whatever file, until room is made or
    /// the reserve is removed.
    Full,
    /// A write to a segment fails with this error number, once.
    Write(i32),
    /// A sync of a segment fails with this error number, once.
    Sync(i32),
}

/// No space left on device.
pub(crate) const ENOSPC: i32 = 28;

/// Input/output error.
pub(crate) const EIO: i32 = 5;

/// Operations until the fault; negative: none is due.
type Left = Arc<AtomicI64>;

/// The file layer that fails.
#[derive(Debug)]
pub(crate) struct Faulty {
    fault: Fault,
    left: Left,
    /// The reserve was removed on a full disk.
    reserve_spent: AtomicBool,
}

struct FaultyFile {
    below: Box<dyn LogFile>,
    segment: bool,
    fault: Fault,
    left: Left,
}

impl Faulty {
    /// Nothing fails before it is armed.
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            left: Arc::new(AtomicI64::new(i64::MAX)),
            reserve_spent: AtomicBool::new(false),
        }
    }

    /// Lets `operations` of the concerned kind pass, then fails.
    pub(crate) fn arm(&self, operations: i64) {
        self.left.store(operations, Ordering::SeqCst);
    }

    /// Lets nothing fail any more; answers how many operations of the concerned kind there were
    /// since it was armed with `armed`.
    pub(crate) fn disarm(&self, armed: i64) -> i64 {
        self.reserve_spent.store(false, Ordering::SeqCst);
        armed - self.left.swap(i64::MAX, Ordering::SeqCst)
    }

    /// Whether the fault has come.
    pub(crate) fn has_struck(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0 || self.reserve_spent.load(Ordering::SeqCst)
    }
}

/// Counts an operation; whether it fails. A fault that `lasts` concerns all that follow too.
fn due(left: &Left, lasts: bool) -> bool {
    let before = left.fetch_sub(1, Ordering::SeqCst);
    before == 0 || (lasts && before < 0)
}

fn gone(left: &Left, fault: Fault) -> io::Result<()> {
    if fault == Fault::Stop && due(left, true) {
        return Err(io::Error::other("stopped"));
    }
    Ok(())
}

impl LogFile for FaultyFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        gone(&self.left, self.fault)?;
        match self.fault {
            Fault::ShortWrite if self.segment && due(&self.left, false) => {
                let end = (offset + bytes.len() as u64 / 2) / 512 * 512;
                let part = usize::try_from(end.saturating_sub(offset)).unwrap();
                self.below.write_all_at(&bytes[..part], offset)?;
                Err(io::ErrorKind::WriteZero.into())
            }
            Fault::Full if due(&self.left, true) => Err(io::Error::from_raw_os_error(ENOSPC)),
            Fault::Write(error) if self.segment && due(&self.left, false) => {
                Err(io::Error::from_raw_os_error(error))
            }
            _ => self.below.write_all_at(bytes, offset),
        }
    }

    fn sync(&self) -> io::Result<()> {
        gone(&self.left, self.fault)?;
        match self.fault {
            Fault::Sync(error) if self.segment && due(&self.left, false) => {
                Err(io::Error::from_raw_os_error(error))
            }
            _ => self.below.sync(),
        }
    }
}

impl FileLayer for Faulty {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn LogFile>> {
        gone(&self.left, self.fault)?;
        Ok(Box::new(FaultyFile {
            below: OsFiles.open(path, create)?,
            segment: path.extension().is_some_and(|extension| extension == "seg"),
            fault: self.fault,
            left: Arc::clone(&self.left),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        gone(&self.left, self.fault)?;
        OsFiles.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        gone(&self.left, self.fault)?;
        OsFiles.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        gone(&self.left, self.fault)?;
        let struck = self.fault == Fault::Full && self.has_struck();
        if struck && path.ends_with(RESERVE_FILE) {
            self.reserve_spent.store(true, Ordering::SeqCst);
            self.left.store(i64::MAX, Ordering::SeqCst);
        }
        OsFiles.remove(path)
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        let full = self.fault == Fault::Full && self.has_struck();
        if full { Ok(0) } else { OsFiles.free(path) }
    }

    fn allocate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        gone(&self.left, self.fault)?;
        if self.fault == Fault::Full && due(&self.left, true) {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        OsFiles.allocate(path, bytes)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        gone(&self.left, self.fault)?;
        OsFiles.sync_dir(path)
    }
}
