//! Pictures for a terminal. Shades are written as colours of 24 bits; whoever prints takes them away
//! where they are not wanted, and the figures stay.

use std::fmt::Write as _;

use anstyle::{Color, RgbColor, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::frame::{clean, ink_on, shade};
use super::grid::Grid;

/// Widest label of a row, in columns.
const LABEL_MAX: usize = 24;
/// Width of a cell, in columns.
const CELL: usize = 4;
/// Width of a bar, in columns.
const BAR: usize = 32;

/// A heat map: only the columns from the first to the last in which something stands.
pub(super) fn grid(grid: &Grid, words: &str) -> String {
    let filled = grid.cells.keys().map(|(_, column)| *column);
    let (Some(first), Some(last)) = (filled.clone().min(), filled.max()) else {
        return "there is nothing to show\n".to_owned();
    };
    let labels: Vec<_> = grid
        .rows
        .iter()
        .map(|it| cut(&clean(it), LABEL_MAX))
        .collect();
    let widest = labels.iter().map(|label| label.width()).max().unwrap_or(0);
    let mut lines = vec![words.to_owned()];
    let mut head = " ".repeat(widest);
    for column in grid.columns.iter().take(last + 1).skip(first) {
        let _ = write!(head, "{column:>CELL$}");
    }
    lines.push(head);
    for (row, label) in labels.iter().enumerate() {
        let mut line = padded(label, widest);
        for column in first..=last {
            match grid.cells.get(&(row, column)) {
                None => line.push_str(&" ".repeat(CELL)),
                Some(cell) => {
                    let text = format!("{:>CELL$}", cell.text);
                    let style = cell.shade.map_or_else(Style::new, shaded);
                    let _ = write!(line, "{style}{text}{style:#}");
                }
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n") + "\n"
}

fn shaded(share: f64) -> Style {
    let ground = shade(share);
    let colour = |colour: plotters::style::RGBColor| {
        Some(Color::Rgb(RgbColor(colour.0, colour.1, colour.2)))
    };
    Style::new()
        .bg_color(colour(ground))
        .fg_color(colour(ink_on(ground)))
}

/// A bar of a part within a whole, both out of `most`: full, then light.
pub(super) fn bar(part: u64, whole: u64, most: u64) -> String {
    let long = |count: u64| {
        let columns = u128::from(count) * BAR as u128;
        let columns = columns.div_ceil(u128::from(most.max(1)));
        usize::try_from(columns).unwrap_or(BAR).min(BAR)
    };
    let (part, whole) = (long(part), long(whole.max(part)));
    format!(
        "{}{}{}",
        "█".repeat(part),
        "░".repeat(whole - part),
        " ".repeat(BAR - whole)
    )
}

/// A line of small bars, the highest of which is `most`; nothing is a dot.
pub(super) fn spark(counts: impl Iterator<Item = u64>, most: u64) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    counts
        .map(|count| {
            if count == 0 {
                return '·';
            }
            let step = (u128::from(count) * 8).div_ceil(u128::from(most.max(1)));
            let step = usize::try_from(step).unwrap_or(8).clamp(1, 8);
            STEPS.get(step - 1).copied().unwrap_or('█')
        })
        .collect()
}

/// A text with spaces up to a width in columns.
pub(super) fn padded(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// A text cut to a width in columns.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut taken = 1;
    let kept = text.chars().take_while(|letter| {
        taken += letter.width().unwrap_or(0);
        taken <= columns
    });
    kept.chain(['…']).collect()
}
