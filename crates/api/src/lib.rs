//! The rim of benniu: the gRPC services, who may call them, and the command line.
//!
//! - `wire`: the protocol, generated; `parse`: from it to the domain's types; `answer`: back
//! - `reading`: what an answer has seen; `paging`: pages of a list
//! - `gate`: what every request passes, against the table in `access`
//! - `services`: one file each; `status`: the one mapping of refusals and faults
//! - `backend`: what the services stand on; `folder`: opens one on a data folder; `lookup`: the key for identity numbers
//! - `server`: serves on a listener; `session`: calls a server; `cli`: the commands
//! - `scrub`: the verification of an open log, as callers see it; `metrics`: what is told in numbers
//! - `pictures`: answers as pictures, for the terminal, as SVG and HTML
//! - `demo`: the main job in one run, which checks itself
//! - `simulate`: a realistic history for benchmarks, written through the real deciders
//! - `import`: brings records of another system in; `boston_311`: reads those of Boston's 311 line
//!
//! Only this crate knows gRPC. It never holds a rule.

pub mod access;
pub mod answer;
pub mod backend;
pub mod boston_311;
pub mod cli;
pub mod demo;
pub mod epoch;
pub mod folder;
pub mod gate;
pub mod import;
pub mod lookup;
pub mod metrics;
pub mod paging;
pub mod parse;
mod pictures;
pub mod reading;
pub mod scrub;
pub mod server;
pub mod services;
pub mod session;
pub mod simulate;
pub mod status;
pub mod wire;

#[cfg(test)]
mod server_tests;
