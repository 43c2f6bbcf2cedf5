//! The named bounds of the log. Owns numbers only.

/// Longest commit record, in bytes before compression, counted with the widest numbers.
pub const RECORD_BYTES_MAX: usize = 128 * 1024;

/// Most events in one commit.
pub const EVENTS_PER_COMMIT_MAX: usize = 1_024;

/// Most streams that one commit may expect a version of.
pub const STREAMS_PER_COMMIT_MAX: usize = 1_024;

/// Longest name of an event type, in bytes.
pub const TYPE_NAME_BYTES_MAX: usize = 100;

/// Longest name of a role, in bytes.
pub const ROLE_BYTES_MAX: usize = 100;

/// Most policy sets that one commit may name.
pub const POLICY_SETS_MAX: usize = 64;

/// Longest name of a policy set, in bytes.
pub const POLICY_SET_BYTES_MAX: usize = 200;

/// Most commits that wait for the writer; the next one is refused as overload.
pub const QUEUE_COMMITS_MAX: usize = 4_096;

/// Most bytes of commits that wait for the writer; the next one is refused as overload.
pub const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Most commits that are made durable together.
pub const GROUP_COMMITS_MAX: usize = 1_024;

/// Most bytes of commits that are made durable together, before compression.
pub const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of records, before compression, after which a group goes on in another block: a reader of
/// one stream unpacks whole blocks.
pub const BLOCK_PAYLOAD_TARGET_BYTES: usize = 64 * 1024;

/// Most events that one reading of a stream gives, whatever was asked for.
pub const STREAM_READ_EVENTS_MAX: usize = 100_000;

/// Bytes of decoded blocks kept for reading streams.
pub const BLOCK_CACHE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most commits that one step of a subscription gives.
pub const SUBSCRIPTION_COMMITS_MAX: usize = 256;

/// Bytes of records after which one step of a subscription ends.
pub const SUBSCRIPTION_BYTES_MAX: usize = 1024 * 1024;
