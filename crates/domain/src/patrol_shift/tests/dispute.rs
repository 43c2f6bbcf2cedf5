//! A verified shift that is disputed: when and by whom, who settles it, what changes then.

use super::*;
use crate::account::Account;
use crate::reactions;

fn disputed() -> History {
    in_state(ShiftState::Disputed)
}

fn officer() -> Context {
    person(OFFICER, "17:00:00")
}

fn with_times(from: &str, until: &str) -> Reverified {
    Reverified {
        from: Some(clock(from)),
        until: Some(clock(until)),
        ..counts(3)
    }
}

/// Decides and takes in what the reactions ask for, as their runner does.
fn react(history: History, command: Command, cx: &Context) -> History {
    let events = decided(&history, command.clone(), cx);
    let history = history.then(command, cx);
    let position = u64::try_from(history.events().len()).expect("a small number");
    let mut history = history;
    for event in events {
        let stamp = Stamp {
            position,
            version: 1,
            occurred_at: event.envelope.occurred_at,
            recorded_at: cx.now,
        };
        for reaction in reactions::ALL {
            for asked in (reaction.react)(&event.stream, &event.event, &stamp) {
                match history.when(asked.clone(), &by_system(cx.now)) {
                    Ok(_) => history = history.then(asked, &by_system(cx.now)),
                    Err(refused) => assert!(
                        reaction.settled_by.contains(&refused.name.as_str()),
                        "{refused:?}"
                    ),
                }
            }
        }
    }
    history
}

/// Points of a person by the end of the month, all of them vested.
fn points(history: &History, person: u128) -> u64 {
    let account = history.state::<Account>(id::<PersonId>(person));
    let balance = account.balance_at(at("2024-07-31T00:00:00Z"));
    balance.pending + balance.spendable
}

#[test]
fn a_member_disputes_within_the_days_that_the_policy_sets() {
    let history = completed().then(verify(3), &captain("15:00:00"));
    for (now, expected) in [
        ("2024-07-01T15:00:01Z", "ShiftDisputed"),
        ("2024-07-08T15:00:00Z", "ShiftDisputed"),
        ("2024-07-08T15:00:01Z", "DISPUTE_TOO_LATE"),
    ] {
        let answer = outcome(&history, &dispute(), &by(id(4), at(now)));
        assert_eq!(answer, expected, "{now}");
    }
    let cx = person(OUTSIDER, "16:00:00");
    history.refuses(dispute(), &cx, Refusal::DisputerNotAllowed);
    // The one whose part it is may, and so may an administrator.
    for actor in [3, 1] {
        history.clone().then(dispute(), &person(actor, "16:00:00"));
    }
    let silent = Command::DisputeShift {
        shift: id(SHIFT),
        reason: Personal::new(" "),
    };
    history.refuses(
        silent,
        &person(4, "16:00:00"),
        Refusal::DisputeReasonNotAllowed,
    );
}

#[test]
fn a_policy_set_without_the_days_lets_no_shift_be_disputed() {
    let text = include_str!("../../../../../policies/pilot.toml");
    let adopt = policy_set::Command::AdoptPolicySet {
        unit: id(101),
        text: text.replace("shift_dispute_days = 7\n", ""),
        effective_from: None,
    };
    let history = team()
        .then(adopt, &person(1, "07:00:00"))
        .then(plan(), &captain("08:00:00"))
        .then(sign_up(3), &person(3, "08:00:00"))
        .then(check_in(3, "12:00:00"), &person(3, "12:00:00"))
        .then(check_out(3, None), &person(3, "13:30:00"))
        .then(verify(3), &captain("15:00:00"));
    history.refuses(dispute(), &person(4, "16:00:00"), Refusal::NoDisputeWindow);
}

#[test]
fn somebody_else_than_who_settled_walked_or_disputes_it_settles_it_again() {
    let by_officer = completed()
        .then(verify(3), &captain("15:00:00"))
        .then(dispute(), &person(OFFICER, "16:00:00"));
    for (history, actor, refusal) in [
        (disputed(), CAPTAIN, Refusal::VerifierSettledItBefore),
        (disputed(), 3, Refusal::VerifierWasOnShift),
        (disputed(), 4, Refusal::VerifierWasOnShift),
        (disputed(), 5, Refusal::VerifierNotAllowed),
        (by_officer, OFFICER, Refusal::VerifierDisputesIt),
    ] {
        let cx = person(actor, "17:00:00");
        for command in [reverify(vec![counts(3)]), void()] {
            history.refuses(command, &cx, refusal);
        }
    }
}

