//! The engine: one task that feeds every read model from the log, in commit order.
//!
//! Owns catching up, the published `applied` position, snapshots, the memory budget and health; the
//! builds beside the live ones are in [`builds`]. A model that fails is fenced and the others go on;
//! a log that cannot be read is tried again. Never writes the log and never runs a reaction or timer.

mod builds;
mod fold;
mod folding;
mod job;
mod memory;
mod open;
mod read;
mod rounds;
mod suppose;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eventlog::{EventLog, ReadError};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use builds::{BuildHealth, CompareError, Comparison, Role};
pub use fold::fold;
pub use job::Progress;
pub use suppose::{Asked, SupposeError, Supposed, WhatIf};

use crate::Models;
use crate::build::{Checksum, Fault, Phase, Step};
use crate::feed::{DecodedCommit, Decoder};
use crate::models::{AnyBuild, AnyModel};
use crate::views::Belongs;
use job::Job;
use read::Reader;

/// Wait before a log that could not be read is read again.
const READ_RETRY: Duration = Duration::from_secs(1);
/// Time after which a quiet engine looks after memory and snapshots.
const TICK: Duration = Duration::from_secs(1);
/// Events that a build may be behind and still counts as one of those that follow, if the options say
/// nothing else: they are taken in within about a second.
pub const FOLLOW_EVENTS: u64 = 50_000;
/// Events after which it is looked, if the options say nothing else, whether builds fit into memory
/// together: a few looks for a history of a million.
const DIVIDE_EVENTS: u64 = 50_000;
/// Most threads that share a batch in the engine's loop.
const THREADS_MAX: usize = 4;

/// How the engine runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the snapshots; none: no snapshots are read or written.
    pub views: Option<PathBuf>,
    /// Events after which snapshots are written.
    pub snapshot_events: u64,
    /// Time after which snapshots are written, if anything has moved.
    pub snapshot_every: Duration,
    /// Bytes that all read models together may keep resident. More than that is let go once the
    /// snapshots hold it; one question may go beyond while it is answered.
    pub memory_bytes: usize,
    /// Events that a live build may be behind and still counts as one of those that follow: answers
    /// wait for it. One that is further behind answers nobody until it is there, and nobody waits.
    pub follow_events: u64,
    /// Events after which it is looked whether builds that are folded together fit into memory
    /// together; those that do not are folded one part after the other.
    pub divide_events: u64,
    /// Threads that fold builds beside the live ones.
    pub build_threads: usize,
    /// Share of the time, in percent from 1 to 100, in which these threads work; the rest is left to
    /// commands.
    pub build_share: u32,
    /// Where builds stop and wait, for tests of kills: see [`Pause`].
    pub pause: Pause,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            views: None,
            snapshot_events: 200_000,
            snapshot_every: Duration::from_mins(1),
            memory_bytes: 512 * 1_024 * 1_024,
            follow_events: FOLLOW_EVENTS,
            divide_events: DIVIDE_EVENTS,
            build_threads: threads().div_ceil(2),
            build_share: 60,
            pause: Pause::default(),
        }
    }
}

/// Named points of a build at which tests look in: the name and a file that is written there; the
/// work goes on once that file is removed.
#[derive(Debug, Clone, Default)]
pub struct Pause {
    /// The folder of the files; none: nothing pauses.
    pub folder: Option<PathBuf>,
}

