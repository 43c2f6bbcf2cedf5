//! `benniu report hotspots`.

use serde_json::{Value, json};

use super::{Of, PAGE_ROWS, Sheet, ask, print_picture};
use crate::cli::Failure;
use crate::cli::picture::{Shown, asked};
use crate::cli::source::seen;
use crate::pictures::hotspots as picture;
use crate::pictures::hotspots::WEEKDAYS;
use crate::services::report::heat;
use crate::wire;

/// Show where, on which weekday and at which hour hazards are found, beside the time patrolled
///
/// Incidents are not among them: this version has none.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// First local day, YYYY-MM-DD
    #[arg(long, value_name = "DAY")]
    from: String,
    /// Last local day, YYYY-MM-DD
    #[arg(long, value_name = "DAY")]
    until: String,
    /// Side of a cell in units of 1e-7 degree, a multiple of 10000; 0 is 50000
    #[arg(long, value_name = "SIDE", default_value_t = 0)]
    cell_e7: i32,
    /// Show this many of the hottest, the hottest first
    #[arg(long, value_name = "COUNT")]
    hottest: Option<i32>,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    of: Of,
}

const COLUMNS: &[&str] = &[
    "unit",
    "south",
    "west",
    "weekday",
    "hour",
    "hazards",
    "before",
    "change",
    "patrol minutes",
    "patrol minutes before",
    "zones",
];

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.of.source.open().await?;
    let mut request = wire::GetHotSpotsRequest {
        unit_id: args.of.unit_id(),
        day_from: args.from,
        day_until: args.until,
        cell_e7: args.cell_e7,
        hottest_first: args.hottest.is_some(),
        page_size: args.hottest.unwrap_or(PAGE_ROWS),
        ..Default::default()
    };
    let mut sheet = Sheet::new("spots", COLUMNS);
    let mut spots = Vec::new();
    loop {
        let answer = ask(&opened, &request, |models, log, now| {
            let build = models.hot_spots.read();
            let mut answer = heat::spots(models, &build, &request, now)?;
            answer.read_point = Some(seen(log, &build));
            Ok(answer)
        });
        let mut answer = answer.await?;
        sheet.rows.extend(answer.spots.iter().map(row));
        spots.append(&mut answer.spots);
        request.page_token = std::mem::take(&mut answer.next_page_token);
        if request.page_token.is_empty() {
            let before = json!(answer.before_from);
            sheet.notes.push(("period before begins", before));
            let nowhere = json!(answer.without_place);
            sheet.notes.push(("hazards without a place", nowhere));
            answer.spots = spots;
            let hottest = args.hottest.map(|count| format!("{count} rows only"));
            let asked = asked(&[
                ("unit", request.unit_id),
                ("from", request.day_from),
                ("until", request.day_until),
                ("the hottest", hottest.unwrap_or_default()),
            ]);
            return print_picture(
                &args.shown,
                args.of.source.json,
                &[&sheet],
                picture::TITLE,
                &|| picture::terminal(&answer),
                &|| picture::svg(&answer, &asked),
            );
        }
    }
}

/// Degrees with seven decimals, exactly.
fn degrees(e7: i32) -> Value {
    let sign = if e7 < 0 { "-" } else { "" };
    let e7 = e7.unsigned_abs();
    json!(format!("{sign}{}.{:07}", e7 / 10_000_000, e7 % 10_000_000))
}

fn row(spot: &wire::HotSpot) -> Vec<Value> {
    let corner = spot.corner.unwrap_or_default();
    let day = usize::try_from(spot.weekday).ok();
    let day = day.and_then(|day| WEEKDAYS.get(day.checked_sub(1)?));
    let zones: Vec<_> = spot.zones.iter().map(|zone| zone.name.as_str()).collect();
    vec![
        json!(spot.unit_id),
        degrees(corner.lat_e7),
        degrees(corner.lon_e7),
        json!(day),
        json!(spot.hour),
        json!(spot.hazards),
        json!(spot.hazards_before),
        json!(spot.change),
        json!(spot.patrol_seconds / 60),
        json!(spot.patrol_seconds_before / 60),
        json!(zones.join(", ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_exact_also_south_and_west() {
        assert_eq!(degrees(320_000_000), json!("32.0000000"));
        assert_eq!(degrees(-710_500_001), json!("-71.0500001"));
        assert_eq!(degrees(-1), json!("-0.0000001"));
    }
}
