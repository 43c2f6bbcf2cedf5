//! Healing the journal from the second copy. Owns the judgement whether both copies together prove
//! the log to its end; what they do not prove it refuses, and then no byte is changed.
//!
//! - `merge`: whole blocks of both copies, followed as one chain
//! - `stage`: segments made anew and put in place, so that an interruption does no harm
//! - `stand_in`: the same for somebody who only reads, outside of the log's folder
//!
//! The chain is laid out as the log had laid it out, what follows it is taken over as it is, and the
//! result is surveyed like any journal: the rules for torn writes and for the end are those of
//! `survey`. Beyond them, the *end must be vouched for*: by the head of a log that was closed there; or
//! by the old segment, which still has its whole length and, where the last block lies, something
//! in every sector. Zeros behind a block that itself was turned into zeros say nothing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::block::BLOCK_BYTES_MAX;
use crate::disk::{OpenError, Options};
use crate::files::FileLayer;
use crate::head_file::HeadSlot;
use crate::index::Plan;
use crate::journal::place::Place;
use crate::journal::segment::{self, JOURNAL_DIR};
use crate::newer;
use crate::sequencer::End;
use crate::sled_copy::volume_of;
use crate::survey::{self, Extent, Link, Surveyed, has_zero_share};

pub(crate) mod merge;
pub(crate) mod stage;
mod stand_in;

pub(crate) use stand_in::{StandIn, stand_in};

use merge::Merged;
use stage::{Defaults, Staging};

/// What is wrong with a journal, and from where on.
pub(crate) struct Damage {
    /// What was found.
    pub(crate) what: String,
    /// The end of what the journal alone proves.
    pub(crate) end: End,
    /// What a block after it must fit.
    pub(crate) link: Link,
}

/// Whether the second copy holds blocks after the end that the journal proves, so that the journal
/// cannot be trusted to be whole. Sled is not opened.
fn copy_goes_on(
    dir: &Path,
    volume_events: u64,
    surveyed: &Surveyed,
) -> Result<Option<u64>, OpenError> {
    let link = surveyed.link();
    let first = volume_of(link.position + 1, volume_events);
    let merged = Merged::of_volumes(dir, &link, |number| number >= first)
        .map_err(|error| OpenError::io("searching the second copy", &error))?;
    Ok(merged.beyond(link.position))
}

/// Surveys what is newest of a log that nobody holds, where that is enough: nothing is wrong with it, and
/// all that is older was synced. Changes nothing in a folder that the plan only reads.
pub(crate) fn newest(
    plan: &Plan,
    volume_events: u64,
    head: HeadSlot,
) -> Result<Option<Surveyed>, OpenError> {
    if head.clean {
        let extent = Extent::Proven(Some(head));
        return Ok(survey::resume(plan.clone(), extent, &mut |_| ()));
    }
    if head.ended {
        // It was closed with something in it that must be verified whole.
        return Ok(None);
    }
    let Some(surveyed) = survey::after_stop(plan.clone(), head, volume_events) else {
        return Ok(None);
    };
    let beyond = copy_beyond(&plan.dir, volume_events, &surveyed)?;
    Ok(beyond.is_none().then_some(surveyed))
}

/// Surveys the journal: what it proves, or what is wrong with it and from where on. Changes nothing
/// in a folder that the plan only reads. `progress` is told the position now and then.
pub(crate) fn diagnose(
    plan: &Plan,
    volume_events: u64,
    head: Option<HeadSlot>,
    progress: &mut dyn FnMut(u64),
) -> Result<Result<Surveyed, Damage>, OpenError> {
    let unproven = match survey::survey(plan.clone(), Extent::Proven(head), progress) {
        // The head of a log that was closed says itself where the end is.
        Ok(surveyed) if head.is_some_and(|head| head.ended) => return Ok(Ok(surveyed)),
        Ok(surveyed) => {
            let beyond = copy_beyond(&plan.dir, volume_events, &surveyed)?;
            return Ok(beyond.map_or(Ok(surveyed), Err));
        }
        Err(unproven) => unproven,
    };
    let newer = newer::after(&plan.dir, &unproven.link)
        .map_err(|error| OpenError::io("reading the journal", &error))?;
    if let Some(newer) = newer {
        return Err(newer.into());
    }
    if unproven.end.log_id.is_nil() {
        return Err(OpenError::from(*unproven));
    }
    Ok(Err(Damage {
        what: unproven.what,
        end: unproven.end,
        link: unproven.link,
    }))
}

