//! `benniu demo`: one run that shows it all.

use std::path::PathBuf;

use super::Failure;

/// Play a sample history through a real server and show what comes of it
///
/// Makes a fresh log, serves it on a free loopback port, drives the sample history through the API,
/// prints balances, cases and patrol coverage, rebuilds the read models and verifies the log. Exits
/// with 0 only if every figure is as expected.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep the log in this folder, missing or empty; else it is made in a temporary one
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[expect(
    clippy::unused_async,
    reason = "the demo calls a server once it is registered"
)]
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let _ = args.data;
    Err(Failure::CouldNot("this build has no demo yet".to_owned()))
}
