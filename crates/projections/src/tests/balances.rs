use domain::ids::PersonId;

use super::folded;
use crate::Models;
use crate::fixture::{History, at, happened, id};
use crate::read_models::activities::Title;
use crate::read_models::balances::{Balance, LineKind};

fn balance(models: &Models, person: u128, as_of: &str, known_on: Option<&str>) -> Balance {
    let build = models.balances.read();
    let account = build
        .partitions
        .get(&id::<PersonId>(person))
        .expect("an account");
    account.balance(at(as_of), known_on.map(at))
}

/// `granted pending spendable expired reversed`
#[track_caller]
fn check(models: &Models, as_of: &str, known_on: Option<&str>, expected: [u64; 5]) {
    let found = balance(models, 11, as_of, known_on);
    let [granted, pending, spendable, expired, reversed] = expected;
    assert_eq!(
        [
            found.granted,
            found.pending,
            found.spendable,
            found.expired,
            found.reversed
        ],
        [granted, pending, spendable, expired, reversed],
        "as of {as_of}, known on {known_on:?}"
    );
    assert_eq!(
        found.granted,
        found.pending + found.spendable + found.expired + found.reversed
    );
}

/// Three awards: one expires, one is reversed after it vested, one was verified late.
async fn account() -> History {
    let mut history = History::new();
    history.born().await;
    let expires = Some("2024-06-01T00:00:00Z");
    history
        .award(
            "2024-03-02T00:00:00Z",
            11,
            1,
            "2024-03-01T12:00:00Z",
            expires,
        )
        .await;
    history
        .award("2024-03-10T00:00:00Z", 11, 2, "2024-03-09T12:00:00Z", None)
        .await;
    history.reverses("2024-03-20T00:00:00Z", 11, 2, 50).await;
    history
        .award("2024-04-10T00:00:00Z", 11, 3, "2024-03-05T12:00:00Z", None)
        .await;
    history
}

#[tokio::test]
async fn a_balance_follows_value_dates() {
    let models = folded(&account().await);
    for (as_of, expected) in [
        ("2024-03-01T11:59:59Z", [0, 0, 0, 0, 0]),
        ("2024-03-01T12:00:00Z", [50, 50, 0, 0, 0]),
        ("2024-03-08T23:59:59Z", [100, 100, 0, 0, 0]),
        ("2024-03-09T00:00:00Z", [100, 50, 50, 0, 0]),
        ("2024-03-17T00:00:00Z", [150, 50, 100, 0, 0]),
        ("2024-03-20T00:00:00Z", [150, 50, 50, 0, 50]),
        ("2024-04-17T00:00:00Z", [150, 0, 100, 0, 50]),
        ("2024-06-01T00:00:00Z", [150, 0, 50, 50, 50]),
    ] {
        check(&models, as_of, None, expected);
    }
}

#[tokio::test]
async fn what_the_log_did_not_hold_yet_is_not_known() {
    let models = folded(&account().await);
    for (known_on, expected) in [
        ("2024-03-01T23:59:59Z", [0, 0, 0, 0, 0]),
        ("2024-03-02T00:00:00Z", [50, 0, 50, 0, 0]),
        ("2024-03-19T00:00:00Z", [100, 0, 100, 0, 0]),
        ("2024-03-20T00:00:00Z", [100, 0, 50, 0, 50]),
        ("2024-04-10T00:00:00Z", [150, 0, 100, 0, 50]),
    ] {
        check(&models, "2024-05-01T00:00:00Z", Some(known_on), expected);
    }
}

#[tokio::test]
async fn the_next_vesting_day_and_forgone_points_are_told() {
    let models = folded(&account().await);
    let found = balance(&models, 11, "2024-03-06T00:00:00Z", None);
    let vesting = found.next_vesting.expect("pending points");
    assert_eq!(
        (vesting.at, vesting.points),
        (at("2024-03-09T00:00:00Z"), 50)
    );
    assert_eq!((found.awards, found.forgone), (2, 20));
    assert_eq!(
        balance(&models, 11, "2024-05-01T00:00:00Z", None).next_vesting,
        None
    );
}

