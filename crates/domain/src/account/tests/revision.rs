//! Activities that are verified again, frozen accounts.

use super::*;

/// The activity `n` as verified again at position `fact`, with other minutes.
fn again(n: u128, fact: u64, minutes: u32) -> Activity {
    Activity {
        fact,
        minutes,
        ..activity(n, ActivityFamily::Patrol, at("2024-07-01T12:00:00Z"))
    }
}

fn revise(n: u128, fact: u64, minutes: u32, voided: bool) -> Command {
    Command::ReviseAward {
        person: id(VOLUNTEER),
        activity: again(n, fact, minutes),
        voided,
    }
}

fn granted_one() -> History {
    team().then(
        patrol(1, "2024-07-01T12:00:00Z"),
        &system("2024-07-02T00:00:00Z"),
    )
}

fn parts(history: &History, now: &str) -> (u64, i64, u64, u64) {
    let balance = account(history).balance_at(at(now));
    assert!(balance.is_conserved());
    (
        balance.granted,
        balance.revised,
        balance.pending,
        balance.spendable,
    )
}

#[test]
fn an_activity_verified_again_changes_its_award_and_never_brings_a_second_one() {
    let now = system("2024-07-03T00:00:00Z");
    let fewer = granted_one().then(revise(1, 9, 20, false), &now);
    assert_eq!(parts(&fewer, "2024-07-03T00:00:00Z"), (50, -50, 0, 0));
    let restored = fewer.then(revise(1, 10, 45, false), &now);
    assert_eq!(parts(&restored, "2024-07-03T00:00:00Z"), (50, 0, 50, 0));
    let voided = restored.then(revise(1, 11, 45, true), &now);
    assert_eq!(parts(&voided, "2024-07-20T00:00:00Z"), (50, -50, 0, 0));
    assert_eq!(account(&voided).lots.len(), 1);
}

#[test]
fn a_revision_has_the_value_date_of_the_activity_and_names_verifier_rule_and_minutes() {
    let command: crate::Command = revise(1, 9, 20, false).into();
    let now = system("2024-07-03T00:00:00Z");
    let decision = command.decide(&granted_one().world(), &now).expect("taken");
    let [event] = &decision.events[..] else {
        panic!("{decision:?}");
    };
    assert_eq!(event.envelope.occurred_at, at("2024-07-01T12:00:00Z"));
    let expected = Event::AwardRevised {
        award: id_of(1, "PATROL"),
        delta: -50,
        fact: 9,
        minutes: 20,
        verified_by: id(CAPTAIN),
        policy_set: "pilot/1".to_owned(),
        why: "PATROL needs 30 verified minutes; this has 20.".to_owned(),
        vests_at: None,
        expires_at: None,
    };
    assert_eq!(event.event, expected.into());
}

#[test]
fn an_activity_without_award_that_counts_after_all_gets_one() {
    let now = system("2024-07-03T00:00:00Z");
    let history = team().then(revise(1, 9, 60, false), &now);
    assert_eq!(parts(&history, "2024-07-03T00:00:00Z"), (50, 0, 50, 0));
}

#[test]
fn what_verified_an_activity_before_it_was_voided_brings_nothing_however_late_it_comes() {
    let now = system("2024-07-03T00:00:00Z");
    let voided = team().then(revise(1, 9, 60, true), &now);
    let late = patrol(1, "2024-07-01T12:00:00Z");
    voided.refuses(late, &now, Refusal::RevisionOutdated);
    voided.refuses(revise(1, 8, 60, false), &now, Refusal::RevisionOutdated);
    voided.refuses(revise(1, 9, 60, true), &now, Refusal::RevisionOutdated);
    assert!(account(&voided).lots.is_empty());
    // What verifies it after that counts.
    let verified = voided.then(revise(1, 10, 60, false), &now);
    assert_eq!(parts(&verified, "2024-07-03T00:00:00Z"), (50, 0, 50, 0));
    assert!(account(&verified).voided.is_empty());
}

#[test]
fn a_verification_that_changes_nothing_is_the_last_word_all_the_same() {
    let now = system("2024-07-03T00:00:00Z");
    let history = granted_one().then(revise(1, 9, 60, false), &now);
    let stuck = revise(1, 7, 60, true);
    history.refuses(stuck, &now, Refusal::RevisionOutdated);
    assert_eq!(parts(&history, "2024-07-03T00:00:00Z"), (50, 0, 50, 0));
}

