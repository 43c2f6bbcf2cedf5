//! Builds that are folded beside the others by a thread of their own until they have reached them.
//!
//! Owns what a job is, its progress, and its beginning and end; [`super::folding`] is its work.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::folding::stand_back;
use super::rounds::{self, Round};
use super::{Shared, locked};
use crate::build::Phase;
use crate::models::AnyBuild;

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
    /// Where it ends, if it restores a fenced build; else it goes to where the loop is.
    pub(super) fn at(&self) -> Option<u64> {
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

    /// Tells to which position it goes.
    pub(super) fn goes_to(&self, position: u64) {
        self.target.store(position, Ordering::Relaxed);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// The round that is under way.
    pub(super) fn round(&self) -> Option<Round> {
        locked(&self.rounds).front().cloned()
    }

    /// Tells how far the round under way is.
    pub(super) fn reached(&self, position: u64) {
        if let Some(round) = locked(&self.rounds).front_mut() {
            round.position = position;
        }
    }

    /// Puts other rounds in the place of the one that is under way.
    pub(super) fn replace_round(&self, by: Vec<Round>) {
        let mut rounds = locked(&self.rounds);
        rounds.pop_front();
        for round in by.into_iter().rev() {
            rounds.push_front(round);
        }
    }

    /// The builds that have not joined yet.
    pub(super) fn left(&self) -> Vec<Target> {
        let rounds = locked(&self.rounds);
        rounds
            .iter()
            .flat_map(|round| round.targets.clone())
            .collect()
    }

    /// True if there are rounds behind the one that is under way.
    pub(super) fn has_more(&self) -> bool {
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
                if !work.is_cancelled() {
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
}

fn wait_for(job: &Job) {
    let thread = locked(&job.thread).take();
    if let Some(thread) = thread
        && thread.join().is_err()
    {
        tracing::error!("a build ended by a panic");
    }
}
