//! Following a log: first what is there, then what comes, as one sequence. Owns the place that was
//! reached; buffers no more than one batch and never falls out of step, however slow the reader.

use std::sync::Arc;

use tokio::sync::watch;

use crate::commit::Commit;
use crate::limits::{SUBSCRIPTION_BYTES_MAX, SUBSCRIPTION_COMMITS_MAX};
use crate::log::{EventLog, ReadError};

/// A reader that follows a log. It pulls: nothing waits for it in memory, and it may stop at any
/// time. It keeps the log alive; who ends the service drops it.
pub struct Subscription<L: EventLog + ?Sized> {
    log: Arc<L>,
    /// The next position that is wanted.
    next: u64,
    published: watch::Receiver<u64>,
}

impl<L: EventLog + ?Sized> Subscription<L> {
    /// Follows `log` from a position on (positions start at 1, 0 means the same). The first commit
    /// is the one that holds that position, whole.
    pub fn new(log: Arc<L>, from: u64) -> Self {
        Self {
            published: log.watch(),
            next: from.max(1),
            log,
        }
    }

    /// The next position that is wanted: everything before it was given.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The next commits in order, at least one and at most `SUBSCRIPTION_COMMITS_MAX` or about
    /// `SUBSCRIPTION_BYTES_MAX` bytes of records; waits until there is one. Reading is done off the
    /// async threads. Dropping the future loses nothing: the same commits are given again. After an
    /// error the same place is tried again. `None` when the log is gone.
    pub async fn next(&mut self) -> Option<Result<Vec<Commit>, ReadError>> {
        let wanted = self.next;
        let reached = self.published.wait_for(|position| *position >= wanted);
        let head = *reached.await.ok()?;
        let log = Arc::clone(&self.log);
        let read = tokio::task::spawn_blocking(move || batch(&*log, wanted, head)).await;
        let batch = match read {
            Ok(batch) => batch,
            Err(_) => Err(ReadError::Io {
                what: "following the log".to_owned(),
                error: "the reading task ended early".to_owned(),
            }),
        };
        if let Ok(commits) = &batch {
            let last = commits.last().map(|commit| commit.header.last_position());
            self.next = last.map_or(self.next, |last| last + 1);
        }
        Some(batch)
    }
}

/// The first commits of a range that is not empty, within the bounds of a batch.
fn batch<L: EventLog + ?Sized>(log: &L, from: u64, to: u64) -> Result<Vec<Commit>, ReadError> {
    let mut commits = Vec::new();
    let mut bytes = 0;
    for commit in log.read(from, to) {
        let commit = commit?;
        bytes += commit.record.len();
        commits.push(commit);
        if commits.len() >= SUBSCRIPTION_COMMITS_MAX || bytes >= SUBSCRIPTION_BYTES_MAX {
            break;
        }
    }
    if commits.is_empty() {
        let what = "nothing is there that was acknowledged".to_owned();
        return Err(ReadError::Damaged {
            position: from,
            what,
        });
    }
    Ok(commits)
}
