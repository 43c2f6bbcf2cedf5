//! See `eventlog::fuzzing::block_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run(eventlog::fuzzing::block_header, bytes));
