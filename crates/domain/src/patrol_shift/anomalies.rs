//! What is odd about a scan or check-in, by the thresholds of the policy set.
//!
//! Owns the marks. Never rejects: a mark is for the one who verifies.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use serde::{Deserialize, Serialize};

use super::PatrolShift;
use super::command::Capture;
use crate::envelope::Instant;
use crate::ids::PersonId;
use crate::place::Place;
use crate::policy_set::Thresholds;

/// Seconds within which the same tag from two devices is odd.
pub const SAME_TAG_SECONDS: i64 = 60;

/// What is odd about a scan or check-in; it marks, it never rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anomaly {
    /// Further from the checkpoint than its radius.
    OutOfRadius,
    /// No position was given.
    NoFix,
    /// Too far from the person's scan before, for the time between.
    ImpossibleSpeed,
    /// The device's clock differs from ours.
    ClockSkew,
    /// The same tag from two devices within a minute.
    SameTagTwoDevices,
    /// One device used by two people on this shift.
    SameDeviceTwoPeople,
    /// Many tags within seconds.
    TagCluster,
    /// No device named.
    MissingDeviceSignature,
    /// Checked in later than the grace allows.
    LateCheckIn,
}

/// A scan, as far as later ones are compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Who.
    pub person: PersonId,
    /// What the tag said.
    pub tag: String,
    /// When, as claimed.
    pub at: Instant,
    /// Where the device was.
    pub place: Option<Place>,
    /// Which device.
    pub device: Option<String>,
}

/// What the capture alone shows. `opens`: nothing of this shift can have happened earlier.
pub(super) fn of_capture(
    capture: &Capture,
    thresholds: &Thresholds,
    opens: Instant,
    now: Instant,
) -> BTreeSet<Anomaly> {
    let mut odd = BTreeSet::new();
    if capture.place.is_none() {
        odd.insert(Anomaly::NoFix);
    }
    if capture.device.is_none() {
        odd.insert(Anomaly::MissingDeviceSignature);
    }
    let bound = Duration::seconds(i64::from(thresholds.clock_skew_seconds));
    let ahead = |at: Instant, of: Instant| at.signed_duration_since(of) > bound;
    let apart = |at: Instant, of: Instant| ahead(at, of) || ahead(of, at);
    // The time a scan waited on the device says nothing about its clock; without `sent_at` that
    // time cannot be told from a wrong clock.
    let skewed = match (capture.device_at, capture.sent_at) {
        (device_at, Some(sent_at)) => {
            apart(sent_at, now) || device_at.is_some_and(|at| ahead(at, sent_at))
        }
        (Some(device_at), None) => apart(device_at, now),
        (None, None) => false,
    };
    if skewed || capture.device_at.is_some_and(|at| at < opens) {
        odd.insert(Anomaly::ClockSkew);
    }
    odd
}

/// True if another person of the shift used this device.
pub(super) fn shared_device(shift: &PatrolShift, person: PersonId, device: Option<&str>) -> bool {
    device.is_some_and(|device| {
        let mut used = shift.devices.iter();
        used.any(|(other, by)| other == device && *by != person)
    })
}

/// What a comparison with the other scans of the shift shows.
pub(super) fn of_scan(
    shift: &PatrolShift,
    scan: &Scan,
    distance_m: Option<u32>,
    radius_m: u32,
    thresholds: &Thresholds,
) -> BTreeSet<Anomaly> {
    let mut odd = BTreeSet::new();
    if distance_m.is_some_and(|distance| distance > radius_m) {
        odd.insert(Anomaly::OutOfRadius);
    }
    if shared_device(shift, scan.person, scan.device.as_deref()) {
        odd.insert(Anomaly::SameDeviceTwoPeople);
    }
    let two_devices = shift.scans.iter().any(|other| {
        other.tag == scan.tag
            && other.device.is_some()
            && scan.device.is_some()
            && other.device != scan.device
            && seconds_between(other.at, scan.at) <= SAME_TAG_SECONDS
    });
    if two_devices {
        odd.insert(Anomaly::SameTagTwoDevices);
    }
    if too_fast(shift, scan, thresholds) {
        odd.insert(Anomaly::ImpossibleSpeed);
    }
    if clustered(shift, scan, thresholds) {
        odd.insert(Anomaly::TagCluster);
    }
    odd
}

fn seconds_between(a: Instant, b: Instant) -> i64 {
    a.signed_duration_since(b).num_seconds().abs()
}

/// Against the person's scan before it in time, not in the log: a batch may arrive in any order.
fn too_fast(shift: &PatrolShift, scan: &Scan, thresholds: &Thresholds) -> bool {
    let before = shift
        .scans
        .iter()
        .filter(|other| other.person == scan.person && other.at <= scan.at)
        .filter_map(|other| other.place.map(|place| (other.at, place)))
        .max_by_key(|(at, _)| *at);
    let (Some((at, from)), Some(to)) = (before, scan.place) else {
        return false;
    };
    // Less than a second counts as one, or two scans in one place would be infinitely fast.
    let seconds = seconds_between(at, scan.at).max(1);
    let metres = i64::from(from.distance_m(to));
    metres > seconds.saturating_mul(i64::from(thresholds.impossible_speed_m_per_s))
}

/// True if some window of the length given holds the scan and enough other tags of the person.
/// A tag scanned twice counts once: repeats of one scan are honest retries.
fn clustered(shift: &PatrolShift, scan: &Scan, thresholds: &Thresholds) -> bool {
    let window = Duration::seconds(i64::from(thresholds.tag_cluster_seconds));
    let mut near: BTreeSet<(Instant, &str)> = shift
        .scans
        .iter()
        .filter(|other| other.person == scan.person)
        .filter(|other| other.at.signed_duration_since(scan.at).abs() <= window)
        .map(|other| (other.at, other.tag.as_str()))
        .collect();
    near.insert((scan.at, scan.tag.as_str()));
    // The window slides over the scans; `inside` counts each tag's scans in it.
    let mut inside: BTreeMap<&str, u32> = BTreeMap::new();
    let mut left = near
        .iter()
        .copied()
        .collect::<std::collections::VecDeque<_>>();
    for (at, tag) in &near {
        *inside.entry(tag).or_default() += 1;
        while let Some((first, first_tag)) = left.front().copied()
            && at.signed_duration_since(first) > window
        {
            left.pop_front();
            if let Some(count) = inside.get_mut(first_tag) {
                *count -= 1;
                if *count == 0 {
                    inside.remove(first_tag);
                }
            }
        }
        let holds_scan = *at >= scan.at && left.front().is_some_and(|(first, _)| *first <= scan.at);
        if holds_scan && inside.len() >= thresholds.tag_cluster_scans as usize {
            return true;
        }
    }
    false
}
