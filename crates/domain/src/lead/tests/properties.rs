//! What holds in every history: evolve bears any order, and a matter is told first only once.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::testing::any_history;

/// One event of each type, from the goldens; of whichever lead.
fn one_of_each() -> Vec<Event> {
    let golden = include_str!("../../../golden/events.jsonl");
    let lines = golden
        .lines()
        .map(|line| -> Value { serde_json::from_str(line).expect("a golden line is JSON") });
    let mine = lines.filter(|line| line["category"] == "lead");
    mine.map(|line| {
        let name = line["type"].as_str().expect("a text");
        let payload = serde_json::to_vec(&line["payload"]).expect("JSON");
        crate::encoding::decode(name, &payload).expect("a golden event")
    })
    .collect()
}

/// Three leads, two matters, two officers.
fn moves() -> Vec<(u128, Command)> {
    let mut moves = Vec::new();
    for lead in [700, 702, 703] {
        moves.extend([
            (3, submit(lead)),
            (2, triage(lead)),
            (7, triage(lead)),
            (2, validate(lead, 901)),
            (2, validate(lead, 902)),
            (7, validate(lead, 901)),
            (2, reject(lead)),
            (2, transfer(lead)),
            (2, outcome(lead)),
            (2, archive(lead)),
            (7, archive(lead)),
        ]);
    }
    moves
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_order_of_events_of_any_lead_is_borne(history in any_history(one_of_each())) {
        let mut lead = Lead::default();
        for (event, stamp) in &history {
            lead.evolve(event, stamp);
            prop_assert!(!(lead.state.is_open() && lead.state.is_closed()));
        }
    }
}

/// Whether the holder of a matter was submitted after another lead that was found valid about it
/// since the matter was free last.
fn told_later(history: &History, matter: MatterId, holder: Option<uuid::Uuid>) -> bool {
    let (mut valid, mut held_by) = (Vec::new(), None);
    let claim = Claim::stream(Kind::LeadMatter.key(matter));
    for (event, _) in history.events() {
        let lead = uuid::Uuid::parse_str(event.stream.key()).ok();
        match &event.event {
            crate::Event::Lead(Event::LeadValidated { matter: of, .. }) if *of == matter => {
                valid.extend(lead);
            }
            crate::Event::Lead(Event::LeadArchived { .. }) if lead == held_by => valid.clear(),
            crate::Event::Claim(crate::claim::Event::Claimed { holder })
                if event.stream == claim =>
            {
                held_by = Some(*holder);
            }
            _ => {}
        }
    }
    let submitted = |lead: uuid::Uuid| history.state::<Lead>(LeadId(lead)).submitted;
    holder.is_some_and(|holder| {
        valid
            .iter()
            .any(|lead| submitted(*lead) < submitted(holder))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_matter_is_held_by_one_lead_at_most_and_by_the_one_that_says_so(
        steps in proptest::collection::vec((proptest::sample::select(moves()), 0_i64..20), 1..60)
    ) {
        let mut history = base();
        let mut now = at("2024-03-02T09:00:00Z");
        for ((person, command), days) in steps {
            now += chrono::Duration::days(days);
            let cx = by(id(person), now);
            if history.when(command.clone(), &cx).is_ok() {
                history = history.then(command, &cx);
            }
            for matter in [900, 901, 902] {
                let matter: MatterId = id(matter);
                let holders: Vec<_> = [700, 701, 702, 703]
                    .into_iter()
                    .filter(|lead| {
                        let lead = history.state::<Lead>(id::<LeadId>(*lead));
                        lead.matter == Some(matter)
                    })
                    .map(|lead| id::<LeadId>(lead).0)
                    .collect();
                let claim = history.state::<Claim>(Kind::LeadMatter.key(matter));
                prop_assert_eq!(holders, claim.holder.into_iter().collect::<Vec<_>>());
                prop_assert!(!told_later(&history, matter, claim.holder), "the first one holds it");
            }
        }
    }
}
