mod record;

use proptest::prelude::*;

use super::*;
use crate::Personal;
use crate::state_table::{check, one_of_each, row};
use crate::testing::{History, any_history, at, by, by_system, community, id, team};

const NOW: &str = "2024-02-01T00:00:00Z";

/// Person 5, not yet known to the team.
fn apply() -> Command {
    Command::ApplyForMembership {
        community: id(101),
        person: id(5),
        kind: MemberKind::Volunteer,
        under_14: false,
        guardian_consent: None,
        applied_at: None,
    }
}

fn grant(person: u128, role: Role, from: &str, until: Option<&str>) -> Command {
    Command::GrantRole {
        community: id(101),
        person: id(person),
        role,
        from: at(from),
        until: until.map(at),
        appointment: Some("appointment 7".to_owned()),
    }
}

fn approve(person: u128) -> Command {
    Command::ApproveMember {
        community: id(101),
        person: id(person),
    }
}

fn suspend(person: u128) -> Command {
    Command::SuspendMember {
        community: id(101),
        person: id(person),
        reason: Personal::new("a reason"),
    }
}

fn reinstate(person: u128) -> Command {
    Command::ReinstateMember {
        community: id(101),
        person: id(person),
    }
}

fn leave(person: u128) -> Command {
    Command::LeaveMembership {
        community: id(101),
        person: id(person),
    }
}

fn revoke(person: u128, role: Role) -> Command {
    Command::RevokeRole {
        community: id(101),
        person: id(person),
        role,
    }
}

fn captain() -> Context {
    by(id(2), at(NOW))
}

fn member(history: &History, person: u128) -> Arc<Member> {
    history.state::<Member>(Member::key(id(101), id(person)))
}

/// Person 5 in every state, each with the role of grid worker once active.
fn states() -> [History; 5] {
    let role = grant(5, Role::GridWorker, "2024-01-15T00:00:00Z", None);
    let unknown = team();
    let applied = unknown.clone().then(apply(), &by(id(5), at(NOW)));
    let active = applied
        .clone()
        .then(approve(5), &captain())
        .then(role, &captain());
    let suspended = active.clone().then(suspend(5), &captain());
    let left = active.clone().then(leave(5), &captain());
    [unknown, applied, active, suspended, left]
}

/// The same; person 8 is another record of person 5 and has one of a member, and there is another
/// community 102.
fn table_states() -> [History; 6] {
    let admin = by(id(1), at(NOW));
    let merge = crate::person::Command::MergePersons {
        person: id(5),
        duplicate: id(8),
    };
    let [unknown, applied, active, suspended, left] = states().map(|history| {
        history
            .and_member(id(8), MemberKind::Volunteer, None)
            .then(merge.clone(), &admin)
            .then(second_community(), &admin)
    });
    // Person 5 themself turns out to be person 6.
    let other = crate::person::Command::MergePersons {
        person: id(6),
        duplicate: id(5),
    };
    let close = Command::MergeMembers {
        community: id(101),
        person: id(6),
        duplicate: id(5),
    };
    let merged = active.clone().then(other, &admin).then(close, &admin);
    [unknown, applied, active, suspended, left, merged]
}

fn second_community() -> crate::unit::Command {
    crate::unit::Command::FoundUnit {
        unit: id(102),
        level: UnitLevel::Community,
        name: "other community".to_owned(),
        parent: Some(id(100)),
        zone: None,
        imported: None,
    }
}

fn go(person: u128, to: u128) -> Command {
    Command::MoveMember {
        community: id(101),
        person: id(person),
        to: id(to),
    }
}

fn train(person: u128, trained_at: &str) -> Command {
    Command::RecordTraining {
        community: id(101),
        person: id(person),
        course: "first aid".to_owned(),
        trained_at: at(trained_at),
        certificate: Some([3; 32]),
    }
}

fn agree(person: u128, paper: Option<[u8; 32]>) -> Command {
    Command::GiveMemberConsent {
        community: id(101),
        person: id(person),
        purpose: ConsentPurpose::PublicBoard,
        paper,
    }
}

