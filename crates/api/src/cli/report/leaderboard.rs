//! `benniu report leaderboard`.

use clap::ValueEnum;
use domain::Instant;
use serde_json::json;

use super::{Of, PAGE_ROWS, Sheet, ask, instant};
use crate::cli::Failure;
use crate::services::report::honour;
use crate::wire;

/// Show who earned the most honour points, among those who agreed to stand on a public board
///
/// Communities in which fewer than five people would stand are left out.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only points for this sort of activity
    #[arg(long, value_enum)]
    family: Option<Family>,
    /// Only activities from then on
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    from: Option<Instant>,
    /// Only activities before then
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    until: Option<Instant>,
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Family {
    Patrol,
    Publicity,
    Mediation,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.of.source.open().await?;
    let family = args
        .family
        .map_or(wire::ActivityFamily::Unspecified, |family| match family {
            Family::Patrol => wire::ActivityFamily::Patrol,
            Family::Publicity => wire::ActivityFamily::Publicity,
            Family::Mediation => wire::ActivityFamily::Mediation,
        });
    let mut request = wire::GetLeaderboardRequest {
        unit_id: args.of.unit_id(),
        family: family.into(),
        from: instant(args.from),
        until: instant(args.until),
        page_size: PAGE_ROWS,
        ..Default::default()
    };
    let mut sheet = Sheet::new("standings", &["rank", "person", "points"]);
    loop {
        let answer = ask(&opened, &request, |models, _, now| {
            honour::board(models, &models.leaderboard.read(), &request, now)
        });
        let answer = answer.await?;
        sheet.rows.extend(answer.standings.iter().map(|standing| {
            vec![
                json!(standing.rank),
                json!(standing.person_id),
                json!(standing.points),
            ]
        }));
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            let left_out = json!(answer.communities_left_out);
            sheet.notes.push(("communities left out", left_out));
            return sheet.print(args.of.source.json);
        }
    }
}
