//! A statement: every change of a balance as a line, by value date.
//!
//! Owns how a lot's postings, its vesting and its expiry become lines. The last line always says
//! what the balance says.

use domain::Instant;
use domain::ids::{PersonId, RedemptionId};

use super::{Account, Lot, MoveKind, Revision, known};

/// What a line of a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKind {
    /// Points were granted; they are pending.
    Granted,
    /// Pending points became spendable.
    Vested,
    /// The activity was verified again: points more or less.
    Revised,
    /// Points were taken back.
    Reversed,
    /// Spendable points expired.
    Expired,
    /// Points were set aside for a redemption.
    Held,
    /// They were given free again.
    Released,
    /// They were spent.
    Spent,
    /// What was redeemed came back, and so did the points.
    Returned,
    /// Of what was revised away or taken back, so much was gone: it is owed.
    Owed,
    /// What is owed was paid out of this lot.
    Repaid,
    /// Points of this lot came back: so much less of it is owed.
    Withdrawn,
    /// What this lot had paid came back to it.
    Refunded,
}

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// What it is about.
    pub kind: LineKind,
    /// From when on it counts.
    pub value_date: Instant,
    /// Points it is about; what they do to the balance follows from the kind.
    pub points: u32,
    /// True for a revision that takes points off.
    pub is_less: bool,
    /// The lot, with activity, rule, policy set and verifier.
    pub lot: &'a Lot,
    /// The later verification, of a revision.
    pub revision: Option<&'a Revision>,
    /// The redemption that it is about.
    pub redemption: Option<RedemptionId>,
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
    /// When the points of the lot can be spent.
    pub vests_at: Instant,
    /// When they expire.
    pub expires_at: Option<Instant>,
    /// By how much this line changes what is pending, and what can be spent.
    pub(super) change: (i64, i64),
}

/// Where what is left of a lot is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Pending,
    Vested,
    Dead,
}

/// A lot on its way through its postings.
struct Walk<'a> {
    lot: &'a Lot,
    /// When it can be spent and when it expires, by what is known.
    dates: (Instant, Option<Instant>),
    phase: Phase,
    /// What is left; below zero while it is missing.
    rest: i64,
    /// What lines have told to be expired.
    told: i64,
    lines: Vec<Line<'a>>,
}

impl<'a> Walk<'a> {
    fn free(&self) -> i64 {
        self.rest.max(0)
    }

    fn line(&self, kind: LineKind, value_date: Instant, points: u32) -> Line<'a> {
        Line {
            kind,
            value_date,
            points,
            is_less: false,
            lot: self.lot,
            revision: None,
            redemption: None,
            reversed_by: None,
            position: self.lot.position,
            recorded_at: self.lot.recorded_at,
            pending: 0,
            spendable: 0,
            vests_at: self.dates.0,
            expires_at: self.dates.1,
            change: (0, 0),
        }
    }

    /// Adds a line that changes what is left.
    fn moved(&mut self, mut line: Line<'a>, by: i64) {
        let before = self.free();
        self.rest += by;
        let change = self.free() - before;
        line.change = match self.phase {
            Phase::Pending => (change, 0),
            Phase::Vested => (0, change),
            Phase::Dead => (0, 0),
        };
        self.lines.push(line);
    }

    /// What came back to a dead lot is dead at once: told when all lines of one commit are, since a
    /// later one of them may take it away again.
    fn tell_dead(&mut self) {
        let more = self.free() - self.told;
        let last = self
            .lines
            .last()
            .filter(|_| self.phase == Phase::Dead && more > 0);
        if let Some(last) = last.cloned() {
            self.told += more;
            self.lines.push(Line {
                kind: LineKind::Expired,
                points: u32::try_from(more).unwrap_or(u32::MAX),
                is_less: false,
                revision: None,
                reversed_by: None,
                change: (0, 0),
                ..last
            });
        }
    }

    fn vests(&mut self, at: Instant) {
        self.phase = Phase::Vested;
        let free = self.free();
        if free > 0 {
            let points = u32::try_from(free).unwrap_or(u32::MAX);
            let line = self.line(LineKind::Vested, at, points);
            let change = (-free, free);
            self.lines.push(Line { change, ..line });
        }
    }

    fn expires(&mut self, at: Instant) {
        let free = self.free();
        self.told = free;
        if free > 0 {
            let points = u32::try_from(free).unwrap_or(u32::MAX);
            let line = self.line(LineKind::Expired, at, points);
            let change = match self.phase {
                Phase::Pending => (-free, 0),
                _ => (0, -free),
            };
            self.lines.push(Line { change, ..line });
        }
        self.phase = Phase::Dead;
    }
}

