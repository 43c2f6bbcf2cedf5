//! What a log is made of and what it takes. Owns the counting over a log's folder, read-only; judges
//! nothing that `survey` does not judge.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use domain::Instant;
use uuid::Uuid;

use crate::block;
use crate::disk::OpenError;
use crate::files::OsFiles;
use crate::heal::{self, StandIn, stage};
use crate::index::{CHUNK_EVENTS, INDEX_DIR, Plan};
use crate::journal::segment::{self, JOURNAL_DIR};
use crate::journal::walk::{Walk, Walked};
use crate::open::ASIDE_DIR;
use crate::read_log::{FolderState, extent};
use crate::record;
use crate::sequencer::End;
use crate::sled_copy::{COPY_DIR, VOLUME_EVENTS, list_volumes, volume_path};
use crate::space::{self, RESERVE_FILE};
use crate::survey::{self, Extent};

/// An epoch and where its commits begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochInfo {
    /// Its number.
    pub epoch: u32,
    /// The position of its first commit's first event.
    pub first_position: u64,
}

/// A segment of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number, from 1.
    pub number: u64,
    /// Its size in bytes.
    pub size: u64,
    /// The bytes up to the end of its last block.
    pub used: u64,
    /// The number of its blocks.
    pub blocks: u64,
}

/// A volume of the second copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Its number, from 1.
    pub number: u64,
    /// The bytes it takes on disk.
    pub bytes: u64,
}

/// Bytes taken on disk, by what takes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BytesOnDisk {
    /// The journal, with what is filled ahead.
    pub journal: u64,
    /// The second copy.
    pub second_copy: u64,
    /// The index.
    pub index: u64,
    /// Snapshots of read models and cursors.
    pub views: u64,
    /// Files that healing or a fork moved aside.
    pub set_aside: u64,
    /// What an open log keeps back for a clean stop.
    pub reserve: u64,
}

impl BytesOnDisk {
    /// Looks at a folder; costs one look at each of its files, and fails only where one cannot be
    /// looked at.
    pub(crate) fn of(dir: &Path) -> io::Result<Self> {
        let journal = dir.join(JOURNAL_DIR);
        let aside = on_disk(&journal.join(stage::ASIDE_DIR))?;
        Ok(Self {
            journal: on_disk(&journal)?.saturating_sub(aside),
            second_copy: on_disk(&dir.join(COPY_DIR))?,
            index: on_disk(&dir.join(INDEX_DIR))?,
            views: on_disk(&dir.join("views"))?,
            set_aside: on_disk(&dir.join(ASIDE_DIR))?.saturating_add(aside),
            reserve: on_disk(&dir.join(RESERVE_FILE))?,
        })
    }

    /// What the log needs: all but what was moved aside and the reserve.
    pub fn in_use(&self) -> u64 {
        self.journal + self.second_copy + self.index + self.views
    }
}

/// What the file `head` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadInfo {
    /// The epoch.
    pub epoch: u32,
    /// The last acknowledged position.
    pub position: u64,
    /// The last position of which both copies were synced: the last checkpoint.
    pub synced: u64,
}

/// A log's folder, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogInfo {
    /// In what state the folder was found.
    pub state: FolderState,
    /// The log's id.
    pub log_id: Uuid,
    /// The epochs that have commits, in order.
    pub epochs: Vec<EpochInfo>,
    /// The number of events that are proven, or acknowledged where a process holds the folder.
    pub events: u64,
    /// The number of commits up to there.
    pub commits: u64,
    /// The root of the tree over them.
    pub root: [u8; 32],
    /// When the last of them was recorded.
    pub recorded_at: Option<Instant>,
    /// What `head` says; `None` where it is missing or damaged.
    pub head: Option<HeadInfo>,
    /// The segments of the journal.
    pub segments: Vec<SegmentInfo>,
    /// The volumes of the second copy.
    pub volumes: Vec<VolumeInfo>,
    /// What is taken on disk.
    pub bytes: BytesOnDisk,
    /// Bytes that are free on the disk; of two, where the journal has its own, the fewer.
    pub free: u64,
    /// Files and folders that healing or a fork moved aside, with the bytes they take.
    pub set_aside: Vec<(PathBuf, u64)>,
    /// What is wrong with the journal, if something is. What is told of the log is then what both
    /// copies hold together, if they prove it to its end, or what the journal alone proves.
    pub finding: Option<String>,
}

impl LogInfo {
    /// The number of blocks in the journal.
    pub fn blocks(&self) -> u64 {
        self.segments.iter().map(|segment| segment.blocks).sum()
    }
}

/// What a journal proves, or both copies, and what is wrong with it.
struct Told {
    end: End,
    /// What is read instead of damaged segments.
    stand_in: Option<StandIn>,
    finding: Option<String>,
}

