//! Names of streams: `category/key`, the unit of order and of conflict.
//!
//! Owns the grammar of a name. Never knows what events a stream holds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name of a stream, in bytes.
pub const STREAM_NAME_BYTES_MAX: usize = 200;

/// The name of a stream: a category of lower-case letters, digits and `_`, a `/`, and a key of
/// printable ASCII without blanks (`hazard/0190…`, `claim/tag/04A1…`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(std::sync::Arc<str>);

/// Why a text is no stream name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no stream name: it needs the form category/key, at most \
     {STREAM_NAME_BYTES_MAX} bytes of printable ASCII without blanks"
)]
pub struct NotAStreamName(pub String);

impl StreamName {
    /// Joins a category and a key. Characters that a key may not hold are percent-encoded, so
    /// that any text names exactly one stream; a key too long is replaced by its SHA-256.
    pub fn new(category: &str, key: impl fmt::Display) -> Self {
        let key = key.to_string();
        let mut name = String::with_capacity(category.len() + 1 + key.len());
        name.push_str(category);
        name.push('/');
        for byte in key.bytes() {
            if byte.is_ascii_graphic() && byte != b'%' {
                name.push(char::from(byte));
            } else {
                name.push('%');
                name.push_str(&crate::ids::hex(&[byte]).to_ascii_uppercase());
            }
        }
        if name.len() > STREAM_NAME_BYTES_MAX {
            let digest = <sha2::Sha256 as sha2::Digest>::digest(key.as_bytes());
            name.truncate(category.len() + 1);
            name.push_str("sha256:");
            name.push_str(&crate::ids::hex(&digest));
        }
        Self(name.into())
    }

    /// Reads a name as written.
    pub fn parse(text: &str) -> Result<Self, NotAStreamName> {
        let refuse = || NotAStreamName(text.chars().take(STREAM_NAME_BYTES_MAX).collect());
        let (category, key) = text.split_once('/').ok_or_else(refuse)?;
        let good = text.len() <= STREAM_NAME_BYTES_MAX
            && !category.is_empty()
            && category
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_graphic());
        if good {
            Ok(Self(text.into()))
        } else {
            Err(refuse())
        }
    }

    /// The part before the first `/`.
    pub fn category(&self) -> &str {
        self.0.split_once('/').map_or("", |(category, _)| category)
    }

    /// The part after the first `/`.
    pub fn key(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, key)| key)
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for StreamName {
    type Error = NotAStreamName;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> Self {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_made_name_can_be_read_back() {
        for key in ["0190", "04 A1", "楼道", "a%b", &"x".repeat(500)] {
            let name = StreamName::new("claim", key);
            assert_eq!(StreamName::parse(name.as_str()), Ok(name.clone()));
            assert_eq!(name.category(), "claim");
        }
    }

    #[test]
    fn different_keys_never_share_a_name() {
        assert_ne!(
            StreamName::new("tag", "a b"),
            StreamName::new("tag", "a%20b")
        );
        assert_ne!(
            StreamName::new("tag", "x".repeat(500)),
            StreamName::new("tag", "x".repeat(501))
        );
    }

    #[test]
    fn refuses_texts_of_another_form() {
        for text in [
            "",
            "hazard",
            "/x",
            "hazard/",
            "Hazard/x",
            "hazard/a b",
            &"h/x".repeat(100),
        ] {
            assert!(StreamName::parse(text).is_err(), "{text}");
        }
    }
}