impl Pause {
    /// Says that a point is reached, and waits while the file of that name with `.hold` exists.
    fn at(&self, point: &str) {
        let Some(folder) = &self.folder else { return };
        let hold = folder.join(format!("{point}.hold"));
        if hold.exists() {
            let reached = std::fs::write(folder.join(format!("{point}.reached")), b"");
            if let Err(error) = reached {
                tracing::warn!(%error, point, "a pause cannot be told");
            }
            while hold.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// The same at a point of a model: `<point>.<model>`.
    fn at_of(&self, point: &str, model: &str) {
        if self.folder.is_some() {
            self.at(&format!("{point}.{model}"));
        }
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The models do not hold a position yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the read models hold position {applied}, not yet {wanted}")]
pub struct Lagging {
    /// The position they hold.
    pub applied: u64,
    /// The one that was waited for.
    pub wanted: u64,
}

/// How a model does.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelHealth {
    /// Its name.
    pub name: &'static str,
    /// The version of the schema of its live build.
    pub schema_version: u32,
    /// The live build's number.
    pub build: u32,
    /// Position up to which it holds.
    pub position: u64,
    /// Events it is behind the log.
    pub lag_events: u64,
    /// Partitions it has.
    pub partitions: usize,
    /// Position of its last snapshot.
    pub saved: Option<u64>,
    /// Why it stands still, if it does.
    pub fault: Option<Fault>,
    /// How far it is, while it is folded from the log and answers nobody.
    pub building: Option<Progress>,
}

/// How the engine does.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// The log's last position.
    pub head: u64,
    /// Position that every model without fault holds.
    pub applied: u64,
    /// Seconds between what the log recorded last and what was applied last; the time by which
    /// answers are behind, by the log's clock.
    pub lag_seconds: i64,
    /// Every model.
    pub models: Vec<ModelHealth>,
    /// Bytes that are resident, estimated.
    pub resident_bytes: usize,
    /// Why the log could not be read, if it could not.
    pub read_error: Option<String>,
    /// Why snapshots could not be written, if they could not.
    pub snapshot_error: Option<String>,
}

struct Shared {
    log: Arc<dyn EventLog>,
    models: Models,
    options: Options,
    applied: watch::Sender<u64>,
    /// Locked while a batch is taken in: who holds it stands at a commit boundary.
    feed: Mutex<Feed>,
    upkeep: Mutex<Upkeep>,
    saving: Mutex<()>,
    jobs: Mutex<Vec<Arc<Job>>>,
    /// Builds beside the live ones that are folded once those under way are done.
    queued: Mutex<Vec<job::Target>>,
    /// Held by the build that works or rests: all of them together keep to their share. It goes to
    /// whoever waits for it the longest.
    turn: tokio::sync::Mutex<()>,
    /// Held by the one what-if that may run.
    supposing: Arc<tokio::sync::Semaphore>,
    pool: rayon::ThreadPool,
    /// Writes snapshots, with no more threads than builds have: the others are left to commands. No
    /// batch is taken in here: a worker that waits for a part of a snapshot would take one up, and
    /// wait for the build that it holds itself.
    savers: rayon::ThreadPool,
    stopping: watch::Sender<bool>,
    /// The log's end when the engine began: no answer goes back behind it.
    opened_at: u64,
}

/// Where the loop stands.
struct Feed {
    decoder: Decoder,
    position: u64,
    applied_at: Option<domain::Instant>,
}

/// What is looked after between batches.
struct Upkeep {
    saved_at_position: u64,
    saved_at: Instant,
    looked_at: Instant,
    /// The log says something of builds that could not be done yet.
    waiting: bool,
    read_error: Option<String>,
    snapshot_error: Option<String>,
}

/// The running engine; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Takes the snapshots and starts to catch up. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the log's first commit, which names its zone, or what units it has cannot be read.
    pub async fn start(log: Arc<dyn EventLog>, options: Options) -> Result<Self, ReadError> {
        let opened = tokio::task::spawn_blocking(move || Shared::open(log, options)).await;
        let shared = opened.map_err(|error| ReadError::Io {
            what: "the first commit".to_owned(),
            error: error.to_string(),
        })??;
        let task = tokio::spawn(follow(Arc::clone(&shared)));
        Ok(Self {
            shared,
            task: Arc::new(Mutex::new(Some(task))),
        })
    }

    /// The models, to be asked.
    pub fn models(&self) -> &Models {
        &self.shared.models
    }

    /// Position that every model holds which is not fenced and not being folded from far behind.
    pub fn applied(&self) -> u64 {
        *self.shared.applied.borrow()
    }

    /// The log's end when the engine began. An answer from before it would go back in time for
    /// whoever had one before the restart.
    pub fn opened_at(&self) -> u64 {
        self.shared.opened_at
    }

    /// Follows [`Engine::applied`].
    pub fn watch_applied(&self) -> watch::Receiver<u64> {
        self.shared.applied.subscribe()
    }

    /// Waits until every model holds a position which is not fenced and not being folded from far
    /// behind.
    ///
    /// # Errors
    /// [`Lagging`] if that takes longer than `timeout`.
    pub async fn wait_applied(&self, position: u64, timeout: Duration) -> Result<(), Lagging> {
        let mut applied = self.shared.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= position);
        match tokio::time::timeout(timeout, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Lagging {
                applied: self.applied(),
                wanted: position,
            }),
        }
    }

    /// SHA-256 over the rows of a model's live build.
    pub fn checksum(&self, name: &str) -> Option<Checksum> {
        let model = self.models().named(name)?;
        Some(model.live().checksum())
    }

    /// How the engine and its models do.
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Stops feeding, ends a what-if and writes the last snapshots.
    pub async fn stop(&self) {
        self.shared.stopping.send_replace(true);
        let task = locked(&self.task).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the engine did not end by itself");
        }
        // A what-if that runs ends by itself now; its pages are gone then.
        let _ended = self.shared.supposing.acquire().await;
    }
}

