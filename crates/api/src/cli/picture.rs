//! How an answer that has a picture is printed: as a table, JSON, SVG or HTML.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde_json::Value;

use super::Failure;
use crate::pictures::NotDrawn;
use crate::pictures::page::{self, Table};

/// The flag of an answer that has a picture.
#[derive(Debug, clap::Args)]
pub(super) struct Shown {
    /// How to print it; the table has a picture above it, in colour on a terminal unless `NO_COLOR` is set
    #[arg(long, value_enum, default_value_t = Format::Table, conflicts_with = "json")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A picture in letters and a table
    Table,
    /// The same as --json
    Json,
    /// A picture that stands alone
    Svg,
    /// A page that stands alone: the picture and its figures as tables
    Html,
}

/// An answer in all its forms, of which one is asked for.
pub(super) struct Picture<'a> {
    /// What it shows.
    pub(super) title: &'a str,
    /// Letters, with colours.
    pub(super) terminal: &'a dyn Fn() -> String,
    /// The picture that stands alone.
    pub(super) svg: &'a dyn Fn() -> Result<String, NotDrawn>,
    /// The figures as lines of text.
    pub(super) lines: &'a dyn Fn() -> String,
    /// The figures as tables.
    pub(super) tables: &'a dyn Fn() -> Vec<Table>,
    /// The figures as JSON.
    pub(super) json: &'a dyn Fn() -> Value,
}

impl From<NotDrawn> for Failure {
    fn from(why: NotDrawn) -> Self {
        Self::could_not(why)
    }
}

impl Shown {
    /// True if JSON is asked for; `json` is the flag that all questions have.
    pub(super) fn is_json(&self, json: bool) -> bool {
        json || self.format == Format::Json
    }

    /// Prints it in the form that is asked for.
    pub(super) fn print(&self, json: bool, picture: &Picture<'_>) -> Result<(), Failure> {
        if self.is_json(json) {
            writeln!(io::stdout().lock(), "{}", (picture.json)())?;
            return Ok(());
        }
        match self.format {
            Format::Table | Format::Json => {
                // Takes the colours away where nobody sees them or wants them.
                let mut out = anstream::AutoStream::auto(io::stdout().lock());
                writeln!(out, "{}\n{}", (picture.terminal)(), (picture.lines)())?;
            }
            Format::Svg => write!(io::stdout().lock(), "{}", (picture.svg)()?)?,
            Format::Html => {
                let page = page::html(picture.title, &(picture.svg)()?, &(picture.tables)());
                writeln!(io::stdout().lock(), "{page}")?;
            }
        }
        Ok(())
    }
}

/// What was asked, for the picture's head; what is empty was not asked for.
pub(super) fn asked(parts: &[(&str, String)]) -> String {
    let parts: Vec<_> = parts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    if parts.is_empty() {
        "Everything there is.".to_owned()
    } else {
        format!("Asked for: {}.", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_names_only_what_was_asked() {
        let unit = ("unit", "a".to_owned());
        let from = ("from", String::new());
        assert_eq!(asked(std::slice::from_ref(&from)), "Everything there is.");
        assert_eq!(
            asked(&[unit, from, ("until", "b".into())]),
            "Asked for: unit a, until b."
        );
    }
}
