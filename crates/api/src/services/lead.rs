//! `LeadService`: leads in confidence.
//!
//! Owns the two commands that are more than a row: a validation is given its random contribution
//! here, at the rim, and the body of a lead is read out only after that is recorded. Who may know a
//! lead is decided in [`life`] by the rules' own words.

pub(crate) mod life;

use domain::ids::{ContributionId, LeadId};
use domain::lead::{Ask, Command, Source};
use projections::read_models::leads::Filter;
use tonic::{Request, Response, Status};

use super::service;
use crate::backend::subtree;
use crate::gate::Caller;
use crate::parse::{self, Parsed, Violation};
use crate::{paging, status, wire};

/// A command about a lead.
fn asked(lead_id: &str, ask: Ask) -> Parsed<Command> {
    let lead = parse::id("lead_id", lead_id)?;
    Ok(Command { lead, ask })
}

/// Whom a lead comes from.
fn source(source_id: &str, unnamed: bool) -> Parsed<Source> {
    match (parse::optional_id("source_id", source_id)?, unnamed) {
        (None, false) => Ok(Source::Oneself),
        (Some(person), false) => Ok(Source::Person(person)),
        (None, true) => Ok(Source::Nobody),
        (Some(_), true) => Err(Violation::new(
            "source_unnamed",
            "A source is named or unnamed, not both.",
        )),
    }
}

/// A validation, with what is to stand for the lead on an account.
fn validation(r: wire::ValidateLeadRequest, contribution: ContributionId) -> Parsed<Command> {
    asked(
        &r.lead_id,
        Ask::ValidateLead {
            matter: parse::id("matter_id", &r.matter_id)?,
            effect: parse::personal("effect", r.effect)?,
            contribution,
        },
    )
}

service! {
    impl lead_service_server::LeadService;
    commands {
        submit_lead(r: SubmitLeadRequest) -> SubmitLeadResponse =
            asked(
                &r.lead_id,
                Ask::SubmitLead {
                    community: parse::id("community_id", &r.community_id)?,
                    kind: parse::choice::<wire::LeadKind>("kind", r.kind)?,
                    body: parse::personal("body", r.body)?,
                    source: source(&r.source_id, r.source_unnamed)?,
                    contact: parse::optional_personal("contact", r.contact)?,
                },
            )?;
        triage_lead(r: TriageLeadRequest) -> TriageLeadResponse =
            asked(&r.lead_id, Ask::TriageLead)?;
        reject_lead(r: RejectLeadRequest) -> RejectLeadResponse =
            asked(
                &r.lead_id,
                Ask::RejectLead {
                    reason: parse::personal("reason", r.reason)?,
                },
            )?;
        transfer_lead(r: TransferLeadRequest) -> TransferLeadResponse =
            asked(
                &r.lead_id,
                Ask::TransferLead {
                    police_case: parse::personal("police_case", r.police_case)?,
                },
            )?;
        record_lead_outcome(r: RecordLeadOutcomeRequest) -> RecordLeadOutcomeResponse =
            asked(
                &r.lead_id,
                Ask::RecordLeadOutcome {
                    outcome: parse::personal("outcome", r.outcome)?,
                },
            )?;
        archive_lead(r: ArchiveLeadRequest) -> ArchiveLeadResponse =
            asked(&r.lead_id, Ask::ArchiveLead)?;
    }
    others {
        async fn validate_lead(
            &self,
            request: Request<wire::ValidateLeadRequest>,
        ) -> Result<Response<wire::ValidateLeadResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let command_id = request.command_id.clone();
            let contribution = ContributionId(self.backend.executor.entropy().uuid());
            let command =
                validation(request, contribution).map_err(|why| status::invalid(&why))?;
            let receipt = self.execute(caller, &command_id, command.into()).await?;
            Ok(Response::new(wire::ValidateLeadResponse {
                receipt: Some(receipt),
            }))
        }

        async fn access_lead(
            &self,
            request: Request<wire::AccessLeadRequest>,
        ) -> Result<Response<wire::AccessLeadResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let purpose = parse::personal("purpose", request.purpose)
                .map_err(|why| status::invalid(&why))?;
            let command = asked(&request.lead_id, Ask::AccessLead { purpose })
                .map_err(|why| status::invalid(&why))?;
            let lead = command.lead;
            let receipt = self
                .execute(caller, &request.command_id, command.into())
                .await?;
            // A repeat was not decided anew: whoever reviews the lead no more reads it no more.
            let viewer = life::Viewer::of(&self.backend, caller)?;
            if !viewer.reviews(lead)? {
                return Err(life::not_found());
            }
            // Nor does a repeat read it out: what was recorded is one reading.
            let mut answer = if receipt.replayed {
                wire::AccessLeadResponse::default()
            } else {
                life::content(self.backend.executor.log().as_ref(), lead)?
            };
            answer.receipt = Some(receipt);
            Ok(Response::new(answer))
        }

        async fn get_lead(
            &self,
            request: Request<wire::GetLeadRequest>,
        ) -> Result<Response<wire::GetLeadResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let id: LeadId = parse::id("lead_id", &request.lead_id)
                .map_err(|why| status::invalid(&why))?;
            let waited = self.backend.wait(request.consistency).await?;
            let viewer = life::Viewer::of(&self.backend, caller)?;
            let build = waited.read(&self.backend.engine.models().leads)?;
            let mut answer =
                life::life(&build, self.backend.executor.log().as_ref(), id, &viewer)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn list_leads(
            &self,
            request: Request<wire::ListLeadsRequest>,
        ) -> Result<Response<wire::ListLeadsResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let viewer = life::Viewer::of(&self.backend, caller)?;
            let now = self.backend.executor.now();
            let filter = Filter {
                units: subtree(self.backend.engine.models(), &request.unit_id, now)?,
                state: parse::optional_choice::<wire::LeadState>("state", request.state)
                    .map_err(|why| status::invalid(&why))?,
                open_only: request.open_only,
            };
            let size =
                paging::size(request.page_size).map_err(|why| status::invalid(&why))?;
            let question = format!(
                "leads {} {} {}",
                request.unit_id, request.state, request.open_only,
            );
            let after = paging::read(&question, &request.page_token)
                .and_then(|key| key.map(|key| life::place(&key)).transpose())
                .map_err(|why| status::invalid(&why))?;
            let build = waited.read(&self.backend.engine.models().leads)?;
            let (page, more) = build.list(&filter, |record| viewer.knows(record), size, after)?;
            let next_page_token = page
                .last()
                .filter(|_| more)
                .map(|(id, record)| paging::write(&question, &life::key(*id, record)));
            Ok(Response::new(wire::ListLeadsResponse {
                leads: page
                    .into_iter()
                    .map(|(id, record)| life::lead(id, record))
                    .collect(),
                next_page_token: next_page_token.unwrap_or_default(),
                read_point: Some(waited.point(&build)?),
            }))
        }
    }
}
