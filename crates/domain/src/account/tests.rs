//! Tests of the account: awards, caps, reversals and conservation.

use proptest::prelude::*;

mod earner;
mod revision;
mod table;

use super::*;
use crate::envelope::Trust;
use crate::member::{MemberKind, Role};
use crate::personal::Personal;
use crate::testing::{History, at, by, by_system, community, id};

const CAPTAIN: u128 = 2;
const VOLUNTEER: u128 = 3;
const OFFICER: u128 = 4;
const GUARD: u128 = 7;

fn team() -> History {
    community()
        .and_member(
            id(CAPTAIN),
            MemberKind::CommunityWorker,
            Some(Role::Captain),
        )
        .and_member(id(VOLUNTEER), MemberKind::Volunteer, None)
        .and_member(
            id(OFFICER),
            MemberKind::CommunityWorker,
            Some(Role::Officer),
        )
        .and_member(id(GUARD), MemberKind::SecurityGuard, None)
}

/// The team under the pilot's rules with the patrol rule's lines replaced.
fn under(replaced: &[(&str, &str)]) -> History {
    let mut text =
        include_str!("../../../../policies/pilot.toml").replace("version = 1", "version = 2");
    for (old, new) in replaced {
        assert!(text.contains(old), "the pilot's set has {old}");
        text = text.replacen(old, new, 1);
    }
    let now = at("2024-01-02T00:00:00Z");
    let adopt = crate::policy_set::Command::AdoptPolicySet {
        unit: id(101),
        text,
        effective_from: None,
    };
    team().then(adopt, &by(id(1), now))
}

fn activity(n: u128, family: ActivityFamily, occurred_at: Instant) -> Activity {
    Activity {
        family,
        id: id(10_000 + n),
        fact: 1,
        occurred_at,
        unit: id(101),
        minutes: 60,
        verified_by: id(CAPTAIN),
    }
}

fn patrol(n: u128, occurred_at: &str) -> Command {
    grant_to(
        VOLUNTEER,
        activity(n, ActivityFamily::Patrol, at(occurred_at)),
    )
}

fn grant_to(person: u128, activity: Activity) -> Command {
    Command::GrantAward {
        person: id(person),
        activity,
    }
}

fn id_of(n: u128, rule: &str) -> Uuid {
    award_id(id(10_000 + n), id(VOLUNTEER), rule)
}

fn reverse(n: u128, mode: ReversalMode) -> Command {
    Command::ReverseAward {
        person: id(VOLUNTEER),
        award: id_of(n, "PATROL"),
        reason: Personal::new("was not there"),
        mode,
    }
}

fn system(now: &str) -> Context {
    by_system(at(now))
}

fn account(history: &History) -> std::sync::Arc<Account> {
    history.state(id::<PersonId>(VOLUNTEER))
}

/// Grants one after the other; what each was granted.
fn granted(mut history: History, commands: &[Command]) -> (History, Vec<u32>) {
    let mut points = Vec::new();
    for command in commands {
        let before = account(&history).totals.granted;
        history = history.then(command.clone(), &system("2025-06-01T00:00:00Z"));
        points.push(u32::try_from(account(&history).totals.granted - before).expect("few points"));
    }
    (history, points)
}

#[test]
fn twenty_four_publicity_activities_give_1200_points() {
    let mut history = team();
    for n in 0..24_u32 {
        let day = at("2024-01-05T12:00:00Z") + chrono::Duration::days(i64::from(n) * 10);
        let done = activity(n.into(), ActivityFamily::Publicity, day);
        history = history.then(grant_to(VOLUNTEER, done), &by_system(day));
    }
    let balance = account(&history).balance_at(at("2024-12-31T00:00:00Z"));
    assert_eq!((balance.granted, balance.spendable), (1_200, 1_200));
}

