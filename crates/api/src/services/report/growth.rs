//! Who joined, is active, left and stays.

use std::collections::BTreeMap;

use domain::Instant;
use projections::read_models::members::Month;
use projections::read_models::volunteer_growth::VolunteerGrowth;
use projections::read_models::volunteer_growth::curve::{Asked, Cohort, Growth, MONTHS_MAX};
use projections::{Build, Models};
use tonic::Status;

use super::{invalid, rate};
use crate::backend::subtree;
use crate::parse::{self, Parsed, Violation};
use crate::services::member::month;
use crate::{answer, wire};

/// The curve and the cohorts.
///
/// # Errors
/// The first field that is malformed, or `NOT_FOUND` for a unit that does not exist.
pub(crate) fn growth(
    models: &Models,
    build: &Build<VolunteerGrowth>,
    request: &wire::GetVolunteerGrowthRequest,
    now: Instant,
) -> Result<wire::GetVolunteerGrowthResponse, Status> {
    let asked = asked(request, now).map_err(invalid)?;
    let within = subtree(models, &request.unit_id, asked.as_of.min(now))?;
    let mut months = BTreeMap::<Month, Growth>::new();
    let mut cohorts = BTreeMap::<Month, Cohort>::new();
    let communities = build.partitions.iter();
    let chosen =
        communities.filter(|(unit, _)| within.as_ref().is_none_or(|units| units.contains(unit)));
    for (_, community) in chosen {
        let (curve, joined) = community.curve(&asked);
        for (month, growth) in curve {
            months.entry(month).or_default().add(&growth);
        }
        for (month, cohort) in joined {
            cohorts.entry(month).or_default().add(&cohort);
        }
    }
    // Each community begins with its own first month; together they cover no more than one.
    let too_many = months.len().saturating_sub(MONTHS_MAX);
    if let Some(first) = months.keys().nth(too_many).copied() {
        months = months.split_off(&first);
        cohorts = cohorts.split_off(&first);
    }
    let months = months.into_iter().map(|(month, growth)| wire::GrowthMonth {
        month: month.to_string(),
        joined: growth.joined,
        left: growth.left,
        active: Some(rate(growth.active, growth.members)),
    });
    let cohorts = cohorts.into_iter().map(|(month, cohort)| wire::Cohort {
        month: month.to_string(),
        joined: cohort.joined,
        members: cohort.months.iter().map(|it| it.members).collect(),
        active: cohort.months.iter().map(|it| it.active).collect(),
    });
    Ok(wire::GetVolunteerGrowthResponse {
        months: months.collect(),
        cohorts: cohorts.collect(),
        as_of: Some(answer::instant(asked.as_of)),
        read_point: None,
    })
}

fn asked(request: &wire::GetVolunteerGrowthRequest, now: Instant) -> Parsed<Asked> {
    let as_of = parse::optional_instant("as_of", request.as_of)?.unwrap_or(now);
    let from = month("month_from", &request.month_from)?;
    let until = month("month_until", &request.month_until)?;
    if let (Some(from), Some(until)) = (from, until) {
        let months = (i64::from(until.year) - i64::from(from.year)) * 12;
        let months = months + i64::from(until.month) - i64::from(from.month) + 1;
        let most = i64::try_from(MONTHS_MAX).unwrap_or(i64::MAX);
        if !(1..=most).contains(&months) {
            let why = format!("It must be the first month or later, at most {MONTHS_MAX} in all.");
            return Err(Violation::new("month_until", why));
        }
    }
    Ok(Asked { from, until, as_of })
}
