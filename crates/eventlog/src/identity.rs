//! Whose log a folder holds, and in which version. Owns the look at what head, segments and index say
//! of themselves before anything in the folder is touched; never reads a block and changes nothing.
//!
//! An index of another log or a damaged one is no matter: it is made again. One of a newer version
//! says that a newer program was here.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::disk::OpenError;
use crate::files::Window;
use crate::head_file::{self, HEAD_FILE};
use crate::index::{self, INDEX_DIR};
use crate::journal::segment::{self, ENCODED_BYTES, JOURNAL_DIR, SegmentHeader};
use crate::newer::Newer;
use crate::open::{LOCK_FILE, holds_log};

/// Refuses a folder that holds no log, one of a newer version, and one with files of several logs.
/// What is damaged says nothing here: it is for those who heal.
pub(crate) fn check(dir: &Path) -> Result<(), OpenError> {
    let no_log = || OpenError::NoLog {
        path: dir.to_owned(),
    };
    let journal = dir.join(JOURNAL_DIR);
    if !holds_log(dir) {
        return Err(no_log());
    }
    let head = head_file::read(dir)?.map(|head| head.log_id);
    let failed = |error: io::Error| OpenError::io("reading the journal", &error);
    let mut owners = Vec::new();
    for number in segment::list(&journal).map_err(failed)? {
        let path = segment::path(&journal, number);
        if let Some(owner) = owner(&path, number).map_err(failed)?.transpose()? {
            owners.push((path, owner));
        }
    }
    if let Some(newer) =
        newer_index(dir).map_err(|error| OpenError::io("reading the index", &error))?
    {
        return Err(newer.into());
    }
    let Some(log_id) = log_id(head, &owners) else {
        // Nothing says that this is a log. If it was one, it was locked before.
        let locked = dir.join(LOCK_FILE).exists();
        return if locked { Ok(()) } else { Err(no_log()) };
    };
    let head = head.map(|head| (dir.join(HEAD_FILE), head));
    let foreign = head
        .into_iter()
        .chain(owners)
        .find(|(_, owner)| *owner != log_id);
    match foreign {
        None => Ok(()),
        Some((path, found)) => Err(OpenError::Foreign {
            path,
            found,
            log_id,
        }),
    }
}

/// The log that the files belong to: that of the segments if they agree, else that of the head or,
/// without one, of the first segment.
fn log_id(head: Option<Uuid>, owners: &[(PathBuf, Uuid)]) -> Option<Uuid> {
    let first = owners.first().map(|(_, owner)| *owner);
    let agreed = first.filter(|first| owners.iter().all(|(_, owner)| owner == first));
    agreed.or(head).or(first)
}

/// The log that a segment says it belongs to; `None` if it is damaged or just being exchanged.
fn owner(path: &Path, number: u64) -> io::Result<Option<Result<Uuid, OpenError>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut window = Window::new(ENCODED_BYTES);
    let bytes = window.get(&file, 0, ENCODED_BYTES)?;
    if let Some(newer) = SegmentHeader::newer(bytes, number) {
        return Ok(Some(Err(newer.into())));
    }
    Ok(SegmentHeader::decode(bytes).map(|header| Ok(header.log_id)))
}

/// What a file of the index that a newer version wrote comes to.
fn newer_index(dir: &Path) -> io::Result<Option<Newer>> {
    for path in index::paths(&dir.join(INDEX_DIR))? {
        match File::open(path) {
            Ok(file) => {
                if let Some(newer) = index::newer(&file)? {
                    return Ok(Some(newer));
                }
            }
            // Merging beside a reader removes files.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
