//! Verifying a log on disk, read-only. Owns what is verified and the report; the passes over both
//! copies are `survey` and `check`. Heals nothing and opens no sled.

use std::path::Path;
use std::sync::Arc;

use crate::check::{Copies, SEARCH_TRIES};
use crate::disk::OpenError;
use crate::heal;
use crate::index::{CHUNK_EVENTS, Plan};
use crate::journal::place::Places;
use crate::journal::segment::JOURNAL_DIR;
use crate::newer;
use crate::read_log::{FolderState, extent};
use crate::sled_copy::list_volumes;
use crate::survey::{self, Extent};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether only one copy is concerned, so that an opening would heal it.
    pub healable: bool,
    /// What is wrong and where.
    pub what: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// In what state the folder was found.
    pub state: FolderState,
    /// The epoch of the log.
    pub epoch: u32,
    /// The number of events that are proven.
    pub events: u64,
    /// The number of commits that are proven.
    pub commits: u64,
    /// The root of the tree over them.
    pub root: [u8; 32],
    /// What is wrong; empty when all is well.
    pub findings: Vec<Finding>,
}

/// How thoroughly a log is verified.
#[derive(Debug, Clone, Copy)]
pub struct VerifyOptions {
    /// Only what an opening after a clean stop looks at: the head, the headers and sizes of segments,
    /// the index, the journal after the index's last file, and the last block in the second copy.
    /// Where the index does not allow it, the whole journal is verified.
    pub quick: bool,
    /// After how many events a part of the index goes into a file; see
    /// [`crate::Options::chunk_events`].
    pub chunk_events: u64,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            quick: false,
            chunk_events: CHUNK_EVENTS,
        }
    }
}

/// Verifies every block, hash, position, version, the index and both copies of the log in a folder. `progress`
/// is told the position reached now and then. Beside a running process it ends where that had
/// acknowledged, and the second copy where it was last synced.
pub fn verify(
    dir: &Path,
    options: VerifyOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<VerifyReport, OpenError> {
    let (state, extent) = extent(dir)?;
    let mut findings = Vec::new();
    let plan = Plan::reading(dir, options.chunk_events);
    let resumed = (options.quick && state != FolderState::NotClosed)
        .then(|| survey::resume(plan.clone(), extent, progress))
        .flatten();
    let surveyed = match resumed {
        Some(surveyed) => Ok(surveyed),
        None => survey::survey(plan, extent, progress),
    };
    let (end, marks, last_block) = match surveyed {
        Ok(surveyed) => {
            if !surveyed.torn.is_empty() {
                tracing::info!("a write that was never finished follows the end");
            }
            let wrong = surveyed.index.findings().into_iter();
            findings.extend(wrong.map(|what| Finding {
                healable: true,
                what,
            }));
            let marks = surveyed.index.marks();
            (surveyed.end, marks, surveyed.last_block)
        }
        Err(unproven) => {
            let newer = newer::after(dir, &unproven.link)
                .map_err(|error| OpenError::io("reading the journal", &error))?;
            if let Some(newer) = newer {
                return Err(newer.into());
            }
            let reach = heal::reach(dir, &unproven.link)
                .map_err(|error| OpenError::io("searching both copies", &error))?;
            let wanted = match extent {
                Extent::Acknowledged(head) | Extent::Proven(Some(head)) => Some(head.position),
                Extent::Proven(None) => None,
            };
            findings.push(Finding {
                healable: wanted.is_some_and(|position| reach >= position),
                what: unproven.what.clone(),
            });
            (unproven.end, unproven.marks, 1)
        }
    };
    let synced = match (state, extent) {
        (FolderState::Closed, _) => end.position,
        (_, Extent::Acknowledged(head) | Extent::Proven(Some(head))) => head.synced,
        (_, Extent::Proven(None)) => 0,
    };
    let places = Arc::new(Places::new(dir.join(JOURNAL_DIR), marks));
    let copies = Copies {
        dir,
        places: &places,
        tries: if state == FolderState::Running {
            SEARCH_TRIES
        } else {
            1
        },
    };
    let failed = |error| OpenError::io("reading the second copy", &error);
    let mut volumes = list_volumes(dir).map_err(failed)?;
    let mut from = 1;
    if options.quick {
        from = last_block.max(1);
        volumes.drain(..volumes.len().saturating_sub(1));
    }
    copies
        .check_copy(from..=synced.min(end.position), &volumes, &mut findings)
        .map_err(failed)?;
    Ok(VerifyReport {
        state,
        epoch: end.epoch,
        events: end.position,
        commits: end.tree.size(),
        root: end.tree.root(),
        findings,
    })
}