async fn follow(shared: Arc<Shared>) {
    let mut head = shared.log.watch();
    let mut stopped = shared.stopping.subscribe();
    loop {
        head.mark_unchanged();
        let worker = Arc::clone(&shared);
        let caught_up = tokio::task::spawn_blocking(move || worker.catch_up()).await;
        let retry = !matches!(caught_up, Ok(Ok(())));
        if *stopped.borrow_and_update() {
            break;
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            moved = head.changed() => if moved.is_err() { break },
            () = tokio::time::sleep(READ_RETRY), if retry => {}
            () = tokio::time::sleep(TICK), if !retry => {}
        }
    }
    let ended = tokio::task::spawn_blocking(move || {
        shared.end_jobs();
        shared.save();
    });
    if let Err(error) = ended.await {
        tracing::error!(%error, "the last snapshots were not written");
    }
}

impl Shared {
    /// Position that every live build holds that is not fenced and not far behind; that of the loop
    /// if there is none.
    fn position(&self, feed: &Feed) -> u64 {
        let far: Vec<_> = {
            let jobs = self.jobs();
            let far = |job: &Arc<Job>| job.far(self.options.follow_events);
            jobs.iter().flat_map(far).collect()
        };
        let live = self.models.all().into_iter();
        let counted = live
            .filter(|model| !far.contains(&model.name()))
            .map(|model| model.live().standing())
            .filter(|standing| standing.fault.is_none());
        counted
            .map(|standing| standing.position)
            .min()
            .unwrap_or(feed.position)
    }

