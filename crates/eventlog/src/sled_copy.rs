//! The second copy: blocks in sled, in volumes by their first position. Owns every call into sled,
//! each of which may panic and then only marks this copy bad; never answers a reader.
//!
//! A volume holds the blocks whose first position lies in its share of `volume_events`; the key is
//! that position (8 bytes, big-endian), the value the block as it lies in the journal.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of the volumes within the log's folder.
pub(crate) const COPY_DIR: &str = "log";

/// What the name of a volume ends with while it is made anew.
const FRESH: &str = "new";

/// Events a volume covers: sled's memory grows with what an open database holds.
pub(crate) const VOLUME_EVENTS: u64 = 2_000_000;

/// Small in the tests of this crate, which make and copy hundreds of volumes. Not smaller: a page of
/// sled holds up to 17 blocks, and one above a quarter of a segment would go to a file of its own.
pub(crate) const SLED_SEGMENT_BYTES: usize = if cfg!(test) {
    8 * 1024 * 1024
} else {
    16 * 1024 * 1024
};
const SLED_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The number of the volume that holds the block starting at `first_position`.
pub(crate) fn volume_of(first_position: u64, volume_events: u64) -> u64 {
    first_position.saturating_sub(1) / volume_events.max(1) + 1
}

/// The least position that a block of a volume may start at.
pub(crate) fn first_of(number: u64, volume_events: u64) -> u64 {
    number.saturating_sub(1) * volume_events + 1
}

/// The folder of a volume.
pub(crate) fn volume_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(COPY_DIR).join(format!("{number:08}"))
}

/// The file in which sled keeps a volume's blocks.
pub(crate) fn file_path(dir: &Path, number: u64) -> PathBuf {
    volume_path(dir, number).join("db")
}

/// Whether that file is there.
pub(crate) fn has_file(dir: &Path, number: u64) -> bool {
    file_path(dir, number).exists()
}

/// The numbers of the volumes that are there, in order.
pub(crate) fn list_volumes(dir: &Path) -> std::io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    let entries = match std::fs::read_dir(dir.join(COPY_DIR)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(numbers),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The folder in which a volume is made anew beside the one that it is to replace.
pub(crate) fn fresh_path(dir: &Path, number: u64) -> PathBuf {
    volume_path(dir, number).with_extension(FRESH)
}

/// Removes what an interrupted making of a volume left.
pub(crate) fn remove_fresh(dir: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(dir.join(COPY_DIR)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == FRESH) {
            std::fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// Calls sled; an error or a panic becomes a text.
fn guarded<T>(call: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("sled: {error}")),
        Err(_) => Err("sled panicked".to_owned()),
    }
}

fn read(key: &[u8], block: &[u8]) -> Result<(u64, Vec<u8>), String> {
    let key = key.try_into().map_err(|_| "a strange key".to_owned())?;
    Ok((u64::from_be_bytes(key), block.to_vec()))
}

/// One open volume.
#[derive(Clone)]
pub(crate) struct Volume {
    pub(crate) number: u64,
    db: sled::Db,
    /// Our own handle of sled's file: sled itself never really syncs.
    file: Arc<File>,
}

impl Volume {
    /// Opens a volume, making it if needed.
    pub(crate) fn open(dir: &Path, number: u64) -> Result<Self, String> {
        Self::open_at(&volume_path(dir, number), number)
    }

    /// The same in a folder of another name.
    pub(crate) fn open_at(path: &Path, number: u64) -> Result<Self, String> {
        let db = guarded(|| {
            sled::Config::new()
                .path(path)
                .segment_size(SLED_SEGMENT_BYTES)
                .mode(sled::Mode::LowSpace)
                .cache_capacity(SLED_CACHE_BYTES)
                .flush_every_ms(None)
                .open()
        })?;
        let file = File::open(path.join("db")).map_err(|error| format!("sled's file: {error}"))?;
        Ok(Self {
            number,
            db,
            file: Arc::new(file),
        })
    }

    /// Stores a block. `insert` writes nothing to disk until a checkpoint; `apply_batch` would.
    pub(crate) fn insert(&self, first_position: u64, block: &[u8]) -> Result<(), String> {
        guarded(|| self.db.insert(first_position.to_be_bytes(), block)).map(|_| ())
    }

    /// Stores a block that it holds already, so that it is written to another place of the file.
    pub(crate) fn insert_again(&self, first_position: u64, block: &[u8]) -> Result<(), String> {
        let key = first_position.to_be_bytes();
        // To store what is stored would do nothing.
        guarded(|| {
            self.db.remove(key)?;
            self.db.insert(key, block)
        })
        .map(|_| ())
    }

    /// The last block.
    pub(crate) fn last(&self) -> Result<Option<(u64, Vec<u8>)>, String> {
        let last = guarded(|| self.db.last())?;
        last.map(|(key, block)| read(&key, &block)).transpose()
    }

    /// The blocks in order; ends after an error.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Result<(u64, Vec<u8>), String>> {
        let mut entries = self.db.iter();
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let entry = match guarded(|| Ok(entries.next())) {
                Ok(entry) => entry?.map_err(|error| format!("sled: {error}")),
                Err(error) => Err(error),
            };
            let block = entry.and_then(|(key, block)| read(&key, &block));
            failed = block.is_err();
            Some(block)
        })
    }

    /// Makes all that was inserted durable.
    pub(crate) fn checkpoint(&self) -> Result<(), String> {
        guarded(|| {
            self.db.flush()?;
            // A flush leaves a whole segment of sled's to be freed by this thread once it has left
            // some sixty of them: a gigabyte. Handing it over now, whoever comes next frees it.
            crossbeam_epoch::pin().flush();
            Ok(())
        })?;
        self.file
            .sync_data()
            .map_err(|error| format!("syncing sled's file: {error}"))
    }

    /// Closes the volume, whatever sled makes of it.
    pub(crate) fn close(self) {
        let _ = guarded(|| {
            drop(self.db);
            Ok(())
        });
    }
}

/// What a volume lacks of the blocks it should hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Nothing.
    Nothing,
    /// The blocks from this first position on.
    From(u64),
    /// It holds something else, or cannot be read.
    Different(String),
    /// It holds blocks after the last one.
    Beyond(u64),
}

/// Compares a volume with the blocks it should hold, given in order.
pub(crate) fn compare<E>(
    volume: &Volume,
    mut next_wanted: impl FnMut() -> Result<Option<(u64, Vec<u8>)>, E>,
) -> Result<Lack, E> {
    let mut held = volume.blocks();
    loop {
        let wanted = next_wanted()?;
        let lack = match (wanted, held.next()) {
            (_, Some(Err(error))) => Lack::Different(error),
            (None, None) => Lack::Nothing,
            (None, Some(Ok((position, _)))) => Lack::Beyond(position),
            (Some((position, _)), None) => Lack::From(position),
            (Some(wanted), Some(Ok(held))) if wanted == held => continue,
            (Some((position, _)), Some(Ok(_))) => {
                Lack::Different(format!("the block at position {position} differs"))
            }
        };
        return Ok(lack);
    }
}
