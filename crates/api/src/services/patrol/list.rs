//! Shifts in a list.

use domain::Instant;
use domain::ids::ShiftId;
use projections::Build;
use projections::read_models::case_board::CaseBoard;
use projections::read_models::shifts::{Filter, Place, Record, Shifts};
use uuid::Uuid;

use super::life;
use crate::parse::{self, Choice as _, Parsed};
use crate::{answer, paging, wire};

/// A page of the shifts asked for, and the token of the next one.
///
/// # Errors
/// Where a field of the question is malformed.
pub(super) fn page(
    build: &Build<Shifts>,
    board: &Build<CaseBoard>,
    filter: &mut Filter,
    request: &wire::ListShiftsRequest,
) -> Parsed<(Vec<wire::ShiftSummary>, String)> {
    filter.state = parse::optional_choice::<wire::ShiftState>("state", request.state)?;
    filter.person = parse::optional_id("person_id", &request.person_id)?;
    let size = paging::size(request.page_size)?;
    let question = format!(
        "shifts {} {} {}",
        request.unit_id, request.state, request.person_id
    );
    let after = paging::read(&question, &request.page_token)?;
    let after = after.map(|key| place(&key)).transpose()?;
    let (page, more) = build.list(filter, size, after);
    let last = page.last().filter(|_| more);
    let next = last.map(|(id, record)| {
        let key = format!("{}/{id}", record.from.timestamp_micros());
        paging::write(&question, &key)
    });
    let shifts = page
        .into_iter()
        .map(|(id, record)| summary(id, record, board));
    Ok((shifts.collect(), next.unwrap_or_default()))
}

/// The place that a key names.
fn place(key: &str) -> Parsed<Place> {
    let parts = key.split_once('/').and_then(|(micros, id)| {
        let at = Instant::from_timestamp_micros(micros.parse().ok()?)?;
        Some((at, ShiftId(Uuid::parse_str(id).ok()?)))
    });
    parts.ok_or_else(paging::malformed)
}

fn summary(id: ShiftId, record: &Record, board: &Build<CaseBoard>) -> wire::ShiftSummary {
    let open = record.open_items();
    let open = open.iter().filter(|item| life::is_open(board, **item));
    wire::ShiftSummary {
        shift_id: id.to_string(),
        community_id: record.community.to_string(),
        zone_id: record.zone.to_string(),
        state: wire::ShiftState::of(record.state).into(),
        from: Some(answer::instant(record.from)),
        until: Some(answer::instant(record.until)),
        person_ids: record.people.iter().map(ToString::to_string).collect(),
        successor_id: record
            .pending
            .as_ref()
            .map(|pending| pending.to.to_string())
            .unwrap_or_default(),
        open_items: u32::try_from(open.count()).unwrap_or(u32::MAX),
        findings: record.findings,
        disputes: record.disputes,
        verified_at: record.verified_at.map(answer::instant),
        position: record.position,
        version: record.version,
    }
}
