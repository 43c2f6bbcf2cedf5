//! One chunk of the index: the streams of a gapless range of positions, immutable. Owns its grammar
//! and its checks; never decides which chunks there are.
//!
//! ```text
//! chunk := head:128 meta pages                         pages: see `pages`
//! head, little-endian, by offset:
//!   0  magic "bn-index"      8  format version:2   10  level:1   11  zero:1   12  epoch:4
//!  16  log id:16            32  first position:8   40  last position:8
//!  48  events of a chunk of level 0, at least:8    56  streams:8
//!  64  bytes of meta:8      72  bytes of pages:8   80  zeros:16
//!  96  SHA-256 over bytes 0..96 and meta:32
//! meta    := commits peak:32{ones in commits} recorded_at hash:32 group segment offset last_block
//!            least_id:8 greatest_id:8 pages filter marks
//! pages   := count (digest:16 first_version length crc:4)*
//! filter  := 0 | 1 filter                              see `filter`
//! marks   := count (position segment offset)*          `position` counts from the mark before
//! ```
//! The first part of `meta` is where the log stands after the chunk's last position, so that it can
//! be followed on from there. All of it follows from the log alone, so that a chunk can be checked
//! by making it again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::instant_from_micros;
use crate::files::Window;
use crate::index::filter::Filter;
use crate::index::key::{IdRange, StreamKey};
use crate::index::pages::{EntryReader, PAGE_BYTES_MAX, PageMark, Pages};
use crate::journal::place::{Marks, Place};
use crate::merkle::CompactRange;
use crate::newer::Newer;
use crate::replay::Reached;
use crate::sequencer::End;
use crate::varint::{Reader, Unreadable, put_signed, put_varint};

pub(super) const MAGIC: &[u8; 8] = b"bn-index";
pub(super) const CHUNK_FORMAT_VERSION: u16 = 1;
pub(super) const HEAD_BYTES: usize = 128;
pub(super) const HASHED_BYTES: usize = 96;

/// The highest level: 4 chunks of one level make one of the next.
pub(crate) const LEVEL_MAX: u8 = 2;

/// How much of a file is hashed at a time.
const STEP_BYTES: usize = 64 * 1024;

/// Why a chunk does not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The operating system refused.
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
    /// Its bytes are not what they should be.
    #[error("the index of positions {first} to {last} is damaged: {what}")]
    Damaged { first: u64, last: u64, what: String },
}

#[derive(Debug)]
enum Source {
    /// All of its bytes.
    Memory(Bytes),
    /// Its file; kept open, or opened for each reading.
    File { path: PathBuf, open: Option<File> },
}

/// What a chunk is, as its name says too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) level: u8,
}

/// A chunk that can be asked.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) level: u8,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) least_events: u64,
    pub(crate) reached: Reached,
    pub(crate) ids: IdRange,
    pub(crate) marks: Marks,
    pages: Vec<PageMark>,
    filter: Option<Filter>,
    pages_start: u64,
    pages_length: u64,
    source: Source,
}

/// What is known of a chunk besides its events.
pub(crate) struct Frame<'a> {
    pub(crate) level: u8,
    pub(crate) least_events: u64,
    pub(crate) first: u64,
    pub(crate) reached: &'a Reached,
    pub(crate) ids: IdRange,
    pub(crate) marks: &'a Marks,
}

impl Frame<'_> {
    /// The bytes of the chunk.
    pub(crate) fn encode(&self, pages: &Pages) -> Bytes {
        let meta = self.meta(pages);
        let end = &self.reached.end;
        let mut bytes = vec![0; HEAD_BYTES];
        bytes.reserve_exact(meta.len() + pages.bytes.len());
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, MAGIC);
        put(8, &CHUNK_FORMAT_VERSION.to_le_bytes());
        put(10, &[self.level]);
        put(12, &end.epoch.to_le_bytes());
        put(16, end.log_id.as_bytes());
        put(32, &self.first.to_le_bytes());
        put(40, &end.position.to_le_bytes());
        put(48, &self.least_events.to_le_bytes());
        put(56, &pages.streams.to_le_bytes());
        put(64, &(meta.len() as u64).to_le_bytes());
        put(72, &(pages.bytes.len() as u64).to_le_bytes());
        let digest = Sha256::new()
            .chain_update(&bytes[..HASHED_BYTES])
            .chain_update(&meta);
        bytes[HASHED_BYTES..].copy_from_slice(&digest.finalize());
        bytes.extend_from_slice(&meta);
        bytes.extend_from_slice(&pages.bytes);
        bytes.into()
    }

    fn meta(&self, pages: &Pages) -> Vec<u8> {
        let mut meta = Vec::new();
        put_reached(&mut meta, self.reached);
        meta.extend_from_slice(&self.ids.least.to_le_bytes());
        meta.extend_from_slice(&self.ids.greatest.to_le_bytes());
        put_varint(&mut meta, pages.marks.len() as u64);
        for page in &pages.marks {
            meta.extend_from_slice(&page.digest.to_be_bytes());
            put_varint(&mut meta, page.first_version);
            put_varint(&mut meta, u64::from(page.length));
            meta.extend_from_slice(&page.crc.to_le_bytes());
        }
        match Filter::of(pages.prefixes.clone()) {
            None => meta.push(0),
            Some(filter) => {
                meta.push(1);
                filter.put(&mut meta);
            }
        }
        put_varint(&mut meta, self.marks.len() as u64);
        let mut last = 0;
        for (position, place) in self.marks.iter() {
            put_varint(&mut meta, position - last);
            put_varint(&mut meta, place.segment);
            put_varint(&mut meta, place.offset);
            last = position;
        }
        meta
    }
}

