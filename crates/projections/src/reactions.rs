//! The runner of reactions: follows the log and hands in what each reaction answers.
//!
//! Owns cursors (a cache: a lost one only means work done again, which derived command ids make
//! harmless), what becomes of a refusal, and how far each reaction has come. Commands that
//! concern one stream keep the order of their causes; those of different streams run at once.
//! What a reaction answers stands in [`domain::reactions`]; a rebuild never runs one.

mod cursor;
mod runner;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Refused, reactions};
use eventlog::{EventLog, ReadError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::submit::{Submit, SubmitError};
use runner::Runner;

pub use runner::STUCK_RETRY;

/// Subject of the principal in whose name reactions act.
pub const SUBJECT: &str = "system:reaction";

/// How reactions run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Folder of the cursors; none: every start begins where the reaction was enabled.
    pub views: Option<PathBuf>,
    /// Hand commands in one after the other, in the order of their causes, also where they
    /// concern different streams: so that a seeded run writes the same log again.
    pub one_by_one: bool,
}

/// Notes for every reaction that each event up to the head of the log is answered, so that the next
/// start does not ask again; by whoever has answered them all in the way the runner does.
pub fn keep_cursors(log: &dyn EventLog, views: &Path) {
    let head = log.head();
    for reaction in reactions::ALL {
        let cursor = cursor::Cursor {
            log_id: log.log_id(),
            epoch: head.epoch,
            reaction: reaction.name.to_owned(),
            handled: head.position,
        };
        cursor::write(views, &cursor);
    }
}

/// How far a reaction has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handled {
    /// True once it is enabled; before that it has nothing to answer.
    pub enabled: bool,
    /// Every event up to here is answered, or stands stuck.
    pub position: u64,
}

/// How a reaction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionHealth {
    /// Its name.
    pub name: &'static str,
    /// How far it has come.
    pub handled: Handled,
    /// Events it is behind the log.
    pub lag_events: u64,
    /// Work that stands stuck: causing position and number of the command.
    pub stuck: Vec<(u64, u32)>,
    /// Why it waits or has stopped, if so.
    pub error: Option<String>,
}

/// Why a retry changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// There is no such reaction.
    #[error("there is no reaction '{0}'")]
    NoSuchReaction(String),
    /// Nothing of this cause stands stuck.
    #[error("no work of this reaction stands stuck for this cause")]
    NotStuck,
    /// It is refused again.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// It was not taken for another reason.
    #[error("{0}")]
    Submit(SubmitError),
    /// The cause cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The cause means nothing to this version.
    #[error("{0}")]
    Unreadable(String),
}

/// The running reactions; cheap to clone.
#[derive(Clone)]
pub struct Reactions {
    runners: Arc<[Arc<Runner>]>,
    log: Arc<dyn EventLog>,
    stop: watch::Sender<bool>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Reactions {
    /// Starts to follow the log with every reaction there is; each does nothing until it is
    /// enabled. `views` is the folder of the cursors. Needs a tokio runtime.
    pub fn start(log: Arc<dyn EventLog>, submit: &Arc<dyn Submit>, views: Option<&Path>) -> Self {
        let views = views.map(Path::to_owned);
        let one_by_one = false;
        Self::start_with(log, submit, &Options { views, one_by_one })
    }

    /// The same with all options.
    pub fn start_with(log: Arc<dyn EventLog>, submit: &Arc<dyn Submit>, options: &Options) -> Self {
        Self::start_these(reactions::ALL, log, submit, options)
    }

    pub(crate) fn start_these(
        reactions: &[reactions::Reaction],
        log: Arc<dyn EventLog>,
        submit: &Arc<dyn Submit>,
        options: &Options,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let runners: Arc<[_]> = reactions
            .iter()
            .map(|reaction| {
                let (log, submit) = (Arc::clone(&log), Arc::clone(submit));
                Arc::new(Runner::new(*reaction, log, submit, options.clone()))
            })
            .collect();
        let tasks = runners
            .iter()
            .map(|runner| tokio::spawn(Arc::clone(runner).follow(stopped.clone())))
            .collect();
        Self {
            runners,
            log,
            stop,
            tasks: Arc::new(Mutex::new(tasks)),
        }
    }

    /// Follows how far each reaction has come, by name.
    pub fn handled(&self) -> Vec<(&'static str, watch::Receiver<Handled>)> {
        let each = self.runners.iter();
        each.map(|runner| (runner.name(), runner.watch())).collect()
    }

    /// Position of the last event that reactions wrote in answer to events up to `position`.
    pub(crate) fn wrote(&self, position: u64) -> u64 {
        let each = self.runners.iter().map(|runner| runner.wrote(position));
        each.max().unwrap_or_default()
    }

    /// Names of reactions with stuck work for causes up to `position`.
    pub fn stuck(&self, position: u64) -> Vec<&'static str> {
        let stuck =
            |runner: &&Arc<Runner>| runner.stuck().iter().any(|(cause, _)| *cause <= position);
        self.runners
            .iter()
            .filter(stuck)
            .map(|runner| runner.name())
            .collect()
    }

    /// How each reaction does.
    pub fn health(&self) -> Vec<ReactionHealth> {
        let head = self.log.head().position;
        self.runners
            .iter()
            .map(|runner| runner.health(head))
            .collect()
    }

    /// Tries stuck work again; answers the position up to which its result stands in the log.
    ///
    /// # Errors
    /// See [`RetryError`]; the work then stands stuck as before.
    pub async fn retry(&self, name: &str, cause: u64, n: u32) -> Result<u64, RetryError> {
        let runner = self.runners.iter().find(|runner| runner.name() == name);
        let runner = runner.ok_or_else(|| RetryError::NoSuchReaction(name.to_owned()))?;
        runner.retry(cause, n).await
    }

    /// Stops; what was handed in and not yet answered is found again by its id.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks: Vec<_> = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.drain(..).collect()
        };
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a reaction did not end by itself");
            }
        }
    }
}
