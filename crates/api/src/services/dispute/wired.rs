//! Disputes between the protocol's types and the domain's. Holds no rule.

use domain::dispute::{Confirmation, Obligation, Panel, Remedy, Source};
use domain::ids::{DisputeId, PersonId};
use projections::read_models::disputes::{Funnel, Record};
use uuid::Uuid;

use crate::parse::{self, Choice as _, Parsed};
use crate::{answer, wire};

/// A SHA-256 that must be there.
pub(super) fn digest(field: &str, bytes: &[u8]) -> Parsed<[u8; 32]> {
    parse::required(field, parse::optional_digest(field, bytes)?)
}

/// Ids, each of which must be one.
pub(super) fn ids(field: &str, items: &[String]) -> Parsed<Vec<PersonId>> {
    parse::each(field, items, |field, item| parse::id(field, item))
}

/// How a dispute came to be known.
pub(super) fn source(request: &wire::RegisterDisputeRequest) -> Parsed<Source> {
    let id: Uuid = parse::id("source_id", &request.source_id)?;
    match wire::DisputeSource::try_from(request.source) {
        Ok(wire::DisputeSource::Visit) => Ok(Source::Visit { visit: id }),
        Ok(wire::DisputeSource::Incident) => Ok(Source::Incident {
            incident: id,
            no_illegal_act: request.no_illegal_act,
            mediation_applicable: request.mediation_applicable,
        }),
        Ok(wire::DisputeSource::Application) => Ok(Source::Application {
            applicant: id.into(),
        }),
        Ok(wire::DisputeSource::Unspecified) | Err(_) => Err(parse::Violation::new(
            "source",
            "One of its values must be chosen.",
        )),
    }
}

/// Who mediates.
pub(super) fn panel(panel: wire::Panel) -> Parsed<Panel> {
    Ok(Panel {
        lead: parse::id("panel.lead_id", &panel.lead_id)?,
        lead_office: parse::text("panel.lead_office", panel.lead_office)?,
        officer: parse::id("panel.officer_id", &panel.officer_id)?,
        justice_office: parse::id("panel.justice_office_id", &panel.justice_office_id)?,
        legal_service: parse::id("panel.legal_service_id", &panel.legal_service_id)?,
        members: ids("panel.member_ids", &panel.member_ids)?,
    })
}

/// Who owes what to whom.
pub(super) fn obligations(items: &[wire::Obligation]) -> Parsed<Vec<Obligation>> {
    parse::each("obligations", items, |field, item| {
        Ok(Obligation {
            number: item.number,
            debtor: parse::id(&format!("{field}.debtor_id"), &item.debtor_id)?,
            creditor: parse::id(&format!("{field}.creditor_id"), &item.creditor_id)?,
            what: parse::personal(&format!("{field}.what"), item.what.clone())?,
            due_at: parse::instant(&format!("{field}.due_at"), item.due_at)?,
        })
    })
}

/// What the parties were told.
pub(super) fn remedies(items: &[i32]) -> Parsed<Vec<Remedy>> {
    parse::each("remedies", items, |field, item| {
        parse::choice::<wire::Remedy>(field, *item)
    })
}

/// A dispute as it stands; who is at odds, and who mediates, only for callers who know it.
pub(super) fn dispute(id: DisputeId, record: &Record, known: bool) -> wire::Dispute {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let dispute = &record.dispute;
    let (source, source_id) = match record.source {
        Source::Visit { visit } => (wire::DisputeSource::Visit, visit.to_string()),
        Source::Incident { incident, .. } => (wire::DisputeSource::Incident, incident.to_string()),
        // The applicant is a party.
        Source::Application { applicant } => (
            wire::DisputeSource::Application,
            if known {
                applicant.to_string()
            } else {
                String::new()
            },
        ),
    };
    let parties = dispute.parties.keys().filter(|_| known);
    let agreement = dispute.agreement.as_ref();
    let (obligations, performed, overdue) = record.obligations();
    let decision = match dispute.confirmation {
        Confirmation::Decided(decision) => wire::CourtDecision::of(decision).into(),
        Confirmation::None | Confirmation::Applied => 0,
    };
    let panel = dispute.panel.as_ref().filter(|_| known);
    wire::Dispute {
        dispute_id: id.to_string(),
        community_id: record.community.to_string(),
        kind: wire::DisputeKind::of(record.kind).into(),
        source: source.into(),
        source_id,
        state: wire::DisputeState::of(dispute.state).into(),
        party_ids: parties.map(ToString::to_string).collect(),
        panel: panel.map(|panel| wire::Panel {
            lead_id: panel.lead.to_string(),
            lead_office: panel.lead_office.clone(),
            officer_id: panel.officer.to_string(),
            justice_office_id: panel.justice_office.to_string(),
            legal_service_id: panel.legal_service.to_string(),
            member_ids: panel.members.iter().map(ToString::to_string).collect(),
        }),
        registered_at: Some(answer::instant(record.registered_at)),
        due_at: dispute.next_due(id).map(|(at, _)| answer::instant(at)),
        breaches: count(dispute.breaches.len()),
        sessions: count(dispute.sessions.len()),
        agreement_form: agreement.map_or(0, |it| wire::AgreementForm::of(it.form).into()),
        agreed_at: agreement.map(|it| answer::instant(it.reached_at)),
        effective_at: agreement
            .and_then(|it| it.effective_at)
            .map(answer::instant),
        obligations: count(obligations),
        obligations_performed: count(performed),
        obligations_overdue: count(overdue),
        court_decision: decision,
        risk_flags: record.risk_flags,
        reopenings: record.reopenings,
        relapse_ids: dispute.relapses.keys().map(ToString::to_string).collect(),
        relapse_of: record
            .relapse_of
            .map_or_else(String::new, |id| id.to_string()),
        ended_at: record.ended.map(|(_, at)| answer::instant(at)),
        position: record.position,
        version: record.version,
    }
}

/// How far disputes came.
pub(super) fn report(funnel: &Funnel) -> wire::MediationReport {
    wire::MediationReport {
        registered: funnel.registered,
        not_accepted: funnel.not_accepted,
        accepted: funnel.accepted,
        agreed: funnel.agreed,
        effective: funnel.effective,
        performed: funnel.performed,
        failed: funnel.failed,
        withdrawn: funnel.withdrawn,
        terminated: funnel.terminated,
        referred_to_court: funnel.referred_to_court,
        confirmed: funnel.confirmed,
        relapsed: funnel.relapsed,
        reopened: funnel.reopened,
        open: funnel.open,
        breached: funnel.breached,
        seconds_to_agreement: funnel.seconds_to_agreement,
    }
}
