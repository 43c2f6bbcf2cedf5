//! The one write path: load the streams a command needs, decide, append, answer with a receipt.
//!
//! Owns idempotency (per principal, primary stream and command id, for ever), the bounded retry
//! after a conflict, and the bounded cache of folded streams. Joins `domain` and the log; the log
//! itself sees bytes and ids only. Never holds a rule. [`Ahead`] decides by the same steps for a caller
//! that alone writes the log and does not wait for each commit.
//!
//! Reads of streams happen on the calling task: they are served from the cache or from pages the
//! system holds in memory, and are bounded by [`STREAM_PAGE_EVENTS`].

mod ahead;
mod deciding;

use std::any::Any;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use domain::ids::{PersonId, PrincipalId};
use domain::{Aggregate, Channel, Command, Event, Instant, Refused, Stamp};
use domain::{Decision, StreamName};
use lru::LruCache;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{AppendError, Clock, Commit, Entropy, EventLog, ReadError, Receipt, RecordedEvent};

pub use ahead::{Ahead, Planned, TakenIn};

/// Times a command is decided anew after a conflict before it is answered with one.
pub const CONFLICT_RETRIES_MAX: usize = 16;
/// Most streams that one decision may read.
pub const STREAMS_READ_MAX: usize = 512;
/// Streams whose folded state is kept in memory.
pub const CACHED_STREAMS_MAX: usize = 20_000;
/// Events read at once while a stream is folded.
pub const STREAM_PAGE_EVENTS: usize = 1_000;

/// A command with who asks and how it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Chosen by the caller; a repeat under the same id gives the first answer.
    pub command_id: Uuid,
    /// The login that asks.
    pub principal: PrincipalId,
    /// The door it came through.
    pub channel: Channel,
    /// Position of the event it follows from.
    pub cause: Option<u64>,
    /// What ties several commands together.
    pub correlation: Option<Uuid>,
    /// The person a system acts for; needs a recorded right, so refused until that exists.
    pub acting_for: Option<PersonId>,
    /// An instant that `recorded_at` must not be below (simulated clocks).
    pub not_before: Option<Instant>,
}

impl Request {
    /// A command of a login through the app, following from nothing.
    pub fn new(command: impl Into<Command>, command_id: Uuid, principal: PrincipalId) -> Self {
        Self {
            command: command.into(),
            command_id,
            principal,
            channel: Channel::App,
            cause: None,
            correlation: None,
            acting_for: None,
            not_before: None,
        }
    }

    /// The same through another door.
    #[must_use]
    pub fn through(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }
}

/// Why a command has no receipt.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A rule refuses it; nothing was recorded and its id is free.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// The command id was used for other content.
    #[error("this command id was used before with other content")]
    OtherContent,
    /// Others kept changing what it reads.
    #[error("conflict with other commands, after {CONFLICT_RETRIES_MAX} tries")]
    Conflict,
    /// Nobody registered this login.
    #[error("this principal is not registered")]
    PrincipalNotRegistered,
    /// This login may not call now.
    #[error("this principal is suspended")]
    PrincipalSuspended,
    /// Nobody granted this login to act for somebody else.
    #[error("this principal may not act for another person")]
    ActingForNotAllowed,
    /// The decision reads more streams than allowed.
    #[error("the command concerns more than {STREAMS_READ_MAX} streams")]
    TooManyStreams,
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] AppendError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A stored event is not of this version, or a decision broke its contract.
    #[error("fault: {0}")]
    Fault(String),
}

/// A folded stream.
#[derive(Clone)]
struct Folded {
    state: Arc<dyn Any + Send + Sync>,
    version: u64,
    /// First position of the commit of each command, by principal and command id.
    commands: Arc<HashMap<(Uuid, Uuid), u64>>,
}

/// Joins deciders and log; cheap to clone.
#[derive(Clone)]
pub struct Executor {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    zone: chrono_tz::Tz,
    cache: Mutex<LruCache<StreamName, Folded>>,
}

