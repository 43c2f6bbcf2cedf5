//! What holds in every history: every point is in one place, goods and points agree, and evolve
//! bears any order.

use proptest::prelude::*;

use super::*;
use crate::account::ReversalMode;
use crate::testing::any_history;

/// Awards of one person: activities on four days, whose cap gives parts of an award.
const AWARDS: u128 = 8;

/// What happens next in a random history; which redemption it happens to is picked among those that
/// stand fitly.
#[derive(Debug, Clone)]
enum Move {
    Grant(u128),
    Revise(u128, bool),
    Reverse(u128, ReversalMode),
    Freeze(bool),
    Request,
    /// Confirmed if reserved, handed over if ready.
    Goes(usize),
    Cancel(usize),
    Fail(usize),
    Expire(usize),
    Return(usize),
    Receive(u32),
    Count(u32),
    Reprice(u32),
    Limit(u32),
}

fn moves() -> impl Strategy<Value = Move> {
    let which = || 0..100_usize;
    let award = || 0..AWARDS;
    let mode = prop_oneof![
        1 => Just(ReversalMode::PendingOnly),
        1 => Just(ReversalMode::WithinBalance),
        3 => Just(ReversalMode::IntoDebt),
    ];
    prop_oneof![
        6 => award().prop_map(Move::Grant),
        6 => (award(), any::<bool>()).prop_map(|(n, voided)| Move::Revise(n, voided)),
        4 => (award(), mode).prop_map(|(n, mode)| Move::Reverse(n, mode)),
        1 => proptest::bool::weighted(0.2).prop_map(Move::Freeze),
        6 => Just(Move::Request),
        14 => which().prop_map(Move::Goes),
        1 => which().prop_map(Move::Cancel),
        1 => which().prop_map(Move::Fail),
        2 => which().prop_map(Move::Expire),
        3 => which().prop_map(Move::Return),
        1 => (1..4_u32).prop_map(Move::Receive),
        1 => (0..6_u32).prop_map(Move::Count),
        1 => (10..90_u32).prop_map(Move::Reprice),
        1 => (1..9_u32).prop_map(Move::Limit),
    ]
}

/// Minutes mostly, so that reservations can be confirmed; days sometimes, so that lots vest and die.
fn pauses() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 1..5_i64,
        1 => (1..9_i64).prop_map(|days| days * 24 * 60),
    ]
}

type Step = (Move, bool, i64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((moves(), any::<bool>(), pauses()), 1..90)
}

/// A random history on its way.
struct Run {
    history: History,
    world: World,
    now: Instant,
    /// Redemptions asked for so far, from 800 on.
    asked: u128,
    fact: u64,
    /// How often each event came.
    counts: std::collections::BTreeMap<String, usize>,
}

impl Run {
    fn new() -> Self {
        let cheap = reward_item::Ask::ChangePrice {
            price: 40,
            from: None,
        };
        let now = at("2024-02-10T00:00:00Z");
        let mut history = shop_with_expiry().then(item(cheap), &by(id(2), now));
        for person in [3, 4] {
            for n in 0..AWARDS / 2 {
                let day = at("2024-02-01T12:00:00Z") + chrono::Duration::days(day_of(n));
                history = history.then(grant(person, n, day), &by_system(day));
            }
        }
        Self {
            world: history.world(),
            history,
            now,
            asked: 0,
            fact: 1,
            counts: std::collections::BTreeMap::new(),
        }
    }

    fn state<A: Aggregate>(&self, key: impl std::fmt::Display) -> std::sync::Arc<A> {
        self.world.state::<A>(key).expect("a whole world")
    }

    fn redemptions(&self) -> Vec<(u128, std::sync::Arc<Redemption>)> {
        let ids = 800..800 + self.asked;
        ids.map(|n| (n, self.state::<Redemption>(id::<RedemptionId>(n))))
            .collect()
    }

