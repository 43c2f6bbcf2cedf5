//! The log on disk. Owns the folder while it is open: its lock, its writer and its closing. Opening
//! it is `open`, the writing `writer`, the reading `view`.

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use domain::StreamName;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::check::{Copies, SEARCH_TRIES};
use crate::checkpoint::Monitor;
use crate::clock::Clock;
use crate::commit::{CommitDraft, Head, Receipt, RecordedEvent};
use crate::files::{FileLayer, OsFiles, in_words};
use crate::head_file::Unread;
use crate::index::{CHUNK_EVENTS, IndexSize, Plan, StreamKey};
use crate::info::BytesOnDisk;
use crate::journal::segment::SEGMENT_BYTES;
use crate::log::{AppendError, BoxFuture, CloseError, Commits, EventLog, ReadError};
use crate::measures::{Measures, Refused};
use crate::newer::Newer;
use crate::open::{self, Opened};
use crate::packed::PackedBlocks;
use crate::prepare::prepare;
use crate::queue::{Answer, Waiting};
use crate::scrub::{Scrub, ScrubOptions, Scrubber, Target};
use crate::sled_copy::VOLUME_EVENTS;
use crate::space::{self, LOW_SPACE_BYTES, RESERVE_BYTES, Wanted};
use crate::verify::Finding;
use crate::writer::Shared;

/// How a log on disk is to be opened.
#[derive(Clone)]
pub struct Options {
    /// Where `recorded_at` comes from.
    pub clock: Arc<dyn Clock>,
    /// What writes the journal and the head; replaced in tests of faults.
    pub files: Arc<dyn FileLayer>,
    /// The size of segments made from now on, in bytes; at least [`SEGMENT_BYTES_MIN`].
    pub segment_bytes: u64,
    /// How many events a volume of the second copy covers; the same for the life of a log.
    pub volume_events: u64,
    /// After how many events a part of the index goes into a file; another number than before makes
    /// the index anew.
    pub chunk_events: u64,
    /// Whether the whole log is verified also where its newest part and its index are whole.
    pub thorough: bool,
    /// How the log is verified again while it is open.
    pub scrub: ScrubOptions,
    /// Fewest bytes that must be free beside the reserve for commits to be taken; with 0 they are
    /// until the reserve is used up.
    pub low_space_bytes: u64,
    /// The bytes that are kept back on the disk for a clean stop; with 0 a full disk may leave the
    /// log not closed cleanly. Not kept where the file system cannot.
    pub reserve_bytes: u64,
    /// Where what it measures of itself goes.
    pub measures: Measures,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Options")
            .field("files", &self.files)
            .field("segment_bytes", &self.segment_bytes)
            .field("volume_events", &self.volume_events)
            .finish_non_exhaustive()
    }
}

/// The smallest segment: it must hold the largest block.
pub const SEGMENT_BYTES_MIN: u64 = 256 * 1024;

impl Options {
    /// The usual sizes, on the file system of the machine.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            files: Arc::new(OsFiles),
            segment_bytes: SEGMENT_BYTES,
            volume_events: VOLUME_EVENTS,
            chunk_events: CHUNK_EVENTS,
            thorough: false,
            scrub: ScrubOptions::default(),
            low_space_bytes: LOW_SPACE_BYTES,
            // The tests of this crate make and copy hundreds of folders.
            reserve_bytes: if cfg!(test) { 0 } else { RESERVE_BYTES },
            measures: Measures::default(),
        }
    }

    /// How much room is wanted.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            reserve: self.reserve_bytes,
            low: self.low_space_bytes,
        }
    }

    /// How the index of a log in a folder is kept.
    pub(crate) fn plan(&self, dir: &Path) -> Plan {
        Plan {
            dir: dir.to_owned(),
            chunk_events: self.chunk_events,
            files: Some(Arc::clone(&self.files)),
        }
    }
}

