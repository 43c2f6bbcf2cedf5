//! Chunks by themselves: their bytes, what they answer, what merging makes of them, and that no
//! change of their bytes goes unnoticed.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::build::{chunk_of, made_anew};
use super::chunk::Found;
use super::merge::{Unmerged, merged, prove_versions};
use super::pages::EntryReader;
use super::*;
use crate::fixture;

/// A chunk of level 0, in hexadecimal, as released.
const GOLDEN: &str = include_str!("../../golden/index_v1.hex");

fn key(name: &str) -> StreamKey {
    StreamKey::of(&fixture::stream(name))
}

/// Where a made-up log stands after a position.
fn reached(position: u64) -> Reached {
    let mut reached = Reached::nothing(fixture::log_id());
    reached.end.position = position;
    reached.end.recorded_at = Some(fixture::instant(60));
    for leaf in 0..position {
        let leaf = [u8::try_from(leaf % 251).unwrap(); 32];
        reached.end.tree.append(leaf, |_, _, _| ());
    }
    reached.group = position;
    reached.last_block = position;
    reached.place.offset = 512 + position * 400;
    reached
}

/// Events of a log: the names of their streams, in order of position.
struct Events(Vec<String>);

impl Events {
    /// The tail of the positions of a range, versions counted from the log's first event.
    fn tail(&self, range: std::ops::RangeInclusive<u64>) -> Tail {
        let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
        let mut tail = Tail::from(*range.start());
        for (name, position) in self.0.iter().zip(1..) {
            let version = versions.entry(name).or_default();
            *version += 1;
            if range.contains(&position) {
                assert!(tail.add(key(name), *version, position));
                let offset = 512 + (position - 1) * 400;
                tail.mark(position, Place { segment: 1, offset });
            }
        }
        tail
    }

    fn chunk(&self, range: std::ops::RangeInclusive<u64>) -> Arc<Chunk> {
        let bytes = chunk_of(&self.tail(range.clone()), &reached(*range.end()), 16).unwrap();
        Arc::new(Chunk::of_bytes(bytes).unwrap())
    }

    /// As many chunks as given, of equal length, over all events.
    fn chunks(&self, count: u64) -> Vec<Arc<Chunk>> {
        let length = self.0.len() as u64 / count;
        let range = |number: u64| number * length + 1..=(number + 1) * length;
        (0..count).map(|number| self.chunk(range(number))).collect()
    }
}

fn events(choices: &[u8], hot: u8) -> Events {
    let name = |choice: &u8| match *choice {
        choice if choice < hot => "clock/simulated".to_owned(),
        choice => format!("hazard/{choice:08x}-0000-7000-8000-000000000000"),
    };
    Events(choices.iter().map(name).collect())
}

/// What a fuzzer starts with.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let long: Vec<u8> = (0..=255).cycle().take(700).collect();
    let of = |choices: &[u8], hot| {
        let last = choices.len() as u64;
        let chunk = events(choices, hot).chunk(1..=last);
        chunk.in_memory().unwrap().to_vec()
    };
    vec![
        of(&[9, 1, 2, 9, 1, 1], 2),
        of(&long[..60], 0),
        of(&long, 250),
    ]
}

#[test]
fn a_released_chunk_still_opens() {
    let chunk = events(&[9, 1, 2, 9, 1, 1], 2).chunk(1..=6);
    let bytes = chunk.in_memory().unwrap();
    let golden: String = GOLDEN.split_whitespace().collect();
    assert_eq!(fixture::hex(bytes), golden);
    assert_eq!(chunk.version(key("clock/simulated")).unwrap(), Some(3));
    assert_eq!(chunk.version(key("hazard/a")).unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_chunk_answers_as_its_events_say(
        choices in prop::collection::vec(any::<u8>(), 1..3_000),
        hot in 0..=255_u8,
        from in 0..3_000_u64,
        limit in 0..1_500_usize,
    ) {
        let events = events(&choices, hot);
        let last = choices.len() as u64;
        // Something before it, so that its streams do not begin in it.
        let first = last / 3 + 1;
        let (chunk, tail) = (events.chunk(first..=last), events.tail(first..=last));
        for (digest, held) in tail.in_order() {
            let name = events.0.iter().find(|name| key(name).digest() == digest).unwrap();
            prop_assert!(chunk.may_hold(key(name)));
            prop_assert_eq!(chunk.version(key(name)).unwrap(), Some(held.last_version()));
            let edges = [0, held.first_version, held.last_version(), u64::MAX, from];
            for from in edges {
                let found = chunk.positions(key(name), from, limit).unwrap().unwrap();
                let wanted = Found {
                    from_version: held.first_version.max(from),
                    reaches_back: held.first_version <= from,
                    positions: tail.positions(key(name), from, limit),
                };
                prop_assert_eq!(found, wanted);
            }
        }
    }

    #[test]
    fn merging_gives_what_making_it_at_once_gives(
        choices in prop::collection::vec(any::<u8>(), 8..3_000),
        hot in 0..=255_u8,
    ) {
        let length = choices.len() / 4 * 4;
        let events = events(&choices[..length], hot);
        let chunks = events.chunks(4);
        let bytes = merged(&chunks).unwrap().unwrap();
        let chunk = Chunk::of_bytes(bytes.clone()).unwrap();
        prop_assert_eq!((chunk.level, chunk.first, chunk.last), (1, 1, length as u64));
        let at_once = made_anew(&events.tail(1..=length as u64), &chunk).unwrap();
        prop_assert!(bytes == at_once);
        prop_assert!(prove_versions(&chunks, &Tail::from(length as u64 + 1)).is_ok());
    }

    #[test]
    fn any_bytes_are_a_chunk_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Chunk::of_bytes(bytes.into());
    }
}

#[test]
fn any_changed_bit_is_found() {
    let choices: Vec<u8> = (0..250).collect();
    let chunk = events(&choices, 100).chunk(1..=250);
    let whole = chunk.in_memory().unwrap().to_vec();
    let read = |bytes: Vec<u8>| {
        let chunk = Chunk::of_bytes(bytes.into()).ok()?;
        let mut reader = EntryReader::at(&chunk, 0, 0);
        let mut count = 0;
        while let Some(entry) = reader.next().ok()? {
            count += entry.positions.len();
        }
        Some(count)
    };
    assert_eq!(read(whole.clone()), Some(250));
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(changed), None, "bit {bit}");
    }
    for length in 0..whole.len() {
        assert_eq!(read(whole[..length].to_vec()), None, "cut to {length}");
    }
}

#[test]
fn a_version_out_of_order_is_found_between_chunks_and_before_the_tail() {
    let choices: Vec<u8> = (0..48).map(|number| number % 5).collect();
    let events = events(&choices, 2);
    let mut chunks = events.chunks(4);
    let tail = events.tail(37..=48);
    assert!(prove_versions(&chunks[..3], &tail).is_ok());
    assert!(
        prove_versions(&chunks[..2], &tail).is_err(),
        "the tail begins too late"
    );
    assert!(
        prove_versions(&chunks[1..], &Tail::from(49)).is_err(),
        "versions begin with 1"
    );
    chunks.remove(1);
    let error = prove_versions(&chunks, &Tail::from(49)).unwrap_err();
    assert!(matches!(error, Unmerged::OutOfOrder(wrong) if wrong.position >= 25));
    assert!(merged(&chunks).is_err());
}
