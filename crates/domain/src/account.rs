//! Account: the points of a person, as lots (积分账户).
//!
//! ```text
//! lot: granted (pending until vests_at) ──time──> vested ──time──> expired
//!         └──────────────AwardReversed──────────────┘
//! ```
//! Owns postings: awards and their reversal. Balances follow from them alone; a rule change never
//! moves one. Vesting and expiry are computed at their instant and need no event.

use std::collections::BTreeMap;

use chrono::{Days, Months};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::award::{award, period_key};
use crate::envelope::{Envelope, Instant, Trust};
use crate::ids::{PersonId, UnitId, derived};
use crate::member::{Member, Role};
use crate::patrol_shift::answers_for;
use crate::personal::Personal;
use crate::policy_set::{ActivityFamily, PolicySets, Rule};
use crate::reaction::require_system;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::unit::Unit;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Roles that take awards back.
const REVERSERS: &[Role] = &[Role::Captain, Role::Instructor];

/// The verified activity that an award is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its family.
    pub family: ActivityFamily,
    /// The shift's or campaign's id: with the person it names the participation.
    pub id: Uuid,
    /// Position of the event that verified it.
    pub fact: u64,
    /// When it happened.
    pub occurred_at: Instant,
    /// Where.
    pub unit: UnitId,
    /// Verified minutes.
    pub minutes: u32,
    /// Who verified it.
    pub verified_by: PersonId,
}

/// The id of the one award for an activity, person and rule.
pub fn award_id(activity: Uuid, person: PersonId, rule: &str) -> Uuid {
    derived("award", &[&activity, &person, &rule])
}

/// How far a reversal may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReversalMode {
    /// Only an award that is still pending.
    PendingOnly,
    /// Also a vested one, as long as nothing of it is spent.
    WithinBalance,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Grant what the rule gives for a verified activity; the reaction `award_points` does this.
    GrantAward {
        /// To whom.
        person: PersonId,
        /// For what.
        activity: Activity,
    },
    /// Take an award back; by another person.
    ReverseAward {
        /// From whom.
        person: PersonId,
        /// Which.
        award: Uuid,
        /// Why.
        reason: Personal,
        /// How far it may go.
        mode: ReversalMode,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Points were granted as a lot (value date: the activity's `occurred_at`).
    AwardGranted {
        /// Its id, [`award_id`].
        award: Uuid,
        /// To whom.
        person: PersonId,
        /// For what.
        activity: Activity,
        /// By which rule.
        rule: String,
        /// Of which policy set (`name/version`).
        policy_set: String,
        /// What the rule gives.
        computed: u32,
        /// What was granted.
        granted: u32,
        /// What a cap kept back: computed − granted.
        forgone: u32,
        /// In a sentence.
        why: String,
        /// When it can be spent.
        vests_at: Instant,
        /// When it expires.
        expires_at: Option<Instant>,
    },
    /// An award was taken back.
    AwardReversed {
        /// Which.
        award: Uuid,
        /// How many points.
        points: u32,
        /// Why.
        reason: Personal,
        /// Who did it.
        reversed_by: PersonId,
    },
}

/// Points taken back from a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reversal {
    /// How many, never more than were granted.
    pub points: u32,
    /// When.
    pub at: Instant,
}

/// The points of one award.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Where it was earned.
    pub unit: UnitId,
    /// By which rule.
    pub rule: String,
    /// Value date: when the activity happened. Caps count by it, in the zone of the unit.
    pub occurred_at: Instant,
    /// How many.
    pub granted: u32,
    /// When it can be spent.
    pub vests_at: Instant,
    /// When it expires.
    pub expires_at: Option<Instant>,
    /// What was taken back.
    pub reversed: Option<Reversal>,
}

impl Lot {
    /// What is left of it.
    fn left(&self) -> u32 {
        self.granted - self.reversed.map_or(0, |reversal| reversal.points)
    }

    fn has_expired(&self, at: Instant) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }
}

/// What an account holds at an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// All that was ever granted.
    pub granted: u64,
    /// Not yet vested.
    pub pending: u64,
    /// Can be spent.
    pub spendable: u64,
    /// Expired before it was spent.
    pub expired: u64,
    /// Taken back.
    pub reversed: u64,
}

impl Balance {
    /// Whether every point granted is in exactly one place.
    pub fn is_conserved(&self) -> bool {
        self.granted == self.pending + self.spendable + self.expired + self.reversed
    }
}