#[test]
fn everybody_who_came_is_settled_again_and_nobody_else() {
    let history = in_progress()
        .then(check_in(4, "12:05:00"), &person(4, "12:05:00"))
        .then(check_out(3, None), &person(3, "13:00:00"))
        .then(check_out(4, None), &person(4, "13:00:00"))
        .then(verify(3), &captain("15:00:00"))
        .then(reject(4), &captain("15:00:00"))
        .then(dispute(), &person(4, "16:00:00"));
    for parts in [
        vec![],
        vec![counts(3)],
        vec![counts(3), counts(3)],
        vec![counts(3), counts(5)],
        vec![counts(3), counts(4), counts(5)],
    ] {
        history.refuses(reverify(parts), &officer(), Refusal::PartsNotComplete);
    }
    let settled = history.then(reverify(vec![counts_not(3), counts(4)]), &officer());
    let state = shift(&settled);
    assert_eq!(state.state, ShiftState::Verified);
    assert_eq!(state.crew[&id(3)].accepted, Some(false));
    assert_eq!(state.crew[&id(4)].accepted, Some(true));
    let day = "2024-07-01".parse().expect("a date");
    let held = |person: u128| {
        let day = settled.state::<PersonDay>(PersonDay::key(id(person), day));
        day.held.len()
    };
    assert_eq!((held(3), held(4)), (0, 1));
}

#[test]
fn the_times_found_lie_within_the_planned_window_and_a_part_that_does_not_count_has_a_reason() {
    let without_reason = Reverified {
        reason: None,
        ..counts_not(3)
    };
    let with_times_and_not = Reverified {
        accepted: false,
        reason: Some(Personal::new("seen elsewhere")),
        ..with_times("12:00:00", "13:00:00")
    };
    for part in [
        with_times("11:59:59", "13:00:00"),
        with_times("12:00:00", "14:00:01"),
        with_times("13:00:00", "13:00:00"),
        without_reason,
        with_times_and_not,
    ] {
        let command = reverify(vec![part]);
        disputed().refuses(command, &officer(), Refusal::ReverifiedPartNotAllowed);
    }
    // Longer than the check-out said, as the late scan shows; never beyond the window.
    disputed().then(
        reverify(vec![with_times("12:00:00", "14:00:00")]),
        &officer(),
    );
}

#[test]
fn scans_that_came_late_count_once_the_shift_is_verified_again() {
    let before = disputed();
    assert!(shift(&before).hit.is_empty());
    assert_eq!(shift(&before).missed.len(), 3);
    let events = decided(&before, reverify(vec![counts(3)]), &officer());
    let counted = Event::LateScanCounted {
        checkpoint: id(300),
        zone: id(200),
        missed: Some(MissedCheckpoint {
            checkpoint: id(300),
            zone: id(200),
        }),
        until: clock("14:00:00"),
    };
    assert_eq!(events[0].event, counted.into());
    assert_eq!(events[0].envelope.occurred_at, clock("12:30:00"));
    let after = before.then(reverify(vec![counts(3)]), &officer());
    assert!(shift(&after).hit.contains_key(&id(300)));
    assert_eq!(shift(&after).missed.len(), 2);
    // Once only, however often it is verified.
    let again = after
        .then(dispute(), &person(4, "18:00:00"))
        .when(reverify(vec![counts(3)]), &person(1, "19:00:00"))
        .expect("goes through");
    assert!(
        !again
            .iter()
            .any(|event| event.encode().0 == "LateScanCounted")
    );
}