fn agree_no_more(person: u128, paper: Option<[u8; 32]>) -> Command {
    Command::WithdrawMemberConsent {
        community: id(101),
        person: id(person),
        purpose: ConsentPurpose::PublicBoard,
        paper,
    }
}

fn request(person: u128, correction: u128) -> Command {
    Command::RequestCorrection {
        community: id(101),
        person: id(person),
        correction: id(correction),
        what: Personal::new("I am the head of a building"),
    }
}

fn correct(person: u128, correction: Option<u128>, kind: Option<MemberKind>) -> Command {
    Command::CorrectRecord {
        community: id(101),
        person: id(person),
        correction: correction.map(id),
        kind,
        finding: Personal::new("so it is"),
    }
}

#[test]
fn the_table_of_every_command_in_every_state() {
    let mediator = grant(5, Role::Mediator, NOW, None);
    let merge = Command::MergeMembers {
        community: id(101),
        person: id(5),
        duplicate: id(8),
    };
    let (no, over) = ("MEMBER_NOT_FOUND", "MEMBER_MERGED");
    let (idle, away) = ("MEMBER_NOT_ACTIVE", "NOT_A_MEMBER");
    let (decided, free) = ("MEMBER_NOT_APPLIED", "MEMBER_NOT_SUSPENDED");
    let (merged, moved) = (
        "MembersMerged + MemberTakenOver",
        "MemberLeft + MemberApplied + MemberApproved",
    );
    let paper = Some([1; 32]);
    let five = by(id(5), at(NOW));
    let admin = by(id(1), at(NOW));
    let head = Some(MemberKind::BuildingHead);
    #[rustfmt::skip]
    let rows = [
        row(apply(),                     captain(), ["MemberApplied", "ALREADY_APPLIED", "ALREADY_MEMBER", "ALREADY_MEMBER", "MemberApplied", over]),
        row(approve(5),                  captain(), [no, "MemberApproved", decided, decided, decided, over]),
        row(mediator,                    captain(), [no, idle, "RoleGranted", idle, idle, over]),
        row(revoke(5, Role::GridWorker), captain(), [no, away, "RoleRevoked", "RoleRevoked", away, over]),
        row(suspend(5),                  captain(), [no, idle, "MemberSuspended", idle, idle, over]),
        row(reinstate(5),                captain(), [no, free, free, "MemberReinstated", free, over]),
        row(leave(5),                    captain(), [no, away, "MemberLeft", "MemberLeft", away, over]),
        row(go(5, 102),                  admin,     [no, idle, moved, idle, idle, over]),
        row(train(5, NOW),               captain(), [no, idle, "TrainingRecorded", idle, idle, over]),
        row(agree(5, None),              five,      [no, "ConsentGiven", "ConsentGiven", "ConsentGiven", "ConsentGiven", over]),
        row(agree_no_more(5, paper),     captain(), [no, "CONSENT_NOT_GIVEN", "CONSENT_NOT_GIVEN", "CONSENT_NOT_GIVEN", "CONSENT_NOT_GIVEN", over]),
        row(request(5, 950),             five,      [no, "RecordCorrectionRequested", "RecordCorrectionRequested", "RecordCorrectionRequested", "RecordCorrectionRequested", over]),
        row(correct(5, None, head),      captain(), [no, "RecordCorrected", "RecordCorrected", "RecordCorrected", "RecordCorrected", over]),
        row(merge,                       captain(), [merged, merged, merged, merged, merged, over]),
    ];
    let given = "Each command is given by somebody who may, on 1 February 2024: the captain, for \
        MoveMember an administrator, for a consent or a request the member. The member has the role of \
        grid worker once active, and MergeMembers names an active duplicate of theirs.";
    let place = |history: &History| {
        let text = format!("{:?}", member(history, 5).state);
        text.to_lowercase()
    };
    check(
        "Member",
        given,
        include_str!("command.rs"),
        &table_states(),
        &rows,
        place,
    );
}

#[test]
fn everything_lies_in_the_community_and_happens_now() {
    let history = team();
    let decision = Member::decide(&suspend(3), &history.world(), &captain()).expect("allowed");
    let envelope = &decision.events[0].envelope;
    let community: UnitId = id(101);
    assert_eq!(envelope.unit, Some(community.0));
    assert_eq!(envelope.occurred_at, at(NOW));
}

