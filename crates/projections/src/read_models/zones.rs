//! `zones`: a community's patrol zones as drawn, by version of its plan.
//!
//! A partition is a community. Rules never read them here.

use std::collections::BTreeMap;

use domain::ids::{UnitId, ZoneId};
use domain::zone_plan::{self, Zone};
use domain::{Event, Instant};
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
    /// Its zones, in the order of the drawing.
    pub zones: Vec<Zone>,
}

/// The plans of a community.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plans {
    /// By version.
    #[serde(with = "pairs")]
    pub versions: BTreeMap<u32, Plan>,
}

impl Plan {
    /// The name of a zone.
    pub fn name(&self, zone: ZoneId) -> Option<&str> {
        let drawn = self.zones.iter().find(|drawn| drawn.zone == zone);
        drawn.map(|drawn| drawn.name.as_str())
    }
}

impl Plans {
    /// The plan in force at an instant.
    pub fn in_force(&self, at: Instant) -> Option<&Plan> {
        let mut latest_first = self.versions.values().rev();
        latest_first.find(|plan| plan.effective_from <= at)
    }

    /// The name of a zone in the newest version that has it.
    pub fn latest_name(&self, zone: ZoneId) -> Option<&str> {
        let mut latest_first = self.versions.values().rev();
        latest_first.find_map(|plan| plan.name(zone))
    }
}

impl ReadModel for Zones {
    const NAME: &'static str = "zones";
    const SCHEMA_VERSION: u32 = 2;
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
        plans.versions.insert(
            *version,
            Plan {
                effective_from: *effective_from,
                zones: zones.clone(),
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
