//! The log of benniu: an append-only sequence of commits, durable, ordered and provable.
//!
//! - `commit`: what goes in and what comes out; `log`: the [`EventLog`] trait and its errors
//! - `record`: the bytes of a commit; `merkle`: the tree over all commits
//! - `prepare`: what is done for a commit before it has numbers; `sequencer`: numbers commits, the
//!   same for every backend; `gather`: packs them into blocks
//! - `memory`: a backend in memory, with faults to inject
//! - `disk`: the backend on disk. `open` verifies and opens it (`survey`, `replay`), `writer` appends
//!   (`queue`, `journal`, `block`), `checkpoint` feeds the second copy (`sled_copy`) and the head
//!   (`head_file`), `view` reads, `index` finds streams; `heal` makes a damaged journal anew out of
//!   both copies
//! - `read_log`: the same folder for questions only, damaged or not (`heal::stand_in`); `verify`:
//!   checks both copies (`check`, `carve`)
//! - `packed`: a range block by block; `parallel`: replaying it with several threads
//! - `scrub`: verifies both copies and the index again while the log is open, and heals them
//! - `fork`: a new epoch begins at a proven end, after an accepted loss or a restored backup
//! - `backup`: copies of a log that grow, and a log made out of one
//! - `info`: what a log is made of and what it takes on disk
//! - `subscribe`: following a log, from what is there to what comes
//! - `identity`: whose log a folder holds, before it is touched; `newer`: bytes that a newer version
//!   wrote
//! - `fuzzing`: what must hold for any bytes that a decoder is given (not in ordinary builds)
//! - `files`: the file system as the writing side sees it; `space`: the room on it, and the reserve
//! - `bench`: what all of it costs, beside the bare disk
//! - `measures`: what an open log measures of itself
//! - `clock`, `entropy`: the one source each of time and randomness
//! - `execute`: the one write path, which joins the deciders of `domain` and the log
//!
//! But for `execute`, the log sees bytes and ids only. It never knows what an event means, and of
//! `domain` it uses the names of streams and the envelope.

pub mod backup;
pub mod bench;
pub mod clock;
pub mod entropy;
pub mod execute;
pub mod files;
pub mod fork;
pub mod limits;
pub mod memory;
pub mod merkle;
pub mod record;

mod block;
mod carve;
mod check;
mod checkpoint;
mod commit;
mod disk;
mod gather;
mod head_file;
mod heal;
mod identity;
mod index;
mod info;
mod journal;
mod log;
mod measures;
mod newer;
mod open;
mod packed;
mod parallel;
mod prepare;
mod queue;
mod read_log;
mod replay;
mod scrub;
mod sequencer;
mod sled_copy;
mod space;
mod subscribe;
mod survey;
mod varint;
mod verify;
mod view;
mod writer;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod history;

pub use clock::{Clock, SimulatedClock, SystemClock};
pub use commit::{
    Commit, CommitDraft, CommitHeader, EventDraft, Head, HeaderDraft, Receipt, RecordedEvent,
};
pub use disk::{DiskLog, OpenError, OpenReport, Options, SEGMENT_BYTES_MIN};
pub use entropy::Entropy;
pub use index::IndexSize;
pub use info::{BytesOnDisk, EpochInfo, HeadInfo, LogInfo, SegmentInfo, VolumeInfo, info};
pub use log::{AppendError, BoxFuture, CloseError, Commits, EventLog, ReadError};
pub use measures::Measures;
pub use memory::MemoryLog;
pub use packed::{PackedBlock, PackedBlocks};
pub use parallel::ParallelReplay;
pub use read_log::{FolderState, ReadLog};
pub use scrub::{
    SCRUB_BYTES_PER_SECOND, SCRUB_EVERY, Scrub, ScrubCounts, ScrubFinding, ScrubOptions,
    ScrubOutcome, ScrubProgress, ScrubReport, ScrubStatus, ScrubTotals, ScrubbedPart,
};
pub use space::{LOW_SPACE_BYTES, RESERVE_BYTES};
pub use subscribe::Subscription;
pub use varint::Unreadable;
pub use verify::{Finding, VerifyOptions, VerifyReport, verify};
