use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::fixture;

/// The record of a commit that uses every field, in hexadecimal, as released.
const GOLDEN: &str = include_str!("../../golden/record_v1.hex");

fn full_draft() -> CommitDraft {
    let mut draft = fixture::commit(3, &[("shift/a", 4), ("claim/tag/04A1", 0)]);
    draft.header.acting_for = Some(Uuid::from_u128(5));
    draft.header.channel = Channel::Reaction;
    draft.header.cause = Some(77);
    draft.header.correlation = Some(Uuid::from_u128(6));
    draft.header.policy_sets = vec!["points/2026-1".to_owned(), "timers/pilot".to_owned()];
    draft.header.visibility = Visibility::Withheld;
    let envelope = &mut draft.events[0].envelope;
    envelope.unit = Some(Uuid::from_u128(9));
    envelope.device_at = Some(fixture::instant(-61));
    envelope.sent_at = Some(fixture::instant(-1));
    envelope.trust = Trust::Scanned;
    envelope.visibility = Visibility::Withheld;
    envelope.evidence = vec![[1; 32], [2; 32]];
    envelope.subject_keys = vec![Uuid::from_u128(10)];
    draft
}

struct Encoded {
    bytes: Vec<u8>,
    leaf: [u8; 32],
}

fn encode_draft(draft: &CommitDraft, first_position: u64) -> Encoded {
    let numbers = Numbers {
        log_id: fixture::log_id(),
        epoch: 2,
        commit_number: 41,
        first_position,
        event_count: u32::try_from(draft.events.len()).unwrap(),
        recorded_at: fixture::instant(8),
    };
    let mut header = Vec::new();
    put_header(&mut header, &draft.header, &numbers);
    let versions = 5..5 + draft.events.len() as u64;
    let events: Vec<_> = draft.events.iter().zip(versions).collect();
    let events = encode_events(draft.seed, events.into_iter());
    let mut bytes = Vec::new();
    put_record(&mut bytes, draft.seed, &header, &events);
    assert_eq!(bytes.len(), record_bytes(&header, &events));
    let leaf = leaf_of_parts(salt(draft.seed, 0), &header, &events);
    Encoded { bytes, leaf }
}

/// Encodes, decodes and compares; the bound must hold and the leaf must agree.
#[track_caller]
fn check_round_trip(draft: &CommitDraft, first_position: u64) {
    let encoded = encode_draft(draft, first_position);
    assert!(encoded.bytes.len() <= record_bytes_bound(draft));
    let record = Bytes::from(encoded.bytes);
    let commit = decode(&record).unwrap();
    let told = &draft.header;
    let header = &commit.header;
    assert_eq!(decode_header(&record).as_ref(), Ok(&**header));
    assert_eq!(header.told(), *told);
    assert_eq!(
        (header.epoch, header.commit_number, header.event_count),
        (2, 41, u32::try_from(commit.events.len()).unwrap())
    );
    assert_eq!(commit.leaf(), encoded.leaf);
    for ((event, told), place) in commit.events.iter().zip(&draft.events).zip(0..) {
        assert_eq!(
            (event.position, event.version),
            (first_position + place, 5 + place)
        );
        let back = EventDraft {
            stream: event.stream.clone(),
            type_name: event.type_name.to_string().into(),
            schema_version: event.schema_version,
            envelope: event.envelope.clone(),
            payload: event.payload.to_vec(),
        };
        assert_eq!(back, *told);
    }
}

#[test]
fn a_released_record_still_decodes() {
    let encoded = encode_draft(&full_draft(), 90);
    assert_eq!(
        fixture::hex(&encoded.bytes),
        GOLDEN.split_whitespace().collect::<String>()
    );
    check_round_trip(&full_draft(), 90);
}

