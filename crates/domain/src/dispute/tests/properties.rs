//! What holds in every history: evolve bears any order, and nothing binds without the parties.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::testing::any_history;

/// One event of each type, from the goldens; of whichever dispute.
fn one_of_each() -> Vec<Event> {
    let golden = include_str!("../../../golden/events.jsonl");
    let lines = golden
        .lines()
        .map(|line| -> Value { serde_json::from_str(line).expect("a golden line is JSON") });
    let mine = lines.filter(|line| line["category"] == "dispute");
    mine.map(|line| {
        let name = line["type"].as_str().expect("a text");
        let payload = serde_json::to_vec(&line["payload"]).expect("JSON");
        crate::encoding::decode(name, &payload).expect("a golden event")
    })
    .collect()
}

/// Who may act, and what they may try.
fn moves() -> Vec<(u128, Ask)> {
    let (five, six): (PersonId, PersonId) = (id(5), id(6));
    let paper = None;
    let hold = |session_type, parties: &[u128]| hold(session_type, parties).ask;
    vec![
        (5, Ask::GiveConsent { party: five, paper }),
        (6, Ask::GiveConsent { party: six, paper }),
        (6, Ask::RefuseConsent { party: six, paper }),
        (2, Ask::AcceptDispute),
        (2, Ask::FormPanel { panel: panel() }),
        (2, Ask::NotifyRights),
        (
            2,
            Ask::ScheduleSession {
                starts_at: at("2024-02-09T00:00:00Z"),
            },
        ),
        (2, hold(SessionType::Joint, &[5, 6])),
        (3, hold(SessionType::Persuasion, &[6])),
        (
            5,
            Ask::ChallengeMediator {
                mediator: id(3),
                party: five,
                reason: text(),
                paper,
            },
        ),
        (
            2,
            Ask::ReplaceMediator {
                mediator: id(3),
                replacement: id(4),
            },
        ),
        (2, agree(Form::Written, both_obligations()).ask),
        (2, agree(Form::Oral, vec![]).ask),
        (5, sign(5).ask),
        (6, sign(6).ask),
        (2, Ask::SignAsMediator),
        (2, Ask::SealAgreement),
        (6, perform(1).ask),
        (5, perform(2).ask),
        (5, perform(1).ask),
        (6, withdraw(6).ask),
        (2, fail().ask),
        (2, Ask::ArchiveDispute),
        (2, Ask::ReopenDispute { reason: reason() }),
        (2, Ask::VerifyHelp { person: id(3) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_order_of_events_of_any_dispute_is_borne(history in any_history(one_of_each())) {
        let mut dispute = Dispute::default();
        for (event, stamp) in &history {
            dispute.evolve(event, stamp);
            // What falls due can always be asked.
            let due = dispute.next_due(id(600));
            prop_assert!(due.is_none() || dispute.state != DisputeState::Archived);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_binds_without_each_partys_own_act(
        steps in proptest::collection::vec((proptest::sample::select(moves()), 0_u32..3), 1..60)
    ) {
        let mut history = registered();
        let mut now = at("2024-02-01T09:00:00Z");
        for ((person, what), hours) in steps {
            now += chrono::Duration::hours(i64::from(hours) * 24);
            let before = dispute(&history);
            let cx = by(id(person), now);
            if history.when(ask(what.clone()), &cx).is_ok() {
                history = history.then(ask(what.clone()), &cx);
            }
            let after = dispute(&history);
            let binds = after.effective_at().is_some();
            if binds {
                let agreement = after.agreement.as_ref().expect("what binds is an agreement");
                prop_assert!(after.everybody_signed() && !agreement.mediators.is_empty());
                prop_assert!(after.parties.values().all(|party| party.stance == Stance::Consented));
                prop_assert!(!after.sessions.is_empty());
            }
            if after.state == DisputeState::Withdrawn {
                prop_assert!(!binds, "what binds is not left by a word");
            }
            if after.state == DisputeState::Performed {
                prop_assert!(after.was_kept());
            }
            if after.state.is_mediating() {
                prop_assert!(after.dates.contains_key(&Purpose::Mediation));
            }
            if after.verified_helpers != before.verified_helpers {
                prop_assert!(now > after.dates[&Purpose::Notice]);
            }
        }
    }
}
