use geo::{Intersects, Point};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{History, any_history, at, by, id, team};

/// A ring of points in units of 1e-4 degree (some ten metres) from a corner of the community.
type Ring<'a> = &'a [(i32, i32)];

fn degrees(n: i32) -> f64 {
    f64::from(n) / 1e4
}

fn feature(n: u128, name: &str, rings: &[Ring]) -> Value {
    let ring = |ring: &Ring| -> Vec<[f64; 2]> {
        let points = ring.iter();
        points
            .map(|(x, y)| [120.0 + degrees(*x), 32.0 + degrees(*y)])
            .collect()
    };
    json!({
        "type": "Feature",
        "properties": {"zone": id::<ZoneId>(n), "name": name},
        "geometry": {"type": "Polygon", "coordinates": rings.iter().map(ring).collect::<Vec<_>>()},
    })
}

/// A closed square with its lower left corner there.
fn square(x: i32, y: i32, side: i32) -> [(i32, i32); 5] {
    [
        (x, y),
        (x + side, y),
        (x + side, y + side),
        (x, y + side),
        (x, y),
    ]
}

fn zone(n: u128, rings: &[Ring]) -> Value {
    feature(n, &format!("zone {n}"), rings)
}

fn drawing(features: &[Value]) -> Value {
    json!({"type": "FeatureCollection", "features": features})
}

fn adopt(drawing: &Value, from: Option<&str>) -> Command {
    Command::AdoptZonePlan {
        community: id(101),
        geojson: drawing.to_string(),
        effective_from: from.map(at),
    }
}

/// Two squares side by side, that share an edge.
fn two_zones() -> Value {
    drawing(&[
        zone(1, &[&square(0, 0, 100)]),
        zone(2, &[&square(100, 0, 100)]),
    ])
}

fn captain(now: &str) -> Context {
    by(id(2), at(now))
}

fn place(x: i32, y: i32) -> Place {
    Place::from_degrees(32.0 + degrees(y), 120.0 + degrees(x)).expect("on earth")
}

fn plans(history: &History) -> Arc<ZonePlans> {
    history.state(id::<UnitId>(101))
}

#[track_caller]
fn check(drawing: &Value, expected: &str) {
    let now = captain("2024-02-01T00:00:00Z");
    let outcome = team().outcome(adopt(drawing, None), &now);
    assert_eq!(outcome, expected, "{drawing}");
}

#[test]
fn every_command_in_every_state_has_its_answer() {
    let now = captain("2024-02-01T00:00:00Z");
    let none = team();
    let past = adopt(&two_zones(), Some("2022-08-01T00:00:00Z"));
    let at_now = adopt(&two_zones(), None);
    let planned = adopt(&two_zones(), Some("2024-03-01T00:00:00Z"));
    let adopted = none.clone().then(past.clone(), &now);
    let ahead = none.clone().then(planned.clone(), &now);
    for (command, expected) in [
        (
            &past,
            [
                "ZonePlanAdopted",
                "EFFECTIVE_IN_THE_PAST",
                "EFFECTIVE_IN_THE_PAST",
            ],
        ),
        (
            &at_now,
            [
                "ZonePlanAdopted",
                "ZonePlanAdopted",
                "EFFECTIVE_BEFORE_LATEST",
            ],
        ),
        (
            &planned,
            [
                "ZonePlanAdopted",
                "ZonePlanAdopted",
                "EFFECTIVE_BEFORE_LATEST",
            ],
        ),
    ] {
        for (history, expected) in [&none, &adopted, &ahead].into_iter().zip(expected) {
            assert_eq!(history.outcome(command.clone(), &now), expected);
        }
    }
}

