//! Hazards between the protocol's types and the domain's. Holds no rule.

use domain::hazard::Purpose;
use domain::ids::HazardId;
use projections::read_models::case_board::handling::Handling;
use projections::read_models::case_board::{Case, Totals};

use crate::parse::{self, Choice as _, Parsed};
use crate::{answer, wire};

/// Names of units or departments.
pub(super) fn owners(field: &str, names: &[String]) -> Parsed<Vec<String>> {
    parse::each(field, names, |field, name| parse::text(field, name.clone()))
}

/// A hazard as it stands.
pub(super) fn hazard(id: HazardId, case: &Case) -> wire::Hazard {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut hazard = wire::Hazard {
        hazard_id: id.to_string(),
        unit_id: case.unit.to_string(),
        kind: case.kind.clone(),
        state: wire::HazardState::of(case.state).into(),
        level: case
            .level
            .map_or(0, |level| wire::HazardLevel::of(level).into()),
        urgency: case
            .urgency
            .map_or(0, |urgency| wire::Urgency::of(urgency).into()),
        owner: case.owner.clone().unwrap_or_default(),
        opened_at: Some(answer::instant(case.opened_at)),
        due_at: case.deadline.map(answer::instant),
        deadline_basis: case.deadline_basis.clone().unwrap_or_default(),
        breaches: count(case.breaches.len()),
        breaches_withdrawn: case.breaches_withdrawn,
        closed_at: case.closed_at.map(answer::instant),
        extensions: case.extensions,
        reinspections_failed: case.reinspections_failed,
        recurrences: case.recurrences,
        imported: case.imported.as_ref().map(|origin| wire::Imported {
            batch_id: origin.batch.to_string(),
            source: origin.source.clone(),
            external_id: origin.external_id.clone(),
        }),
        report_up_breached: case
            .breaches
            .iter()
            .any(|breach| breach.purpose == Purpose::ReportUp),
        reinspection_breached: case
            .breaches
            .iter()
            .any(|breach| breach.purpose == Purpose::Reinspection),
        position: case.position,
        version: case.version,
        ..Default::default()
    };
    if let Some(handling) = &case.handling {
        handled(&mut hazard, handling);
    }
    hazard
}

/// What only some hazards come to.
fn handled(hazard: &mut wire::Hazard, handling: &Handling) {
    hazard.candidates.clone_from(&handling.candidates);
    hazard.joint_owners.clone_from(&handling.joint_owners);
    hazard.council_meeting = handling.council_meeting.clone().unwrap_or_default();
    hazard.interim_measures = handling.interim_measures;
    hazard.finish_by = handling.finish_by.map(answer::instant);
    hazard.report_up_due_at = handling.report_up_due.map(answer::instant);
    hazard.reinspection_due_at = handling.reinspection_due.map(answer::instant);
    hazard.reported_up = handling
        .reported_up
        .as_ref()
        .map(|reported| wire::ReportedUp {
            upper_unit_id: reported.to.map(|to| to.to_string()).unwrap_or_default(),
            authority: reported.authority.clone(),
            reported_at: Some(answer::instant(reported.at)),
            reported_by: reported.by.map(|by| by.to_string()).unwrap_or_default(),
        });
    hazard.referral = handling.referral.as_ref().map(|referral| wire::Referral {
        authority: referral.authority.clone(),
        external_id: referral.external_id.clone().unwrap_or_default(),
        referred_at: Some(answer::instant(referral.at)),
        returned_at: referral.returned_at.map(answer::instant),
    });
    hazard.referrals = handling.referrals;
    hazard.master_id = handling.master.map(|id| id.to_string()).unwrap_or_default();
    hazard.duplicates = handling.duplicates;
}

/// How many hazards there are.
pub(super) fn totals(totals: Totals) -> wire::HazardTotals {
    wire::HazardTotals {
        total: totals.total,
        open: totals.open,
        closed: totals.closed,
        closed_by_source: totals.closed_by_source,
        closed_late: totals.closed_late,
        dismissed: totals.dismissed,
        breached: totals.breached,
        open_breached: totals.open_breached,
        breaches: totals.breaches,
        referred: totals.referred,
    }
}
