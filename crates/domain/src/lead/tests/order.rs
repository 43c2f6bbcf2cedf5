//! Who is first: the order of submission, not that in which officers look; and how many are open.

use super::*;
use crate::account::{self, Account};
use crate::lead_source::OPEN_LEADS_MAX;
use crate::reactions;
use crate::testing::by_system;

/// Lead 700 of volunteer 3 is under review; lead 702 of volunteer 4, told after it, is found valid
/// about matter 902.
pub(super) fn overtaking() -> History {
    under_review()
        .then(submit(702), &march(4, 2, 11))
        .then(triage(702), &march(7, 2, 12))
        .then(validate(702, 902), &march(7, 3, 9))
}

/// As many open leads of volunteer 3 as there may be.
pub(super) fn open_leads() -> History {
    (0..OPEN_LEADS_MAX).fold(base(), |history, n| {
        history.then(submit(2_000 + u128::from(n)), &march(3, 1, 8))
    })
}

/// What the reaction that grants awards asks for, of everything in a history so far.
fn answered(mut history: History) -> History {
    let reaction = reactions::ALL.iter().find(|it| it.name == "award_points");
    let react = reaction.expect("it awards points").react;
    let events = history.events().to_vec();
    for (event, stamp) in events {
        for command in react(&event.stream, &event.event, &stamp) {
            let cx = by_system(at("2024-03-10T00:00:00Z"));
            if history.when(command.clone(), &cx).is_ok() {
                history = history.then(command, &cx);
            }
        }
    }
    history
}

/// What the leads of a person are worth in all.
fn worth(history: &History, person: u128) -> u32 {
    let account = history.state::<Account>(id::<PersonId>(person));
    account.lots.values().map(account::Lot::worth).sum()
}

#[test]
fn a_lead_submitted_earlier_takes_the_matter_over_from_one_validated_earlier() {
    let cx = march(2, 4, 10);
    let history = overtaking().then(validate(700, 902), &cx);
    assert_eq!(state(&history, 700), LeadState::Valid);
    assert_eq!(state(&history, 702), LeadState::Duplicate);
    let claim = history.state::<Claim>(Kind::LeadMatter.key(id::<MatterId>(902)));
    assert_eq!(claim.holder, Some(id::<LeadId>(700).0));
    // One submitted still later finds the first one first.
    let third = history
        .then(submit(703), &march(4, 5, 9))
        .then(triage(703), &march(7, 5, 10));
    assert_eq!(
        third.outcome(validate(703, 902), &march(7, 5, 11)),
        "LeadLinkedAsDuplicate + OpenLeadSettled"
    );
}

#[test]
fn the_earliest_valid_lead_is_what_is_awarded_whether_the_other_award_came_before_or_not() {
    // The award of the one validated first is there already.
    let awarded = answered(overtaking());
    assert_eq!((worth(&awarded, 3), worth(&awarded, 4)), (0, 100));
    let overtaken = answered(awarded.then(validate(700, 902), &march(2, 4, 10)));
    assert_eq!((worth(&overtaken, 3), worth(&overtaken, 4)), (50, 50));
    // The reaction comes to it only after it was overtaken.
    let at_once = answered(overtaking().then(validate(700, 902), &march(2, 4, 10)));
    assert_eq!((worth(&at_once, 3), worth(&at_once, 4)), (50, 50));
}

#[test]
fn who_told_the_same_matter_twice_is_awarded_once() {
    let twice = under_review()
        .then(submit(702), &march(3, 2, 11))
        .then(triage(702), &march(7, 2, 12))
        .then(validate(702, 902), &march(7, 3, 9));
    let history = answered(answered(twice).then(validate(700, 902), &march(2, 4, 10)));
    assert_eq!(worth(&history, 3), 50);
}

#[test]
fn an_overtaken_lead_keeps_when_it_was_closed_and_holds_no_matter_as_it_is_archived() {
    let history = overtaking().then(outcome(702), &march(7, 3, 12));
    let history = history.then(validate(700, 902), &march(2, 4, 10));
    let lead = history.state::<Lead>(id::<LeadId>(702));
    assert_eq!(lead.closed_at, Some(march(7, 3, 9).now));
    assert_eq!(
        history.outcome(archive(702), &late(7)),
        "LeadArchived",
        "the matter stays with the first"
    );
}

#[test]
fn a_source_has_twenty_open_leads_at_most_and_another_one_once_one_is_decided() {
    let full = open_leads();
    full.refuses(submit(700), &march(3, 1, 9), Refusal::TooManyOpenLeads);
    // Others are not concerned, nor is what an officer enters for the person.
    assert_eq!(
        full.outcome(submit(700), &march(4, 1, 9)),
        "LeadSubmitted + OpenLeadCounted"
    );
    let entered = of(700, submission(Source::Person(id(3))));
    assert_eq!(full.outcome(entered, &march(2, 1, 9)), "LeadSubmitted");
    let reviewed = full.then(triage(2_000), &march(2, 1, 9));
    reviewed.refuses(submit(700), &march(3, 1, 10), Refusal::TooManyOpenLeads);
    for decided in [
        validate(2_000, 901),
        validate(2_000, 900),
        reject(2_000),
        transfer(2_000),
    ] {
        let decided = reviewed.clone().then(decided, &march(2, 1, 10));
        assert_eq!(
            decided.outcome(submit(700), &march(3, 1, 11)),
            "LeadSubmitted + OpenLeadCounted"
        );
    }
}

#[test]
fn a_lead_that_the_police_took_over_is_not_counted_off_twice() {
    let history = open_leads()
        .then(triage(2_000), &march(2, 1, 9))
        .then(transfer(2_000), &march(2, 1, 10))
        .then(submit(700), &march(3, 1, 11))
        .then(reject(2_000), &march(2, 1, 12));
    history.refuses(submit(701), &march(3, 1, 13), Refusal::LeadAlreadySubmitted);
    history.refuses(submit(704), &march(3, 1, 13), Refusal::TooManyOpenLeads);
}
