//! The block: a part of one group commit as it lies in the journal and in the second copy. Owns its
//! grammar and checks; never looks into a record.
//!
//! ```text
//! block   := header:144 stored padding          1 to 16 bytes of 0xa5, to a multiple of 16
//! payload := (length:4 record)*                 `stored` is the payload, or its zstd frame
//!
//! header, little-endian, by offset:
//!   0  magic "bn-block"             8  format version:2    10  flags:2 (bit 0: zstd)
//!  12  index in the group:4        16  blocks of the group:4
//!  20  commits:4                   24  group number:8 (from 1)
//!  32  first position:8            40  first commit number:8
//!  48  events:4                    52  raw length:4        56  stored length:4
//!  60  CRC-32 of stored            64  hash of the previous block:32
//!  96  hash:32 = SHA-256(bytes 0..96 ‖ bytes 128..140 ‖ payload)
//! 128  epoch:4                    132  zeros:8            140  CRC-32 of bytes 0..140
//! ```
//!
//! The padding is not zero, so that every 512-byte sector that a block touches holds something other
//! than zeros once it is written: that tells a torn write in a zero-filled file from damage.
//!
//! The epoch is that in which the block was written. Epochs never fall along the chain, and no commit
//! in a block is of a later epoch than the block.
//!
//! The first block's previous hash is [`origin_hash`], so that a block belongs to one log.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::files::all_zero;
use crate::limits::RECORD_BYTES_MAX;

/// The version of the block's grammar that is written.
pub(crate) const BLOCK_FORMAT_VERSION: u16 = 1;

/// Bytes of a block's header.
pub(crate) const BLOCK_HEADER_BYTES: usize = 144;

/// Blocks start at multiples of this.
pub(crate) const BLOCK_ALIGNMENT: usize = 16;

/// What fills a block up to the alignment.
pub(crate) const PADDING: u8 = 0xa5;

/// Most bytes of a payload: one record of the greatest size with its length.
pub(crate) const BLOCK_PAYLOAD_BYTES_MAX: usize = RECORD_BYTES_MAX + 4;

/// Most bytes of a block.
pub(crate) const BLOCK_BYTES_MAX: usize =
    (BLOCK_HEADER_BYTES + BLOCK_PAYLOAD_BYTES_MAX + 1).next_multiple_of(BLOCK_ALIGNMENT);

/// Payloads up to this size are stored as they are.
const PLAIN_BYTES_MAX: usize = 4 * 1024;

/// The level of compression: above it the one writer thread becomes the limit.
const ZSTD_LEVEL: i32 = 1;

pub(crate) const MAGIC: &[u8; 8] = b"bn-block";
const FLAG_ZSTD: u16 = 1;

/// What the first block of a log names as the hash of its previous block.
pub(crate) fn origin_hash(log_id: Uuid) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"benniu log chain\0")
        .chain_update(log_id.as_bytes())
        .finalize()
        .into()
}

/// A block's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) flags: u16,
    pub(crate) index: u32,
    pub(crate) count: u32,
    pub(crate) commits: u32,
    pub(crate) group: u64,
    pub(crate) first_position: u64,
    pub(crate) first_commit: u64,
    pub(crate) events: u32,
    pub(crate) raw_length: u32,
    pub(crate) stored_length: u32,
    pub(crate) stored_crc: u32,
    pub(crate) previous: [u8; 32],
    pub(crate) hash: [u8; 32],
    pub(crate) epoch: u32,
}

/// Why bytes are no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotABlock {
    /// All zero: never written.
    #[error("nothing was written here")]
    Vacant,
    #[error("the block's header is damaged")]
    Header,
    /// Whole, and of this version, which is newer than what is known.
    #[error("the block has format version {0}")]
    Newer(u16),
    #[error("the block's stored bytes are damaged")]
    Stored,
    #[error("the block's hash is wrong")]
    Hash,
    #[error("the block's records do not fill it")]
    Records,
}

impl BlockHeader {
    /// Bytes of the whole block with its padding.
    pub(crate) fn block_bytes(&self) -> usize {
        (BLOCK_HEADER_BYTES + self.stored_length as usize + 1).next_multiple_of(BLOCK_ALIGNMENT)
    }

    /// The position of the block's last event.
    pub(crate) fn last_position(&self) -> u64 {
        self.first_position + u64::from(self.events) - 1
    }