#[test]
fn an_award_names_its_rule_its_set_and_its_dates() {
    let now = "2024-07-03T00:00:00Z";
    let command = patrol(1, "2024-07-01T12:00:00Z");
    let decided: crate::Command = command.into();
    let decision = decided
        .decide(&team().world(), &system(now))
        .expect("goes through");
    assert_eq!(decision.policy_sets, ["pilot/1"]);
    let [event] = &decision.events[..] else {
        panic!("{decision:?}");
    };
    assert_eq!(event.envelope.occurred_at, at("2024-07-01T12:00:00Z"));
    assert_eq!(event.envelope.unit, Some(id(101)));
    assert_eq!(event.envelope.trust, Trust::System);
    let expected = Event::AwardGranted {
        award: id_of(1, "PATROL"),
        person: id(VOLUNTEER),
        activity: activity(1, ActivityFamily::Patrol, at("2024-07-01T12:00:00Z")),
        rule: "PATROL".to_owned(),
        policy_set: "pilot/1".to_owned(),
        computed: 50,
        granted: 50,
        forgone: 0,
        why: "PATROL gives 50.".to_owned(),
        vests_at: at("2024-07-10T00:00:00Z"),
        expires_at: None,
    };
    assert_eq!(event.event, expected.into());
}

#[test]
fn the_rule_is_that_of_the_day_the_activity_happened_not_of_the_day_it_is_decided() {
    let history = under(&[("points = 50\nminutes_min", "points = 30\nminutes_min")]);
    let (_, points) = granted(
        history,
        &[
            patrol(1, "2024-01-01T12:00:00Z"),
            patrol(2, "2024-01-02T12:00:00Z"),
        ],
    );
    assert_eq!(points, [50, 30]);
}

#[test]
fn points_expire_whole_months_of_the_units_calendar_after_vesting() {
    // Vested on 1 March 2024 at 00:00 in Shanghai, which is still February in UTC.
    let history = under(&[("vesting_days = 7", "vesting_days = 7\nexpiry_months = 1")]).then(
        patrol(1, "2024-02-20T12:00:00Z"),
        &system("2024-02-22T16:00:00Z"),
    );
    let account = account(&history);
    let lot = &account.lots[&id_of(1, "PATROL")];
    assert_eq!(lot.vests_at, at("2024-02-29T16:00:00Z"));
    assert_eq!(lot.expires_at, Some(at("2024-03-31T16:00:00Z")));
    let parts = |now| {
        let balance = account.balance_at(at(now));
        (balance.pending, balance.spendable, balance.expired)
    };
    assert_eq!(
        parts("2024-02-20T11:59:59Z"),
        (0, 0, 0),
        "before its value date"
    );
    assert_eq!(parts("2024-02-29T15:59:59Z"), (50, 0, 0));
    assert_eq!(parts("2024-02-29T16:00:00Z"), (0, 50, 0));
    assert_eq!(parts("2024-03-31T15:59:59Z"), (0, 50, 0));
    assert_eq!(parts("2024-03-31T16:00:00Z"), (0, 0, 50));
}

#[test]
fn too_few_minutes_are_recorded_as_an_award_of_nothing() {
    let mut short = activity(1, ActivityFamily::Patrol, at("2024-07-01T12:00:00Z"));
    short.minutes = 29;
    let (history, points) = granted(team(), &[grant_to(VOLUNTEER, short)]);
    assert_eq!(points, [0]);
    assert_eq!(account(&history).lots.len(), 1);
}

#[test]
fn a_cap_counts_by_days_of_the_units_zone() {
    // Midnight in Shanghai is 16:00 in UTC: the first three are one day, the fourth the next.
    let (_, points) = granted(
        team(),
        &[
            patrol(1, "2024-06-30T16:00:00Z"),
            patrol(2, "2024-07-01T02:00:00Z"),
            patrol(3, "2024-07-01T15:59:59Z"),
            patrol(4, "2024-07-01T16:00:00Z"),
        ],
    );
    assert_eq!(points, [50, 50, 0, 50]);
}

#[test]
fn the_tightest_of_several_caps_wins() {
    let caps = "caps = [{ period = \"week\", points = 120 }, { period = \"year\", points = 150 }]";
    let history = under(&[("caps = [{ period = \"day\", points = 100 }]", caps)]);
    let (history, points) = granted(
        history,
        &[
            patrol(1, "2024-07-01T04:00:00Z"),
            patrol(2, "2024-07-03T04:00:00Z"),
            patrol(3, "2024-07-07T04:00:00Z"),
            patrol(4, "2024-07-08T04:00:00Z"),
            patrol(5, "2024-12-31T16:00:00Z"),
        ],
    );
    assert_eq!(points, [50, 50, 20, 30, 50]);
    assert!(account(&history).is_conserved());
}

