//! Drafts, ids and a clock for the tests of this crate.

use domain::{Channel, Envelope, Instant, StreamName, Visibility};
use uuid::Uuid;

use crate::clock::SimulatedClock;
use crate::commit::{CommitDraft, EventDraft, HeaderDraft};

/// The id of every test's log.
pub(crate) fn log_id() -> Uuid {
    Uuid::from_u128(0xbe11)
}

/// An instant `seconds` after an arbitrary morning.
pub(crate) fn instant(seconds: i64) -> Instant {
    Instant::from_timestamp_micros((1_780_000_000 + seconds) * 1_000_000).unwrap()
}

/// A clock at that morning.
pub(crate) fn clock() -> SimulatedClock {
    SimulatedClock::new(instant(0))
}

/// The name of a stream as written.
pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::parse(name).unwrap()
}

/// An event of a stream whose payload says `number`.
pub(crate) fn event(name: &str, number: u64) -> EventDraft {
    EventDraft {
        stream: stream(name),
        type_name: "ShiftStarted".into(),
        schema_version: 1,
        envelope: Envelope::at(instant(-60)),
        payload: format!(r#"{{"number":{number}}}"#).into_bytes(),
    }
}

/// A commit with one event for each stream, expecting the version beside it.
pub(crate) fn commit(number: u64, streams: &[(&str, u64)]) -> CommitDraft {
    let id = |kind: u128| Uuid::from_u128(kind << 64 | u128::from(number));
    CommitDraft {
        header: HeaderDraft {
            command_id: id(1),
            fingerprint: [u8::try_from(number % 251).unwrap(); 32],
            principal: id(2),
            acting_for: None,
            role: Some("officer".to_owned()),
            channel: Channel::App,
            cause: None,
            correlation: None,
            policy_sets: Vec::new(),
            visibility: Visibility::Open,
        },
        expected: streams
            .iter()
            .map(|(name, version)| (stream(name), *version))
            .collect(),
        events: streams
            .iter()
            .map(|(name, _)| event(name, number))
            .collect(),
        seed: u128::from(number).to_be_bytes(),
        not_before: None,
    }
}

/// Bytes that do not compress, the same for the same number.
pub(crate) fn noise(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
