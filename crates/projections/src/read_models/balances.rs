//! `balances`: what a person's points are worth, and why, line by line.
//!
//! A partition is a person's account: its lots in the order they were posted. Balances follow
//! from postings alone and are computed for an instant when asked, so vesting and expiry need no
//! event. Never knows a rule: what was granted stands in the award.
//!
//! Two times are kept apart. *As of* uses value dates: an award counts from its activity's
//! `occurred_at`, and so does its revision; vesting and expiry count from their instants, holds,
//! spends, releases and reversals from their own time. *As known on* uses `recorded_at`: what the
//! log did not hold yet is left out. A posted expiry says nothing new, so it is not counted again.

mod statement;

use domain::account::{self, Activity, LotPart};
use domain::ids::{PersonId, RedemptionId};
use domain::{Event, Instant, Visibility};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use statement::{Line, LineKind};

use crate::read_model::{Fact, ReadModel, Row, no_index, row_value};

/// The model.
#[derive(Debug)]
pub struct Balances;

/// An award taken back, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversal {
    /// How many points.
    pub points: u32,
    /// Who did it.
    pub reversed_by: PersonId,
    /// Its value date: when it was done.
    pub at: Instant,
    /// Position of the posting.
    pub position: u64,
    /// When the log took it.
    pub recorded_at: Instant,
}

/// An activity verified again, and what that did to its award. Counts from the activity's day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Points more, or less.
    pub delta: i32,
    /// Position of the event that verified it again.
    pub fact: u64,
    /// Minutes verified then.
    pub minutes: u32,
    /// Who verified it.
    pub verified_by: PersonId,
    /// Policy set of the rule (`name/version`).
    pub policy_set: String,
    /// Why, in a sentence.
    pub why: String,
    /// When the points can be spent and expire, if that began anew.
    pub begins: Option<(Instant, Option<Instant>)>,
    /// Position of the posting.
    pub position: u64,
    /// When the log took it.
    pub recorded_at: Instant,
}

/// How points of a lot were moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveKind {
    /// Set aside for a redemption.
    Held,
    /// Given free again.
    Released,
    /// Spent, out of what was held.
    Spent,
    /// Came back, with what was redeemed.
    Returned,
    /// Found to be owed: taken off though they were gone.
    Owed,
    /// Paid what is owed.
    Repaid,
    /// Owed no more: points of it came back.
    Withdrawn,
    /// Got back what it had paid.
    Refunded,
}

/// Points of a lot that were moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// How.
    pub kind: MoveKind,
    /// How many.
    pub points: u32,
    /// For which redemption, if for one.
    pub redemption: Option<RedemptionId>,
    /// Its value date: when it was done.
    pub at: Instant,
    /// Position of the posting.
    pub position: u64,
    /// When the log took it.
    pub recorded_at: Instant,
}

/// A lot: one award and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// The award's id.
    pub award: Uuid,
    /// The verified activity, with its verifier and the position that verified it.
    pub activity: Activity,
    /// The zone of time of the unit where it was earned, by which days are told.
    pub zone: chrono_tz::Tz,
    /// Code of the rule.
    pub rule: String,
    /// Policy set of the rule (`name/version`).
    pub policy_set: String,
    /// What the rule gives.
    pub computed: u32,
    /// What was granted.
    pub granted: u32,
    /// What a cap kept back.
    pub forgone: u32,
    /// Why, in a sentence.
    pub why: String,
    /// When it could be spent, as granted.
    pub vests_at: Instant,
    /// When it expired, as granted.
    pub expires_at: Option<Instant>,
    /// Position of the posting.
    pub position: u64,
    /// When the log took it.
    pub recorded_at: Instant,
    /// Its revisions, in order.
    pub revisions: Vec<Revision>,
    /// Its reversals, in order.
    pub reversals: Vec<Reversal>,
    /// What else became of its points, in order.
    pub moves: Vec<Move>,
}

/// The points of a lot by where they are, as of an instant, as known on another.
struct Parts {
    revised: i64,
    reversed: i64,
    held: i64,
    spent: i64,
    owed: i64,
    repaid: i64,
}

impl Lot {
    /// Whether nobody but the account's own person is shown it.
    fn is_withheld(&self) -> bool {
        self.activity.family.visibility() == Visibility::Withheld
    }

