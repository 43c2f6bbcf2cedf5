//! `activities`: what a rewarded activity is called, so that a statement can name it.
//!
//! A partition is a shift, a campaign wave or a dispute, by id. Owns titles only; hours and points belong to
//! other models. The name of a shift's zone stands in `zones`.

use domain::dispute::{self, DisputeKind};
use domain::ids::{UnitId, ZoneId};
use domain::{Event, Instant, campaign, patrol_shift};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::read_model::{Fact, ReadModel, Row, no_index, row_value};

/// The model.
#[derive(Debug)]
pub struct Activities;

/// What an activity is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Title {
    /// A patrol of a zone.
    Patrol {
        /// Where.
        community: UnitId,
        /// The zone patrolled.
        zone: ZoneId,
        /// Version of the zone plan that names it.
        zone_plan_version: u32,
        /// Start.
        from: Instant,
        /// End.
        until: Instant,
    },
    /// Help in settling a dispute; it never says whose.
    Mediation {
        /// Where.
        community: UnitId,
        /// What kind of dispute.
        kind: DisputeKind,
    },
    /// A campaign wave.
    Campaign {
        /// Where.
        community: UnitId,
        /// Its name.
        name: String,
        /// Which wave.
        wave: u32,
        /// Start.
        from: Instant,
        /// End.
        until: Instant,
    },
}

/// One activity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its title, once planned or filed.
    pub title: Option<Title>,
}

impl ReadModel for Activities {
    const NAME: &'static str = "activities";
    const SCHEMA_VERSION: u32 = 2;
    type Key = Uuid;
    type Partition = Activity;
    no_index!();

    fn wants(category: &str) -> bool {
        matches!(category, "patrol_shift" | "campaign" | "dispute")
    }

    fn partition(fact: &Fact<'_>) -> Option<Uuid> {
        match fact.event {
            Event::PatrolShift(
                patrol_shift::Event::ShiftPlanned { .. }
                | patrol_shift::Event::LateShiftFiled { .. },
            )
            | Event::Campaign(campaign::Event::CampaignPlanned { .. })
            | Event::Dispute(dispute::Event::DisputeRegistered { .. }) => fact.key(),
            _ => None,
        }
    }

    fn apply(activity: &mut Activity, fact: &Fact<'_>) {
        activity.title = match fact.event {
            Event::PatrolShift(patrol_shift::Event::ShiftPlanned {
                community,
                zone,
                zone_plan_version,
                from,
                until,
                ..
            }) => Some(Title::Patrol {
                community: *community,
                zone: *zone,
                zone_plan_version: *zone_plan_version,
                from: *from,
                until: *until,
            }),
            Event::PatrolShift(patrol_shift::Event::LateShiftFiled {
                community,
                zone,
                zone_plan_version,
                parts,
                ..
            }) => Some(Title::Patrol {
                community: *community,
                zone: *zone,
                zone_plan_version: *zone_plan_version,
                from: parts
                    .iter()
                    .map(|part| part.from)
                    .min()
                    .unwrap_or(fact.occurred_at()),
                until: parts
                    .iter()
                    .map(|part| part.until)
                    .max()
                    .unwrap_or(fact.occurred_at()),
            }),
            Event::Dispute(dispute::Event::DisputeRegistered {
                community, kind, ..
            }) => Some(Title::Mediation {
                community: *community,
                kind: *kind,
            }),
            Event::Campaign(campaign::Event::CampaignPlanned {
                community,
                name,
                wave,
                from,
                until,
            }) => Some(Title::Campaign {
                community: *community,
                name: name.clone(),
                wave: *wave,
                from: *from,
                until: *until,
            }),
            _ => return,
        };
    }

    fn rows(key: &Uuid, activity: &Activity) -> Vec<Row> {
        vec![(key.to_string(), row_value(activity))]
    }
}
