use domain::ids::{UnitId, ZoneId};
use domain::patrol_shift::{
    CountedScan, Event as E, FiledPart, MissedCheckpoint, PatrolShift, VoidedPart,
};
use domain::{Instant, Personal};

use super::folded;
use crate::Models;
use crate::fixture::{
    ABROAD, COMMUNITY, History, OTHER_ZONE, ZONE, at, checked_in, id, planned, scanned,
};

/// `day hour zone planned done verified hit missed`, minutes for the first three figures.
fn cells(models: &Models, unit: u128, zone: Option<u128>) -> Vec<String> {
    let build = models.patrol_coverage.read();
    let day = |text: &str| text.parse().expect("a day");
    let Some(coverage) = build.partitions.get(&id::<UnitId>(unit)) else {
        return Vec::new();
    };
    coverage
        .between(day("2024-01-01"), day("2024-12-31"), zone.map(id::<ZoneId>))
        .map(|(slot, cell)| {
            format!(
                "{} {:02} {} {} {} {} {} {}",
                slot.day.format("%m-%d"),
                slot.hour,
                slot.zone.0.as_u128(),
                cell.planned_minutes(),
                cell.done_minutes(),
                cell.verified_minutes(),
                cell.checkpoints_hit,
                cell.checkpoints_missed,
            )
        })
        .collect()
}

#[tokio::test]
async fn minutes_and_scans_fall_into_local_hours() {
    // 20:30 to 22:00 in Shanghai, two people planned, one there from 20:20 to 22:10.
    let models = folded(&History::whole().await);
    assert_eq!(
        cells(&models, COMMUNITY, None),
        [
            "03-01 20 201 60 30 30 0 0",
            "03-01 21 201 120 60 30 0 1",
            "03-01 21 202 0 0 0 1 0",
        ]
    );
    assert_eq!(
        cells(&models, COMMUNITY, Some(OTHER_ZONE)),
        ["03-01 21 202 0 0 0 1 0"]
    );
    // 10:00 to 12:00 in New York: what was voided left its planned minutes alone, what was
    // verified again what was found last.
    assert_eq!(
        cells(&models, ABROAD, None),
        [
            "02-09 10 201 120 0 0 0 0",
            "02-09 11 201 120 0 0 0 0",
            "02-10 10 201 120 60 30 0 0",
            "02-10 10 202 0 0 0 1 0",
            "02-10 11 201 120 45 0 0 1",
        ]
    );
}

#[tokio::test]
async fn hours_are_those_of_the_units_own_zone() {
    let mut history = History::new();
    history.born().await;
    // New York turned its clock from 02:00 to 03:00 on 10 March 2024.
    let shift = planned(ZONE, "2024-03-10T06:30:00Z", "2024-03-10T07:30:00Z");
    history
        .one::<PatrolShift>("2024-03-01T00:00:00Z", Some(ABROAD), "x", shift.clone())
        .await;
    assert!(
        cells(&folded(&history), ABROAD, None).is_empty(),
        "a shift's key is an id"
    );
    let key = uuid::Uuid::from_u128(3);
    history
        .one::<PatrolShift>("2024-03-01T00:00:00Z", Some(ABROAD), key, shift)
        .await;
    let models = folded(&history);
    assert_eq!(
        cells(&models, ABROAD, None),
        ["03-10 01 201 60 0 0 0 0", "03-10 03 201 60 0 0 0 0"]
    );
}

#[tokio::test]
async fn a_cancelled_shift_was_never_planned_and_a_missed_one_was() {
    for (end, expected) in [
        (
            E::ShiftCancelled {
                reason: "storm".into(),
            },
            Vec::new(),
        ),
        (
            E::ShiftMissed {},
            vec!["03-01 20 201 120 0 0 0 0".to_owned()],
        ),
    ] {
        let mut history = History::new();
        history.born().await;
        let shift = planned(ZONE, "2024-03-01T12:00:00Z", "2024-03-01T13:00:00Z");
        history.shift("2024-02-01T00:00:00Z", shift).await;
        history.shift("2024-03-01T12:30:00Z", end).await;
        let models = folded(&history);
        assert_eq!(cells(&models, COMMUNITY, None), expected);
        let build = models.patrol_coverage.read();
        assert!(
            build.partitions[&id::<UnitId>(COMMUNITY)]
                .running
                .is_empty()
        );
    }
}

