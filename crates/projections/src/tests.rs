//! Behaviour of the read models and the engine over histories made in code.

mod balances;
mod case_board;
mod coverage;
mod disputes;
mod engine;
mod goldens;
mod leads;
mod members;
mod patrol_day;
mod people;
mod reactions;
mod reports;
mod rewards;
mod rounds;
mod shifts;
mod snapshots;
mod timers;
mod town;
mod what_if;

use eventlog::EventLog;

use crate::Models;
use crate::fixture::History;

/// The models over a history, folded without an engine.
fn folded(history: &History) -> Models {
    Models::fold(history.log.read(1, u64::MAX)).expect("readable")
}
