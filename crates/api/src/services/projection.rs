//! `ProjectionService`: the builds of the read models, made anew, compared and switched.
//!
//! Owns what a caller sees of them. Which build is live is decided by the rules and recorded; the
//! engine follows the record, so an act is answered once the engine has done it too.

mod health;
mod shown;
mod watching;
mod what_if;

use std::time::Duration;

use domain::projection::{Command, Event, Findings, Projection};
use eventlog::AppendError;
use projections::build::Phase;
use projections::compare::DIFFERENCES_MAX;
use projections::engine::{BuildHealth, CompareError, Comparison, Role};
use projections::models::AnyModel;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

pub use watching::WATCHES_MAX;

use super::{Services, service};
use crate::backend::Standing;
use crate::gate::Caller;
use crate::parse::Violation;
use crate::reading::READ_WAIT_MAX;
use crate::{status, wire};

/// Most comparisons at once: each holds the rows of a model in work.
pub const COMPARISONS_MAX: usize = 2;
/// How often it is looked whether the engine has done what was recorded.
const LOOK_EVERY: Duration = Duration::from_millis(10);

service! {
    impl projection_service_server::ProjectionService;
    commands {}
    others {
        type WatchRebuildStream = ReceiverStream<Result<wire::WatchRebuildResponse, Status>>;
        type WhatIfStream = ReceiverStream<Result<wire::WhatIfResponse, Status>>;

        async fn list_projections(
            &self,
            request: Request<wire::ListProjectionsRequest>,
        ) -> Result<Response<wire::ListProjectionsResponse>, Status> {
            let caller = Caller::of(&request)?;
            let standing = self.backend.standing(caller.principal);
            let standing = standing.map_err(|error| status::of_execute(&error))?;
            let administrator = standing == Standing::Registered { administrator: true };
            let asked = request.into_inner().model;
            if !asked.is_empty() {
                self.known(&asked)?;
            }
            let mut builds = self.backend.engine.builds();
            builds.retain(|build| asked.is_empty() || build.model == asked);
            builds.sort_by_key(|build| (build.model, build.build));
            let position = self.backend.executor.log().head().position;
            let mut answers = Vec::with_capacity(builds.len());
            for build in &builds {
                let state = self.projection(build.model)?;
                let mut answer = health::answer(build, &state, position);
                if !administrator {
                    // How many leads or accounts there are would tell when one came.
                    (answer.partitions, answer.resident_bytes) = (0, 0);
                }
                answers.push(answer);
            }
            Ok(Response::new(wire::ListProjectionsResponse { builds: answers, position }))
        }

        async fn start_rebuild(
            &self,
            request: Request<wire::StartRebuildRequest>,
        ) -> Result<Response<wire::StartRebuildResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let schema_version = self.known(&request.model)?;
            let command = Command::StartRebuild {
                model: request.model,
                build: named(request.build),
                schema_version,
            };
            let (receipt, event) = self.record(caller, &request.command_id, command).await?;
            let Event::RebuildStarted { build, .. } = event else {
                return Err(other_event());
            };
            Ok(Response::new(wire::StartRebuildResponse { receipt: Some(receipt), build }))
        }

        async fn watch_rebuild(
            &self,
            request: Request<wire::WatchRebuildRequest>,
        ) -> Result<Response<Self::WatchRebuildStream>, Status> {
            let wire::WatchRebuildRequest { model, build } = request.into_inner();
            self.known(&model)?;
            // One that is named may be live by now: that ends the stream, and is no error.
            let build = if build > 0 {
                build
            } else {
                let candidate = self.projection(&model)?.candidate(None);
                candidate.map_err(|refusal| status::refused(&refusal.refused()))?
            };
            watching::start(self, model, build).map(Response::new)
        }

        async fn compare_builds(
            &self,
            request: Request<wire::CompareBuildsRequest>,
        ) -> Result<Response<wire::CompareBuildsResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            self.known(&request.model)?;
            if request.build == 0 {
                let why = Violation::new("build", "The number of a candidate, from 1, is needed.");
                return Err(status::invalid(&why));
            }
            let shown = shown::rows_max(request.differences_max);
            let shown = shown.map_err(|why| status::invalid(&why))?;
            let services = self.clone();
            // Goes on if the caller does not wait for it: a repeat then finds what was recorded.
            let compared = tokio::spawn(async move { services.compare(caller, request, shown).await });
            compared.await.map_err(|error| status::fault(&error))?.map(Response::new)
        }

        async fn switch_build(
            &self,
            request: Request<wire::SwitchBuildRequest>,
        ) -> Result<Response<wire::SwitchBuildResponse>, Status> {
            let caller = Caller::of(&request)?;
            let wire::SwitchBuildRequest { command_id, model, build } = request.into_inner();
            self.known(&model)?;
            let command = Command::SwitchBuild { model: model.clone(), build: named(build) };
            if self.foresee(caller, &command_id, command.clone().into())?.is_none()
                && let Ok(build) = self.projection(&model)?.candidate(named(build))
            {
                self.must_follow(&model, build)?;
            }
            let (receipt, event) = self.record(caller, &command_id, command).await?;
            let Event::BuildSwitched { from, to, .. } = event else {
                return Err(other_event());
            };
            self.done(&model).await?;
            let receipt = Some(receipt);
            Ok(Response::new(wire::SwitchBuildResponse { receipt, from, to }))
        }

        async fn roll_back_build(
            &self,
            request: Request<wire::RollBackBuildRequest>,
        ) -> Result<Response<wire::RollBackBuildResponse>, Status> {
            let caller = Caller::of(&request)?;
            let wire::RollBackBuildRequest { command_id, model } = request.into_inner();
            self.known(&model)?;
            let command = Command::RollBackBuild { model: model.clone() };
            if self.foresee(caller, &command_id, command.clone().into())?.is_none()
                && let Some(build) = self.projection(&model)?.kept().last()
            {
                self.must_follow(&model, *build)?;
            }
            let (receipt, event) = self.record(caller, &command_id, command).await?;
            let Event::BuildRolledBack { from, to, .. } = event else {
                return Err(other_event());
            };
            self.done(&model).await?;
            let receipt = Some(receipt);
            Ok(Response::new(wire::RollBackBuildResponse { receipt, from, to }))
        }

        async fn cancel_rebuild(
            &self,
            request: Request<wire::CancelRebuildRequest>,
        ) -> Result<Response<wire::CancelRebuildResponse>, Status> {
            let caller = Caller::of(&request)?;
            let wire::CancelRebuildRequest { command_id, model, build } = request.into_inner();
            self.known(&model)?;
            let command = Command::CancelRebuild { model: model.clone(), build: named(build) };
            let (receipt, event) = self.record(caller, &command_id, command).await?;
            let Event::RebuildCancelled { build, .. } = event else {
                return Err(other_event());
            };
            self.done(&model).await?;
            Ok(Response::new(wire::CancelRebuildResponse { receipt: Some(receipt), build }))
        }

        async fn retire_build(
            &self,
            request: Request<wire::RetireBuildRequest>,
        ) -> Result<Response<wire::RetireBuildResponse>, Status> {
            let caller = Caller::of(&request)?;
            let wire::RetireBuildRequest { command_id, model, build } = request.into_inner();
            self.known(&model)?;
            let command = Command::RetireBuild { model: model.clone(), build: named(build) };
            let (receipt, event) = self.record(caller, &command_id, command).await?;
            let Event::BuildRetired { build, .. } = event else {
                return Err(other_event());
            };
            self.done(&model).await?;
            Ok(Response::new(wire::RetireBuildResponse { receipt: Some(receipt), build }))
        }

        async fn what_if(
            &self,
            request: Request<wire::WhatIfRequest>,
        ) -> Result<Response<Self::WhatIfStream>, Status> {
            let request = request.into_inner();
            self.known(&request.model)?;
            what_if::start(self, request).map(Response::new)
        }
    }
}

