//! A log on disk for questions only. Owns no lock, heals nothing, opens no sled and changes no byte.
//!
//! Where the journal is damaged and nobody holds the folder, what both copies still hold together is
//! put together outside of it ([`heal::stand_in`]), when it is opened or once damage is met, and read
//! from there.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domain::StreamName;
use tokio::sync::watch;
use uuid::Uuid;

use crate::commit::{Commit, CommitDraft, Head, Receipt, RecordedEvent};
use crate::disk::OpenError;
use crate::head_file::{self, HeadSlot};
use crate::heal::{self, StandIn};
use crate::identity;
use crate::index::{CHUNK_EVENTS, Index, IndexSize, Plan, StreamKey};
use crate::journal::place::Places;
use crate::journal::segment::JOURNAL_DIR;
use crate::log::{AppendError, BoxFuture, CloseError, Commits, EventLog, ReadError};
use crate::newer;
use crate::open::LOCK_FILE;
use crate::packed::PackedBlocks;
use crate::sled_copy::VOLUME_EVENTS;
use crate::survey::{self, Extent, Surveyed};
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

/// A journal that was gone over whole.
pub(crate) struct Readable {
    pub(crate) surveyed: Surveyed,
    /// What is to be read instead of damaged segments.
    pub(crate) stand_in: Option<StandIn>,
}

/// Goes over the journal of a folder whose plan only reads. Damage is refused where a process holds
/// the folder, which heals by itself, and where an opening would refuse.
pub(crate) fn readable(
    plan: &Plan,
    extent: Extent,
    progress: &mut dyn FnMut(u64),
) -> Result<Readable, OpenError> {
    let whole = |surveyed| Readable {
        surveyed,
        stand_in: None,
    };
    let head = match extent {
        Extent::Proven(head) => head,
        Extent::Acknowledged(_) => {
            let surveyed = survey::survey(plan.clone(), extent, progress);
            return surveyed.map(whole).map_err(|unproven| {
                match newer::after(&plan.dir, &unproven.link) {
                    Ok(Some(newer)) => newer.into(),
                    // That reading fails is what the survey has found.
                    Ok(None) | Err(_) => OpenError::from(*unproven),
                }
            });
        }
    };
    match heal::diagnose(plan, VOLUME_EVENTS, head, progress)? {
        Ok(surveyed) => Ok(whole(surveyed)),
        Err(damage) => {
            let (surveyed, stand_in) = heal::stand_in(plan, VOLUME_EVENTS, head, &damage)?;
            Ok(Readable {
                surveyed,
                stand_in: Some(stand_in),
            })
        }
    }
}

/// A log on disk as it was when it was opened for reading. It does not follow a running writer.
pub struct ReadLog {
    log_id: Uuid,
    state: FolderState,
    head: Head,
    reading: Arc<Reading>,
    published: watch::Sender<u64>,
}

impl ReadLog {
    /// Opens a folder for reading. Where the index and the newest part are whole, what lies before
    /// was verified when it was written and is checked as it is read; otherwise the whole journal is
    /// verified first.
    ///
    /// Damaged segments of a folder that nobody holds are put together out of both copies in the
    /// system's temporary folder, until this log and all readings of it are dropped; a warning says
    /// so. It is refused as opening it would be.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(dir, CHUNK_EVENTS)
    }

    /// The same for an index of chunks of another size.
    pub(crate) fn open_with(dir: &Path, chunk_events: u64) -> Result<Self, OpenError> {
        let (state, extent) = extent(dir)?;
        let plan = Plan::reading(dir, chunk_events);
        let resumed = match extent {
            Extent::Proven(Some(head)) => heal::newest(&plan, VOLUME_EVENTS, head)?,
            Extent::Proven(None) => None,
            Extent::Acknowledged(_) => {
                (0..RESUME_TRIES).find_map(|_| survey::resume(plan.clone(), extent, &mut |_| ()))
            }
        };
        let readable = match resumed {
            Some(surveyed) => Readable {
                surveyed,
                stand_in: None,
            },
            None => readable(&plan, extent, &mut |_| ())?,
        };
        let end = readable.surveyed.end.clone();
        let head = end.head();
        let reading = Reading {
            view: RwLock::new(view(&plan, readable)),
            plan,
            head: head.clone(),
            mended: Mutex::new(false),
        };
        Ok(Self {
            log_id: end.log_id,
            state,
            head,
            reading: Arc::new(reading),
            published: watch::Sender::new(end.position),
        })
    }

    /// Where its blocks lie.
    pub(crate) fn places(&self) -> Arc<Places> {
        Arc::clone(&self.reading.view().places)
    }

    /// Its index.
    #[cfg(test)]
    pub(crate) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.reading.view().index)
    }

    /// How large its index is.
    pub fn index_size(&self) -> IndexSize {
        self.reading.view().index.size()
    }

    /// In what state the folder was found.
    pub fn state(&self) -> FolderState {
        self.state
    }

    /// The segments of the journal that were found damaged so far and are read out of both copies.
    pub fn damaged_segments(&self) -> Vec<u64> {
        self.reading.view().places.stood_in_for().to_vec()
    }
}

