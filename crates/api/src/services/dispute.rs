//! `DisputeService`: mediation from the first word to the archive.

pub(crate) mod life;
mod wired;

use domain::dispute::{Ask, Command};
use projections::read_models::disputes::Filter;
use tonic::{Request, Response, Status};

use super::service;
use crate::backend::subtree;
use crate::gate::Caller;
use crate::parse::{self, Parsed};
use crate::{paging, status, wire};

/// A command about a dispute.
fn asked(dispute_id: &str, ask: Ask) -> Parsed<Command> {
    let dispute = parse::id("dispute_id", dispute_id)?;
    Ok(Command { dispute, ask })
}

service! {
    impl dispute_service_server::DisputeService;
    commands {
        register_dispute(r: RegisterDisputeRequest) -> RegisterDisputeResponse =
            asked(
                &r.dispute_id,
                Ask::RegisterDispute {
                    community: parse::id("community_id", &r.community_id)?,
                    source: wired::source(&r)?,
                    kind: parse::choice::<wire::DisputeKind>("kind", r.kind)?,
                    parties: wired::ids("party_ids", &r.party_ids)?,
                    subject: parse::personal("subject", r.subject)?,
                    relapse_of: parse::optional_id("relapse_of", &r.relapse_of)?,
                    paper: parse::optional_digest("paper", &r.paper)?,
                },
            )?;
        give_consent(r: GiveConsentRequest) -> GiveConsentResponse =
            asked(
                &r.dispute_id,
                Ask::GiveConsent {
                    party: parse::id("party_id", &r.party_id)?,
                    paper: parse::optional_digest("paper", &r.paper)?,
                },
            )?;
        refuse_consent(r: RefuseConsentRequest) -> RefuseConsentResponse =
            asked(
                &r.dispute_id,
                Ask::RefuseConsent {
                    party: parse::id("party_id", &r.party_id)?,
                    paper: parse::optional_digest("paper", &r.paper)?,
                },
            )?;
        accept_dispute(r: AcceptDisputeRequest) -> AcceptDisputeResponse =
            asked(&r.dispute_id, Ask::AcceptDispute)?;
        decline_dispute(r: DeclineDisputeRequest) -> DeclineDisputeResponse =
            asked(
                &r.dispute_id,
                Ask::DeclineDispute {
                    reason: parse::text("reason", r.reason)?,
                    where_to_go: parse::text("where_to_go", r.where_to_go)?,
                },
            )?;
        form_panel(r: FormPanelRequest) -> FormPanelResponse =
            asked(
                &r.dispute_id,
                Ask::FormPanel {
                    panel: wired::panel(parse::required("panel", r.panel)?)?,
                },
            )?;
        challenge_mediator(r: ChallengeMediatorRequest) -> ChallengeMediatorResponse =
            asked(
                &r.dispute_id,
                Ask::ChallengeMediator {
                    mediator: parse::id("mediator_id", &r.mediator_id)?,
                    party: parse::id("party_id", &r.party_id)?,
                    reason: parse::personal("reason", r.reason)?,
                    paper: parse::optional_digest("paper", &r.paper)?,
                },
            )?;
        replace_mediator(r: ReplaceMediatorRequest) -> ReplaceMediatorResponse =
            asked(
                &r.dispute_id,
                Ask::ReplaceMediator {
                    mediator: parse::id("mediator_id", &r.mediator_id)?,
                    replacement: parse::id("replacement_id", &r.replacement_id)?,
                },
            )?;
        notify_rights(r: NotifyRightsRequest) -> NotifyRightsResponse =
            asked(&r.dispute_id, Ask::NotifyRights)?;
        request_assessment(r: RequestAssessmentRequest) -> RequestAssessmentResponse =
            asked(
                &r.dispute_id,
                Ask::RequestAssessment {
                    assessment: parse::id("assessment_id", &r.assessment_id)?,
                    expert: parse::id("expert_id", &r.expert_id)?,
                    question: parse::personal("question", r.question)?,
                },
            )?;
        record_assessment(r: RecordAssessmentRequest) -> RecordAssessmentResponse =
            asked(
                &r.dispute_id,
                Ask::RecordAssessment {
                    assessment: parse::id("assessment_id", &r.assessment_id)?,
                    finding: parse::personal("finding", r.finding)?,
                    report: parse::optional_digest("report", &r.report)?,
                },
            )?;
        schedule_session(r: ScheduleSessionRequest) -> ScheduleSessionResponse =
            asked(
                &r.dispute_id,
                Ask::ScheduleSession {
                    starts_at: parse::instant("starts_at", r.starts_at)?,
                },
            )?;
        hold_session(r: HoldSessionRequest) -> HoldSessionResponse =
            asked(
                &r.dispute_id,
                Ask::HoldSession {
                    session_type: parse::choice::<wire::SessionType>("session_type", r.session_type)?,
                    parties: wired::ids("party_ids", &r.party_ids)?,
                    mediators: wired::ids("mediator_ids", &r.mediator_ids)?,
                    minutes: wired::digest("minutes", &r.minutes)?,
                    held_at: parse::optional_instant("held_at", r.held_at)?,
                },
            )?;
        adjourn_mediation(r: AdjournMediationRequest) -> AdjournMediationResponse =
            asked(
                &r.dispute_id,
                Ask::AdjournMediation {
                    reason: parse::text("reason", r.reason)?,
                },
            )?;
        flag_escalation_risk(r: FlagEscalationRiskRequest) -> FlagEscalationRiskResponse =
            asked(
                &r.dispute_id,
                Ask::FlagEscalationRisk {
                    reason: parse::personal("reason", r.reason)?,
                },
            )?;
        add_evidence(r: AddEvidenceRequest) -> AddEvidenceResponse =
            asked(
                &r.dispute_id,
                Ask::AddEvidence {
                    items: parse::digests("items", &r.items)?,
                },
            )?;
        consent_to_extension(r: ConsentToExtensionRequest) -> ConsentToExtensionResponse =
            asked(
                &r.dispute_id,
                Ask::ConsentToExtension {
                    party: parse::id("party_id", &r.party_id)?,
                    until: parse::instant("until", r.until)?,
                    paper: parse::optional_digest("paper", &r.paper)?,
                },
            )?;
        reach_agreement(r: ReachAgreementRequest) -> ReachAgreementResponse =
            asked(
                &r.dispute_id,
                Ask::ReachAgreement {
                    form: parse::choice::<wire::AgreementForm>("form", r.form)?,
                    terms: parse::optional_personal("terms", r.terms)?,
                    terms_sha256: parse::optional_digest("terms_sha256", &r.terms_sha256)?,
                    obligations: wired::obligations(&r.obligations)?,
                    reached_at: parse::optional_instant("reached_at", r.reached_at)?,
                },
            )?;
        sign_agreement(r: SignAgreementRequest) -> SignAgreementResponse =
            asked(
                &r.dispute_id,
                Ask::SignAgreement {
                    party: parse::id("party_id", &r.party_id)?,
                    paper: parse::optional_digest("paper", &r.paper)?,
                },
            )?;
        sign_as_mediator(r: SignAsMediatorRequest) -> SignAsMediatorResponse =
            asked(&r.dispute_id, Ask::SignAsMediator)?;
        seal_agreement(r: SealAgreementRequest) -> SealAgreementResponse =
            asked(&r.dispute_id, Ask::SealAgreement)?;
        record_performance(r: RecordPerformanceRequest) -> RecordPerformanceResponse =
            asked(
                &r.dispute_id,
                Ask::RecordPerformance {
                    obligation: r.obligation,
                    performed_at: parse::optional_instant("performed_at", r.performed_at)?,
                },
            )?;
        urge_performance(r: UrgePerformanceRequest) -> UrgePerformanceResponse =
            asked(&r.dispute_id, Ask::UrgePerformance)?;
        refer_to_court(r: ReferToCourtRequest) -> ReferToCourtResponse =
            asked(
                &r.dispute_id,
                Ask::ReferToCourt {
                    court: parse::text("court", r.court)?,
                },
            )?;
        request_confirmation(r: RequestConfirmationRequest) -> RequestConfirmationResponse =
            asked(
                &r.dispute_id,
                Ask::RequestConfirmation {
                    party: parse::id("party_id", &r.party_id)?,
                    paper: parse::optional_digest("paper", &r.paper)?,
                },
            )?;
        record_court_decision(r: RecordCourtDecisionRequest) -> RecordCourtDecisionResponse =
            asked(
                &r.dispute_id,
                Ask::RecordCourtDecision {
                    decision: parse::choice::<wire::CourtDecision>("decision", r.decision)?,
                    document: wired::digest("document", &r.document)?,
                },
            )?;
        fail_mediation(r: FailMediationRequest) -> FailMediationResponse =
            asked(
                &r.dispute_id,
                Ask::FailMediation {
                    reason: parse::text("reason", r.reason)?,
                    remedies: wired::remedies(&r.remedies)?,
                },
            )?;
        withdraw_from_mediation(r: WithdrawFromMediationRequest) -> WithdrawFromMediationResponse =
            asked(
                &r.dispute_id,
                Ask::WithdrawFromMediation {
                    party: parse::id("party_id", &r.party_id)?,
                    paper: parse::optional_digest("paper", &r.paper)?,
                },
            )?;
        terminate_dispute(r: TerminateDisputeRequest) -> TerminateDisputeResponse =
            asked(
                &r.dispute_id,
                Ask::TerminateDispute {
                    reason: parse::text("reason", r.reason)?,
                },
            )?;
        record_follow_up(r: RecordFollowUpRequest) -> RecordFollowUpResponse =
            asked(
                &r.dispute_id,
                Ask::RecordFollowUp {
                    satisfied: r.satisfied,
                },
            )?;
        verify_help(r: VerifyHelpRequest) -> VerifyHelpResponse =
            asked(
                &r.dispute_id,
                Ask::VerifyHelp {
                    person: parse::id("person_id", &r.person_id)?,
                },
            )?;
        archive_dispute(r: ArchiveDisputeRequest) -> ArchiveDisputeResponse =
            asked(&r.dispute_id, Ask::ArchiveDispute)?;
        reopen_dispute(r: ReopenDisputeRequest) -> ReopenDisputeResponse =
            asked(
                &r.dispute_id,
                Ask::ReopenDispute {
                    reason: parse::text("reason", r.reason)?,
                },
            )?;
        link_relapse(r: LinkRelapseRequest) -> LinkRelapseResponse =
            asked(
                &r.dispute_id,
                Ask::LinkRelapse {
                    relapse: parse::id("relapse_id", &r.relapse_id)?,
                },
            )?;
    }
    others {
        async fn get_dispute(
            &self,
            request: Request<wire::GetDisputeRequest>,
        ) -> Result<Response<wire::GetDisputeResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let id = parse::id("dispute_id", &request.dispute_id)
                .map_err(|why| status::invalid(&why))?;
            let waited = self.backend.wait(request.consistency).await?;
            let viewer = life::Viewer::of(&self.backend, caller)?;
            let build = waited.read(&self.backend.engine.models().disputes)?;
            let mut answer =
                life::life(&build, self.backend.executor.log().as_ref(), id, &viewer)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn list_disputes(
            &self,
            request: Request<wire::ListDisputesRequest>,
        ) -> Result<Response<wire::ListDisputesResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let viewer = life::Viewer::of(&self.backend, caller)?;
            let models = self.backend.engine.models();
            let now = self.backend.executor.now();
            let units = subtree(models, &request.unit_id, now)?;
            let size =
                paging::size(request.page_size).map_err(|why| status::invalid(&why))?;
            let state =
                parse::optional_choice::<wire::DisputeState>("state", request.state)
                    .map_err(|why| status::invalid(&why))?;
            let filter = Filter {
                units,
                succession: crate::reading::ready(&models.units)?.succession(now),
                state,
                open_only: request.open_only,
                breached_only: request.breached_only,
                ..Filter::default()
            };
            let question = format!(
                "disputes {} {} {} {} {}",
                request.unit_id,
                request.state,
                request.open_only,
                request.breached_only,
                request.oldest_first,
            );
            let after = paging::read(&question, &request.page_token)
                .and_then(|key| key.map(|key| life::place(&key)).transpose())
                .map_err(|why| status::invalid(&why))?;
            let build = waited.read(&self.backend.engine.models().disputes)?;
            let (page, more) = build.list(&filter, request.oldest_first, size, after);
            let next_page_token = page
                .last()
                .filter(|_| more)
                .map(|(id, record)| paging::write(&question, &life::key(*id, record)));
            let mut disputes = Vec::with_capacity(page.len());
            for (id, record) in page {
                let known = viewer.knows(record)?;
                disputes.push(wired::dispute(id, record, known));
            }
            Ok(Response::new(wire::ListDisputesResponse {
                disputes,
                next_page_token: next_page_token.unwrap_or_default(),
                read_point: Some(waited.point(&build)?),
            }))
        }

        async fn get_mediation_report(
            &self,
            request: Request<wire::GetMediationReportRequest>,
        ) -> Result<Response<wire::GetMediationReportResponse>, Status> {
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let instant = |field, time| {
                parse::optional_instant(field, time).map_err(|why| status::invalid(&why))
            };
            let models = self.backend.engine.models();
            let until = instant("until", request.until)?;
            // The tree of the end of what is asked for.
            let now = self.backend.executor.now();
            // `until` is exclusive: a change that takes effect then is none of what is asked for.
            let end = until.and_then(|until| until.checked_sub_signed(chrono::Duration::nanoseconds(1)));
            let at = end.map_or(now, |end| end.min(now));
            let filter = Filter {
                units: subtree(models, &request.unit_id, at)?,
                succession: crate::reading::ready(&models.units)?.succession(at),
                from: instant("from", request.from)?,
                until,
                ..Filter::default()
            };
            let build = waited.read(&self.backend.engine.models().disputes)?;
            Ok(Response::new(wire::GetMediationReportResponse {
                report: Some(wired::report(&build.funnel(&filter))),
                read_point: Some(waited.point(&build)?),
            }))
        }
    }
}
