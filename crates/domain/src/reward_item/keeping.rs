//! The rules of those who keep items and their stock.

use super::{
    Ask, Bound, COUNT_MAX, Command, Event, NAME_BYTES_MAX, PRICE_AHEAD_DAYS_MAX, PRICE_MAX,
    PRICES_MAX, Refusal, RewardItem, RewardKind,
};
use crate::envelope::{Envelope, Instant};
use crate::ids::{PersonId, UnitId};
use crate::member::Role;
use crate::patrol_shift::answers_for;
use crate::refusal::Stop;
use crate::unit::{Unit, UnitLevel};
use crate::world::{Context, Decision, World};

/// Roles that keep items and their prices.
const KEEPERS: &[Role] = &[Role::Captain, Role::Instructor];
/// Roles that keep the stock and hand over.
pub(crate) const CLERKS: &[Role] = &[Role::Clerk, Role::Captain, Role::Instructor];

pub(super) fn decide(
    command: &Command,
    item: &RewardItem,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    let community = match (&command.ask, item.community) {
        (Ask::DraftItem { community, .. }, _) => *community,
        (_, Some(community)) => community,
        (_, None) => return Err(Refusal::ItemNotFound.into()),
    };
    let keeper = || holder(world, community, KEEPERS, Refusal::KeeperNotAllowed, cx);
    let clerk = || holder(world, community, CLERKS, Refusal::ClerkNotAllowed, cx);
    let has_stock = item.kind.is_some_and(RewardKind::has_stock);
    let mut envelope = Envelope::at(cx.now);
    envelope.unit = Some(community.0);
    let event = match &command.ask {
        Ask::DraftItem {
            community,
            name,
            kind,
            price,
            funding_source,
        } => {
            if world.state::<Unit>(*community)?.level != Some(UnitLevel::Community) {
                return Err(Refusal::CommunityNotFound.into());
            }
            let drafted_by = keeper()?;
            check_text(name, Refusal::NameNotAllowed)?;
            check_text(funding_source, Refusal::FundingSourceNotAllowed)?;
            Event::ItemDrafted {
                community: *community,
                name: name.clone(),
                kind: *kind,
                price: check_price(*price)?,
                funding_source: funding_source.clone(),
                drafted_by,
            }
        }
        Ask::OfferItem => Event::ItemListed {
            kind: item.kind.unwrap_or(RewardKind::Goods),
            price: item.price_at(cx.now).ok_or(Refusal::PriceNotAllowed)?,
            funding_source: item.funding_source.clone(),
            listed_by: keeper()?,
        },
        Ask::PauseItem => Event::ItemPaused {
            paused_by: keeper()?,
        },
        Ask::ResumeItem => Event::ItemResumed {
            resumed_by: keeper()?,
        },
        Ask::RetireItem => Event::ItemRetired {
            retired_by: keeper()?,
        },
        Ask::ChangePrice { price, from } => Event::PriceChanged {
            changed_by: keeper()?,
            price: check_price(*price)?,
            from: check_from(item, *from, cx.now)?,
        },
        Ask::SetQuota { quota } => {
            let set_by = keeper()?;
            if has_stock {
                return Err(Refusal::ItemHasNoQuota.into());
            }
            Event::QuotaSet {
                quota: check_bound(*quota)?,
                set_by,
            }
        }
        Ask::SetPerPersonLimit { limit } => Event::PerPersonLimitSet {
            set_by: keeper()?,
            limit: check_bound(*limit)?,
        },
        Ask::ReceiveStock { count, paper } => {
            let received_by = clerk()?;
            if !has_stock {
                return Err(Refusal::ItemHasNoStock.into());
            }
            check_count(*count)?;
            envelope.evidence.extend(*paper);
            Event::StockReceived {
                count: *count,
                received_by,
            }
        }
        Ask::CountStock { counted } => {
            let counted_by = clerk()?;
            if !has_stock {
                return Err(Refusal::ItemHasNoStock.into());
            }
            if *counted > COUNT_MAX {
                return Err(Refusal::CountNotAllowed.into());
            }
            Event::StockCounted {
                counted: *counted,
                difference: i64::from(*counted) - i64::from(item.on_hand()),
                counted_by,
            }
        }
    };
    Ok(Decision::new().with::<RewardItem>(command.item, event, envelope))
}

/// The person who acts, if a holder of one of the roles, or an administrator.
fn holder(
    world: &World,
    community: UnitId,
    roles: &[Role],
    otherwise: Refusal,
    cx: &Context,
) -> Result<PersonId, Stop> {
    let person = cx.person()?;
    if answers_for(world, community, person, roles, cx.now)? {
        Ok(person)
    } else {
        Err(otherwise.into())
    }
}

fn check_text(text: &str, otherwise: Refusal) -> Result<(), Stop> {
    if text.trim().is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(otherwise.into());
    }
    Ok(())
}

fn check_price(price: u32) -> Result<u32, Stop> {
    if (1..=PRICE_MAX).contains(&price) {
        Ok(price)
    } else {
        Err(Refusal::PriceNotAllowed.into())
    }
}

fn check_count(count: u32) -> Result<(), Stop> {
    if (1..=COUNT_MAX).contains(&count) {
        Ok(())
    } else {
        Err(Refusal::CountNotAllowed.into())
    }
}

fn check_bound(bound: Bound) -> Result<Bound, Stop> {
    check_count(bound.count)?;
    Ok(bound)
}

fn check_from(item: &RewardItem, from: Option<Instant>, now: Instant) -> Result<Instant, Stop> {
    let from = from.unwrap_or(now);
    if from < now {
        return Err(Refusal::PriceInThePast.into());
    }
    if from > now + chrono::Duration::days(PRICE_AHEAD_DAYS_MAX) {
        return Err(Refusal::PriceTooFarAhead.into());
    }
    // The one in force now and this one are kept beside those that come between.
    let between = item.prices.iter();
    let between = between.filter(|(other, _)| (now < *other) && (*other < from));
    if between.count() + 2 > PRICES_MAX {
        return Err(Refusal::TooManyPrices.into());
    }
    Ok(from)
}
