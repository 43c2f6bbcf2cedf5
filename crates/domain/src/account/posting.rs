//! Posting: how points are moved, for every decision that moves some.
//!
//! Owns which lots pay (the earliest expiry first, vested ones only), when an expiry is posted and
//! how debts are paid; asserts conservation after each event it posts. Who may ask for it is decided
//! elsewhere. What is owed is paid at once by whatever is left in other lots, the earliest expiry
//! first and pending ones last, and later by the next points that come in, also before they vest:
//! so nothing can be spent while something is owed. Held points are not gone: what is taken away
//! under a hold is owed when the hold is spent, and is covered until then. Points that come back to
//! a lot that owes pay for itself, or go back to those that paid for it, before any of them expire.

use std::cmp::Reverse;
use std::sync::Arc;

use uuid::Uuid;

use super::{Account, Event, Lot, LotPart, Refusal};
use crate::envelope::{Envelope, Instant, Trust, Visibility};
use crate::ids::{PersonId, RedemptionId, UnitId};
use crate::refusal::Stop;
use crate::world::{Aggregate as _, Context, Decision, Stamp, World};

/// Most lots that one debit names; a commit record must hold them.
pub const LOTS_PER_DEBIT_MAX: usize = 500;
/// Most expiries that one debit posts; what is left stays dead without an event.
pub const EXPIRIES_PER_DEBIT_MAX: usize = 100;

/// An account to which events are posted one after the other.
pub(crate) struct Posting {
    account: Arc<Account>,
    person: PersonId,
    unit: Option<UnitId>,
    now: Instant,
    visibility: Visibility,
    /// Whether every event so far conserves points.
    is_sound: bool,
    events: Vec<(Event, Envelope)>,
}

impl Posting {
    /// On the account of a person, in a decision about something of this unit.
    pub(crate) fn on(
        world: &World,
        person: PersonId,
        unit: Option<UnitId>,
        cx: &Context,
    ) -> Result<Self, Stop> {
        let account = world.state::<Account>(person)?;
        // Found on reading, so it is answered by name: a panic would end the task that asks.
        if !account.is_conserved() {
            return Err(Refusal::AccountNotConserved.into());
        }
        Ok(Self {
            account,
            person,
            unit,
            now: cx.now,
            visibility: Visibility::Open,
            is_sound: true,
            events: Vec::new(),
        })
    }

    /// The same, about an award: of one that is withheld all is withheld, with its header. Who is
    /// rewarded for a lead has tipped, and the header's cause is the lead.
    pub(super) fn about(mut self, award: Visibility) -> Self {
        self.visibility = award;
        self
    }

    /// Whether an event is withheld: with all that is posted, or since it tells of one withheld lot
    /// alone. What moves points of several lots for a redemption or a debt names awards only by
    /// ids, which follow from what is random and lead to no lead.
    fn visibility_of(&self, event: &Event) -> Visibility {
        let (Event::PointsExpired { lot, .. } | Event::PointsOwed { award: lot, .. }) = event
        else {
            return self.visibility;
        };
        let lot = self.account.lots.get(lot);
        lot.map_or(self.visibility, |lot| lot.visibility)
    }

    /// The account as it stands after what was posted.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Posts an event that the system computes, with its value date.
    fn computed(&mut self, event: Event, value_date: Instant) {
        let mut envelope = Envelope::at(value_date);
        envelope.trust = Trust::System;
        self.post(event, envelope);
    }

    /// Posts an event.
    pub(super) fn post(&mut self, event: Event, mut envelope: Envelope) {
        envelope.unit = self.unit.map(|unit| unit.0);
        envelope.visibility = match self.visibility {
            Visibility::Open => self.visibility_of(&event),
            Visibility::Withheld => Visibility::Withheld,
        };
        let stamp = Stamp {
            position: 0,
            version: 0,
            occurred_at: envelope.occurred_at,
            recorded_at: self.now,
        };
        Arc::make_mut(&mut self.account).evolve(&event, &stamp);
        debug_assert!(self.account.is_conserved(), "{event:?} conserves points");
        self.is_sound &= self.account.is_conserved();
        self.events.push((event, envelope));
    }

