//! The protocol: generated from `proto/`, and its description.
//!
//! Owns the only place where its types are made. No type of it goes left of this crate.

pub use generated::*;
use prost::Message as _;
use prost_types::FileDescriptorSet;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
mod generated {
    tonic::include_proto!("benniu.v1");
}

/// The description of all of it, with comments, as an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/benniu.bin"));

/// The same, decoded.
pub fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(DESCRIPTORS).expect("the build wrote a descriptor set")
}

/// The full path of every RPC of the protocol, sorted.
pub fn rpc_paths() -> Vec<String> {
    let mut paths = Vec::new();
    for file in descriptors().file {
        for service in &file.service {
            for rpc in &service.method {
                paths.push(format!(
                    "/{}.{}/{}",
                    file.package(),
                    service.name(),
                    rpc.name()
                ));
            }
        }
    }
    paths.sort();
    paths
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
