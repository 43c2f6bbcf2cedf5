//! A shift with its whole life, folded from its stream: no read model keeps what one stream tells.

use std::collections::BTreeSet;

use domain::ids::{HazardId, ShiftId};
use domain::patrol_shift::{self, Event as E, Part, PatrolShift};
use domain::{Aggregate as _, Event, Visibility, personal};
use eventlog::execute::{decode, stamp};
use eventlog::{EventLog, RecordedEvent};
use projections::Build;
use projections::read_models::case_board::CaseBoard;
use tonic::Status;

use crate::parse::Choice as _;
use crate::{answer, status, wire};

/// Most steps that an answer shows: above what the bounds of a shift's scans and parts allow.
pub(crate) const STEPS_MAX: usize = 3_000;
/// Events that are read at once.
const PAGE_EVENTS: usize = 1_000;

/// Whether somebody must still do something about a hazard, as far as the board knows.
pub(super) fn is_open(board: &Build<CaseBoard>, hazard: HazardId) -> bool {
    board.case(hazard).is_none_or(|case| case.state.is_open())
}

/// A shift as it stood at a position, with everything that happened to it until then; of the items
/// that nobody took over those that are open by the board.
///
/// # Errors
/// `NOT_FOUND` if there is none; where the log cannot be read.
pub(crate) fn life(
    log: &dyn EventLog,
    position: u64,
    id: ShiftId,
    board: &Build<CaseBoard>,
) -> Result<wire::GetShiftResponse, Status> {
    let stream = PatrolShift::stream(id);
    let mut shift = PatrolShift::default();
    let mut answer = wire::GetShiftResponse::default();
    let mut shown = wire::Shift::default();
    loop {
        let page = log
            .read_stream(&stream, shown.version + 1, PAGE_EVENTS)
            .map_err(|error| status::of_read(&error))?;
        for recorded in &page {
            if recorded.position > position {
                break;
            }
            let event = decode(recorded).map_err(|error| status::of_execute(&error))?;
            if let Event::PatrolShift(event) = &event {
                shift.evolve(event, &stamp(recorded));
                tell(&mut shown, event, recorded);
            }
            (shown.position, shown.version) = (recorded.position, recorded.version);
            if answer.steps.len() < STEPS_MAX
                && recorded.envelope.visibility != Visibility::Withheld
            {
                answer.steps.push(step(recorded)?);
            }
        }
        let ended = page.last().is_none_or(|last| last.position > position);
        if ended || page.len() < PAGE_EVENTS {
            break;
        }
    }
    let Some(plan) = &shift.plan else {
        return Err(status::refused(
            &patrol_shift::Refusal::ShiftNotFound.refused(),
        ));
    };
    shown.shift_id = id.to_string();
    shown.community_id = plan.community.to_string();
    shown.zone_id = plan.zone.to_string();
    shown.from = Some(answer::instant(plan.from));
    shown.until = Some(answer::instant(plan.until));
    shown.route = plan.route.iter().map(ToString::to_string).collect();
    stands(&mut shown, &shift);
    let open = shift.items_not_taken_over();
    let open = open.iter().filter(|item| is_open(board, **item));
    shown.open_items = open.map(ToString::to_string).collect();
    answer.shift = Some(shown);
    Ok(answer)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What the state tells.
fn stands(shown: &mut wire::Shift, shift: &PatrolShift) {
    shown.state = wire::ShiftState::of(shift.state).into();
    shown.parts = shift
        .crew
        .iter()
        .map(|(person, part)| wire::ShiftPart {
            person_id: person.to_string(),
            checked_in: part.checked_in.map(answer::instant),
            checked_out: part.checked_out.map(answer::instant),
            result: result(part).into(),
            minutes: minutes(part),
        })
        .collect();
    shown.checkpoints_hit = count(shift.hit.len());
    shown.checkpoints_missed = count(shift.missed.len());
    let late: BTreeSet<_> = shift
        .late
        .iter()
        .map(|late| late.checkpoint)
        .filter(|checkpoint| !shift.hit.contains_key(checkpoint))
        .collect();
    shown.late_scans = count(late.len());
    shown.findings = shift.findings.iter().map(ToString::to_string).collect();
    shown.handover = shift.handover.as_ref().map(|pending| wire::Handover {
        from_id: pending.from.to_string(),
        to_id: pending.to.to_string(),
        open_items: pending.open_items.iter().map(ToString::to_string).collect(),
        at: Some(answer::instant(pending.at)),
    });
    shown.verified_at = shift.verified_at.map(answer::instant);
}

fn result(part: &Part) -> wire::ShiftPartResult {
    match part.accepted {
        None => wire::ShiftPartResult::Unspecified,
        Some(true) => wire::ShiftPartResult::Accepted,
        Some(false) => wire::ShiftPartResult::Rejected,
    }
}

fn minutes(part: &Part) -> u32 {
    let lengths = part
        .counted
        .iter()
        .map(|(from, until)| until.signed_duration_since(*from));
    let whole = lengths.sum::<chrono::Duration>().num_minutes();
    u32::try_from(whole).unwrap_or_default()
}

/// What only the events tell.
fn tell(shown: &mut wire::Shift, event: &E, recorded: &RecordedEvent) {
    let at = Some(answer::instant(recorded.envelope.occurred_at));
    match event {
        E::ShiftPlanned {
            zone_plan_version, ..
        }
        | E::LateShiftFiled {
            zone_plan_version, ..
        } => shown.zone_plan_version = *zone_plan_version,
        E::HandoverAccepted {
            from,
            to,
            open_items,
        } => shown.handovers.push(wire::Handover {
            from_id: from.to_string(),
            to_id: to.to_string(),
            open_items: open_items.iter().map(ToString::to_string).collect(),
            at,
        }),
        E::ShiftDisputed {
            disputed_by,
            reason,
        } => shown.disputes.push(wire::ShiftDispute {
            disputed_by: disputed_by.to_string(),
            reason: reason.reveal().to_owned(),
            disputed_at: at,
        }),
        _ => {}
    }
}

fn step(recorded: &RecordedEvent) -> Result<wire::ShiftStep, Status> {
    let mut payload: serde_json::Value =
        serde_json::from_slice(&recorded.payload).map_err(|error| status::fault(&error))?;
    personal::withdraw(&mut payload);
    Ok(wire::ShiftStep {
        position: recorded.position,
        version: recorded.version,
        r#type: recorded.type_name.to_string(),
        occurred_at: Some(answer::instant(recorded.envelope.occurred_at)),
        recorded_at: Some(answer::instant(recorded.header.recorded_at)),
        principal_id: recorded.header.principal.to_string(),
        channel: recorded.header.channel.name().to_owned(),
        payload_json: payload.to_string(),
    })
}
