//! Making a damaged part anew out of the other copy while the log is open. Owns what must be proven
//! before a file takes the place of another; looks for no damage itself.
//!
//! A file is made anew only where the log wrote to it for the last time: a segment that another one
//! follows, a volume whose last checkpoint is past. The new one is equal to what was there, and the
//! old one is set aside. In what the log still writes to, single blocks are put again: into the newest
//! segment at the places that they had, which nobody else writes to, and a copy of the file as it was
//! is set aside; into the newest volume through sled.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::block::BlockHeader;
use crate::check::check_blocks;
use crate::files::Window;
use crate::heal::merge::Merged;
use crate::heal::stage::{self, Defaults, OneSegment};
use crate::journal::place::{Cursor, Marks, POINT_BYTES, Place, Places, SEQUENTIAL_BYTES};
use crate::journal::segment::{self, JOURNAL_DIR, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::open::{ASIDE_DIR, next_of, set_aside};
use crate::sled_copy::{COPY_DIR, Volume, fresh_path, volume_of, volume_path};

use super::Target;
use super::pace::Pace;

/// How often both copies are searched before a block counts as lost: sled moves blocks about in the
/// volume that it writes to.
const SEARCH_TRIES: u32 = 3;

/// Bytes that go into a new volume between two checkpoints of it, which bounds how long one takes.
const VOLUME_STEP_BYTES: u64 = 8 * 1024 * 1024;

/// Bytes in which a segment's header is found.
const HEADER_READ_BYTES: usize = 64;

/// How often it is looked whether the second copy has been checkpointed.
const CHECKPOINT_LOOK: Duration = Duration::from_millis(50);

/// Why a part was not made anew.
pub(super) enum NotMade {
    /// The block that holds this position is whole in neither copy.
    Lost(u64),
    /// Something went wrong.
    Failed(String),
    /// The log was closed meanwhile.
    Stopped,
}

impl From<io::Error> for NotMade {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A segment and what is known of the blocks in it.
pub(super) struct Damaged {
    pub(super) number: u64,
    /// The positions in it, all of them acknowledged.
    pub(super) range: RangeInclusive<u64>,
    /// The block before it, as far as it is known.
    pub(super) before: Option<BlockHeader>,
}

/// Both copies' blocks of a segment, found to be one chain through all of its positions.
pub(super) struct Whole {
    merged: Merged,
    last: BlockHeader,
    bytes: u64,
}

/// Searches both copies for the blocks of a segment.
pub(super) fn search(
    target: &Target,
    damaged: &Damaged,
    pace: &mut Pace<'_>,
) -> Result<Whole, NotMade> {
    let (first, end) = (*damaged.range.start(), *damaged.range.end());
    let volume = |position| volume_of(position, target.volume_events);
    let mut reached = first;
    for _ in 0..SEARCH_TRIES {
        let merged = Merged::of_segment(
            &target.dir,
            damaged.number,
            &damaged.range,
            volume(first)..=volume(end),
            &mut |bytes| pace.step(bytes),
        )?;
        let mut merged = merged.ok_or(NotMade::Stopped)?;
        let mut bytes = 0;
        let last = merged.follow_range(
            target.log_id,
            damaged.before,
            &damaged.range,
            &mut |linked| {
                bytes += linked.bytes.len() as u64;
                Ok(())
            },
        )?;
        match last {
            Some(last) if last.last_position() == end => {
                return Ok(Whole {
                    merged,
                    last,
                    bytes,
                });
            }
            Some(last) => reached = reached.max(last.last_position() + 1),
            None => {}
        }
    }
    Err(NotMade::Lost(reached))
}

/// Makes a full segment anew and puts it in its place.
pub(super) fn full_segment(
    target: &Target,
    damaged: &Damaged,
    pace: &mut Pace<'_>,
) -> Result<(), NotMade> {
    let journal = target.dir.join(JOURNAL_DIR);
    let outcome = staged(target, damaged, pace);
    if outcome.is_err() {
        stage::remove(&journal)?;
    }
    outcome
}

fn staged(target: &Target, damaged: &Damaged, pace: &mut Pace<'_>) -> Result<(), NotMade> {
    let Whole {
        mut merged,
        last,
        bytes,
    } = search(target, damaged, pace)?;
    let places = &target.shared.view.places;
    follows_on(places, &last)?;
    let defaults = Defaults {
        log_id: target.log_id,
        epoch: last.epoch,
        size: target.segment_bytes,
    };
    let journal = target.dir.join(JOURNAL_DIR);
    let number = damaged.number;
    let mut new = OneSegment::start(&*target.files, &journal, &defaults, number, bytes)?;
    merged.follow_range(
        target.log_id,
        damaged.before,
        &damaged.range,
        &mut |linked| {
            if pace.step(linked.bytes.len() as u64) {
                new.put(&linked.bytes)
            } else {
                Err(io::ErrorKind::Interrupted.into())
            }
        },
    )?;
    let mut marks = Marks::default();
    let first = Place {
        segment: number,
        offset: SEGMENT_HEADER_BYTES,
    };
    marks.add(*damaged.range.start(), first);
    let written = Arc::new(Places::new(new.end()?.to_owned(), marks));
    let mut cursor = Cursor::anew(&written, *damaged.range.start(), SEQUENTIAL_BYTES);
    let mut before = damaged.before;
    check_blocks(&mut cursor, &damaged.range, &mut before, &mut |_| true)
        .map_err(|error| NotMade::Failed(format!("what was put together is wrong: {error}")))?;
    new.exchange()?;
    places.forget(number);
    Ok(())
}

/// Writes those blocks of the newest segment again that it does not hold any more, at their places:
/// what the log writes lies behind them.
pub(super) fn newest_segment(
    target: &Target,
    damaged: &Damaged,
    pace: &mut Pace<'_>,
) -> Result<(), NotMade> {
    let Whole {
        mut merged, last, ..
    } = search(target, damaged, pace)?;
    let journal = target.dir.join(JOURNAL_DIR);
    let number = damaged.number;
    let path = segment::path(&journal, number);
    let aside = journal.join(stage::ASIDE_DIR);
    std::fs::create_dir_all(&aside)?;
    let copy = stage::free_name(&aside, &format!("{number:08}.seg"));
    std::fs::copy(&path, &copy)?;
    target.files.open(&copy, false)?.sync()?;
    target.files.sync_dir(&aside)?;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)?;
    let length = file.metadata()?.len();
    let told = SegmentHeader::decode(Window::new(0).get(&file, 0, HEADER_READ_BYTES)?);
    let told = told.filter(|told| told.number == number && told.log_id == target.log_id);
    let header = told.unwrap_or(SegmentHeader {
        epoch: last.epoch,
        number,
        size: length.max(target.segment_bytes),
        log_id: target.log_id,
    });
    if length < header.size {
        // Never shorter: the log may be writing behind.
        file.set_len(header.size)?;
    }
    let file = target.files.open(&path, false)?;
    file.write_all_at(&header.encode(), 0)?;
    let mut at = Place {
        segment: number,
        offset: SEGMENT_HEADER_BYTES,
    };
    merged.follow_range(
        target.log_id,
        damaged.before,
        &damaged.range,
        &mut |linked| {
            if linked.place != Some(at) {
                file.write_all_at(&linked.bytes, at.offset)?;
            }
            at.offset += linked.bytes.len() as u64;
            Ok(())
        },
    )?;
    file.sync()?;
    Ok(())
}

/// Puts blocks of the newest volume in again and waits for their checkpoint.
pub(super) fn newest_volume(
    target: &Target,
    number: u64,
    lacking: &[(u64, [u8; 8])],
    pace: &mut Pace<'_>,
) -> Result<(), NotMade> {
    let gone = || NotMade::Failed("sled does not take its blocks again".to_owned());
    for (position, _) in lacking {
        let mut cursor = Cursor::anew(&target.shared.view.places, *position, POINT_BYTES);
        let found = cursor
            .seek(*position)
            .map_err(|error| NotMade::Failed(error.to_string()))?;
        let whole = found.filter(|(header, block)| header.payload(block, true).is_ok());
        let Some((header, block)) = whole else {
            let what = format!("the journal's block at position {position} is damaged");
            return Err(NotMade::Failed(what));
        };
        if !target
            .copy
            .insert_again(number, header.first_position, block)
        {
            return Err(gone());
        }
        if !pace.step(block.len() as u64) {
            return Err(NotMade::Stopped);
        }
    }
    // One that ran already may have begun before the last of them.
    let wanted = target.copy.ended() + 2;
    while target.copy.ended() < wanted {
        if target.copy.bad().is_some() {
            return Err(gone());
        }
        if !pace.pause(CHECKPOINT_LOOK) {
            return Err(NotMade::Stopped);
        }
        target.copy.checkpoint_again();
    }
    Ok(())
}

/// Checks that the block after the segment, where the journal still has it, follows its last one.
fn follows_on(places: &Arc<Places>, last: &BlockHeader) -> Result<(), NotMade> {
    let next = last.last_position() + 1;
    let mut cursor = Cursor::anew(places, next, SEQUENTIAL_BYTES);
    match cursor.seek(next) {
        Ok(Some((header, block)))
            if header.first_position == next
                && header.payload(block, true).is_ok()
                && header.previous != last.hash =>
        {
            let what = format!("the block at position {next} follows another one");
            Err(NotMade::Failed(what))
        }
        // What is wrong there is found when its segment is looked at.
        _ => Ok(()),
    }
}

/// Makes a volume that nothing writes to any more anew from the journal and puts it in its place.
pub(super) fn closed_volume(
    target: &Target,
    number: u64,
    pace: &mut Pace<'_>,
) -> Result<(), NotMade> {
    let fresh = fresh_path(&target.dir, number);
    let outcome = filled(target, number, pace);
    if outcome.is_err() {
        remove_folder(&fresh)?;
        return outcome;
    }
    let path = volume_path(&target.dir, number);
    if path.exists() {
        set_aside(&target.dir, &path)?;
        target.files.sync_dir(&target.dir.join(ASIDE_DIR))?;
    }
    // A stop here leaves the log without this volume: the next opening makes it from the journal.
    target.files.rename(&fresh, &path)?;
    target.files.sync_dir(&target.dir.join(COPY_DIR))?;
    Ok(())
}

fn remove_folder(path: &std::path::Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn filled(target: &Target, number: u64, pace: &mut Pace<'_>) -> Result<(), NotMade> {
    let fresh = fresh_path(&target.dir, number);
    remove_folder(&fresh)?;
    let volume = Volume::open_at(&fresh, number).map_err(NotMade::Failed)?;
    let filled = fill(target, &volume, pace);
    let filled = filled.and_then(|()| volume.checkpoint().map_err(NotMade::Failed));
    volume.close();
    filled?;
    target.files.sync_dir(&fresh)?;
    Ok(())
}

fn fill(target: &Target, volume: &Volume, pace: &mut Pace<'_>) -> Result<(), NotMade> {
    let places = &target.shared.view.places;
    let first = (volume.number - 1) * target.volume_events + 1;
    let mut cursor = Cursor::anew(places, first, SEQUENTIAL_BYTES);
    let mut since = 0;
    loop {
        let next = next_of(&mut cursor, volume.number, target.volume_events);
        let next = next.map_err(|error| NotMade::Failed(error.to_string()))?;
        let Some((position, block)) = next else {
            return Ok(());
        };
        let whole = BlockHeader::read(&block).and_then(|header| header.payload(&block, true));
        if let Err(error) = whole {
            let what = format!("the journal's block at position {position}: {error}");
            return Err(NotMade::Failed(what));
        }
        volume.insert(position, &block).map_err(NotMade::Failed)?;
        let bytes = block.len() as u64;
        since += bytes;
        if since >= VOLUME_STEP_BYTES {
            volume.checkpoint().map_err(NotMade::Failed)?;
            since = 0;
        }
        if !pace.step(bytes) {
            return Err(NotMade::Stopped);
        }
    }
}
