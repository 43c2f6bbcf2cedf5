//! Where a community's patrols go: zones in two rows and checkpoints in each. Invented; every
//! community lies beside the one before.

use domain::ids::{CheckpointId, ZoneId};
use domain::place::Place;
use serde_json::json;

use super::dice::Dice;

/// Zones of a community, in two rows.
const ZONES: u32 = 6;
/// Checkpoints of a zone, in two rows.
const STOPS: u32 = 6;
/// Degrees of latitude and longitude that a zone spans: some 400 metres.
const ZONE_DEGREES: f64 = 0.004;
/// Communities side by side before the next row begins.
const PER_ROW: u32 = 100;
/// South-west corner of the first community, in Jiangsu.
const ORIGIN: (f64, f64) = (32.0, 119.0);

/// The zones of a community.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) zones: Vec<Zone>,
}

/// A zone with its checkpoints.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) id: ZoneId,
    pub(super) name: String,
    pub(super) stops: Vec<Stop>,
    south: f64,
    west: f64,
}

/// A checkpoint.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub(super) id: CheckpointId,
    pub(super) tag: String,
    pub(super) place: Place,
}

impl Places {
    /// Draws the zones of a community.
    pub(super) fn drawn(number: u32, dice: &Dice) -> Self {
        let (column, row) = (f64::from(number % PER_ROW), f64::from(number / PER_ROW));
        let zones = (0..ZONES).map(|zone| {
            let (across, up) = (zone % 3, zone / 3);
            let south = ORIGIN.0 + ZONE_DEGREES * (row * 2.0 + f64::from(up));
            let west = ORIGIN.1 + ZONE_DEGREES * (column * 3.0 + f64::from(across));
            let stops = (0..STOPS).filter_map(|stop| {
                let (east, north) = (stop % 3, stop / 3);
                let lat = south + ZONE_DEGREES * (0.3 + 0.4 * f64::from(north));
                let lon = west + ZONE_DEGREES * (0.2 + 0.3 * f64::from(east));
                Some(Stop {
                    id: CheckpointId(dice.uuid()),
                    tag: format!("T{number}-{}-{}", zone + 1, stop + 1),
                    place: Place::from_degrees(lat, lon)?,
                })
            });
            Zone {
                id: ZoneId(dice.uuid()),
                name: format!("zone {}", zone + 1),
                stops: stops.collect(),
                south,
                west,
            }
        });
        Self {
            zones: zones.collect(),
        }
    }

    /// The zone plan as it is adopted.
    pub(super) fn geojson(&self) -> String {
        let features = self.zones.iter().map(|zone| {
            let (south, west) = (zone.south, zone.west);
            let (north, east) = (south + ZONE_DEGREES, west + ZONE_DEGREES);
            let corners = [
                [west, south],
                [east, south],
                [east, north],
                [west, north],
                [west, south],
            ];
            json!({
                "type": "Feature",
                "properties": { "zone": zone.id.to_string(), "name": zone.name },
                "geometry": { "type": "Polygon", "coordinates": [corners] },
            })
        });
        let features: Vec<_> = features.collect();
        json!({ "type": "FeatureCollection", "features": features }).to_string()
    }

    /// A place somewhere in the community.
    pub(super) fn anywhere(&self, dice: &Dice) -> Option<Place> {
        let stop = dice.pick(&dice.pick(&self.zones)?.stops)?;
        Some(moved(stop.place, dice.between(-60, 60)))
    }
}

/// A place so many metres further north.
pub(super) fn moved(place: Place, metres: i64) -> Place {
    // A degree of latitude is some 111 kilometres.
    let degrees = metres * 10_000_000 / 111_000;
    Place {
        lat_e7: place.lat_e7 + i32::try_from(degrees).unwrap_or_default(),
        ..place
    }
}