fn put_reached(meta: &mut Vec<u8>, reached: &Reached) {
    put_varint(meta, reached.end.tree.size());
    for peak in reached.end.tree.peaks() {
        meta.extend_from_slice(peak);
    }
    let recorded_at = reached
        .end
        .recorded_at
        .map_or(0, |at| at.timestamp_micros());
    put_signed(meta, recorded_at);
    meta.extend_from_slice(&reached.hash);
    put_varint(meta, reached.group);
    put_varint(meta, reached.place.segment);
    put_varint(meta, reached.place.offset);
    put_varint(meta, reached.last_block);
}

fn read_reached(
    meta: &mut Reader<'_>,
    log_id: Uuid,
    epoch: u32,
    position: u64,
) -> Result<Reached, Unreadable> {
    let fault = meta.fault("no state of a log");
    let size: u64 = meta.varint()?;
    let mut peaks = Vec::new();
    for _ in 0..size.count_ones() {
        peaks.push(meta.array()?);
    }
    let tree = CompactRange::from_peaks(size, peaks).ok_or_else(|| fault.clone())?;
    let recorded_at = instant_from_micros(meta.signed()?).ok_or(fault)?;
    Ok(Reached {
        end: End {
            log_id,
            epoch,
            position,
            recorded_at: Some(recorded_at),
            tree,
        },
        hash: meta.array()?,
        group: meta.varint()?,
        place: Place {
            segment: meta.varint()?,
            offset: meta.varint()?,
        },
        last_block: meta.varint()?,
    })
}

fn read_pages(meta: &mut Reader<'_>) -> Result<(Vec<PageMark>, u64), Unreadable> {
    let count = meta.count(22)?;
    let mut pages: Vec<PageMark> = Vec::with_capacity(count);
    let mut offset = 0;
    for _ in 0..count {
        let fault = meta.fault("no table of pages");
        let page = PageMark {
            digest: u128::from_be_bytes(meta.array()?),
            first_version: meta.varint()?,
            offset,
            length: meta.number()?,
            crc: u32::from_le_bytes(meta.array()?),
        };
        let begins = |page: &PageMark| (page.digest, page.first_version);
        let in_order = pages.last().is_none_or(|last| begins(last) < begins(&page));
        if !in_order || !(1..=PAGE_BYTES_MAX).contains(&(page.length as usize)) {
            return Err(fault);
        }
        offset += u64::from(page.length);
        pages.push(page);
    }
    Ok((pages, offset))
}

fn read_marks(meta: &mut Reader<'_>) -> Result<Marks, Unreadable> {
    let count = meta.count(3)?;
    let mut marks = Vec::with_capacity(count);
    let mut last = 0_u64;
    for _ in 0..count {
        let fault = meta.fault("no mark");
        last = last.checked_add(meta.varint()?).ok_or(fault)?;
        let (segment, offset) = (meta.varint()?, meta.varint()?);
        marks.push((last, Place { segment, offset }));
    }
    Ok(Marks::of_stored(marks))
}

