//! How many disputes came from each stage of mediation to the next.

use domain::Instant;
use projections::read_models::mediation_report::MediationReport;
use projections::read_models::mediation_report::funnel::{Filter, Funnel, GroupBy};
use projections::{Build, Models};
use tonic::Status;

use super::{invalid, page, rate};
use crate::backend::subtree;
use crate::parse::{self, Parsed, Violation};
use crate::{answer, wire};

/// A page of groups.
///
/// # Errors
/// The first field that is malformed, or `NOT_FOUND` for a unit that does not exist.
pub(crate) fn funnel(
    models: &Models,
    build: &Build<MediationReport>,
    request: &wire::GetMediationFunnelRequest,
    now: Instant,
) -> Result<wire::GetMediationFunnelResponse, Status> {
    let (mut filter, by) = asked(request, now).map_err(invalid)?;
    let as_of = filter.as_of;
    let at = as_of.min(now);
    filter.units = subtree(models, &request.unit_id, at)?;
    filter.succession = crate::reading::ready(&models.units)?.succession(at);
    let groups = build.funnel(&filter, by).into_iter().map(|(name, funnel)| {
        let group = wired(&name, &funnel);
        (name, group)
    });
    let question = format!(
        "mediation {} {:?} {:?} {} {} {:?} {}",
        request.unit_id,
        filter.from,
        filter.until,
        request.kind,
        request.lead_office,
        request.as_of,
        request.group_by
    );
    let (groups, next_page_token) = page(
        groups.collect(),
        &question,
        request.page_size,
        &request.page_token,
    )
    .map_err(invalid)?;
    Ok(wire::GetMediationFunnelResponse {
        groups,
        as_of: Some(answer::instant(as_of)),
        next_page_token,
        read_point: None,
    })
}

fn asked(request: &wire::GetMediationFunnelRequest, now: Instant) -> Parsed<(Filter, GroupBy)> {
    let by = match wire::MediationGroup::try_from(request.group_by) {
        Ok(wire::MediationGroup::Unspecified) => GroupBy::Nothing,
        Ok(wire::MediationGroup::Month) => GroupBy::Month,
        Ok(wire::MediationGroup::Kind) => GroupBy::Kind,
        Ok(wire::MediationGroup::LeadOffice) => GroupBy::LeadOffice,
        Ok(wire::MediationGroup::Unit) => GroupBy::Unit,
        Err(_) => return Err(Violation::new("group_by", "It is none of its values.")),
    };
    let filter = Filter {
        from: parse::optional_instant("from", request.from)?,
        until: parse::optional_instant("until", request.until)?,
        kind: parse::optional_choice::<wire::DisputeKind>("kind", request.kind)?,
        lead_office: parse::optional_text("lead_office", request.lead_office.clone())?,
        as_of: parse::optional_instant("as_of", request.as_of)?.unwrap_or(now),
        ..Filter::default()
    };
    Ok((filter, by))
}

fn wired(name: &str, funnel: &Funnel) -> wire::MediationFunnel {
    wire::MediationFunnel {
        group: name.to_owned(),
        registered: funnel.registered,
        accepted: Some(rate(funnel.accepted, funnel.registered)),
        not_accepted: Some(rate(funnel.not_accepted, funnel.registered)),
        agreed: Some(rate(funnel.agreed, funnel.accepted)),
        effective: Some(rate(funnel.effective, funnel.agreed)),
        performed: Some(rate(funnel.performed, funnel.effective)),
        failed: Some(rate(funnel.failed, funnel.accepted)),
        withdrawn: Some(rate(funnel.withdrawn, funnel.registered)),
        terminated: Some(rate(funnel.terminated, funnel.registered)),
        referred_to_court: Some(rate(funnel.referred_to_court, funnel.effective)),
        confirmed: Some(rate(funnel.confirmed, funnel.effective)),
        relapsed: Some(rate(funnel.relapsed, funnel.effective)),
        time_to_agreement: Some(wire::TimeToAgreement {
            count: funnel.seconds_to_agreement.len() as u64,
            p50_seconds: funnel.percentile(50),
            p90_seconds: funnel.percentile(90),
            p99_seconds: funnel.percentile(99),
        }),
    }
}
