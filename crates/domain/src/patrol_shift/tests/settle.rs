//! Verified and rejected parts, minutes that count once, late filings.

use super::*;

#[test]
fn nobody_on_the_crew_settles_a_part_of_the_same_shift() {
    // The captain signs up too, but does not come.
    let history = team()
        .then(plan(), &captain("08:00:00"))
        .then(sign_up(3), &person(3, "08:00:00"))
        .then(sign_up(CAPTAIN), &captain("08:00:00"))
        .then(check_in(3, "12:00:00"), &person(3, "12:00:00"))
        .then(check_out(3, None), &person(3, "13:30:00"));
    for command in [verify(3), reject(3)] {
        for (actor, refusal) in [
            (3, Refusal::VerifierIsBeneficiary),
            (CAPTAIN, Refusal::VerifierWasOnShift),
            (5, Refusal::VerifierNotAllowed),
            (OUTSIDER, Refusal::VerifierNotAllowed),
        ] {
            history.refuses(command.clone(), &person(actor, "15:00:00"), refusal);
        }
        for actor in [1, OFFICER] {
            history
                .clone()
                .then(command.clone(), &person(actor, "15:00:00"));
        }
        assert_eq!(
            outcome(&history, &command, &by_system(clock("15:00:00"))),
            "ACTOR_IS_NO_PERSON"
        );
    }
    for absent in [CAPTAIN, 5] {
        let cx = person(OFFICER, "15:00:00");
        history.refuses(verify(absent), &cx, Refusal::PersonNotOnShift);
    }
}

#[test]
fn a_shift_is_verified_when_every_part_of_those_who_came_is_settled() {
    let history = in_progress()
        .then(check_in(4, "12:05:00"), &person(4, "12:05:00"))
        .then(sign_up(5), &person(5, "12:10:00"))
        .then(check_out(3, None), &person(3, "13:00:00"))
        .then(check_out(4, None), &person(4, "13:00:00"))
        .then(reject(3), &captain("15:00:00"));
    assert_eq!(
        history.state::<PatrolShift>(id::<ShiftId>(SHIFT)).state,
        ShiftState::Completed
    );
    let again = Refusal::ParticipationAlreadySettled;
    history.refuses(verify(3), &captain("15:00:00"), again);
    let events = history
        .when(verify(4), &captain("15:00:00"))
        .expect("goes through");
    let verified = Event::ShiftVerified {
        accepted: 1,
        rejected: 1,
    };
    assert_eq!(events.last(), Some(&verified.into()));
}

type Intervals = Vec<(Instant, Instant)>;

fn verified_part(events: &[NewEvent]) -> (Instant, Intervals, u32) {
    let found = events.iter().find_map(|event| match &event.event {
        crate::Event::PatrolShift(Event::ParticipationVerified {
            intervals, minutes, ..
        }) => Some((event.envelope.occurred_at, intervals.clone(), *minutes)),
        _ => None,
    });
    found.expect("a verified part")
}

#[test]
fn a_verified_part_is_dated_to_its_end_and_holds_its_minutes() {
    let history = completed();
    let (occurred_at, intervals, minutes) =
        verified_part(&decided(&history, verify(3), &captain("15:00:00")));
    assert_eq!(occurred_at, clock("13:30:00"));
    assert_eq!(intervals, [(clock("12:00:00"), clock("13:30:00"))]);
    assert_eq!(minutes, 90);
    let day = "2024-07-01".parse().expect("a date");
    let held = history
        .then(verify(3), &captain("15:00:00"))
        .state::<PersonDay>(PersonDay::key(id(3), day));
    assert_eq!(
        held.free(clock("13:00:00"), clock("14:00:00")),
        [(clock("13:30:00"), clock("14:00:00"))]
    );
}

