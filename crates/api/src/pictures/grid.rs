//! A grid of cells with numbers and shades: a heat map.

use std::collections::BTreeMap;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::frame::{
    Area, Drawn, INK, NORMAL, SMALL, clean, count, fitted, ink_on, outline, px, shade, style, width,
};
use super::places::{Places, middle_of, place_of};

/// Widest label of a row, in pixels; longer ones are cut.
const LABEL_MAX: u32 = 240;
/// Space for the axis's name beside the labels, in pixels.
const AXIS: u32 = 24;
/// Height of the columns' labels and the axis's name, in pixels.
const FOOT: u32 = 44;

/// A cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cell {
    /// From 0 to 1; white without frame of shade if absent.
    pub(super) shade: Option<f64>,
    /// The figure.
    pub(super) text: String,
    /// What stands smaller below it; may be empty.
    pub(super) below: String,
    /// Length of the bar at the bottom, from 0 to 1.
    pub(super) bar: Option<f64>,
    /// Has the thick border.
    pub(super) is_marked: bool,
}

/// A grid; what is not in `cells` is empty.
#[derive(Debug, Default)]
pub(super) struct Grid {
    pub(super) row_axis: &'static str,
    pub(super) column_axis: &'static str,
    pub(super) rows: Vec<String>,
    pub(super) columns: Vec<String>,
    /// By row and column, from 0.
    pub(super) cells: BTreeMap<(usize, usize), Cell>,
}

/// Width and height of a cell, in pixels.
const CELL: (u32, u32) = (44, 36);

impl Grid {
    /// Width and height in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        let columns = CELL.0 * count(self.columns.len());
        let rows = CELL.1 * count(self.rows.len());
        (self.left() + columns + 1, rows + FOOT + 1)
    }

    /// Width of what stands left of the cells, in pixels.
    pub(super) fn left(&self) -> u32 {
        let labels = self.rows.iter().map(|label| width(&clean(label), NORMAL));
        labels.max().unwrap_or(0).min(LABEL_MAX) + 12 + AXIS
    }

    /// Draws it into an area of its size.
    pub(super) fn draw(&self, area: &Area<'_>) -> Drawn {
        let mut chart = ChartBuilder::on(area)
            .x_label_area_size(FOOT)
            .y_label_area_size(self.left())
            .build_cartesian_2d(Places(self.columns.len()), Places(self.rows.len()))?;
        // The first row stands at the top, where an upright axis ends.
        let turned = |row: usize| (self.rows.len() - 1).checked_sub(row);
        let column = |value: &i32| label(&self.columns, place_of(*value));
        let row = |value: &i32| {
            let row = place_of(*value).and_then(turned);
            fitted(&label(&self.rows, row), NORMAL, LABEL_MAX)
        };
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(INK)
            .x_label_formatter(&column)
            .y_label_formatter(&row)
            .label_style(style(NORMAL, HPos::Center))
            .axis_desc_style(style(NORMAL, HPos::Center))
            .x_desc(self.column_axis)
            .y_desc(self.row_axis)
            .draw()?;
        let (half_width, half_height) = (px(CELL.0 / 2), px(CELL.1 / 2));
        let corners = [(-half_width, -half_height), (half_width, half_height)];
        for ((row, column), cell) in &self.cells {
            let Some(from_below) = turned(*row) else {
                continue;
            };
            let at = || EmptyElement::at((middle_of(*column), middle_of(from_below)));
            let ground = cell.shade.map_or(WHITE, shade);
            let ink = ink_on(ground);
            chart.draw_series([at() + Rectangle::new(corners, ground.filled())])?;
            let border = RGBColor(150, 150, 150).stroke_width(1);
            chart.draw_series([at() + Rectangle::new(corners, border)])?;
            if cell.is_marked {
                let inner = corners.map(|(x, y)| (x - x.signum() * 2, y - y.signum() * 2));
                chart.draw_series([at() + outline(inner, ink)])?;
            }
            let text = |text: &str, size: u32, y: i32| {
                let style = style(size, HPos::Center).color(&ink);
                at() + Text::new(clean(text), (0, y), style)
            };
            let (first, second) = if cell.below.is_empty() {
                (0, 0)
            } else {
                (-7, 6)
            };
            chart.draw_series([text(&cell.text, NORMAL, first)])?;
            if !cell.below.is_empty() {
                chart.draw_series([text(&cell.below, SMALL - 1, second)])?;
            }
            if let Some(part) = cell.bar {
                let most = f64::from(CELL.0 - 8);
                #[expect(clippy::cast_possible_truncation, reason = "within a cell")]
                let long = (part.clamp(0.0, 1.0) * most).round() as i32;
                let from = (4 - half_width, half_height - 6);
                let bar = [from, (from.0 + long, from.1 + 3)];
                chart.draw_series([at() + Rectangle::new(bar, ink.filled())])?;
            }
        }
        Ok(())
    }
}

fn label(labels: &[String], place: Option<usize>) -> String {
    let label = place.and_then(|place| labels.get(place));
    label.map_or_else(String::new, |label| clean(label))
}
