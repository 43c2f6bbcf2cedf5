//! One reaction at work: reads on, hands in, records what is refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::reactions::Reaction;
use domain::world::consequence_id;
use domain::{Aggregate, Channel, Command, Event, Refused, StreamName, Visibility, reaction};
use eventlog::{EventLog, ReadError};
use tokio::sync::watch;

use super::cursor::{self, Cursor};
use super::{Handled, Options, ReactionHealth, RetryError, SUBJECT};
use crate::feed;
use crate::submit::{Submission, Submit, SubmitError, persist};

/// Commits read at once.
const COMMITS_READ_MAX: usize = 1_024;
/// Commands in hand at once.
const COMMANDS_MAX: usize = 128;
/// Causes whose answer's position is remembered.
const WROTE_MAX: usize = 10_000;
/// Events after which the cursor is written.
const CURSOR_EVENTS: u64 = 10_000;
/// Events of its own stream read at once.
const OWN_EVENTS_MAX: usize = 1_000;
/// Wait before a log that could not be read is read again.
const READ_RETRY: Duration = Duration::from_secs(1);
/// Wait before work that stands stuck is handed in again, and between two such tries.
pub const STUCK_RETRY: Duration = Duration::from_hours(1);
/// Most stuck work that is handed in again at a time, the oldest first.
const STUCK_RETRIES_MAX: usize = 1_000;
/// Name under which a command that cannot be executed stands stuck.
const FAULT: &str = "EXECUTION_FAULT";

pub(super) struct Runner {
    reaction: Reaction,
    log: Arc<dyn EventLog>,
    submit: Arc<dyn Submit>,
    options: Options,
    handled: watch::Sender<Handled>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    /// Its own stream, folded.
    own: reaction::Reaction,
    own_version: u64,
    /// Cause to the last position written in answer to it or to any cause before it.
    wrote: BTreeMap<u64, u64>,
    cursor_written: u64,
    error: Option<String>,
}

/// A command that answers an event.
#[derive(Debug, Clone)]
struct Answer {
    cause: u64,
    n: u32,
    visibility: Visibility,
    command: Command,
}

/// Why the runner pauses or ends.
enum Halt {
    Pause(String),
    End(String),
}

impl Runner {
    pub(super) fn new(
        reaction: Reaction,
        log: Arc<dyn EventLog>,
        submit: Arc<dyn Submit>,
        options: Options,
    ) -> Self {
        Self {
            reaction,
            log,
            submit,
            options,
            handled: watch::Sender::new(Handled::default()),
            notes: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.reaction.name
    }

    pub(super) fn watch(&self) -> watch::Receiver<Handled> {
        self.handled.subscribe()
    }

    pub(super) fn wrote(&self, position: u64) -> u64 {
        let notes = self.notes();
        notes
            .wrote
            .range(..=position)
            .next_back()
            .map_or(0, |(_, wrote)| *wrote)
    }

    pub(super) fn stuck(&self) -> Vec<(u64, u32)> {
        self.notes().own.stuck.iter().copied().collect()
    }

    pub(super) fn health(&self, head: u64) -> ReactionHealth {
        let handled = *self.handled.borrow();
        ReactionHealth {
            name: self.name(),
            handled,
            lag_events: head.saturating_sub(handled.position),
            stuck: self.stuck(),
            error: self.notes().error.clone(),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cursor(&self, handled: u64) -> Cursor {
        Cursor {
            log_id: self.log.log_id(),
            epoch: self.log.head().epoch,
            reaction: self.name().to_owned(),
            handled,
        }
    }

    /// Follows the log until it is stopped or the log takes nothing any more.
    pub(super) async fn follow(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut head = self.log.watch();
        let mut retry_stuck_at = tokio::time::Instant::now() + STUCK_RETRY;
        loop {
            head.mark_unchanged();
            let outcome = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                outcome = self.catch_up() => outcome,
            };
            let pause = match outcome {
                Ok(()) => None,
                Err(Halt::Pause(why)) => Some(why),
                Err(Halt::End(why)) => {
                    tracing::error!(reaction = self.name(), why, "a reaction has stopped");
                    self.notes().error = Some(why);
                    break;
                }
            };
            let retry = pause.is_some();
            if let Some(why) = &pause {
                tracing::error!(reaction = self.name(), why, "a reaction waits");
            }
            self.notes().error = pause;
            let mut stuck_is_due = false;
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                moved = head.changed(), if !retry => if moved.is_err() { break },
                () = tokio::time::sleep(READ_RETRY), if retry => {}
                // A run that is to write the same log again does nothing by wall time.
                () = tokio::time::sleep_until(retry_stuck_at), if !self.options.one_by_one => {
                    stuck_is_due = true;
                }
            }
            if stuck_is_due {
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => break,
                    () = self.retry_stuck() => {}
                }
                retry_stuck_at = tokio::time::Instant::now() + STUCK_RETRY;
            }
        }
        self.write_cursor(0);
    }

