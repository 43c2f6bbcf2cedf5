//! The command line: one file for each command, one variant here.
//!
//! Owns the exit codes and how an error is said. What a command does stands in its file.

mod backup;
mod balance;
mod bench;
mod case;
mod coverage;
mod demo;
mod household;
mod import;
mod init;
mod local;
mod log;
mod picture;
mod projections;
mod redemption;
mod replay;
mod report;
mod restore;
mod reward;
mod serve;
mod simulate;
mod source;
mod unit;
mod verify;
mod watch;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use domain::Instant;
use tonic::Status;
use tracing_subscriber::EnvFilter;

use crate::folder::FolderError;

/// The event-sourced backend of a community policing team.
#[derive(Debug, Parser)]
#[command(
    name = "benniu",
    version,
    after_help = "Exit codes: 0 done, 1 found wrong, 2 usage, 3 could not.\n\
                  The environment variable RUST_LOG sets what is logged to standard error."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Serve(serve::Args),
    Verify(verify::Args),
    Replay(replay::Args),
    Balance(balance::Args),
    Case(case::Args),
    Coverage(coverage::Args),
    Unit(unit::Args),
    Household(household::Args),
    Reward(reward::Args),
    Redemption(redemption::Args),
    Report(report::Args),
    Import(import::Args),
    Demo(demo::Args),
    Simulate(simulate::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Log(log::Args),
    Projections(projections::Args),
    Bench(bench::Args),
}

/// Why a command did not end well.
#[derive(Debug)]
pub enum Failure {
    /// It looked and found something wrong: exit code 1.
    Wrong(String),
    /// It was called wrongly: exit code 2.
    Usage(String),
    /// It could not do it: exit code 3.
    CouldNot(String),
    /// Whoever read the output has seen enough (`head`): exit code 0.
    ReaderGone,
}

impl Failure {
    /// A failure to do something, with its cause.
    fn could_not(error: impl std::fmt::Display) -> Self {
        Self::CouldNot(error.to_string())
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Wrong(_) => 1,
            Self::Usage(_) => 2,
            Self::CouldNot(_) => 3,
            Self::ReaderGone => 0,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::could_not(error),
        }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        Self::could_not(error)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        match crate::session::reason(&status) {
            Some(reason) => Self::CouldNot(format!("{} ({reason})", status.message())),
            None => Self::CouldNot(status.message().to_owned()),
        }
    }
}

/// Runs the command line and gives its exit code. Blocks.
// The runtime is started here and not in the binary: whoever polls a future compiles all of it.
#[tokio::main]
pub async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
    let done = match cli.command {
        Command::Init(args) => init::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Replay(args) => replay::run(&args),
        Command::Balance(args) => balance::run(args).await,
        Command::Case(args) => case::run(args).await,
        Command::Coverage(args) => coverage::run(args).await,
        Command::Unit(args) => unit::run(args).await,
        Command::Household(args) => household::run(args).await,
        Command::Reward(args) => reward::run(args).await,
        Command::Redemption(args) => redemption::run(args).await,
        Command::Report(args) => report::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Simulate(args) => simulate::run(args).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Restore(args) => restore::run(args).await,
        Command::Log(args) => log::run(args).await,
        Command::Projections(args) => projections::run(args).await,
        Command::Bench(args) => bench::run(args).await,
    };
    let Err(failure) = done else {
        return ExitCode::SUCCESS;
    };
    if let Failure::Wrong(why) | Failure::Usage(why) | Failure::CouldNot(why) = &failure {
        // Nothing is left to do if standard error is gone.
        let _ = writeln!(io::stderr(), "benniu: {why}");
    }
    ExitCode::from(failure.code())
}

/// Reads an instant such as `2024-07-31T20:00:00+08:00`.
fn instant(text: &str) -> Result<Instant, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.to_utc())
        .map_err(|_| "an instant such as 2024-07-31T20:00:00+08:00 is needed".to_owned())
}

#[cfg(test)]
#[path = "cli/tests.rs"]
mod tests;
