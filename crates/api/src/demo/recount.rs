//! The demo's figures counted again from the events alone, by plain code.
//!
//! Owns a second opinion: it uses neither deciders nor read models, so that a fault in these shows.

use std::collections::{BTreeMap, BTreeSet};

use eventlog::RecordedEvent;
use serde_json::Value;

/// What the events say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recount {
    /// Hazards imported.
    pub(crate) imported: u64,
    /// Of these, closed by their source.
    pub(crate) closed_by_source: u64,
    /// Breaches that stand, recorded and not withdrawn: stream and deadline.
    breached: BTreeSet<(String, String)>,
    /// Of these, closed by their source.
    closed: BTreeSet<String>,
    /// Breaches withdrawn.
    pub(crate) withdrawn: u64,
    /// Verified participations: stream and person.
    facts: BTreeMap<(String, String), u64>,
    /// Awards: activity's id and person.
    awards: BTreeMap<(String, String), u64>,
    /// Points granted and revised less reversed, by person.
    points: BTreeMap<String, i64>,
    /// Volunteers, and whether they are active.
    members: BTreeMap<String, bool>,
    /// Seconds of the intervals that verified patrol parts hold.
    pub(crate) patrol_seconds: u64,
    /// Anomalies that marked a scan or check-in.
    pub(crate) anomalies: u64,
    /// Events by type.
    pub(crate) types: BTreeMap<String, u64>,
}

impl Recount {
    /// Takes an event in.
    pub(crate) fn take(&mut self, event: &RecordedEvent) {
        let payload: Value = serde_json::from_slice(&event.payload).unwrap_or_default();
        let stream = event.stream.as_str();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        *self.types.entry(event.type_name.to_string()).or_default() += 1;
        self.anomalies += payload["anomalies"]
            .as_array()
            .map_or(0, |list| list.len() as u64);
        match (event.stream.category(), &*event.type_name) {
            ("hazard", "HazardReported") if !payload["imported"].is_null() => self.imported += 1,
            ("hazard", "ClosedBySource") => {
                self.closed_by_source += 1;
                self.closed.insert(stream.to_owned());
            }
            ("hazard", "DeadlineBreached") => {
                self.breached.insert((
                    stream.to_owned(),
                    text(&payload["due_at"]) + &text(&payload["purpose"]),
                ));
            }
            ("hazard", "BreachWithdrawn") => {
                self.withdrawn += 1;
                self.breached.remove(&(
                    stream.to_owned(),
                    text(&payload["due_at"]) + &text(&payload["purpose"]),
                ));
            }
            ("patrol_shift" | "campaign", "ParticipationVerified") => {
                let key = (event.stream.key().to_owned(), text(&payload["person"]));
                *self.facts.entry(key).or_default() += 1;
                for interval in payload["intervals"].as_array().into_iter().flatten() {
                    self.patrol_seconds += seconds(&interval[0], &interval[1]);
                }
            }
            ("dispute", "HelpVerified") => {
                let key = (event.stream.key().to_owned(), text(&payload["person"]));
                *self.facts.entry(key).or_default() += 1;
            }
            ("lead", "LeadValidated") if !payload["reward"].is_null() => {
                let reward = &payload["reward"];
                let key = (text(&reward["contribution"]), text(&reward["person"]));
                *self.facts.entry(key).or_default() += 1;
            }
            ("account", "AwardGranted") => {
                let person = text(&payload["person"]);
                let key = (text(&payload["activity"]["id"]), person.clone());
                *self.awards.entry(key).or_default() += 1;
                *self.points.entry(person).or_default() +=
                    payload["granted"].as_i64().unwrap_or_default();
            }
            ("account", "AwardReversed") => {
                *self
                    .points
                    .entry(event.stream.key().to_owned())
                    .or_default() -= payload["points"].as_i64().unwrap_or_default();
            }
            ("account", "AwardRevised") => {
                *self
                    .points
                    .entry(event.stream.key().to_owned())
                    .or_default() += payload["delta"].as_i64().unwrap_or_default();
            }
            ("member", "MemberApplied") => {
                let volunteer = payload["kind"] == "volunteer";
                self.members.remove(stream);
                if volunteer {
                    self.members.insert(stream.to_owned(), false);
                }
            }
            ("member", "MemberApproved" | "MemberReinstated") => self.set_member(stream, true),
            ("member", "MemberSuspended") => self.set_member(stream, false),
            ("member", "MemberLeft") => {
                self.members.remove(stream);
            }
            _ => {}
        }
    }

    fn set_member(&mut self, stream: &str, active: bool) {
        if let Some(member) = self.members.get_mut(stream) {
            *member = active;
        }
    }

    /// Breaches that stand, and how many of these hazards their source has closed.
    pub(crate) fn breaches(&self) -> (u64, u64) {
        let closed = self
            .breached
            .iter()
            .filter(|(stream, _)| self.closed.contains(stream))
            .count();
        (self.breached.len() as u64, closed as u64)
    }

    /// Active volunteers.
    pub(crate) fn volunteers(&self) -> u64 {
        self.members.values().filter(|active| **active).count() as u64
    }

    /// Verified participations.
    pub(crate) fn facts(&self) -> u64 {
        self.facts.values().sum()
    }

    /// Verified participations without exactly one award, and awards without one.
    pub(crate) fn unmatched(&self) -> u64 {
        let missing = self
            .facts
            .keys()
            .filter(|key| self.awards.get(*key) != Some(&1))
            .count();
        let foreign = self
            .awards
            .keys()
            .filter(|key| !self.facts.contains_key(*key))
            .count();
        (missing + foreign) as u64
    }

    /// Points by person.
    pub(crate) fn points(&self) -> &BTreeMap<String, i64> {
        &self.points
    }
}

/// Whole seconds between two instants as written.
fn seconds(from: &Value, until: &Value) -> u64 {
    let read = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        chrono::DateTime::parse_from_rfc3339(text).map_or(0, |at| at.timestamp())
    };
    u64::try_from(read(until) - read(from)).unwrap_or_default()
}
