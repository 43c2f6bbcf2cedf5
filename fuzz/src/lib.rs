//! Runs a check of `eventlog::fuzzing` and counts what it allocates. The checks are over there,
//! where an ordinary test runs them over the corpora too.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Runs `check` on `bytes`; panics if it allocates more than it may.
pub fn run(check: eventlog::fuzzing::Check, bytes: &[u8]) {
    let region = Region::new(COUNTED);
    check(bytes);
    let allocated = region.change().bytes_allocated;
    let most = eventlog::fuzzing::allocated_max(bytes.len());
    assert!(
        allocated <= most,
        "{allocated} bytes allocated for {} bytes of input, {most} at most",
        bytes.len()
    );
}
