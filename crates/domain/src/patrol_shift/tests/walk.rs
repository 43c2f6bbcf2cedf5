//! Check-in, scans, skips, findings, check-out and completion.

use super::*;

#[test]
fn check_in_opens_two_hours_before_the_start_and_closes_at_the_end() {
    let history = planned();
    for (time, expected) in [
        ("09:59:59", "CHECK_IN_TOO_EARLY"),
        ("10:00:00", "PatrollerCheckedIn + ShiftStarted + Claimed"),
        ("13:59:59", "PatrollerCheckedIn + ShiftStarted + Claimed"),
        ("14:00:00", "SHIFT_ALREADY_ENDED"),
    ] {
        assert_eq!(
            outcome(&history, &check_in(3, time), &person(3, time)),
            expected,
            "{time}"
        );
    }
    history.refuses(
        check_in(5, "12:00:00"),
        &person(5, "12:00:00"),
        Refusal::PersonNotSignedUp,
    );
    let begun = in_progress();
    begun.refuses(
        check_in(3, "12:01:00"),
        &person(3, "12:01:00"),
        Refusal::AlreadyCheckedIn,
    );
}

#[test]
fn a_check_in_made_without_a_network_counts_from_the_devices_time() {
    let late = planned().then(check_in(3, "12:02:00"), &person(3, "12:40:00"));
    let shift = late.state::<PatrolShift>(id::<ShiftId>(SHIFT));
    assert_eq!(shift.crew[&id(3)].checked_in, Some(clock("12:02:00")));
}

#[test]
fn a_person_has_at_most_one_open_shift_and_is_free_after_the_check_out() {
    let other = plan_of(OTHER_SHIFT, clock("13:00:00"), clock("15:00:00"));
    let in_other = |mut command: Command| {
        match &mut command {
            Command::SignUp { shift, .. }
            | Command::CheckIn { shift, .. }
            | Command::CheckOut { shift, .. } => *shift = id(OTHER_SHIFT),
            _ => {}
        }
        command
    };
    let history = in_progress()
        .then(other, &captain("12:00:00"))
        .then(in_other(sign_up(3)), &person(3, "12:00:00"));
    let again = in_other(check_in(3, "13:00:00"));
    history.refuses(
        again.clone(),
        &person(3, "13:00:00"),
        Refusal::PersonHasOpenShift,
    );
    history
        .clone()
        .then(check_out(3, None), &person(3, "13:00:00"))
        .then(again.clone(), &person(3, "13:00:00"));
    history
        .then(auto_check_out(), &by_system(clock("14:30:00")))
        .then(again, &person(3, "14:30:00"));
}

#[test]
fn a_suspended_member_cannot_check_in() {
    let suspended = planned().and::<Member>(
        Member::key(id(101), id(3)),
        member::Event::MemberSuspended {
            reason: crate::Personal::new("asked to"),
        },
        clock("11:00:00"),
    );
    let refusal = member::Refusal::MemberNotActive;
    suspended.refuses(check_in(3, "12:00:00"), &person(3, "12:00:00"), refusal);
}

#[test]
fn no_mark_keeps_a_scan_out_and_scanning_twice_is_allowed() {
    let cx = person(3, "12:30:00");
    let odd = Capture {
        device: None,
        place: Some(place(10.0, 10.0)),
        device_at: Some(at("1970-01-01T00:00:00Z")),
        sent_at: Some(at("2099-01-01T00:00:00Z")),
        method: Method::Qr,
    };
    let history = in_progress()
        .then(scan_with(3, 0, odd.clone()), &cx)
        .then(scan_with(3, 0, odd), &cx);
    let shift = history.state::<PatrolShift>(id::<ShiftId>(SHIFT));
    assert_eq!(shift.scans.len(), 2);
    assert_eq!(
        shift.scans[0].at,
        clock("12:30:00"),
        "a clock far off is not believed"
    );
}

