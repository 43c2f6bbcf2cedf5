use domain::ids::{UnitId, ZoneId};
use domain::patrol_shift::{Event as E, FiledPart, PatrolShift};

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
    assert!(cells(&models, ABROAD, None).is_empty());
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
