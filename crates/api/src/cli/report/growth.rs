//! `benniu report growth`.

use domain::Instant;
use serde_json::{Value, json};

use super::{Of, Sheet, ask, instant, print_picture, share, text, when};
use crate::cli::Failure;
use crate::cli::picture::{Shown, asked};
use crate::cli::source::seen;
use crate::pictures::growth as picture;
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
    shown: Shown,
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
    let answer = ask(&opened, &request, |models, log, now| {
        let build = models.volunteer_growth.read();
        let mut answer = growth::growth(models, &build, &request, now)?;
        answer.read_point = Some(seen(log, &build));
        Ok(answer)
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
    let as_json = args.shown.is_json(args.of.source.json);
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
    let asked = asked(&[
        ("unit", request.unit_id),
        ("from", request.month_from),
        ("until", request.month_until),
    ]);
    print_picture(
        &args.shown,
        as_json,
        &[&months, &cohorts],
        picture::TITLE,
        &|| picture::terminal(&answer),
        &|| picture::svg(&answer, &asked),
    )
}
