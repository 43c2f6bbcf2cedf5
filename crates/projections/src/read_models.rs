//! The read models, one file each, and the one list that registers them.
//!
//! A new model is a file under `read_models/`, a `mod` line

pub mod activities;
pub mod balances;
pub mod case_board;
pub mod members;
pub mod patrol_coverage;
pub mod reaction_work;
pub mod units;
pub mod zones;

use crate::models::read_models;

read_models! {
    activities: activities::Activities,
    balances: balances::Balances,
    case_board: case_board::CaseBoard,
    members: members::Members,
    patrol_coverage: patrol_coverage::PatrolCoverage,
    reaction_work: reaction_work::ReactionWork,
    units: units::Units,
    zones: zones::Zones,
}
