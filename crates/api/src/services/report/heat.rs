//! Where and when hazards are found, beside the time patrolled.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::NaiveTime;
use domain::Instant;
use domain::ids::UnitId;
use domain::place::Place;
use domain::unit::UnitLevel;
use domain::zone_plan::Zone;
use projections::read_models::hot_spots::heat::{
    Amount, Asked, CELL_E7_DEFAULT, Heat, NotAsked, PERIOD_DAYS_MAX, SpotKey,
};
use projections::read_models::hot_spots::{GRID_E7, GridCell, HotSpots};
use projections::read_models::units::Units;
use projections::read_models::zones::Zones;
use projections::{Build, Models};
use tonic::Status;

use super::{invalid, optional_day, page};
use crate::backend::subtree;
use crate::parse::{Parsed, Violation, required};
use crate::{paging, wire};

/// A page of cells.
///
/// # Errors
/// The first field that is malformed, or `NOT_FOUND` for a unit that does not exist.
pub(crate) fn spots(
    models: &Models,
    build: &Build<HotSpots>,
    request: &wire::GetHotSpotsRequest,
    now: Instant,
) -> Result<wire::GetHotSpotsResponse, Status> {
    let (asked, cell_e7) = asked(request).map_err(invalid)?;
    let within = subtree(models, &request.unit_id, now)?;
    // Patrols are of communities, hazards may lie in a grid of one.
    let units = crate::reading::ready(&models.units)?;
    let heat = build.heat(None, &asked);
    let chosen = |unit: &UnitId| within.as_ref().is_none_or(|units| units.contains(unit));
    let without_place = build.heat(within.as_ref(), &asked).nowhere.now;
    let rows = heat.spots.iter().filter(|((unit, ..), _)| chosen(unit));
    let mut communities = BTreeMap::<UnitId, UnitId>::new();
    let zones = crate::reading::ready(&models.zones)?;
    let mut overlay = Overlay::new(&zones, &asked, cell_e7);
    let mut rows: Vec<_> = rows
        .map(|(key, amount)| {
            let community = *communities
                .entry(key.0)
                .or_insert_with(|| community(&units, key.0, now));
            overlay.row(key, *amount, community, &heat)
        })
        .collect();
    let question = format!(
        "hot spots {} {} {} {cell_e7}",
        request.unit_id, request.day_from, request.day_until
    );
    let (spots, next_page_token) = if request.hottest_first {
        if !request.page_token.is_empty() {
            return Err(invalid(paging::malformed()));
        }
        // Counts move, so a place among them is no place to go on from.
        rows.sort_by_key(|row| Reverse((row.hazards, row.change)));
        rows.truncate(paging::size(request.page_size).map_err(invalid)?);
        (rows, String::new())
    } else {
        let rows = rows.into_iter().map(|row| (key(&row), row)).collect();
        page(rows, &question, request.page_size, &request.page_token).map_err(invalid)?
    };
    Ok(wire::GetHotSpotsResponse {
        spots,
        before_from: asked.before().to_string(),
        cell_e7,
        without_place,
        next_page_token,
        read_point: None,
    })
}

fn asked(request: &wire::GetHotSpotsRequest) -> Parsed<(Asked, i32)> {
    let first = required("day_from", optional_day("day_from", &request.day_from)?)?;
    let last = required("day_until", optional_day("day_until", &request.day_until)?)?;
    let cell_e7 = if request.cell_e7 == 0 {
        CELL_E7_DEFAULT
    } else {
        request.cell_e7
    };
    let asked = Asked::new(first, last, cell_e7).map_err(|why| match why {
        NotAsked::Period => {
            let why = format!(
                "It must not be before the first day, and there are at most {PERIOD_DAYS_MAX}."
            );
            Violation::new("day_until", why)
        }
        NotAsked::CellSize => Violation::new(
            "cell_e7",
            format!("A multiple of {GRID_E7} up to 1 degree is needed."),
        ),
    })?;
    Ok((asked, cell_e7))
}

