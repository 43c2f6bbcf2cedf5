//! Awards: granted for a verified activity, revised when it is verified again, taken back.

use chrono::{Days, Months};
use uuid::Uuid;

use super::earner::{self, Earner};
use super::posting::Posting;
use super::{Account, Activity, Command, Event, Refusal, ReversalMode, award_id};
use crate::award::{Awarded, award, period_key};
use crate::envelope::{Envelope, Instant, Trust, Visibility};
use crate::ids::PersonId;
use crate::member::Role;
use crate::patrol_shift::answers_for;
use crate::person::Person;
use crate::policy_set::{PolicySet, PolicySets, Rule};
use crate::reaction::require_system;
use crate::refusal::Stop;
use crate::separation;
use crate::unit::Unit;
use crate::world::{Context, Decision, World};

/// Roles that take awards back, freeze and unfreeze.
const REVERSERS: &[Role] = &[Role::Captain, Role::Instructor];

/// Refuses what the beneficiary, or their household of that day, verified.
fn check_verifier(person: PersonId, activity: &Activity, world: &World) -> Result<(), Stop> {
    let (verifier, at) = (activity.verified_by, activity.occurred_at);
    separation::apart(world, verifier, person, at, Refusal::VerifierIsBeneficiary)
}

/// When points of a rule granted now can be spent, and when they expire. Months are those of the
/// unit's calendar. What is withheld vests at the next midnight of the unit's zone: by the time of
/// day its source would be found.
fn dates(
    rule: &Rule,
    visibility: Visibility,
    zone: chrono_tz::Tz,
    now: Instant,
) -> Result<(Instant, Option<Instant>), Stop> {
    let whole_days = now
        .checked_add_days(Days::new(u64::from(rule.vesting_days)))
        .ok_or(Refusal::VestingOutOfRange)?;
    let vests_at = match visibility {
        Visibility::Open => whole_days,
        Visibility::Withheld => {
            let day = whole_days.with_timezone(&zone).date_naive();
            let next = day.succ_opt().ok_or(Refusal::VestingOutOfRange)?;
            crate::policy_set::calendar::midnight(next, zone)
        }
    };
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
    earner: &Earner,
    rule: &Rule,
    activity: &Activity,
    but: Option<Uuid>,
    zone: chrono_tz::Tz,
) -> Awarded {
    let day_of = |at: Instant| at.with_timezone(&zone).date_naive();
    award(rule, activity, |period| {
        let this = period_key(period, day_of(activity.occurred_at));
        earner.granted_in(activity.family, but, |at| {
            period_key(period, day_of(at)) == this
        })
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
    let posting = Posting::on(world, person, Some(unit), cx)?;
    let mut posting = posting.about(activity.family.visibility());
    // Also if it was taken back, or the rule has another code by now: one award per activity, under
    // whichever record of the person.
    let earner = Earner::of(world, person)?;
    if earner.has_award(activity.id) {
        return Err(Refusal::AwardAlreadyGranted.into());
    }
    let voided = posting.account().voided.get(&activity.id);
    if voided.is_some_and(|fact| *fact >= activity.fact) {
        return Err(Refusal::RevisionOutdated.into());
    }
    let policy = PolicySets::in_force(world, unit, activity.occurred_at)?;
    let rule = rule_for(&policy, activity)?;
    let award_id = award_id(activity.id, person, &rule.code);
    check_verifier(person, activity, world)?;
    if !earner::kind(world, person, activity, cx)?
        .is_some_and(|kind| rule.who_may_earn.contains(&kind))
    {
        return Err(Refusal::KindEarnsNothing.into());
    }
    let zone = Unit::zone(world, unit, activity.occurred_at, cx)?;
    let awarded = awarded(&earner, rule, activity, None, zone);
    let (vests_at, expires_at) = dates(rule, activity.family.visibility(), zone, cx.now)?;
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
    posting.close(&mut decision)?;
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
    let posting = Posting::on(world, person, Some(unit), cx)?;
    let mut posting = posting.about(activity.family.visibility());
    let Some((award, lot)) = posting.account().lot_for(activity.id) else {
        if voided {
            return void_unawarded(posting, activity);
        }
        return grant(person, activity, world, cx);
    };
    if lot.is_reversed {
        return Err(Refusal::AwardAlreadyReversed.into());
    }
    if lot.fact >= activity.fact {
        return Err(Refusal::RevisionOutdated.into());
    }
    if !voided {
        check_verifier(person, activity, world)?;
    }
    let (worth, is_untouched) = (lot.worth(), lot.is_empty());
    let policy = PolicySets::in_force(world, unit, activity.occurred_at)?;
    let (due, why, begins) = if voided {
        (
            0,
            format!("{}: the activity does not count.", lot.rule),
            None,
        )
    } else {
        let rule = rule_for(&policy, activity)?;
        let zone = Unit::zone(world, unit, activity.occurred_at, cx)?;
        let earner = Earner::of(world, person)?;
        let awarded = awarded(&earner, rule, activity, Some(award), zone);
        // An award of nothing that brings something after all has its public notice from now on.
        let begins = is_untouched && awarded.granted > 0;
        let begins = begins.then(|| dates(rule, activity.family.visibility(), zone, cx.now));
        let begins = begins.transpose()?;
        (awarded.granted, awarded.why, begins)
    };
    // Both are at most 100,000 by the bounds of a rule.
    let delta = i64::from(due) - i64::from(worth);
    // Also 0 is posted: the award then follows this verification, and no earlier one overrules it.
    let delta = i32::try_from(delta).map_err(|_| Stop::from(Refusal::RevisionOutOfRange))?;
    let event = Event::AwardRevised {
        award,
        delta,
        fact: activity.fact,
        minutes: activity.minutes,
        verified_by: activity.verified_by,
        policy_set: policy.reference(),
        why,
        vests_at: begins.map(|(vests_at, _)| vests_at),
        expires_at: begins.and_then(|(_, expires_at)| expires_at),
    };
    posting.post(event, value_date(activity));
    posting.owe(award);
    let mut decision = Decision::new();
    posting.close(&mut decision)?;
    decision.used(&policy.reference());
    Ok(decision)
}

/// Leaves a trace, so that what verified the activity before and comes late brings nothing.
fn void_unawarded(mut posting: Posting, activity: &Activity) -> Result<Decision, Stop> {
    let voided = posting.account().voided.get(&activity.id);
    if voided.is_some_and(|fact| *fact >= activity.fact) {
        return Err(Refusal::RevisionOutdated.into());
    }
    let event = Event::ActivityVoided {
        activity: activity.id,
        fact: activity.fact,
        verified_by: activity.verified_by,
    };
    posting.post(event, value_date(activity));
    let mut decision = Decision::new();
    posting.close(&mut decision)?;
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
    let is_allowed = answers_for(world, lot.unit, reversed_by, REVERSERS, cx.now)?;
    // Who may not take it back is not told that there is a withheld award, nor of which unit.
    let is_own = Person::is_same(world, reversed_by, *person)?;
    if lot.visibility == Visibility::Withheld && !is_allowed && !is_own {
        return Err(Refusal::AwardNotFound.into());
    }
    if lot.is_reversed {
        return Err(Refusal::AwardAlreadyReversed.into());
    }
    if is_own {
        return Err(Refusal::ReverserIsBeneficiary.into());
    }
    if !is_allowed {
        return Err(Refusal::ReverserNotAllowed.into());
    }
    if reason.is_blank() || reason.is_too_long() {
        return Err(Refusal::ReasonNotAllowed.into());
    }
    let posting = Posting::on(world, *person, Some(lot.unit), cx)?;
    let mut posting = posting.about(lot.visibility);
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
    let is_dead = lot.is_some_and(|lot| lot.has_expired(cx.now));
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
    if is_dead {
        posting.owe_with_held(*award);
    } else {
        posting.owe(*award);
    }
    let mut decision = Decision::new();
    posting.close(&mut decision)?;
    Ok(decision)
}

/// Freezes (with a reason) or unfreezes an account.
pub(super) fn freeze(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let person = command.person();
    let actor = cx.person()?;
    let account = world.state::<Account>(person)?;
    separation::not_same(world, actor, person, Refusal::FreezerIsBeneficiary)?;
    // An account is of the units where its points were earned; withheld ones count for nothing, or
    // the answer would tell of them.
    let open = account.lots.values();
    let open = open.filter(|lot| lot.visibility == Visibility::Open);
    let mut units: Vec<_> = open.map(|lot| lot.unit).collect();
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
    posting.close(&mut decision)?;
    Ok(decision)
}
