//! Posting: how points are moved, for every decision that moves some.
//!
//! Owns which lots pay (the earliest expiry first, vested ones only), when an expiry is posted and
//! how debts are paid; asserts conservation after each event. Who may ask for it is decided
//! elsewhere. What is owed is paid at once by whatever is left in other lots, the earliest expiry
//! first and pending ones last, and later by the next points that come in, also before they vest:
//! so nothing can be spent while something is owed.

use std::sync::Arc;

use uuid::Uuid;

use super::{Account, Event, Lot, LotPart, Refusal};
use crate::envelope::{Envelope, Instant, Trust};
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
        assert!(
            account.is_conserved(),
            "the lots of an account add up to what was posted"
        );
        Ok(Self {
            account,
            person,
            unit,
            now: cx.now,
            events: Vec::new(),
        })
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
        let stamp = Stamp {
            position: 0,
            version: 0,
            occurred_at: envelope.occurred_at,
            recorded_at: self.now,
        };
        Arc::make_mut(&mut self.account).evolve(&event, &stamp);
        assert!(self.account.is_conserved(), "{event:?} conserves points");
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

    /// Posts the expiry of what is dead.
    fn expire_dead(&mut self) {
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
        if self.account.totals.unpaid() > 0 {
            return Err(Refusal::PointsNotEnough.into());
        }
        self.expire_dead();
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

    /// Spends held points.
    pub(crate) fn spend(&mut self, redemption: RedemptionId) -> Result<(), Stop> {
        if self.account.is_frozen {
            return Err(Refusal::AccountIsFrozen.into());
        }
        let lots = self.account.holds.get(&redemption);
        let lots = lots.cloned().unwrap_or_default();
        self.computed(Event::PointsSpent { redemption, lots }, self.now);
        Ok(())
    }

    /// Gives spent points back; those of lots that died meanwhile expire.
    pub(crate) fn give_back(&mut self, redemption: RedemptionId) {
        let lots = self.account.spent_on.get(&redemption);
        let lots = lots.cloned().unwrap_or_default();
        self.computed(Event::PointsReturned { redemption, lots }, self.now);
        self.expire_dead();
    }

    /// Points that can be spent, but for those of one lot.
    pub(super) fn spendable_beside(&self, but: Uuid) -> u64 {
        let others = self.account.lots.iter().filter(|(id, _)| **id != but);
        let live = others.filter(|(_, lot)| lot.can_be_spent(self.now));
        live.map(|(_, lot)| u64::from(lot.left())).sum()
    }

    /// Writes off what was taken from a lot though it was gone.
    pub(super) fn owe(&mut self, award: Uuid) {
        let points = self.account.lots.get(&award).map_or(0, Lot::missing);
        if points > 0 {
            self.computed(Event::PointsOwed { award, points }, self.now);
        }
    }

    /// Pays what is owed out of what is left, and gives the events to the decision.
    pub(crate) fn close(mut self, decision: &mut Decision) {
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
        assert!(
            !all_pay || self.account.is_settled(self.now),
            "nothing is missing unowed, and nothing is left while something is owed"
        );
        for (event, envelope) in self.events {
            decision.push::<Account>(self.person, event, envelope);
        }
    }
}
