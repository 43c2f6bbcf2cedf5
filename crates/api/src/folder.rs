//! A data folder as a running service: its birth, its opening, its stopping.
//!
//! Owns what is put together and in which order. Every command line verb and the demo that needs a
//! running system gets it here, so that none is put together differently. Holds no rule.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::genesis::{self, ClockKind};
use domain::ids::{PersonId, PrincipalId, derived};
use domain::{Channel, Event, Instant, Personal, reaction, reactions};
use eventlog::execute::{ExecuteError, Executor, Request};
use eventlog::{
    Clock, DiskLog, Entropy, EventLog, Measures, OpenError, OpenReport, Options, ReadError,
    ScrubOptions, SimulatedClock, SystemClock,
};
use projections::timers::Time;
use uuid::Uuid;

use crate::backend::{Backend, Parts};
use crate::epoch;
use crate::lookup::LookUpKey;

/// How a log is born.
#[derive(Debug, Clone)]
pub struct Birth {
    /// Name under which checkpoints will be signed.
    pub origin: String,
    /// Default zone.
    pub zone: chrono_tz::Tz,
    /// Login subject of the first administrator.
    pub administrator: String,
    /// A simulated clock: where it stands, and the seed of all ids and salts.
    pub simulated: Option<(Instant, u64)>,
    /// Whether reactions answer from the first position on.
    pub reactions_enabled: bool,
    /// The size of its first segments, in bytes; the usual one if absent.
    pub segment_bytes: Option<u64>,
}

/// Why a folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The log cannot be made or opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A command of the birth did not go through.
    #[error("the log was not born: {0}")]
    Birth(#[from] ExecuteError),
    /// The operating system gives no randomness.
    #[error(transparent)]
    Entropy(#[from] eventlog::entropy::NoEntropy),
    /// The folder holds a log without a birth: `init` was cut short.
    #[error("{} holds a log that was never born; remove it and run `benniu init` again", .0.display())]
    NeverBorn(PathBuf),
    /// A file of the folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// The note of a fork is not of this version.
    #[error("the epoch that was begun in {} cannot be finished: {why}", path.display())]
    ForkUnreadable {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The first commit of an epoch did not go through.
    #[error(
        "the log was forked and its first commit did not go through, so nothing serves it: {0}"
    )]
    Epoch(ExecuteError),
    /// The administrator's login is one of the system's own.
    #[error("subjects that begin with 'system:' are the system's own")]
    SubjectReserved,
}

/// What the first commit of a log says.
#[derive(Debug, Clone)]
pub struct Born {
    /// The log's id.
    pub log_id: Uuid,
    /// Its origin.
    pub origin: String,
    /// Its default zone.
    pub zone: chrono_tz::Tz,
    /// Its clock.
    pub clock: ClockKind,
}

/// Reads the birth of a log without touching its folder.
///
/// # Errors
/// [`FolderError`] if there is no log, it is damaged, or was never born.
pub fn born(log: &dyn EventLog, dir: &Path) -> Result<Born, FolderError> {
    let never = || FolderError::NeverBorn(dir.to_owned());
    let first = log.commit_at(1)?.ok_or_else(never)?;
    let event = first.events.first().ok_or_else(never)?;
    let event = Event::decode(event.stream.category(), &event.type_name, &event.payload);
    match event {
        Ok(Event::Genesis(genesis::Event::LogBorn {
            log_id,
            origin,
            zone,
            clock,
            ..
        })) => Ok(Born {
            log_id,
            origin,
            zone,
            clock,
        }),
        _ => Err(never()),
    }
}

