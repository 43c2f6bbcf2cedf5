//! What must hold of a chunk's decoder for any bytes. Owns the checks of one chunk; see
//! `crate::fuzzing`.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::index::chunk::{CHUNK_FORMAT_VERSION, Chunk, HASHED_BYTES, HEAD_BYTES, MAGIC};
use crate::index::key::StreamKey;
use crate::index::pages::EntryReader;

/// Opens and asks the chunk that these bytes are, if they are one.
pub(crate) fn check_bytes(bytes: &[u8]) {
    let Ok(chunk) = Chunk::of_bytes(Bytes::copy_from_slice(bytes)) else {
        return;
    };
    assert!(chunk.first <= chunk.last && chunk.bytes() == bytes.len() as u64);
    let mut reader = EntryReader::at(&chunk, 0, 0);
    while let Ok(Some(entry)) = reader.next() {
        assert!(entry.first_version > 0 && !entry.positions.is_empty());
        let range = chunk.first..=chunk.last;
        assert!(
            entry
                .positions
                .iter()
                .all(|position| range.contains(position))
        );
    }
    for page in chunk.pages().iter().take(8) {
        let key = StreamKey::of_digest(page.digest);
        let _ = chunk.may_hold(key);
        let _ = chunk.version(key);
        let found = chunk.positions(key, page.first_version, 9).ok().flatten();
        assert!(found.is_none_or(|found| found.positions.len() <= 9));
    }
}

/// The same bytes with magic, version, length and checksum of the table set right.
pub(crate) fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    sealed_as(bytes, CHUNK_FORMAT_VERSION)
}

/// The same in a format version of choice.
pub(crate) fn sealed_as(bytes: &[u8], version: u16) -> Option<Vec<u8>> {
    let mut sealed = bytes.to_vec();
    let rest = sealed.len().checked_sub(HEAD_BYTES)? as u64;
    sealed[..8].copy_from_slice(MAGIC);
    sealed[8..10].copy_from_slice(&version.to_le_bytes());
    let meta = u64::from_le_bytes(*sealed[64..].first_chunk()?).min(rest);
    sealed[64..72].copy_from_slice(&meta.to_le_bytes());
    sealed[72..80].copy_from_slice(&(rest - meta).to_le_bytes());
    let end = HEAD_BYTES + usize::try_from(meta).ok()?;
    let digest = Sha256::new()
        .chain_update(&sealed[..HASHED_BYTES])
        .chain_update(&sealed[HEAD_BYTES..end])
        .finalize();
    sealed[HASHED_BYTES..HEAD_BYTES].copy_from_slice(&digest);
    Some(sealed)
}
