//! Checkpoints of the second copy and the file `head`. Owns the thread that feeds the one and syncs
//! both in the background, and looks after the room for it (`space`); never touches the journal.
//!
//! The writer only queues blocks: sled now and then takes milliseconds for one, which no appender
//! should wait for. What waits was acknowledged on the journal's sync and is in the journal alone, as
//! everything is until the next checkpoint.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::head_file::{HeadFile, HeadSlot};
use crate::sled_copy::{Volume, volume_of};
use crate::space::Space;

/// The longest time between checkpoints while something was appended.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// After how many bytes the room on the disk is looked at, if no checkpoint comes before.
const LOOK_BYTES: u64 = 1024 * 1024;

/// The most bytes between checkpoints.
pub(crate) const CHECKPOINT_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of blocks that wait for the second copy before its thread is woken for them. Fewer wait for
/// the next checkpoint.
const FEED_BYTES: u64 = 1024 * 1024;

/// The most bytes of blocks that wait for the second copy; the writer waits before there are more.
const FEED_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A durable block that is not in the second copy yet.
struct Fed {
    first_position: u64,
    last_position: u64,
    bytes: Vec<u8>,
}

/// Blocks that wait, in order.
#[derive(Default)]
struct Feed {
    blocks: VecDeque<Fed>,
    bytes: u64,
    /// Bytes since the last checkpoint, waiting or not.
    unsynced: u64,
    /// Bytes since the room on the disk was looked at.
    unseen: u64,
    /// Nobody takes anything out any more.
    ended: bool,
}

struct State {
    volume: Option<Volume>,
    /// Volumes that are full and wait for their last checkpoint.
    full: Vec<Volume>,
    /// The last position inserted.
    position: u64,
    /// The last position of which both copies are synced.
    synced: u64,
    bytes: u64,
    /// Blocks were put in again, so that a checkpoint is due although no position is new.
    again: bool,
    /// Checkpoints that have ended.
    ended: u64,
    stop: bool,
    bad: Option<String>,
}

struct Shared {
    dir: PathBuf,
    volume_events: u64,
    feed: Mutex<Feed>,
    /// Held by whoever empties the feed.
    order: Mutex<()>,
    /// Something was taken out of the feed.
    fed: Condvar,
    state: Mutex<State>,
    wake: Condvar,
    head: Mutex<HeadFile>,
    space: Arc<Space>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn feed(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Inserts the blocks that wait now; not those that come meanwhile, or a checkpoint might never be
    /// due. Failures only mark this copy bad.
    fn insert_waiting(&self) {
        // One caller at a time: the order of blocks is that of the feed.
        let _in_order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = self.feed().blocks.len();
        for _ in 0..waiting {
            let Some(next) = self.take_waiting() else {
                return;
            };
            let mut state = self.state();
            if state.bad.is_none()
                && let Err(reason) = self.insert(&mut state, &next)
            {
                drop(state);
                self.mark_bad(&reason);
            }
        }
    }

    fn take_waiting(&self) -> Option<Fed> {
        let mut feed = self.feed();
        let next = feed.blocks.pop_front()?;
        feed.bytes -= next.bytes.len() as u64;
        drop(feed);
        self.fed.notify_all();
        Some(next)
    }

    fn insert(&self, state: &mut State, block: &Fed) -> Result<(), String> {
        let number = volume_of(block.first_position, self.volume_events);
        let volume = match state.volume.take() {
            Some(volume) if volume.number == number => volume,
            other => {
                state.full.extend(other);
                Volume::open(&self.dir, number)?
            }
        };
        let result = volume.insert(block.first_position, &block.bytes);
        state.volume = Some(volume);
        state.position = block.last_position;
        state.bytes += block.bytes.len() as u64;
        result
    }

    fn head(&self) -> MutexGuard<'_, HeadFile> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Feeds and syncs the second copy, then says so in `head`.
    fn checkpoint(&self) {
        self.insert_waiting();
        let (volume, full, position) = {
            let mut state = self.state();
            let bytes = std::mem::take(&mut state.bytes);
            let mut feed = self.feed();
            feed.unsynced = feed.bytes;
            drop(feed);
            let again = std::mem::take(&mut state.again);
            if state.bad.is_some() {
                let full = std::mem::take(&mut state.full);
                drop(state);
                full.into_iter().for_each(Volume::close);
                return;
            }
            if state.position == state.synced && !again {
                return;
            }
            self.space.prepare_checkpoint(bytes);
            (
                state.volume.clone(),
                std::mem::take(&mut state.full),
                state.position,
            )
        };
        let mut result = Ok(());
        for volume in full {
            result = result.and_then(|()| volume.checkpoint());
            volume.close();
        }
        let result = result.and_then(|()| volume.map_or(Ok(()), |volume| volume.checkpoint()));
        if let Err(reason) = result {
            self.mark_bad(&reason);
            return;
        }
        {
            let mut state = self.state();
            state.synced = position;
            state.ended += 1;
        }
        let written = {
            let mut head = self.head();
            let slot = HeadSlot {
                synced: position,
                ..head.last()
            };
            self.space.finish(|| head.write(slot))
        };
        if let Err(error) = written.and_then(|file| file.sync()) {
            tracing::warn!(%error, "the head file could not be written");
        }
    }

    fn mark_bad(&self, reason: &str) {
        let mut state = self.state();
        if state.bad.is_none() {
            tracing::error!(
                reason,
                "the second copy is bad; it is rebuilt when the log is opened"
            );
            state.bad = Some(reason.to_owned());
        }
    }
}

/// Tells how the second copy is.
#[derive(Clone)]
pub(crate) struct Monitor(Arc<Shared>);

impl Monitor {
    /// Why the second copy is bad, if it is.
    pub(crate) fn bad(&self) -> Option<String> {
        self.0.state().bad.clone()
    }