/// Why a folder was not opened as a log. Nothing in it was changed, unless it says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system refused.
    #[error("{what}: {error}")]
    Io {
        /// What was done.
        what: String,
        /// The system's words.
        error: String,
    },
    /// Another process holds the log.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The log's folder.
        path: PathBuf,
    },
    /// The folder to make a log in holds something already.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no log.
    #[error("{} holds no log; `benniu init` makes one", path.display())]
    NoLog {
        /// The folder.
        path: PathBuf,
    },
    /// A file in the folder belongs to another log than the others.
    #[error(
        "{} belongs to log {found}, and the folder to log {log_id}; move it to where it belongs",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The log it says it belongs to.
        found: Uuid,
        /// The log that the folder holds.
        log_id: Uuid,
    },
    /// The folder was written by a newer version of this program.
    #[error(
        "{what} has format version {version}, and this program knows versions up to {known}; \
         use the program that wrote it, or a newer one"
    )]
    NewerVersion {
        /// What has that version, in words.
        what: String,
        /// The version it says.
        version: u16,
        /// The newest version that this program knows.
        known: u16,
    },
    /// There is too little room to make a log.
    #[error(
        "{} MiB are free on the disk of {} and a log wants {} MiB",
        free / (1024 * 1024),
        path.display(),
        wanted / (1024 * 1024)
    )]
    LowSpace {
        /// The folder.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are wanted.
        wanted: u64,
    },
    /// An option is out of its bounds.
    #[error("{0}")]
    Options(&'static str),
    /// A new epoch of the log has begun and its first commit is not written yet.
    #[error(
        "epoch {epoch} of the log in {} has begun and its first commit is missing; `benniu serve` \
         writes it",
        path.display()
    )]
    ForkPending {
        /// The log's folder.
        path: PathBuf,
        /// The epoch.
        epoch: u32,
    },
    /// The end of the log cannot be proven: starting could lose what was acknowledged.
    #[error("the log is damaged: {what}. It is whole up to position {proven}")]
    Damaged {
        /// The last position that is proven.
        proven: u64,
        /// What is wrong.
        what: String,
    },
}

impl From<Newer> for OpenError {
    fn from(newer: Newer) -> Self {
        let Newer {
            what,
            version,
            known,
        } = newer;
        Self::NewerVersion {
            what,
            version,
            known,
        }
    }
}

impl From<Unread> for OpenError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Io(error) => Self::io("reading the head", &error),
            Unread::Newer(newer) => newer.into(),
        }
    }
}

impl OpenError {
    pub(crate) fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        Self::Io {
            what: what.into(),
            error: in_words(error),
        }
    }
}

/// What opening a log found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// Whether it had been closed cleanly.
    pub clean: bool,
    /// Whether only the newest part was verified: what follows the index's last file or, after a stop
    /// that was not clean, all that it may have touched. What lies before was verified when it was written, is checked as
    /// it is read, and the scrub goes over it.
    pub quick: bool,
    /// What was put right, in words.
    pub healed: Vec<String>,
}

/// A log on disk, open for appending.
pub struct DiskLog {
    log_id: Uuid,
    dir: PathBuf,
    volume_events: u64,
    shared: Arc<Shared>,
    report: OpenReport,
    /// Events and commits that were there when it was opened.
    opened_with: (u64, u64),
    refused: Arc<Refused>,
    files: Arc<dyn FileLayer>,
    copy: Monitor,
    scrubber: Scrubber,
    writer: Mutex<Option<JoinHandle<Result<(), String>>>>,
    closed: Mutex<Option<Result<(), CloseError>>>,
    _lock: File,
}

impl DiskLog {
    /// Makes the skeleton of an empty log of epoch 1 in a folder that is missing or empty. The
    /// first commit is the caller's.
    pub fn create(dir: &Path, log_id: Uuid, options: &Options) -> Result<(), OpenError> {
        open::create(dir, log_id, options)
    }

