//! A what-if: a model folded under a supposition into a build that is compared and thrown away.
//!
//! Beside it the record is folded from the same batches, so that both hold one position whatever
//! comes meanwhile. Owns that work, its bounds and its end. Records nothing, and touches neither the
//! live build, nor a candidate, nor a snapshot: pages for which there is no room in memory go into a
//! folder of their own, which is removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::folding::{PAUSE_MAX, PAUSE_MIN};
use super::job::Progress;
use super::read::Reader;
use super::{Engine, Shared};
use crate::build::Fault;
use crate::compare::{Cursor, Tally};
use crate::feed::{DecodedCommit, Decoder};
use crate::models::AnyBuild;
use crate::pace::to_rest;
use crate::supposing::{self, Follows, Supposing, Supposition};
use crate::views::Belongs;

/// Most what-ifs at once: each folds a model twice.
pub(super) const WHAT_IFS_MAX: usize = 1;
/// Share of the memory of all read models, in percent, that a what-if may take beside them.
const MEMORY_SHARE: usize = 25;
/// The folder of its pages, below that of the snapshots. One that a kill leaves there is no model's,
/// so the next start removes it.
const FOLDER: &str = "what_if";

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The model.
    pub model: String,
    /// What is supposed.
    pub supposition: Supposition,
    /// Position from which on it is supposed, from 1; what was recorded before is taken as it is.
    pub from: u64,
    /// Position up to which it is folded; the end of the log if absent.
    pub to: Option<u64>,
    /// Most differing rows that are named, at most [`crate::compare::DIFFERENCES_MAX`].
    pub rows: usize,
}

/// What a what-if found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supposed {
    /// The model.
    pub model: &'static str,
    /// Position from which on it was supposed.
    pub from: u64,
    /// Position that both builds held: that of the last event of the last commit.
    pub position: u64,
    /// What was counted. In a difference `live` is what the record says and `rebuilt` what would
    /// stand.
    pub found: Tally,
}

/// Why a what-if has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupposeError {
    /// There is no such model.
    #[error("there is no read model with this name")]
    NoSuchModel,
    /// No row of the model follows from a policy set or a zone plan.
    #[error("no row of the model follows from what is supposed")]
    NotAsked,
    /// The model's rows follow from the other one of policy set and zone plan.
    #[error("the rows of the model follow from something else: {0:?}")]
    FollowsOther(Follows),
    /// The range is empty, or ends behind the log.
    #[error("the range must be within 1..={head} and not empty")]
    RangeNotInLog {
        /// The end of the log.
        head: u64,
    },
    /// Another what-if runs.
    #[error("another what-if runs; at most {WHAT_IFS_MAX} does at a time")]
    Busy,
    /// An event cannot be folded, as recorded or as supposed.
    #[error("the model stands still at position {}: {}", .0.position, .0.what)]
    Fault(Fault),
    /// Whoever asked does not want it any more.
    #[error("the what-if was cancelled")]
    Cancelled,
    /// It ended early.
    #[error("the what-if was cut short: {0}")]
    CutShort(String),
}

struct Run {
    position: AtomicU64,
    target: u64,
    began: Instant,
    cancelled: AtomicBool,
}

/// A what-if that runs; dropped, it is cancelled.
pub struct WhatIf {
    run: Arc<Run>,
    task: JoinHandle<Result<Supposed, SupposeError>>,
}

impl WhatIf {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        let position = self.run.position.load(Ordering::Relaxed);
        Progress::reckon(0, position, self.run.target, self.run.began)
    }

    /// Ends it early.
    pub fn cancel(&self) {
        self.run.cancelled.store(true, Ordering::Release);
    }

    /// Waits for what it found. May be dropped and asked again until it has answered once.
    ///
    /// # Errors
    /// [`SupposeError::Fault`], [`SupposeError::Cancelled`] or [`SupposeError::CutShort`].
    pub async fn found(&mut self) -> Result<Supposed, SupposeError> {
        let ended = (&mut self.task).await;
        ended.unwrap_or_else(|error| Err(SupposeError::CutShort(error.to_string())))
    }
}

impl Drop for WhatIf {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl Engine {
    /// Begins a what-if. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`SupposeError`], but for what only its end can tell.
    pub fn suppose(&self, asked: Asked) -> Result<WhatIf, SupposeError> {
        let shared = Arc::clone(&self.shared);
        if shared.models.named(&asked.model).is_none() {
            return Err(SupposeError::NoSuchModel);
        }
        let follows = supposing::follows(&asked.model).ok_or(SupposeError::NotAsked)?;
        if follows != asked.supposition.follows() {
            return Err(SupposeError::FollowsOther(follows));
        }
        let head = shared.log.head().position;
        let to = asked.to.unwrap_or(head);
        if asked.from == 0 || asked.from > to || to > head {
            return Err(SupposeError::RangeNotInLog { head });
        }
        let permit = Arc::clone(&shared.supposing).try_acquire_owned();
        let permit = permit.map_err(|_| SupposeError::Busy)?;
        let run = Arc::new(Run {
            position: AtomicU64::new(0),
            target: to,
            began: Instant::now(),
            cancelled: AtomicBool::new(false),
        });
        let of = Arc::clone(&run);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            shared.suppose(&asked, &of)
        });
        Ok(WhatIf { run, task })
    }
}