    fn publish(&self, feed: &Feed) {
        self.applied.send_replace(self.position(feed));
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Every build there is, the live ones first.
    fn builds(&self) -> Vec<Arc<dyn AnyBuild>> {
        let models = self.models.all();
        let live = models.iter().map(|model| model.live());
        let beside = models.iter().flat_map(|model| model.beside());
        live.chain(beside).collect()
    }

    fn catch_up(self: &Arc<Self>) -> Result<(), ReadError> {
        let outcome = self.catch_up_or_stop();
        locked(&self.upkeep).read_error = outcome.as_ref().err().map(ToString::to_string);
        if let Err(error) = &outcome {
            tracing::error!(%error, "the log cannot be read; the engine tries again");
        }
        outcome
    }

    fn catch_up_or_stop(self: &Arc<Self>) -> Result<(), ReadError> {
        let mut moved = false;
        loop {
            let from = locked(&self.feed).position + 1;
            let to = self.log.head().position;
            if from > to || self.is_stopping() {
                if locked(&self.upkeep).waiting && !self.is_stopping() {
                    self.reconcile();
                }
                if !moved {
                    self.restore_suspects();
                    self.upkeep();
                }
                return Ok(());
            }
            let mut reader = Reader::new(&*self.log, from, to);
            let mut decoder = locked(&self.feed).decoder.clone();
            while !self.is_stopping() {
                // Threads that are woken for a few commits would be in the way of who wrote them.
                let read = if reader.shares_out() {
                    self.pool.install(|| reader.next(&mut decoder))
                } else {
                    reader.next(&mut decoder)
                };
                let Some(batch) = read? else { break };
                let acts = self.feed(&batch, &decoder);
                moved = true;
                if acts {
                    self.reconcile();
                }
                self.upkeep();
            }
        }
    }

    /// Takes a batch into every build that follows; `true` if it says something of builds.
    fn feed(self: &Arc<Self>, batch: &[DecodedCommit], decoder: &Decoder) -> bool {
        let mut feed = locked(&self.feed);
        let Some(last) = batch.last() else {
            return false;
        };
        let mut builds = self.builds();
        builds.retain(|build| build.phase() == Phase::Following);
        let events: usize = batch.iter().map(|commit| commit.events.len()).sum();
        if events >= read::PARALLEL_EVENTS_MIN {
            self.pool.install(|| {
                builds
                    .par_iter()
                    .for_each(|build| build.take_in(batch, true));
            });
        } else {
            for build in &builds {
                build.take_in(batch, false);
            }
        }
        feed.position = last.last_position();
        feed.applied_at = Some(last.header.recorded_at);
        if feed.decoder.generation() != decoder.generation() {
            feed.decoder = decoder.clone();
        }
        self.publish(&feed);
        drop(feed);
        self.restore_suspects();
        let events = batch.iter().flat_map(|commit| &commit.events);
        events
            .map(|event| event.stream().category())
            .any(|category| category == builds::CATEGORY)
    }

    /// Looks after snapshots and memory, if it is time.
    fn upkeep(&self) {
        let position = locked(&self.feed).position;
        let due = {
            let mut upkeep = locked(&self.upkeep);
            let moved = position.saturating_sub(upkeep.saved_at_position);
            let due = moved >= self.options.snapshot_events
                || (moved > 0 && upkeep.saved_at.elapsed() >= self.options.snapshot_every);
            if due {
                upkeep.saved_at_position = position;
                upkeep.saved_at = Instant::now();
            }
            due && self.options.views.is_some()
        };
        if due {
            self.save();
        }
        self.keep_within_memory();
    }

    /// Writes the snapshot of every sound build that has moved.
    fn save(&self) {
        if self.options.views.is_none() {
            return;
        }
        let _one = locked(&self.saving);
        let belongs = Belongs::to(&*self.log);
        self.options.pause.at("snapshot");
        let mut failed = None;
        for build in self.builds() {
            let saved = self.save_build(&*build, belongs);
            if let Err(error) = saved {
                tracing::warn!(%error, model = build.name(), "a snapshot cannot be written; the log is not concerned");
                failed = Some(error);
            }
        }
        locked(&self.upkeep).snapshot_error = failed.map(|error| error.to_string());
    }

    /// Writes the snapshot of a build, if it has moved.
    fn save_build(&self, build: &dyn AnyBuild, belongs: Belongs) -> std::io::Result<bool> {
        let name = build.name();
        let step = |step| match step {
            Step::Packed => self.options.pause.at_of("packed", name),
            Step::Named => self.options.pause.at_of("named", name),
        };
        self.savers.install(|| build.save(belongs, &step))
    }

    fn health(&self) -> Health {
        let head = self.log.head();
        let model = |model: &dyn AnyModel| {
            let live = model.live().standing();
            let building = self.progress(model.name(), live.id, live.phase);
            ModelHealth {
                name: model.name(),
                schema_version: live.schema_version,
                build: live.id,
                position: live.position,
                lag_events: head.position.saturating_sub(live.position),
                partitions: live.partitions,
                saved: live.saved,
                fault: live.fault,
                building,
            }
        };
        let models = self.models.all().into_iter().map(model).collect();
        let applied = *self.applied.borrow();
        let applied_at = locked(&self.feed).applied_at;
        let behind = match (head.recorded_at, applied_at) {
            (Some(head_at), Some(applied_at)) if applied < head.position => {
                (head_at - applied_at).num_seconds().max(0)
            }
            _ => 0,
        };
        let upkeep = locked(&self.upkeep);
        Health {
            head: head.position,
            applied,
            lag_seconds: behind,
            models,
            resident_bytes: self.resident_bytes(),
            read_error: upkeep.read_error.clone(),
            snapshot_error: upkeep.snapshot_error.clone(),
        }
    }
}