#[test]
fn person_and_community_must_exist() {
    let mut stranger = apply();
    if let Command::ApplyForMembership { person, .. } = &mut stranger {
        *person = id(99);
    }
    team().refuses(stranger, &captain(), Refusal::PersonNotFound);
    for unit in [id(100), id(999)] {
        let mut elsewhere = apply();
        if let Command::ApplyForMembership { community, .. } = &mut elsewhere {
            *community = unit;
        }
        team().refuses(elsewhere, &captain(), Refusal::CommunityNotFound);
    }
}

fn applying_at(text: &str) -> Command {
    let mut command = apply();
    if let Command::ApplyForMembership { applied_at, .. } = &mut command {
        *applied_at = Some(at(text));
    }
    command
}

#[test]
fn an_application_reaches_back_no_further_than_the_window() {
    let history = team();
    let future = applying_at("2024-02-01T00:00:01Z");
    history.refuses(future, &captain(), Refusal::TimeInTheFuture);
    let early = applying_at("2024-01-24T23:59:59Z");
    history.refuses(early, &captain(), Refusal::BackDatedTooFar);
    let last = applying_at("2024-01-25T00:00:00Z");
    assert_eq!(history.outcome(last, &captain()), "MemberApplied");
}

#[test]
fn who_left_applies_again_only_after_that() {
    let [.., left] = states();
    let before = applying_at("2024-01-31T00:00:00Z");
    left.refuses(before, &captain(), Refusal::AppliedBeforeLeaving);
}

#[test]
fn under_14_needs_the_guardian_s_consent_as_evidence() {
    let child = |consent| {
        let mut command = apply();
        if let Command::ApplyForMembership {
            under_14,
            guardian_consent,
            ..
        } = &mut command
        {
            *under_14 = true;
            *guardian_consent = consent;
        }
        command
    };
    let history = team();
    history.refuses(child(None), &captain(), Refusal::GuardianConsentMissing);
    let decision = Member::decide(&child(Some([7; 32])), &history.world(), &captain())
        .expect("a consent is there");
    let [applied, consent] = &decision.events[..] else {
        panic!("an application and a consent: {decision:?}");
    };
    assert!(applied.envelope.evidence.is_empty());
    assert_eq!(consent.event, Event::GuardianConsentGiven {}.into());
    assert_eq!(consent.envelope.evidence, [[7; 32]]);
}

#[test]
fn only_an_administrator_a_captain_or_an_instructor_decides() {
    let [_, applied, ..] = states();
    let instructor = grant(3, Role::Instructor, NOW, None);
    let officer = grant(4, Role::Officer, NOW, None);
    let history = applied
        .then(instructor, &captain())
        .then(officer, &captain());
    for (person, expected) in [
        (1, "MemberApproved"),
        (2, "MemberApproved"),
        (3, "MemberApproved"),
        (4, "ACTOR_IS_NO_APPROVER"),
        (6, "ACTOR_IS_NO_APPROVER"),
    ] {
        let outcome = history.outcome(approve(5), &by(id(person), at(NOW)));
        assert_eq!(outcome, expected, "person {person}");
    }
    let outcome = history.outcome(approve(5), &by_system(at(NOW)));
    assert_eq!(outcome, "ACTOR_IS_NO_PERSON");
}

#[test]
fn a_captain_of_another_community_decides_nothing_here() {
    let found = second_community();
    let mut elsewhere = apply();
    if let Command::ApplyForMembership { community, .. } = &mut elsewhere {
        *community = id(102);
    }
    let history = team()
        .then(found, &by(id(1), at(NOW)))
        .then(elsewhere, &by(id(5), at(NOW)));
    let approve = Command::ApproveMember {
        community: id(102),
        person: id(5),
    };
    history.refuses(approve, &captain(), Refusal::ActorIsNoApprover);
}

