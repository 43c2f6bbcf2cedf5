//! What goes into the log and what comes out of it, as values. Owns no bytes and no rules of
//! order: the layout is `record`, the numbering `sequencer`.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use domain::{Channel, Envelope, Instant, StreamName, Visibility};
use uuid::Uuid;

/// What a caller says about a commit as a whole; the log adds ids, numbers and the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderDraft {
    /// The caller's id of the command, the key of idempotency.
    pub command_id: Uuid,
    /// SHA-256 over the canonical command.
    pub fingerprint: [u8; 32],
    /// Who acted.
    pub principal: Uuid,
    /// For whom, where a system acted for a person.
    pub acting_for: Option<Uuid>,
    /// The role that was used, at most `ROLE_BYTES_MAX` bytes.
    pub role: Option<String>,
    /// Through which door it came in.
    pub channel: Channel,
    /// The position of the event that caused it, for reactions and timers.
    pub cause: Option<u64>,
    /// Ties together what belongs to one affair.
    pub correlation: Option<Uuid>,
    /// The policy sets that were used, at most `POLICY_SETS_MAX`.
    pub policy_sets: Vec<String>,
    /// Who may see the header.
    pub visibility: Visibility,
}

/// One event that is to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// The stream it belongs to.
    pub stream: StreamName,
    /// The name of its type, 1 to `TYPE_NAME_BYTES_MAX` bytes.
    pub type_name: Cow<'static, str>,
    /// The version of the payload's schema.
    pub schema_version: u16,
    /// The facts about it that every event has.
    pub envelope: Envelope,
    /// A JSON object; the log stores the bytes as they are.
    pub payload: Vec<u8>,
}

/// One decision, to be appended whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitDraft {
    /// About the commit as a whole.
    pub header: HeaderDraft,
    /// Every stream that was read to decide, with the version it had (0: it did not exist), each
    /// stream once. A stream that is written but not named here is appended to without a check.
    pub expected: Vec<(StreamName, u64)>,
    /// 1 to `EVENTS_PER_COMMIT_MAX` events, in order.
    pub events: Vec<EventDraft>,
    /// Random bytes from which the salts of the items are derived.
    pub seed: [u8; 16],
    /// The instant the decision was made at; `recorded_at` is never before it.
    pub not_before: Option<Instant>,
}

/// The header of a commit as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitHeader {
    /// The version of the record's grammar.
    pub format_version: u8,
    /// The log it belongs to.
    pub log_id: Uuid,
    /// The epoch of the log, from 1.
    pub epoch: u32,
    /// Its number in the log, from 0: the index of its leaf in the tree.
    pub commit_number: u64,
    /// The position of its first event, from 1.
    pub first_position: u64,
    /// How many events it holds, at least 1.
    pub event_count: u32,
    /// The caller's id of the command.
    pub command_id: Uuid,
    /// SHA-256 over the canonical command.
    pub fingerprint: [u8; 32],
    /// When the log took it; never falls.
    pub recorded_at: Instant,
    /// Who acted.
    pub principal: Uuid,
    /// For whom, where a system acted for a person.
    pub acting_for: Option<Uuid>,
    /// The role that was used.
    pub role: Option<String>,
    /// Through which door it came in.
    pub channel: Channel,
    /// The position of the event that caused it.
    pub cause: Option<u64>,
    /// Ties together what belongs to one affair.
    pub correlation: Option<Uuid>,
    /// The policy sets that were used.
    pub policy_sets: Vec<String>,
    /// Who may see the header.
    pub visibility: Visibility,
}

impl CommitHeader {
    /// What the caller had said of it, without what the log added.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn told(&self) -> HeaderDraft {
        HeaderDraft {
            command_id: self.command_id,
            fingerprint: self.fingerprint,
            principal: self.principal,
            acting_for: self.acting_for,
            role: self.role.clone(),
            channel: self.channel,
            cause: self.cause,
            correlation: self.correlation,
            policy_sets: self.policy_sets.clone(),
            visibility: self.visibility,
        }
    }

    /// The position of the commit's last event.
    pub fn last_position(&self) -> u64 {
        self.first_position
            .saturating_add(u64::from(self.event_count))
            .saturating_sub(1)
    }
}

/// An event as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The header of its commit.
    pub header: Arc<CommitHeader>,
    /// Its place in the log, from 1, without gaps: its id.
    pub position: u64,
    /// The stream it belongs to.
    pub stream: StreamName,
    /// Its place in its stream, from 1, without gaps.
    pub version: u64,
    /// The name of its type.
    pub type_name: Arc<str>,
    /// The version of the payload's schema.
    pub schema_version: u16,
    /// The facts about it that every event has.
    pub envelope: Envelope,
    /// A JSON object, byte for byte as it was appended.
    pub payload: Bytes,
}

/// A commit as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// About the commit as a whole.
    pub header: Arc<CommitHeader>,
    /// Its events, in order.
    pub events: Vec<RecordedEvent>,
    /// The stored record, from which proofs are made.
    pub record: Bytes,
}

impl Commit {
    /// Its leaf in the log's tree: what a receipt calls the commit hash. Computed anew.
    pub fn leaf(&self) -> [u8; 32] {
        crate::record::leaf_of(&self.record)
    }

    /// The receipt its appender was given, for the answer to a repeat.
    pub fn receipt(&self, replayed: bool) -> Receipt {
        let mut stream_versions: Vec<(StreamName, u64)> = Vec::new();
        for event in &self.events {
            match stream_versions
                .iter_mut()
                .find(|(stream, _)| *stream == event.stream)
            {
                Some((_, version)) => *version = event.version,
                None => stream_versions.push((event.stream.clone(), event.version)),
            }
        }
        Receipt {
            epoch: self.header.epoch,
            position: self.header.last_position(),
            commit_number: self.header.commit_number,
            commit_hash: self.leaf(),
            stream_versions,
            recorded_at: self.header.recorded_at,
            replayed,
        }
    }
}

/// What an appender is told once its commit is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The epoch of the log.
    pub epoch: u32,
    /// The position of the commit's last event.
    pub position: u64,
    /// The commit's number, from 0.
    pub commit_number: u64,
    /// The commit's leaf in the log's tree.
    pub commit_hash: [u8; 32],
    /// The streams it wrote, in the order of their first event, with their new versions.
    pub stream_versions: Vec<(StreamName, u64)>,
    /// When the log took it.
    pub recorded_at: Instant,
    /// Whether this answers a repeat of an earlier command.
    pub replayed: bool,
}

/// The acknowledged end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The epoch of the log, from 1.
    pub epoch: u32,
    /// The last acknowledged position: the number of events.
    pub position: u64,
    /// The number of commits: the size of the tree.
    pub commits: u64,
    /// The root of the tree over all commits.
    pub root: [u8; 32],
    /// When the last commit was recorded, if there is one.
    pub recorded_at: Option<Instant>,
    /// Why nothing is acknowledged any more, if so; reading goes on.
    pub poisoned: Option<String>,
}
