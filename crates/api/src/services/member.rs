//! `MemberService`: members of a community's team.

use super::service;
use crate::{parse, wire};
use domain::member::Command;

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
    }
    others {}
}
