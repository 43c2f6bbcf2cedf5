//! Progress of work over a log, on standard error and only where a person looks.
//!
//! Owns how positions become a line with a rate.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the line is drawn at most while nothing is told.
const TICK: Duration = Duration::from_millis(200);

/// A line that shows how far some work has come.
#[derive(Debug)]
pub(super) struct Watch(ProgressBar);

impl Watch {
    /// Shows events reached and events a second, the end being unknown.
    pub(super) fn start(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg}: {human_pos} events, {per_sec}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(what);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// This position was reached.
    pub(super) fn at(&self, position: u64) {
        self.0.set_position(position);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
