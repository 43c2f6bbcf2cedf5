//! The item told here: rice at 200 points, 10 pieces, drafted and listed by the captain (2); 5 is
//! the clerk, 3 a volunteer.

use proptest::prelude::*;

use super::*;
use crate::listing::{self, Row};
use crate::member::{MemberKind, Role};
use crate::testing::{History, any_history, at, by, id, team};

const NOW: &str = "2024-07-01T02:00:00Z";

fn base() -> History {
    team().and_member(id(5), MemberKind::CommunityWorker, Some(Role::Clerk))
}

fn cx(person: u128) -> Context {
    by(id(person), at(NOW))
}

fn ask(ask: Ask) -> Command {
    Command { item: id(700), ask }
}

fn draft_as(kind: RewardKind) -> Command {
    ask(Ask::DraftItem {
        community: id(101),
        name: "rice, 5 kg".to_owned(),
        kind,
        price: 200,
        funding_source: "community fund".to_owned(),
    })
}

fn draft() -> Command {
    draft_as(RewardKind::Goods)
}

fn receive(count: u32) -> Command {
    ask(Ask::ReceiveStock { count, paper: None })
}

fn bound(count: u32) -> Bound {
    Bound {
        period: Some(Period::Month),
        count,
    }
}

fn price(price: u32, from: Option<&str>) -> Command {
    let from = from.map(at);
    ask(Ask::ChangePrice { price, from })
}

fn states() -> Vec<(&'static str, History)> {
    let drafted = base().then(draft(), &cx(2)).then(receive(10), &cx(5));
    let listed = drafted.clone().then(ask(Ask::OfferItem), &cx(2));
    let paused = listed.clone().then(ask(Ask::PauseItem), &cx(2));
    let retired = listed.clone().then(ask(Ask::RetireItem), &cx(2));
    vec![
        ("unknown", base()),
        ("draft", drafted),
        ("listed", listed),
        ("paused", paused),
        ("retired", retired),
    ]
}

fn item(history: &History) -> std::sync::Arc<RewardItem> {
    history.state(id::<crate::ids::RewardItemId>(700))
}

fn listed() -> History {
    states().swap_remove(2).1
}

#[rustfmt::skip]
fn rows() -> Vec<Row<'static>> {
    const UNKNOWN: (&[&str], &str) = (&["unknown"], "ITEM_NOT_FOUND");
    const RETIRED: (&[&str], &str) = (&["retired"], "ITEM_RETIRED");
    let limit = ask(Ask::SetPerPersonLimit { limit: bound(2) });
    let quota = ask(Ask::SetQuota { quota: bound(30) });
    vec![
        (draft().into(), cx(2), &[(&["unknown"], "ItemDrafted")], "ITEM_ALREADY_DRAFTED"),
        (ask(Ask::OfferItem).into(), cx(2), &[UNKNOWN, (&["draft"], "ItemListed")], "ITEM_NOT_DRAFT"),
        (ask(Ask::PauseItem).into(), cx(2), &[UNKNOWN, (&["listed"], "ItemPaused")], "ITEM_NOT_LISTED"),
        (ask(Ask::ResumeItem).into(), cx(2), &[UNKNOWN, (&["paused"], "ItemResumed")], "ITEM_NOT_PAUSED"),
        (ask(Ask::RetireItem).into(), cx(2), &[UNKNOWN, RETIRED], "ItemRetired"),
        (price(250, Some("2024-09-01T00:00:00Z")).into(), cx(2), &[UNKNOWN, RETIRED], "PriceChanged"),
        // The item told here has a stock, so no quota.
        (quota.into(), cx(2), &[UNKNOWN, RETIRED], "ITEM_HAS_NO_QUOTA"),
        (limit.into(), cx(2), &[UNKNOWN, RETIRED], "PerPersonLimitSet"),
        (receive(5).into(), cx(5), &[UNKNOWN, RETIRED], "StockReceived"),
        (ask(Ask::CountStock { counted: 9 }).into(), cx(5), &[UNKNOWN], "StockCounted"),
    ]
}

#[test]
fn every_command_in_every_state_has_its_answer() {
    listing::check_rows(&rows(), &states());
    let source = include_str!("command.rs");
    assert_eq!(listing::told(&rows()), listing::declared(source, "Ask"));
    let found: Vec<_> = states().iter().map(|(_, it)| item(it).state).collect();
    assert_eq!(found, ItemState::ALL);
}

