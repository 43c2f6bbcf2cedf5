//! What the demo holds itself to: a list of figures expected and found.
//!
//! Owns the list and how it is printed. A demo with one that differs exits 1.

use std::fmt::Display;
use std::io::{self, Write};

use comfy_table::{Table, presets};

/// One figure.
#[derive(Debug, Clone)]
struct Check {
    what: String,
    expected: String,
    found: String,
}

/// All figures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checks {
    list: Vec<Check>,
}

impl Checks {
    /// Notes a figure with what it must be.
    pub(crate) fn expect(&mut self, what: &str, expected: impl Display, found: impl Display) {
        self.list.push(Check {
            what: what.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        });
    }

    /// How many differ.
    pub(crate) fn wrong(&self) -> usize {
        self.list
            .iter()
            .filter(|check| check.expected != check.found)
            .count()
    }

    /// Prints them as a table.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        table.set_header(["", "check", "expected", "found"]);
        for check in &self.list {
            let mark = if check.expected == check.found {
                "ok"
            } else {
                "WRONG"
            };
            table.add_row([mark, &check.what, &check.expected, &check.found]);
        }
        writeln!(out, "{table}")
    }
}
