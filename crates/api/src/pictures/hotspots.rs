//! Hot spots: hazards by weekday and hour, with the time patrolled over them.

use std::collections::BTreeMap;

use super::frame::{self, Frame, Key, part, seen, short};
use super::grid::{Cell, Grid};
use super::{NotDrawn, terminal};
use crate::wire;

/// Names of the weekdays, Monday first.
pub(crate) const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The picture's title.
pub(crate) const TITLE: &str = "Hot spots: hazards by weekday and local hour";

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    hazards: u64,
    patrol_minutes: u64,
}

/// All cells of the map together, by weekday and hour from 0.
fn sums(answer: &wire::GetHotSpotsResponse) -> BTreeMap<(usize, usize), Sum> {
    let mut sums = BTreeMap::<(usize, usize), Sum>::new();
    // A zone may be touched by several cells.
    let mut patrols = BTreeMap::<(usize, usize), BTreeMap<&str, u64>>::new();
    for spot in &answer.spots {
        let weekday = usize::try_from(spot.weekday).ok();
        let weekday = weekday.and_then(|day| day.checked_sub(1));
        let (Some(weekday), Ok(hour)) = (weekday, usize::try_from(spot.hour)) else {
            continue;
        };
        let at = (weekday, hour);
        sums.entry(at).or_default().hazards += spot.hazards;
        let patrolled = patrols.entry(at).or_default();
        for zone in &spot.zones {
            patrolled.insert(&zone.zone_id, zone.seconds);
        }
    }
    for (at, zones) in patrols {
        let seconds: u64 = zones.values().sum();
        sums.entry(at).or_default().patrol_minutes = seconds / 60;
    }
    sums
}

/// The grid, the most hazards and the most minutes of a cell.
fn grid(answer: &wire::GetHotSpotsResponse) -> (Grid, u64, u64) {
    let sums = sums(answer);
    let most = sums.values().map(|sum| sum.hazards).max().unwrap_or(0);
    let longest = sums
        .values()
        .map(|sum| sum.patrol_minutes)
        .max()
        .unwrap_or(0);
    let cells = sums.into_iter().map(|(at, sum)| {
        let cell = Cell {
            shade: Some(part(sum.hazards, most)),
            text: short(sum.hazards),
            below: short(sum.patrol_minutes),
            bar: (sum.patrol_minutes > 0).then(|| part(sum.patrol_minutes, longest)),
            is_marked: sum.hazards > 0 && sum.patrol_minutes == 0,
        };
        (at, cell)
    });
    let grid = Grid {
        row_axis: "weekday",
        column_axis: "local hour of the day",
        rows: WEEKDAYS.map(str::to_owned).to_vec(),
        columns: (0..24).map(|hour| format!("{hour:02}")).collect(),
        cells: cells.collect(),
    };
    (grid, most, longest)
}

/// The picture as SVG; `asked` says what was asked.
///
/// # Errors
/// What the library cannot draw.
pub(crate) fn svg(answer: &wire::GetHotSpotsResponse, asked: &str) -> Result<String, NotDrawn> {
    let (grid, most, longest) = grid(answer);
    let is_empty = grid.cells.is_empty();
    let mut keys = vec![
        (
            Key::Words,
            "Hazards; below, person-minutes of verified patrol (k: thousands).".to_owned(),
        ),
        (Key::Shade(0.0), "0 hazards".to_owned()),
        (Key::Shade(0.5), "half of the most".to_owned()),
        (Key::Shade(1.0), format!("{most}, the most")),
        (Key::Marked, "hazards, no patrol".to_owned()),
    ];
    if longest > 0 {
        let bar = format!("patrol, of the longest of {longest} minutes");
        keys.push((Key::Bar, bar));
    }
    let notes = vec![
        "Where no figure stands, no hazard was found in the period or the one before; patrols there \
         are not told. Patrols are of the zones in which the hazards' cells lie."
            .to_owned(),
        format!(
            "{} hazards of the period have no place and are not drawn. The period before begins {}.",
            answer.without_place, answer.before_from
        ),
        seen(answer.read_point.as_ref()),
    ];
    let frame = Frame {
        title: TITLE.to_owned(),
        asked: asked.to_owned(),
        keys: if is_empty { Vec::new() } else { keys },
        body: if is_empty {
            frame::NOTHING
        } else {
            grid.size()
        },
        notes: notes.into_iter().skip(usize::from(is_empty)).collect(),
    };
    frame.draw(|area| {
        if is_empty {
            frame::nothing(area)
        } else {
            grid.draw(area)
        }
    })
}

