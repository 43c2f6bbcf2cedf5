//! What all pictures share: title, legend and caption around a body, and the text sizes.
//!
//! Fonts are the reader's own, so widths are estimated, on the wide side; what does not fit is cut
//! with an ellipsis or goes to the next line.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use unicode_width::UnicodeWidthChar as _;

use super::NotDrawn;
use crate::parse;
use crate::wire;

/// Part of a picture, in pixels from its own corner.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Whether something was drawn.
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// The ink of lines and texts.
pub(super) const INK: RGBColor = RGBColor(17, 17, 17);
/// The fill of bars: dark also in grey.
pub(super) const FILL: RGBColor = RGBColor(8, 81, 156);
/// Space around everything, in pixels.
const MARGIN: u32 = 20;
/// Narrowest body, in pixels: a caption has to fit.
const WIDTH_MIN: u32 = 640;
/// Height of a line of legend or caption, in pixels.
const LINE: u32 = 18;
const TITLE_LINE: u32 = 28;
/// Text sizes in pixels.
pub(super) const SMALL: u32 = 10;
pub(super) const NORMAL: u32 = 12;
const TITLE: u32 = 18;

/// How a legend's entry is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Key {
    /// A cell of this shade, from 0 to 1.
    Shade(f64),
    /// A cell with the thick border.
    Marked,
    /// The bar at the bottom of a cell.
    Bar,
    /// A filled bar.
    Solid,
    /// An outlined bar.
    Open,
    /// A line with filled circles.
    Line,
    /// A dashed line with open circles.
    Dashed,
    /// Nothing: the words stand for themselves.
    Words,
}

/// A picture without its body.
#[derive(Debug)]
pub(super) struct Frame {
    /// What the picture shows.
    pub(super) title: String,
    /// What was asked.
    pub(super) asked: String,
    /// The legend.
    pub(super) keys: Vec<(Key, String)>,
    /// Width and height of the body in pixels.
    pub(super) body: (u32, u32),
    /// What is said below: what was left out, as of when, by which read model.
    pub(super) notes: Vec<String>,
}

impl Frame {
    /// The whole picture as SVG.
    ///
    /// # Errors
    /// A body that draws what cannot be drawn.
    pub(super) fn draw(&self, body: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, NotDrawn> {
        let width = self.body.0.max(WIDTH_MIN);
        let asked = wrapped(&self.asked, NORMAL, width);
        let keys = flowed(&self.keys, width);
        let key_lines = keys.last().map_or(0, |(line, ..)| line + 1);
        let notes: Vec<_> = self
            .notes
            .iter()
            .flat_map(|note| wrapped(note, NORMAL, width))
            .collect();
        let head = TITLE_LINE + LINE * (count(asked.len()) + key_lines) + MARGIN / 2;
        let foot = LINE * count(notes.len()) + MARGIN / 2;
        let size = (width + 2 * MARGIN, head + self.body.1 + foot + 2 * MARGIN);
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let drawn = (|| -> Drawn {
                root.fill(&WHITE)?;
                let area = root
                    .clone()
                    .shrink((MARGIN, MARGIN), (width, size.1 - 2 * MARGIN));
                let title = fitted(&clean(&self.title), TITLE, width);
                words(&area, &title, TITLE, (0, middle(TITLE_LINE, 0)), HPos::Left)?;
                for (line, text) in (0..).zip(&asked) {
                    let y = TITLE_LINE + LINE * line;
                    words(&area, text, NORMAL, (0, middle(LINE, y)), HPos::Left)?;
                }
                let top = TITLE_LINE + LINE * count(asked.len());
                for (line, x, key, text) in &keys {
                    let y = middle(LINE, top + LINE * line);
                    swatch(&area, *key, (px(*x), y))?;
                    let x = px(x + swatch_width(*key));
                    words(&area, text, NORMAL, (x, y), HPos::Left)?;
                }
                body(&area.clone().shrink((0, head), self.body))?;
                for (line, text) in (0..).zip(&notes) {
                    let y = head + self.body.1 + MARGIN / 2 + LINE * line;
                    words(&area, text, NORMAL, (0, middle(LINE, y)), HPos::Left)?;
                }
                root.present()
            })();
            drawn.map_err(|why| NotDrawn(why.to_string()))?;
        }
        Ok(self.named(&svg))
    }

