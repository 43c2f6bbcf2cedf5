//! Making and opening a log on disk. Owns the decision whether a folder may be written to; what it
//! cannot prove it refuses, and then it changes nothing.
//!
//! - `reconcile`: the second copy, brought to where the journal is

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use crate::checkpoint::Checkpoints;
use crate::disk::{OpenError, OpenReport, Options, SEGMENT_BYTES_MIN};
use crate::fork;
use crate::head_file::{self, HeadFile, HeadSlot};
use crate::heal;
use crate::identity;
use crate::index::{Index, Keeper};
use crate::journal::append::JournalAppend;
use crate::journal::place::Places;
use crate::journal::segment::{self, JOURNAL_DIR, SegmentHeader};
use crate::queue::Queue;
use crate::sequencer::Sequencer;
use crate::sled_copy::{self, COPY_DIR, Volume};
use crate::space::{self, Space};
use crate::survey::Surveyed;
use crate::view::View;
use crate::writer::{Shared, Writer};

mod reconcile;

use reconcile::{Reconciling, copy_as_closed};
pub(crate) use reconcile::{next_of, set_aside};

/// The file whose lock is held while a log is open.
pub(crate) const LOCK_FILE: &str = "LOCK";

/// The folder that files which were replaced are moved to.
pub(crate) const ASIDE_DIR: &str = "set-aside";

/// How often and how long a lock is tried for: a reader may hold it for a moment.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A log that is ready to be written.
pub(crate) struct Opened {
    pub(crate) log_id: Uuid,
    pub(crate) writer: Writer,
    pub(crate) report: OpenReport,
    pub(crate) lock: File,
    pub(crate) dir: PathBuf,
    pub(crate) volume_events: u64,
    pub(crate) options: Options,
}

/// See [`crate::DiskLog::create`].
pub(crate) fn create(dir: &Path, log_id: Uuid, options: &Options) -> Result<(), OpenError> {
    check(options)?;
    fs::create_dir_all(dir).map_err(|error| making("the folder", dir, &error))?;
    if fs::read_dir(dir)
        .map_err(|error| making("the folder", dir, &error))?
        .next()
        .is_some()
    {
        return Err(OpenError::NotEmpty {
            path: dir.to_owned(),
        });
    }
    room(dir, options)?;
    let made = fill(dir, log_id, options);
    if made.is_err() {
        // What was made in an empty folder is worth nothing; left there, it would be in the way.
        // Where it cannot be removed either, the next attempt says that the folder is not empty.
        for folder in [JOURNAL_DIR, COPY_DIR] {
            let _ = fs::remove_dir_all(dir.join(folder));
        }
        for file in [LOCK_FILE, head_file::HEAD_FILE] {
            let _ = fs::remove_file(dir.join(file));
        }
    }
    made
}

/// Refuses to make a log that could take no commit.
fn room(dir: &Path, options: &Options) -> Result<(), OpenError> {
    let free = space::free(&*options.files, dir).map_err(|error| making("a log", dir, &error))?;
    let wanted = options
        .low_space_bytes
        .saturating_add(options.reserve_bytes);
    if free < wanted {
        return Err(OpenError::LowSpace {
            path: dir.to_owned(),
            free,
            wanted,
        });
    }
    Ok(())
}

fn making(what: &str, dir: &Path, error: &io::Error) -> OpenError {
    OpenError::io(format!("making {what} in {}", dir.display()), error)
}

/// Makes what an empty log consists of.
fn fill(dir: &Path, log_id: Uuid, options: &Options) -> Result<(), OpenError> {
    let made = |what: &'static str| move |error: io::Error| making(what, dir, &error);
    let files = &*options.files;
    let journal = dir.join(JOURNAL_DIR);
    for folder in [&journal, &dir.join(COPY_DIR)] {
        fs::create_dir(folder).map_err(made("a folder"))?;
    }
    files
        .open(&dir.join(LOCK_FILE), true)
        .map_err(made("the lock"))?;
    let header = SegmentHeader {
        epoch: 1,
        number: 1,
        size: options.segment_bytes,
        log_id,
    };
    segment::make(files, &journal, &header).map_err(made("the journal"))?;
    let empty = HeadSlot {
        log_id,
        epoch: 1,
        sequence: 0,
        clean: true,
        ended: true,
        position: 0,
        hash: crate::block::origin_hash(log_id),
        synced: 0,
    };
    HeadFile::open(files, dir, empty)
        .and_then(|mut head| head.write(empty)?.sync())
        .and_then(|()| files.sync_dir(dir))
        .and_then(|()| {
            dir.parent()
                .map_or(Ok(()), |parent| sync_parent(files, parent))
        })
        .map_err(made("the head"))
}

