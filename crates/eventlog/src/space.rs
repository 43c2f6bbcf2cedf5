//! The room on the disks of a log. Owns the look at what is free, the file `reserve`, and whether
//! commits are taken; writes nothing else.
//!
//! Commits are taken only while the reserve is there and [`Options::low_space_bytes`] are free beside
//! it. So what was acknowledged can always be finished: the reserve is given up where a write finds no
//! room, and before a checkpoint of the second copy that would find none (sled does not survive that).
//! It is made again once there is room for it.
//!
//! [`Options::low_space_bytes`]: crate::Options::low_space_bytes

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::checkpoint::CHECKPOINT_BYTES;
use crate::files::FileLayer;
use crate::journal::segment::{JOURNAL_DIR, SEGMENT_BYTES};
use crate::log::AppendError;
use crate::sled_copy::SLED_SEGMENT_BYTES;

/// What is kept back on the disk for a clean stop: a segment of the journal, and what is appended
/// between checkpoints.
pub const RESERVE_BYTES: u64 = SEGMENT_BYTES + CHECKPOINT_BYTES;

/// Fewest bytes that must be free beside the reserve for commits to be taken.
pub const LOW_SPACE_BYTES: u64 = 256 * 1024 * 1024;

/// The file that holds the reserve while a log is open.
pub(crate) const RESERVE_FILE: &str = "reserve";

/// Bytes that a checkpoint may take beyond those of its blocks.
const CHECKPOINT_MARGIN_BYTES: u64 = 2 * SLED_SEGMENT_BYTES as u64;

/// How much room a log wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The size of the reserve; 0 for none.
    pub(crate) reserve: u64,
    /// What must be free beside it.
    pub(crate) low: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the reserve is there.
    held: bool,
    /// Why commits are refused, if they are.
    low: Option<AppendError>,
    /// The file system cannot hold a reserve.
    impossible: bool,
    /// Whether it was said that the file system does not tell what is free.
    complained: bool,
    /// How often the reserve was given up.
    releases: u64,
}

/// The room on the disks of one open log.
#[derive(Debug)]
pub(crate) struct Space {
    files: Arc<dyn FileLayer>,
    dir: PathBuf,
    wanted: Wanted,
    state: Mutex<State>,
    /// Whether commits are refused, to be looked at without the lock.
    refuses: AtomicBool,
}

impl Space {
    /// Looks for the first time and makes the reserve, if there is room for it.
    pub(crate) fn new(files: Arc<dyn FileLayer>, dir: &Path, wanted: Wanted) -> Self {
        let this = Self {
            files,
            dir: dir.to_owned(),
            wanted,
            state: Mutex::default(),
            refuses: AtomicBool::new(false),
        };
        if wanted.reserve > 0 && this.path().exists() {
            // What a killed process left is taken over, also where there is no room to complete it.
            if let Err(error) = this.files.allocate(&this.path(), wanted.reserve) {
                tracing::warn!(%error, "the reserve that was found could not be completed");
            }
            this.state().held = true;
        }
        this.look();
        this
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self) -> PathBuf {
        self.dir.join(RESERVE_FILE)
    }

    /// Why no commit is taken for want of room.
    pub(crate) fn refusal(&self) -> Option<AppendError> {
        if !self.refuses.load(Ordering::Acquire) {
            return None;
        }
        self.state().low.clone()
    }

    /// Looks at what is free: makes the reserve if it is missing, takes commits or refuses them.
    pub(crate) fn look(&self) {
        let mut state = self.state();
        let free = match free(&*self.files, &self.dir) {
            Ok(free) => free,
            Err(error) => {
                if !std::mem::replace(&mut state.complained, true) {
                    tracing::warn!(%error, "the room on the disk cannot be looked at");
                }
                return;
            }
        };
        let mut wanted = self.missing(&state);
        if wanted > 0 && free >= wanted.saturating_add(self.wanted.low) {
            match self.make() {
                Ok(()) => {
                    state.held = true;
                    wanted = 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    tracing::warn!(%error, "the file system cannot hold a reserve");
                    state.impossible = true;
                    wanted = 0;
                }
                Err(error) => {
                    tracing::warn!(%error, "the reserve could not be made");
                    wanted = free;
                }
            }
        }
        let missing = wanted > 0;
        let wanted = wanted.saturating_add(self.wanted.low);
        let refusal = (missing || free < wanted).then_some(AppendError::LowSpace { free, wanted });
        self.settle(&mut state, refusal);
    }

    /// The bytes of the reserve that must still be made.
    fn missing(&self, state: &State) -> u64 {
        if state.held || state.impossible {
            0
        } else {
            self.wanted.reserve
        }
    }

    fn settle(&self, state: &mut State, refusal: Option<AppendError>) {
        match (&state.low, &refusal) {
            (None, Some(why)) => tracing::error!(%why, "no commands are taken"),
            (Some(_), None) => tracing::info!("there is room again; commands are taken"),
            _ => {}
        }
        self.refuses.store(refusal.is_some(), Ordering::Release);
        state.low = refusal;
    }

    fn make(&self) -> io::Result<()> {
        let made = self.files.allocate(&self.path(), self.wanted.reserve);
        if made.is_err() {
            // Half a reserve is none.
            let _ = self.files.remove(&self.path());
        }
        made
    }

    /// Gives the reserve up, for something that must be finished; false if there is none. From here
    /// on commits are refused until there is room for it again.
    pub(crate) fn release(&self) -> bool {
        let mut state = self.state();
        if !state.held {
            return false;
        }
        match self.files.remove(&self.path()) {
            // Somebody else has made that room.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::error!(%error, "the reserve could not be given up");
                return false;
            }
            Ok(()) => {}
        }
        state.held = false;
        state.releases += 1;
        tracing::warn!("the disk is full; the reserve is given up to finish what was begun");
        let refusal = AppendError::LowSpace {
            free: 0,
            wanted: self.wanted.low.saturating_add(self.wanted.reserve),
        };
        self.settle(&mut state, Some(refusal));
        true
    }

    /// Does something, and once more without the reserve if there was no room for it.
    pub(crate) fn finish<T>(&self, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let releases = || self.state().releases;
        let before = releases();
        match work() {
            // Whoever gave it up meanwhile made the room for this too.
            Err(error) if is_full(&error) && (self.release() || releases() != before) => work(),
            done => done,
        }
    }

    /// Makes room for a checkpoint of blocks of so many bytes.
    pub(crate) fn prepare_checkpoint(&self, bytes: u64) {
        let needed = bytes.saturating_add(CHECKPOINT_MARGIN_BYTES);
        if self.wanted.reserve > 0 && self.files.free(&self.dir).is_ok_and(|free| free < needed) {
            self.release();
        }
    }

    /// Removes the reserve of a log that was closed.
    pub(crate) fn remove_reserve(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.held)
            && let Err(error) = self.files.remove(&self.path())
        {
            tracing::warn!(%error, "the reserve could not be removed");
        }
    }
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// What is free where the log grows; the journal may lie on a disk of its own.
pub(crate) fn free(files: &dyn FileLayer, dir: &Path) -> io::Result<u64> {
    let journal = match files.free(&dir.join(JOURNAL_DIR)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => u64::MAX,
        free => free?,
    };
    Ok(files.free(dir)?.min(journal))
}

#[cfg(test)]
mod tests;