#[test]
fn a_reversed_award_frees_its_share_for_later_facts_only() {
    let (history, points) = granted(
        team(),
        &[
            patrol(1, "2024-07-01T02:00:00Z"),
            patrol(2, "2024-07-01T03:00:00Z"),
            patrol(3, "2024-07-01T04:00:00Z"),
        ],
    );
    assert_eq!(points, [50, 50, 0]);
    let reversal = reverse(1, ReversalMode::PendingOnly);
    let history = history.then(reversal, &by(id(CAPTAIN), at("2025-06-01T00:00:00Z")));
    let third = account(&history).lots[&id_of(3, "PATROL")].granted;
    assert_eq!(third, 0, "what was forgone stays forgone");
    let later = [
        patrol(4, "2024-07-01T05:00:00Z"),
        patrol(5, "2024-07-01T06:00:00Z"),
    ];
    assert_eq!(granted(history, &later).1, [50, 0]);
}

#[test]
fn an_award_is_refused_for_each_reason_by_name() {
    let now = system("2024-07-02T00:00:00Z");
    let when = at("2024-07-01T12:00:00Z");
    let history = team().then(patrol(1, "2024-07-01T12:00:00Z"), &now);
    history.refuses(
        patrol(1, "2024-07-01T12:00:00Z"),
        &now,
        Refusal::AwardAlreadyGranted,
    );
    let reversal = reverse(1, ReversalMode::PendingOnly);
    let reversed = history.clone().then(reversal, &by(id(CAPTAIN), now.now));
    reversed.refuses(
        patrol(1, "2024-07-01T12:00:00Z"),
        &now,
        Refusal::AwardAlreadyGranted,
    );
    let mediation = grant_to(VOLUNTEER, activity(2, ActivityFamily::Mediation, when));
    let pilot = include_str!("../../../../policies/pilot.toml");
    let rule = pilot.find("# 帮助化解矛盾").expect("the last rule");
    under(&[(&pilot[rule..], "")]).refuses(mediation, &now, Refusal::NoRuleForActivity);
    let own = Activity {
        verified_by: id(VOLUNTEER),
        ..activity(2, ActivityFamily::Patrol, when)
    };
    history.refuses(
        grant_to(VOLUNTEER, own),
        &now,
        Refusal::VerifierIsBeneficiary,
    );
    for nobody in [GUARD, 99] {
        let paid = grant_to(nobody, activity(2, ActivityFamily::Patrol, when));
        history.refuses(paid, &now, Refusal::KindEarnsNothing);
    }
    let before = at("2023-12-31T12:00:00Z");
    let early = grant_to(VOLUNTEER, activity(2, ActivityFamily::Patrol, before));
    history.refuses(early, &now, crate::policy_set::Refusal::NoPolicySet);
    let by_hand = history.when(patrol(2, "2024-07-01T12:00:00Z"), &by(id(1), now.now));
    assert_eq!(
        by_hand.map_err(|refused| refused.name),
        Err("ACTOR_IS_NOT_THE_SYSTEM".to_owned())
    );
}

#[test]
fn an_award_is_taken_back_by_another_person_who_leads_the_unit() {
    let history = team().then(
        patrol(1, "2024-07-01T12:00:00Z"),
        &system("2024-07-02T00:00:00Z"),
    );
    let now = at("2024-07-03T00:00:00Z");
    let command = reverse(1, ReversalMode::PendingOnly);
    history.refuses(
        command.clone(),
        &by(id(VOLUNTEER), now),
        Refusal::ReverserIsBeneficiary,
    );
    history.refuses(
        command.clone(),
        &by(id(OFFICER), now),
        Refusal::ReverserNotAllowed,
    );
    let unknown = reverse(2, ReversalMode::PendingOnly);
    history.refuses(unknown, &by(id(CAPTAIN), now), Refusal::AwardNotFound);
    for leader in [1, CAPTAIN] {
        let after = history.clone().then(command.clone(), &by(id(leader), now));
        after.refuses(
            command.clone(),
            &by(id(1), now),
            Refusal::AwardAlreadyReversed,
        );
        let balance = account(&after).balance_at(now);
        assert_eq!(
            (balance.granted, balance.reversed, balance.pending),
            (50, 50, 0)
        );
    }
    let silent = Command::ReverseAward {
        person: id(VOLUNTEER),
        award: id_of(1, "PATROL"),
        reason: Personal::new(" "),
        mode: ReversalMode::PendingOnly,
    };
    history.refuses(silent, &by(id(1), now), Refusal::ReasonNotAllowed);
}

