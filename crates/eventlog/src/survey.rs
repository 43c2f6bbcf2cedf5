//! Going over the whole journal, read-only. Owns the judgement of where a log ends: proven, torn,
//! or damaged; never changes a byte.
//!
//! A group counts when all of its blocks are whole and follow the one before. What comes after the
//! last such group is a *torn write*, and dropped, only if the first block that fails could be half
//! written: the file was zero-filled, so its share of some 512-byte sector is still all zero (a
//! whole block has no such sector, see `block`). It must also have nothing of a later group behind
//! it and lie beyond what the file `head` says was acknowledged. Anything else is damage.

use std::fs::File;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::block::{BLOCK_ALIGNMENT, BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, BlockHeader, NotABlock};
use crate::disk::OpenError;
use crate::files::Window;
use crate::head_file::HeadSlot;
use crate::index::{Building, Built, Plan, Tail};
use crate::journal::append::JournalEnd;
use crate::journal::place::{Marks, Place};
use crate::journal::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::replay::{Reached, Replay};
use crate::sequencer::End;

mod resume;
mod torn;

pub(crate) use resume::{after_stop, resume};
pub(crate) use torn::has_zero_share;

const READ_AHEAD_BYTES: usize = 1024 * 1024;

/// What a journal holds, up to its proven end.
pub(crate) struct Surveyed {
    pub(crate) end: End,
    pub(crate) index: Built,
    pub(crate) journal: JournalEnd,
    /// The first position of the last block, 0 if there is none.
    pub(crate) last_block: u64,
    /// Bytes of a torn write that are to be made zero: segment, from, to.
    pub(crate) torn: Vec<(u64, u64, u64)>,
}

impl Surveyed {
    /// What a block that is to follow must fit.
    pub(crate) fn link(&self) -> Link {
        Link {
            position: self.end.position,
            hash: self.journal.hash,
            group: self.journal.group,
            place: self.journal.place,
        }
    }
}

/// The end of some whole groups, as the next block must fit it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// The last position.
    pub(crate) position: u64,
    /// The hash of the last block.
    pub(crate) hash: [u8; 32],
    /// The number of the last group.
    pub(crate) group: u64,
    /// Where the last block ends.
    pub(crate) place: Place,
}

/// Why a journal's end is not proven, and what is.
pub(crate) struct Unproven {
    pub(crate) what: String,
    /// The end of the last whole group.
    pub(crate) end: End,
    /// The blocks up to there.
    pub(crate) marks: Marks,
    /// What a block after them must fit.
    pub(crate) link: Link,
}

impl Unproven {
    fn after(reached: &Reached, marks: Marks, what: String) -> Self {
        Self {
            what,
            end: reached.end.clone(),
            marks,
            link: Link {
                position: reached.end.position,
                hash: reached.hash,
                group: reached.group,
                place: reached.place,
            },
        }
    }
}

impl From<Unproven> for OpenError {
    fn from(unproven: Unproven) -> Self {
        Self::Damaged {
            proven: unproven.end.position,
            what: unproven.what,
        }
    }
}

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extent {
    /// To the end, which must be proven; `head` is what the file of that name says.
    Proven(Option<HeadSlot>),
    /// To this acknowledged end and no further: somebody is writing behind it.
    Acknowledged(HeadSlot),
}

impl Extent {
    fn head(&self) -> Option<HeadSlot> {
        match self {
            Self::Proven(head) => *head,
            Self::Acknowledged(head) => Some(*head),
        }
    }
}

struct Pending {
    header: BlockHeader,
    place: Place,
    payload: Vec<u8>,
}

