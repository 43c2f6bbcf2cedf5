//! What a line says of an item by what is withheld: the item, the header, both, or neither.

use std::sync::Arc;

use domain::{Channel, Envelope, StreamName};
use eventlog::{CommitDraft, EventDraft, EventLog, HeaderDraft, MemoryLog, SimulatedClock};

use super::*;

/// A commit with one event, as it stands in a log.
async fn commit(header: Visibility, item: Visibility) -> Commit {
    let now: Instant = "2024-07-01T00:00:00Z".parse().expect("an instant");
    let log = MemoryLog::new(Uuid::from_u128(1), Arc::new(SimulatedClock::new(now)));
    let mut envelope = Envelope::at(now);
    envelope.visibility = item;
    let draft = CommitDraft {
        header: HeaderDraft {
            command_id: Uuid::from_u128(2),
            fingerprint: [0; 32],
            principal: Uuid::from_u128(3),
            acting_for: None,
            role: None,
            channel: Channel::Reaction,
            cause: Some(77),
            correlation: None,
            policy_sets: vec!["pilot/1".to_owned()],
            visibility: header,
        },
        expected: Vec::new(),
        events: vec![EventDraft {
            stream: StreamName::new("account", 4),
            type_name: "AwardGranted".into(),
            schema_version: 1,
            envelope,
            payload: b"{\"granted\":50}".to_vec(),
        }],
        seed: [7; 16],
        not_before: None,
    };
    log.append(draft).await.expect("appended");
    let mut commits = log.read(1, 1);
    commits.next().expect("one").expect("readable")
}

async fn line(header: Visibility, item: Visibility, reveal: bool) -> Value {
    let commit = commit(header, item).await;
    let mut out = Vec::new();
    print(&mut out, &commit, &commit.events[0], reveal).expect("printed");
    serde_json::from_slice(&out).expect("JSON")
}

#[tokio::test]
async fn a_withheld_item_is_its_position_and_hash_whatever_its_header() {
    for header in [Visibility::Open, Visibility::Withheld] {
        let shown = line(header, Visibility::Withheld, false).await;
        let members: Vec<_> = shown.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["hash", "position"]);
        assert_eq!(shown["position"], 1);
    }
}

#[tokio::test]
async fn an_open_item_under_a_withheld_header_does_not_say_who_how_and_why() {
    let whole = line(Visibility::Open, Visibility::Open, false).await;
    let shown = line(Visibility::Withheld, Visibility::Open, false).await;
    let mut expected = whole.clone();
    for name in ["principal", "channel", "command_id", "cause", "policy_sets"] {
        assert_ne!(whole[name], Value::Null, "{name}");
        expected[name] = Value::Null;
    }
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn what_is_revealed_is_shown_whole() {
    let whole = line(Visibility::Open, Visibility::Open, true).await;
    let revealed = line(Visibility::Withheld, Visibility::Withheld, true).await;
    assert_eq!(revealed, whole);
}

#[tokio::test]
async fn an_event_of_an_account_shows_no_version_unless_revealed() {
    let mut whole = line(Visibility::Open, Visibility::Open, true).await;
    let shown = line(Visibility::Open, Visibility::Open, false).await;
    assert_eq!(whole["version"], 1);
    whole["version"] = Value::Null;
    assert_eq!(shown, whole);
}
