//! The bytes of a commit. Owns the grammar, the salts and the leaf; never decides what is in a
//! commit.
//!
//! ```text
//! record      := seed:16 item{1 + event_count}        at most RECORD_BYTES_MAX bytes
//! item        := length:number bytes                  the bytes are a header, then events
//!
//! header      := format:1 (= 1) log_id:16 epoch:number commit_number:number
//!                first_position:number event_count:number command_id:16 fingerprint:32
//!                recorded_at:instant principal:16 acting_for:option(16) role:option(text)
//!                channel:1 cause:option(number) correlation:option(16)
//!                policy_sets:count text{count} visibility:1 extensions
//! event       := stream:text version:number type_name:text schema_version:number
//!                unit:option(16) occurred_at:instant device_at:option(instant)
//!                sent_at:option(instant) trust:1 visibility:1 evidence:count 32{count}
//!                subject_keys:count 16{count} payload:bytes extensions
//! extensions  := count (number bytes){count}          numbers rise; a reader skips what it does
//!                                                     not know
//!
//! number      := LEB128, in its shortest form         count is a number
//! instant     := microseconds since 1970-01-01T00:00:00Z, signed, zigzag, as a number
//! option(x)   := 0 | 1 x
//! text, bytes := length:number, then that many bytes (text: UTF-8)
//! ```
//!
//! An event's position is not in its item: it is the header's first position plus its place.
//!
//! What is hashed are the items as stored. The seed is beside them, so that one item can be shown
//! with its salt while the others show only their hashes:
//!
//! ```text
//! salt      = first 16 bytes of SHA-256(seed ‖ item number: 4 bytes, big-endian, header = 0)
//! item hash = SHA-256(0x02 ‖ salt ‖ item)
//! leaf      = SHA-256(0x00 ‖ item hashes)
//! ```

use std::sync::Arc;

use bytes::Bytes;
use domain::{Channel, Envelope, Instant, StreamName, Trust, Visibility};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::instant_from_micros;
use crate::commit::{Commit, CommitDraft, CommitHeader, EventDraft, HeaderDraft, RecordedEvent};
use crate::limits::{
    EVENTS_PER_COMMIT_MAX, POLICY_SET_BYTES_MAX, POLICY_SETS_MAX, RECORD_BYTES_MAX, ROLE_BYTES_MAX,
    TYPE_NAME_BYTES_MAX,
};
use crate::varint::{Reader, Unreadable, put_bytes, put_signed, put_varint, varint_bytes};

/// The version of the grammar that is written.
pub const RECORD_FORMAT_VERSION: u8 = 1;

/// Fields of a header item that do not depend on the draft's texts, at their widest.
const HEADER_ITEM_BYTES_MAX: usize = 256;

/// Fields of an event item that do not depend on the draft's texts, at their widest.
const EVENT_ITEM_BYTES_MAX: usize = 128;

/// The most bytes the record of this draft can take, whatever numbers the log gives it.
pub fn record_bytes_bound(draft: &CommitDraft) -> usize {
    let header = &draft.header;
    let texts = header.role.as_ref().map_or(0, String::len)
        + header
            .policy_sets
            .iter()
            .map(|name| name.len() + 2)
            .sum::<usize>();
    let event = |event: &EventDraft| {
        EVENT_ITEM_BYTES_MAX
            + event.stream.as_str().len()
            + event.type_name.len()
            + event.envelope.evidence.len() * 32
            + event.envelope.subject_keys.len() * 16
            + event.payload.len()
    };
    16 + HEADER_ITEM_BYTES_MAX + texts + draft.events.iter().map(event).sum::<usize>()
}

/// The event items of a record, and what its leaf needs of them.
#[derive(Debug, Default)]
pub(crate) struct EncodedEvents {
    /// The items, each behind its length.
    pub(crate) items: Vec<u8>,
    /// The hash of each.
    pub(crate) hashes: Vec<[u8; 32]>,
}

/// Encodes the events of a commit, each with the version it gets in its stream.
pub(crate) fn encode_events<'a>(
    seed: [u8; 16],
    events: impl ExactSizeIterator<Item = (&'a EventDraft, u64)>,
) -> EncodedEvents {
    let mut encoded = EncodedEvents {
        items: Vec::new(),
        hashes: Vec::with_capacity(events.len()),
    };
    let mut item = Vec::with_capacity(512);
    for ((event, version), number) in events.zip(1..) {
        item.clear();
        put_event(&mut item, event, version);
        encoded.hashes.push(item_hash(salt(seed, number), &item));
        put_bytes(&mut encoded.items, &item);
    }
    encoded
}

