//! Before the walk: who plans what, who signs up, what the timers do.

use super::*;

#[test]
fn a_plan_is_refused_for_each_thing_that_is_wrong_with_it() {
    let history = install(team(), 9, 102);
    let cx = captain("08:00:00");
    let refuses = |edit: fn(&mut Command), refusal: Refused| {
        history.refuses(edited(plan(), edit), &cx, refusal);
    };
    macro_rules! with {
        ($field:ident = $value:expr) => {
            |command: &mut Command| {
                if let Command::PlanShift { $field, .. } = command {
                    *$field = $value;
                }
            }
        };
    }
    refuses(
        with!(community = id(999)),
        crate::unit::Refusal::UnitNotFound.into(),
    );
    refuses(
        with!(until = clock("12:00:00")),
        Refusal::WindowNotAllowed.into(),
    );
    refuses(
        with!(until = at("2024-07-02T12:00:01Z")),
        Refusal::WindowNotAllowed.into(),
    );
    refuses(with!(crew_min = 0), Refusal::CrewMinNotAllowed.into());
    refuses(with!(crew_min = 51), Refusal::CrewMinNotAllowed.into());
    refuses(
        with!(route = vec![id(300), id(300)]),
        Refusal::RouteNotAllowed.into(),
    );
    refuses(
        with!(route = (0..101).map(|n| id(300 + n)).collect()),
        Refusal::RouteNotAllowed.into(),
    );
    refuses(
        with!(route = vec![id(399)]),
        Refusal::CheckpointNotInstalled.into(),
    );
    refuses(
        with!(route = vec![id(309)]),
        Refusal::CheckpointNotInstalled.into(),
    );
    refuses(with!(zone = id(299)), Refusal::ZoneNotInPlan.into());
    let yesterday = plan_of(
        SHIFT,
        at("2024-06-30T12:00:00Z"),
        at("2024-06-30T14:00:00Z"),
    );
    history.refuses(yesterday, &cx, Refusal::ShiftAlreadyOver);
    let retired = history.and::<checkpoint::Checkpoint>(
        id::<CheckpointId>(300),
        checkpoint::Event::CheckpointRetired {},
        clock("07:00:00"),
    );
    retired.refuses(plan(), &cx, Refusal::CheckpointNotInstalled);
}

#[test]
fn shifts_are_planned_and_called_off_by_captains_and_administrators_only() {
    for (actor, goes) in [
        (1, true),
        (CAPTAIN, true),
        (3, false),
        (OFFICER, false),
        (OUTSIDER, false),
    ] {
        for (history, command, event) in [
            (team(), plan(), "ShiftPlanned"),
            (planned(), cancel(), "ShiftCancelled"),
        ] {
            let expected = if goes { event } else { "PLANNER_NOT_ALLOWED" };
            assert_eq!(
                outcome(&history, &command, &person(actor, "08:00:00")),
                expected
            );
        }
    }
    let suspended = team().and::<Member>(
        Member::key(id(101), id(CAPTAIN)),
        member::Event::MemberSuspended {
            reason: crate::Personal::new("asked to"),
        },
        clock("07:00:00"),
    );
    suspended.refuses(plan(), &captain("08:00:00"), Refusal::PlannerNotAllowed);
}

#[test]
fn a_shift_keeps_the_version_of_the_zone_plan_in_force_at_its_start() {
    let version = |from, until| {
        let events = team().when(plan_of(SHIFT, from, until), &captain("08:00:00"));
        match events.expect("goes through").pop() {
            Some(crate::Event::PatrolShift(Event::ShiftPlanned {
                zone_plan_version, ..
            })) => zone_plan_version,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(version(clock("12:00:00"), clock("14:00:00")), 1);
    assert_eq!(
        version(at("2024-07-14T23:59:00Z"), at("2024-07-15T02:00:00Z")),
        1
    );
    assert_eq!(
        version(at("2024-07-15T00:00:00Z"), at("2024-07-15T02:00:00Z")),
        2
    );
}

#[test]
fn signing_up_takes_an_active_member_once_and_before_the_end() {
    let history = planned();
    history.refuses(sign_up(3), &person(3, "09:00:00"), Refusal::AlreadySignedUp);
    let stranger = member::Refusal::MemberNotActive;
    history.refuses(sign_up(OUTSIDER), &person(OUTSIDER, "09:00:00"), stranger);
    history.refuses(
        sign_up(5),
        &person(5, "14:00:00"),
        Refusal::ShiftAlreadyEnded,
    );
    let full = (1_000..1_048).fold(history, |history, n| {
        let person = id(n);
        history.and::<PatrolShift>(
            id::<ShiftId>(SHIFT),
            Event::PatrollerSignedUp { person },
            clock("09:00:00"),
        )
    });
    full.refuses(sign_up(5), &person(5, "09:00:00"), Refusal::CrewFull);
}

#[test]
fn only_the_system_records_a_missed_shift_and_only_after_the_time_of_grace() {
    let history = planned();
    let early = by_system(clock("12:29:59"));
    history.refuses(missed(), &early, Refusal::ShiftNotMissedYet);
    assert_eq!(
        outcome(&history, &missed(), &captain("13:00:00")),
        "ACTOR_IS_NOT_THE_SYSTEM"
    );
    let events = decided(&history, missed(), &by_system(clock("13:00:00")));
    assert_eq!(events[0].envelope.occurred_at, clock("12:30:00"));
    assert_eq!(events[0].envelope.trust, Trust::System);
}

#[test]
fn a_timer_runs_for_a_planned_shift_and_for_one_that_is_walked_only() {
    let text = include_str!("../../../../../policies/pilot.toml");
    let policy = policy_set::PolicySet::parse(text).expect("the pilot's set");
    for state in STATES {
        let expected = match state {
            ShiftState::Planned => Some((clock("12:30:00"), ShiftTimer::Missed)),
            ShiftState::InProgress | ShiftState::HandedOver => {
                Some((clock("14:30:00"), ShiftTimer::AutoCheckOut))
            }
            _ => None,
        };
        let shift = in_state(state).state::<PatrolShift>(id::<ShiftId>(SHIFT));
        assert_eq!(shift.deadline_running(&policy), expected, "{state:?}");
    }
}
