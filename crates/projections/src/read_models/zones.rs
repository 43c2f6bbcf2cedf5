//! `zones`: the names of a community's patrol zones, by version of its plan.
//!
//! A partition is a community. Geometry stays in the events: the rules read it there.

use std::collections::BTreeMap;

use domain::ids::{UnitId, ZoneId};
use domain::{Event, Instant, zone_plan};
use serde::{Deserialize, Serialize};

use crate::read_model::{Fact, ReadModel, Row, no_index, pairs, row_value};

/// The model.
#[derive(Debug)]
pub struct Zones;

/// One version of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// From when on it is in force.
    pub effective_from: Instant,
    /// The names of its zones.
    #[serde(with = "pairs")]
    pub names: BTreeMap<ZoneId, String>,
}

/// The plans of a community.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plans {
    /// By version.
    #[serde(with = "pairs")]
    pub versions: BTreeMap<u32, Plan>,
}

impl Plans {
    /// The name of a zone in a version of the plan.
    pub fn name(&self, version: u32, zone: ZoneId) -> Option<&str> {
        self.versions
            .get(&version)?
            .names
            .get(&zone)
            .map(String::as_str)
    }

    /// The name of a zone in the newest version that has it.
    pub fn latest_name(&self, zone: ZoneId) -> Option<&str> {
        self.versions
            .values()
            .rev()
            .find_map(|plan| plan.names.get(&zone))
            .map(String::as_str)
    }
}

impl ReadModel for Zones {
    const NAME: &'static str = "zones";
    const SCHEMA_VERSION: u32 = 1;
    type Key = UnitId;
    type Partition = Plans;
    no_index!();

    fn wants(category: &str) -> bool {
        category == "zone_plan"
    }

    fn partition(fact: &Fact<'_>) -> Option<UnitId> {
        let Event::ZonePlans(zone_plan::Event::ZonePlanAdopted { community, .. }) = fact.event
        else {
            return None;
        };
        Some(*community)
    }

    fn apply(plans: &mut Plans, fact: &Fact<'_>) {
        let Event::ZonePlans(zone_plan::Event::ZonePlanAdopted {
            version,
            zones,
            effective_from,
            ..
        }) = fact.event
        else {
            return;
        };
        let names = zones
            .iter()
            .map(|zone| (zone.zone, zone.name.clone()))
            .collect();
        plans.versions.insert(
            *version,
            Plan {
                effective_from: *effective_from,
                names,
            },
        );
    }

    fn rows(key: &UnitId, plans: &Plans) -> Vec<Row> {
        plans
            .versions
            .iter()
            .map(|(version, plan)| (format!("{key}/{version:010}"), row_value(plan)))
            .collect()
    }
}
