//! `benniu projections`: the read models, rebuilt beside the live ones, compared and switched.
//!
//! Owns the verbs. What may be done is decided by the service; a folder is served for the time of a
//! command.

mod following;
mod show;
mod status;
mod what_if;

use std::future::Future;
use std::path::PathBuf;

use uuid::Uuid;

use super::Failure;
use super::local::Local;
use super::source::Source;
use crate::session::Session;
use crate::wire;
use following::follow;

/// See how the read models do, and rebuild them while they answer
///
/// A read model is a fold of the log, so it can always be made again. `rebuild` makes a candidate
/// beside the build that answers, `compare` says what it would change, `switch` lets it answer and
/// keeps the old one, `rollback` goes back, `retire` drops what is kept and `cancel` a candidate.
/// Each is an event that says who did it. `what-if` changes nothing: it shows what other rules would
/// have made of what is recorded.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Status(Status),
    Rebuild(Rebuild),
    Compare(Compare),
    Switch(Switch),
    Rollback(Rollback),
    Cancel(Cancel),
    Retire(Retire),
    WhatIf(what_if::Args),
}

/// Show the builds of every read model: which is live, which are made or kept, and how they do
///
/// Of a folder only what its log says is shown: nothing is opened, and a service may be running on
/// it.
#[derive(Debug, clap::Args)]
struct Status {
    /// Only this read model
    name: Option<String>,
    #[command(flatten)]
    source: Source,
}

/// Build a read model anew from the first event on, beside the live build, and watch it
///
/// The bar on standard error shows progress, rate and the time left. The rebuild goes on in the
/// service if this command is ended; `--resume` watches it again. On a folder it goes on with the
/// next command that opens it.
#[derive(Debug, clap::Args)]
struct Rebuild {
    /// The read model
    name: String,
    /// Watch the candidate that is there instead of starting another one
    #[arg(long)]
    resume: bool,
    /// Which candidate to watch, where there is more than one
    #[arg(long, value_name = "N", requires = "resume", value_parser = number())]
    build: Option<u32>,
    #[command(flatten)]
    place: Place,
}

/// Compare a candidate with the live build, and record what was found
///
/// A switch needs it. Rows that differ are shown with the columns in which they do; what is
/// withheld, such as everything about leads, is counted and not shown. Exit code 1 if rows differ
/// in more than the change of the schema declared.
#[derive(Debug, clap::Args)]
struct Compare {
    /// The read model
    name: String,
    /// Which candidate, where there is more than one
    #[arg(long, value_name = "N", value_parser = number())]
    build: Option<u32>,
    /// Most rows to show
    #[arg(long, value_name = "ROWS", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    #[command(flatten)]
    place: Place,
}

/// Let a compared candidate answer; the old build is kept
#[derive(Debug, clap::Args)]
struct Switch {
    /// The read model
    name: String,
    /// Which candidate, where there is more than one
    #[arg(long, value_name = "N", value_parser = number())]
    build: Option<u32>,
    #[command(flatten)]
    place: Place,
}

/// Let the kept build that was live last answer again; the present one is kept
#[derive(Debug, clap::Args)]
struct Rollback {
    /// The read model
    name: String,
    #[command(flatten)]
    place: Place,
}

/// Give a candidate up, whatever its progress
#[derive(Debug, clap::Args)]
struct Cancel {
    /// The read model
    name: String,
    /// Which candidate, where there is more than one
    #[arg(long, value_name = "N", value_parser = number())]
    build: Option<u32>,
    #[command(flatten)]
    place: Place,
}

/// Drop a kept build; there is no way back to it
#[derive(Debug, clap::Args)]
struct Retire {
    /// The read model
    name: String,
    /// Which kept build, where there is more than one
    #[arg(long, value_name = "N", value_parser = number())]
    build: Option<u32>,
    #[command(flatten)]
    place: Place,
}

/// The number of a build, from 1.
fn number() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

/// Where it is done.
#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    at: At,
    /// Login subject of the administrator who does it
    #[arg(long = "as", value_name = "SUBJECT", default_value = "admin")]
    subject: String,
    /// Print JSON instead of a text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct At {
    #[arg(
        long,
        value_name = "URL",
        help = "Ask a running server, such as http://127.0.0.1:50051"
    )]
    server: Option<String>,
    /// Do it on this data folder, which no service may be running on
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Place {
    /// Does something with a service: the one asked for, or one on the folder for this time.
    async fn with<T, W>(&self, work: impl FnOnce(Session) -> W) -> Result<T, Failure>
    where
        W: Future<Output = Result<T, Failure>>,
    {
        let connect = async |url: &str| {
            let session = Session::connect(url, &self.subject).await;
            session.map_err(Failure::could_not)
        };
        match (&self.at.server, &self.at.data) {
            (Some(url), _) => work(connect(url).await?).await,
            (None, Some(dir)) => {
                let local = Local::open(dir).await?;
                let done = match connect(&local.url).await {
                    Ok(session) => work(session).await,
                    Err(failure) => Err(failure),
                };
                local.close().await?;
                done
            }
            (None, None) => Err(Failure::Usage("--server or --data is needed".to_owned())),
        }
    }
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    match args.verb {
        Verb::Status(args) => status::run(&args.source, args.name.as_deref()).await,
        Verb::Rebuild(args) => rebuild(args).await,
        Verb::Compare(args) => compare(args).await,
        Verb::Switch(args) => switch(args).await,
        Verb::Rollback(args) => roll_back(args).await,
        Verb::Cancel(args) => cancel(args).await,
        Verb::Retire(args) => retire(args).await,
        Verb::WhatIf(args) => what_if::run(args).await,
    }
}

