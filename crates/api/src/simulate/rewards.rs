//! Rewards: what is offered for points, its stock and prices, and who redeems what.

use chrono::{Datelike as _, NaiveDate};
use domain::ids::{RedemptionId, RewardItemId};
use domain::policy_set::Period;
use domain::redemption::{self, Code, CodeHash};
use domain::reward_item::{self, Bound, RewardKind};

use super::SimulateError;
use super::community::{Community, Deed};
use super::people::Login;
use super::rates::{self, Rate};

/// What is offered: name, sort, points. Two bags of salt cost 30 points in the one list that was
/// found (`domain.md` §7).
const ITEMS: [(&str, RewardKind, u32); 5] = [
    ("two bags of salt", RewardKind::Goods, 30),
    ("umbrella", RewardKind::Goods, 50),
    ("bag of rice", RewardKind::Goods, 200),
    ("haircut", RewardKind::PartnerService, 100),
    ("property fee reduction", RewardKind::FeeReduction, 150),
];
/// The place of the item that one person gets only so often.
const LIMITED: usize = 2;
/// Pieces that come in each month.
const RECEIVED: u32 = 60;
/// People that are asked whether they have points before nobody redeems.
const TRIES: usize = 6;
/// Of a thousand reservations, so many are never confirmed.
const FORGOTTEN: usize = 40;
/// Of a thousand that wait, so many are called off.
const CANCELLED: usize = 30;
/// Of a thousand that wait, nobody comes for so many.
const NOT_FETCHED: usize = 50;
/// Of a thousand that were handed over, so many come back.
const RETURNED: usize = 15;

/// What a community offers, with the points for each.
#[derive(Debug, Default)]
pub(super) struct Shop {
    items: Vec<(RewardItemId, RewardKind, u32)>,
    /// Months so far.
    months: u32,
}

/// A step.
pub(super) enum Step {
    /// The shop opens.
    Open,
    /// Stock comes in, pieces are counted, a price moves.
    Month,
    Request,
    Confirm(RedemptionId, Login),
    Fetch(RedemptionId, Login, Code),
    Return(RedemptionId),
}

/// What a day brings.
pub(super) fn day(c: &mut Community, day: NaiveDate) {
    if day == rates::first_day() {
        return c.later(super::local(day, 20 * 60), Deed::Reward(Step::Open));
    }
    if day.day() == 1 {
        c.later(super::local(day, 8 * 60 + 30), Deed::Reward(Step::Month));
    }
    let thousandths = Rate::Redemptions.today(c.people.volunteers.len());
    for _ in 0..c.dice.times(thousandths) {
        let minute = c.dice.between(9 * 60, 21 * 60);
        c.later(super::local(day, minute), Deed::Reward(Step::Request));
    }
}

/// Does a step.
pub(super) fn run(c: &mut Community, step: Step) -> Result<(), SimulateError> {
    match step {
        Step::Open => open(c),
        Step::Month => month(c),
        Step::Request => return request(c),
        Step::Confirm(redemption, login) => confirm(c, redemption, login),
        Step::Fetch(redemption, login, code) => fetch(c, redemption, login, &code),
        Step::Return(redemption) => {
            let reason = "the bag was torn".to_owned();
            // Not by the clerk, who handed it over.
            by(
                c,
                c.people.instructor,
                redemption,
                redemption::Ask::ReturnRedemption { reason },
            );
        }
    }
    Ok(())
}

fn keep(c: &mut Community, item: RewardItemId, ask: reward_item::Ask) {
    if let Some(captain) = c.people.captain {
        c.send(captain.principal, reward_item::Command { item, ask });
    }
}

fn by(c: &mut Community, who: Option<Login>, redemption: RedemptionId, ask: redemption::Ask) {
    if let Some(who) = who {
        c.send(who.principal, redemption::Command { redemption, ask });
    }
}