    /// The last position of which both copies are synced.
    pub(crate) fn synced(&self) -> u64 {
        self.0.state().synced
    }

    /// Puts a block of the volume that is written to in again: sled writes it to another place of its
    /// file. False if another volume is written to by now, or the copy is bad. A failure of sled marks
    /// it bad.
    pub(crate) fn insert_again(&self, number: u64, first_position: u64, block: &[u8]) -> bool {
        let mut state = self.0.state();
        if state.bad.is_some() {
            return false;
        }
        let volume = state.volume.as_ref();
        let Some(volume) = volume.filter(|volume| volume.number == number) else {
            return false;
        };
        let inserted = volume.insert_again(first_position, block);
        state.again = true;
        drop(state);
        inserted.map_err(|reason| self.0.mark_bad(&reason)).is_ok()
    }

    /// Wants another checkpoint, although nothing is new.
    pub(crate) fn checkpoint_again(&self) {
        self.0.state().again = true;
    }

    /// Checkpoints that have ended since the opening.
    pub(crate) fn ended(&self) -> u64 {
        self.0.state().ended
    }

    /// Says that the second copy is bad: nothing more goes into it, and the next opening makes anew
    /// what is wrong with it.
    pub(crate) fn mark_bad(&self, reason: &str) {
        self.0.mark_bad(reason);
    }

