//! `benniu report timeline`.

use clap::ValueEnum;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PAGE_ROWS, Sheet, ask, when};
use crate::cli::Failure;
use crate::cli::source::Source;
use crate::services::report::timeline::{self, Viewer};
use crate::wire;

/// Show everything that happened to a case, however long it is
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What sort of case it is
    #[arg(long, value_enum)]
    kind: Kind,
    /// The case's id
    case: Uuid,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Hazard,
    Dispute,
    Shift,
    Lead,
}

const COLUMNS: &[&str] = &[
    "version",
    "happened (UTC)",
    "recorded (UTC)",
    "what",
    "position",
    "channel",
    "trust",
    "masked",
    "payload",
];

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.source.open().await?;
    let kind = match args.kind {
        Kind::Hazard => wire::CaseKind::Hazard,
        Kind::Dispute => wire::CaseKind::Dispute,
        Kind::Shift => wire::CaseKind::Shift,
        Kind::Lead => wire::CaseKind::Lead,
    };
    let mut request = wire::GetCaseTimelineRequest {
        kind: kind.into(),
        case_id: args.case.to_string(),
        page_size: PAGE_ROWS,
        ..Default::default()
    };
    let mut sheet = Sheet::new("events", COLUMNS);
    loop {
        let answer = ask(&opened, &request, |models, log, _| {
            timeline::page(models, log, &request, &Viewer::folder()).map(|(answer, _)| answer)
        });
        let answer = answer.await?;
        sheet.rows.extend(answer.events.iter().map(|event| {
            let payload = serde_json::from_str::<Value>(&event.payload_json);
            vec![
                json!(event.version),
                when(event.occurred_at),
                when(event.recorded_at),
                json!(event.r#type),
                json!(event.position),
                json!(event.channel),
                json!(event.trust),
                json!(event.is_masked),
                payload.unwrap_or_default(),
            ]
        }));
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            return sheet.print(args.source.json);
        }
    }
}