/// Checkpoints, by number and time, of the late scans that count when a shift is verified again.
fn counted_late(
    history: &History,
    parts: Vec<Reverified>,
    cx: &Context,
) -> Vec<(CheckpointId, Instant)> {
    decided(history, reverify(parts), cx)
        .into_iter()
        .filter_map(|event| match event.event {
            crate::Event::PatrolShift(Event::LateScanCounted { checkpoint, .. }) => {
                Some((checkpoint, event.envelope.occurred_at))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_scan_made_after_the_walk_counts_for_nothing_and_hides_no_earlier_one() {
    let typed_in = Capture {
        method: Method::Manual,
        device: None,
        device_at: None,
        sent_at: None,
        ..capture(3, None, clock("12:00:00"))
    };
    let history = completed()
        .then(verify(3), &captain("15:00:00"))
        .then(scan_with(3, 2, typed_in.clone()), &person(3, "15:10:00"))
        .then(scan_with(3, 1, typed_in), &person(3, "15:10:00"))
        .then(scan(3, 1, "12:50:00"), &person(3, "15:20:00"))
        .then(scan(3, 1, "12:40:00"), &person(3, "15:20:00"))
        .then(dispute(), &person(4, "16:00:00"));
    // The earliest one of the walk is the one that counts.
    assert_eq!(
        counted_late(&history, vec![counts(3)], &officer()),
        [(id(301), clock("12:40:00"))]
    );
    let after = history.then(reverify(vec![counts(3)]), &officer());
    assert!(shift(&after).missed.contains_key(&id(302)));
}

#[test]
fn a_late_scan_counts_only_within_a_part_that_is_found_to_count() {
    let history = in_progress()
        .then(check_in(4, "12:05:00"), &person(4, "12:05:00"))
        .then(check_out(3, None), &person(3, "13:00:00"))
        .then(check_out(4, None), &person(4, "13:00:00"))
        .then(scan(3, 0, "12:30:00"), &person(3, "14:00:00"))
        .then(scan(4, 1, "12:40:00"), &person(4, "14:00:00"))
        .then(verify(3), &captain("15:00:00"))
        .then(verify(4), &captain("15:00:00"))
        .then(dispute(), &person(5, "16:00:00"));
    let of_4 = (id(301), clock("12:40:00"));
    for (found, expected) in [
        (counts(3), vec![(id(300), clock("12:30:00")), of_4]),
        (counts_not(3), vec![of_4]),
        (with_times("12:00:00", "12:29:59"), vec![of_4]),
        (with_times("12:30:01", "13:00:00"), vec![of_4]),
    ] {
        let counted = counted_late(&history, vec![found.clone(), counts(4)], &officer());
        assert_eq!(counted, expected, "{found:?}");
    }
}

#[test]
fn a_late_scan_of_another_communitys_checkpoint_counts_for_nothing() {
    let history = install(completed(), 20, 102)
        .then(scan(3, 20, "12:40:00"), &person(3, "14:00:00"))
        .then(verify(3), &captain("15:00:00"))
        .then(dispute(), &person(4, "16:00:00"));
    assert_eq!(shift(&history).late.len(), 1);
    assert_eq!(counted_late(&history, vec![counts(3)], &officer()), []);
}

#[test]
fn whoever_disputed_it_once_never_settles_it() {
    let history = completed()
        .then(verify(3), &captain("15:00:00"))
        .then(dispute(), &person(OFFICER, "16:00:00"))
        .then(reverify(vec![counts(3)]), &person(1, "17:00:00"))
        .then(dispute(), &person(4, "18:00:00"));
    let cx = person(OFFICER, "19:00:00");
    for command in [reverify(vec![counts(3)]), void()] {
        history.refuses(command, &cx, Refusal::VerifierDisputesIt);
    }
}

#[test]
fn whoever_filed_it_late_settles_neither_a_part_nor_a_dispute_of_it() {
    let filer = |time| person(OFFICER, time);
    let history = team()
        .then(file_one(), &filer("16:00:00"))
        .then(approve(), &captain("16:30:00"));
    for command in [verify(3), reject(3)] {
        history.refuses(command, &filer("17:00:00"), Refusal::VerifierFiledIt);
    }
    let history = history
        .then(verify(3), &captain("17:00:00"))
        .then(dispute(), &person(4, "18:00:00"));
    for command in [reverify(vec![counts(3)]), void()] {
        history.refuses(command, &filer("19:00:00"), Refusal::VerifierFiledIt);
    }
}

#[test]
fn the_reasons_of_all_parts_are_bounded_together() {
    let history = planned()
        .then(sign_up(5), &person(5, "08:00:00"))
        .then(check_in(3, "12:00:00"), &person(3, "12:00:00"))
        .then(check_in(4, "12:00:00"), &person(4, "12:00:00"))
        .then(check_in(5, "12:00:00"), &person(5, "12:00:00"))
        .then(auto_check_out(), &by_system(clock("14:30:00")))
        .then(verify(3), &captain("15:00:00"))
        .then(verify(4), &captain("15:00:00"))
        .then(verify(5), &captain("15:00:00"))
        .then(dispute(), &person(7, "16:00:00"));
    let parts = |bytes: [usize; 3]| {
        let parts = [3, 4, 5].into_iter().zip(bytes);
        let parts = parts.map(|(person, bytes)| Reverified {
            reason: Some(Personal::new("x".repeat(bytes))),
            ..counts_not(person)
        });
        reverify(parts.collect())
    };
    history.refuses(
        parts([4_000, 4_000, 1]),
        &officer(),
        Refusal::ReasonsTooLong,
    );
    history.then(parts([4_000, 3_999, 1]), &officer());
}

#[test]
fn another_result_revises_the_award_and_never_brings_a_second_one() {
    let history = react(completed(), verify(3), &captain("15:00:00"));
    assert_eq!(points(&history, 3), 50);
    let history = history.then(dispute(), &person(4, "16:00:00"));
    // Twenty minutes are fewer than the rule's thirty.
    let short = reverify(vec![with_times("12:00:00", "12:20:00")]);
    let history = react(history, short, &officer());
    assert_eq!(points(&history, 3), 0);
    let account = history.state::<Account>(id::<PersonId>(3));
    assert_eq!(account.lots.len(), 1);
    // It was wrong again: what is found last holds.
    let history = history.then(dispute(), &person(3, "18:00:00"));
    let history = react(history, reverify(vec![counts(3)]), &person(1, "19:00:00"));
    assert_eq!(points(&history, 3), 50);
    assert_eq!(history.state::<Account>(id::<PersonId>(3)).lots.len(), 1);
}

#[test]
fn a_part_that_was_rejected_gets_its_first_award_when_it_is_found_to_count() {
    let history = react(completed(), reject(3), &captain("15:00:00"));
    assert_eq!(points(&history, 3), 0);
    let history = history.then(dispute(), &person(3, "16:00:00"));
    let history = react(history, reverify(vec![counts(3)]), &officer());
    assert_eq!(points(&history, 3), 50);
}

#[test]
fn voiding_gives_minutes_and_points_back_and_ends_the_shift() {
    let history = react(completed(), verify(3), &captain("15:00:00"))
        .then(scan(3, 0, "12:30:00"), &person(3, "15:30:00"))
        .then(dispute(), &person(4, "16:00:00"));
    let history = react(history, void(), &officer());
    assert_eq!(points(&history, 3), 0);
    let state = shift(&history);
    assert_eq!(state.state, ShiftState::Voided);
    assert_eq!(state.crew[&id(3)].accepted, Some(false));
    assert_eq!(
        state.crew[&id(4)].accepted,
        None,
        "who never came has no part"
    );
    let day = "2024-07-01".parse().expect("a date");
    let held = history.state::<PersonDay>(PersonDay::key(id(3), day));
    assert!(held.held.is_empty());
    let after = person(3, "18:00:00");
    history.refuses(scan(3, 1, "12:40:00"), &after, Refusal::ShiftNotInProgress);
    history.refuses(dispute(), &after, Refusal::ShiftNotVerified);
}

#[test]
fn minutes_given_back_can_be_held_by_another_shift_and_are_not_taken_from_it_again() {
    let other = edited(file_one(), |command| {
        if let Command::FileLateShift { shift, .. } = command {
            *shift = id(OTHER_SHIFT);
        }
    });
    let of_other = |command: Command| {
        edited(command, |command| match command {
            Command::ApproveLateShift { shift } | Command::VerifyParticipation { shift, .. } => {
                *shift = id(OTHER_SHIFT);
            }
            _ => {}
        })
    };
    // The shift is found not to count; a late filing of 12:00 to 13:00 takes its minutes.
    let history = disputed()
        .then(reverify(vec![counts_not(3)]), &officer())
        .then(other, &person(5, "17:30:00"))
        .then(of_other(approve()), &captain("17:30:00"))
        .then(of_other(verify(3)), &captain("17:30:00"))
        .then(dispute(), &person(3, "18:00:00"))
        .then(reverify(vec![counts(3)]), &person(1, "19:00:00"));
    let counted = shift(&history).crew[&id(3)].counted.clone();
    assert_eq!(counted, [(clock("13:00:00"), clock("13:30:00"))]);
}

#[test]
fn a_shift_is_disputed_a_bounded_number_of_times() {
    let mut history = completed().then(verify(3), &captain("15:00:00"));
    for (hour, arbiter) in [(16, OFFICER), (17, 1), (18, INSTRUCTOR)] {
        let cx = |person: u128| by(id(person), clock(&format!("{hour}:00:00")));
        history = history
            .then(dispute(), &cx(3))
            .then(reverify(vec![counts(3)]), &cx(arbiter));
    }
    history.refuses(dispute(), &person(3, "20:00:00"), Refusal::TooManyDisputes);
}

#[test]
fn a_scan_lies_in_the_zone_of_its_time_and_the_shift_in_its_planned_one_though_zones_are_redrawn() {
    // On 15 July at 00:00 zones 200 (west) and 201 (east) change places; checkpoint 300 stands
    // in the west.
    let (evening, night) = (at("2024-07-14T23:30:00Z"), at("2024-07-15T00:30:00Z"));
    let scanned_at = |time| scan_with(3, 0, capture(3, Some(stands(0)), time));
    let out = by(id(3), at("2024-07-15T00:45:00Z"));
    let late = by(id(3), at("2024-07-15T02:00:00Z"));
    let history = team()
        .then(
            plan_of(
                SHIFT,
                at("2024-07-14T23:00:00Z"),
                at("2024-07-15T01:00:00Z"),
            ),
            &by(id(CAPTAIN), at("2024-07-14T20:00:00Z")),
        )
        .then(sign_up(3), &by(id(3), at("2024-07-14T20:00:00Z")))
        .then(
            check_in_with(3, capture(3, None, at("2024-07-14T23:00:00Z"))),
            &by(id(3), at("2024-07-14T23:00:00Z")),
        );
    let zone_of = |history: &History, time, now: &Context| {
        let events = history.when(scanned_at(time), now).expect("taken");
        match &events[0] {
            crate::Event::PatrolShift(
                Event::CheckpointScanned { zone, .. } | Event::LateScanRecorded { zone, .. },
            ) => *zone,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        zone_of(&history, evening, &by(id(3), evening)),
        Some(id(200))
    );
    assert_eq!(zone_of(&history, night, &by(id(3), night)), Some(id(201)));
    // Uploaded late, it still counts where it was made.
    assert_eq!(zone_of(&history, evening, &by(id(3), night)), Some(id(200)));
    let ended = history
        .then(check_out(3, None), &out)
        .then(scanned_at(evening), &late);
    assert_eq!(zone_of(&ended, night, &late), Some(id(201)));
    let verified = ended.then(verify(3), &by(id(CAPTAIN), at("2024-07-15T03:00:00Z")));
    assert_eq!(
        shift(&verified).plan.as_ref().expect("planned").zone,
        id(200)
    );
    let again = decided(
        &verified.then(dispute(), &by(id(4), at("2024-07-15T04:00:00Z"))),
        reverify(vec![counts(3)]),
        &by(id(OFFICER), at("2024-07-15T05:00:00Z")),
    );
    let zones: Vec<_> = again
        .iter()
        .filter_map(|event| match &event.event {
            crate::Event::PatrolShift(
                Event::LateScanCounted { zone, .. } | Event::ParticipationReverified { zone, .. },
            ) => Some(*zone),
            _ => None,
        })
        .collect();
    assert_eq!(zones, [id(200), id(200)]);
}
