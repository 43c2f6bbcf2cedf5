//! `benniu backup`: a copy of a log that grows.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use eventlog::backup::{self, BackupReport};
use eventlog::{Clock as _, Options, SystemClock};

use super::{Failure, watch::Watch};
use crate::folder;

/// Back a log up to a folder, also beside a running service
///
/// Copies the journal as far as it is acknowledged, verifies the copy and then says so in its
/// manifest; until then the backup is as it was before. The next backup to the same folder copies
/// only what is new. Reads only in the log's folder. Keys are never part of a backup: keep the files
/// under keys/ elsewhere; without keys/look-up persons cannot be looked up by their identity number.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the log
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder of the backup; missing, empty, or an earlier backup of the same log
    #[arg(long, value_name = "DIR2")]
    to: PathBuf,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let key = folder::look_up_key_path(&args.data);
    let watch = Watch::start("backing up");
    let work = move || {
        let clock = SystemClock::new();
        let now = clock.now();
        let options = Options::new(Arc::new(clock));
        let mut tell = |position| watch.at(position);
        backup::backup(&args.data, &args.to, now, &options, &mut tell)
    };
    let report = tokio::task::spawn_blocking(work)
        .await
        .map_err(Failure::could_not)?
        .map_err(Failure::could_not)?;
    print(&report)?;
    if key.exists() {
        let key = key.display();
        writeln!(
            io::stderr(),
            "benniu: keys are not part of a backup; keep a copy of {key} in another place"
        )?;
    }
    Ok(())
}

fn print(report: &BackupReport) -> io::Result<()> {
    let manifest = &report.manifest;
    writeln!(
        io::stdout(),
        "events={} commits={} epoch={} root={}\nsegments copied={} unchanged={} bytes_copied={}",
        manifest.position,
        manifest.commits,
        manifest.epoch,
        manifest.root,
        report.copied,
        report.skipped,
        report.bytes_copied
    )
}
