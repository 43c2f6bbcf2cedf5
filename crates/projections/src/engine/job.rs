//! Builds that are folded beside the others by a thread of their own until they have reached them.
//!
//! Owns the throttle, the progress, and the joining of the loop at a commit boundary. A build that
//! met a fault stays where it is and says so.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use domain::ids::UnitId;
use eventlog::ReadError;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::read::Reader;
use super::rounds::{self, Need, Round};
use super::{Shared, locked};
use crate::build::Phase;
use crate::feed::{DecodedCommit, Decoder};
use crate::models::{AnyBuild, AnyModel};
use crate::pace::{self, to_rest};
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
    /// Events of the log per second since the work began, on the average of the builds that are folded
    /// together or in turn.
    pub events_per_second: f64,
    /// Seconds left at that rate until all of them are there; absent before there is one.
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

/// Builds that one thread folds, in rounds.
pub(super) struct Job {
    pub(super) targets: Vec<Target>,
    /// What is still to be done: the first is under way. A build that has joined is in none.
    rounds: Mutex<VecDeque<Round>>,
    /// The positions at which the builds began, added up.
    from: u64,
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
        let target = self.target.load(Ordering::Relaxed);
        let rounds = locked(&self.rounds);
        let far = |round: &&Round| target.saturating_sub(round.from) > follow_events;
        let far = rounds.iter().filter(|round| !self.is_ended() && far(round));
        let targets = far.flat_map(|round| &round.targets);
        let live = targets.filter(|target| target.live);
        live.map(|target| target.model).collect()
    }

    /// How far one of its builds is; see [`Progress`].
    pub(super) fn progress(&self, position: u64) -> Progress {
        let target = self.target.load(Ordering::Relaxed);
        let builds = self.targets.len().max(1) as u64;
        let left: u64 = {
            let rounds = locked(&self.rounds);
            let left =
                |round: &Round| target.saturating_sub(round.position) * round.targets.len() as u64;
            rounds.iter().map(left).sum()
        };
        let done = (builds * target).saturating_sub(self.from + left);
        Progress {
            position,
            target,
            ..Progress::reckon(0, done / builds, (done + left) / builds, self.began)
        }
    }

    /// The round that is under way.
    fn round(&self) -> Option<Round> {
        locked(&self.rounds).front().cloned()
    }

    /// Tells how far the round under way is.
    fn reached(&self, position: u64) {
        if let Some(round) = locked(&self.rounds).front_mut() {
            round.position = position;
        }
    }

    /// Puts other rounds in the place of the one that is under way.
    fn replace_round(&self, by: Vec<Round>) {
        let mut rounds = locked(&self.rounds);
        rounds.pop_front();
        for round in by.into_iter().rev() {
            rounds.push_front(round);
        }
    }

    /// The builds that have not joined yet.
    fn left(&self) -> Vec<Target> {
        let rounds = locked(&self.rounds);
        rounds
            .iter()
            .flat_map(|round| round.targets.clone())
            .collect()
    }

    /// True if there are rounds behind the one that is under way.
    fn has_more(&self) -> bool {
        locked(&self.rounds).len() > 1
    }

    fn has_candidates(&self) -> bool {
        let rounds = locked(&self.rounds);
        let mut targets = rounds.iter().flat_map(|round| &round.targets);
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
            .find_map(|job| Some((job, job.targets.iter().find(is_it)?)));
        job.map(|(job, target)| job.progress(target.build.position()))
    }

    /// Begins to fold builds, those that stand at the same position together.
    pub(super) fn start_job(self: &Arc<Self>, targets: Vec<Target>, goes_to: u64) {
        let rounds = rounds::rounds_of(targets);
        let Some(nearest) = rounds.front().map(|round| round.position) else {
            return;
        };
        let from = |round: &Round| round.position * round.targets.len() as u64;
        let job = Arc::new(Job {
            targets: rounds
                .iter()
                .flat_map(|round| round.targets.clone())
                .collect(),
            from: rounds.iter().map(from).sum(),
            rounds: Mutex::new(rounds),
            target: AtomicU64::new(goes_to.max(nearest)),
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
                // What was cancelled ends for the others once its rest is begun anew: live models that
                // are far behind must count as such all the time.
                if !work.cancelled.load(Ordering::Acquire) {
                    work.ended.store(true, Ordering::Release);
                    shared.publish(&locked(&shared.feed));
                    shared.start_queued();
                }
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
        let together = std::mem::take(&mut *queued);
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
            if !job.left().iter().any(concerned) {
                continue;
            }
            job.cancelled.store(true, Ordering::Release);
            wait_for(&job);
            let mut others = job.left();
            others.retain(|target| !concerned(target));
            let position = locked(&self.feed).position;
            self.start_job(others, position);
            job.ended.store(true, Ordering::Release);
            self.publish(&locked(&self.feed));
            self.start_queued();
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
        for model in self.renewed(&job.left()) {
            tracing::info!(
                model = model.name(),
                "a model is not folded anew: it was not done"
            );
            model.drop_renewal();
            model.remove_stray();
        }
    }

    /// The models whose live build is renewed.
    fn renewed<'a>(&'a self, targets: &'a [Target]) -> impl Iterator<Item = &'a dyn AnyModel> {
        let renews = targets.iter().filter(|target| target.kind != Kind::Joins);
        renews.filter_map(|target| self.models.named(target.model))
    }

    fn is_over(&self, job: &Job) -> bool {
        self.is_stopping() || job.cancelled.load(Ordering::Acquire)
    }

    /// Folds round by round until all builds have joined the loop, or until it is over.
    fn fold(self: &Arc<Self>, job: &Job) -> Result<(), ReadError> {
        let pool = match self.build_pool() {
            Ok(pool) => pool,
            Err(error) => {
                tracing::error!(%error, "a build has no threads");
                return Ok(());
            }
        };
        while !self.is_over(job) {
            let Some(round) = job.round() else {
                return Ok(());
            };
            self.fold_round(job, &round, &pool)?;
        }
        if let Some(round) = job.round() {
            self.save_round(job, &round);
        }
        Ok(())
    }

    /// Folds a round until its builds have joined the loop, until it was divided, or until it is over.
    fn fold_round(
        self: &Arc<Self>,
        job: &Job,
        round: &Round,
        pool: &rayon::ThreadPool,
    ) -> Result<(), ReadError> {
        let wants = self.wants(round);
        let wanted = move |category: &str| wants.iter().any(|wants| wants(category));
        let units = self.known_units(round.position);
        let mut decoder = Decoder::at(wanted, &*self.log, round.position, units)?;
        let mut reached = round.position;
        let (mut saved, mut owed, mut looked) = (reached, Duration::ZERO, reached);
        let mut settled = false;
        while !self.is_over(job) {
            let target = job.at().unwrap_or_else(|| locked(&self.feed).position);
            job.target.store(target.max(reached), Ordering::Relaxed);
            if round.is_fenced() {
                return self.join(job, round, target, &mut decoder);
            }
            if target.saturating_sub(reached) <= JOIN_EVENTS {
                if job.has_more() && !settled {
                    // The next round needs the memory of this one.
                    let _turn = self.turn.blocking_lock();
                    self.save_round(job, round);
                    settled = true;
                    continue;
                }
                return self.join(job, round, reached, &mut decoder);
            }
            let mut reader = Reader::new(&*self.log, reached + 1, target);
            while !self.is_over(job) {
                let _turn = self.turn.blocking_lock();
                if self.is_over(job) {
                    break;
                }
                let Some(batch) = pool.install(|| reader.next(&mut decoder))? else {
                    break;
                };
                pool.install(|| take_in(round, &batch));
                // So far the threads of the pool kept to their share.
                let folded = Instant::now();
                reached = batch.last().map_or(reached, DecodedCommit::last_position);
                job.reached(reached);
                if reached >= saved + SNAPSHOT_EVENTS {
                    saved = reached;
                    self.save_round(job, round);
                }
                self.options.pause.at("rebuild");
                if let Some(first) = round.targets.first() {
                    self.options.pause.at_of("rebuild", first.model);
                }
                if reached >= looked + self.options.divide_events {
                    looked = reached;
                    if round.is_fenced() {
                        break;
                    }
                    if self.divide(job, round, reached, target) {
                        return Ok(());
                    }
                }
                self.keep_within_memory();
                owed += to_rest(folded.elapsed(), self.options.build_share);
                if owed >= PAUSE_MIN {
                    std::thread::sleep(owed.min(PAUSE_MAX));
                    owed = Duration::ZERO;
                }
            }
        }
        Ok(())
    }

    /// Leaves for later rounds what does not fit into memory together; `true` if so.
    fn divide(&self, job: &Job, round: &Round, reached: u64, target: u64) -> bool {
        let all = round.targets.len();
        if self.options.views.is_none() || all < 2 || round.with_snapshots().count() < all {
            return false;
        }
        let budget = self.options.memory_bytes / self.jobs().len().max(1);
        let needs = || -> Vec<Need> {
            let targets = round.targets.iter();
            let need = |target: &Target| Need {
                live: target.live,
                resident: target.build.resident_bytes().0,
                whole: target.build.whole_bytes(),
            };
            targets.map(need).collect()
        };
        if !rounds::is_too_much(&needs(), reached, target, budget) {
            return false;
        }
        // Snapshots tell how large the builds are, and make room.
        self.save_round(job, round);
        let needs = needs();
        if !rounds::is_too_much(&needs, reached, target, budget) {
            return false;
        }
        let divided = rounds::divided(&needs, reached, target, budget);
        let round = Round {
            position: reached,
            ..round.clone()
        };
        let by: Vec<_> = divided.iter().map(|places| round.of(places)).collect();
        tracing::info!(
            position = reached,
            builds = round.targets.len(),
            rounds = by.len(),
            "builds do not fit into memory together; they are folded one part after the other"
        );
        for waits in by.iter().skip(1).flat_map(Round::with_snapshots) {
            waits.build.let_go(0);
        }
        job.replace_round(by);
        true
    }

    /// Threads that fold builds: they stand back behind commands and keep to their share.
    pub(super) fn build_pool(&self) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
        let share = self.options.build_share;
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.options.build_threads.max(1))
            .thread_name(|number| format!("fold {number}"))
            .start_handler(move |_| {
                stand_back();
                pace::keep_to(share);
            })
            .build()
    }

    fn wants(&self, round: &Round) -> Vec<fn(&str) -> bool> {
        let models = round.targets.iter();
        let models = models.filter_map(|target| self.models.named(target.model));
        models.map(|model| model.wants()).collect()
    }

    fn save_round(&self, job: &Job, round: &Round) {
        let belongs = Belongs::to(&*self.log);
        if job.cancelled.load(Ordering::Acquire) && !self.is_stopping() {
            return;
        }
        // The loop saves builds beside the live ones as well.
        let _one = locked(&self.saving);
        for target in round.with_snapshots() {
            if let Err(error) = self.save_build(&*target.build, belongs) {
                tracing::warn!(%error, model = target.model, "a build under way has no snapshot");
            }
        }
    }

    /// Takes in what is left while the loop stands still, and hands the builds over.
    fn join(
        self: &Arc<Self>,
        job: &Job,
        round: &Round,
        reached: u64,
        decoder: &mut Decoder,
    ) -> Result<(), ReadError> {
        let feed = locked(&self.feed);
        let target = job.at().unwrap_or(feed.position);
        if reached < target {
            let mut reader = Reader::new(&*self.log, reached + 1, target);
            while let Some(batch) = reader.next(decoder)? {
                take_in(round, &batch);
                job.reached(batch.last().map_or(reached, DecodedCommit::last_position));
            }
        }
        job.replace_round(Vec::new());
        for target in &round.targets {
            let fault = target.build.standing().fault;
            if fault.is_none() || target.kind == Kind::Joins {
                // One that met a fault is fed no more; it is served, or shown, as it stands.
                target.build.set_phase(Phase::Following);
            }
            let Some(model) = self.models.named(target.model) else {
                continue;
            };
            match (target.kind, fault) {
                (Kind::Joins, _) => {}
                (_, Some(fault)) => {
                    tracing::error!(model = target.model, ?fault, "a model is not folded anew");
                    model.drop_renewal();
                }
                (Kind::Renews, None) => model.put_renewal(false),
                (Kind::Restores { .. }, None) => model.put_renewal(true),
            }
        }
        self.publish(&feed);
        drop(feed);
        for model in self.renewed(&round.targets) {
            model.remove_stray();
        }
        Ok(())
    }

    /// The units there may have been at a position, if the live model of units knows them.
    pub(super) fn known_units(&self, position: u64) -> Option<Vec<UnitId>> {
        let units = self.models.units.read();
        let knows = units.position >= position && units.is_whole();
        knows.then(|| units.partitions.keys().copied().collect())
    }
}

fn take_in(round: &Round, batch: &[DecodedCommit]) {
    let targets = round.targets.par_iter();
    targets.for_each(|target| target.build.take_in(batch, true));
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
