//! The `benniu` binary.

fn main() {}
