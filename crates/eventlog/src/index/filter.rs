//! Whether a key can be in a chunk at all. Owns the filter's stored form; never reads a file.
//!
//! ```text
//! filter := seed:8 segment_length segments fingerprints:(count of 2 bytes each)
//! ```
//! `segment_length` is a power of two, `segments` how many of them a hash may start in.

use xorf::{BinaryFuse16, Descriptor, Filter as _};

use crate::varint::{Reader, Unreadable, put_varint};

/// A binary fuse filter over the first eight bytes of keys: one in 65,536 of other keys passes.
#[derive(Debug, Clone)]
pub(crate) struct Filter(BinaryFuse16);

impl Filter {
    /// Of prefixes in order. They may repeat; where none can be made, every key must be looked for.
    pub(crate) fn of(mut prefixes: Vec<u64>) -> Option<Self> {
        prefixes.dedup();
        BinaryFuse16::try_from(prefixes).ok().map(Self)
    }

    /// Whether a prefix may be among those it was made of.
    pub(crate) fn may_hold(&self, prefix: u64) -> bool {
        self.0.contains(&prefix)
    }

    /// Appends the stored form.
    pub(crate) fn put(&self, bytes: &mut Vec<u8>) {
        let told = &self.0.descriptor;
        bytes.extend_from_slice(&told.seed.to_le_bytes());
        put_varint(bytes, u64::from(told.segment_length));
        let segments = told.segment_count_length / told.segment_length.max(1);
        put_varint(bytes, u64::from(segments));
        put_varint(bytes, self.0.fingerprints.len() as u64);
        for fingerprint in &self.0.fingerprints {
            bytes.extend_from_slice(&fingerprint.to_le_bytes());
        }
    }

    /// Reads the stored form; refuses one that would look beyond its fingerprints.
    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let fault = from.fault("no filter");
        let seed = u64::from_le_bytes(from.array()?);
        let segment_length: u32 = from.number()?;
        let segments: u32 = from.number()?;
        let count = from.count(2)?;
        let fingerprints: Box<[u16]> = from
            .take(count * 2)?
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let held = u64::from(segment_length) * (u64::from(segments) + 2);
        let sound = segment_length.is_power_of_two()
            && segments > 0
            && held <= count as u64
            && u32::try_from(held).is_ok();
        if !sound {
            return Err(fault);
        }
        Ok(Self(BinaryFuse16 {
            descriptor: Descriptor {
                seed,
                segment_length,
                segment_length_mask: segment_length - 1,
                segment_count_length: segments * segment_length,
            },
            fingerprints,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_was_made_of_and_little_else() {
        for count in [1, 2, 3, 10, 1_000, 70_000_u64] {
            let spread = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut prefixes: Vec<u64> = (0..count).map(spread).collect();
            prefixes.push(prefixes[0]);
            prefixes.sort_unstable();
            let filter = Filter::of(prefixes.clone()).unwrap();
            let mut bytes = Vec::new();
            filter.put(&mut bytes);
            let stored = bytes.into();
            let mut reader = Reader::new(&stored);
            let read = Filter::read(&mut reader).unwrap();
            reader.finish().unwrap();
            assert!(prefixes.iter().all(|prefix| read.may_hold(*prefix)));
            let others = (count..count + 10_000).map(spread);
            assert!(others.filter(|other| read.may_hold(*other)).count() < 20);
        }
    }
}
