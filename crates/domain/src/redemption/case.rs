//! The rule of each command: points, stock, use and redemption change in one commit.

use chrono::{Duration, NaiveDate};

use super::{
    Ask, CodeHash, Command, Event, REASON_BYTES_MAX, Redemption, RedemptionRules, Refusal,
};
use crate::account::Posting;
use crate::envelope::{Envelope, Trust};
use crate::ids::{PersonId, RedemptionId, RewardItemId, UnitId};
use crate::member::Member;
use crate::patrol_shift::answers_for;
use crate::policy_set::PolicySets;
use crate::reaction::require_system;
use crate::refusal::Stop;
use crate::reward_item::{self, CLERKS, ItemState, RewardItem, RewardKind};
use crate::reward_use::{self, RewardUse};
use crate::separation::not_same;
use crate::unit::Unit;
use crate::world::{Context, Decision, World};

/// A redemption that exists, with what a decision about it needs.
struct Case<'a> {
    id: RedemptionId,
    redemption: &'a Redemption,
    item: RewardItemId,
    person: PersonId,
    community: UnitId,
    world: &'a World,
    cx: &'a Context,
}

pub(super) fn decide(
    command: &Command,
    redemption: &Redemption,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    let id = command.redemption;
    if let Ask::RequestRedemption { item } = &command.ask {
        return request(id, *item, world, cx);
    }
    let parts = (redemption.item, redemption.person, redemption.community);
    let (Some(item), Some(person), Some(community)) = parts else {
        return Err(Refusal::RedemptionNotFound.into());
    };
    let case = Case {
        id,
        redemption,
        item,
        person,
        community,
        world,
        cx,
    };
    match &command.ask {
        Ask::RequestRedemption { .. } => Err(Refusal::RedemptionAlreadyRequested.into()),
        Ask::ConfirmRedemption { code } => case.confirm(code),
        Ask::RenewCode { code } => case.renew_code(code),
        Ask::FulfilRedemption { code } => case.fulfil(code),
        Ask::CancelRedemption { reason } => case.cancel(reason),
        Ask::FailRedemption { reason } => case.fail(reason),
        Ask::ExpireRedemption => case.expire(),
        Ask::ReturnRedemption { reason } => case.take_back(reason),
    }
}

fn envelope(community: UnitId, cx: &Context) -> Envelope {
    let mut envelope = Envelope::at(cx.now);
    envelope.unit = Some(community.0);
    envelope
}

/// The rules in force in a community now, and the set they stand in.
fn rules(
    world: &World,
    community: UnitId,
    cx: &Context,
) -> Result<(RedemptionRules, String), Stop> {
    let policy = PolicySets::in_force(world, community, cx.now)?;
    let rules = policy.redemption.ok_or(Refusal::NoRedemptionRules)?;
    Ok((rules, policy.reference()))
}

/// Today in the community's calendar.
fn today(world: &World, community: UnitId, cx: &Context) -> Result<NaiveDate, Stop> {
    let zone = Unit::zone(world, community, cx.now, cx)?;
    Ok(cx.now.with_timezone(&zone).date_naive())
}

