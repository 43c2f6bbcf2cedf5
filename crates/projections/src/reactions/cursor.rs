//! A reaction's cursor as a file: `{json}\n` and the crc of that line, written by rename.
//!
//! A cursor ahead of what was handled would lose work, so one that is damaged, of another log,
//! epoch or reaction, or ahead of the log counts as lost.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a reaction stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) log_id: Uuid,
    pub(super) epoch: u32,
    pub(super) reaction: String,
    pub(super) handled: u64,
}

fn path(views: &Path, reaction: &str) -> PathBuf {
    views.join(format!("reaction-{reaction}.cursor"))
}

/// Reads the position of a cursor that is like `ours` but for its position, not ahead of it.
pub(super) fn read(views: &Path, ours: &Cursor) -> Option<u64> {
    let text = fs::read_to_string(path(views, &ours.reaction)).ok()?;
    let (line, crc) = text.trim_end().split_once('\n')?;
    if crc32fast::hash(line.as_bytes()).to_string() != crc {
        return None;
    }
    let found: Cursor = serde_json::from_str(line).ok()?;
    let alike = Cursor {
        handled: found.handled,
        ..ours.clone()
    };
    (found == alike && found.handled <= ours.handled).then_some(found.handled)
}

/// Writes a cursor; if that fails, it counts as lost.
pub(super) fn write(views: &Path, cursor: &Cursor) {
    let written = (|| {
        let line = serde_json::to_string(cursor)?;
        let crc = crc32fast::hash(line.as_bytes());
        fs::create_dir_all(views)?;
        crate::views::write(
            &path(views, &cursor.reaction),
            format!("{line}\n{crc}\n").as_bytes(),
        )
    })();
    if let Err(error) = written {
        tracing::warn!(%error, reaction = cursor.reaction, "the cursor is not written");
    }
}