    /// Lots with something left that have not expired: what can be spent first, then pending; the
    /// earliest expiry first in each, those that never expire last.
    fn live(&self) -> Vec<(Uuid, &Lot)> {
        let lots = self.account.lots.iter();
        let mut live: Vec<_> = lots
            .filter(|(_, lot)| lot.left() > 0 && !lot.has_expired(self.now))
            .map(|(id, lot)| (*id, lot))
            .collect();
        live.sort_by_key(|(id, lot)| {
            let never = lot.expires_at.is_none();
            (
                lot.vests_at > self.now,
                never,
                lot.expires_at,
                lot.vests_at,
                *id,
            )
        });
        live
    }

    /// Takes off what is owed for awards that have something left again: struck off if nobody has
    /// paid it yet, given back to those that paid else; to those that live longest first.
    fn withdraw_debts(&mut self) {
        for _ in 0..EXPIRIES_PER_DEBIT_MAX {
            let owing = self.account.lots.iter();
            let mut owing = owing.map(|(id, lot)| (*id, lot.owed.min(lot.left())));
            let Some((award, back)) = owing.find(|(_, back)| *back > 0) else {
                return;
            };
            let unpaid = u32::try_from(self.account.totals.unpaid()).unwrap_or(u32::MAX);
            let mut paid = back.saturating_sub(unpaid);
            let mut payers: Vec<_> = self.account.lots.iter().collect();
            payers.retain(|(_, lot)| lot.repaid > 0);
            payers.sort_by_key(|(id, lot)| {
                let lives = Reverse((lot.expires_at.is_none(), lot.expires_at));
                (**id != award, lot.owed > 0, lives, **id)
            });
            let mut lots = Vec::new();
            for (id, lot) in payers.into_iter().take(LOTS_PER_DEBIT_MAX) {
                let points = lot.repaid.min(paid);
                if points == 0 {
                    break;
                }
                paid -= points;
                lots.push(LotPart { lot: *id, points });
            }
            let points = back - paid;
            let withdrawn = Event::DebtWithdrawn {
                award,
                points,
                lots,
            };
            self.computed(withdrawn, self.now);
        }
    }

    /// Posts the expiry of what is dead and its own.
    fn expire_dead(&mut self) {
        self.withdraw_debts();
        let lots = self.account.lots.iter();
        let mut dead: Vec<_> = lots
            .filter(|(_, lot)| lot.left() > 0)
            .filter_map(|(id, lot)| Some((lot.expires_at?, *id, lot.left())))
            .filter(|(expires_at, ..)| *expires_at <= self.now)
            .collect();
        dead.sort_unstable();
        for (expires_at, lot, points) in dead.into_iter().take(EXPIRIES_PER_DEBIT_MAX) {
            self.computed(Event::PointsExpired { lot, points }, expires_at);
        }
    }

    /// Posts the expiry of one lot, if it is dead.
    pub(super) fn expire(&mut self, lot: Uuid) {
        self.withdraw_debts();
        let found = self.account.lots.get(&lot);
        let dead = found.filter(|lot| lot.has_expired(self.now) && lot.left() > 0);
        if let Some((points, Some(expires_at))) = dead.map(|lot| (lot.left(), lot.expires_at)) {
            self.computed(Event::PointsExpired { lot, points }, expires_at);
        }
    }

    /// Sets points aside.
    pub(crate) fn hold(&mut self, redemption: RedemptionId, points: u32) -> Result<(), Stop> {
        if self.account.is_frozen {
            return Err(Refusal::AccountIsFrozen.into());
        }
        self.expire_dead();
        let left: u64 = self
            .live()
            .iter()
            .map(|(_, lot)| u64::from(lot.left()))
            .sum();
        let claimed = self.account.totals.unpaid() + self.account.missing_beside(None);
        // What was taken away under other holds stays covered, and what is owed is paid first.
        if left < u64::from(points) + claimed {
            return Err(Refusal::PointsNotEnough.into());
        }
        let mut missing = points;
        let mut lots = Vec::new();
        for (lot, of) in self.live() {
            let points = of.left().min(missing);
            if points == 0 || !of.can_be_spent(self.now) {
                break;
            }
            missing -= points;
            lots.push(LotPart { lot, points });
        }
        if missing > 0 {
            return Err(Refusal::PointsNotEnough.into());
        }
        if lots.len() > LOTS_PER_DEBIT_MAX {
            return Err(Refusal::TooManyLots.into());
        }
        self.computed(Event::PointsHeld { redemption, lots }, self.now);
        Ok(())
    }

