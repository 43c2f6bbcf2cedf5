//! How hazards are dealt with, by unit and kind.

use std::collections::BTreeMap;

use domain::Instant;
use projections::read_models::hazard_report::HazardReport;
use projections::read_models::hazard_report::tally::{Filter, Tally};
use projections::{Build, Models};
use tonic::Status;

use super::{invalid, page, rate};
use crate::backend::subtree;
use crate::parse::{self, Parsed};
use crate::{answer, wire};

/// The total and a page of rows.
///
/// # Errors
/// The first field that is malformed, or `NOT_FOUND` for a unit that does not exist.
pub(crate) fn report(
    models: &Models,
    build: &Build<HazardReport>,
    request: &wire::GetHazardReportRequest,
    now: Instant,
) -> Result<wire::GetHazardReportResponse, Status> {
    let mut filter = filter(request, now).map_err(invalid)?;
    let as_of = filter.as_of;
    // The tree of the day that is asked about; nobody knows the one of a day to come.
    let at = as_of.min(now);
    filter.units = subtree(models, &request.unit_id, at)?;
    filter.succession = crate::reading::ready(&models.units)?.succession(at);
    let mut total = Tally::default();
    let mut rows = BTreeMap::new();
    for ((unit, kind), tally) in build.tally(&filter) {
        total.add(&tally);
        let row = wire::HazardTally {
            unit_id: unit.to_string(),
            kind: kind.clone(),
            ..wired(&tally, as_of)
        };
        rows.insert(format!("{unit}/{kind}"), row);
    }
    let question = format!(
        "hazard report {} {:?} {:?} {:?} {:?}",
        request.unit_id, filter.kind, filter.source, filter.from, request.as_of
    );
    let (rows, next_page_token) =
        page(rows, &question, request.page_size, &request.page_token).map_err(invalid)?;
    Ok(wire::GetHazardReportResponse {
        total: Some(wired(&total, as_of)),
        rows,
        as_of: Some(answer::instant(as_of)),
        next_page_token,
        read_point: None,
    })
}

fn filter(request: &wire::GetHazardReportRequest, now: Instant) -> Parsed<Filter> {
    Ok(Filter {
        kind: parse::optional_text("kind", request.kind.clone())?,
        source: parse::optional_text("source", request.source.clone())?,
        from: parse::optional_instant("from", request.from)?,
        as_of: parse::optional_instant("as_of", request.as_of)?.unwrap_or(now),
        ..Filter::default()
    })
}

fn wired(tally: &Tally, as_of: Instant) -> wire::HazardTally {
    wire::HazardTally {
        unit_id: String::new(),
        kind: String::new(),
        reported: tally.reported,
        open_general: tally.open_general,
        open_major: tally.open_major,
        open_unverified: tally.open_unverified,
        overdue: Some(rate(tally.overdue, tally.open_with_deadline)),
        reinspections_failed: Some(rate(tally.reinspections_failed, tally.reinspections)),
        recurred: Some(rate(tally.recurred, tally.closed)),
        closed_by_source: tally.closed_by_source,
        recurrence_free_days: tally.recurrence_free_days(as_of),
        days_since_seen: tally.days_since_seen(as_of),
    }
}
