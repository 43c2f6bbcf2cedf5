//! From the domain's types to the protocol's: what answers are made of.
//!
//! Owns the shape of instants, places and receipts on the wire. The counterpart of
//! [`crate::parse`].

use domain::Instant;
use domain::place::Place;
use domain::unit::Imported;
use prost_types::Timestamp;

use crate::wire;

/// An instant.
pub fn instant(instant: Instant) -> Timestamp {
    Timestamp {
        seconds: instant.timestamp(),
        // A leap second would not fit; the calendar here has none.
        nanos: i32::try_from(instant.timestamp_subsec_nanos().min(999_999_999)).unwrap_or(0),
    }
}

impl From<Place> for wire::Place {
    fn from(place: Place) -> Self {
        Self {
            lat_e7: place.lat_e7,
            lon_e7: place.lon_e7,
        }
    }
}

impl From<Imported> for wire::Imported {
    fn from(imported: Imported) -> Self {
        Self {
            batch_id: imported.batch.to_string(),
            source: imported.source,
            external_id: imported.external_id,
        }
    }
}

impl From<eventlog::Receipt> for wire::Receipt {
    fn from(receipt: eventlog::Receipt) -> Self {
        let versions = receipt.stream_versions.into_iter();
        Self {
            epoch: receipt.epoch,
            position: receipt.position,
            commit_number: receipt.commit_number,
            commit_hash: receipt.commit_hash.to_vec(),
            stream_versions: versions
                .map(|(stream, version)| wire::StreamVersion {
                    stream: stream.into(),
                    version,
                })
                .collect(),
            recorded_at: Some(instant(receipt.recorded_at)),
            replayed: receipt.replayed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_goes_there_and_back() {
        let micros = Instant::from_timestamp_micros(1_234_567_890_123_456).expect("an instant");
        assert_eq!(
            crate::parse::instant("at", Some(instant(micros))),
            Ok(micros)
        );
    }
}
