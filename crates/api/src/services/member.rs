//! `MemberService`: members of a community's team.

use std::collections::BTreeMap;

use domain::Instant;
use domain::ids::UnitId;
use domain::member::{Command, MemberKind};
use projections::read_models::members::{Community, Month};
use tonic::{Request, Response, Status};

use super::service;
use crate::backend::subtree;
use crate::parse::{self, Choice as _, Parsed, Violation};
use crate::{status, wire};

service! {
    impl member_service_server::MemberService;
    commands {
        apply_for_membership(r: ApplyForMembershipRequest) -> ApplyForMembershipResponse =
            Command::ApplyForMembership {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                kind: parse::choice::<wire::MemberKind>("kind", r.kind)?,
                under_14: r.under_14,
                guardian_consent: parse::optional_digest("guardian_consent", &r.guardian_consent)?,
                applied_at: parse::optional_instant("applied_at", r.applied_at)?,
            };
        approve_member(r: ApproveMemberRequest) -> ApproveMemberResponse =
            Command::ApproveMember {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
        grant_role(r: GrantRoleRequest) -> GrantRoleResponse =
            Command::GrantRole {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                role: parse::choice::<wire::Role>("role", r.role)?,
                from: parse::instant("from", r.from)?,
                until: parse::optional_instant("until", r.until)?,
                appointment: parse::optional_text("appointment", r.appointment)?,
            };
        revoke_role(r: RevokeRoleRequest) -> RevokeRoleResponse =
            Command::RevokeRole {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                role: parse::choice::<wire::Role>("role", r.role)?,
            };
        suspend_member(r: SuspendMemberRequest) -> SuspendMemberResponse =
            Command::SuspendMember {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                reason: parse::personal("reason", r.reason)?,
            };
        reinstate_member(r: ReinstateMemberRequest) -> ReinstateMemberResponse =
            Command::ReinstateMember {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
        leave_membership(r: LeaveMembershipRequest) -> LeaveMembershipResponse =
            Command::LeaveMembership {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
        move_member(r: MoveMemberRequest) -> MoveMemberResponse =
            Command::MoveMember {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                to: parse::id("to_community_id", &r.to_community_id)?,
            };
        record_training(r: RecordTrainingRequest) -> RecordTrainingResponse =
            Command::RecordTraining {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                course: parse::text("course", r.course)?,
                trained_at: parse::instant("trained_at", r.trained_at)?,
                certificate: parse::optional_digest("certificate", &r.certificate)?,
            };
        give_member_consent(r: GiveMemberConsentRequest) -> GiveMemberConsentResponse =
            Command::GiveMemberConsent {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                purpose: parse::choice::<wire::ConsentPurpose>("purpose", r.purpose)?,
                paper: parse::optional_digest("paper", &r.paper)?,
            };
        withdraw_member_consent(r: WithdrawMemberConsentRequest) -> WithdrawMemberConsentResponse =
            Command::WithdrawMemberConsent {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                purpose: parse::choice::<wire::ConsentPurpose>("purpose", r.purpose)?,
                paper: parse::optional_digest("paper", &r.paper)?,
            };
        request_correction(r: RequestCorrectionRequest) -> RequestCorrectionResponse =
            Command::RequestCorrection {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                correction: parse::id("correction_id", &r.correction_id)?,
                what: parse::personal("what", r.what)?,
            };
        correct_record(r: CorrectRecordRequest) -> CorrectRecordResponse =
            Command::CorrectRecord {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                correction: parse::optional_id("correction_id", &r.correction_id)?,
                kind: parse::optional_choice::<wire::MemberKind>("kind", r.kind)?,
                finding: parse::personal("finding", r.finding)?,
            };
        merge_members(r: MergeMembersRequest) -> MergeMembersResponse =
            Command::MergeMembers {
                community: parse::id("community_id", &r.community_id)?,
                person: parse::id("person_id", &r.person_id)?,
                duplicate: parse::id("duplicate_id", &r.duplicate_id)?,
            };
    }
    others {
        async fn get_membership_counts(
            &self,
            request: Request<wire::GetMembershipCountsRequest>,
        ) -> Result<Response<wire::GetMembershipCountsResponse>, Status> {
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let as_of = parse::optional_instant("as_of", request.as_of)
                .map_err(|why| status::invalid(&why))?;
            let at = as_of.unwrap_or_else(|| self.backend.executor.now());
            let within = subtree(self.backend.engine.models(), &request.unit_id, at)?;
            let build = waited.read(&self.backend.engine.models().members)?;
            let chosen = |unit: &UnitId| within.as_ref().is_none_or(|units| units.contains(unit));
            let communities: Vec<_> = build
                .partitions
                .iter()
                .filter_map(|(unit, community)| chosen(unit).then_some(community))
                .collect();
            let mut answer =
                counts(&communities, &request, as_of).map_err(|why| status::invalid(&why))?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }
    }
}

/// The months of several communities together, and who is a member now.
fn counts(
    communities: &[&Community],
    request: &wire::GetMembershipCountsRequest,
    as_of: Option<Instant>,
) -> Parsed<wire::GetMembershipCountsResponse> {
    let known = || {
        communities
            .iter()
            .flat_map(|community| community.months.keys().copied())
    };
    let from = month("month_from", &request.month_from)?.or_else(|| known().min());
    let until = month("month_until", &request.month_until)?.or_else(|| known().max());
    let mut months = BTreeMap::<Month, wire::MembershipMonth>::new();
    let mut kinds = BTreeMap::<MemberKind, u64>::new();
    let (mut members, mut active) = (0, 0);
    for community in communities {
        for growth in community.growth(from, until) {
            let row = months.entry(growth.month).or_default();
            row.joined += growth.joined;
            row.left += growth.left;
            row.members += growth.members;
        }
        let counts = community.counts(as_of);
        members += counts.members;
        active += counts.active;
        for (kind, count) in counts.active_by_kind {
            *kinds.entry(kind).or_default() += count;
        }
    }
    let months = months
        .into_iter()
        .map(|(month, row)| wire::MembershipMonth {
            month: month.to_string(),
            ..row
        });
    let kinds = kinds
        .into_iter()
        .map(|(kind, count)| wire::MemberKindCount {
            kind: wire::MemberKind::of(kind).into(),
            count,
        });
    Ok(wire::GetMembershipCountsResponse {
        months: months.collect(),
        members,
        active,
        active_by_kind: kinds.collect(),
        read_point: None,
    })
}

/// A month, `YYYY-MM`, that may be left empty.
pub(super) fn month(field: &str, text: &str) -> Parsed<Option<Month>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.split_once('-')
        .filter(|(year, month)| year.len() == 4 && month.len() == 2)
        .and_then(|(year, month)| Some((year.parse().ok()?, month.parse().ok()?)))
        .filter(|(year, month)| parse::YEARS.contains(year) && (1..=12).contains(month))
        .map(|(year, month)| Some(Month { year, month }))
        .ok_or_else(|| Violation::new(field, "A month such as 2024-07 is needed."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_one_form() {
        assert_eq!(
            month("m", "2024-07"),
            Ok(Some(Month {
                year: 2024,
                month: 7
            }))
        );
        assert_eq!(month("m", ""), Ok(None));
        for text in [
            "2024", "2024-7", "2024-13", "2024-00", "24-07", "1969-12", "x",
        ] {
            assert_eq!(
                month("m", text).expect_err("malformed").field,
                "m",
                "{text}"
            );
        }
    }
}