#[test]
fn nobody_decides_about_themself() {
    let history = team().then(
        crate::genesis::Command::AppointAdministrator { person: id(2) },
        &by(id(1), at(NOW)),
    );
    let own = by(id(2), at(NOW));
    let role = grant(2, Role::Officer, NOW, None);
    history.refuses(role, &own, Refusal::ApproverIsThePerson);
    history.refuses(suspend(2), &own, Refusal::ApproverIsThePerson);
    let suspended = history.then(suspend(2), &by(id(1), at(NOW)));
    suspended.refuses(reinstate(2), &own, Refusal::ApproverIsThePerson);
    let applied = suspended.then(leave(2), &own).then(applying_by(2), &own);
    applied.refuses(approve(2), &own, Refusal::ApproverIsThePerson);
}

fn applying_by(n: u128) -> Command {
    let mut command = apply();
    if let Command::ApplyForMembership { person, .. } = &mut command {
        *person = id(n);
    }
    command
}

#[test]
fn the_only_administrator_may_begin_alone_and_the_events_say_so() {
    let admin = by(id(1), at(NOW));
    let history = community().then(applying_by(1), &admin);
    let approved = Event::MemberApproved {
        approved_by: id(1),
        bootstrap: true,
    };
    assert_eq!(history.when(approve(1), &admin), Ok(vec![approved.into()]));
    let history = history.then(approve(1), &admin);
    let granted = history.when(grant(1, Role::Captain, NOW, None), &admin);
    let [crate::Event::Member(Event::RoleGranted { bootstrap, .. })] = &granted.expect("alone")[..]
    else {
        panic!("a role");
    };
    assert!(bootstrap);
    history.refuses(suspend(1), &admin, Refusal::ApproverIsThePerson);
}

#[test]
fn a_suspended_or_departed_captain_commands_nobody() {
    let [_, applied, ..] = states();
    let admin = by(id(1), at(NOW));
    let suspended = applied.clone().then(suspend(2), &admin);
    suspended.refuses(approve(5), &captain(), Refusal::ActorIsNoApprover);
    let reinstated = suspended.then(reinstate(2), &admin);
    assert_eq!(reinstated.outcome(approve(5), &captain()), "MemberApproved");
    let left = applied.then(leave(2), &captain());
    left.refuses(approve(5), &captain(), Refusal::ActorIsNoApprover);
}

#[test]
fn roles_end_with_the_membership_and_do_not_come_back_with_it() {
    let later = grant(2, Role::Mediator, "2024-03-01T00:00:00Z", None);
    let admin = by(id(1), at(NOW));
    let history = team()
        .then(later, &admin)
        .then(leave(2), &captain())
        .then(applying_by(2), &captain())
        .then(approve(2), &admin);
    let captain = member(&history, 2);
    assert_eq!(captain.state, MemberState::Active);
    assert!(captain.holds(Role::Captain, at("2024-01-31T00:00:00Z")));
    assert!(!captain.holds(Role::Captain, at(NOW)));
    assert!(!captain.holds(Role::Mediator, at("2024-03-02T00:00:00Z")));
}

#[test]
fn dates_of_one_role_do_not_overlap() {
    let march = grant(
        3,
        Role::Mediator,
        "2024-03-01T00:00:00Z",
        Some("2024-04-01T00:00:00Z"),
    );
    let history = team().then(march, &captain());
    for (from, until, expected) in [
        ("2024-02-01", Some("2024-03-01"), "RoleGranted"),
        ("2024-04-01", None, "RoleGranted"),
        ("2024-02-01", Some("2024-03-02"), "ROLES_OVERLAP"),
        ("2024-03-10", Some("2024-03-11"), "ROLES_OVERLAP"),
        ("2024-03-31", None, "ROLES_OVERLAP"),
        ("2024-02-01", None, "ROLES_OVERLAP"),
        (
            "2024-03-01",
            Some("2024-03-01"),
            "ROLE_ENDS_BEFORE_IT_BEGINS",
        ),
        (
            "2024-03-02",
            Some("2024-03-01"),
            "ROLE_ENDS_BEFORE_IT_BEGINS",
        ),
    ] {
        let midnight = |day: &str| format!("{day}T00:00:00Z");
        let command = grant(
            3,
            Role::Mediator,
            &midnight(from),
            until.map(midnight).as_deref(),
        );
        let outcome = history.outcome(command, &captain());
        assert_eq!(outcome, expected, "{from} to {until:?}");
    }
    let other = grant(3, Role::GridWorker, "2024-03-10T00:00:00Z", None);
    assert_eq!(history.outcome(other, &captain()), "RoleGranted");
}

