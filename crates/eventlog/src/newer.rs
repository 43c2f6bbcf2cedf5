//! Stored bytes of a version that is not known yet. Owns the word for it and finds out whether it is
//! what stopped the walk through a journal; never guesses what such bytes mean.
//!
//! Magic, format version and checksum of a file's or block's header keep their places in every
//! version, so that bytes of a newer version can be told from damage: their checksum is right.
//!
//! An opening after a clean stop reads only the newest blocks. So whoever raises the version of the
//! block or the record raises that of the head as well, which every opening reads.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::block::{self, BLOCK_FORMAT_VERSION, BLOCK_HEADER_BYTES, BlockHeader, NotABlock};
use crate::files::Window;
use crate::journal::place::Place;
use crate::journal::segment::{self, JOURNAL_DIR, SEGMENT_HEADER_BYTES};
use crate::record::{self, RECORD_FORMAT_VERSION};
use crate::survey::Link;

/// How much of a segment is read at a time.
const STEP_BYTES: usize = 256 * 1024;

/// Something that a newer version of this program wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} has format version {version}, and this program knows versions up to {known}; use the \
     program that wrote it, or a newer one"
)]
pub(crate) struct Newer {
    /// What has that version, in words.
    pub(crate) what: String,
    /// The version it says.
    pub(crate) version: u16,
    /// The newest version that is known.
    pub(crate) known: u16,
}

/// Looks for something newer in the group that follows `link`, at which the walk through the
/// journal in `dir` came to its end.
pub(crate) fn after(dir: &Path, link: &Link) -> io::Result<Option<Newer>> {
    let journal = dir.join(JOURNAL_DIR);
    let mut place = link.place;
    loop {
        let file = match File::open(segment::path(&journal, place.segment)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (newer, end) = in_segment(&file, place, link.group + 1)?;
        if newer.is_some() || end == End::Here {
            return Ok(newer);
        }
        place = Place {
            segment: place.segment + 1,
            offset: SEGMENT_HEADER_BYTES,
        };
    }
}

/// Where a group may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It ends here, or is cut off.
    Here,
    /// Nothing was written in the rest of this segment.
    NextSegment,
}

fn in_segment(file: &File, from: Place, group: u64) -> io::Result<(Option<Newer>, End)> {
    let mut window = Window::new(STEP_BYTES);
    let mut at = from.offset;
    loop {
        let header = match BlockHeader::read(window.get(file, at, BLOCK_HEADER_BYTES)?) {
            Ok(header) => header,
            Err(NotABlock::Newer(version)) => {
                let segment = from.segment;
                let newer = Newer {
                    what: format!("the block at byte {at} of segment {segment} of the journal"),
                    version,
                    known: BLOCK_FORMAT_VERSION,
                };
                return Ok((Some(newer), End::Here));
            }
            // A segment in which nothing was written has no next one that was written.
            Err(NotABlock::Vacant) if at > SEGMENT_HEADER_BYTES => {
                return Ok((None, End::NextSegment));
            }
            Err(_) => return Ok((None, End::Here)),
        };
        if header.group != group {
            return Ok((None, End::Here));
        }
        let block = window.get(file, at, header.block_bytes())?;
        let Ok(payload) = header.payload(block, true) else {
            return Ok((None, End::Here));
        };
        let places = block::records(&payload).unwrap_or_default();
        for record in places.into_iter().map(|place| &payload[place]) {
            if let Some(version) = record::newer_version(record) {
                let newer = Newer {
                    what: format!("a commit after position {}", header.first_position - 1),
                    version: version.into(),
                    known: RECORD_FORMAT_VERSION.into(),
                };
                return Ok((Some(newer), End::Here));
            }
        }
        at += header.block_bytes() as u64;
    }
}