#[test]
fn the_listing_in_the_docs_is_that_of_the_rules() {
    let state = |history: &History| {
        let value = serde_json::to_value(item(history).state).expect("a state");
        value.as_str().expect("a text").to_owned()
    };
    let head = "# Reward item: states and commands\n\nThe item has a stock. Each command is given \
                by somebody who may: a captain, or a clerk for the stock.";
    let text = listing::listing(head, &rows(), &states(), &listing::word, &state);
    listing::check_listing("reward_item.md", &text);
}

#[test]
fn a_reserved_piece_keeps_its_price_and_a_new_one_holds_from_its_day_on() {
    let history = listed().then(price(250, Some("2024-09-01T00:00:00Z")), &cx(2));
    let item = item(&history);
    assert_eq!(item.price_at(at("2024-08-31T23:59:59Z")), Some(200));
    assert_eq!(item.price_at(at("2024-09-01T00:00:00Z")), Some(250));
    assert_eq!(item.price_at(at("2024-01-01T00:00:00Z")), None);
    let past = Some("2024-06-30T00:00:00Z");
    history.refuses(price(300, past), &cx(2), Refusal::PriceInThePast);
}

#[test]
fn a_price_replaces_those_that_were_to_hold_from_then_on_and_is_set_a_year_ahead_at_most() {
    let far = Some("9999-12-31T00:00:00Z");
    listed().refuses(price(250, far), &cx(2), Refusal::PriceTooFarAhead);
    let history = listed()
        .then(price(250, Some("2024-09-01T00:00:00Z")), &cx(2))
        .then(price(260, Some("2024-10-01T00:00:00Z")), &cx(2))
        .then(price(240, Some("2024-09-01T00:00:00Z")), &cx(2));
    let item_now = item(&history);
    assert_eq!(item_now.price_at(at("2024-12-01T00:00:00Z")), Some(240));
    let at_once = history.then(price(190, None), &cx(2));
    assert_eq!(
        item(&at_once).price_at(at("2024-12-01T00:00:00Z")),
        Some(190)
    );
}

#[test]
fn prices_to_come_never_push_out_the_one_in_force() {
    let mut history = listed();
    let now = at(NOW);
    let coming = |n: usize| {
        let from = now + chrono::Duration::hours(i64::try_from(n).expect("small"));
        let from = Some(from);
        ask(Ask::ChangePrice { price: 300, from })
    };
    for n in 1..PRICES_MAX {
        history = history.then(coming(n), &cx(2));
    }
    assert_eq!(item(&history).price_at(now), Some(200));
    history.refuses(coming(PRICES_MAX), &cx(2), Refusal::TooManyPrices);
    assert_eq!(item(&history).prices.len(), PRICES_MAX);
}

#[test]
fn a_quota_at_all_counts_what_was_had_however_long_ago() {
    let day = |text: &str| text.parse().expect("a day");
    let quota = |period, count| {
        let quota = Bound { period, count };
        ask(Ask::SetQuota { quota })
    };
    let key: crate::ids::RewardItemId = id(700);
    let reserve = |n, text| Event::StockReserved {
        redemption: id(n),
        day: day(text),
    };
    let history = base()
        .then(draft_as(RewardKind::PartnerService), &cx(2))
        .then(quota(Some(Period::Month), 9), &cx(2))
        .and::<RewardItem>(key, reserve(1, "2024-07-01"), at(NOW))
        .and::<RewardItem>(key, reserve(2, "2024-07-02"), at(NOW))
        .and::<RewardItem>(key, reserve(3, "2025-12-01"), at(NOW));
    assert_eq!(item(&history).available(day("2025-12-01")), 8);
    let at_all = history.then(quota(None, 4), &cx(2));
    assert_eq!(
        item(&at_all).uses.len(),
        1,
        "old uses are counted, not kept"
    );
    assert_eq!(item(&at_all).available(day("2025-12-01")), 1);
}

#[test]
fn a_count_says_by_how_much_the_book_was_wrong_and_the_book_follows_it() {
    let count = |counted| ask(Ask::CountStock { counted });
    let history = listed().then(count(7), &cx(5));
    assert_eq!(
        (item(&history).difference, item(&history).on_hand()),
        (-3, 7)
    );
    let history = history.then(receive(3), &cx(5)).then(count(11), &cx(5));
    let item = item(&history);
    assert_eq!(
        (item.difference, item.on_hand(), item.received),
        (-2, 11, 13)
    );
    assert_eq!(item.counted, Some((at(NOW), 11)));
}