/// A log that was gone over, to be read.
fn view(plan: &Plan, readable: Readable) -> Arc<View> {
    let Readable { surveyed, stand_in } = readable;
    let journal = plan.dir.join(JOURNAL_DIR);
    let places = Places::standing_in(journal, surveyed.index.marks(), stand_in);
    let places = Arc::new(places);
    let index = Index::new(plan.clone(), Arc::clone(&places), surveyed.index);
    Arc::new(View::new(places, Arc::new(index)))
}

/// What is read, and what takes its place once damage is met that opening did not look for.
struct Reading {
    plan: Plan,
    head: Head,
    view: RwLock<Arc<View>>,
    /// Whether that was done, or tried, already.
    mended: Mutex<bool>,
}

impl Reading {
    fn view(&self) -> Arc<View> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&view)
    }

    /// What to read instead of a view that met damage, if there is anything: the journal is gone
    /// over whole, once.
    fn instead_of(&self, met: &Arc<View>) -> Option<Arc<View>> {
        let mut mended = self.mended.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.view();
        if !Arc::ptr_eq(&now, met) {
            return Some(now);
        }
        if std::mem::replace(&mut *mended, true) {
            return None;
        }
        match self.mend() {
            Ok(view) => {
                let mut now = self.view.write().unwrap_or_else(PoisonError::into_inner);
                now.clone_from(&view);
                Some(view)
            }
            Err(error) => {
                tracing::warn!(%error, "the damaged part cannot be put together out of both copies");
                None
            }
        }
    }

    fn mend(&self) -> Result<Arc<View>, OpenError> {
        let (state, extent) = extent(&self.plan.dir)?;
        if state == FolderState::Running {
            return Err(OpenError::InUse {
                path: self.plan.dir.clone(),
            });
        }
        let readable = readable(&self.plan, extent, &mut |_| ())?;
        if readable.surveyed.end.head() != self.head {
            return Err(OpenError::Damaged {
                proven: readable.surveyed.end.position,
                what: "the log is another one than when it was opened".to_owned(),
            });
        }
        Ok(view(&self.plan, readable))
    }

    /// Asks the view, and where it fails what is to be read instead.
    fn ask<T>(&self, question: impl Fn(&View) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let view = self.view();
        question(&view).or_else(|error| match self.instead_of(&view) {
            Some(other) => question(&other),
            None => Err(error),
        })
    }
}

/// Commits in order, also where damage is met on the way.
struct RangeReader {
    reading: Arc<Reading>,
    view: Arc<View>,
    commits: Commits,
    /// The first position that was not given yet.
    next: u64,
    to: u64,
}

impl Iterator for RangeReader {
    type Item = Result<Commit, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.commits.next()? {
                Ok(commit) => {
                    self.next = commit.header.last_position() + 1;
                    return Some(Ok(commit));
                }
                Err(error) => {
                    let Some(view) = self.reading.instead_of(&self.view) else {
                        return Some(Err(error));
                    };
                    self.commits = view.read(self.next, self.to);
                    self.view = view;
                }
            }
        }
    }
}

impl EventLog for ReadLog {
    /// Always refused.
    fn append(&self, _draft: CommitDraft) -> BoxFuture<'static, Result<Receipt, AppendError>> {
        Box::pin(std::future::ready(Err(AppendError::ReadOnly)))
    }

    fn read(&self, from: u64, to: u64) -> Commits {
        let (view, to) = (self.reading.view(), to.min(self.head.position));
        Box::new(RangeReader {
            reading: Arc::clone(&self.reading),
            commits: view.read(from, to),
            view,
            next: from,
            to,
        })
    }

    /// Damage that is met on the way ends it: it is met by whoever unpacks.
    fn read_packed(&self, from: u64, to: u64) -> PackedBlocks {
        let view = self.reading.view();
        view.read_packed(from, to.min(self.head.position))
    }

    fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.reading
            .ask(|view| view.read_stream(stream, from_version, limit))
    }

    fn stream_version(&self, stream: &StreamName) -> Result<u64, ReadError> {
        self.reading.ask(|view| view.version(StreamKey::of(stream)))
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

#[cfg(test)]
mod tests;
