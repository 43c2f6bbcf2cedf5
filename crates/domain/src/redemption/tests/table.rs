//! Every command in every state: as a row says it by hand, and as the listing in the docs shows it.

use super::*;
use crate::listing::{self, Row};

#[rustfmt::skip]
fn rows() -> Vec<Row<'static>> {
    const UNKNOWN: (&[&str], &str) = (&["unknown"], "REDEMPTION_NOT_FOUND");
    const HELD: &[&str] = &["reserved", "ready_for_pickup"];
    let renew = Ask::RenewCode { code: hash(800, "0000-0000-0001") };
    vec![
        (request().into(), july(3, 12), &[(&["unknown"], "RedemptionRequested + RedemptionReserved + StockReserved + RewardTaken + PointsHeld")], "REDEMPTION_ALREADY_REQUESTED"),
        (confirm().into(), july(3, 12), &[UNKNOWN, (&["reserved"], "PickupReadied")], "REDEMPTION_NOT_RESERVED"),
        (of(800, renew).into(), july(3, 12), &[UNKNOWN, (&["ready_for_pickup"], "CodeRenewed")], "REDEMPTION_NOT_READY"),
        (fulfil().into(), july(5, 12), &[UNKNOWN, (&["ready_for_pickup"], "RedemptionFulfilled + StockIssued + PointsSpent")], "REDEMPTION_NOT_READY"),
        (cancel_as(800).into(), july(3, 12), &[UNKNOWN, (HELD, "RedemptionCancelled + StockReleased + RewardGivenBack + HoldReleased")], "REDEMPTION_NOT_HELD"),
        (fail_as(800).into(), july(5, 12), &[UNKNOWN, (HELD, "RedemptionFailed + StockReleased + RewardGivenBack + HoldReleased")], "REDEMPTION_NOT_HELD"),
        (expire_as(800).into(), by_system(at(LATE)), &[UNKNOWN, (HELD, "RedemptionExpired + StockReleased + RewardGivenBack + HoldReleased")], "REDEMPTION_NOT_HELD"),
        (expire_as(800).into(), july(2, 12), &[UNKNOWN, (HELD, "ACTOR_IS_NOT_THE_SYSTEM")], "REDEMPTION_NOT_HELD"),
        (return_as(800).into(), july(6, 12), &[UNKNOWN, (&["fulfilled"], "RedemptionReturned + StockReturned + RewardGivenBack + PointsReturned")], "REDEMPTION_NOT_FULFILLED"),
    ]
}

#[test]
fn every_command_in_every_state_has_its_answer() {
    listing::check_rows(&rows(), &states());
    let source = include_str!("../command.rs");
    assert_eq!(listing::told(&rows()), listing::declared(source, "Ask"));
    let found: Vec<_> = states()
        .iter()
        .map(|(_, it)| redemption(it).state)
        .collect();
    assert_eq!(found, RedemptionState::ALL);
}

#[test]
fn the_listing_in_the_docs_is_that_of_the_rules() {
    let state = |history: &History| {
        let value = serde_json::to_value(redemption(history).state).expect("a state");
        value.as_str().expect("a text").to_owned()
    };
    let head = "# Redemption: states and commands\n\nA volunteer with 300 points redeems goods of 200 \
                points. Each command is given by somebody who may: the volunteer, a clerk, another \
                clerk for the return.";
    let text = listing::listing(head, &rows(), &states(), &listing::word, &state);
    listing::check_listing("redemption.md", &text);
}
