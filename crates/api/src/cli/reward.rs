//! `benniu reward`: what points are redeemed for, with the stock book.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use domain::Instant;
use eventlog::EventLog as _;
use projections::read_models::reward_items::Filter;
use serde_json::json;
use uuid::Uuid;

use super::Failure;
use super::source::{Opened, Source};
use crate::backend::subtree;
use crate::services::reward::wire_item;
use crate::wire;

/// Show the items that points are redeemed for, with price and stock book
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of this community, or of the communities below this unit
    #[arg(long, value_name = "ID")]
    unit: Option<Uuid>,
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let unit_id = args.unit.map_or_else(String::new, |id| id.to_string());
    let items = match args.source.open().await? {
        Opened::Server(session) => {
            let mut items = Vec::new();
            let mut request = wire::ListRewardItemsRequest {
                unit_id,
                page_size: 1_000,
                ..Default::default()
            };
            loop {
                let page = session.call(request.clone()).await?;
                items.extend(page.items);
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() {
                    break items;
                }
            }
        }
        Opened::Folder { log, models } => {
            // A folder's present is what it recorded last.
            let now: Instant = log.head().recorded_at.unwrap_or_default();
            let filter = Filter {
                units: subtree(&models, &unit_id, now)?,
                state: None,
            };
            let build = models.reward_items.read();
            let all = build.partitions.len().max(1);
            let mut items = Vec::with_capacity(all);
            let mut after = None;
            loop {
                let (page, more) = build.list(&filter, all, after);
                after = page.last().map(|(id, _)| *id);
                items.extend(page.iter().map(|(id, record)| wire_item(*id, record, now)));
                if !more {
                    break items;
                }
            }
        }
    };
    print(&items, args.source.json)
}

fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

/// `30 a month`, `2`, or nothing.
fn bound(bound: Option<&wire::RewardBound>) -> String {
    let Some(bound) = bound else {
        return String::new();
    };
    match bound.period() {
        wire::RewardPeriod::Unspecified => bound.count.to_string(),
        period => {
            let period = word(period.as_str_name(), "REWARD_PERIOD_");
            format!("{} a {period}", bound.count)
        }
    }
}

fn print(items: &[wire::RewardItem], as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let kind = |item: &wire::RewardItem| word(item.kind().as_str_name(), "REWARD_KIND_");
    let state = |item: &wire::RewardItem| word(item.state().as_str_name(), "REWARD_ITEM_STATE_");
    if as_json {
        let items = items.iter().map(|item| {
            json!({
                "item": item.item_id, "community": item.community_id, "name": item.name,
                "kind": kind(item), "state": state(item), "price": item.price,
                "funding_source": item.funding_source, "received": item.received,
                "reserved": item.reserved, "issued": item.issued, "difference": item.difference,
                "on_hand": item.on_hand, "available": item.available, "counted": item.counted,
                "quota": bound(item.quota.as_ref()),
                "per_person_limit": bound(item.per_person_limit.as_ref()),
                "version": item.version,
            })
        });
        let items = serde_json::Value::Array(items.collect());
        writeln!(out, "{items}")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "item",
        "name",
        "kind",
        "state",
        "points",
        "received",
        "reserved",
        "issued",
        "counted off",
        "on hand",
        "available",
        "limit",
        "paid by",
    ]);
    for item in items {
        table.add_row([
            item.item_id.clone(),
            item.name.clone(),
            kind(item),
            state(item),
            item.price.to_string(),
            item.received.to_string(),
            item.reserved.to_string(),
            item.issued.to_string(),
            item.difference.to_string(),
            item.on_hand.to_string(),
            item.available.to_string(),
            bound(item.per_person_limit.as_ref()),
            item.funding_source.clone(),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}
