//! Answers as pictures: for a terminal, as SVG, and as a page of HTML.
//!
//! Each picture is a file with pure functions from the answer, as the wire has it, to a string: what is
//! drawn, never what is asked. The file [`frame`] owns what all pictures share (title, legend, caption),
//! [`grid`] the heat map, [`page`] the HTML. Pictures are self-contained, are read in print and without
//! colour: each shade has its number beside it.

pub(crate) mod coverage;
mod frame;
mod grid;
pub(crate) mod growth;
pub(crate) mod hotspots;
pub(crate) mod mediation;
pub(crate) mod page;
mod places;
mod terminal;
#[cfg(test)]
mod testing;

/// What a picture could not be drawn for.
#[derive(Debug, thiserror::Error)]
#[error("the picture could not be drawn: {0}")]
pub(crate) struct NotDrawn(String);