/// What is wrong where the second copy holds more than a journal that is whole. Changes nothing.
pub(crate) fn copy_beyond(
    dir: &Path,
    volume_events: u64,
    surveyed: &Surveyed,
) -> Result<Option<Damage>, OpenError> {
    let position = surveyed.end.position;
    Ok(
        copy_goes_on(dir, volume_events, surveyed)?.map(|beyond| Damage {
            what: format!(
                "the journal ends at position {position} and the second copy holds {beyond}"
            ),
            end: surveyed.end.clone(),
            link: surveyed.link(),
        }),
    )
}

/// The position up to which both copies are one chain that begins with what the journal proves.
/// Changes nothing.
pub(crate) fn reach(dir: &Path, link: &Link) -> io::Result<u64> {
    let mut merged = Merged::gather(dir, link, |_| true)?;
    merged
        .follow(*link, &mut |_| Ok(()))
        .map(|end| end.position)
}

/// Whether healing would be refused, and why. Changes nothing that lasts.
pub(crate) fn would_heal(
    dir: &Path,
    options: &Options,
    head: Option<HeadSlot>,
    damage: &Damage,
) -> Result<Option<OpenError>, OpenError> {
    match attempt(dir, options, head, damage, true) {
        Ok(_) => Ok(None),
        Err(refusal @ OpenError::Damaged { .. }) => Ok(Some(refusal)),
        Err(error) => Err(error),
    }
}

/// Makes the damaged part of the journal anew from both copies; answers the survey of the healed
/// journal and what was done, in words.
pub(crate) fn heal(
    dir: &Path,
    options: &Options,
    head: Option<HeadSlot>,
    damage: &Damage,
) -> Result<(Surveyed, String), OpenError> {
    attempt(dir, options, head, damage, false)
}

fn attempt(
    dir: &Path,
    options: &Options,
    head: Option<HeadSlot>,
    damage: &Damage,
    dry: bool,
) -> Result<(Surveyed, String), OpenError> {
    let journal = dir.join(JOURNAL_DIR);
    let io = |error: io::Error| OpenError::io("healing the journal", &error);
    let healing = Healing {
        plan: options.plan(dir),
        journal: &journal,
        files: &*options.files,
        volume_events: options.volume_events,
        segment_bytes: options.segment_bytes,
        head,
        damage,
    };
    let missing = !journal.exists();
    if missing {
        std::fs::create_dir_all(&journal)
            .and_then(|()| options.files.sync_dir(dir))
            .map_err(io)?;
    }
    // A failure of the disk leaves what was staged: the next opening removes it.
    let outcome = healing.run(stage::folder(&journal)).map_err(io)?;
    let outcome = outcome.map(|made| {
        let done = format!(
            "made segments {:?} of the journal anew, {} events from position {} on out of both \
             copies ({}); the old files are in {JOURNAL_DIR}/{}",
            made.numbers,
            made.surveyed.end.position - damage.link.position,
            damage.link.position + 1,
            damage.what,
            stage::ASIDE_DIR
        );
        (made.surveyed, done, made.staging)
    });
    match outcome {
        Ok((surveyed, done, staging)) if !dry => {
            staging.exchange().map_err(io)?;
            Ok((surveyed, done))
        }
        outcome => {
            stage::remove(&journal).map_err(io)?;
            if missing {
                std::fs::remove_dir(&journal).map_err(io)?;
            }
            outcome.map(|(surveyed, done, _)| (surveyed, done))
        }
    }
}

