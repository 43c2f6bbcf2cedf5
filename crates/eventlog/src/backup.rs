//! Backups of a log and what is made of them. Owns the backup's folder: what is copied, when a copy
//! counts, and the check of it; never writes to the log it copies and takes no lock of it.
//!
//! ```text
//! DIR2/journal/00000001.seg …   the segments, as far as they were acknowledged, sparse behind that
//! DIR2/manifest.json            what counts of them: see `manifest`
//! DIR2/backup.lock              held while a backup is written
//! ```
//!
//! A backup only ever grows: what an earlier manifest counts is never written again, so that it
//! stays valid until the new one takes its place. Segments that have not grown since are skipped.
//! A log whose history was forked below the end of the backup goes to another folder.
//!
//! The second copy, the index and the read models follow from the journal and are not copied. Keys
//! never are: who holds a backup must not hold them too.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use domain::Instant;
use domain::ids::hex;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::block::origin_hash;
use crate::disk::{OpenError, Options};
use crate::files::Window;
use crate::head_file::HeadSlot;
use crate::index::{CHUNK_EVENTS, Plan};
use crate::journal::segment::{self, JOURNAL_DIR, SEGMENT_HEADER_BYTES};
use crate::journal::walk::Walk;
use crate::read_log::{FolderState, extent};
use crate::survey::{self, Extent, Surveyed};

mod manifest;
mod restore;

pub use manifest::{BackedUpFile, MANIFEST_FILE, MANIFEST_FORMAT, Manifest};
pub use restore::restore;

/// The file that is locked while a backup is written.
const LOCK_FILE: &str = "backup.lock";

/// How much is copied at a time.
const COPY_BYTES: usize = 1024 * 1024;

/// Why there is no backup, or none that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The log cannot be read, or is damaged.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The operating system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        error: String,
    },
    /// The folder holds no backup.
    #[error("{} holds no backup", .0.display())]
    NoBackup(PathBuf),
    /// The folder to back up to holds something else.
    #[error("{} is not empty and holds no backup", .0.display())]
    NotEmpty(PathBuf),
    /// Another process writes to this backup.
    #[error("another backup to {} is under way", .0.display())]
    InUse(PathBuf),
    /// The manifest cannot be used.
    #[error("the backup's manifest cannot be used: {what}")]
    Manifest {
        /// What is wrong.
        what: String,
    },
    /// The backup is of another log.
    #[error("the backup is of log {theirs}, this is log {ours}")]
    OtherLog {
        /// The log that was to be backed up.
        ours: Uuid,
        /// The log of the backup.
        theirs: Uuid,
    },
    /// The backup reaches further than the log.
    #[error("the backup reaches position {backup} and the log only {log}; take another folder")]
    Ahead {
        /// The last position of the backup.
        backup: u64,
        /// The last position of the log.
        log: u64,
    },
    /// The log's history was forked below the end of the backup.
    #[error(
        "the backup holds a history up to position {position} that this log no longer has: it was \
         forked since; take another folder"
    )]
    OtherHistory {
        /// The last position of the backup.
        position: u64,
    },
    /// The files of the backup are not what the manifest says.
    #[error("the backup is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
}

impl BackupError {
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error: error.to_string(),
        }
    }
}

/// What a backup did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// What the backup now holds.
    pub manifest: Manifest,
    /// Segments of which something was copied.
    pub copied: u64,
    /// Segments that the backup held already.
    pub skipped: u64,
    /// Bytes copied.
    pub bytes_copied: u64,
}

/// A segment as far as it counts.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: u64,
    /// The end of its last block.
    used: u64,
    /// The hash of that block.
    last_block: [u8; 32],
}

