//! What stands still and needs somebody.
//!
//! Of several read models, each as of its own position; the answer names the least. Work that
//! answers a withheld event shows neither its cause nor when it was refused, and no token holds them.

use std::collections::BTreeMap;

use chrono::Duration;
use domain::Instant;
use domain::dispute::Purpose as DisputePurpose;
use domain::hazard::{HazardState, Purpose};
use domain::ids::UnitId;
use domain::patrol_shift::ShiftState;
use projections::Models;
use projections::read_models::case_board::{Case, Standing};
use projections::read_models::disputes;
use projections::read_models::units::Succession;
use tonic::Status;

use super::{invalid, page};
use crate::backend::subtree;
use crate::parse::Violation;
use crate::{answer, wire};

/// What the read point of an answer names as its build.
pub(crate) const BUILD: &str = "stuck_work";
/// A shift that should have ended longer ago and is not settled stands still.
pub(crate) const SHIFT_SETTLED_WITHIN: Duration = Duration::days(1);

use wire::StuckWorkKind as Kind;

/// What was found, by key.
struct Found<'a> {
    rows: BTreeMap<String, wire::StuckWork>,
    kind: Option<Kind>,
    units: Option<&'a std::collections::BTreeSet<UnitId>>,
    position: u64,
}

impl Found<'_> {
    /// True if this sort is asked for. What is of no unit is not, where a unit is asked for.
    fn wants(&self, kind: Kind, is_case: bool) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind) && (is_case || self.units.is_none())
    }

    fn put(&mut self, kind: Kind, place: &str, work: wire::StuckWork) {
        let kind = i32::from(kind);
        let row = wire::StuckWork { kind, ..work };
        self.rows.insert(format!("{kind}/{place}"), row);
    }

    /// A case of a unit, by its id.
    fn case(&mut self, kind: Kind, id: &str, unit: UnitId, since: Instant, reason: &str) {
        if self.units.is_some_and(|units| !units.contains(&unit)) {
            return;
        }
        let work = wire::StuckWork {
            id: id.to_owned(),
            unit_id: unit.to_string(),
            since: Some(answer::instant(since)),
            reason: reason.to_owned(),
            ..Default::default()
        };
        self.put(kind, id, work);
    }

    fn seen(&mut self, position: u64) {
        self.position = self.position.min(position);
    }
}

/// A page of what stands still, and the position that the answer has seen.
///
/// # Errors
/// The first field that is malformed, or `NOT_FOUND` for a unit that does not exist.
pub(crate) fn list(
    models: &Models,
    request: &wire::ListStuckWorkRequest,
    timers_stopped: bool,
    now: Instant,
) -> Result<(wire::ListStuckWorkResponse, u64), Status> {
    let kind = Kind::try_from(request.kind)
        .map_err(|_| invalid(Violation::new("kind", "It is none of its values.")))?;
    let units = subtree(models, &request.unit_id, now)?;
    let succession = crate::reading::ready(&models.units)?.succession(now);
    let mut found = Found {
        rows: BTreeMap::new(),
        kind: Some(kind).filter(|kind| *kind != Kind::Unspecified),
        units: units.as_ref(),
        position: u64::MAX,
    };
    // That one is read at all, whatever is asked for, gives the answer a position.
    found.seen(models.units.read().position);
    if found.wants(Kind::Reaction, false) {
        reactions(models, &mut found)?;
    }
    if found.wants(Kind::Hazard, true) {
        hazards(models, &succession, now, &mut found)?;
    }
    if found.wants(Kind::Dispute, true) {
        mediation(models, &succession, now, &mut found)?;
    }
    if found.wants(Kind::Shift, true) {
        shifts(models, now, &mut found)?;
    }
    if found.wants(Kind::Redemption, true) {
        redemptions(models, now, &mut found)?;
    }
    if found.wants(Kind::ReadModel, false) {
        stopped(models, &mut found);
    }
    if found.wants(Kind::Timers, false) && timers_stopped {
        let work = wire::StuckWork {
            id: "timers".to_owned(),
            ..Default::default()
        };
        found.put(Kind::Timers, "timers", work);
    }
    let question = format!("stuck {} {}", request.unit_id, request.kind);
    let position = found.position;
    let (work, next_page_token) = page(
        found.rows,
        &question,
        request.page_size,
        &request.page_token,
    )
    .map_err(invalid)?;
    let answer = wire::ListStuckWorkResponse {
        work,
        next_page_token,
        read_point: None,
    };
    Ok((answer, position))
}

fn reactions(models: &Models, found: &mut Found<'_>) -> Result<(), Status> {
    let build = crate::reading::ready(&models.reaction_work)?;
    found.seen(build.position);
    let all = build.partitions.iter();
    for (name, work) in all {
        let mut withheld = 0_u32;
        for ((cause, number), stuck) in &work.stuck {
            let (shown, _) = stuck.shown(*cause);
            let place = if stuck.is_withheld {
                withheld += 1;
                format!("{name}/withheld/{withheld:010}")
            } else {
                format!("{name}/{cause:020}/{number:010}")
            };
            let since = Some(answer::instant(stuck.since)).filter(|_| !stuck.is_withheld);
            let row = wire::StuckWork {
                id: name.clone(),
                since,
                reason: stuck.refusal.clone(),
                position: shown,
                number: *number,
                ..Default::default()
            };
            found.put(Kind::Reaction, &place, row);
        }
    }
    Ok(())
}

