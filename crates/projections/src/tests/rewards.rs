use std::collections::BTreeSet;
use std::convert::Infallible;

use domain::ids::{PersonId, RedemptionId, RewardItemId, UnitId};
use domain::redemption::RedemptionState;

use super::folded;
use crate::fixture::{ABROAD, COMMUNITY, History, at, id};
use crate::read_models::{redemptions, reward_items};

#[tokio::test]
async fn the_stock_book_says_what_came_in_what_is_set_aside_and_what_is_missing() {
    let models = folded(&History::whole().await);
    let items = models.reward_items.read();
    let rice = items.item(id::<RewardItemId>(701)).expect("an item");
    let book = &rice.item;
    assert_eq!(
        (
            book.received,
            book.reserved(),
            book.issued,
            book.difference,
            book.on_hand()
        ),
        (3, 1, 1, -1, 1)
    );
    assert_eq!(rice.available_at(at("2024-05-07T00:00:00Z")), 0);
    let within = |unit| reward_items::Filter {
        units: Some(BTreeSet::from([id::<UnitId>(unit)])),
        state: None,
    };
    let count = |filter| items.list(&filter, 10, None).0.len();
    assert_eq!((count(within(COMMUNITY)), count(within(ABROAD))), (1, 0));
    let none = items.list(&within(COMMUNITY), 10, Some(id(701)));
    assert!(none.0.is_empty() && !none.1);
}

#[tokio::test]
async fn redemptions_are_listed_the_newest_first_by_person_item_and_state() {
    let models = folded(&History::whole().await);
    let board = models.redemptions.read();
    let check = |filter: &redemptions::Filter, expected: &[u128]| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let all = |_: &redemptions::Record| Ok::<_, Infallible>(true);
            let (page, more) = board.list(filter, all, 1, after).expect("never fails");
            for (redemption, record) in page {
                found.push(redemption.0.as_u128());
                after = Some((record.requested_at, redemption));
            }
            if !more {
                break;
            }
        }
        assert_eq!(found, expected);
    };
    let all = redemptions::Filter::default();
    check(&all, &[812, 811]);
    let ready = redemptions::Filter {
        state: Some(RedemptionState::ReadyForPickup),
        person: Some(id::<PersonId>(12)),
        ..all.clone()
    };
    check(&ready, &[812]);
    let of_another = redemptions::Filter {
        item: Some(id(702)),
        ..all
    };
    check(&of_another, &[]);
    let known = |it: &redemptions::Record| Ok::<_, Infallible>(it.redemption.state.holds());
    let (page, more) = board
        .list(&redemptions::Filter::default(), known, 1, None)
        .expect("never fails");
    let shown: Vec<_> = page.iter().map(|(id, _)| id.0.as_u128()).collect();
    assert_eq!((shown, more), (vec![812], false), "only what may be known");
    let first = board
        .redemption(id::<RedemptionId>(811))
        .expect("a redemption");
    assert_eq!(first.redemption.state, RedemptionState::Fulfilled);
    assert_eq!(first.since, at("2024-05-06T00:00:00Z"));
}

#[tokio::test]
async fn no_row_holds_the_hash_of_a_code() {
    let models = folded(&History::whole().await);
    let mut rows = String::new();
    models
        .redemptions
        .read()
        .rows()
        .for_each(|(_, value)| rows += &value.to_string());
    let hash = domain::redemption::CodeHash::of(id(812), "0000-0000-0000");
    let hash = serde_json::to_string(&hash).expect("JSON");
    assert!(!rows.contains(hash.trim_matches('"')));
    assert!(rows.contains("ready_for_pickup"));
}
