//! Folding the rounds of a job: batch by batch within the share that builds may take, until the
//! builds join the loop at a commit boundary.
//!
//! Owns the throttle between batches, snapshots of builds under way, and the dividing of a round that
//! does not fit into memory. A build that met a fault stays where it is and says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ids::UnitId;
use eventlog::ReadError;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::job::{Job, Kind, Target};
use super::read::Reader;
use super::rounds::{self, Need, Round};
use super::{Shared, locked};
use crate::build::Phase;
use crate::feed::{DecodedCommit, Decoder};
use crate::models::AnyModel;
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

impl Shared {
    /// Folds everything that a job has, and drops what could not be done.
    pub(super) fn work(self: &Arc<Self>, job: &Job) {
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
        self.is_stopping() || job.is_cancelled()
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
            job.goes_to(target.max(reached));
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
        if job.is_cancelled() && !self.is_stopping() {
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
pub(super) fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, BUILD_NICE) {
        tracing::warn!(%error, "a build works at the priority of commands");
    }
}
