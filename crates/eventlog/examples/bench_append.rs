//! Measures the log in a folder and prints the figures as JSON Lines:
//! `cargo run --release -p eventlog --example bench_append -- DIR [EVENTS TO FILL UP TO]`

use std::error::Error;
use std::io::Write as _;
use std::path::Path;

use eventlog::bench::{AppendPlan, ReplayPlan, Row, append, replay};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("name a folder to work in")?;
    let mut plan = AppendPlan::new(Path::new(&dir));
    if let Some(events) = arguments.next() {
        plan.fill_to = events.parse()?;
    }
    append(&plan, &mut |row| print(&row))?;
    replay(&ReplayPlan::new(&plan.log_dir()), &mut |row| print(&row))?;
    Ok(())
}

fn print(row: &Row) {
    let line = serde_json::to_string(row).unwrap_or_default();
    // A reader who has gone away wants no more figures.
    let _ = writeln!(std::io::stdout(), "{line}");
}
