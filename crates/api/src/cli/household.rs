//! `benniu household`: who lives together, as of a date.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use domain::Instant;
use domain::ids::HouseholdId;
use serde_json::json;
use uuid::Uuid;

use super::Failure;
use super::source::{self, Opened, Source};
use crate::backend::subtree;
use crate::parse::Violation;
use crate::services::household;
use crate::session::timestamp;
use crate::{parse, wire};

/// Show who lives together as of a date
///
/// A server shows households only to who leads their community, and to who lives there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The household's id; all of them if absent
    household: Option<Uuid>,
    /// Only households of this unit and those below it
    #[arg(long, conflicts_with = "household")]
    unit: Option<Uuid>,
    /// Only the household where this person lived
    #[arg(long, conflicts_with = "household")]
    person: Option<Uuid>,
    /// As of this instant; now if absent
    #[arg(long, value_name = "TIME", value_parser = super::instant)]
    as_of: Option<Instant>,
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.source.open().await?;
    let households = match args.household {
        Some(id) => vec![one(&opened, id, args.as_of).await?],
        None => all(&opened, &args).await?,
    };
    print(&households, args.source.json)
}

async fn one(
    opened: &Opened,
    id: Uuid,
    as_of: Option<Instant>,
) -> Result<wire::Household, Failure> {
    match opened {
        Opened::Server(session) => {
            let request = wire::GetHouseholdRequest {
                household_id: id.to_string(),
                as_of: as_of.map(timestamp),
                consistency: None,
            };
            Ok(session.call(request).await?.household.unwrap_or_default())
        }
        Opened::Folder { log, models } => {
            let at = as_of.unwrap_or_else(|| source::present(log));
            let build = models.households.read();
            let id = HouseholdId(id);
            let row = build.partitions.get(&id).ok_or_else(|| {
                Failure::could_not(domain::household::Refusal::HouseholdNotFound.refused())
            })?;
            Ok(household::household(id, row, at))
        }
    }
}

async fn all(opened: &Opened, args: &Args) -> Result<Vec<wire::Household>, Failure> {
    let id = |id: Option<Uuid>| id.map_or_else(String::new, |id| id.to_string());
    let mut request = wire::ListHouseholdsRequest {
        unit_id: id(args.unit),
        person_id: id(args.person),
        as_of: args.as_of.map(timestamp),
        page_size: 1_000,
        ..Default::default()
    };
    let mut households = Vec::new();
    loop {
        let (page, next) = match opened {
            Opened::Server(session) => {
                let page = session.call(request.clone()).await?;
                (page.households, page.next_page_token)
            }
            Opened::Folder { log, models } => {
                let at = args.as_of.unwrap_or_else(|| source::present(log));
                let within = subtree(models, &request.unit_id, at)?;
                household::page(&models.households.read(), &request, at, |unit| {
                    within.as_ref().is_none_or(|units| units.contains(unit))
                })
                .map_err(|Violation { field, description }| {
                    Failure::Usage(format!("{field}: {description}"))
                })?
            }
        };
        households.extend(page);
        request.page_token = next;
        if request.page_token.is_empty() {
            return Ok(households);
        }
    }
}

fn when(time: Option<prost_types::Timestamp>) -> String {
    let instant = parse::optional_instant("", time).ok().flatten();
    instant.map_or_else(String::new, |instant| {
        instant.format("%Y-%m-%d %H:%M").to_string()
    })
}

fn print(households: &[wire::Household], as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if as_json {
        let households = households.iter().map(|household| {
            let residents = household.residents.iter().map(|resident| {
                json!({
                    "person": resident.person_id, "from": when(resident.from),
                    "until": when(resident.until),
                })
            });
            json!({
                "household": household.household_id, "community": household.community_id,
                "split_from": household.split_from_id, "residents": residents.collect::<Vec<_>>(),
            })
        });
        let households: Vec<_> = households.collect();
        writeln!(out, "{}", json!({ "households": households }))?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "household",
        "person",
        "from (UTC)",
        "until (UTC)",
        "split from",
    ]);
    for household in households {
        for resident in &household.residents {
            table.add_row([
                household.household_id.clone(),
                resident.person_id.clone(),
                when(resident.from),
                when(resident.until),
                household.split_from_id.clone(),
            ]);
        }
    }
    writeln!(out, "{table}")?;
    Ok(())
}
