//! The newest part of the index, in memory. Owns positions of streams from some position on;
//! never reads the log itself.

use std::collections::HashMap;

use crate::index::key::{IdRange, StreamKey};
use crate::journal::place::{Marks, Place};

/// The events of one stream, in a gapless range of positions.
#[derive(Debug)]
pub(crate) struct Events {
    /// The version of the first one.
    pub(crate) first_version: u64,
    /// Their positions, in order.
    pub(crate) positions: Vec<u64>,
}

impl Events {
    /// The version of the last one.
    pub(crate) fn last_version(&self) -> u64 {
        self.first_version + self.positions.len() as u64 - 1
    }
}

/// Streams to positions, from one position on.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The first position that it can hold.
    start: u64,
    streams: HashMap<StreamKey, Events>,
    events: u64,
    ids: IdRange,
    marks: Marks,
}

impl Tail {
    /// Nothing yet, from a position on.
    pub(crate) fn from(start: u64) -> Self {
        Self {
            start,
            streams: HashMap::new(),
            events: 0,
            ids: IdRange::EMPTY,
            marks: Marks::default(),
        }
    }

    /// The first position that it can hold.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// How many events it holds.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// The ids of its streams.
    pub(crate) fn ids(&self) -> IdRange {
        self.ids
    }

    /// Where its blocks lie.
    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// The events of a stream that it holds.
    pub(crate) fn get(&self, key: StreamKey) -> Option<&Events> {
        self.streams.get(&key)
    }

    /// All streams, in the order of their keys.
    pub(crate) fn in_order(&self) -> Vec<(u128, &Events)> {
        let streams = self.streams.iter();
        let mut streams: Vec<_> = streams
            .map(|(key, events)| (key.digest(), events))
            .collect();
        streams.sort_unstable_by_key(|(digest, _)| *digest);
        streams
    }

    /// The version of a stream, 0 if it holds nothing of it.
    pub(crate) fn version(&self, key: StreamKey) -> u64 {
        self.get(key).map_or(0, Events::last_version)
    }

    /// The positions of at most `limit` events of a stream from a version on, in order.
    pub(crate) fn positions(&self, key: StreamKey, from_version: u64, limit: usize) -> Vec<u64> {
        let Some(events) = self.get(key) else {
            return Vec::new();
        };
        let skipped = from_version.saturating_sub(events.first_version);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let positions = events.positions.iter().skip(skipped).take(limit);
        positions.copied().collect()
    }

    /// Takes the next event of a stream; false if its version is not the next one, as far as can be
    /// told from what is here.
    #[must_use]
    pub(crate) fn add(&mut self, key: StreamKey, version: u64, position: u64) -> bool {
        let events = self.streams.entry(key).or_insert_with(|| Events {
            first_version: version,
            positions: Vec::new(),
        });
        let next = events.first_version + events.positions.len() as u64;
        let first = events.positions.is_empty();
        events.positions.push(position);
        self.ids.add(key);
        self.events += 1;
        version == next && version > 0 && !(first && self.start == 1 && version != 1)
    }

    /// Takes where the next block lies.
    pub(crate) fn mark(&mut self, first_position: u64, place: Place) {
        self.marks.add(first_position, place);
    }
}
