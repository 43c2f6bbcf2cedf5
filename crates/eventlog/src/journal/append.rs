//! Writing groups of blocks durably. Owns the end of the journal and the making of segments ahead;
//! never acknowledges anything.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use uuid::Uuid;

use crate::block::{BLOCK_BYTES_MAX, BlockBuilder, BlockHeader, Gathered};
use crate::files::{FileLayer, LogFile};
use crate::journal::place::Place;
use crate::journal::segment::{self, SegmentHeader};
use crate::space::Space;

/// Where and how the journal goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JournalEnd {
    pub(crate) log_id: Uuid,
    pub(crate) epoch: u32,
    /// Where the next block goes.
    pub(crate) place: Place,
    /// The size of that segment.
    pub(crate) segment_size: u64,
    /// Whether the next segment is there already.
    pub(crate) next_made: bool,
    /// The hash of the last block.
    pub(crate) hash: [u8; 32],
    /// The number of the last group, 0 if there is none.
    pub(crate) group: u64,
}

/// A block that is durable.
pub(crate) struct Written {
    pub(crate) header: BlockHeader,
    pub(crate) place: Place,
    /// Where its bytes are in what was appended last.
    bytes: Range<usize>,
}

/// The writing end of the journal. After an error it must not be used again.
pub(crate) struct JournalAppend {
    files: Arc<dyn FileLayer>,
    journal: PathBuf,
    log_id: Uuid,
    builder: BlockBuilder,
    group: u64,
    file: Box<dyn LogFile>,
    place: Place,
    size: u64,
    new_size: u64,
    space: Arc<Space>,
    maker: SegmentMaker,
    /// The blocks appended last; kept because large allocations slow all small ones.
    bytes: Vec<u8>,
}

impl JournalAppend {
    /// Goes on at `end`; segments made from now on have `new_size` bytes.
    pub(crate) fn open(
        files: Arc<dyn FileLayer>,
        journal: &Path,
        end: &JournalEnd,
        new_size: u64,
        space: &Arc<Space>,
    ) -> io::Result<Self> {
        let file = files.open(&segment::path(journal, end.place.segment), false)?;
        let mut this = Self {
            maker: SegmentMaker::start(Arc::clone(&files), journal, Arc::clone(space))?,
            files,
            journal: journal.to_owned(),
            log_id: end.log_id,
            builder: BlockBuilder::new(end.epoch, end.hash),
            group: end.group,
            file,
            place: end.place,
            size: end.segment_size,
            new_size,
            space: Arc::clone(space),
            bytes: Vec::new(),
        };
        if !end.next_made {
            this.order_next();
        }
        Ok(this)
    }

    fn order_next(&mut self) {
        self.maker.order(SegmentHeader {
            epoch: self.builder.epoch,
            number: self.place.segment + 1,
            size: self.new_size,
            log_id: self.log_id,
        });
    }

    /// Writes and syncs one group. On an error nobody may be told that it is durable.
    pub(crate) fn append(&mut self, group: &[Gathered]) -> io::Result<Vec<Written>> {
        self.group += 1;
        let count = u32::try_from(group.len()).unwrap_or(u32::MAX);
        let mut written = Vec::with_capacity(group.len());
        self.bytes.clear();
        // What is not written yet, and the place it goes to.
        let (mut unwritten, mut start) = (0, self.place.offset);
        for (gathered, index) in group.iter().zip(0..) {
            let from = self.bytes.len();
            let place = (index, count);
            let header = self
                .builder
                .build(gathered, self.group, place, &mut self.bytes);
            let length = (self.bytes.len() - from) as u64;
            if self.place.offset + length > self.size {
                self.write(unwritten..from, start)?;
                self.roll()?;
                (unwritten, start) = (from, self.place.offset);
            }
            if self.size - self.place.offset - length < BLOCK_BYTES_MAX as u64 {
                // A full segment always has a next one, so that a missing one is known as damage.
                self.maker.wait()?;
            }
            written.push(Written {
                header,
                place: self.place,
                bytes: from..self.bytes.len(),
            });
            self.place.offset += length;
        }
        self.write(unwritten..self.bytes.len(), start)?;
        Ok(written)
    }

    /// The bytes of a block that was appended last.
    pub(crate) fn bytes(&self, block: &Written) -> &[u8] {
        self.bytes.get(block.bytes.clone()).unwrap_or_default()
    }

    fn write(&self, bytes: Range<usize>, offset: u64) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        // The same bytes go to the same place again, and nothing was synced yet.
        let bytes = &self.bytes[bytes];
        self.space
            .finish(|| self.file.write_all_at(bytes, offset))?;
        self.file.sync()
    }

    /// Goes over to the next segment, waiting for it to be made.
    fn roll(&mut self) -> io::Result<()> {
        self.maker.wait()?;
        let number = self.place.segment + 1;
        let path = segment::path(&self.journal, number);
        self.size = std::fs::metadata(&path)?.len();
        self.file = self.files.open(&path, false)?;
        self.place = Place {
            segment: number,
            offset: segment::SEGMENT_HEADER_BYTES,
        };
        self.order_next();
        Ok(())
    }
}

/// Makes segments on a thread of its own, one at a time.
struct SegmentMaker {
    orders: Option<Sender<SegmentHeader>>,
    made: Receiver<io::Result<()>>,
    waiting: bool,
    thread: Option<JoinHandle<()>>,
}

impl SegmentMaker {
    fn start(files: Arc<dyn FileLayer>, journal: &Path, space: Arc<Space>) -> io::Result<Self> {
        let (orders, ordered) = channel::<SegmentHeader>();
        let (done, made) = channel();
        let journal = journal.to_owned();
        let work = move || {
            for header in ordered {
                let work = || segment::make(&*files, &journal, &header);
                if done.send(space.finish(work)).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("segment-maker".to_owned())
            .spawn(work)?;
        Ok(Self {
            orders: Some(orders),
            made,
            waiting: false,
            thread: Some(thread),
        })
    }

    fn order(&mut self, header: SegmentHeader) {
        self.waiting = self
            .orders
            .as_ref()
            .is_some_and(|orders| orders.send(header).is_ok());
    }

    /// Resolves when what was ordered is there.
    fn wait(&mut self) -> io::Result<()> {
        if !self.waiting {
            return Ok(());
        }
        self.waiting = false;
        self.made
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the segment maker has ended")))
    }
}

impl Drop for SegmentMaker {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the maker was reported when it happened; there is nothing to add.
            let _ = thread.join();
        }
    }
}