    /// One of the redemptions that stand so; none if there is none.
    fn pick(&self, which: usize, stands: impl Fn(&Redemption) -> bool) -> Option<(u128, PersonId)> {
        let mut fit = self.redemptions();
        fit.retain(|(_, redemption)| stands(redemption));
        let at = which.checked_rem(fit.len())?;
        Some((fit[at].0, fit[at].1.person?))
    }

    /// The command of a move, and who gives it.
    fn command(&mut self, what: &Move, first: bool) -> Option<(crate::Command, Context)> {
        let now = self.now;
        let person = if first { 3 } else { 4 };
        let day = |n| at("2024-02-01T12:00:00Z") + chrono::Duration::days(day_of(n));
        let is_ready = |it: &Redemption| it.state == RedemptionState::ReadyForPickup;
        let holds = |it: &Redemption| it.state.holds();
        self.fact += 1;
        let asked: (crate::Command, Context) = match what {
            Move::Grant(n) => (grant(person, *n, day(*n)).into(), by_system(now)),
            Move::Revise(n, voided) => {
                let (person, activity) = publicity(person, *n, self.fact, day(*n));
                let voided = *voided;
                let revise = account::Command::ReviseAward {
                    person,
                    activity,
                    voided,
                };
                (revise.into(), by_system(now))
            }
            Move::Reverse(n, mode) => {
                let person = id(person);
                let reverse = account::Command::ReverseAward {
                    person,
                    award: account::award_id(id(10_000 + n), person, "PUBLICITY"),
                    reason: crate::Personal::new("was not there"),
                    mode: *mode,
                };
                (reverse.into(), by(id(2), now))
            }
            Move::Freeze(true) => {
                let person = id(person);
                let reason = crate::Personal::new("under review");
                let freeze = account::Command::FreezeAccount { person, reason };
                (freeze.into(), by(id(2), now))
            }
            Move::Freeze(false) => {
                let thaw = account::Command::UnfreezeAccount { person: id(person) };
                (thaw.into(), by(id(2), now))
            }
            Move::Request => {
                self.asked += 1;
                (request_as(799 + self.asked).into(), by(id(person), now))
            }
            Move::Goes(which) => {
                let goes = |it: &Redemption| holds(it) && it.held_until >= Some(now);
                let (n, person) = self.pick(*which, goes)?;
                if is_ready(&self.state::<Redemption>(id::<RedemptionId>(n))) {
                    (fulfil_as(n, CODE).into(), by(id(5), now))
                } else {
                    (confirm_as(n).into(), by(person, now))
                }
            }
            Move::Cancel(which) => {
                let (n, _) = self.pick(*which, holds)?;
                (cancel_as(n).into(), by(id(5), now))
            }
            Move::Fail(which) => {
                let (n, _) = self.pick(*which, is_ready)?;
                (fail_as(n).into(), by(id(5), now))
            }
            Move::Expire(which) => {
                let over = |it: &Redemption| it.state.holds() && it.held_until < Some(now);
                let (n, _) = self.pick(*which, over)?;
                (expire_as(n).into(), by_system(now))
            }
            Move::Return(which) => {
                let handed = |it: &Redemption| it.state == RedemptionState::Fulfilled;
                let (n, _) = self.pick(*which, handed)?;
                (return_as(n).into(), by(id(6), now))
            }
            Move::Receive(count) => {
                let (count, paper) = (*count, None);
                let receive = reward_item::Ask::ReceiveStock { count, paper };
                (item(receive).into(), by(id(5), now))
            }
            Move::Count(counted) => {
                let counted = *counted;
                let count = reward_item::Ask::CountStock { counted };
                (item(count).into(), by(id(5), now))
            }
            Move::Reprice(price) => {
                let (price, from) = (*price, None);
                let change = reward_item::Ask::ChangePrice { price, from };
                (item(change).into(), by(id(2), now))
            }
            Move::Limit(count) => {
                let limit = reward_item::Bound {
                    period: None,
                    count: *count,
                };
                let limit = reward_item::Ask::SetPerPersonLimit { limit };
                (item(limit).into(), by(id(2), now))
            }
        };
        Some(asked)
    }

