//! Checking a part of both copies again, read-only. Owns the passes over blocks and the search for
//! them in the second copy; judges nothing beyond what it was asked, heals nothing, opens no sled.

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::block::{self, BlockHeader};
use crate::carve::carve;
use crate::journal::place::{Cursor, Places, SEQUENTIAL_BYTES};
use crate::log::ReadError;
use crate::record;
use crate::sled_copy::{file_path, volume_of};
use crate::verify::Finding;

/// Blocks of the journal that are looked for in one pass over the second copy.
const BLOCKS_AT_A_TIME: usize = 4_000_000;

/// How often a volume that a running process writes to is searched before a block counts as
/// missing: sled moves blocks about.
pub(crate) const SEARCH_TRIES: u32 = 3;

/// Both copies of a log whose blocks are known.
pub(crate) struct Copies<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) places: &'a Arc<Places>,
    /// How often a volume is searched before a block counts as missing: sled moves blocks about in
    /// one that it writes to.
    pub(crate) tries: u32,
}

impl Copies<'_> {
    /// Checks both copies of a range of positions, which must be acknowledged; the second copy only
    /// up to `synced`. `reached` is told the last position of every block of the journal that was
    /// checked, before the next one is read.
    pub(crate) fn check(
        &self,
        range: &RangeInclusive<u64>,
        synced: u64,
        volume_events: u64,
        reached: &mut dyn FnMut(u64),
    ) -> io::Result<Vec<Finding>> {
        let mut first_position = None;
        let checked = self.check_journal(range.clone(), &mut |header| {
            first_position.get_or_insert(header.first_position);
            reached(header.last_position());
        });
        let mut findings = Vec::new();
        if let Err(error) = checked {
            findings.push(Finding {
                healable: false,
                what: error.to_string(),
            });
        }
        let to = synced.min(*range.end());
        let from = first_position.unwrap_or(*range.start());
        let volumes: Vec<_> =
            (volume_of(from, volume_events)..=volume_of(to, volume_events)).collect();
        self.check_copy(*range.start()..=to, &volumes, &mut findings)?;
        Ok(findings)
    }

    /// Goes over the blocks of the journal that hold positions of a range, which must be
    /// acknowledged: their hashes, the chain between them, their groups, and what their records say
    /// of themselves. `each` is called with every block that is whole. Answers the last position
    /// that was checked.
    pub(crate) fn check_journal(
        &self,
        range: RangeInclusive<u64>,
        each: &mut dyn FnMut(&BlockHeader),
    ) -> Result<u64, ReadError> {
        let mut cursor = Cursor::near(self.places, *range.start(), SEQUENTIAL_BYTES);
        check_blocks(&mut cursor, &range, &mut None, &mut |header| {
            each(header);
            true
        })
    }

    /// Looks in some volumes of the second copy for every block of the journal that holds positions
    /// of a range, in bounded memory. A part of the journal that cannot be read is left out:
    /// [`Self::check_journal`] finds that.
    pub(crate) fn check_copy(
        &self,
        range: RangeInclusive<u64>,
        volumes: &[u64],
        findings: &mut Vec<Finding>,
    ) -> io::Result<()> {
        let (mut next, to) = (*range.start(), *range.end());
        let mut cursor = Cursor::near(self.places, next, SEQUENTIAL_BYTES);
        loop {
            let mut wanted = BTreeMap::new();
            while wanted.len() < BLOCKS_AT_A_TIME && next <= to {
                match cursor.seek(next) {
                    Ok(Some((header, _))) if header.last_position() <= to => {
                        next = header.last_position() + 1;
                        wanted.insert(header.first_position, header.hash);
                    }
                    Ok(_) | Err(_) => break,
                }
            }
            if wanted.is_empty() {
                return Ok(());
            }
            for _ in 0..self.tries {
                for number in volumes {
                    self.strike_out(*number, &mut wanted)?;
                }
                if wanted.is_empty() {
                    break;
                }
            }
            if let (Some((first, _)), Some((last, _))) =
                (wanted.first_key_value(), wanted.last_key_value())
            {
                findings.push(Finding {
                    healable: true,
                    what: format!(
                        "the second copy lacks {} blocks between positions {first} and {last}",
                        wanted.len()
                    ),
                });
            }
        }
    }

    /// Takes out what a volume holds.
    fn strike_out(&self, volume: u64, wanted: &mut BTreeMap<u64, [u8; 32]>) -> io::Result<()> {
        let path = file_path(self.dir, volume);
        let carved = carve(&path, &mut |header, _, _| {
            if wanted.get(&header.first_position) == Some(&header.hash) {
                wanted.remove(&header.first_position);
            }
        });
        match carved {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// The blocks that `cursor` comes to, as [`Copies::check_journal`] goes over them. `before` is the
/// block before the first one, as far as it is known, and then the last one that was checked. Ends
/// early where `each` says false.
pub(crate) fn check_blocks(
    cursor: &mut Cursor,
    range: &RangeInclusive<u64>,
    before: &mut Option<BlockHeader>,
    each: &mut dyn FnMut(&BlockHeader) -> bool,
) -> Result<u64, ReadError> {
    let (mut next, to) = (*range.start(), *range.end());
    while next <= to {
        let wrong = |what: &dyn std::fmt::Display| ReadError::Damaged {
            position: next,
            what: what.to_string(),
        };
        let Some((header, block)) = cursor.seek(next)? else {
            return Err(wrong(&"the journal ends early"));
        };
        if header.first_position > next {
            return Err(wrong(&"the journal does not hold it"));
        }
        let payload = header.payload(block, true).map_err(|error| wrong(&error))?;
        if before.is_some_and(|last| !follows(&last, &header)) {
            return Err(wrong(&"the block does not follow the one before"));
        }
        check_records(&header, &payload.into()).map_err(|what| wrong(&what))?;
        next = header.last_position() + 1;
        *before = Some(header);
        if !each(&header) {
            break;
        }
    }
    Ok(next - 1)
}

/// Whether a block can be the one after `last`.
pub(crate) fn follows(last: &BlockHeader, next: &BlockHeader) -> bool {
    let ended = last.index + 1 == last.count;
    let in_group = if ended {
        next.group == last.group + 1 && next.index == 0
    } else {
        next.group == last.group && next.index == last.index + 1 && next.count == last.count
    };
    in_group
        && next.previous == last.hash
        && next.first_position == last.last_position() + 1
        && next.first_commit == last.first_commit + u64::from(last.commits)
        && next.epoch >= last.epoch
}

/// Checks that the records of a block are commits with the numbers that its header says.
fn check_records(header: &BlockHeader, payload: &Bytes) -> Result<(), String> {
    let (mut position, mut number) = (header.first_position, header.first_commit);
    for place in block::records(payload).map_err(|error| error.to_string())? {
        let commit = record::decode(&payload.slice(place)).map_err(|error| error.to_string())?;
        let told = &commit.header;
        if (told.first_position, told.commit_number) != (position, number) {
            return Err(format!("commit {number} says another place of itself"));
        }
        // The group that a fork writes anew holds commits of the epoch before.
        if told.epoch > header.epoch {
            return Err(format!("commit {number} says an impossible epoch"));
        }
        position = told.last_position() + 1;
        number += 1;
    }
    if position != header.last_position() + 1 {
        return Err("the block holds another number of events than it says".to_owned());
    }
    Ok(())
}