struct Surveyor<'a> {
    journal: PathBuf,
    /// Segments here stand in for those of the same number in the journal.
    staged: Option<&'a Path>,
    extent: Extent,
    replay: Replay,
    building: Building,
    head_seen: bool,
    /// Where the walk begins, and after which position.
    start: Place,
    resumed: u64,
    hash: [u8; 32],
    group: u64,
    last_block: u64,
    /// Blocks of a group that is not whole yet.
    pending: Vec<Pending>,
    /// Where the last whole group ends.
    end: Place,
    size: u64,
    progress: &'a mut dyn FnMut(u64),
}

/// What stopped the walk through a segment.
enum Stop {
    /// Nothing but zeros follow in this segment.
    Zeros,
    /// The acknowledged end was reached.
    Reached,
    /// This block is whole and belongs to the next group, of which an earlier part is missing.
    Loose { offset: u64 },
    /// This block is not whole; the extent is what is known of it.
    Fault {
        offset: u64,
        header: Option<BlockHeader>,
        fault: NotABlock,
    },
}

/// Goes over the journal in `dir`. `progress` is told the position now and then.
pub(crate) fn survey(
    plan: Plan,
    extent: Extent,
    progress: &mut dyn FnMut(u64),
) -> Result<Surveyed, Box<Unproven>> {
    survey_staged(plan, None, extent, progress)
}

/// The same as if the segments in the folder `staged` had taken their places in the journal.
pub(crate) fn survey_staged(
    plan: Plan,
    staged: Option<&Path>,
    extent: Extent,
    progress: &mut dyn FnMut(u64),
) -> Result<Surveyed, Box<Unproven>> {
    let journal = plan.dir.join(segment::JOURNAL_DIR);
    let unproven = |what: String| {
        let reached = Reached::nothing(Uuid::nil());
        let marks = Marks::default();
        Box::new(Unproven::after(&reached, marks, what))
    };
    let failed = |error: std::io::Error| unproven(format!("the journal: {error}"));
    let mut numbers = segment::list(&journal).map_err(failed)?;
    if let Some(staged) = staged {
        numbers.extend(segment::list(staged).map_err(failed)?);
        numbers.sort_unstable();
        numbers.dedup();
    }
    let log_id = match extent.head() {
        Some(head) => head.log_id,
        None => first_log_id(&journal, &numbers)
            .ok_or_else(|| unproven("no segment of the journal is left".to_owned()))?,
    };
    let reached = Reached::nothing(log_id);
    let building = Building::new(plan);
    Surveyor::after(reached, journal, building, extent, progress)
        .staged(staged)
        .run(&numbers)
}

/// The log that the first readable segment says it belongs to.
fn first_log_id(journal: &Path, numbers: &[u64]) -> Option<Uuid> {
    numbers.iter().find_map(|number| {
        let file = File::open(segment::path(journal, *number)).ok()?;
        let mut window = Window::new(BLOCK_ALIGNMENT);
        SegmentHeader::decode(window.get(&file, 0, 64).ok()?).map(|header| header.log_id)
    })
}

impl<'a> Surveyor<'a> {
    fn after(
        reached: Reached,
        journal: PathBuf,
        building: Building,
        extent: Extent,
        progress: &'a mut dyn FnMut(u64),
    ) -> Self {
        let seen = |head: HeadSlot| head.position == reached.end.position;
        Self {
            journal,
            staged: None,
            head_seen: extent.head().is_none_or(seen),
            extent,
            hash: reached.hash,
            group: reached.group,
            last_block: reached.last_block,
            start: reached.place,
            resumed: reached.end.position,
            end: reached.place,
            replay: Replay::from(reached.end),
            building,
            pending: Vec::new(),
            size: 0,
            progress,
        }
    }

    fn staged(mut self, staged: Option<&'a Path>) -> Self {
        self.staged = staged;
        self
    }

    fn run(mut self, numbers: &[u64]) -> Result<Surveyed, Box<Unproven>> {
        let walked = self.walk(numbers).and_then(|torn| {
            self.prove_end(numbers)?;
            Ok(torn)
        });
        match walked {
            Ok(torn) => self.finish(numbers, torn),
            Err(what) => Err(Box::new(self.unproven(what))),
        }
    }