#[test]
fn a_vested_award_is_taken_back_only_within_the_balance_and_an_expired_one_not_at_all() {
    let history = under(&[("vesting_days = 7", "vesting_days = 7\nexpiry_months = 1")]).then(
        patrol(1, "2024-07-01T12:00:00Z"),
        &system("2024-07-01T12:00:00Z"),
    );
    let vested = by(id(CAPTAIN), at("2024-07-08T12:00:00Z"));
    let pending_only = reverse(1, ReversalMode::PendingOnly);
    let within = reverse(1, ReversalMode::WithinBalance);
    history.refuses(pending_only, &vested, Refusal::AwardAlreadyVested);
    history.clone().then(within.clone(), &vested);
    let expired = by(id(CAPTAIN), at("2024-08-08T12:00:00Z"));
    history.refuses(within, &expired, Refusal::AwardExpired);
}

fn instant(minutes: u32) -> Instant {
    at("2024-01-01T00:00:00Z") + chrono::Duration::minutes(i64::from(minutes))
}

fn any_event() -> impl Strategy<Value = Event> {
    let award = || (0..6_u128).prop_map(|n| id_of(n, "PATROL"));
    let granted = (
        award(),
        0..200_u32,
        0..1_000_u32,
        0..1_000_u32,
        any::<Option<u16>>(),
    )
        .prop_map(
            |(award, points, occurred, vests, expires)| Event::AwardGranted {
                award,
                person: id(VOLUNTEER),
                activity: activity(1, ActivityFamily::Patrol, instant(occurred)),
                rule: "PATROL".to_owned(),
                policy_set: "pilot/1".to_owned(),
                computed: points,
                granted: points,
                forgone: 0,
                why: String::new(),
                vests_at: instant(vests),
                expires_at: expires.map(|minutes| instant(minutes.into())),
            },
        );
    let reversed = (award(), 0..300_u32).prop_map(|(award, points)| Event::AwardReversed {
        award,
        points,
        reason: Personal::new("foreign"),
        reversed_by: id(CAPTAIN),
    });
    prop_oneof![granted, reversed]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_point_is_in_exactly_one_place_after_any_history_at_any_instant(
        events in proptest::collection::vec((any_event(), 0..2_000_u32), 0..40),
        asked in proptest::collection::vec(0..3_000_u32, 1..5),
    ) {
        let mut account = Account::default();
        for (position, (event, occurred)) in (1..).zip(&events) {
            let occurred_at = instant(*occurred);
            account.evolve(event, &Stamp {
                position,
                version: position,
                occurred_at,
                recorded_at: occurred_at,
            });
            prop_assert!(account.is_conserved());
        }
        for at in asked {
            prop_assert!(account.balance_at(instant(at)).is_conserved());
        }
        let end = account.balance_at(instant(1_000_000));
        prop_assert_eq!((end.granted, end.reversed), (account.totals.granted, account.totals.reversed));
    }

    #[test]
    fn decided_grants_and_reversals_conserve_points_and_keep_the_cap(
        steps in proptest::collection::vec((0..8_u128, any::<bool>(), 0..2_880_u32, any::<bool>()), 1..16),
    ) {
        let mut history = team();
        for (step, (n, grants, minutes, pending)) in (0_u32..).zip(steps) {
            let now = at("2024-07-05T00:00:00Z") + chrono::Duration::days(i64::from(step));
            let when = at("2024-07-01T00:00:00Z") + chrono::Duration::minutes(i64::from(minutes));
            let mode = if pending { ReversalMode::PendingOnly } else { ReversalMode::WithinBalance };
            let (command, cx) = if grants {
                let done = activity(n, ActivityFamily::Patrol, when);
                (grant_to(VOLUNTEER, done), by_system(now))
            } else {
                (reverse(n, mode), by(id(CAPTAIN), now))
            };
            if history.when(command.clone(), &cx).is_ok() {
                history = history.then(command, &cx);
            }
            let account = account(&history);
            prop_assert!(account.is_conserved());
            prop_assert!(account.balance_at(now).is_conserved());
            let mut days = std::collections::BTreeMap::<_, u32>::new();
            for lot in account.lots.values() {
                let day = lot.occurred_at.with_timezone(&chrono_tz::Asia::Shanghai).date_naive();
                *days.entry(day).or_default() += lot.worth();
            }
            prop_assert!(days.values().all(|points| *points <= 100));
        }
    }
}