    fn parts(&self, as_of: Instant, known_on: Option<Instant>) -> Parts {
        let is_known = |recorded_at| known(recorded_at, known_on);
        let revisions = self.revisions.iter().filter(|it| is_known(it.recorded_at));
        let reversals = self.reversals.iter();
        let reversals = reversals.filter(|it| it.at <= as_of && is_known(it.recorded_at));
        let mut parts = Parts {
            revised: revisions.map(|it| i64::from(it.delta)).sum(),
            reversed: reversals.map(|it| i64::from(it.points)).sum(),
            held: 0,
            spent: 0,
            owed: 0,
            repaid: 0,
        };
        let moves = self.moves.iter();
        for it in moves.filter(|it| it.at <= as_of && is_known(it.recorded_at)) {
            let points = i64::from(it.points);
            match it.kind {
                MoveKind::Held => parts.held += points,
                MoveKind::Released => parts.held -= points,
                MoveKind::Spent => {
                    parts.held -= points;
                    parts.spent += points;
                }
                MoveKind::Returned => parts.spent -= points,
                MoveKind::Owed => parts.owed += points,
                MoveKind::Repaid => parts.repaid += points,
                MoveKind::Withdrawn => parts.owed -= points,
                MoveKind::Refunded => parts.repaid -= points,
            }
        }
        parts
    }

    /// When it can be spent and when it expires.
    fn dates(&self, known_on: Option<Instant>) -> (Instant, Option<Instant>) {
        let latest = self.revisions.iter().rev();
        let mut latest = latest.filter(|it| known(it.recorded_at, known_on));
        let begins = latest.find_map(|it| it.begins);
        begins.unwrap_or((self.vests_at, self.expires_at))
    }

    fn counts(&self, as_of: Instant, known_on: Option<Instant>) -> bool {
        self.activity.occurred_at <= as_of && known(self.recorded_at, known_on)
    }
}

/// The begin of the day of an instant, in a zone.
fn day(at: Instant, zone: chrono_tz::Tz) -> Instant {
    let local = at.with_timezone(&zone).date_naive();
    let local = local.and_time(chrono::NaiveTime::MIN);
    // A midnight that the zone leaves out is taken in UTC.
    let begin = local.and_local_timezone(zone).earliest();
    begin.map_or_else(|| local.and_utc(), |begin| begin.to_utc())
}

fn known(recorded_at: Instant, known_on: Option<Instant>) -> bool {
    known_on.is_none_or(|known_on| recorded_at <= known_on)
}

/// The account was frozen, or unfrozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// It can spend nothing from here on.
    pub is_frozen: bool,
    /// Its value date: when it was done.
    pub at: Instant,
    /// When the log took it.
    pub recorded_at: Instant,
}

/// A person's account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its lots, in the order they were posted.
    pub lots: Vec<Lot>,
    /// When it was frozen and unfrozen, in order.
    pub freezes: Vec<Freeze>,
}

/// Points that become spendable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vesting {
    /// When.
    pub at: Instant,
    /// How many.
    pub points: u64,
}

/// A balance: `granted + revised = pending + spendable + held + spent + expired + reversed − debt`;
/// forgone points are outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// Granted in all.
    pub granted: u64,
    /// What verifying again added, or took off.
    pub revised: i64,
    /// Kept back by caps.
    pub forgone: u64,
    /// Not yet vested.
    pub pending: u64,
    /// Can be spent.
    pub spendable: u64,
    /// Set aside for redemptions.
    pub held: u64,
    /// Spent and not returned.
    pub spent: u64,
    /// Expired unspent.
    pub expired: u64,
    /// Taken back.
    pub reversed: u64,
    /// Taken off though it was gone, and not paid yet.
    pub debt: u64,
    /// The next day on which pending points vest, and how many do.
    pub next_vesting: Option<Vesting>,
    /// Awards that count.
    pub awards: u64,
}

impl Account {
    /// Whether it has an award that is withheld.
    pub fn has_withheld(&self) -> bool {
        self.lots.iter().any(Lot::is_withheld)
    }

    /// The account as everybody but its own person is shown it: without what is withheld, so that
    /// neither a line nor a sum nor a change of one between two instants tells of it.
    #[must_use]
    pub fn without_withheld(&self) -> Self {
        let mut shown = self.clone();
        shown.lots.retain(|lot| !lot.is_withheld());
        shown
    }

