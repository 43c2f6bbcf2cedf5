//! What a stream is called in the index. Owns the key of a stream and the range of id values that
//! lets a new id pass by old chunks; never knows a position.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use domain::StreamName;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Bytes of an id as it is written in a stream's name.
const ID_TEXT_BYTES: usize = 36;

/// Where the version stands in it.
const ID_VERSION_AT: usize = 14;

/// The first 16 bytes of SHA-256 over a stream's name: no two names are expected to share one,
/// even chosen ones, and readers still check the name of the event they find. Beside it, and no
/// part of what is compared: when the newest id in the name was made, as the id itself says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamKey {
    digest: u128,
    /// The upper half of the greatest UUID of version 7 among the parts of the name; 0 without one.
    id: u64,
}

impl StreamKey {
    /// The key of a stream.
    pub(crate) fn of(stream: &StreamName) -> Self {
        let digest = Sha256::digest(stream.as_str().as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self {
            digest: u128::from_be_bytes(bytes),
            id: newest_id(stream.key()),
        }
    }

    /// The key with a digest, of no known id.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_digest(digest: u128) -> Self {
        Self { digest, id: 0 }
    }

    /// What is compared and stored.
    pub(crate) fn digest(self) -> u128 {
        self.digest
    }

    /// What filters are asked.
    pub(crate) fn prefix(digest: u128) -> u64 {
        u64::try_from(digest >> 64).unwrap_or(u64::MAX)
    }
}

impl PartialEq for StreamKey {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for StreamKey {}

impl Hash for StreamKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl PartialOrd for StreamKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StreamKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digest.cmp(&other.digest)
    }
}

/// The upper half of the greatest UUID of version 7 among the parts between slashes, 0 without one.
fn newest_id(key: &str) -> u64 {
    let id = |part: &str| {
        let wanted = part.len() == ID_TEXT_BYTES && part.as_bytes()[ID_VERSION_AT] == b'7';
        let id = wanted.then(|| Uuid::try_parse(part).ok()).flatten()?;
        Some(id.as_u64_pair().0)
    };
    key.split('/').filter_map(id).max().unwrap_or(0)
}

/// The least and the greatest id value among some keys. Sound under any clock: it is a range of
/// what was seen, not of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdRange {
    pub(crate) least: u64,
    pub(crate) greatest: u64,
}

impl IdRange {
    /// Of no keys.
    pub(crate) const EMPTY: Self = Self {
        least: u64::MAX,
        greatest: 0,
    };

    /// Takes one more key.
    pub(crate) fn add(&mut self, key: StreamKey) {
        if key.id != 0 {
            self.least = self.least.min(key.id);
            self.greatest = self.greatest.max(key.id);
        }
    }

    /// Takes all that another range has.
    pub(crate) fn join(&mut self, other: Self) {
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
    }

    /// Whether a key can be among them.
    pub(crate) fn may_hold(&self, key: StreamKey) -> bool {
        key.id == 0 || (self.least..=self.greatest).contains(&key.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::stream;

    #[test]
    fn the_newest_id_of_a_name_counts_and_only_version_7_is_one() {
        let (old, new) = (
            "0190aaaa-0000-7000-8000-000000000001",
            "0190bbbb-0000-7000-8000-000000000000",
        );
        let of = |name: &str| StreamKey::of(&stream(name)).id;
        assert_eq!(of(&format!("hazard/{old}")), 0x0190_aaaa_0000_7000);
        assert_eq!(of(&format!("member/{new}/{old}")), 0x0190_bbbb_0000_7000);
        for other in [
            "genesis/log",
            "hazard/0190aaaa-0000-4000-8000-000000000001",
            "hazard/0190aaaa-0000-7000-8000-00000000000g",
        ] {
            assert_eq!(of(other), 0, "{other}");
        }
        let mut range = IdRange::EMPTY;
        let key = |name: &str| StreamKey::of(&stream(name));
        let (hazard, newer) = (format!("hazard/{old}"), format!("hazard/{new}"));
        assert!(!range.may_hold(key(&hazard)) && range.may_hold(key("genesis/log")));
        range.add(key(&hazard));
        range.add(key("genesis/log"));
        assert!(range.may_hold(key(&hazard)) && !range.may_hold(key(&newer)));
    }
}
