//! The `benniu` binary: the command line of [`api::cli`].

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    api::cli::main().await
}