/// What a file of a newer version than is known comes to; `None` too for one that is damaged.
pub(crate) fn newer(file: &File) -> io::Result<Option<Newer>> {
    let mut window = Window::new(HEAD_BYTES);
    let Some(bytes) = window.get(file, 0, HEAD_BYTES)?.first_chunk() else {
        return Ok(None);
    };
    let head = Head {
        bytes: *bytes,
        meta_length: 0,
    };
    let version = u16::from_le_bytes([head.bytes[8], head.bytes[9]]);
    let end = head.wide(64).checked_add(HEAD_BYTES as u64);
    let end = end.filter(|end| file.metadata().is_ok_and(|data| data.len() >= *end));
    let (true, Some(end)) = (
        head.bytes[..8] == *MAGIC && version > CHUNK_FORMAT_VERSION,
        end,
    ) else {
        return Ok(None);
    };
    let mut digest = Sha256::new().chain_update(&head.bytes[..HASHED_BYTES]);
    let mut at = HEAD_BYTES as u64;
    while at < end {
        let step = usize::try_from(end - at).unwrap_or(STEP_BYTES);
        let part = window.get(file, at, step.min(STEP_BYTES))?;
        if part.is_empty() {
            return Ok(None);
        }
        digest.update(part);
        at += part.len() as u64;
    }
    let whole = digest.finalize()[..] == head.bytes[HASHED_BYTES..];
    let (first, last) = (head.wide(32), head.wide(40));
    Ok(whole.then(|| Newer {
        what: format!("the index of positions {first} to {last}"),
        version,
        known: CHUNK_FORMAT_VERSION,
    }))
}

/// The fixed part of a chunk, checked against itself only.
struct Head {
    bytes: [u8; HEAD_BYTES],
    meta_length: u64,
}

impl Head {
    fn read(bytes: &[u8], length: u64) -> Option<Self> {
        let bytes: [u8; HEAD_BYTES] = *bytes.first_chunk()?;
        let head = Self {
            meta_length: u64::from_le_bytes(*bytes[64..].first_chunk()?),
            bytes,
        };
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        let parts = (HEAD_BYTES as u64)
            .checked_add(head.meta_length)?
            .checked_add(head.wide(72))?;
        (bytes[..8] == *MAGIC && version == CHUNK_FORMAT_VERSION && parts == length).then_some(head)
    }

    fn wide(&self, at: usize) -> u64 {
        self.bytes[at..]
            .first_chunk()
            .map_or(0, |part| u64::from_le_bytes(*part))
    }

    /// The chunk, if its head and meta belong together.
    fn chunk(&self, meta: &Bytes, source: Source) -> Result<Chunk, Unreadable> {
        let fault = |what| Unreadable { what, at: 0 };
        let digest = Sha256::new()
            .chain_update(&self.bytes[..HASHED_BYTES])
            .chain_update(meta);
        if digest.finalize()[..] != self.bytes[HASHED_BYTES..] {
            return Err(fault("its checksum is wrong"));
        }
        let log_id = Uuid::from_bytes(*self.bytes[16..].first_chunk().unwrap_or(&[0; 16]));
        let epoch = u32::from_le_bytes(*self.bytes[12..].first_chunk().unwrap_or(&[0; 4]));
        let (level, first, last) = (self.bytes[10], self.wide(32), self.wide(40));
        if level > LEVEL_MAX || first == 0 || first > last || last == u64::MAX {
            return Err(fault("an impossible range"));
        }
        let mut reader = Reader::new(meta);
        let reached = read_reached(&mut reader, log_id, epoch, last)?;
        let ids = IdRange {
            least: u64::from_le_bytes(reader.array()?),
            greatest: u64::from_le_bytes(reader.array()?),
        };
        let (pages, pages_length) = read_pages(&mut reader)?;
        let filter = reader.option(Filter::read)?;
        let marks = read_marks(&mut reader)?;
        reader.finish()?;
        if pages_length != self.wide(72) {
            return Err(fault("its pages have another length"));
        }
        Ok(Chunk {
            level,
            first,
            last,
            least_events: self.wide(48),
            reached,
            ids,
            marks,
            pages,
            filter,
            pages_start: HEAD_BYTES as u64 + self.meta_length,
            pages_length,
            source,
        })
    }
}

impl Chunk {
    /// A chunk whose bytes are here.
    pub(crate) fn of_bytes(bytes: Bytes) -> Result<Self, Unreadable> {
        let no_chunk = Unreadable {
            what: "no chunk of an index",
            at: 0,
        };
        let head = Head::read(&bytes, bytes.len() as u64).ok_or(no_chunk)?;
        let end = HEAD_BYTES + usize::try_from(head.meta_length).unwrap_or(usize::MAX);
        head.chunk(&bytes.slice(HEAD_BYTES..end), Source::Memory(bytes))
    }

