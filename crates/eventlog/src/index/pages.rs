//! The entries of a chunk, in pages. Owns their grammar, the cutting of entries and pages, and the
//! reading in order; never opens a file.
//!
//! ```text
//! page  := entry+                           about 4 KiB; its checksum is in the table of pages
//! entry := digest:16 first_version count length position step{count - 1}
//! ```
//! Entries are in the order of their digests and versions. A stream of many events has several,
//! each of at most [`ENTRY_EVENTS_MAX`], so that reading any part of it costs the same. `position`
//! counts from the chunk's first, a `step` from the position before; `length` is that of these
//! numbers in bytes. What is written follows from the events alone.

use bytes::Bytes;

use crate::index::chunk::{Chunk, Fault};
use crate::index::key::StreamKey;
use crate::varint::{Reader, Unreadable, put_varint};

/// Most events in one entry.
pub(crate) const ENTRY_EVENTS_MAX: usize = 512;

/// A page is ended before it grows beyond this, unless one entry does.
const PAGE_BYTES: usize = 4 * 1024;

/// The longest page: one entry of steps that are as long as can be.
pub(crate) const PAGE_BYTES_MAX: usize = 16 + 4 * 10 + ENTRY_EVENTS_MAX * 10;

/// How much is read ahead when all pages are wanted.
pub(crate) const SEQUENTIAL_BYTES: usize = 64 * 1024;

/// What the table of pages says of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageMark {
    /// The digest and version that its first entry begins with.
    pub(crate) digest: u128,
    pub(crate) first_version: u64,
    /// Where it begins, counted from the first page.
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) crc: u32,
}

/// Some events of one stream, in order and without a gap in their versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) digest: u128,
    pub(crate) first_version: u64,
    pub(crate) positions: Vec<u64>,
}

impl Entry {
    /// The version of the last event.
    pub(crate) fn last_version(&self) -> u64 {
        self.first_version + self.positions.len() as u64 - 1
    }
}

/// An event whose version is not the next one of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("version {version} of the stream of the event at position {position} is out of order")]
pub(crate) struct OutOfOrder {
    pub(crate) version: u64,
    pub(crate) position: u64,
}

/// Builds pages from the events of streams, given in order of digest and version.
pub(crate) struct PageWriter {
    first_position: u64,
    bytes: Vec<u8>,
    marks: Vec<PageMark>,
    page_start: usize,
    page_first: Option<(u128, u64)>,
    /// The entry that is being gathered.
    entry: Option<Entry>,
    prefixes: Vec<u64>,
    streams: u64,
}

/// What a [`PageWriter`] made.
pub(crate) struct Pages {
    pub(crate) bytes: Vec<u8>,
    pub(crate) marks: Vec<PageMark>,
    /// The prefix of every stream's digest.
    pub(crate) prefixes: Vec<u64>,
    pub(crate) streams: u64,
}

impl PageWriter {
    /// For a chunk that begins at a position.
    pub(crate) fn new(first_position: u64) -> Self {
        Self {
            first_position,
            bytes: Vec::new(),
            marks: Vec::new(),
            page_start: 0,
            page_first: None,
            entry: None,
            prefixes: Vec::new(),
            streams: 0,
        }
    }

    /// Takes the next events; refuses a version that is not the next one of its stream.
    pub(crate) fn put(
        &mut self,
        digest: u128,
        first_version: u64,
        positions: &[u64],
    ) -> Result<(), OutOfOrder> {
        for (position, version) in positions.iter().copied().zip(first_version..) {
            match &mut self.entry {
                Some(entry) if entry.digest == digest => {
                    if entry.last_version() + 1 != version {
                        return Err(OutOfOrder { version, position });
                    }
                    if entry.positions.len() < ENTRY_EVENTS_MAX {
                        entry.positions.push(position);
                        continue;
                    }
                }
                _ => {
                    self.streams += 1;
                    self.prefixes.push(StreamKey::prefix(digest));
                }
            }
            let entry = Entry {
                digest,
                first_version: version,
                positions: vec![position],
            };
            let before = self.entry.replace(entry);
            self.write(before);
        }
        Ok(())
    }