/// The picture for a terminal: hazards shaded, and a line of patrol minutes below each weekday.
pub(crate) fn terminal(answer: &wire::GetHotSpotsResponse) -> String {
    let sums = sums(answer);
    let (hazards, ..) = grid(answer);
    let mut both = Grid {
        columns: hazards.columns,
        ..Grid::default()
    };
    for (weekday, name) in hazards.rows.iter().enumerate() {
        both.rows.extend([name.clone(), "  m".to_owned()]);
        for ((_, hour), cell) in hazards.cells.range((weekday, 0)..(weekday + 1, 0)) {
            let minutes = sums
                .get(&(weekday, *hour))
                .map_or(0, |sum| sum.patrol_minutes);
            let patrol = Cell {
                text: narrow(minutes),
                ..Cell::default()
            };
            both.cells.insert((2 * weekday, *hour), cell.clone());
            both.cells.insert((2 * weekday + 1, *hour), patrol);
        }
    }
    terminal::grid(
        &both,
        "hazards by weekday and local hour; m: person-minutes of verified patrol, k: thousands",
    )
}

/// A number in at most three letters, cut.
fn narrow(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..100_000 => format!("{}k", number / 1_000),
        _ => ">99".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::testing::{point, says, shows, texts};

    fn spot(zone: &str, weekday: u32, hour: u32, hazards: u64, minutes: u64) -> wire::HotSpot {
        wire::HotSpot {
            zones: vec![wire::ZonePatrol {
                zone_id: zone.to_owned(),
                seconds: minutes * 60,
                ..Default::default()
            }],
            weekday,
            hour,
            hazards,
            ..Default::default()
        }
    }

    fn answer(spots: Vec<wire::HotSpot>) -> wire::GetHotSpotsResponse {
        wire::GetHotSpotsResponse {
            spots,
            before_from: "2024-06-24".to_owned(),
            without_place: 3,
            read_point: Some(point()),
            ..Default::default()
        }
    }

    #[test]
    fn cells_add_up_and_patrols_of_a_zone_count_once() {
        let spots = vec![
            spot("a", 1, 8, 2, 45),
            spot("a", 1, 8, 3, 45),
            spot("b", 1, 8, 1, 10),
            spot("a", 7, 23, 12_345, 0),
            // Of no weekday: nothing that this version knows.
            spot("a", 0, 1, 1, 0),
        ];
        let drawn = texts(&svg(&answer(spots), "Asked for: from 2024-07-01.").expect("drawn"));
        shows(
            &drawn,
            &["6", "55", "12k", "0", TITLE, "Asked for: from 2024-07-01."],
        );
        shows(&drawn, &WEEKDAYS);
        for hour in 0..24 {
            shows(&drawn, &[&format!("{hour:02}")]);
        }
        shows(
            &drawn,
            &["weekday", "local hour of the day", "hazards, no patrol"],
        );
        says(&drawn, "3 hazards of the period have no place");
        says(&drawn, "12345, the most");
        says(&drawn, "As of position 4711");
    }

    #[test]
    fn nothing_and_a_single_spot_are_drawn() {
        let nothing = texts(&svg(&answer(Vec::new()), "").expect("drawn"));
        shows(&nothing, &["There is nothing to show."]);
        let one = answer(vec![spot("a", 3, 0, 1, 5)]);
        shows(&texts(&svg(&one, "").expect("drawn")), &["1", "5", "Wed"]);
        assert_eq!(terminal(&answer(Vec::new())), "there is nothing to show\n");
    }

    #[test]
    fn a_terminal_shows_the_minutes_below_the_hazards() {
        let drawn = terminal(&answer(vec![
            spot("a", 1, 8, 2, 1_500),
            spot("a", 2, 9, 1, 0),
        ]));
        let plain = anstream::adapter::strip_str(&drawn).to_string();
        let lines: Vec<_> = plain.lines().skip(1).take(5).collect();
        assert_eq!(
            lines,
            [
                "     08  09",
                "Mon   2",
                "  m  1k",
                "Tue       1",
                "  m       0"
            ]
        );
    }
}
