//! `benniu verify`: is the log whole?

use std::io::{self, Write as _};
use std::path::PathBuf;

use super::{Failure, watch::Watch};

/// Verify every block, hash, position, the index and both copies of a log
///
/// Reads only; a service may be running on the folder. Prints events=… commits=… root=… and exits
/// with 1 if something is wrong, saying what.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the log
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Verify only what opening the log after a clean stop does: the newest part of the journal, the
    /// last block of the second copy, the sizes of segments and the tables of the index
    #[arg(long)]
    quick: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let watch = Watch::start("verifying");
    let options = eventlog::VerifyOptions {
        quick: args.quick,
        ..eventlog::VerifyOptions::default()
    };
    let work = move || eventlog::verify(&args.data, options, &mut |position| watch.at(position));
    let report = tokio::task::spawn_blocking(work)
        .await
        .map_err(Failure::could_not)?
        .map_err(Failure::could_not)?;
    let root = domain::ids::hex(&report.root);
    writeln!(
        io::stdout(),
        "events={} commits={} root={root}",
        report.events,
        report.commits
    )?;
    if report.findings.is_empty() {
        return Ok(());
    }
    let findings = report.findings.iter().map(|finding| {
        let healable = if finding.healable {
            " (opening the log heals it)"
        } else {
            ""
        };
        format!("{}{healable}", finding.what)
    });
    Err(Failure::Wrong(
        findings.collect::<Vec<_>>().join("\nbenniu: "),
    ))
}
