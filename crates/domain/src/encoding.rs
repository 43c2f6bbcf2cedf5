//! The stored form of event payloads: the one place that encodes and decodes them.
//!
//! An event is stored as its type name (in the envelope) and a JSON object with its fields; the
//! name stands once, so a reader that does not want a type never parses its payload.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a stored payload cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The stream's category belongs to no aggregate of this version.
    #[error("no aggregate has streams of category '{0}'")]
    UnknownCategory(String),
    /// The type or its fields are not those of this version.
    #[error("event {type_name} cannot be read: {why}")]
    Unreadable {
        /// Type name as stored.
        type_name: String,
        /// What is wrong.
        why: String,
    },
}

/// Encodes an event enum whose variants all have named fields: type name and payload.
pub fn encode<E: Serialize>(event: &E) -> (String, Vec<u8>) {
    let whole = serde_json::to_string(event).expect("events hold only what JSON can say");
    // `{"TypeName":{…}}`: the derive writes exactly this for a variant with named fields.
    let (name, rest) = whole[2..]
        .split_once("\":")
        .expect("an event is a variant with named fields");
    (name.to_owned(), rest.as_bytes()[..rest.len() - 1].to_vec())
}

/// Decodes what [`encode`] made.
pub fn decode<E: DeserializeOwned>(type_name: &str, payload: &[u8]) -> Result<E, DecodeError> {
    let mut whole = Vec::with_capacity(type_name.len() + payload.len() + 6);
    whole.extend_from_slice(b"{\"");
    whole.extend_from_slice(type_name.as_bytes());
    whole.extend_from_slice(b"\":");
    whole.extend_from_slice(payload);
    whole.push(b'}');
    serde_json::from_slice(&whole).map_err(|error| DecodeError::Unreadable {
        type_name: type_name.to_owned(),
        why: error.to_string(),
    })
}
