//! Pages of a list: how large, and where the next one begins.
//!
//! Owns the opaque token: the key after which to go on, with a mark of the question it belongs to.
//! It names no snapshot, so it stays valid while the list changes.

use domain::ids::hex;
use sha2::{Digest, Sha256};

use crate::parse::{Parsed, Violation};

/// Rows of a page where the caller does not say.
pub const PAGE_ROWS_DEFAULT: usize = 100;
/// Most rows of a page.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 1_000;
/// First byte of a token, raised when its form changes.
const TOKEN_VERSION: u8 = 1;
/// Bytes of the mark.
const MARK_BYTES: usize = 4;

/// How many rows a page has.
///
/// # Errors
/// If the size is negative.
pub fn size(page_size: i32) -> Parsed<usize> {
    match usize::try_from(page_size) {
        Ok(0) => Ok(PAGE_ROWS_DEFAULT),
        Ok(size) => Ok(size.min(PAGE_ROWS_MAX)),
        Err(_) => Err(Violation::new("page_size", "It must not be negative.")),
    }
}

/// A token that is none of the question asked.
pub fn malformed() -> Violation {
    Violation::new("page_token", "It is not one that this question gave.")
}

fn mark(question: &str) -> [u8; MARK_BYTES] {
    let digest: [u8; 32] = Sha256::digest(question.as_bytes()).into();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// The token of a question to go on after a key.
pub fn write(question: &str, key: &str) -> String {
    let mut bytes = vec![TOKEN_VERSION];
    bytes.extend_from_slice(&mark(question));
    bytes.extend_from_slice(key.as_bytes());
    hex(&bytes)
}

/// The key after which to go on; none for the first page.
///
/// # Errors
/// If the token belongs to another question or is none.
pub fn read(question: &str, token: &str) -> Parsed<Option<String>> {
    if token.is_empty() {
        return Ok(None);
    }
    if token.len() > TOKEN_BYTES_MAX || !token.is_ascii() || !token.len().is_multiple_of(2) {
        return Err(malformed());
    }
    let bytes = (0..token.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&token[at..at + 2], 16).map_err(|_| malformed()))
        .collect::<Parsed<Vec<u8>>>()?;
    match bytes.split_first() {
        Some((&TOKEN_VERSION, rest)) => match rest.split_first_chunk::<MARK_BYTES>() {
            Some((marked, key)) if *marked == mark(question) => String::from_utf8(key.to_vec())
                .map(Some)
                .map_err(|_| malformed()),
            _ => Err(malformed()),
        },
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_its_question() {
        let token = write("hazards of a", "key/ü");
        assert_eq!(read("hazards of a", &token), Ok(Some("key/ü".to_owned())));
        assert_eq!(read("hazards of a", ""), Ok(None));
        for (question, token) in [
            ("hazards of b", token.as_str()),
            ("hazards of a", "zz"),
            ("hazards of a", "0"),
            ("hazards of a", "02"),
            ("hazards of a", "é"),
            ("hazards of a", &"0".repeat(TOKEN_BYTES_MAX + 2)),
        ] {
            assert_eq!(read(question, token), Err(malformed()), "{token}");
        }
    }

    #[test]
    fn a_page_has_a_default_and_a_bound() {
        assert_eq!(size(0), Ok(PAGE_ROWS_DEFAULT));
        assert_eq!(size(7), Ok(7));
        assert_eq!(size(i32::MAX), Ok(PAGE_ROWS_MAX));
        assert!(size(-1).is_err());
    }
}
