//! The writer: the one thread that appends to a log on disk. Owns the order of things: number,
//! write, sync, publish, acknowledge, copy. Never acknowledges what is not durable.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::block::Gathered;
use crate::checkpoint::Checkpoints;
use crate::commit::Head;
use crate::files::in_words;
use crate::gather::Gathering;
use crate::index::{Keeper, StreamKey};
use crate::journal::append::{JournalAppend, Written};
use crate::journal::place::Place;
use crate::log::AppendError;
use crate::queue::{Queue, Waiting};
use crate::replay::Reached;
use crate::sequencer::{End, Sequencer};
use crate::space::Space;
use crate::view::{OpenBlock, View};

/// What the writer shares with those who ask and append.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) view: Arc<View>,
    pub(crate) head: Mutex<Head>,
    pub(crate) published: watch::Sender<u64>,
    pub(crate) space: Arc<Space>,
}

/// The state of the writer's thread.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sequencer: Sequencer,
    pub(crate) journal: JournalAppend,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) keeper: Keeper,
}

impl Writer {
    /// Appends until the queue is closed; then closes the log. Answers why it was not clean.
    pub(crate) fn run(mut self) -> Result<(), String> {
        while let Some(group) = self.shared.queue.take_group() {
            if let Err(reason) = self.append(group) {
                tracing::error!(
                    reason,
                    "the journal failed; nothing is acknowledged any more"
                );
                self.shared.poison(&reason);
                // Dropping the checkpoints leaves the log marked as not closed cleanly.
                return Err(reason);
            }
        }
        self.checkpoints
            .close(!self.shared.view.is_distrusted())
            .map_err(|error| format!("the head file: {}", in_words(&error)))
    }

    /// Appends one group and answers everybody in it. An error of the journal is answered too, and
    /// given back.
    fn append(&mut self, group: Vec<Waiting>) -> Result<(), String> {
        let bytes = group.iter().map(|waiting| waiting.prepared.bytes).sum();
        let events = group
            .iter()
            .map(|waiting| waiting.prepared.stream_of_event.len())
            .sum();
        let mut gathering = Gathering::expecting(bytes, events);
        let mut results = Vec::with_capacity(group.len());
        let view = &self.shared.view;
        for waiting in &group {
            let version_of = |key| view.version(key);
            let prepared = &waiting.prepared;
            results.push(
                self.sequencer
                    .sequence(prepared, version_of, &mut gathering),
            );
        }
        let mut written = Vec::new();
        if !gathering.blocks.is_empty() {
            match self.journal.append(&gathering.blocks) {
                Ok(blocks) => {
                    self.publish(&gathering.entries, gathering.blocks, &blocks);
                    written = blocks;
                }
                Err(error) => {
                    let reason = format!("the journal: {}", in_words(&error));
                    self.shared.poison(&reason);
                    for waiting in group {
                        waiting.answer(Err(AppendError::Poisoned(reason.clone())));
                    }
                    return Err(reason);
                }
            }
        }
        // Refusals too wait until here: they may rest on commits of this group.
        for (waiting, result) in group.into_iter().zip(results) {
            waiting.answer(result);
        }
        for block in written {
            let (first, last) = (block.header.first_position, block.header.last_position());
            self.checkpoints
                .insert(first, last, self.journal.bytes(&block));
        }
        Ok(())
    }

    /// Makes a durable group readable, then known.
    fn publish(
        &mut self,
        entries: &[(StreamKey, u64, u64)],
        gathered: Vec<Gathered>,
        blocks: &[Written],
    ) {
        let view = &self.shared.view;
        for (block, gathered) in blocks.iter().zip(gathered) {
            view.places.add(block.header.first_position, block.place);
            if let Ok(open) = OpenBlock::new(&block.header, gathered.payload) {
                view.cache
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .put(Arc::new(open));
            }
        }
        let reached = || Some(reached(self.sequencer.end(), blocks.last()?));
        let places = blocks
            .iter()
            .map(|block| (block.header.first_position, block.place));
        let sealed = view.index.add_group(entries, places, reached);
        if let Some(sealed) = sealed {
            self.keeper.take(sealed);
        }
        self.sequencer.settle();
        let head = self.sequencer.end().head();
        let position = head.position;
        *self
            .shared
            .head
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = head;
        self.shared.published.send_replace(position);
        // Before anybody is answered: a question on the folder must find what was acknowledged.
        if let Some(last) = blocks.last() {
            self.checkpoints.acknowledged(position, last.header.hash);
        }
    }
}

/// Where the log stands after a group that ends with `last`.
fn reached(end: &End, last: &Written) -> Reached {
    let length = last.header.block_bytes() as u64;
    Reached {
        end: end.clone(),
        hash: last.header.hash,
        group: last.header.group,
        place: Place {
            offset: last.place.offset + length,
            ..last.place
        },
        last_block: last.header.first_position,
    }
}

impl Shared {
    /// Nothing is acknowledged any more.
    pub(crate) fn poison(&self, reason: &str) {
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        head.poisoned.get_or_insert_with(|| reason.to_owned());
        drop(head);
        self.queue.fail(&AppendError::Poisoned(reason.to_owned()));
    }
}
