//! Stored events are a promise: one golden line for each event type, that must decode for ever.
//!
//! `golden/events.jsonl` changes only in the commit that says why. From `v0.1.0` on a line is never
//! changed or removed: a new schema version gets a line of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::aggregates::{CATEGORIES, Event};

const GOLDEN: &str = include_str!("../golden/events.jsonl");

/// The sources that declare events, by category.
const SOURCES: [(&str, &str); 28] = [
    ("account", include_str!("account/event.rs")),
    ("campaign", include_str!("campaign.rs")),
    ("checkpoint", include_str!("checkpoint.rs")),
    ("claim", include_str!("claim.rs")),
    ("clock", include_str!("clock.rs")),
    ("dispute", include_str!("dispute/event.rs")),
    ("genesis", include_str!("genesis.rs")),
    ("hazard", include_str!("hazard/event.rs")),
    ("household", include_str!("household/mod.rs")),
    ("import_batch", include_str!("import_batch.rs")),
    ("lead", include_str!("lead/event.rs")),
    ("lead_source", include_str!("lead_source.rs")),
    ("member", include_str!("member/event.rs")),
    ("open_item", include_str!("open_item.rs")),
    ("patrol_shift", include_str!("patrol_shift/event.rs")),
    ("person", include_str!("person/mod.rs")),
    ("person_day", include_str!("person_day.rs")),
    ("policy_set", include_str!("policy_set.rs")),
    ("principal", include_str!("principal.rs")),
    ("projection", include_str!("projection.rs")),
    ("reaction", include_str!("reaction.rs")),
    ("redemption", include_str!("redemption/event.rs")),
    ("residence", include_str!("residence.rs")),
    ("reward_item", include_str!("reward_item/event.rs")),
    ("reward_use", include_str!("reward_use.rs")),
    ("team", include_str!("team.rs")),
    ("unit", include_str!("unit/mod.rs")),
    ("zone_plan", include_str!("zone_plan.rs")),
];

fn lines() -> Vec<(String, String, Value)> {
    let read = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("a golden line is JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (
            text(&line["category"]),
            text(&line["type"]),
            line["payload"].take(),
        )
    };
    GOLDEN.lines().map(read).collect()
}

/// The variants of an event enum, read from its source: each begins a line four blanks in.
fn declared(source: &str) -> BTreeSet<String> {
    let body = source
        .split("pub enum Event {\n")
        .nth(1)
        .expect("an event enum");
    let body = body.split("\n}\n").next().expect("its end");
    body.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .map(|line| line.split([' ', '{']).next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_golden_event_decodes_and_encodes_to_the_same() {
    for (category, type_name, payload) in lines() {
        let stored = serde_json::to_vec(&payload).expect("JSON");
        let event = Event::decode(&category, &type_name, &stored)
            .unwrap_or_else(|error| panic!("{category} {type_name}: {error}"));
        let (name, bytes) = event.encode();
        let again: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!((name, again), (type_name, payload));
    }
}

#[test]
fn every_event_type_has_exactly_one_golden_line() {
    let covered: Vec<_> = SOURCES.iter().map(|(category, _)| *category).collect();
    assert_eq!(covered, CATEGORIES, "a new aggregate is listed here too");
    for (category, source) in SOURCES {
        let golden: Vec<_> = lines()
            .into_iter()
            .filter(|(of, ..)| of == category)
            .map(|(_, type_name, _)| type_name)
            .collect();
        let unique: BTreeSet<_> = golden.iter().cloned().collect();
        assert_eq!(
            golden.len(),
            unique.len(),
            "{category}: a type stands twice"
        );
        assert_eq!(unique, declared(source), "{category}");
    }
}

#[test]
fn a_payload_of_another_type_or_with_a_field_missing_is_refused() {
    for (category, type_name, payload) in lines() {
        assert!(Event::decode(&category, "NoSuchEvent", b"{}").is_err());
        let Value::Object(members) = payload else {
            panic!("a payload is an object")
        };
        for name in members.keys() {
            let mut less = members.clone();
            // Optional fields may be missing in older events; all others must be there.
            if less.remove(name) != Some(Value::Null) {
                let bytes = serde_json::to_vec(&less).expect("JSON");
                if let Ok(event) = Event::decode(&category, &type_name, &bytes) {
                    let again: Value = serde_json::from_slice(&event.encode().1).expect("JSON");
                    assert_eq!(again[name], Value::Null, "{category} {type_name} {name}");
                }
            }
        }
    }
}