/// One award of the station's set; then the community adopts its first own set, which reaches back,
/// with these lines replaced.
fn own_set_reaching_back(replaced: &[(&str, &str)]) -> History {
    let mut text = include_str!("../../../../../policies/pilot.toml").to_owned();
    for (old, new) in replaced {
        assert!(text.contains(old), "the pilot's set has {old}");
        text = text.replacen(old, new, 1);
    }
    let adopt = crate::policy_set::Command::AdoptPolicySet {
        unit: id(101),
        text,
        effective_from: Some(at("2024-01-01T00:00:00Z")),
    };
    granted_one().then(adopt, &by(id(1), at("2024-07-02T12:00:00Z")))
}

#[test]
fn an_award_is_found_by_its_activity_also_when_its_rule_has_another_code_by_now() {
    let now = system("2024-07-03T00:00:00Z");
    let renamed = ("code = \"PATROL\"", "code = \"PATROL_NIGHT\"");
    let history = own_set_reaching_back(&[renamed]);
    let again = patrol(1, "2024-07-01T12:00:00Z");
    history.refuses(again, &now, Refusal::AwardAlreadyGranted);
    let same = history.clone().then(revise(1, 9, 60, false), &now);
    assert_eq!(parts(&same, "2024-07-03T00:00:00Z"), (50, 0, 50, 0));
    let voided = same.then(revise(1, 10, 60, true), &now);
    assert_eq!(parts(&voided, "2024-07-03T00:00:00Z"), (50, -50, 0, 0));
    // The cap of 100 a day goes on counting what the old code gave.
    let more = [
        patrol(2, "2024-07-01T12:00:00Z"),
        patrol(3, "2024-07-01T12:00:00Z"),
    ];
    assert_eq!(granted(history, &more).1, [50, 0]);
}

#[test]
fn an_activity_is_voided_also_when_the_set_in_force_has_no_rule_for_it() {
    let now = system("2024-07-03T00:00:00Z");
    let pilot = include_str!("../../../../../policies/pilot.toml");
    let rule = pilot.find("[[rule]]\ncode = \"PATROL\"").expect("a rule");
    let end = pilot[rule..].find("# 安全防范宣传").expect("the next rule");
    let history = own_set_reaching_back(&[(&pilot[rule..rule + end], "")]);
    let again = revise(1, 9, 60, false);
    history.refuses(again, &now, Refusal::NoRuleForActivity);
    let voided = history.then(revise(1, 10, 60, true), &now);
    assert_eq!(parts(&voided, "2024-07-03T00:00:00Z"), (50, -50, 0, 0));
}

#[test]
fn an_award_of_nothing_that_brings_something_after_all_has_its_public_notice_first() {
    let month_later = "2024-08-03T00:00:00Z";
    let mut short = activity(1, ActivityFamily::Patrol, at("2024-07-01T12:00:00Z"));
    short.minutes = 20;
    let history = team().then(grant_to(VOLUNTEER, short), &system("2024-07-02T00:00:00Z"));
    let history = history.then(revise(1, 9, 60, false), &system(month_later));
    assert_eq!(parts(&history, month_later), (0, 50, 50, 0));
    assert_eq!(parts(&history, "2024-08-09T23:59:59Z"), (0, 50, 50, 0));
    assert_eq!(parts(&history, "2024-08-10T00:00:00Z"), (0, 50, 0, 50));
    // What expired meanwhile does not make them be born dead.
    let with_expiry = under(&[("vesting_days = 7", "vesting_days = 7\nexpiry_months = 1")]);
    let expired = with_expiry
        .then(
            patrol(1, "2024-07-01T12:00:00Z"),
            &system("2024-07-02T00:00:00Z"),
        )
        .then(revise(1, 9, 20, false), &system("2024-07-03T00:00:00Z"))
        .then(revise(1, 10, 60, false), &system("2024-09-01T00:00:00Z"));
    assert_eq!(parts(&expired, "2024-09-08T00:00:00Z"), (50, 0, 0, 50));
}

