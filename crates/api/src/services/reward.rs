//! `RewardService`: what points are redeemed for, and the stock book.

use domain::Instant;
use domain::ids::RewardItemId;
use domain::reward_item::{Ask, Bound, Command, Refusal};
use projections::read_models::reward_items::{Filter, Record};
use tonic::{Request, Response, Status};

use super::service;
use crate::backend::subtree;
use crate::parse::{self, Choice as _, Parsed};
use crate::{answer, paging, status, wire};

/// A command about an item.
fn asked(item_id: &str, ask: Ask) -> Parsed<Command> {
    let item = parse::id("item_id", item_id)?;
    Ok(Command { item, ask })
}

fn bound(field: &str, bound: Option<wire::RewardBound>) -> Parsed<Bound> {
    let bound = parse::required(field, bound)?;
    let period =
        parse::optional_choice::<wire::RewardPeriod>(&format!("{field}.period"), bound.period)?;
    let count = bound.count;
    Ok(Bound { period, count })
}

service! {
    impl reward_service_server::RewardService;
    commands {
        draft_item(r: DraftItemRequest) -> DraftItemResponse =
            asked(
                &r.item_id,
                Ask::DraftItem {
                    community: parse::id("community_id", &r.community_id)?,
                    name: parse::text("name", r.name)?,
                    kind: parse::choice::<wire::RewardKind>("kind", r.kind)?,
                    price: r.price,
                    funding_source: parse::text("funding_source", r.funding_source)?,
                },
            )?;
        offer_item(r: OfferItemRequest) -> OfferItemResponse =
            asked(&r.item_id, Ask::OfferItem)?;
        pause_item(r: PauseItemRequest) -> PauseItemResponse =
            asked(&r.item_id, Ask::PauseItem)?;
        resume_item(r: ResumeItemRequest) -> ResumeItemResponse =
            asked(&r.item_id, Ask::ResumeItem)?;
        retire_item(r: RetireItemRequest) -> RetireItemResponse =
            asked(&r.item_id, Ask::RetireItem)?;
        change_price(r: ChangePriceRequest) -> ChangePriceResponse =
            asked(
                &r.item_id,
                Ask::ChangePrice {
                    price: r.price,
                    from: parse::optional_instant("from", r.from)?,
                },
            )?;
        set_quota(r: SetQuotaRequest) -> SetQuotaResponse =
            asked(&r.item_id, Ask::SetQuota { quota: bound("quota", r.quota)? })?;
        set_per_person_limit(r: SetPerPersonLimitRequest) -> SetPerPersonLimitResponse =
            asked(&r.item_id, Ask::SetPerPersonLimit { limit: bound("limit", r.limit)? })?;
        receive_stock(r: ReceiveStockRequest) -> ReceiveStockResponse =
            asked(
                &r.item_id,
                Ask::ReceiveStock {
                    count: r.count,
                    paper: parse::optional_digest("paper", &r.paper)?,
                },
            )?;
        count_stock(r: CountStockRequest) -> CountStockResponse =
            asked(&r.item_id, Ask::CountStock { counted: r.counted })?;
    }
    others {
        async fn get_reward_item(
            &self,
            request: Request<wire::GetRewardItemRequest>,
        ) -> Result<Response<wire::GetRewardItemResponse>, Status> {
            let request = request.into_inner();
            let id = parse::id("item_id", &request.item_id)
                .map_err(|why| status::invalid(&why))?;
            let waited = self.backend.wait(request.consistency).await?;
            let now = self.backend.executor.now();
            let build = waited.read(&self.backend.engine.models().reward_items)?;
            let record = build.item(id);
            let record = record.ok_or_else(|| status::refused(&Refusal::ItemNotFound.refused()))?;
            Ok(Response::new(wire::GetRewardItemResponse {
                item: Some(wire_item(id, record, now)),
                read_point: Some(waited.point(&build)?),
            }))
        }

        async fn list_reward_items(
            &self,
            request: Request<wire::ListRewardItemsRequest>,
        ) -> Result<Response<wire::ListRewardItemsResponse>, Status> {
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let now = self.backend.executor.now();
            let units = subtree(self.backend.engine.models(), &request.unit_id, now)?;
            let page = Page::parse(&request).map_err(|why| status::invalid(&why))?;
            let filter = Filter { units, state: page.state };
            let build = waited.read(&self.backend.engine.models().reward_items)?;
            let (items, more) = build.list(&filter, page.size, page.after);
            let last = items.last().filter(|_| more);
            let next = last.map(|(id, _)| paging::write(&page.question, &id.to_string()));
            Ok(Response::new(wire::ListRewardItemsResponse {
                items: items.iter().map(|(id, record)| wire_item(*id, record, now)).collect(),
                next_page_token: next.unwrap_or_default(),
                read_point: Some(waited.point(&build)?),
            }))
        }
    }
}

/// A page of the list.
struct Page {
    state: Option<domain::reward_item::ItemState>,
    size: usize,
    after: Option<RewardItemId>,
    question: String,
}

impl Page {
    fn parse(request: &wire::ListRewardItemsRequest) -> Parsed<Self> {
        let question = format!("reward items {} {}", request.unit_id, request.state);
        let after = paging::read(&question, &request.page_token)?;
        let after = after.map(|key| parse::id("page_token", &key)).transpose();
        Ok(Self {
            state: parse::optional_choice::<wire::RewardItemState>("state", request.state)?,
            size: paging::size(request.page_size)?,
            after: after.map_err(|_| paging::malformed())?,
            question,
        })
    }
}

fn wire_bound(bound: Bound) -> wire::RewardBound {
    let period = bound.period.map(wire::RewardPeriod::of);
    wire::RewardBound {
        period: period.unwrap_or_default().into(),
        count: bound.count,
    }
}

/// An item with its book, as of an instant.
pub(crate) fn wire_item(id: RewardItemId, record: &Record, now: Instant) -> wire::RewardItem {
    let item = &record.item;
    let kind = item.kind.map(wire::RewardKind::of);
    wire::RewardItem {
        item_id: id.to_string(),
        community_id: item.community.map_or_else(String::new, |id| id.to_string()),
        name: item.name.clone(),
        kind: kind.unwrap_or_default().into(),
        state: wire::RewardItemState::of(item.state).into(),
        price: item.price_at(now).unwrap_or_default(),
        funding_source: item.funding_source.clone(),
        received: item.received,
        reserved: item.reserved(),
        issued: item.issued,
        difference: item.difference,
        on_hand: item.on_hand(),
        available: record.available_at(now),
        counted: item.counted.map_or(0, |(_, counted)| counted),
        counted_at: item.counted.map(|(at, _)| answer::instant(at)),
        quota: item.quota.map(wire_bound),
        per_person_limit: item.per_person.map(wire_bound),
        position: record.position,
        version: record.version,
    }
}
