//! `benniu report hazards`.

use domain::Instant;
use serde_json::{Value, json};

use super::{Of, PAGE_ROWS, Sheet, ask, instant, share, when};
use crate::cli::Failure;
use crate::services::report::hazards;
use crate::wire;

/// Show how hazards are dealt with, by unit and kind, as of a date
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only hazards of this kind
    #[arg(long, value_name = "KIND", default_value = "")]
    kind: String,
    /// Only hazards imported from this source
    #[arg(long = "source", value_name = "NAME", default_value = "")]
    imported_from: String,
    /// Count what happened from then on
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    from: Option<Instant>,
    /// As of when; now if absent
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    as_of: Option<Instant>,
    #[command(flatten)]
    of: Of,
}

const COLUMNS: &[&str] = &[
    "unit",
    "kind",
    "reported",
    "open general",
    "open major",
    "open unverified",
    "overdue",
    "reinspections failed",
    "came back",
    "closed by source",
    "days without recurrence",
    "days since seen",
];

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.of.source.open().await?;
    let mut request = wire::GetHazardReportRequest {
        unit_id: args.of.unit_id(),
        kind: args.kind,
        source: args.imported_from,
        from: instant(args.from),
        as_of: instant(args.as_of),
        page_size: PAGE_ROWS,
        ..Default::default()
    };
    let mut sheet = Sheet::new("hazards", COLUMNS);
    loop {
        let answer = ask(&opened, &request, |models, _, now| {
            hazards::report(models, &models.hazard_report.read(), &request, now)
        });
        let answer = answer.await?;
        sheet.rows.extend(answer.rows.iter().map(row));
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            sheet.notes.push(("as of (UTC)", when(answer.as_of)));
            let mut total = row(&answer.total.unwrap_or_default());
            if let Some(unit) = total.first_mut() {
                *unit = json!("all");
            }
            sheet.rows.push(total);
            return sheet.print(args.of.source.json);
        }
    }
}

fn row(tally: &wire::HazardTally) -> Vec<Value> {
    vec![
        json!(tally.unit_id),
        json!(tally.kind),
        json!(tally.reported),
        json!(tally.open_general),
        json!(tally.open_major),
        json!(tally.open_unverified),
        share(tally.overdue),
        share(tally.reinspections_failed),
        share(tally.recurred),
        json!(tally.closed_by_source),
        json!(tally.recurrence_free_days),
        json!(tally.days_since_seen),
    ]
}
