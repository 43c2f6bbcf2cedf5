//! The rules of a community policing team, pure: no clock, no IO, no randomness, no wire types.

pub mod envelope;
pub mod stream;

pub use envelope::{Channel, Envelope, Instant, Trust, Visibility};
pub use stream::StreamName;
