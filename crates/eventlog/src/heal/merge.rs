//! One chain out of both copies. Owns the search for whole blocks in the journal's segments and in
//! sled's files, and the choice among them; never opens sled and never writes.
//!
//! A block names the hash of the one before, over which its own hash goes, so that at any point of
//! the chain at most one block of an epoch follows, wherever it is found. Where blocks of two epochs
//! follow, the log was forked there and the later epoch is the one that lives: a fork moves the
//! other one out of both copies, so that it is found only if somebody puts it back.

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use uuid::Uuid;

use crate::block::{BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, BlockHeader, origin_hash};
use crate::carve::carve_paced;
use crate::check::follows;
use crate::files::Window;
use crate::journal::place::Place;
use crate::journal::segment::{self, JOURNAL_DIR};
use crate::sled_copy::{file_path, list_volumes};
use crate::survey::Link;

/// A file that was searched.
struct Source {
    file: File,
    window: Window,
    /// Its number, for a segment of the journal.
    segment: Option<u64>,
}

/// A whole block and where it was found: 24 bytes in memory for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    first_position: u64,
    source: u32,
    offset: u64,
}

/// A block of the chain.
pub(crate) struct Linked {
    pub(crate) header: BlockHeader,
    pub(crate) bytes: Vec<u8>,
    /// Where it lies in the journal, if it was found there.
    pub(crate) place: Option<Place>,
}

/// All whole blocks after some point, of both copies.
pub(crate) struct Merged {
    sources: Vec<Source>,
    found: Vec<Found>,
    /// The highest epoch of any of them.
    epoch: u32,
}

impl Merged {
    /// Searches the journal from `link` on, and the volumes with `volume_wanted` numbers.
    pub(crate) fn gather(
        dir: &Path,
        link: &Link,
        volume_wanted: impl Fn(u64) -> bool,
    ) -> io::Result<Self> {
        let mut this = Self::of_volumes(dir, link, volume_wanted)?;
        let journal = dir.join(JOURNAL_DIR);
        for number in segment::list(&journal)? {
            if number >= link.place.segment {
                this.search(&segment::path(&journal, number), Some(number), link)?;
            }
        }
        this.found.sort_unstable();
        Ok(this)
    }

    /// Searches one segment and some volumes for the blocks that begin in a range; as
    /// [`carve_paced`], and `None` if it was ended. A segment that cannot be read holds nothing.
    pub(crate) fn of_segment(
        dir: &Path,
        number: u64,
        range: &RangeInclusive<u64>,
        volumes: RangeInclusive<u64>,
        pace: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<Option<Self>> {
        let mut this = Self::nothing();
        let path = segment::path(&dir.join(JOURNAL_DIR), number);
        match this.search_for(&path, Some(number), range, pace) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => tracing::warn!(%error, number, "a segment of the journal cannot be read"),
        }
        for number in volumes {
            let path = file_path(dir, number);
            if path.exists() && !this.search_for(&path, None, range, pace)? {
                return Ok(None);
            }
        }
        this.found.sort_unstable();
        Ok(Some(this))
    }

    fn nothing() -> Self {
        Self {
            sources: Vec::new(),
            found: Vec::new(),
            epoch: 0,
        }
    }

    /// Searches the second copy only.
    pub(crate) fn of_volumes(
        dir: &Path,
        link: &Link,
        volume_wanted: impl Fn(u64) -> bool,
    ) -> io::Result<Self> {
        let mut this = Self::nothing();
        for number in list_volumes(dir)? {
            let path = file_path(dir, number);
            if volume_wanted(number) && path.exists() {
                this.search(&path, None, link)?;
            }
        }
        this.found.sort_unstable();
        Ok(this)
    }

    fn search(&mut self, path: &Path, segment: Option<u64>, link: &Link) -> io::Result<()> {
        let range = link.position + 1..=u64::MAX;
        self.search_for(path, segment, &range, &mut |_| true)
            .map(|_| ())
    }