#[tokio::test]
async fn a_forgotten_check_out_ends_with_the_window_and_a_second_scan_counts_once() {
    let mut history = History::new();
    history.born().await;
    let shift = planned(ZONE, "2024-03-01T12:00:00Z", "2024-03-01T13:00:00Z");
    history.shift("2024-02-01T00:00:00Z", shift).await;
    history.shift("2024-03-01T12:15:00Z", checked_in(11)).await;
    history
        .shift("2024-03-01T12:16:00Z", scanned(11, 601, None))
        .await;
    history
        .shift("2024-03-01T12:17:00Z", scanned(11, 601, None))
        .await;
    history
        .shift("2024-03-01T13:30:00Z", E::AutoCheckedOut { person: id(11) })
        .await;
    history
        .shift(
            "2024-03-01T13:30:00Z",
            E::PatrollerCheckedOut { person: id(11) },
        )
        .await;
    let models = folded(&history);
    assert_eq!(
        cells(&models, COMMUNITY, None),
        ["03-01 20 201 120 45 0 1 0"]
    );
}

#[tokio::test]
async fn a_late_filing_counts_once_it_is_approved() {
    let mut history = History::new();
    history.born().await;
    let filed = E::LateShiftFiled {
        community: id(COMMUNITY),
        zone: id(ZONE),
        zone_plan_version: 1,
        parts: vec![FiledPart {
            person: id(11),
            from: at("2024-03-01T12:00:00Z"),
            until: at("2024-03-01T12:40:00Z"),
        }],
        reason: "no device".to_owned(),
        filed_by: id(12),
    };
    history.shift("2024-03-09T00:00:00Z", filed).await;
    assert!(cells(&folded(&history), COMMUNITY, None).is_empty());
    history
        .shift(
            "2024-03-10T00:00:00Z",
            E::LateShiftApproved { approved_by: id(1) },
        )
        .await;
    assert_eq!(
        cells(&folded(&history), COMMUNITY, None),
        ["03-01 20 201 0 40 0 0 0"]
    );
}

fn on_1_march(time: &str) -> Instant {
    at(&format!("2024-03-01T{time}:00Z"))
}

/// 12:00 to 14:00, which is 20:00 to 22:00 in Shanghai; 11 was there until 13:30, 601 was scanned
/// at 12:20 and 602 missed, and the whole part is verified.
async fn verified() -> History {
    let mut history = History::new();
    history.born().await;
    let shift = planned(ZONE, "2024-03-01T12:00:00Z", "2024-03-01T14:00:00Z");
    let missed = E::CheckpointMissed {
        checkpoint: id(602),
        zone: Some(id(OTHER_ZONE)),
    };
    let verified = E::ParticipationVerified {
        person: id(11),
        community: id(COMMUNITY),
        zone: id(ZONE),
        intervals: vec![(on_1_march("12:00"), on_1_march("13:30"))],
        minutes: 90,
        verified_by: id(1),
    };
    let settled = E::ShiftVerified {
        accepted: 1,
        rejected: 0,
    };
    for (when, event) in [
        ("2024-02-01T00:00:00Z", shift),
        ("2024-03-01T12:00:00Z", checked_in(11)),
        ("2024-03-01T12:20:00Z", scanned(11, 601, None)),
        (
            "2024-03-01T13:30:00Z",
            E::PatrollerCheckedOut { person: id(11) },
        ),
        ("2024-03-01T13:30:00Z", missed),
        ("2024-03-02T00:00:00Z", verified),
        ("2024-03-02T00:00:00Z", settled),
    ] {
        history.shift(when, event).await;
    }
    history
}

