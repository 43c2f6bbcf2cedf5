//! Awards: granted for a verified activity, revised when it is verified again, taken back.

use chrono::{Days, Months};
use uuid::Uuid;

use super::posting::Posting;
use super::{Account, Activity, Command, Event, Refusal, ReversalMode, award_id};
use crate::award::{Awarded, award, period_key};
use crate::envelope::{Envelope, Instant, Trust};
use crate::ids::PersonId;
use crate::member::{Member, Role};
use crate::patrol_shift::answers_for;
use crate::policy_set::{PolicySet, PolicySets, Rule};
use crate::reaction::require_system;
use crate::refusal::Stop;
use crate::unit::Unit;
use crate::world::{Context, Decision, World};

/// Roles that take awards back, freeze and unfreeze.
const REVERSERS: &[Role] = &[Role::Captain, Role::Instructor];

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

/// What the rule gives for an activity, beside what this person has of it from others.
fn awarded(
    account: &Account,
    rule: &Rule,
    activity: &Activity,
    but: Option<Uuid>,
    zone: chrono_tz::Tz,
) -> Awarded {
    let day_of = |at: Instant| at.with_timezone(&zone).date_naive();
    award(rule, activity, |period| {
        let this = period_key(period, day_of(activity.occurred_at));
        account.granted_in(&rule.code, but, |at| period_key(period, day_of(at)) == this)
    })
}

fn value_date(activity: &Activity) -> Envelope {
    let mut envelope = Envelope::at(activity.occurred_at);
    envelope.trust = Trust::System;
    envelope
}

fn rule_for<'a>(policy: &'a PolicySet, activity: &Activity) -> Result<&'a Rule, Stop> {
    let rule = policy.rule(activity.family);
    Ok(rule.ok_or(Refusal::NoRuleForActivity)?)
}

pub(super) fn grant(
    person: PersonId,
    activity: &Activity,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    require_system(cx)?;
    let unit = activity.unit;
    let mut posting = Posting::on(world, person, Some(unit), cx)?;
    let policy = PolicySets::in_force(world, unit, activity.occurred_at)?;
    let rule = rule_for(&policy, activity)?;
    let award_id = award_id(activity.id, person, &rule.code);
    // Also if it was taken back: one award per activity, for ever.
    if posting.account().lots.contains_key(&award_id) {
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
    let awarded = awarded(posting.account(), rule, activity, None, zone);
    let (vests_at, expires_at) = dates(rule, zone, cx.now)?;
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
    posting.post(event, value_date(activity));
    let mut decision = Decision::new();
    posting.close(&mut decision);
    decision.used(&policy.reference());
    Ok(decision)
}

pub(super) fn revise(
    person: PersonId,
    activity: &Activity,
    voided: bool,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    require_system(cx)?;
    let unit = activity.unit;
    let mut posting = Posting::on(world, person, Some(unit), cx)?;
    let policy = PolicySets::in_force(world, unit, activity.occurred_at)?;
    let rule = rule_for(&policy, activity)?;
    let award = award_id(activity.id, person, &rule.code);
    let Some(lot) = posting.account().lots.get(&award) else {
        if voided {
            return Err(Refusal::NothingToRevise.into());
        }
        return grant(person, activity, world, cx);
    };
    if lot.is_reversed {
        return Err(Refusal::AwardAlreadyReversed.into());
    }
    if lot.fact >= activity.fact {
        return Err(Refusal::RevisionOutdated.into());
    }
    if !voided && activity.verified_by == person {
        return Err(Refusal::VerifierIsBeneficiary.into());
    }
    let worth = lot.worth();
    let zone = Unit::zone(world, unit, cx)?;
    let (due, why) = if voided {
        (0, format!("{}: the activity does not count.", rule.code))
    } else {
        let awarded = awarded(posting.account(), rule, activity, Some(award), zone);
        (awarded.granted, awarded.why)
    };
    // Both are at most 100,000 by the bounds of a rule.
    let delta = i64::from(due) - i64::from(worth);
    let delta = i32::try_from(delta).map_err(|_| Stop::from(Refusal::NothingToRevise))?;
    if delta == 0 {
        return Err(Refusal::NothingToRevise.into());
    }
    let event = Event::AwardRevised {
        award,
        delta,
        fact: activity.fact,
        minutes: activity.minutes,
        verified_by: activity.verified_by,
        policy_set: policy.reference(),
        why,
    };
    posting.post(event, value_date(activity));
    posting.owe(award);
    let mut decision = Decision::new();
    posting.close(&mut decision);
    decision.used(&policy.reference());
    Ok(decision)
}

pub(super) fn reverse(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
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
    let account = world.state::<Account>(person)?;
    let lot = account.lots.get(award).ok_or(Refusal::AwardNotFound)?;
    if lot.is_reversed {
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
    let mut posting = Posting::on(world, *person, Some(lot.unit), cx)?;
    posting.expire(*award);
    // What expired brought nothing, so it is not taken back.
    let lot = posting.account().lots.get(award);
    let (worth, expired, left) =
        lot.map_or((0, 0, 0), |lot| (lot.worth(), lot.expired, lot.left()));
    let points = worth.saturating_sub(expired);
    if points == 0 && expired > 0 {
        return Err(Refusal::AwardExpired.into());
    }
    let gone = u64::from(points.saturating_sub(left));
    match mode {
        ReversalMode::PendingOnly if lot.is_some_and(|lot| lot.vests_at <= cx.now) => {
            return Err(Refusal::AwardAlreadyVested.into());
        }
        ReversalMode::WithinBalance if posting.spendable_beside(*award) < gone => {
            return Err(Refusal::BalanceTooSmall.into());
        }
        _ => {}
    }
    let event = Event::AwardReversed {
        award: *award,
        points,
        reason: reason.clone(),
        reversed_by,
    };
    posting.post(event, Envelope::at(cx.now));
    posting.owe(*award);
    let mut decision = Decision::new();
    posting.close(&mut decision);
    Ok(decision)
}

/// Freezes (with a reason) or unfreezes an account.
pub(super) fn freeze(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let person = command.person();
    let actor = cx.person()?;
    let account = world.state::<Account>(person)?;
    if actor == person {
        return Err(Refusal::FreezerIsBeneficiary.into());
    }
    // An account is of the units where its points were earned.
    let mut units: Vec<_> = account.lots.values().map(|lot| lot.unit).collect();
    units.sort_unstable();
    units.dedup();
    if units.is_empty() {
        return Err(Refusal::AccountNotFound.into());
    }
    let mut allowed = false;
    for unit in &units {
        allowed = allowed || answers_for(world, *unit, actor, REVERSERS, cx.now)?;
    }
    if !allowed {
        return Err(Refusal::FreezerNotAllowed.into());
    }
    let event = match (account.is_frozen, command) {
        (false, Command::FreezeAccount { reason, .. }) => {
            if reason.is_blank() || reason.is_too_long() {
                return Err(Refusal::ReasonNotAllowed.into());
            }
            Event::AccountFrozen {
                reason: reason.clone(),
                frozen_by: actor,
            }
        }
        (true, Command::FreezeAccount { .. }) => return Err(Refusal::AccountIsFrozen.into()),
        (true, _) => Event::AccountUnfrozen { unfrozen_by: actor },
        (false, _) => return Err(Refusal::AccountNotFrozen.into()),
    };
    let mut posting = Posting::on(world, person, None, cx)?;
    posting.post(event, Envelope::at(cx.now));
    let mut decision = Decision::new();
    posting.close(&mut decision);
    Ok(decision)
}
