//! What is kept beside membership and roles, and the ways of a record.

use super::*;

#[test]
fn a_person_joins_leaves_and_rejoins_and_takes_nothing_of_before_along() {
    let spring = "2024-04-01T00:00:00Z";
    let [.., left] = states();
    let cx = |day| by(id(2), at(day));
    let again = left
        .then(apply(), &by(id(5), at(spring)))
        .then(approve(5), &cx(spring));
    let record = member(&again, 5);
    assert_eq!(
        (record.state, record.left_at),
        (MemberState::Active, Some(at(NOW)))
    );
    // The role of before ended with the membership, for each date.
    assert!(record.holds(Role::GridWorker, at("2024-01-31T00:00:00Z")));
    assert!(!record.holds(Role::GridWorker, at(spring)));
    let role = grant(5, Role::GridWorker, spring, None);
    assert_eq!(again.outcome(role, &cx(spring)), "RoleGranted");
}

#[test]
fn who_moves_to_another_community_is_a_member_there_and_takes_the_account_along() {
    use crate::account::{Account, Activity, Command as Award};
    let admin = by(id(1), at(NOW));
    let award = |activity: u128, unit: u128| Award::GrantAward {
        person: id(3),
        activity: Activity {
            family: crate::policy_set::ActivityFamily::Publicity,
            id: id(activity),
            fact: 1,
            occurred_at: at(NOW),
            unit: id(unit),
            minutes: 60,
            verified_by: id(2),
        },
    };
    let system = by_system(at(NOW));
    let history = team()
        .then(second_community(), &admin)
        .then(award(700, 101), &system)
        .then(go(3, 102), &admin)
        .then(award(701, 102), &system);
    let there = history.state::<Member>(Member::key(id(102), id(3)));
    assert_eq!(
        (there.state, there.kind),
        (MemberState::Active, Some(MemberKind::Volunteer))
    );
    assert_eq!(member(&history, 3).state, MemberState::Left);
    let account = history.state::<Account>(id::<PersonId>(3));
    let balance = account.balance_at(at("2024-03-01T00:00:00Z"));
    assert_eq!((account.lots.len(), balance.spendable), (2, 100));
}

#[test]
fn a_member_moves_only_between_communities_whose_leaders_agree() {
    let history = team().then(second_community(), &by(id(1), at(NOW)));
    history.refuses(go(3, 101), &by(id(1), at(NOW)), Refusal::CommunityUnchanged);
    history.refuses(go(3, 100), &by(id(1), at(NOW)), Refusal::CommunityNotFound);
    history.refuses(go(3, 102), &captain(), Refusal::ActorIsNoApprover);
    history.refuses(go(3, 102), &by(id(3), at(NOW)), Refusal::ActorIsNoApprover);
    let moved = history.then(go(3, 102), &by(id(1), at(NOW)));
    moved.refuses(go(3, 102), &by(id(1), at(NOW)), Refusal::MemberNotActive);
}

#[test]
fn a_training_is_recorded_by_another_person_at_the_day_it_was() {
    let old = train(3, "2022-08-01T00:00:00Z");
    let decision = Member::decide(&old, &team().world(), &captain()).expect("allowed");
    let envelope = &decision.events[0].envelope;
    assert_eq!(
        (envelope.occurred_at, &envelope.evidence[..]),
        (at("2022-08-01T00:00:00Z"), &[[3; 32]][..])
    );
    let own = by(id(2), at(NOW));
    team().refuses(train(2, NOW), &own, Refusal::ApproverIsThePerson);
    team().refuses(
        train(3, "2024-02-01T00:00:01Z"),
        &own,
        Refusal::TrainedInTheFuture,
    );
    let mut nameless = train(3, NOW);
    if let Command::RecordTraining { course, .. } = &mut nameless {
        course.clear();
    }
    team().refuses(nameless, &own, Refusal::CourseNotAllowed);
    let event = Event::TrainingRecorded {
        course: "first aid".to_owned(),
        recorded_by: id(2),
    };
    let key = Member::key(id(101), id(3));
    let full = (0..TRAININGS_MAX).fold(team(), |history, _| {
        history.and::<Member>(&key, event.clone(), at(NOW))
    });
    full.refuses(train(3, NOW), &own, Refusal::TooManyTrainings);
}

