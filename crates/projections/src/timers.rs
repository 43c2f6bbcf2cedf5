//! Timers: hand in what falls due, once, as the system's principal `system:timer`.
//!
//! Owns the due list and the order in which it is worked off; the deciders judge whether a
//! deadline was really missed. On a real clock a task sleeps until the next one is due. On a
//! simulated clock nothing fires by itself: [`Timers::advance_to`] goes from due instant to due
//! instant. Replay and rebuild never fire a timer.
//!
//! A refusal settles a timer only if the log says so, too: what happened meanwhile has then ended or
//! moved it. Where the deadline still runs the work stands stuck: it is told in [`TimerHealth`] and
//! handed in again every [`STUCK_RETRY`].

mod due;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::world::consequence_id;
use domain::{Channel, Instant, StreamName};
use eventlog::{Clock, EventLog, ReadError, SimulatedClock};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use due::{Due, DueList};

use crate::consequences::{Consequences, NotFollowed};
use crate::feed;
use crate::submit::{Submission, Submit, SubmitError, persist};

/// Subject of the principal in whose name timers act.
pub const SUBJECT: &str = "system:timer";
/// Longest sleep on a real clock, since it may be set.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// Wait before a log that could not be read is read again.
const READ_RETRY: Duration = Duration::from_secs(1);
/// Longest wait for consequences before a simulated clock moves on.
const SETTLE_MAX: Duration = Duration::from_mins(1);
/// Times a command refused as "not now" is put off, by a minute each, before it stands stuck.
pub const POSTPONED_MAX: u32 = 10;
/// Wait, by the clock that timers go by, before work that stands stuck is handed in again.
pub const STUCK_RETRY: chrono::Duration = chrono::Duration::hours(1);
/// Most stuck timers that health names.
pub const STUCK_NAMED_MAX: usize = 1_000;
/// Name under which a command that cannot be executed stands stuck.
const FAULT: &str = "EXECUTION_FAULT";
/// Refusals that say "not now"; any other one says that there is nothing to record, or stands stuck.
pub const NOT_NOW: &[&str] = &[
    "DEADLINE_NOT_DUE",
    "IMPORT_STILL_OPEN",
    "SHIFT_NOT_MISSED_YET",
    "CHECK_OUT_NOT_OVERDUE",
    "OBLIGATION_NOT_DUE",
    "COOLING_NOT_OVER",
    "HOLD_NOT_EXPIRED",
];

/// Why the timers stopped short.
#[derive(Debug, thiserror::Error)]
pub enum TimerError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A stored event cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The log takes nothing any more.
    #[error("{0}")]
    Over(String),
    /// What followed from the last step is not there yet.
    #[error(transparent)]
    NotFollowed(#[from] NotFollowed),
    /// The clock of this log is real.
    #[error("the clock of this log is real; only a simulated one can be moved")]
    ClockIsReal,
}

/// The clock that timers go by.
#[derive(Clone)]
pub enum Time {
    /// The machine's.
    Real(Arc<dyn Clock>),
    /// One that the caller moves; the executor's, which shares its reading.
    Simulated(SimulatedClock),
}

impl Time {
    fn now(&self) -> Instant {
        match self {
            Self::Real(clock) => clock.now(),
            Self::Simulated(clock) => clock.now(),
        }
    }
}

/// What a step of the clock brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fired {
    /// Commands that were taken.
    pub taken: u64,
    /// Commands that were refused: there was nothing to record, or they stand stuck.
    pub refused: u64,
}

/// A timer whose command is refused though its deadline still runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckTimer {
    /// The stream it concerns.
    pub stream: StreamName,
    /// Name of the timer.
    pub timer: &'static str,
    /// Its deadline.
    pub due_at: Instant,
    /// Position of the event that set the deadline.
    pub cause: u64,
    /// Name of the refusal met last.
    pub refusal: String,
}

/// How the timers do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerHealth {
    /// Position up to which the due list holds.
    pub position: u64,
    /// Timers that run.
    pub running: usize,
    /// The next one's deadline.
    pub next: Option<Instant>,
    /// How many stand stuck.
    pub stuck_timers: usize,
    /// Those that stand stuck, in the order of their deadlines, at most [`STUCK_NAMED_MAX`].
    pub stuck: Vec<StuckTimer>,
    /// Why they wait or have stopped, if so.
    pub error: Option<String>,
}

struct Shared {
    log: Arc<dyn EventLog>,
    submit: Arc<dyn Submit>,
    time: Time,
    consequences: Option<Consequences>,
    /// Held over a whole step, so that steps never mix.
    state: tokio::sync::Mutex<State>,
    health: Mutex<TimerHealth>,
}

