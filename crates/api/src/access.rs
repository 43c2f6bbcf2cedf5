//! Who may call what: one row for each RPC, everything else is denied.
//!
//! Owns the table. What a caller may do with what is decided by the rules, from roles in the log;
//! here stands only what must hold before a request is even read.

/// What a caller must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing: health and reflection.
    Open,
    /// A login that is registered and not suspended.
    RegisteredPrincipal,
    /// A login linked to a person who is an administrator.
    Administrator,
}

use Requirement::{Administrator, Open, RegisteredPrincipal};

/// The table, sorted by path.
pub const TABLE: &[(&str, Requirement)] = &[
    (
        "/benniu.v1.AdministrationService/AdvanceClock",
        Administrator,
    ),
    (
        "/benniu.v1.AdministrationService/AppointAdministrator",
        Administrator,
    ),
    (
        "/benniu.v1.AdministrationService/GetLog",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.AdministrationService/GetScrub", Administrator),
    (
        "/benniu.v1.AdministrationService/RelieveAdministrator",
        Administrator,
    ),
    ("/benniu.v1.AdministrationService/StartScrub", Administrator),
    (
        "/benniu.v1.CampaignService/EndCampaign",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.CampaignService/IssueLeaflets",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.CampaignService/JoinCampaign",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.CampaignService/PlanCampaign",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.CampaignService/RejectParticipation",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.CampaignService/ReturnLeaflets",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.CampaignService/UploadDoorVisits",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.CampaignService/VerifyParticipation",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.CampaignService/VisitDoor", RegisteredPrincipal),
    (
        "/benniu.v1.CheckpointService/InstallCheckpoint",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.CheckpointService/MoveCheckpoint",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.CheckpointService/ReplaceTag",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.CheckpointService/RetireCheckpoint",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/AcceptDispute",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.DisputeService/AddEvidence", RegisteredPrincipal),
    (
        "/benniu.v1.DisputeService/AdjournMediation",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/ArchiveDispute",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/ChallengeMediator",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/ConsentToExtension",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/DeclineDispute",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/FailMediation",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/FlagEscalationRisk",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.DisputeService/FormPanel", RegisteredPrincipal),
    ("/benniu.v1.DisputeService/GetDispute", RegisteredPrincipal),
    (
        "/benniu.v1.DisputeService/GetMediationReport",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.DisputeService/GiveConsent", RegisteredPrincipal),
    ("/benniu.v1.DisputeService/HoldSession", RegisteredPrincipal),
    ("/benniu.v1.DisputeService/LinkRelapse", RegisteredPrincipal),
    (
        "/benniu.v1.DisputeService/ListDisputes",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/NotifyRights",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/ReachAgreement",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/RecordAssessment",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/RecordCourtDecision",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/RecordFollowUp",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/RecordPerformance",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/ReferToCourt",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/RefuseConsent",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/RegisterDispute",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/ReopenDispute",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/ReplaceMediator",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/RequestAssessment",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/RequestConfirmation",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/ScheduleSession",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/SealAgreement",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/SignAgreement",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/SignAsMediator",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/TerminateDispute",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.DisputeService/UrgePerformance",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.DisputeService/VerifyHelp", RegisteredPrincipal),
    (
        "/benniu.v1.DisputeService/WithdrawFromMediation",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.HazardService/AssignOwner", RegisteredPrincipal),
    (
        "/benniu.v1.HazardService/ClaimRectification",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HazardService/CloseBySource",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.HazardService/CloseOut", RegisteredPrincipal),
    ("/benniu.v1.HazardService/GetHazard", RegisteredPrincipal),
    (
        "/benniu.v1.HazardService/GetHazardTotals",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HazardService/GrantExtension",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.HazardService/ImportHazard", RegisteredPrincipal),
    (
        "/benniu.v1.HazardService/LinkDuplicate",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.HazardService/ListHazards", RegisteredPrincipal),
    (
        "/benniu.v1.HazardService/PlanRectification",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HazardService/RaiseUnclearBoundary",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HazardService/RecordRecurrence",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.HazardService/ReferHazard", RegisteredPrincipal),
    ("/benniu.v1.HazardService/Reinspect", RegisteredPrincipal),
    ("/benniu.v1.HazardService/RejectHazard", RegisteredPrincipal),
    ("/benniu.v1.HazardService/ReportHazard", RegisteredPrincipal),
    ("/benniu.v1.HazardService/ReportUp", RegisteredPrincipal),
    (
        "/benniu.v1.HazardService/ReturnReferral",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HazardService/RuleJointOwner",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HazardService/TakeInterimMeasure",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.HazardService/VerifyHazard", RegisteredPrincipal),
    (
        "/benniu.v1.HouseholdService/FormHousehold",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HouseholdService/GetHousehold",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HouseholdService/JoinHousehold",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HouseholdService/LeaveHousehold",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HouseholdService/ListHouseholds",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.HouseholdService/SplitHousehold",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.ImportService/ApplyBatch", RegisteredPrincipal),
    ("/benniu.v1.ImportService/ApproveBatch", RegisteredPrincipal),
    ("/benniu.v1.ImportService/CheckBatch", RegisteredPrincipal),
    ("/benniu.v1.ImportService/GetBatch", RegisteredPrincipal),
    ("/benniu.v1.ImportService/RejectBatch", RegisteredPrincipal),
    ("/benniu.v1.ImportService/UploadBatch", RegisteredPrincipal),
    ("/benniu.v1.LeadService/AccessLead", RegisteredPrincipal),
    ("/benniu.v1.LeadService/ArchiveLead", RegisteredPrincipal),
    ("/benniu.v1.LeadService/GetLead", RegisteredPrincipal),
    ("/benniu.v1.LeadService/ListLeads", RegisteredPrincipal),
    (
        "/benniu.v1.LeadService/RecordLeadOutcome",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.LeadService/RejectLead", RegisteredPrincipal),
    ("/benniu.v1.LeadService/SubmitLead", RegisteredPrincipal),
    ("/benniu.v1.LeadService/TransferLead", RegisteredPrincipal),
    ("/benniu.v1.LeadService/TriageLead", RegisteredPrincipal),
    ("/benniu.v1.LeadService/ValidateLead", RegisteredPrincipal),
    (
        "/benniu.v1.MemberService/ApplyForMembership",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.MemberService/ApproveMember",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.MemberService/CorrectRecord",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.MemberService/GetMembershipCounts",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.MemberService/GiveMemberConsent",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.MemberService/GrantRole", RegisteredPrincipal),
    (
        "/benniu.v1.MemberService/LeaveMembership",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.MemberService/MergeMembers", RegisteredPrincipal),
    ("/benniu.v1.MemberService/MoveMember", RegisteredPrincipal),
    (
        "/benniu.v1.MemberService/RecordTraining",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.MemberService/ReinstateMember",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.MemberService/RequestCorrection",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.MemberService/RevokeRole", RegisteredPrincipal),
    (
        "/benniu.v1.MemberService/SuspendMember",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.MemberService/WithdrawMemberConsent",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.PatrolService/AcceptHandover",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.PatrolService/ApproveLateShift",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.PatrolService/CancelShift", RegisteredPrincipal),
    ("/benniu.v1.PatrolService/CheckIn", RegisteredPrincipal),
    ("/benniu.v1.PatrolService/CheckOut", RegisteredPrincipal),
    (
        "/benniu.v1.PatrolService/DeclineHandover",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.PatrolService/DisputeShift", RegisteredPrincipal),
    (
        "/benniu.v1.PatrolService/FileLateShift",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.PatrolService/GetPatrolCoverage",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.PatrolService/GetShift", RegisteredPrincipal),
    ("/benniu.v1.PatrolService/HandOver", RegisteredPrincipal),
    ("/benniu.v1.PatrolService/ListShifts", RegisteredPrincipal),
    ("/benniu.v1.PatrolService/PlanShift", RegisteredPrincipal),
    ("/benniu.v1.PatrolService/RaiseFinding", RegisteredPrincipal),
    (
        "/benniu.v1.PatrolService/RejectLateShift",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.PatrolService/RejectParticipation",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.PatrolService/ReverifyShift",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.PatrolService/ScanCheckpoint",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.PatrolService/SignUp", RegisteredPrincipal),
    (
        "/benniu.v1.PatrolService/SkipCheckpoint",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.PatrolService/UploadCheckIns",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.PatrolService/UploadScans", RegisteredPrincipal),
    (
        "/benniu.v1.PatrolService/VerifyParticipation",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.PatrolService/VoidShift", RegisteredPrincipal),
    ("/benniu.v1.PersonService/CorrectPerson", Administrator),
    ("/benniu.v1.PersonService/MergePersons", Administrator),
    (
        "/benniu.v1.PersonService/RegisterPerson",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.PointsService/FreezeAccount",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.PointsService/GetBalance", RegisteredPrincipal),
    ("/benniu.v1.PointsService/GetStatement", RegisteredPrincipal),
    ("/benniu.v1.PointsService/ReverseAward", RegisteredPrincipal),
    (
        "/benniu.v1.PointsService/UnfreezeAccount",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.PolicyService/AdoptPolicySet", Administrator),
    ("/benniu.v1.PrincipalService/LinkPrincipal", Administrator),
    (
        "/benniu.v1.PrincipalService/RegisterPrincipal",
        Administrator,
    ),
    (
        "/benniu.v1.PrincipalService/ReinstatePrincipal",
        Administrator,
    ),
    (
        "/benniu.v1.PrincipalService/SuspendPrincipal",
        Administrator,
    ),
    ("/benniu.v1.ProjectionService/CancelRebuild", Administrator),
    ("/benniu.v1.ProjectionService/CompareBuilds", Administrator),
    (
        "/benniu.v1.ProjectionService/ListProjections",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.ProjectionService/RetireBuild", Administrator),
    ("/benniu.v1.ProjectionService/RollBackBuild", Administrator),
    ("/benniu.v1.ProjectionService/StartRebuild", Administrator),
    ("/benniu.v1.ProjectionService/SwitchBuild", Administrator),
    ("/benniu.v1.ProjectionService/WatchRebuild", Administrator),
    ("/benniu.v1.ProjectionService/WhatIf", Administrator),
    (
        "/benniu.v1.ReactionService/ListReactions",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.ReactionService/RetryStuck", Administrator),
    (
        "/benniu.v1.RedemptionService/CancelRedemption",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.RedemptionService/ConfirmRedemption",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.RedemptionService/FailRedemption",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.RedemptionService/FulfilRedemption",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.RedemptionService/GetRedemption",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.RedemptionService/ListRedemptions",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.RedemptionService/RenewCode",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.RedemptionService/RequestRedemption",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.RedemptionService/ReturnRedemption",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.ReportService/GetCaseTimeline",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.ReportService/GetHazardReport",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.ReportService/GetHotSpots", RegisteredPrincipal),
    (
        "/benniu.v1.ReportService/GetLeaderboard",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.ReportService/GetMediationFunnel",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.ReportService/GetStockBook", RegisteredPrincipal),
    (
        "/benniu.v1.ReportService/GetVolunteerGrowth",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.ReportService/ListMissedAlarms",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.ReportService/ListStuckWork",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.RewardService/ChangePrice", RegisteredPrincipal),
    ("/benniu.v1.RewardService/CountStock", RegisteredPrincipal),
    ("/benniu.v1.RewardService/DraftItem", RegisteredPrincipal),
    (
        "/benniu.v1.RewardService/GetRewardItem",
        RegisteredPrincipal,
    ),
    (
        "/benniu.v1.RewardService/ListRewardItems",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.RewardService/OfferItem", RegisteredPrincipal),
    ("/benniu.v1.RewardService/PauseItem", RegisteredPrincipal),
    ("/benniu.v1.RewardService/ReceiveStock", RegisteredPrincipal),
    ("/benniu.v1.RewardService/ResumeItem", RegisteredPrincipal),
    ("/benniu.v1.RewardService/RetireItem", RegisteredPrincipal),
    (
        "/benniu.v1.RewardService/SetPerPersonLimit",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.RewardService/SetQuota", RegisteredPrincipal),
    ("/benniu.v1.TeamService/AppointCaptain", RegisteredPrincipal),
    (
        "/benniu.v1.TeamService/AppointInstructor",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.TeamService/FormTeam", RegisteredPrincipal),
    ("/benniu.v1.TeamService/GetTeam", RegisteredPrincipal),
    ("/benniu.v1.TeamService/JoinTeam", RegisteredPrincipal),
    ("/benniu.v1.TeamService/LeaveTeam", RegisteredPrincipal),
    ("/benniu.v1.TeamService/ListTeams", RegisteredPrincipal),
    ("/benniu.v1.UnitService/FoundUnit", RegisteredPrincipal),
    ("/benniu.v1.UnitService/GetUnit", RegisteredPrincipal),
    ("/benniu.v1.UnitService/ListUnits", RegisteredPrincipal),
    ("/benniu.v1.UnitService/MergeUnits", Administrator),
    ("/benniu.v1.UnitService/MoveUnit", Administrator),
    (
        "/benniu.v1.UnitService/ReassignOpenItem",
        RegisteredPrincipal,
    ),
    ("/benniu.v1.UnitService/RenameUnit", Administrator),
    ("/benniu.v1.UnitService/SplitUnit", Administrator),
    ("/benniu.v1.UnitService/WithdrawUnitChange", Administrator),
    ("/benniu.v1.ZoneService/AdoptZonePlan", RegisteredPrincipal),
    ("/grpc.health.v1.Health/Check", Open),
    ("/grpc.health.v1.Health/Watch", Open),
    (
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        Open,
    ),
    // Older clients know reflection by its first name only.
    (
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Open,
    ),
];

/// What the caller of a method must be; `None`: nobody may call it.
pub fn requirement(path: &str) -> Option<Requirement> {
    let row = TABLE.binary_search_by_key(&path, |(path, _)| path).ok()?;
    Some(TABLE[row].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rpc_has_exactly_one_row_and_no_row_is_left_over() {
        let mut rpcs = crate::wire::rpc_paths();
        for (service, rpc) in [
            ("grpc.health.v1.Health", "Check"),
            ("grpc.health.v1.Health", "Watch"),
            (
                "grpc.reflection.v1.ServerReflection",
                "ServerReflectionInfo",
            ),
            (
                "grpc.reflection.v1alpha.ServerReflection",
                "ServerReflectionInfo",
            ),
        ] {
            rpcs.push(format!("/{service}/{rpc}"));
        }
        rpcs.sort();
        let rows: Vec<_> = TABLE.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(rows, rpcs);
    }

    #[test]
    fn what_is_not_in_the_table_is_denied() {
        assert_eq!(requirement("/benniu.v1.HazardService/Unheard"), None);
        assert_eq!(requirement(""), None);
    }

    #[test]
    fn only_health_and_reflection_are_open() {
        for (path, requirement) in TABLE {
            assert_eq!(*requirement == Open, path.starts_with("/grpc."), "{path}");
        }
    }
}
