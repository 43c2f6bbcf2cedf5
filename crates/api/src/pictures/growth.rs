//! Volunteer growth: members and active as lines, joined and left as bars, and who stayed.

use std::collections::BTreeMap;

use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::frame::{
    self, Area, Drawn, FILL, Frame, INK, Key, NORMAL, as_of, count, part, px, seen, short, style,
    words,
};
use super::grid::{Cell, Grid};
use super::places::{Places, edge_of, middle_of};
use super::{NotDrawn, terminal};
use crate::wire;

/// Months that are drawn at most, the last; the table beside the picture holds all.
const MONTHS_MAX: usize = 24;
/// Height of the curve and of the bars, in pixels.
const PANEL: u32 = 200;
/// Height of a heading within the picture, in pixels.
const HEADING: u32 = 52;
/// Width of the space left of the axes, in pixels.
const LEFT: u32 = 84;
/// Least and greatest width of a month, in pixels.
const MONTH_WIDTHS: [u32; 2] = [60, 120];

/// A figure of a month.
type Figure = fn(&wire::GrowthMonth) -> u64;

/// The picture's title.
pub(crate) const TITLE: &str = "Volunteers by local month";

const STAYED: &str = "in a month (how many in brackets); darker: a larger share are members";

fn last<T>(all: &[T]) -> &[T] {
    all.get(all.len().saturating_sub(MONTHS_MAX)..)
        .unwrap_or(all)
}

/// Each month's members and those of them that are active.
fn members(month: &wire::GrowthMonth) -> (u64, u64) {
    month
        .active
        .map_or((0, 0), |rate| (rate.denominator, rate.numerator))
}

/// Who stayed, as a grid: by month of joining and whole months after it.
fn cohorts(cohorts: &[wire::Cohort]) -> Grid {
    let shown = last(cohorts);
    let longest = shown.iter().map(|cohort| cohort.members.len()).max();
    let columns = longest.unwrap_or(0).min(MONTHS_MAX);
    let mut cells = BTreeMap::new();
    for (row, cohort) in shown.iter().enumerate() {
        for (column, members) in cohort.members.iter().take(columns).enumerate() {
            let active = cohort.active.get(column).copied().unwrap_or(0);
            let cell = Cell {
                shade: Some(part(*members, cohort.joined)),
                text: short(*members),
                below: short(active),
                ..Cell::default()
            };
            cells.insert((row, column), cell);
        }
    }
    Grid {
        row_axis: "joined in",
        column_axis: "months after joining",
        rows: shown
            .iter()
            .map(|cohort| format!("{} ({})", cohort.month, cohort.joined))
            .collect(),
        columns: (0..columns).map(|month| month.to_string()).collect(),
        cells,
    }
}

/// The picture as SVG; `asked` says what was asked.
///
/// # Errors
/// What the library cannot draw.
pub(crate) fn svg(
    answer: &wire::GetVolunteerGrowthResponse,
    asked: &str,
) -> Result<String, NotDrawn> {
    let months = last(&answer.months);
    let stayed = cohorts(&answer.cohorts);
    let is_empty = months.is_empty();
    let [narrow, wide] = MONTH_WIDTHS;
    let step = (960 / count(months.len()).max(1)).clamp(narrow, wide);
    let curve = LEFT + step * count(months.len());
    let size = stayed.size();
    let below = if stayed.rows.is_empty() {
        0
    } else {
        HEADING + size.1
    };
    let left_out = answer.months.len() - months.len();
    let mut notes = Vec::new();
    if left_out > 0 {
        notes.push(format!(
            "{left_out} earlier months are not drawn: ask for fewer."
        ));
    }
    let long = |cohort: &wire::Cohort| cohort.members.len() > MONTHS_MAX;
    if answer.cohorts.len() > MONTHS_MAX || last(&answer.cohorts).iter().any(long) {
        notes.push(format!(
            "Of who stayed, the last {MONTHS_MAX} months of joining and the first {MONTHS_MAX} months after are drawn."
        ));
    }
    notes.push(as_of(answer.as_of));
    notes.push(seen(answer.read_point.as_ref()));
    let keys = vec![
        (Key::Line, "members at the month's end".to_owned()),
        (
            Key::Dashed,
            "of them active: something verified within 30 days".to_owned(),
        ),
        (Key::Solid, "joined (upwards)".to_owned()),
        (Key::Open, "left (downwards)".to_owned()),
    ];
    let frame = Frame {
        title: TITLE.to_owned(),
        asked: asked.to_owned(),
        keys: if is_empty { Vec::new() } else { keys },
        body: if is_empty {
            frame::NOTHING
        } else {
            (curve.max(size.0), 2 * PANEL + STRIP + below)
        },
        notes,
    };
    frame.draw(|area| {
        if is_empty {
            return frame::nothing(area);
        }
        draw_members(&area.clone().shrink((0, 0), (curve, PANEL)), months)?;
        draw_moves(&area.clone().shrink((0, px(PANEL)), (curve, PANEL)), months)?;
        draw_figures(
            &area.clone().shrink((0, px(2 * PANEL)), (curve, STRIP)),
            months,
            step,
        )?;
        if stayed.rows.is_empty() {
            return Ok(());
        }
        let top = 2 * PANEL + STRIP;
        for (line, text) in (0..).zip([
            "Who stayed: members, below of them active, of those who joined",
            STAYED,
        ]) {
            let y = px(top + HEADING / 4 + 18 * line);
            words(area, text, NORMAL, (0, y), HPos::Left)?;
        }
        stayed.draw(&area.clone().shrink((0, px(top + HEADING)), size))
    })
}

