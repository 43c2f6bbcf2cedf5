//! Forking a log: a new epoch begins at an end that is proven. Owns the order of steps that makes an
//! interruption harmless, and what is shown before anybody accepts a loss; never decides by itself
//! that something may be lost.
//!
//! - `branch`: the journal as it is to be; `note`: the file `fork`, there while a fork is under way
//!
//! Positions, commit numbers and the tree go on from the end that is kept. The steps:
//!
//! 1. The kept journal is staged beside the present one and surveyed. So far nothing has changed.
//! 2. The note is written. From here on every opening goes on with the fork.
//! 3. The journal is exchanged; segments behind the end go to `journal/set-aside`.
//! 4. The volumes of the second copy that hold anything behind the end, and the index, go to
//!    `set-aside`; the next opening makes them anew.
//! 5. Both slots of `head` say the end and the new epoch.
//! 6. The note says that all of this is done. Only the first commit is missing, which names the
//!    parent: until it is written and [`settle`] is called, [`DiskLog::open`] refuses the folder.
//!
//! Each step may be repeated: the note says what the outcome is, not how far it got.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use domain::Instant;
use serde_json::Value;
use uuid::Uuid;

use crate::commit::Commit;
use crate::disk::{DiskLog, OpenError, Options};
use crate::head_file::{self, HeadFile, HeadSlot};
use crate::heal::{self, stage};
use crate::index::INDEX_DIR;
use crate::open;
use crate::sled_copy::{COPY_DIR, list_volumes, volume_of, volume_path};

mod branch;
mod note;

use branch::Branch;
use note::Note;

/// What an opening makes of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It opens as it is: nothing is lost.
    Whole,
    /// It opens once what is damaged in one copy is healed from the other: nothing is lost.
    Healable,
    /// It is refused as damaged.
    Damaged(Loss),
}

/// What accepting a loss would keep, and what it would lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The log's id.
    pub log_id: Uuid,
    /// What was found.
    pub what: String,
    /// The epoch of the last commit that is proven.
    pub epoch: u32,
    /// The last position that is proven.
    pub position: u64,
    /// The number of commits up to there.
    pub commits: u64,
    /// The root of the tree over them.
    pub root: [u8; 32],
    /// When the last of them was recorded.
    pub recorded_at: Option<Instant>,
    /// The last position that the file `head` says was acknowledged, or that a whole block behind
    /// the proven end begins at, if that is later.
    pub claimed: Option<u64>,
    /// The epoch that a fork would begin: above all that were found.
    pub next_epoch: u32,
}

/// An epoch that is to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// The number of the epoch.
    pub epoch: u32,
    /// The last position that is kept; the end of a commit.
    pub position: u64,
    /// A later position that was claimed, if there was one.
    pub claimed: Option<u64>,
    /// What the caller needs to write the first commit, kept for it as it is.
    pub told: Value,
}

/// An epoch that has begun and whose first commit is not written yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The log's id.
    pub log_id: Uuid,
    /// The number of the epoch.
    pub epoch: u32,
    /// The epoch of the last commit that was kept.
    pub parent_epoch: u32,
    /// The last position that was kept.
    pub parent_position: u64,
    /// The number of commits up to there.
    pub parent_commits: u64,
    /// The root of the tree over them, in hexadecimal.
    pub parent_root: String,
    /// A later position that was claimed, if there was one.
    pub claimed: Option<u64>,
    /// What the caller of the fork had told.
    pub told: Value,
}

impl From<Note> for Pending {
    fn from(note: Note) -> Self {
        Self {
            log_id: note.log_id,
            epoch: note.epoch,
            parent_epoch: note.parent_epoch,
            parent_position: note.position,
            parent_commits: note.commits,
            parent_root: note.root,
            claimed: note.claimed,
            told: note.told,
        }
    }
}

fn failed(error: &io::Error) -> OpenError {
    OpenError::io("forking the log", error)
}

/// The fork that is under way in a folder, if there is one.
pub fn pending(dir: &Path) -> Result<Option<Pending>, OpenError> {
    Ok(read_note(dir)?.map(Pending::from))
}

