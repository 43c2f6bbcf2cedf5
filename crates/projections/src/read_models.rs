//! The read models, one file each, and the one list that registers them.
//!
//! A new model is a file under `read_models/`, a `mod` line

pub mod activities;
pub mod balances;
pub mod case_board;
pub mod disputes;
pub mod hazard_report;
pub mod hot_spots;
pub mod households;
pub mod leaderboard;
pub mod leads;
pub mod mediation_report;
pub mod members;
pub mod missed_alarms;
pub mod patrol_coverage;
pub mod reaction_work;
pub mod redemptions;
pub mod reward_items;
pub mod shifts;
pub mod stock_book;
pub mod teams;
pub mod units;
pub mod volunteer_growth;
pub mod zones;

use crate::models::read_models;

read_models! {
    activities: activities::Activities,
    balances: balances::Balances,
    case_board: case_board::CaseBoard,
    disputes: disputes::Disputes,
    hazard_report: hazard_report::HazardReport,
    hot_spots: hot_spots::HotSpots,
    households: households::Households,
    leaderboard: leaderboard::Leaderboard,
    leads: leads::Leads,
    mediation_report: mediation_report::MediationReport,
    members: members::Members,
    missed_alarms: missed_alarms::MissedAlarms,
    patrol_coverage: patrol_coverage::PatrolCoverage,
    reaction_work: reaction_work::ReactionWork,
    redemptions: redemptions::Redemptions,
    reward_items: reward_items::RewardItems,
    shifts: shifts::Shifts,
    stock_book: stock_book::StockBook,
    teams: teams::Teams,
    units: units::Units,
    volunteer_growth: volunteer_growth::VolunteerGrowth,
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
                let name =
                    plans.and_then(|plans| plans.versions.get(zone_plan_version)?.name(*zone));
                name.map(str::to_owned)
            }
            activities::Title::Campaign { .. } | activities::Title::Mediation { .. } => None,
        };
        Some(NamedActivity { title, zone_name })
    }
}
