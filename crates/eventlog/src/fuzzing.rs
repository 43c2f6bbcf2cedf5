//! What must hold whatever bytes a decoder is given: it neither panics nor takes more memory than
//! [`allocated_max`], and what it accepts it accepts for one reason only, so that encoding it again
//! gives it back. Owns these checks; the targets in `fuzz/` and the test over their corpora call
//! them. Not part of ordinary builds.
//!
//! A decoder more is a function here, a file in `fuzz/fuzz_targets`, a `[[bin]]` in
//! `fuzz/Cargo.toml`, a corpus and a line in [`ALL`].
//!
//! Checksums would keep random bytes from what lies behind them, so each check also looks at its
//! input *sealed*: with the magic, version and checksums set right.

use bytes::Bytes;

use crate::block::{
    self, BLOCK_FORMAT_VERSION, BLOCK_HEADER_BYTES, BLOCK_PAYLOAD_BYTES_MAX, BlockHeader, MAGIC,
    PADDING,
};
use crate::commit::{Commit, EventDraft, HeaderDraft};
use crate::head_file::{self, SLOT_BYTES, SLOT_STRIDE};
use crate::record;

/// The check of a decoder.
pub type Check = fn(&[u8]);

/// Every check by the name of its target and corpus.
pub const ALL: &[(&str, Check)] = &[
    ("block_header", block_header),
    ("block", block),
    ("record", record),
    ("head", head),
    ("index_chunk", index_chunk),
];

/// Most bytes that a check may allocate in all for an input of this many: it copies and decodes its
/// input a few times, and a decoder may take some twenty times its input (an event of twenty bytes
/// becomes a structure of four hundred) and unpack one payload of the greatest size.
pub const fn allocated_max(input: usize) -> usize {
    200 * input + 24 * BLOCK_PAYLOAD_BYTES_MAX
}

/// The header of a block.
pub fn block_header(bytes: &[u8]) {
    read_header(bytes);
    if let Some(sealed) = sealed_header(bytes) {
        read_header(&sealed);
    }
}

fn read_header(bytes: &[u8]) -> Option<BlockHeader> {
    let header = BlockHeader::read(bytes).ok()?;
    let mut again = [0; BLOCK_HEADER_BYTES];
    header.put(&mut again);
    // What a header leaves zero is not looked at, beyond its checksum.
    assert_eq!(BlockHeader::read(&again), Ok(header));
    assert_eq!(again[..132], bytes[..132]);
    assert!(header.last_position() >= header.first_position);
    assert!(header.block_bytes() <= block::BLOCK_BYTES_MAX);
    Some(header)
}

fn sealed_header(bytes: &[u8]) -> Option<[u8; BLOCK_HEADER_BYTES]> {
    let mut header = *bytes.first_chunk::<BLOCK_HEADER_BYTES>()?;
    header[..8].copy_from_slice(MAGIC);
    header[8..10].copy_from_slice(&BLOCK_FORMAT_VERSION.to_le_bytes());
    seal(&mut header, 140);
    Some(header)
}

