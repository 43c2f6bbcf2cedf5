//! `ZonePlans`: how a community is divided into patrol zones, version by version.
//!
//! ```text
//! (none) ──ZonePlanAdopted──> version 1 in force from a date ──ZonePlanAdopted──> version 2 …
//! ```
//! Owns the zones' geometry and which zone a place lies in at an instant. Geometry is whole in the
//! events, so that coverage can be replayed.

use std::fmt;
use std::sync::Arc;

use geo::{Area, BooleanOps, Coord, Intersects, LineString, Polygon, Rect, Validation};
use geojson::{Feature, FeatureCollection, GeometryValue};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::encoding;
use crate::envelope::{Envelope, Instant};
use crate::ids::{PersonId, UnitId, ZoneId};
use crate::member::Member;
use crate::place::Place;
use crate::policy_set::PolicySets;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// A zone as drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Stays the same over versions of the plan.
    pub zone: ZoneId,
    /// Its name, 1..=100 bytes.
    pub name: String,
    /// Rings of its polygon, the outer one first; each closed, points in 1e-7 degrees.
    pub rings: Vec<Vec<Place>>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Put a zone plan into force.
    AdoptZonePlan {
        /// Where.
        community: UnitId,
        /// A GeoJSON `FeatureCollection` of Polygons, each with properties `zone` (UUID) and `name`.
        geojson: String,
        /// From when on; now if absent.
        effective_from: Option<Instant>,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A zone plan is in force.
    ZonePlanAdopted {
        /// Where.
        community: UnitId,
        /// From 1.
        version: u32,
        /// Its zones.
        zones: Vec<Zone>,
        /// From when on.
        effective_from: Instant,
        /// By whom.
        adopted_by: PersonId,
    },
}

/// Longest GeoJSON text, in bytes; blanks and altitudes make it longer than what is stored.
pub const GEOJSON_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of the event's payload: with its envelope it must fit a commit record.
pub const PLAN_BYTES_MAX: usize = 120 * 1024;
/// Most zones of a plan.
pub const ZONES_MAX: usize = 200;
/// Most rings of a zone: its outer one and its holes.
pub const RINGS_MAX: usize = 20;
/// Most points of a ring.
pub const POINTS_MAX: usize = 1_000;
/// Longest name of a zone, in bytes.
pub const NAME_BYTES_MAX: usize = 100;

/// Metres of one degree along a meridian.
const DEGREE_M: f64 = 111_195.08;

/// A version of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// From 1.
    pub version: u32,
    /// From when on it is in force.
    pub effective_from: Instant,
    /// Its zones, in the order of the drawing.
    pub zones: Vec<Zone>,
}

/// How a community is divided, version by version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZonePlans {
    /// The plans, the latest last; shared, so that a copy of the state copies no geometry.
    pub plans: Vec<Arc<Plan>>,
}

refusals! {
    /// Why it is refused.
    ZonePlanUnreadable = Invalid, "geojson", "A zone plan is a GeoJSON `FeatureCollection` of Polygons, each with properties zone (UUID) and name.";
    PlanTooLarge = Invalid, "geojson", "A zone plan holds 1 to 200 zones, at most 20 rings each, and 120 KiB as stored (some 2,000 points).";
    TooManyPoints = Invalid, "geojson", "A ring has at most 1,000 points.";
    ZoneNameNotAllowed = Invalid, "geojson", "A zone's name is 1 to 100 bytes.";
    ZoneTwice = Invalid, "geojson", "Ids and names of zones must be unique in a plan.";
    PlaceNotOnEarth = Invalid, "geojson", "Latitude must lie in -90..=90 and longitude in -180..=180 degrees.";
    RingNotClosed = Invalid, "geojson", "A ring has at least four points, the last equal to the first.";
    PolygonNotValid = Invalid, "geojson", "A zone must be a valid polygon: no ring crosses or touches itself, holes lie inside.";
    ZonesOverlap = Invalid, "geojson", "Zones of one plan must not overlap by more than the policy allows.";
    EffectiveInThePast = Invalid, "effective_from", "A plan takes effect from now on; only the first of a community may reach back.";
    EffectiveBeforeLatest = Invalid, "effective_from", "It must take effect after the plan adopted before it.";
}

