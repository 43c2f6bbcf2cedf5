//! Making the index while the log is gone over. Owns the levels, the comparison of what is made with
//! the files that are there, and the exchange of those that differ; never reads the journal.
//!
//! While the log is gone over nothing takes the place of a file: what is too large for memory waits
//! beside it, unfinished, until the log is found whole ([`Built::accept`]) or is dropped with it.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::files::FileLayer;
use crate::index::chunk::{Chunk, Frame, LEVEL_MAX, Name};
use crate::index::files::{self, INDEX_DIR};
use crate::index::merge::{merged, prove_versions};
use crate::index::pages::PageWriter;
use crate::index::tail::Tail;
use crate::replay::Reached;

/// Events after which a group ends a chunk of level 0.
pub(crate) const CHUNK_EVENTS: u64 = 65_536;

/// How many chunks of one level make one of the next.
pub(crate) const CHUNKS_MERGED: usize = 4;

/// Where the index lies and how it is made.
#[derive(Clone)]
pub(crate) struct Plan {
    /// The folder of the log.
    pub(crate) dir: PathBuf,
    /// Events after which a group ends a chunk.
    pub(crate) chunk_events: u64,
    /// What writes; without it the folder is only read.
    pub(crate) files: Option<Arc<dyn FileLayer>>,
}

impl Plan {
    /// Reads the index of the log in a folder and keeps in memory what is not there.
    pub(crate) fn reading(dir: &Path, chunk_events: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            chunk_events,
            files: None,
        }
    }

    /// The folder of the index.
    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.join(INDEX_DIR)
    }
}

/// The bytes of a chunk of level 0.
pub(crate) fn chunk_of(tail: &Tail, reached: &Reached, chunk_events: u64) -> Result<Bytes, String> {
    let mut pages = PageWriter::new(tail.start());
    for (digest, events) in tail.in_order() {
        pages
            .put(digest, events.first_version, &events.positions)
            .map_err(|error| error.to_string())?;
    }
    let frame = Frame {
        level: 0,
        least_events: chunk_events,
        first: tail.start(),
        reached,
        ids: tail.ids(),
        marks: tail.marks(),
    };
    Ok(frame.encode(&pages.finish()))
}

/// Which chunks are due to become one: of as many as wait, the oldest, so that it does not matter when
/// they are merged.
pub(crate) fn due(chunks: &[Arc<Chunk>]) -> Option<Range<usize>> {
    let levels: Vec<_> = chunks.iter().map(|chunk| chunk.level).collect();
    due_of_levels(&levels)
}

fn due_of_levels(levels: &[u8]) -> Option<Range<usize>> {
    let mut start = 0;
    for run in levels.chunk_by(|one, other| one == other) {
        if run.len() >= CHUNKS_MERGED && run[0] < LEVEL_MAX {
            return Some(start..start + CHUNKS_MERGED);
        }
        start += run.len();
    }
    None
}

/// The index as far as the log was gone over.
pub(crate) struct Building {
    plan: Plan,
    folder: PathBuf,
    /// Gapless from the first position on.
    chunks: Vec<Arc<Chunk>>,
    /// The files that were there at the start.
    there: BTreeSet<Name>,
    /// Those of them that hold what they should.
    equal: BTreeSet<Name>,
    /// Those that do not.
    wrong: BTreeSet<Name>,
    waiting: Waiting,
}

/// Unfinished files, removed unless they are taken.
struct Waiting {
    files: Option<Arc<dyn FileLayer>>,
    folder: PathBuf,
    made_folder: bool,
    names: BTreeSet<Name>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(files) = &self.files else {
            return;
        };
        for name in &self.names {
            if let Err(error) = files::remove(&**files, &name.unfinished(&self.folder)) {
                tracing::warn!(%error, "an unfinished file of the index could not be removed");
            }
        }
        if self.made_folder {
            // It stays if something is in it by now.
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}

impl Building {
    /// From the log's first position on.
    pub(crate) fn new(plan: Plan) -> Self {
        Self::after(plan, Vec::new())
    }

