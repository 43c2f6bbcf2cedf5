//! Points, stock and limit move together; who may do what, and until when.

use super::*;
use crate::policy_set::Period;
use crate::reward_item::Bound;

#[test]
fn points_and_goods_move_together_through_every_end() {
    for (state, history) in states() {
        let expected = match state {
            "reserved" | "ready_for_pickup" => ([100, 200, 0], [1, 0, 2]),
            "fulfilled" => ([100, 0, 200], [0, 1, 1]),
            _ => ([300, 0, 0], [0, 0, 2]),
        };
        assert_eq!(books(&history), expected, "{state}");
    }
}

#[test]
fn every_decision_reads_the_streams_that_it_writes() {
    let renew = Ask::RenewCode {
        code: hash(800, CODE),
    };
    let late = by_system(at(LATE));
    for (history, command, cx, written) in [
        (base(), request(), july(3, 0), 4),
        (reserved(), confirm(), july(3, 5), 1),
        (ready(), of(800, renew), july(3, 6), 1),
        (ready(), fulfil(), july(5, 10), 3),
        (ready(), cancel_as(800), july(3, 10), 4),
        (ready(), fail_as(800), july(5, 10), 4),
        (ready(), expire_as(800), late, 4),
        (fulfilled(), return_as(800), july(6, 20), 4),
    ] {
        let (decision, read) = history.by_asking(command.clone(), &cx);
        let streams: std::collections::BTreeSet<_> =
            decision.events.iter().map(|event| &event.stream).collect();
        assert_eq!(streams.len(), written, "{command:?}");
        for stream in streams {
            assert!(read.contains(stream), "{command:?} writes {stream} unread");
        }
    }
}

#[test]
fn an_account_that_does_not_add_up_is_named_and_moves_nothing() {
    let mut world = base().world();
    let person: PersonId = id(3);
    let account = world.state::<Account>(person).expect("a whole world");
    let mut broken = Account::clone(&account);
    broken.totals.granted += 1;
    world.put(Account::stream(person), std::sync::Arc::new(broken));
    let command: crate::Command = request().into();
    let Err(crate::refusal::Stop::Refused(refused)) = command.decide(&world, &july(3, 0)) else {
        panic!("must be refused");
    };
    assert_eq!(refused.name, "ACCOUNT_NOT_CONSERVED");
}

#[test]
fn only_the_person_whose_points_they_are_redeems_confirms_and_gets_a_code() {
    let renew = Ask::RenewCode {
        code: hash(800, CODE),
    };
    for person in [2, 4, 5] {
        reserved().refuses(confirm(), &july(person, 5), Refusal::NotTheBeneficiary);
        let renew = of(800, renew.clone());
        ready().refuses(renew, &july(person, 6), Refusal::NotTheBeneficiary);
    }
    let none = Ask::ConfirmRedemption {
        code: CodeHash::default(),
    };
    reserved().refuses(of(800, none), &july(3, 5), Refusal::CodeMissing);
    let outsider = base().when(request(), &july(7, 0));
    let name = outsider.expect_err("no member").name;
    assert_eq!(name, "MEMBER_NOT_ACTIVE");
}

#[test]
fn a_wrong_code_a_wrong_clerk_and_a_late_one_hand_nothing_over() {
    let history = ready();
    for code in ["", "7K3M-Q2XA-9ZPE", "0000-0000-0000"] {
        history.refuses(
            fulfil_as(800, code),
            &july(5, 10),
            Refusal::CodeDoesNotMatch,
        );
    }
    let of_another = of(
        800,
        Ask::FulfilRedemption {
            code: hash(801, CODE),
        },
    );
    history.refuses(of_another, &july(5, 10), Refusal::CodeDoesNotMatch);
    history.refuses(fulfil(), &july(3, 10), Refusal::ClerkNotAllowed);
    history.refuses(fulfil(), &july(4, 10), Refusal::ClerkNotAllowed);
    let late = by(id(5), at(PICKUP) + chrono::Duration::microseconds(1));
    history.refuses(fulfil(), &late, Refusal::HoldHasExpired);
    let just = by(id(5), at(PICKUP));
    assert_eq!(books(&history.then(fulfil(), &just)).0, [100, 0, 200]);
}