    /// A chunk in a file: reads and checks all but its pages. `None` if the file holds none, or one
    /// of another format.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut window = Window::new(0);
        let Some(head) = Head::read(window.get(&file, 0, HEAD_BYTES)?, length) else {
            return Ok(None);
        };
        // It is no longer than the file, as the head was checked to say.
        let mut meta = vec![0; usize::try_from(head.meta_length).unwrap_or(0)];
        file.read_exact_at(&mut meta, HEAD_BYTES as u64)?;
        let source = Source::File {
            path: path.to_owned(),
            open: Some(file),
        };
        Ok(head.chunk(&meta.into(), source).ok())
    }

    /// What it is.
    pub(crate) fn name(&self) -> Name {
        Name {
            first: self.first,
            last: self.last,
            level: self.level,
        }
    }

    /// Its bytes, while they are in memory.
    pub(crate) fn in_memory(&self) -> Option<&Bytes> {
        match &self.source {
            Source::Memory(bytes) => Some(bytes),
            Source::File { .. } => None,
        }
    }

    /// The same chunk, read from a file that holds its bytes. `None` if the file does not.
    pub(crate) fn moved_to(&self, path: &Path) -> io::Result<Option<Self>> {
        let moved = Self::open(path)?;
        Ok(moved.filter(|moved| moved.name() == self.name() && moved.pages == self.pages))
    }

    /// Closes its file between readings.
    pub(crate) fn close_file(&mut self) {
        if let Source::File { open, .. } = &mut self.source {
            *open = None;
        }
    }

    /// Bytes in its file, or that it would take there.
    pub(crate) fn bytes(&self) -> u64 {
        self.pages_start + self.pages_length
    }

    /// Its table of pages.
    pub(crate) fn pages(&self) -> &[PageMark] {
        &self.pages
    }

    /// A fault of its bytes.
    pub(crate) fn damaged(&self, what: &dyn std::fmt::Display) -> Fault {
        Fault::Damaged {
            first: self.first,
            last: self.last,
            what: what.to_string(),
        }
    }

    /// Reads one page; checks its sum.
    pub(crate) fn page(&self, mark: &PageMark, window: &mut Window) -> Result<Bytes, Fault> {
        let length = mark.length as usize;
        let start = self.pages_start + mark.offset;
        let page = match &self.source {
            Source::Memory(bytes) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                bytes.slice(start..start + length)
            }
            Source::File { path, open } => {
                let io = |error| Fault::Io {
                    path: path.clone(),
                    error,
                };
                let opened = match open {
                    Some(_) => None,
                    None => Some(File::open(path).map_err(io)?),
                };
                let file = open.as_ref().or(opened.as_ref());
                let file = file.ok_or_else(|| self.damaged(&"its file is closed"))?;
                Bytes::copy_from_slice(window.get(file, start, length).map_err(io)?)
            }
        };
        if page.len() != length || crc32fast::hash(&page) != mark.crc {
            return Err(self.damaged(&format!("the page at byte {start}")));
        }
        Ok(page)
    }

    /// Whether it can hold something of a stream, as far as memory tells.
    pub(crate) fn may_hold(&self, key: StreamKey) -> bool {
        let prefix = StreamKey::prefix(key.digest());
        self.ids.may_hold(key)
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.may_hold(prefix))
    }

    /// The last version of a stream in it.
    pub(crate) fn version(&self, key: StreamKey) -> Result<Option<u64>, Fault> {
        let mut reader = EntryReader::near(self, key.digest(), u64::MAX);
        let mut version = None;
        while let Some(entry) = reader.next_up_to(key.digest())? {
            if entry.digest == key.digest() {
                version = Some(entry.last_version());
            }
        }
        Ok(version)
    }

    /// The positions of at most `limit` events of a stream, those from a version on.
    pub(crate) fn positions(
        &self,
        key: StreamKey,
        from_version: u64,
        limit: usize,
    ) -> Result<Option<Found>, Fault> {
        let mut reader = EntryReader::near(self, key.digest(), from_version);
        let mut found: Option<Found> = None;
        while let Some(entry) = reader.next_up_to(key.digest())? {
            if entry.digest < key.digest() {
                continue;
            }
            let found = found.get_or_insert(Found {
                from_version: entry.first_version.max(from_version),
                reaches_back: false,
                positions: Vec::new(),
            });
            found.reaches_back |= entry.first_version <= from_version;
            let skip = found.from_version.saturating_sub(entry.first_version);
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            let wanted = limit - found.positions.len();
            let positions = entry.positions.iter().skip(skip).take(wanted);
            found.positions.extend(positions);
            if found.positions.len() >= limit {
                break;
            }
        }
        Ok(found)
    }
}

/// What a chunk holds of a stream from a version on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The version of the first position given.
    pub(crate) from_version: u64,
    /// Whether older chunks hold nothing of what was asked for.
    pub(crate) reaches_back: bool,
    pub(crate) positions: Vec<u64>,
}
