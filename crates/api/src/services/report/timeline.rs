//! The whole life of a case, page by page, as far as the caller may know it.
//!
//! Owns what is masked in an event of each sort of case; who may know a dispute or a lead is asked
//! with their own words. A place is a version of the case's stream: it moves for nobody.

use domain::dispute::{self, Dispute};
use domain::hazard::{self, Hazard};
use domain::ids::{DisputeId, HazardId, LeadId, ShiftId};
use domain::lead::Lead;
use domain::patrol_shift::{self, PatrolShift};
use domain::{Aggregate as _, StreamName, Visibility, personal};
use eventlog::{EventLog, RecordedEvent};
use projections::Models;
use tonic::Status;

use super::invalid;
use crate::backend::Backend;
use crate::gate::Caller;
use crate::parse::{self, Violation};
use crate::reading::Waited;
use crate::services::dispute::life as dispute_life;
use crate::services::lead::life as lead_life;
use crate::{answer, paging, status, wire};

use wire::CaseKind as Kind;

/// Who asks, of disputes and of leads.
pub(crate) struct Viewer {
    dispute: dispute_life::Viewer,
    lead: lead_life::Viewer,
}

impl Viewer {
    /// Whoever holds the folder.
    pub(crate) const fn folder() -> Self {
        Self {
            dispute: dispute_life::Viewer::Folder,
            lead: lead_life::Viewer::Folder,
        }
    }

    /// A caller of the service.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(super) fn of(backend: &Backend, caller: Caller) -> Result<Self, Status> {
        Ok(Self {
            dispute: dispute_life::Viewer::of(backend, caller)?,
            lead: lead_life::Viewer::of(backend, caller)?,
        })
    }
}

/// How much of an event is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Everything but personal texts.
    Whole,
    /// That it happened and when, without who and what.
    Masked,
    /// Of a lead, to its reviewer: its name and its time.
    Lead,
    /// Nothing.
    Nothing,
}

/// What the read point of an answer names as its build: it is read from the log itself.
const BUILD: &str = "case_timeline";

/// A page of what happened to a case.
///
/// # Errors
/// The first field that is malformed; `NOT_FOUND` for a case that does not exist or that the caller
/// may not know; where the log cannot be read.
pub(crate) fn page(
    models: &Models,
    log: &dyn EventLog,
    request: &wire::GetCaseTimelineRequest,
    viewer: &Viewer,
) -> Result<(wire::GetCaseTimelineResponse, u64), Status> {
    let id: uuid::Uuid = parse::id("case_id", &request.case_id).map_err(invalid)?;
    let kind = Kind::try_from(request.kind).unwrap_or_default();
    let (stream, position, shown) = case(models, kind, id, viewer)?;
    let size = paging::size(request.page_size).map_err(invalid)?;
    let question = format!("timeline {} {}", request.kind, request.case_id);
    let after = paging::read(&question, &request.page_token).map_err(invalid)?;
    let mut after: u64 = match after {
        Some(key) => key.parse().map_err(|_| invalid(paging::malformed()))?,
        None => 0,
    };
    let mut answer = wire::GetCaseTimelineResponse::default();
    if shown == Shown::Nothing {
        return Ok((answer, position));
    }
    'pages: loop {
        let read = log.read_stream(&stream, after.saturating_add(1), size);
        let read = read.map_err(|error| status::of_read(&error))?;
        for recorded in &read {
            if recorded.position > position {
                break 'pages;
            }
            if is_kept_back(recorded, shown) {
                after = recorded.version;
                continue;
            }
            if answer.events.len() == size {
                answer.next_page_token = paging::write(&question, &after.to_string());
                break 'pages;
            }
            answer.events.push(event(recorded, shown)?);
            after = recorded.version;
        }
        if read.len() < size {
            break;
        }
    }
    Ok((answer, position))
}

