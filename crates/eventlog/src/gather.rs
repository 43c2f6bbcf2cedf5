//! Packing the records of a group into the payloads of blocks. Owns where one block ends and the next
//! begins; never knows what is in a record.

use crate::block::{BLOCK_PAYLOAD_BYTES_MAX, Gathered};
use crate::limits::BLOCK_PAYLOAD_TARGET_BYTES;
use crate::record::Numbers;
use crate::stream_index::StreamKey;

/// Bytes in front of every record in a payload: its length.
const LENGTH_BYTES: usize = 4;

/// The records of one group on their way to the journal.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    /// The blocks, in order.
    pub(crate) blocks: Vec<Gathered>,
    /// Key, version and position of each event, in order.
    pub(crate) entries: Vec<(StreamKey, u64, u64)>,
    /// Bytes that are still expected.
    left: usize,
}

impl Gathering {
    /// For records of at most so many bytes in all.
    pub(crate) fn expecting(bytes: usize, events: usize) -> Self {
        Self {
            blocks: Vec::new(),
            entries: Vec::with_capacity(events),
            left: bytes,
        }
    }

    /// Takes the next record, of `length` bytes, which the caller appends to the payload.
    pub(crate) fn record(&mut self, numbers: &Numbers, length: usize) -> &mut Vec<u8> {
        let bytes = length + LENGTH_BYTES;
        let target = BLOCK_PAYLOAD_TARGET_BYTES.min(BLOCK_PAYLOAD_BYTES_MAX);
        let place = match self.blocks.last() {
            Some(last) if last.payload.len() + bytes <= target => self.blocks.len() - 1,
            _ => {
                self.blocks.push(Gathered {
                    first_position: numbers.first_position,
                    first_commit: numbers.commit_number,
                    payload: Vec::with_capacity(self.left.min(target).max(bytes)),
                    ..Gathered::default()
                });
                self.blocks.len() - 1
            }
        };
        self.left = self.left.saturating_sub(bytes);
        let block = &mut self.blocks[place];
        block.commits += 1;
        block.events += numbers.event_count;
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        block.payload.extend_from_slice(&length.to_le_bytes());
        &mut block.payload
    }

    /// Takes the next event of the record taken last.
    pub(crate) fn entry(&mut self, key: StreamKey, version: u64, position: u64) {
        self.entries.push((key, version, position));
    }

    /// The record, where only one was taken.
    pub(crate) fn into_record(mut self) -> Vec<u8> {
        let mut payload = self
            .blocks
            .pop()
            .map(|block| block.payload)
            .unwrap_or_default();
        payload.drain(..LENGTH_BYTES.min(payload.len()));
        payload
    }
}