/// A build as a request names it: 0 is none.
fn named(build: u32) -> Option<u32> {
    (build != 0).then_some(build)
}

/// The command recorded another event than its own: never, while the rules are what they are.
fn other_event() -> Status {
    status::fault(&"a command on builds recorded another event")
}

impl Services {
    /// The version of a model's schema in this code.
    fn known(&self, model: &str) -> Result<u32, Status> {
        let named = self.backend.engine.models().named(model);
        named.map(AnyModel::schema_version).ok_or_else(|| {
            let message = "There is no read model of this name; ListProjections names them.";
            status::status(Code::NotFound, "READ_MODEL_NOT_FOUND", message)
        })
    }

    /// What the log says of a model's builds.
    fn projection(&self, model: &str) -> Result<std::sync::Arc<Projection>, Status> {
        let state = self.backend.executor.state::<Projection>(model);
        state.map_err(|error| status::of_execute(&error))
    }

    /// Submits a command on builds; its receipt, and the one event that it recorded, perhaps the
    /// first time.
    async fn record(
        &self,
        caller: Caller,
        command_id: &str,
        command: Command,
    ) -> Result<(wire::Receipt, Event), Status> {
        let receipt = self.execute(caller, command_id, command.into()).await?;
        let event = self.recorded(&receipt)?;
        Ok((receipt, event))
    }

    /// The event that a receipt is about.
    fn recorded(&self, receipt: &wire::Receipt) -> Result<Event, Status> {
        let commit = self.backend.executor.log().commit_at(receipt.position);
        let commit = commit.map_err(|error| status::of_read(&error))?;
        let event = commit.and_then(|mut commit| commit.events.pop());
        let event = event.ok_or_else(|| status::fault(&"a receipt names no commit"))?;
        let category = event.stream.category();
        match domain::Event::decode(category, &event.type_name, &event.payload) {
            Ok(domain::Event::Projection(event)) => Ok(event),
            Ok(_) => Err(other_event()),
            Err(error) => Err(status::fault(&error)),
        }
    }