    fn step(&mut self, (what, first, minutes): &Step) {
        self.now += chrono::Duration::minutes(*minutes);
        let Some((command, cx)) = self.command(what, *first) else {
            return;
        };
        let Ok(events) = self.history.when(command.clone(), &cx) else {
            return;
        };
        let names: Vec<_> = events.iter().map(|event| event.encode().0).collect();
        let frees = |name: &String| *name == "HoldReleased" || *name == "PointsReturned";
        if names.iter().any(frees) && names.iter().any(|name| *name == "PointsExpired") {
            *self
                .counts
                .entry("freed after death".to_owned())
                .or_default() += 1;
        }
        for name in names {
            *self.counts.entry(name.clone()).or_default() += 1;
        }
        self.history = std::mem::take(&mut self.history).then(command, &cx);
        self.world = self.history.world();
    }

    /// What must hold of both accounts, the item and all redemptions together.
    fn check(&self, now: Instant) -> Result<(), TestCaseError> {
        let (mut held, mut spent, mut reserved, mut issued) = (0, 0, 0, 0);
        for (_, redemption) in self.redemptions() {
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
            let account = self.state::<Account>(id::<PersonId>(person));
            prop_assert!(account.is_conserved());
            let balance = account.balance_at(now);
            prop_assert!(balance.is_conserved(), "{balance:?}");
            let unpaid = account.totals.unpaid();
            prop_assert!(
                unpaid == 0 || balance.pending + balance.spendable == 0,
                "{balance:?}"
            );
            prop_assert!(
                balance.debt <= balance.held + balance.spent,
                "only what is set aside or was had is owed: {balance:?}"
            );
            for lot in account.lots.values() {
                prop_assert!(
                    lot.owed == 0 || lot.left() == 0,
                    "pays itself first: {lot:?}"
                );
            }
            held_in_accounts += balance.held;
            spent_in_accounts += balance.spent;
        }
        prop_assert_eq!((held, spent), (held_in_accounts, spent_in_accounts));
        let item = self.state::<RewardItem>(id::<RewardItemId>(700));
        prop_assert_eq!((reserved, issued), (item.reserved(), item.issued));
        prop_assert!(item.issued <= item.received);
        Ok(())
    }

    fn walk(mut self, steps: &[Step]) -> Result<Self, TestCaseError> {
        for step in steps {
            self.step(step);
            self.check(self.now)?;
        }
        // And on any later day, when more has vested and expired.
        for days in [5, 20, 60] {
            self.check(self.now + chrono::Duration::days(days))?;
        }
        Ok(self)
    }
}

fn day_of(n: u128) -> i64 {
    i64::try_from(n % 4).expect("small")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_point_and_every_piece_is_in_one_place_after_any_history(steps in steps()) {
        Run::new().walk(&steps)?;
    }
}

#[test]
fn random_histories_come_by_everything_that_can_happen_to_points() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..60 {
        let steps = steps().new_tree(&mut runner).expect("a history").current();
        let run = Run::new().walk(&steps).expect("all holds");
        for (name, count) in run.counts {
            *counts.entry(name).or_default() += count;
        }
    }
    for (name, least) in [
        ("PointsHeld", 100),
        ("HoldReleased", 40),
        ("PointsSpent", 40),
        ("PointsReturned", 20),
        ("PointsExpired", 30),
        ("PointsOwed", 5),
        ("DebtRepaid", 3),
        ("DebtWithdrawn", 1),
        ("AwardRevised", 10),
        ("ActivityVoided", 3),
        ("AwardReversed", 10),
        ("freed after death", 1),
    ] {
        let found = counts.get(name).copied().unwrap_or_default();
        assert!(found >= least, "{name}: {found} of {least}; {counts:?}");
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
