//! A service on a folder: how soon it answers after its start, what it keeps in memory, and what a
//! rebuild beside it costs the commands.
//!
//! Owns the load: hazards reported at a fixed rate into the first community. It writes into the log
//! it is given, so give it a copy.

use std::path::Path;
use std::time::{Duration, Instant};

use domain::hazard;
use domain::ids::{HazardId, PrincipalId, UnitId};
use domain::projection;
use domain::unit::UnitLevel;
use eventlog::execute::Request;
use projections::Models;
use projections::build::Phase;
use projections::engine::{self, Role};
use projections::read_models::case_board::list::{Filter, Order};
use serde::Serialize;
use uuid::Uuid;

use super::{Failure, could_not, print, round};
use crate::backend::Backend;
use crate::folder::{self, Keeping};
use crate::reading;

/// Longest wait for the first answer.
const FIRST_ANSWER_MAX: Duration = Duration::from_mins(10);
/// Time between two questions while the first answer is waited for.
const ASK_EVERY: Duration = Duration::from_millis(2);
/// Hazards on the page that is asked for.
const PAGE: usize = 20;

/// What is measured.
pub(super) struct Plan {
    /// Commands a second.
    pub(super) rate: u32,
    /// How long the load lasts without a rebuild, before each and after the last, at least.
    pub(super) seconds: u64,
    /// How often everything is rebuilt.
    pub(super) passes: u64,
    /// Login subject of an administrator.
    pub(super) subject: String,
    /// How the read models are kept.
    pub(super) models: engine::Options,
}

/// How a service began.
#[derive(Debug, Serialize)]
struct Start {
    bench: &'static str,
    variant: &'static str,
    events: u64,
    /// From the beginning of the opening.
    log_open_ms: f64,
    /// From the beginning of the opening to the first page of hazards and the first balance.
    first_answer_ms: f64,
    process_bytes: u64,
    model_bytes: usize,
    model_budget_bytes: usize,
}

/// How commands and questions fared.
#[derive(Debug, Serialize)]
struct Load {
    bench: &'static str,
    variant: &'static str,
    commands: usize,
    commands_per_second: u32,
    command_p50_ms: f64,
    command_p99_ms: f64,
    /// Questions asked between commands, and those that were not answered.
    questions: usize,
    unanswered: usize,
    question_p99_ms: f64,
    /// To the load without a rebuild.
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ratio: Option<f64>,
    /// Events of the log that were folded beside the load, for each model, and how fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuilt_events: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuilt_events_per_second: Option<f64>,
    process_bytes: u64,
    model_bytes: usize,
}

/// Measured times.
#[derive(Default)]
struct Times {
    commands: Vec<Duration>,
    questions: Vec<Duration>,
    unanswered: usize,
    model_bytes: usize,
}

impl Times {
    fn add(&mut self, more: Self) {
        self.commands.extend(more.commands);
        self.questions.extend(more.questions);
        self.unanswered += more.unanswered;
    }
}

fn milliseconds(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1_000.0)
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

fn model_bytes(backend: &Backend) -> usize {
    backend.engine.health().resident_bytes
}

/// A page of hazards and somebody's balance; whether there was an answer.
fn ask(models: &Models, at_least: u64) -> bool {
    let hazards = reading::ready(&models.case_board).is_ok_and(|build| {
        let page = build.list(&Filter::default(), Order::NewestFirst, PAGE, None);
        build.position >= at_least && page.is_ok()
    });
    let balance = reading::ready(&models.balances).is_ok_and(|build| {
        let account = build.partitions.first();
        let now = chrono::DateTime::from_timestamp_micros(0).unwrap_or_default();
        let balance = account.map(|(_, account)| account.balance(now, None));
        balance.is_some() || build.partitions.is_empty()
    });
    hazards && balance
}

