//! The rim of benniu: the gRPC services, who may call them, and the command line.
//!
//! - `wire`: the protocol, generated; `parse`: from it to the domain's types; `answer`: back
//! - `gate`: what every request passes, against the table in `access`
//! - `services`: one file each; `status`: the one mapping of refusals and faults
//! - `backend`: what the services stand on; `lookup`: the key for identity numbers
//! - `server`: serves on a listener; `client`: calls a server; `cli`: the commands
//!
//! Only this crate knows gRPC. It never holds a rule.

pub mod access;
pub mod answer;
pub mod backend;
pub mod gate;
pub mod lookup;
pub mod parse;
pub mod server;
pub mod services;
pub mod status;
pub mod wire;
