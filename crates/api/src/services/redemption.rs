//! `RedemptionService`: points for items.
//!
//! Owns where a one-time code is drawn: from the one source of entropy, for each call anew. Its hash
//! goes into the command, the code into the first answer and nowhere else; a repeat, also one that
//! races the first, gets the first receipt and no code.

mod viewer;

use domain::Instant;
use domain::ids::RedemptionId;
use domain::redemption::{Ask, CODE_BYTES, Code, CodeHash, Command, Refusal};
use projections::read_models::redemptions::{Filter, Place, Record};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Services, service};
use crate::backend::subtree;
use crate::gate::Caller;
use crate::parse::{self, Choice as _, Parsed};
use crate::{answer, paging, status, wire};

/// Longest code as told, in bytes.
const TOLD_BYTES_MAX: usize = 100;

/// A command about a redemption.
fn asked(redemption_id: &str, ask: Ask) -> Parsed<Command> {
    let redemption = parse::id("redemption_id", redemption_id)?;
    Ok(Command { redemption, ask })
}

/// The hash of a code as told.
fn told(redemption_id: &str, code: &str) -> Parsed<CodeHash> {
    if code.trim().is_empty() || code.len() > TOLD_BYTES_MAX {
        return Err(parse::Violation::new(
            "code",
            "The code as it was shown is needed.",
        ));
    }
    Ok(CodeHash::of(
        parse::id("redemption_id", redemption_id)?,
        code,
    ))
}

impl Services {
    /// Submits a command that takes a fresh code; answers with the receipt and, unless it was taken
    /// before, the code.
    async fn with_code(
        &self,
        caller: Caller,
        command_id: &str,
        redemption_id: &str,
        ask: fn(CodeHash) -> Ask,
    ) -> Result<(wire::Receipt, String), Status> {
        let mut bytes = [0; CODE_BYTES];
        self.backend.executor.entropy().fill(&mut bytes);
        let code = Code::of_bytes(bytes);
        let command = parse::id("redemption_id", redemption_id)
            .map(|redemption| Command {
                redemption,
                ask: ask(CodeHash::of(redemption, code.reveal())),
            })
            .map_err(|why| status::invalid(&why))?;
        let receipt = self.execute(caller, command_id, command.into()).await?;
        let shown = if receipt.replayed { "" } else { code.reveal() };
        Ok((receipt, shown.to_owned()))
    }
}

