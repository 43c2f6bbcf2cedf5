//! Deciding ahead of durability, for a caller that alone writes a log: `simulate`.
//!
//! Owns the folded streams of one part of the log, kept in memory, and takes in what was decided
//! before it is durable, at the places in the log that the caller foretells. The steps are those of
//! [`Executor`](super::Executor), and every commit still names the version of each stream it read, so
//! that a wrong foretelling or a second writer ends in a conflict and never in a wrong history. It
//! looks for no repeats: the caller uses each command id once.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use domain::{Aggregate, Event, Instant, NewEvent, Stamp, StreamName};

use super::deciding::{self, Loaded};
use super::{ExecuteError, Request, STREAM_PAGE_EVENTS, decode, fault, fingerprint, stamp};
use crate::{CommitDraft, EventLog};

/// The folded streams of one part of a log.
pub struct Ahead {
    log: Arc<dyn EventLog>,
    zone: chrono_tz::Tz,
    kept: HashMap<StreamName, Kept>,
    /// Counts up with each [`Ahead::let_go`].
    round: u32,
}

struct Kept {
    state: Arc<dyn Any + Send + Sync>,
    version: u64,
    round: u32,
}

/// What was decided, not yet in the log.
pub struct Planned {
    /// The commit to append.
    pub draft: CommitDraft,
    /// Its events, to be taken in.
    pub events: Vec<NewEvent>,
}

/// An event that was taken in.
pub struct TakenIn {
    /// Its stream.
    pub stream: StreamName,
    /// What happened.
    pub event: Event,
    /// Where it will stand.
    pub stamp: Stamp,
}

impl Ahead {
    /// Nothing folded yet. `zone` is the log's default zone.
    pub fn new(log: Arc<dyn EventLog>, zone: chrono_tz::Tz) -> Self {
        Self {
            log,
            zone,
            kept: HashMap::new(),
            round: 0,
        }
    }

    /// Decides a command as of `request.not_before`, which must be given, on what was taken in so
    /// far. `seed` is that of the commit's salts.
    ///
    /// # Errors
    /// As [`Executor::execute`](super::Executor::execute), but never `Log` or `Conflict`.
    pub fn decide(&mut self, request: &Request, seed: [u8; 16]) -> Result<Planned, ExecuteError> {
        let now = request
            .not_before
            .ok_or_else(|| fault("a command decided ahead needs an instant".to_owned()))?;
        let primary = request.command.primary();
        let (fingerprint, _) = fingerprint(&request.command)?;
        let zone = self.zone;
        let decided = deciding::decide(request, now, zone, |stream| self.load(stream))?;
        let (decision, expected) = decided;
        let draft = deciding::draft(request, &primary, fingerprint, &decision, expected, seed)?;
        let events = decision.events;
        Ok(Planned { draft, events })
    }

    /// Takes the events of a commit in, the first of which will stand at `first_position`.
    ///
    /// # Errors
    /// [`ExecuteError::Fault`] if a stream cannot be folded, `Read` if it cannot be loaded.
    pub fn take_in(
        &mut self,
        events: Vec<NewEvent>,
        first_position: u64,
        recorded_at: Instant,
    ) -> Result<Vec<TakenIn>, ExecuteError> {
        let mut taken = Vec::with_capacity(events.len());
        for (event, position) in events.into_iter().zip(first_position..) {
            let NewEvent {
                stream,
                event,
                envelope,
            } = event;
            // A stream that is written without having been read must be loaded first.
            self.load(&stream)?;
            let kept = self
                .kept
                .get_mut(&stream)
                .ok_or_else(|| fault(format!("{stream} is not loaded")))?;
            let stamp = Stamp {
                position,
                version: kept.version + 1,
                occurred_at: envelope.occurred_at,
                recorded_at,
            };
            kept.fold(&stream, std::iter::once((&event, stamp)))?;
            kept.version = stamp.version;
            taken.push(TakenIn {
                stream,
                event,
                stamp,
            });
        }
        Ok(taken)
    }

    /// The state of an aggregate with what was taken in.
    ///
    /// # Errors
    /// [`ExecuteError::Read`] or [`ExecuteError::Fault`] if its stream cannot be read.
    pub fn state<A: Aggregate>(
        &mut self,
        key: impl std::fmt::Display,
    ) -> Result<Arc<A>, ExecuteError> {
        let (state, _) = self.load(&A::stream(key))?;
        Ok(state.downcast::<A>().unwrap_or_default())
    }

    /// Forgets streams that nothing has read for `rounds` calls of this. All that was taken in must
    /// be durable by now: a stream that is needed again is read from the log.
    pub fn let_go(&mut self, rounds: u32) {
        self.round += 1;
        let oldest = self.round.saturating_sub(rounds);
        self.kept.retain(|_, kept| kept.round >= oldest);
    }

    /// How many streams are kept.
    pub fn streams(&self) -> usize {
        self.kept.len()
    }

    fn load(&mut self, stream: &StreamName) -> Result<Loaded, ExecuteError> {
        if let Some(kept) = self.kept.get_mut(stream) {
            kept.round = self.round;
            return Ok((Arc::clone(&kept.state), kept.version));
        }
        let empty = domain::aggregates::evolve(stream.category(), None, std::iter::empty());
        let mut kept = Kept {
            state: empty.ok_or_else(|| fault(format!("no aggregate has a stream {stream}")))?,
            version: 0,
            round: self.round,
        };
        let version = self.log.stream_version(stream)?;
        while kept.version < version {
            let from = kept.version + 1;
            let page = self.log.read_stream(stream, from, STREAM_PAGE_EVENTS)?;
            let Some(last) = page.last() else { break };
            kept.version = last.version;
            let mut events = Vec::with_capacity(page.len());
            for recorded in &page {
                events.push((decode(recorded)?, stamp(recorded)));
            }
            kept.fold(stream, events.iter().map(|(event, stamp)| (event, *stamp)))?;
        }
        let loaded = (Arc::clone(&kept.state), kept.version);
        self.kept.insert(stream.clone(), kept);
        Ok(loaded)
    }
}

impl Kept {
    /// Takes events in. The state is moved, not copied, as long as nobody else holds it.
    fn fold<'e>(
        &mut self,
        stream: &StreamName,
        events: impl Iterator<Item = (&'e Event, Stamp)>,
    ) -> Result<(), ExecuteError> {
        let state = std::mem::replace(&mut self.state, Arc::new(()));
        self.state = domain::aggregates::evolve(stream.category(), Some(state), events)
            .ok_or_else(|| fault(format!("{stream} has a state of another aggregate")))?;
        Ok(())
    }
}