    /// After chunks that were loaded from their files.
    pub(crate) fn after(plan: Plan, chunks: Vec<Arc<Chunk>>) -> Self {
        let folder = plan.folder();
        let there = files::list(&folder).unwrap_or_else(|error| {
            tracing::warn!(%error, "the folder of the index cannot be read");
            Vec::new()
        });
        let loaded_to = chunks.last().map_or(0, |chunk| chunk.last);
        let mut equal: BTreeSet<_> = chunks.iter().map(|chunk| chunk.name()).collect();
        // What merging would have removed.
        equal.extend(there.iter().filter(|name| name.last <= loaded_to));
        Self {
            waiting: Waiting {
                files: plan.files.clone(),
                folder: folder.clone(),
                made_folder: false,
                names: BTreeSet::new(),
            },
            plan,
            folder,
            chunks,
            there: there.into_iter().collect(),
            equal,
            wrong: BTreeSet::new(),
        }
    }

    /// Events after which a group ends a chunk.
    pub(crate) fn chunk_events(&self) -> u64 {
        self.plan.chunk_events
    }

    /// What is made so far.
    pub(crate) fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    /// Takes the events of the next chunk.
    pub(crate) fn push(&mut self, tail: &Tail, reached: &Reached) -> Result<(), String> {
        let bytes = chunk_of(tail, reached, self.plan.chunk_events)?;
        let end = self.chunks.len();
        self.take(&bytes, end..end)?;
        while let Some(due) = due(&self.chunks) {
            let merged = merged(&self.chunks[due.clone()]).map_err(|error| error.to_string())?;
            let Some(bytes) = merged else {
                break;
            };
            self.take(&bytes, due)?;
        }
        Ok(())
    }

    /// Puts a chunk in the place of others.
    fn take(&mut self, bytes: &Bytes, others: Range<usize>) -> Result<(), String> {
        let chunk = Chunk::of_bytes(bytes.clone()).map_err(|error| error.to_string())?;
        let name = chunk.name();
        let mut kept = None;
        if self.there.contains(&name) {
            if files::holds(&name.path(&self.folder), bytes).unwrap_or(false) {
                self.equal.insert(name);
                kept = chunk.moved_to(&name.path(&self.folder)).ok().flatten();
            } else {
                self.wrong.insert(name);
            }
        }
        if kept.is_none() && chunk.level == LEVEL_MAX {
            kept = self.wait(&chunk, bytes);
        }
        let chunk = files::bounded(kept.unwrap_or(chunk), others.start);
        self.chunks.splice(others, [Arc::new(chunk)]);
        Ok(())
    }

    /// Puts a chunk that will not be merged any more out of memory.
    fn wait(&mut self, chunk: &Chunk, bytes: &[u8]) -> Option<Chunk> {
        let files = self.plan.files.clone()?;
        let name = chunk.name();
        self.waiting.made_folder |= !self.folder.exists();
        self.waiting.names.insert(name);
        let written = files::make_folder(&*files, &self.folder)
            .and_then(|()| files::write_unfinished(&*files, &self.folder, name, bytes))
            .and_then(|_| chunk.moved_to(&name.unfinished(&self.folder)));
        match written {
            Ok(moved) => moved,
            Err(error) => {
                tracing::warn!(%error, "a part of the index stays in memory");
                None
            }
        }
    }

    /// Proves that the versions of every stream begin with 1 and have no gap, the tail included.
    pub(crate) fn prove_versions(&self, tail: &Tail) -> Result<(), String> {
        prove_versions(&self.chunks, tail).map_err(|error| error.to_string())
    }

    /// Takes the events after the last chunk.
    pub(crate) fn finish(self, tail: Tail) -> Built {
        Built {
            building: self,
            tail,
        }
    }
}

/// The index of a log that was gone over.
pub(crate) struct Built {
    building: Building,
    tail: Tail,
}

impl Built {
    /// The parts that answer questions.
    pub(crate) fn into_parts(self) -> (Vec<Arc<Chunk>>, Tail) {
        (self.building.chunks, self.tail)
    }

    /// What is made: chunks, and where the blocks after them lie.
    pub(crate) fn marks(&self) -> crate::journal::place::Marks {
        let mut marks = crate::journal::place::Marks::default();
        for chunk in &self.building.chunks {
            marks.extend(&chunk.marks);
        }
        marks.extend(self.tail.marks());
        marks
    }