/// The entry of the new folder itself; a parent without a name is where the process stands.
fn sync_parent(files: &dyn crate::files::FileLayer, parent: &Path) -> io::Result<()> {
    let here = Path::new(".");
    files.sync_dir(if parent.as_os_str().is_empty() {
        here
    } else {
        parent
    })
}

fn check(options: &Options) -> Result<(), OpenError> {
    if options.segment_bytes < SEGMENT_BYTES_MIN {
        return Err(OpenError::Options(
            "the segments are too small for the largest block",
        ));
    }
    if options.volume_events == 0 {
        return Err(OpenError::Options("a volume must cover at least one event"));
    }
    if options.chunk_events == 0 {
        return Err(OpenError::Options("a chunk must cover at least one event"));
    }
    Ok(())
}

/// Whether a folder looks like a log at all.
pub(crate) fn holds_log(dir: &Path) -> bool {
    dir.join(head_file::HEAD_FILE).exists() || dir.join(JOURNAL_DIR).exists()
}

/// See [`crate::DiskLog::open`].
pub(crate) fn open(dir: &Path, options: &Options) -> Result<Opened, OpenError> {
    let lock = take(dir, options)?;
    fork::refuse_pending(dir)?;
    proceed(dir, options, lock)
}

/// See [`fork::open_pending`].
pub(crate) fn open_pending(dir: &Path, options: &Options) -> Result<Opened, OpenError> {
    let lock = take(dir, options)?;
    fork::go_on(dir, options)?;
    proceed(dir, options, lock)
}

/// Takes the lock of a folder that holds a log.
pub(crate) fn take(dir: &Path, options: &Options) -> Result<File, OpenError> {
    check(options)?;
    identity::check(dir)?;
    lock(dir)
}

fn proceed(dir: &Path, options: &Options, lock: File) -> Result<Opened, OpenError> {
    let head = head_file::read(dir)?;
    let mut report = OpenReport {
        clean: head.is_some_and(|head| head.clean),
        quick: false,
        healed: Vec::new(),
    };
    let (mut surveyed, newest) = looked_over(dir, options, head, &mut report)?;
    surveyed.index.accept();
    let marks = surveyed.index.marks();
    let places = Arc::new(Places::new(dir.join(JOURNAL_DIR), marks));
    let end = surveyed.end;
    let synced = head.map_or(0, |head| head.synced.min(end.position));
    let last_block = surveyed.last_block;
    sled_copy::remove_fresh(dir)
        .map_err(|error| OpenError::io("removing a volume that was never finished", &error))?;
    let reconciling = Reconciling {
        dir,
        options,
        places: &places,
        synced,
        doubted: options.thorough || head.is_some_and(|head| head.ended && !head.clean),
        report: &mut report,
        bad: None,
    };
    let (volume, bad) = match newest {
        Some(volume) => (Some(volume), None),
        None => reconciling.all(last_block, head.is_some_and(|head| head.clean))?,
    };
    let space = Space::new(Arc::clone(&options.files), dir, options.wanted());
    let space = Arc::new(space);
    let slot = HeadSlot {
        log_id: end.log_id,
        epoch: end.epoch,
        sequence: head.map_or(0, |head| head.sequence),
        clean: false,
        ended: false,
        position: end.position,
        hash: surveyed.journal.hash,
        // What could not be brought into the second copy is not said to be there.
        synced: if bad.is_none() { end.position } else { synced },
    };
    let head_file = marked_open(dir, options, slot)?;
    let journal = JournalAppend::open(
        Arc::clone(&options.files),
        &dir.join(JOURNAL_DIR),
        &surveyed.journal,
        options.segment_bytes,
        &space,
    )
    .map_err(|error| OpenError::io("opening the journal", &error))?;
    let started = Checkpoints::start(
        dir.to_owned(),
        options.volume_events,
        volume,
        bad,
        head_file,
        Arc::clone(&space),
    );
    let checkpoints = started.map_err(|error| OpenError::io("starting the checkpoints", &error))?;
    let index = Index::new(options.plan(dir), Arc::clone(&places), surveyed.index);
    let index = Arc::new(index);
    let keeper = Keeper::start(Arc::clone(&index))
        .map_err(|error| OpenError::io("starting the keeper of the index", &error))?;
    let shared = Arc::new(Shared {
        queue: Queue::default(),
        view: Arc::new(View::new(places, Arc::clone(&index))),
        head: Mutex::new(end.head()),
        published: watch::Sender::new(end.position),
        space,
        measures: options.measures.clone(),
    });
    let log_id = end.log_id;
    let sequencer = Sequencer::new(end, Arc::clone(&options.clock));
    let writer = Writer {
        shared,
        sequencer,
        journal,
        checkpoints,
        keeper,
    };
    Ok(Opened {
        log_id,
        writer,
        report,
        lock,
        dir: dir.to_owned(),
        volume_events: options.volume_events,
        options: options.clone(),
    })
}

