//! Patrol coverage: zones, or days, by hour.

use std::collections::{BTreeMap, BTreeSet};

use super::frame::{self, Frame, Key, part, seen, short};
use super::grid::{Cell, Grid};
use super::{NotDrawn, terminal};
use crate::wire;

/// Rows that are drawn at most; the table beside the picture holds all.
const ROWS_MAX: usize = 62;

/// What the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rows {
    /// One row for each zone, all days together.
    Zone,
    /// One row for each local day, all zones together.
    Day,
}

/// Person-seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    planned: u64,
    verified: u64,
}

/// The answer as a grid of hours, and how many rows were left out.
fn grid(answer: &wire::GetPatrolCoverageResponse, rows: Rows) -> (Grid, usize) {
    let labels = labels(&answer.cells, rows);
    // Of days the last are shown.
    let left_out = labels.len().saturating_sub(ROWS_MAX);
    let skipped = if rows == Rows::Day { left_out } else { 0 };
    let shown: Vec<_> = labels.iter().skip(skipped).take(ROWS_MAX).collect();
    let places: BTreeMap<_, _> = (0..)
        .zip(&shown)
        .map(|(row, (key, _))| (*key, row))
        .collect();
    let mut sums = BTreeMap::<(usize, usize), Sum>::new();
    for cell in &answer.cells {
        let (Some(row), Ok(hour)) = (places.get(&key(cell, rows)), usize::try_from(cell.hour))
        else {
            continue;
        };
        let sum = sums.entry((*row, hour)).or_default();
        sum.planned += cell.planned_seconds;
        sum.verified += cell.verified_seconds;
    }
    let grid = Grid {
        row_axis: match rows {
            Rows::Zone => "zone",
            Rows::Day => "local day",
        },
        column_axis: "local hour of the day",
        rows: shown.iter().map(|(_, label)| (*label).clone()).collect(),
        columns: (0..24).map(|hour| format!("{hour:02}")).collect(),
        cells: sums.into_iter().map(|(at, sum)| (at, cell(sum))).collect(),
    };
    (grid, left_out)
}

type RowKey<'a> = (&'a str, &'a str, &'a str);

fn key(cell: &wire::CoverageCell, rows: Rows) -> RowKey<'_> {
    match rows {
        // Zones stand in the order of their names.
        Rows::Zone => (&cell.community_id, &cell.zone_name, &cell.zone_id),
        Rows::Day => (&cell.day, "", ""),
    }
}

/// The rows in order, each with a label that no other has.
fn labels(cells: &[wire::CoverageCell], rows: Rows) -> BTreeMap<RowKey<'_>, String> {
    let mut labels: BTreeMap<_, _> = cells
        .iter()
        .map(|cell| {
            let label = match rows {
                Rows::Zone if cell.zone_name.is_empty() => &cell.zone_id,
                Rows::Zone => &cell.zone_name,
                Rows::Day => &cell.day,
            };
            (key(cell, rows), label.clone())
        })
        .collect();
    let mut met = BTreeSet::new();
    let again: BTreeSet<String> = labels
        .values()
        .filter(|label| !met.insert(label.as_str()))
        .cloned()
        .collect();
    for ((_, _, zone), label) in &mut labels {
        if again.contains(label) {
            // Ids made at the same time begin alike.
            let end: String = zone
                .chars()
                .skip(zone.chars().count().saturating_sub(6))
                .collect();
            *label = format!("…{end} {label}");
        }
    }
    labels
}

fn cell(sum: Sum) -> Cell {
    let below = if sum.planned == 0 {
        "no plan".to_owned()
    } else {
        format!("of {}", short(sum.planned / 60))
    };
    Cell {
        shade: (sum.planned > 0).then(|| part(sum.verified, sum.planned)),
        text: short(sum.verified / 60),
        below,
        bar: None,
        is_marked: sum.planned > 0 && sum.verified == 0,
    }
}

/// The picture as SVG; `asked` says what was asked.
///
/// # Errors
/// What the library cannot draw.
pub(crate) fn svg(
    answer: &wire::GetPatrolCoverageResponse,
    rows: Rows,
    asked: &str,
) -> Result<String, NotDrawn> {
    let (grid, left_out) = grid(answer, rows);
    let is_empty = grid.rows.is_empty();
    let mut keys = vec![(
        Key::Words,
        "Person-minutes verified, below of how many planned. Shade: share verified:".to_owned(),
    )];
    keys.extend([0_u8, 25, 50, 75, 100].map(|percent| {
        (
            Key::Shade(f64::from(percent) / 100.0),
            format!("{percent}%"),
        )
    }));
    keys.push((Key::Marked, "planned, nothing verified".to_owned()));
    let mut notes = Vec::new();
    if left_out > 0 {
        notes.push(format!(
            "{left_out} more rows are not drawn: ask for fewer."
        ));
    }
    notes.push("Where no figure stands, nothing was planned or done.".to_owned());
    notes.push(seen(answer.read_point.as_ref()));
    let frame = Frame {
        title: TITLE.to_owned(),
        asked: asked.to_owned(),
        keys: if is_empty { Vec::new() } else { keys },
        body: if is_empty {
            frame::NOTHING
        } else {
            grid.size()
        },
        notes,
    };
    frame.draw(|area| {
        if is_empty {
            frame::nothing(area)
        } else {
            grid.draw(area)
        }
    })
}

