//! The rules of a community policing team, pure: no clock, no IO, no randomness, no wire types.
//!
//! An aggregate is a file with its `Command`, `Event`, `Refusal`, state, `decide`, `evolve` and
//! tests, a `mod` line here and a line in [`aggregates`].

pub mod aggregates;
pub mod encoding;
pub mod envelope;
pub mod ids;
pub mod personal;
pub mod place;
pub mod refusal;
pub mod stream;
pub mod world;

#[cfg(test)]
mod evolve_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod state_table;
#[cfg(test)]
mod testing;

pub mod account;
pub mod award;
pub mod campaign;
pub mod checkpoint;
pub mod claim;
pub mod clock;
pub mod dispute;
pub mod genesis;
pub mod hazard;
pub mod household;
pub mod import_batch;
pub mod lead;
pub mod lead_source;
pub mod member;
pub mod open_item;
pub mod patrol_shift;
pub mod person;
pub mod person_day;
pub mod policy_set;
pub mod principal;
pub mod projection;
pub mod reaction;
pub mod reactions;
pub mod redemption;
pub mod residence;
pub mod reward_item;
pub mod reward_use;
pub mod separation;
pub mod team;
pub mod unit;
pub mod zone_plan;

pub use aggregates::{Command, Event};
pub use envelope::{Channel, Envelope, Instant, Trust, Visibility};
pub use personal::Personal;
pub use refusal::{RefusalKind, Refused, Stop};
pub use stream::StreamName;
pub use world::{Actor, Aggregate, Context, Decision, NewEvent, Stamp, World};
