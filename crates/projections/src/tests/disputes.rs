use std::collections::BTreeSet;

use domain::dispute::DisputeState;
use domain::ids::UnitId;

use super::folded;
use crate::fixture::{ABROAD, COMMUNITY, History, at, id};
use crate::read_models::disputes::{Filter, Funnel};

#[tokio::test]
async fn the_funnel_counts_how_far_disputes_came() {
    let models = folded(&History::whole().await);
    let board = models.disputes.read();
    let expected = Funnel {
        registered: 2,
        accepted: 1,
        agreed: 1,
        effective: 1,
        withdrawn: 1,
        open: 1,
        breached: 1,
        ..Funnel::default()
    };
    assert_eq!(board.funnel(&Filter::default()), expected);
    let within = |unit| Filter {
        units: Some(BTreeSet::from([id::<UnitId>(unit)])),
        ..Filter::default()
    };
    assert_eq!(board.funnel(&within(COMMUNITY)), expected);
    assert_eq!(board.funnel(&within(ABROAD)), Funnel::default());
    let later = Filter {
        from: Some(at("2024-05-02T00:00:01Z")),
        ..Filter::default()
    };
    assert_eq!(board.funnel(&later), Funnel::default());
}

#[tokio::test]
async fn the_board_says_of_a_dispute_what_the_rules_say() {
    let models = folded(&History::whole().await);
    let board = models.disputes.read();
    let settled = board.dispute(id(801)).expect("a dispute");
    assert_eq!(settled.dispute.state, DisputeState::Breached);
    assert_eq!(settled.obligations(), (1, 0, 1));
    assert!(settled.is_breached() && settled.ended.is_none());
    let left = board.dispute(id(802)).expect("a dispute");
    let at = at("2024-05-02T00:00:00Z");
    assert_eq!(left.ended, Some((DisputeState::Withdrawn, at)));
}

#[tokio::test]
async fn pages_of_either_order_show_every_dispute_that_matches_once() {
    let models = folded(&History::whole().await);
    let board = models.disputes.read();
    let check = |filter: &Filter, oldest_first, expected: &[u128]| {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let (page, more) = board.list(filter, oldest_first, 1, after);
            for (dispute, record) in page {
                found.push(dispute.0.as_u128());
                after = Some((record.registered_at, dispute));
            }
            if !more {
                break;
            }
        }
        assert_eq!(found, expected);
    };
    let all = Filter::default();
    check(&all, true, &[801, 802]);
    check(&all, false, &[802, 801]);
    let open = Filter {
        open_only: true,
        ..Filter::default()
    };
    check(&open, true, &[801]);
    let left = Filter {
        state: Some(DisputeState::Withdrawn),
        ..Filter::default()
    };
    check(&left, false, &[802]);
}