/// Makes a log in a folder that is missing or empty.
///
/// # Errors
/// [`FolderError`]; a folder that holds something is left as it was.
pub async fn bear(dir: &Path, birth: &Birth) -> Result<(), FolderError> {
    if birth
        .administrator
        .starts_with(genesis::SYSTEM_SUBJECT_PREFIX)
    {
        return Err(FolderError::SubjectReserved);
    }
    let (clock, entropy): (Arc<dyn Clock>, _) = match birth.simulated {
        Some((from, seed)) => (Arc::new(SimulatedClock::new(from)), Entropy::seeded(seed)),
        None => (Arc::new(SystemClock::new()), Entropy::system()?),
    };
    let log_id = entropy.uuid();
    let keeping = Keeping {
        segment_bytes: birth.segment_bytes,
        ..Keeping::default()
    };
    let options = keeping.options(&clock);
    DiskLog::create(dir, log_id, &options)?;
    make_look_up_key(dir, &entropy)?;
    let log: Arc<dyn EventLog> = Arc::new(DiskLog::open(dir, &options)?);
    let administrator = PersonId(entropy.uuid());
    let commands = entropy.uuid();
    let executor = Executor::new(Arc::clone(&log), clock, entropy, birth.zone);
    let command = genesis::Command::BearLog {
        log_id,
        origin: birth.origin.clone(),
        zone: birth.zone,
        clock: if birth.simulated.is_some() {
            ClockKind::Simulated
        } else {
            ClockKind::Real
        },
        administrator,
        administrator_name: Personal::new("administrator"),
        administrator_subject: birth.administrator.clone(),
    };
    let principal = PrincipalId::of_subject(&birth.administrator);
    let id = derived("birth", &[&commands, &"log"]);
    let request = Request::new(command, id, principal).through(Channel::Genesis);
    executor.execute(request).await?;
    if birth.reactions_enabled {
        enable_reactions(&executor, 1).await?;
    }
    if let Err(error) = log.close() {
        tracing::warn!(%error, "the new log was not closed cleanly; opening it will verify it");
    }
    Ok(())
}

/// Lets every reaction answer from a position on.
///
/// # Errors
/// [`FolderError::Birth`] if the log does not take it.
pub async fn enable_reactions(executor: &Executor, from: u64) -> Result<(), FolderError> {
    let log_id = executor.log().log_id();
    let system = PrincipalId::of_subject(genesis::SYSTEM_SUBJECTS[0]);
    for reaction in reactions::ALL {
        let name = reaction.name.to_owned();
        let id = derived("enable", &[&log_id, &name]);
        let command = reaction::Command::EnableReaction { name, from };
        let request = Request::new(command, id, system).through(Channel::Reaction);
        executor.execute(request).await?;
    }
    Ok(())
}

/// Where the look-up key of a log stands.
pub fn look_up_key_path(dir: &Path) -> PathBuf {
    dir.join("keys").join("look-up")
}

/// A fresh look-up key, synced before anything uses it; never part of the log's copies.
fn make_look_up_key(dir: &Path, entropy: &Entropy) -> Result<(), FolderError> {
    let path = look_up_key_path(dir);
    let mut key = [0; 32];
    entropy.fill(&mut key);
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        let mut file = fs::File::create_new(&path)?;
        file.write_all(domain::ids::hex(&key).as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| FolderError::Io {
        path: path.clone(),
        error,
    })
}

/// The look-up key of a log, if its folder holds one.
fn look_up_key(dir: &Path) -> Result<Option<LookUpKey>, FolderError> {
    let path = look_up_key_path(dir);
    let failed = |error| FolderError::Io {
        path: path.clone(),
        error,
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match LookUpKey::parse(text.trim()) {
        Some(key) => Ok(Some(key)),
        None => Err(failed(io::Error::other(
            "it does not hold 64 hexadecimal digits",
        ))),
    }
}

/// How the log of a folder is kept while it is open.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// The size of segments made from now on, in bytes; the usual one if absent.
    pub segment_bytes: Option<u64>,
    /// The bytes that must be free on its disk for commits to be taken; the usual number if absent.
    pub low_space_bytes: Option<u64>,
    /// How it is verified while it is open; by default only when asked.
    pub scrub: ScrubOptions,
    /// Where what it measures of itself goes; by default nowhere.
    pub measures: Measures,
    /// How the read models are kept; their folder is the log's.
    pub models: projections::engine::Options,
}

impl Keeping {
    fn options(&self, clock: &Arc<dyn Clock>) -> Options {
        let usual = Options::new(Arc::clone(clock));
        Options {
            segment_bytes: self.segment_bytes.unwrap_or(usual.segment_bytes),
            low_space_bytes: self.low_space_bytes.unwrap_or(usual.low_space_bytes),
            scrub: self.scrub,
            measures: self.measures.clone(),
            ..usual
        }
    }
}