#[test]
fn the_plan_in_force_is_the_one_of_that_instant() {
    let second = drawing(&[zone(2, &[&square(0, 0, 200)])]);
    let now = captain("2024-02-01T00:00:00Z");
    let history = team()
        .then(adopt(&two_zones(), Some("2024-01-01T00:00:00Z")), &now)
        .then(adopt(&second, Some("2024-03-01T00:00:00Z")), &now);
    let plans = plans(&history);
    let version = |instant| plans.in_force(at(instant)).map(|plan| plan.version);
    assert_eq!(version("2023-12-31T23:59:59Z"), None);
    assert_eq!(version("2024-01-01T00:00:00Z"), Some(1));
    assert_eq!(version("2024-02-29T23:59:59Z"), Some(1));
    assert_eq!(version("2024-03-01T00:00:00Z"), Some(2));
    let plan = plans
        .in_force(at("2024-03-01T00:00:00Z"))
        .expect("version 2");
    assert!(plan.has(id(2)));
    assert!(!plan.has(id(1)));
}

#[test]
fn only_an_administrator_a_captain_or_an_instructor_adopts_a_plan_of_a_community() {
    let command = || adopt(&two_zones(), None);
    let now = at("2024-02-01T00:00:00Z");
    let refusal = crate::member::Refusal::ActorIsNoApprover;
    team().refuses(command(), &by(id(3), now), refusal);
    assert_eq!(
        team().outcome(command(), &by(id(1), now)),
        "ZonePlanAdopted"
    );
    let elsewhere = Command::AdoptZonePlan {
        community: id(100),
        geojson: two_zones().to_string(),
        effective_from: None,
    };
    let refusal = crate::member::Refusal::CommunityNotFound;
    team().refuses(elsewhere, &by(id(1), now), refusal);
}

#[test]
fn the_decision_names_the_policy_that_bounds_the_overlap() {
    let cx = captain("2024-02-01T00:00:00Z");
    let decision = ZonePlans::decide(&adopt(&two_zones(), None), &team().world(), &cx);
    let decision = decision.expect("a good plan");
    assert_eq!(decision.policy_sets, ["pilot/1"]);
    let community: UnitId = id(101);
    assert_eq!(decision.events[0].envelope.unit, Some(community.0));
}

#[test]
fn what_is_no_drawing_of_zones_is_refused() {
    let with = |pointer: &str, value: Value| {
        let mut drawing = two_zones();
        *drawing.pointer_mut(pointer).expect("it is there") = value;
        drawing
    };
    for (drawing, expected) in [
        (json!(1), "ZONE_PLAN_UNREADABLE"),
        (zone(1, &[&square(0, 0, 9)]), "ZONE_PLAN_UNREADABLE"),
        (drawing(&[]), "PLAN_TOO_LARGE"),
        (
            with("/features/0/properties", Value::Null),
            "ZONE_PLAN_UNREADABLE",
        ),
        (
            with("/features/0/properties/zone", json!("1")),
            "ZONE_PLAN_UNREADABLE",
        ),
        (
            with("/features/0/properties/name", json!(1)),
            "ZONE_PLAN_UNREADABLE",
        ),
        (
            with("/features/0/properties/name", json!(" ")),
            "ZONE_NAME_NOT_ALLOWED",
        ),
        (
            with("/features/0/properties/name", json!("x".repeat(101))),
            "ZONE_NAME_NOT_ALLOWED",
        ),
        (
            with("/features/0/geometry", Value::Null),
            "ZONE_PLAN_UNREADABLE",
        ),
        (
            with(
                "/features/0/geometry",
                json!({"type": "Point", "coordinates": [120.0, 32.0]}),
            ),
            "ZONE_PLAN_UNREADABLE",
        ),
        (
            with("/features/0/geometry/coordinates", json!([])),
            "PLAN_TOO_LARGE",
        ),
        (
            with("/features/0/geometry/coordinates/0", json!([])),
            "RING_NOT_CLOSED",
        ),
        (
            with("/features/0/geometry/coordinates/0/0", json!([])),
            "ZONE_PLAN_UNREADABLE",
        ),
        (
            with("/features/0/geometry/coordinates/0/0", json!([120.0])),
            "ZONE_PLAN_UNREADABLE",
        ),
        (
            with("/features/0/geometry/coordinates/0/0", json!([180.1, 0])),
            "PLACE_NOT_ON_EARTH",
        ),
        (
            with("/features/0/geometry/coordinates/0/0", json!([0, 90.1])),
            "PLACE_NOT_ON_EARTH",
        ),
        (
            with("/features/0/geometry/coordinates/0/4", json!([120, 32, 7])),
            "ZonePlanAdopted",
        ),
    ] {
        check(&drawing, expected);
    }
}

