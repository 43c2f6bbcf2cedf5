//! The steps of a decision that do not depend on where states come from: who acts, the loading of
//! what is needed, and the commit that is made of what was decided.

use std::any::Any;
use std::sync::Arc;

use domain::ids::PrincipalId;
use domain::person::Person;
use domain::principal::Principal;
use domain::{Actor, Command, Context, Decision, Instant, Stop, StreamName, World};

use super::{ExecuteError, Request, STREAMS_READ_MAX, fault};
use crate::{CommitDraft, EventDraft, HeaderDraft};

/// The state of a stream, and its version.
pub(super) type Loaded = (Arc<dyn Any + Send + Sync>, u64);

/// Decides, loading streams until nothing is missing; also the versions it read.
pub(super) fn decide(
    request: &Request,
    now: Instant,
    zone: chrono_tz::Tz,
    mut load: impl FnMut(&StreamName) -> Result<Loaded, ExecuteError>,
) -> Result<(Decision, Vec<(StreamName, u64)>), ExecuteError> {
    let mut world = World::unloaded();
    let mut expected = Vec::new();
    // The primary stream is always read: a repeat must conflict with the first.
    let mut wanted = Some(request.command.primary());
    loop {
        if let Some(stream) = wanted.take() {
            if expected.len() == STREAMS_READ_MAX {
                return Err(ExecuteError::TooManyStreams);
            }
            let (state, version) = load(&stream)?;
            world.put(stream.clone(), state);
            expected.push((stream, version));
        }
        let stop = match context(request, &world, now, zone) {
            Ok(context) => match request.command.decide(&world, &context?) {
                Ok(decision) => return Ok((decision, expected)),
                Err(stop) => stop,
            },
            Err(stop) => stop,
        };
        match stop {
            Stop::Refused(refused) => return Err(ExecuteError::Refused(refused)),
            Stop::Need(stream) => wanted = Some(stream),
        }
    }
}

/// Who acts, and now. The birth of the log is the one command without a registered login.
fn context(
    request: &Request,
    world: &World,
    now: Instant,
    zone: chrono_tz::Tz,
) -> Result<Result<Context, ExecuteError>, Stop> {
    let mut actor = Actor {
        principal: request.principal,
        person: None,
        system: false,
    };
    let birth = matches!(
        request.command,
        Command::Genesis(domain::genesis::Command::BearLog { .. })
    );
    if !birth {
        let principal = world.state::<Principal>(request.principal)?;
        if !principal.exists {
            return Ok(Err(ExecuteError::PrincipalNotRegistered));
        }
        if principal.suspended {
            return Ok(Err(ExecuteError::PrincipalSuspended));
        }
        if request.acting_for.is_some() {
            return Ok(Err(ExecuteError::ActingForNotAllowed));
        }
        // A login follows its person into the record that stands for them.
        actor.person = match principal.person {
            Some(person) => Some(Person::survivor(world, person)?),
            None => None,
        };
        actor.system = domain::genesis::SYSTEM_SUBJECTS
            .iter()
            .any(|subject| PrincipalId::of_subject(subject) == request.principal);
    }
    Ok(Ok(Context {
        now,
        actor,
        channel: request.channel,
        zone,
    }))
}

/// The commit of what was decided.
pub(super) fn draft(
    request: &Request,
    primary: &StreamName,
    fingerprint: [u8; 32],
    decision: &Decision,
    expected: Vec<(StreamName, u64)>,
    seed: [u8; 16],
) -> Result<CommitDraft, ExecuteError> {
    // A repeat is found by reading the primary stream, so the commit must be in it.
    if !decision.events.iter().any(|event| event.stream == *primary) {
        return Err(fault(format!("a decision left {primary} without event")));
    }
    let events = decision.events.iter().map(|event| {
        let (type_name, payload) = event.event.encode();
        EventDraft {
            stream: event.stream.clone(),
            type_name: type_name.into(),
            schema_version: 1,
            envelope: event.envelope.clone(),
            payload,
        }
    });
    Ok(CommitDraft {
        header: HeaderDraft {
            command_id: request.command_id,
            fingerprint,
            principal: request.principal.0,
            acting_for: request.acting_for.map(|person| person.0),
            role: None,
            channel: request.channel,
            cause: request.cause,
            correlation: request.correlation,
            policy_sets: decision.policy_sets.clone(),
            visibility: decision.visibility,
        },
        expected,
        events: events.collect(),
        seed,
        not_before: request.not_before,
    })
}
