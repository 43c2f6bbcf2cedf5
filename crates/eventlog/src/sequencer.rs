//! The one place that numbers commits. Owns positions, versions, the recorded time and the tree at
//! the end of the log; never stores anything. Every backend appends through it, which is why the
//! root depends on no backend.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{Instant, StreamName};
use uuid::Uuid;

use crate::clock::{Clock, WatchedClock};
use crate::commit::{CommitDraft, CommitHeader, Head, Receipt};
use crate::index::StreamKey;
use crate::limits::{
    EVENTS_PER_COMMIT_MAX, POLICY_SET_BYTES_MAX, POLICY_SETS_MAX, RECORD_BYTES_MAX, ROLE_BYTES_MAX,
    STREAMS_PER_COMMIT_MAX, TYPE_NAME_BYTES_MAX,
};
use crate::log::{AppendError, ReadError};
use crate::merkle::CompactRange;
use crate::record;

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

/// A commit that has its numbers and is not stored yet.
pub(crate) struct Sequenced {
    pub(crate) record: Vec<u8>,
    pub(crate) first_position: u64,
    /// Key, version and position of each event.
    pub(crate) entries: Vec<(StreamKey, u64, u64)>,
    pub(crate) commit_number: u64,
}

/// Gives commits their numbers, in order.
pub(crate) struct Sequencer {
    end: End,
    clock: WatchedClock,
    /// Versions of streams written since the last [`Sequencer::settle`].
    unsettled: HashMap<StreamKey, u64>,
}

impl Sequencer {
    pub(crate) fn new(end: End, clock: Arc<dyn Clock>) -> Self {
        Self {
            end,
            clock: WatchedClock::new(clock),
            unsettled: HashMap::new(),
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

    /// Numbers a commit. Refused, it leaves no trace.
    pub(crate) fn sequence(
        &mut self,
        draft: &CommitDraft,
        version_of: impl Fn(StreamKey) -> Result<u64, ReadError>,
    ) -> Result<(Sequenced, Receipt), AppendError> {
        let mut versions = self.expected_versions(draft, &version_of)?;
        let now = self
            .clock
            .now(draft.not_before)
            .map_err(|jumped| AppendError::ClockJumped {
                seconds: jumped.seconds,
            })?;
        let recorded_at = self.end.recorded_at.map_or(now, |last| last.max(now));
        let first_position = self.end.position + 1;

        let mut entries = Vec::with_capacity(draft.events.len());
        let mut stream_versions: Vec<(StreamName, u64)> = Vec::new();
        for (event, position) in draft.events.iter().zip(first_position..) {
            let key = StreamKey::of(&event.stream);
            let (version, place) = match versions.get_mut(&key) {
                Some(known) => known,
                None => versions
                    .entry(key)
                    .or_insert((self.version(key, &version_of)?, None)),
            };
            *version += 1;
            entries.push((key, *version, position));
            let place = *place.get_or_insert_with(|| {
                stream_versions.push((event.stream.clone(), 0));
                stream_versions.len() - 1
            });
            stream_versions[place].1 = *version;
        }

        let header = self.header(draft, first_position, recorded_at);
        let with_versions = draft
            .events
            .iter()
            .zip(entries.iter().map(|(_, version, _)| *version));
        let encoded = record::encode(&header, draft.seed, with_versions);
        self.end.tree.append(encoded.leaf, |_, _, _| ());
        self.end.position = header.last_position();
        self.end.recorded_at = Some(recorded_at);
        self.unsettled
            .extend(entries.iter().map(|(key, version, _)| (*key, *version)));
        let receipt = Receipt {
            epoch: header.epoch,
            position: self.end.position,
            commit_number: header.commit_number,
            commit_hash: encoded.leaf,
            stream_versions,
            recorded_at,
            replayed: false,
        };
        let sequenced = Sequenced {
            record: encoded.bytes,
            first_position,
            commit_number: header.commit_number,
            entries,
        };
        Ok((sequenced, receipt))
    }

    fn header(
        &self,
        draft: &CommitDraft,
        first_position: u64,
        recorded_at: Instant,
    ) -> CommitHeader {
        let told = draft.header.clone();
        CommitHeader {
            format_version: record::RECORD_FORMAT_VERSION,
            log_id: self.end.log_id,
            epoch: self.end.epoch,
            commit_number: self.end.tree.size(),
            first_position,
            event_count: u32::try_from(draft.events.len()).unwrap_or(u32::MAX),
            command_id: told.command_id,
            fingerprint: told.fingerprint,
            recorded_at,
            principal: told.principal,
            acting_for: told.acting_for,
            role: told.role,
            channel: told.channel,
            cause: told.cause,
            correlation: told.correlation,
            policy_sets: told.policy_sets,
            visibility: told.visibility,
        }
    }

    fn version(
        &self,
        key: StreamKey,
        version_of: impl Fn(StreamKey) -> Result<u64, ReadError>,
    ) -> Result<u64, AppendError> {
        match self.unsettled.get(&key) {
            Some(version) => Ok(*version),
            None => version_of(key).map_err(|error| AppendError::Unreadable(error.to_string())),
        }
    }

    /// The versions of the streams that were read, all as expected, with room for the place of the
    /// stream in the receipt.
    fn expected_versions(
        &self,
        draft: &CommitDraft,
        version_of: impl Fn(StreamKey) -> Result<u64, ReadError>,
    ) -> Result<HashMap<StreamKey, (u64, Option<usize>)>, AppendError> {
        let mut versions = HashMap::with_capacity(draft.expected.len());
        for (stream, expected) in &draft.expected {
            let key = StreamKey::of(stream);
            let actual = self.version(key, &version_of)?;
            if actual != *expected {
                let (stream, expected) = (stream.clone(), *expected);
                return Err(AppendError::Conflict {
                    stream,
                    expected,
                    actual,
                });
            }
            if versions.insert(key, (actual, None)).is_some() {
                return Err(AppendError::Malformed("a stream is expected twice"));
            }
        }
        Ok(versions)
    }
}

/// Checks a draft against the bounds that do not depend on the log, before it waits in a queue.
/// Answers the most bytes its record can take.
pub(crate) fn check_bounds(draft: &CommitDraft) -> Result<usize, AppendError> {
    if draft.events.is_empty() {
        return Err(AppendError::Malformed("no events"));
    }
    within(
        "events of a commit",
        draft.events.len(),
        EVENTS_PER_COMMIT_MAX,
    )?;
    within(
        "streams of a commit",
        draft.expected.len(),
        STREAMS_PER_COMMIT_MAX,
    )?;
    let header = &draft.header;
    within(
        "bytes of a role",
        header.role.as_ref().map_or(0, String::len),
        ROLE_BYTES_MAX,
    )?;
    within(
        "policy sets of a commit",
        header.policy_sets.len(),
        POLICY_SETS_MAX,
    )?;
    for name in &header.policy_sets {
        within(
            "bytes of a policy set's name",
            name.len(),
            POLICY_SET_BYTES_MAX,
        )?;
    }
    for event in &draft.events {
        if event.type_name.is_empty() {
            return Err(AppendError::Malformed("an event without a type name"));
        }
        within(
            "bytes of a type name",
            event.type_name.len(),
            TYPE_NAME_BYTES_MAX,
        )?;
    }
    let bound = record::record_bytes_bound(draft);
    within("bytes of a commit record", bound, RECORD_BYTES_MAX)?;
    Ok(bound)
}

fn within(what: &'static str, actual: usize, max: usize) -> Result<(), AppendError> {
    if actual > max {
        Err(AppendError::TooLarge { what, actual, max })
    } else {
        Ok(())
    }
}
