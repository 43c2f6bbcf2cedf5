//! The read models, one file each, and the one list that registers them.
//!
//! A new model is a file under `read_models/`, a `mod` line

pub mod activities;
pub mod balances;
pub mod case_board;
pub mod disputes;
pub mod households;
pub mod leads;
pub mod members;
pub mod patrol_coverage;
pub mod reaction_work;
pub mod redemptions;
pub mod reward_items;
pub mod shifts;
pub mod teams;
pub mod units;
pub mod zones;

use crate::models::read_models;

read_models! {
    activities: activities::Activities,
    balances: balances::Balances,
    case_board: case_board::CaseBoard,
    disputes: disputes::Disputes,
    households: households::Households,
    leads: leads::Leads,
    members: members::Members,
    patrol_coverage: patrol_coverage::PatrolCoverage,
    reaction_work: reaction_work::ReactionWork,
    redemptions: redemptions::Redemptions,
    reward_items: reward_items::RewardItems,
    shifts: shifts::Shifts,
    teams: teams::Teams,
    units: units::Units,
    zones: zones::Zones,
}

/// An activity by name, for a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedActivity {
    /// What it is.
    pub title: activities::Title,
    /// The name of the zone patrolled, of a patrol.
    pub zone_name: Option<String>,
}

impl Models {
    /// The name of a rewarded activity: a shift's zone and time, a campaign's name and wave.
    /// Read together with nothing else: each model answers as of its own position.
    pub fn activity(&self, id: uuid::Uuid) -> Option<NamedActivity> {
        let title = self.activities.read().partitions.get(&id)?.title.clone()?;
        let zone_name = match &title {
            activities::Title::Patrol {
                community,
                zone,
                zone_plan_version,
                ..
            } => {
                let zones = self.zones.read();
                let plans = zones.partitions.get(community);
                let name = plans.and_then(|plans| plans.name(*zone_plan_version, *zone));
                name.map(str::to_owned)
            }
            activities::Title::Campaign { .. } | activities::Title::Mediation { .. } => None,
        };
        Some(NamedActivity { title, zone_name })
    }
}
