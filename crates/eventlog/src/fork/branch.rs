//! The journal as it is to be when a new epoch begins. Owns the choice of what is kept and the last
//! kept group, which is written anew; decides nothing and leaves the journal alone until told.
//!
//! Everything up to the end that is to be kept is followed as one chain out of both copies, as
//! healing does. The *last kept group is written anew* as a group of the new epoch: the same
//! records, only those that are kept, hence the same tree. So its last block has another hash than
//! before, and no block of the branch that dies names that hash as the one before it: even put back
//! by hand such a block can never follow.

use std::io;
use std::path::Path;

use bytes::Bytes;

use crate::block::{self, BlockBuilder, Gathered, origin_hash, put_record};
use crate::commit::Commit;
use crate::disk::{OpenError, Options};
use crate::fork::note::Note;
use crate::head_file::HeadSlot;
use crate::heal::merge::{Linked, Merged};
use crate::heal::stage::{Defaults, Staging};
use crate::index::{CHUNK_EVENTS, Plan};
use crate::journal::place::Place;
use crate::journal::segment::{JOURNAL_DIR, SEGMENT_HEADER_BYTES};
use crate::journal::walk::Walk;
use crate::record;
use crate::sequencer::End;
use crate::sled_copy::volume_of;
use crate::survey::{self, Extent, Link, survey_staged};

/// A journal that ends where the new epoch begins, staged beside the present one.
pub(crate) struct Branch<'a> {
    staging: Staging<'a>,
    /// Its end.
    pub(crate) end: End,
    /// The epoch of its last commit.
    pub(crate) parent_epoch: u32,
    /// The hash of its last block.
    pub(crate) hash: [u8; 32],
    /// The first position of the group that was written anew.
    pub(crate) anew_from: u64,
    /// The last block found behind the end, and the highest epoch found anywhere; zeros if none.
    pub(crate) found: (u64, u32),
}

/// Stages the journal up to `note.position`, which must be the end of a commit, for `note.epoch`.
pub(crate) fn stage<'a>(
    dir: &Path,
    journal: &'a Path,
    options: &'a Options,
    note: &Note,
) -> Result<Branch<'a>, OpenError> {
    let failed = |error: io::Error| OpenError::io("forking the journal", &error);
    let (link, epoch) = before_last_group(dir, journal, note).map_err(failed)?;
    let first = volume_of(link.position + 1, options.volume_events);
    let mut merged = Merged::gather(dir, &link, |number| number >= first).map_err(failed)?;
    let defaults = Defaults {
        log_id: note.log_id,
        epoch,
        size: options.segment_bytes,
    };
    let mut staging =
        Staging::start(&*options.files, journal, defaults, link.place).map_err(failed)?;
    let unreachable = |position: u64| OpenError::Damaged {
        proven: position,
        what: format!(
            "position {} was to be kept and the block after position {position} is whole in neither copy",
            note.position
        ),
    };
    let mut before = link;
    let mut last: Vec<Linked> = Vec::new();
    let mut at = link;
    while at.position < note.position {
        let group = merged
            .next_group(&at)
            .map_err(failed)?
            .ok_or_else(|| unreachable(at.position))?;
        for linked in std::mem::replace(&mut last, group) {
            staging.put(&linked).map_err(failed)?;
        }
        before = at;
        if let Some(Linked { header, .. }) = last.last() {
            at = Link {
                position: header.last_position(),
                hash: header.hash,
                group: header.group,
                place: at.place,
            };
        }
    }
    let anew = anew(&last, &before, note).map_err(failed)?;
    let hash = anew.last().map_or(before.hash, |linked| linked.header.hash);
    for linked in anew {
        staging.put(&linked).map_err(failed)?;
    }
    staging.cut().map_err(failed)?;
    let wanted = HeadSlot {
        log_id: note.log_id,
        epoch: note.epoch,
        sequence: 0,
        clean: false,
        ended: false,
        position: note.position,
        hash,
        synced: 0,
    };
    let extent = Extent::Acknowledged(wanted);
    let plan = Plan::reading(dir, options.chunk_events);
    let surveyed = survey_staged(plan, Some(staging.folder()), extent, &mut |_| ())
        .map_err(|unproven| OpenError::from(*unproven))?;
    let mut branch = Branch {
        staging,
        end: surveyed.end,
        parent_epoch: 0,
        hash,
        anew_from: before.position + 1,
        found: merged.last_found(),
    };
    let mut last_epoch = 0;
    branch
        .commits(journal, before.position + 1, &mut |commit| {
            last_epoch = commit.header.epoch;
        })
        .map_err(failed)?;
    branch.parent_epoch = last_epoch;
    if branch.end.position == note.position {
        Ok(branch)
    } else {
        Err(OpenError::Damaged {
            proven: branch.end.position,
            what: format!("position {} is not the end of a commit", note.position),
        })
    }
}