    /// Opens a log: takes its lock, verifies it, puts right what can be put right without doubt,
    /// and refuses otherwise.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        Self::start(open::open(dir, options)?)
    }

    /// Starts the writer of a folder that is ready.
    pub(crate) fn start(opened: Opened) -> Result<Self, OpenError> {
        let shared = Arc::clone(&opened.writer.shared);
        let writer = opened.writer;
        let copy = writer.checkpoints.monitor();
        let target = Target {
            dir: opened.dir.clone(),
            log_id: opened.log_id,
            files: Arc::clone(&opened.options.files),
            segment_bytes: opened.options.segment_bytes,
            volume_events: opened.options.volume_events,
            shared: Arc::clone(&shared),
            copy: copy.clone(),
        };
        let opened_with = counted(&shared);
        let files = Arc::clone(&opened.options.files);
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::io("starting the writer", &error))?;
        let scrubber = match Scrubber::start(target, opened.options.scrub) {
            Ok(scrubber) => scrubber,
            Err(error) => {
                // The lock goes with this call: nobody may be writing any more.
                shared.queue.refuse(AppendError::Closed);
                let _ = thread.join();
                return Err(OpenError::io("starting the scrub", &error));
            }
        };
        Ok(Self {
            log_id: opened.log_id,
            dir: opened.dir,
            volume_events: opened.volume_events,
            shared,
            report: opened.report,
            opened_with,
            refused: Arc::default(),
            files,
            copy,
            scrubber,
            writer: Mutex::new(Some(thread)),
            closed: Mutex::new(None),
            _lock: opened.lock,
        })
    }

    /// Hands commits over to the writer together, so that they are made durable together as far as
    /// a group goes. Refused, none of them is taken.
    pub(crate) fn hand_over(
        &self,
        drafts: Vec<CommitDraft>,
    ) -> Result<Vec<oneshot::Receiver<Answer>>, AppendError> {
        if let Some(low) = self.shared.space.refusal() {
            return Err(low);
        }
        let mut waiting = Vec::with_capacity(drafts.len());
        let mut answers = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let (answer, answered) = oneshot::channel();
            let prepared = prepare(draft)?;
            waiting.push(Waiting { prepared, answer });
            answers.push(answered);
        }
        self.shared.queue.push_all(waiting)?;
        Ok(answers)
    }

    /// Why the second copy is bad, if it is: the log goes on with one copy, and the other is made
    /// anew when it is opened next.
    pub fn second_copy_fault(&self) -> Option<String> {
        self.copy.bad()
    }

    /// The last position of which both copies are on disk.
    pub fn synced_position(&self) -> u64 {
        self.copy.synced()
    }

    /// How large its index is.
    pub fn index_size(&self) -> IndexSize {
        self.shared.view.index.size()
    }

    /// Events and commits appended since it was opened.
    pub fn appended(&self) -> (u64, u64) {
        let (events, commits) = counted(&self.shared);
        (events - self.opened_with.0, commits - self.opened_with.1)
    }

    /// How often appends were refused since it was opened, by [`AppendError::name`]; every name is
    /// there.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.refused.counts()
    }

    /// Commits that wait for the writer; at most [`crate::limits::QUEUE_COMMITS_MAX`].
    pub fn waiting(&self) -> usize {
        self.shared.queue.waiting()
    }

    /// Bytes that are free on its disk; of two, where the journal has its own, the fewer.
    pub fn free_bytes(&self) -> io::Result<u64> {
        space::free(&*self.files, &self.dir)
    }

    /// Bytes that its folder takes on disk. Costs one look at each of its files.
    pub fn bytes_on_disk(&self) -> io::Result<BytesOnDisk> {
        BytesOnDisk::of(&self.dir)
    }

    /// The log is verified whole when it is opened next, as if it had not been closed cleanly. So it
    /// is too once a reading has found damage.
    pub fn distrust(&self) {
        self.shared.view.distrust();
    }

    /// Verifies a part of the log again while it is open, in both copies: the blocks that hold
    /// positions of `range`, the second copy as far as it is synced. `reached` is told each position
    /// that is checked in the journal; it may wait, to bound the rate. A finding makes the log
    /// distrusted. Blocks, reads the volumes of the range whole, and changes nothing.
    pub fn check(
        &self,
        range: &RangeInclusive<u64>,
        reached: &mut dyn FnMut(u64),
    ) -> io::Result<Vec<Finding>> {
        let (from, to) = (*range.start(), *range.end());
        let range = from.max(1)..=to.min(*self.shared.published.borrow());
        let copies = Copies {
            dir: &self.dir,
            places: &self.shared.view.places,
            tries: SEARCH_TRIES,
        };
        let synced = self.copy.synced();
        let findings = copies.check(&range, synced, self.volume_events, reached)?;
        if !findings.is_empty() {
            self.distrust();
        }
        Ok(findings)
    }

    /// The verification of the log in the background.
    pub fn scrub(&self) -> Scrub {
        self.scrubber.handle()
    }

    /// What opening found and did.
    pub fn report(&self) -> &OpenReport {
        &self.report
    }
}

