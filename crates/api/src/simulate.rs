//! A realistic history, written through the real deciders on a simulated clock: for benchmarks, for
//! trying things, for tests.
//!
//! Owns the order of a simulation: a log is born, the units above are founded, then every community
//! lives its days. What a community does stands in one file for each activity, how often in `rates`.
//! Each community draws from a generator of its own and decides on its own streams; commits are put
//! in order by `pace`, so that the number of threads changes nothing. Reactions and timers are
//! answered as their runners do, under the same command ids, so that a service that goes on with the
//! log finds their work done. Holds no rule.

mod campaigns;
mod community;
mod dice;
mod disputes;
mod hazards;
mod leads;
mod pace;
mod patrols;
mod people;
mod places;
mod rates;
mod rewards;
mod town;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use domain::Instant;
use eventlog::execute::ExecuteError;
use eventlog::{AppendError, CloseError, DiskLog, EventLog, ReadError};

use crate::folder::{self, Birth, FolderError, Keeping};

/// Subject of the administrator of a simulated log.
pub const ADMIN: &str = "admin";
/// Most communities of one simulation: those of a province.
pub const COMMUNITIES_MAX: u32 = 21_000;
/// Most days of one simulation: ten years.
pub const DAYS_MAX: u32 = 3_653;
/// Most threads that decide.
pub const THREADS_MAX: u32 = 256;

/// What is to be simulated.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Folder to write the log to; missing or empty.
    pub data: PathBuf,
    /// Communities, 1..=[`COMMUNITIES_MAX`].
    pub communities: u32,
    /// Days that they live, 1..=[`DAYS_MAX`].
    pub days: u32,
    /// What everything is drawn from.
    pub seed: u64,
    /// Threads that decide, 1..=[`THREADS_MAX`]; no part of what is written.
    pub threads: u32,
}

/// How far a simulation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Days that have passed.
    pub days: u32,
    /// Events written.
    pub events: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Events of the log.
    pub events: u64,
    /// Commits of the log.
    pub commits: u64,
    /// Root of the tree over all commits.
    pub root: [u8; 32],
    /// Events by category of stream and type.
    pub by_type: BTreeMap<String, BTreeMap<String, u64>>,
    /// Commands that a rule refused, by its name: nothing was written for them.
    pub refused: BTreeMap<String, u64>,
}

/// Why a simulation stopped short; what was written until then is whole.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A command could not be executed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// The log did not take a commit.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log was not closed cleanly.
    #[error(transparent)]
    Close(#[from] CloseError),
    /// Something is not as the simulation must have it: a fault of this program.
    #[error("fault: {0}")]
    Fault(String),
}

/// Writes a history into a folder that is missing or empty. Needs a multi-threaded tokio runtime.
///
/// # Errors
/// See [`SimulateError`]; a folder that holds something is left as it was.
pub async fn run(
    plan: &Plan,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Outcome, SimulateError> {
    let birth = Birth {
        origin: "benniu.example/simulated".to_owned(),
        zone: chrono_tz::Asia::Shanghai,
        administrator: ADMIN.to_owned(),
        simulated: Some((rates::begins_at(), plan.seed)),
        reactions_enabled: true,
        segment_bytes: None,
    };
    folder::bear(&plan.data, &birth).await?;
    let opened = folder::open_by_its_clock(&plan.data, DiskLog::open, &Keeping::default()).await?;
    let log: Arc<dyn EventLog> = Arc::new(opened.log);
    let town = town::found(plan, &log, opened.time, opened.entropy, opened.born.zone).await?;
    let (plan, running) = (plan.clone(), Arc::clone(&log));
    let runtime = tokio::runtime::Handle::current();
    // Deciding and waiting for the disk block, so this thread is given away while they do.
    let lived =
        tokio::task::block_in_place(|| pace::live(&plan, &town, &running, &runtime, progress));
    let lived = match lived {
        Ok(lived) => lived,
        Err(error) => {
            log.close()?;
            return Err(error);
        }
    };
    log.close()?;
    projections::reactions::keep_cursors(&*log, &plan.data.join("views"));
    let head = log.head();
    Ok(Outcome {
        events: head.position,
        commits: head.commits,
        root: head.root,
        by_type: lived.by_type,
        refused: lived.refused,
    })
}

/// An instant in the communities' time.
fn local(day: chrono::NaiveDate, minute_of_day: i64) -> Instant {
    use chrono::TimeZone as _;
    let midnight = day.and_time(chrono::NaiveTime::MIN) + chrono::Duration::minutes(minute_of_day);
    // Shanghai has had one offset since 1991.
    let time = chrono_tz::Asia::Shanghai
        .from_local_datetime(&midnight)
        .earliest();
    time.map(|time| time.to_utc()).unwrap_or_default()
}
