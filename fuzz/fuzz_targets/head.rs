//! See `eventlog::fuzzing::head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run(eventlog::fuzzing::head, bytes));
