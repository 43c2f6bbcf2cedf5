use chrono::NaiveDate;
use domain::hazard::{Event as H, Hazard};
use domain::ids::{HazardId, UnitId};
use domain::patrol_shift::Event as E;
use domain::place::Place;

use crate::fixture::{COMMUNITY, History, ZONE, at, id};
use crate::read_models::hot_spots::GridCell;
use crate::read_models::hot_spots::heat::{Amount, Asked, CELL_E7_DEFAULT, NotAsked, WeekHour};
use crate::tests::folded;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn week(first: &str, last: &str) -> Asked {
    Asked::new(day(first), day(last), CELL_E7_DEFAULT).expect("a period")
}

async fn found(history: &mut History, n: u128, when: &str, place: Option<(i32, i32)>) {
    let key: HazardId = id(n);
    let reported = H::HazardReported {
        unit: id(COMMUNITY),
        kind: "blocked exit".to_owned(),
        place: place.map(|(lat_e7, lon_e7)| Place { lat_e7, lon_e7 }),
        description: None,
        reporter: None,
        imported: None,
    };
    history
        .one::<Hazard>(when, Some(COMMUNITY), key, reported)
        .await;
}

const HERE: Option<(i32, i32)> = Some((320_012_000, 1_200_048_000));

#[tokio::test]
async fn hazards_are_counted_by_cell_weekday_and_local_hour_against_the_period_before() {
    let mut history = History::new();
    history.born().await;
    // 20:00 on Monday 4 March in Shanghai, a week before, and in the next cell to the east.
    found(&mut history, 1, "2024-02-26T12:00:00Z", HERE).await;
    found(&mut history, 2, "2024-03-04T12:00:00Z", HERE).await;
    found(&mut history, 3, "2024-03-04T12:59:59Z", HERE).await;
    found(
        &mut history,
        4,
        "2024-03-04T12:00:00Z",
        Some((320_012_000, 1_200_052_000)),
    )
    .await;
    found(&mut history, 5, "2024-03-05T00:00:00Z", None).await;
    found(&mut history, 6, "2024-03-04T12:00:00Z", HERE).await;
    let rejected = H::HazardRejected {
        reason: "a shadow".to_owned(),
        rejected_by: id(1),
    };
    history.hazard("2024-03-06T00:00:00Z", 6, rejected).await;
    let models = folded(&history);
    let first = week("2024-03-04", "2024-03-10");
    let heat = models.hot_spots.read().heat(None, &first);
    let evening = WeekHour {
        weekday: 1,
        hour: 20,
    };
    let cell = |east| GridCell {
        north: 32_000,
        east,
    };
    let unit: UnitId = id(COMMUNITY);
    let rows: Vec<_> = heat
        .spots
        .iter()
        .map(|(key, amount)| (*key, *amount))
        .collect();
    assert_eq!(
        rows,
        [
            ((unit, cell(120_000), evening), Amount { now: 2, before: 1 }),
            ((unit, cell(120_005), evening), Amount { now: 1, before: 0 }),
        ]
    );
    assert_eq!(heat.nowhere, Amount { now: 1, before: 0 });
    let recurred = H::HazardRecurred {
        reported_by: id(11),
    };
    history.hazard("2024-03-11T12:00:00Z", 2, recurred).await;
    let models = folded(&history);
    let heat = models
        .hot_spots
        .read()
        .heat(None, &week("2024-03-11", "2024-03-17"));
    let again = heat.spots.get(&(unit, cell(120_000), evening));
    assert_eq!(again, Some(&Amount { now: 1, before: 2 }));
    let rejected = H::HazardRejected {
        reason: "another one".to_owned(),
        rejected_by: id(1),
    };
    history.hazard("2024-03-12T00:00:00Z", 2, rejected).await;
    let models = folded(&history);
    let heat = models
        .hot_spots
        .read()
        .heat(None, &week("2024-03-11", "2024-03-17"));
    let first_only = heat.spots.get(&(unit, cell(120_000), evening));
    assert_eq!(first_only, Some(&Amount { now: 0, before: 2 }));
    let nobody = models
        .hot_spots
        .read()
        .heat(Some(&[id(1)].into()), &week("2024-03-04", "2024-03-10"));
    assert!(nobody.spots.is_empty());
}

#[tokio::test]
async fn verified_patrol_time_lies_beside_until_it_is_found_not_to_count() {
    let mut history = History::new();
    history.born().await;
    let verified = E::ParticipationVerified {
        person: id(11),
        community: id(COMMUNITY),
        zone: id(ZONE),
        intervals: vec![(at("2024-03-04T12:30:00Z"), at("2024-03-04T13:15:00Z"))],
        minutes: 45,
        verified_by: id(1),
    };
    history.shift("2024-03-05T00:00:00Z", verified).await;
    let seconds = |history: &History| {
        let models = folded(history);
        let heat = models
            .hot_spots
            .read()
            .heat(None, &week("2024-03-04", "2024-03-10"));
        let rows = heat.patrolled.into_iter();
        rows.flat_map(|((_, at), zones)| zones.into_iter().map(move |it| (at, it)))
            .map(|(at, (zone, amount))| {
                assert_eq!(zone, id(ZONE));
                (at.weekday, at.hour, amount.now)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(seconds(&history), [(1, 20, 1_800), (1, 21, 900)]);
    let again = E::ParticipationReverified {
        person: id(11),
        community: id(COMMUNITY),
        zone: id(ZONE),
        accepted: true,
        before: vec![(at("2024-03-04T12:30:00Z"), at("2024-03-04T13:15:00Z"))],
        intervals: vec![(at("2024-03-04T12:30:00Z"), at("2024-03-04T12:40:00Z"))],
        minutes: 10,
        reason: None,
        verified_by: id(2),
    };
    history.shift("2024-03-06T00:00:00Z", again).await;
    assert_eq!(seconds(&history), [(1, 20, 600)]);
}

#[test]
fn a_period_and_a_side_have_bounds_and_cells_lie_south_west_also_below_zero() {
    let (first, last) = (day("2024-03-04"), day("2024-03-10"));
    assert_eq!(
        Asked::new(last, first, CELL_E7_DEFAULT),
        Err(NotAsked::Period)
    );
    assert_eq!(
        Asked::new(day("2000-01-01"), last, CELL_E7_DEFAULT),
        Err(NotAsked::Period)
    );
    for side in [0, -10_000, 15_000, 20_000_000] {
        assert_eq!(
            Asked::new(first, last, side),
            Err(NotAsked::CellSize),
            "{side}"
        );
    }
    let before = Asked::new(first, last, 10_000).map(|asked| asked.before());
    assert_eq!(before, Ok(day("2024-02-26")));
    let place = Place {
        lat_e7: -1,
        lon_e7: 9_999,
    };
    assert_eq!(GridCell::of(place), GridCell { north: -1, east: 0 });
}
