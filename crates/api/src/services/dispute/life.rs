//! A dispute with its whole life, and to whom it may be shown.
//!
//! Owns who sees the parties and what is said ([`Viewer`]); everybody else sees where the dispute
//! stands, and that something happened when, without who and what.

use std::sync::Arc;

use domain::dispute::{self, Dispute};
use domain::genesis::Genesis;
use domain::ids::{DisputeId, PersonId, UnitId};
use domain::member::Member;
use domain::person::Person;
use domain::unit::Unit;
use domain::{Aggregate as _, Instant, Visibility, personal};
use eventlog::execute::{ExecuteError, Executor};
use eventlog::{EventLog, RecordedEvent};
use projections::Build;
use projections::read_models::disputes::{Disputes, Place, Record};
use tonic::Status;
use uuid::Uuid;

use super::wired;
use crate::backend::Backend;
use crate::gate::Caller;
use crate::parse::{Parsed, Violation};
use crate::{answer, status, wire};

/// Most steps that an answer shows.
pub(crate) const STEPS_MAX: usize = 1_000;

/// Who asks.
pub(crate) enum Viewer {
    /// Whoever holds the folder: nothing can be kept from them.
    Folder,
    /// A caller of the service.
    Caller {
        /// The person behind the login.
        person: Option<PersonId>,
        /// An administrator of the log.
        administrator: bool,
        /// To look the person's roles up.
        executor: Executor,
    },
}

impl Viewer {
    /// The person behind a caller.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(in crate::services) fn of(backend: &Backend, caller: Caller) -> Result<Self, Status> {
        let executor = backend.executor.clone();
        let read = || -> Result<_, ExecuteError> {
            let person = backend.acting_person(caller.principal)?;
            let genesis: Arc<Genesis> = backend.genesis()?;
            let administrator = person.is_some_and(|it| genesis.administrators.contains(&it));
            Ok((person, administrator))
        };
        let (person, administrator) = read().map_err(|error| status::of_execute(&error))?;
        Ok(Self::Caller {
            person,
            administrator,
            executor,
        })
    }

    /// Whether they may see who is at odds and what is said.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(in crate::services) fn knows(&self, record: &Record) -> Result<bool, Status> {
        match self {
            Self::Folder
            | Self::Caller {
                administrator: true,
                ..
            } => Ok(true),
            Self::Caller { person: None, .. } => Ok(false),
            Self::Caller {
                person: Some(person),
                executor,
                ..
            } => {
                let now = executor.now();
                let look_up = |unit: UnitId| executor.state::<Unit>(unit).map(Some);
                let owner = record.given.owner(record.community, now, &look_up);
                let member = owner
                    .and_then(|owner| executor.state::<Member>(Member::key(owner, *person)))
                    .map_err(|error| status::of_execute(&error))?;
                let stands = executor.state::<Person>(*person);
                let stands = stands.map_err(|error| status::of_execute(&error))?;
                let mut records = stands.duplicates.iter().chain([person]);
                Ok(records.any(|it| record.dispute.is_known_to(*it, &member, now)))
            }
        }
    }
}

/// A dispute with its whole life, both of one position.
///
/// # Errors
/// `NOT_FOUND` if there is none; where the log cannot be read.
pub(crate) fn life(
    build: &Build<Disputes>,
    log: &dyn EventLog,
    id: DisputeId,
    viewer: &Viewer,
) -> Result<wire::GetDisputeResponse, Status> {
    let Some(record) = build.dispute(id) else {
        return Err(status::refused(
            &dispute::Refusal::DisputeNotFound.refused(),
        ));
    };
    let known = viewer.knows(record)?;
    let recorded = log
        .read_stream(&Dispute::stream(id), 1, STEPS_MAX)
        .map_err(|error| status::of_read(&error))?;
    let steps = recorded.iter().filter(|event| {
        event.position <= build.position && event.envelope.visibility != Visibility::Withheld
    });
    Ok(wire::GetDisputeResponse {
        dispute: Some(wired::dispute(id, record, known)),
        steps: steps
            .map(|event| step(event, known))
            .collect::<Result<_, _>>()?,
        read_point: None,
    })
}

/// An event in the life of a dispute.
fn step(recorded: &RecordedEvent, known: bool) -> Result<wire::DisputeStep, Status> {
    let mut payload: serde_json::Value =
        serde_json::from_slice(&recorded.payload).map_err(|error| status::fault(&error))?;
    personal::withdraw(&mut payload);
    let said = |text: String| if known { text } else { String::new() };
    Ok(wire::DisputeStep {
        position: recorded.position,
        version: recorded.version,
        r#type: recorded.type_name.to_string(),
        occurred_at: Some(answer::instant(recorded.envelope.occurred_at)),
        recorded_at: Some(answer::instant(recorded.header.recorded_at)),
        // A party's own act would name the party by its login.
        principal_id: said(recorded.header.principal.to_string()),
        channel: recorded.header.channel.name().to_owned(),
        trust: recorded.envelope.trust.name().to_owned(),
        payload_json: said(payload.to_string()),
    })
}

/// The key of a dispute in the order of a list.
pub(super) fn key(id: DisputeId, record: &Record) -> String {
    format!("{}/{id}", record.registered_at.timestamp_micros())
}

/// The place that a key names.
pub(super) fn place(key: &str) -> Parsed<Place> {
    let parts = key.split_once('/').and_then(|(micros, id)| {
        let at = Instant::from_timestamp_micros(micros.parse().ok()?)?;
        Some((at, DisputeId(Uuid::parse_str(id).ok()?)))
    });
    parts.ok_or_else(|| Violation::new("page_token", "It is not one that this question gave."))
}