/// Events and commits of a log.
fn counted(shared: &Shared) -> (u64, u64) {
    let head = shared.head.lock().unwrap_or_else(PoisonError::into_inner);
    (head.position, head.commits)
}

impl EventLog for DiskLog {
    fn append(&self, draft: CommitDraft) -> BoxFuture<'static, Result<Receipt, AppendError>> {
        let begun = Instant::now();
        let (answer, answered) = oneshot::channel();
        let room = self.shared.space.refusal().map_or(Ok(()), Err);
        let pushed = room
            .and_then(|()| prepare(draft))
            .and_then(|prepared| self.shared.queue.push(Waiting { prepared, answer }));
        let measured = self.shared.measures.append_seconds.clone();
        let refused = Arc::clone(&self.refused);
        Box::pin(async move {
            let lost = |_| AppendError::Poisoned("the writer has ended".to_owned());
            let result = match pushed {
                Ok(()) => answered
                    .await
                    .map_err(lost)
                    .and_then(|answer| answer.result),
                Err(refusal) => Err(refusal),
            };
            measured.record(begun.elapsed());
            result.inspect_err(|refusal| refused.count(refusal))
        })
    }

    fn read(&self, from: u64, to: u64) -> Commits {
        let position = *self.shared.published.borrow();
        self.shared.view.read(from, to.min(position))
    }

    fn read_packed(&self, from: u64, to: u64) -> PackedBlocks {
        let position = *self.shared.published.borrow();
        self.shared.view.read_packed(from, to.min(position))
    }

    fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.shared.view.read_stream(stream, from_version, limit)
    }

    fn stream_version(&self, stream: &StreamName) -> Result<u64, ReadError> {
        self.shared.view.version(StreamKey::of(stream))
    }

    fn head(&self) -> Head {
        self.shared
            .head
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn refusal(&self) -> Option<AppendError> {
        let poisoned = self.head().poisoned.map(AppendError::Poisoned);
        poisoned.or_else(|| self.shared.space.refusal())
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.shared.published.subscribe()
    }

    fn log_id(&self) -> Uuid {
        self.log_id
    }

    fn close(&self) -> Result<(), CloseError> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = &*closed {
            return result.clone();
        }
        self.scrubber.stop();
        self.shared.queue.refuse(AppendError::Closed);
        let thread = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let result = match thread.map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(reason))) => Err(CloseError(reason)),
            Some(Err(_)) => Err(CloseError("the writer panicked".to_owned())),
        };
        closed.insert(result).clone()
    }
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the log was not closed cleanly");
        }
    }
}

#[cfg(test)]
pub(crate) mod damage_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod full_tests;
#[cfg(test)]
mod index_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod stop_tests;
#[cfg(test)]
pub(crate) mod tests;