    /// The account as its own person is shown it: what is withheld counts from the begin of its day.
    /// Nothing that is asked of it tells a time of day.
    #[must_use]
    pub fn withheld_by_day(&self) -> Self {
        let mut shown = self.clone();
        for lot in shown.lots.iter_mut().filter(|lot| lot.is_withheld()) {
            let zone = lot.zone;
            let cut = |at: &mut Instant| *at = day(*at, zone);
            cut(&mut lot.activity.occurred_at);
            cut(&mut lot.recorded_at);
            for reversal in &mut lot.reversals {
                cut(&mut reversal.at);
                cut(&mut reversal.recorded_at);
            }
            for revision in &mut lot.revisions {
                cut(&mut revision.recorded_at);
            }
            for it in &mut lot.moves {
                cut(&mut it.at);
                cut(&mut it.recorded_at);
            }
        }
        shown
    }

    /// Whether it can spend nothing as of an instant, as known on another (absent: as known now).
    pub fn is_frozen(&self, as_of: Instant, known_on: Option<Instant>) -> bool {
        let mut latest = self.freezes.iter().rev();
        let latest = latest.find(|it| it.at <= as_of && known(it.recorded_at, known_on));
        latest.is_some_and(|it| it.is_frozen)
    }

    fn freezes(&mut self, fact: &Fact<'_>, is_frozen: bool) {
        self.freezes.push(Freeze {
            is_frozen,
            at: fact.occurred_at(),
            recorded_at: fact.recorded_at,
        });
    }

    fn lot(&mut self, award: Uuid) -> Option<&mut Lot> {
        self.lots.iter_mut().find(|lot| lot.award == award)
    }

    /// What happened to points that were awarded before.
    fn points_moved(&mut self, event: &account::Event, fact: &Fact<'_>) {
        match event {
            account::Event::PointsOwed { award, points } => {
                let part = LotPart {
                    lot: *award,
                    points: *points,
                };
                self.moves(fact, MoveKind::Owed, None, &[part]);
            }
            account::Event::DebtRepaid { lots } => {
                self.moves(fact, MoveKind::Repaid, None, lots);
            }
            account::Event::DebtWithdrawn {
                award,
                points,
                lots,
            } => {
                let (lot, points) = (*award, *points);
                self.moves(fact, MoveKind::Withdrawn, None, &[LotPart { lot, points }]);
                self.moves(fact, MoveKind::Refunded, None, lots);
            }
            account::Event::PointsHeld { redemption, lots } => {
                self.moves(fact, MoveKind::Held, Some(*redemption), lots);
            }
            account::Event::HoldReleased { redemption, lots } => {
                self.moves(fact, MoveKind::Released, Some(*redemption), lots);
            }
            account::Event::PointsSpent { redemption, lots } => {
                self.moves(fact, MoveKind::Spent, Some(*redemption), lots);
            }
            account::Event::PointsReturned { redemption, lots } => {
                self.moves(fact, MoveKind::Returned, Some(*redemption), lots);
            }
            // A lot dies at its instant, whether or not that was posted; and what brings no points
            // is no line.
            account::Event::PointsExpired { .. } | account::Event::ActivityVoided { .. } => {}
            account::Event::AccountFrozen { .. } => self.freezes(fact, true),
            account::Event::AccountUnfrozen { .. } => self.freezes(fact, false),
            account::Event::AwardGranted { .. }
            | account::Event::AwardRevised { .. }
            | account::Event::AwardReversed { .. } => {}
        }
    }

    fn moves(
        &mut self,
        fact: &Fact<'_>,
        kind: MoveKind,
        redemption: Option<RedemptionId>,
        parts: &[LotPart],
    ) {
        for part in parts {
            if let Some(lot) = self.lot(part.lot) {
                lot.moves.push(Move {
                    kind,
                    points: part.points,
                    redemption,
                    at: fact.occurred_at(),
                    position: fact.position,
                    recorded_at: fact.recorded_at,
                });
            }
        }
    }