/// A count as a height.
fn height(count: u64) -> i64 {
    i64::try_from(count)
        .unwrap_or(i64::MAX / 4)
        .min(i64::MAX / 4)
}

fn draw_members(area: &Area<'_>, months: &[wire::GrowthMonth]) -> Drawn {
    let most = months.iter().map(|month| members(month).0).max();
    let top = height(most.unwrap_or(0)).max(1);
    let mut chart = ChartBuilder::on(area)
        .margin_top(10)
        .margin_bottom(14)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(Places(months.len()), 0..top + top / 10 + 1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(1)
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(200, 200, 200))
        .axis_style(INK)
        .y_labels(6)
        .y_label_formatter(&ToString::to_string)
        .label_style(style(NORMAL, HPos::Center))
        .axis_desc_style(style(NORMAL, HPos::Center))
        .y_desc("people")
        .draw()?;
    let points = |count: Figure| {
        let points = months.iter().enumerate();
        points
            .map(|(place, month)| (middle_of(place), height(count(month))))
            .collect::<Vec<_>>()
    };
    let all = points(|month| members(month).0);
    chart.draw_series([PathElement::new(all.clone(), FILL.stroke_width(2))])?;
    chart.draw_series(all.into_iter().map(|at| Circle::new(at, 4, FILL.filled())))?;
    let active = points(|month| members(month).1);
    let dashes = DashedPathElement::new(active.clone(), 6, 4, INK.stroke_width(2));
    chart.draw_series([dashes])?;
    chart.draw_series(
        active
            .iter()
            .copied()
            .map(|at| Circle::new(at, 4, WHITE.filled())),
    )?;
    chart.draw_series(
        active
            .into_iter()
            .map(|at| Circle::new(at, 4, INK.stroke_width(2))),
    )?;
    Ok(())
}

fn draw_moves(area: &Area<'_>, months: &[wire::GrowthMonth]) -> Drawn {
    let joined = months.iter().map(|month| height(month.joined)).max();
    let left = months.iter().map(|month| height(month.left)).max();
    let (top, bottom) = (joined.unwrap_or(0).max(1), left.unwrap_or(0).max(1));
    let mut chart = ChartBuilder::on(area)
        .margin_top(4)
        .margin_bottom(10)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(
            Places(months.len()),
            -(bottom + bottom / 10)..top + top / 10,
        )?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(1)
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(200, 200, 200))
        .axis_style(INK)
        .y_labels(6)
        .y_label_formatter(&|count| count.unsigned_abs().to_string())
        .label_style(style(NORMAL, HPos::Center))
        .axis_desc_style(style(NORMAL, HPos::Center))
        .y_desc("left | joined")
        .draw()?;
    for (place, month) in months.iter().enumerate() {
        let moves = [
            (height(month.joined), FILL.filled()),
            (-height(month.left), WHITE.filled()),
            (-height(month.left), INK.stroke_width(1)),
        ];
        for (size, look) in moves.into_iter().filter(|(size, _)| *size != 0) {
            let (start, end) = (edge_of(place), edge_of(place + 1));
            let mut bar = Rectangle::new([(start, size.max(0)), (end, size.min(0))], look);
            bar.set_margin(0, 0, 12, 12);
            chart.draw_series([bar])?;
        }
    }
    let zero = vec![(0, 0), (edge_of(months.len()), 0)];
    chart.draw_series([PathElement::new(zero, INK.stroke_width(1))])?;
    Ok(())
}

/// Height of a line of figures, in pixels.
const ROW: u32 = 18;
/// Height of the figures below the bars, in pixels.
const STRIP: u32 = ROW * 5 + 16;

/// The figures under the bars, so that nobody has to measure.
fn draw_figures(area: &Area<'_>, months: &[wire::GrowthMonth], step: u32) -> Drawn {
    let name: [&str; 5] = ["month", "members", "active", "joined", "left"];
    for (line, name) in (0..).zip(name) {
        words(
            area,
            name,
            NORMAL,
            (px(LEFT) - 6, px(ROW * line + ROW / 2)),
            HPos::Right,
        )?;
    }
    for (place, month) in (0..).zip(months) {
        let (all, active) = members(month);
        let figures = [all, active, month.joined, month.left].map(short);
        let x = px(LEFT + step * place + step / 2);
        let texts = [month.month.as_str()]
            .into_iter()
            .chain(figures.iter().map(String::as_str));
        for (line, text) in (0..).zip(texts) {
            words(
                area,
                text,
                NORMAL,
                (x, px(ROW * line + ROW / 2)),
                HPos::Center,
            )?;
        }
    }
    let rule = [
        (px(LEFT), px(ROW)),
        (px(LEFT + step * count(months.len())), px(ROW)),
    ];
    area.draw(&PathElement::new(
        rule,
        RGBColor(150, 150, 150).stroke_width(1),
    ))
}

