//! `balances`: what a person's points are worth, and why, line by line.
//!
//! A partition is a person's account: its lots in the order they were posted. Balances follow
//! from postings alone and are computed for an instant when asked, so vesting and expiry need no
//! event. Never knows a rule: what was granted stands in the award.
//!
//! Two times are kept apart. *As of* uses value dates: an award counts from its activity's
//! `occurred_at`, vesting and expiry from their instants, a reversal from its own time. *As known
//! on* uses `recorded_at`: what the log did not hold yet is left out.

use domain::account::{self, Activity};
use domain::ids::PersonId;
use domain::{Event, Instant};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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

/// A lot: one award and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// The award's id.
    pub award: Uuid,
    /// The verified activity, with its verifier and the position that verified it.
    pub activity: Activity,
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
    /// When it can be spent.
    pub vests_at: Instant,
    /// When it expires.
    pub expires_at: Option<Instant>,
    /// Position of the posting.
    pub position: u64,
    /// When the log took it.
    pub recorded_at: Instant,
    /// Its reversals, in order.
    pub reversals: Vec<Reversal>,
}

impl Lot {
    /// Points taken back as of an instant, as known on another.
    fn reversed(&self, as_of: Instant, known_on: Option<Instant>) -> u32 {
        self.reversals
            .iter()
            .filter(|reversal| reversal.at <= as_of && known(reversal.recorded_at, known_on))
            .fold(0_u32, |sum, reversal| sum.saturating_add(reversal.points))
            .min(self.granted)
    }

    fn counts(&self, as_of: Instant, known_on: Option<Instant>) -> bool {
        self.activity.occurred_at <= as_of && known(self.recorded_at, known_on)
    }
}

fn known(recorded_at: Instant, known_on: Option<Instant>) -> bool {
    known_on.is_none_or(|known_on| recorded_at <= known_on)
}

/// A person's account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its lots, in the order they were posted.
    pub lots: Vec<Lot>,
}

/// Points that become spendable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vesting {
    /// When.
    pub at: Instant,
    /// How many.
    pub points: u64,
}

/// A balance: `granted = pending + spendable + expired + reversed`; forgone points are outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// Granted in all.
    pub granted: u64,
    /// Kept back by caps.
    pub forgone: u64,
    /// Not yet vested.
    pub pending: u64,
    /// Can be spent.
    pub spendable: u64,
    /// Expired unspent.
    pub expired: u64,
    /// Taken back.
    pub reversed: u64,
    /// The next day on which pending points vest, and how many do.
    pub next_vesting: Option<Vesting>,
    /// Awards that count.
    pub awards: u64,
}

/// What a line of a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKind {
    /// Points were granted; they are pending.
    Granted,
    /// Pending points became spendable.
    Vested,
    /// Points were taken back.
    Reversed,
    /// Spendable points expired.
    Expired,
}

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// What it is about.
    pub kind: LineKind,
    /// From when on it counts.
    pub value_date: Instant,
    /// Points it is about; granted is added, reversed and expired are taken off.
    pub points: u32,
    /// The lot, with activity, rule, policy set and verifier.
    pub lot: &'a Lot,
    /// The person who took points back.
    pub reversed_by: Option<PersonId>,
    /// Position of the posting (of the award for vesting and expiry, which need none).
    pub position: u64,
    /// When the log took that posting.
    pub recorded_at: Instant,
    /// Pending after this line.
    pub pending: u64,
    /// Spendable after this line.
    pub spendable: u64,
}

impl Account {
    /// The balance as of an instant, as known on another (absent: as known now).
    pub fn balance(&self, as_of: Instant, known_on: Option<Instant>) -> Balance {
        let mut balance = Balance::default();
        let mut next: Option<Vesting> = None;
        for lot in self.lots.iter().filter(|lot| lot.counts(as_of, known_on)) {
            let reversed = lot.reversed(as_of, known_on);
            let left = u64::from(lot.granted - reversed);
            balance.awards += 1;
            balance.granted += u64::from(lot.granted);
            balance.forgone += u64::from(lot.forgone);
            balance.reversed += u64::from(reversed);
            if lot.expires_at.is_some_and(|at| at <= as_of) {
                balance.expired += left;
            } else if lot.vests_at <= as_of {
                balance.spendable += left;
            } else {
                balance.pending += left;
                next = match next {
                    _ if left == 0 => next,
                    Some(vesting) if vesting.at < lot.vests_at => Some(vesting),
                    Some(vesting) if vesting.at == lot.vests_at => Some(Vesting {
                        points: vesting.points + left,
                        ..vesting
                    }),
                    _ => Some(Vesting {
                        at: lot.vests_at,
                        points: left,
                    }),
                };
            }
        }
        balance.next_vesting = next;
        balance
    }

