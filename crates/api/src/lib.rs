//! The rim of benniu.
pub mod wire;