    /// The title and what was asked for those who cannot see it.
    fn named(&self, svg: &str) -> String {
        let title = escaped(&self.title);
        let description: Vec<_> = [&self.asked].into_iter().chain(&self.notes).collect();
        let description = description.iter().map(|text| escaped(text));
        let description = description.collect::<Vec<_>>().join(" ");
        let (open, rest) = svg.split_once(">\n").unwrap_or((svg, ""));
        let open = open.replacen("<svg ", "<svg role=\"img\" ", 1);
        format!("{open}>\n<title>{title}</title>\n<desc>{description}</desc>\n{rest}")
    }
}

/// The words of a picture in which there is nothing to show.
pub(super) fn nothing(area: &Area<'_>) -> Drawn {
    words(area, "There is nothing to show.", 14, (0, 20), HPos::Left)
}

/// Size of a body in which there is nothing to show.
pub(super) const NOTHING: (u32, u32) = (WIDTH_MIN, 40);

/// What an answer has seen, as a caption says it.
pub(super) fn seen(point: Option<&wire::ReadPoint>) -> String {
    let Some(point) = point else {
        return "Position and read model are not known.".to_owned();
    };
    let clock = if point.simulated_clock {
        ", on a simulated clock"
    } else {
        ""
    };
    format!(
        "As of position {} of epoch {}{clock}; read model {}.",
        point.position, point.epoch, point.build
    )
}

/// As of which instant, as a caption says it.
pub(super) fn as_of(time: Option<prost_types::Timestamp>) -> String {
    let instant = parse::optional_instant("", time).ok().flatten();
    instant.map_or_else(String::new, |instant| {
        format!("As of {} UTC.", instant.format("%Y-%m-%d %H:%M"))
    })
}

/// Text in one line, its middle at a height; `end` says which end stands at `x`.
pub(super) fn words(area: &Area<'_>, text: &str, size: u32, at: (i32, i32), end: HPos) -> Drawn {
    area.draw_text(&clean(text), &style(size, end), at)
}

/// A text style whose size is in pixels; the library's own unit is larger by this factor.
pub(super) fn style(size: u32, end: HPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", f64::from(size) * 1.24))
        .color(&INK)
        .pos(Pos::new(end, VPos::Center))
}

/// Estimated width of a text in pixels, on the wide side.
pub(super) fn width(text: &str, size: u32) -> u32 {
    let hundredths: u32 = text.chars().map(hundredths).sum();
    (hundredths * size).div_ceil(100)
}

/// Width of a letter in hundredths of its height, as wide fonts without serifs have it.
fn hundredths(letter: char) -> u32 {
    match letter {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | ' ' | '.' | ',' | ';' | ':' | '\'' | '|' => 42,
        'm' | 'w' | 'M' | 'W' | '…' | '%' | '@' | '–' => 100,
        'a'..='z' | '0'..='9' => 64,
        _ => {
            50 * count(letter.width().unwrap_or(0)) + if letter.width() == Some(1) { 30 } else { 0 }
        }
    }
}

/// A text cut to a width in pixels.
pub(super) fn fitted(text: &str, size: u32, most: u32) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let most = most * 100 / size;
    let mut taken = hundredths('…');
    let kept = text.chars().take_while(|letter| {
        taken += hundredths(*letter);
        taken <= most
    });
    let kept: String = kept.collect();
    format!("{}…", kept.trim_end())
}

/// A text in lines of a width in pixels; a word that is too long is cut.
pub(super) fn wrapped(text: &str, size: u32, most: u32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in clean(text).split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(word, size) + size <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fitted(word, size, most)),
        }
    }
    lines
}

/// The entries of a legend with line and offset in pixels.
fn flowed(keys: &[(Key, String)], most: u32) -> Vec<(u32, u32, Key, String)> {
    let (mut line, mut x) = (0, 0);
    let mut placed = Vec::new();
    for (key, text) in keys {
        let text = fitted(&clean(text), NORMAL, most - swatch_width(*key));
        let needed = swatch_width(*key) + width(&text, NORMAL);
        if x > 0 && x + needed > most {
            (line, x) = (line + 1, 0);
        }
        placed.push((line, x, *key, text));
        x += needed + 16;
    }
    placed
}

