//! Verifying a log on disk, read-only. Owns the comparison of both copies; heals nothing and opens
//! no sled.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::carve::carve;
use crate::disk::OpenError;
use crate::heal;
use crate::index::{CHUNK_EVENTS, Plan};
use crate::journal::place::{Cursor, Places, SEQUENTIAL_BYTES};
use crate::journal::segment::JOURNAL_DIR;
use crate::read_log::{FolderState, extent};
use crate::sled_copy::{list_volumes, volume_path};
use crate::survey::{self, Extent};

/// How often a volume that a running process writes to is searched before a block counts as
/// missing: sled moves blocks about.
const CARVE_TRIES: u32 = 3;

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

/// Verifies every block, hash, position, version and both copies of the log in a folder. `progress`
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
    let (end, marks) = match survey::survey(plan, extent, progress) {
        Ok(surveyed) => {
            if !surveyed.torn.is_empty() {
                tracing::info!("a write that was never finished follows the end");
            }
            let wrong = surveyed.index.findings();
            findings.extend(wrong.into_iter().map(|what| Finding {
                healable: true,
                what,
            }));
            (surveyed.end.clone(), surveyed.index.marks())
        }
        Err(unproven) => {
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
            (unproven.end, unproven.marks)
        }
    };
    let synced = match (state, extent) {
        (FolderState::Closed, _) => end.position,
        (_, Extent::Acknowledged(head) | Extent::Proven(Some(head))) => head.synced,
        (_, Extent::Proven(None)) => 0,
    };
    let places = Arc::new(Places::new(dir.join(JOURNAL_DIR), marks));
    let tries = if state == FolderState::Running {
        CARVE_TRIES
    } else {
        1
    };
    let copy = Copy {
        dir,
        places: &places,
        synced: synced.min(end.position),
        tries,
    };
    copy.check(&mut findings)
        .map_err(|error| OpenError::io("reading the second copy", &error))?;
    Ok(VerifyReport {
        state,
        epoch: end.epoch,
        events: end.position,
        commits: end.tree.size(),
        root: end.tree.root(),
        findings,
    })
}

struct Copy<'a> {
    dir: &'a Path,
    places: &'a Arc<Places>,
    /// The last position that the second copy should hold.
    synced: u64,
    tries: u32,
}

impl Copy<'_> {
    /// Looks for every block of the journal in the volumes, in bounded memory.
    fn check(&self, findings: &mut Vec<Finding>) -> std::io::Result<()> {
        let volumes = list_volumes(self.dir)?;
        let mut cursor = Cursor::near(self.places, 1, SEQUENTIAL_BYTES);
        loop {
            let mut wanted = BTreeMap::new();
            while wanted.len() < BLOCKS_AT_A_TIME {
                match cursor.next() {
                    Ok(Some((header, _))) if header.last_position() <= self.synced => {
                        wanted.insert(header.first_position, header.hash);
                    }
                    // An error here was found by the survey and is reported.
                    Ok(_) | Err(_) => break,
                }
            }
            if wanted.is_empty() {
                return Ok(());
            }
            for _ in 0..self.tries {
                for number in &volumes {
                    let path = volume_path(self.dir, *number).join("db");
                    let carved = carve(&path, &mut |header, _, _| {
                        if wanted.get(&header.first_position) == Some(&header.hash) {
                            wanted.remove(&header.first_position);
                        }
                    });
                    match carved {
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                        other => other?,
                    }
                }
                if wanted.is_empty() {
                    break;
                }
            }
            if let (Some((first, _)), Some((last, _))) =
                (wanted.first_key_value(), wanted.last_key_value())
            {
                findings.push(Finding {
                    healable: true,
                    what: format!(
                        "the second copy lacks {} blocks between positions {first} and {last}",
                        wanted.len()
                    ),
                });
            }
        }
    }
}

/// Blocks of the journal that are looked for in one pass over the second copy.
const BLOCKS_AT_A_TIME: usize = 4_000_000;