    /// Gives held points free; those of lots that died meanwhile expire.
    pub(crate) fn release(&mut self, redemption: RedemptionId) {
        let lots = self.account.holds.get(&redemption);
        let lots = lots.cloned().unwrap_or_default();
        self.computed(Event::HoldReleased { redemption, lots }, self.now);
        self.expire_dead();
    }

    /// Spends held points; what was taken away under the hold is owed now.
    pub(crate) fn spend(&mut self, redemption: RedemptionId) -> Result<(), Stop> {
        if self.account.is_frozen {
            return Err(Refusal::AccountIsFrozen.into());
        }
        let lots = self.account.holds.get(&redemption);
        let lots = lots.cloned().unwrap_or_default();
        let parts = lots.clone();
        self.computed(Event::PointsSpent { redemption, lots }, self.now);
        for part in parts {
            self.owe(part.lot);
        }
        Ok(())
    }

    /// Gives spent points back; those of lots that died meanwhile expire.
    pub(crate) fn give_back(&mut self, redemption: RedemptionId) {
        let lots = self.account.spent_on.get(&redemption);
        let lots = lots.cloned().unwrap_or_default();
        self.computed(Event::PointsReturned { redemption, lots }, self.now);
        self.expire_dead();
    }

    /// Points that can be spent, but for those of one lot, and beside what holds still need.
    pub(super) fn spendable_beside(&self, but: Uuid) -> u64 {
        let others = self.account.lots.iter().filter(|(id, _)| **id != but);
        let live = others.filter(|(_, lot)| lot.can_be_spent(self.now));
        let left: u64 = live.map(|(_, lot)| u64::from(lot.left())).sum();
        left.saturating_sub(self.account.missing_beside(Some(but)))
    }

    /// Writes off what was taken from a lot though it was gone. What is held may come back, so it
    /// is not gone.
    pub(super) fn owe(&mut self, award: Uuid) {
        let lot = self.account.lots.get(&award);
        self.owe_points(
            award,
            lot.map_or(0, |lot| lot.missing().saturating_sub(lot.held)),
        );
    }

    /// Writes off what was taken from a lot though it was gone or held. Of a dead lot that is taken
    /// back only what has not expired is, so what its holds give free is no longer its own.
    pub(super) fn owe_with_held(&mut self, award: Uuid) {
        let lot = self.account.lots.get(&award);
        self.owe_points(award, lot.map_or(0, Lot::missing));
    }

    fn owe_points(&mut self, award: Uuid, points: u32) {
        if points > 0 {
            self.computed(Event::PointsOwed { award, points }, self.now);
        }
    }

    /// Pays what is owed out of what is left, and gives the events to the decision.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_CONSERVED` if points would be lost or made: a mistake of ours, of which nothing is
    /// then written.
    pub(crate) fn close(mut self, decision: &mut Decision) -> Result<(), Stop> {
        self.withdraw_debts();
        let mut unpaid = self.account.totals.unpaid();
        let mut lots = Vec::new();
        // What more lots could pay is paid with the next posting.
        for (lot, of) in self.live().into_iter().take(LOTS_PER_DEBIT_MAX) {
            let points = of.left().min(u32::try_from(unpaid).unwrap_or(u32::MAX));
            if points == 0 {
                break;
            }
            unpaid -= u64::from(points);
            lots.push(LotPart { lot, points });
        }
        let all_pay = lots.len() < LOTS_PER_DEBIT_MAX;
        if !lots.is_empty() {
            self.computed(Event::DebtRepaid { lots }, self.now);
        }
        let is_settled = !all_pay || self.account.is_settled(self.now);
        debug_assert!(
            is_settled,
            "nothing is missing unowed but under a hold, and nothing is left while something is owed"
        );
        if !self.is_sound || !is_settled {
            return Err(Refusal::AccountNotConserved.into());
        }
        if self.visibility == Visibility::Withheld {
            decision.visibility = Visibility::Withheld;
        }
        for (event, envelope) in self.events {
            decision.push::<Account>(self.person, event, envelope);
        }
        Ok(())
    }
}
