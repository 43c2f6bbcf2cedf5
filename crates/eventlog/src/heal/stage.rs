//! Segments made anew beside the journal and put in its place. Owns the folder `journal/healing`
//! and the order of steps that makes an interruption harmless; never decides what is true.
//!
//! Everything is written and synced in `healing` first. Then the file `ready` is made, and from there
//! on every opening finishes the exchange: old segments go to `journal/set-aside`, new ones take
//! their names. The file `last`, if there, names the last segment that stays: those after it go to
//! `journal/set-aside` too. Without `ready` the folder is worth nothing and is removed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::block::BLOCK_BYTES_MAX;
use crate::disk::SEGMENT_BYTES_MIN;
use crate::files::{FileLayer, LogFile, Window};
use crate::heal::merge::Linked;
use crate::journal::place::Place;
use crate::journal::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};

/// The folder of segments that wait to take their places.
const STAGED_DIR: &str = "healing";

/// The file in it that says that all of them are whole.
const READY_FILE: &str = "ready";

/// The file in it that names the last segment that stays: a fork moves later ones away.
const LAST_FILE: &str = "last";

/// The folder that replaced segments are moved to.
pub(crate) const ASIDE_DIR: &str = "set-aside";

const COPY_BYTES: usize = 1024 * 1024;

/// Finishes an exchange that was interrupted, or removes what was not ready. Answers whether
/// segments were exchanged.
pub(crate) fn finish(files: &dyn FileLayer, journal: &Path) -> io::Result<bool> {
    let staged = journal.join(STAGED_DIR);
    if !staged.exists() {
        return Ok(false);
    }
    let ready = staged.join(READY_FILE).exists();
    if ready {
        exchange(files, journal)?;
    }
    remove(journal)?;
    files.sync_dir(journal)?;
    Ok(ready)
}