#[test]
fn no_minute_counts_twice_however_many_shifts_overlap() {
    let filed = |shift: u128, from, until| {
        edited(file(vec![part(3, from, until)]), |command| {
            if let Command::FileLateShift { shift: of, .. } = command {
                *of = id(shift);
            }
        })
    };
    let of = |command: Command, shift: u128| {
        edited(command, |command| match command {
            Command::ApproveLateShift { shift: of }
            | Command::VerifyParticipation { shift: of, .. } => *of = id(shift),
            _ => {}
        })
    };
    // 12:00 to 13:30 is held by the shift; 11:30 to 14:00 is filed, then 12:10 to 12:20.
    let history = completed()
        .then(verify(3), &captain("15:00:00"))
        .then(
            filed(401, clock("11:30:00"), clock("14:00:00")),
            &person(5, "16:00:00"),
        )
        .then(of(approve(), 401), &captain("16:00:00"))
        .then(
            filed(402, clock("12:10:00"), clock("12:20:00")),
            &person(5, "16:00:00"),
        )
        .then(of(approve(), 402), &captain("16:00:00"));
    let events = decided(&history, of(verify(3), 401), &captain("17:00:00"));
    let (occurred_at, intervals, minutes) = verified_part(&events);
    let free = [
        (clock("11:30:00"), clock("12:00:00")),
        (clock("13:30:00"), clock("14:00:00")),
    ];
    assert_eq!((occurred_at, minutes), (clock("14:00:00"), 60));
    assert_eq!(intervals, free);
    let events = decided(&history, of(verify(3), 402), &captain("17:00:00"));
    assert_eq!(verified_part(&events), (clock("12:20:00"), Vec::new(), 0));
}

/// One person turns out to be another.
fn merged(history: History, person: u128, duplicate: u128) -> History {
    use crate::person::{Event, Person};
    let merged = Event::PersonsMerged {
        into: id(person),
        merged_by: id(1),
    };
    let taken = Event::RecordsTakenOver {
        duplicates: vec![id(duplicate)],
        identity_claim: None,
        merged_by: id(1),
    };
    history
        .and::<Person>(id::<PersonId>(duplicate), merged, clock("16:30:00"))
        .and::<Person>(id::<PersonId>(person), taken, clock("16:30:00"))
}

#[test]
fn no_minute_counts_twice_under_two_records_of_a_person() {
    let of = |command: Command| {
        edited(command, |command| match command {
            Command::FileLateShift { shift, .. }
            | Command::ApproveLateShift { shift }
            | Command::VerifyParticipation { shift, .. } => *shift = id(OTHER_SHIFT),
            _ => {}
        })
    };
    let parts = vec![part(4, clock("12:30:00"), clock("13:45:00"))];
    let history = completed()
        .then(verify(3), &captain("15:00:00"))
        .then(of(file(parts)), &person(5, "16:00:00"))
        .then(of(approve()), &captain("16:00:00"));
    let events = decided(&history, of(verify(4)), &captain("17:00:00"));
    assert_eq!(verified_part(&events).2, 75);
    let history = merged(history, 3, 4);
    let events = decided(&history, of(verify(4)), &captain("17:00:00"));
    // 12:00 to 13:30 is held by the other record.
    assert_eq!(verified_part(&events).2, 15);
}

#[test]
fn who_filed_it_under_another_record_does_not_approve_it() {
    let history = team().then(file_one(), &person(5, "16:00:00"));
    let history = merged(history, CAPTAIN, 5);
    let captain = captain("17:00:00");
    history.refuses(approve(), &captain, Refusal::ApproverFiledIt);
    history.refuses(reject_filing(), &captain, Refusal::ApproverFiledIt);
}

