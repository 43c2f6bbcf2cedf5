//! Where blocks lie, and reading them in order. Owns a thin table in memory: one mark for some ten
//! kilobytes of journal, from which a reader walks on; never writes.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::block::{BLOCK_HEADER_BYTES, BlockHeader, NotABlock};
use crate::files::Window;
use crate::heal::StandIn;
use crate::journal::segment;
use crate::log::ReadError;

/// The journal bytes between two marks, at least.
const MARK_STRIDE_BYTES: u64 = 16 * 1024;

/// How much is read ahead where many blocks are wanted.
pub(crate) const SEQUENTIAL_BYTES: usize = 256 * 1024;

/// How much is read ahead where one block is wanted.
pub(crate) const POINT_BYTES: usize = 16 * 1024;

/// Open files of segments kept for readers.
const OPEN_SEGMENTS_MAX: usize = 64;

/// Where a block starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// The first position of some blocks and where they start, in order. The first block of every
/// segment is among them.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<(u64, Place)>);

impl Marks {
    /// Takes the next block.
    pub(crate) fn add(&mut self, first_position: u64, place: Place) {
        let wanted = self.0.last().is_none_or(|(_, last)| {
            last.segment != place.segment || place.offset - last.offset >= MARK_STRIDE_BYTES
        });
        if wanted {
            self.0.push((first_position, place));
        }
    }

    /// Takes the marks of what follows.
    pub(crate) fn extend(&mut self, later: &Self) {
        self.0.extend_from_slice(&later.0);
    }

    /// The marks in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, Place)> {
        self.0.iter().copied()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes marks that were stored, in order.
    pub(crate) fn of_stored(marks: Vec<(u64, Place)>) -> Self {
        Self(marks)
    }

    /// The last mark at or before a position.
    fn before(&self, position: u64) -> Option<Place> {
        let count = self.0.partition_point(|(first, _)| *first <= position);
        self.0[..count].last().map(|(_, place)| *place)
    }

    /// The segment of the first block after `segment`, and its first position.
    fn first_after(&self, segment: u64) -> Option<(u64, u64)> {
        let count = self
            .0
            .partition_point(|(_, place)| place.segment <= segment);
        let (first, place) = self.0.get(count)?;
        Some((place.segment, *first))
    }

    /// The first block of the segments after `segment`.
    fn after(&self, segment: u64) -> Option<Place> {
        let count = self
            .0
            .partition_point(|(_, place)| place.segment <= segment);
        self.0.get(count).map(|(_, place)| *place)
    }
}

/// The journal as its readers share it.
pub(crate) struct Places {
    journal: PathBuf,
    /// What is read instead of damaged segments; goes with the last reader.
    stand_in: Option<StandIn>,
    marks: RwLock<Marks>,
    open: Mutex<HashMap<u64, Arc<File>>>,
}

impl Places {
    /// The journal in a folder whose blocks are known.
    pub(crate) fn new(journal: PathBuf, marks: Marks) -> Self {
        Self::standing_in(journal, marks, None)
    }

    /// The same where other files stand in for damaged segments.
    pub(crate) fn standing_in(journal: PathBuf, marks: Marks, stand_in: Option<StandIn>) -> Self {
        Self {
            journal,
            stand_in,
            marks: RwLock::new(marks),
            open: Mutex::new(HashMap::new()),
        }
    }

    /// Takes the next block.
    pub(crate) fn add(&self, first_position: u64, place: Place) {
        self.marks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .add(first_position, place);
    }

    /// The segment after `segment` that holds blocks, its first position and, unless it is the newest
    /// one, its last.
    pub(crate) fn next_segment(&self, segment: u64) -> Option<(u64, u64, Option<u64>)> {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let (number, first) = marks.first_after(segment)?;
        let last = marks.first_after(number).map(|(_, next)| next - 1);
        Some((number, first, last))
    }

    /// The segments that others stand in for.
    pub(crate) fn stood_in_for(&self) -> &[u64] {
        self.stand_in
            .as_ref()
            .map_or(&[], |stand_in| &stand_in.numbers)
    }

    /// Where those lie.
    #[cfg(test)]
    pub(crate) fn stand_in_folder(&self) -> Option<PathBuf> {
        let folder = self.stand_in.as_ref()?.folder();
        Some(folder.to_owned())
    }

    /// Lets readings to come open a segment anew: another file has its name.
    pub(crate) fn forget(&self, number: u64) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&number);
    }

    fn open_anew(&self, number: u64) -> Result<Arc<File>, ReadError> {
        let staged = self.stand_in.as_ref().map(StandIn::folder);
        File::open(segment::standing_path(&self.journal, staged, number))
            .map(Arc::new)
            .map_err(|error| io_error(number, &error))
    }

    fn file(&self, number: u64) -> Result<Arc<File>, ReadError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&number) {
            return Ok(Arc::clone(file));
        }
        let file = self.open_anew(number)?;
        if open.len() >= OPEN_SEGMENTS_MAX {
            open.clear();
        }
        open.insert(number, Arc::clone(&file));
        Ok(file)
    }
}