    pub(crate) fn put(&self, bytes: &mut [u8; BLOCK_HEADER_BYTES]) {
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, MAGIC);
        put(8, &BLOCK_FORMAT_VERSION.to_le_bytes());
        put(10, &self.flags.to_le_bytes());
        put(12, &self.index.to_le_bytes());
        put(16, &self.count.to_le_bytes());
        put(20, &self.commits.to_le_bytes());
        put(24, &self.group.to_le_bytes());
        put(32, &self.first_position.to_le_bytes());
        put(40, &self.first_commit.to_le_bytes());
        put(48, &self.events.to_le_bytes());
        put(52, &self.raw_length.to_le_bytes());
        put(56, &self.stored_length.to_le_bytes());
        put(60, &self.stored_crc.to_le_bytes());
        put(64, &self.previous);
        put(96, &self.hash);
        put(128, &self.epoch.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..140]);
        bytes[140..].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the header at the front of `bytes` and checks what can be checked without the rest.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, NotABlock> {
        let bytes: &[u8; BLOCK_HEADER_BYTES] = bytes.first_chunk().ok_or(NotABlock::Header)?;
        if all_zero(bytes) {
            return Err(NotABlock::Vacant);
        }
        let crc = u32::from_le_bytes(array(bytes, 140));
        if bytes[..8] != *MAGIC || crc32fast::hash(&bytes[..140]) != crc {
            return Err(NotABlock::Header);
        }
        match u16::from_le_bytes(array(bytes, 8)) {
            BLOCK_FORMAT_VERSION => {}
            0 => return Err(NotABlock::Header),
            version => return Err(NotABlock::Newer(version)),
        }
        let number = |at| u32::from_le_bytes(array(bytes, at));
        let wide = |at| u64::from_le_bytes(array(bytes, at));
        let header = Self {
            flags: u16::from_le_bytes(array(bytes, 10)),
            index: number(12),
            count: number(16),
            commits: number(20),
            group: wide(24),
            first_position: wide(32),
            first_commit: wide(40),
            events: number(48),
            raw_length: number(52),
            stored_length: number(56),
            stored_crc: number(60),
            previous: array(bytes, 64),
            hash: array(bytes, 96),
            epoch: number(128),
        };
        let possible = header.index < header.count
            && header.commits >= 1
            && header.events >= header.commits
            && header.first_position >= 1
            && header
                .first_position
                .checked_add(u64::from(header.events))
                .is_some()
            && header
                .first_commit
                .checked_add(u64::from(header.commits))
                .is_some()
            && header.raw_length as usize <= BLOCK_PAYLOAD_BYTES_MAX
            && header.stored_length <= header.raw_length
            && header.flags & !FLAG_ZSTD == 0;
        if possible {
            Ok(header)
        } else {
            Err(NotABlock::Header)
        }
    }

    /// The payload from the bytes of the whole block; checks the stored bytes, and the hash only
    /// if `thorough`.
    pub(crate) fn payload(&self, block: &[u8], thorough: bool) -> Result<Vec<u8>, NotABlock> {
        let end = BLOCK_HEADER_BYTES + self.stored_length as usize;
        let stored = block
            .get(BLOCK_HEADER_BYTES..end)
            .ok_or(NotABlock::Stored)?;
        if crc32fast::hash(stored) != self.stored_crc {
            return Err(NotABlock::Stored);
        }
        let payload = if self.flags & FLAG_ZSTD == 0 {
            stored.to_vec()
        } else {
            let raw_length = self.raw_length as usize;
            zstd::bulk::decompress(stored, raw_length).map_err(|_| NotABlock::Stored)?
        };
        if payload.len() != self.raw_length as usize {
            return Err(NotABlock::Stored);
        }
        if thorough {
            let padding = block
                .get(end..self.block_bytes())
                .ok_or(NotABlock::Stored)?;
            if padding.iter().any(|byte| *byte != PADDING) {
                return Err(NotABlock::Stored);
            }
            if hash(&block[..BLOCK_HEADER_BYTES], &payload) != self.hash {
                return Err(NotABlock::Hash);
            }
        }
        Ok(payload)
    }
}

fn array<const N: usize>(bytes: &[u8; BLOCK_HEADER_BYTES], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

pub(crate) fn hash(header: &[u8], payload: &[u8]) -> [u8; 32] {
    let hasher = Sha256::new()
        .chain_update(&header[..96])
        .chain_update(&header[128..140]);
    hasher.chain_update(payload).finalize().into()
}

/// The places of the records within a payload.
pub(crate) fn records(payload: &[u8]) -> Result<Vec<std::ops::Range<usize>>, NotABlock> {
    let mut places = Vec::new();
    let mut at = 0;
    while at < payload.len() {
        let length: &[u8; 4] = payload[at..].first_chunk().ok_or(NotABlock::Records)?;
        let start = at + 4;
        let end = start + u32::from_le_bytes(*length) as usize;
        if end > payload.len() {
            return Err(NotABlock::Records);
        }
        places.push(start..end);
        at = end;
    }
    Ok(places)
}

/// Appends a record to a payload.
pub(crate) fn put_record(payload: &mut Vec<u8>, record: &[u8]) {
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
    payload.extend_from_slice(&length.to_le_bytes());
    payload.extend_from_slice(record);
}

/// The records of one block, gathered for writing.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) payload: Vec<u8>,
    pub(crate) first_position: u64,
    pub(crate) first_commit: u64,
    pub(crate) commits: u32,
    pub(crate) events: u32,
}

