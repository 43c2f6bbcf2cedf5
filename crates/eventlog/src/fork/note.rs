//! The file `fork`: an epoch that has begun and whose first commit is not in the log yet. Owns its
//! bytes and its coming and going; never touches the log.
//!
//! ```text
//! fork := json "\n" crc "\n"        the CRC-32 of the JSON line, in decimal
//! ```
//!
//! It is written before anything is changed, so that from then on every opening finishes what was
//! begun, and removed once the first commit of the new epoch is durable.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::files::FileLayer;

/// The name of the file in the log's folder.
pub(crate) const NOTE_FILE: &str = "fork";

const FORMAT: u32 = 1;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    pub(crate) format: u32,
    pub(crate) log_id: Uuid,
    /// The epoch that begins.
    pub(crate) epoch: u32,
    /// The epoch that the kept part ends in.
    pub(crate) parent_epoch: u32,
    /// The last position that is kept, the number of commits up to there and the root over them.
    pub(crate) position: u64,
    pub(crate) commits: u64,
    pub(crate) root: String,
    /// A later position that was claimed or found, if there was one.
    pub(crate) claimed: Option<u64>,
    /// Whether the folder has the new shape and only the first commit is missing.
    pub(crate) forked: bool,
    /// What the caller needs to write that commit.
    pub(crate) told: serde_json::Value,
}

impl Note {
    /// A note of a fork that is to begin.
    pub(crate) fn new(log_id: Uuid, epoch: u32, told: serde_json::Value) -> Self {
        Self {
            format: FORMAT,
            log_id,
            epoch,
            parent_epoch: 0,
            position: 0,
            commits: 0,
            root: String::new(),
            claimed: None,
            forked: false,
            told,
        }
    }

    /// Writes the note durably, in place of an earlier one.
    pub(crate) fn write(&self, files: &dyn FileLayer, dir: &Path) -> io::Result<()> {
        let line = serde_json::to_string(self)?;
        let crc = crc32fast::hash(line.as_bytes());
        let path = path(dir);
        let unfinished = path.with_extension("tmp");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = files.open(&unfinished, true)?;
        file.write_all_at(format!("{line}\n{crc}\n").as_bytes(), 0)?;
        file.sync()?;
        files.rename(&unfinished, &path)?;
        files.sync_dir(dir)
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(NOTE_FILE)
}

/// Reads the note, if there is one. One that is not whole is an error: the file appears whole.
pub(crate) fn read(dir: &Path) -> io::Result<Option<Note>> {
    let text = match fs::read_to_string(path(dir)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the file is damaged");
    let (line, crc) = text.trim_end().split_once('\n').ok_or_else(damaged)?;
    if crc32fast::hash(line.as_bytes()).to_string() != crc {
        return Err(damaged());
    }
    let note: Note = serde_json::from_str(line).map_err(|_| damaged())?;
    if note.format == FORMAT {
        Ok(Some(note))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is of a newer version",
        ))
    }
}

/// Removes the note: what it stood for is done.
pub(crate) fn remove(files: &dyn FileLayer, dir: &Path) -> io::Result<()> {
    match fs::remove_file(path(dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => files.sync_dir(dir),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::OsFiles;
    use crate::fixture;

    #[test]
    fn a_note_is_read_as_written_and_any_changed_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let note = Note {
            claimed: Some(12),
            ..Note::new(fixture::log_id(), 2, serde_json::json!({"who": 1}))
        };
        note.write(&OsFiles, dir.path()).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Some(note.clone()));
        let bytes = fs::read(path(dir.path())).unwrap();
        for at in 0..bytes.len() - 1 {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(path(dir.path()), changed).unwrap();
            assert!(read(dir.path()).is_err(), "byte {at}");
        }
        remove(&OsFiles, dir.path()).unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
    }
}
