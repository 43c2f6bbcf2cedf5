//! The `benniu` binary: the command line of [`api::cli`].

use std::process::ExitCode;

/// The writer of the log works on what other threads made and free: the system's allocator was a fifth
/// and more of its processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    api::cli::main()
}
