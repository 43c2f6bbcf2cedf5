//! How events make the state. Total: bears any order, and events of other accounts; no event moves
//! more points than there are.

use std::collections::btree_map::Entry;

use uuid::Uuid;

use super::{Account, Event, Lot, LotPart};
use crate::ids::RedemptionId;

impl Account {
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::AwardGranted { .. } => self.grant(event),
            Event::AwardRevised {
                award,
                delta,
                fact,
                vests_at,
                expires_at,
                ..
            } => {
                if let Some(lot) = self.lots.get_mut(award) {
                    if let Some(vests_at) = vests_at {
                        lot.vests_at = *vests_at;
                        lot.expires_at = *expires_at;
                    }
                    let delta = i64::from(*delta).max(-i64::from(lot.worth()));
                    lot.fact = *fact;
                    lot.revised += delta;
                    self.totals.revised += delta;
                    // What expired unspent was never had: it is taken off before anything is owed,
                    // whether or not its expiry was posted.
                    let unexpired = lot.missing().min(lot.expired);
                    lot.expired -= unexpired;
                    self.totals.expired -= u64::from(unexpired);
                }
            }
            Event::ActivityVoided { activity, fact, .. } => {
                let known = self.voided.entry(*activity).or_default();
                *known = (*known).max(*fact);
            }
            Event::AwardReversed { award, points, .. } => {
                if let Some(lot) = self.lots.get_mut(award).filter(|lot| !lot.is_reversed) {
                    let points = (*points).min(lot.worth());
                    lot.is_reversed = true;
                    lot.reversed += points;
                    self.totals.reversed += u64::from(points);
                }
            }
            Event::PointsOwed { award, points } => {
                if let Some(lot) = self.lots.get_mut(award) {
                    let points = (*points).min(lot.missing());
                    lot.owed += points;
                    self.totals.owed += u64::from(points);
                }
            }
            Event::DebtRepaid { lots } => {
                for part in lots {
                    let unpaid = u32::try_from(self.totals.unpaid()).unwrap_or(u32::MAX);
                    if let Some(lot) = self.lots.get_mut(&part.lot) {
                        let points = part.points.min(lot.left()).min(unpaid);
                        lot.repaid += points;
                        self.totals.repaid += u64::from(points);
                    }
                }
            }
            Event::DebtWithdrawn {
                award,
                points,
                lots,
            } => self.withdraw_debt(*award, *points, lots),
            Event::PointsExpired { lot, points } => {
                if let Some(lot) = self.lots.get_mut(lot) {
                    let points = (*points).min(lot.left());
                    lot.expired += points;
                    self.totals.expired += u64::from(points);
                }
            }
            Event::PointsHeld { redemption, lots } => self.hold(*redemption, lots),
            Event::HoldReleased { redemption, .. } => {
                for part in self.holds.remove(redemption).unwrap_or_default() {
                    self.unhold(part);
                }
            }
            Event::PointsSpent { redemption, .. } => {
                let parts = self.holds.remove(redemption).unwrap_or_default();
                for part in &parts {
                    self.unhold(*part);
                    if let Some(lot) = self.lots.get_mut(&part.lot) {
                        lot.spent += part.points;
                    }
                    self.totals.spent += u64::from(part.points);
                }
                self.spent_on.entry(*redemption).or_default().extend(parts);
            }
            Event::PointsReturned { redemption, .. } => {
                for part in self.spent_on.remove(redemption).unwrap_or_default() {
                    if let Some(lot) = self.lots.get_mut(&part.lot) {
                        lot.spent -= part.points;
                    }
                    self.totals.spent -= u64::from(part.points);
                }
            }
            Event::AccountFrozen { .. } => self.is_frozen = true,
            Event::AccountUnfrozen { .. } => self.is_frozen = false,
        }
    }

    fn grant(&mut self, event: &Event) {
        let Event::AwardGranted {
            award,
            activity,
            rule,
            granted,
            vests_at,
            expires_at,
            ..
        } = event
        else {
            return;
        };
        // One award per id, for ever: a second one changes nothing.
        if let Entry::Vacant(place) = self.lots.entry(*award) {
            self.voided.remove(&activity.id);
            place.insert(Lot {
                activity: activity.id,
                family: activity.family,
                unit: activity.unit,
                visibility: activity.family.visibility(),
                rule: rule.clone(),
                fact: activity.fact,
                occurred_at: activity.occurred_at,
                granted: *granted,
                revised: 0,
                vests_at: *vests_at,
                expires_at: *expires_at,
                is_reversed: false,
                reversed: 0,
                held: 0,
                spent: 0,
                expired: 0,
                owed: 0,
                repaid: 0,
            });
            self.totals.granted += u64::from(*granted);
        }
    }

    /// What nobody has paid is struck off; what others paid goes back to them.
    fn withdraw_debt(&mut self, award: Uuid, points: u32, lots: &[LotPart]) {
        let owing = self.lots.get(&award);
        let mut rest = owing.map_or(0, |lot| points.min(lot.owed).min(lot.left()));
        for part in lots {
            let payer = self.lots.get_mut(&part.lot);
            let paid = payer.map_or(0, |lot| {
                let paid = part.points.min(lot.repaid).min(rest);
                lot.repaid -= paid;
                paid
            });
            self.totals.repaid -= u64::from(paid);
            self.owe_less(award, paid);
            rest -= paid;
        }
        let unpaid = u32::try_from(self.totals.unpaid()).unwrap_or(u32::MAX);
        self.owe_less(award, rest.min(unpaid));
    }

    /// The award owes at least so many.
    fn owe_less(&mut self, award: Uuid, points: u32) {
        if let Some(lot) = self.lots.get_mut(&award) {
            lot.owed -= points;
            self.totals.owed -= u64::from(points);
        }
    }

    fn hold(&mut self, redemption: RedemptionId, lots: &[LotPart]) {
        for part in lots {
            let Some(lot) = self.lots.get_mut(&part.lot) else {
                continue;
            };
            let points = part.points.min(lot.left());
            lot.held += points;
            self.totals.held += u64::from(points);
            let held = self.holds.entry(redemption).or_default();
            held.push(LotPart { points, ..*part });
        }
    }

    /// The parts of a hold are in lots that hold them.
    fn unhold(&mut self, part: LotPart) {
        if let Some(lot) = self.lots.get_mut(&part.lot) {
            lot.held -= part.points;
        }
        self.totals.held -= u64::from(part.points);
    }
}
