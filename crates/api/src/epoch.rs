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

use crate::folder::{self, FolderError, Keeping};

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
    let opened = folder::open_by_its_clock(dir, fork::open_pending, Keeping::default()).await?;
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

#[cfg(test)]
mod tests {
    use eventlog::fork::{Held, Intent};
    use eventlog::{OpenError, ReadLog};
    use serde_json::{Value, json};

    use super::*;
    use crate::folder::Birth;

    const ADMIN: &str = "admin";

    /// A log on a simulated clock, forked at its end, with this note for its first commit.
    async fn forked(dir: &Path, told: Value) -> (u64, Pending) {
        let birth = Birth {
            origin: "test.example/log".to_owned(),
            zone: chrono_tz::Asia::Shanghai,
            administrator: ADMIN.to_owned(),
            simulated: Some((domain::Instant::default(), 1)),
            reactions_enabled: true,
            segment_bytes: None,
        };
        folder::bear(dir, &birth).await.unwrap();
        let log = ReadLog::open(dir).unwrap();
        let position = log.head().position;
        let options = Options::new(Arc::new(SystemClock::new()));
        let intent = Intent {
            epoch: 2,
            position,
            claimed: Some(position + 3),
            told,
        };
        let held = Held::take(dir, &options).unwrap();
        (position, held.fork(log.log_id(), &intent).unwrap())
    }

    fn told(subject: &str) -> Value {
        let told = Told {
            principal: PrincipalId::of_subject(subject),
            branch: Uuid::from_u128(7),
            reason: EpochReason::AcceptedLoss {
                finding: "a block is lost".to_owned(),
            },
        };
        serde_json::to_value(told).unwrap()
    }

    #[tokio::test]
    async fn a_fork_that_was_cut_short_is_finished_before_anything_is_served() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let (end, pending) = forked(&path, told(ADMIN)).await;
        let refused = ReadLog::open(&path).err();
        assert!(matches!(refused, Some(OpenError::ForkPending { .. })));

        let (backend, _) = folder::open(&path).await.unwrap();
        let head = backend.executor.log().head();
        assert_eq!((head.epoch, head.position), (2, end + 1));
        let genesis = backend.genesis().unwrap();
        assert_eq!(
            (genesis.epoch, genesis.branch),
            (2, Some(Uuid::from_u128(7)))
        );
        backend.stop().await.unwrap();
        let log = ReadLog::open(&path).unwrap();
        let commit = log.commit_at(end + 1).unwrap().unwrap();
        let event = execute::decode(&commit.events[0]).unwrap();
        let domain::Event::Genesis(genesis::Event::EpochStarted { parent, .. }) = event else {
            panic!("{event:?}");
        };
        assert_eq!(parent.parent_root, pending.parent_root);
        assert_eq!(
            (parent.parent_position, parent.claimed_position),
            (end, Some(end + 3))
        );
        assert_eq!(finish(&path).await.unwrap(), None, "once is enough");
    }

    #[tokio::test]
    async fn the_first_commit_is_written_once_however_often_the_fork_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let (end, _) = forked(&path, told(ADMIN)).await;
        let note = std::fs::read(path.join("fork")).unwrap();
        let first = finish(&path).await.unwrap().unwrap();
        // As if the process had died before it removed the note.
        std::fs::write(path.join("fork"), note).unwrap();
        let again = finish(&path).await.unwrap().unwrap();
        assert_eq!(
            (again.position, again.commit_hash, again.replayed),
            (end + 1, first.commit_hash, true)
        );
        assert_eq!(ReadLog::open(&path).unwrap().head().position, end + 1);
    }

    #[tokio::test]
    async fn a_fork_whose_first_commit_is_refused_is_never_served() {
        for (told, unreadable) in [(told("nobody"), false), (json!({"who": 1}), true)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("data");
            let (end, _) = forked(&path, told).await;
            for _ in 0..2 {
                let refused = folder::open(&path).await.err();
                let as_expected = match refused {
                    Some(FolderError::ForkUnreadable { .. }) => unreadable,
                    Some(FolderError::Epoch(_)) => !unreadable,
                    _ => false,
                };
                assert!(as_expected);
            }
            let log = fork::open_pending(&path, &Options::new(Arc::new(SystemClock::new())));
            assert_eq!(log.unwrap().head().position, end, "nothing was written");
        }
    }

    #[tokio::test]
    async fn only_the_logins_of_administrators_count_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        forked(&path, told(ADMIN)).await;
        finish(&path).await.unwrap();
        let log = ReadLog::open(&path).unwrap();
        let administers = |subject: &str, until: u64| {
            let mut administrators = Administrators::asked_for(subject);
            for commit in log.read(1, until) {
                administrators.take(&commit.unwrap());
            }
            administrators.include().unwrap()
        };
        let end = log.head().position;
        assert!(administers(ADMIN, end));
        assert!(!administers(ADMIN, 0), "before the birth there is none");
        for nobody in ["", "nobody", "system:reaction"] {
            assert!(!administers(nobody, end), "{nobody}");
        }
    }
}
