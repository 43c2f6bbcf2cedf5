//! A log on disk for questions only. Owns no lock, heals nothing, opens no sled and changes no byte.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use domain::StreamName;
use tokio::sync::watch;
use uuid::Uuid;

use crate::commit::{CommitDraft, Head, Receipt, RecordedEvent};
use crate::disk::OpenError;
use crate::head_file::{self, HeadSlot};
use crate::identity;
use crate::index::{CHUNK_EVENTS, Index, IndexSize, Plan, StreamKey};
use crate::journal::place::Places;
use crate::journal::segment::JOURNAL_DIR;
use crate::log::{AppendError, BoxFuture, CloseError, Commits, EventLog, ReadError};
use crate::newer;
use crate::open::LOCK_FILE;
use crate::packed::PackedBlocks;
use crate::survey::{self, Extent};
use crate::view::View;

/// How often the index of a running log is loaded: merging takes files away meanwhile.
const RESUME_TRIES: u32 = 3;

/// In what state a folder was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderState {
    /// Nobody holds it and it was closed cleanly.
    Closed,
    /// Nobody holds it and it was not closed cleanly; what is shown is what an opening would prove.
    NotClosed,
    /// A process holds it; what is shown ends where it had acknowledged.
    Running,
}

/// Finds out how far a folder may be read.
pub(crate) fn extent(dir: &Path) -> Result<(FolderState, Extent), OpenError> {
    identity::check(dir)?;
    crate::fork::refuse_pending(dir)?;
    let running = is_held(dir)?;
    let head = head_file::read(dir)?;
    Ok(match head {
        Some(head) if running => (FolderState::Running, Extent::Acknowledged(head)),
        Some(HeadSlot { clean: true, .. }) => (FolderState::Closed, Extent::Proven(head)),
        _ if running => {
            return Err(OpenError::InUse {
                path: dir.to_owned(),
            });
        }
        _ => (FolderState::NotClosed, Extent::Proven(head)),
    })
}

/// Whether a process holds the folder. Asks by taking the lock, shared and for this moment only.
fn is_held(dir: &Path) -> Result<bool, OpenError> {
    let failed = |error: std::io::Error| OpenError::io("asking for the lock", &error);
    let file = match File::open(dir.join(LOCK_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false).map_err(failed),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// A log on disk as it was when it was opened for reading. It does not follow a running writer.
pub struct ReadLog {
    log_id: Uuid,
    state: FolderState,
    head: Head,
    view: Arc<View>,
    published: watch::Sender<u64>,
}

impl ReadLog {
    /// Opens a folder for reading. Where the index is whole, and the log is running or was closed
    /// cleanly, what lies before the index's end was verified when it was written and is checked as
    /// it is read; otherwise the whole journal is verified first.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(dir, CHUNK_EVENTS)
    }

    /// The same for an index of chunks of another size.
    pub(crate) fn open_with(dir: &Path, chunk_events: u64) -> Result<Self, OpenError> {
        let (state, extent) = extent(dir)?;
        let plan = Plan::reading(dir, chunk_events);
        let tries = match state {
            FolderState::NotClosed => 0,
            FolderState::Closed => 1,
            FolderState::Running => RESUME_TRIES,
        };
        let resumed = (0..tries).find_map(|_| survey::resume(plan.clone(), extent, &mut |_| ()));
        let surveyed = match resumed {
            Some(surveyed) => surveyed,
            None => survey::survey(plan.clone(), extent, &mut |_| ()).map_err(|unproven| {
                match newer::after(dir, &unproven.link) {
                    Ok(Some(newer)) => newer.into(),
                    // That reading fails is what the survey has found.
                    Ok(None) | Err(_) => OpenError::from(*unproven),
                }
            })?,
        };
        let places = Arc::new(Places::new(dir.join(JOURNAL_DIR), surveyed.index.marks()));
        let index = Arc::new(Index::new(plan, Arc::clone(&places), surveyed.index));
        Ok(Self {
            log_id: surveyed.end.log_id,
            state,
            head: surveyed.end.head(),
            view: Arc::new(View::new(places, index)),
            published: watch::Sender::new(surveyed.end.position),
        })
    }

    /// Where its blocks lie.
    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.view.places
    }

    /// Its index.
    #[cfg(test)]
    pub(crate) fn index(&self) -> &Index {
        &self.view.index
    }

    /// How large its index is.
    pub fn index_size(&self) -> IndexSize {
        self.view.index.size()
    }

    /// In what state the folder was found.
    pub fn state(&self) -> FolderState {
        self.state
    }
}

impl EventLog for ReadLog {
    /// Always refused.
    fn append(&self, _draft: CommitDraft) -> BoxFuture<'static, Result<Receipt, AppendError>> {
        Box::pin(std::future::ready(Err(AppendError::ReadOnly)))
    }

    fn read(&self, from: u64, to: u64) -> Commits {
        self.view.read(from, to.min(self.head.position))
    }

    fn read_packed(&self, from: u64, to: u64) -> PackedBlocks {
        self.view.read_packed(from, to.min(self.head.position))
    }

    fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.view.read_stream(stream, from_version, limit)
    }

    fn stream_version(&self, stream: &StreamName) -> Result<u64, ReadError> {
        self.view.version(StreamKey::of(stream))
    }

    fn head(&self) -> Head {
        self.head.clone()
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    fn log_id(&self) -> Uuid {
        self.log_id
    }

    fn close(&self) -> Result<(), CloseError> {
        Ok(())
    }
}