/// What a posting makes of a lot.
enum Step<'a> {
    Vests,
    Expires,
    Posted(Line<'a>, i64),
}

fn lot_lines(lot: &Lot, as_of: Instant, known_on: Option<Instant>) -> Vec<Line<'_>> {
    let mut walk = Walk {
        lot,
        dates: lot.dates(known_on),
        phase: Phase::Pending,
        rest: 0,
        told: 0,
        lines: Vec::new(),
    };
    let mut steps: Vec<(Instant, u64, u8, Step<'_>)> = Vec::new();
    let granted = walk.line(LineKind::Granted, lot.activity.occurred_at, lot.granted);
    let step = Step::Posted(granted, lot.granted.into());
    steps.push((lot.activity.occurred_at, lot.position, 0, step));
    // Activities verified late may vest before they are posted, never before they happened.
    let (vests_at, expires_at) = walk.dates;
    let vests_at = vests_at.max(lot.activity.occurred_at);
    steps.push((vests_at, lot.position, 1, Step::Vests));
    if let Some(at) = expires_at {
        steps.push((at, lot.position, 2, Step::Expires));
    }
    let is_known = |recorded_at| known(recorded_at, known_on);
    for it in lot.revisions.iter().filter(|it| is_known(it.recorded_at)) {
        let at = lot.activity.occurred_at;
        let line = Line {
            is_less: it.delta < 0,
            revision: Some(it),
            position: it.position,
            recorded_at: it.recorded_at,
            ..walk.line(LineKind::Revised, at, it.delta.unsigned_abs())
        };
        steps.push((at, it.position, 3, Step::Posted(line, it.delta.into())));
    }
    for it in lot.reversals.iter().filter(|it| is_known(it.recorded_at)) {
        let line = Line {
            reversed_by: Some(it.reversed_by),
            position: it.position,
            recorded_at: it.recorded_at,
            ..walk.line(LineKind::Reversed, it.at, it.points)
        };
        let step = Step::Posted(line, -i64::from(it.points));
        steps.push((it.at, it.position, 3, step));
    }
    for it in lot.moves.iter().filter(|it| is_known(it.recorded_at)) {
        let points = i64::from(it.points);
        let (kind, by) = match it.kind {
            MoveKind::Held => (LineKind::Held, -points),
            MoveKind::Released => (LineKind::Released, points),
            MoveKind::Spent => (LineKind::Spent, 0),
            MoveKind::Returned => (LineKind::Returned, points),
            MoveKind::Owed => (LineKind::Owed, points),
            MoveKind::Repaid => (LineKind::Repaid, -points),
            MoveKind::Withdrawn => (LineKind::Withdrawn, -points),
            MoveKind::Refunded => (LineKind::Refunded, points),
        };
        let line = Line {
            redemption: it.redemption,
            position: it.position,
            recorded_at: it.recorded_at,
            ..walk.line(kind, it.at, it.points)
        };
        steps.push((it.at, it.position, 3, Step::Posted(line, by)));
    }
    steps.retain(|(at, ..)| *at <= as_of);
    steps.sort_by_key(|(at, position, order, _)| (*at, *position, *order));
    let mut commit = None;
    for (at, _, _, step) in steps {
        let of = match &step {
            Step::Posted(line, _) => Some((at, line.recorded_at)),
            Step::Vests | Step::Expires => None,
        };
        if commit != of {
            walk.tell_dead();
            commit = of;
        }
        match step {
            Step::Vests => walk.vests(at),
            Step::Expires => walk.expires(at),
            Step::Posted(line, by) => walk.moved(line, by),
        }
    }
    walk.tell_dead();
    walk.lines
}

impl Account {
    /// The statement up to an instant, as known on another, in the order of value dates.
    ///
    /// What is taken off a lot comes from what is left of it, pending or spendable, at its own
    /// time; what is held or owed can be neither.
    pub fn statement(&self, as_of: Instant, known_on: Option<Instant>) -> Vec<Line<'_>> {
        let lots = self.lots.iter().filter(|lot| lot.counts(as_of, known_on));
        let mut lines: Vec<_> = lots
            .flat_map(|lot| lot_lines(lot, as_of, known_on))
            .collect();
        // The lines of one posting stay in the order of its events.
        lines.sort_by_key(|line| (line.value_date, line.position));
        let (mut pending, mut spendable) = (0_u64, 0_u64);
        for line in &mut lines {
            pending = pending.saturating_add_signed(line.change.0);
            spendable = spendable.saturating_add_signed(line.change.1);
            (line.pending, line.spendable) = (pending, spendable);
        }
        lines
    }
}
