//! `benniu balance`: a person's points and what they come from.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use domain::Instant;
use serde_json::json;
use uuid::Uuid;

use super::Failure;
use super::source::{self, Opened, Source};
use crate::parse::Violation;
use crate::services::points;
use crate::session::timestamp;
use crate::{parse, wire};

/// Show a person's points and every change behind them
///
/// Each line names its rule, its verifier and its place in the log. What is withheld is shown to the
/// person alone, asked by their own login at a server: as a "safety contribution" of a day.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The person's id
    person: Uuid,
    /// As of this instant, by value dates; now if absent
    #[arg(long, value_name = "TIME", value_parser = super::instant)]
    as_of: Option<Instant>,
    /// As the log knew it on this instant; all it knows if absent
    #[arg(long, value_name = "TIME", value_parser = super::instant)]
    as_known_on: Option<Instant>,
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.source.open().await?;
    let mut request = wire::GetStatementRequest {
        person_id: args.person.to_string(),
        as_of: args.as_of.map(timestamp),
        as_known_on: args.as_known_on.map(timestamp),
        page_size: 1_000,
        ..Default::default()
    };
    let mut lines = Vec::new();
    let balance = loop {
        let page = match &opened {
            Opened::Server(session) => session.call(request.clone()).await?,
            Opened::Folder { log, models } => {
                let now = source::present(log);
                let viewer = points::Viewer::Other;
                points::statement(models, &models.balances.read(), &request, viewer, now)
                    .map_err(|Violation { description, .. }| Failure::Usage(description))?
            }
        };
        lines.extend(page.lines);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break page.balance.unwrap_or_default();
        }
    };
    print(&balance, &lines, args.source.json)
}

fn when(time: Option<prost_types::Timestamp>) -> String {
    let instant = parse::optional_instant("", time).ok().flatten();
    instant.map_or_else(String::new, |instant| {
        instant.format("%Y-%m-%d %H:%M").to_string()
    })
}

/// By which rule, if that may be said.
fn of_rule(line: &wire::StatementLine) -> String {
    if line.rule.is_empty() {
        return String::new();
    }
    format!("{} of {}", line.rule, line.policy_set)
}

/// Where the posting stands, if that may be said.
fn place(line: &wire::StatementLine) -> String {
    if line.position == 0 {
        return String::new();
    }
    line.position.to_string()
}

fn print(
    balance: &wire::Balance,
    lines: &[wire::StatementLine],
    as_json: bool,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if as_json {
        let lines = lines.iter().map(|line| {
            json!({
                "kind": line.kind().as_str_name(), "value_date": when(line.value_date),
                "points": line.points, "pending": line.pending, "spendable": line.spendable,
                "position": line.position, "award": line.award_id, "activity": line.activity_id,
                "title": line.activity_title,
                "fact": line.fact, "rule": line.rule, "policy_set": line.policy_set,
                "verified_by": line.verified_by, "forgone": line.forgone, "why": line.why,
                "redemption": line.redemption_id, "is_less": line.is_less,
            })
        });
        let whole = json!({
            "person": balance.person_id, "granted": balance.granted, "pending": balance.pending,
            "spendable": balance.spendable, "expired": balance.expired,
            "reversed": balance.reversed, "forgone": balance.forgone,
            "revised": balance.revised, "held": balance.held, "spent": balance.spent,
            "debt": balance.debt, "frozen": balance.frozen,
            "awards": balance.awards, "lines": lines.collect::<Vec<_>>(),
        });
        writeln!(out, "{whole}")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "value date (UTC)",
        "what",
        "points",
        "pending",
        "spendable",
        "activity",
        "rule",
        "verified by",
        "position",
    ]);
    for line in lines {
        let kind = line
            .kind()
            .as_str_name()
            .trim_start_matches("STATEMENT_LINE_KIND_");
        table.add_row([
            when(line.value_date),
            kind.to_lowercase(),
            line.points.to_string(),
            line.pending.to_string(),
            line.spendable.to_string(),
            line.activity_title.clone(),
            of_rule(line),
            line.verified_by.clone(),
            place(line),
        ]);
    }
    writeln!(out, "{table}")?;
    let revised = match balance.revised {
        0 => String::new(),
        points => format!(" {points:+} by verifying again"),
    };
    let debt = match balance.debt {
        0 => String::new(),
        points => format!(" - owed {points}"),
    };
    writeln!(
        out,
        "granted {}{revised} = pending {} + spendable {} + held {} + spent {} + expired {} + \
         reversed {}{debt}   (kept back by caps: {}){}",
        balance.granted,
        balance.pending,
        balance.spendable,
        balance.held,
        balance.spent,
        balance.expired,
        balance.reversed,
        balance.forgone,
        if balance.frozen { "   FROZEN" } else { "" },
    )?;
    Ok(())
}