impl Refusal {
    /// With what exactly is wrong: a drawing of 200 zones is not searched by hand.
    fn because(self, why: impl fmt::Display) -> Stop {
        let mut refused = self.refused();
        refused.message = format!("{} ({why})", refused.message).into();
        refused.into()
    }
}

impl ZonePlans {
    /// The plan in force at an instant.
    pub fn in_force(&self, at: Instant) -> Option<&Plan> {
        let mut latest_first = self.plans.iter().rev();
        latest_first
            .find(|plan| plan.effective_from <= at)
            .map(Arc::as_ref)
    }
}

impl Plan {
    /// The zone a place lies in. A place on a boundary belongs to the first of its zones in the
    /// plan's order, so that every reader answers alike.
    pub fn zone_of(&self, place: Place) -> Option<ZoneId> {
        let mut zones = self.zones.iter();
        zones.find(|zone| zone.covers(place)).map(|zone| zone.zone)
    }

    /// True if the zone is in it.
    pub fn has(&self, zone: ZoneId) -> bool {
        self.zones.iter().any(|drawn| drawn.zone == zone)
    }
}

impl Zone {
    /// True if it has a place in common with a square, given by its south-west corner and its side
    /// in 1e-7 degree, borders included.
    pub fn touches(&self, corner: Place, side_e7: i32) -> bool {
        let (west, south) = (f64::from(corner.lon_e7), f64::from(corner.lat_e7));
        let side = f64::from(side_e7);
        let [least_lon, most_lon, least_lat, most_lat] = self.bounds().map(f64::from);
        let apart = most_lon < west
            || most_lat < south
            || least_lon > west + side
            || least_lat > south + side;
        if apart {
            return false;
        }
        // Doubles hold units of 1e-7 degree exactly.
        let south_west = Coord { x: west, y: south };
        let north_east = Coord {
            x: west + side,
            y: south + side,
        };
        let polygon = self.polygon(|point| (f64::from(point.lon_e7), f64::from(point.lat_e7)));
        polygon.intersects(&Rect::new(south_west, north_east))
    }

    /// True if a place lies in it or on its boundary. Integers only: exact, and the same for ever
    /// on every machine.
    fn covers(&self, place: Place) -> bool {
        let (x, y) = (i128::from(place.lon_e7), i128::from(place.lat_e7));
        let mut inside = false;
        for edge in self.rings.iter().flat_map(|ring| ring.windows(2)) {
            let (ax, ay) = (i128::from(edge[0].lon_e7), i128::from(edge[0].lat_e7));
            let (bx, by) = (i128::from(edge[1].lon_e7), i128::from(edge[1].lat_e7));
            // Positive if the place lies left of the edge, seen along it; zero if in its line.
            let side = (bx - ax) * (y - ay) - (by - ay) * (x - ax);
            let beside =
                (ax.min(bx)..=ax.max(bx)).contains(&x) && (ay.min(by)..=ay.max(by)).contains(&y);
            if side == 0 && beside {
                return true;
            }
            // A ray eastward crosses the edge; an odd number of crossings means inside.
            if (ay > y) != (by > y) && (side > 0) == (by > ay) {
                inside = !inside;
            }
        }
        inside
    }

    /// Its least and greatest longitude and latitude.
    fn bounds(&self) -> [i32; 4] {
        let mut bounds = [i32::MAX, i32::MIN, i32::MAX, i32::MIN];
        for point in self.rings.iter().flatten() {
            bounds[0] = bounds[0].min(point.lon_e7);
            bounds[1] = bounds[1].max(point.lon_e7);
            bounds[2] = bounds[2].min(point.lat_e7);
            bounds[3] = bounds[3].max(point.lat_e7);
        }
        bounds
    }

    /// Its polygon on a plane of the caller's choice.
    fn polygon(&self, project: impl Fn(Place) -> (f64, f64)) -> Polygon<f64> {
        let mut rings = self
            .rings
            .iter()
            .map(|ring| ring.iter().copied().map(&project).collect::<LineString>());
        let exterior = rings.next().unwrap_or_else(|| LineString::new(Vec::new()));
        Polygon::new(exterior, rings.collect())
    }

