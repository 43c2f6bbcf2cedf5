//! Upward: a major hazard is told to a unit above, within the time that the policy sets.

use super::case::{Case, is_owner};
use super::{Event, HazardLevel, Refusal};
use crate::envelope::Instant;
use crate::ids::UnitId;
use crate::refusal::Stop;
use crate::unit::Unit;
use crate::world::Decision;

impl Case<'_> {
    pub(super) fn report_up(
        &self,
        to: Option<UnitId>,
        authority: &str,
        reported_at: Option<Instant>,
    ) -> Result<Decision, Stop> {
        let hazard = self.hazard;
        if hazard.level != Some(HazardLevel::Major) {
            return Err(Refusal::HazardNotMajor.into());
        }
        if !is_owner(authority) {
            return Err(Refusal::AuthorityNotAllowed.into());
        }
        let path = Unit::path(self.world, self.unit, self.cx.now)?;
        let above = path.get(1..).unwrap_or_default();
        let to = match to {
            Some(to) if !above.contains(&to) => return Err(Refusal::UpperUnitNotAbove.into()),
            Some(to) => Some(to),
            None => above.first().copied(),
        };
        let envelope = self.at(self.when(reported_at)?);
        if hazard.reported_at > Some(envelope.occurred_at) {
            return Err(Refusal::TimeBeforeReport.into());
        }
        let told = Event::MajorHazardReportedUp {
            to,
            authority: authority.to_owned(),
            reported_by: Some(self.cx.person()?),
        };
        Ok(self.with_breaches(told, &envelope))
    }
}
