//! Replaying a range with several threads. Owns the sharing out of blocks and the order within each
//! partition; never knows what is folded, and holds no more blocks than there are threads.
//!
//! Each thread takes the next block, unpacks it and makes parts of its commits (most of the work, in
//! any order), then visits the partitions one after the other and waits at each for its turn: the
//! parts of a block are folded after those of every earlier block and before those of every later
//! one.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::commit::Commit;
use crate::log::{EventLog, ReadError};
use crate::packed::{PackedBlock, PackedBlocks};

/// How a range is replayed.
pub struct ParallelReplay<Split, Fold> {
    /// How many threads take blocks.
    pub threads: NonZeroUsize,
    /// Makes the parts of a commit, each for the partition with that number. Called for the commits
    /// of one block in order, for those of different blocks at the same time. A part for a partition
    /// that does not exist goes nowhere.
    pub split: Split,
    /// Takes a part into the state of its partition. Within a partition parts come in the order of
    /// the log, one at a time.
    pub fold: Fold,
}

impl<Split, Fold> ParallelReplay<Split, Fold> {
    /// Replays the whole commits that overlap `from..=to`, up to the head, into the states, one for
    /// each partition, and gives them back. After an error of reading or of `split` nothing is given:
    /// it is that of the earliest block that has one. A panic of `split` or `fold` is passed on.
    /// Blocks.
    pub fn run<State, Part, Error>(
        &self,
        log: &dyn EventLog,
        (from, to): (u64, u64),
        states: Vec<State>,
    ) -> Result<Vec<State>, Error>
    where
        Split: Fn(Commit) -> Result<Vec<(usize, Part)>, Error> + Sync,
        Fold: Fn(&mut State, Part) + Sync,
        State: Send,
        Part: Send,
        Error: From<ReadError> + Send,
    {
        let partitions: Vec<Partition<State>> = states.into_iter().map(Partition::new).collect();
        let shared = Shared {
            blocks: Mutex::new((log.read_packed(from, to), 0)),
            partitions: &partitions,
            failed: Mutex::new(None),
        };
        std::thread::scope(|scope| {
            for _ in 0..self.threads.get() {
                scope.spawn(|| self.work(&shared));
            }
        });
        let failed = shared.failed.into_inner();
        match failed.unwrap_or_else(PoisonError::into_inner) {
            Some((_, Some(error))) => Err(error),
            // Without an error it was a panic, which the scope has passed on already.
            _ => Ok(partitions.into_iter().map(Partition::into_state).collect()),
        }
    }

    /// What one thread does.
    fn work<State, Part, Error>(&self, shared: &Shared<'_, State, Error>)
    where
        Split: Fn(Commit) -> Result<Vec<(usize, Part)>, Error>,
        Fold: Fn(&mut State, Part),
        Error: From<ReadError>,
    {
        while let Some((number, block)) = shared.next() {
            let guard = PanicGuard { shared, number };
            let parts = block
                .and_then(PackedBlock::unpack)
                .map_err(Error::from)
                .and_then(|commits| self.parts(commits, shared.partitions.len()));
            match parts {
                Err(error) => shared.fail(number, Some(error)),
                Ok(parts) => {
                    for (partition, parts) in shared.partitions.iter().zip(parts) {
                        let Some(mut turn) = shared.turn(partition, number) else {
                            break;
                        };
                        for part in parts {
                            (self.fold)(&mut turn.state, part);
                        }
                        turn.next = number + 1;
                        drop(turn);
                        partition.passed.notify_all();
                    }
                }
            }
            drop(guard);
        }
    }

    /// The parts of some commits, by partition.
    fn parts<Part, Error>(
        &self,
        commits: Vec<Commit>,
        partitions: usize,
    ) -> Result<Vec<Vec<Part>>, Error>
    where
        Split: Fn(Commit) -> Result<Vec<(usize, Part)>, Error>,
    {
        let mut all: Vec<Vec<Part>> = (0..partitions).map(|_| Vec::new()).collect();
        for commit in commits {
            for (partition, part) in (self.split)(commit)? {
                if let Some(parts) = all.get_mut(partition) {
                    parts.push(part);
                }
            }
        }
        Ok(all)
    }
}

/// One state, and whose turn it is.
struct Partition<State> {
    turn: Mutex<Turn<State>>,
    passed: Condvar,
}

struct Turn<State> {
    /// The number of the block that is folded next.
    next: u64,
    state: State,
}

impl<State> Partition<State> {
    fn new(state: State) -> Self {
        Self {
            turn: Mutex::new(Turn { next: 0, state }),
            passed: Condvar::new(),
        }
    }

    fn into_state(self) -> State {
        let turn = self.turn.into_inner();
        turn.unwrap_or_else(PoisonError::into_inner).state
    }
}

/// What the threads share.
struct Shared<'a, State, Error> {
    /// What is left, and the number of the next block.
    blocks: Mutex<(PackedBlocks, u64)>,
    partitions: &'a [Partition<State>],
    /// The earliest block that failed; without an error if it panicked.
    failed: Mutex<Option<(u64, Option<Error>)>>,
}

impl<State, Error> Shared<'_, State, Error> {
    /// The next block with its number, unless one has failed.
    fn next(&self) -> Option<(u64, Result<PackedBlock, ReadError>)> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.failed().is_some() {
            return None;
        }
        let block = blocks.0.next()?;
        let number = blocks.1;
        blocks.1 += 1;
        Some((number, block))
    }

    fn failed(&self) -> MutexGuard<'_, Option<(u64, Option<Error>)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_failed_before(&self, number: u64) -> bool {
        let failed = self.failed();
        failed.as_ref().is_some_and(|(first, _)| *first < number)
    }

    /// Waits for the turn of a block; nothing if an earlier one failed.
    fn turn<'a>(
        &self,
        partition: &'a Partition<State>,
        number: u64,
    ) -> Option<MutexGuard<'a, Turn<State>>> {
        let turn = partition
            .turn
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let not_yet =
            |turn: &mut Turn<State>| turn.next < number && !self.has_failed_before(number);
        let turn = partition.passed.wait_while(turn, not_yet);
        let turn = turn.unwrap_or_else(PoisonError::into_inner);
        (turn.next == number).then_some(turn)
    }

    /// Remembers a failure if it is the earliest, and wakes whoever waits behind it.
    fn fail(&self, number: u64, error: Option<Error>) {
        let mut failed = self.failed();
        if failed.as_ref().is_none_or(|(first, _)| number < *first) {
            *failed = Some((number, error));
        }
        drop(failed);
        for partition in self.partitions {
            // Taking the lock: nobody is between looking for a failure and falling asleep.
            drop(
                partition
                    .turn
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            partition.passed.notify_all();
        }
    }
}

/// Lets the others go on, and end, when a thread panics.
struct PanicGuard<'a, 'b, State, Error> {
    shared: &'a Shared<'b, State, Error>,
    number: u64,
}

impl<State, Error> Drop for PanicGuard<'_, '_, State, Error> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.fail(self.number, None);
        }
    }
}

#[cfg(test)]
mod tests;