#[test]
fn a_clerk_who_redeems_is_served_by_another_one() {
    let mut history = shop(team(), 1).and_member(id(7), MemberKind::Volunteer, Some(Role::Clerk));
    for n in 0_i64..4 {
        let day = at("2024-02-01T12:00:00Z") + chrono::Duration::days(n);
        let n = 700 + u128::from(n.unsigned_abs());
        history = history.then(grant(7, n, day), &by_system(day));
    }
    let history = history
        .then(request(), &july(7, 0))
        .then(confirm(), &july(7, 5));
    history.refuses(fulfil(), &july(7, 10), Refusal::ClerkIsBeneficiary);
    let history = history.then(fulfil(), &july(5, 10));
    history.refuses(return_as(800), &july(7, 20), Refusal::ClerkIsBeneficiary);
}

#[test]
fn a_new_code_ends_the_old_one() {
    let renew = Ask::RenewCode {
        code: hash(800, "0000-0000-0001"),
    };
    let history = ready().then(of(800, renew), &july(3, 6));
    history.refuses(fulfil(), &july(5, 10), Refusal::CodeDoesNotMatch);
    let history = history.then(fulfil_as(800, "0000-0000-0001"), &july(5, 10));
    assert_eq!(redemption(&history).state, RedemptionState::Fulfilled);
    assert_eq!(redemption(&history).code, None, "a code is good once");
}

#[test]
fn the_code_is_in_no_event_and_its_hash_is_no_part_of_what_a_repeat_is_compared_by() {
    let command: crate::Command = confirm().into();
    let canonical = serde_json::to_string(&command).expect("JSON");
    assert!(!canonical.contains("code"), "{canonical}");
    let decision = command
        .decide(&reserved().world(), &july(3, 5))
        .expect("taken");
    let bare = CODE.replace('-', "");
    for event in decision.events {
        let payload = String::from_utf8(event.event.encode().1).expect("text");
        assert!(!payload.contains(CODE) && !payload.contains(&bare));
    }
}

#[test]
fn what_is_held_is_given_free_by_the_timer_strictly_after_its_time() {
    assert_eq!(redemption(&reserved()).held_until, Some(at(HELD)));
    assert_eq!(redemption(&ready()).held_until, Some(at(PICKUP)));
    let on_time = by_system(at(HELD));
    reserved().refuses(expire_as(800), &on_time, Refusal::HoldNotExpired);
    let after = at(HELD) + chrono::Duration::microseconds(1);
    reserved().refuses(confirm(), &by(id(3), after), Refusal::HoldHasExpired);
    let history = reserved().then(expire_as(800), &by_system(after));
    assert_eq!(books(&history), ([300, 0, 0], [0, 0, 2]));
}

#[test]
fn a_request_says_why_not_by_name() {
    let now = july(3, 1);
    let name = |history: &History, command: Command, cx: &Context| {
        history.when(command, cx).expect_err("refused").name
    };
    let empty = base_of(1).then(request_as(801), &july(4, 0));
    assert_eq!(name(&empty, request(), &now), "OUT_OF_STOCK");
    let second = reserved();
    assert_eq!(name(&second, request_as(801), &now), "POINTS_NOT_ENOUGH");
    let paused = base().then(item(reward_item::Ask::PauseItem), &july(2, 0));
    assert_eq!(name(&paused, request(), &now), "ITEM_NOT_LISTED");
    let other = of(800, Ask::RequestRedemption { item: id(701) });
    assert_eq!(name(&base(), other, &now), "ITEM_NOT_FOUND");
    let limit = item(reward_item::Ask::SetPerPersonLimit {
        limit: Bound {
            period: Some(Period::Week),
            count: 1,
        },
    });
    let limited = base().then(limit, &july(2, 0)).then(request(), &july(3, 0));
    let again = request_as(801);
    assert_eq!(
        name(&limited, again.clone(), &now),
        "PER_PERSON_LIMIT_REACHED"
    );
    let cancelled = limited.then(cancel_as(800), &now);
    let _ = cancelled.then(again, &now);
    let freeze = account::Command::FreezeAccount {
        person: id(3),
        reason: crate::Personal::new("under review"),
    };
    let frozen = base().then(freeze, &july(2, 0));
    assert_eq!(name(&frozen, request(), &now), "ACCOUNT_IS_FROZEN");
    // Points that have not vested cannot be spent.
    let early = by(id(3), at("2024-02-10T12:00:00Z"));
    assert_eq!(name(&base(), request(), &early), "POINTS_NOT_ENOUGH");
}

