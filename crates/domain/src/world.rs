//! What a decision sees: the states of the streams it reads, and its context.
//!
//! Owns [`World`], [`Context`], [`Decision`] and the [`Aggregate`] trait. A decision asks the
//! world for a state; a stream that is not there yet stops it with [`Stop::Need`], the caller
//! loads it and decides again. So a decision may read what it finds it must, and stays pure; the
//! streams it read are exactly those in the world, and all of them are checked at the append.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::aggregates::Event;
use crate::envelope::{Channel, Envelope, Instant, Visibility};
use crate::ids::{PersonId, PrincipalId};
use crate::refusal::{RefusalKind, Refused, Stop};
use crate::stream::StreamName;

/// A kind of thing with a life of its own: its commands, its events, its rules.
pub trait Aggregate: Clone + Default + fmt::Debug + Send + Sync + 'static {
    /// First part of the name of its streams.
    const CATEGORY: &'static str;
    /// What can be asked of it.
    type Command: Serialize + fmt::Debug + Clone + Send + Sync;
    /// What happens to it.
    type Event: Serialize + DeserializeOwned + fmt::Debug + Clone + PartialEq + Send + Sync;

    /// The stream by which a repeat of the command is found: that of the thing it is about.
    fn primary(command: &Self::Command) -> StreamName;

    /// The rules: events, or a refusal. Pure.
    fn decide(command: &Self::Command, world: &World, cx: &Context) -> Result<Decision, Stop>;

    /// Takes an event in. Total: never fails, never judges.
    fn evolve(&mut self, event: &Self::Event, stamp: &Stamp);

    /// The stream of the one with this key.
    fn stream(key: impl fmt::Display) -> StreamName {
        StreamName::new(Self::CATEGORY, key)
    }
}

/// Where and when an event stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Global order, from 1.
    pub position: u64,
    /// Place in its stream, from 1.
    pub version: u64,
    /// When it happened, as claimed.
    pub occurred_at: Instant,
    /// When the log took it.
    pub recorded_at: Instant,
}

/// Who acts: a principal, and the person behind it if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The login.
    pub principal: PrincipalId,
    /// The person linked to it, or the one a system acts for.
    pub person: Option<PersonId>,
    /// True for one of the system's own principals (`reaction`, `timer`, `import`).
    pub system: bool,
}

/// What a decision is given besides the command and the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Now, on the log's clock.
    pub now: Instant,
    /// Who acts.
    pub actor: Actor,
    /// Through which door.
    pub channel: Channel,
    /// The zone of the log, for units that name none.
    pub zone: chrono_tz::Tz,
}

impl Context {
    /// The person who acts; separation of duties compares persons, so an actor that is none can
    /// neither verify nor approve.
    pub fn person(&self) -> Result<PersonId, Stop> {
        self.actor.person.ok_or_else(|| {
            Refused {
                name: "ACTOR_IS_NO_PERSON".to_owned(),
                kind: RefusalKind::NotAllowed,
                field: "".into(),
                message: "Only a principal that is linked to a person may do this.".into(),
            }
            .into()
        })
    }
}

/// The states that a decision may read.
#[derive(Debug, Clone, Default)]
pub struct World {
    states: BTreeMap<StreamName, Arc<dyn Any + Send + Sync>>,
    whole: bool,
}

impl World {
    /// Nothing loaded yet; asking for a state stops with [`Stop::Need`].
    pub fn unloaded() -> Self {
        Self::default()
    }

    /// A world in which every stream that was not put in is empty (tests, simulations).
    pub fn whole() -> Self {
        Self {
            states: BTreeMap::new(),
            whole: true,
        }
    }

    /// Puts a folded state in.
    pub fn put(&mut self, stream: StreamName, state: Arc<dyn Any + Send + Sync>) {
        self.states.insert(stream, state);
    }

    /// What was put in for a stream.
    #[cfg(test)]
    pub(crate) fn found(&self, stream: &StreamName) -> Option<Arc<dyn Any + Send + Sync>> {
        self.states.get(stream).map(Arc::clone)
    }

    /// The state of the aggregate with this key; that of an empty stream if it does not exist.
    pub fn state<A: Aggregate>(&self, key: impl fmt::Display) -> Result<Arc<A>, Stop> {
        let stream = A::stream(key);
        match self.states.get(&stream) {
            Some(state) => Ok(Arc::clone(state).downcast::<A>().unwrap_or_default()),
            None if self.whole => Ok(Arc::default()),
            None => Err(Stop::Need(stream)),
        }
    }

    /// The streams that were loaded: those the decision has read.
    pub fn streams(&self) -> impl Iterator<Item = &StreamName> {
        self.states.keys()
    }
}

/// An event as decided, not yet in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Its stream.
    pub stream: StreamName,
    /// What happened.
    pub event: Event,
    /// What stands around it.
    pub envelope: Envelope,
}

/// What was decided: the events of one commit, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The events; none means that nothing had to change.
    pub events: Vec<NewEvent>,
    /// Names of the policy sets it used.
    pub policy_sets: Vec<String>,
    /// Who may see the commit's header.
    pub visibility: Visibility,
}

impl Default for Decision {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            policy_sets: Vec::new(),
            visibility: Visibility::Open,
        }
    }
}

impl Decision {
    /// Nothing decided yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event of the aggregate with this key.
    pub fn push<A>(&mut self, key: impl fmt::Display, event: A::Event, envelope: Envelope)
    where
        A: Aggregate,
        Event: From<A::Event>,
    {
        self.events.push(NewEvent {
            stream: A::stream(key),
            event: event.into(),
            envelope,
        });
    }

    /// The same, for chains.
    #[must_use]
    pub fn with<A>(mut self, key: impl fmt::Display, event: A::Event, envelope: Envelope) -> Self
    where
        A: Aggregate,
        Event: From<A::Event>,
    {
        self.push::<A>(key, event, envelope);
        self
    }

    /// Notes that a policy set was used.
    pub fn used(&mut self, policy_set: &str) {
        if !self.policy_sets.iter().any(|name| name == policy_set) {
            self.policy_sets.push(policy_set.to_owned());
        }
    }
}

/// The command id of work that follows from another event, the same on every repeat.
pub fn consequence_id(log_id: Uuid, cause: u64, reaction: &str, n: usize) -> Uuid {
    crate::ids::derived("consequence", &[&log_id, &cause, &reaction, &n])
}
