//! The look-up key: turns an identity number into a name that nobody without the key can guess.
//!
//! Owns the keyed hash. The number itself never leaves this file.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A key of 32 bytes; not a subject's key, so an erasure leaves it.
pub struct LookUpKey([u8; 32]);

impl LookUpKey {
    /// Takes a key.
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Reads a key of 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
        }
        Some(Self(key))
    }

    /// HMAC-SHA-256 of an identity number in hexadecimal; blanks and letter case do not matter.
    pub fn claim(&self, number: &str) -> String {
        let plain: String = number
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .map(|letter| letter.to_ascii_uppercase())
            .collect();
        let mut hash =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        hash.update(b"benniu identity ");
        hash.update(plain.as_bytes());
        domain::ids::hex(&hash.finalize().into_bytes())
    }
}

impl fmt::Debug for LookUpKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LookUpKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_64_hexadecimal_digits() {
        let key = LookUpKey::parse(&"0a".repeat(32)).expect("a key");
        assert_eq!(key.claim("1"), LookUpKey::new([10; 32]).claim("1"));
        for text in [
            "",
            "0a",
            &"+a".repeat(32),
            &"0g".repeat(32),
            &"0a".repeat(33),
        ] {
            assert!(LookUpKey::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_same_number_gives_the_same_claim_only_under_the_same_key() {
        let (one, two) = (LookUpKey::new([1; 32]), LookUpKey::new([2; 32]));
        assert_eq!(
            one.claim("11010519491231002x"),
            one.claim(" 11010519491231002X")
        );
        assert_ne!(
            one.claim("11010519491231002X"),
            two.claim("11010519491231002X")
        );
        assert_ne!(one.claim("1"), one.claim("2"));
        assert_eq!(one.claim("1").len(), 64);
    }
}