/// Backs the log in `dir` up to the folder `to`, which is made if it is missing and must be empty or
/// hold an earlier backup of the same log. A process may be writing to the log: what it had
/// acknowledged is copied. `progress` is told the position reached when the log is read, and again
/// when the copy is verified.
pub fn backup(
    dir: &Path,
    to: &Path,
    taken_at: Instant,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<BackupReport, BackupError> {
    let (state, extent) = extent(dir)?;
    let surveyed = survey::survey(Plan::reading(dir, options.chunk_events), extent, progress)
        .map_err(|unproven| BackupError::Source(OpenError::from(*unproven)))?;
    let _lock = lock(to, options)?;
    let former = Manifest::read(to)?;
    let parts = parts(dir, &surveyed, former.as_ref())?;
    let mut report = BackupReport {
        manifest: Manifest {
            format: MANIFEST_FORMAT,
            log_id: surveyed.end.log_id,
            epoch: surveyed.end.epoch,
            position: surveyed.end.position,
            commits: surveyed.end.tree.size(),
            root: hex(&surveyed.end.tree.root()),
            last_block: hex(&surveyed.journal.hash),
            taken_at,
            closed_cleanly: state == FolderState::Closed,
            files: Vec::with_capacity(parts.len()),
            digest: String::new(),
        },
        copied: 0,
        skipped: 0,
        bytes_copied: 0,
    };
    for part in &parts {
        let held = former
            .as_ref()
            .and_then(|manifest| manifest.file(part.number));
        report.take(dir, to, part, held, options)?;
    }
    let journal = to.join(JOURNAL_DIR);
    options
        .files
        .sync_dir(&journal)
        .and_then(|()| options.files.sync_dir(to))
        .map_err(|error| BackupError::io(&journal, &error))?;
    check_files(to, &report.manifest, progress)?;
    report.manifest = report.manifest.write(&*options.files, to)?;
    Ok(report)
}

/// Takes the lock of the folder of a backup, making both where nothing is.
fn lock(to: &Path, options: &Options) -> Result<File, BackupError> {
    let journal = to.join(JOURNAL_DIR);
    let failed = |error: &io::Error| BackupError::io(to, error);
    fs::create_dir_all(to).map_err(|error| failed(&error))?;
    let path = to.join(LOCK_FILE);
    let empty = fs::read_dir(to)
        .map_err(|error| failed(&error))?
        .next()
        .is_none();
    // The lock is the first thing that a backup makes: without it the folder is somebody else's.
    if !empty && !path.exists() && !to.join(MANIFEST_FILE).exists() {
        return Err(BackupError::NotEmpty(to.to_owned()));
    }
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| BackupError::io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(BackupError::InUse(to.to_owned())),
        Err(TryLockError::Error(error)) => return Err(BackupError::io(&path, &error)),
    }
    fs::create_dir_all(&journal)
        .and_then(|()| options.files.sync_dir(to))
        .map_err(|error| failed(&error))?;
    Ok(file)
}

/// The segments that hold blocks, as far as they count; refuses where an earlier backup does not
/// lie on the way.
fn parts(
    dir: &Path,
    surveyed: &Surveyed,
    former: Option<&Manifest>,
) -> Result<Vec<Part>, BackupError> {
    let (ours, end) = (surveyed.end.log_id, surveyed.end.position);
    if let Some(former) = former {
        if former.log_id != ours {
            let theirs = former.log_id;
            return Err(BackupError::OtherLog { ours, theirs });
        }
        if former.position > end {
            return Err(BackupError::Ahead {
                backup: former.position,
                log: end,
            });
        }
    }
    let journal = dir.join(JOURNAL_DIR);
    let failed = |error: io::Error| BackupError::io(&journal, &error);
    let mut walk = Walk::new(&journal, None);
    let mut parts: Vec<Part> = Vec::new();
    let mut met = former.is_none_or(|former| {
        former.position == 0 && former.last_block == hex(&origin_hash(former.log_id))
    });
    let mut reached = 0;
    while reached < end {
        let Some(walked) = walk.next().map_err(failed)? else {
            break;
        };
        reached = walked.header.last_position();
        met |= former.is_some_and(|former| {
            former.position == reached && former.last_block == hex(&walked.header.hash)
        });
        let part = Part {
            number: walked.place.segment,
            used: walked.end().offset,
            last_block: walked.header.hash,
        };
        match parts.last_mut() {
            Some(last) if last.number == part.number => *last = part,
            _ => parts.push(part),
        }
    }
    match former {
        Some(former) if !met => Err(BackupError::OtherHistory {
            position: former.position,
        }),
        _ => Ok(parts),
    }
}

impl BackupReport {
    /// Copies a segment as far as the backup lacks it.
    fn take(
        &mut self,
        dir: &Path,
        to: &Path,
        part: &Part,
        held: Option<&BackedUpFile>,
        options: &Options,
    ) -> Result<(), BackupError> {
        let last_block = hex(&part.last_block);
        if let Some(held) = held
            && (held.bytes, &held.last_block) == (part.used, &last_block)
        {
            self.skipped += 1;
            self.manifest.files.push(held.clone());
            return Ok(());
        }
        let from = segment::path(&dir.join(JOURNAL_DIR), part.number);
        let path = segment::path(&to.join(JOURNAL_DIR), part.number);
        // What the former manifest counts is the same here, and stays untouched there.
        let start = held.map_or(0, |held| held.bytes);
        let copied = copy(&from, &path, start, part.used, options);
        let sha256 = copied.map_err(|error| BackupError::io(&path, &error))?;
        self.copied += 1;
        self.bytes_copied += part.used - start;
        self.manifest.files.push(BackedUpFile {
            name: format!("{JOURNAL_DIR}/{:08}.seg", part.number),
            segment: part.number,
            bytes: part.used,
            sha256,
            last_block,
        });
        Ok(())
    }
}

