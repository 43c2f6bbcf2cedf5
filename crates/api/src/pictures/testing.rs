//! What every picture is held against: it parses, stands alone, and none of its texts lies on another
//! or outside.

use roxmltree::{Document, Node};

use super::frame::{count, width};
use crate::wire;

/// A text and the box it takes, by estimate.
#[derive(Debug)]
struct Placed {
    text: String,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    let value = node.attribute(name).unwrap_or_default();
    value.parse().unwrap_or_else(|_| panic!("{name}={value}"))
}

fn placed(node: Node<'_, '_>) -> Placed {
    let text = node.text().unwrap_or_default().trim().to_owned();
    let size = number(node, "font-size");
    // The estimate of the pictures is on the wide side already.
    let long = f64::from(width(&text, 100)) * size / 100.0;
    let (x, y) = (number(node, "x"), number(node, "y"));
    let (before, behind) = match node.attribute("text-anchor") {
        Some("start") => (0.0, long),
        Some("middle") => (long / 2.0, long / 2.0),
        Some("end") => (long, 0.0),
        other => panic!("{other:?}"),
    };
    let (above, below) = match node.attribute("dy") {
        Some("0.76em") => (0.0, size),
        Some("0.5ex") => (size / 2.0, size / 2.0),
        Some("-0.5ex") => (size, 0.0),
        other => panic!("{other:?}"),
    };
    // Turned by a quarter to the left, as the names of upright axes are.
    let (left, top, right, bottom) = if node.attribute("transform").is_some() {
        (above, behind, below, before)
    } else {
        (before, above, behind, below)
    };
    Placed {
        text,
        left: x - left,
        top: y - top,
        right: x + right,
        bottom: y + bottom,
    }
}

/// The texts of a picture that is as all pictures must be.
#[track_caller]
pub(super) fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("well-formed XML");
    for foreign in ["href", "<script", "<image", "url(", "@import", "<style"] {
        assert!(!svg.contains(foreign), "{foreign} is not self-contained");
    }
    let root = document.root_element();
    let (wide, high) = (number(root, "width"), number(root, "height"));
    let texts: Vec<_> = root
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .map(placed)
        .collect();
    for (index, one) in texts.iter().enumerate() {
        assert!(
            one.left >= 0.0 && one.top >= 0.0 && one.right <= wide && one.bottom <= high,
            "outside of {wide} × {high}: {one:?}"
        );
        for other in texts.iter().skip(index + 1) {
            let apart = one.right <= other.left
                || other.right <= one.left
                || one.bottom <= other.top
                || other.bottom <= one.top;
            assert!(apart, "on each other: {one:?} and {other:?}");
        }
    }
    texts.into_iter().map(|placed| placed.text).collect()
}

/// Holds if each of these stands in the picture as a text of its own.
#[track_caller]
pub(super) fn shows(texts: &[String], wanted: &[&str]) {
    for wanted in wanted {
        assert!(
            texts.iter().any(|text| text == wanted),
            "{wanted} is not among {texts:#?}"
        );
    }
}

/// Holds if the words stand somewhere in a text.
#[track_caller]
pub(super) fn says(texts: &[String], wanted: &str) {
    assert!(
        texts.join(" ").contains(wanted),
        "{wanted} is not in {texts:#?}"
    );
}

/// What an answer has seen.
pub(super) fn point() -> wire::ReadPoint {
    wire::ReadPoint {
        epoch: 1,
        position: 4_711,
        build: "model/2/1".to_owned(),
        simulated_clock: true,
        stuck_reactions: Vec::new(),
    }
}

/// Names that are hard to draw: markup, Chinese, long, with a character XML forbids.
pub(super) const HARD: [&str; 4] = [
    "<b>North & \"South\"</b>",
    "犇牛社区东门",
    "A zone with a name that is longer than any label may be, by far",
    "bell\u{7}",
];

#[test]
fn estimates_are_wider_for_chinese_than_for_latin() {
    assert!(width("犇牛", 12) >= 24);
    assert_eq!(count(3), 3);
}
