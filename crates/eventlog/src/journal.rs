//! The journal: numbered segments of blocks, written first and read from. Owns where blocks lie;
//! never looks into a record.
//!
//! - `segment`: the files; `place`: where blocks start, and reading them in order
//! - `walk`: going over all blocks of what is known to be whole; `append`: writing groups durably

pub(crate) mod append;
pub(crate) mod place;
pub(crate) mod segment;
pub(crate) mod walk;
