//! The one-time code: how it is written, read and hashed. Never where it is drawn, and never stored.
//!
//! 60 random bits in twelve letters and digits (the alphabet of Crockford's Base32, without I, L, O
//! and U), shown as `7K3M-Q2XA-9ZPD`. Nobody guesses one in the days that it is good, neither at
//! the counter nor from its hash; the hash covers the redemption's id, so no table of hashes serves
//! for two.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{RedemptionId, hex};

/// Random bytes that a code is made of; the last four bits are left.
pub const CODE_BYTES: usize = 8;
/// Letters and digits of a code.
const LENGTH: usize = 12;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code in clear, for the one answer that shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// The code that random bytes make.
    pub fn of_bytes(bytes: [u8; CODE_BYTES]) -> Self {
        let bits = u64::from_be_bytes(bytes);
        let letters = (0..LENGTH).map(|place| {
            let five = (bits >> (59 - 5 * place)) & 31;
            char::from(ALPHABET[usize::try_from(five).unwrap_or(0)])
        });
        let mut text = String::with_capacity(LENGTH + 2);
        for (place, letter) in letters.enumerate() {
            if place > 0 && place % 4 == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        Self(text)
    }

    /// As it is shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Code(…)")
    }
}

/// What is stored of a code: SHA-256 in hexadecimal; empty for none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeHash(String);

impl CodeHash {
    /// The hash of a code as somebody wrote it: small letters, blanks and hyphens do not matter,
    /// nor do O for 0, I and L for 1.
    pub fn of(redemption: RedemptionId, code: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"benniu redemption code");
        hasher.update(redemption.0.as_bytes());
        for letter in code.chars().filter(|it| !matches!(it, '-' | ' ')) {
            let letter = match letter.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            hasher.update(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Self(hex(&hasher.finalize()))
    }

    /// True if it is the hash of none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::id;

    #[test]
    fn a_code_is_twelve_letters_and_digits_and_debug_never_shows_it() {
        let code = Code::of_bytes([0xff; CODE_BYTES]);
        assert_eq!(code.reveal(), "ZZZZ-ZZZZ-ZZZZ");
        assert_eq!(Code::of_bytes([0; CODE_BYTES]).reveal(), "0000-0000-0000");
        let bytes = 0x0123_4567_89ab_cdef_u64.to_be_bytes();
        assert_eq!(Code::of_bytes(bytes).reveal(), "04HM-ASW9-NF6Y");
        assert!(!format!("{code:?}").contains('Z'));
    }

    #[test]
    fn a_code_is_known_however_it_is_written_and_for_one_redemption_only() {
        let hash = CodeHash::of(id(1), "01HM-ASW9-NF6Y");
        assert_eq!(hash, CodeHash::of(id(1), "oihm asw9 nf6y"));
        assert_eq!(hash, CodeHash::of(id(1), "0LHMASW9NF6Y"));
        assert_ne!(hash, CodeHash::of(id(2), "01HM-ASW9-NF6Y"));
        assert_ne!(hash, CodeHash::of(id(1), "01HM-ASW9-NF6Z"));
    }
}
