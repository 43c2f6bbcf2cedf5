//! Personal fields: names, phones, addresses, statements, free text.
//!
//! Owns the one type that such a field has in commands and events, so that what is personal can
//! be told from the types alone. The rules handle it as opaque. Never prints its content.
//!
//! Stored as `{"clear": "…"}` until sealing exists; a sealed value will be another member of the
//! same object, so that both can stand in one log.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest personal field, in bytes.
pub const PERSONAL_BYTES_MAX: usize = 4_000;

/// A field that concerns a person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    clear: String,
}

impl Personal {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { clear: text.into() }
    }

    /// Hands the content out, to whoever may show it.
    pub fn reveal(&self) -> &str {
        &self.clear
    }

    /// True if nothing but blanks is in it.
    pub fn is_blank(&self) -> bool {
        self.clear.trim().is_empty()
    }

    /// True if it is longer than [`PERSONAL_BYTES_MAX`].
    pub fn is_too_long(&self) -> bool {
        self.clear.len() > PERSONAL_BYTES_MAX
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Personal(…)")
    }
}

/// Takes every personal field out of a JSON value, leaving `null`, and returns their contents.
pub fn withdraw(value: &mut Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, &mut found);
    found
}

fn collect(value: &mut Value, found: &mut Vec<String>) {
    if let Value::Object(members) = value {
        if let (1, Some(Value::String(text))) = (members.len(), members.get_mut("clear")) {
            found.push(std::mem::take(text));
            *value = Value::Null;
            return;
        }
        members
            .values_mut()
            .for_each(|member| collect(member, found));
    } else if let Value::Array(items) = value {
        for item in items {
            collect(item, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_shows_the_content() {
        assert!(!format!("{:?}", Personal::new("secret")).contains("secret"));
    }

    #[test]
    fn withdraw_leaves_nothing_personal_behind() {
        let mut value = serde_json::json!({"a": Personal::new("x"), "b": [Personal::new("y"), 1]});
        assert_eq!(withdraw(&mut value), ["x", "y"]);
        assert_eq!(value, serde_json::json!({"a": null, "b": [null, 1]}));
    }
}
