//! Reading and decoding batches of the log, with several threads where there is much. Owns the size
//! of a batch; never applies it.

use std::collections::VecDeque;

use eventlog::{Commits, EventLog, PackedBlock, PackedBlocks, ReadError};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::feed::{DecodedCommit, Decoder};
use crate::pace;

/// Commits that are taken in between two looks at the log's end.
const BATCH_COMMITS_MAX: usize = 512;
/// Most blocks that are unpacked at once.
const BLOCKS_MAX: usize = 512;
/// Events for which more blocks are unpacked at once: blocks may be small, and threads cost more
/// than a few events.
const BATCH_EVENTS_MIN: usize = 4_096;
/// Most events of a batch made of whole blocks.
const BATCH_EVENTS_MAX: usize = 16_384;
/// Events from which on it is worth sharing them out.
pub(super) const PARALLEL_EVENTS_MIN: usize = 512;
/// Positions from which on whole blocks are read.
const BLOCKS_FROM: u64 = 4_096;

enum From {
    Commits(Commits),
    Blocks(PackedBlocks),
}

/// Reads a range in batches.
pub(super) struct Reader {
    from: From,
    /// How many blocks are unpacked at once.
    blocks: usize,
    ready: VecDeque<DecodedCommit>,
    failed: Option<ReadError>,
}

impl Reader {
    /// A reader of the commits that overlap `from..=to`.
    pub(super) fn new(log: &dyn EventLog, from: u64, to: u64) -> Self {
        let from = if to.saturating_sub(from) < BLOCKS_FROM {
            From::Commits(log.read(from, to))
        } else {
            From::Blocks(log.read_packed(from, to))
        };
        Self {
            from,
            blocks: 1,
            ready: VecDeque::new(),
            failed: None,
        }
    }

    /// True if there is so much to read that threads share it.
    pub(super) fn shares_out(&self) -> bool {
        matches!(self.from, From::Blocks(_))
    }

    /// The next commits, decoded; none at the end. Uses the threads of the current pool, if it
    /// [`Reader::shares_out`].
    ///
    /// # Errors
    /// What cannot be read, after everything before it was given.
    pub(super) fn next(
        &mut self,
        decoder: &mut Decoder,
    ) -> Result<Option<Vec<DecodedCommit>>, ReadError> {
        if self.ready.is_empty() && self.failed.is_none() {
            match &mut self.from {
                From::Commits(commits) => {
                    for commit in commits.take(BATCH_COMMITS_MAX) {
                        match commit {
                            Ok(commit) => self.ready.push_back(decoder.parse(commit)),
                            Err(error) => self.failed = Some(error),
                        }
                    }
                }
                From::Blocks(blocks) => {
                    let count = self.blocks.max(rayon::current_num_threads());
                    let some: Vec<_> = blocks.take(count).collect();
                    let parse = |block: Result<PackedBlock, ReadError>| {
                        let commits = block?.unpack()?.into_iter();
                        let parse = |commit| {
                            pace::step();
                            decoder.parse(commit)
                        };
                        Ok(commits.map(parse).collect())
                    };
                    let parsed: Vec<Result<Vec<_>, ReadError>> =
                        some.into_par_iter().map(parse).collect();
                    let found = parsed.iter().flatten().flatten();
                    let events: usize = found
                        .map(|commit: &DecodedCommit| commit.events.len())
                        .sum();
                    if events < BATCH_EVENTS_MIN {
                        self.blocks = (self.blocks * 2).min(BLOCKS_MAX);
                    } else if events > BATCH_EVENTS_MAX {
                        self.blocks = (self.blocks / 2).max(1);
                    }
                    for commits in parsed {
                        match commits {
                            Ok(commits) if self.failed.is_none() => self.ready.extend(commits),
                            Ok(_) => {}
                            Err(error) => {
                                self.failed.get_or_insert(error);
                            }
                        }
                    }
                }
            }
        }
        let mut events = 0;
        let count = self.ready.iter().take_while(|commit| {
            let fits = events < BATCH_EVENTS_MAX;
            events += commit.events.len();
            fits
        });
        let count = count.count();
        let mut batch: Vec<_> = self.ready.drain(..count).collect();
        if batch.is_empty() {
            return self.failed.take().map_or(Ok(None), Err);
        }
        for commit in &mut batch {
            decoder.place(commit);
        }
        Ok(Some(batch))
    }
}