/// The same with what it has seen, for the service.
///
/// # Errors
/// As [`page`], and `UNAVAILABLE` where the read model stands before what was asked for.
pub(super) fn timeline(
    models: &Models,
    log: &dyn EventLog,
    request: &wire::GetCaseTimelineRequest,
    viewer: &Viewer,
    waited: Waited,
) -> Result<wire::GetCaseTimelineResponse, Status> {
    let (mut answer, position) = page(models, log, request, viewer)?;
    answer.read_point = Some(waited.at_least(position, BUILD.to_owned())?);
    Ok(answer)
}

/// The stream of a case, up to where it is read, and how much of it is shown.
fn case(
    models: &Models,
    kind: Kind,
    id: uuid::Uuid,
    viewer: &Viewer,
) -> Result<(StreamName, u64, Shown), Status> {
    match kind {
        Kind::Hazard => {
            let (build, id) = (crate::reading::ready(&models.case_board)?, HazardId(id));
            build
                .case(id)
                .ok_or_else(|| status::refused(&hazard::Refusal::HazardNotFound.refused()))?;
            Ok((Hazard::stream(id), build.position, Shown::Whole))
        }
        Kind::Dispute => {
            let (build, id) = (crate::reading::ready(&models.disputes)?, DisputeId(id));
            let record = build
                .dispute(id)
                .ok_or_else(|| status::refused(&dispute::Refusal::DisputeNotFound.refused()))?;
            let shown = if viewer.dispute.knows(record)? {
                Shown::Whole
            } else {
                Shown::Masked
            };
            Ok((Dispute::stream(id), build.position, shown))
        }
        Kind::Shift => {
            let (build, id) = (crate::reading::ready(&models.shifts)?, ShiftId(id));
            let slot = build.partitions.get(&id).and_then(Option::as_ref);
            slot.ok_or_else(|| status::refused(&patrol_shift::Refusal::ShiftNotFound.refused()))?;
            Ok((PatrolShift::stream(id), build.position, Shown::Whole))
        }
        Kind::Lead => {
            let (build, id) = (crate::reading::ready(&models.leads)?, LeadId(id));
            let record = build.lead(id).ok_or_else(lead_life::not_found)?;
            if !viewer.lead.knows(record)? {
                return Err(lead_life::not_found());
            }
            let shown = if viewer.lead.reviews_record(record)? {
                Shown::Lead
            } else {
                Shown::Nothing
            };
            Ok((Lead::stream(id), build.position, shown))
        }
        Kind::Unspecified => {
            let why = Violation::new("kind", "One of its values must be chosen.");
            Err(invalid(why))
        }
    }
}

/// What is withheld is left out, but of a lead, whose reviewer knows that it is there.
fn is_kept_back(recorded: &RecordedEvent, shown: Shown) -> bool {
    shown != Shown::Lead && recorded.envelope.visibility == Visibility::Withheld
}

fn event(recorded: &RecordedEvent, shown: Shown) -> Result<wire::CaseEvent, Status> {
    let mut event = wire::CaseEvent {
        version: recorded.version,
        r#type: recorded.type_name.to_string(),
        occurred_at: Some(answer::instant(recorded.envelope.occurred_at)),
        is_masked: shown != Shown::Whole,
        ..Default::default()
    };
    if shown == Shown::Lead {
        return Ok(event);
    }
    event.position = recorded.position;
    event.recorded_at = Some(answer::instant(recorded.header.recorded_at));
    recorded
        .header
        .channel
        .name()
        .clone_into(&mut event.channel);
    recorded.envelope.trust.name().clone_into(&mut event.trust);
    if shown == Shown::Whole {
        let mut payload: serde_json::Value =
            serde_json::from_slice(&recorded.payload).map_err(|error| status::fault(&error))?;
        personal::withdraw(&mut payload);
        event.principal_id = recorded.header.principal.to_string();
        event.payload_json = payload.to_string();
    }
    Ok(event)
}
