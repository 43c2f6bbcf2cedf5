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
