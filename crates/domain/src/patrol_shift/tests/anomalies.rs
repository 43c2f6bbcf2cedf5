//! What is marked, code by code, and that nothing is rejected for it.

use super::*;

/// The anomalies of the first event of a command.
#[track_caller]
fn marks(history: &History, command: Command, cx: &Context) -> Vec<Anomaly> {
    let mut events = history.when(command, cx).expect("goes through");
    match events.swap_remove(0) {
        crate::Event::PatrolShift(
            Event::PatrollerCheckedIn { anomalies, .. }
            | Event::CheckpointScanned { anomalies, .. }
            | Event::LateScanRecorded { anomalies, .. },
        ) => anomalies,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_check_in_after_the_time_of_grace_is_marked_late() {
    let marked = |time| marks(&planned(), check_in(3, time), &person(3, time));
    assert_eq!(marked("12:10:00"), []);
    assert_eq!(marked("12:10:01"), [Anomaly::LateCheckIn]);
}

#[test]
fn a_capture_without_place_or_device_is_marked() {
    let bare = Capture {
        method: Method::Manual,
        place: None,
        device: None,
        device_at: None,
        sent_at: None,
    };
    let expected = [Anomaly::NoFix, Anomaly::MissingDeviceSignature];
    let cx = person(3, "12:00:00");
    assert_eq!(
        marks(&planned(), check_in_with(3, bare.clone()), &cx),
        expected
    );
    assert_eq!(marks(&in_progress(), scan_with(3, 0, bare), &cx), expected);
}

#[test]
fn a_clock_that_differs_is_marked_but_a_batch_sent_late_is_not() {
    let capture = |device_at: Option<&str>, sent_at: Option<&str>| Capture {
        device_at: device_at.map(clock),
        sent_at: sent_at.map(clock),
        ..capture(3, Some(stands(0)), clock("12:00:00"))
    };
    let cx = person(3, "13:00:00");
    let skew = vec![Anomaly::ClockSkew];
    for (device_at, sent_at, expected) in [
        (Some("12:10:00"), Some("13:00:00"), vec![]),
        (Some("12:10:00"), Some("12:55:00"), vec![]),
        (Some("12:10:00"), Some("12:54:59"), skew.clone()),
        (Some("13:05:00"), Some("13:05:01"), skew.clone()),
        (Some("13:05:01"), Some("13:00:00"), skew.clone()),
        (Some("12:55:00"), None, vec![]),
        (Some("12:54:59"), None, skew.clone()),
        // Before anybody could have checked in.
        (Some("09:59:00"), Some("13:00:00"), skew),
        (None, None, vec![]),
    ] {
        let command = scan_with(3, 0, capture(device_at, sent_at));
        let marked = marks(&in_progress(), command, &cx);
        assert_eq!(marked, expected, "{device_at:?} {sent_at:?}");
    }
}

#[test]
fn a_scan_away_from_its_checkpoint_is_marked_with_the_distance() {
    let away = |metres: f64| {
        let north = stands(0).lat() + metres / 111_195.0;
        scan_with(
            3,
            0,
            capture(3, Some(place(north, 120.005)), clock("12:30:00")),
        )
    };
    let cx = person(3, "12:30:00");
    assert_eq!(marks(&in_progress(), away(30.0), &cx), []);
    assert_eq!(
        marks(&in_progress(), away(31.0), &cx),
        [Anomaly::OutOfRadius]
    );
    let events = in_progress().when(away(31.0), &cx).expect("goes through");
    let [crate::Event::PatrolShift(Event::CheckpointScanned { distance_m, .. })] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(*distance_m, Some(31));
}

#[test]
fn a_person_too_fast_between_two_scans_is_marked_whatever_order_they_arrive_in() {
    // 445 m at 14 m/s take 31.8 s.
    let marked = |history: &History, n, time| {
        let marked = marks(history, scan(3, n, time), &person(3, "13:00:00"));
        marked.contains(&Anomaly::ImpossibleSpeed)
    };
    let cx = person(3, "13:00:00");
    let history = in_progress().then(scan(3, 0, "12:30:00"), &cx);
    assert!(marked(&history, 4, "12:30:31"));
    assert!(!marked(&history, 4, "12:30:32"));
    assert!(!marked(&history, 0, "12:30:00"));
    // A later scan that came in first is not the one before.
    let history = history.then(scan(3, 4, "12:50:00"), &cx);
    assert!(!marked(&history, 1, "12:49:59"));
    // Another person's scan does not count.
    let cx = person(4, "13:00:00");
    let history = history.then(check_in(4, "12:05:00"), &cx);
    assert!(!marks(&history, scan(4, 4, "12:30:01"), &cx).contains(&Anomaly::ImpossibleSpeed));
}

#[test]
fn one_tag_read_by_two_devices_within_a_minute_is_marked() {
    let history = in_progress()
        .then(check_in(4, "12:05:00"), &person(4, "12:05:00"))
        .then(scan(3, 0, "12:30:00"), &person(3, "12:30:00"));
    let marked = |n, time| marks(&history, scan(4, n, time), &person(4, time));
    assert_eq!(marked(0, "12:31:00"), [Anomaly::SameTagTwoDevices]);
    assert_eq!(marked(0, "12:31:01"), []);
    assert_eq!(marked(1, "12:30:30"), []);
}

#[test]
fn one_device_used_by_two_people_is_marked_for_both() {
    let borrowed = capture(3, Some(stands(0)), clock("12:06:00"));
    let cx = person(4, "12:06:00");
    let history = in_progress();
    let command = check_in_with(4, borrowed);
    assert_eq!(
        marks(&history, command.clone(), &cx),
        [Anomaly::SameDeviceTwoPeople]
    );
    let history = history.then(command, &cx);
    let scanned = marks(&history, scan(3, 0, "12:30:00"), &person(3, "12:30:00"));
    assert_eq!(scanned, [Anomaly::SameDeviceTwoPeople]);
}

#[test]
fn many_tags_within_seconds_are_marked_whatever_order_they_arrive_in() {
    let cx = person(3, "13:00:00");
    let marked = |history: &History, n, time| {
        marks(history, scan(3, n, time), &cx).contains(&Anomaly::TagCluster)
    };
    let two = in_progress()
        .then(scan(3, 0, "12:30:00"), &cx)
        .then(scan(3, 1, "12:30:20"), &cx);
    assert!(marked(&two, 2, "12:30:10"));
    assert!(marked(&two, 2, "12:30:20"));
    assert!(!marked(&two, 2, "12:30:21"));
    assert!(
        !marked(&two, 0, "12:30:10"),
        "a repeat of one tag is no cluster"
    );
}
