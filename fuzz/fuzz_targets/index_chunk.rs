//! See `eventlog::fuzzing::index_chunk`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run(eventlog::fuzzing::index_chunk, bytes));
