//! `benniu report alarms`.

use clap::ValueEnum;
use domain::Instant;
use serde_json::json;

use super::{Of, PAGE_ROWS, Sheet, ask, instant, when, word};
use crate::cli::Failure;
use crate::services::report::alarms;
use crate::wire;

/// Show what patrols should have done and did not, the newest first
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only alarms of this sort
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Only what was missed from then on
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    from: Option<Instant>,
    /// Only what was missed before then
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    until: Option<Instant>,
    /// Only what no later event has answered
    #[arg(long)]
    unanswered: bool,
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Shift,
    Checkpoint,
    CheckOut,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.of.source.open().await?;
    let kind = args
        .kind
        .map_or(wire::MissedAlarmKind::Unspecified, |kind| match kind {
            Kind::Shift => wire::MissedAlarmKind::Shift,
            Kind::Checkpoint => wire::MissedAlarmKind::Checkpoint,
            Kind::CheckOut => wire::MissedAlarmKind::CheckOut,
        });
    let mut request = wire::ListMissedAlarmsRequest {
        unit_id: args.of.unit_id(),
        kind: kind.into(),
        from: instant(args.from),
        until: instant(args.until),
        unanswered_only: args.unanswered,
        page_size: PAGE_ROWS,
        ..Default::default()
    };
    let mut sheet = Sheet::new(
        "alarms",
        &[
            "missed (UTC)",
            "what",
            "community",
            "shift",
            "checkpoint",
            "person",
            "answered by",
            "answered (UTC)",
        ],
    );
    loop {
        let answer = ask(&opened, &request, |models, _, now| {
            alarms::list(models, &models.missed_alarms.read(), &request, now)
        });
        let answer = answer.await?;
        sheet.rows.extend(answer.alarms.iter().map(|alarm| {
            vec![
                when(alarm.missed_at),
                word(alarm.kind().as_str_name(), "MISSED_ALARM_KIND_"),
                json!(alarm.community_id),
                json!(alarm.shift_id),
                json!(alarm.checkpoint_id),
                json!(alarm.person_id),
                word(alarm.answer().as_str_name(), "MISSED_ALARM_ANSWER_"),
                when(alarm.answered_at),
            ]
        }));
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            return sheet.print(args.of.source.json);
        }
    }
}
