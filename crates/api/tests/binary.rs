//! The binary starts. That this test exists makes cargo build the binary along with the tests, for
//! the end-to-end tests of the package `tests`.

use std::process::Command;

#[test]
fn the_binary_says_its_version() {
    let said = Command::new(env!("CARGO_BIN_EXE_benniu"))
        .arg("--version")
        .output();
    let said = said.expect("the binary starts");
    assert!(said.status.success());
    let version = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(version.starts_with("benniu "), "{version}");
}
