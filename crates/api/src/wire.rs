//! The protocol as generated from `proto/`: the only place where its types are made.
//!
//! Owns nothing written by hand. No type of it goes left of this crate.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

tonic::include_proto!("benniu.v1");

/// The descriptors of all of it, with comments, as `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/benniu.bin"));
