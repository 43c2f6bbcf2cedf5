//! `benniu restore`: a log made out of a backup, in an epoch of its own.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::genesis::EpochReason;
use eventlog::backup::{self, Manifest};
use eventlog::fork::{Held, Intent};
use eventlog::{DiskLog, Entropy, EventLog as _, Options, ReadLog, SystemClock};

use super::{Failure, watch::Watch};
use crate::epoch::{self, Administrators, Told};
use crate::folder;

/// Make a log out of a backup
///
/// Verifies the backup whole, builds the log beside its place and puts it there only once it is
/// whole. Since nobody can know what was acknowledged after the backup, the log goes on in a new
/// epoch: older receipts are refused by name, and the first commit says what was restored and by
/// whom. If it is killed, a folder .restoring-… is left beside the place, which may be removed.
/// Keys are not part of a backup: put keys/look-up back by hand before serving.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the backup
    #[arg(long, value_name = "DIR2")]
    from: PathBuf,
    /// Folder to make the log in; missing or empty
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Login subject of an administrator of the log, who is recorded as having done it
    #[arg(long = "as", value_name = "SUBJECT")]
    subject: String,
    /// Keep only the commits that end at or before this position
    #[arg(long, value_name = "P")]
    to_position: Option<u64>,
    /// The log is only moved: keep its epoch. Only for a backup of a log that was closed in good
    /// order and is never served at its old place again
    #[arg(long, conflicts_with = "to_position")]
    moved: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    if !folder::is_empty(&args.data) || args.data.is_file() {
        return Err(Failure::CouldNot(format!(
            "{} is not empty; restore into a new folder",
            args.data.display()
        )));
    }
    // Built in a folder of its own beside its place, which goes with everything in it on failure.
    let parent = parent_of(&args.data);
    fs::create_dir_all(parent)?;
    let beside = tempfile::Builder::new()
        .prefix(".restoring-")
        .tempdir_in(parent)?;
    let built = beside.path().join("data");
    let target = args.data.clone();
    let into = built.clone();
    let manifest = tokio::task::spawn_blocking(move || build(&args, &into))
        .await
        .map_err(Failure::could_not)??;
    let receipt = epoch::finish(&built).await?;
    put_in_place(&built, &target)?;
    let mut out = io::stdout();
    match receipt {
        Some(receipt) => writeln!(
            out,
            "Restored {} of {} events; epoch {} has begun at position {}.",
            receipt.position - 1,
            manifest.position,
            receipt.epoch,
            receipt.position
        )?,
        None => writeln!(
            out,
            "Moved {} events; the log goes on in epoch {}.",
            manifest.position, manifest.epoch
        )?,
    }
    writeln!(
        io::stderr(),
        "benniu: keys are not part of a backup; put {} back before serving, or nobody is found by \
         their identity number",
        folder::look_up_key_path(&target).display()
    )?;
    Ok(())
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the log, and begins its new epoch unless it is only moved.
fn build(args: &Args, into: &Path) -> Result<Manifest, Failure> {
    let watch = Watch::start("verifying the backup");
    let manifest = backup::check(&args.from, &mut |position| watch.at(position));
    drop(watch);
    let manifest = manifest.map_err(Failure::could_not)?;
    if args.moved && !manifest.closed_cleanly {
        return Err(Failure::Usage(
            "--moved is for the backup of a log that was closed in good order; this one was taken \
             of a log that was not, so something may have been acknowledged after it"
                .to_owned(),
        ));
    }
    let end = args.to_position.unwrap_or(manifest.position);
    if end > manifest.position {
        return Err(Failure::Usage(format!(
            "the backup ends at position {}",
            manifest.position
        )));
    }
    let options = Options::new(Arc::new(SystemClock::new()));
    backup::restore(&args.from, &manifest, into, &options).map_err(Failure::could_not)?;
    let mut administrators = Administrators::asked_for(&args.subject);
    let principal = administrators.principal();
    let position = fold(into, end, &mut administrators)?;
    if !administrators.include().map_err(Failure::could_not)? {
        return Err(Failure::CouldNot(format!(
            "'{}' is no login of an administrator in what would be restored",
            args.subject
        )));
    }
    if args.moved {
        // Nothing is appended, so nothing else opens it before it is in place: this makes its second
        // copy, without which `verify` would find it wanting.
        let log = DiskLog::open(into, &options).map_err(Failure::could_not)?;
        log.close().map_err(Failure::could_not)?;
        return Ok(manifest);
    }
    let entropy = Entropy::system().map_err(Failure::could_not)?;
    let told = Told {
        principal,
        branch: entropy.uuid(),
        reason: EpochReason::Restored {
            taken_at: manifest.taken_at,
            backup_position: manifest.position,
        },
    };
    let intent = Intent {
        epoch: manifest.epoch.saturating_add(1),
        position,
        claimed: (manifest.position > position).then_some(manifest.position),
        told: serde_json::to_value(told).map_err(Failure::could_not)?,
    };
    let held = Held::take(into, &options).map_err(Failure::could_not)?;
    held.fork(manifest.log_id, &intent)
        .map_err(Failure::could_not)?;
    Ok(manifest)
}

/// Reads the commits that end at or before a position; answers where the last of them ends.
fn fold(dir: &Path, end: u64, administrators: &mut Administrators) -> Result<u64, Failure> {
    let log = ReadLog::open(dir).map_err(Failure::could_not)?;
    let mut position = 0;
    for commit in log.read(1, end) {
        let commit = commit.map_err(Failure::could_not)?;
        if commit.header.last_position() > end {
            break;
        }
        position = commit.header.last_position();
        administrators.take(&commit);
    }
    Ok(position)
}

/// Gives the finished folder its name, durably.
fn put_in_place(built: &Path, target: &Path) -> Result<(), Failure> {
    let named = |error: io::Error| {
        Failure::CouldNot(format!(
            "{} could not be put in place: {error}",
            target.display()
        ))
    };
    fs::rename(built, target).map_err(named)?;
    File::open(parent_of(target))
        .and_then(|parent| parent.sync_all())
        .map_err(named)
}