    /// A checkpoint now, so that tests need not wait for one.
    #[cfg(test)]
    pub(crate) fn checkpoint(&self) {
        self.0.checkpoint();
    }
}

/// The second copy as the writer feeds it.
pub(crate) struct Checkpoints {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Goes on after `head.last()`, of which both copies are synced; `bad` says why the second copy takes
    /// nothing, if so.
    pub(crate) fn start(
        dir: PathBuf,
        volume_events: u64,
        volume: Option<Volume>,
        bad: Option<String>,
        head: HeadFile,
        space: Arc<Space>,
    ) -> io::Result<Self> {
        let synced = head.last().synced;
        let shared = Arc::new(Shared {
            dir,
            volume_events,
            feed: Mutex::default(),
            order: Mutex::default(),
            fed: Condvar::new(),
            state: Mutex::new(State {
                volume,
                full: Vec::new(),
                position: synced,
                synced,
                bytes: 0,
                again: false,
                ended: 0,
                stop: false,
                bad,
            }),
            wake: Condvar::new(),
            head: Mutex::new(head),
            space,
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || run(&for_thread))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Writes down, unsynced, that the log was acknowledged up to a block.
    pub(crate) fn acknowledged(&self, position: u64, hash: [u8; 32]) {
        let mut head = self.shared.head();
        let slot = HeadSlot {
            position,
            hash,
            ..head.last()
        };
        if let Err(error) = self.shared.space.finish(|| head.write(slot)) {
            tracing::warn!(%error, "the head file could not be written");
        }
    }

    /// Takes a durable block for the second copy; waits while too many wait.
    pub(crate) fn insert(&self, first_position: u64, last_position: u64, block: &[u8]) {
        let bytes = block.len() as u64;
        let shared = &self.shared;
        let too_many = |feed: &mut Feed| feed.bytes >= FEED_BYTES_MAX && !feed.ended;
        let feed = shared.fed.wait_while(shared.feed(), too_many);
        let mut feed = feed.unwrap_or_else(PoisonError::into_inner);
        if feed.ended {
            return;
        }
        feed.bytes += bytes;
        feed.unsynced += bytes;
        feed.unseen += bytes;
        feed.blocks.push_back(Fed {
            first_position,
            last_position,
            bytes: block.to_vec(),
        });
        let look = feed.unseen >= LOOK_BYTES;
        if look {
            feed.unseen = 0;
        }
        let (waiting, unsynced) = (feed.bytes, feed.unsynced);
        drop(feed);
        if waiting >= FEED_BYTES {
            // May come just before the thread falls asleep; the next block says it again.
            shared.wake.notify_one();
        }
        if look {
            shared.space.look();
            shared.space.prepare_checkpoint(unsynced);
        }
    }

    /// For asking after the second copy from elsewhere.
    pub(crate) fn monitor(&self) -> Monitor {
        Monitor(Arc::clone(&self.shared))
    }

    /// Ends the thread and checkpoints, and marks the log as ended here; with `clean`, as closed
    /// cleanly too.
    pub(crate) fn close(mut self, clean: bool) -> io::Result<()> {
        self.stop();
        self.shared.checkpoint();
        let whole = self.shared.state().bad.is_none();
        let mut head = self.shared.head();
        let slot = HeadSlot {
            clean: clean && whole,
            ended: true,
            ..head.last()
        };
        self.shared.space.finish(|| head.write(slot))?.sync()?;
        self.shared.space.remove_reserve();
        Ok(())
    }

    fn stop(&mut self) {
        self.shared.state().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported when it happened; the log is then not marked clean.
            if thread.join().is_err() {
                self.shared.mark_bad("the checkpoint thread panicked");
            }
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.stop();
        let mut state = self.shared.state();
        let volumes: Vec<_> = state.full.drain(..).collect();
        let volume = state.volume.take();
        drop(state);
        volumes.into_iter().chain(volume).for_each(Volume::close);
    }
}

/// Lets the writer go on without a second copy when the thread panics.
struct PanicGuard<'a>(&'a Shared);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.mark_bad("the checkpoint thread panicked");
            let mut feed = self.0.feed();
            feed.ended = true;
            feed.blocks.clear();
            feed.bytes = 0;
            drop(feed);
            self.0.fed.notify_all();
        }
    }
}

fn run(shared: &Shared) {
    let _guard = PanicGuard(shared);
    let mut last = Instant::now();
    loop {
        let until = CHECKPOINT_INTERVAL.saturating_sub(last.elapsed());
        let idle = |state: &mut State| {
            !state.stop && state.full.is_empty() && shared.feed().bytes < FEED_BYTES
        };
        let waited = shared.wake.wait_timeout_while(shared.state(), until, idle);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let stop = state.stop;
        drop(state);
        if stop {
            return;
        }
        shared.insert_waiting();
        let state = shared.state();
        let due = state.bytes >= CHECKPOINT_BYTES
            || !state.full.is_empty()
            || last.elapsed() >= CHECKPOINT_INTERVAL;
        drop(state);
        if due {
            last = Instant::now();
            shared.space.look();
            shared.checkpoint();
        }
    }
}

#[cfg(test)]
mod tests;
