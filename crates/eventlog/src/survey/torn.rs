//! The end of a journal: a torn write or damage, proven or not. Owns these judgements; never walks
//! over whole blocks.

use std::fs::File;
use std::io;

use super::{READ_AHEAD_BYTES, Surveyor};
use crate::block::{
    BLOCK_ALIGNMENT, BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, BlockHeader, MAGIC, NotABlock,
};
use crate::files::{Window, all_zero};
use crate::journal::place::Place;
use crate::journal::segment::{self, SEGMENT_HEADER_BYTES};

const SECTOR_BYTES: u64 = 512;

impl Surveyor<'_> {
    /// Refuses a block that fails in a way that an interrupted write cannot cause.
    pub(super) fn could_be_torn(
        &self,
        number: u64,
        at: u64,
        header: Option<BlockHeader>,
        fault: NotABlock,
        file: &File,
    ) -> Result<(), String> {
        let after = self.last();
        let damage = format!("after position {after}, segment {number} byte {at}: {fault}");
        let length = header.map_or(BLOCK_HEADER_BYTES, |header| header.block_bytes());
        if has_zero_share(file, at, length).map_err(|error| error.to_string())? {
            Ok(())
        } else {
            Err(damage)
        }
    }

    /// A torn write from `at` on: refuses it where something of a later group follows, else gives
    /// the bytes that must become zero.
    pub(super) fn torn(
        &mut self,
        number: u64,
        at: u64,
        numbers: &[u64],
    ) -> Result<Vec<(u64, u64, u64)>, String> {
        let first = self.pending.first().map_or(
            Place {
                segment: number,
                offset: at,
            },
            |p| p.place,
        );
        let mut torn = Vec::new();
        for number in numbers.iter().filter(|number| **number >= first.segment) {
            let io = |error: std::io::Error| format!("segment {number} of the journal: {error}");
            let (file, _) = self.open(*number)?;
            let start = if *number == first.segment {
                first.offset
            } else {
                SEGMENT_HEADER_BYTES
            };
            let Some((from, to)) = segment::not_zero(&file, start).map_err(io)? else {
                continue;
            };
            torn.push((*number, from.min(start), to));
            if let Some(later) = later_group(&file, start, to, self.group + 1).map_err(io)? {
                return Err(format!(
                    "after position {} the journal is damaged: segment {number} holds group {later} \
                     behind the damage",
                    self.replay.end.position,
                ));
            }
        }
        Ok(torn)
    }

    /// Refuses an end below what is known to have been acknowledged, and one that a missing
    /// segment could hide.
    pub(super) fn prove_end(&self, numbers: &[u64]) -> Result<(), String> {
        let position = self.replay.end.position;
        let head = self.extent.head();
        if let Some(head) = head
            && (head.position > position || !self.head_seen)
        {
            return Err(format!(
                "the log was acknowledged up to position {} and the journal proves {position}",
                head.position
            ));
        }
        if numbers.is_empty() {
            return Err("no segment of the journal is left".to_owned());
        }
        let known = head.is_some_and(|head| head.position == position && position > 0);
        let last_segment = numbers.last() == Some(&self.end.segment);
        let full = self.size.saturating_sub(self.end.offset) < BLOCK_BYTES_MAX as u64;
        if last_segment && full && !known {
            return Err(
                "the last segment is full and nothing proves that none followed".to_owned(),
            );
        }
        Ok(())
    }
}

/// Whether some 512-byte sector's share of these bytes is all zero, as it never is where a whole
/// block was written. Bytes beyond the end of the file count as zero.
pub(crate) fn has_zero_share(file: &File, at: u64, length: usize) -> io::Result<bool> {
    let mut window = Window::new(length);
    let bytes = window.get(file, at, length)?;
    let mut start = 0;
    while start < bytes.len() {
        let in_sector = (at + start as u64) % SECTOR_BYTES;
        let share = usize::try_from(SECTOR_BYTES - in_sector).unwrap_or(bytes.len());
        let end = (start + share).min(bytes.len());
        if all_zero(&bytes[start..end]) {
            return Ok(true);
        }
        start = end;
    }
    Ok(bytes.len() < length)
}

/// Looks for anything of a group after `group` between two places; answers its number.
fn later_group(file: &File, from: u64, to: u64, group: u64) -> io::Result<Option<u64>> {
    let mut window = Window::new(READ_AHEAD_BYTES);
    let mut at = from;
    while at < to {
        let bytes = window.get(file, at, BLOCK_HEADER_BYTES)?;
        if bytes.starts_with(MAGIC)
            && let Ok(header) = BlockHeader::read(bytes)
            && header.group > group
        {
            return Ok(Some(header.group));
        }
        at += BLOCK_ALIGNMENT as u64;
    }
    Ok(None)
}
