//! `benniu init`: the birth of a log.

use std::io::{self, Write as _};
use std::path::PathBuf;

use domain::Instant;

use super::Failure;
use crate::folder::{self, Birth};

/// Make a new log in an empty folder
///
/// The first commit names the log's origin, time zone, clock and first administrator; none of
/// them but the administrators can change later.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder to make the log in; missing or empty
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Name under which checkpoints are signed, such as city.example/log
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// Default time zone, an IANA name
    #[arg(long, value_name = "TZ")]
    zone: chrono_tz::Tz,
    /// Login subject of the first administrator
    #[arg(long, value_name = "SUBJECT")]
    admin: String,
    /// Let the log live by a simulated clock that stands at this instant
    #[arg(long, value_name = "TIME", value_parser = super::instant, requires = "seed")]
    simulated_from: Option<Instant>,
    /// Seed of all ids and salts of a simulated log
    #[arg(long, value_name = "S", requires = "simulated_from")]
    seed: Option<u64>,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let birth = Birth {
        origin: args.origin,
        zone: args.zone,
        administrator: args.admin,
        simulated: args.simulated_from.zip(args.seed),
        reactions_enabled: true,
        segment_bytes: None,
    };
    folder::bear(&args.data, &birth).await?;
    let dir = args.data.display();
    writeln!(
        io::stdout(),
        "A log was born in {dir}; serve it with: benniu serve --data {dir}"
    )?;
    Ok(())
}