#[test]
fn captains_officers_and_mediators_need_an_appointment() {
    for (role, needed) in [
        (Role::Captain, true),
        (Role::Instructor, false),
        (Role::Officer, true),
        (Role::Mediator, true),
        (Role::GridWorker, false),
    ] {
        let with = |reference: Option<&str>| {
            let mut command = grant(3, role, NOW, None);
            if let Command::GrantRole { appointment, .. } = &mut command {
                *appointment = reference.map(ToOwned::to_owned);
            }
            command
        };
        let expected = if needed {
            "APPOINTMENT_MISSING"
        } else {
            "RoleGranted"
        };
        assert_eq!(team().outcome(with(None), &captain()), expected, "{role:?}");
        for bad in [" ", &"x".repeat(201)] {
            team().refuses(with(Some(bad)), &captain(), Refusal::AppointmentNotAllowed);
        }
    }
}

#[test]
fn revoking_ends_the_role_that_runs_now() {
    let march = grant(3, Role::GridWorker, "2024-03-01T00:00:00Z", None);
    let history = team().then(march, &captain());
    let now = by(id(2), at("2024-03-05T00:00:00Z"));
    history.refuses(
        revoke(3, Role::GridWorker),
        &captain(),
        Refusal::RoleNotHeld,
    );
    history.refuses(revoke(3, Role::Officer), &now, Refusal::RoleNotHeld);
    let history = history.then(revoke(3, Role::GridWorker), &now);
    let volunteer = member(&history, 3);
    assert!(volunteer.holds(Role::GridWorker, at("2024-03-04T23:59:59Z")));
    assert!(!volunteer.holds(Role::GridWorker, now.now));
    history.refuses(revoke(3, Role::GridWorker), &now, Refusal::RoleNotHeld);
    let again = grant(3, Role::GridWorker, "2024-03-05T00:00:00Z", None);
    assert_eq!(history.outcome(again, &now), "RoleGranted");
}

#[test]
fn a_role_taken_back_as_it_begins_leaves_no_trace_in_the_dates() {
    let history = team()
        .then(grant(3, Role::GridWorker, NOW, None), &captain())
        .then(revoke(3, Role::GridWorker), &captain());
    assert_eq!(member(&history, 3).roles, []);
}

#[test]
fn a_record_keeps_a_bounded_number_of_grants() {
    let start = at(NOW);
    let history = (0..200).fold(team(), |history, day| {
        let from = start + chrono::Duration::days(day);
        let command = Command::GrantRole {
            community: id(101),
            person: id(3),
            role: Role::GridWorker,
            from,
            until: Some(from + chrono::Duration::days(1)),
            appointment: None,
        };
        history.then(command, &captain())
    });
    let more = grant(3, Role::Officer, NOW, None);
    history.refuses(more, &captain(), Refusal::TooManyRoles);
}

#[test]
fn one_leaves_oneself_or_an_approver_records_it() {
    let own = by(id(3), at(NOW));
    assert_eq!(team().outcome(leave(3), &own), "MemberLeft");
    assert_eq!(team().outcome(leave(3), &captain()), "MemberLeft");
    team().refuses(leave(4), &own, Refusal::ActorIsNoApprover);
}

#[test]
fn a_suspension_needs_a_reason_of_bounded_length() {
    for bad in [" ".to_owned(), "x".repeat(4_001)] {
        let mut command = suspend(3);
        if let Command::SuspendMember { reason, .. } = &mut command {
            *reason = Personal::new(bad);
        }
        team().refuses(command, &captain(), Refusal::ReasonNotAllowed);
    }
}

#[test]
fn only_an_active_member_counts_as_one() {
    let expected = [false, false, true, false, false];
    for (history, expected) in states().iter().zip(expected) {
        let found = Member::active(&history.world(), id(101), id(5));
        if expected {
            assert_eq!(
                found.map(|member| member.kind),
                Ok(Some(MemberKind::Volunteer))
            );
        } else {
            assert_eq!(found, Err(Refusal::MemberNotActive.into()));
        }
    }
}