#[test]
fn without_rules_of_redemption_nothing_is_redeemed() {
    let text =
        include_str!("../../../../../policies/pilot.toml").replace("version = 1", "version = 2");
    let (before, rest) = text.split_once("[redemption]").expect("the pilot's rules");
    let (_, after) = rest.split_once("[calendar]").expect("what follows them");
    let adopt = crate::policy_set::Command::AdoptPolicySet {
        unit: id(101),
        text: format!("{before}[calendar]{after}"),
        effective_from: None,
    };
    let history = base().then(adopt, &by(id(1), at("2024-06-01T00:00:00Z")));
    history.refuses(request(), &july(3, 0), Refusal::NoRedemptionRules);
}

#[test]
fn the_price_is_the_one_at_the_reservation() {
    let dearer = item(reward_item::Ask::ChangePrice {
        price: 250,
        from: None,
    });
    let history = reserved().then(dearer, &july(2, 1));
    let history = history
        .then(confirm(), &july(3, 5))
        .then(fulfil(), &july(5, 10));
    assert_eq!(balance(&history, 3, at(LATE)).spent, 200);
    history.refuses(
        request_as(801),
        &july(4, 20),
        account::Refusal::PointsNotEnough,
    );
}

#[test]
fn a_return_is_taken_by_another_clerk_within_its_days_and_once() {
    let history = fulfilled();
    history.refuses(return_as(800), &july(5, 20), Refusal::ReturnerHandedItOver);
    history.refuses(return_as(800), &july(4, 20), Refusal::ClerkNotAllowed);
    let late = by(id(6), at("2024-07-15T02:10:01Z"));
    history.refuses(return_as(800), &late, Refusal::ReturnTooLate);
    let last = by(id(6), at("2024-07-15T02:10:00Z"));
    let history = history.then(return_as(800), &last);
    assert_eq!(books(&history), ([300, 0, 0], [0, 0, 2]));
    history.refuses(return_as(800), &last, Refusal::RedemptionNotFulfilled);
}

#[test]
fn what_the_last_count_says_is_not_there_is_not_handed_over() {
    let count = item(reward_item::Ask::CountStock { counted: 0 });
    let history = ready().then(count, &july(6, 6));
    let missing = reward_item::Refusal::StockMissing;
    history.refuses(fulfil(), &july(5, 10), missing);
    let history = history.then(fail_as(800), &july(5, 11));
    assert_eq!(books(&history), ([300, 0, 0], [0, 0, 0]));
}

#[test]
fn a_clerk_cancels_for_somebody_but_a_stranger_does_not() {
    let history = ready().then(cancel_as(800), &july(5, 10));
    assert_eq!(redemption(&history).state, RedemptionState::Cancelled);
    ready().refuses(cancel_as(800), &july(4, 10), Refusal::ClerkNotAllowed);
    let silent = of(
        800,
        Ask::CancelRedemption {
            reason: " ".to_owned(),
        },
    );
    ready().refuses(silent, &july(3, 10), Refusal::ReasonNotAllowed);
}
