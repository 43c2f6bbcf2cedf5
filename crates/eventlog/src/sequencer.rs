//! The one place that numbers commits. Owns positions, versions, the recorded time and the tree at
//! the end of the log; never stores anything. Every backend appends through it, which is why the
//! root depends on no backend.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{Instant, StreamName};
use uuid::Uuid;

use crate::clock::{Clock, WatchedClock};
use crate::commit::{Head, Receipt};
use crate::gather::Gathering;
use crate::log::{AppendError, ReadError};
use crate::merkle::CompactRange;
use crate::prepare::{self, Events, Prepared};
use crate::record::{self, Numbers};
use crate::stream_index::StreamKey;

/// Where a log ends: all that is needed to go on with it.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) log_id: Uuid,
    pub(crate) epoch: u32,
    /// The last position.
    pub(crate) position: u64,
    pub(crate) recorded_at: Option<Instant>,
    /// Its size is the number of commits.
    pub(crate) tree: CompactRange,
}

impl End {
    /// The end of a log without commits.
    pub(crate) fn of_empty(log_id: Uuid, epoch: u32) -> Self {
        Self {
            log_id,
            epoch,
            position: 0,
            recorded_at: None,
            tree: CompactRange::new(),
        }
    }

    /// As it is shown.
    pub(crate) fn head(&self) -> Head {
        Head {
            epoch: self.epoch,
            position: self.position,
            commits: self.tree.size(),
            root: self.tree.root(),
            recorded_at: self.recorded_at,
            poisoned: None,
        }
    }
}

/// Gives commits their numbers, in order.
pub(crate) struct Sequencer {
    end: End,
    clock: WatchedClock,
    /// Versions of streams written since the last [`Sequencer::settle`].
    unsettled: HashMap<StreamKey, u64, foldhash::fast::RandomState>,
    /// Of the commit at hand: the versions of its streams, and their places in the receipt.
    versions: Vec<u64>,
    places: Vec<Option<usize>>,
    header_item: Vec<u8>,
}

impl Sequencer {
    pub(crate) fn new(end: End, clock: Arc<dyn Clock>) -> Self {
        Self {
            end,
            clock: WatchedClock::new(clock),
            unsettled: HashMap::default(),
            versions: Vec::new(),
            places: Vec::new(),
            header_item: Vec::new(),
        }
    }

    /// The end including what is not settled yet.
    pub(crate) fn end(&self) -> &End {
        &self.end
    }

    /// Everything sequenced so far stands in the index that `version_of` asks.
    pub(crate) fn settle(&mut self) {
        self.unsettled.clear();
    }

    /// Numbers a commit and puts its record into `gathering`. Refused, it leaves no trace.
    pub(crate) fn sequence(
        &mut self,
        prepared: &Prepared,
        version_of: impl Fn(StreamKey) -> Result<u64, ReadError>,
        gathering: &mut Gathering,
    ) -> Result<Receipt, AppendError> {
        self.find_versions(prepared, version_of)?;
        let now = self.clock.now(prepared.not_before);
        let now = now.map_err(|jumped| AppendError::ClockJumped {
            seconds: jumped.seconds,
        })?;
        let recorded_at = self.end.recorded_at.map_or(now, |last| last.max(now));
        let numbers = Numbers {
            log_id: self.end.log_id,
            epoch: self.end.epoch,
            commit_number: self.end.tree.size(),
            first_position: self.end.position + 1,
            event_count: u32::try_from(prepared.stream_of_event.len()).unwrap_or(u32::MAX),
            recorded_at,
        };

        let late;
        let events = match &prepared.events {
            Events::Encoded(events) => events,
            Events::Drafts(drafts) => {
                let mut versions = self.versions.clone();
                let places = &prepared.stream_of_event;
                late = prepare::encode(drafts, prepared.seed, places, &mut versions);
                &late
            }
        };
        self.header_item.clear();
        record::put_header(&mut self.header_item, &prepared.header, &numbers);
        let leaf = record::leaf_of_parts(prepared.header_salt, &self.header_item, events);
        let length = record::record_bytes(&self.header_item, events);
        let payload = gathering.record(&numbers, length);
        record::put_record(payload, prepared.seed, &self.header_item, events);

        let stream_versions = self.take_versions(prepared, numbers.first_position, gathering);
        self.end.tree.append(leaf, |_, _, _| ());
        self.end.position += u64::from(numbers.event_count);
        self.end.recorded_at = Some(recorded_at);
        Ok(Receipt {
            epoch: numbers.epoch,
            position: self.end.position,
            commit_number: numbers.commit_number,
            commit_hash: leaf,
            stream_versions,
            recorded_at,
            replayed: false,
        })
    }

    /// Finds the version of every stream of a commit; refuses if one that was read has moved.
    fn find_versions(
        &mut self,
        prepared: &Prepared,
        version_of: impl Fn(StreamKey) -> Result<u64, ReadError>,
    ) -> Result<(), AppendError> {
        self.versions.clear();
        for stream in &prepared.streams {
            let actual = match self.unsettled.get(&stream.key) {
                Some(version) => *version,
                None => version_of(stream.key)
                    .map_err(|error| AppendError::Unreadable(error.to_string()))?,
            };
            if let Some(expected) = stream.expected
                && actual != expected
            {
                return Err(AppendError::Conflict {
                    stream: stream.name.clone(),
                    expected,
                    actual,
                });
            }
            self.versions.push(actual);
        }
        Ok(())
    }

    /// Moves the versions on, one for each event; answers those of the streams that were written,
    /// in the order of their first event.
    fn take_versions(
        &mut self,
        prepared: &Prepared,
        first_position: u64,
        gathering: &mut Gathering,
    ) -> Vec<(StreamName, u64)> {
        self.places.clear();
        self.places.resize(prepared.streams.len(), None);
        let mut written: Vec<(StreamName, u64)> = Vec::with_capacity(1);
        for (place, position) in prepared.stream_of_event.iter().zip(first_position..) {
            let place = *place as usize;
            let stream = &prepared.streams[place];
            let version = &mut self.versions[place];
            *version += 1;
            gathering.entry(stream.key, *version, position);
            if let Some(known) = self.places[place] {
                written[known].1 = *version;
            } else {
                self.places[place] = Some(written.len());
                written.push((stream.name.clone(), *version));
            }
        }
        for (stream, version) in prepared.streams.iter().zip(&self.versions) {
            self.unsettled.insert(stream.key, *version);
        }
        written
    }
}