/// Sets the checksum that lies behind what it is over.
fn seal(bytes: &mut [u8], at: usize) {
    let crc = crc32fast::hash(&bytes[..at]);
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

/// A block with its header.
pub fn block(bytes: &[u8]) {
    if let Some(header) = read_header(bytes) {
        read_block(&header, bytes);
    }
    sealed_block(bytes);
}

fn read_block(header: &BlockHeader, bytes: &[u8]) {
    let quick = header.payload(bytes, false);
    let thorough = header.payload(bytes, true);
    if thorough.is_ok() {
        assert_eq!(thorough, quick);
    }
    if let Ok(payload) = quick {
        read_payload(&payload);
    }
}

fn read_payload(payload: &[u8]) {
    assert!(payload.len() <= BLOCK_PAYLOAD_BYTES_MAX);
    if let Ok(places) = block::records(payload) {
        let mut again = Vec::with_capacity(payload.len());
        for place in places {
            block::put_record(&mut again, &payload[place]);
        }
        assert_eq!(again, payload);
    }
}

/// The block that these bytes would be if all that is derived in it were right; only the lengths
/// that it says, its flags and what is stored stay as they are.
fn sealed_block(bytes: &[u8]) -> Option<()> {
    let mut sealed = bytes.to_vec();
    let stored = sealed.get(BLOCK_HEADER_BYTES..)?;
    let length = u32::from_le_bytes(*bytes.get(56..)?.first_chunk()?) as usize;
    let crc = crc32fast::hash(stored.get(..length)?);
    sealed[60..64].copy_from_slice(&crc.to_le_bytes());
    let header = sealed_header(&sealed)?;
    sealed[..BLOCK_HEADER_BYTES].copy_from_slice(&header);
    let mut header = read_header(&sealed)?;
    read_block(&header, &sealed);
    let payload = header.payload(&sealed, false).ok()?;
    let mut head = [0; BLOCK_HEADER_BYTES];
    header.put(&mut head);
    // The hash is over the zeros of a header too, which were not looked at before.
    header.hash = block::hash(&head, &payload);
    header.put(&mut head);
    sealed[..BLOCK_HEADER_BYTES].copy_from_slice(&head);
    sealed.truncate(BLOCK_HEADER_BYTES + length);
    sealed.resize(header.block_bytes(), PADDING);
    assert_eq!(header.payload(&sealed, true), Ok(payload));
    Some(())
}

/// The record of a commit.
pub fn record(bytes: &[u8]) {
    let record = Bytes::copy_from_slice(bytes);
    let leaf = record::leaf_of(&record);
    if let Ok((seed, items)) = record::items(&record) {
        let salted = |(number, item): (u32, &Bytes)| {
            let salt = record::salt(seed, number);
            record::item_hash(salt, item)
        };
        let hashes: Vec<_> = (0..).zip(&items).map(salted).collect();
        assert_eq!(record::leaf(&hashes), leaf);
    }
    let header = record::decode_header(&record);
    let Ok(commit) = record::decode(&record) else {
        return;
    };
    assert_eq!(header.as_ref(), Ok(&*commit.header));
    let again = encoded_again(&commit);
    if again.bytes.len() == bytes.len() {
        assert_eq!(again.bytes, bytes);
        assert_eq!(again.leaf, leaf);
    } else {
        // Extensions are skipped; nothing else has two encodings.
        assert!(again.bytes.len() < bytes.len());
        let shorter = record::decode(&again.bytes.into());
        let shorter = shorter.map(|shorter| (shorter.header, shorter.events));
        assert_eq!(shorter, Ok((commit.header, commit.events)));
    }
}

fn encoded_again(commit: &Commit) -> Encoded {
    let draft = |event: &crate::commit::RecordedEvent| EventDraft {
        stream: event.stream.clone(),
        type_name: event.type_name.to_string().into(),
        schema_version: event.schema_version,
        envelope: event.envelope.clone(),
        payload: event.payload.to_vec(),
    };
    let drafts: Vec<_> = commit.events.iter().map(draft).collect();
    let versions = commit.events.iter().map(|event| event.version);
    let seed = commit.record.first_chunk().copied().unwrap_or_default();
    let events: Vec<_> = drafts.iter().zip(versions).collect();
    let header = &commit.header;
    let numbers = record::Numbers {
        log_id: header.log_id,
        epoch: header.epoch,
        commit_number: header.commit_number,
        first_position: header.first_position,
        event_count: header.event_count,
        recorded_at: header.recorded_at,
    };
    encode(&header.told(), &numbers, seed, &events)
}

/// A record and its leaf.
struct Encoded {
    bytes: Vec<u8>,
    leaf: [u8; 32],
}

/// Encodes a commit whose numbers are known.
fn encode(
    told: &HeaderDraft,
    numbers: &record::Numbers,
    seed: [u8; 16],
    events: &[(&EventDraft, u64)],
) -> Encoded {
    let mut item = Vec::new();
    record::put_header(&mut item, told, numbers);
    let events = record::encode_events(seed, events.iter().copied());
    let mut bytes = Vec::new();
    record::put_record(&mut bytes, seed, &item, &events);
    let leaf = record::leaf_of_parts(record::salt(seed, 0), &item, &events);
    Encoded { bytes, leaf }
}

/// The file `head`: the first half of the input is one slot, the second half the other.
pub fn head(bytes: &[u8]) {
    read_head(bytes);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut file = vec![0; usize::try_from(SLOT_STRIDE).unwrap_or(0) + SLOT_BYTES];
    let second_at = file.len() - SLOT_BYTES;
    for (slot, at) in [(first, 0), (second, second_at)] {
        let slot = &slot[..slot.len().min(SLOT_BYTES)];
        file[at..at + slot.len()].copy_from_slice(slot);
    }
    read_head(&file);
    for at in [0, second_at] {
        file[at..at + 8].copy_from_slice(b"bn-head\n");
        seal(&mut file[at..], SLOT_BYTES - 4);
        read_head(&file);
    }
}

fn read_head(file: &[u8]) {
    let Ok(Some(slot)) = head_file::parse(file) else {
        return;
    };
    assert_eq!(head_file::parse(&slot.encode()), Ok(Some(slot)));
}

/// A chunk of the index.
pub fn index_chunk(bytes: &[u8]) {
    crate::index::check_bytes(bytes);
    if let Some(sealed) = crate::index::sealed(bytes) {
        crate::index::check_bytes(&sealed);
    }
}

#[cfg(test)]
mod tests;