/// The picture for a terminal: a line of small bars for each figure.
pub(crate) fn terminal(answer: &wire::GetVolunteerGrowthResponse) -> String {
    let months = answer.months.as_slice();
    let months = months
        .get(months.len().saturating_sub(60)..)
        .unwrap_or(months);
    let (Some(first), Some(end)) = (months.first(), months.last()) else {
        return "there is nothing to show\n".to_owned();
    };
    let figures: [(&str, Figure); 4] = [
        ("members", |month| members(month).0),
        ("active", |month| members(month).1),
        ("joined", |month| month.joined),
        ("left", |month| month.left),
    ];
    let highest = |of: Figure| months.iter().map(of).max().unwrap_or(0);
    let mut lines = vec![format!(
        "{} to {}, a bar for each month",
        first.month, end.month
    )];
    for (name, of) in figures {
        // Members and active, and joined and left, are of the same measure.
        let most = match name {
            "members" | "active" => highest(|month| members(month).0),
            _ => highest(|month| month.joined.max(month.left)),
        };
        let bars = terminal::spark(months.iter().map(of), most);
        let name = terminal::padded(name, 8);
        lines.push(format!(
            "{name}{bars}  last {}, most {}",
            of(end),
            highest(of)
        ));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::testing::{point, says, shows, texts};

    fn month(index: u64, joined: u64, left: u64, active: [u64; 2]) -> wire::GrowthMonth {
        wire::GrowthMonth {
            month: format!("{}-{:02}", 2022 + index / 12, index % 12 + 1),
            joined,
            left,
            active: Some(wire::Rate {
                numerator: active[0],
                denominator: active[1],
            }),
        }
    }

    fn answer(months: Vec<wire::GrowthMonth>) -> wire::GetVolunteerGrowthResponse {
        let all = count(months.len());
        let cohorts = (0..).zip(&months).map(|(index, month)| wire::Cohort {
            month: month.month.clone(),
            joined: month.joined,
            members: (index..all).map(|_| month.joined / 2).collect(),
            active: (index..all).map(|_| month.joined / 4).collect(),
        });
        wire::GetVolunteerGrowthResponse {
            cohorts: cohorts.collect(),
            months,
            as_of: Some(prost_types::Timestamp {
                seconds: 1_722_384_000,
                nanos: 0,
            }),
            read_point: Some(point()),
        }
    }

    #[test]
    fn every_month_has_its_figures_and_who_stayed_has_its_denominator() {
        let months = vec![month(0, 14, 0, [9, 14]), month(1, 467, 3, [311, 478])];
        let drawn = texts(&svg(&answer(months), "Asked for: <x>.").expect("drawn"));
        shows(
            &drawn,
            &["2022-01", "2022-02", "478", "311", "467", "3", TITLE],
        );
        shows(
            &drawn,
            &["month", "members", "active", "joined", "left", "people"],
        );
        shows(&drawn, &["2022-01 (14)", "2022-02 (467)", "233", "116"]);
        shows(
            &drawn,
            &["months after joining", "joined in", "Asked for: <x>."],
        );
        says(&drawn, "As of 2024-07-31 00:00 UTC.");
        says(&drawn, "As of position 4711");
    }

    #[test]
    fn many_months_are_cut_to_the_last_and_that_is_said() {
        let months = (0..40).map(|index| month(index, 12_345, 4_321, [9_999, 99_999]));
        let drawn = texts(&svg(&answer(months.collect()), "").expect("drawn"));
        shows(&drawn, &["2023-05", "2025-04"]);
        assert!(!drawn.iter().any(|text| text == "2023-04"));
        says(&drawn, "16 earlier months are not drawn");
        says(&drawn, "the last 24 months of joining");
    }

    #[test]
    fn nothing_a_single_month_and_a_month_of_nobody_are_drawn() {
        let drawn = |months| texts(&svg(&answer(months), "").expect("drawn"));
        shows(&drawn(Vec::new()), &["There is nothing to show."]);
        shows(
            &drawn(vec![month(6, 2, 0, [1, 2])]),
            &["2022-07", "2022-07 (2)"],
        );
        shows(&drawn(vec![month(6, 0, 0, [0, 0])]), &["2022-07", "0"]);
    }

    #[test]
    fn a_terminal_shows_a_bar_for_each_month() {
        let months = vec![
            month(0, 4, 0, [1, 4]),
            month(1, 8, 2, [8, 10]),
            month(2, 0, 0, [0, 10]),
        ];
        assert_eq!(
            terminal(&answer(months)),
            "2022-01 to 2022-03, a bar for each month\n\
             members ▄██  last 10, most 10\n\
             active  ▁▇·  last 0, most 8\n\
             joined  ▄█·  last 0, most 8\n\
             left    ·▂·  last 0, most 2\n"
        );
        assert_eq!(terminal(&answer(Vec::new())), "there is nothing to show\n");
    }
}
