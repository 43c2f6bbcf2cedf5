//! Places on the earth: points as integers, distances, zones.
//!
//! Owns coordinates and the geometry the rules use. No floats are stored.

use serde::{Deserialize, Serialize};

/// Mean radius of the earth in metres (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A point in WGS 84, in units of 1e-7 degree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Latitude, -90°..=90°.
    pub lat_e7: i32,
    /// Longitude, -180°..=180°.
    pub lon_e7: i32,
}

impl Place {
    /// A place from degrees; `None` if it is not on the earth.
    pub fn from_degrees(lat: f64, lon: f64) -> Option<Self> {
        let on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "both products fit, see the check"
        )]
        on_earth.then(|| Self {
            lat_e7: (lat * 1e7).round() as i32,
            lon_e7: (lon * 1e7).round() as i32,
        })
    }

    /// True if it is on the earth.
    pub fn is_on_earth(self) -> bool {
        (-900_000_000..=900_000_000).contains(&self.lat_e7)
            && (-1_800_000_000..=1_800_000_000).contains(&self.lon_e7)
    }

    /// Latitude in degrees.
    pub fn lat(self) -> f64 {
        f64::from(self.lat_e7) / 1e7
    }

    /// Longitude in degrees.
    pub fn lon(self) -> f64 {
        f64::from(self.lon_e7) / 1e7
    }

    /// Distance along the great circle in whole metres (haversine).
    pub fn distance_m(self, other: Self) -> u32 {
        let (lat1, lat2) = (self.lat().to_radians(), other.lat().to_radians());
        let half_lat = (lat2 - lat1) / 2.0;
        let half_lon = (other.lon() - self.lon()).to_radians() / 2.0;
        let a = half_lat.sin().powi(2) + lat1.cos() * lat2.cos() * half_lon.sin().powi(2);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most half the circumference, 20,015 km"
        )]
        let metres = (2.0 * EARTH_RADIUS_M * a.sqrt().min(1.0).asin()).round() as u32;
        metres
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_latitude_is_about_1853_metres() {
        let a = Place::from_degrees(32.0, 120.0).expect("on earth");
        let b = Place::from_degrees(32.0 + 1.0 / 60.0, 120.0).expect("on earth");
        assert_eq!(a.distance_m(b), 1_853);
        assert_eq!(a.distance_m(a), 0);
    }

    #[test]
    fn places_off_the_earth_are_none() {
        assert_eq!(Place::from_degrees(90.1, 0.0), None);
        assert_eq!(Place::from_degrees(f64::NAN, 0.0), None);
    }
}