/// Goes over the journal of a folder.
fn told(dir: &Path, extent: Extent, progress: &mut dyn FnMut(u64)) -> Result<Told, OpenError> {
    let plan = Plan::reading(dir, CHUNK_EVENTS);
    let of = |end, finding| Told {
        end,
        stand_in: None,
        finding,
    };
    let head = match extent {
        Extent::Proven(head) => head,
        Extent::Acknowledged(_) => {
            return Ok(match survey::survey(plan, extent, progress) {
                Ok(surveyed) => of(surveyed.end, None),
                Err(unproven) => of(unproven.end, Some(unproven.what)),
            });
        }
    };
    let damage = match heal::diagnose(&plan, VOLUME_EVENTS, head, progress)? {
        Ok(surveyed) => return Ok(of(surveyed.end, None)),
        Err(damage) => damage,
    };
    match heal::stand_in(&plan, VOLUME_EVENTS, head, &damage) {
        Ok((surveyed, stand_in)) => Ok(Told {
            end: surveyed.end,
            stand_in: Some(stand_in),
            finding: Some(damage.what),
        }),
        Err(OpenError::Damaged { what, .. }) => Ok(of(damage.end, Some(what))),
        Err(error) => Err(error),
    }
}

/// Looks at the log in a folder, reading its journal; changes nothing. `progress` is told the
/// position reached now and then.
pub fn info(dir: &Path, progress: &mut dyn FnMut(u64)) -> Result<LogInfo, OpenError> {
    let (state, extent) = extent(dir)?;
    let head = match extent {
        Extent::Acknowledged(head) | Extent::Proven(Some(head)) => Some(head),
        Extent::Proven(None) => None,
    };
    let Told {
        end,
        stand_in,
        finding,
    } = told(dir, extent, progress)?;
    let failed = |error: io::Error| OpenError::io("looking at the log", &error);
    let journal = dir.join(JOURNAL_DIR);
    let mut this = LogInfo {
        state,
        log_id: end.log_id,
        epochs: Vec::new(),
        events: end.position,
        commits: end.tree.size(),
        root: end.tree.root(),
        recorded_at: end.recorded_at,
        head: head.map(|head| HeadInfo {
            epoch: head.epoch,
            position: head.position,
            synced: head.synced,
        }),
        segments: segments(&journal).map_err(failed)?,
        volumes: Vec::new(),
        bytes: BytesOnDisk::default(),
        free: space::free(&OsFiles, dir).map_err(failed)?,
        set_aside: Vec::new(),
        finding,
    };
    let staged = stand_in.as_ref().map(StandIn::folder);
    this.walk(&journal, staged).map_err(failed)?;
    this.weigh(dir, &journal).map_err(failed)?;
    Ok(this)
}

/// The segments that are there, nothing counted yet.
fn segments(journal: &Path) -> io::Result<Vec<SegmentInfo>> {
    let numbers = segment::list(journal)?;
    let segment = |number| {
        let size = fs::metadata(segment::path(journal, number))?.len();
        Ok(SegmentInfo {
            number,
            size,
            used: segment::SEGMENT_HEADER_BYTES.min(size),
            blocks: 0,
        })
    };
    numbers.into_iter().map(segment).collect()
}

impl LogInfo {
    /// Counts the blocks up to the end, and finds where epochs begin.
    fn walk(&mut self, journal: &Path, staged: Option<&Path>) -> io::Result<()> {
        let mut walk = Walk::new(journal, staged);
        let mut reached = 0;
        while reached < self.events {
            let Some(walked) = walk.next()? else { break };
            reached = walked.header.last_position();
            let number = walked.place.segment;
            if let Some(segment) = self.segments.iter_mut().find(|s| s.number == number) {
                segment.blocks += 1;
                segment.used = walked.end().offset;
            }
            let known = self.epochs.last().map_or(0, |last| last.epoch);
            if walked.header.epoch != known {
                self.new_epochs(&walked, walk.bytes(&walked)?)?;
            }
        }
        Ok(())
    }

    /// Looks into a block for commits of later epochs: a block may hold earlier ones too.
    fn new_epochs(&mut self, walked: &Walked, block: &[u8]) -> io::Result<()> {
        let invalid = |error: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, error.to_string())
        };
        let payload = walked.header.payload(block, false);
        let payload = payload.map_err(|error| invalid(&error))?;
        let places = block::records(&payload).map_err(|error| invalid(&error))?;
        let payload = Bytes::from(payload);
        for place in places {
            let told =
                record::decode_header(&payload.slice(place)).map_err(|error| invalid(&error))?;
            if self
                .epochs
                .last()
                .is_none_or(|last| last.epoch < told.epoch)
            {
                self.epochs.push(EpochInfo {
                    epoch: told.epoch,
                    first_position: told.first_position,
                });
            }
        }
        Ok(())
    }

    /// Counts what is taken on disk.
    fn weigh(&mut self, dir: &Path, journal: &Path) -> io::Result<()> {
        let asides = [dir.join(ASIDE_DIR), journal.join(stage::ASIDE_DIR)];
        for folder in &asides {
            for entry in entries(folder)? {
                let bytes = on_disk(&entry)?;
                self.set_aside.push((entry, bytes));
            }
        }
        self.bytes = BytesOnDisk::of(dir)?;
        for number in list_volumes(dir)? {
            self.volumes.push(VolumeInfo {
                number,
                bytes: on_disk(&volume_path(dir, number))?,
            });
        }
        Ok(())
    }
}

/// What is in a folder, in the order of names; nothing where there is none.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The bytes that the files of a folder, or one file, take on disk. What a running process removes
/// meanwhile counts as nothing.
fn on_disk(path: &Path) -> io::Result<u64> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    if !metadata.is_dir() {
        return Ok(metadata.blocks() * 512);
    }
    entries(path)?
        .iter()
        .try_fold(0, |bytes, path| Ok(bytes + on_disk(path)?))
}