fn read_note(dir: &Path) -> Result<Option<Note>, OpenError> {
    let what = || format!("reading {}", dir.join(note::NOTE_FILE).display());
    note::read(dir).map_err(|error| OpenError::io(what(), &error))
}

/// Refuses a folder in which a fork is under way.
pub(crate) fn refuse_pending(dir: &Path) -> Result<(), OpenError> {
    match read_note(dir)? {
        None => Ok(()),
        Some(note) => Err(OpenError::ForkPending {
            path: dir.to_owned(),
            epoch: note.epoch,
        }),
    }
}

/// Opens a log in which a fork is under way, finishing it but for its first commit, which the
/// caller appends and then calls [`settle`].
pub fn open_pending(dir: &Path, options: &Options) -> Result<DiskLog, OpenError> {
    DiskLog::start(open::open_pending(dir, options)?)
}

/// The first commit of the epoch is durable: the fork is done. The log may still be open.
pub fn settle(dir: &Path, options: &Options) -> Result<(), OpenError> {
    note::remove(&*options.files, dir).map_err(|error| failed(&error))
}

/// A folder that this process holds without having opened it as a log.
#[derive(Debug)]
pub struct Held {
    dir: PathBuf,
    journal: PathBuf,
    options: Options,
    _lock: fs::File,
}

impl Held {
    /// Takes the lock of a log's folder. Refused if another process holds it, and where a fork is
    /// under way already.
    pub fn take(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        let lock = open::take(dir, options)?;
        refuse_pending(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            journal: branch::journal_of(dir),
            options: options.clone(),
            _lock: lock,
        })
    }

    /// Finds out what an opening would make of the folder. Where it is refused as damaged, `each`
    /// is called with every commit that is proven, in order. A healing that was interrupted is
    /// finished; nothing else is changed.
    pub fn examine(&self, each: &mut dyn FnMut(&Commit)) -> Result<Verdict, OpenError> {
        let (dir, options) = (&self.dir, &self.options);
        stage::finish(&*options.files, &self.journal).map_err(|error| failed(&error))?;
        let head = head_file::read(dir)?;
        let damage = match heal::diagnose(dir, options, head)? {
            Ok(surveyed) => {
                // An opening believes a head that was closed cleanly, and then refuses what the
                // second copy holds beyond it.
                match heal::copy_beyond(dir, options, &surveyed)? {
                    None => return Ok(Verdict::Whole),
                    Some(damage) => damage,
                }
            }
            Err(damage) => match heal::would_heal(dir, options, head, &damage)? {
                None => return Ok(Verdict::Healable),
                Some(_) => damage,
            },
        };
        let proven = heal::reach(dir, &damage.link).map_err(|error| failed(&error))?;
        if proven == 0 {
            return Err(OpenError::Damaged {
                proven,
                what: format!("{}; no commit is proven", damage.what),
            });
        }
        let mut note = Note::new(damage.log_id, u32::MAX, Value::Null);
        note.position = proven;
        let branch = branch::stage(dir, &self.journal, options, &note)?;
        let read = branch.commits(&self.journal, 1, each);
        let end = branch.end.clone();
        let (found, found_epoch) = branch.found;
        let epoch = branch.parent_epoch;
        drop(branch);
        stage::remove(&self.journal).map_err(|error| failed(&error))?;
        read.map_err(|error| failed(&error))?;
        let claimed = head.map_or(0, |head| head.position).max(found);
        let highest = head
            .map_or(0, |head| head.epoch)
            .max(found_epoch)
            .max(epoch);
        Ok(Verdict::Damaged(Loss {
            log_id: damage.log_id,
            what: damage.what,
            epoch,
            position: proven,
            commits: end.tree.size(),
            root: end.tree.root(),
            recorded_at: end.recorded_at,
            claimed: (claimed > proven).then_some(claimed),
            next_epoch: highest.saturating_add(1),
        }))
    }

    /// Begins a new epoch of the log with this id. When this returns the folder has its new shape
    /// and waits for the first commit; an error leaves it as it was, or with the fork under way.
    pub fn fork(&self, log_id: Uuid, intent: &Intent) -> Result<Pending, OpenError> {
        let mut note = Note::new(log_id, intent.epoch, intent.told.clone());
        note.position = intent.position;
        note.claimed = intent.claimed;
        if intent.position == 0 {
            return Err(OpenError::Options("a fork must keep at least one commit"));
        }
        let io = |error: io::Error| failed(&error);
        let branch = match branch::stage(&self.dir, &self.journal, &self.options, &note) {
            Ok(branch) if intent.epoch > branch.parent_epoch.max(branch.found.1) => branch,
            refused => {
                let why = OpenError::Options("a new epoch must lie above all that were before it");
                let why = refused.err().unwrap_or(why);
                stage::remove(&self.journal).map_err(io)?;
                return Err(why);
            }
        };
        note.parent_epoch = branch.parent_epoch;
        note.commits = branch.end.tree.size();
        note.root = domain::ids::hex(&branch.end.tree.root());
        note.write(&*self.options.files, &self.dir).map_err(io)?;
        finish(&self.dir, &self.options, &note, branch)?;
        Ok(note.into())
    }
}