    /// The statement up to an instant, as known on another, in the order of value dates.
    ///
    /// A reversal takes from what is left of its lot, pending or spendable, at its own time.
    pub fn statement(&self, as_of: Instant, known_on: Option<Instant>) -> Vec<Line<'_>> {
        let mut lines = Vec::new();
        for lot in self.lots.iter().filter(|lot| lot.counts(as_of, known_on)) {
            lot_lines(lot, as_of, known_on, &mut lines);
        }
        lines.sort_by_key(|line| (line.value_date, line.position, line.kind));
        let (mut pending, mut spendable) = (0_u64, 0_u64);
        for line in &mut lines {
            let points = u64::from(line.points);
            match line.kind {
                LineKind::Granted => pending += points,
                LineKind::Vested => {
                    pending = pending.saturating_sub(points);
                    spendable += points;
                }
                LineKind::Reversed if line.value_date < line.lot.vests_at => {
                    pending = pending.saturating_sub(points);
                }
                LineKind::Reversed | LineKind::Expired => {
                    spendable = spendable.saturating_sub(points);
                }
            }
            (line.pending, line.spendable) = (pending, spendable);
        }
        lines
    }
}

fn lot_lines<'a>(
    lot: &'a Lot,
    as_of: Instant,
    known_on: Option<Instant>,
    lines: &mut Vec<Line<'a>>,
) {
    let line = |kind, value_date, points| Line {
        kind,
        value_date,
        points,
        lot,
        reversed_by: None,
        position: lot.position,
        recorded_at: lot.recorded_at,
        pending: 0,
        spendable: 0,
    };
    lines.push(line(
        LineKind::Granted,
        lot.activity.occurred_at,
        lot.granted,
    ));
    let before = |at: Instant| {
        let earlier = at - chrono::Duration::microseconds(1);
        lot.granted - lot.reversed(earlier, known_on)
    };
    // Activities verified late may vest before they are posted, never before they happened.
    let vests_at = lot.vests_at.max(lot.activity.occurred_at);
    if vests_at <= as_of && before(vests_at) > 0 {
        lines.push(line(LineKind::Vested, vests_at, before(vests_at)));
    }
    if let Some(at) = lot.expires_at.filter(|at| *at <= as_of)
        && before(at) > 0
    {
        lines.push(line(LineKind::Expired, at, before(at)));
    }
    let mut left = lot.granted;
    for reversal in &lot.reversals {
        if reversal.at <= as_of && known(reversal.recorded_at, known_on) {
            let points = reversal.points.min(left);
            left -= points;
            lines.push(Line {
                reversed_by: Some(reversal.reversed_by),
                position: reversal.position,
                recorded_at: reversal.recorded_at,
                ..line(LineKind::Reversed, reversal.at, points)
            });
        }
    }
}

impl ReadModel for Balances {
    const NAME: &'static str = "balances";
    const SCHEMA_VERSION: u32 = 1;
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
                reversals: Vec::new(),
            }),
            account::Event::AwardReversed {
                award,
                points,
                reversed_by,
                ..
            } => {
                if let Some(lot) = account.lots.iter_mut().find(|lot| lot.award == *award) {
                    lot.reversals.push(Reversal {
                        points: *points,
                        reversed_by: *reversed_by,
                        at: fact.occurred_at(),
                        position: fact.position,
                        recorded_at: fact.recorded_at,
                    });
                }
            }
        }
    }

    fn rows(key: &PersonId, account: &Account) -> Vec<Row> {
        account
            .lots
            .iter()
            .map(|lot| (format!("{key}/{:020}", lot.position), row_value(lot)))
            .collect()
    }
}