#[test]
fn what_had_expired_is_not_owed_when_the_activity_is_voided() {
    let with_expiry = under(&[("vesting_days = 7", "vesting_days = 7\nexpiry_months = 1")]);
    let history = with_expiry.then(
        patrol(1, "2024-05-01T12:00:00Z"),
        &system("2024-05-02T00:00:00Z"),
    );
    let later = "2024-07-03T00:00:00Z";
    let posted = Event::PointsExpired {
        lot: id_of(1, "PATROL"),
        points: 50,
    };
    let posted = history
        .clone()
        .and::<Account>(id::<PersonId>(VOLUNTEER), posted, at(later));
    for history in [history, posted] {
        let done = activity(1, ActivityFamily::Patrol, at("2024-05-01T12:00:00Z"));
        let void = Command::ReviseAward {
            person: id(VOLUNTEER),
            activity: Activity { fact: 9, ..done },
            voided: true,
        };
        let voided = history.then(void, &system(later));
        let balance = account(&voided).balance_at(at(later));
        assert_eq!(
            (balance.revised, balance.debt, balance.expired),
            (-50, 0, 0)
        );
    }
}

#[test]
fn a_revision_is_refused_for_each_reason_by_name() {
    let now = system("2024-07-03T00:00:00Z");
    let history = granted_one();
    let outdated = revise(1, 1, 20, false);
    history.refuses(outdated, &now, Refusal::RevisionOutdated);
    let own = Command::ReviseAward {
        person: id(VOLUNTEER),
        activity: Activity {
            verified_by: id(VOLUNTEER),
            ..again(1, 9, 20)
        },
        voided: false,
    };
    history.refuses(own, &now, Refusal::VerifierIsBeneficiary);
    let by_hand = history.when(revise(1, 9, 20, false), &by(id(1), now.now));
    assert_eq!(
        by_hand.map_err(|refused| refused.name),
        Err("ACTOR_IS_NOT_THE_SYSTEM".to_owned())
    );
    let reversal = reverse(1, ReversalMode::PendingOnly);
    let reversed = history.then(reversal, &by(id(CAPTAIN), now.now));
    let late = revise(1, 9, 20, false);
    reversed.refuses(late, &now, Refusal::AwardAlreadyReversed);
}

#[test]
fn a_revision_counts_caps_without_the_award_it_revises() {
    let three = [
        patrol(1, "2024-07-01T12:00:00Z"),
        patrol(2, "2024-07-01T03:00:00Z"),
        patrol(3, "2024-07-01T12:00:00Z"),
    ];
    let (history, points) = granted(team(), &three);
    assert_eq!(points, [50, 50, 0]);
    let now = system("2025-06-02T00:00:00Z");
    let history = history.then(revise(1, 9, 60, false), &now);
    let history = history.then(revise(1, 10, 10, false), &now);
    // The share that came free is taken by what is verified again later.
    let history = history.then(revise(3, 11, 60, false), &now);
    let history = history.then(revise(1, 12, 60, false), &now);
    let worth: u32 = account(&history).lots.values().map(Lot::worth).sum();
    assert_eq!(worth, 100);
}

#[test]
fn an_account_is_frozen_and_unfrozen_by_another_person_who_leads_a_unit_of_it() {
    let now = at("2024-07-03T00:00:00Z");
    let person = id(VOLUNTEER);
    let freeze = Command::FreezeAccount {
        person,
        reason: Personal::new("under review"),
    };
    let unfreeze = Command::UnfreezeAccount { person };
    let captain = by(id(CAPTAIN), now);
    team().refuses(freeze.clone(), &captain, Refusal::AccountNotFound);
    let history = granted_one();
    let refuses = |by_whom: u128, refusal| {
        history.refuses(freeze.clone(), &by(id(by_whom), now), refusal);
    };
    refuses(VOLUNTEER, Refusal::FreezerIsBeneficiary);
    refuses(OFFICER, Refusal::FreezerNotAllowed);
    history.refuses(unfreeze.clone(), &captain, Refusal::AccountNotFrozen);
    let frozen = history.clone().then(freeze.clone(), &captain);
    frozen.refuses(freeze, &captain, Refusal::AccountIsFrozen);
    let more = patrol(2, "2024-07-02T12:00:00Z");
    let frozen = frozen.then(more, &system("2024-07-03T00:00:00Z"));
    let granted = account(&frozen).totals.granted;
    assert_eq!(granted, 100, "a frozen account still earns");
    assert!(!account(&frozen.then(unfreeze, &captain)).is_frozen);
}