    fn reached(&self) -> Reached {
        Reached {
            end: self.replay.end.clone(),
            hash: self.hash,
            group: self.group,
            place: self.end,
            last_block: self.last_block,
        }
    }

    fn unproven(&self, what: String) -> Unproven {
        let mut marks = Marks::default();
        for chunk in self.building.chunks() {
            marks.extend(&chunk.marks);
        }
        marks.extend(self.replay.tail.marks());
        Unproven::after(&self.reached(), marks, what)
    }

    /// Walks through all segments; answers the bytes of a torn write.
    fn walk(&mut self, numbers: &[u64]) -> Result<Vec<(u64, u64, u64)>, String> {
        let mut window = Window::new(READ_AHEAD_BYTES);
        let mut ended = false;
        for (number, wanted) in numbers.iter().zip(1..) {
            if *number != wanted {
                return Err(format!("segment {wanted} of the journal is missing"));
            }
            let (file, length) = self.open(*number)?;
            if *number == self.end.segment {
                self.size = length;
            }
            if *number < self.start.segment {
                continue;
            }
            window.reset();
            let (mut at, stop) = self.segment(*number, length, &file, &mut window)?;
            match stop {
                Stop::Reached => return Ok(Vec::new()),
                Stop::Zeros if ended && at > SEGMENT_HEADER_BYTES => {
                    return Err(format!(
                        "segment {number} goes on after the end of the journal"
                    ));
                }
                Stop::Zeros => {
                    ended |= length - at >= BLOCK_BYTES_MAX as u64 || at == SEGMENT_HEADER_BYTES;
                }
                Stop::Loose { offset } => return self.torn(*number, offset, numbers),
                Stop::Fault {
                    offset,
                    header,
                    fault,
                } => {
                    at = offset;
                    self.could_be_torn(*number, at, header, fault, &file)?;
                    return self.torn(*number, at, numbers);
                }
            }
        }
        match self.pending.first().map(|pending| pending.place) {
            None => Ok(Vec::new()),
            // The group went on into a segment of which nothing was written.
            Some(first) => self.torn(first.segment, first.offset, numbers),
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        segment::standing_path(&self.journal, self.staged, number)
    }

    /// Opens a segment and checks what it says of itself; answers its length too.
    fn open(&self, number: u64) -> Result<(File, u64), String> {
        segment::open(&self.path(number), number, self.replay.end.log_id)
    }

    /// Walks through the blocks of one segment; answers where it stopped and why.
    fn segment(
        &mut self,
        number: u64,
        length: u64,
        file: &File,
        window: &mut Window,
    ) -> Result<(u64, Stop), String> {
        let io = |error: std::io::Error| format!("segment {number} of the journal: {error}");
        let mut at = if number == self.start.segment {
            self.start.offset
        } else {
            SEGMENT_HEADER_BYTES
        };
        loop {
            if let Extent::Acknowledged(head) = self.extent
                && self.replay.end.position >= head.position
            {
                return Ok((at, Stop::Reached));
            }
            let bytes = window.get(file, at, BLOCK_HEADER_BYTES).map_err(io)?;
            let header = match BlockHeader::read(bytes) {
                Ok(header) => header,
                Err(fault) => {
                    let stop = match segment::not_zero(file, at).map_err(io)? {
                        None => Stop::Zeros,
                        Some(_) => Stop::Fault {
                            offset: at,
                            header: None,
                            fault,
                        },
                    };
                    return Ok((at, stop));
                }
            };
            let fault = |fault| Stop::Fault {
                offset: at,
                header: Some(header),
                fault,
            };
            if at + header.block_bytes() as u64 > length {
                return Err(format!(
                    "the block after position {} is too long",
                    self.last()
                ));
            }
            let block = window.get(file, at, header.block_bytes()).map_err(io)?;
            match header.payload(block, true) {
                Err(error) => return Ok((at, fault(error))),
                Ok(payload) => {
                    let place = Place {
                        segment: number,
                        offset: at,
                    };
                    if !self.block(header, place, payload)? {
                        return Ok((at, Stop::Loose { offset: at }));
                    }
                }
            }
            at += header.block_bytes() as u64;
            if self.pending.is_empty() {
                self.end = Place {
                    segment: number,
                    offset: at,
                };
                self.size = length;
                self.end_chunk()?;
            }
        }
    }

    /// Hands the events since the last chunk over once they make one.
    fn end_chunk(&mut self) -> Result<(), String> {
        if self.replay.tail.events() < self.building.chunk_events() {
            return Ok(());
        }
        let next = Tail::from(self.replay.end.position + 1);
        let tail = std::mem::replace(&mut self.replay.tail, next);
        self.building.push(&tail, &self.reached())
    }

    fn last(&self) -> u64 {
        self.pending
            .last()
            .map_or(self.replay.end.position, |p| p.header.last_position())
    }

    /// Takes a whole block; replays its group once that is whole. False if it is of the next group
    /// and something of that is missing before it.
    fn block(
        &mut self,
        header: BlockHeader,
        place: Place,
        payload: Vec<u8>,
    ) -> Result<bool, String> {
        let at = header.first_position;
        let follows = match self.pending.last() {
            None => {
                header.group == self.group + 1 && header.index == 0 && header.previous == self.hash
            }
            Some(Pending { header: last, .. }) => {
                header.group == last.group
                    && header.index == last.index + 1
                    && header.count == last.count
                    && header.previous == last.hash
            }
        };
        let expected = self.pending.last().map_or(0, |last| last.header.index + 1);
        if !follows && header.group == self.group + 1 && header.index > expected {
            return Ok(false);
        }
        if !follows {
            return Err(format!(
                "the block at position {at} does not follow the one before"
            ));
        }
        let whole = header.index + 1 == header.count;
        self.pending.push(Pending {
            header,
            place,
            payload,
        });
        if !whole {
            return Ok(true);
        }
        for Pending {
            header,
            place,
            payload,
        } in std::mem::take(&mut self.pending)
        {
            self.replay.block(&header, payload)?;
            self.replay.tail.mark(header.first_position, place);
            self.last_block = header.first_position;
            self.hash = header.hash;
            if let Some(head) = self.extent.head()
                && header.last_position() == head.position
            {
                self.head_seen = true;
                if header.hash != head.hash {
                    let position = head.position;
                    return Err(format!(
                        "the block that ends at position {position} is another one \
                                        than was acknowledged"
                    ));
                }
            }
        }
        self.group = header.group;
        (self.progress)(self.replay.end.position);
        Ok(true)
    }

    fn finish(
        mut self,
        numbers: &[u64],
        torn: Vec<(u64, u64, u64)>,
    ) -> Result<Surveyed, Box<Unproven>> {
        let epoch_of_head = self.extent.head().map_or(1, |head| head.epoch);
        self.replay.end.epoch = self.replay.end.epoch.max(epoch_of_head);
        let journal = JournalEnd {
            log_id: self.replay.end.log_id,
            epoch: self.replay.end.epoch,
            place: self.end,
            segment_size: self.size,
            next_made: numbers.iter().any(|number| *number > self.end.segment),
            hash: self.hash,
            group: self.group,
        };
        let end = self.replay.end.clone();
        let tail = std::mem::replace(&mut self.replay.tail, Tail::from(end.position + 1));
        if self.resumed == 0
            && let Err(what) = self.building.prove_versions(&tail)
        {
            self.replay.tail = tail;
            return Err(Box::new(self.unproven(what)));
        }
        Ok(Surveyed {
            end,
            index: self.building.finish(tail),
            journal,
            last_block: self.last_block,
            torn,
        })
    }
}