/// Person 5 turns out to be person 6.
fn is_person_6(history: History) -> History {
    let merge = crate::person::Command::MergePersons {
        person: id(6),
        duplicate: id(5),
    };
    history.then(merge, &by(id(1), at(NOW)))
}

fn closed_into_6(history: History) -> Arc<Member> {
    let close = Command::MergeMembers {
        community: id(101),
        person: id(6),
        duplicate: id(5),
    };
    let history = is_person_6(history).then(close, &by(id(1), at(NOW)));
    member(&history, 6)
}

#[test]
fn a_merged_id_takes_no_part_though_its_record_is_still_open() {
    let admin = by(id(1), at(NOW));
    let [_, applied, active, suspended, _] = states().map(is_person_6);
    let active = active.then(second_community(), &admin);
    let mediator = grant(5, Role::Mediator, NOW, None);
    applied.refuses(approve(5), &captain(), Refusal::MemberMerged);
    active.refuses(mediator, &captain(), Refusal::MemberMerged);
    active.refuses(go(5, 102), &admin, Refusal::MemberMerged);
    suspended.refuses(reinstate(5), &captain(), Refusal::MemberMerged);
    let found = Member::active(&active.world(), id(101), id(5));
    assert_eq!(found, Err(Refusal::MemberMerged.into()));
    // The record can still be ended.
    assert_eq!(active.outcome(leave(5), &captain()), "MemberLeft");
}

#[test]
fn a_suspension_is_not_left_behind_with_the_duplicate() {
    let [_, _, active, suspended, _] = states();
    let also_own = suspended
        .clone()
        .and_member(id(6), MemberKind::BuildingHead, None);
    for (history, state, kind) in [
        (active, MemberState::Active, MemberKind::Volunteer),
        (suspended, MemberState::Suspended, MemberKind::Volunteer),
        (also_own, MemberState::Suspended, MemberKind::BuildingHead),
    ] {
        let merged = closed_into_6(history);
        assert_eq!((merged.state, merged.kind), (state, Some(kind)));
    }
}

#[test]
fn who_is_under_14_is_so_after_a_merge_and_a_move() {
    let mut child = apply();
    if let Command::ApplyForMembership {
        under_14,
        guardian_consent,
        ..
    } = &mut child
    {
        *under_14 = true;
        *guardian_consent = Some([1; 32]);
    }
    let admin = by(id(1), at(NOW));
    let history = team()
        .then(second_community(), &admin)
        .then(child, &by(id(5), at(NOW)))
        .then(approve(5), &captain());
    assert_eq!(
        history.outcome(go(5, 102), &admin),
        "MemberLeft + MemberApplied + GuardianConsentGiven + MemberApproved"
    );
    assert!(closed_into_6(history).under_14);
}

fn event_samples() -> Vec<Event> {
    let role = |role, from, until: Option<&str>| Event::RoleGranted {
        role,
        from: at(from),
        until: until.map(at),
        appointment: None,
        granted_by: id(1),
        bootstrap: false,
    };
    vec![
        Event::MemberApplied {
            community: id(101),
            person: id(5),
            kind: MemberKind::Volunteer,
            under_14: false,
        },
        Event::GuardianConsentGiven {},
        Event::MemberApproved {
            approved_by: id(1),
            bootstrap: false,
        },
        role(Role::Captain, "2024-01-01T00:00:00Z", None),
        // From and until the wrong way round: no decision gives it, evolve must bear it.
        role(
            Role::Captain,
            "2024-05-01T00:00:00Z",
            Some("2024-01-01T00:00:00Z"),
        ),
        Event::RoleRevoked {
            role: Role::Captain,
            until: at("2024-02-01T00:00:00Z"),
            revoked_by: id(1),
        },
        Event::MemberSuspended {
            reason: Personal::new("a reason"),
        },
        Event::MemberReinstated {},
        Event::MemberLeft {},
    ]
    .into_iter()
    .chain(one_of_each("member"))
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_events_is_borne(history in any_history(event_samples())) {
        let mut member = Member::default();
        for (event, stamp) in &history {
            member.evolve(event, stamp);
        }
        let now = at(NOW);
        prop_assert!(member.state == MemberState::Active || !member.holds(Role::Captain, now));
    }
}