#[test]
fn a_polygon_must_be_valid() {
    let around = square(0, 0, 100);
    let bow_tie = [(0, 0), (10, 10), (10, 0), (0, 10), (0, 0)];
    let open = [(0, 0), (10, 0), (10, 10), (0, 10), (0, 1)];
    let flat = [(0, 0), (10, 10), (20, 20), (0, 0)];
    let spike = [(0, 0), (10, 0), (20, 0), (10, 0), (10, 10), (0, 0)];
    let waist = [(0, 0), (5, 5), (10, 0), (10, 10), (5, 5), (0, 10), (0, 0)];
    for (rings, expected) in [
        (vec![&around[..]], "ZonePlanAdopted"),
        (vec![&around, &square(10, 10, 10)], "ZonePlanAdopted"),
        (vec![&around[..4]], "RING_NOT_CLOSED"),
        (vec![&open[..]], "RING_NOT_CLOSED"),
        (vec![&bow_tie[..]], "POLYGON_NOT_VALID"),
        (vec![&flat[..]], "POLYGON_NOT_VALID"),
        (vec![&spike[..]], "POLYGON_NOT_VALID"),
        (vec![&waist[..]], "POLYGON_NOT_VALID"),
        (vec![&around, &square(90, 90, 20)], "POLYGON_NOT_VALID"),
        (vec![&around, &square(200, 0, 20)], "POLYGON_NOT_VALID"),
        (
            vec![&around, &square(10, 10, 20), &square(15, 15, 20)],
            "POLYGON_NOT_VALID",
        ),
    ] {
        check(&drawing(&[zone(1, &rings)]), expected);
    }
}

#[test]
fn ids_and_names_are_unique_in_a_plan() {
    let (a, b) = (square(0, 0, 10), square(10, 0, 10));
    let same_id = [feature(1, "east", &[&a]), feature(1, "west", &[&b])];
    let same_name = [feature(1, "east", &[&a]), feature(2, "east", &[&b])];
    check(&drawing(&same_id), "ZONE_TWICE");
    check(&drawing(&same_name), "ZONE_TWICE");
}

#[test]
fn zones_overlap_by_no_more_than_the_policy_allows() {
    // At 32 degrees a unit is 9.43 m by 11.12 m; a strip one unit wide and n long is n * 105 m².
    let strip = |length: f64| {
        let (x, y) = (120.0001, 32.0 + length / 1e4);
        let ring = json!([[120.0, 32.0], [x, 32.0], [x, y], [120.0, y], [120.0, 32.0]]);
        let mut strip = zone(2, &[&square(0, 0, 10)]);
        strip["geometry"]["coordinates"] = json!([ring]);
        drawing(&[zone(1, &[&square(0, 0, 100)]), strip])
    };
    check(&strip(0.23), "ZonePlanAdopted");
    check(&strip(0.24), "ZONES_OVERLAP");
    check(&strip(50.0), "ZONES_OVERLAP");
    // A zone in the hole of another overlaps nothing.
    let ring = zone(1, &[&square(0, 0, 100), &square(20, 20, 20)]);
    let hole = zone(2, &[&square(20, 20, 20)]);
    check(&drawing(&[ring, hole]), "ZonePlanAdopted");
}

