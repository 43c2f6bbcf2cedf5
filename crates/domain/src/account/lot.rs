//! A lot: the points of one award and where each of them is.
//!
//! Owns the arithmetic of a lot and of a balance. A lot never gives what it does not have.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Account;
use crate::envelope::{Instant, Visibility};
use crate::ids::UnitId;
use crate::policy_set::ActivityFamily;

/// Points of one lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LotPart {
    /// The award that is the lot.
    pub lot: Uuid,
    /// How many of its points.
    pub points: u32,
}

/// The points of one award.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// For which activity; nothing else brings an award for it.
    pub activity: Uuid,
    /// Its family: caps count by it.
    pub family: ActivityFamily,
    /// Where it was earned.
    pub unit: UnitId,
    /// Whether what is posted on it alone is withheld.
    pub visibility: Visibility,
    /// By which rule.
    pub rule: String,
    /// Position of the event that verified the activity last.
    pub fact: u64,
    /// Value date: when the activity happened. Caps count by it, in the zone of the unit.
    pub occurred_at: Instant,
    /// How many were granted.
    pub granted: u32,
    /// What verifying again added or took off.
    pub revised: i64,
    /// When it can be spent.
    pub vests_at: Instant,
    /// When it expires.
    pub expires_at: Option<Instant>,
    /// It was taken back.
    pub is_reversed: bool,
    /// Points taken back.
    pub reversed: u32,
    /// Points set aside for redemptions.
    pub held: u32,
    /// Points spent and not returned.
    pub spent: u32,
    /// Points whose expiry was posted.
    pub expired: u32,
    /// Points taken back or revised away that were gone: the account owes them.
    pub owed: u32,
    /// Points that paid what other lots owe.
    pub repaid: u32,
}

impl Lot {
    /// What it is worth in all: granted and revised, less what was taken back. Caps count this.
    pub fn worth(&self) -> u32 {
        let worth = i64::from(self.granted) + self.revised - i64::from(self.reversed);
        u32::try_from(worth).unwrap_or(0)
    }

    /// Whether it is worth nothing and nothing of it is anywhere.
    pub(super) fn is_empty(&self) -> bool {
        let places = [self.held, self.spent, self.expired, self.owed, self.repaid];
        self.worth() == 0 && places.into_iter().all(|points| points == 0)
    }

    /// What is neither taken back nor gone; below zero while what is missing is not yet owed.
    fn rest(&self) -> i64 {
        let gone = [self.held, self.spent, self.expired, self.repaid];
        let gone: i64 = gone.into_iter().map(i64::from).sum();
        let worth = i64::from(self.granted) + self.revised - i64::from(self.reversed);
        worth + i64::from(self.owed) - gone
    }

    /// What is left of it to be spent, or to expire.
    pub fn left(&self) -> u32 {
        u32::try_from(self.rest().max(0)).unwrap_or(u32::MAX)
    }

    /// What was taken from it though it was held or gone.
    pub(super) fn missing(&self) -> u32 {
        u32::try_from((-self.rest()).max(0)).unwrap_or(u32::MAX)
    }

    /// Whether what is left is dead.
    pub fn has_expired(&self, at: Instant) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }

    /// Whether what is left can be spent.
    pub fn can_be_spent(&self, at: Instant) -> bool {
        self.vests_at <= at && !self.has_expired(at)
    }
}

/// What an account holds: granted + revised = pending + spendable + held + spent + expired +
/// reversed − debt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// All that was ever granted.
    pub granted: u64,
    /// What verifying again added, or took off.
    pub revised: i64,
    /// Not yet vested.
    pub pending: u64,
    /// Can be spent.
    pub spendable: u64,
    /// Set aside for redemptions.
    pub held: u64,
    /// Spent and not returned.
    pub spent: u64,
    /// Expired before it was spent.
    pub expired: u64,
    /// Taken back.
    pub reversed: u64,
    /// Taken back or revised away though it was gone, and not paid yet.
    pub debt: u64,
}

impl Balance {
    /// Whether every point granted is in exactly one place.
    pub fn is_conserved(&self) -> bool {
        let wide = i128::from;
        let places = [
            self.pending,
            self.spendable,
            self.held,
            self.spent,
            self.expired,
            self.reversed,
        ];
        let places: i128 = places.into_iter().map(wide).sum();
        wide(self.granted) + i128::from(self.revised) == places - wide(self.debt)
    }
}