    /// The balance as of an instant, as known on another (absent: as known now).
    pub fn balance(&self, as_of: Instant, known_on: Option<Instant>) -> Balance {
        let mut balance = Balance::default();
        let mut next: Option<Vesting> = None;
        let positive = |points: i64| u64::try_from(points).unwrap_or(0);
        let mut debt = 0_i64;
        for lot in self.lots.iter().filter(|lot| lot.counts(as_of, known_on)) {
            let parts = lot.parts(as_of, known_on);
            let worth = i64::from(lot.granted) + parts.revised - parts.reversed;
            let rest = worth + parts.owed - parts.held - parts.spent - parts.repaid;
            balance.awards += 1;
            balance.granted += u64::from(lot.granted);
            balance.revised += parts.revised;
            balance.forgone += u64::from(lot.forgone);
            balance.reversed += positive(parts.reversed);
            balance.held += positive(parts.held);
            balance.spent += positive(parts.spent);
            // As of a day before it was found to be owed, what is missing is owed just so.
            debt += parts.owed - parts.repaid + (-rest).max(0);
            let left = positive(rest);
            let (vests_at, expires_at) = lot.dates(known_on);
            if expires_at.is_some_and(|at| at <= as_of) {
                balance.expired += left;
            } else if vests_at <= as_of {
                balance.spendable += left;
            } else {
                balance.pending += left;
                next = match next {
                    _ if left == 0 => next,
                    Some(vesting) if vesting.at < vests_at => Some(vesting),
                    Some(vesting) if vesting.at == vests_at => Some(Vesting {
                        points: vesting.points + left,
                        ..vesting
                    }),
                    _ => Some(Vesting {
                        at: vests_at,
                        points: left,
                    }),
                };
            }
        }
        balance.debt = positive(debt);
        balance.next_vesting = next;
        balance
    }
}

impl ReadModel for Balances {
    const NAME: &'static str = "balances";
    const SCHEMA_VERSION: u32 = 4;
    type Key = PersonId;
    type Partition = Account;
    no_index!();

    fn wants(category: &str) -> bool {
        category == "account"
    }

    fn partition(fact: &Fact<'_>) -> Option<PersonId> {
        fact.key().map(PersonId)
    }

    fn apply(account: &mut Account, fact: &Fact<'_>) {
        let Event::Account(event) = fact.event else {
            return;
        };
        match event {
            account::Event::AwardGranted {
                award,
                activity,
                rule,
                policy_set,
                computed,
                granted,
                forgone,
                why,
                vests_at,
                expires_at,
                ..
            } => account.lots.push(Lot {
                award: *award,
                activity: activity.clone(),
                zone: fact.zone,
                rule: rule.clone(),
                policy_set: policy_set.clone(),
                computed: *computed,
                granted: *granted,
                forgone: *forgone,
                why: why.clone(),
                vests_at: *vests_at,
                expires_at: *expires_at,
                position: fact.position,
                recorded_at: fact.recorded_at,
                revisions: Vec::new(),
                reversals: Vec::new(),
                moves: Vec::new(),
            }),
            account::Event::AwardRevised {
                award,
                delta,
                fact: verified,
                minutes,
                verified_by,
                policy_set,
                why,
                vests_at,
                expires_at,
            } => {
                if let Some(lot) = account.lot(*award) {
                    lot.revisions.push(Revision {
                        delta: *delta,
                        fact: *verified,
                        minutes: *minutes,
                        verified_by: *verified_by,
                        policy_set: policy_set.clone(),
                        why: why.clone(),
                        begins: vests_at.map(|vests_at| (vests_at, *expires_at)),
                        position: fact.position,
                        recorded_at: fact.recorded_at,
                    });
                }
            }
            account::Event::AwardReversed {
                award,
                points,
                reversed_by,
                ..
            } => {
                if let Some(lot) = account.lot(*award) {
                    lot.reversals.push(Reversal {
                        points: *points,
                        reversed_by: *reversed_by,
                        at: fact.occurred_at(),
                        position: fact.position,
                        recorded_at: fact.recorded_at,
                    });
                }
            }
            moved => account.points_moved(moved, fact),
        }
    }

    fn rows(key: &PersonId, account: &Account) -> Vec<Row> {
        let frozen = (
            format!("{key}"),
            serde_json::json!({ "freezes": account.freezes }),
        );
        let lots = account.lots.iter();
        let lots = lots.map(|lot| (format!("{key}/{:020}", lot.position), row_value(lot)));
        std::iter::once(frozen).chain(lots).collect()
    }
}