#[tokio::test]
async fn a_statement_ends_with_the_balance_at_every_instant() {
    let history = account().await;
    let models = folded(&history);
    let build = models.balances.read();
    let account = &build.partitions[&id::<PersonId>(11)];
    let mut instant = at("2024-02-28T00:00:00Z");
    while instant < at("2024-07-01T00:00:00Z") {
        for known_on in [None, Some(at("2024-03-19T00:00:00Z")), Some(instant)] {
            let balance = account.balance(instant, known_on);
            let statement = account.statement(instant, known_on);
            let last = statement
                .last()
                .map_or((0, 0), |line| (line.pending, line.spendable));
            assert_eq!(
                last,
                (balance.pending, balance.spendable),
                "{instant} {known_on:?}"
            );
        }
        instant += chrono::Duration::hours(12);
    }
    let kinds: Vec<_> = account
        .statement(at("2024-07-01T00:00:00Z"), None)
        .iter()
        .map(|line| (line.kind, line.points, line.spendable))
        .collect();
    assert_eq!(
        kinds,
        [
            (LineKind::Granted, 50, 0),
            (LineKind::Granted, 50, 0),
            (LineKind::Vested, 50, 50),
            (LineKind::Granted, 50, 50),
            (LineKind::Vested, 50, 100),
            (LineKind::Reversed, 50, 50),
            (LineKind::Vested, 50, 100),
            (LineKind::Expired, 50, 50),
        ]
    );
}

#[tokio::test]
async fn a_line_can_be_named() {
    let models = folded(&History::whole().await);
    let named = |id: u128| models.activity(uuid::Uuid::from_u128(id));
    let patrol = named(crate::fixture::SHIFT).expect("a shift");
    assert_eq!(patrol.zone_name.as_deref(), Some("gate"));
    let campaign = named(crate::fixture::CAMPAIGN).expect("a wave");
    assert!(
        matches!(campaign.title, Title::Campaign { name, wave: 2, .. } if name == "summer nights")
    );
    assert_eq!(named(12_345), None);
}

/// Two awards of 50: the first is spent, taken back and owed; the second pays, is held, released
/// when it is dead; a third is held and given back after it was spent, then found to be worth less.
async fn spender() -> History {
    use domain::account::{Account, Event, LotPart};
    let mut history = History::new();
    history.born().await;
    let expires = Some("2024-06-01T00:00:00Z");
    for (activity, expires) in [(1, expires), (2, expires), (3, None)] {
        let (recorded, occurred) = ("2024-03-02T00:00:00Z", "2024-03-01T12:00:00Z");
        history
            .award(recorded, 11, activity, occurred, expires)
            .await;
    }
    let part = |activity: u128, points| LotPart {
        lot: uuid::Uuid::from_u128(activity * 1_000 + 11),
        points,
    };
    let key: PersonId = id(11);
    let (first, second, third) = (id(1), id(2), id(3));
    let held = |redemption, lots| Event::PointsHeld { redemption, lots };
    let spent = |redemption, lots| Event::PointsSpent { redemption, lots };
    for (when, event) in [
        ("2024-03-20T00:00:00Z", held(first, vec![part(1, 30)])),
        ("2024-03-21T00:00:00Z", spent(first, vec![part(1, 30)])),
        ("2024-03-22T00:00:00Z", held(second, vec![part(2, 10)])),
        ("2024-03-23T00:00:00Z", held(third, vec![part(3, 50)])),
        ("2024-03-24T00:00:00Z", spent(third, vec![part(3, 50)])),
    ] {
        history.one::<Account>(when, None, key, event).await;
    }
    history.reverses("2024-04-01T00:00:00Z", 11, 1, 50).await;
    let revised = Event::AwardRevised {
        award: part(3, 0).lot,
        delta: -20,
        fact: 77,
        minutes: 20,
        verified_by: id(2),
        policy_set: "pilot/1".to_owned(),
        why: "PATROL gives 30.".to_owned(),
        vests_at: None,
        expires_at: None,
    };
    let returned = Event::PointsReturned {
        redemption: third,
        lots: vec![part(3, 50)],
    };
    let released = Event::HoldReleased {
        redemption: second,
        lots: vec![part(2, 10)],
    };
    let award = part(1, 0).lot;
    let owed = Event::PointsOwed { award, points: 30 };
    let lots = vec![part(2, 30)];
    for (when, event) in [
        ("2024-04-01T00:00:00Z", owed),
        ("2024-04-01T00:00:00Z", Event::DebtRepaid { lots }),
        ("2024-05-01T00:00:00Z", returned),
        ("2024-06-02T00:00:00Z", released),
    ] {
        history.one::<Account>(when, None, key, event).await;
    }
    let occurred = "2024-03-01T12:00:00Z";
    let revised = happened::<Account>(key, revised, occurred, None);
    history.record("2024-06-03T00:00:00Z", vec![revised]).await;
    history
}

