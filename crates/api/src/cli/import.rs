//! `benniu import`: records of another system.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use domain::ids::{PrincipalId, derived};
use tonic::{Code, Status};

use super::local::Local;
use super::{Failure, serve};
use crate::import::{self, File, Report};
use crate::session::Session;
use crate::{folder, wire};

/// Bring records of another system in, as one batch that a second person approves
///
/// Importing the same files again does nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    source: ImportSource,
}

#[derive(Debug, clap::Subcommand)]
enum ImportSource {
    /// Service requests of Boston's 311 line, from its CSV files
    #[command(name = "boston-311")]
    Boston311(Boston311),
}

#[derive(Debug, clap::Args)]
struct Boston311 {
    /// The CSV files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Login subject of the person who imports
    #[arg(long = "as", value_name = "SUBJECT", default_value = "admin")]
    importer: String,
    /// Login subject of the person who approves; another person
    #[arg(long, value_name = "SUBJECT", default_value = "approver")]
    approved_by: String,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Place {
    #[arg(
        long,
        value_name = "URL",
        help = "Import through a running server, such as http://127.0.0.1:50051"
    )]
    server: Option<String>,
    /// Import into this folder, which no service may be running on; an empty one becomes a
    /// development log with both persons
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let ImportSource::Boston311(args) = args.source;
    let files = args.files.iter().map(|path| {
        let bytes = std::fs::read(path)
            .map_err(|error| Failure::CouldNot(format!("{}: {error}", path.display())))?;
        Ok(File {
            path: path.clone(),
            bytes,
        })
    });
    let files = files.collect::<Result<Vec<_>, Failure>>()?;
    let report = match (&args.place.server, &args.place.data) {
        (Some(url), _) => bring(url, &args, &files).await?,
        (None, Some(dir)) => on_folder(dir, &args, &files).await?,
        (None, None) => return Err(Failure::Usage("--server or --data is needed".to_owned())),
    };
    print(&report)
}

/// Serves the folder on a free port for the time of the import.
async fn on_folder(dir: &Path, args: &Boston311, files: &[File]) -> Result<Report, Failure> {
    let fresh = folder::is_empty(dir);
    if fresh {
        let birth = folder::Birth {
            administrator: args.importer.clone(),
            ..serve::development()
        };
        folder::bear(dir, &birth).await?;
    }
    let local = Local::open(dir).await?;
    let brought = async {
        if fresh {
            register_approver(&local.url, args).await?;
        }
        bring(&local.url, args, files).await
    };
    let brought = brought.await;
    local.close().await?;
    brought
}

/// Makes the second person of a development log.
async fn register_approver(url: &str, args: &Boston311) -> Result<(), Failure> {
    let session = Session::connect(url, &args.importer)
        .await
        .map_err(Failure::could_not)?;
    let id = |step: &str| derived("development", &[&step, &args.approved_by]).to_string();
    session
        .call(wire::RegisterPersonRequest {
            command_id: id("register person"),
            person_id: id("person"),
            name: "approver".to_owned(),
            ..Default::default()
        })
        .await?;
    session
        .call(wire::RegisterPrincipalRequest {
            command_id: id("register principal"),
            subject: args.approved_by.clone(),
            system: false,
        })
        .await?;
    session
        .call(wire::LinkPrincipalRequest {
            command_id: id("link principal"),
            principal_id: PrincipalId::of_subject(&args.approved_by).to_string(),
            person_id: id("person"),
        })
        .await?;
    Ok(())
}

async fn bring(url: &str, args: &Boston311, files: &[File]) -> Result<Report, Failure> {
    let importer = Session::connect(url, &args.importer)
        .await
        .map_err(Failure::could_not)?;
    let approver = importer
        .in_the_name_of(&args.approved_by)
        .map_err(Failure::could_not)?;
    let bar = crate::demo::progress("importing");
    let mut tell = |done: usize, all: usize| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let brought = import::boston_311(&importer, &approver, files, &mut tell).await;
    bar.finish_and_clear();
    brought.map_err(|status: Status| match status.code() {
        Code::Unauthenticated => Failure::CouldNot(format!(
            "{}; --as and --approved-by must name registered logins of two persons",
            status.message()
        )),
        _ => status.into(),
    })
}

fn print(report: &Report) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for bad in &report.bad {
        writeln!(io::stderr(), "{bad}")?;
    }
    if report.nothing_new {
        writeln!(out, "These files were imported before: nothing to do.")?;
    }
    writeln!(
        out,
        "rows good={} bad={} applied={} known={} closed_since={} units_founded={}",
        report.rows_good,
        report.bad.len(),
        report.applied,
        report.known,
        report.closed_since,
        report.units_founded,
    )?;
    match report.bad.len() {
        0 => Ok(()),
        bad => Err(Failure::Wrong(format!(
            "{bad} rows cannot go in; correct them and import the file again: what is in stays in"
        ))),
    }
}