#[derive(Default)]
struct State {
    list: DueList,
    position: u64,
    postponed: HashMap<u64, (u32, Instant)>,
    /// What stands stuck, by the event that set the deadline.
    stuck: BTreeMap<u64, StuckTimer>,
}

/// The running timers; cheap to clone.
#[derive(Clone)]
pub struct Timers {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Timers {
    /// Starts them. With `consequences`, a simulated clock moves on only when everything that
    /// followed from the step before is in the log, so that a run can be repeated exactly. Needs
    /// a tokio runtime.
    pub fn start(
        log: Arc<dyn EventLog>,
        submit: Arc<dyn Submit>,
        time: Time,
        consequences: Option<Consequences>,
    ) -> Self {
        let shared = Arc::new(Shared {
            log,
            submit,
            time,
            consequences,
            state: tokio::sync::Mutex::default(),
            health: Mutex::new(TimerHealth {
                position: 0,
                running: 0,
                next: None,
                stuck_timers: 0,
                stuck: Vec::new(),
                error: None,
            }),
        });
        let (stop, stopped) = watch::channel(false);
        let task = matches!(shared.time, Time::Real(_))
            .then(|| tokio::spawn(follow(Arc::clone(&shared), stopped)));
        Self {
            shared,
            stop,
            task: Arc::new(Mutex::new(task)),
        }
    }

    /// Moves a simulated clock to `target`: everything that falls due on the way is handed in, in
    /// due order, each just after its due instant. Never moves it back. Calls queue up.
    ///
    /// # Errors
    /// See [`TimerError`]; the clock then stands where it stopped, and a repeat goes on from there.
    pub async fn advance_to(&self, target: Instant) -> Result<Fired, TimerError> {
        let Time::Simulated(clock) = &self.shared.time else {
            return Err(TimerError::ClockIsReal);
        };
        let mut state = self.shared.state.lock().await;
        let mut fired = Fired::default();
        loop {
            self.shared.settle().await?;
            self.shared.catch_up(&mut state).await?;
            let next = state.list.first().cloned();
            let Some(due) = next.filter(|due| state.fires_at(due) <= target) else {
                break;
            };
            clock.advance_to(state.fires_at(&due));
            self.shared.fire(&mut state, &due, &mut fired).await?;
        }
        clock.advance_to(target);
        Ok(fired)
    }

    /// How they do.
    pub fn health(&self) -> TimerHealth {
        self.shared.health().clone()
    }

    /// Stops; what was handed in and not yet answered is found again by its id.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the timers did not end by themselves");
        }
    }
}

impl State {
    /// Just after the deadline, or when it was put off to.
    fn fires_at(&self, due: &Due) -> Instant {
        let after = due.at + chrono::Duration::microseconds(1);
        self.postponed
            .get(&due.cause)
            .map_or(after, |(_, until)| after.max(*until))
    }
}