/// Builds blocks one after the other, each chained to the one before.
pub(crate) struct BlockBuilder {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    /// Room for a compressed payload, kept because large allocations slow all small ones.
    compressed: Vec<u8>,
    pub(crate) epoch: u32,
    pub(crate) previous: [u8; 32],
}

impl BlockBuilder {
    /// Goes on after a block with this hash. Without a compressor blocks are stored plain.
    pub(crate) fn new(epoch: u32, previous: [u8; 32]) -> Self {
        let compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
        Self {
            compressor,
            compressed: vec![0; zstd::zstd_safe::compress_bound(BLOCK_PAYLOAD_BYTES_MAX)],
            epoch,
            previous,
        }
    }

    /// Appends the block at place `index` of `count` in `group` to `bytes`; answers its header.
    pub(crate) fn build(
        &mut self,
        gathered: &Gathered,
        group: u64,
        (index, count): (u32, u32),
        bytes: &mut Vec<u8>,
    ) -> BlockHeader {
        let payload = gathered.payload.as_slice();
        let compressed = match &mut self.compressor {
            Some(compressor) if payload.len() > PLAIN_BYTES_MAX => compressor
                .compress_to_buffer(payload, &mut self.compressed[..])
                .ok()
                .filter(|length| *length < payload.len())
                .and_then(|length| self.compressed.get(..length)),
            _ => None,
        };
        let stored = compressed.unwrap_or(payload);
        let mut header = BlockHeader {
            flags: if compressed.is_some() { FLAG_ZSTD } else { 0 },
            index,
            count,
            commits: gathered.commits,
            group,
            first_position: gathered.first_position,
            first_commit: gathered.first_commit,
            events: gathered.events,
            raw_length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            stored_length: u32::try_from(stored.len()).unwrap_or(u32::MAX),
            stored_crc: crc32fast::hash(stored),
            previous: self.previous,
            hash: [0; 32],
            epoch: self.epoch,
        };
        let mut head = [0; BLOCK_HEADER_BYTES];
        header.put(&mut head);
        header.hash = hash(&head, payload);
        header.put(&mut head);
        self.previous = header.hash;
        let start = bytes.len();
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(stored);
        bytes.resize(start + header.block_bytes(), PADDING);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// A block of one record, in hexadecimal, as released.
    const GOLDEN: &str = include_str!("../golden/block_v1.hex");

    fn gathered(records: &[&[u8]]) -> Gathered {
        let mut payload = Vec::new();
        for record in records {
            put_record(&mut payload, record);
        }
        let count = u32::try_from(records.len()).unwrap();
        Gathered {
            payload,
            first_position: 10,
            first_commit: 4,
            commits: count,
            events: count + 1,
        }
    }

    fn build(records: &[&[u8]]) -> (BlockHeader, Vec<u8>) {
        let mut bytes = Vec::new();
        let mut builder = BlockBuilder::new(1, origin_hash(fixture::log_id()));
        let header = builder.build(&gathered(records), 3, (0, 2), &mut bytes);
        assert_eq!(builder.previous, header.hash);
        (header, bytes)
    }

    #[test]
    fn a_released_block_still_opens() {
        let (header, bytes) = build(&[b"{}"]);
        assert_eq!(
            fixture::hex(&bytes),
            GOLDEN.split_whitespace().collect::<String>()
        );
        assert_eq!(BlockHeader::read(&bytes), Ok(header));
        let payload = header.payload(&bytes, true).unwrap();
        assert_eq!(records(&payload).unwrap().first(), Some(&(4..6)));
    }

    #[test]
    fn large_payloads_are_compressed() {
        let record = vec![b'x'; 9_000];
        let (header, bytes) = build(&[&record, b"y"]);
        assert!(bytes.len() < 400 && bytes.len() % BLOCK_ALIGNMENT == 0);
        let payload = header.payload(&bytes, true).unwrap();
        let found: Vec<_> = records(&payload)
            .unwrap()
            .into_iter()
            .map(|r| &payload[r])
            .collect();
        assert_eq!(found, [&record[..], b"y"]);
    }

    #[test]
    fn any_changed_bit_is_found() {
        for records in [&[&b"{}"[..]][..], &[&[b'x'; 9_000]]] {
            let (_, bytes) = build(records);
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let found = BlockHeader::read(&changed).and_then(|h| h.payload(&changed, true));
                assert!(found.is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn any_payload_is_split_or_refused() {
        assert_eq!(records(&[1, 0, 0]), Err(NotABlock::Records));
        assert_eq!(records(&[1, 0, 0, 0]), Err(NotABlock::Records));
        assert_eq!(records(&[255; 40]), Err(NotABlock::Records));
        assert_eq!(records(&[]), Ok(Vec::new()));
    }
}