    /// Refuses a build that does not hold what the others hold.
    fn must_follow(&self, model: &str, build: u32) -> Result<(), Status> {
        match self.backend.engine.build(model, build) {
            Some(build) if build.fault.is_some() => Err(stands_still()),
            Some(build) if build.phase == Phase::Following => Ok(()),
            Some(build) => Err(not_ready(build.position)),
            None => Err(not_ready(0)),
        }
    }

    /// Waits until the engine has done what was recorded, or for a while: it will do it in any case.
    async fn done(&self, model: &str) -> Result<(), Status> {
        let until = tokio::time::Instant::now() + READ_WAIT_MAX;
        while tokio::time::Instant::now() < until {
            let state = self.projection(model)?;
            let builds = self.backend.engine.builds_named(model);
            let mine = |build: &&BuildHealth| build.role != Role::Renewal;
            let mut mine = builds.iter().filter(mine);
            if mine.all(|build| role(&state, build.build) == Some(build.role)) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tracing::warn!(
            model,
            "the engine has not done yet what was recorded of its builds"
        );
        Ok(())
    }

    async fn compare(
        &self,
        caller: Caller,
        request: wire::CompareBuildsRequest,
        shown: usize,
    ) -> Result<wire::CompareBuildsResponse, Status> {
        let wire::CompareBuildsRequest {
            command_id,
            model,
            build,
            ..
        } = request;
        let command = |live, found| Command::RecordComparison {
            model: model.clone(),
            build,
            live,
            found,
        };
        let live = self.projection(&model)?.live();
        let asked = command(live, Findings::default());
        if let Some(receipt) = self.foresee(caller, &command_id, asked.into())? {
            return self.compared_before(receipt);
        }
        let Ok(_slot) = self.comparisons.try_acquire() else {
            let message = "Enough comparisons are in work; try again soon.";
            return Err(status::overloaded("TOO_MANY_COMPARISONS", message));
        };
        // All that can be had, whatever is shown: see `shown`.
        let compared = self
            .backend
            .engine
            .compare(&model, build, DIFFERENCES_MAX)
            .await
            .map_err(|error| of_compare(&error))?;
        let command = command(compared.live, findings(&compared));
        let receipt = self.execute(caller, &command_id, command.into()).await?;
        if receipt.replayed {
            return self.compared_before(receipt);
        }
        let (differences, withheld) = shown::rows(&model, &compared.found.differences, shown);
        let live = compared.live;
        let mut answer = counted(receipt, live, build, &findings(&compared));
        (answer.differences, answer.withheld_rows) = (differences, withheld);
        Ok(answer)
    }

    /// The answer to a repeat: what was recorded the first time.
    fn compared_before(
        &self,
        receipt: wire::Receipt,
    ) -> Result<wire::CompareBuildsResponse, Status> {
        match self.recorded(&receipt)? {
            Event::BuildsCompared {
                live, build, found, ..
            } => Ok(counted(receipt, live, build, &found)),
            _ => Err(other_event()),
        }
    }
}

/// What the log says a build is there for; `None` if it is no more.
fn role(state: &Projection, build: u32) -> Option<Role> {
    if build == state.live() {
        Some(Role::Live)
    } else if state.candidates().contains_key(&build) {
        Some(Role::Candidate)
    } else {
        state.kept().contains(&build).then_some(Role::Kept)
    }
}

fn findings(compared: &Comparison) -> Findings {
    Findings {
        position: compared.position,
        partitions: compared.found.partitions,
        differing: compared.found.differing,
        rows: compared.found.rows,
        differing_rows: compared.found.differing_rows,
        declared: compared.found.declared,
    }
}

fn counted(
    receipt: wire::Receipt,
    live: u32,
    build: u32,
    found: &Findings,
) -> wire::CompareBuildsResponse {
    wire::CompareBuildsResponse {
        receipt: Some(receipt),
        live,
        build,
        position: found.position,
        partitions: found.partitions,
        differing_partitions: found.differing,
        rows: found.rows,
        differing_rows: found.differing_rows,
        declared_rows: found.declared,
        withheld_rows: 0,
        differences: Vec::new(),
    }
}

/// A build failed and takes nothing in any more.
fn stands_still() -> Status {
    status::status(
        Code::FailedPrecondition,
        "BUILD_STANDS_STILL",
        "This build failed and stands still; the server's log says why.",
    )
}

/// A build does not hold yet what the others hold.
fn not_ready(position: u64) -> Status {
    let message = format!(
        "This build is not ready: it holds position {position}; WatchRebuild tells when it is."
    );
    status::status(Code::Unavailable, "BUILD_NOT_READY", &message)
}

/// Why there is no comparison.
fn of_compare(error: &CompareError) -> Status {
    use domain::projection::Refusal;
    match error {
        CompareError::NoSuchModel | CompareError::NoSuchBuild => {
            status::refused(&Refusal::BuildIsNoCandidate.refused())
        }
        CompareError::NotReady(progress) => not_ready(progress.position),
        CompareError::Fault(fault) => {
            tracing::error!(
                position = fault.position,
                what = fault.what,
                "a build failed"
            );
            stands_still()
        }
        CompareError::CutShort(why) => {
            tracing::warn!(why, "a comparison was cut short");
            status::of_append(&AppendError::Closed)
        }
    }
}
