//! The builds of models as administrators see them: how they do, what a comparison finds, and doing
//! what the log says of them.
//!
//! The log is the truth: which build is live, which are candidates and which are kept stands in the
//! `projection` stream of each model. Owns the following of these streams; never writes them.

use std::sync::Arc;

use domain::projection::Projection;
use domain::{Aggregate as _, Event};
use eventlog::limits::STREAM_READ_EVENTS_MAX;
use eventlog::{EventLog, ReadError};

use super::job::{Kind, Progress, Target};
use super::{Engine, Shared, locked};
use crate::build::{Fault, Phase};
use crate::compare::{Cursor, Difference, Tally};
use crate::feed;
use crate::models::{AnyBuild, AnyModel, Standing};
use crate::views::Belongs;

/// The category of the streams that say which builds there are.
pub(super) const CATEGORY: &str = Projection::CATEGORY;

/// What a build is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It answers.
    Live,
    /// It may become live.
    Candidate,
    /// It was live and may be again.
    Kept,
    /// It is folded to take the place of the live build under its number: the code has a newer
    /// schema, or what the live build holds is not whole.
    Renewal,
}

/// How a build does.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildHealth {
    /// The name of its model.
    pub model: &'static str,
    /// The version of its schema.
    pub schema_version: u32,
    /// Its number.
    pub build: u32,
    /// What it is for.
    pub role: Role,
    /// Who feeds it.
    pub phase: Phase,
    /// Position up to which it holds.
    pub position: u64,
    /// Partitions it has.
    pub partitions: usize,
    /// Bytes it keeps resident, estimated.
    pub resident_bytes: usize,
    /// Why it stands still, if it does.
    pub fault: Option<Fault>,
    /// Position of its last snapshot.
    pub saved: Option<u64>,
    /// How far it is, while it is folded beside the others.
    pub progress: Option<Progress>,
}

/// What comparing a build with the live one found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The model.
    pub model: &'static str,
    /// The live build's number.
    pub live: u32,
    /// The other build's number.
    pub build: u32,
    /// Position that the other build held at the end. The live one held the same, unless it is
    /// fenced.
    pub position: u64,
    /// What was counted.
    pub found: Tally,
}

/// Why two builds are not compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// There is no such model.
    #[error("there is no read model with this name")]
    NoSuchModel,
    /// The model has no such build beside the live one.
    #[error("the model has no such build beside the live one")]
    NoSuchBuild,
    /// The build, or the live one, has not reached the others.
    #[error("the build is not ready: position {} of {}", .0.position, .0.target)]
    NotReady(Progress),
    /// The build met a fault.
    #[error("the build stands still at position {}: {}", .0.position, .0.what)]
    Fault(Fault),
    /// It ended early.
    #[error("the comparison was cut short: {0}")]
    CutShort(String),
}

impl Engine {
    /// Every build of every model: the live one first, then those beside it by number.
    pub fn builds(&self) -> Vec<BuildHealth> {
        let models = self.models().all().into_iter();
        models.flat_map(|model| self.builds_of(model)).collect()
    }

    /// Every build of a model by name: the live one first; none if there is no such model.
    pub fn builds_named(&self, model: &str) -> Vec<BuildHealth> {
        let model = self.models().named(model);
        model.map_or_else(Vec::new, |model| self.builds_of(model))
    }

    /// A build by its model's name and its number.
    pub fn build(&self, model: &str, build: u32) -> Option<BuildHealth> {
        let builds = self.builds_named(model);
        builds
            .into_iter()
            .find(|health| health.build == build && health.role != Role::Renewal)
    }

    fn builds_of(&self, model: &dyn AnyModel) -> Vec<BuildHealth> {
        let state = Shared::builds_by_log(&*self.shared.log, model.name()).unwrap_or_default();
        let live = model.live();
        let live_id = live.standing().id;
        let beside = model.beside().into_iter().map(|build| {
            let kept = state.kept().contains(&build.standing().id);
            let role = if kept { Role::Kept } else { Role::Candidate };
            (build, role)
        });
        let renewal = model.renewal().map(|build| (build, Role::Renewal));
        let builds = std::iter::once((live, Role::Live))
            .chain(beside)
            .chain(renewal);
        let health = builds.map(|(build, role)| {
            let standing = build.standing();
            BuildHealth {
                model: model.name(),
                schema_version: standing.schema_version,
                build: if role == Role::Renewal {
                    live_id
                } else {
                    standing.id
                },
                role,
                phase: standing.phase,
                position: standing.position,
                partitions: standing.partitions,
                resident_bytes: build.resident_bytes().0,
                fault: standing.fault,
                saved: standing.saved,
                progress: self.shared.progress_of(model.name(), &build),
            }
        });
        health.collect()
    }

    /// Compares a build with the live one, a few partitions at a time, each at a position that both
    /// hold; names at most `limit` differing rows. If the live build is fenced it is compared as it
    /// stands.
    ///
    /// # Errors
    /// See [`CompareError`].
    pub async fn compare(
        &self,
        model: &str,
        build: u32,
        limit: usize,
    ) -> Result<Comparison, CompareError> {
        let (shared, model) = (Arc::clone(&self.shared), model.to_owned());
        tokio::task::spawn_blocking(move || shared.compare(&model, build, limit))
            .await
            .unwrap_or_else(|error| Err(CompareError::CutShort(error.to_string())))
    }
}