/// What the log itself says of a commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) log_id: Uuid,
    pub(crate) epoch: u32,
    pub(crate) commit_number: u64,
    pub(crate) first_position: u64,
    pub(crate) event_count: u32,
    pub(crate) recorded_at: Instant,
}

/// Encodes the header of a commit.
pub(crate) fn put_header(item: &mut Vec<u8>, told: &HeaderDraft, numbers: &Numbers) {
    item.push(RECORD_FORMAT_VERSION);
    item.extend_from_slice(numbers.log_id.as_bytes());
    put_varint(item, u64::from(numbers.epoch));
    put_varint(item, numbers.commit_number);
    put_varint(item, numbers.first_position);
    put_varint(item, u64::from(numbers.event_count));
    item.extend_from_slice(told.command_id.as_bytes());
    item.extend_from_slice(&told.fingerprint);
    put_instant(item, &numbers.recorded_at);
    item.extend_from_slice(told.principal.as_bytes());
    put_option(item, told.acting_for.as_ref(), put_uuid);
    put_option(item, told.role.as_ref(), put_text);
    item.push(told.channel.number());
    put_option(item, told.cause.as_ref(), |item, cause| {
        put_varint(item, *cause);
    });
    put_option(item, told.correlation.as_ref(), put_uuid);
    put_varint(item, told.policy_sets.len() as u64);
    for name in &told.policy_sets {
        put_bytes(item, name.as_bytes());
    }
    item.push(told.visibility.number());
    put_varint(item, 0);
}

/// Bytes of the record that [`put_record`] makes of these parts.
pub(crate) fn record_bytes(header_item: &[u8], events: &EncodedEvents) -> usize {
    16 + varint_bytes(header_item.len() as u64) + header_item.len() + events.items.len()
}

/// Appends the record of a commit.
pub(crate) fn put_record(
    bytes: &mut Vec<u8>,
    seed: [u8; 16],
    header_item: &[u8],
    events: &EncodedEvents,
) {
    bytes.extend_from_slice(&seed);
    put_bytes(bytes, header_item);
    bytes.extend_from_slice(&events.items);
}

/// The leaf of the record that [`put_record`] makes of these parts; `header_salt` is the salt of
/// item 0.
pub(crate) fn leaf_of_parts(
    header_salt: [u8; 16],
    header_item: &[u8],
    events: &EncodedEvents,
) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix([0x00]);
    hasher.update(item_hash(header_salt, header_item));
    for hash in &events.hashes {
        hasher.update(hash);
    }
    hasher.finalize().into()
}

fn put_event(item: &mut Vec<u8>, event: &EventDraft, version: u64) {
    let envelope = &event.envelope;
    put_bytes(item, event.stream.as_str().as_bytes());
    put_varint(item, version);
    put_bytes(item, event.type_name.as_bytes());
    put_varint(item, u64::from(event.schema_version));
    put_option(item, envelope.unit.as_ref(), put_uuid);
    put_instant(item, &envelope.occurred_at);
    put_option(item, envelope.device_at.as_ref(), put_instant);
    put_option(item, envelope.sent_at.as_ref(), put_instant);
    item.push(envelope.trust.number());
    item.push(envelope.visibility.number());
    put_varint(item, envelope.evidence.len() as u64);
    for hash in &envelope.evidence {
        item.extend_from_slice(hash);
    }
    put_varint(item, envelope.subject_keys.len() as u64);
    for key in &envelope.subject_keys {
        put_uuid(item, key);
    }
    put_bytes(item, &event.payload);
    put_varint(item, 0);
}

fn put_uuid(item: &mut Vec<u8>, id: &Uuid) {
    item.extend_from_slice(id.as_bytes());
}

fn put_text(item: &mut Vec<u8>, text: &String) {
    put_bytes(item, text.as_bytes());
}

fn put_instant(item: &mut Vec<u8>, at: &Instant) {
    put_signed(item, at.timestamp_micros());
}

fn put_option<T>(item: &mut Vec<u8>, value: Option<&T>, put: impl FnOnce(&mut Vec<u8>, &T)) {
    match value {
        None => item.push(0),
        Some(value) => {
            item.push(1);
            put(item, value);
        }
    }
}