/// Opens a log and starts everything that runs on it. A fork that was interrupted is finished first.
///
/// # Errors
/// [`FolderError`] if the folder holds no whole log; what is damaged in one copy is healed.
pub async fn open(dir: &Path) -> Result<(Backend, OpenReport), FolderError> {
    open_and_keep(dir, Keeping::default()).await
}

/// The same, and says how the log is kept.
///
/// # Errors
/// As [`open`].
pub async fn open_and_keep(
    dir: &Path,
    keeping: Keeping,
) -> Result<(Backend, OpenReport), FolderError> {
    epoch::finish(dir).await?;
    let opened = open_by_its_clock(dir, DiskLog::open, &keeping).await?;
    let disk = Arc::new(opened.log);
    let parts = Parts {
        log: disk.clone(),
        disk: Some(disk),
        time: opened.time,
        entropy: opened.entropy,
        zone: opened.born.zone,
        views: Some(dir.join("views")),
        models: keeping.models,
        look_up_key: look_up_key(dir)?,
    };
    Ok((Backend::start(parts).await?, opened.report))
}

/// How a log is opened: as it is, or with a fork under way.
pub(crate) type Opener = fn(&Path, &Options) -> Result<DiskLog, OpenError>;

/// A log that is open for writing, with the time and the entropy it lives by.
pub(crate) struct OpenLog {
    pub(crate) log: DiskLog,
    pub(crate) born: Born,
    pub(crate) time: Time,
    pub(crate) entropy: Entropy,
    pub(crate) report: OpenReport,
}

/// Opens a log with the clock that it was born with.
pub(crate) async fn open_by_its_clock(
    dir: &Path,
    opener: Opener,
    keeping: &Keeping,
) -> Result<OpenLog, FolderError> {
    let system: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut log = open_log(dir, &system, opener, keeping).await?;
    let mut born = self::born(&log, dir);
    if let Err(FolderError::Read(ReadError::Damaged { .. })) = born {
        // After a clean stop only the newest part was looked at; now that damage is known, opening
        // verifies all of it and heals.
        close(&log);
        drop(log);
        log = open_log(dir, &system, opener, keeping).await?;
        born = self::born(&log, dir);
    }
    let born = born?;
    let mut report = log.report().clone();
    let (time, entropy) = match born.clock {
        ClockKind::Real => (Time::Real(system), Entropy::system()?),
        ClockKind::Simulated => {
            // The log takes the time from the clock it is opened with, so it is opened again.
            let head = log.head();
            close(&log);
            drop(log);
            let clock = SimulatedClock::new(head.recorded_at.unwrap_or_default());
            let shared: Arc<dyn Clock> = Arc::new(clock.clone());
            log = open_log(dir, &shared, opener, keeping).await?;
            report.healed.extend_from_slice(&log.report().healed);
            // Follows from the history, so that a seeded run repeats across openings too.
            let (seed, _) = head.root.split_first_chunk().unwrap_or((&[0; 8], &[]));
            (
                Time::Simulated(clock),
                Entropy::seeded(u64::from_be_bytes(*seed)),
            )
        }
    };
    Ok(OpenLog {
        log,
        born,
        time,
        entropy,
        report,
    })
}

fn close(log: &DiskLog) {
    if let Err(error) = log.close() {
        tracing::warn!(%error, "the log was not closed cleanly; opening verifies it");
    }
}

async fn open_log(
    dir: &Path,
    clock: &Arc<dyn Clock>,
    open_with: Opener,
    keeping: &Keeping,
) -> Result<DiskLog, FolderError> {
    let (dir, options) = (dir.to_owned(), keeping.options(clock));
    let opened = tokio::task::spawn_blocking(move || open_with(&dir, &options)).await;
    let cut_short = |error: tokio::task::JoinError| FolderError::Io {
        path: PathBuf::new(),
        error: io::Error::other(error),
    };
    Ok(opened.map_err(cut_short)??)
}

/// True if the folder is missing or holds nothing.
pub fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none())
}
