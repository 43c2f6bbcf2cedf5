//! What holds in every history: every point is in one place, goods and points agree, and evolve
//! bears any order.

use proptest::prelude::*;

use super::*;
use crate::account::ReversalMode;
use crate::testing::any_history;

/// What happens next in a random history.
#[derive(Debug, Clone)]
enum Move {
    Grant(u128),
    Revise(u128, bool),
    Reverse(u128, ReversalMode),
    Request,
    Confirm(usize),
    Fulfil(usize),
    Cancel(usize),
    Fail(usize),
    Expire(usize),
    Return(usize),
    Receive(u32),
    Reprice(u32),
}

fn moves() -> impl Strategy<Value = Move> {
    let which = || 0..6_usize;
    let award = || 0..8_u128;
    let mode = prop_oneof![
        Just(ReversalMode::PendingOnly),
        Just(ReversalMode::WithinBalance),
        Just(ReversalMode::IntoDebt),
    ];
    prop_oneof![
        4 => award().prop_map(Move::Grant),
        2 => (award(), any::<bool>()).prop_map(|(n, voided)| Move::Revise(n, voided)),
        2 => (award(), mode).prop_map(|(n, mode)| Move::Reverse(n, mode)),
        5 => Just(Move::Request),
        4 => which().prop_map(Move::Confirm),
        4 => which().prop_map(Move::Fulfil),
        1 => which().prop_map(Move::Cancel),
        1 => which().prop_map(Move::Fail),
        2 => which().prop_map(Move::Expire),
        2 => which().prop_map(Move::Return),
        1 => (1..3_u32).prop_map(Move::Receive),
        1 => (10..120_u32).prop_map(Move::Reprice),
    ]
}

/// The pilot's rules, but points of publicity expire a month after they vest.
fn shop_with_expiry() -> History {
    let text =
        include_str!("../../../../../policies/pilot.toml").replace("version = 1", "version = 2");
    let from = "code = \"PUBLICITY\"\n";
    assert!(text.contains(from));
    let adopt = crate::policy_set::Command::AdoptPolicySet {
        unit: id(101),
        text: text.replacen(from, "code = \"PUBLICITY\"\nexpiry_months = 1\n", 1),
        effective_from: None,
    };
    let start = at("2024-01-02T00:00:00Z");
    shop(team().then(adopt, &by(id(1), start)), 2)
}

/// The command of a move, and who gives it: persons 3 and 4 earn and spend, in turns.
fn command(step: usize, what: &Move, fact: u64, now: Instant) -> (crate::Command, Context) {
    let person = if step.is_multiple_of(2) { 3 } else { 4 };
    let at_hand = |which: usize| 800 + u128::try_from(which).expect("small");
    let own = |which: usize| {
        if which.is_multiple_of(2) {
            by(id(3), now)
        } else {
            by(id(4), now)
        }
    };
    let day = at("2024-02-01T12:00:00Z");
    match what {
        Move::Grant(n) => (grant(3, *n, day).into(), by_system(now)),
        Move::Revise(n, voided) => {
            let (person, activity) = publicity(3, *n, fact, day);
            let voided = *voided;
            let revise = account::Command::ReviseAward {
                person,
                activity,
                voided,
            };
            (revise.into(), by_system(now))
        }
        Move::Reverse(n, mode) => {
            let award = account::award_id(id(10_000 + n), id(3), "PUBLICITY");
            let reverse = account::Command::ReverseAward {
                person: id(3),
                award,
                reason: crate::Personal::new("was not there"),
                mode: *mode,
            };
            (reverse.into(), by(id(2), now))
        }
        Move::Request => {
            let redemption = 800 + u128::try_from(step).expect("small") % 6;
            (request_as(redemption).into(), by(id(person), now))
        }
        Move::Confirm(which) => (confirm_as(at_hand(*which)).into(), own(*which)),
        Move::Fulfil(which) => (fulfil_as(at_hand(*which), CODE).into(), by(id(5), now)),
        Move::Cancel(which) => (cancel_as(at_hand(*which)).into(), by(id(5), now)),
        Move::Fail(which) => (fail_as(at_hand(*which)).into(), by(id(5), now)),
        Move::Expire(which) => (expire_as(at_hand(*which)).into(), by_system(now)),
        Move::Return(which) => (return_as(at_hand(*which)).into(), by(id(6), now)),
        Move::Receive(count) => {
            let receive = reward_item::Ask::ReceiveStock {
                count: *count,
                paper: None,
            };
            (item(receive).into(), by(id(5), now))
        }
        Move::Reprice(price) => {
            let change = reward_item::Ask::ChangePrice {
                price: *price,
                from: None,
            };
            (item(change).into(), by(id(2), now))
        }
    }
}