impl Shared {
    fn health(&self) -> std::sync::MutexGuard<'_, TimerHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn settle(&self) -> Result<(), TimerError> {
        if let Some(consequences) = &self.consequences {
            let head = self.log.head().position;
            consequences.wait(head, SETTLE_MAX).await?;
        }
        Ok(())
    }

    /// Folds what is new in the log.
    async fn catch_up(&self, state: &mut State) -> Result<(), TimerError> {
        let (from, to) = (state.position + 1, self.log.head().position);
        if from <= to {
            let log = Arc::clone(&self.log);
            let mut list = std::mem::take(&mut state.list);
            let folding = tokio::task::spawn_blocking(move || {
                let outcome = fold(&*log, &mut list, from, to);
                (list, outcome)
            });
            match folding.await {
                Ok((list, Ok(()))) => {
                    state.list = list;
                    state.position = to;
                }
                // Half folded: begin again.
                Ok((_, Err(error))) => {
                    *state = State::default();
                    return Err(error);
                }
                Err(error) => {
                    *state = State::default();
                    return Err(TimerError::Unreadable(error.to_string()));
                }
            }
        }
        let list = &state.list;
        state
            .stuck
            .retain(|cause, it| list.runs(&it.stream, *cause));
        let mut health = self.health();
        health.stuck_timers = state.stuck.len();
        let mut stuck: Vec<_> = state.stuck.values().cloned().collect();
        stuck.sort_by(|a, b| (a.due_at, &a.stream).cmp(&(b.due_at, &b.stream)));
        stuck.truncate(STUCK_NAMED_MAX);
        health.stuck = stuck;
        health.position = state.position;
        health.running = state.list.len();
        health.next = state.list.first().map(|due| due.at);
        Ok(())
    }

    async fn fire(
        &self,
        state: &mut State,
        due: &Due,
        fired: &mut Fired,
    ) -> Result<(), TimerError> {
        let id = consequence_id(
            self.log.log_id(),
            due.cause,
            &format!("timer:{}", due.timer),
            0,
        );
        let submission = Submission {
            command: due.command.clone(),
            command_id: id,
            subject: SUBJECT,
            channel: Channel::Timer,
            cause: Some(due.cause),
        };
        let waiting = |why| self.health().error = why;
        match persist(&*self.submit, submission, waiting).await {
            Ok(_) => fired.taken += 1,
            Err(SubmitError::Refused(refused)) if NOT_NOW.contains(&refused.name.as_str()) => {
                let now = self.time.now();
                let put_off = state.postponed.entry(due.cause).or_insert((0, now));
                put_off.0 += 1;
                put_off.1 = now + chrono::Duration::minutes(1);
                if put_off.0 <= POSTPONED_MAX {
                    state.list.postpone(due, put_off.1);
                    return Ok(());
                }
                fired.refused += 1;
                return self.refused(state, due, refused.name).await;
            }
            Err(SubmitError::Refused(refused)) => {
                fired.refused += 1;
                return self.refused(state, due, refused.name).await;
            }
            Err(SubmitError::OtherContent) => {
                let (stream, cause) = (&due.stream, due.cause);
                tracing::error!(%stream, cause, "ALARM: the id of this timer stands for other content");
            }
            Err(SubmitError::Faulty(why)) => {
                tracing::error!(stream = %due.stream, why, "a timer's command cannot be executed");
                fired.refused += 1;
                return self.refused(state, due, FAULT.to_owned()).await;
            }
            Err(SubmitError::Busy(why) | SubmitError::Over(why)) => {
                return Err(TimerError::Over(why));
            }
        }
        state.postponed.remove(&due.cause);
        state.stuck.remove(&due.cause);
        state.list.remove(due);
        Ok(())
    }

    /// What was refused is settled if the log ended or moved its deadline meanwhile; else it stands
    /// stuck and is tried again.
    async fn refused(
        &self,
        state: &mut State,
        due: &Due,
        refusal: String,
    ) -> Result<(), TimerError> {
        self.catch_up(state).await?;
        let (stream, timer) = (&due.stream, due.timer);
        if !state.list.is_current(due) {
            tracing::debug!(%stream, refusal, timer, "nothing to record");
            state.postponed.remove(&due.cause);
            return Ok(());
        }
        tracing::warn!(%stream, refusal, timer, "a timer stands stuck");
        let until = self.time.now() + STUCK_RETRY;
        let put_off = state.postponed.entry(due.cause);
        put_off.or_insert((POSTPONED_MAX, until)).1 = until;
        let stuck = StuckTimer {
            stream: due.stream.clone(),
            timer,
            due_at: due.at,
            cause: due.cause,
            refusal,
        };
        state.stuck.insert(due.cause, stuck);
        state.list.postpone(due, until);
        Ok(())
    }

    /// Hands in what is due now; answers how long nothing else will be.
    async fn work_off(&self) -> Result<Duration, TimerError> {
        let mut state = self.state.lock().await;
        let mut fired = Fired::default();
        loop {
            self.catch_up(&mut state).await?;
            let Some(due) = state.list.first().cloned() else {
                return Ok(SLEEP_MAX);
            };
            let (now, at) = (self.time.now(), state.fires_at(&due));
            if at > now {
                return Ok((at - now).to_std().unwrap_or_default().min(SLEEP_MAX));
            }
            self.fire(&mut state, &due, &mut fired).await?;
        }
    }
}

fn fold(log: &dyn EventLog, list: &mut DueList, from: u64, to: u64) -> Result<(), TimerError> {
    for commit in log.read(from, to) {
        for recorded in commit?.events {
            if recorded.position >= from && DueList::wants(recorded.stream.category()) {
                let event = feed::decode(&recorded).map_err(TimerError::Unreadable)?;
                list.apply(&recorded, &event);
            }
        }
    }
    Ok(())
}

async fn follow(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut head = shared.log.watch();
    loop {
        head.mark_unchanged();
        let outcome = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            outcome = shared.work_off() => outcome,
        };
        let sleep = match outcome {
            Ok(sleep) => {
                shared.health().error = None;
                sleep
            }
            Err(TimerError::Over(why)) => {
                tracing::error!(why, "the timers have stopped");
                shared.health().error = Some(why);
                return;
            }
            Err(error) => {
                tracing::error!(%error, "the timers wait");
                shared.health().error = Some(error.to_string());
                READ_RETRY
            }
        };
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            moved = head.changed() => if moved.is_err() { return },
            () = tokio::time::sleep(sleep) => {}
        }
    }
}