/// Removes what the what-if wrote, however it ends.
struct Pages(Option<PathBuf>);

impl Pages {
    fn below(views: Option<&Path>) -> Self {
        let pages = Self(views.map(|views| views.join(FOLDER)));
        pages.remove();
        pages
    }

    fn remove(&self) {
        let removed = self.0.as_deref().map(fs::remove_dir_all);
        if let Some(Err(error)) = removed
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the pages of a what-if stay until the next start");
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The two builds of a what-if.
struct Pair {
    recorded: Arc<dyn AnyBuild>,
    supposed: Arc<dyn AnyBuild>,
}

impl Pair {
    fn each(&self) -> [&dyn AnyBuild; 2] {
        [&*self.recorded, &*self.supposed]
    }

    fn check(&self) -> Result<(), SupposeError> {
        for build in self.each() {
            let standing = build.standing();
            if let Some(fault) = standing.fault {
                return Err(SupposeError::Fault(fault));
            }
            if !standing.whole {
                let why = "a page of it could not be read again";
                return Err(SupposeError::CutShort(why.to_owned()));
            }
        }
        Ok(())
    }
}

impl Shared {
    fn goes_on(&self, run: &Run) -> Result<(), SupposeError> {
        if run.cancelled.load(Ordering::Acquire) {
            return Err(SupposeError::Cancelled);
        }
        if self.is_stopping() {
            return Err(SupposeError::CutShort("the engine stops".to_owned()));
        }
        Ok(())
    }

    fn suppose(&self, asked: &Asked, run: &Run) -> Result<Supposed, SupposeError> {
        let model = self.models.named(&asked.model);
        let model = model.ok_or(SupposeError::NoSuchModel)?;
        let pages = Pages::below(self.options.views.as_deref());
        let begun = |id| model.apart(id, pages.0.as_deref(), &self.log);
        let pair = Pair {
            recorded: begun(1),
            supposed: begun(2),
        };
        self.fold_pair(asked, model.wants(), &pair, run)?;
        let (mut cursor, mut tally) = (Cursor::default(), Tally::new(asked.rows));
        while model.compare_apart(pair.each(), &mut cursor, &mut tally) {
            self.goes_on(run)?;
            self.make_room(&pair, pages.0.is_some())?;
        }
        pair.check()?;
        Ok(Supposed {
            model: model.name(),
            from: asked.from,
            position: pair.recorded.position(),
            found: tally,
        })
    }

    /// Folds the record and what is supposed from the same batches, within the share of the time
    /// that builds may take.
    fn fold_pair(
        &self,
        asked: &Asked,
        model_wants: fn(&str) -> bool,
        pair: &Pair,
        run: &Run,
    ) -> Result<(), SupposeError> {
        let cut_short = |error: &dyn std::fmt::Display| SupposeError::CutShort(error.to_string());
        let pool = self.build_pool().map_err(|error| cut_short(&error))?;
        let supposition = asked.supposition.clone();
        let wanted = move |category: &str| model_wants(category) || supposition.wants(category);
        let mut decoder = Decoder::new(wanted);
        let mut supposing = Supposing::new(asked.supposition.clone(), asked.from);
        let mut reader = Reader::new(&*self.log, 1, run.target);
        let mut owed = Duration::ZERO;
        loop {
            self.goes_on(run)?;
            self.options.pause.at("suppose");
            let _turn = self.turn.blocking_lock();
            self.goes_on(run)?;
            let batch = pool.install(|| reader.next(&mut decoder));
            let Some(batch) = batch.map_err(|error| cut_short(&error))? else {
                return pair.check();
            };
            let last = batch.last().map_or(0, DecodedCommit::last_position);
            pool.install(|| pair.recorded.take_in(&batch, true));
            let batch = supposing.take(batch, &decoder);
            pool.install(|| pair.supposed.take_in(&batch, true));
            // So far the threads of the pool kept to their share.
            let folded = Instant::now();
            pair.check()?;
            self.make_room(pair, self.options.views.is_some())?;
            run.position.store(last, Ordering::Relaxed);
            owed += to_rest(folded.elapsed(), self.options.build_share);
            if owed >= PAUSE_MIN {
                std::thread::sleep(owed.min(PAUSE_MAX));
                owed = Duration::ZERO;
            }
        }
    }

    /// Writes pages down and lets them go, once they take more than their share of the memory.
    fn make_room(&self, pair: &Pair, has_folder: bool) -> Result<(), SupposeError> {
        let resident: usize = pair
            .each()
            .map(|build| build.resident_bytes().0)
            .iter()
            .sum();
        if !has_folder || resident <= self.options.memory_bytes / 100 * MEMORY_SHARE {
            return Ok(());
        }
        let belongs = Belongs::to(&*self.log);
        for build in pair.each() {
            let written = self.savers.install(|| build.save(belongs, &|_| {}));
            written.map_err(|error| SupposeError::CutShort(error.to_string()))?;
            build.let_go(0);
        }
        Ok(())
    }
}
