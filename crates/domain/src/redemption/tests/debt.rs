//! What is taken away of points that are held, spent, or come back after their lot died: points for
//! things never used are neither owed nor lost.

use super::*;
use crate::account::ReversalMode;

/// A life in which volunteer 3 redeems rice for 50 points: award 1 of 50 points expires on 8 March.
struct Life(History);

fn life() -> Life {
    let start = at("2024-02-01T12:00:00Z");
    let cheap = reward_item::Ask::ChangePrice {
        price: 50,
        from: None,
    };
    let history = shop_with_expiry()
        .then(item(cheap), &by(id(2), start))
        .then(grant(3, 1, start), &by_system(start));
    Life(history)
}

fn march(day: u32) -> Instant {
    at(&format!("2024-03-{day:02}T12:00:00Z"))
}

impl Life {
    /// Award 2: 50 points for a patrol, which never expire.
    fn with_another_award(self) -> Self {
        let (person, activity) = publicity(3, 2, 1, at("2024-02-01T12:00:00Z"));
        let activity = Activity {
            family: ActivityFamily::Patrol,
            ..activity
        };
        let grant = account::Command::GrantAward { person, activity };
        Self(self.0.then(grant, &by_system(at("2024-02-02T12:00:00Z"))))
    }

    fn reserves(self, day: u32) -> Self {
        Self(
            self.0
                .then(request(), &by(id(3), march(day)))
                .then(confirm(), &by(id(3), march(day))),
        )
    }

    fn fetches(self, day: u32) -> Self {
        Self(self.0.then(fulfil(), &by(id(5), march(day))))
    }

    fn cancels(self, day: u32) -> Self {
        Self(self.0.then(cancel_as(800), &by(id(3), march(day))))
    }

    fn brings_back(self, day: u32) -> Self {
        Self(self.0.then(return_as(800), &by(id(6), march(day))))
    }

    fn verified_as(self, day: u32, fact: u64, voided: bool) -> Self {
        let (person, activity) = publicity(3, 1, fact, at("2024-02-01T12:00:00Z"));
        let revise = account::Command::ReviseAward {
            person,
            activity,
            voided,
        };
        Self(self.0.then(revise, &by_system(march(day))))
    }

    fn taken_back(self, day: u32) -> Self {
        let reverse = account::Command::ReverseAward {
            person: id(3),
            award: account::award_id(id(10_001), id(3), "PUBLICITY"),
            reason: crate::Personal::new("was not there"),
            mode: ReversalMode::IntoDebt,
        };
        Self(self.0.then(reverse, &by(id(2), march(day))))
    }

    /// Spendable, held, spent, expired, debt in the end.
    #[track_caller]
    fn ends(&self, expected: [u64; 5]) {
        let it = balance(&self.0, 3, march(31));
        let found = [it.spendable, it.held, it.spent, it.expired, it.debt];
        assert_eq!(found, expected, "spendable, held, spent, expired, debt");
    }
}

#[test]
fn a_hold_whose_lot_was_taken_away_and_died_leaves_no_debt() {
    life()
        .reserves(5)
        .verified_as(6, 90, true)
        .cancels(9)
        .ends([0, 0, 0, 0, 0]);
    life()
        .reserves(5)
        .taken_back(6)
        .cancels(9)
        .ends([0, 0, 0, 0, 0]);
}

#[test]
fn no_other_award_pays_for_a_hold_that_is_given_free() {
    let held = life().with_another_award().reserves(5);
    let taken = held.verified_as(6, 90, true);
    taken.ends([50, 50, 0, 0, 50]);
    taken.cancels(9).ends([50, 0, 0, 0, 0]);
}

#[test]
fn points_that_a_hold_will_need_cannot_be_held_twice() {
    let taken = life()
        .with_another_award()
        .reserves(5)
        .verified_as(6, 90, true);
    let second = by(id(3), march(6));
    let refusal = account::Refusal::PointsNotEnough;
    taken.0.refuses(request_as(801), &second, refusal);
    taken.fetches(7).ends([0, 0, 50, 0, 0]);
}

#[test]
fn what_was_taken_away_under_a_hold_is_owed_once_it_is_spent() {
    life()
        .reserves(5)
        .verified_as(6, 90, true)
        .fetches(7)
        .ends([0, 0, 50, 0, 50]);
}

#[test]
fn goods_that_come_back_pay_the_debt_of_their_own_lot_before_it_expires() {
    let owing = life().reserves(1).fetches(2).verified_as(3, 90, true);
    owing.ends([0, 0, 50, 0, 50]);
    owing.brings_back(10).ends([0, 0, 0, 0, 0]);
}

#[test]
fn what_others_paid_for_a_lot_goes_back_to_them_when_its_points_come_back() {
    for brought_back in [4, 10] {
        let paid = life()
            .with_another_award()
            .reserves(1)
            .fetches(2)
            .verified_as(3, 90, true);
        paid.ends([0, 0, 50, 0, 0]);
        paid.brings_back(brought_back).ends([50, 0, 0, 0, 0]);
    }
}

#[test]
fn points_added_to_a_dead_lot_pay_what_it_owes_or_what_others_paid_for_it() {
    let again = |life: Life| {
        life.reserves(1)
            .fetches(2)
            .verified_as(3, 90, true)
            .verified_as(12, 91, false)
    };
    again(life()).ends([0, 0, 50, 0, 0]);
    again(life().with_another_award()).ends([50, 0, 50, 0, 0]);
}

#[test]
fn a_dead_lot_that_is_taken_back_under_a_hold_owes_until_the_hold_is_given_free() {
    let start = at("2024-02-01T13:00:00Z");
    let cheaper = reward_item::Ask::ChangePrice {
        price: 20,
        from: None,
    };
    let Life(history) = life();
    let life = Life(history.then(item(cheaper), &by(id(2), start)));
    let taken = life.reserves(5).taken_back(9);
    taken.ends([0, 20, 0, 30, 20]);
    taken.cancels(10).ends([0, 0, 0, 30, 0]);
}