pub(super) async fn run(dir: &Path, plan: Plan) -> Result<(), Failure> {
    let began = Instant::now();
    let budget = plan.models.memory_bytes;
    let keeping = Keeping {
        models: plan.models.clone(),
        ..Keeping::default()
    };
    let (backend, _) = folder::open_and_keep(dir, keeping).await?;
    let log_open_ms = milliseconds(began.elapsed());
    let events = backend.executor.log().head().position;
    while !ask(backend.engine.models(), events) {
        if began.elapsed() > FIRST_ANSWER_MAX {
            return Err(Failure::CouldNot("no answer came".to_owned()));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    print(Start {
        bench: "serve",
        variant: "start",
        events,
        log_open_ms,
        first_answer_ms: milliseconds(began.elapsed()),
        process_bytes: eventlog::bench::resident_bytes().unwrap_or(0),
        model_bytes: model_bytes(&backend),
        model_budget_bytes: budget,
    });
    let outcome = measure(&backend, &plan).await;
    backend.stop().await.map_err(could_not)?;
    outcome
}

async fn measure(backend: &Backend, plan: &Plan) -> Result<(), Failure> {
    let unit = {
        let units = backend.engine.models().units.read();
        let mut units = units.partitions.iter();
        let community = units.find(|(_, row)| row.unit.level == Some(UnitLevel::Community));
        community.map(|(unit, _)| *unit)
    };
    let load = Generator {
        backend,
        principal: PrincipalId::of_subject(&plan.subject),
        unit: unit.ok_or_else(|| Failure::CouldNot("the log has no community".to_owned()))?,
        rate: plan.rate,
    };
    let quiet = || {
        let until = Instant::now() + Duration::from_secs(plan.seconds);
        load.run(move || Instant::now() < until)
    };
    let (mut alone, mut beside) = (Times::default(), Times::default());
    let (mut events, mut took) = (0, Duration::ZERO);
    // In turn, so that a slow spell of the machine meets both.
    for _ in 0..plan.passes {
        alone.add(quiet().await?);
        for name in Models::NAMES {
            load.start_rebuild(name).await?;
        }
        events += backend.executor.log().head().position;
        let began = Instant::now();
        beside.add(load.run(|| is_building(backend)).await?);
        took += began.elapsed();
        beside.model_bytes = beside.model_bytes.max(model_bytes(backend));
        for name in Models::NAMES {
            load.cancel_rebuild(name).await?;
        }
    }
    alone.add(quiet().await?);
    alone.model_bytes = model_bytes(backend);
    print(load.line("alone", &alone, None, None));
    print(load.line(
        "beside a rebuild of all models",
        &beside,
        Some(&alone),
        Some((events, took)),
    ));
    Ok(())
}

/// True until every model has a candidate that has reached its live build.
fn is_building(backend: &Backend) -> bool {
    let builds = backend.engine.builds().into_iter();
    let candidates = builds.filter(|build| build.role == Role::Candidate);
    let (mut all, mut ready) = (0, 0);
    for build in candidates {
        all += 1;
        ready += usize::from(build.phase == Phase::Following || build.fault.is_some());
    }
    ready < all || all < Models::NAMES.len()
}

struct Generator<'a> {
    backend: &'a Backend,
    principal: PrincipalId,
    unit: UnitId,
    rate: u32,
}

impl Generator<'_> {
    fn id(&self) -> Uuid {
        let executor = &self.backend.executor;
        executor.entropy().uuid_at(executor.now())
    }

    async fn execute(&self, command: impl Into<domain::Command>) -> Result<(), Failure> {
        let id = self.id();
        let request = Request::new(command, id, self.principal);
        let executed = self.backend.executor.execute(request).await;
        executed.map(|_| ()).map_err(could_not)
    }

    /// Commands at the rate, with a question after each, as long as `goes_on`.
    async fn run(&self, mut goes_on: impl FnMut() -> bool) -> Result<Times, Failure> {
        let mut times = Times::default();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / self.rate.max(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while goes_on() || times.commands.is_empty() {
            tick.tick().await;
            let began = Instant::now();
            self.execute(hazard::Command::ReportHazard {
                hazard: HazardId(self.id()),
                unit: self.unit,
                kind: "load".to_owned(),
                place: None,
                description: None,
                photos: Vec::new(),
                seen_at: None,
            })
            .await?;
            times.commands.push(began.elapsed());
            let began = Instant::now();
            if !ask(self.backend.engine.models(), 0) {
                times.unanswered += 1;
            }
            times.questions.push(began.elapsed());
        }
        Ok(times)
    }

    async fn start_rebuild(&self, name: &str) -> Result<(), Failure> {
        let model = self.backend.engine.models().named(name);
        self.execute(projection::Command::StartRebuild {
            model: name.to_owned(),
            build: None,
            schema_version: model.map_or(0, projections::models::AnyModel::schema_version),
        })
        .await
    }

    async fn cancel_rebuild(&self, name: &str) -> Result<(), Failure> {
        self.execute(projection::Command::CancelRebuild {
            model: name.to_owned(),
            build: None,
        })
        .await
    }

    fn line(
        &self,
        variant: &'static str,
        times: &Times,
        alone: Option<&Times>,
        rebuilt: Option<(u64, Duration)>,
    ) -> Load {
        let ratio = |percent: usize| {
            let mine = percentile(&times.commands, percent).as_secs_f64();
            alone.map(|alone| round(mine / percentile(&alone.commands, percent).as_secs_f64()))
        };
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let pace = rebuilt.map(|(events, took)| (events as f64 / took.as_secs_f64()).round());
        Load {
            bench: "serve",
            variant,
            commands: times.commands.len(),
            commands_per_second: self.rate,
            command_p50_ms: milliseconds(percentile(&times.commands, 50)),
            command_p99_ms: milliseconds(percentile(&times.commands, 99)),
            questions: times.questions.len(),
            unanswered: times.unanswered,
            question_p99_ms: milliseconds(percentile(&times.questions, 99)),
            p50_ratio: ratio(50),
            p99_ratio: ratio(99),
            rebuilt_events: rebuilt.map(|(events, _)| events),
            rebuilt_events_per_second: pace,
            process_bytes: eventlog::bench::resident_bytes().unwrap_or(0),
            model_bytes: times.model_bytes,
        }
    }
}
