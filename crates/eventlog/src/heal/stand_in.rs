//! Damaged segments put together out of both copies for somebody who only reads. Owns a folder
//! outside of the log, which goes with its last reader; changes nothing in the log's own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::disk::OpenError;
use crate::files::{FileLayer, LogFile, OsFiles};
use crate::head_file::HeadSlot;
use crate::index::Plan;
use crate::journal::segment::{self, JOURNAL_DIR, SEGMENT_BYTES};
use crate::survey::Surveyed;

use super::{Damage, Healing};

/// The folder within the temporary one; the temporary one is for this user's eyes only.
const SEGMENTS_DIR: &str = "journal";

/// Segments that are read instead of those of the same number in the journal. Removed when dropped;
/// a process that is killed leaves them to whoever clears the system's temporary folder.
pub(crate) struct StandIn {
    /// Where they lie.
    folder: PathBuf,
    /// Which they are.
    pub(crate) numbers: Vec<u64>,
    _within: TempDir,
}

impl StandIn {
    /// Where they lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Puts the damaged part of a journal together as an opening would heal it, and says so as a
/// warning; refused where an opening would refuse.
pub(crate) fn stand_in(
    plan: &Plan,
    volume_events: u64,
    head: Option<HeadSlot>,
    damage: &Damage,
) -> Result<(Surveyed, StandIn), OpenError> {
    let failed = |error: io::Error| {
        let temporary = std::env::temp_dir();
        let what = format!(
            "putting damaged segments of the journal together in {}",
            temporary.display()
        );
        OpenError::io(what, &error)
    };
    let within = TempDir::with_prefix("benniu-").map_err(failed)?;
    let folder = within.path().join(SEGMENTS_DIR);
    let journal = plan.dir.join(JOURNAL_DIR);
    let healing = Healing {
        plan: plan.clone(),
        journal: &journal,
        files: &Unsynced,
        volume_events,
        segment_bytes: usual_size(&journal).map_err(failed)?,
        head,
        damage,
    };
    let made = healing.run(folder.clone()).map_err(failed)??;
    let numbers = made.numbers;
    tracing::warn!(
        "segments {numbers:?} of the journal are damaged ({}); until `benniu serve` heals them, \
         what is answered comes out of the second copy, put together in {} for as long as it is read",
        damage.what,
        folder.display()
    );
    let stand_in = StandIn {
        folder,
        numbers,
        _within: within,
    };
    Ok((made.surveyed, stand_in))
}

/// The size of a segment of which nothing is left: that of the largest one.
fn usual_size(journal: &Path) -> io::Result<u64> {
    let mut largest = None;
    for number in segment::list(journal)? {
        let length = fs::metadata(segment::path(journal, number))?.len();
        largest = largest.max(Some(length));
    }
    Ok(largest.unwrap_or(SEGMENT_BYTES))
}

/// Files that are worth nothing after this process, and so are never synced.
#[derive(Debug)]
struct Unsynced;

struct UnsyncedFile(Box<dyn LogFile>);

impl LogFile for UnsyncedFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl FileLayer for Unsynced {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn LogFile>> {
        let file = OsFiles.open(path, create)?;
        Ok(Box::new(UnsyncedFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFiles.rename(from, to)
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}
