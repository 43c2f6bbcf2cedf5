//! `benniu redemption`: redeem points, hand over at the counter, see what waits there.
//!
//! Owns the steps a person takes. Each is a command of its own under a fresh id; one that was not
//! answered is asked again with what `list` shows.

use std::io::{self, Write as _};

use clap::Subcommand;
use comfy_table::{Table, presets};
use eventlog::Entropy;
use serde_json::json;
use uuid::Uuid;

use super::Failure;
use crate::session::{Rpc, Session};
use crate::{parse, wire};

/// Redeem points for an item, hand it over, and see what waits to be picked up
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List redemptions, the newest first
    List {
        /// Only of this person
        #[arg(long, value_name = "ID")]
        person: Option<Uuid>,
        /// Only what waits to be picked up
        #[arg(long)]
        ready: bool,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: Server,
    },
    /// Set an item and its points aside for whoever asks; prints the redemption's id
    Request {
        /// The item's id, as `benniu reward` shows it
        item: Uuid,
        #[command(flatten)]
        server: Server,
    },
    /// Want it after all; prints the one-time code, which is shown once
    Confirm {
        /// The redemption's id
        redemption: Uuid,
        #[command(flatten)]
        server: Server,
    },
    /// Get another code for one that was lost; the one before is good no more
    RenewCode {
        /// The redemption's id
        redemption: Uuid,
        #[command(flatten)]
        server: Server,
    },
    /// Hand it over against the code, as a clerk
    Fulfil {
        /// The redemption's id
        redemption: Uuid,
        /// The code as told
        code: String,
        #[command(flatten)]
        server: Server,
    },
    /// Do not want it any more
    Cancel {
        /// The redemption's id
        redemption: Uuid,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        server: Server,
    },
    /// Take it back and give the points back, as another clerk
    Return {
        /// The redemption's id
        redemption: Uuid,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        server: Server,
    },
}

/// Whom to ask, and in whose name.
#[derive(Debug, clap::Args)]
struct Server {
    #[arg(
        long = "server",
        value_name = "URL",
        help = "The running server, such as http://127.0.0.1:50051"
    )]
    url: String,
    /// Login subject to call the server with
    #[arg(long = "as", value_name = "SUBJECT")]
    subject: String,
}

impl Server {
    async fn call<R: Rpc>(&self, request: R) -> Result<R::Response, Failure> {
        let session = Session::connect(&self.url, &self.subject).await;
        Ok(session.map_err(Failure::could_not)?.call(request).await?)
    }
}

/// A fresh id.
fn fresh() -> Result<String, Failure> {
    let entropy = Entropy::system().map_err(Failure::could_not)?;
    Ok(entropy.uuid().to_string())
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::List {
            person,
            ready,
            json,
            server,
        } => list(&server, person, ready, json).await,
        Command::Request { item, server } => {
            let redemption_id = fresh()?;
            let request = wire::RequestRedemptionRequest {
                command_id: fresh()?,
                redemption_id: redemption_id.clone(),
                item_id: item.to_string(),
            };
            server.call(request).await?;
            say(&redemption_id)
        }
        Command::Confirm { redemption, server } => {
            let request = wire::ConfirmRedemptionRequest {
                command_id: fresh()?,
                redemption_id: redemption.to_string(),
            };
            say(&server.call(request).await?.code)
        }
        Command::RenewCode { redemption, server } => {
            let request = wire::RenewCodeRequest {
                command_id: fresh()?,
                redemption_id: redemption.to_string(),
            };
            say(&server.call(request).await?.code)
        }
        Command::Fulfil {
            redemption,
            code,
            server,
        } => {
            let request = wire::FulfilRedemptionRequest {
                command_id: fresh()?,
                redemption_id: redemption.to_string(),
                code,
            };
            server.call(request).await?;
            say("handed over")
        }
        Command::Cancel {
            redemption,
            reason,
            server,
        } => {
            let request = wire::CancelRedemptionRequest {
                command_id: fresh()?,
                redemption_id: redemption.to_string(),
                reason,
            };
            server.call(request).await?;
            say("cancelled")
        }
        Command::Return {
            redemption,
            reason,
            server,
        } => {
            let request = wire::ReturnRedemptionRequest {
                command_id: fresh()?,
                redemption_id: redemption.to_string(),
                reason,
            };
            server.call(request).await?;
            say("taken back")
        }
    }
}

fn say(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(())
}

async fn list(
    server: &Server,
    person: Option<Uuid>,
    ready: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let state = if ready {
        wire::RedemptionState::ReadyForPickup
    } else {
        wire::RedemptionState::Unspecified
    };
    let mut request = wire::ListRedemptionsRequest {
        person_id: person.map_or_else(String::new, |id| id.to_string()),
        state: state.into(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = server.call(request.clone()).await?;
        found.extend(page.redemptions);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return print(&found, as_json);
        }
    }
}

fn when(time: Option<prost_types::Timestamp>) -> String {
    let instant = parse::optional_instant("", time).ok().flatten();
    instant.map_or_else(String::new, |instant| {
        instant.format("%Y-%m-%d %H:%M").to_string()
    })
}

fn print(found: &[wire::Redemption], as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let state = |it: &wire::Redemption| {
        let name = it.state().as_str_name();
        name.trim_start_matches("REDEMPTION_STATE_").to_lowercase()
    };
    if as_json {
        let rows = found.iter().map(|it| {
            json!({
                "redemption": it.redemption_id, "item": it.item_id, "person": it.person_id,
                "state": state(it), "points": it.points, "requested_at": when(it.requested_at),
                "since": when(it.since), "held_until": when(it.held_until),
                "fulfilled_by": it.fulfilled_by, "reason": it.reason, "version": it.version,
            })
        });
        let rows = serde_json::Value::Array(rows.collect());
        writeln!(out, "{rows}")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "redemption",
        "item",
        "person",
        "state",
        "points",
        "requested (UTC)",
        "held until (UTC)",
    ]);
    for it in found {
        table.add_row([
            it.redemption_id.clone(),
            it.item_id.clone(),
            it.person_id.clone(),
            state(it),
            it.points.to_string(),
            when(it.requested_at),
            when(it.held_until),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}