/// A damaged journal, and with what means it is made anew.
struct Healing<'a> {
    plan: Plan,
    journal: &'a Path,
    /// What writes the segments that are made.
    files: &'a dyn FileLayer,
    volume_events: u64,
    /// The size of a segment of which nothing is left.
    segment_bytes: u64,
    head: Option<HeadSlot>,
    damage: &'a Damage,
}

/// What was made anew, in a folder of its own.
struct Made<'a> {
    /// The journal as it is with it.
    surveyed: Surveyed,
    staging: Staging<'a>,
    /// The segments that differ from those in the journal.
    numbers: Vec<u64>,
}

impl<'a> Healing<'a> {
    /// Makes what is damaged anew in a folder; leaves the journal as it is.
    fn run(&self, folder: PathBuf) -> io::Result<Result<Made<'a>, OpenError>> {
        let Damage { link, what, end } = self.damage;
        let first = volume_of(link.position + 1, self.volume_events);
        let mut merged = Merged::gather(&self.plan.dir, link, |number| number >= first)?;
        let defaults = Defaults {
            log_id: end.log_id,
            epoch: end.epoch,
            size: self.segment_bytes,
        };
        let mut staging = Staging::start(self.files, self.journal, folder, defaults, link.place)?;
        let end = merged.follow(*link, &mut |linked| staging.put(&linked))?;
        let closed_end = self
            .head
            .is_some_and(|head| head.ended && head.position == end.position);
        staging.end(closed_end)?;

        let refuse = |why: String| {
            Ok(Err(OpenError::Damaged {
                proven: end.position,
                what: format!("{what}; {why}"),
            }))
        };
        if let Some(beyond) = merged.beyond(end.position) {
            let next = end.position + 1;
            return refuse(format!(
                "the block at position {next} is whole in neither copy, and the second copy goes on \
                 at position {beyond}"
            ));
        }
        let extent = Extent::Proven(self.head);
        let plan = self.plan.clone();
        let surveyed =
            match survey::survey_staged(plan, Some(staging.folder()), extent, &mut |_| ()) {
                Ok(surveyed) => surveyed,
                Err(unproven) if unproven.what == *what => {
                    return refuse("the second copy has nothing to put in its place".to_owned());
                }
                Err(unproven) => return refuse(unproven.what),
            };
        if surveyed.end.position != end.position {
            return refuse("what was put together is not what was found".to_owned());
        }
        if !closed_end && !self.vouched(&surveyed, staging.last())? {
            let end = end.position;
            return refuse(format!(
                "nothing proves that position {end} is the last one"
            ));
        }
        Ok(Ok(Made {
            surveyed,
            numbers: staging.changed()?,
            staging,
        }))
    }

    /// Whether the old segments show that nothing was written after the last block.
    fn vouched(&self, surveyed: &Surveyed, last: Option<(Place, usize)>) -> io::Result<bool> {
        let end = surveyed.journal.place;
        let Some(old) = self.old(end.segment, surveyed.journal.segment_size)? else {
            return Ok(false);
        };
        if let Some((place, length)) = last
            && (place.segment != end.segment || has_zero_share(&old, place.offset, length)?)
        {
            return Ok(false);
        }
        let room = surveyed.journal.segment_size.saturating_sub(end.offset);
        let full = room < BLOCK_BYTES_MAX as u64;
        Ok(!full || self.old_next(end.segment + 1)?)
    }

    /// The old segment, if it has this length.
    fn old(&self, number: u64, length: u64) -> io::Result<Option<File>> {
        match File::open(segment::path(self.journal, number)) {
            Ok(file) => Ok((file.metadata()?.len() == length).then_some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the segment after a full one is there as it was made.
    fn old_next(&self, number: u64) -> io::Result<bool> {
        let Ok(file) = File::open(segment::path(self.journal, number)) else {
            return Ok(false);
        };
        let length = file.metadata()?.len();
        Ok(length >= crate::disk::SEGMENT_BYTES_MIN)
    }
}
