//! Reading what is in the journal, by position and by stream. Owns the index, the block table and
//! a small cache of decoded blocks; never writes and never knows who appends.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::StreamName;

use crate::block::{self, BlockHeader};
use crate::commit::{Commit, RecordedEvent};
use crate::index::{Index, StreamKey};
use crate::journal::place::{Cursor, POINT_BYTES, Places, SEQUENTIAL_BYTES};
use crate::limits::{BLOCK_CACHE_BYTES_MAX, STREAM_READ_EVENTS_MAX};
use crate::log::{Commits, ReadError};
use crate::packed::{PackedBlock, PackedBlocks, PackedReader};
use crate::record;

/// The readable part of a log.
pub(crate) struct View {
    pub(crate) places: Arc<Places>,
    pub(crate) index: Arc<Index>,
    pub(crate) cache: Mutex<BlockCache>,
    /// Whether damage was found.
    distrusted: AtomicBool,
    /// How often reading found damage.
    noticed: AtomicU64,
}

/// A block with its payload unpacked and its records found.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    first_position: u64,
    last_position: u64,
    payload: Bytes,
    records: Vec<Range<usize>>,
}

impl OpenBlock {
    /// Takes the payload of a block.
    pub(crate) fn new(header: &BlockHeader, payload: Vec<u8>) -> Result<Self, block::NotABlock> {
        let records = block::records(&payload)?;
        Ok(Self {
            first_position: header.first_position,
            last_position: header.last_position(),
            payload: payload.into(),
            records,
        })
    }

    fn commit(&self, number: usize) -> Result<Commit, ReadError> {
        let record = self.payload.slice(self.records[number].clone());
        record::decode(&record).map_err(|error| self.damaged(&error))
    }

    /// The commits that overlap some positions, in order.
    pub(crate) fn commits(&self, from: u64, to: u64) -> Result<Vec<Commit>, ReadError> {
        let mut commits = Vec::with_capacity(self.records.len());
        for number in 0..self.records.len() {
            let commit = self.commit(number)?;
            if commit.header.first_position > to {
                break;
            }
            if commit.header.last_position() >= from {
                commits.push(commit);
            }
        }
        Ok(commits)
    }

    fn damaged(&self, what: &dyn std::fmt::Display) -> ReadError {
        ReadError::Damaged {
            position: self.first_position,
            what: what.to_string(),
        }
    }

    /// The commit that holds a position of this block.
    fn commit_at(&self, position: u64) -> Result<Commit, ReadError> {
        let (mut low, mut high) = (0, self.records.len());
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            let record = self.payload.slice(self.records[middle].clone());
            let header = record::decode_header(&record).map_err(|error| self.damaged(&error))?;
            if header.first_position <= position {
                low = middle;
            } else {
                high = middle;
            }
        }
        if self.records.is_empty() {
            Err(self.damaged(&"an empty block"))
        } else {
            self.commit(low)
        }
    }
}

/// Blocks opened last, bounded by their bytes.
#[derive(Debug, Default)]
pub(crate) struct BlockCache {
    blocks: BTreeMap<u64, (Arc<OpenBlock>, u64)>,
    by_use: BTreeMap<u64, u64>,
    uses: u64,
    bytes: usize,
}

impl BlockCache {
    /// Bytes that a block takes besides its payload, roughly.
    const OVERHEAD_BYTES: usize = 256;

    fn cost(block: &OpenBlock) -> usize {
        block.payload.len() + block.records.len() * 16 + Self::OVERHEAD_BYTES
    }

    fn get(&mut self, position: u64) -> Option<Arc<OpenBlock>> {
        let (first, (block, used)) = self.blocks.range_mut(..=position).next_back()?;
        if block.last_position < position {
            return None;
        }
        self.uses += 1;
        self.by_use.remove(used);
        self.by_use.insert(self.uses, *first);
        *used = self.uses;
        Some(Arc::clone(block))
    }

    /// Takes a block, dropping those used longest ago.
    pub(crate) fn put(&mut self, block: Arc<OpenBlock>) {
        self.uses += 1;
        self.bytes += Self::cost(&block);
        self.by_use.insert(self.uses, block.first_position);
        if let Some((old, used)) = self.blocks.insert(block.first_position, (block, self.uses)) {
            self.by_use.remove(&used);
            self.bytes -= Self::cost(&old);
        }
        while self.bytes > BLOCK_CACHE_BYTES_MAX {
            let Some((_, first)) = self.by_use.pop_first() else {
                break;
            };
            if let Some((old, _)) = self.blocks.remove(&first) {
                self.bytes -= Self::cost(&old);
            }
        }
    }
}

impl View {
    pub(crate) fn new(places: Arc<Places>, index: Arc<Index>) -> Self {
        Self {
            places,
            index,
            cache: Mutex::new(BlockCache::default()),
            distrusted: AtomicBool::new(false),
            noticed: AtomicU64::new(0),
        }
    }

    /// What is here must be verified whole before it is trusted again.
    pub(crate) fn distrust(&self) {
        self.distrusted.store(true, Ordering::Release);
    }