#[test]
fn services_have_a_quota_and_goods_a_stock() {
    let service = base().then(draft_as(RewardKind::PartnerService), &cx(2));
    service.refuses(receive(1), &cx(5), Refusal::ItemHasNoStock);
    let count = ask(Ask::CountStock { counted: 1 });
    service.refuses(count, &cx(5), Refusal::ItemHasNoStock);
    let day = |text: &str| text.parse().expect("a day");
    assert_eq!(
        item(&service).available(day("2024-07-01")),
        0,
        "no quota yet"
    );
    let history = service.then(ask(Ask::SetQuota { quota: bound(2) }), &cx(2));
    let reserve = |n, text| Event::StockReserved {
        redemption: id(n),
        day: day(text),
    };
    let key: crate::ids::RewardItemId = id(700);
    let history = history
        .and::<RewardItem>(key, reserve(1, "2024-07-30"), at(NOW))
        .and::<RewardItem>(key, Event::StockIssued { redemption: id(1) }, at(NOW))
        .and::<RewardItem>(key, reserve(2, "2024-07-31"), at(NOW));
    assert_eq!(item(&history).available(day("2024-07-31")), 0);
    assert_eq!(item(&history).available(day("2024-08-01")), 2);
    let released = Event::StockReleased { redemption: id(2) };
    let history = history.and::<RewardItem>(key, released, at(NOW));
    assert_eq!(item(&history).available(day("2024-07-31")), 1);
}

#[test]
fn items_are_kept_by_who_leads_and_stock_by_a_clerk() {
    for person in [3, 5] {
        base().refuses(draft(), &cx(person), Refusal::KeeperNotAllowed);
        let pause = ask(Ask::PauseItem);
        listed().refuses(pause, &cx(person), Refusal::KeeperNotAllowed);
    }
    listed().refuses(receive(1), &cx(3), Refusal::ClerkNotAllowed);
    for person in [1, 2, 5] {
        let _ = listed().then(receive(1), &cx(person));
    }
}

#[test]
fn what_is_out_of_bounds_is_refused_by_name() {
    let draft_with = |community: u128, name: &str, price, funding: &str| {
        ask(Ask::DraftItem {
            community: id(community),
            name: name.to_owned(),
            kind: RewardKind::Goods,
            price,
            funding_source: funding.to_owned(),
        })
    };
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for (command, refusal) in [
        (
            draft_with(100, "rice", 1, "fund"),
            Refusal::CommunityNotFound,
        ),
        (draft_with(101, " ", 1, "fund"), Refusal::NameNotAllowed),
        (draft_with(101, &long, 1, "fund"), Refusal::NameNotAllowed),
        (draft_with(101, "rice", 0, "fund"), Refusal::PriceNotAllowed),
        (
            draft_with(101, "rice", PRICE_MAX + 1, "fund"),
            Refusal::PriceNotAllowed,
        ),
        (
            draft_with(101, "rice", 1, ""),
            Refusal::FundingSourceNotAllowed,
        ),
        (
            draft_with(101, "rice", 1, &long),
            Refusal::FundingSourceNotAllowed,
        ),
    ] {
        base().refuses(command, &cx(2), refusal);
    }
    let limit = ask(Ask::SetPerPersonLimit { limit: bound(0) });
    listed().refuses(limit, &cx(2), Refusal::CountNotAllowed);
    for count in [0, COUNT_MAX + 1] {
        listed().refuses(receive(count), &cx(5), Refusal::CountNotAllowed);
    }
    let counted = COUNT_MAX + 1;
    let count = ask(Ask::CountStock { counted });
    listed().refuses(count, &cx(5), Refusal::CountNotAllowed);
}

/// One event of each type, from the goldens; of whichever item.
fn one_of_each() -> Vec<Event> {
    crate::testing::golden_events("reward_item")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_order_of_events_of_any_item_is_borne(history in any_history(one_of_each())) {
        let mut item = RewardItem::default();
        for (event, stamp) in &history {
            item.evolve(event, stamp);
            let day = stamp.occurred_at.date_naive();
            prop_assert!(item.available(day) <= COUNT_MAX.saturating_mul(100));
        }
    }
}
