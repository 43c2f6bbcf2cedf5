//! Compiles `proto/` in pure Rust: no `protoc` is needed on the building machine.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn Error>> {
    // As it is when this runs: what was built elsewhere may be shared.
    let proto = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", proto.display());
    let mut files = fs::read_dir(proto.join("benniu/v1"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    let descriptors = protox::compile(&files, [&proto])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("benniu.bin"), descriptors.encode_to_vec())?;
    fs::write(out.join("rpcs.rs"), rpcs(&descriptors))?;
    tonic_prost_build::configure()
        .build_client(false)
        .compile_fds(descriptors)?;
    Ok(())
}

/// Ties each request type to its RPC, for `session::Rpc` and `session::StreamingRpc`.
fn rpcs(descriptors: &FileDescriptorSet) -> String {
    let mut code = String::new();
    for file in &descriptors.file {
        let package = file.package();
        for service in &file.service {
            for rpc in &service.method {
                let path = format!("/{package}.{}/{}", service.name(), rpc.name());
                let of_package = format!(".{package}.");
                let request = rpc.input_type().trim_start_matches(&of_package);
                let response = rpc.output_type().trim_start_matches(&of_package);
                let of = if rpc.server_streaming() {
                    "StreamingRpc"
                } else {
                    "Rpc"
                };
                code.extend([format!(
                    "impl {of} for crate::wire::{request} {{\n    \
                     type Response = crate::wire::{response};\n    \
                     const PATH: &'static str = \"{path}\";\n}}\n"
                )]);
            }
        }
    }
    code
}
