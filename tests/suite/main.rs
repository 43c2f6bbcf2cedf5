//! End-to-end tests: the real binary, a real client, real folders.
//!
//! - `harness`: builds and runs the binary, starts and ends the service
//! - `town`: a small community set up through the API, and what its people do
//! - `raw`: calls below the client, for what a good client never sends
//! - one module for each promise; its head says which
//!
//! Every test has a folder and a service of its own; all of them can run at once.

mod harness;
mod raw;
mod town;

mod awards;
mod cli;
mod consistency;
mod damage;
mod demo;
mod import;
mod kill;
mod races;
mod read_only;
mod recount;
mod repeats;
mod replay;
mod shutdown;
mod wrong_input;