impl Executor {
    /// An executor on a log. `zone` is the log's default zone ([`domain::genesis`]).
    pub fn new(
        log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
        zone: chrono_tz::Tz,
    ) -> Self {
        let capacity = NonZeroUsize::new(CACHED_STREAMS_MAX).unwrap_or(NonZeroUsize::MIN);
        let cache = Mutex::new(LruCache::new(capacity));
        Self {
            inner: Arc::new(Inner {
                log,
                clock,
                entropy,
                zone,
                cache,
            }),
        }
    }

    /// The log it writes.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.inner.log
    }

    /// The source of ids and salts.
    pub fn entropy(&self) -> &Entropy {
        &self.inner.entropy
    }

    /// Now, on the log's clock: never before what is recorded.
    pub fn now(&self) -> Instant {
        let now = self.inner.clock.now();
        self.inner
            .log
            .head()
            .recorded_at
            .map_or(now, |last| last.max(now))
    }

    /// The state of an aggregate as recorded now.
    ///
    /// # Errors
    /// [`ExecuteError::Read`] or [`ExecuteError::Fault`] if its stream cannot be read.
    pub fn state<A: Aggregate>(&self, key: impl std::fmt::Display) -> Result<Arc<A>, ExecuteError> {
        let folded = self.load(&A::stream(key))?;
        Ok(folded.state.downcast::<A>().unwrap_or_default())
    }

    /// Executes a command: durable when this returns a receipt.
    ///
    /// # Errors
    /// See [`ExecuteError`]; only `Log` leaves open whether the command was taken, and repeating
    /// it under the same id finds out.
    pub async fn execute(&self, request: Request) -> Result<Receipt, ExecuteError> {
        let primary = request.command.primary();
        let (fingerprint, personal) = fingerprint(&request.command)?;
        for _ in 0..CONFLICT_RETRIES_MAX {
            let command = (request.principal.0, request.command_id);
            if let Some(first) = self.load(&primary)?.commands.get(&command) {
                return self.replay(*first, fingerprint, &personal);
            }
            let (decision, expected) = self.decide(&request)?;
            let seed = self.inner.entropy.seed();
            let draft =
                deciding::draft(&request, &primary, fingerprint, &decision, expected, seed)?;
            match self.inner.log.append(draft).await {
                Ok(receipt) => return Ok(receipt),
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ExecuteError::Conflict)
    }

    /// What a command would be answered with now, without executing it: the first receipt of a
    /// repeat, `None` if it would be taken, or its refusal. For callers whose command has effects
    /// beside the log; the answer may have changed by the time the command is executed.
    ///
    /// # Errors
    /// As [`Executor::execute`], but never `Log` or `Conflict`.
    pub fn foresee(&self, request: &Request) -> Result<Option<Receipt>, ExecuteError> {
        let (fingerprint, personal) = fingerprint(&request.command)?;
        let command = (request.principal.0, request.command_id);
        if let Some(first) = self
            .load(&request.command.primary())?
            .commands
            .get(&command)
        {
            return self.replay(*first, fingerprint, &personal).map(Some);
        }
        self.decide(request).map(|_| None)
    }

    /// Decides, loading streams until nothing is missing; also the versions it read.
    fn decide(
        &self,
        request: &Request,
    ) -> Result<(Decision, Vec<(StreamName, u64)>), ExecuteError> {
        let now = request
            .not_before
            .map_or_else(|| self.now(), |least| least.max(self.now()));
        deciding::decide(request, now, self.inner.zone, |stream| {
            let folded = self.load(stream)?;
            Ok((folded.state, folded.version))
        })
    }

    /// The folded stream as recorded now, through the cache.
    fn load(&self, stream: &StreamName) -> Result<Folded, ExecuteError> {
        let cached = self.cache().get(stream).cloned();
        let version = self.inner.log.stream_version(stream)?;
        let mut folded = match cached {
            Some(folded) if folded.version == version => return Ok(folded),
            // A version below ours cannot be: versions only grow while a log is open.
            Some(folded) => folded,
            None => Folded {
                state: domain::aggregates::evolve(stream.category(), None, std::iter::empty())
                    .ok_or_else(|| fault(format!("no aggregate has a stream {stream}")))?,
                version: 0,
                commands: Arc::default(),
            },
        };
        loop {
            let from = folded.version + 1;
            let page = self
                .inner
                .log
                .read_stream(stream, from, STREAM_PAGE_EVENTS)?;
            let Some(last) = page.last() else { break };
            folded.version = last.version;
            let whole = page.len() < STREAM_PAGE_EVENTS;
            folded = take_in(stream, folded, &page)?;
            if whole {
                break;
            }
        }
        self.cache().put(stream.clone(), folded.clone());
        Ok(folded)
    }

    /// The first answer again, if the content is the same.
    fn replay(
        &self,
        first: u64,
        fingerprint: [u8; 32],
        personal: &[String],
    ) -> Result<Receipt, ExecuteError> {
        let commit = self
            .inner
            .log
            .commit_at(first)?
            .ok_or_else(|| fault(format!("no commit at position {first}")))?;
        if commit.header.fingerprint != fingerprint || !holds_all(&commit, personal)? {
            return Err(ExecuteError::OtherContent);
        }
        Ok(commit.receipt(true))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, LruCache<StreamName, Folded>> {
        // The cache holds values only; one that a panicking thread left is as good as any.
        self.inner
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn fault(what: String) -> ExecuteError {
    ExecuteError::Fault(what)
}

fn take_in(
    stream: &StreamName,
    folded: Folded,
    page: &[RecordedEvent],
) -> Result<Folded, ExecuteError> {
    let mut events = Vec::with_capacity(page.len());
    let mut commands = folded.commands;
    let index = Arc::make_mut(&mut commands);
    for recorded in page {
        let event = decode(recorded)?;
        let header = &recorded.header;
        index.insert((header.principal, header.command_id), header.first_position);
        events.push((event, stamp(recorded)));
    }
    let events = events.iter().map(|(event, stamp)| (event, *stamp));
    let state = domain::aggregates::evolve(stream.category(), Some(folded.state), events)
        .ok_or_else(|| fault(format!("{stream} has a state of another aggregate")))?;
    Ok(Folded {
        state,
        version: folded.version,
        commands,
    })
}

/// The event as the domain knows it.
///
/// # Errors
/// [`ExecuteError::Fault`] if its category, type or fields are not of this version.
pub fn decode(recorded: &RecordedEvent) -> Result<Event, ExecuteError> {
    Event::decode(
        recorded.stream.category(),
        &recorded.type_name,
        &recorded.payload,
    )
    .map_err(|error| fault(format!("position {}: {error}", recorded.position)))
}

/// Where and when the event stands, as the domain knows it.
pub fn stamp(recorded: &RecordedEvent) -> Stamp {
    Stamp {
        position: recorded.position,
        version: recorded.version,
        occurred_at: recorded.envelope.occurred_at,
        recorded_at: recorded.header.recorded_at,
    }
}

/// SHA-256 over the canonical command without its personal fields, and these: nothing that could
/// be guessed from a hash enters the log.
fn fingerprint(command: &Command) -> Result<([u8; 32], Vec<String>), ExecuteError> {
    // `serde_json` keeps members in order of their names, so equal commands are equal bytes.
    let mut canonical = serde_json::to_value(command).map_err(|error| fault(error.to_string()))?;
    let personal = domain::personal::withdraw(&mut canonical);
    let bytes = serde_json::to_vec(&canonical).map_err(|error| fault(error.to_string()))?;
    Ok((Sha256::digest(bytes).into(), personal))
}

/// True if every personal field of a repeated command stands in the commit's events.
fn holds_all(commit: &Commit, personal: &[String]) -> Result<bool, ExecuteError> {
    if personal.is_empty() {
        return Ok(true);
    }
    let mut stored = Vec::new();
    for event in &commit.events {
        let mut payload =
            serde_json::from_slice(&event.payload).map_err(|error| fault(error.to_string()))?;
        stored.extend(domain::personal::withdraw(&mut payload));
    }
    Ok(personal.iter().all(|field| stored.contains(field)))
}

#[cfg(test)]
#[path = "execute_tests.rs"]
mod tests;
