//! Builds that are folded beside the others by a thread of their own until they have reached them.
//!
//! Owns the throttle, the progress, and the joining of the loop at a commit boundary. A build that
//! met a fault stays where it is and says so.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use domain::ids::UnitId;
use eventlog::ReadError;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::read::Reader;
use super::{Shared, locked};
use crate::build::Phase;
use crate::feed::{DecodedCommit, Decoder};
use crate::models::AnyBuild;
use crate::views::Belongs;

/// Events that are left when a build joins the loop, which stands still for them.
const JOIN_EVENTS: u64 = 1_000;
/// Events after which a build under way writes its snapshot, so that a kill costs no more.
const SNAPSHOT_EVENTS: u64 = 500_000;
/// Shortest pause of the throttle: less is owed until it comes to that.
pub(super) const PAUSE_MIN: Duration = Duration::from_millis(5);
/// Longest pause of the throttle.
pub(super) const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How far a build stands behind commands where there are too few processors, from 0 to 19: it gets
/// about a tenth of what they get.
#[cfg(target_os = "linux")]
const BUILD_NICE: i32 = 10;
/// Wait before a log that could not be read is read again.
const READ_RETRY: Duration = Duration::from_secs(1);

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Position it has reached.
    pub position: u64,
    /// Position it goes to.
    pub target: u64,
    /// Events of the log per second, on the average since it began.
    pub events_per_second: f64,
    /// Seconds left at that rate; absent before there is one.
    pub seconds_left: Option<u64>,
}

impl Progress {
    /// Of work that began at a position and an instant.
    pub(super) fn reckon(from: u64, position: u64, target: u64, began: Instant) -> Self {
        let seconds = began.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = (position - from) as f64 / seconds.max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a time for people")]
        let left = target.saturating_sub(position) as f64 / rate;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "finite and not negative, as asked"
        )]
        let left = (rate > 0.0 && left.is_finite()).then(|| left.ceil() as u64);
        Progress {
            position,
            target,
            events_per_second: rate,
            seconds_left: left,
        }
    }
}

/// What becomes of a build once it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is one of the builds of its model and follows from now on.
    Joins,
    /// It takes the place of the live build.
    Renews,
    /// It takes the place of the live build, which is fenced, at that build's position; the fault
    /// stays.
    Restores {
        /// That position.
        at: u64,
    },
}

/// A build that is folded, and for what.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) model: &'static str,
    pub(super) build: Arc<dyn AnyBuild>,
    pub(super) kind: Kind,
    /// It is the live build, and answers nobody until it is there.
    pub(super) live: bool,
}

/// Builds that are folded together by one thread.
pub(super) struct Job {
    pub(super) targets: Vec<Target>,
    from: u64,
    position: AtomicU64,
    target: AtomicU64,
    began: Instant,
    cancelled: AtomicBool,
    ended: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Job {
    fn at(&self) -> Option<u64> {
        self.targets.iter().find_map(|target| match target.kind {
            Kind::Restores { at } => Some(at),
            Kind::Joins | Kind::Renews => None,
        })
    }

    /// The models whose live build is folded from further behind than so many events.
    pub(super) fn far(&self, follow_events: u64) -> Vec<&'static str> {
        let behind = self.target.load(Ordering::Relaxed) - self.from;
        let far = behind > follow_events && !self.ended.load(Ordering::Acquire);
        let targets = self.targets.iter().filter(|target| far && target.live);
        targets.map(|target| target.model).collect()
    }

    pub(super) fn progress(&self) -> Progress {
        let position = self.position.load(Ordering::Relaxed);
        let target = self.target.load(Ordering::Relaxed);
        Progress::reckon(self.from, position, target, self.began)
    }

    fn wants(&self, shared: &Shared) -> Vec<fn(&str) -> bool> {
        let models = self.targets.iter();
        let models = models.filter_map(|target| shared.models.named(target.model));
        models.map(|model| model.wants()).collect()
    }