    /// What is wrong with the files, each named. A newest chunk that is not there yet is not, nor a
    /// merge that was not made yet.
    pub(crate) fn findings(&self) -> Vec<String> {
        let building = &self.building;
        let shown = |name: &Name| {
            let path = name.path(Path::new(INDEX_DIR));
            path.display().to_string()
        };
        let mut findings: Vec<_> = building
            .wrong
            .iter()
            .map(|name| format!("{} is not what the log says", shown(name)))
            .collect();
        let known = |name: &&Name| building.equal.contains(name) || building.wrong.contains(name);
        let surplus = building.there.iter().filter(|name| !known(name));
        findings.extend(surplus.map(|name| format!("{} is of no use", shown(name))));
        let mut next = 1;
        for name in building.equal.union(&building.wrong) {
            if name.first > next {
                let to = name.first - 1;
                findings.push(format!(
                    "no file of {INDEX_DIR}/ covers positions {next} to {to}"
                ));
            }
            next = next.max(name.last + 1);
        }
        findings
    }

    /// Makes the files what they should be. What cannot be written stays in memory.
    pub(crate) fn accept(&mut self) {
        let building = &mut self.building;
        let Some(files) = building.plan.files.clone() else {
            return;
        };
        let folder = building.folder.clone();
        let chunks = std::mem::take(&mut building.chunks);
        let mut whole = true;
        for (chunk, before) in chunks.into_iter().zip(0..) {
            let name = chunk.name();
            let waiting = building.waiting.names.contains(&name);
            let result = match chunk.in_memory() {
                Some(bytes) => files::write(&*files, &folder, name, bytes),
                None if waiting => finish_waiting(&*files, &folder, name),
                None => {
                    building.chunks.push(chunk);
                    continue;
                }
            };
            let moved = result.and_then(|()| chunk.moved_to(&name.path(&folder)));
            match moved {
                Ok(Some(moved)) => {
                    building.waiting.names.remove(&name);
                    building.waiting.made_folder = false;
                    let moved = files::bounded(moved, before);
                    building.chunks.push(Arc::new(moved));
                }
                other => {
                    let error = other.err().map(|error| error.to_string());
                    tracing::warn!(error, "a part of the index could not be written");
                    whole = false;
                    building.chunks.push(chunk);
                }
            }
        }
        let wanted: BTreeSet<_> = building.chunks.iter().map(|chunk| chunk.name()).collect();
        let surplus = building.there.iter().filter(|name| !wanted.contains(name));
        let removed = surplus
            .filter(|name| whole || !building.equal.contains(name))
            .try_for_each(|name| files::remove(&*files, &name.path(&folder)))
            .and_then(|()| files::remove_unfinished(&*files, &folder));
        if let Err(error) = removed {
            tracing::warn!(%error, "files of the index that are of no use could not be removed");
        }
    }
}

fn finish_waiting(files: &dyn FileLayer, folder: &Path, name: Name) -> io::Result<()> {
    files.open(&name.unfinished(folder), false)?.sync()?;
    files.rename(&name.unfinished(folder), &name.path(folder))?;
    files.sync_dir(folder)
}

/// The bytes of a chunk of any level whose events were read again.
pub(crate) fn made_anew(tail: &Tail, old: &Chunk) -> Result<Bytes, String> {
    let mut pages = PageWriter::new(old.first);
    for (digest, events) in tail.in_order() {
        pages
            .put(digest, events.first_version, &events.positions)
            .map_err(|error| error.to_string())?;
    }
    let frame = Frame {
        level: old.level,
        least_events: old.least_events,
        first: old.first,
        reached: &old.reached,
        ids: tail.ids(),
        marks: &old.marks,
    };
    Ok(frame.encode(&pages.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many chunks of level 0, merging after those only for which `merges` says so, and at
    /// the end.
    fn levels(count: usize, merges: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut levels = Vec::new();
        for number in 1..=count {
            levels.push(0);
            while let Some(due) = due_of_levels(&levels)
                && (merges(number) || number == count)
            {
                let level = levels[due.start] + 1;
                levels.splice(due, [level]);
            }
        }
        levels
    }

    #[test]
    fn the_same_chunks_come_of_merging_late() {
        for count in 0..60 {
            let at_once = levels(count, |_| true);
            for every in 1..12 {
                assert_eq!(
                    levels(count, |number| number % every == 0),
                    at_once,
                    "{count}"
                );
            }
        }
    }
}
