//! Where a question is asked: a server, or a folder that is only read.
//!
//! Owns the flags that all questions share. A folder is never changed by a question.

use std::path::{Path, PathBuf};

use domain::Instant;
use domain::genesis::ClockKind;
use eventlog::{Clock as _, EventLog as _, ReadLog, SystemClock};
use projections::{Build, Models, ReadModel};

use super::Failure;
use crate::session::Session;
use crate::wire;

/// The flags of a question.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    #[command(flatten)]
    place: Place,
    /// Login subject to call the server with
    #[arg(long = "as", value_name = "SUBJECT", default_value = "admin")]
    subject: String,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Place {
    #[arg(
        long,
        value_name = "URL",
        help = "Ask a running server, such as http://127.0.0.1:50051"
    )]
    server: Option<String>,
    /// Read this data folder; it is not changed, and a service may be running on it
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What is asked.
pub(super) enum Opened {
    /// A server.
    Server(Session),
    /// A folder, folded as far as it is proven.
    Folder {
        /// The log.
        log: Box<ReadLog>,
        /// Its read models.
        models: Box<Models>,
    },
}

impl Source {
    /// Connects, if a server is asked; nothing is read of a folder.
    pub(super) async fn session(&self) -> Result<Option<Session>, Failure> {
        let Some(url) = &self.place.server else {
            return Ok(None);
        };
        let session = Session::connect(url, &self.subject).await;
        session.map(Some).map_err(Failure::could_not)
    }

    /// The folder that is asked.
    pub(super) fn folder(&self) -> Result<&Path, Failure> {
        let needed = || Failure::Usage("--server or --data is needed".to_owned());
        self.place.data.as_deref().ok_or_else(needed)
    }

    /// Connects, or reads the folder.
    pub(super) async fn open(&self) -> Result<Opened, Failure> {
        if let Some(session) = self.session().await? {
            return Ok(Opened::Server(session));
        }
        let log = Box::new(read(self.folder()?)?);
        let models = Models::of(&*log).map_err(Failure::could_not)?;
        Ok(Opened::Folder {
            log,
            models: Box::new(models),
        })
    }
}

/// The present of a folder's log: a simulated log's is what it recorded last.
pub(super) fn present(log: &ReadLog) -> Instant {
    let recorded = log.head().recorded_at.unwrap_or_default();
    if is_simulated(log) {
        recorded
    } else {
        SystemClock::new().now().max(recorded)
    }
}

fn is_simulated(log: &ReadLog) -> bool {
    crate::folder::born(log, Path::new("")).is_ok_and(|born| born.clock == ClockKind::Simulated)
}

/// What an answer of a folder's read model has seen, as a server says it.
pub(super) fn seen<M: ReadModel>(log: &ReadLog, build: &Build<M>) -> wire::ReadPoint {
    wire::ReadPoint {
        epoch: log.head().epoch,
        position: build.position,
        build: format!("{}/{}/{}", M::NAME, build.schema_version, build.id),
        simulated_clock: is_simulated(log),
        stuck_reactions: Vec::new(),
    }
}

/// Opens a folder for reading.
pub(super) fn read(dir: &Path) -> Result<ReadLog, Failure> {
    let log = ReadLog::open(dir).map_err(Failure::could_not)?;
    if log.state() == eventlog::FolderState::NotClosed {
        tracing::warn!("the log was not closed cleanly; it is shown as far as it is proven");
    }
    Ok(log)
}