/// Copies the bytes from `start` to `end`, with zeros behind up to the length of the source; answers
/// the digest of the bytes up to `end`.
fn copy(from: &Path, to: &Path, start: u64, end: u64, options: &Options) -> io::Result<String> {
    let source = File::open(from)?;
    let length = source.metadata()?.len();
    // The length first, so that what is not written stays unallocated.
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(to)?
        .set_len(length)?;
    let target = options.files.open(to, false)?;
    let digest = each_part(&source, end, &mut |bytes, offset| {
        let known = usize::try_from(start.saturating_sub(offset)).unwrap_or(usize::MAX);
        match bytes.get(known..) {
            Some(new) if !new.is_empty() => target.write_all_at(new, offset.max(start)),
            _ => Ok(()),
        }
    })?;
    target.sync()?;
    Ok(digest)
}

/// Reads a file up to `end`; answers the digest of what was read.
fn each_part(
    file: &File,
    end: u64,
    each: &mut dyn FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<String> {
    let mut window = Window::new(COPY_BYTES);
    let mut hasher = Sha256::new();
    let mut at = 0;
    while at < end {
        let wanted = usize::try_from(end - at).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
        let bytes = window.get(file, at, wanted)?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(bytes);
        each(bytes, at)?;
        at += bytes.len() as u64;
    }
    Ok(hex(&hasher.finalize()))
}

/// Verifies a backup whole: its manifest, every file against its digest, every block and hash up to
/// the end, the tree. Changes nothing. `progress` is told the position reached now and then.
pub fn check(dir: &Path, progress: &mut dyn FnMut(u64)) -> Result<Manifest, BackupError> {
    let manifest = Manifest::read(dir)?.ok_or_else(|| BackupError::NoBackup(dir.to_owned()))?;
    check_files(dir, &manifest, progress)?;
    Ok(manifest)
}

fn check_files(
    dir: &Path,
    manifest: &Manifest,
    progress: &mut dyn FnMut(u64),
) -> Result<(), BackupError> {
    let damaged = |what: String| BackupError::Damaged { what };
    for (file, number) in manifest.files.iter().zip(1..) {
        if file.segment != number || file.bytes < SEGMENT_HEADER_BYTES {
            return Err(damaged(format!(
                "segment {number} is missing in the manifest"
            )));
        }
        let path = segment::path(&dir.join(JOURNAL_DIR), file.segment);
        let opened = File::open(&path);
        let digest = opened.and_then(|opened| each_part(&opened, file.bytes, &mut |_, _| Ok(())));
        match digest {
            Ok(digest) if digest == file.sha256 => {}
            Ok(_) => return Err(damaged(format!("{} has other content", file.name))),
            Err(error) => return Err(damaged(format!("{}: {error}", file.name))),
        }
    }
    let end = end_of(manifest)?;
    let plan = Plan::reading(dir, CHUNK_EVENTS);
    let surveyed = survey::survey(plan, Extent::Acknowledged(end), progress)
        .map_err(|unproven| damaged(unproven.what))?;
    let found = (
        surveyed.end.position,
        surveyed.end.tree.size(),
        hex(&surveyed.end.tree.root()),
    );
    if found == (manifest.position, manifest.commits, manifest.root.clone()) {
        Ok(())
    } else {
        Err(damaged(
            "its commits are not those that the manifest names".to_owned(),
        ))
    }
}

/// The end of a backup as a head says it.
fn end_of(manifest: &Manifest) -> Result<HeadSlot, BackupError> {
    let hash = unhex(&manifest.last_block).ok_or_else(|| BackupError::Manifest {
        what: "the hash of the last block is none".to_owned(),
    })?;
    Ok(HeadSlot {
        log_id: manifest.log_id,
        epoch: manifest.epoch,
        sequence: 0,
        clean: true,
        ended: true,
        position: manifest.position,
        hash,
        synced: 0,
    })
}

/// 32 bytes from 64 hexadecimal digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