fn request(
    id: RedemptionId,
    item_id: RewardItemId,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    let person = cx.person()?;
    let item = world.state::<RewardItem>(item_id)?;
    let community = match (item.state, item.community) {
        (ItemState::Listed, Some(community)) => community,
        (ItemState::Unknown, _) => return Err(reward_item::Refusal::ItemNotFound.into()),
        _ => return Err(reward_item::Refusal::ItemNotListed.into()),
    };
    Member::active(world, community, person)?;
    let (rules, basis) = rules(world, community, cx)?;
    let day = today(world, community, cx)?;
    let used = RewardUse::key(item_id, person);
    let so_far = world.state::<RewardUse>(&used)?;
    if let Some(limit) = &item.per_person
        && !so_far.allows_one_more(limit, day)
    {
        return Err(Refusal::PerPersonLimitReached.into());
    }
    if item.available(day) == 0 {
        let has_stock = item.kind.is_some_and(RewardKind::has_stock);
        return Err(if has_stock {
            reward_item::Refusal::OutOfStock.into()
        } else {
            reward_item::Refusal::QuotaUsedUp.into()
        });
    }
    let price = item.price_at(cx.now);
    let points = price.ok_or(reward_item::Refusal::ItemNotListed)?;
    let mut posting = Posting::on(world, person, Some(community), cx)?;
    posting.hold(id, points)?;
    let envelope = envelope(community, cx);
    let mut computed = envelope.clone();
    computed.trust = Trust::System;
    let requested = Event::RedemptionRequested {
        item: item_id,
        person,
        community,
    };
    let reserved = Event::RedemptionReserved {
        points,
        held_until: cx.now + Duration::minutes(i64::from(rules.hold_minutes)),
        basis: basis.clone(),
    };
    let redemption = id;
    let piece = reward_item::Event::StockReserved { redemption, day };
    let taken = reward_use::Event::RewardTaken { redemption, day };
    let mut decision = Decision::new()
        .with::<Redemption>(id, requested, envelope)
        .with::<Redemption>(id, reserved, computed.clone())
        .with::<RewardItem>(item_id, piece, computed.clone())
        .with::<RewardUse>(used, taken, computed);
    posting.close(&mut decision)?;
    decision.used(&basis);
    Ok(decision)
}