/// State of an account: its lots, and totals that check them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// By award.
    pub lots: BTreeMap<Uuid, Lot>,
    /// Everything granted, kept event by event.
    pub granted: u64,
    /// Everything taken back, kept event by event.
    pub reversed: u64,
}

refusals! {
    /// Why it is refused.
    AwardAlreadyGranted = AlreadyExists, "activity", "This activity has brought this person its award already.";
    NoRuleForActivity = WrongState, "activity", "The policy set in force at the time has no rule for this family of activity.";
    KindEarnsNothing = WrongState, "person_id", "This rule gives nothing to this kind of member.";
    VerifierIsBeneficiary = NotAllowed, "activity", "Nobody is awarded for what they verified themselves.";
    VestingOutOfRange = WrongState, "activity", "The policy set's vesting or expiry lies beyond every calendar.";
    AwardNotFound = NotFound, "award_id", "This account has no award with this id.";
    AwardAlreadyReversed = WrongState, "award_id", "This award is taken back already.";
    AwardAlreadyVested = WrongState, "award_id", "Only an award that is still pending may be taken back this way.";
    AwardExpired = WrongState, "award_id", "This award has expired; there is nothing to take back.";
    ReverserIsBeneficiary = NotAllowed, "person_id", "Nobody takes back an award of their own.";
    ReverserNotAllowed = NotAllowed, "", "Awards are taken back by an administrator, or by a captain or instructor of the unit where they were earned.";
    ReasonNotAllowed = Invalid, "reason", "A reason is 1 to 4,000 bytes.";
}

impl Account {
    /// What the account holds at an instant: lots count from their value date on, what was taken
    /// back from the day it was.
    pub fn balance_at(&self, at: Instant) -> Balance {
        let mut balance = Balance::default();
        for lot in self.lots.values().filter(|lot| lot.occurred_at <= at) {
            let reversal = lot.reversed.filter(|reversal| reversal.at <= at);
            let reversed = u64::from(reversal.map_or(0, |reversal| reversal.points));
            balance.granted += u64::from(lot.granted);
            balance.reversed += reversed;
            let rest = u64::from(lot.granted) - reversed;
            if at < lot.vests_at {
                balance.pending += rest;
            } else if lot.has_expired(at) {
                balance.expired += rest;
            } else {
                balance.spendable += rest;
            }
        }
        balance
    }

    /// Whether the lots agree with what the events said.
    pub fn is_conserved(&self) -> bool {
        let granted: u64 = self.lots.values().map(|lot| u64::from(lot.granted)).sum();
        let left: u64 = self.lots.values().map(|lot| u64::from(lot.left())).sum();
        granted == self.granted && granted == left + self.reversed
    }

    /// What the rule has granted in a period and was not taken back.
    fn granted_in(&self, rule: &str, in_period: impl Fn(Instant) -> bool) -> u32 {
        self.lots
            .values()
            .filter(|lot| lot.rule == rule && in_period(lot.occurred_at))
            .fold(0, |sum: u32, lot| sum.saturating_add(lot.left()))
    }
}

/// When points of a rule granted now can be spent, and when they expire. Months are those of the
/// unit's calendar.
fn dates(
    rule: &Rule,
    zone: chrono_tz::Tz,
    now: Instant,
) -> Result<(Instant, Option<Instant>), Stop> {
    let vests_at = now
        .checked_add_days(Days::new(u64::from(rule.vesting_days)))
        .ok_or(Refusal::VestingOutOfRange)?;
    let Some(months) = rule.expiry_months.map(Months::new) else {
        return Ok((vests_at, None));
    };
    let local = vests_at.with_timezone(&zone).checked_add_months(months);
    // A local time that the zone leaves out is taken in UTC.
    let expires_at = local
        .map(|at| at.to_utc())
        .or_else(|| vests_at.checked_add_months(months))
        .ok_or(Refusal::VestingOutOfRange)?;
    Ok((vests_at, Some(expires_at)))
}