/// What must hold of both accounts, the item and all redemptions together.
fn check(history: &History, now: Instant) -> Result<(), TestCaseError> {
    let (mut held, mut spent, mut reserved, mut issued) = (0, 0, 0, 0);
    for n in 800..806_u128 {
        let redemption = history.state::<Redemption>(id::<RedemptionId>(n));
        let points = u64::from(redemption.points);
        match redemption.state {
            state if state.holds() => {
                held += points;
                reserved += 1;
            }
            RedemptionState::Fulfilled => {
                spent += points;
                issued += 1;
            }
            _ => {}
        }
    }
    let (mut held_in_accounts, mut spent_in_accounts) = (0, 0);
    for person in [3, 4] {
        let account = history.state::<Account>(id::<PersonId>(person));
        prop_assert!(account.is_conserved());
        let balance = account.balance_at(now);
        prop_assert!(balance.is_conserved(), "{balance:?}");
        prop_assert!(
            balance.debt == 0 || balance.pending + balance.spendable == 0,
            "{balance:?}"
        );
        held_in_accounts += balance.held;
        spent_in_accounts += balance.spent;
    }
    prop_assert_eq!((held, spent), (held_in_accounts, spent_in_accounts));
    let item = rice(history);
    prop_assert_eq!((reserved, issued), (item.reserved(), item.issued));
    prop_assert!(item.reserved() + item.issued <= item.received);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_point_and_every_piece_is_in_one_place_after_any_history(
        moves in proptest::collection::vec((moves(), 0..4_i64), 1..60),
    ) {
        let mut history = shop_with_expiry();
        let cheap = reward_item::Ask::ChangePrice { price: 60, from: None };
        let mut now = at("2024-02-10T00:00:00Z");
        history = history.then(item(cheap), &by(id(2), now));
        for (step, (what, days)) in moves.iter().enumerate() {
            now += chrono::Duration::days(*days) + chrono::Duration::minutes(1);
            let fact = 2 + u64::try_from(step).expect("small");
            let (command, cx) = command(step, what, fact, now);
            if history.when(command.clone(), &cx).is_ok() {
                history = history.then(command, &cx);
            }
            check(&history, now)?;
        }
        // And on any later day, when more has vested and expired.
        for days in [5, 20, 60] {
            check(&history, now + chrono::Duration::days(days))?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_order_of_events_of_any_redemption_is_borne(
        history in any_history(crate::testing::golden_events::<Event>("redemption")),
    ) {
        let mut redemption = Redemption::default();
        for (event, stamp) in &history {
            redemption.evolve(event, stamp);
            prop_assert!(redemption.code.is_none() || redemption.state.holds());
        }
    }

    #[test]
    fn any_order_of_postings_of_any_account_is_borne_and_conserves_points(
        history in any_history(crate::testing::golden_events::<account::Event>("account")),
    ) {
        let mut account = Account::default();
        let mut now = Instant::UNIX_EPOCH;
        for (event, stamp) in &history {
            account.evolve(event, stamp);
            now = now.max(stamp.occurred_at);
            prop_assert!(account.is_conserved());
        }
        let end = now.max(at("2100-01-01T00:00:00Z"));
        prop_assert!(account.balance_at(end).is_conserved());
    }
}
