//! `ZonePlans`: how a community is divided into patrol zones, version by version.
//!
//! ```text
//! (none) ──ZonePlanAdopted──> version 1 in force from a date ──ZonePlanAdopted──> version 2 …
//! ```
//! Owns the zones' geometry and which zone a place lies in at an instant. Geometry is whole in the
//! events, so that coverage can be replayed.

use serde::{Deserialize, Serialize};

use crate::envelope::Instant;
use crate::ids::{PersonId, UnitId, ZoneId};

/// A zone as drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Stays the same over versions of the plan.
    pub zone: ZoneId,
    /// Its name, 1..=100 bytes.
    pub name: String,
    /// Rings of its polygon, the outer one first; each closed, points in 1e-7 degrees.
    pub rings: Vec<Vec<crate::place::Place>>,
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

// STUB-BEGIN
/// A version of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// From 1.
    pub version: u32,
    /// Its zones.
    pub zones: Vec<Zone>,
    /// From when on.
    pub effective_from: Instant,
}

impl Plan {
    /// The zone a place lies in.
    pub fn zone_of(&self, place: crate::place::Place) -> Option<ZoneId> {
        let (x, y) = (i128::from(place.lon_e7), i128::from(place.lat_e7));
        let within = |ring: &[crate::place::Place]| {
            ring.windows(2).fold(false, |inside, edge| {
                let (ax, ay) = (i128::from(edge[0].lon_e7), i128::from(edge[0].lat_e7));
                let (bx, by) = (i128::from(edge[1].lon_e7), i128::from(edge[1].lat_e7));
                let (dy, crosses) = (by - ay, (ay > y) != (by > y));
                inside ^ (crosses && ((x - ax) * dy < (y - ay) * (bx - ax)) == (dy > 0))
            })
        };
        let zone = self
            .zones
            .iter()
            .find(|zone| zone.rings.iter().filter(|ring| within(ring)).count() % 2 == 1);
        zone.map(|zone| zone.zone)
    }

    /// True if the zone is in it.
    pub fn has(&self, zone: ZoneId) -> bool {
        self.zones.iter().any(|drawn| drawn.zone == zone)
    }
}

/// State.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZonePlans {
    /// By version.
    pub plans: Vec<Plan>,
}

impl ZonePlans {
    /// The plan in force at an instant.
    pub fn in_force(&self, at: Instant) -> Option<&Plan> {
        self.plans
            .iter()
            .rev()
            .find(|plan| plan.effective_from <= at)
    }
}

impl crate::world::Aggregate for ZonePlans {
    const CATEGORY: &'static str = "zone_plan";
    type Command = Command;
    type Event = Event;
    fn primary(_: &Command) -> crate::stream::StreamName {
        Self::stream("stub")
    }
    fn decide(
        _: &Command,
        _: &crate::world::World,
        _: &crate::world::Context,
    ) -> Result<crate::world::Decision, crate::refusal::Stop> {
        Ok(crate::world::Decision::new())
    }
    fn evolve(&mut self, event: &Event, _: &crate::world::Stamp) {
        let Event::ZonePlanAdopted {
            version,
            zones,
            effective_from,
            ..
        } = event;
        self.plans.push(Plan {
            version: *version,
            zones: zones.clone(),
            effective_from: *effective_from,
        });
    }
}
// STUB-END