#[test]
fn consent_is_the_members_own_or_on_paper() {
    let own = by(id(3), at(NOW));
    team().refuses(agree(3, None), &captain(), Refusal::ConsentPaperMissing);
    team().refuses(
        agree(3, Some([1; 32])),
        &by(id(4), at(NOW)),
        Refusal::ActorIsNoApprover,
    );
    let given = team().then(agree(3, Some([1; 32])), &captain());
    given.refuses(agree(3, None), &own, Refusal::ConsentAlreadyGiven);
    let withdrawn = given.then(agree_no_more(3, None), &own);
    withdrawn.refuses(agree_no_more(3, None), &own, Refusal::ConsentNotGiven);
    assert!(member(&withdrawn, 3).consents.is_empty());
}

#[test]
fn under_14_agrees_only_with_the_guardians_paper() {
    let mut child = apply();
    if let Command::ApplyForMembership {
        under_14,
        guardian_consent,
        ..
    } = &mut child
    {
        *under_14 = true;
        *guardian_consent = Some([7; 32]);
    }
    let five = by(id(5), at(NOW));
    let history = team().then(child, &five);
    history.refuses(agree(5, None), &five, Refusal::ConsentPaperMissing);
    assert_eq!(
        history.outcome(agree(5, Some([7; 32])), &five),
        "ConsentGiven"
    );
}

#[test]
fn a_correction_is_asked_for_by_the_member_and_answered_by_another() {
    let own = by(id(3), at(NOW));
    team().refuses(request(3, 950), &captain(), Refusal::CorrectionNotOwn);
    let asked = team().then(request(3, 950), &own);
    asked.refuses(request(3, 950), &own, Refusal::CorrectionAlreadyRequested);
    asked.refuses(
        correct(3, Some(951), None),
        &captain(),
        Refusal::CorrectionNotFound,
    );
    let same = Some(MemberKind::Volunteer);
    asked.refuses(
        correct(3, Some(950), same),
        &captain(),
        Refusal::KindUnchanged,
    );
    let head = Some(MemberKind::BuildingHead);
    let corrected = asked.then(correct(3, Some(950), head), &captain());
    let record = member(&corrected, 3);
    assert_eq!((record.kind, record.corrections.len()), (head, 0));
    let full = (0..CORRECTIONS_MAX as u128)
        .fold(team(), |history, n| history.then(request(3, 950 + n), &own));
    full.refuses(request(3, 999), &own, Refusal::TooManyCorrections);
    team().refuses(
        correct(2, None, head),
        &captain(),
        Refusal::ApproverIsThePerson,
    );
    let mut blank = correct(3, None, head);
    if let Command::CorrectRecord { finding, .. } = &mut blank {
        *finding = Personal::new(" ");
    }
    team().refuses(blank, &captain(), Refusal::FindingNotAllowed);
}

#[test]
fn a_membership_under_a_duplicate_goes_on_under_the_person() {
    let admin = by(id(1), at(NOW));
    let close = |person: u128, duplicate: u128| Command::MergeMembers {
        community: id(101),
        person: id(person),
        duplicate: id(duplicate),
    };
    team().refuses(close(5, 3), &admin, Refusal::PersonsNotMerged);
    let merge = crate::person::Command::MergePersons {
        person: id(5),
        duplicate: id(3),
    };
    let history = team().then(merge, &admin);
    let closed = history.then(close(5, 3), &admin);
    let record = member(&closed, 5);
    assert_eq!(
        (record.state, record.kind),
        (MemberState::Active, Some(MemberKind::Volunteer))
    );
    assert_eq!(member(&closed, 3).state, MemberState::Merged);
    closed.refuses(close(5, 3), &admin, Refusal::DuplicateNotMember);
}

#[test]
fn nobody_is_taken_in_or_given_a_role_once_the_community_has_ended() {
    let admin = by(id(1), at(NOW));
    let merge = crate::unit::Command::MergeUnits {
        units: vec![id(101)],
        into: id(102),
        effective_from: None,
    };
    let [_, applied, active, ..] = states().map(|history| history.then(second_community(), &admin));
    let ended = applied.then(merge.clone(), &admin);
    ended.refuses(approve(5), &admin, crate::unit::Refusal::UnitHasEnded);
    let ended = active.then(merge, &admin);
    // Also not for a time before the end.
    let role = grant(5, Role::Mediator, "2024-01-20T00:00:00Z", None);
    ended.refuses(role, &admin, crate::unit::Refusal::UnitHasEnded);
    // Its members go to the successor.
    assert!(ended.when(go(5, 102), &admin).is_ok());
}
