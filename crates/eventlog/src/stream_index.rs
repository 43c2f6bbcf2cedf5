//! Which positions a stream's events have. Owns the map in memory, a derived thing that is built
//! again whenever the log is opened; never reads the log itself.

use std::collections::HashMap;

use domain::StreamName;
use sha2::{Digest as _, Sha256};

/// The first 16 bytes of SHA-256 over a stream's name: no two names are expected to share one,
/// even chosen ones, and readers still check the name of the event they find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StreamKey(u128);

impl StreamKey {
    /// The key of a stream.
    pub(crate) fn of(stream: &StreamName) -> Self {
        let digest = Sha256::digest(stream.as_str().as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(u128::from_be_bytes(bytes))
    }
}

/// Streams to positions, in memory.
#[derive(Debug, Default)]
pub(crate) struct StreamIndex {
    positions: HashMap<StreamKey, Vec<u64>>,
}

impl StreamIndex {
    /// The version of a stream, 0 if it does not exist.
    pub(crate) fn version(&self, key: StreamKey) -> u64 {
        self.positions
            .get(&key)
            .map_or(0, |positions| positions.len() as u64)
    }

    /// The positions of at most `limit` events from a version on, in order.
    pub(crate) fn positions(&self, key: StreamKey, from_version: u64, limit: usize) -> Vec<u64> {
        let skipped = usize::try_from(from_version.saturating_sub(1)).unwrap_or(usize::MAX);
        let positions = self.positions.get(&key).map_or(&[][..], Vec::as_slice);
        positions
            .iter()
            .skip(skipped)
            .take(limit)
            .copied()
            .collect()
    }

    /// Takes the next event of a stream; false if its version is not the next one.
    #[must_use]
    pub(crate) fn add(&mut self, key: StreamKey, version: u64, position: u64) -> bool {
        let positions = self.positions.entry(key).or_default();
        let next = positions.len() as u64 + 1;
        positions.push(position);
        version == next
    }
}