/// Everything posted, kept event by event: what the lots are checked against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Granted.
    pub granted: u64,
    /// Added and taken off by verifying again.
    pub revised: i64,
    /// Taken back.
    pub reversed: u64,
    /// Held for redemptions now.
    pub held: u64,
    /// Spent and not returned.
    pub spent: u64,
    /// Posted as expired.
    pub expired: u64,
    /// Found to be owed.
    pub owed: u64,
    /// Paid of it.
    pub repaid: u64,
}

impl Totals {
    /// What is owed and not paid.
    pub const fn unpaid(&self) -> u64 {
        self.owed.saturating_sub(self.repaid)
    }
}

impl Account {
    /// What the account holds at an instant that is not before its last posting: lots count from
    /// their value date on, vesting and expiry come at theirs. What was held on an earlier day is
    /// told by the read model.
    pub fn balance_at(&self, at: Instant) -> Balance {
        let mut balance = Balance::default();
        let mut debt = 0_i64;
        for lot in self.lots.values().filter(|lot| lot.occurred_at <= at) {
            balance.granted += u64::from(lot.granted);
            balance.revised += lot.revised;
            balance.reversed += u64::from(lot.reversed);
            balance.held += u64::from(lot.held);
            balance.spent += u64::from(lot.spent);
            balance.expired += u64::from(lot.expired);
            // What paid for other lots is in no place of its own: it fills their holes.
            debt += i64::from(lot.missing()) + i64::from(lot.owed) - i64::from(lot.repaid);
            let left = u64::from(lot.left());
            if lot.has_expired(at) {
                balance.expired += left;
            } else if lot.vests_at <= at {
                balance.spendable += left;
            } else {
                balance.pending += left;
            }
        }
        balance.debt = u64::try_from(debt).unwrap_or(0);
        balance
    }

    /// Whether the lots agree with what the events said, and no hold is more than its lots hold.
    pub fn is_conserved(&self) -> bool {
        let sum = |part: fn(&Lot) -> u32| -> u64 {
            self.lots.values().map(|lot| u64::from(part(lot))).sum()
        };
        let found = Totals {
            granted: sum(|lot| lot.granted),
            revised: self.lots.values().map(|lot| lot.revised).sum(),
            reversed: sum(|lot| lot.reversed),
            held: sum(|lot| lot.held),
            spent: sum(|lot| lot.spent),
            expired: sum(|lot| lot.expired),
            owed: sum(|lot| lot.owed),
            repaid: sum(|lot| lot.repaid),
        };
        let points =
            |parts: &Vec<LotPart>| -> u64 { parts.iter().map(|part| u64::from(part.points)).sum() };
        let held: u64 = self.holds.values().map(points).sum();
        let spent: u64 = self.spent_on.values().map(points).sum();
        found == self.totals
            && held == found.held
            && spent == found.spent
            && found.repaid <= found.owed
    }

    /// The lot for an activity, by whichever rule it was granted.
    pub(super) fn lot_for(&self, activity: Uuid) -> Option<(Uuid, &Lot)> {
        let mut lots = self.lots.iter();
        let found = lots.find(|(_, lot)| lot.activity == activity);
        found.map(|(award, lot)| (*award, lot))
    }

    /// What was taken from lots under a hold, but for one: owed once the hold is spent.
    pub(super) fn missing_beside(&self, but: Option<Uuid>) -> u64 {
        let others = self.lots.iter().filter(|(id, _)| but != Some(**id));
        others.map(|(_, lot)| u64::from(lot.missing())).sum()
    }

    /// Whether nothing is missing but under a hold, no lot has something left that itself owes, and
    /// nothing is left while something is owed: what must hold after every commit.
    pub(super) fn is_settled(&self, at: Instant) -> bool {
        let live = |lot: &&Lot| !lot.has_expired(at);
        let mut lots = self.lots.values();
        lots.all(|lot| lot.missing() <= lot.held && (lot.owed == 0 || lot.left() == 0))
            && (self.totals.unpaid() == 0
                || self.lots.values().filter(live).all(|lot| lot.left() == 0))
    }

    /// What activities of a family have brought in a period and was not taken back.
    pub(super) fn granted_in(
        &self,
        family: ActivityFamily,
        but: Option<Uuid>,
        in_period: impl Fn(Instant) -> bool,
    ) -> u32 {
        let others = self.lots.iter().filter(|(id, _)| but != Some(**id));
        others
            .filter(|(_, lot)| lot.family == family && in_period(lot.occurred_at))
            .fold(0, |sum: u32, (_, lot)| sum.saturating_add(lot.worth()))
    }
}
