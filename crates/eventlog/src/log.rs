//! The interface of a log, whatever stores it. Owns the trait and its errors.

use std::future::Future;
use std::pin::Pin;

use domain::StreamName;
use uuid::Uuid;

use crate::commit::{Commit, CommitDraft, Head, Receipt, RecordedEvent};
use crate::packed::PackedBlocks;

/// Bytes of a mebibyte.
const MIB: u64 = 1024 * 1024;

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Commits in order; blocking, to be run off the async threads where the range is long.
pub type Commits = Box<dyn Iterator<Item = Result<Commit, ReadError>> + Send>;

/// An append-only log of commits with streams, positions and a tree over all of it.
///
/// Positions, stream versions and epochs start at 1 and commit numbers at 0; the last position is
/// the number of events. Version 0 means that a stream does not exist.
pub trait EventLog: Send + Sync + 'static {
    /// Appends a commit whole, if every stream it expects has the expected version. Resolves when
    /// the commit is durable and can be read; a full queue is refused at once. Dropping the
    /// future does not take the commit back.
    fn append(&self, draft: CommitDraft) -> BoxFuture<'static, Result<Receipt, AppendError>>;

    /// The whole commits that overlap the positions `from..=to`, in order, up to the head at the
    /// time of the call. Ends after the first error.
    fn read(&self, from: u64, to: u64) -> Commits;

    /// The same commits in the blocks they are stored in, not unpacked yet: for several threads, see
    /// [`crate::ParallelReplay`].
    fn read_packed(&self, from: u64, to: u64) -> PackedBlocks;

    /// At most `limit` events of a stream from a version on (versions start at 1), in order; at
    /// most `STREAM_READ_EVENTS_MAX`. Empty for a stream that does not exist.
    fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError>;

    /// The last acknowledged version of a stream, 0 if it does not exist.
    fn stream_version(&self, stream: &StreamName) -> Result<u64, ReadError>;

    /// The commit that holds a position, if the log reaches it.
    fn commit_at(&self, position: u64) -> Result<Option<Commit>, ReadError> {
        self.read(position, position).next().transpose()
    }

    /// The acknowledged end.
    fn head(&self) -> Head;

    /// The last acknowledged position, published after its commit can be read.
    fn watch(&self) -> tokio::sync::watch::Receiver<u64>;

    /// Why no commit is taken at present, whatever it is; `None` if commits are taken.
    fn refusal(&self) -> Option<AppendError> {
        self.head().poisoned.map(AppendError::Poisoned)
    }

    /// The identity of the log.
    fn log_id(&self) -> Uuid;

    /// Refuses further appends, finishes what has queued, checkpoints and marks the log as closed
    /// cleanly. Blocks; may be called again. Reading goes on.
    fn close(&self) -> Result<(), CloseError>;
}

/// Why a commit was not appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A stream has moved since it was read: load, decide and append again.
    #[error("stream {stream} is at version {actual}, not {expected}")]
    Conflict {
        /// The first stream that has moved.
        stream: StreamName,
        /// The version it was expected at.
        expected: u64,
        /// The version it is at.
        actual: u64,
    },
    /// Too many commits wait already: try again later.
    #[error("too many commits wait for the writer; try again later")]
    Overloaded,
    /// The commit exceeds a bound.
    #[error("{what}: {actual} exceeds the bound of {max}")]
    TooLarge {
        /// What is too large, with its unit.
        what: &'static str,
        /// How large it is.
        actual: usize,
        /// The bound.
        max: usize,
    },
    /// The commit breaks a rule of the interface: a fault of the calling code.
    #[error("malformed commit: {0}")]
    Malformed(&'static str),
    /// The wall clock ran apart from the monotonic clock, or lies far behind the time of the
    /// decision.
    #[error("the clock is {seconds} s away from where it should be; nothing is recorded by it")]
    ClockJumped {
        /// By how many seconds, signed.
        seconds: i64,
    },
    /// The journal failed: nothing is acknowledged any more and a restart is wanted. Whether this
    /// commit is in the log shows after the restart.
    #[error("the log takes no more commits until it is opened again: {0}")]
    Poisoned(String),
    /// Too little room is left on the disk: commits are refused before it is full, so that what was
    /// taken can be finished. They are taken again once there is room.
    #[error(
        "{} MiB are free on the disk of the log and {} MiB must be; free some space on it, no \
         restart is needed",
        free.div_euclid(MIB),
        wanted.div_ceil(MIB)
    )]
    LowSpace {
        /// Bytes that were free.
        free: u64,
        /// Bytes that must be.
        wanted: u64,
    },
    /// A stream's version could not be looked up.
    #[error("the log could not be read: {0}")]
    Unreadable(String),
    /// The log was opened for reading only.
    #[error("the log was opened for reading only")]
    ReadOnly,
    /// The log has been closed.
    #[error("the log has been closed")]
    Closed,
}

/// Why stored commits could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The operating system refused.
    #[error("reading {what}: {error}")]
    Io {
        /// What was being read.
        what: String,
        /// The system's words.
        error: String,
    },
    /// Stored bytes are not what was written.
    #[error("damaged near position {position}: {what}")]
    Damaged {
        /// The position that was looked for.
        position: u64,
        /// What is wrong.
        what: String,
    },
}

/// Closing failed; the next opening verifies the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("closing the log: {0}")]
pub struct CloseError(pub String);
