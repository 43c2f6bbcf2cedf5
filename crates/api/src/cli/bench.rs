//! `benniu bench`: what the machine does.

use std::path::PathBuf;

use super::Failure;

/// Measure, beside a baseline of the same run, as JSON Lines
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Appending to the log, beside a plain file that is appended to and synced
    Append(Place),
    /// Rebuilding the read models, beside reading the log alone
    Rebuild(Place),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Folder on the disk to measure; a temporary one if absent
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[expect(clippy::unused_async, reason = "measuring runs off the async threads")]
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let (What::Append(place) | What::Rebuild(place)) = args.what;
    let _ = place.data;
    Err(Failure::CouldNot(
        "this build cannot measure yet".to_owned(),
    ))
}