    /// Refuses what is no polygon. In whole units of 1e-7 degree, which doubles hold exactly: what
    /// is judged is what is stored.
    fn check(&self) -> Result<(), Stop> {
        for ring in &self.rings {
            let twice_the_area: i128 = ring
                .windows(2)
                .map(|edge| {
                    i128::from(edge[0].lon_e7) * i128::from(edge[1].lat_e7)
                        - i128::from(edge[1].lon_e7) * i128::from(edge[0].lat_e7)
                })
                .sum();
            if twice_the_area == 0 {
                return Err(Refusal::PolygonNotValid
                    .because(format_args!("zone '{}': a ring without area", self.name)));
            }
        }
        let polygon = self.polygon(|point| (f64::from(point.lon_e7), f64::from(point.lat_e7)));
        polygon.check_validation().map_err(|why| {
            Refusal::PolygonNotValid.because(format_args!("zone '{}': {why}", self.name))
        })
    }

    /// Square metres that it has in common with another zone, on a plane that touches the earth
    /// between them.
    fn overlap_m2(&self, other: &Self) -> f64 {
        let (a, b) = (self.bounds(), other.bounds());
        let apart = a[0] >= b[1] || b[0] >= a[1] || a[2] >= b[3] || b[2] >= a[3];
        if apart {
            return 0.0;
        }
        let origin = Place {
            lon_e7: i32::midpoint(a[0].min(b[0]), a[1].max(b[1])),
            lat_e7: i32::midpoint(a[2].min(b[2]), a[3].max(b[3])),
        };
        let shrink = origin.lat().to_radians().cos();
        let project = |point: Place| {
            (
                (point.lon() - origin.lon()) * DEGREE_M * shrink,
                (point.lat() - origin.lat()) * DEGREE_M,
            )
        };
        let common = self.polygon(project).intersection(&other.polygon(project));
        common.unsigned_area()
    }
}

/// Reads a drawing. Refuses what cannot be a zone plan wherever it is adopted.
fn parse(geojson: &str) -> Result<Vec<Zone>, Stop> {
    if geojson.len() > GEOJSON_BYTES_MAX {
        return Err(Refusal::PlanTooLarge.into());
    }
    let drawing: FeatureCollection = geojson
        .parse()
        .map_err(|why| Refusal::ZonePlanUnreadable.because(why))?;
    if !(1..=ZONES_MAX).contains(&drawing.features.len()) {
        return Err(Refusal::PlanTooLarge.into());
    }
    let features = drawing.features.iter().enumerate();
    features
        .map(|(n, feature)| parse_zone(n, feature))
        .collect()
}

fn parse_zone(n: usize, feature: &Feature) -> Result<Zone, Stop> {
    let unreadable =
        |why: &str| Refusal::ZonePlanUnreadable.because(format_args!("feature {}: {why}", n + 1));
    let text = |key: &str| feature.property(key).and_then(|value| value.as_str());
    let zone = text("zone").and_then(|text| Uuid::try_parse(text).ok());
    let zone = ZoneId(zone.ok_or_else(|| unreadable("zone: a UUID"))?);
    let name = text("name").ok_or_else(|| unreadable("name: a text"))?;
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Refusal::ZoneNameNotAllowed.because(format_args!("feature {}", n + 1)));
    }
    let geometry = feature.geometry.as_ref().map(|geometry| &geometry.value);
    let Some(GeometryValue::Polygon { coordinates }) = geometry else {
        return Err(unreadable("geometry: a Polygon"));
    };
    if !(1..=RINGS_MAX).contains(&coordinates.len()) {
        return Err(Refusal::PlanTooLarge.because(format_args!("zone '{name}'")));
    }
    let mut rings = Vec::with_capacity(coordinates.len());
    for positions in coordinates {
        if positions.len() > POINTS_MAX {
            return Err(Refusal::TooManyPoints.because(format_args!("zone '{name}'")));
        }
        let mut ring = Vec::with_capacity(positions.len());
        for position in positions {
            let &[lon, lat, ..] = position.as_slice() else {
                return Err(unreadable("coordinates: longitude and latitude"));
            };
            let place = Place::from_degrees(lat, lon)
                .ok_or_else(|| Refusal::PlaceNotOnEarth.because(format_args!("zone '{name}'")))?;
            ring.push(place);
        }
        if ring.len() < 4 || ring.first() != ring.last() {
            return Err(Refusal::RingNotClosed.because(format_args!("zone '{name}'")));
        }
        // Points closer than a centimetre fall together in rounding.
        ring.dedup();
        rings.push(ring);
    }
    Ok(Zone {
        zone,
        name: name.to_owned(),
        rings,
    })
}