/// The community that a unit is or lies in; the unit itself if there is none.
fn community(units: &Build<Units>, unit: UnitId, at: Instant) -> UnitId {
    let is_community = |unit: &UnitId| {
        let row = units.unit(*unit);
        row.is_some_and(|row| row.unit.level == Some(UnitLevel::Community))
    };
    let path = units.path(unit, at);
    path.into_iter().find(is_community).unwrap_or(unit)
}

const NOON: NaiveTime = match NaiveTime::from_hms_opt(12, 0, 0) {
    Some(noon) => noon,
    None => NaiveTime::MIN,
};

/// Lays what was patrolled over the cells, by the zones that they touch.
struct Overlay<'a> {
    zones: &'a Build<Zones>,
    at: Instant,
    cell_e7: i32,
    plans: BTreeMap<UnitId, Vec<Zone>>,
    /// Places in the plan of the zones that a cell touches: the same for all its hours.
    touched: BTreeMap<(UnitId, GridCell), Vec<usize>>,
}

impl<'a> Overlay<'a> {
    fn new(zones: &'a Build<Zones>, asked: &Asked, cell_e7: i32) -> Self {
        Self {
            zones,
            // Noon in UTC lies in the local day in every zone of time but the farthest east.
            at: asked.last().and_time(NOON).and_utc(),
            cell_e7,
            plans: BTreeMap::new(),
            touched: BTreeMap::new(),
        }
    }

    fn row(
        &mut self,
        (unit, cell, week): &SpotKey,
        hazards: Amount,
        community: UnitId,
        heat: &Heat,
    ) -> wire::HotSpot {
        let corner = Place {
            lat_e7: cell.north.saturating_mul(GRID_E7),
            lon_e7: cell.east.saturating_mul(GRID_E7),
        };
        let plan = self.plans.entry(community).or_insert_with(|| {
            let plans = self.zones.partitions.get(&community);
            let plan = plans.and_then(|plans| plans.in_force(self.at));
            plan.map(|plan| plan.zones.clone()).unwrap_or_default()
        });
        let touched = self.touched.entry((community, *cell)).or_insert_with(|| {
            let zones = plan.iter().enumerate();
            let touched = zones.filter(|(_, zone)| zone.touches(corner, self.cell_e7));
            touched.map(|(n, _)| n).collect()
        });
        let patrolled = heat.patrolled.get(&(community, *week));
        let zones: Vec<_> = touched.iter().filter_map(|n| plan.get(*n)).collect();
        let zones = zones.into_iter().map(|zone| {
            let amount = patrolled.and_then(|zones| zones.get(&zone.zone));
            let amount = amount.copied().unwrap_or_default();
            wire::ZonePatrol {
                zone_id: zone.zone.to_string(),
                name: zone.name.clone(),
                seconds: amount.now,
                seconds_before: amount.before,
            }
        });
        let zones: Vec<_> = zones.collect();
        let whole = || patrolled.into_iter().flat_map(BTreeMap::values);
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        wire::HotSpot {
            unit_id: unit.to_string(),
            corner: Some(wire::Place {
                lat_e7: corner.lat_e7,
                lon_e7: corner.lon_e7,
            }),
            weekday: week.weekday.into(),
            hour: week.hour.into(),
            hazards: hazards.now,
            hazards_before: hazards.before,
            change: signed(hazards.now) - signed(hazards.before),
            patrol_seconds: zones.iter().map(|zone| zone.seconds).sum(),
            patrol_seconds_before: zones.iter().map(|zone| zone.seconds_before).sum(),
            community_id: community.to_string(),
            zones,
            community_patrol_seconds: whole().map(|zone| zone.now).sum(),
            community_patrol_seconds_before: whole().map(|zone| zone.before).sum(),
        }
    }
}

/// The key of a row: as text in the order of unit, cell from the south-west, weekday and hour.
fn key(row: &wire::HotSpot) -> String {
    let corner = row.corner.unwrap_or_default();
    let from_the_pole = i64::from(corner.lat_e7) + 1_000_000_000;
    let from_the_date_line = i64::from(corner.lon_e7) + 2_000_000_000;
    format!(
        "{}/{from_the_pole:010}/{from_the_date_line:010}/{}/{:02}",
        row.unit_id, row.weekday, row.hour
    )
}