/// Decodes a record. Refuses any bytes that the grammar does not allow; never panics, and takes
/// no more memory than a small multiple of the record's length.
pub fn decode(record: &Bytes) -> Result<Commit, Unreadable> {
    let mut reader = Reader::new(record);
    if record.len() > RECORD_BYTES_MAX {
        return Err(reader.fault("record too long"));
    }
    reader.take(16)?;
    let header = Arc::new(reader.within(read_header)?);
    if header.event_count as usize > reader.left() {
        return Err(reader.fault("more events than bytes"));
    }
    let mut events = Vec::with_capacity(header.event_count as usize);
    for place in 0..u64::from(header.event_count) {
        let position = header.first_position + place;
        events.push(reader.within(|item| read_event(item, &header, position))?);
    }
    reader.finish()?;
    Ok(Commit {
        header,
        events,
        record: record.clone(),
    })
}

/// Decodes only the header of a record.
pub(crate) fn decode_header(record: &Bytes) -> Result<CommitHeader, Unreadable> {
    let mut reader = Reader::new(record);
    reader.take(16)?;
    reader.within(read_header)
}

/// The format version of a record that is newer than what is known. Whether the rest of it is whole
/// is for the hash of its block to say.
pub(crate) fn newer_version(record: &[u8]) -> Option<u8> {
    let record = Bytes::copy_from_slice(record);
    let mut reader = Reader::new(&record);
    reader.take(16).ok()?;
    let version = *reader.part().ok()?.first()?;
    (version > RECORD_FORMAT_VERSION).then_some(version)
}

fn read_header(item: &mut Reader<'_>) -> Result<CommitHeader, Unreadable> {
    let format_version = item.byte()?;
    if format_version != RECORD_FORMAT_VERSION {
        return Err(item.fault("unknown format version"));
    }
    let header = CommitHeader {
        format_version,
        log_id: read_uuid(item)?,
        epoch: item.number()?,
        commit_number: item.varint()?,
        first_position: item.varint()?,
        event_count: item.number()?,
        command_id: read_uuid(item)?,
        fingerprint: item.array()?,
        recorded_at: read_instant(item)?,
        principal: read_uuid(item)?,
        acting_for: item.option(read_uuid)?,
        role: item.option(|item| item.text(ROLE_BYTES_MAX).map(str::to_owned))?,
        channel: member(item, Channel::from_number)?,
        cause: item.option(Reader::varint)?,
        correlation: item.option(read_uuid)?,
        policy_sets: read_policy_sets(item)?,
        visibility: member(item, Visibility::from_number)?,
    };
    skip_extensions(item)?;
    let last_position = header
        .first_position
        .checked_add(u64::from(header.event_count));
    if header.first_position == 0 || last_position.is_none() {
        return Err(item.fault("impossible position"));
    }
    if !(1..=EVENTS_PER_COMMIT_MAX).contains(&(header.event_count as usize)) {
        return Err(item.fault("impossible number of events"));
    }
    Ok(header)
}

fn read_event(
    item: &mut Reader<'_>,
    header: &Arc<CommitHeader>,
    position: u64,
) -> Result<RecordedEvent, Unreadable> {
    let fault = item.fault("no stream name");
    let stream =
        StreamName::parse(item.text(domain::stream::STREAM_NAME_BYTES_MAX)?).map_err(|_| fault)?;
    let version = item.varint()?;
    if version == 0 {
        return Err(item.fault("impossible version"));
    }
    let event = RecordedEvent {
        header: Arc::clone(header),
        position,
        stream,
        version,
        type_name: item.text(TYPE_NAME_BYTES_MAX)?.into(),
        schema_version: item.number()?,
        envelope: Envelope {
            unit: item.option(read_uuid)?,
            occurred_at: read_instant(item)?,
            device_at: item.option(read_instant)?,
            sent_at: item.option(read_instant)?,
            trust: member(item, Trust::from_number)?,
            visibility: member(item, Visibility::from_number)?,
            evidence: read_many(item, 32, read_hash)?,
            subject_keys: read_many(item, 16, read_uuid)?,
        },
        payload: item.shared()?,
    };
    skip_extensions(item)?;
    Ok(event)
}

fn read_uuid(item: &mut Reader<'_>) -> Result<Uuid, Unreadable> {
    item.array().map(Uuid::from_bytes)
}