    fn write_cursor(&self, after_events: u64) {
        let handled = *self.handled.borrow();
        let written = self.notes().cursor_written;
        let Some(views) = &self.options.views else {
            return;
        };
        if handled.enabled && handled.position > written.saturating_add(after_events) {
            cursor::write(views, &self.cursor(handled.position));
            self.notes().cursor_written = handled.position;
        }
    }

    /// Answers everything up to the head of the log.
    async fn catch_up(self: &Arc<Self>) -> Result<(), Halt> {
        loop {
            let to = self.log.head().position;
            self.refresh()
                .map_err(|error| Halt::Pause(error.to_string()))?;
            let handled = *self.handled.borrow();
            let Some(from) = self.notes().own.from else {
                self.publish(false, to);
                return Ok(());
            };
            let mut position = handled.position;
            if !handled.enabled {
                let views = self.options.views.as_deref();
                let cursor = views.and_then(|views| cursor::read(views, &self.cursor(to)));
                position = cursor.unwrap_or(0).max(from.saturating_sub(1));
                self.notes().cursor_written = cursor.unwrap_or(0);
                self.publish(true, position);
            }
            if position >= to {
                return Ok(());
            }
            let reader = Arc::clone(self);
            let read = tokio::task::spawn_blocking(move || reader.read(position + 1, to)).await;
            let (answers, read_to) = read
                .map_err(|error| Halt::Pause(error.to_string()))?
                .map_err(Halt::Pause)?;
            self.answer(answers).await?;
            self.publish(true, read_to);
            self.write_cursor(CURSOR_EVENTS);
        }
    }

    fn publish(&self, enabled: bool, position: u64) {
        self.handled.send_replace(Handled { enabled, position });
    }

    /// Takes in what is new in its own stream: where it starts and what stands stuck.
    fn refresh(&self) -> Result<(), ReadError> {
        let stream = reaction::Reaction::stream(self.name());
        loop {
            let version = self.notes().own_version;
            let page = self.log.read_stream(&stream, version + 1, OWN_EVENTS_MAX)?;
            if page.is_empty() {
                return Ok(());
            }
            let mut notes = self.notes();
            for recorded in &page {
                if recorded.version <= notes.own_version {
                    continue;
                }
                if let Ok(Event::Reaction(event)) = feed::decode(recorded) {
                    notes
                        .own
                        .evolve(&event, &eventlog::execute::stamp(recorded));
                }
                notes.own_version = recorded.version;
            }
        }
    }

