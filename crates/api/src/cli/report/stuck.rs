//! `benniu report stuck`.

use serde_json::json;

use super::{Of, PAGE_ROWS, Sheet, ask, when, word};
use crate::cli::Failure;
use crate::services::report::stuck;
use crate::wire;

/// Show what stands still and needs somebody: refused reactions, overdue cases, stopped read models
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    of: Of,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.of.source.open().await?;
    let mut request = wire::ListStuckWorkRequest {
        unit_id: args.of.unit_id(),
        page_size: PAGE_ROWS,
        ..Default::default()
    };
    let mut sheet = Sheet::new(
        "stuck",
        &[
            "kind",
            "id",
            "unit",
            "since (UTC)",
            "why",
            "position",
            "number",
        ],
    );
    loop {
        let answer = ask(&opened, &request, |models, _, now| {
            // No timers run over a folder.
            stuck::list(models, &request, false, now).map(|(answer, _)| answer)
        });
        let answer = answer.await?;
        sheet.rows.extend(answer.work.iter().map(|work| {
            vec![
                word(work.kind().as_str_name(), "STUCK_WORK_KIND_"),
                json!(work.id),
                json!(work.unit_id),
                when(work.since),
                json!(work.reason),
                json!(work.position),
                json!(work.number),
            ]
        }));
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            return sheet.print(args.of.source.json);
        }
    }
}
