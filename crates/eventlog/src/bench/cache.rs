//! The system's cache of files. Owns the dropping of what it holds of a folder, so that a reading
//! starts cold, and the counting of what the disk really gave; changes no file.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

/// Lets go of everything the system has cached of the files below a folder. What was not synced yet
/// is synced first: only clean pages can be dropped. A page that somebody maps stays.
pub(crate) fn drop_below(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            drop_below(&entry.path())?;
        } else {
            let file = File::open(entry.path())?;
            file.sync_data()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

/// The bytes that this process had fetched from disks so far, where `/proc` tells it.
pub(crate) fn fetched_bytes() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    let line = io
        .lines()
        .find_map(|line| line.strip_prefix("read_bytes:"))?;
    line.trim().parse().ok()
}

/// Whether a reading finds its files in the system's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    /// Dropped beforehand.
    Cold,
    /// Read shortly before.
    Warm,
}

impl Cache {
    pub(crate) const BOTH: [Self; 2] = [Self::Cold, Self::Warm];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }

    /// Brings the files below a folder into this state, as far as dropping goes.
    pub(crate) fn prepare(self, dir: &Path) -> io::Result<()> {
        match self {
            Self::Cold => drop_below(dir),
            Self::Warm => Ok(()),
        }
    }
}
