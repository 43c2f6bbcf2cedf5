//! The bounded queue between appenders and the writer. Owns waiting and refusing; never looks at a
//! commit.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::commit::Receipt;
use crate::limits::{GROUP_BYTES_MAX, GROUP_COMMITS_MAX, QUEUE_BYTES_MAX, QUEUE_COMMITS_MAX};
use crate::log::AppendError;
use crate::prepare::Prepared;

/// How long the writer looks out for the next commit before it sleeps: being woken costs about as
/// much, and whoever was just answered often comes again.
const LOOK_OUT: Duration = Duration::from_micros(40);

/// A commit that waits for the writer.
pub(crate) struct Waiting {
    pub(crate) prepared: Prepared,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// What a waiting appender is told.
pub(crate) struct Answer {
    pub(crate) result: Result<Receipt, AppendError>,
    /// Given back to be freed by the thread that made it: the writer has no time for that.
    _prepared: Prepared,
}

impl Waiting {
    /// Answers whoever waits, if anybody still does.
    pub(crate) fn answer(self, result: Result<Receipt, AppendError>) {
        let _ = self.answer.send(Answer {
            result,
            _prepared: self.prepared,
        });
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Why nothing more is taken.
    refusal: Option<AppendError>,
}

/// The queue.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// How many wait, to be looked at without the lock.
    count: AtomicUsize,
    filled: Condvar,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many commits wait for the writer.
    pub(crate) fn waiting(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Takes a commit, or refuses it at once.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(), AppendError> {
        self.push_all(Some(waiting))
    }

    /// Takes some commits together, or refuses them all at once.
    pub(crate) fn push_all<I>(&self, all: I) -> Result<(), AppendError>
    where
        I: IntoIterator<Item = Waiting>,
    {
        let mut state = self.state();
        if let Some(refusal) = &state.refusal {
            return Err(refusal.clone());
        }
        let before = (state.waiting.len(), state.bytes);
        for waiting in all {
            state.bytes += waiting.prepared.bytes;
            state.waiting.push_back(waiting);
        }
        if state.waiting.len() > QUEUE_COMMITS_MAX || state.bytes > QUEUE_BYTES_MAX {
            state.waiting.truncate(before.0);
            state.bytes = before.1;
            return Err(AppendError::Overloaded);
        }
        self.count.store(state.waiting.len(), Ordering::Release);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for commits and takes a group of them; nothing once the queue is refused and empty.
    pub(crate) fn take_group(&self) -> Option<Vec<Waiting>> {
        let begun = Instant::now();
        while self.count.load(Ordering::Acquire) == 0 && begun.elapsed() < LOOK_OUT {
            std::hint::spin_loop();
        }
        let ready = |state: &mut State| state.waiting.is_empty() && state.refusal.is_none();
        let state = self.filled.wait_while(self.state(), ready);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        let mut group = Vec::new();
        while let Some(next) = state.waiting.front() {
            let full =
                group.len() >= GROUP_COMMITS_MAX || bytes + next.prepared.bytes > GROUP_BYTES_MAX;
            if full && !group.is_empty() {
                break;
            }
            bytes += next.prepared.bytes;
            group.extend(state.waiting.pop_front());
        }
        state.bytes -= bytes;
        self.count.store(state.waiting.len(), Ordering::Release);
        (!group.is_empty()).then_some(group)
    }

    /// Takes nothing more; what waits is still given to the writer. The first reason stays.
    pub(crate) fn refuse(&self, reason: AppendError) {
        self.state().refusal.get_or_insert(reason);
        self.filled.notify_all();
    }

    /// Takes nothing more and answers all that waits with the reason, which replaces any other.
    pub(crate) fn fail(&self, reason: &AppendError) {
        let mut state = self.state();
        state.refusal = Some(reason.clone());
        state.bytes = 0;
        let waiting = std::mem::take(&mut state.waiting);
        self.count.store(0, Ordering::Release);
        drop(state);
        for waiting in waiting {
            waiting.answer(Err(reason.clone()));
        }
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::prepare::prepare;

    fn waiting(bytes: usize) -> Waiting {
        let mut prepared = prepare(fixture::commit(0, &[("shift/a", 0)])).unwrap();
        prepared.bytes = bytes;
        Waiting {
            prepared,
            answer: oneshot::channel().0,
        }
    }

    #[test]
    fn refuses_beyond_its_bounds() {
        let queue = Queue::default();
        for _ in 0..QUEUE_COMMITS_MAX {
            queue.push(waiting(1)).unwrap();
        }
        assert_eq!(queue.push(waiting(1)), Err(AppendError::Overloaded));
        assert_eq!(queue.take_group().unwrap().len(), GROUP_COMMITS_MAX);
        queue.push(waiting(1)).unwrap();
        let queue = Queue::default();
        for _ in 0..8 {
            queue.push(waiting(QUEUE_BYTES_MAX / 8)).unwrap();
        }
        assert_eq!(queue.push(waiting(1)), Err(AppendError::Overloaded));
        assert_eq!(
            queue.take_group().unwrap().len(),
            1,
            "a group is bounded by its bytes"
        );
    }

    #[test]
    fn closed_it_gives_what_waits_and_then_nothing() {
        let queue = Queue::default();
        queue.push(waiting(1)).unwrap();
        queue.refuse(AppendError::Closed);
        assert_eq!(queue.push(waiting(1)), Err(AppendError::Closed));
        assert_eq!(queue.take_group().unwrap().len(), 1);
        assert!(queue.take_group().is_none());
    }
}