#[test]
fn scans_are_refused_for_an_unknown_tag_an_absent_person_and_beyond_their_bound() {
    let cx = person(3, "12:30:00");
    let history = in_progress();
    history.refuses(scan(3, 99, "12:30:00"), &cx, Refusal::TagUnknown);
    history.refuses(scan(4, 0, "12:30:00"), &cx, Refusal::PersonNotCheckedIn);
    let mut unnamed = capture(3, None, clock("12:30:00"));
    unnamed.device = Some(String::new());
    history.refuses(scan_with(3, 0, unnamed), &cx, Refusal::CaptureNotAllowed);
    let Some(crate::Event::PatrolShift(scanned)) = history
        .when(scan(3, 0, "12:30:00"), &cx)
        .expect("goes through")
        .pop()
    else {
        panic!("a scan");
    };
    let mut shift = PatrolShift::clone(&history.state(id::<ShiftId>(SHIFT)));
    for position in 1..=SCANS_MAX as u64 {
        shift.evolve(&scanned, &stamp(position, clock("12:30:00")));
    }
    let mut world = history.world();
    world.put(
        PatrolShift::stream(id::<ShiftId>(SHIFT)),
        std::sync::Arc::new(shift),
    );
    let refused = PatrolShift::decide(&scan(3, 1, "12:31:00"), &world, &cx);
    assert_eq!(refused, Err(Refusal::TooManyScans.into()));
}

#[test]
fn a_scan_stands_at_the_devices_time_with_its_three_clocks_and_its_zone() {
    let capture = Capture {
        device_at: Some(clock("12:30:00")),
        sent_at: Some(clock("12:58:00")),
        ..capture(3, Some(stands(0)), clock("12:30:00"))
    };
    let events = decided(
        &in_progress(),
        scan_with(3, 0, capture),
        &person(3, "13:00:00"),
    );
    let envelope = &events[0].envelope;
    assert_eq!(envelope.occurred_at, clock("12:30:00"));
    assert_eq!(envelope.device_at, Some(clock("12:30:00")));
    assert_eq!(envelope.sent_at, Some(clock("12:58:00")));
    assert_eq!(envelope.trust, Trust::Scanned);
    assert_eq!(envelope.unit, Some(id(101)));
    let crate::Event::PatrolShift(Event::CheckpointScanned { zone, .. }) = &events[0].event else {
        panic!("{events:?}");
    };
    assert_eq!(*zone, Some(id(200)));
}

#[test]
fn the_zone_of_a_scan_is_that_of_the_plan_in_force_at_the_scan() {
    let night = plan_of(
        SHIFT,
        at("2024-07-14T23:00:00Z"),
        at("2024-07-15T01:00:00Z"),
    );
    let device = |now| capture(3, Some(stands(0)), at(now));
    let began = "2024-07-14T23:00:00Z";
    let history = team()
        .then(night, &captain("08:00:00"))
        .then(sign_up(3), &captain("08:00:00"))
        .then(check_in_with(3, device(began)), &by(id(3), at(began)));
    for (now, expected) in [("2024-07-14T23:30:00Z", 200), ("2024-07-15T00:30:00Z", 201)] {
        let command = scan_with(3, 0, device(now));
        let events = history
            .when(command, &by(id(3), at(now)))
            .expect("goes through");
        let [crate::Event::PatrolShift(Event::CheckpointScanned { zone, .. })] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(*zone, Some(id(expected)), "{now}");
    }
}

#[test]
fn what_is_typed_in_is_only_self_stated() {
    let typed = Capture {
        method: Method::Manual,
        ..capture(3, None, clock("12:30:00"))
    };
    let events = decided(
        &in_progress(),
        scan_with(3, 0, typed),
        &person(3, "12:30:00"),
    );
    assert_eq!(events[0].envelope.trust, Trust::SelfStated);
}

#[test]
fn a_scan_after_the_end_is_kept_and_changes_nothing_that_was_verified() {
    let history = in_state(ShiftState::Verified);
    let before = history.state::<PatrolShift>(id::<ShiftId>(SHIFT));
    let after = history
        .then(scan(3, 0, "12:30:00"), &person(3, "18:00:00"))
        .state::<PatrolShift>(id::<ShiftId>(SHIFT));
    assert_eq!(before.hit, after.hit);
    assert_eq!(before.crew, after.crew);
    assert_eq!(before.state, after.state);
    assert_eq!(after.scans.len(), 1);
}

