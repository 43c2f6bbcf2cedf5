//! Refusals: why a command is not done, as a vocabulary that callers can act on.
//!
//! Owns the kinds, the erased form that crosses crates, and the macro that declares an
//! aggregate's refusals. Never knows status codes: `api` maps a kind to one.

use std::borrow::Cow;

use crate::StreamName;

/// What sort of refusal it is; decides the status a caller sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// The command itself is wrong, whatever the state.
    Invalid,
    /// Something it names does not exist.
    NotFound,
    /// Something it would create exists already.
    AlreadyExists,
    /// The state does not allow it now.
    WrongState,
    /// This actor may not do it.
    NotAllowed,
}

/// A refusal with its type erased: a stable name, its kind, the field at fault, a plain sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// Stable name in `UPPER_SNAKE_CASE`, the same in API, log and docs.
    pub name: String,
    /// What sort it is.
    pub kind: RefusalKind,
    /// The field of the command at fault; empty where it is the state and not a field.
    pub field: Cow<'static, str>,
    /// The rule, as a sentence.
    pub message: Cow<'static, str>,
}

/// Why a decision stopped without events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It must know this stream: load it into the world and decide again.
    Need(StreamName),
    /// It refuses.
    Refused(Box<Refused>),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

/// `ShiftAlreadyOpen` → `SHIFT_ALREADY_OPEN`.
pub fn upper_snake(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    for (index, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

/// Declares an aggregate's refusals: `Name = Kind, "field", "The rule, as a sentence.";`.
macro_rules! refusals {
    ($(#[$doc:meta])* $( $name:ident = $kind:ident, $field:literal, $message:literal; )+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $( #[doc = $message] $name, )+
        }

        impl Refusal {
            /// Every refusal of this aggregate, for the reference and its tests.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The form that crosses crates.
            pub fn refused(self) -> $crate::refusal::Refused {
                let (name, kind, field, message) = match self {
                    $( Self::$name => (
                        stringify!($name), $crate::refusal::RefusalKind::$kind, $field, $message,
                    ), )+
                };
                $crate::refusal::Refused {
                    name: $crate::refusal::upper_snake(name),
                    kind,
                    field: field.into(),
                    message: message.into(),
                }
            }
        }

        impl From<Refusal> for $crate::refusal::Refused {
            fn from(refusal: Refusal) -> Self { refusal.refused() }
        }

        impl From<Refusal> for $crate::refusal::Stop {
            fn from(refusal: Refusal) -> Self { refusal.refused().into() }
        }
    };
}
pub(crate) use refusals;