#[tokio::test]
async fn held_spent_owed_and_revised_points_are_each_in_one_place_at_every_instant() {
    let models = folded(&spender().await);
    let parts = |as_of, known_on| {
        let it = balance(&models, 11, as_of, known_on);
        let places = [
            it.pending,
            it.spendable,
            it.held,
            it.spent,
            it.expired,
            it.reversed,
        ];
        let debt = it.debt.cast_signed();
        let sum = places.iter().sum::<u64>().cast_signed() - debt;
        assert_eq!(it.granted.cast_signed() + it.revised, sum, "as of {as_of}");
        (places, debt, it.revised)
    };
    let before = Some("2024-06-02T12:00:00Z");
    for (as_of, places, debt) in [
        ("2024-03-08T00:00:00Z", [150, 0, 0, 0, 0, 0], 0),
        ("2024-03-20T00:00:00Z", [0, 120, 30, 0, 0, 0], 0),
        ("2024-03-23T00:00:00Z", [0, 60, 60, 30, 0, 0], 0),
        ("2024-03-24T00:00:00Z", [0, 60, 10, 80, 0, 0], 0),
        ("2024-04-01T00:00:00Z", [0, 10, 10, 80, 0, 50], 0),
        ("2024-05-01T00:00:00Z", [0, 60, 10, 30, 0, 50], 0),
        ("2024-06-01T00:00:00Z", [0, 50, 10, 30, 10, 50], 0),
        ("2024-06-02T00:00:00Z", [0, 50, 0, 30, 20, 50], 0),
    ] {
        assert_eq!(parts(as_of, before), (places, debt, 0), "as of {as_of}");
    }
    // As known after the revision, the 20 points were never there: what was spent of them was owed
    // until it came back.
    for (as_of, places, debt) in [
        ("2024-03-08T00:00:00Z", [130, 0, 0, 0, 0, 0], 0),
        ("2024-03-24T00:00:00Z", [0, 60, 10, 80, 0, 0], 20),
        ("2024-05-01T00:00:00Z", [0, 40, 10, 30, 0, 50], 0),
        ("2024-06-03T00:00:00Z", [0, 30, 0, 30, 20, 50], 0),
    ] {
        assert_eq!(parts(as_of, None), (places, debt, -20), "as of {as_of}");
    }
}

#[tokio::test]
async fn a_statement_of_a_spender_ends_with_the_balance_at_every_instant() {
    use LineKind::{Expired, Held, Owed, Released, Repaid, Returned, Revised, Spent};
    let models = folded(&spender().await);
    let build = models.balances.read();
    let account = &build.partitions[&id::<PersonId>(11)];
    let mut instant = at("2024-02-28T00:00:00Z");
    while instant < at("2024-07-01T00:00:00Z") {
        for known_on in [None, Some(at("2024-06-02T12:00:00Z")), Some(instant)] {
            let balance = account.balance(instant, known_on);
            let statement = account.statement(instant, known_on);
            let last = statement.last();
            let last = last.map_or((0, 0), |line| (line.pending, line.spendable));
            let expected = (balance.pending, balance.spendable);
            assert_eq!(last, expected, "{instant} {known_on:?}");
            let expired = statement.iter().filter(|line| line.kind == Expired);
            let expired: u64 = expired.map(|line| u64::from(line.points)).sum();
            assert_eq!(expired, balance.expired, "{instant} {known_on:?}");
        }
        instant += chrono::Duration::hours(12);
    }
    let statement = account.statement(instant, None);
    let count = |kind| statement.iter().filter(|line| line.kind == kind).count();
    let kinds = [
        Held, Spent, Released, Returned, Owed, Repaid, Revised, Expired,
    ];
    assert_eq!(kinds.map(count), [3, 2, 1, 1, 1, 1, 1, 2]);
}