#[test]
fn a_late_scan_is_dated_back_only_within_the_policys_window() {
    let occurred_at = |now: &str| {
        let cx = by(id(3), at(now));
        decided(&completed(), scan(3, 0, "12:30:00"), &cx)[0]
            .envelope
            .occurred_at
    };
    assert_eq!(occurred_at("2024-07-08T12:30:00Z"), clock("12:30:00"));
    assert_eq!(
        occurred_at("2024-07-08T12:30:01Z"),
        at("2024-07-08T12:30:01Z")
    );
}

#[test]
fn a_checkpoint_is_left_out_once_with_a_reason_and_only_if_not_scanned() {
    let cx = person(3, "12:30:00");
    let history = in_progress()
        .then(scan(3, 0, "12:30:00"), &cx)
        .then(skip(3, 1), &cx);
    history.refuses(skip(3, 0), &cx, Refusal::CheckpointAlreadyScanned);
    history.refuses(skip(3, 1), &cx, Refusal::CheckpointAlreadySkipped);
    history.refuses(skip(3, 4), &cx, Refusal::CheckpointNotOnRoute);
    history.refuses(skip(4, 2), &cx, Refusal::PersonNotCheckedIn);
    let silent = edited(skip(3, 2), |command| {
        if let Command::SkipCheckpoint { reason, .. } = command {
            *reason = " ".to_owned();
        }
    });
    history.refuses(silent, &cx, Refusal::ReasonNotAllowed);
}

#[test]
fn a_finding_names_a_hazard_that_exists_and_stands_once() {
    let cx = person(3, "12:30:00");
    let history = in_progress();
    let unknown = edited(finding(3), |command| {
        if let Command::RaiseFinding { hazard, .. } = command {
            *hazard = id(599);
        }
    });
    history.refuses(unknown, &cx, hazard::Refusal::HazardNotFound);
    history.refuses(finding(4), &cx, Refusal::PersonNotCheckedIn);
    let found = history.then(finding(3), &cx);
    found.refuses(finding(3), &cx, Refusal::FindingAlreadyRaised);
}

#[test]
fn a_check_out_lies_between_the_check_in_and_now() {
    let cx = person(3, "13:00:00");
    let history = in_progress();
    let out = |time: &str| check_out(3, Some(clock(time)));
    history.refuses(out("13:00:01"), &cx, Refusal::TimeInTheFuture);
    history.refuses(out("11:59:59"), &cx, Refusal::CheckOutBeforeCheckIn);
    history.refuses(check_out(4, None), &cx, Refusal::PersonNotCheckedIn);
    let much_later = by(id(3), at("2024-07-09T00:00:00Z"));
    history.refuses(out("13:00:00"), &much_later, Refusal::BackDatedTooFar);
    let two = history
        .then(check_in(4, "12:05:00"), &person(4, "12:05:00"))
        .then(out("12:30:00"), &cx);
    two.refuses(out("12:40:00"), &cx, Refusal::AlreadyCheckedOut);
    assert_eq!(
        two.state::<PatrolShift>(id::<ShiftId>(SHIFT)).state,
        ShiftState::InProgress
    );
}

#[test]
fn the_last_check_out_counts_the_route_and_the_minutes_within_the_window() {
    let history = planned()
        .then(check_in(3, "11:30:00"), &person(3, "11:30:00"))
        .then(check_in(4, "12:05:30"), &person(4, "12:05:30"))
        .then(scan(3, 0, "12:30:00"), &person(3, "12:30:00"))
        .then(skip(4, 1), &person(4, "12:40:00"))
        .then(check_out(3, None), &person(3, "14:20:00"));
    let events = decided(
        &history,
        check_out(4, Some(clock("13:00:00"))),
        &person(4, "14:25:00"),
    );
    let minutes = |person: u128, minutes| PersonMinutes {
        person: id(person),
        minutes,
    };
    let shift: Vec<_> = events.iter().map(|event| event.event.clone()).collect();
    let expected: [crate::Event; 4] = [
        Event::PatrollerCheckedOut { person: id(4) }.into(),
        Event::CheckpointMissed {
            checkpoint: id(302),
            zone: Some(id(200)),
        }
        .into(),
        Event::ShiftCompleted {
            minutes: vec![minutes(3, 120), minutes(4, 54)],
            hit: 1,
            skipped: 1,
            missed: 1,
        }
        .into(),
        claim::Event::Released { holder: id(SHIFT) }.into(),
    ];
    assert_eq!(shift, expected);
    assert_eq!(events[0].envelope.occurred_at, clock("13:00:00"));
    assert_eq!(
        events[2].envelope.occurred_at,
        clock("14:20:00"),
        "when the last one had gone"
    );
}