fn grant(
    account: &Account,
    person: PersonId,
    activity: &Activity,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    require_system(cx)?;
    let unit = activity.unit;
    let policy = PolicySets::in_force(world, unit, activity.occurred_at)?;
    let rule = policy
        .rule(activity.family)
        .ok_or(Refusal::NoRuleForActivity)?;
    let award_id = award_id(activity.id, person, &rule.code);
    // Also if it was taken back: one award per activity, for ever.
    if account.lots.contains_key(&award_id) {
        return Err(Refusal::AwardAlreadyGranted.into());
    }
    if activity.verified_by == person {
        return Err(Refusal::VerifierIsBeneficiary.into());
    }
    let member = world.state::<Member>(Member::key(unit, person))?;
    if !member
        .kind
        .is_some_and(|kind| rule.who_may_earn.contains(&kind))
    {
        return Err(Refusal::KindEarnsNothing.into());
    }
    let zone = Unit::zone(world, unit, cx)?;
    let day_of = |at: Instant| at.with_timezone(&zone).date_naive();
    let awarded = award(rule, activity, |period| {
        let this = period_key(period, day_of(activity.occurred_at));
        account.granted_in(&rule.code, |at| period_key(period, day_of(at)) == this)
    });
    let (vests_at, expires_at) = dates(rule, zone, cx.now)?;
    let mut envelope = Envelope::at(activity.occurred_at);
    envelope.unit = Some(unit.0);
    envelope.trust = Trust::System;
    let event = Event::AwardGranted {
        award: award_id,
        person,
        activity: activity.clone(),
        rule: rule.code.clone(),
        policy_set: policy.reference(),
        computed: awarded.computed,
        granted: awarded.granted,
        forgone: awarded.forgone,
        why: awarded.why,
        vests_at,
        expires_at,
    };
    let mut decision = Decision::new().with::<Account>(person, event, envelope);
    decision.used(&policy.reference());
    Ok(decision)
}

fn reverse(
    account: &Account,
    command: &Command,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    let Command::ReverseAward {
        person,
        award,
        reason,
        mode,
    } = command
    else {
        return Ok(Decision::new());
    };
    let reversed_by = cx.person()?;
    let lot = account.lots.get(award).ok_or(Refusal::AwardNotFound)?;
    if lot.reversed.is_some() {
        return Err(Refusal::AwardAlreadyReversed.into());
    }
    if reversed_by == *person {
        return Err(Refusal::ReverserIsBeneficiary.into());
    }
    if !answers_for(world, lot.unit, reversed_by, REVERSERS, cx.now)? {
        return Err(Refusal::ReverserNotAllowed.into());
    }
    if reason.is_blank() || reason.is_too_long() {
        return Err(Refusal::ReasonNotAllowed.into());
    }
    if lot.has_expired(cx.now) {
        return Err(Refusal::AwardExpired.into());
    }
    // Nothing can be spent yet, so all of a vested lot is within the balance.
    if *mode == ReversalMode::PendingOnly && lot.vests_at <= cx.now {
        return Err(Refusal::AwardAlreadyVested.into());
    }
    let mut envelope = Envelope::at(cx.now);
    envelope.unit = Some(lot.unit.0);
    let event = Event::AwardReversed {
        award: *award,
        points: lot.granted,
        reason: reason.clone(),
        reversed_by,
    };
    Ok(Decision::new().with::<Account>(person, event, envelope))
}

impl Aggregate for Account {
    const CATEGORY: &'static str = "account";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match command {
            Command::GrantAward { person, .. } | Command::ReverseAward { person, .. } => {
                Self::stream(person)
            }
        }
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let account = world.state::<Self>(Self::primary(command).key())?;
        assert!(
            account.is_conserved(),
            "the lots of an account add up to what was granted"
        );
        match command {
            Command::GrantAward { person, activity } => {
                grant(&account, *person, activity, world, cx)
            }
            Command::ReverseAward { .. } => reverse(&account, command, world, cx),
        }
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        match event {
            Event::AwardGranted {
                award,
                activity,
                rule,
                granted,
                vests_at,
                expires_at,
                ..
            } => {
                if let std::collections::btree_map::Entry::Vacant(place) = self.lots.entry(*award) {
                    place.insert(Lot {
                        unit: activity.unit,
                        rule: rule.clone(),
                        occurred_at: activity.occurred_at,
                        granted: *granted,
                        vests_at: *vests_at,
                        expires_at: *expires_at,
                        reversed: None,
                    });
                    self.granted += u64::from(*granted);
                }
            }
            Event::AwardReversed { award, points, .. } => {
                if let Some(lot) = self
                    .lots
                    .get_mut(award)
                    .filter(|lot| lot.reversed.is_none())
                {
                    let points = (*points).min(lot.granted);
                    self.reversed += u64::from(points);
                    lot.reversed = Some(Reversal {
                        points,
                        at: stamp.occurred_at,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