#[test]
fn a_part_across_midnight_of_the_units_zone_is_held_by_both_days() {
    // Midnight in Shanghai is 16:00 in UTC.
    let parts = vec![part(3, clock("15:00:00"), clock("16:30:00"))];
    let history = team()
        .then(file(parts), &person(5, "18:00:00"))
        .then(approve(), &captain("18:00:00"));
    let events = decided(&history, verify(3), &captain("18:00:00"));
    let streams: Vec<_> = events
        .iter()
        .filter(|event| event.stream.category() == PersonDay::CATEGORY)
        .map(|event| {
            event
                .stream
                .key()
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(streams, ["2024-07-01", "2024-07-02"]);
    assert_eq!(verified_part(&events).2, 90);
}

#[test]
fn a_part_wholly_outside_the_window_is_verified_with_no_minutes() {
    let history = planned()
        .then(check_in(3, "10:30:00"), &person(3, "10:30:00"))
        .then(check_out(3, None), &person(3, "11:00:00"));
    let events = decided(&history, verify(3), &captain("15:00:00"));
    assert_eq!(verified_part(&events), (clock("11:00:00"), Vec::new(), 0));
}

#[test]
fn a_late_filing_is_refused_for_each_thing_that_is_wrong_with_its_parts() {
    let cx = person(5, "16:00:00");
    let history = team();
    let (one, two) = (clock("12:00:00"), clock("13:00:00"));
    let many = (0..21).map(|n| part(1_000 + n, one, two)).collect();
    for (parts, refusal) in [
        (vec![], Refusal::PartsNotAllowed),
        (many, Refusal::PartsNotAllowed),
        (
            vec![part(3, one, two), part(3, one, two)],
            Refusal::PartsNotAllowed,
        ),
        (vec![part(3, one, one)], Refusal::PartTimesNotAllowed),
        (
            vec![part(3, two, clock("16:00:01"))],
            Refusal::PartTimesNotAllowed,
        ),
        (
            vec![part(3, at("2024-06-30T12:59:59Z"), two)],
            Refusal::PartTimesNotAllowed,
        ),
        (
            vec![part(
                3,
                at("2023-12-01T12:00:00Z"),
                at("2023-12-01T13:00:00Z"),
            )],
            Refusal::NoZonePlan,
        ),
    ] {
        history.refuses(file(parts), &cx, refusal);
    }
    let stranger = vec![part(OUTSIDER, one, two)];
    history.refuses(file(stranger), &cx, member::Refusal::MemberNotActive);
}

#[test]
fn a_late_filing_beyond_the_window_needs_somebody_who_neither_walked_nor_filed_it() {
    let long_ago = |time: &str| at(&format!("2024-02-01T{time}Z"));
    let parts = vec![
        part(3, long_ago("12:00:00"), long_ago("13:00:00")),
        part(CAPTAIN, long_ago("12:30:00"), long_ago("14:00:00")),
    ];
    let history = team().then(file(parts), &person(OFFICER, "16:00:00"));
    for command in [approve(), reject_filing()] {
        for (actor, refusal) in [
            (CAPTAIN, Refusal::ApproverWasOnShift),
            (OFFICER, Refusal::ApproverFiledIt),
            (5, Refusal::ApproverNotAllowed),
        ] {
            history.refuses(command.clone(), &person(actor, "17:00:00"), refusal);
        }
    }
    let events = decided(&history, approve(), &person(1, "17:00:00"));
    assert_eq!(events[0].envelope.occurred_at, clock("17:00:00"));
    assert_eq!(events[1].envelope.occurred_at, long_ago("14:00:00"));
    assert!(
        events
            .iter()
            .all(|event| event.envelope.trust == Trust::SelfStated)
    );
    let verified = history
        .then(approve(), &person(1, "17:00:00"))
        .then(verify(3), &person(INSTRUCTOR, "18:00:00"))
        .then(verify(CAPTAIN), &person(INSTRUCTOR, "18:00:00"));
    assert_eq!(
        verified.state::<PatrolShift>(id::<ShiftId>(SHIFT)).state,
        ShiftState::Verified
    );
}

#[test]
fn a_verified_patrol_of_a_volunteer_brings_its_award() {
    let history = completed();
    let events = decided(&history, verify(3), &captain("15:00:00"));
    let stamp = stamp(77, events[0].envelope.occurred_at);
    let answer = (crate::reactions::ALL[0].react)(&events[0].stream, &events[0].event, &stamp);
    let [award] = &answer[..] else {
        panic!("{answer:?}");
    };
    let awarded = history
        .then(verify(3), &captain("15:00:00"))
        .then(award.clone(), &by_system(clock("15:00:00")))
        .state::<account::Account>(id::<PersonId>(3));
    let balance = awarded.balance_at(clock("15:00:00"));
    assert_eq!((balance.pending, balance.spendable), (50, 0));
}
