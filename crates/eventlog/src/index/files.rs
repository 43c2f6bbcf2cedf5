//! The files of the index. Owns their names, their writing and their finding; never looks at what
//! is in a chunk beyond asking it who it is.
//!
//! `DATA/index/FIRST-LAST.LEVEL.idx`, positions with twelve digits. A file has its name only once it
//! is whole and durable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::files::FileLayer;
use crate::index::chunk::{Chunk, Name};

/// The folder of the index within the log's folder.
pub(crate) const INDEX_DIR: &str = "index";

/// Files of the oldest chunks that are kept open; those after them are opened for each reading.
/// Newer chunks, which merging may remove, stay open however many these are.
const OPEN_CHUNKS_MAX: usize = 256;

/// How much of a file is compared at a time.
const COMPARE_BYTES: usize = 256 * 1024;

impl Name {
    /// The path of a chunk's file.
    pub(crate) fn path(self, folder: &Path) -> PathBuf {
        let Self { first, last, level } = self;
        folder.join(format!("{first:012}-{last:012}.{level}.idx"))
    }

    /// The path of the same file while it is written.
    pub(crate) fn unfinished(self, folder: &Path) -> PathBuf {
        self.path(folder).with_extension("tmp")
    }

    fn parse(name: &str) -> Option<Self> {
        let (range, level) = name.strip_suffix(".idx")?.split_once('.')?;
        let (first, last) = range.split_once('-')?;
        let name = Self {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
            level: level.parse().ok()?,
        };
        (name.first > 0 && name.first <= name.last).then_some(name)
    }
}

/// The chunk files that are there by their names, oldest first and of those that begin at the same
/// position the longest last.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(Name::parse));
    }
    names.sort_unstable();
    Ok(names)
}

/// The paths of the chunk files that are there.
pub(crate) fn paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let names = list(folder)?;
    Ok(names.into_iter().map(|name| name.path(folder)).collect())
}

/// Writes a file that has its name only once it is durable.
pub(crate) fn write(
    files: &dyn FileLayer,
    folder: &Path,
    name: Name,
    bytes: &[u8],
) -> io::Result<()> {
    make_folder(files, folder)?;
    write_unfinished(files, folder, name, bytes)?.sync()?;
    files.rename(&name.unfinished(folder), &name.path(folder))?;
    files.sync_dir(folder)
}

/// Writes a file under the name of an unfinished one, unsynced.
pub(crate) fn write_unfinished(
    files: &dyn FileLayer,
    folder: &Path,
    name: Name,
    bytes: &[u8],
) -> io::Result<Box<dyn crate::files::LogFile>> {
    let path = name.unfinished(folder);
    // What an interrupted writing left may be longer.
    remove(files, &path)?;
    let file = files.open(&path, true)?;
    file.write_all_at(bytes, 0)?;
    Ok(file)
}

/// Makes the folder of the index if it is not there.
pub(crate) fn make_folder(files: &dyn FileLayer, folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    folder.parent().map_or(Ok(()), |log| files.sync_dir(log))
}

/// Removes a file that may be missing.
pub(crate) fn remove(files: &dyn FileLayer, path: &Path) -> io::Result<()> {
    match files.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what interrupted writings left.
pub(crate) fn remove_unfinished(files: &dyn FileLayer, folder: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            remove(files, &path)?;
        }
    }
    Ok(())
}

/// Whether a file holds exactly these bytes.
pub(crate) fn holds(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.len() != bytes.len() as u64 {
        return Ok(false);
    }
    let mut window = crate::files::Window::new(COMPARE_BYTES);
    for (part, at) in bytes
        .chunks(COMPARE_BYTES)
        .zip((0..).step_by(COMPARE_BYTES))
    {
        if window.get(&file, at, part.len())? != part {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Opens the chunks that are there, if together they cover the log gaplessly from its first position
/// to no further than `position`, and belong to it. `None` otherwise: they must be made anew.
pub(crate) fn load(
    folder: &Path,
    log_id: Uuid,
    chunk_events: u64,
    position: u64,
) -> io::Result<Option<Vec<Arc<Chunk>>>> {
    let names = list(folder)?;
    let mut chunks: Vec<Arc<Chunk>> = Vec::new();
    let mut next = 1;
    // Of those that begin at one place the longest counts; it holds what the others hold.
    for (number, name) in names.iter().enumerate() {
        let longer = names
            .get(number + 1)
            .is_some_and(|other| other.first == name.first);
        if longer || name.last < next {
            continue;
        }
        if name.first != next || name.last > position {
            return Ok(None);
        }
        let chunk = match Chunk::open(&name.path(folder)) {
            Ok(chunk) => chunk,
            // Merging beside a reader removes files.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let fits = |chunk: &Chunk| {
            chunk.name() == *name
                && chunk.reached.end.log_id == log_id
                && chunk.least_events == chunk_events
        };
        let Some(chunk) = chunk.filter(fits) else {
            return Ok(None);
        };
        next = name.last + 1;
        chunks.push(Arc::new(bounded(chunk, chunks.len())));
    }
    Ok(Some(chunks))
}

/// A chunk with its file closed if too many before it have theirs open.
pub(crate) fn bounded(mut chunk: Chunk, before: usize) -> Chunk {
    if before >= OPEN_CHUNKS_MAX && chunk.level == crate::index::chunk::LEVEL_MAX {
        chunk.close_file();
    }
    chunk
}
