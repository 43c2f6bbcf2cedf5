//! How reactions and timers hand commands in: the one write path, with bounded patience.
//!
//! Owns what counts as "try again", "refused" and "over". Never decides.

use std::time::Duration;

use domain::ids::PrincipalId;
use domain::{Channel, Command, Refused};
use eventlog::execute::{ExecuteError, Executor, Request};
use eventlog::{AppendError, BoxFuture};
use uuid::Uuid;

/// First wait before a command is handed in again.
const BACKOFF_FIRST: Duration = Duration::from_millis(10);
/// Longest wait before a command is handed in again.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A command of the system itself.
#[derive(Debug, Clone)]
pub struct Submission {
    /// What is asked.
    pub command: Command,
    /// Derived, so that a repeat is found.
    pub command_id: Uuid,
    /// Subject of the system's principal (`system:reaction`, `system:timer`).
    pub subject: &'static str,
    /// The door.
    pub channel: Channel,
    /// Position of the event it follows from.
    pub cause: Option<u64>,
}

/// Why a command of the system was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// A rule refuses it.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// Its id stands for other content: it was done before, by other code.
    #[error("this command id was used before with other content")]
    OtherContent,
    /// Not now: it may be handed in again.
    #[error("not now: {0}")]
    Busy(String),
    /// It cannot be executed, however often it is tried.
    #[error("{0}")]
    Faulty(String),
    /// The log takes nothing any more until it is opened again.
    #[error("{0}")]
    Over(String),
}

/// Takes commands of the system.
pub trait Submit: Send + Sync + 'static {
    /// Executes a command; answers the position of its commit's last event, also for a repeat.
    fn submit(&self, submission: Submission) -> BoxFuture<'_, Result<u64, SubmitError>>;
}

impl Submit for Executor {
    fn submit(&self, submission: Submission) -> BoxFuture<'_, Result<u64, SubmitError>> {
        Box::pin(async move {
            let principal = PrincipalId::of_subject(submission.subject);
            let mut request = Request::new(submission.command, submission.command_id, principal)
                .through(submission.channel);
            request.cause = submission.cause;
            match self.execute(request).await {
                Ok(receipt) => Ok(receipt.position),
                Err(error) => Err(sort(error)),
            }
        })
    }
}

fn sort(error: ExecuteError) -> SubmitError {
    match error {
        ExecuteError::Refused(refused) => SubmitError::Refused(refused),
        ExecuteError::OtherContent => SubmitError::OtherContent,
        ExecuteError::Log(
            AppendError::Poisoned(_) | AppendError::ReadOnly | AppendError::Closed,
        ) => SubmitError::Over(error.to_string()),
        ExecuteError::Log(AppendError::TooLarge { .. } | AppendError::Malformed(_))
        | ExecuteError::TooManyStreams
        | ExecuteError::ActingForNotAllowed
        | ExecuteError::Fault(_) => SubmitError::Faulty(error.to_string()),
        // A principal may be reinstated, a clock comes back, a queue empties.
        _ => SubmitError::Busy(error.to_string()),
    }
}

/// Hands a command in until it is taken or refused, waiting longer each time up to a bound. It
/// never gives up by itself: whoever stops the runner drops the future, and the derived id makes
/// that harmless. `waiting` is told why it waits.
pub(crate) async fn persist(
    submit: &dyn Submit,
    submission: Submission,
    waiting: impl Fn(Option<String>),
) -> Result<u64, SubmitError> {
    let mut backoff = BACKOFF_FIRST;
    loop {
        match submit.submit(submission.clone()).await {
            Err(SubmitError::Busy(why)) => {
                waiting(Some(why));
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            outcome => {
                waiting(None);
                return outcome;
            }
        }
    }
}