    /// Whether that was said, or found.
    pub(crate) fn is_distrusted(&self) -> bool {
        self.distrusted.load(Ordering::Acquire)
    }

    /// Passes a result on; remembers damage.
    pub(crate) fn noticed<T>(&self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        if let Err(error @ ReadError::Damaged { .. }) = &result {
            self.noticed.fetch_add(1, Ordering::AcqRel);
            if !self.distrusted.swap(true, Ordering::AcqRel) {
                tracing::error!(%error, "the log is damaged; a scrub or opening it again heals what can be healed");
            }
        }
        result
    }

    /// How often reading found damage.
    pub(crate) fn noticed_count(&self) -> u64 {
        self.noticed.load(Ordering::Acquire)
    }

    /// The version of a stream.
    pub(crate) fn version(&self, key: StreamKey) -> Result<u64, ReadError> {
        self.noticed(self.index.version(key))
    }

    fn cached(&self, position: u64) -> Option<Arc<OpenBlock>> {
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(position)
    }

    /// The block that holds a position, which must be acknowledged.
    fn block(&self, position: u64) -> Result<Arc<OpenBlock>, ReadError> {
        if let Some(block) = self.cached(position) {
            return Ok(block);
        }
        let mut cursor = Cursor::near(&self.places, position, POINT_BYTES);
        let (header, bytes) = cursor.find(position)?;
        let block = Arc::new(open(&header, bytes)?);
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(Arc::clone(&block));
        Ok(block)
    }

    /// See [`crate::EventLog::read_stream`].
    pub(crate) fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.noticed(self.events(stream, from_version, limit))
    }

    fn events(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let limit = limit.min(STREAM_READ_EVENTS_MAX);
        let key = StreamKey::of(stream);
        let positions = self.index.positions(key, from_version, limit)?;
        let mut events: Vec<RecordedEvent> = Vec::with_capacity(positions.len());
        let mut block: Option<Arc<OpenBlock>> = None;
        let mut commit: Option<Commit> = None;
        for (position, version) in positions.into_iter().zip(from_version.max(1)..) {
            let held = commit
                .as_ref()
                .is_some_and(|held| held.header.last_position() >= position);
            if !held {
                let near = block.take().filter(|block| block.last_position >= position);
                let near = near.map_or_else(|| self.block(position), Ok)?;
                commit = Some(near.commit_at(position)?);
                block = Some(near);
            }
            let found = commit.as_ref().and_then(|commit| {
                let place = position.checked_sub(commit.header.first_position)?;
                commit.events.get(usize::try_from(place).ok()?)
            });
            match found {
                Some(event) if event.stream == *stream && event.version == version => {
                    events.push(event.clone());
                }
                _ => {
                    let what = format!("version {version} of {stream} is not where it should be");
                    return Err(ReadError::Damaged { position, what });
                }
            }
        }
        Ok(events)
    }

    /// See [`crate::EventLog::read`]; `to` must not lie beyond the acknowledged end.
    pub(crate) fn read(self: &Arc<Self>, from: u64, to: u64) -> Commits {
        let from = from.max(1);
        if from > to {
            return Box::new(std::iter::empty());
        }
        if from == to
            && let Some(block) = self.cached(from)
        {
            return Box::new(std::iter::once(self.noticed(block.commit_at(from))));
        }
        let ahead = if from == to {
            POINT_BYTES
        } else {
            SEQUENTIAL_BYTES
        };
        let cursor = Cursor::near(&self.places, from, ahead);
        Box::new(RangeReader {
            blocks: PackedReader::new(Arc::clone(self), cursor, from, to),
            ready: Vec::new().into_iter(),
        })
    }

    /// See [`crate::EventLog::read_packed`]; `to` must not lie beyond the acknowledged end.
    pub(crate) fn read_packed(self: &Arc<Self>, from: u64, to: u64) -> PackedBlocks {
        let from = from.max(1);
        let cursor = Cursor::near(&self.places, from, SEQUENTIAL_BYTES);
        Box::new(PackedReader::new(Arc::clone(self), cursor, from, to))
    }
}

/// Unpacks a block.
pub(crate) fn open(header: &BlockHeader, bytes: &[u8]) -> Result<OpenBlock, ReadError> {
    header
        .payload(bytes, false)
        .and_then(|payload| OpenBlock::new(header, payload))
        .map_err(|error| ReadError::Damaged {
            position: header.first_position,
            what: error.to_string(),
        })
}

/// Reads commits block by block.
struct RangeReader {
    blocks: PackedReader,
    ready: std::vec::IntoIter<Commit>,
}

impl Iterator for RangeReader {
    type Item = Result<Commit, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(commit) = self.ready.next() {
                return Some(Ok(commit));
            }
            match self.blocks.next()?.and_then(PackedBlock::unpack) {
                Ok(commits) => self.ready = commits.into_iter(),
                Err(error) => {
                    self.blocks.end();
                    return Some(Err(error));
                }
            }
        }
    }
}