impl Branch<'_> {
    /// Calls `each` with every commit from the block that holds a position on, in order.
    pub(crate) fn commits(
        &self,
        journal: &Path,
        from: u64,
        each: &mut dyn FnMut(&Commit),
    ) -> io::Result<()> {
        let invalid = |error: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, error.to_string())
        };
        let mut walk = Walk::new(journal, Some(self.staging.folder()));
        while let Some(walked) = walk.next()? {
            let header = walked.header;
            if header.last_position() < from {
                continue;
            }
            let payload = header
                .payload(walk.bytes(&walked)?, false)
                .map_err(|error| invalid(&error))?;
            let places = block::records(&payload).map_err(|error| invalid(&error))?;
            let payload = Bytes::from(payload);
            for place in places {
                let commit =
                    record::decode(&payload.slice(place)).map_err(|error| invalid(&error))?;
                each(&commit);
            }
            if header.last_position() >= self.end.position {
                break;
            }
        }
        Ok(())
    }

    /// Puts it in the place of the present journal, which is moved aside.
    pub(crate) fn exchange(self) -> io::Result<()> {
        self.staging.exchange()
    }
}

/// Where the last group begins that the journal alone holds up to `note.position`, and the epoch
/// there. The end of that group may lie before or behind the position.
fn before_last_group(dir: &Path, journal: &Path, note: &Note) -> io::Result<(Link, u32)> {
    let start = Link {
        position: 0,
        hash: origin_hash(note.log_id),
        group: 0,
        place: Place {
            segment: 1,
            offset: SEGMENT_HEADER_BYTES,
        },
    };
    // Nothing is asked of the end: the journal may be damaged, or cut already.
    let of_this_log = HeadSlot {
        log_id: note.log_id,
        epoch: 1,
        sequence: 0,
        clean: false,
        ended: false,
        position: 0,
        hash: start.hash,
        synced: 0,
    };
    let extent = Extent::Proven(Some(of_this_log));
    let plan = Plan::reading(dir, CHUNK_EVENTS);
    let whole = match survey::survey(plan, extent, &mut |_| ()) {
        Ok(surveyed) => surveyed.end.position,
        Err(unproven) => unproven.link.position,
    };
    let until = whole.min(note.position);
    let mut walk = Walk::new(journal, None);
    let (mut at, mut epoch) = (start, 1);
    let mut begun = (start, 1);
    while at.position < until {
        let Some(walked) = walk.next()? else { break };
        let header = walked.header;
        if header.index == 0 {
            begun = (at, epoch);
        }
        at = Link {
            position: header.last_position(),
            hash: header.hash,
            group: header.group,
            place: walked.end(),
        };
        epoch = header.epoch;
    }
    Ok(begun)
}

/// The last group with what is kept of it, as a group of the new epoch.
fn anew(group: &[Linked], before: &Link, note: &Note) -> io::Result<Vec<Linked>> {
    let invalid = |error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
    };
    let mut kept: Vec<(Gathered, Option<Place>)> = Vec::new();
    for Linked {
        header,
        bytes,
        place,
    } in group
    {
        let payload = header
            .payload(bytes, true)
            .map_err(|error| invalid(&error))?;
        let records = block::records(&payload).map_err(|error| invalid(&error))?;
        let payload = Bytes::from(payload);
        let mut gathered = Gathered {
            first_position: header.first_position,
            first_commit: header.first_commit,
            ..Gathered::default()
        };
        for place in records {
            let record = payload.slice(place);
            let told = record::decode_header(&record).map_err(|error| invalid(&error))?;
            if told.last_position() > note.position {
                break;
            }
            put_record(&mut gathered.payload, &record);
            gathered.commits += 1;
            gathered.events += told.event_count;
        }
        if gathered.commits > 0 {
            kept.push((gathered, *place));
        }
    }
    let mut builder = BlockBuilder::new(note.epoch, before.hash);
    let count = u32::try_from(kept.len()).unwrap_or(u32::MAX);
    let built = kept.into_iter().zip(0..).map(|((gathered, place), index)| {
        let mut bytes = Vec::new();
        let header = builder.build(&gathered, before.group + 1, (index, count), &mut bytes);
        Linked {
            header,
            bytes,
            place,
        }
    });
    Ok(built.collect())
}

/// The folder of the journal in a log's folder.
pub(crate) fn journal_of(dir: &Path) -> std::path::PathBuf {
    dir.join(JOURNAL_DIR)
}