fn open(c: &mut Community) {
    use reward_item::Ask;
    for (place, (name, kind, price)) in ITEMS.into_iter().enumerate() {
        let item = RewardItemId(c.dice.uuid());
        let draft = Ask::DraftItem {
            community: c.id,
            name: name.to_owned(),
            kind,
            price,
            funding_source: "community fund".to_owned(),
        };
        keep(c, item, draft);
        if kind.has_stock() {
            receive(c, item);
        } else {
            let quota = Bound {
                period: Some(Period::Month),
                count: 60,
            };
            keep(c, item, Ask::SetQuota { quota });
        }
        if place == LIMITED {
            let limit = Bound {
                period: Some(Period::Month),
                count: 1,
            };
            keep(c, item, Ask::SetPerPersonLimit { limit });
        }
        keep(c, item, Ask::OfferItem);
        c.shop.items.push((item, kind, price));
    }
}

fn receive(c: &mut Community, item: RewardItemId) {
    let (count, paper) = (RECEIVED, Some(c.dice.paper()));
    let ask = reward_item::Ask::ReceiveStock { count, paper };
    if let Some(clerk) = c.people.clerk {
        c.send(clerk.principal, reward_item::Command { item, ask });
    }
}

fn month(c: &mut Community) {
    use reward_item::Ask;
    c.shop.months += 1;
    for (item, kind, _) in c.shop.items.clone() {
        if kind.has_stock() {
            receive(c, item);
        }
    }
    // A price moves every third month, for a quarter up or down around what it was at first.
    if c.shop.months.is_multiple_of(3) {
        let place = c.dice.below(c.shop.items.len());
        if let Some((item, _, known)) = c.shop.items.get_mut(place) {
            let first = ITEMS.get(place).map_or(*known, |(_, _, price)| *price);
            let price = if *known == first {
                first + first / 4
            } else {
                first
            };
            *known = price;
            let item = *item;
            keep(c, item, Ask::ChangePrice { price, from: None });
        }
    }
}

fn request(c: &mut Community) -> Result<(), SimulateError> {
    let place = c.dice.below(c.shop.items.len());
    let Some((item, _, price)) = c.shop.items.get(place).copied() else {
        return Ok(());
    };
    for _ in 0..TRIES {
        let Some(login) = c.dice.pick(&c.people.volunteers).copied() else {
            return Ok(());
        };
        if c.spendable(login.person)? < u64::from(price) {
            continue;
        }
        let redemption = RedemptionId(c.dice.uuid());
        by(
            c,
            Some(login),
            redemption,
            redemption::Ask::RequestRedemption { item },
        );
        // What is not confirmed in time is released by the timer.
        if !c.dice.chance(FORGOTTEN) {
            let minutes = c.dice.between(1, 8);
            c.after(minutes, Deed::Reward(Step::Confirm(redemption, login)));
        }
        return Ok(());
    }
    Ok(())
}

fn confirm(c: &mut Community, redemption: RedemptionId, login: Login) {
    let code = Code::of_bytes(c.dice.code());
    let hash = CodeHash::of(redemption, code.reveal());
    by(
        c,
        Some(login),
        redemption,
        redemption::Ask::ConfirmRedemption { code: hash },
    );
    if !c.dice.chance(NOT_FETCHED) {
        let minutes = c.dice.between(30, 6 * 24 * 60);
        c.after(minutes, Deed::Reward(Step::Fetch(redemption, login, code)));
    }
}

fn fetch(c: &mut Community, redemption: RedemptionId, login: Login, code: &Code) {
    if c.dice.chance(CANCELLED) {
        let reason = "does not want it any more".to_owned();
        return by(
            c,
            Some(login),
            redemption,
            redemption::Ask::CancelRedemption { reason },
        );
    }
    let code = CodeHash::of(redemption, code.reveal());
    by(
        c,
        c.people.clerk,
        redemption,
        redemption::Ask::FulfilRedemption { code },
    );
    if c.dice.chance(RETURNED) {
        let minutes = c.dice.between(60, 10 * 24 * 60);
        c.after(minutes, Deed::Reward(Step::Return(redemption)));
    }
}