/// An id for a command that this run gives once.
fn command_id() -> String {
    Uuid::new_v4().to_string()
}

/// The builds of a model.
async fn builds(session: &Session, model: &str) -> Result<Vec<wire::ProjectionBuild>, Failure> {
    let request = wire::ListProjectionsRequest {
        model: model.to_owned(),
    };
    Ok(session.call(request).await?.builds)
}

/// The candidate that is meant; 0, which the service refuses by name, where none is.
async fn candidate(session: &Session, model: &str, named: Option<u32>) -> Result<u32, Failure> {
    if let Some(build) = named {
        return Ok(build);
    }
    let builds = builds(session, model).await?;
    let mut candidates = builds
        .iter()
        .filter(|build| build.role() == wire::BuildRole::Candidate);
    match (candidates.next(), candidates.next()) {
        (Some(build), None) => Ok(build.build),
        (None, _) => Err(Failure::CouldNot(format!(
            "{model} has no candidate; benniu projections rebuild {model} makes one"
        ))),
        (Some(one), Some(other)) => Err(Failure::CouldNot(format!(
            "{model} has the candidates {} and {}; name one with --build",
            one.build, other.build
        ))),
    }
}

async fn rebuild(args: Rebuild) -> Result<(), Failure> {
    let (model, json) = (args.name, args.place.json);
    let work = async |session: Session| {
        let build = if args.resume {
            candidate(&session, &model, args.build).await?
        } else {
            let request = wire::StartRebuildRequest {
                command_id: command_id(),
                model: model.clone(),
                build: 0,
            };
            session.call(request).await?.build
        };
        follow(&session, &model, build).await?;
        let all = builds(&session, &model).await?;
        let made = all.into_iter().find(|it| it.build == build);
        Ok(made.unwrap_or_default())
    };
    let made = args.place.with(work).await?;
    show::rebuilt(&made, json)
}

async fn compare(args: Compare) -> Result<(), Failure> {
    let (model, json) = (args.name, args.place.json);
    let work = async |session: Session| {
        let build = candidate(&session, &model, args.build).await?;
        follow(&session, &model, build).await?;
        let request = wire::CompareBuildsRequest {
            command_id: command_id(),
            model: model.clone(),
            build,
            differences_max: args.limit,
        };
        Ok(session.call(request).await?)
    };
    let compared = args.place.with(work).await?;
    show::compared(&model, &compared, json)?;
    match compared
        .differing_rows
        .saturating_sub(compared.declared_rows)
    {
        0 => Ok(()),
        rows => Err(Failure::Wrong(format!(
            "{rows} rows of {model} differ between build {} and the live build {}",
            compared.build, compared.live
        ))),
    }
}

async fn switch(args: Switch) -> Result<(), Failure> {
    let (model, json) = (args.name, args.place.json);
    let work = async |session: Session| {
        let build = candidate(&session, &model, args.build).await?;
        follow(&session, &model, build).await?;
        let request = wire::SwitchBuildRequest {
            command_id: command_id(),
            model: model.clone(),
            build,
        };
        Ok(session.call(request).await?)
    };
    let answer = args.place.with(work).await?;
    show::switched(&model, answer.from, answer.to, answer.receipt, json)
}

async fn roll_back(args: Rollback) -> Result<(), Failure> {
    let (model, json) = (args.name, args.place.json);
    let work = async |session: Session| {
        for build in builds(&session, &model).await? {
            if build.role() == wire::BuildRole::Kept {
                follow(&session, &model, build.build).await?;
            }
        }
        let request = wire::RollBackBuildRequest {
            command_id: command_id(),
            model: model.clone(),
        };
        Ok(session.call(request).await?)
    };
    let answer = args.place.with(work).await?;
    show::switched(&model, answer.from, answer.to, answer.receipt, json)
}

async fn cancel(args: Cancel) -> Result<(), Failure> {
    let (model, json) = (args.name, args.place.json);
    let request = wire::CancelRebuildRequest {
        command_id: command_id(),
        model: model.clone(),
        build: args.build.unwrap_or(0),
    };
    let work = async |session: Session| Ok(session.call(request).await?);
    let answer = args.place.with(work).await?;
    show::gone(&model, answer.build, "cancelled", answer.receipt, json)
}

async fn retire(args: Retire) -> Result<(), Failure> {
    let (model, json) = (args.name, args.place.json);
    let request = wire::RetireBuildRequest {
        command_id: command_id(),
        model: model.clone(),
        build: args.build.unwrap_or(0),
    };
    let work = async |session: Session| Ok(session.call(request).await?);
    let answer = args.place.with(work).await?;
    show::gone(&model, answer.build, "retired", answer.receipt, json)
}
