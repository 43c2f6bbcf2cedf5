//! A lead as it is shown, and to whom.
//!
//! Owns who may know a lead ([`Viewer`]), asked with the rules' own words, and the one place where
//! what is told and by whom is read out of the log ([`content`]).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::ids::{LeadId, PersonId, UnitId};
use domain::lead::{Event, Lead, Refusal};
use domain::member::Member;
use domain::principal::Principal;
use domain::{Aggregate as _, Instant, encoding};
use eventlog::EventLog;
use eventlog::execute::Executor;
use projections::Build;
use projections::read_models::leads::{Leads, Place, Record};
use tonic::Status;
use uuid::Uuid;

use crate::backend::Backend;
use crate::gate::Caller;
use crate::parse::{Choice as _, Parsed};
use crate::{answer, paging, status, wire};

/// Most steps that an answer shows.
pub(crate) const STEPS_MAX: usize = 1_000;

/// Who asks.
pub(crate) enum Viewer {
    /// Whoever holds the folder sees where a lead stands, no more: the rest takes `replay --reveal`.
    Folder,
    /// A caller of the service.
    Caller {
        /// The person behind the login; systems review nothing.
        person: Option<PersonId>,
        /// To look the person's roles up.
        executor: Executor,
        /// Who was found to be an officer or not, and where, for one answer.
        officer_in: Mutex<HashMap<(UnitId, PersonId), bool>>,
    },
}

impl Viewer {
    /// The person behind a caller.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(in crate::services) fn of(backend: &Backend, caller: Caller) -> Result<Self, Status> {
        let executor = backend.executor.clone();
        let principal = executor.state::<Principal>(caller.principal);
        let person = principal
            .map_err(|error| status::of_execute(&error))?
            .person;
        Ok(Self::Caller {
            person,
            executor,
            officer_in: Mutex::default(),
        })
    }

    /// The person, if an officer of the community now.
    fn officer(&self, community: UnitId) -> Result<Option<PersonId>, Status> {
        let Self::Caller {
            person: Some(person),
            ..
        } = self
        else {
            return Ok(None);
        };
        Ok(self.serves(community, *person)?.then_some(*person))
    }

    /// Whether a person is an officer of the community now.
    fn serves(&self, community: UnitId, person: PersonId) -> Result<bool, Status> {
        let Self::Caller {
            executor,
            officer_in,
            ..
        } = self
        else {
            return Ok(false);
        };
        let mut known = officer_in.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&(community, person)) {
            return Ok(*known);
        }
        let member = executor.state::<Member>(Member::key(community, person));
        let member = member.map_err(|error| status::of_execute(&error))?;
        let officer = Lead::is_reviewed_by(&member, executor.now());
        known.insert((community, person), officer);
        Ok(officer)
    }

    /// Whether they may know that there is this lead.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(in crate::services) fn knows(&self, record: &Record) -> Result<bool, Status> {
        if matches!(self, Self::Folder) {
            return Ok(true);
        }
        let Some(officer) = self.officer(record.community)? else {
            return Ok(false);
        };
        let serves = match record.officer {
            Some(reviewer) => self.serves(record.community, reviewer)?,
            None => false,
        };
        let known = Lead::is_known_to(record.state, record.officer, serves, officer);
        Ok(known)
    }

    /// Whether they review this lead by the log as it stands now, no read model asked.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(super) fn reviews(&self, id: LeadId) -> Result<bool, Status> {
        let Self::Caller { executor, .. } = self else {
            return Ok(false);
        };
        let lead = executor.state::<Lead>(id);
        let lead = lead.map_err(|error| status::of_execute(&error))?;
        let Some(community) = lead.community else {
            return Ok(false);
        };
        let officer = self.officer(community)?;
        Ok(officer.is_some() && officer == lead.officer)
    }

    /// Whether they review the lead of this record.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(in crate::services) fn reviews_record(&self, record: &Record) -> Result<bool, Status> {
        let officer = self.officer(record.community)?;
        Ok(officer.is_some() && officer == record.officer)
    }
}

/// What whoever may not know a lead is answered, whether there is one or not.
pub(in crate::services) fn not_found() -> Status {
    status::refused(&Refusal::LeadNotFound.refused())
}

/// A lead as it stands, with its steps for its reviewer, both of one position.
///
/// # Errors
/// `NOT_FOUND` if there is none that they may know; where the log cannot be read.
pub(crate) fn life(
    build: &Build<Leads>,
    log: &dyn EventLog,
    id: LeadId,
    viewer: &Viewer,
) -> Result<wire::GetLeadResponse, Status> {
    let record = build.lead(id).ok_or_else(not_found)?;
    if !viewer.knows(record)? {
        return Err(not_found());
    }
    let mut steps = Vec::new();
    if viewer.reviews_record(record)? {
        let recorded = log
            .read_stream(&Lead::stream(id), 1, STEPS_MAX)
            .map_err(|error| status::of_read(&error))?;
        let seen = recorded
            .iter()
            .filter(|event| event.position <= build.position);
        steps.extend(seen.map(|event| wire::LeadStep {
            r#type: event.type_name.to_string(),
            occurred_at: Some(answer::instant(event.envelope.occurred_at)),
        }));
    }
    Ok(wire::GetLeadResponse {
        lead: Some(lead(id, record)),
        steps,
        read_point: None,
    })
}

/// What is told and by whom, for the reviewer whose access was just recorded.
///
/// # Errors
/// `NOT_FOUND` if there is none; where the log cannot be read.
pub(super) fn content(log: &dyn EventLog, id: LeadId) -> Result<wire::AccessLeadResponse, Status> {
    let first = log
        .read_stream(&Lead::stream(id), 1, 1)
        .map_err(|error| status::of_read(&error))?;
    let first = first.first().ok_or_else(not_found)?;
    let event = encoding::decode::<Event>(&first.type_name, &first.payload);
    let Event::LeadSubmitted {
        body,
        source,
        contact,
        entered_by,
        ..
    } = event.map_err(|error| status::fault(&error))?
    else {
        return Err(not_found());
    };
    let id = |person: Option<PersonId>| person.map_or_else(String::new, |it| it.to_string());
    Ok(wire::AccessLeadResponse {
        receipt: None,
        body: body.reveal().to_owned(),
        source_id: id(source),
        contact: contact.map_or_else(String::new, |contact| contact.reveal().to_owned()),
        entered_by: id(entered_by),
    })
}

/// A lead as it stands.
pub(super) fn lead(id: LeadId, record: &Record) -> wire::Lead {
    wire::Lead {
        lead_id: id.to_string(),
        community_id: record.community.to_string(),
        kind: wire::LeadKind::of(record.kind).into(),
        state: wire::LeadState::of(record.state).into(),
        submitted_at: Some(answer::instant(record.submitted_at)),
        officer_id: record
            .officer
            .map_or_else(String::new, |officer| officer.to_string()),
        closed_at: record.closed_at.map(answer::instant),
        accesses: record.accesses,
    }
}

/// The key of a lead in the order of a list.
pub(super) fn key(id: LeadId, record: &Record) -> String {
    format!("{}/{id}", record.submitted_at.timestamp_micros())
}

/// The place that a key names.
pub(super) fn place(key: &str) -> Parsed<Place> {
    let parts = key.split_once('/').and_then(|(micros, id)| {
        let at = Instant::from_timestamp_micros(micros.parse().ok()?)?;
        Some((at, LeadId(Uuid::parse_str(id).ok()?)))
    });
    parts.ok_or_else(paging::malformed)
}