    /// The answers to the next events, and the position up to which they are all.
    fn read(&self, from: u64, to: u64) -> Result<(Vec<Answer>, u64), String> {
        let (mut answers, mut read_to) = (Vec::new(), from - 1);
        for commit in self.log.read(from, to).take(COMMITS_READ_MAX) {
            let commit = commit.map_err(|error| error.to_string())?;
            for recorded in commit.events.iter().filter(|event| event.position >= from) {
                let event = feed::decode(recorded)?;
                let stamp = eventlog::execute::stamp(recorded);
                let commands = (self.reaction.react)(&recorded.stream, &event, &stamp);
                let numbered = commands.into_iter().zip(0_u32..);
                answers.extend(numbered.map(|(command, n)| Answer {
                    cause: recorded.position,
                    n,
                    visibility: recorded.envelope.visibility,
                    command,
                }));
            }
            read_to = commit.header.last_position();
            if answers.len() >= COMMANDS_MAX {
                break;
            }
        }
        Ok((answers, read_to))
    }

    /// Hands answers in: those that concern one stream in order, the others at once.
    async fn answer(self: &Arc<Self>, answers: Vec<Answer>) -> Result<(), Halt> {
        // Several commands for one cause must keep their order over streams: then all do.
        let one_lane = self.options.one_by_one || answers.iter().any(|answer| answer.n > 0);
        let mut lanes: HashMap<Option<StreamName>, Vec<Answer>> = HashMap::new();
        for answer in answers {
            let lane = (!one_lane).then(|| answer.command.primary());
            lanes.entry(lane).or_default().push(answer);
        }
        let mut running = tokio::task::JoinSet::new();
        for lane in lanes.into_values() {
            let runner = Arc::clone(self);
            running.spawn(async move {
                let mut wrote = Vec::new();
                for answer in lane {
                    if let Some(position) = runner.hand_in(&answer).await? {
                        wrote.push((answer.cause, position));
                    }
                }
                Ok(wrote)
            });
        }
        let mut wrote = Vec::new();
        while let Some(lane) = running.join_next().await {
            wrote.extend(lane.map_err(|error| Halt::Pause(error.to_string()))??);
        }
        wrote.sort_unstable();
        let mut notes = self.notes();
        for (cause, position) in wrote {
            let before = notes.wrote.last_key_value().map_or(0, |(_, wrote)| *wrote);
            notes.wrote.insert(cause, position.max(before));
            if notes.wrote.len() > WROTE_MAX {
                notes.wrote.pop_first();
            }
        }
        Ok(())
    }

    fn submission(&self, command: Command, cause: u64, n: u32, what: &str) -> Submission {
        let name = format!("{}{what}", self.name());
        Submission {
            command,
            command_id: consequence_id(self.log.log_id(), cause, &name, n as usize),
            subject: SUBJECT,
            channel: Channel::Reaction,
            cause: Some(cause),
        }
    }

    async fn execute(&self, submission: Submission) -> Result<u64, SubmitError> {
        let waiting = |why| self.notes().error = why;
        persist(&*self.submit, submission, waiting).await
    }

    /// Hands one answer in; the position written, if anything was.
    async fn hand_in(&self, answer: &Answer) -> Result<Option<u64>, Halt> {
        let Answer {
            cause, n, command, ..
        } = answer;
        if self.notes().own.stuck.contains(&(*cause, *n)) {
            return Ok(None);
        }
        let submission = self.submission(command.clone(), *cause, *n, "");
        let refused = match self.execute(submission).await {
            Ok(position) => return Ok(Some(position)),
            Err(SubmitError::Refused(refused)) if self.is_settled(&refused) => return Ok(None),
            Err(SubmitError::OtherContent) => {
                self.alarm(*cause, *n);
                return Ok(None);
            }
            Err(SubmitError::Refused(refused)) => {
                (refused.name.clone(), refused.message.to_string())
            }
            Err(SubmitError::Faulty(why)) => (FAULT.to_owned(), why),
            Err(SubmitError::Busy(why)) => return Err(Halt::Pause(why)),
            Err(SubmitError::Over(why)) => return Err(Halt::End(why)),
        };
        self.record_stuck(answer, refused).await.map(Some)
    }

