//! No aggregate's `evolve` panics, whatever history it is given: events in any order, at any place
//! and time, of whichever thing, and those of other aggregates among them.

use proptest::prelude::*;
use serde_json::Value;

use crate::aggregates::{CATEGORIES, Event, evolve};
use crate::testing::any_history;

/// One event of each type of every aggregate with its category, from the goldens.
fn one_of_each() -> Vec<(String, Event)> {
    let lines = include_str!("../golden/events.jsonl").lines();
    let event = |line| {
        let line: Value = serde_json::from_str(line).expect("a golden line is JSON");
        let text = |name: &str| line[name].as_str().expect("a text").to_owned();
        let payload = serde_json::to_vec(&line["payload"]).expect("JSON");
        let category = text("category");
        let event = Event::decode(&category, &text("type"), &payload).expect("a golden event");
        (category, event)
    };
    lines.map(event).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_its_own_events_is_borne_by_every_aggregate(
        histories in CATEGORIES
            .iter()
            .map(|category| {
                let all = one_of_each().into_iter();
                any_history(all.filter(|(of, _)| of == category).collect())
            })
            .collect::<Vec<_>>()
    ) {
        for (category, history) in CATEGORIES.iter().zip(&histories) {
            let events = history.iter().map(|((_, event), stamp)| (event, *stamp));
            prop_assert!(evolve(category, None, events).is_some(), "{}", category);
        }
    }

    #[test]
    fn any_order_of_events_of_all_aggregates_is_borne_by_every_one(
        history in any_history(one_of_each())
    ) {
        for category in CATEGORIES {
            let events = history.iter().map(|((_, event), stamp)| (event, *stamp));
            prop_assert!(evolve(category, None, events).is_some(), "{}", category);
        }
    }
}