#[test]
fn a_checkpoint_scanned_after_it_was_left_out_counts_as_scanned() {
    let cx = person(3, "12:30:00");
    let events = in_progress()
        .then(skip(3, 0), &cx)
        .then(scan(3, 0, "12:30:00"), &cx)
        .when(check_out(3, None), &cx)
        .expect("goes through");
    let completed = events.iter().find_map(|event| match event {
        crate::Event::PatrolShift(Event::ShiftCompleted {
            hit,
            skipped,
            missed,
            ..
        }) => Some((*hit, *skipped, *missed)),
        _ => None,
    });
    assert_eq!(completed, Some((1, 0, 2)));
}

#[test]
fn whoever_forgets_to_check_out_earns_no_time_after_the_planned_end() {
    let history = in_progress().then(check_in(4, "12:30:00"), &person(4, "12:30:00"));
    let history = history.then(check_out(4, None), &person(4, "13:00:00"));
    history.refuses(
        auto_check_out(),
        &by_system(clock("14:29:59")),
        Refusal::CheckOutNotOverdue,
    );
    let events = decided(
        &history,
        auto_check_out(),
        &by_system(at("2024-07-03T00:00:00Z")),
    );
    assert_eq!(
        events[0].event,
        Event::AutoCheckedOut { person: id(3) }.into()
    );
    assert!(
        events
            .iter()
            .all(|event| event.envelope.occurred_at == clock("14:00:00"))
    );
    let minutes = events.iter().find_map(|event| match &event.event {
        crate::Event::PatrolShift(Event::ShiftCompleted { minutes, .. }) => Some(minutes.clone()),
        _ => None,
    });
    let minutes: Vec<_> = minutes
        .expect("completed")
        .iter()
        .map(|one| one.minutes)
        .collect();
    assert_eq!(minutes, [120, 30]);
}

#[test]
fn checkpoints_off_the_route_are_bounded_and_those_on_it_are_always_scanned() {
    let cx = person(3, "14:00:00");
    let mut history = completed();
    for n in 10..=10 + OFF_ROUTE_MAX as u128 {
        history = install(history, n, 101);
    }
    let last = 10 + OFF_ROUTE_MAX as u128;
    for n in 10..last {
        history = history.then(scan(3, n, "12:30:00"), &cx);
    }
    history.refuses(scan(3, last, "12:31:00"), &cx, Refusal::TooManyScans);
    for known in [0, 10] {
        let answer = outcome(&history, &scan(3, known, "12:31:00"), &cx);
        assert_eq!(answer, "LateScanRecorded");
    }
}

#[test]
fn a_late_scan_is_read_as_it_was_stored_before_and_as_it_is_now() {
    let with_zone = completed()
        .when(scan(3, 0, "12:30:00"), &person(3, "14:00:00"))
        .expect("taken");
    let [crate::Event::PatrolShift(event)] = &with_zone[..] else {
        panic!("one event of the shift");
    };
    let mut stored = serde_json::to_value(event).expect("it is written");
    let read = |stored: &serde_json::Value| -> Event {
        serde_json::from_value(stored.clone()).expect("it is read")
    };
    assert_eq!(read(&stored), *event);
    let payload = stored["LateScanRecorded"]
        .as_object_mut()
        .expect("its fields");
    assert!(payload.remove("zone").is_some(), "the zone is written");
    let Event::LateScanRecorded { zone, .. } = read(&stored) else {
        panic!("a late scan");
    };
    assert_eq!(zone, None);
}