fn io_error(number: u64, error: &std::io::Error) -> ReadError {
    ReadError::Io {
        what: format!("segment {number} of the journal"),
        error: error.to_string(),
    }
}

/// Reads blocks one after the other. It must not be led beyond the acknowledged end: what it has
/// read ahead there may be older than what is there now.
pub(crate) struct Cursor {
    places: Arc<Places>,
    window: Window,
    /// Whether files are opened by their names, whatever other readers hold.
    anew: bool,
    file: Option<Arc<File>>,
    next: Option<Place>,
    /// For errors: the first position of the next block, as far as known.
    position: u64,
}

impl Cursor {
    /// Starts at the block that holds `position`, or some blocks earlier.
    pub(crate) fn near(places: &Arc<Places>, position: u64, read_ahead: usize) -> Self {
        let next = places
            .marks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .before(position);
        let places = Arc::clone(places);
        Self {
            places,
            window: Window::new(read_ahead),
            anew: false,
            file: None,
            next,
            position,
        }
    }

    /// The same, reading the files that have the segments' names now.
    pub(crate) fn anew(places: &Arc<Places>, position: u64, read_ahead: usize) -> Self {
        Self {
            anew: true,
            ..Self::near(places, position, read_ahead)
        }
    }

    /// Where the next block begins, if it lies in the same segment as the last one.
    pub(crate) fn place(&self) -> Option<Place> {
        self.next
    }

    /// Skips to the first block that ends at or after `position` and reads it; see [`Self::find`]
    /// where it must hold the position.
    pub(crate) fn seek(
        &mut self,
        position: u64,
    ) -> Result<Option<(BlockHeader, &[u8])>, ReadError> {
        loop {
            let Some(header) = self.peek()? else {
                return Ok(None);
            };
            if header.last_position() >= position {
                return self.take(header).map(Some);
            }
            self.step(&header);
        }
    }

    /// Skips to the block that holds `position` and reads it. An error if the journal does not hold
    /// it: what is missing between two blocks is never passed over.
    pub(crate) fn find(&mut self, position: u64) -> Result<(BlockHeader, &[u8]), ReadError> {
        match self.seek(position)? {
            Some((header, bytes)) if header.first_position <= position => Ok((header, bytes)),
            _ => Err(ReadError::Damaged {
                position,
                what: "the journal does not hold it".to_owned(),
            }),
        }
    }

    /// Reads the next block whole; nothing after the last known one.
    pub(crate) fn next(&mut self) -> Result<Option<(BlockHeader, &[u8])>, ReadError> {
        match self.peek()? {
            None => Ok(None),
            Some(header) => self.take(header).map(Some),
        }
    }

    fn step(&mut self, header: &BlockHeader) {
        self.position = header.last_position() + 1;
        if let Some(place) = &mut self.next {
            place.offset += header.block_bytes() as u64;
        }
    }

    fn damaged(&self, what: &dyn std::fmt::Display) -> ReadError {
        ReadError::Damaged {
            position: self.position,
            what: what.to_string(),
        }
    }

    /// The header of the next block, in this segment or a later one.
    fn peek(&mut self) -> Result<Option<BlockHeader>, ReadError> {
        loop {
            let Some(place) = self.next else {
                return Ok(None);
            };
            let file = match &self.file {
                Some(file) => Arc::clone(file),
                None if self.anew => {
                    Arc::clone(self.file.insert(self.places.open_anew(place.segment)?))
                }
                None => Arc::clone(self.file.insert(self.places.file(place.segment)?)),
            };
            let bytes = self
                .window
                .get(&file, place.offset, BLOCK_HEADER_BYTES)
                .map_err(|error| io_error(place.segment, &error))?;
            let header = BlockHeader::read(bytes);
            let at_end = bytes.len() < BLOCK_HEADER_BYTES || header == Err(NotABlock::Vacant);
            if !at_end {
                return header.map(Some).map_err(|error| self.damaged(&error));
            }
            let marks = self
                .places
                .marks
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            self.next = marks.after(place.segment);
            drop(marks);
            self.window.reset();
            self.file = None;
        }
    }

    fn take(&mut self, header: BlockHeader) -> Result<(BlockHeader, &[u8]), ReadError> {
        let (Some(place), Some(file)) = (self.next, &self.file) else {
            return Err(self.damaged(&"the journal ends early"));
        };
        let file = Arc::clone(file);
        let length = header.block_bytes();
        self.step(&header);
        let bytes = self
            .window
            .get(&file, place.offset, length)
            .map_err(|error| io_error(place.segment, &error))?;
        if bytes.len() < length {
            let position = header.first_position;
            return Err(ReadError::Damaged {
                position,
                what: "the segment ends early".to_owned(),
            });
        }
        Ok((header, bytes))
    }
}