    fn write(&mut self, entry: Option<Entry>) {
        let Some(entry) = entry else {
            return;
        };
        let mut steps = Vec::with_capacity(entry.positions.len() * 3);
        let mut last = self.first_position;
        for position in &entry.positions {
            put_varint(&mut steps, position - last);
            last = *position;
        }
        let mut bytes = Vec::with_capacity(steps.len() + 32);
        bytes.extend_from_slice(&entry.digest.to_be_bytes());
        put_varint(&mut bytes, entry.first_version);
        put_varint(&mut bytes, entry.positions.len() as u64);
        put_varint(&mut bytes, steps.len() as u64);
        bytes.extend_from_slice(&steps);
        if self.bytes.len() - self.page_start + bytes.len() > PAGE_BYTES {
            self.end_page();
        }
        self.page_first
            .get_or_insert((entry.digest, entry.first_version));
        self.bytes.extend_from_slice(&bytes);
    }

    fn end_page(&mut self) {
        let Some((digest, first_version)) = self.page_first.take() else {
            return;
        };
        let page = &self.bytes[self.page_start..];
        self.marks.push(PageMark {
            digest,
            first_version,
            offset: self.page_start as u64,
            length: u32::try_from(page.len()).unwrap_or(u32::MAX),
            crc: crc32fast::hash(page),
        });
        self.page_start = self.bytes.len();
    }

    /// Ends the last page.
    pub(crate) fn finish(mut self) -> Pages {
        let last = self.entry.take();
        self.write(last);
        self.end_page();
        Pages {
            bytes: self.bytes,
            marks: self.marks,
            prefixes: self.prefixes,
            streams: self.streams,
        }
    }
}

/// Reads the entries of a chunk in order, from some page on.
pub(crate) struct EntryReader<'a> {
    chunk: &'a Chunk,
    window: crate::files::Window,
    next_page: usize,
    page: Bytes,
    /// Where the next entry begins in it.
    at: usize,
}

impl<'a> EntryReader<'a> {
    /// From a page on, reading at least `read_ahead` bytes at a time.
    pub(crate) fn at(chunk: &'a Chunk, page: usize, read_ahead: usize) -> Self {
        Self {
            chunk,
            window: crate::files::Window::new(read_ahead),
            next_page: page,
            page: Bytes::new(),
            at: 0,
        }
    }

    /// From the place on where an entry with this digest and a version up to `version` stands, or
    /// would.
    pub(crate) fn near(chunk: &'a Chunk, digest: u128, version: u64) -> Self {
        let after = chunk
            .pages()
            .partition_point(|page| (page.digest, page.first_version) <= (digest, version));
        Self::at(chunk, after.saturating_sub(1), 0)
    }

    /// The next entry, unless what follows is of greater digests.
    pub(crate) fn next_up_to(&mut self, digest: u128) -> Result<Option<Entry>, Fault> {
        let next = self.chunk.pages().get(self.next_page);
        if self.at == self.page.len() && next.is_some_and(|page| page.digest > digest) {
            return Ok(None);
        }
        let entry = self.next()?;
        Ok(entry.filter(|entry| entry.digest <= digest))
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Fault> {
        if self.at == self.page.len() {
            let Some(mark) = self.chunk.pages().get(self.next_page) else {
                return Ok(None);
            };
            self.page = self.chunk.page(mark, &mut self.window)?;
            self.at = 0;
            self.next_page += 1;
        }
        let rest = self.page.slice(self.at..);
        let mut reader = Reader::new(&rest);
        let entry = read_entry(&mut reader, self.chunk.first, self.chunk.last)
            .map_err(|error| self.chunk.damaged(&error))?;
        self.at = self.page.len() - reader.left();
        Ok(Some(entry))
    }
}

fn read_entry(reader: &mut Reader<'_>, first: u64, last: u64) -> Result<Entry, Unreadable> {
    let digest = u128::from_be_bytes(reader.array()?);
    let fault = reader.fault("no entry of an index");
    let first_version: u64 = reader.varint()?;
    let count = reader.count(1)?;
    let sound = first_version > 0
        && (1..=ENTRY_EVENTS_MAX).contains(&count)
        && first_version.checked_add(count as u64).is_some();
    if !sound {
        return Err(fault);
    }
    let positions = reader.within(|steps| {
        let mut positions = Vec::with_capacity(count);
        let mut position = first;
        for number in 0..count {
            let step = steps.varint()?;
            position = position
                .checked_add(step)
                .filter(|position| *position <= last && (step > 0 || number == 0))
                .ok_or_else(|| steps.fault("an impossible position"))?;
            positions.push(position);
        }
        Ok(positions)
    })?;
    Ok(Entry {
        digest,
        first_version,
        positions,
    })
}
