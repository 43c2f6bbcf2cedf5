//! The life told here: volunteer 3 has 300 points by six activities, redeems rice (item 700, 200
//! points, 2 pieces) on 1 July, confirms, and 5, a clerk, hands it over; 6 is another clerk.
//! Volunteer 4 has 200 points.

mod debt;
mod properties;
mod rules;
mod table;

use super::*;
use crate::account::{self, Account, Activity};
use crate::ids::RedemptionId;
use crate::member::{MemberKind, Role};
use crate::policy_set::ActivityFamily;
use crate::reward_item::{self, RewardItem, RewardKind};
use crate::testing::{History, at, by, by_system, id, team};

/// When the reservation ends, when the pick-up does, and after everything.
const HELD: &str = "2024-07-01T02:15:00Z";
const PICKUP: &str = "2024-07-08T02:05:00Z";
const LATE: &str = "2024-07-09T00:00:00Z";
const CODE: &str = "7K3M-Q2XA-9ZPD";

fn july(person: u128, minute: u32) -> Context {
    by(id(person), at(&format!("2024-07-01T02:{minute:02}:00Z")))
}

fn of(redemption: u128, ask: Ask) -> Command {
    Command {
        redemption: id(redemption),
        ask,
    }
}

fn hash(redemption: u128, code: &str) -> CodeHash {
    CodeHash::of(id(redemption), code)
}

fn request_as(redemption: u128) -> Command {
    of(redemption, Ask::RequestRedemption { item: id(700) })
}

fn confirm_as(redemption: u128) -> Command {
    let code = hash(redemption, CODE);
    of(redemption, Ask::ConfirmRedemption { code })
}

fn fulfil_as(redemption: u128, code: &str) -> Command {
    let code = hash(redemption, code);
    of(redemption, Ask::FulfilRedemption { code })
}

fn cancel_as(redemption: u128) -> Command {
    let reason = "changed my mind".to_owned();
    of(redemption, Ask::CancelRedemption { reason })
}

fn fail_as(redemption: u128) -> Command {
    let reason = "the bag was torn".to_owned();
    of(redemption, Ask::FailRedemption { reason })
}

fn return_as(redemption: u128) -> Command {
    let reason = "the rice was spoiled".to_owned();
    of(redemption, Ask::ReturnRedemption { reason })
}

fn expire_as(redemption: u128) -> Command {
    of(redemption, Ask::ExpireRedemption)
}

fn request() -> Command {
    request_as(800)
}

fn confirm() -> Command {
    confirm_as(800)
}

fn fulfil() -> Command {
    fulfil_as(800, CODE)
}

fn item(ask: reward_item::Ask) -> reward_item::Command {
    reward_item::Command { item: id(700), ask }
}

fn publicity(person: u128, n: u128, fact: u64, occurred_at: Instant) -> (PersonId, Activity) {
    let activity = Activity {
        family: ActivityFamily::Publicity,
        id: id(10_000 + n),
        fact,
        occurred_at,
        unit: id(101),
        minutes: 60,
        verified_by: id(2),
    };
    (id(person), activity)
}

fn grant(person: u128, n: u128, occurred_at: Instant) -> account::Command {
    let (person, activity) = publicity(person, n, 1, occurred_at);
    account::Command::GrantAward { person, activity }
}

/// The team with clerks and a listed item of so many pieces.
fn shop(team: History, pieces: u32) -> History {
    let draft = item(reward_item::Ask::DraftItem {
        community: id(101),
        name: "rice, 5 kg".to_owned(),
        kind: RewardKind::Goods,
        price: 200,
        funding_source: "community fund".to_owned(),
    });
    let receive = item(reward_item::Ask::ReceiveStock {
        count: pieces,
        paper: None,
    });
    let captain = by(id(2), at("2024-01-03T00:00:00Z"));
    team.and_member(id(5), MemberKind::CommunityWorker, Some(Role::Clerk))
        .and_member(id(6), MemberKind::CommunityWorker, Some(Role::Clerk))
        .then(draft, &captain)
        .then(receive, &captain)
        .then(item(reward_item::Ask::OfferItem), &captain)
}

/// A shop of six pieces under the pilot's rules, but points of publicity expire a month after they
/// vest, and a day brings at most 120.
fn shop_with_expiry() -> History {
    let text =
        include_str!("../../../../policies/pilot.toml").replace("version = 1", "version = 2");
    let from = "code = \"PUBLICITY\"\n";
    assert!(text.contains(from));
    let with = "code = \"PUBLICITY\"\nexpiry_months = 1\n\
                caps = [{ period = \"day\", points = 120 }]\n";
    let adopt = crate::policy_set::Command::AdoptPolicySet {
        unit: id(101),
        text: text.replacen(from, with, 1),
        effective_from: None,
    };
    let start = at("2024-01-02T00:00:00Z");
    shop(team().then(adopt, &by(id(1), start)), 6)
}

fn base_of(pieces: u32) -> History {
    let grants: [(u128, i64); 2] = [(3, 6), (4, 4)];
    let mut history = shop(team(), pieces);
    for (person, count) in grants {
        for n in 0..count {
            let day = at("2024-02-01T12:00:00Z") + chrono::Duration::days(n);
            let n = person * 100 + u128::from(n.unsigned_abs());
            history = history.then(grant(person, n, day), &by_system(day));
        }
    }
    history
}

fn base() -> History {
    base_of(2)
}

fn reserved() -> History {
    base().then(request(), &july(3, 0))
}

fn ready() -> History {
    reserved().then(confirm(), &july(3, 5))
}

fn fulfilled() -> History {
    ready().then(fulfil(), &july(5, 10))
}

fn states() -> Vec<(&'static str, History)> {
    vec![
        ("unknown", base()),
        ("reserved", reserved()),
        ("ready_for_pickup", ready()),
        ("fulfilled", fulfilled()),
        ("cancelled", ready().then(cancel_as(800), &july(3, 10))),
        (
            "expired",
            ready().then(expire_as(800), &by_system(at(LATE))),
        ),
        ("failed", ready().then(fail_as(800), &july(5, 10))),
        ("returned", fulfilled().then(return_as(800), &july(6, 20))),
    ]
}

fn redemption(history: &History) -> std::sync::Arc<Redemption> {
    history.state(id::<RedemptionId>(800))
}

fn rice(history: &History) -> std::sync::Arc<RewardItem> {
    history.state(id::<RewardItemId>(700))
}

fn balance(history: &History, person: u128, now: Instant) -> account::Balance {
    let account = history.state::<Account>(id::<PersonId>(person));
    assert!(account.is_conserved());
    let balance = account.balance_at(now);
    assert!(balance.is_conserved());
    balance
}

/// Spendable, held, spent of the volunteer; reserved, issued, on hand of the item.
fn books(history: &History) -> ([u64; 3], [u32; 3]) {
    let points = balance(history, 3, at("2024-07-20T00:00:00Z"));
    let item = rice(history);
    (
        [points.spendable, points.held, points.spent],
        [item.reserved(), item.issued, item.on_hand()],
    )
}
