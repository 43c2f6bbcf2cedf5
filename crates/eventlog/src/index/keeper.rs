//! Writing and merging chunks while the log grows. Owns the thread that does it and the order of
//! steps in which files take each other's place; never answers a question.
//!
//! New files are whole and known before old ones go. Stopped anywhere, the files that are there
//! cover what they covered, and opening the log does what was left.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use bytes::Bytes;

use crate::index::build::{chunk_of, due};
use crate::index::chunk::Chunk;
use crate::index::merge::merged;
use crate::index::{Index, Sealed, files};

/// Full tails that wait for their file; the writer waits before there is one more. Enough for half a
/// million events, which is more than are appended while a million are merged.
const SEALED_MAX: usize = 8;

/// The thread that keeps the files of an index up with its log.
pub(crate) struct Keeper {
    orders: Option<SyncSender<Arc<Sealed>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread; it begins with merges that were left.
    pub(crate) fn start(index: Arc<Index>) -> io::Result<Self> {
        let (orders, ordered) = sync_channel(SEALED_MAX);
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = std::thread::Builder::new()
            .name("index-keeper".to_owned())
            .spawn(move || run(&index, &ordered, &stop))?;
        Ok(Self {
            orders: Some(orders),
            stopping,
            thread: Some(thread),
        })
    }

    /// Takes a full tail; waits while too many wait. Until its file is there it answers from memory.
    pub(crate) fn take(&self, sealed: Arc<Sealed>) {
        let taken = self.orders.as_ref().map(|orders| orders.send(sealed));
        if !matches!(taken, Some(Ok(()))) {
            tracing::error!("the keeper of the index has ended; the index stays in memory");
        }
    }
}

impl Drop for Keeper {
    /// Finishes the tails that wait, but no merge: the next opening goes on with those.
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported when it happened; the files are derived.
            let _ = thread.join();
        }
    }
}

fn run(index: &Index, ordered: &Receiver<Arc<Sealed>>, stopping: &AtomicBool) {
    merge_due(index, stopping);
    for sealed in ordered {
        match chunk_of(&sealed.tail, &sealed.reached, index.plan.chunk_events) {
            Ok(bytes) => {
                put(index, &bytes, None);
            }
            Err(what) => {
                tracing::error!(what, "the index cannot be kept and stays in memory");
                return;
            }
        }
        merge_due(index, stopping);
    }
}

fn merge_due(index: &Index, stopping: &AtomicBool) {
    while !stopping.load(Ordering::Acquire) {
        let chunks = Arc::clone(&index.state().chunks);
        let Some(due) = due(&chunks) else {
            return;
        };
        let small = &chunks[due.clone()];
        let merged = match merged(small) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "chunks of the index cannot be merged");
                if made_whole(index, small) {
                    continue;
                }
                return;
            }
        };
        if put(index, &merged, Some(due))
            && let Some(files) = index.layer()
        {
            for old in small {
                if let Err(error) = files::remove(&**files, &old.name().path(&index.folder())) {
                    tracing::warn!(%error, "a merged file of the index could not be removed");
                }
            }
        }
    }
}

/// Makes those chunks again from the journal that cannot be read; false if that changes nothing.
fn made_whole(index: &Index, chunks: &[Arc<Chunk>]) -> bool {
    let mut changed = false;
    for chunk in chunks {
        if merged(std::slice::from_ref(chunk)).is_err() {
            match index.made_again(chunk) {
                Ok(_) => changed = true,
                Err(error) => {
                    tracing::warn!(%error, "a chunk of the index cannot be made again");
                    return false;
                }
            }
        }
    }
    changed
}

/// Writes a chunk and puts it in the place of those that it was merged of, or of the oldest full tail.
/// Answers whether it is in its file.
fn put(index: &Index, bytes: &Bytes, merged: Option<Range<usize>>) -> bool {
    let chunk = match Chunk::of_bytes(bytes.clone()) {
        Ok(chunk) => chunk,
        Err(error) => {
            tracing::error!(%error, "a chunk of the index is not what was made");
            return false;
        }
    };
    let (name, folder) = (chunk.name(), index.folder());
    let written = index.layer().and_then(|files| {
        files::write(&**files, &folder, name, bytes)
            .and_then(|()| chunk.moved_to(&name.path(&folder)))
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "a part of the index stays in memory");
                None
            })
    });
    let is_written = written.is_some();
    let mut state = index.change();
    let mut chunks = state.chunks.to_vec();
    let of_tail = merged.is_none();
    let others = merged.unwrap_or(chunks.len()..chunks.len());
    let chunk = files::bounded(written.unwrap_or(chunk), others.start);
    chunks.splice(others, [Arc::new(chunk)]);
    if of_tail {
        state.sealed.pop_front();
    }
    state.chunks = chunks.into();
    is_written
}