/// Removes the folder of staged segments.
pub(crate) fn remove(journal: &Path) -> io::Result<()> {
    match fs::remove_dir_all(journal.join(STAGED_DIR)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn exchange(files: &dyn FileLayer, journal: &Path) -> io::Result<()> {
    let staged = journal.join(STAGED_DIR);
    let aside = journal.join(ASIDE_DIR);
    fs::create_dir_all(&aside)?;
    for number in segment::list(&staged)? {
        let place = segment::path(journal, number);
        if place.exists() {
            // The old file has its name until the new one has: readers always find one of them.
            let old = free_name(&aside, &format!("{number:08}.seg"));
            let linked = files.link(&place, &old);
            linked.or_else(|_| files.rename(&place, &old))?;
        }
        files.rename(&segment::path(&staged, number), &place)?;
    }
    if let Some(last) = last_to_stay(&staged)? {
        for number in segment::list(journal)? {
            if number > last {
                let place = segment::path(journal, number);
                files.rename(&place, &free_name(&aside, &format!("{number:08}.seg")))?;
            }
        }
    }
    files.sync_dir(&aside)?;
    files.sync_dir(journal)
}

/// The last segment that is to stay, if others are to go.
fn last_to_stay(staged: &Path) -> io::Result<Option<u64>> {
    match fs::read(staged.join(LAST_FILE)) {
        Ok(bytes) => Ok(bytes
            .first_chunk()
            .map(|bytes: &[u8; 8]| u64::from_le_bytes(*bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A path in a folder that nothing has yet.
pub(crate) fn free_name(folder: &Path, name: &str) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let path = folder.join(format!("{number:04}-{name}"));
        if !path.exists() {
            return path;
        }
        number += 1;
    }
}

/// What is known of a segment that is to be made anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) log_id: Uuid,
    pub(crate) epoch: u32,
    pub(crate) size: u64,
}

/// Makes segments anew, one after the other.
pub(crate) struct Staging<'a> {
    files: &'a dyn FileLayer,
    journal: &'a Path,
    folder: PathBuf,
    defaults: Defaults,
    /// The segment that is being written, and where its next block goes.
    file: Box<dyn LogFile>,
    place: Place,
    size: u64,
    /// Where the last block lies that was put here, and its length.
    last: Option<(Place, usize)>,
}

impl<'a> Staging<'a> {
    /// Starts anew at `place`: what lies before it in its segment is taken over.
    pub(crate) fn start(
        files: &'a dyn FileLayer,
        journal: &'a Path,
        defaults: Defaults,
        place: Place,
    ) -> io::Result<Self> {
        remove(journal)?;
        let folder = journal.join(STAGED_DIR);
        fs::create_dir_all(&folder)?;
        let (file, size) = make(files, journal, &folder, &defaults, place.segment)?;
        let this = Self {
            files,
            journal,
            folder,
            defaults,
            file,
            place,
            size,
            last: None,
        };
        this.take_over(SEGMENT_HEADER_BYTES, place.offset)?;
        Ok(this)
    }

    /// Where the staged segments are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the last block lies that was put here, and its length.
    pub(crate) fn last(&self) -> Option<(Place, usize)> {
        self.last
    }

    /// Puts the next block where the log had put it.
    pub(crate) fn put(&mut self, linked: &Linked) -> io::Result<()> {
        let length = linked.bytes.len();
        let goes_on = linked.place.is_some_and(|place| {
            place.segment > self.place.segment && place.offset == SEGMENT_HEADER_BYTES
        });
        if goes_on || self.place.offset + length as u64 > self.size {
            self.file.sync()?;
            self.next_segment()?;
        }
        self.file.write_all_at(&linked.bytes, self.place.offset)?;
        self.last = Some((self.place, length));
        self.place.offset += length as u64;
        Ok(())
    }

    fn next_segment(&mut self) -> io::Result<()> {
        let number = self.place.segment + 1;
        (self.file, self.size) = make(
            self.files,
            self.journal,
            &self.folder,
            &self.defaults,
            number,
        )?;
        self.place = Place {
            segment: number,
            offset: SEGMENT_HEADER_BYTES,
        };
        Ok(())
    }

    /// Takes bytes of the old segment over as they are, as far as there are any.
    fn take_over(&self, from: u64, to: u64) -> io::Result<()> {
        let Ok(old) = File::open(segment::path(self.journal, self.place.segment)) else {
            return Ok(());
        };
        let mut window = Window::new(COPY_BYTES);
        let mut at = from;
        while at < to {
            let length = usize::try_from(to - at).unwrap_or(usize::MAX);
            let bytes = window.get(&old, at, length.min(COPY_BYTES))?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.file.write_all_at(bytes, at)?;
            at += bytes.len() as u64;
        }
        Ok(())
    }

    /// Takes over what lies behind the last block, makes later segments anew that do not say what
    /// they are, and with `gaps` those that are missing too. What would change nothing is dropped.
    pub(crate) fn end(&mut self, gaps: bool) -> io::Result<()> {
        self.take_over(self.place.offset, self.size)?;
        self.file.sync()?;
        let end = self.place;
        let last = segment::list(self.journal)?.last().copied().unwrap_or(0);
        for number in end.segment + 1..=last {
            let path = segment::path(self.journal, number);
            let sound = is_sound(&path, number, self.defaults.log_id)?;
            if !sound && (gaps || path.exists()) {
                self.place.segment = number - 1;
                self.next_segment()?;
                self.take_over(SEGMENT_HEADER_BYTES, self.size)?;
                self.file.sync()?;
            }
        }
        self.place = end;
        self.drop_equal()
    }

    /// Ends the journal after the last block: nothing but zeros follow it, in this segment and in
    /// the next one, which is made if there was one or if this one is full; later segments are to
    /// be moved away.
    pub(crate) fn cut(&mut self) -> io::Result<()> {
        self.file.sync()?;
        let end = self.place;
        let full = self.size.saturating_sub(end.offset) < BLOCK_BYTES_MAX as u64;
        let next = segment::path(self.journal, end.segment + 1);
        let last = if full || next.exists() {
            self.next_segment()?;
            self.file.sync()?;
            end.segment + 1
        } else {
            end.segment
        };
        self.place = end;
        let file = self.files.open(&self.folder.join(LAST_FILE), true)?;
        file.write_all_at(&last.to_le_bytes(), 0)?;
        file.sync()?;
        self.drop_equal()
    }

    /// Drops what would change nothing.
    fn drop_equal(&self) -> io::Result<()> {
        for number in segment::list(&self.folder)? {
            let new = segment::path(&self.folder, number);
            if are_equal(&new, &segment::path(self.journal, number))? {
                fs::remove_file(new)?;
            }
        }
        Ok(())
    }

    /// The numbers of the segments that differ from those in the journal.
    pub(crate) fn changed(&self) -> io::Result<Vec<u64>> {
        segment::list(&self.folder)
    }

    /// Puts the staged segments in their places.
    pub(crate) fn exchange(self) -> io::Result<()> {
        exchange_ready(self.files, self.journal, &self.folder)
    }
}

/// One segment that is full, made anew by itself.
pub(crate) struct OneSegment<'a> {
    files: &'a dyn FileLayer,
    journal: &'a Path,
    folder: PathBuf,
    file: Box<dyn LogFile>,
    offset: u64,
}

impl<'a> OneSegment<'a> {
    /// Starts the segment anew, for this many bytes of blocks.
    pub(crate) fn start(
        files: &'a dyn FileLayer,
        journal: &'a Path,
        defaults: &Defaults,
        number: u64,
        bytes: u64,
    ) -> io::Result<Self> {
        remove(journal)?;
        let folder = journal.join(STAGED_DIR);
        fs::create_dir_all(&folder)?;
        let mut header = shape(&segment::path(journal, number), number, defaults)?;
        let end = SEGMENT_HEADER_BYTES + bytes;
        let fits = header
            .size
            .checked_sub(end)
            .is_some_and(|room| room < BLOCK_BYTES_MAX as u64);
        if !fits {
            // Nobody knows its size any more; a full segment has no room for another block.
            header.size = end.max(SEGMENT_BYTES_MIN);
        }
        segment::make(files, &folder, &header)?;
        Ok(Self {
            file: files.open(&segment::path(&folder, number), false)?,
            files,
            journal,
            folder,
            offset: SEGMENT_HEADER_BYTES,
        })
    }

    /// Puts the next block.
    pub(crate) fn put(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all_at(block, self.offset)?;
        self.offset += block.len() as u64;
        Ok(())
    }

    /// Makes it durable; answers the folder it lies in, under its own name.
    pub(crate) fn end(&self) -> io::Result<&Path> {
        self.file.sync()?;
        Ok(&self.folder)
    }

    /// Puts it in its place.
    pub(crate) fn exchange(self) -> io::Result<()> {
        exchange_ready(self.files, self.journal, &self.folder)
    }
}

/// Says that what is staged is whole, and puts it in its place.
fn exchange_ready(files: &dyn FileLayer, journal: &Path, folder: &Path) -> io::Result<()> {
    files.open(&folder.join(READY_FILE), true)?.sync()?;
    files.sync_dir(folder)?;
    files.sync_dir(journal)?;
    finish(files, journal).map(|_| ())
}

/// Makes an empty segment that stands in for one of the journal.
fn make(
    files: &dyn FileLayer,
    journal: &Path,
    folder: &Path,
    defaults: &Defaults,
    number: u64,
) -> io::Result<(Box<dyn LogFile>, u64)> {
    let header = shape(&segment::path(journal, number), number, defaults)?;
    segment::make(files, folder, &header)?;
    let file = files.open(&segment::path(folder, number), false)?;
    Ok((file, header.size))
}

/// What a segment says of itself; failing that, what its file and the others suggest.
fn shape(path: &Path, number: u64, defaults: &Defaults) -> io::Result<SegmentHeader> {
    let mut header = SegmentHeader {
        epoch: defaults.epoch,
        number,
        size: defaults.size,
        log_id: defaults.log_id,
    };
    if let Ok(file) = File::open(path) {
        let mut window = Window::new(0);
        let told = SegmentHeader::decode(window.get(&file, 0, 64)?);
        let length = file.metadata()?.len();
        let told = told.filter(|told| told.number == number && told.log_id == defaults.log_id);
        if let Some(told) = told {
            header = told;
        } else if length >= SEGMENT_BYTES_MIN {
            header.size = length;
        }
    }
    Ok(header)
}

/// Whether a segment says what it is and has its whole length.
fn is_sound(path: &Path, number: u64, log_id: Uuid) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let header = SegmentHeader::decode(Window::new(0).get(&file, 0, 64)?);
    Ok(header.is_some_and(|header| {
        header.number == number && header.log_id == log_id && header.size == length
    }))
}

fn are_equal(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, Ok(other)) = (File::open(one)?, File::open(other)) else {
        return Ok(false);
    };
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut first, mut second) = (Window::new(COPY_BYTES), Window::new(COPY_BYTES));
    let mut at = 0;
    loop {
        let bytes = first.get(&one, at, COPY_BYTES)?;
        if bytes != second.get(&other, at, COPY_BYTES)? {
            return Ok(false);
        }
        if bytes.is_empty() {
            return Ok(true);
        }
        at += bytes.len() as u64;
    }
}