fn read_hash(item: &mut Reader<'_>) -> Result<[u8; 32], Unreadable> {
    item.array()
}

fn read_instant(item: &mut Reader<'_>) -> Result<Instant, Unreadable> {
    let fault = item.fault("no instant of the calendar");
    instant_from_micros(item.signed()?).ok_or(fault)
}

fn member<T>(
    item: &mut Reader<'_>,
    from_number: impl FnOnce(u8) -> Option<T>,
) -> Result<T, Unreadable> {
    let fault = item.fault("unknown member of a vocabulary");
    from_number(item.byte()?).ok_or(fault)
}

fn read_many<T>(
    item: &mut Reader<'_>,
    bytes_each: usize,
    read: impl Fn(&mut Reader<'_>) -> Result<T, Unreadable>,
) -> Result<Vec<T>, Unreadable> {
    let count = item.count(bytes_each)?;
    (0..count).map(|_| read(item)).collect()
}

fn read_policy_sets(item: &mut Reader<'_>) -> Result<Vec<String>, Unreadable> {
    let fault = item.fault("too many policy sets");
    let count = item.count(1)?;
    if count > POLICY_SETS_MAX {
        return Err(fault);
    }
    (0..count)
        .map(|_| item.text(POLICY_SET_BYTES_MAX).map(str::to_owned))
        .collect()
}

/// Skips the numbered extensions: this version knows none.
fn skip_extensions(item: &mut Reader<'_>) -> Result<(), Unreadable> {
    let count = item.count(2)?;
    let mut previous = None;
    for _ in 0..count {
        let number = item.varint()?;
        if previous.is_some_and(|previous| previous >= number) {
            return Err(item.fault("extensions out of order"));
        }
        previous = Some(number);
        item.part()?;
    }
    Ok(())
}

/// Splits a record into its seed and items, without looking into the items.
pub fn items(record: &Bytes) -> Result<([u8; 16], Vec<Bytes>), Unreadable> {
    let mut reader = Reader::new(record);
    let seed = reader.array()?;
    let mut items = Vec::new();
    while reader.left() > 0 {
        items.push(reader.shared()?);
    }
    Ok((seed, items))
}

/// The salt of an item; the header is item 0.
pub fn salt(seed: [u8; 16], item_number: u32) -> [u8; 16] {
    let digest = Sha256::new()
        .chain_update(seed)
        .chain_update(item_number.to_be_bytes())
        .finalize();
    let mut salt = [0; 16];
    salt.copy_from_slice(&digest[..16]);
    salt
}

/// The hash of an item with its salt.
pub fn item_hash(salt: [u8; 16], item: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update([0x02])
        .chain_update(salt)
        .chain_update(item)
        .finalize()
        .into()
}

/// The leaf over the hashes of a commit's items.
pub fn leaf(item_hashes: &[[u8; 32]]) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix([0x00]);
    for hash in item_hashes {
        hasher.update(hash);
    }
    hasher.finalize().into()
}

/// The leaf of a stored record; bytes after the last whole item count as one more item, so that
/// no two byte strings share a leaf.
pub(crate) fn leaf_of(record: &[u8]) -> [u8; 32] {
    let (seed, rest) = record
        .split_first_chunk::<16>()
        .map_or(([0; 16], record), |(s, r)| (*s, r));
    let shared = Bytes::copy_from_slice(rest);
    let mut reader = Reader::new(&shared);
    let mut hasher = LeafHasher::new(seed);
    while reader.left() > 0 {
        let left = reader.left();
        let Ok(item) = reader.part() else {
            hasher.item(&rest[rest.len() - left..]);
            break;
        };
        hasher.item(item);
    }
    hasher.finish()
}

/// Takes the items of a commit in order and gives its leaf.
struct LeafHasher {
    seed: [u8; 16],
    item_number: u32,
    hasher: Sha256,
}

impl LeafHasher {
    fn new(seed: [u8; 16]) -> Self {
        Self {
            seed,
            item_number: 0,
            hasher: Sha256::new_with_prefix([0x00]),
        }
    }

    fn item(&mut self, item: &[u8]) {
        self.hasher
            .update(item_hash(salt(self.seed, self.item_number), item));
        self.item_number += 1;
    }

    fn finish(self) -> [u8; 32] {
        self.hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests;