/// Brings the journal into order. Answers what it holds and, where both copies are as a clean stop leaves
/// them, the newest volume of the second, open.
fn looked_over(
    dir: &Path,
    options: &Options,
    head: Option<HeadSlot>,
    report: &mut OpenReport,
) -> Result<(Surveyed, Option<Volume>), OpenError> {
    let mut surveyed = sound(dir, options, head, report)?;
    let mut newest = None;
    if report.quick && report.clean && surveyed.last_block > 0 {
        newest = copy_as_closed(dir, options, &surveyed);
        if newest.is_none() {
            // The second copy is made anew only out of a journal that was verified whole: what is
            // wrong may be in the journal, and then that copy is what heals it.
            report.quick = false;
            surveyed = verified(dir, options, head, report)?;
        }
    }
    drop_torn(dir, options, &surveyed, report)?;
    let wrong = surveyed.index.findings();
    if !wrong.is_empty() {
        let what = format!("rebuilt the index: {}", wrong.join("; "));
        report.healed.push(what);
    }
    Ok((surveyed, newest))
}

/// Says in the head, durably, that the log is open.
fn marked_open(dir: &Path, options: &Options, slot: HeadSlot) -> Result<HeadFile, OpenError> {
    let mut head = HeadFile::open(&*options.files, dir, slot)
        .map_err(|error| OpenError::io("opening the head", &error))?;
    head.write(slot)
        .and_then(|file| file.sync())
        .map_err(|error| OpenError::io("writing the head", &error))?;
    Ok(head)
}

/// Surveys the journal and heals it where it is damaged or shorter than the second copy.
fn sound(
    dir: &Path,
    options: &Options,
    head: Option<HeadSlot>,
    report: &mut OpenReport,
) -> Result<Surveyed, OpenError> {
    let finished = heal::stage::finish(&*options.files, &dir.join(JOURNAL_DIR))
        .map_err(|error| OpenError::io("finishing to heal the journal", &error))?;
    if finished {
        let what = "finished the healing of the journal that was interrupted";
        report.healed.push(what.to_owned());
    }
    if head.is_none() {
        let what = "wrote the head file anew, which was missing or damaged";
        report.healed.push(what.to_owned());
    }
    if let Some(head) = head
        && !finished
        && !options.thorough
        && let Some(surveyed) = heal::newest(&options.plan(dir), options.volume_events, head)?
    {
        report.quick = true;
        return Ok(surveyed);
    }
    verified(dir, options, head, report)
}

/// Surveys the whole journal and heals it.
fn verified(
    dir: &Path,
    options: &Options,
    head: Option<HeadSlot>,
    report: &mut OpenReport,
) -> Result<Surveyed, OpenError> {
    let plan = options.plan(dir);
    let damage = match heal::diagnose(&plan, options.volume_events, head, &mut |_| ())? {
        Ok(surveyed) => return Ok(surveyed),
        Err(damage) => damage,
    };
    let (surveyed, done) = heal::heal(dir, options, head, &damage)?;
    report.healed.push(done);
    Ok(surveyed)
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let failed = |error: io::Error| OpenError::io("opening the lock", &error);
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = file.map_err(failed)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err(OpenError::InUse {
        path: dir.to_owned(),
    })
}

/// Makes a torn write zero again, so that the next one can be told from damage.
fn drop_torn(
    dir: &Path,
    options: &Options,
    surveyed: &Surveyed,
    report: &mut OpenReport,
) -> Result<(), OpenError> {
    // Backwards, so that an interruption leaves the beginning of the group, which is still torn.
    for (number, from, to) in surveyed.torn.iter().rev() {
        let path = segment::path(&dir.join(JOURNAL_DIR), *number);
        let length = usize::try_from(to - from).unwrap_or(usize::MAX);
        options
            .files
            .open(&path, false)
            .and_then(|file| {
                file.write_all_at(&vec![0; length], *from)?;
                file.sync()
            })
            .map_err(|error| OpenError::io("dropping a torn write", &error))?;
        report.healed.push(format!(
            "dropped {length} bytes of a write after position {} that was never finished",
            surveyed.end.position
        ));
    }
    Ok(())
}