impl Shared {
    fn compare(&self, name: &str, id: u32, limit: usize) -> Result<Comparison, CompareError> {
        let model = self.models.named(name).ok_or(CompareError::NoSuchModel)?;
        let (mut cursor, mut tally) = (Cursor::default(), Tally::new(limit));
        loop {
            {
                // Who holds the feed stands at a commit boundary: both builds hold its position.
                let _boundary = locked(&self.feed);
                let live = model.live().standing();
                let build = model.build(id).filter(|_| live.id != id);
                let standing = build.as_ref().ok_or(CompareError::NoSuchBuild)?.standing();
                if let Some(fault) = standing.fault {
                    return Err(CompareError::Fault(fault));
                }
                // One that is fenced is compared as it stands; one that is folded, not before it is there.
                let folded = |standing: &Standing| {
                    standing.phase == Phase::Building && standing.fault.is_none()
                };
                if let Some(folded) = [&standing, &live].into_iter().find(|one| folded(one)) {
                    let progress = self.progress(model.name(), folded.id, folded.phase);
                    return Err(CompareError::NotReady(progress.unwrap_or(Progress {
                        position: folded.position,
                        target: self.log.head().position,
                        events_per_second: 0.0,
                        seconds_left: None,
                    })));
                }
                if !model.compare(id, &mut cursor, &mut tally) {
                    return Ok(Comparison {
                        model: model.name(),
                        live: live.id,
                        build: id,
                        position: standing.position,
                        found: tally,
                    });
                }
            }
            self.options.pause.at("compare");
            self.keep_within_memory();
            if self.is_stopping() {
                return Err(CompareError::CutShort("the engine stops".to_owned()));
            }
        }
    }

    fn progress_of(&self, model: &str, build: &Arc<dyn AnyBuild>) -> Option<Progress> {
        let jobs = self.jobs();
        let is_it = |target: &Target| target.model == model && Arc::ptr_eq(&target.build, build);
        let job = jobs.iter().find(|job| job.targets.iter().any(is_it))?;
        (build.phase() == Phase::Building).then(|| job.progress(build.position()))
    }

    /// Which builds a model has by the log.
    ///
    /// # Errors
    /// If its stream cannot be read.
    pub(super) fn builds_by_log(log: &dyn EventLog, model: &str) -> Result<Projection, ReadError> {
        let stream = Projection::stream(model);
        let (mut state, mut version) = (Projection::default(), 1);
        loop {
            let events = log.read_stream(&stream, version, STREAM_READ_EVENTS_MAX)?;
            let Some(last) = events.last() else {
                return Ok(state);
            };
            version = last.version + 1;
            for recorded in &events {
                if let Ok(Event::Projection(event)) = feed::decode(recorded) {
                    state.evolve(&event, &eventlog::execute::stamp(recorded));
                }
            }
        }
    }

    /// Does what the log says of builds: begins those that are asked for, switches, drops those that
    /// are gone. A switch waits until the build that becomes live follows.
    pub(super) fn reconcile(self: &Arc<Self>) {
        let belongs = Belongs::to(&*self.log);
        let mut waiting = false;
        for model in self.models.all() {
            let state = match Self::builds_by_log(&*self.log, model.name()) {
                Ok(state) => state,
                Err(error) => {
                    tracing::error!(%error, model = model.name(), "what is to be done with builds cannot be read");
                    waiting = true;
                    continue;
                }
            };
            let live = model.live().standing().id;
            let kept = state.kept().iter().copied();
            let mut wanted: Vec<u32> = state.candidates().keys().copied().chain(kept).collect();
            wanted.push(state.live());
            for id in wanted.iter().copied().filter(|id| *id != live) {
                if model.build(id).is_none() {
                    let target = Target {
                        model: model.name(),
                        build: model.add(id, belongs),
                        kind: Kind::Joins,
                        live: false,
                    };
                    self.queue(target);
                }
            }
            if live != state.live() && !self.switch(model, state.live()) {
                waiting = true;
                continue;
            }
            for build in model.beside() {
                let id = build.standing().id;
                if !wanted.contains(&id) {
                    self.end_job_of(model.name(), id);
                    model.drop_build(id);
                }
            }
        }
        locked(&self.upkeep).waiting = waiting;
    }

    /// Makes a build live, if it follows; `true` if so. If the one that was live is still folded, it
    /// goes on beside.
    fn switch(self: &Arc<Self>, model: &dyn AnyModel, id: u32) -> bool {
        let build = model.build(id);
        if build.is_none_or(|build| build.phase() != Phase::Following) {
            return false;
        }
        let was = model.live().standing();
        if was.phase == Phase::Building {
            self.end_job_of(model.name(), was.id);
        }
        let feed = locked(&self.feed);
        self.options.pause.at("switch");
        let switched = model.switch(id);
        self.publish(&feed);
        drop(feed);
        // The exchange left what is folded under another handle than the job had.
        if let Some(build) = model.build(was.id).filter(|_| switched)
            && was.phase == Phase::Building
        {
            self.queue(Target {
                model: model.name(),
                build,
                kind: Kind::Joins,
                live: false,
            });
        }
        switched
    }
}

impl Comparison {
    /// True if both builds say the same.
    pub fn is_equal(&self) -> bool {
        self.found.differing_rows == 0
    }

    /// The differing rows that are named.
    pub fn differences(&self) -> &[Difference] {
        &self.found.differences
    }
}
