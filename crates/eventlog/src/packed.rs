//! A range of the log as it is stored, block by block. Owns the order of the blocks and what of each
//! belongs to the range; unpacking one is left to whoever takes it, on any thread.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::block::BlockHeader;
use crate::commit::Commit;
use crate::journal::place::Cursor;
use crate::log::ReadError;
use crate::view::{self, View};

/// Blocks in order. Ends after the first error.
pub type PackedBlocks = Box<dyn Iterator<Item = Result<PackedBlock, ReadError>> + Send>;

/// Some whole commits that lie next to each other, perhaps not unpacked yet.
pub struct PackedBlock {
    form: Form,
    /// The positions that are wanted of it.
    wanted: RangeInclusive<u64>,
}

enum Form {
    /// As it lies in the journal.
    Stored {
        header: BlockHeader,
        bytes: Vec<u8>,
        /// Where damage is to be told.
        view: Arc<View>,
    },
    /// A backend without blocks has it ready.
    Ready(Commit),
}

impl PackedBlock {
    /// A commit that needs no unpacking.
    pub(crate) fn ready(commit: Commit) -> Self {
        Self {
            wanted: commit.header.first_position..=commit.header.last_position(),
            form: Form::Ready(commit),
        }
    }

    /// Its commits that overlap the range that was asked for, in order. An error says that what is
    /// stored is not what was written.
    pub fn unpack(self) -> Result<Vec<Commit>, ReadError> {
        let (from, to) = (*self.wanted.start(), *self.wanted.end());
        match self.form {
            Form::Ready(commit) => Ok(vec![commit]),
            Form::Stored {
                header,
                bytes,
                view,
            } => {
                view.noticed(view::open(&header, &bytes).and_then(|block| block.commits(from, to)))
            }
        }
    }
}

/// Takes the blocks of a range off the journal.
pub(crate) struct PackedReader {
    view: Arc<View>,
    cursor: Cursor,
    from: u64,
    to: u64,
    done: bool,
}

impl PackedReader {
    /// The blocks that overlap `from..=to`, which must be acknowledged; `cursor` starts at or before
    /// the first.
    pub(crate) fn new(view: Arc<View>, cursor: Cursor, from: u64, to: u64) -> Self {
        Self {
            view,
            cursor,
            from,
            to,
            done: false,
        }
    }

    /// Gives nothing more.
    pub(crate) fn end(&mut self) {
        self.done = true;
    }

    fn take(&mut self) -> Result<PackedBlock, ReadError> {
        let (header, bytes) = self.cursor.find(self.from)?;
        let wanted = self.from..=self.to;
        self.from = header.last_position() + 1;
        Ok(PackedBlock {
            form: Form::Stored {
                header,
                bytes: bytes.to_vec(),
                view: Arc::clone(&self.view),
            },
            wanted,
        })
    }
}

impl Iterator for PackedReader {
    type Item = Result<PackedBlock, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done || self.from > self.to {
            return None;
        }
        let taken = self.take();
        let taken = self.view.noticed(taken);
        self.done = taken.is_err();
        Some(taken)
    }
}
