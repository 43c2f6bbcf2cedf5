//! The engine: one task that feeds every read model from the log, in commit order.
//!
//! Owns catching up, the published `applied` position, snapshots and health. A model that fails is
//! fenced and the others go on; a log that cannot be read is tried again. Never writes the log and
//! never runs a reaction or timer.

mod rebuild;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventlog::{EventLog, ReadError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use rebuild::{DIFFERENCES_MAX, Difference, Progress, RebuildError, Rebuilt};

use crate::Models;
use crate::feed::Decoder;
use crate::models::{AnyModel, Fault};
use crate::snapshot::Belongs;

/// Commits that are applied between two looks at the log's end.
const BATCH_COMMITS_MAX: usize = 512;
/// Wait before a log that could not be read is read again.
const READ_RETRY: Duration = Duration::from_secs(1);

/// How the engine runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the snapshots; none: no snapshots are read or written.
    pub views: Option<PathBuf>,
    /// Events after which snapshots are written.
    pub snapshot_events: u64,
    /// Time after which snapshots are written, if anything has moved.
    pub snapshot_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            views: None,
            snapshot_events: 200_000,
            snapshot_every: Duration::from_mins(1),
        }
    }
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelHealth {
    /// Its name.
    pub name: &'static str,
    /// The version of its schema.
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
}

/// How the engine does.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    progress: Mutex<ProgressState>,
    saving: AtomicBool,
}

struct ProgressState {
    decoder: Decoder,
    applied_at: Option<domain::Instant>,
    saved_at_position: u64,
    saved_at: std::time::Instant,
    read_error: Option<String>,
    snapshot_error: Option<String>,
}

/// The running engine; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Engine {
    /// Loads the snapshots and starts to catch up. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the log's first commit, which names its zone, cannot be read.
    pub async fn start(log: Arc<dyn EventLog>, options: Options) -> Result<Self, ReadError> {
        let shared = tokio::task::spawn_blocking(move || Shared::open(&log, &options))
            .await
            .map_err(|error| ReadError::Io {
                what: "the first commit".to_owned(),
                error: error.to_string(),
            })??;
        let shared = Arc::new(shared);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(follow(Arc::clone(&shared), stopped));
        Ok(Self {
            shared,
            stop,
            task: Arc::new(Mutex::new(Some(task))),
        })
    }

    /// The models, to be asked.
    pub fn models(&self) -> &Models {
        &self.shared.models
    }

    /// Position that every model without fault holds.
    pub fn applied(&self) -> u64 {
        *self.shared.applied.borrow()
    }

    /// Follows [`Engine::applied`].
    pub fn watch_applied(&self) -> watch::Receiver<u64> {
        self.shared.applied.subscribe()
    }

    /// Waits until every model without fault holds a position.
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

    /// How the engine and its models do.
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Stops feeding and writes the last snapshots.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the engine did not end by itself");
        }
    }
}

async fn follow(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut head = shared.log.watch();
    loop {
        head.mark_unchanged();
        let worker = Arc::clone(&shared);
        let halt = stopped.clone();
        let caught_up = tokio::task::spawn_blocking(move || worker.catch_up(&halt)).await;
        let retry = !matches!(caught_up, Ok(Ok(())));
        if *stopped.borrow_and_update() {
            break;
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            moved = head.changed() => if moved.is_err() { break },
            () = tokio::time::sleep(READ_RETRY), if retry => {}
            () = tokio::time::sleep(shared.options.snapshot_every), if !retry => {}
        }
    }
    let saved = tokio::task::spawn_blocking(move || shared.save()).await;
    if let Err(error) = saved {
        tracing::error!(%error, "the last snapshots were not written");
    }
}

impl Shared {
    fn open(log: &Arc<dyn EventLog>, options: &Options) -> Result<Self, ReadError> {
        let models = Models::default();
        let mut decoder = Decoder::new(Models::wants);
        if let Some(first) = log.commit_at(1)? {
            decoder.decode(first);
        }
        let shared = |decoder, models| Self {
            applied: watch::Sender::new(0),
            progress: Mutex::new(ProgressState {
                decoder,
                applied_at: None,
                saved_at_position: 0,
                saved_at: std::time::Instant::now(),
                read_error: None,
                snapshot_error: None,
            }),
            saving: AtomicBool::new(false),
            log: Arc::clone(log),
            models,
            options: options.clone(),
        };
        if let Some(views) = &options.views {
            let head = log.head();
            let belongs = Belongs {
                log_id: log.log_id(),
                epoch: head.epoch,
                head: head.position,
            };
            models
                .all()
                .into_iter()
                .for_each(|model| model.load(views, belongs));
            // The units of the snapshot: the commits that founded them are not read again.
            for (unit, row) in &models.units.read().partitions {
                decoder.set_unit(*unit, row.unit.clone());
            }
        }
        let shared = shared(decoder, models);
        shared.progress().saved_at_position = shared.position();
        shared.applied.send_replace(shared.position());
        Ok(shared)
    }

