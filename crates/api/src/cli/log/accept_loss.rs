//! `benniu log accept-loss`: going on without what is lost, openly.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use domain::genesis::EpochReason;
use domain::ids::hex;
use eventlog::fork::{Held, Intent, Loss, Verdict};
use eventlog::{Entropy, Options, SystemClock};

use crate::cli::Failure;
use crate::epoch::{self, Administrators, Told};

/// Go on with a log that is damaged in both copies, without what is lost
///
/// Only for a folder that `benniu serve` refuses as damaged; first look for a backup that reaches
/// further. Without --lose-after it shows what is proven and what is lost, changes nothing and
/// exits with 1. With --lose-after, which must be the last proven position, it moves what lies
/// behind aside and begins a new epoch of the log there: receipts and checkpoints of the old epoch
/// are refused by name from then on, and the first commit of the new one says what was given up,
/// why and by whom. If it is interrupted, `benniu serve` finishes it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Folder of the log; no service may be running on it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Login subject of an administrator of the log, who is recorded as having done it
    #[arg(long = "as", value_name = "SUBJECT")]
    subject: String,
    /// Give up everything after this position, the last one that is proven
    #[arg(long, value_name = "POSITION")]
    lose_after: Option<u64>,
}

/// What came of it while the folder was held.
enum Looked {
    /// A fork was interrupted, and is to be finished.
    UnderWay,
    /// This would be lost; nothing was changed.
    Shown(Box<Loss>),
    /// The new epoch has begun.
    Begun(Box<Loss>),
}

pub(in crate::cli) async fn run(args: Args) -> Result<(), Failure> {
    let data = args.data.clone();
    let looked = tokio::task::spawn_blocking(move || look(&args))
        .await
        .map_err(Failure::could_not)??;
    let mut out = io::stdout();
    if let Looked::Shown(loss) | Looked::Begun(loss) = &looked {
        show(&mut out, loss)?;
    }
    if let Looked::Shown(loss) = &looked {
        return Err(Failure::Wrong(format!(
            "nothing was changed; if no backup reaches further, accept the loss with --lose-after {}",
            loss.position
        )));
    }
    let Some(receipt) = epoch::finish(&data).await? else {
        return Err(Failure::CouldNot(
            "the fork was finished by another process".to_owned(),
        ));
    };
    writeln!(
        out,
        "Epoch {} has begun at position {}. What lay behind is in {} and {}.",
        receipt.epoch,
        receipt.position,
        data.join("journal/set-aside").display(),
        data.join("set-aside").display()
    )?;
    Ok(())
}

fn look(args: &Args) -> Result<Looked, Failure> {
    if eventlog::fork::pending(&args.data)
        .map_err(Failure::could_not)?
        .is_some()
    {
        return Ok(Looked::UnderWay);
    }
    let options = Options::new(Arc::new(SystemClock::new()));
    let held = Held::take(&args.data, &options).map_err(Failure::could_not)?;
    let mut administrators = Administrators::asked_for(&args.subject);
    let principal = administrators.principal();
    let verdict = held
        .examine(&mut |commit| administrators.take(commit))
        .map_err(|error| {
            Failure::CouldNot(format!("{error}; restore a backup with `benniu restore`"))
        })?;
    let loss = match verdict {
        Verdict::Damaged(loss) => Box::new(loss),
        Verdict::Whole => {
            return Err(Failure::CouldNot(
                "there is nothing to accept: the log is whole".to_owned(),
            ));
        }
        Verdict::Healable => {
            return Err(Failure::CouldNot(
                "there is nothing to accept: one copy is damaged and `benniu serve` heals it from the \
                 other"
                    .to_owned(),
            ));
        }
    };
    if !administrators.include().map_err(Failure::could_not)? {
        return Err(Failure::CouldNot(format!(
            "'{}' is no login of an administrator in what is proven of this log",
            args.subject
        )));
    }
    let Some(lose_after) = args.lose_after else {
        return Ok(Looked::Shown(loss));
    };
    if lose_after != loss.position {
        return Err(Failure::Usage(format!(
            "the log is proven up to position {}, not {lose_after}; nothing was changed",
            loss.position
        )));
    }
    let entropy = Entropy::system().map_err(Failure::could_not)?;
    let told = Told {
        principal,
        branch: entropy.uuid(),
        reason: EpochReason::AcceptedLoss {
            finding: loss.what.clone(),
        },
    };
    let intent = Intent {
        epoch: loss.next_epoch,
        position: loss.position,
        claimed: loss.claimed,
        told: serde_json::to_value(told).map_err(Failure::could_not)?,
    };
    held.fork(loss.log_id, &intent)
        .map_err(Failure::could_not)?;
    Ok(Looked::Begun(loss))
}

fn show(out: &mut impl io::Write, loss: &Loss) -> io::Result<()> {
    writeln!(out, "found     {}", loss.what)?;
    writeln!(
        out,
        "proven    position={} commits={} epoch={} root={}",
        loss.position,
        loss.commits,
        loss.epoch,
        hex(&loss.root)
    )?;
    if let Some(recorded_at) = loss.recorded_at {
        writeln!(
            out,
            "          the last of it was recorded at {}",
            recorded_at.to_rfc3339()
        )?;
    }
    match loss.claimed {
        Some(claimed) => writeln!(
            out,
            "lost      positions {} to {claimed} at least: acknowledged, or found behind the damage",
            loss.position + 1
        ),
        None => writeln!(
            out,
            "lost      nothing that is known; but the end cannot be proven, so something may be"
        ),
    }
}