/// The picture's title.
pub(crate) const TITLE: &str = "Patrol coverage by local hour";

/// The picture for a terminal: the per cent verified of what was planned.
pub(crate) fn terminal(answer: &wire::GetPatrolCoverageResponse, rows: Rows) -> String {
    let (mut grid, left_out) = grid(answer, rows);
    for cell in grid.cells.values_mut() {
        // The share does not fit beside the minutes; the table below has them.
        cell.text = cell.shade.map_or_else(|| "+".to_owned(), percent);
    }
    let mut words =
        "per cent of the planned person-minutes verified, by local hour; + not planned".to_owned();
    if left_out > 0 {
        words = format!("{words}; {left_out} more rows are not drawn");
    }
    terminal::grid(&grid, &words)
}

/// A share in whole per cent, cut.
fn percent(share: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 100"
    )]
    let percent = (share * 100.0) as u32;
    percent.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::testing::{HARD, point, says, shows, texts};

    fn cell(
        zone: usize,
        name: &str,
        day: &str,
        hour: u32,
        minutes: [u64; 2],
    ) -> wire::CoverageCell {
        wire::CoverageCell {
            community_id: "community".to_owned(),
            zone_id: format!("zone-{zone:06}"),
            zone_name: name.to_owned(),
            day: day.to_owned(),
            hour,
            planned_seconds: minutes[0] * 60,
            verified_seconds: minutes[1] * 60,
            ..Default::default()
        }
    }

    fn answer(cells: Vec<wire::CoverageCell>) -> wire::GetPatrolCoverageResponse {
        wire::GetPatrolCoverageResponse {
            cells,
            read_point: Some(point()),
            ..Default::default()
        }
    }

    fn hard() -> wire::GetPatrolCoverageResponse {
        let names = HARD.iter().enumerate();
        let cells = names.flat_map(|(zone, name)| {
            [
                cell(zone, name, "2024-07-01", 0, [120, 95]),
                cell(zone, name, "2024-07-02", 0, [120, 0]),
                cell(zone, name, "2024-07-02", 19, [0, 30]),
                cell(zone, name, "2024-07-02", 23, [900_000, 0]),
            ]
        });
        answer(cells.collect())
    }

    #[test]
    fn zones_by_hour_have_their_figures_and_every_label() {
        let svg = svg(&hard(), Rows::Zone, "Asked for: <all>.").expect("drawn");
        let texts = texts(&svg);
        let names = ["<b>North & \"South\"</b>", "犇牛社区东门", "bell"];
        shows(&texts, &names);
        shows(&texts, &["95", "of 240", "30", "no plan", "0", "of 900k"]);
        shows(
            &texts,
            &["zone", "local hour of the day", TITLE, "Asked for: <all>."],
        );
        for hour in 0..24 {
            shows(&texts, &[&format!("{hour:02}")]);
        }
        says(&texts, "A zone with a name that is");
        says(
            &texts,
            "As of position 4711 of epoch 1, on a simulated clock; read model model/2/1.",
        );
    }

    #[test]
    fn days_by_hour_add_the_zones_up() {
        let drawn = texts(&svg(&hard(), Rows::Day, "").expect("drawn"));
        shows(
            &drawn,
            &["2024-07-01", "2024-07-02", "380", "of 480", "local day"],
        );
    }

    #[test]
    fn nothing_and_a_single_row_are_drawn() {
        let nothing = texts(&svg(&answer(Vec::new()), Rows::Zone, "").expect("drawn"));
        shows(&nothing, &["There is nothing to show."]);
        let one = answer(vec![cell(1, "N", "2024-07-01", 5, [60, 60])]);
        let one = texts(&svg(&one, Rows::Zone, "").expect("drawn"));
        shows(&one, &["N", "60", "of 60"]);
    }

    #[test]
    fn zones_of_one_name_are_told_apart_and_too_many_rows_are_said() {
        let twins = (1..=70).map(|zone| cell(zone, "Gate", "2024-07-01", 5, [60, 60]));
        let drawn = texts(&svg(&answer(twins.collect()), Rows::Zone, "").expect("drawn"));
        shows(&drawn, &["…000001 Gate", "…000062 Gate"]);
        says(&drawn, "8 more rows are not drawn");
    }

    #[test]
    fn a_terminal_shows_per_cent_from_the_first_hour_to_the_last() {
        let cells = vec![
            cell(1, "东门", "2024-07-01", 19, [120, 95]),
            cell(1, "东门", "2024-07-01", 21, [0, 9]),
        ];
        let drawn = terminal(&answer(cells), Rows::Zone);
        let plain = anstream::adapter::strip_str(&drawn).to_string();
        let lines: Vec<_> = plain.lines().skip(1).collect();
        assert_eq!(lines, ["      19  20  21", "东门  79       +"]);
        assert!(drawn.contains("\u{1b}[48;2;"), "shaded: {drawn:?}");
        assert_eq!(
            terminal(&answer(Vec::new()), Rows::Zone),
            "there is nothing to show\n"
        );
    }
}