/// Awards 1 and 2 of 50 die on 1 June, award 3 never. 20 of the first are spent, and it is taken back
/// when it is dead: award 3 pays. The goods come back, and so does what award 3 paid. 30 of the
/// second are held; they are revised away under the hold, which is given free when it is dead.
async fn debtor() -> History {
    use domain::account::{Account, Event, LotPart};
    let mut history = History::new();
    history.born().await;
    let expires = Some("2024-06-01T00:00:00Z");
    for (activity, expires) in [(1, expires), (2, expires), (3, None)] {
        let (recorded, occurred) = ("2024-03-02T00:00:00Z", "2024-03-01T12:00:00Z");
        history
            .award(recorded, 11, activity, occurred, expires)
            .await;
    }
    let part = |activity: u128, points| LotPart {
        lot: uuid::Uuid::from_u128(activity * 1_000 + 11),
        points,
    };
    let key: PersonId = id(11);
    let (first, second) = (id(1), id(2));
    let award = part(1, 0).lot;
    let spent = vec![part(1, 20)];
    for (when, event) in [
        (
            "2024-03-20T00:00:00Z",
            Event::PointsHeld {
                redemption: first,
                lots: spent.clone(),
            },
        ),
        (
            "2024-03-21T00:00:00Z",
            Event::PointsSpent {
                redemption: first,
                lots: spent.clone(),
            },
        ),
        (
            "2024-05-30T00:00:00Z",
            Event::PointsHeld {
                redemption: second,
                lots: vec![part(2, 30)],
            },
        ),
    ] {
        history.one::<Account>(when, None, key, event).await;
    }
    history.reverses("2024-06-02T00:00:00Z", 11, 1, 30).await;
    let when = "2024-06-02T00:00:00Z";
    let owed = Event::PointsOwed { award, points: 30 };
    history.one::<Account>(when, None, key, owed).await;
    let repaid = Event::DebtRepaid {
        lots: vec![part(3, 30)],
    };
    history.one::<Account>(when, None, key, repaid).await;
    let when = "2024-06-03T00:00:00Z";
    let returned = Event::PointsReturned {
        redemption: first,
        lots: spent,
    };
    history.one::<Account>(when, None, key, returned).await;
    let withdrawn = Event::DebtWithdrawn {
        award,
        points: 20,
        lots: vec![part(3, 20)],
    };
    history.one::<Account>(when, None, key, withdrawn).await;
    let revised = Event::AwardRevised {
        award: part(2, 0).lot,
        delta: -30,
        fact: 77,
        minutes: 20,
        verified_by: id(2),
        policy_set: "pilot/1".to_owned(),
        why: "PATROL gives 20.".to_owned(),
        vests_at: None,
        expires_at: None,
    };
    let occurred = "2024-03-01T12:00:00Z";
    let revised = happened::<Account>(key, revised, occurred, None);
    history.record("2024-06-04T00:00:00Z", vec![revised]).await;
    let released = Event::HoldReleased {
        redemption: second,
        lots: vec![part(2, 30)],
    };
    let when = "2024-06-05T00:00:00Z";
    history.one::<Account>(when, None, key, released).await;
    history
}

#[tokio::test]
async fn points_of_a_dead_lot_are_told_to_expire_once_whatever_is_owed_and_comes_back() {
    let models = folded(&debtor().await);
    let build = models.balances.read();
    let account = &build.partitions[&id::<PersonId>(11)];
    let mut instant = at("2024-05-20T00:00:00Z");
    while instant < at("2024-06-08T00:00:00Z") {
        for known_on in [None, Some(instant)] {
            let balance = account.balance(instant, known_on);
            let statement = account.statement(instant, known_on);
            let expired = statement.iter();
            let expired = expired.filter(|line| line.kind == LineKind::Expired);
            let expired: u64 = expired.map(|line| u64::from(line.points)).sum();
            assert_eq!(expired, balance.expired, "{instant} {known_on:?}");
            let last = statement.last().map(|line| (line.pending, line.spendable));
            let expected = (balance.pending, balance.spendable);
            assert_eq!(last, Some(expected), "{instant} {known_on:?}");
        }
        instant += chrono::Duration::hours(12);
    }
}

#[tokio::test]
async fn an_account_is_frozen_as_of_the_days_on_which_it_was_and_as_far_as_that_was_known() {
    let mut history = account().await;
    let key = id::<PersonId>(11);
    let frozen_by = id(1);
    let reason = domain::Personal::new("a complaint is looked into");
    let frozen = domain::account::Event::AccountFrozen { reason, frozen_by };
    let unfrozen = domain::account::Event::AccountUnfrozen {
        unfrozen_by: frozen_by,
    };
    for (when, event) in [
        ("2024-05-01T00:00:00Z", frozen),
        ("2024-05-10T00:00:00Z", unfrozen),
    ] {
        history
            .one::<domain::account::Account>(when, None, key, event)
            .await;
    }
    let models = folded(&history);
    let build = models.balances.read();
    let account = &build.partitions[&key];
    for (as_of, known_on, expected) in [
        ("2024-04-30T00:00:00Z", None, false),
        ("2024-05-01T00:00:00Z", None, true),
        ("2024-05-09T00:00:00Z", None, true),
        ("2024-05-10T00:00:00Z", None, false),
        ("2024-05-09T00:00:00Z", Some("2024-04-30T00:00:00Z"), false),
        ("2024-05-11T00:00:00Z", Some("2024-05-02T00:00:00Z"), true),
    ] {
        let found = account.is_frozen(at(as_of), known_on.map(at));
        assert_eq!(found, expected, "as of {as_of}, known on {known_on:?}");
    }
}
