//! `benniu projections what-if`: a model as if another policy set or zone plan had been in force.

use std::fs;
use std::path::{Path, PathBuf};

use tonic::Status;

use super::{Place, following, show};
use crate::cli::Failure;
use crate::session::Session;
use crate::wire;
use crate::wire::what_if_response::Told;

/// Show what another policy set or zone plan would have made of what is recorded
///
/// The model is folded as if it had been in force, compared with the record and thrown away:
/// nothing is recorded. `case_board` and `hazard_report` are asked with a policy set, by the
/// deadlines of hazards; `missed_alarms`, `patrol_coverage` and `zones` with a zone plan. What
/// people reported, claimed, scanned and closed stays as it is. Ending the command ends the what-if.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The read model
    name: String,
    /// Policy set to suppose, TOML; with --zones only its bound on overlaps is used
    #[arg(long, value_name = "FILE", required_unless_present = "zones")]
    policy: Option<PathBuf>,
    /// Zone plan to suppose, GeoJSON
    #[arg(long, value_name = "FILE", requires = "unit")]
    zones: Option<PathBuf>,
    /// The community of the zones; or the unit whose policy sets it takes the place of, else every
    /// unit's
    #[arg(long, value_name = "UUID")]
    unit: Option<String>,
    /// Position from which on it is supposed; what was recorded before stands
    #[arg(long, value_name = "POSITION", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// Position up to which the model is folded; the end of the log without it
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
    /// Most rows to show
    #[arg(long, value_name = "ROWS", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    rows: u32,
    #[command(flatten)]
    place: Place,
}

fn text(file: Option<&Path>) -> Result<String, Failure> {
    let Some(file) = file else {
        return Ok(String::new());
    };
    fs::read_to_string(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let request = wire::WhatIfRequest {
        model: args.name.clone(),
        text: text(args.policy.as_deref())?,
        geojson: text(args.zones.as_deref())?,
        unit_id: args.unit.unwrap_or_default(),
        from: args.from,
        to: args.to.unwrap_or(0),
        differences_max: args.rows,
    };
    let work = async |session: Session| Ok(until_found(&session, request).await?);
    let found = args.place.with(work).await?;
    show::supposed(&args.name, &found, args.place.json)
}

async fn until_found(
    session: &Session,
    request: wire::WhatIfRequest,
) -> Result<wire::WhatIfFound, Status> {
    let bar = following::bar(format!("{} what-if", request.model));
    let mut told = session.watch(request).await?;
    while let Some(answer) = told.message().await? {
        match answer.told {
            Some(Told::Found(found)) => {
                bar.finish_and_clear();
                return Ok(found);
            }
            Some(Told::Progress(progress)) => following::advance(&bar, &progress),
            None => {}
        }
    }
    Err(Status::unavailable(
        "the service ended the stream too early",
    ))
}
