//! `benniu log`: the store itself.

mod accept_loss;
mod info;
mod scrub;

use clap::Subcommand;

use super::Failure;

/// Look at the store of a log, heal it, or give up what it has lost
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Info(info::Args),
    Scrub(scrub::Args),
    AcceptLoss(accept_loss::Args),
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Info(args) => info::run(args).await,
        Command::Scrub(args) => scrub::run(args).await,
        Command::AcceptLoss(args) => accept_loss::run(args).await,
    }
}