#[test]
fn the_refusal_of_an_overlap_names_the_zones() {
    let drawing = drawing(&[zone(1, &[&square(0, 0, 10)]), zone(2, &[&square(5, 5, 10)])]);
    let cx = captain("2024-02-01T00:00:00Z");
    let refused = team()
        .when(adopt(&drawing, None), &cx)
        .expect_err("overlap");
    assert!(
        refused.message.contains("'zone 1' and 'zone 2'"),
        "{refused}"
    );
}

#[test]
fn a_plan_is_bounded() {
    let row = |count: u128, side: i32| -> Vec<Value> {
        (0..count)
            .map(|n| {
                zone(
                    n,
                    &[&square(i32::try_from(n).expect("few") * side, 0, side)],
                )
            })
            .collect()
    };
    check(&drawing(&row(200, 3)), "ZonePlanAdopted");
    check(&drawing(&row(201, 3)), "PLAN_TOO_LARGE");
    // A staircase down and a straight way home.
    let stairs = |points: i32| -> Vec<(i32, i32)> {
        let steps = (0..points - 2).map(|n| (n / 2 + n % 2, -(n / 2)));
        let mut ring: Vec<_> = steps.collect();
        ring.extend([(-points, -points), (0, 0)]);
        ring
    };
    check(&drawing(&[zone(1, &[&stairs(1_000)])]), "ZonePlanAdopted");
    check(&drawing(&[zone(1, &[&stairs(1_001)])]), "TOO_MANY_POINTS");
    let many: Vec<_> = (0..4).map(|n| zone(n, &[&stairs(1_000)])).collect();
    check(&drawing(&many), "PLAN_TOO_LARGE");
    let holes: Vec<_> = (0..20).map(|n| square(n * 4 + 1, 1, 2)).collect();
    let around = square(0, 0, 100);
    let mut rings: Vec<Ring> = vec![&around];
    rings.extend(holes.iter().map(|hole| &hole[..]));
    check(&drawing(&[zone(1, &rings[..20])]), "ZonePlanAdopted");
    check(&drawing(&[zone(1, &rings)]), "PLAN_TOO_LARGE");
    let mut long = two_zones();
    long["blank"] = json!("x".repeat(GEOJSON_BYTES_MAX));
    check(&long, "PLAN_TOO_LARGE");
}

#[test]
fn a_place_on_a_boundary_belongs_to_the_first_of_its_zones() {
    let ring = zone(1, &[&square(0, 0, 100), &square(20, 20, 20)]);
    let hole = zone(2, &[&square(20, 20, 20)]);
    let beside = zone(3, &[&square(100, 0, 100)]);
    let zone_of = |features: &[Value], x, y| {
        let cx = captain("2024-02-01T00:00:00Z");
        let history = team().then(adopt(&drawing(features), None), &cx);
        let plans = plans(&history);
        plans
            .in_force(cx.now)
            .expect("adopted")
            .zone_of(place(x, y))
    };
    let drawn = [ring.clone(), hole.clone(), beside.clone()];
    let reversed = [beside, hole, ring];
    for (x, y, first, other) in [
        (10, 10, Some(1), Some(1)),
        (30, 30, Some(2), Some(2)),
        (20, 30, Some(1), Some(2)),
        (20, 20, Some(1), Some(2)),
        (100, 50, Some(1), Some(3)),
        (100, 0, Some(1), Some(3)),
        (150, 100, Some(3), Some(3)),
        (0, 0, Some(1), Some(1)),
        (150, 101, None, None),
        (-1, 0, None, None),
    ] {
        assert_eq!(zone_of(&drawn, x, y), first.map(id), "{x} {y}");
        assert_eq!(zone_of(&reversed, x, y), other.map(id), "{x} {y} reversed");
    }
}

