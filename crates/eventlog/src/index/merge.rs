//! Several chunks read as one, stream by stream. Owns the merging and, with it, the proof that the
//! versions of each stream are gapless; never writes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bytes::Bytes;

use crate::index::chunk::{Chunk, Fault, Frame};
use crate::index::key::IdRange;
use crate::index::pages::{Entry, EntryReader, OutOfOrder, PageWriter, SEQUENTIAL_BYTES};
use crate::index::tail::Tail;
use crate::journal::place::Marks;

/// Why chunks could not be merged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unmerged {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    OutOfOrder(#[from] OutOfOrder),
}

/// Goes over the entries of chunks that follow each other, in the order of digests and versions.
struct Merge<'a> {
    readers: Vec<EntryReader<'a>>,
    /// The next entry of each, smallest digest first and of those the oldest chunk.
    next: BinaryHeap<Reverse<(u128, usize)>>,
    entries: Vec<Option<Entry>>,
}

impl<'a> Merge<'a> {
    fn of(chunks: impl Iterator<Item = &'a Chunk>) -> Result<Self, Fault> {
        let readers: Vec<_> = chunks
            .map(|chunk| EntryReader::at(chunk, 0, SEQUENTIAL_BYTES))
            .collect();
        let mut this = Self {
            entries: vec![None; readers.len()],
            next: BinaryHeap::new(),
            readers,
        };
        for number in 0..this.readers.len() {
            this.advance(number)?;
        }
        Ok(this)
    }

    fn advance(&mut self, number: usize) -> Result<(), Fault> {
        let entry = self.readers[number].next()?;
        if let Some(entry) = &entry {
            self.next.push(Reverse((entry.digest, number)));
        }
        self.entries[number] = entry;
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Entry>, Fault> {
        let Some(Reverse((_, number))) = self.next.pop() else {
            return Ok(None);
        };
        let entry = self.entries[number].take();
        self.advance(number)?;
        Ok(entry)
    }
}

/// Makes one chunk of some that follow each other.
pub(crate) fn merged(chunks: &[std::sync::Arc<Chunk>]) -> Result<Option<Bytes>, Unmerged> {
    let (Some(oldest), Some(newest)) = (chunks.first(), chunks.last()) else {
        return Ok(None);
    };
    let mut merge = Merge::of(chunks.iter().map(|chunk| &**chunk))?;
    let mut pages = PageWriter::new(oldest.first);
    while let Some(entry) = merge.next()? {
        pages.put(entry.digest, entry.first_version, &entry.positions)?;
    }
    let (mut marks, mut ids) = (Marks::default(), IdRange::EMPTY);
    for chunk in chunks {
        marks.extend(&chunk.marks);
        ids.join(chunk.ids);
    }
    let frame = Frame {
        level: newest.level + 1,
        least_events: newest.least_events,
        first: oldest.first,
        reached: &newest.reached,
        ids,
        marks: &marks,
    };
    Ok(Some(frame.encode(&pages.finish())))
}

/// Proves that the versions of every stream begin with 1 and have no gap, over all chunks and the
/// tail, in one pass and in memory that does not grow with them.
pub(crate) fn prove_versions(
    chunks: &[std::sync::Arc<Chunk>],
    tail: &Tail,
) -> Result<(), Unmerged> {
    let mut merge = Merge::of(chunks.iter().map(|chunk| &**chunk))?;
    let streams = tail.in_order();
    let mut newest = streams.iter().peekable();
    let begins = |expected: u64, version: u64, position: u64| {
        if version == expected {
            Ok(())
        } else {
            Err(OutOfOrder { version, position })
        }
    };
    let mut last: Option<(u128, u64)> = None;
    loop {
        let entry = merge.next()?;
        // What the tail holds of streams before this entry's comes after all their entries.
        while let Some((digest, events)) =
            newest.next_if(|(digest, _)| entry.as_ref().is_none_or(|entry| *digest < entry.digest))
        {
            let version = last.map_or(
                0,
                |(other, version)| {
                    if other == *digest { version } else { 0 }
                },
            );
            let position = events.positions.first().copied().unwrap_or_default();
            begins(version + 1, events.first_version, position)?;
        }
        let Some(entry) = entry else {
            return Ok(());
        };
        let version = last.map_or(
            0,
            |(other, version)| {
                if other == entry.digest { version } else { 0 }
            },
        );
        let position = entry.positions.first().copied().unwrap_or_default();
        begins(version + 1, entry.first_version, position)?;
        last = Some((entry.digest, entry.last_version()));
    }
}