impl Case<'_> {
    fn with(&self, event: Event) -> Decision {
        Decision::new().with::<Redemption>(self.id, event, envelope(self.community, self.cx))
    }

    /// The envelope of what follows from an event of the redemption.
    fn computed(&self) -> Envelope {
        let mut envelope = envelope(self.community, self.cx);
        envelope.trust = Trust::System;
        envelope
    }

    fn posting(&self) -> Result<Posting, Stop> {
        Posting::on(self.world, self.person, Some(self.community), self.cx)
    }

    fn beneficiary(&self) -> Result<(), Stop> {
        if self.cx.person()? == self.person {
            Ok(())
        } else {
            Err(Refusal::NotTheBeneficiary.into())
        }
    }

    /// The person who acts, if one who hands over and not the beneficiary.
    fn clerk(&self) -> Result<PersonId, Stop> {
        let clerk = self.cx.person()?;
        if !answers_for(self.world, self.community, clerk, CLERKS, self.cx.now)? {
            return Err(Refusal::ClerkNotAllowed.into());
        }
        not_same(self.world, clerk, self.person, Refusal::ClerkIsBeneficiary)?;
        Ok(clerk)
    }

    /// Refuses once the time is over, whether or not the timer came by.
    fn in_time(&self) -> Result<(), Stop> {
        match self.redemption.held_until {
            Some(until) if self.cx.now <= until => Ok(()),
            _ => Err(Refusal::HoldHasExpired.into()),
        }
    }

    fn confirm(&self, code: &CodeHash) -> Result<Decision, Stop> {
        self.beneficiary()?;
        self.in_time()?;
        check_code(code)?;
        let (rules, basis) = rules(self.world, self.community, self.cx)?;
        let readied = Event::PickupReadied {
            code: code.clone(),
            held_until: self.cx.now + Duration::days(i64::from(rules.pickup_days)),
            basis: basis.clone(),
        };
        let mut decision = self.with(readied);
        decision.used(&basis);
        Ok(decision)
    }

    fn renew_code(&self, code: &CodeHash) -> Result<Decision, Stop> {
        self.beneficiary()?;
        self.in_time()?;
        check_code(code)?;
        Ok(self.with(Event::CodeRenewed { code: code.clone() }))
    }

    fn fulfil(&self, code: &CodeHash) -> Result<Decision, Stop> {
        let fulfilled_by = self.clerk()?;
        self.in_time()?;
        if code.is_empty() || self.redemption.code.as_ref() != Some(code) {
            return Err(Refusal::CodeDoesNotMatch.into());
        }
        let item = self.world.state::<RewardItem>(self.item)?;
        let has_stock = item.kind.is_some_and(RewardKind::has_stock);
        if has_stock && item.on_hand() == 0 {
            return Err(reward_item::Refusal::StockMissing.into());
        }
        let redemption = self.id;
        let issued = reward_item::Event::StockIssued { redemption };
        let mut posting = self.posting()?;
        posting.spend(self.id)?;
        let mut decision = self
            .with(Event::RedemptionFulfilled { fulfilled_by })
            .with::<RewardItem>(self.item, issued, self.computed());
        posting.close(&mut decision)?;
        Ok(decision)
    }

    /// Ends the redemption and gives everything free that was set aside.
    fn let_go(&self, event: Event, envelope: Envelope) -> Result<Decision, Stop> {
        let redemption = self.id;
        let piece = reward_item::Event::StockReleased { redemption };
        let mut posting = self.posting()?;
        posting.release(self.id);
        let decision = Decision::new()
            .with::<Redemption>(self.id, event, envelope)
            .with::<RewardItem>(self.item, piece, self.computed());
        self.not_taken(decision, posting)
    }

    fn not_taken(&self, mut decision: Decision, posting: Posting) -> Result<Decision, Stop> {
        let redemption = self.id;
        let used = RewardUse::key(self.item, self.person);
        // Read as well as written: a request of the same person must see it.
        self.world.state::<RewardUse>(&used)?;
        self.world.state::<RewardItem>(self.item)?;
        let back = reward_use::Event::RewardGivenBack { redemption };
        decision.push::<RewardUse>(used, back, self.computed());
        posting.close(&mut decision)?;
        Ok(decision)
    }

    fn cancel(&self, reason: &str) -> Result<Decision, Stop> {
        let cancelled_by = self.cx.person()?;
        if cancelled_by != self.person {
            self.clerk()?;
        }
        check_reason(reason)?;
        let cancelled = Event::RedemptionCancelled {
            reason: reason.to_owned(),
            cancelled_by,
        };
        self.let_go(cancelled, envelope(self.community, self.cx))
    }

    fn fail(&self, reason: &str) -> Result<Decision, Stop> {
        let failed_by = self.clerk()?;
        check_reason(reason)?;
        let failed = Event::RedemptionFailed {
            reason: reason.to_owned(),
            failed_by,
        };
        self.let_go(failed, envelope(self.community, self.cx))
    }

    fn expire(&self) -> Result<Decision, Stop> {
        require_system(self.cx)?;
        let until = self.redemption.held_until;
        let held_until = until.ok_or(Refusal::RedemptionNotHeld)?;
        if held_until >= self.cx.now {
            return Err(Refusal::HoldNotExpired.into());
        }
        let expired = Event::RedemptionExpired { held_until };
        self.let_go(expired, self.computed())
    }

    fn take_back(&self, reason: &str) -> Result<Decision, Stop> {
        let returned_by = self.clerk()?;
        let handed = self.redemption.fulfilled;
        let (by, at) = handed.ok_or(Refusal::RedemptionNotFulfilled)?;
        if by == returned_by {
            return Err(Refusal::ReturnerHandedItOver.into());
        }
        check_reason(reason)?;
        let (rules, basis) = rules(self.world, self.community, self.cx)?;
        if self.cx.now > at + Duration::days(i64::from(rules.return_days)) {
            return Err(Refusal::ReturnTooLate.into());
        }
        let redemption = self.id;
        let piece = reward_item::Event::StockReturned { redemption };
        let mut posting = self.posting()?;
        posting.give_back(self.id);
        let returned = Event::RedemptionReturned {
            reason: reason.to_owned(),
            returned_by,
        };
        let mut decision =
            self.with(returned)
                .with::<RewardItem>(self.item, piece, self.computed());
        decision.used(&basis);
        self.not_taken(decision, posting)
    }
}

fn check_code(code: &CodeHash) -> Result<(), Stop> {
    if code.is_empty() {
        return Err(Refusal::CodeMissing.into());
    }
    Ok(())
}

fn check_reason(reason: &str) -> Result<(), Stop> {
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(Refusal::ReasonNotAllowed.into());
    }
    Ok(())
}
