//! `benniu report growth`.

use domain::Instant;
use serde_json::{Value, json};

use super::{Of, Sheet, ask, instant, print, share, text, when};
use crate::cli::Failure;
use crate::services::report::growth;
use crate::wire;

/// Show by month who joined, was active and left, and who of those that joined together stayed
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// First month, YYYY-MM
    #[arg(long, value_name = "MONTH", default_value = "")]
    from: String,
    /// Last month, YYYY-MM
    #[arg(long, value_name = "MONTH", default_value = "")]
    until: String,
    /// As of when; now if absent
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    as_of: Option<Instant>,
    #[command(flatten)]
    of: Of,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.of.source.open().await?;
    let request = wire::GetVolunteerGrowthRequest {
        unit_id: args.of.unit_id(),
        month_from: args.from,
        month_until: args.until,
        as_of: instant(args.as_of),
        consistency: None,
    };
    let answer = ask(&opened, &request, |models, _, now| {
        growth::growth(models, &models.volunteer_growth.read(), &request, now)
    });
    let answer = answer.await?;
    let mut months = Sheet::new("months", &["month", "joined", "left", "active members"]);
    months.notes.push(("as of (UTC)", when(answer.as_of)));
    months.rows.extend(answer.months.iter().map(|month| {
        vec![
            json!(month.month),
            json!(month.joined),
            json!(month.left),
            share(month.active),
        ]
    }));
    let as_json = args.of.source.json;
    let mut cohorts = Sheet::new(
        "cohorts",
        &[
            "joined in",
            "joined",
            "members after months",
            "active after months",
        ],
    );
    cohorts.rows.extend(answer.cohorts.iter().map(|cohort| {
        let cells = |counts: &[u64]| -> Value {
            let counts: Value = counts.iter().copied().collect();
            if as_json {
                counts
            } else {
                json!(text(&counts))
            }
        };
        vec![
            json!(cohort.month),
            json!(cohort.joined),
            cells(&cohort.members),
            cells(&cohort.active),
        ]
    }));
    print(&[&months, &cohorts], as_json)
}
