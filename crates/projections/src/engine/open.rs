//! How the engine begins: which builds there are by the log, what their snapshots hold, and who feeds
//! what. Owns that decision; reads no partition.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use eventlog::{EventLog, ReadError};
use tokio::sync::watch;

use super::job::{Kind, Target};
use super::{Feed, Options, Shared, THREADS_MAX, Upkeep, threads};
use crate::Models;
use crate::build::Phase;
use crate::feed::Decoder;
use crate::views::{self, Belongs};

impl Shared {
    /// Takes what snapshots there are, and begins to fold what has none.
    ///
    /// # Errors
    /// If the log's first commit, or what units it has, cannot be read.
    pub(super) fn open(log: Arc<dyn EventLog>, options: Options) -> Result<Arc<Self>, ReadError> {
        let models = Models::default();
        let belongs = Belongs::to(&*log);
        let head = belongs.head;
        if let Some(views) = &options.views
            && let Err(error) = std::fs::create_dir_all(views)
        {
            tracing::warn!(%error, "there is no folder for snapshots");
        }
        if let Some(views) = &options.views {
            views::remove_foreign(views, Models::NAMES);
        }
        let mut loaded = 0;
        for model in models.all() {
            model.settle(options.views.as_deref(), &log);
            let state = Self::builds_by_log(&*log, model.name())?;
            if model.load_live(state.live(), belongs) {
                loaded = loaded.max(model.live().position());
            }
            for build in state.candidates().keys().chain(state.kept()) {
                model.add(*build, belongs);
            }
            model.remove_stray();
        }
        // What is near is simply followed, also a short log without any snapshot from its start. What
        // is far is folded by jobs, which look after memory.
        let position = if head - loaded.min(head) > options.follow_events {
            head
        } else {
            loaded
        };
        let pool = pool_of("models", threads().min(THREADS_MAX))?;
        let savers = pool_of("snapshots", options.build_threads.max(1))?;
        let mut shared = Self {
            feed: Mutex::new(Feed {
                decoder: Decoder::new(Models::wants),
                position,
                applied_at: None,
            }),
            upkeep: Mutex::new(Upkeep {
                saved_at_position: position,
                saved_at: Instant::now(),
                looked_at: Instant::now(),
                waiting: true,
                read_error: None,
                snapshot_error: None,
            }),
            applied: watch::Sender::new(0),
            saving: Mutex::new(()),
            jobs: Mutex::default(),
            queued: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
            supposing: Arc::new(tokio::sync::Semaphore::new(super::suppose::WHAT_IFS_MAX)),
            stopping: watch::Sender::new(false),
            opened_at: head,
            pool,
            savers,
            log,
            models,
            options,
        };
        let wanted =
            |category: &str| Models::wants(category) || category == super::builds::CATEGORY;
        let units = shared.known_units(position);
        let decoder = Decoder::at(wanted, &*shared.log, position, units)?;
        shared
            .feed
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .decoder = decoder;
        let shared = Arc::new(shared);
        shared.share_out(position);
        shared.publish(&super::locked(&shared.feed));
        Ok(shared)
    }

    /// Says who feeds which build.
    fn share_out(self: &Arc<Self>, position: u64) {
        // Answers wait for what is near, and must not wait for what is far.
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for model in self.models.all() {
            let live = model.live();
            let live_id = live.standing().id;
            for build in std::iter::once(live).chain(model.beside()) {
                if build.position() == position {
                    build.set_phase(Phase::Following);
                    continue;
                }
                build.set_phase(Phase::Building);
                let target = Target {
                    model: model.name(),
                    live: build.standing().id == live_id,
                    kind: Kind::Joins,
                    build,
                };
                let behind = position.saturating_sub(target.build.position());
                let is_far = behind > self.options.follow_events;
                if is_far { &mut far } else { &mut near }.push(target);
            }
        }
        self.start_job(near, position);
        self.start_job(far, position);
        // A build of an older schema answers until one of this schema has been folded.
        let old = self.models.all().into_iter();
        let old =
            old.filter(|model| model.live().standing().schema_version != model.schema_version());
        let targets: Vec<_> = old
            .map(|model| Target {
                model: model.name(),
                build: model.renew(),
                kind: Kind::Renews,
                live: false,
            })
            .collect();
        self.start_job(targets, position);
    }
}

/// Threads of the engine, named and numbered.
fn pool_of(name: &'static str, threads: usize) -> Result<rayon::ThreadPool, ReadError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |number| format!("{name} {number}"))
        .build()
        .map_err(|error| ReadError::Io {
            what: "the threads of the read models".to_owned(),
            error: error.to_string(),
        })
}