#[tokio::test]
async fn who_goes_and_who_takes_over_are_both_counted_and_no_minute_twice() {
    let mut history = History::new();
    history.born().await;
    let shift = planned(ZONE, "2024-03-01T12:00:00Z", "2024-03-01T14:00:00Z");
    let handed = E::ShiftHandedOver {
        from: id(11),
        to: id(12),
        open_items: vec![id(701)],
        handed_by: id(11),
    };
    let accepted = E::HandoverAccepted {
        from: id(11),
        to: id(12),
        open_items: vec![id(701)],
    };
    let out = |person| E::PatrollerCheckedOut { person: id(person) };
    for (when, event) in [
        ("2024-02-01T00:00:00Z", shift),
        ("2024-03-01T12:00:00Z", checked_in(11)),
        ("2024-03-01T12:50:00Z", handed),
        ("2024-03-01T13:00:00Z", accepted),
        ("2024-03-01T13:00:00Z", out(11)),
        ("2024-03-01T13:00:00Z", checked_in(12)),
        ("2024-03-01T13:45:00Z", out(12)),
    ] {
        history.shift(when, event).await;
    }
    assert_eq!(
        cells(&folded(&history), COMMUNITY, None),
        ["03-01 20 201 120 60 0 0 0", "03-01 21 201 120 45 0 0 0"]
    );
}

#[tokio::test]
async fn a_dispute_changes_coverage_only_once_the_shift_is_verified_again() {
    let mut history = verified().await;
    let before = [
        "03-01 20 201 120 60 60 1 0",
        "03-01 21 201 120 30 30 0 0",
        "03-01 21 202 0 0 0 0 1",
    ];
    assert_eq!(cells(&folded(&history), COMMUNITY, None), before);
    let disputed = E::ShiftDisputed {
        disputed_by: id(12),
        reason: Personal::new("left at 13:00"),
    };
    history.shift("2024-03-03T00:00:00Z", disputed).await;
    assert_eq!(cells(&folded(&history), COMMUNITY, None), before);
    // A late scan shows 602 at 13:10, which had been missed; and the part ended at 13:00.
    let counted = E::LateScanCounted {
        checkpoint: id(602),
        zone: id(OTHER_ZONE),
        missed: Some(MissedCheckpoint {
            checkpoint: id(602),
            zone: id(OTHER_ZONE),
        }),
        until: on_1_march("14:00"),
    };
    let reverified = E::ParticipationReverified {
        person: id(11),
        community: id(COMMUNITY),
        zone: id(ZONE),
        accepted: true,
        before: vec![(on_1_march("12:00"), on_1_march("13:30"))],
        intervals: vec![(on_1_march("12:00"), on_1_march("13:00"))],
        minutes: 60,
        reason: None,
        verified_by: id(13),
    };
    history.shift("2024-03-01T13:10:00Z", counted).await;
    history.shift("2024-03-04T00:00:00Z", reverified).await;
    assert_eq!(
        cells(&folded(&history), COMMUNITY, None),
        [
            "03-01 20 201 120 60 60 1 0",
            "03-01 21 201 120 30 0 0 0",
            "03-01 21 202 0 0 0 1 0",
        ]
    );
}

#[tokio::test]
async fn a_voided_shift_counts_as_one_to_which_nobody_came() {
    let mut history = verified().await;
    let voided = E::ShiftVoided {
        reason: Personal::new("nobody was there"),
        voided_by: id(13),
        community: id(COMMUNITY),
        zone: id(ZONE),
        until: on_1_march("14:00"),
        parts: vec![VoidedPart {
            person: id(11),
            from: on_1_march("12:00"),
            until: on_1_march("13:30"),
            counted: vec![(on_1_march("12:00"), on_1_march("13:30"))],
        }],
        hits: vec![CountedScan {
            checkpoint: id(601),
            zone: id(ZONE),
            at: on_1_march("12:20"),
        }],
        missed: vec![MissedCheckpoint {
            checkpoint: id(602),
            zone: id(OTHER_ZONE),
        }],
    };
    history.shift("2024-03-04T00:00:00Z", voided).await;
    assert_eq!(
        cells(&folded(&history), COMMUNITY, None),
        ["03-01 20 201 120 0 0 0 0", "03-01 21 201 120 0 0 0 0"]
    );
}
