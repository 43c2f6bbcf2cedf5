//! A new epoch: who may begin one, and its first commit.
//!
//! Owns what the note of a fork tells of its first commit, so that whoever opens the folder next can
//! finish it. The fork itself is `eventlog::fork`; who may start an epoch is a rule of the domain,
//! asked here before anything is changed.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use domain::genesis::{self, Command, EpochReason, Genesis, Parent};
use domain::ids::{PrincipalId, derived};
use domain::principal::Principal;
use domain::{Aggregate as _, Channel, StreamName};
use eventlog::execute::{self, ExecuteError, Executor, Request};
use eventlog::fork::{self, Pending};
use eventlog::{Clock, Commit, EventLog, Options, Receipt, SystemClock};
use projections::timers::Time;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::folder::{self, FolderError};

/// What a fork's note keeps for its first commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The login that began the epoch.
    pub principal: PrincipalId,
    /// Tells the epoch from any other of the same number.
    pub branch: Uuid,
    /// Why it began.
    pub reason: EpochReason,
}

/// Writes the first commit of an epoch that has begun; `None` where none has. May be repeated.
///
/// # Errors
/// [`FolderError`]; the folder then stays refused until it is tried again.
pub async fn finish(dir: &Path) -> Result<Option<Receipt>, FolderError> {
    let Some(pending) = fork::pending(dir)? else {
        return Ok(None);
    };
    let unreadable = |error: serde_json::Error| FolderError::ForkUnreadable {
        path: dir.to_owned(),
        why: error.to_string(),
    };
    let told: Told = serde_json::from_value(pending.told.clone()).map_err(unreadable)?;
    let opened = folder::open_by_its_clock(dir, fork::open_pending).await?;
    let clock: Arc<dyn Clock> = match opened.time {
        Time::Real(clock) => clock,
        Time::Simulated(clock) => Arc::new(clock),
    };
    let log: Arc<dyn EventLog> = Arc::new(opened.log);
    let executor = Executor::new(Arc::clone(&log), clock, opened.entropy, opened.born.zone);
    let request = first_commit(&pending, told);
    let receipt = executor
        .execute(request)
        .await
        .map_err(FolderError::Epoch)?;
    fork::settle(dir, &Options::new(Arc::new(SystemClock::new())))?;
    if let Err(error) = log.close() {
        tracing::warn!(%error, "the log was not closed cleanly; opening it will verify it");
    }
    Ok(Some(receipt))
}

fn first_commit(pending: &Pending, told: Told) -> Request {
    let command = Command::StartEpoch {
        epoch: pending.epoch,
        branch: told.branch,
        parent: Parent {
            parent_epoch: pending.parent_epoch,
            parent_position: pending.parent_position,
            parent_commits: pending.parent_commits,
            parent_root: pending.parent_root.clone(),
            claimed_position: pending.claimed,
        },
        reason: told.reason,
    };
    // The same however often it is tried.
    let id = derived("epoch", &[&pending.log_id, &pending.epoch, &told.branch]);
    Request::new(command, id, told.principal).through(Channel::Genesis)
}

/// Folds the commits of a log as far as is needed to know who administers it.
pub struct Administrators {
    principal: PrincipalId,
    login: StreamName,
    genesis: Folded,
    found: Folded,
    fault: Option<ExecuteError>,
}

type Folded = Option<Arc<dyn Any + Send + Sync>>;

impl Administrators {
    /// Asks whether the login with this subject administers the log.
    pub fn asked_for(subject: &str) -> Self {
        let principal = PrincipalId::of_subject(subject);
        Self {
            principal,
            login: Principal::stream(principal),
            genesis: None,
            found: None,
            fault: None,
        }
    }

    /// The login's id.
    pub fn principal(&self) -> PrincipalId {
        self.principal
    }

    /// Takes the next commit in.
    pub fn take(&mut self, commit: &Commit) {
        let of_log = Genesis::stream(genesis::KEY);
        for recorded in &commit.events {
            let state = if recorded.stream == of_log {
                &mut self.genesis
            } else if recorded.stream == self.login {
                &mut self.found
            } else {
                continue;
            };
            match execute::decode(recorded) {
                Ok(event) => {
                    let one = std::iter::once((&event, execute::stamp(recorded)));
                    let category = recorded.stream.category();
                    *state = domain::aggregates::evolve(category, state.take(), one);
                }
                Err(error) => self.fault = Some(error),
            }
        }
    }

    /// Whether the login is registered, not suspended and that of an administrator, by what was
    /// taken in.
    ///
    /// # Errors
    /// [`ExecuteError::Fault`] if an event could not be read.
    pub fn include(mut self) -> Result<bool, ExecuteError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let login = self
            .found
            .and_then(|state| state.downcast::<Principal>().ok());
        let genesis = self
            .genesis
            .and_then(|state| state.downcast::<Genesis>().ok());
        let (Some(login), Some(genesis)) = (login, genesis) else {
            return Ok(false);
        };
        let person = login.person.filter(|_| login.exists && !login.suspended);
        Ok(person.is_some_and(|person| genesis.administrators.contains(&person)))
    }
}
