//! A log in memory, for tests and for trying things. Owns commits as encoded records, so that it
//! gives back what a log on disk would; never touches a file. Faults can be put in on purpose.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use domain::StreamName;
use tokio::sync::watch;
use uuid::Uuid;

use crate::clock::Clock;
use crate::commit::{Commit, CommitDraft, Head, Receipt, RecordedEvent};
use crate::gather::Gathering;
use crate::index::{StreamKey, Tail};
use crate::limits::STREAM_READ_EVENTS_MAX;
use crate::log::{AppendError, BoxFuture, CloseError, Commits, EventLog, ReadError};
use crate::packed::{PackedBlock, PackedBlocks};
use crate::prepare::prepare;
use crate::record;
use crate::sequencer::{End, Sequencer};

/// What goes wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next append is refused as overload.
    Overload,
    /// The next append is stored, but its appender is told that the log is poisoned, as after a
    /// crash between the sync and the answer. The log takes no more commits until it is reopened.
    LoseAnswer,
    /// The next append is not stored and poisons the log.
    FailWrite,
    /// The next reading of a stream or range fails.
    FailRead,
}

/// A log in memory.
pub struct MemoryLog {
    log_id: Uuid,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
    published: watch::Sender<u64>,
}

struct State {
    sequencer: Sequencer,
    /// Each record with the position of its first event.
    records: Vec<(u64, Bytes)>,
    index: Tail,
    faults: Vec<Fault>,
    poisoned: Option<String>,
    closed: bool,
}

impl MemoryLog {
    /// An empty log of epoch 1.
    pub fn new(log_id: Uuid, clock: Arc<dyn Clock>) -> Self {
        let sequencer = Sequencer::new(End::of_empty(log_id, 1), Arc::clone(&clock));
        Self {
            log_id,
            clock,
            state: Arc::new(Mutex::new(State {
                sequencer,
                records: Vec::new(),
                index: Tail::from(1),
                faults: Vec::new(),
                poisoned: None,
                closed: false,
            })),
            published: watch::Sender::new(0),
        }
    }

    /// Lets `fault` happen once; several happen in the order they were put in.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// The same log as after a restart: whatever was stored, not poisoned and not closed. This one
    /// takes no more commits.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let mut state = self.state();
        state.closed = true;
        let end = state.sequencer.end().clone();
        let mut index = Tail::from(1);
        for (_, bytes) in &state.records {
            for event in record::decode(bytes)
                .map(|commit| commit.events)
                .unwrap_or_default()
            {
                let in_order =
                    index.add(StreamKey::of(&event.stream), event.version, event.position);
                debug_assert!(in_order, "versions are gapless");
            }
        }
        let position = end.position;
        Self {
            log_id: self.log_id,
            clock: Arc::clone(&self.clock),
            state: Arc::new(Mutex::new(State {
                sequencer: Sequencer::new(end, Arc::clone(&self.clock)),
                records: state.records.clone(),
                index,
                faults: Vec::new(),
                poisoned: None,
                closed: false,
            })),
            published: watch::Sender::new(position),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_fault(&mut self, wanted: &[Fault]) -> Option<Fault> {
        let first = *self.faults.first()?;
        wanted.contains(&first).then(|| self.faults.remove(0))
    }

    fn append(&mut self, draft: CommitDraft) -> Result<Receipt, AppendError> {
        let prepared = prepare(draft)?;
        if self.closed {
            return Err(AppendError::Closed);
        }
        if let Some(reason) = &self.poisoned {
            return Err(AppendError::Poisoned(reason.clone()));
        }
        let fault = self.take_fault(&[Fault::Overload, Fault::LoseAnswer, Fault::FailWrite]);
        if fault == Some(Fault::Overload) {
            return Err(AppendError::Overloaded);
        }
        if fault == Some(Fault::FailWrite) {
            return Err(self.poison("an injected failure to write"));
        }
        let index = &self.index;
        let mut gathering = Gathering::default();
        let version_of = |key| Ok(index.version(key));
        let receipt = self
            .sequencer
            .sequence(&prepared, version_of, &mut gathering)?;
        for (key, version, position) in &gathering.entries {
            let in_order = self.index.add(*key, *version, *position);
            debug_assert!(in_order, "versions are gapless");
        }
        self.sequencer.settle();
        let first_position = receipt.position + 1 - gathering.entries.len() as u64;
        self.records
            .push((first_position, gathering.into_record().into()));
        if fault == Some(Fault::LoseAnswer) {
            return Err(self.poison("an injected loss of the answer"));
        }
        Ok(receipt)
    }

    fn poison(&mut self, reason: &str) -> AppendError {
        self.poisoned = Some(reason.to_owned());
        AppendError::Poisoned(reason.to_owned())
    }

    fn decode(&self, number: usize) -> Result<Commit, ReadError> {
        let (position, bytes) = &self.records[number];
        record::decode(bytes).map_err(|error| ReadError::Damaged {
            position: *position,
            what: error.to_string(),
        })
    }

    /// The number of the record that holds a position, which must not lie before the first.
    fn holding(&self, position: u64) -> usize {
        self.records
            .partition_point(|(first, _)| *first <= position)
            .saturating_sub(1)
    }

    fn read_fault(&mut self) -> Result<(), ReadError> {
        match self.take_fault(&[Fault::FailRead]) {
            None => Ok(()),
            Some(_) => Err(ReadError::Io {
                what: "the log".to_owned(),
                error: "an injected failure to read".to_owned(),
            }),
        }
    }
}

impl EventLog for MemoryLog {
    fn append(&self, draft: CommitDraft) -> BoxFuture<'static, Result<Receipt, AppendError>> {
        let mut state = self.state();
        let result = state.append(draft);
        if let Ok(receipt) = &result {
            self.published.send_replace(receipt.position);
        }
        drop(state);
        Box::pin(std::future::ready(result))
    }

