//! The `benniu` binary: the command line of [`api::cli`].

use std::process::ExitCode;

/// The writer of the log takes what other threads made and gives back what they free: the system's
/// allocator costs it twice the time of this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    api::cli::main().await
}