    fn has_candidates(&self) -> bool {
        let mut targets = self.targets.iter();
        targets.any(|target| target.kind == Kind::Joins && !target.live)
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

impl Shared {
    /// The jobs that are under way.
    pub(super) fn jobs(&self) -> Vec<Arc<Job>> {
        let mut jobs = locked(&self.jobs);
        jobs.retain(|job| !job.is_ended());
        jobs.clone()
    }

    /// How far a build is, if it is under way.
    pub(super) fn progress(&self, model: &str, id: u32, phase: Phase) -> Option<Progress> {
        if phase == Phase::Following {
            return None;
        }
        let jobs = self.jobs();
        let is_it = |target: &&Target| {
            target.model == model && target.kind == Kind::Joins && target.build.standing().id == id
        };
        let job = jobs
            .iter()
            .find(|job| job.targets.iter().find(is_it).is_some())?;
        Some(job.progress())
    }

    /// Begins to fold builds that stand at the same position.
    pub(super) fn start_job(self: &Arc<Self>, targets: Vec<Target>, goes_to: u64) {
        let Some(from) = targets.first().map(|target| target.build.position()) else {
            return;
        };
        let job = Arc::new(Job {
            targets,
            from,
            position: AtomicU64::new(from),
            target: AtomicU64::new(goes_to.max(from)),
            began: Instant::now(),
            cancelled: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            thread: Mutex::new(None),
        });
        locked(&self.jobs).push(Arc::clone(&job));
        let (shared, work) = (Arc::clone(self), Arc::clone(&job));
        let thread = std::thread::Builder::new()
            .name("build".to_owned())
            .spawn(move || {
                stand_back();
                shared.work(&work);
                work.ended.store(true, Ordering::Release);
                shared.publish(&locked(&shared.feed));
                shared.start_queued();
            });
        match thread {
            Ok(thread) => *locked(&job.thread) = Some(thread),
            Err(error) => {
                job.ended.store(true, Ordering::Release);
                tracing::error!(%error, "a build has no thread");
            }
        }
    }

    /// Takes a build that is to be folded beside the live one. Those that are asked for while others
    /// are under way are folded together once these are done: the log is read once for all of them.
    pub(super) fn queue(self: &Arc<Self>, target: Target) {
        locked(&self.queued).push(target);
        self.start_queued();
    }

    fn start_queued(self: &Arc<Self>) {
        let mut queued = locked(&self.queued);
        if self.is_stopping() || self.jobs().iter().any(|job| job.has_candidates()) {
            return;
        }
        let Some(from) = queued.first().map(|target| target.build.position()) else {
            return;
        };
        let all = std::mem::take(&mut *queued).into_iter();
        let (together, rest) = all.partition(|target| target.build.position() == from);
        *queued = rest;
        let position = locked(&self.feed).position;
        self.start_job(together, position);
    }

    /// Folds a live build that is not whole any more up to where it stands, so that what is served
    /// stale is whole. Runs beside the engine: the others must not wait.
    pub(super) fn restore_suspects(self: &Arc<Self>) {
        for model in self.models.all() {
            let standing = model.live().standing();
            if standing.whole || model.renewal().is_some() {
                continue;
            }
            let kind = match standing.fault {
                Some(_) => Kind::Restores {
                    at: standing.position,
                },
                None => Kind::Renews,
            };
            let target = Target {
                model: model.name(),
                build: model.renew(),
                kind,
                live: false,
            };
            self.start_job(vec![target], standing.position);
        }
    }

    /// Ends every job, after it has written what it has; waits for them.
    pub(super) fn end_jobs(&self) {
        let jobs = std::mem::take(&mut *locked(&self.jobs));
        for job in jobs {
            job.cancelled.store(true, Ordering::Release);
            wait_for(&job);
        }
    }

    /// Ends the work on a build that is dropped; what was folded together with it goes on.
    pub(super) fn end_job_of(self: &Arc<Self>, model: &str, id: u32) {
        let concerned = |target: &Target| {
            target.model == model && target.kind == Kind::Joins && target.build.standing().id == id
        };
        locked(&self.queued).retain(|target| !concerned(target));
        for job in self.jobs() {
            if !job.targets.iter().any(concerned) {
                continue;
            }
            job.cancelled.store(true, Ordering::Release);
            wait_for(&job);
            let others = job.targets.iter().filter(|target| !concerned(target));
            let others = others.filter(|target| target.build.phase() == Phase::Building);
            let others: Vec<_> = others.cloned().collect();
            let position = locked(&self.feed).position;
            self.start_job(others, position);
        }
    }

    fn work(self: &Arc<Self>, job: &Job) {
        while let Err(error) = self.fold(job) {
            tracing::error!(%error, "the log cannot be read; the build tries again");
            std::thread::sleep(READ_RETRY);
            if self.is_over(job) {
                break;
            }
        }
        for target in &job.targets {
            let standing = target.build.standing();
            if target.kind == Kind::Joins {
                continue;
            }
            if let Some(model) = self.models.named(target.model) {
                if standing.fault.is_some() || standing.phase == Phase::Building {
                    tracing::error!(model = target.model, fault = ?standing.fault, "a model is not folded anew");
                    model.drop_renewal();
                }
                model.remove_stray();
            }
        }
    }

    fn is_over(&self, job: &Job) -> bool {
        self.is_stopping() || job.cancelled.load(Ordering::Acquire)
    }

    /// Folds until the builds have joined the loop, or until it is over.
    fn fold(self: &Arc<Self>, job: &Job) -> Result<(), ReadError> {
        let reached = job.position.load(Ordering::Relaxed);
        let wants = job.wants(self);
        let wanted = move |category: &str| wants.iter().any(|wants| wants(category));
        let units = self.known_units(reached);
        let mut decoder = Decoder::at(wanted, &*self.log, reached, units)?;
        let threads = self.options.build_threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => {
                tracing::error!(%error, "a build has no threads");
                return Ok(());
            }
        };
        let (mut saved, mut owed) = (reached, Duration::ZERO);
        while !self.is_over(job) {
            let reached = job.position.load(Ordering::Relaxed);
            let target = job.at().unwrap_or_else(|| locked(&self.feed).position);
            job.target.store(target.max(reached), Ordering::Relaxed);
            if target.saturating_sub(reached) <= JOIN_EVENTS {
                return self.join(job, &mut decoder);
            }
            let mut reader = Reader::new(&*self.log, reached + 1, target);
            while !self.is_over(job) {
                let _turn = self.turn.blocking_lock();
                if self.is_over(job) {
                    break;
                }
                let began = Instant::now();
                let Some(batch) = pool.install(|| reader.next(&mut decoder))? else {
                    break;
                };
                pool.install(|| take_in(job, &batch));
                let reached = job.position.load(Ordering::Relaxed);
                if reached >= saved + SNAPSHOT_EVENTS {
                    saved = reached;
                    self.save_job(job);
                }
                self.options.pause.at("rebuild");
                if let Some(first) = job.targets.first() {
                    self.options.pause.at_of("rebuild", first.model);
                }
                self.keep_within_memory();
                owed += to_rest(began.elapsed(), self.options.build_share);
                if owed >= PAUSE_MIN {
                    std::thread::sleep(owed.min(PAUSE_MAX));
                    owed = Duration::ZERO;
                }
            }
        }
        self.save_job(job);
        Ok(())
    }

    fn save_job(&self, job: &Job) {
        let belongs = Belongs::to(&*self.log);
        if job.cancelled.load(Ordering::Acquire) && !self.is_stopping() {
            return;
        }
        // The loop saves builds beside the live ones as well.
        let _one = locked(&self.saving);
        let joining = job
            .targets
            .iter()
            .filter(|target| target.kind == Kind::Joins);
        for target in joining {
            if let Err(error) = self.save_build(&*target.build, belongs) {
                tracing::warn!(%error, model = target.model, "a build under way has no snapshot");
            }
        }
    }

    /// Takes in what is left while the loop stands still, and hands the builds over.
    fn join(self: &Arc<Self>, job: &Job, decoder: &mut Decoder) -> Result<(), ReadError> {
        let feed = locked(&self.feed);
        let target = job.at().unwrap_or(feed.position);
        let reached = job.position.load(Ordering::Relaxed);
        if reached < target {
            let mut reader = Reader::new(&*self.log, reached + 1, target);
            while let Some(batch) = reader.next(decoder)? {
                take_in(job, &batch);
            }
        }
        for target in &job.targets {
            let fenced = target.build.standing().fault.is_some();
            if !fenced || target.kind == Kind::Joins {
                // One that met a fault is fed no more; it is served, or shown, as it stands.
                target.build.set_phase(Phase::Following);
            }
            if fenced {
                continue;
            }
            let Some(model) = self.models.named(target.model) else {
                continue;
            };
            match target.kind {
                Kind::Joins => {}
                Kind::Renews => model.put_renewal(false),
                Kind::Restores { .. } => model.put_renewal(true),
            }
        }
        self.publish(&feed);
        Ok(())
    }

    /// The units there may have been at a position, if the live model of units knows them.
    pub(super) fn known_units(&self, position: u64) -> Option<Vec<UnitId>> {
        let units = self.models.units.read();
        let knows = units.position >= position && units.is_whole();
        knows.then(|| units.partitions.keys().copied().collect())
    }
}

fn take_in(job: &Job, batch: &[DecodedCommit]) {
    let targets = &job.targets;
    targets
        .par_iter()
        .for_each(|target| target.build.take_in(batch, true));
    if let Some(last) = batch.last() {
        job.position.store(last.last_position(), Ordering::Relaxed);
    }
}

/// The pause after which work has taken no more than its share of the time.
pub(super) fn to_rest(worked: Duration, share: u32) -> Duration {
    let share = share.clamp(1, 100);
    worked * (100 - share) / share
}

/// Lets the threads of commands and questions go first: lowers the priority of this thread and of
/// those that it starts. Elsewhere than on Linux the priority is that of the whole process: left alone.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, BUILD_NICE) {
        tracing::warn!(%error, "a build works at the priority of commands");
    }
}

fn wait_for(job: &Job) {
    let thread = locked(&job.thread).take();
    if let Some(thread) = thread
        && thread.join().is_err()
    {
        tracing::error!("a build ended by a panic");
    }
}
