//! What can be done for a commit before it has its numbers: checking its bounds, finding its
//! streams, encoding and hashing its events. Owns the work of the appender's own thread, so that the
//! one writer has less to do; never knows where the log ends.

use std::collections::HashMap;

use domain::StreamName;

use crate::commit::{CommitDraft, EventDraft, HeaderDraft};
use crate::limits::{
    EVENTS_PER_COMMIT_MAX, POLICY_SET_BYTES_MAX, POLICY_SETS_MAX, RECORD_BYTES_MAX, ROLE_BYTES_MAX,
    STREAMS_PER_COMMIT_MAX, TYPE_NAME_BYTES_MAX,
};
use crate::log::AppendError;
use crate::record::{self, EncodedEvents};
use crate::stream_index::StreamKey;

/// Up to so many streams of a commit are looked for one by one; beyond, through a map.
const FEW_STREAMS: usize = 16;

/// A stream that a commit reads or writes.
pub(crate) struct Touched {
    pub(crate) key: StreamKey,
    pub(crate) name: StreamName,
    /// The version it was read at, if it was.
    pub(crate) expected: Option<u64>,
}

/// The events of a commit.
pub(crate) enum Events {
    /// Every stream was read, so that the versions follow from the draft alone.
    Encoded(EncodedEvents),
    /// A stream is written without having been read: its version is the writer's to find.
    Drafts(Vec<EventDraft>),
}

/// A commit as the writer takes it.
pub(crate) struct Prepared {
    pub(crate) header: HeaderDraft,
    pub(crate) seed: [u8; 16],
    /// The salt of the header item.
    pub(crate) header_salt: [u8; 16],
    pub(crate) not_before: Option<domain::Instant>,
    /// Each stream once: those that were read in the order of the draft, then the others.
    pub(crate) streams: Vec<Touched>,
    /// For each event the place of its stream in `streams`.
    pub(crate) stream_of_event: Vec<u32>,
    pub(crate) events: Events,
    /// The most bytes the record can take.
    pub(crate) bytes: usize,
}

/// Checks a draft against the bounds that do not depend on the log, and does for it what can be
/// done ahead.
pub(crate) fn prepare(draft: CommitDraft) -> Result<Prepared, AppendError> {
    let bytes = check_bounds(&draft)?;
    let mut streams = Streams::with_capacity(draft.expected.len());
    for (name, expected) in &draft.expected {
        let (_, new) = streams.place(name, Some(*expected));
        if !new {
            return Err(AppendError::Malformed("a stream is expected twice"));
        }
    }
    let places = draft
        .events
        .iter()
        .map(|event| streams.place(&event.stream, None).0);
    let stream_of_event: Vec<u32> = places.collect();
    let streams = streams.list;
    let events = if streams.iter().all(|stream| stream.expected.is_some()) {
        let mut versions: Vec<u64> = streams
            .iter()
            .filter_map(|stream| stream.expected)
            .collect();
        Events::Encoded(encode(
            &draft.events,
            draft.seed,
            &stream_of_event,
            &mut versions,
        ))
    } else {
        Events::Drafts(draft.events)
    };
    Ok(Prepared {
        header: draft.header,
        seed: draft.seed,
        header_salt: record::salt(draft.seed, 0),
        not_before: draft.not_before,
        streams,
        stream_of_event,
        events,
        bytes,
    })
}

/// Encodes events whose streams stand at `versions`, which move on.
pub(crate) fn encode(
    events: &[EventDraft],
    seed: [u8; 16],
    stream_of_event: &[u32],
    versions: &mut [u64],
) -> EncodedEvents {
    let with_versions = events.iter().zip(stream_of_event).map(|(event, place)| {
        let version = versions.get_mut(*place as usize).map_or(1, |version| {
            *version = version.saturating_add(1);
            *version
        });
        (event, version)
    });
    record::encode_events(seed, with_versions)
}

/// The streams of a commit, each once.
struct Streams {
    list: Vec<Touched>,
    /// Places by key, once there are more than a few.
    places: HashMap<StreamKey, u32>,
}

impl Streams {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            list: Vec::with_capacity(capacity.max(1)),
            places: HashMap::new(),
        }
    }

    /// The place of a stream, and whether it is new.
    fn place(&mut self, name: &StreamName, expected: Option<u64>) -> (u32, bool) {
        if self.list.len() <= FEW_STREAMS
            && let Some(place) = self.list.iter().position(|known| known.name == *name)
        {
            return (u32::try_from(place).unwrap_or(u32::MAX), false);
        }
        let key = StreamKey::of(name);
        if self.list.len() > FEW_STREAMS {
            if self.places.is_empty() {
                let known = self.list.iter().zip(0..);
                self.places = known.map(|(stream, place)| (stream.key, place)).collect();
            }
            if let Some(place) = self.places.get(&key) {
                return (*place, false);
            }
        }
        let place = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        if !self.places.is_empty() {
            self.places.insert(key, place);
        }
        self.list.push(Touched {
            key,
            name: name.clone(),
            expected,
        });
        (place, true)
    }
}

/// Checks a draft against the bounds that do not depend on the log, before it waits in a queue.
/// Answers the most bytes its record can take.
fn check_bounds(draft: &CommitDraft) -> Result<usize, AppendError> {
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