/// Since when an open hazard is overdue, and for what.
fn overdue(case: &Case, now: Instant) -> Option<(Instant, &'static str)> {
    if Standing::of(case.state) != Standing::Open {
        return None;
    }
    let waits = matches!(
        case.state,
        HazardState::Rectified | HazardState::Reinspected
    );
    let passed = case.deadline.filter(|due| *due < now && !waits);
    let passed = passed.map(|due| (due, "RECTIFICATION"));
    let breaches = case.breaches.iter().map(|breach| match breach.purpose {
        Purpose::Rectification => (breach.due_at, "RECTIFICATION"),
        Purpose::ReportUp => (breach.due_at, "REPORT_UP"),
        Purpose::Reinspection => (breach.due_at, "REINSPECTION"),
    });
    breaches.chain(passed).min()
}

fn hazards(
    models: &Models,
    succession: &Succession,
    now: Instant,
    found: &mut Found<'_>,
) -> Result<(), Status> {
    let build = crate::reading::ready(&models.case_board)?;
    found.seen(build.position);
    let slots = build.partitions.iter();
    for (id, slot) in slots {
        let Some(case) = slot else { continue };
        if let Some((since, reason)) = overdue(case, now) {
            let unit = succession.owner(&case.given, case.unit);
            found.case(Kind::Hazard, &id.to_string(), unit, since, reason);
        }
    }
    Ok(())
}

/// Since when an open dispute is overdue, and for what.
fn late(record: &disputes::Record, now: Instant) -> Option<(Instant, &'static str)> {
    let dispute = &record.dispute;
    if !dispute.state.is_open() {
        return None;
    }
    let breaches = dispute.breaches.iter();
    let breaches = breaches.map(|(purpose, due)| match purpose {
        DisputePurpose::FollowUp => (*due, "FOLLOW_UP"),
        _ => (*due, "MEDIATION"),
    });
    let agreements = dispute.agreement.iter();
    let owed = agreements.flat_map(|agreement| agreement.obligations.values());
    let owed = owed.filter(|owed| !owed.performed && (owed.overdue || owed.due_at < now));
    let owed = owed.map(|owed| (owed.due_at, "OBLIGATION"));
    let date = dispute.dates.get(&DisputePurpose::Mediation);
    let date = date.filter(|due| dispute.state.is_mediating() && **due < now);
    let date = date.map(|due| (*due, "MEDIATION"));
    breaches.chain(owed).chain(date).min()
}

fn mediation(
    models: &Models,
    succession: &Succession,
    now: Instant,
    found: &mut Found<'_>,
) -> Result<(), Status> {
    let build = crate::reading::ready(&models.disputes)?;
    found.seen(build.position);
    let slots = build.partitions.iter();
    for (id, slot) in slots {
        let Some(record) = slot else { continue };
        if let Some((since, reason)) = late(record, now) {
            let unit = succession.owner(&record.given, record.community);
            found.case(Kind::Dispute, &id.to_string(), unit, since, reason);
        }
    }
    Ok(())
}

fn shifts(models: &Models, now: Instant, found: &mut Found<'_>) -> Result<(), Status> {
    let build = crate::reading::ready(&models.shifts)?;
    found.seen(build.position);
    let slots = build.partitions.iter();
    for (id, slot) in slots {
        let Some(record) = slot else { continue };
        let reason = match record.state {
            ShiftState::Planned => "PLANNED",
            ShiftState::InProgress => "IN_PROGRESS",
            ShiftState::HandedOver => "HANDED_OVER",
            ShiftState::Completed => "COMPLETED",
            ShiftState::Disputed => "DISPUTED",
            ShiftState::Filed => "FILED",
            _ => continue,
        };
        if now - record.until > SHIFT_SETTLED_WITHIN {
            let (id, unit) = (id.to_string(), record.community);
            found.case(Kind::Shift, &id, unit, record.until, reason);
        }
    }
    Ok(())
}

fn redemptions(models: &Models, now: Instant, found: &mut Found<'_>) -> Result<(), Status> {
    let build = crate::reading::ready(&models.redemptions)?;
    found.seen(build.position);
    let slots = build.partitions.iter();
    for (id, slot) in slots {
        let Some(record) = slot else { continue };
        let redemption = &record.redemption;
        let held = redemption.held_until.filter(|_| redemption.state.holds());
        if let Some(until) = held.filter(|until| *until < now) {
            let unit = record.community;
            found.case(Kind::Redemption, &id.to_string(), unit, until, "HELD");
        }
    }
    Ok(())
}

/// Says which models stopped and where, not why: that is for who runs the service.
fn stopped(models: &Models, found: &mut Found<'_>) {
    for model in models.all() {
        if let Some(fault) = model.live().standing().fault {
            let work = wire::StuckWork {
                id: model.name().to_owned(),
                position: fault.position,
                ..Default::default()
            };
            found.put(Kind::ReadModel, model.name(), work);
        }
    }
}