#[test]
fn a_zone_touches_the_squares_that_have_a_place_of_it() {
    let ring = zone(1, &[&square(0, 0, 100), &square(20, 20, 40)]);
    let cx = captain("2024-02-01T00:00:00Z");
    let history = team().then(adopt(&drawing(&[ring]), None), &cx);
    let plans = plans(&history);
    let zone = &plans.in_force(cx.now).expect("adopted").zones[0];
    // Corner and side of the square, in units of 1e-4 degree.
    for (x, y, side, touches) in [
        (10, 10, 5, true),
        // Around it, and around its border only.
        (-50, -50, 500, true),
        (-10, 50, 20, true),
        // A corner, and an edge.
        (100, 100, 10, true),
        (100, 50, 10, true),
        (101, 50, 10, false),
        (50, -11, 10, false),
        // In its hole, and over the hole's border.
        (30, 30, 10, false),
        (50, 30, 20, true),
    ] {
        let touched = zone.touches(place(x, y), side * 1_000);
        assert_eq!(touched, touches, "{x} {y} {side}");
    }
}

fn drawn(rings: &[Vec<(i32, i32)>]) -> Zone {
    let ring = |ring: &Vec<(i32, i32)>| {
        let points = ring.iter();
        points
            .map(|&(lon_e7, lat_e7)| Place { lat_e7, lon_e7 })
            .collect()
    };
    Zone {
        zone: id(1),
        name: "zone".to_owned(),
        rings: rings.iter().map(ring).collect(),
    }
}

/// A closed ring on a small grid, where crossings and coincidences are frequent.
fn any_ring() -> impl Strategy<Value = Vec<(i32, i32)>> {
    proptest::collection::vec((0..8_i32, 0..8_i32), 3..9).prop_map(|mut ring| {
        ring.push(ring[0]);
        ring.dedup();
        ring
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_judgement_of_geometry_bears_any_rings(
        a in proptest::collection::vec(any_ring(), 1..4),
        b in proptest::collection::vec(any_ring(), 1..4),
    ) {
        let (a, b) = (drawn(&a), drawn(&b));
        if a.check().is_ok() && b.check().is_ok() {
            let overlap_m2 = a.overlap_m2(&b);
            prop_assert!((0.0..1.0).contains(&overlap_m2));
        }
    }

    #[test]
    fn covering_agrees_with_geo_where_a_polygon_is_valid(ring in any_ring()) {
        let zone = drawn(&[ring]);
        if zone.check().is_ok() {
            let polygon = zone.polygon(|point| (f64::from(point.lon_e7), f64::from(point.lat_e7)));
            for (x, y) in (-1..9).flat_map(|x| (-1..9).map(move |y| (x, y))) {
                let point = Point::new(f64::from(x), f64::from(y));
                let covered = zone.covers(Place { lat_e7: y, lon_e7: x });
                prop_assert_eq!(covered, polygon.intersects(&point), "{} {}", x, y);
            }
        }
    }

    #[test]
    fn any_order_of_events_is_borne(history in any_history({
        let adopted = |version, effective_from, zones| Event::ZonePlanAdopted {
            community: id(101),
            version,
            zones,
            effective_from: at(effective_from),
            adopted_by: id(2),
        };
        let corner = (i32::MAX, i32::MIN);
        vec![
            adopted(u32::MAX, "2024-01-01T00:00:00Z", vec![]),
            adopted(0, "2025-01-01T00:00:00Z", vec![drawn(&[vec![], vec![corner]])]),
            adopted(7, "2023-01-01T00:00:00Z", vec![drawn(&[vec![corner, (i32::MIN, i32::MAX)]])]),
        ]
    })) {
        let mut plans = ZonePlans::default();
        for (event, stamp) in &history {
            plans.evolve(event, stamp);
        }
        for plan in &plans.plans {
            for far in [i32::MIN, i32::MAX] {
                plan.zone_of(Place { lat_e7: far, lon_e7: far });
            }
        }
        plans.in_force(at("2024-06-01T00:00:00Z"));
    }
}
