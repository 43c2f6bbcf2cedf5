//! The log of benniu: an append-only sequence of commits, durable, ordered and provable.
//!
//! - `commit`: what goes in and what comes out; `log`: the [`EventLog`] trait and its errors
//! - `record`: the bytes of a commit; `merkle`: the tree over all commits
//! - `sequencer`: numbers commits, the same for every backend; `stream_index`: streams to positions
//! - `memory`: a backend in memory, with faults to inject
//! - `clock`, `entropy`: the one source each of time and randomness
//!
//! - `execute`: the one write path, which joins the deciders of `domain` and the log
//!
//! But for `execute`, the log sees bytes and ids only. It never knows what an event means, and of `domain` it
//! uses the names of streams and the envelope.

pub mod clock;
pub mod entropy;
pub mod execute;
pub mod limits;
pub mod memory;
pub mod merkle;
pub mod record;

mod commit;
mod log;
mod sequencer;
mod stream_index;
mod varint;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod fixture;

pub use clock::{Clock, SimulatedClock, SystemClock};
pub use commit::{
    Commit, CommitDraft, CommitHeader, EventDraft, Head, HeaderDraft, Receipt, RecordedEvent,
};
pub use entropy::Entropy;
pub use log::{AppendError, BoxFuture, CloseError, Commits, EventLog, ReadError};
pub use memory::MemoryLog;
pub use varint::Unreadable;