/// Goes on with a fork whose note is written; answers the note.
pub(crate) fn go_on(dir: &Path, options: &Options) -> Result<(), OpenError> {
    let Some(note) = read_note(dir)? else {
        return Ok(());
    };
    if note.forked {
        return Ok(());
    }
    let journal = branch::journal_of(dir);
    stage::finish(&*options.files, &journal).map_err(|error| failed(&error))?;
    let branch = branch::stage(dir, &journal, options, &note)?;
    let root = domain::ids::hex(&branch.end.tree.root());
    if (branch.end.tree.size(), root) != (note.commits, note.root.clone()) {
        return Err(OpenError::Damaged {
            proven: note.position,
            what: "the log is another one than when its new epoch began".to_owned(),
        });
    }
    finish(dir, options, &note, branch)
}

/// From the note on: everything that changes the log.
fn finish(dir: &Path, options: &Options, note: &Note, branch: Branch<'_>) -> Result<(), OpenError> {
    let io = |error: io::Error| failed(&error);
    let files = &*options.files;
    let (anew_from, hash) = (branch.anew_from, branch.hash);
    branch.exchange().map_err(io)?;

    let first = volume_of(anew_from, options.volume_events);
    for number in list_volumes(dir).map_err(io)? {
        if number >= first {
            set_aside(options, dir, &volume_path(dir, number)).map_err(io)?;
        }
    }
    if dir.join(INDEX_DIR).exists() {
        set_aside(options, dir, &dir.join(INDEX_DIR)).map_err(io)?;
    }
    files.sync_dir(&dir.join(COPY_DIR)).map_err(io)?;

    let old = head_file::read(dir)?;
    let kept = (first - 1) * options.volume_events;
    let slot = HeadSlot {
        log_id: note.log_id,
        epoch: note.epoch,
        sequence: old.map_or(0, |old| old.sequence),
        clean: false,
        ended: false,
        position: note.position,
        hash,
        synced: old.map_or(0, |old| old.synced.min(kept)),
    };
    let mut head = HeadFile::open(files, dir, slot).map_err(io)?;
    // Both slots: the older one must not come to count again.
    for _ in 0..2 {
        head.write(slot).and_then(|file| file.sync()).map_err(io)?;
    }
    let done = Note {
        forked: true,
        ..note.clone()
    };
    done.write(files, dir).map_err(io)
}

/// Moves something of the log's folder out of the way.
fn set_aside(options: &Options, dir: &Path, path: &Path) -> io::Result<()> {
    let aside = dir.join(open::ASIDE_DIR);
    fs::create_dir_all(&aside)?;
    let name = path.file_name().map(|name| name.to_string_lossy());
    let name = name.as_deref().unwrap_or("file");
    options
        .files
        .rename(path, &stage::free_name(&aside, name))?;
    options.files.sync_dir(&aside)?;
    options.files.sync_dir(dir)
}

#[cfg(test)]
mod tests;