service! {
    impl redemption_service_server::RedemptionService;
    commands {
        request_redemption(r: RequestRedemptionRequest) -> RequestRedemptionResponse =
            asked(
                &r.redemption_id,
                Ask::RequestRedemption { item: parse::id("item_id", &r.item_id)? },
            )?;
        fulfil_redemption(r: FulfilRedemptionRequest) -> FulfilRedemptionResponse =
            asked(
                &r.redemption_id,
                Ask::FulfilRedemption { code: told(&r.redemption_id, &r.code)? },
            )?;
        cancel_redemption(r: CancelRedemptionRequest) -> CancelRedemptionResponse =
            asked(
                &r.redemption_id,
                Ask::CancelRedemption { reason: parse::text("reason", r.reason)? },
            )?;
        fail_redemption(r: FailRedemptionRequest) -> FailRedemptionResponse =
            asked(
                &r.redemption_id,
                Ask::FailRedemption { reason: parse::text("reason", r.reason)? },
            )?;
        return_redemption(r: ReturnRedemptionRequest) -> ReturnRedemptionResponse =
            asked(
                &r.redemption_id,
                Ask::ReturnRedemption { reason: parse::text("reason", r.reason)? },
            )?;
    }
    others {
        async fn confirm_redemption(
            &self,
            request: Request<wire::ConfirmRedemptionRequest>,
        ) -> Result<Response<wire::ConfirmRedemptionResponse>, Status> {
            let caller = Caller::of(&request)?;
            let r = request.into_inner();
            let ask = |code| Ask::ConfirmRedemption { code };
            let answer = self.with_code(caller, &r.command_id, &r.redemption_id, ask);
            let (receipt, code) = answer.await?;
            let receipt = Some(receipt);
            Ok(Response::new(wire::ConfirmRedemptionResponse { receipt, code }))
        }

        async fn renew_code(
            &self,
            request: Request<wire::RenewCodeRequest>,
        ) -> Result<Response<wire::RenewCodeResponse>, Status> {
            let caller = Caller::of(&request)?;
            let r = request.into_inner();
            let ask = |code| Ask::RenewCode { code };
            let answer = self.with_code(caller, &r.command_id, &r.redemption_id, ask);
            let (receipt, code) = answer.await?;
            let receipt = Some(receipt);
            Ok(Response::new(wire::RenewCodeResponse { receipt, code }))
        }

        async fn get_redemption(
            &self,
            request: Request<wire::GetRedemptionRequest>,
        ) -> Result<Response<wire::GetRedemptionResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let id = parse::id("redemption_id", &request.redemption_id)
                .map_err(|why| status::invalid(&why))?;
            let waited = self.backend.wait(request.consistency).await?;
            let mut viewer = viewer::Viewer::of(&self.backend, caller)?;
            let build = waited.read(&self.backend.engine.models().redemptions)?;
            let not_found = || status::refused(&Refusal::RedemptionNotFound.refused());
            let record = build.redemption(id).ok_or_else(not_found)?;
            if !viewer.knows(record)? {
                return Err(not_found());
            }
            Ok(Response::new(wire::GetRedemptionResponse {
                redemption: Some(wire_redemption(id, record)),
                read_point: Some(waited.point(&build)?),
            }))
        }

        async fn list_redemptions(
            &self,
            request: Request<wire::ListRedemptionsRequest>,
        ) -> Result<Response<wire::ListRedemptionsResponse>, Status> {
            let caller = Caller::of(&request)?;
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let now = self.backend.executor.now();
            let units = subtree(self.backend.engine.models(), &request.unit_id, now)?;
            let page = Page::parse(&request).map_err(|why| status::invalid(&why))?;
            let filter = Filter { units, ..page.filter };
            let build = waited.read(&self.backend.engine.models().redemptions)?;
            let mut viewer = viewer::Viewer::of(&self.backend, caller)?;
            let known = |record: &Record| viewer.knows(record);
            let (found, more) = build.list(&filter, known, page.size, page.after)?;
            let last = found.last().filter(|_| more);
            let next = last.map(|(id, record)| paging::write(&page.question, &key(*id, record)));
            Ok(Response::new(wire::ListRedemptionsResponse {
                redemptions: found.iter().map(|(id, record)| wire_redemption(*id, record)).collect(),
                next_page_token: next.unwrap_or_default(),
                read_point: Some(waited.point(&build)?),
            }))
        }
    }
}

/// A page of the list.
struct Page {
    filter: Filter,
    size: usize,
    after: Option<Place>,
    question: String,
}

impl Page {
    fn parse(request: &wire::ListRedemptionsRequest) -> Parsed<Self> {
        let (unit, person, item) = (&request.unit_id, &request.person_id, &request.item_id);
        let question = format!("redemptions {unit} {person} {item} {}", request.state);
        let after = paging::read(&question, &request.page_token)?;
        Ok(Self {
            filter: Filter {
                units: None,
                person: parse::optional_id("person_id", person)?,
                item: parse::optional_id("item_id", item)?,
                state: parse::optional_choice::<wire::RedemptionState>("state", request.state)?,
            },
            size: paging::size(request.page_size)?,
            after: after.map(|key| place(&key)).transpose()?,
            question,
        })
    }
}

/// The key of a redemption in the order of a list.
fn key(id: RedemptionId, record: &Record) -> String {
    format!("{}/{id}", record.requested_at.timestamp_micros())
}

/// The place that a key names.
fn place(key: &str) -> Parsed<Place> {
    let parts = key.split_once('/').and_then(|(micros, id)| {
        let at = Instant::from_timestamp_micros(micros.parse().ok()?)?;
        Some((at, RedemptionId(Uuid::parse_str(id).ok()?)))
    });
    parts.ok_or_else(paging::malformed)
}

pub(crate) fn wire_redemption(id: RedemptionId, record: &Record) -> wire::Redemption {
    let redemption = &record.redemption;
    let held = redemption.held_until.filter(|_| redemption.state.holds());
    wire::Redemption {
        redemption_id: id.to_string(),
        item_id: record.item.to_string(),
        person_id: record.person.to_string(),
        community_id: record.community.to_string(),
        state: wire::RedemptionState::of(redemption.state).into(),
        points: redemption.points,
        requested_at: Some(answer::instant(record.requested_at)),
        since: Some(answer::instant(record.since)),
        held_until: held.map(answer::instant),
        fulfilled_by: redemption
            .fulfilled
            .map_or_else(String::new, |(person, _)| person.to_string()),
        reason: record.reason.clone().unwrap_or_default(),
        position: record.position,
        version: record.version,
    }
}