    fn search_for(
        &mut self,
        path: &Path,
        segment: Option<u64>,
        range: &RangeInclusive<u64>,
        pace: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<bool> {
        let source = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        let (found, epoch) = (&mut self.found, &mut self.epoch);
        let whole = carve_paced(path, pace, &mut |header, offset, _| {
            if range.contains(&header.first_position) {
                *epoch = header.epoch.max(*epoch);
                found.push(Found {
                    first_position: header.first_position,
                    source,
                    offset,
                });
            }
        })?;
        self.sources.push(Source {
            file: File::open(path)?,
            window: Window::new(BLOCK_BYTES_MAX),
            segment,
        });
        Ok(whole)
    }

    /// The first position of the last block that was found, in the chain or not, and the highest
    /// epoch of any; zeros if none was found.
    pub(crate) fn last_found(&self) -> (u64, u32) {
        let last = self.found.last().map_or(0, |found| found.first_position);
        (last, self.epoch)
    }

    /// The last position of which the second copy holds a block after `position`.
    pub(crate) fn beyond(&self, position: u64) -> Option<u64> {
        let of_copy = |found: &&Found| {
            self.sources
                .get(found.source as usize)
                .is_some_and(|source| source.segment.is_none())
        };
        let last = self.found.iter().rev().find(of_copy)?;
        (last.first_position > position).then_some(last.first_position)
    }

    /// Follows the chain from `link`, calling `each` with the blocks of every whole group; answers
    /// where it ends.
    pub(crate) fn follow(
        &mut self,
        mut link: Link,
        each: &mut dyn FnMut(Linked) -> io::Result<()>,
    ) -> io::Result<Link> {
        while let Some(group) = self.next_group(&link)? {
            for linked in group {
                link = Link {
                    position: linked.header.last_position(),
                    hash: linked.header.hash,
                    group: linked.header.group,
                    place: link.place,
                };
                each(linked)?;
            }
        }
        Ok(link)
    }

    /// Follows the chain block by block through a range of positions, whole groups or not. `before`
    /// is the block before it, as far as it is known. Answers the last block of the chain.
    pub(crate) fn follow_range(
        &mut self,
        log_id: Uuid,
        before: Option<BlockHeader>,
        range: &RangeInclusive<u64>,
        each: &mut dyn FnMut(&Linked) -> io::Result<()>,
    ) -> io::Result<Option<BlockHeader>> {
        let (mut last, mut next) = (None, *range.start());
        while next <= *range.end() {
            let origin = |header: &BlockHeader| {
                next > 1 || (header.previous == origin_hash(log_id) && header.index == 0)
            };
            let fits = |header: &BlockHeader| {
                last.or(before)
                    .map_or_else(|| origin(header), |last| follows(&last, header))
            };
            let Some(linked) = self.next_block(next, fits)? else {
                break;
            };
            // A file that is written to may be another one than when it was searched.
            if linked.header.payload(&linked.bytes, true).is_err() {
                break;
            }
            next = linked.header.last_position() + 1;
            last = Some(linked.header);
            each(&linked)?;
        }
        Ok(last)
    }

    /// The whole group that follows, if there is one.
    pub(crate) fn next_group(&mut self, link: &Link) -> io::Result<Option<Vec<Linked>>> {
        let mut group: Vec<Linked> = Vec::new();
        loop {
            let (position, hash, index) = match group.last() {
                None => (link.position, link.hash, 0),
                Some(Linked { header, .. }) => {
                    (header.last_position(), header.hash, header.index + 1)
                }
            };
            let fits = |header: &BlockHeader| {
                header.previous == hash && header.group == link.group + 1 && header.index == index
            };
            let Some(next) = self.next_block(position + 1, fits)? else {
                return Ok(None);
            };
            let whole = next.header.index + 1 == next.header.count;
            group.push(next);
            if whole {
                return Ok(Some(group));
            }
        }
    }

    /// The block at a position that fits, from the journal if it is there.
    fn next_block(
        &mut self,
        first_position: u64,
        fits: impl Fn(&BlockHeader) -> bool,
    ) -> io::Result<Option<Linked>> {
        let start = self
            .found
            .partition_point(|found| found.first_position < first_position);
        let mut chosen: Option<Linked> = None;
        for found in self.found[start..]
            .iter()
            .take_while(|found| found.first_position == first_position)
        {
            let Some(source) = self.sources.get_mut(found.source as usize) else {
                continue;
            };
            let head = source
                .window
                .get(&source.file, found.offset, BLOCK_HEADER_BYTES)?;
            let Ok(header) = BlockHeader::read(head) else {
                continue;
            };
            if !fits(&header) {
                continue;
            }
            let length = header.block_bytes();
            let bytes = source.window.get(&source.file, found.offset, length)?;
            let place = source.segment.map(|segment| Place {
                segment,
                offset: found.offset,
            });
            match &mut chosen {
                Some(other) if other.header.epoch > header.epoch => {}
                // Another block that fits as well cannot be: in one epoch the log never wrote two.
                Some(other)
                    if other.header.epoch == header.epoch && other.header.hash != header.hash =>
                {
                    return Ok(None);
                }
                Some(other) if other.header.epoch < header.epoch => {
                    *other = Linked {
                        header,
                        bytes: bytes.to_vec(),
                        place,
                    };
                }
                Some(other) if other.place.is_some() || place.is_none() => {}
                _ => {
                    chosen = Some(Linked {
                        header,
                        bytes: bytes.to_vec(),
                        place,
                    });
                }
            }
        }
        Ok(chosen)
    }
}