    fn read(&self, from: u64, to: u64) -> Commits {
        let mut state = self.state();
        if let Err(error) = state.read_fault() {
            return Box::new(std::iter::once(Err(error)));
        }
        let to = to.min(state.sequencer.end().position);
        if from.max(1) > to {
            return Box::new(std::iter::empty());
        }
        let numbers = state.holding(from.max(1))..=state.holding(to);
        drop(state);
        let shared = Arc::clone(&self.state);
        Box::new(numbers.map(move |number| {
            shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .decode(number)
        }))
    }

    fn read_packed(&self, from: u64, to: u64) -> PackedBlocks {
        let commits = self.read(from, to);
        Box::new(commits.map(|commit| commit.map(PackedBlock::ready)))
    }

    fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let mut state = self.state();
        state.read_fault()?;
        let limit = limit.min(STREAM_READ_EVENTS_MAX);
        let positions = state
            .index
            .positions(StreamKey::of(stream), from_version, limit);
        let mut events = Vec::with_capacity(positions.len());
        for position in positions {
            let commit = state.decode(state.holding(position))?;
            events.extend(
                commit
                    .events
                    .into_iter()
                    .filter(|event| event.position == position),
            );
        }
        Ok(events)
    }

    fn stream_version(&self, stream: &StreamName) -> Result<u64, ReadError> {
        Ok(self.state().index.version(StreamKey::of(stream)))
    }

    fn head(&self) -> Head {
        let state = self.state();
        let mut head = state.sequencer.end().head();
        head.poisoned.clone_from(&state.poisoned);
        head
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    fn log_id(&self) -> Uuid {
        self.log_id
    }

    fn close(&self) -> Result<(), CloseError> {
        self.state().closed = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{self, Backend};
    use crate::fixture;

    struct Memory;

    impl Backend for Memory {
        type Log = MemoryLog;
        fn create(&self, clock: Arc<dyn Clock>) -> Arc<MemoryLog> {
            Arc::new(MemoryLog::new(fixture::log_id(), clock))
        }
        fn reopen(&self, log: Arc<MemoryLog>, _clock: Arc<dyn Clock>) -> Arc<MemoryLog> {
            Arc::new(log.reopen())
        }
    }

    #[test]
    fn keeps_the_contract() {
        contract::check(&Memory);
    }

    #[tokio::test]
    async fn faults_happen_once_and_in_order() {
        let log = MemoryLog::new(fixture::log_id(), Arc::new(fixture::clock()));
        let append = |number: u64| log.append(fixture::commit(number, &[("shift/a", number)]));
        log.inject(Fault::Overload);
        log.inject(Fault::LoseAnswer);
        assert_eq!(append(0).await, Err(AppendError::Overloaded));
        assert!(matches!(append(0).await, Err(AppendError::Poisoned(_))));
        assert!(matches!(append(1).await, Err(AppendError::Poisoned(_))));
        assert!(log.head().poisoned.is_some());
        let log = log.reopen();
        assert_eq!(log.head().position, 1, "stored all the same");
        assert_eq!(log.head().poisoned, None);
    }
}