/// Refuses zones that do not go together.
fn check_together(zones: &[Zone], overlap_m2_max: u32) -> Result<(), Stop> {
    for (n, zone) in zones.iter().enumerate() {
        for other in &zones[..n] {
            if zone.zone == other.zone || zone.name == other.name {
                return Err(Refusal::ZoneTwice.because(format_args!("'{}'", zone.name)));
            }
        }
    }
    for zone in zones {
        zone.check()?;
    }
    for (n, zone) in zones.iter().enumerate() {
        for other in &zones[..n] {
            let overlap_m2 = zone.overlap_m2(other);
            if overlap_m2 > f64::from(overlap_m2_max) {
                return Err(Refusal::ZonesOverlap.because(format_args!(
                    "'{}' and '{}' by {overlap_m2:.0} m², allowed are {overlap_m2_max}",
                    other.name, zone.name,
                )));
            }
        }
    }
    Ok(())
}

/// Refuses zones that cannot stand in one plan.
fn judge(event: &Event, overlap_m2_max: u32) -> Result<(), Stop> {
    // Before the geometry is judged: the size also bounds that work.
    if encoding::encode(event).1.len() > PLAN_BYTES_MAX {
        return Err(Refusal::PlanTooLarge.into());
    }
    let Event::ZonePlanAdopted { zones, .. } = event;
    check_together(zones, overlap_m2_max)
}

/// Reads a drawing that is not put into force, and judges it as adopting it would with a policy set
/// by which zones may overlap by so many square metres.
///
/// # Errors
/// What adopting answers to such a drawing.
pub fn read(geojson: &str, overlap_m2_max: u32) -> Result<Vec<Zone>, Stop> {
    let supposed = Event::ZonePlanAdopted {
        community: UnitId(Uuid::nil()),
        version: 1,
        zones: parse(geojson)?,
        effective_from: Instant::default(),
        adopted_by: PersonId(Uuid::nil()),
    };
    judge(&supposed, overlap_m2_max)?;
    let Event::ZonePlanAdopted { zones, .. } = supposed;
    Ok(zones)
}

impl Aggregate for ZonePlans {
    const CATEGORY: &'static str = "zone_plan";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        let Command::AdoptZonePlan { community, .. } = command;
        Self::stream(community)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let Command::AdoptZonePlan {
            community,
            geojson,
            effective_from,
        } = command;
        Member::require_community(world, *community, cx.now)?;
        let (adopted_by, _) = Member::approver(world, *community, cx)?;
        let adopted = world.state::<Self>(community)?;
        let from = effective_from.unwrap_or(cx.now);
        if let Some(latest) = adopted.plans.last() {
            if from < cx.now {
                return Err(Refusal::EffectiveInThePast.into());
            }
            if from <= latest.effective_from {
                return Err(Refusal::EffectiveBeforeLatest.into());
            }
        }
        let policy = PolicySets::in_force(world, *community, cx.now)?;
        let zones = parse(geojson)?;
        let event = Event::ZonePlanAdopted {
            community: *community,
            version: adopted
                .plans
                .last()
                .map_or(1, |plan| plan.version.saturating_add(1)),
            zones,
            effective_from: from,
            adopted_by,
        };
        judge(&event, policy.thresholds.zone_overlap_m2)?;
        let mut envelope = Envelope::at(cx.now);
        envelope.unit = Some(community.0);
        let mut decision = Decision::new().with::<Self>(community, event, envelope);
        decision.used(&policy.reference());
        Ok(decision)
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        let Event::ZonePlanAdopted {
            version,
            zones,
            effective_from,
            ..
        } = event;
        self.plans.push(Arc::new(Plan {
            version: *version,
            effective_from: *effective_from,
            zones: zones.clone(),
        }));
    }
}

#[cfg(test)]
#[path = "zone_plan_tests.rs"]
mod tests;
