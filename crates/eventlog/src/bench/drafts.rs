//! Commits as a patrol would write them. Owns their making, which is the same for every run.

use domain::{Channel, Envelope, Instant, StreamName, Visibility};
use uuid::Uuid;

use crate::commit::{CommitDraft, EventDraft, HeaderDraft};
use crate::entropy::Entropy;

/// Streams that are written in turn.
const STREAMS: usize = 64;

/// Events after which a stream is finished and another takes its place: a hazard's life, and in
/// every eighth place that of a long one.
fn events_per_stream(place: usize) -> u64 {
    if place % 8 == 7 { 20 } else { 6 }
}

const KINDS: [&str; 4] = [
    "StreetLightOut",
    "DumpedRubbish",
    "BrokenPavement",
    "FloodedUnderpass",
];
const NOTES: [&str; 4] = [
    "seen on the evening round, lamp post beside the school gate",
    "reported by a shopkeeper, still there on the second pass",
    "blocks half of the way for prams and wheelchairs",
    "water to the ankle, warning tape put up by the team",
];

/// Makes drafts one after the other.
pub(crate) struct Drafts {
    entropy: Entropy,
    streams: Vec<(StreamName, u64)>,
    next: u64,
    start: Instant,
}

impl Drafts {
    /// Drafts that depend on the seed alone; another seed writes to other streams.
    pub(crate) fn new(seed: u64) -> Self {
        let entropy = Entropy::seeded(seed);
        let streams = (0..STREAMS).map(|_| (name(&entropy), 0)).collect();
        let start = Instant::from_timestamp_micros(1_780_000_000_000_000).unwrap_or_default();
        Self {
            entropy,
            streams,
            next: 0,
            start,
        }
    }

    /// A commit of `events` events, of `events / 16` streams if there are more than 16.
    pub(crate) fn commit(&mut self, events: usize) -> CommitDraft {
        let mut expected: Vec<(StreamName, u64)> = Vec::new();
        let mut drafts = Vec::with_capacity(events);
        for number in 0..events {
            let place = usize::try_from(self.next + number as u64 / 16).unwrap_or_default();
            let place = place % STREAMS;
            let one_of_many = events > 1;
            if self.streams[place].1 >= events_per_stream(place) && !one_of_many {
                self.streams[place] = (name(&self.entropy), 0);
            }
            let (stream, version) = &mut self.streams[place];
            if expected.last().is_none_or(|(last, _)| last != stream) {
                expected.push((stream.clone(), *version));
            }
            *version += 1;
            let stream = stream.clone();
            drafts.push(self.event(stream));
        }
        self.next += (events as u64).div_ceil(16);
        CommitDraft {
            header: HeaderDraft {
                command_id: self.entropy.uuid(),
                fingerprint: [7; 32],
                principal: Uuid::from_u128(0x51),
                acting_for: None,
                role: Some("patroller".to_owned()),
                channel: Channel::App,
                cause: None,
                correlation: None,
                policy_sets: Vec::new(),
                visibility: Visibility::Open,
            },
            expected,
            events: drafts,
            seed: self.entropy.seed(),
            not_before: None,
        }
    }

    fn event(&self, stream: StreamName) -> EventDraft {
        let mut random = [0; 12];
        self.entropy.fill(&mut random);
        let (kind, note) = (random[0] as usize % 4, random[1] as usize % 4);
        let east = 71_000_000 + i32::from(random[2]) * 1_000 + i32::from(random[3]);
        let north = 42_000_000 + i32::from(random[4]) * 1_000 + i32::from(random[5]);
        let (person, photo) = (self.entropy.uuid(), u64::from(random[6]) << 8);
        let payload = format!(
            r#"{{"hazard_reported":{{"kind":"{}","reporter":"{person}","place":{{"east_e7":-{east}0,"north_e7":{north}0,"street":"No. {} Elm Street"}},"severity":{},"note":"{}","photos":[{photo}],"evidence_given":{}}}}}"#,
            KINDS[kind],
            random[7],
            random[8] % 5,
            NOTES[note],
            random[9] % 2 == 0,
        );
        EventDraft {
            stream,
            type_name: "HazardReported".into(),
            schema_version: 1,
            envelope: Envelope {
                unit: Some(Uuid::from_u128(0x9)),
                ..Envelope::at(self.start)
            },
            payload: payload.into_bytes(),
        }
    }
}

fn name(entropy: &Entropy) -> StreamName {
    StreamName::new("hazard", entropy.uuid())
}