#[test]
fn unknown_extensions_are_skipped_and_must_rise() {
    let mut item = Vec::new();
    put_event(&mut item, &full_draft().events[0], 1);
    let with = |extensions: &[u8]| {
        let mut longer = item[..item.len() - 1].to_vec();
        longer.extend_from_slice(extensions);
        let header = Arc::new(decode_header(&encode_draft(&full_draft(), 1).bytes.into()).unwrap());
        let bytes = Bytes::from(longer);
        let mut reader = Reader::new(&bytes);
        read_event(&mut reader, &header, 1).and_then(|_| reader.finish())
    };
    assert_eq!(with(&[0]), Ok(()));
    assert_eq!(with(&[2, 1, 1, 9, 200, 1, 0]), Ok(()));
    assert!(with(&[2, 5, 0, 5, 0]).is_err());
    assert!(with(&[1, 5, 4, 0]).is_err());
    assert!(with(&[0, 0]).is_err());
}

#[test]
fn any_cut_and_any_longer_record_is_refused() {
    let record = encode_draft(&full_draft(), 1).bytes;
    for length in 0..record.len() {
        assert!(decode(&Bytes::copy_from_slice(&record[..length])).is_err());
    }
    let longer = [record.as_slice(), &[0]].concat();
    assert!(decode(&longer.into()).is_err());
}

#[test]
fn an_item_cannot_move_or_change_without_another_leaf() {
    let encoded = encode_draft(&full_draft(), 1);
    for at in 0..encoded.bytes.len() {
        let mut changed = encoded.bytes.clone();
        changed[at] ^= 1;
        assert_ne!(leaf_of(&changed), encoded.leaf, "byte {at}");
    }
}

fn instants() -> impl Strategy<Value = Instant> {
    (-60_000_000_000_000_000..200_000_000_000_000_000_i64)
        .prop_map(|micros| instant_from_micros(micros).unwrap())
}

fn ids() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn visibilities() -> impl Strategy<Value = Visibility> {
    prop_oneof![Just(Visibility::Open), Just(Visibility::Withheld)]
}

prop_compose! {
    fn events()(
        key in "[!-~]{1,40}",
        type_name in "\\PC{1,20}",
        schema_version: u16,
        unit in option::of(ids()),
        occurred_at in instants(),
        device_at in option::of(instants()),
        sent_at in option::of(instants()),
        trust in (1..=5_u8).prop_map(|number| Trust::from_number(number).unwrap()),
        visibility in visibilities(),
        evidence in vec(any::<[u8; 32]>(), 0..4),
        subject_keys in vec(ids(), 0..4),
        payload in vec(any::<u8>(), 0..300),
    ) -> EventDraft {
        EventDraft {
            stream: StreamName::parse(&format!("shift/{key}")).unwrap(),
            type_name: type_name.into(),
            schema_version,
            envelope: Envelope {
                unit, occurred_at, device_at, sent_at, trust, visibility, evidence, subject_keys,
            },
            payload,
        }
    }
}

prop_compose! {
    fn drafts()(
        command_id in ids(),
        fingerprint: [u8; 32],
        principal in ids(),
        acting_for in option::of(ids()),
        role in option::of("\\PC{0,20}"),
        channel in (1..=8_u8).prop_map(|number| Channel::from_number(number).unwrap()),
        cause in option::of(any::<u64>()),
        correlation in option::of(ids()),
        policy_sets in vec("\\PC{0,20}", 0..4),
        visibility in visibilities(),
        events in vec(events(), 1..6),
        seed: [u8; 16],
    ) -> CommitDraft {
        CommitDraft {
            header: HeaderDraft {
                command_id, fingerprint, principal, acting_for, role, channel, cause, correlation,
                policy_sets, visibility,
            },
            expected: Vec::new(),
            events,
            seed,
            not_before: None,
        }
    }
}

proptest! {
    #[test]
    fn any_record_comes_back(draft in drafts(), first_position in 1..u64::MAX / 2) {
        check_round_trip(&draft, first_position);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..600)) {
        let _ = decode(&bytes.into());
    }

    #[test]
    fn any_change_is_decoded_or_refused(
        draft in drafts(), at: prop::sample::Index, to: u8, cut: prop::sample::Index,
    ) {
        let mut bytes = encode_draft(&draft, 1).bytes;
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = decode(&Bytes::copy_from_slice(&bytes));
        bytes.truncate(cut.index(bytes.len()));
        let _ = decode(&bytes.into());
    }
}
