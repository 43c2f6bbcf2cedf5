//! Walking over the blocks of a journal that has been verified as far as the walk goes. Owns the way
//! from block to block by what the headers say; checks nothing that a survey checks.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::block::{BLOCK_HEADER_BYTES, BlockHeader, NotABlock};
use crate::files::Window;
use crate::journal::place::Place;
use crate::journal::segment::{self, SEGMENT_HEADER_BYTES};

/// How much is read at a time.
const READ_AHEAD_BYTES: usize = 256 * 1024;

/// A block and where it lies.
pub(crate) struct Walked {
    pub(crate) header: BlockHeader,
    pub(crate) place: Place,
}

impl Walked {
    /// Where the block ends.
    pub(crate) fn end(&self) -> Place {
        Place {
            offset: self.place.offset + self.header.block_bytes() as u64,
            ..self.place
        }
    }
}

/// Goes over the blocks in order, from the first segment on.
pub(crate) struct Walk<'a> {
    journal: &'a Path,
    /// Segments here stand in for those of the same number in the journal.
    staged: Option<&'a Path>,
    window: Window,
    file: Option<File>,
    next: Place,
}

impl<'a> Walk<'a> {
    /// Starts before the first block.
    pub(crate) fn new(journal: &'a Path, staged: Option<&'a Path>) -> Self {
        Self {
            journal,
            staged,
            window: Window::new(READ_AHEAD_BYTES),
            file: None,
            next: Place {
                segment: 1,
                offset: SEGMENT_HEADER_BYTES,
            },
        }
    }

    fn path(&self) -> PathBuf {
        segment::standing_path(self.journal, self.staged, self.next.segment)
    }

    /// The next block; `None` after the last one. A walk must end where the verified part does:
    /// what is no block is an error.
    pub(crate) fn next(&mut self) -> io::Result<Option<Walked>> {
        loop {
            if self.file.is_none() {
                let path = self.path();
                if !path.exists() {
                    return Ok(None);
                }
                self.window.reset();
                self.file = Some(File::open(path)?);
            }
            let Some(file) = &self.file else {
                return Ok(None);
            };
            let bytes = self
                .window
                .get(file, self.next.offset, BLOCK_HEADER_BYTES)?;
            let header = match BlockHeader::read(bytes) {
                Ok(header) => header,
                Err(NotABlock::Vacant) => {
                    self.next_segment();
                    continue;
                }
                Err(_) if bytes.len() < BLOCK_HEADER_BYTES => {
                    self.next_segment();
                    continue;
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            };
            let walked = Walked {
                header,
                place: self.next,
            };
            self.next = walked.end();
            return Ok(Some(walked));
        }
    }

    fn next_segment(&mut self) {
        self.file = None;
        self.next = Place {
            segment: self.next.segment + 1,
            offset: SEGMENT_HEADER_BYTES,
        };
    }

    /// The bytes of the block that was walked over last.
    pub(crate) fn bytes(&mut self, walked: &Walked) -> io::Result<&[u8]> {
        match &self.file {
            Some(file) => self
                .window
                .get(file, walked.place.offset, walked.header.block_bytes()),
            None => Ok(&[]),
        }
    }
}
