//! `benniu demo`: one run that shows it all.

use std::io;
use std::path::PathBuf;

use super::Failure;
use crate::demo::{self, Options, Sabotage};

/// Play a sample history through a real server and show what comes of it
///
/// Makes a fresh log, serves it on a free loopback port, imports real service requests and plays a
/// pilot's history through the API; prints cases, membership, patrol coverage and points, rebuilds
/// the read models and verifies the log. Exits with 0 only if every figure is as expected.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep the log in this folder, missing or empty; else it is made in a temporary one
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Break one thing on purpose: the demo must notice and exit 1
    #[arg(long, value_enum, value_name = "WHAT")]
    sabotage: Option<Sabotage>,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let options = Options {
        data: args.data,
        sabotage: args.sabotage,
    };
    match demo::run(&options, &mut io::stdout()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Wrong(
            "the demo's checks do not all hold".to_owned(),
        )),
        Err(error) => Err(Failure::could_not(error)),
    }
}