    async fn record_stuck(
        &self,
        answer: &Answer,
        (refusal, message): (String, String),
    ) -> Result<u64, Halt> {
        let (cause, n, visibility) = (answer.cause, answer.n, answer.visibility);
        match visibility {
            Visibility::Open => tracing::warn!(
                reaction = self.name(),
                cause,
                n,
                refusal,
                message,
                "work is stuck"
            ),
            Visibility::Withheld => {
                tracing::warn!(reaction = self.name(), refusal, "withheld work is stuck");
            }
        }
        let command = reaction::Command::RecordStuck {
            name: self.name().to_owned(),
            cause,
            n,
            refusal,
            message,
            visibility,
        };
        let submission = self.submission(command.into(), cause, n, "/stuck");
        let position = match self.execute(submission).await {
            Ok(position) => position,
            Err(SubmitError::Refused(refused)) if refused.name == "WORK_ALREADY_STUCK" => 0,
            Err(SubmitError::OtherContent) => 0,
            Err(SubmitError::Over(why)) => return Err(Halt::End(why)),
            Err(error) => return Err(Halt::Pause(error.to_string())),
        };
        self.refresh()
            .map_err(|error| Halt::Pause(error.to_string()))?;
        Ok(position)
    }

    /// True if the refusal says that nothing is left to do.
    fn is_settled(&self, refused: &Refused) -> bool {
        self.reaction.settled_by.contains(&refused.name.as_str())
    }

    fn alarm(&self, cause: u64, n: u32) {
        tracing::error!(
            reaction = self.name(),
            cause,
            n,
            "ALARM: the id of this work stands for other content; it counts as done"
        );
    }

    /// Tries what stands stuck again; what is refused again stands stuck still, and nothing is
    /// recorded of that.
    async fn retry_stuck(&self) {
        for (cause, n) in self.stuck().into_iter().take(STUCK_RETRIES_MAX) {
            match self.retry(cause, n).await {
                Ok(_) | Err(RetryError::NotStuck | RetryError::Refused(_)) => {}
                Err(RetryError::Submit(SubmitError::Over(_))) => return,
                Err(error) => {
                    tracing::error!(reaction = self.name(), %error, "stuck work cannot be retried");
                }
            }
        }
    }

    /// Tries stuck work again.
    pub(super) async fn retry(&self, cause: u64, n: u32) -> Result<u64, RetryError> {
        self.refresh()?;
        if !self.notes().own.stuck.contains(&(cause, n)) {
            return Err(RetryError::NotStuck);
        }
        let commit = self.log.commit_at(cause)?;
        let recorded = commit
            .as_ref()
            .and_then(|commit| commit.events.iter().find(|event| event.position == cause))
            .ok_or(RetryError::NotStuck)?;
        let event = feed::decode(recorded).map_err(RetryError::Unreadable)?;
        let stamp = eventlog::execute::stamp(recorded);
        let commands = (self.reaction.react)(&recorded.stream, &event, &stamp);
        let command = commands
            .into_iter()
            .nth(n as usize)
            .ok_or_else(|| RetryError::Unreadable("it answers this event no more".to_owned()))?;
        match self.execute(self.submission(command, cause, n, "")).await {
            Ok(_) => {}
            Err(SubmitError::Refused(refused)) if self.is_settled(&refused) => {}
            Err(SubmitError::OtherContent) => self.alarm(cause, n),
            Err(SubmitError::Refused(refused)) => return Err(RetryError::Refused(refused)),
            Err(error) => return Err(RetryError::Submit(error)),
        }
        let name = self.name().to_owned();
        let visibility = recorded.envelope.visibility;
        let resolved = reaction::Command::RecordResolved {
            name,
            cause,
            n,
            visibility,
        };
        let submission = self.submission(resolved.into(), cause, n, "/resolved");
        let position = self.execute(submission).await.map_err(RetryError::Submit)?;
        self.refresh()?;
        Ok(position)
    }
}
