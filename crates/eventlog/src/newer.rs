//! Stored bytes of a version that is not known yet. Owns the word for it; never guesses what such
//! bytes mean.
//!
//! Magic, format version and checksum of a file's or block's header keep their places in every
//! version, so that bytes of a newer version can be told from damage: their checksum is right.

/// Something that a newer version of this program wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} has format version {version}, and this program knows versions up to {known}; use the \
     program that wrote it, or a newer one"
)]
pub(crate) struct Newer {
    /// What has that version, in words.
    pub(crate) what: String,
    /// The version it says.
    pub(crate) version: u16,
    /// The newest version that is known.
    pub(crate) known: u16,
}