    fn progress(&self) -> MutexGuard<'_, ProgressState> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Position that every model without fault holds; that of the log if all are fenced.
    fn position(&self) -> u64 {
        let models = self.models.all();
        let sound = models.into_iter().filter(|model| model.fault().is_none());
        sound
            .map(AnyModel::position)
            .min()
            .unwrap_or_else(|| self.log.head().position)
    }

    fn catch_up(self: &Arc<Self>, halt: &watch::Receiver<bool>) -> Result<(), ReadError> {
        let outcome = self.catch_up_unless(&|| *halt.borrow());
        self.progress().read_error = outcome.as_ref().err().map(ToString::to_string);
        if let Err(error) = &outcome {
            tracing::error!(%error, "the log cannot be read; the engine tries again");
        }
        outcome
    }

    fn catch_up_unless(self: &Arc<Self>, halt: &dyn Fn() -> bool) -> Result<(), ReadError> {
        loop {
            let (from, to) = (self.position() + 1, self.log.head().position);
            if from > to || halt() {
                self.maybe_save();
                return Ok(());
            }
            let mut commits = self.log.read(from, to);
            loop {
                let (mut batch, mut failed) = (Vec::new(), None);
                for commit in commits.by_ref().take(BATCH_COMMITS_MAX) {
                    match commit {
                        Ok(commit) => batch.push(self.progress().decoder.decode(commit)),
                        Err(error) => failed = Some(error),
                    }
                }
                let Some(last) = batch.last() else {
                    match failed {
                        Some(error) => return Err(error),
                        None => break,
                    }
                };
                let recorded_at = last.header.recorded_at;
                for model in self.models.all() {
                    let sound_before = model.fault().is_none();
                    model.apply(&batch);
                    if sound_before && model.is_suspect() {
                        self.restore(model.name());
                    }
                }
                self.progress().applied_at = Some(recorded_at);
                self.applied.send_replace(self.position());
                self.maybe_save();
                if let Some(error) = failed {
                    return Err(error);
                }
                if halt() {
                    return Ok(());
                }
            }
        }
    }

    fn maybe_save(&self) {
        let Some(_) = self.options.views else { return };
        let position = self.position();
        let mut progress = self.progress();
        let moved = position.saturating_sub(progress.saved_at_position);
        let due = moved >= self.options.snapshot_events
            || (moved > 0 && progress.saved_at.elapsed() >= self.options.snapshot_every);
        if due {
            progress.saved_at_position = position;
            progress.saved_at = std::time::Instant::now();
            drop(progress);
            self.save();
        }
    }

    /// Writes the snapshot of every sound model that has moved.
    fn save(&self) {
        let Some(views) = &self.options.views else {
            return;
        };
        if self.saving.swap(true, Ordering::AcqRel) {
            return;
        }
        let head = self.log.head();
        let belongs = Belongs {
            log_id: self.log.log_id(),
            epoch: head.epoch,
            head: head.position,
        };
        let mut failed = std::fs::create_dir_all(views).err();
        if failed.is_none() {
            let models = self.models.all();
            failed = models
                .into_iter()
                .find_map(|model| model.save(views, belongs).err());
        }
        if let Some(error) = &failed {
            tracing::warn!(%error, "snapshots cannot be written; the log is not concerned");
        }
        self.progress().snapshot_error = failed.map(|error| error.to_string());
        self.saving.store(false, Ordering::Release);
    }

    fn health(&self) -> Health {
        let head = self.log.head();
        let models = self.models.all().into_iter().map(|model| {
            let position = model.position();
            ModelHealth {
                name: model.name(),
                schema_version: model.schema_version(),
                build: model.build(),
                position,
                lag_events: head.position.saturating_sub(position),
                partitions: model.partitions(),
                saved: model.saved(),
                fault: model.fault(),
            }
        });
        let models = models.collect();
        let applied = *self.applied.borrow();
        let progress = self.progress();
        let behind = match (head.recorded_at, progress.applied_at) {
            (Some(head_at), Some(applied_at)) if applied < head.position => {
                (head_at - applied_at).num_seconds().max(0)
            }
            _ => 0,
        };
        Health {
            head: head.position,
            applied,
            lag_seconds: behind,
            models,
            read_error: progress.read_error.clone(),
            snapshot_error: progress.snapshot_error.clone(),
        }
    }
}
