//! The read models of benniu, the engine that feeds them, and what runs beside it.
//!
//! - `read_model`: what a model is; `read_models`: one file each, and the list of them
//! - `by_time`: rows in the order of an instant, and pages of them
//! - `build`: the content of a model up to a position; `pages`: its partitions, read when asked for
//! - `models`: a model with its builds; folds without an engine; `compare`: two builds by rows
//! - `feed`: commits as facts; `views`: builds as files, a cache
//! - `pace`: keeps what is folded beside to its share of the time
//! - `engine`: feeds all models from a log, in order, and keeps them healthy
//! - `supposing`: the commits of a log as they would stand under other rules, for a what-if
//! - `reactions`: runs the domain's reactions; `consequences`: waits for what follows from a write
//! - `timers`: records what falls due; `submit`: how both hand commands in
//!
//! Read models never decide and deciders never read them. Rebuilding one runs no reaction and no
//! timer.

pub mod build;
pub mod by_time;
pub mod compare;
pub mod consequences;
pub mod engine;
pub mod feed;
pub mod models;
mod pace;
pub mod pages;
pub mod reactions;
pub mod read_model;
pub mod read_models;
pub mod submit;
pub mod supposing;
pub mod timers;
pub mod views;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use build::{Build, Checksum};
pub use consequences::Consequences;
pub use engine::Engine;
pub use models::Slot;
pub use reactions::Reactions;
pub use read_model::{Fact, ReadModel};
pub use read_models::Models;
pub use timers::Timers;
