//! The manifest of a backup. Owns what it says and its file; never reads a segment.
//!
//! `manifest.json` is one JSON object; `digest` is the SHA-256 of the same object with an empty
//! digest, so that a changed word in it is found. It is replaced by rename, last of all.

use std::fs;
use std::io;
use std::path::Path;

use domain::Instant;
use domain::ids::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::BackupError;
use crate::files::FileLayer;

/// The name of the file in the backup's folder.
pub const MANIFEST_FILE: &str = "manifest.json";

/// The version that is written.
pub const MANIFEST_FORMAT: u32 = 1;

/// A segment in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackedUpFile {
    /// Its name within the backup's folder.
    pub name: String,
    /// The number of the segment.
    pub segment: u64,
    /// The bytes that count, from the beginning; zeros follow.
    pub bytes: u64,
    /// SHA-256 of those bytes, in hexadecimal.
    pub sha256: String,
    /// The hash of its last block, in hexadecimal: it covers all blocks before it.
    pub last_block: String,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the manifest.
    pub format: u32,
    /// The log's id.
    pub log_id: Uuid,
    /// The epoch it ends in.
    pub epoch: u32,
    /// The last position.
    pub position: u64,
    /// The number of commits.
    pub commits: u64,
    /// The root of the tree over them, in hexadecimal.
    pub root: String,
    /// The hash of the last block, in hexadecimal.
    pub last_block: String,
    /// When the backup was taken, by the machine's clock.
    pub taken_at: Instant,
    /// Whether the log had been closed cleanly, so that nothing was acknowledged after this.
    pub closed_cleanly: bool,
    /// The segments.
    pub files: Vec<BackedUpFile>,
    /// SHA-256 over all of this with an empty digest.
    pub digest: String,
}

/// The part of a manifest that is the same in all its versions.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Manifest {
    fn digest(&self) -> Result<String, BackupError> {
        let without = Self {
            digest: String::new(),
            ..self.clone()
        };
        let bytes = serde_json::to_vec(&without).map_err(|error| BackupError::Manifest {
            what: error.to_string(),
        })?;
        Ok(hex(&Sha256::digest(bytes)))
    }

    /// Reads the manifest of a backup; `None` if the folder has none.
    pub fn read(dir: &Path) -> Result<Option<Self>, BackupError> {
        let path = dir.join(MANIFEST_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BackupError::io(&path, &error)),
        };
        let wrong = |what: String| BackupError::Manifest { what };
        let version: Version =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if version.format != MANIFEST_FORMAT {
            return Err(wrong(format!(
                "it is of version {}, this program knows {MANIFEST_FORMAT}",
                version.format
            )));
        }
        let this: Self =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if this.digest()? == this.digest {
            Ok(Some(this))
        } else {
            Err(wrong("its digest does not fit what it says".to_owned()))
        }
    }

    /// Writes it durably in place of an earlier one.
    pub(super) fn write(mut self, files: &dyn FileLayer, dir: &Path) -> Result<Self, BackupError> {
        self.digest = self.digest()?;
        let path = dir.join(MANIFEST_FILE);
        let unfinished = path.with_extension("tmp");
        let text = serde_json::to_vec_pretty(&self).map_err(|error| BackupError::Manifest {
            what: error.to_string(),
        })?;
        let write = || -> io::Result<()> {
            match fs::remove_file(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = files.open(&unfinished, true)?;
            file.write_all_at(&text, 0)?;
            file.sync()?;
            files.rename(&unfinished, &path)?;
            files.sync_dir(dir)
        };
        write().map_err(|error| BackupError::io(&path, &error))?;
        Ok(self)
    }

    /// The entry of a segment.
    pub(super) fn file(&self, segment: u64) -> Option<&BackedUpFile> {
        self.files.iter().find(|file| file.segment == segment)
    }
}
