//! End-to-end tests: the real binary, a real client, real folders.
//!
//! - `harness`: builds and runs the binary, starts and ends the service
//! - `town`: a small community set up through the API, and what its people do
//! - `disk`: a small disk, to be filled and cut off
//! - `load`: commands and questions that are cut off again and again
//! - `strace`: what a transcript of the service's system calls proves
//! - `raw`: calls below the client, for what a good client never sends
//! - one module for each promise; its head says which
//!
//! Every test has a folder and a service of its own; all of them can run at once.

mod disk;
mod harness;
mod load;
mod raw;
mod strace;
mod town;

mod awards;
mod backup;
mod batches;
mod build_kills;
mod builds;
mod cli;
mod consistency;
mod damage;
mod demo;
mod durable;
mod epochs;
mod formats;
mod hazards;
mod import;
mod kill;
mod leads;
mod log_info;
mod mediation;
mod metrics;
mod patrol;
mod people;
mod power;
mod races;
mod read_only;
mod records;
mod recount;
mod repeats;
mod replay;
mod reports;
mod scrub;
mod shutdown;
mod simulate;
mod snapshots;
mod space;
mod spending;
mod stuck;
mod what_if;
mod wrong_input;