const fn swatch_width(key: Key) -> u32 {
    match key {
        Key::Words => 0,
        Key::Line | Key::Dashed => 34,
        _ => 26,
    }
}

fn swatch(area: &Area<'_>, key: Key, (x, y): (i32, i32)) -> Drawn {
    let cell = [(x, y - 6), (x + 20, y + 6)];
    let line = [(x, y), (x + 28, y)];
    match key {
        Key::Words => Ok(()),
        Key::Shade(share) => {
            area.draw(&Rectangle::new(cell, shade(share).filled()))?;
            area.draw(&Rectangle::new(cell, INK.stroke_width(1)))
        }
        Key::Marked => area.draw(&outline(cell, INK)),
        Key::Bar => area.draw(&Rectangle::new([(x, y), (x + 20, y + 4)], INK.filled())),
        Key::Solid => area.draw(&Rectangle::new(cell, FILL.filled())),
        Key::Open => {
            area.draw(&Rectangle::new(cell, WHITE.filled()))?;
            area.draw(&Rectangle::new(cell, INK.stroke_width(1)))
        }
        Key::Line => {
            area.draw(&PathElement::new(line, FILL.stroke_width(2)))?;
            area.draw(&Circle::new((x + 14, y), 4, FILL.filled()))
        }
        Key::Dashed => {
            area.draw(&PathElement::new([(x, y), (x + 8, y)], INK.stroke_width(2)))?;
            area.draw(&PathElement::new(
                [(x + 20, y), (x + 28, y)],
                INK.stroke_width(2),
            ))?;
            area.draw(&Circle::new((x + 14, y), 4, INK.stroke_width(2)))
        }
    }
}

/// A thick border along a rectangle; the library's own are thin.
pub(super) fn outline(corners: [(i32, i32); 2], ink: RGBColor) -> PathElement<(i32, i32)> {
    let [(left, top), (right, bottom)] = corners;
    let turns = vec![
        (left, top),
        (right, top),
        (right, bottom),
        (left, bottom),
        (left, top),
        (right, top),
    ];
    PathElement::new(turns, ink.stroke_width(3))
}

/// The shade of a share from 0 to 1: one scale from white to dark blue, which goes darker without a
/// turn also in grey.
pub(super) fn shade(share: f64) -> RGBColor {
    let colour = colorous::BLUES.eval_continuous(share.clamp(0.0, 1.0));
    RGBColor(colour.r, colour.g, colour.b)
}

/// Black or white, whichever stands out more on a shade.
pub(super) fn ink_on(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    let linear = |value: u8| (f64::from(value) / 255.0).powf(2.2);
    let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    // Where the contrasts with black and with white are the same.
    if luminance > 0.179 { INK } else { WHITE }
}

/// A text without what XML does not allow.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') {
                ' '
            } else {
                letter
            }
        })
        .collect()
}

/// A text as XML and HTML hold it.
pub(super) fn escaped(text: &str) -> String {
    quick_xml::escape::escape(clean(text)).into_owned()
}

/// A number of things as a number of pixels or lines.
pub(super) fn count(things: usize) -> u32 {
    u32::try_from(things).unwrap_or(u32::MAX)
}

/// Pixels as the library counts them.
pub(super) fn px(pixels: u32) -> i32 {
    i32::try_from(pixels).unwrap_or(i32::MAX)
}

fn middle(line: u32, top: u32) -> i32 {
    px(top + line / 2)
}

/// `count` of `most` from 0 to 1; 0 if there is nothing.
pub(super) fn part(count: u64, most: u64) -> f64 {
    if most == 0 {
        return 0.0;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a length or a shade, not a figure"
    )]
    let part = count as f64 / most as f64;
    part.clamp(0.0, 1.0)
}

/// A number in at most five letters, cut.
pub(super) fn short(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{}k", number / 1_000),
        _ => format!("{}M", number / 1_000_000),
    }
}
