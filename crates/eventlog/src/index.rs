//! The index: streams to positions, in immutable chunk files and a tail in memory. Owns the set of
//! them and the answers; a derived thing that is made again from the journal wherever it is missing
//! or wrong.
//!
//! - `key`: what a stream is called; `tail`: the newest events, in memory
//! - `chunk`: one file (`pages`, `filter`); `files`: their names and writing
//! - `merge`: several chunks as one; `build`: making and comparing them while the log is gone over
//! - `recheck`: looking at the files again while the log is open
//! - `keeper`: writing and merging in the background while the log grows
//!
//! A chunk of level 0 ends with the first group at whose end it holds [`CHUNK_EVENTS`] events; four
//! of one level become one of the next, up to level 2. So the same log has the same chunks, whenever
//! it was opened and closed, and their bytes are the same too.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use crate::files::FileLayer;
use crate::journal::place::{Cursor, Place, Places, SEQUENTIAL_BYTES};
use crate::log::ReadError;
use crate::record;
use crate::replay::Reached;

mod build;
mod chunk;
mod files;
mod filter;
mod keeper;
mod key;
mod merge;
mod pages;
mod recheck;
mod tail;

#[cfg(any(test, fuzzing))]
mod fuzzing;
#[cfg(test)]
mod tests;

#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::{check_bytes, sealed, sealed_as};
#[cfg(test)]
pub(crate) use tests::seeds;

pub(crate) use build::{Building, Built, CHUNK_EVENTS, Plan};
pub(crate) use chunk::{Chunk, newer};
pub(crate) use files::{INDEX_DIR, load, paths};
pub(crate) use keeper::Keeper;
pub(crate) use key::StreamKey;
pub(crate) use tail::Tail;

use chunk::Fault;

/// The events of a chunk whose file is not there yet.
pub(crate) struct Sealed {
    tail: Tail,
    reached: Reached,
}

struct State {
    /// Gapless from the first position on.
    chunks: Arc<[Arc<Chunk>]>,
    /// What follows them, oldest first.
    sealed: VecDeque<Arc<Sealed>>,
    /// What follows those.
    tail: Tail,
}

/// The index of an open log.
pub(crate) struct Index {
    plan: Plan,
    places: Arc<Places>,
    state: RwLock<State>,
    /// Held while a chunk is made again.
    repair: Mutex<()>,
    /// How often a chunk's pages were asked.
    asked: AtomicU64,
}

/// How large the index of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexSize {
    /// Chunks that are complete.
    pub chunks: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Events after them, in memory.
    pub tail_events: u64,
}

impl Index {
    /// The index of a log whose blocks lie in `places`.
    pub(crate) fn new(plan: Plan, places: Arc<Places>, built: Built) -> Self {
        let (chunks, tail) = built.into_parts();
        Self {
            plan,
            places,
            state: RwLock::new(State {
                chunks: chunks.into(),
                sealed: VecDeque::new(),
                tail,
            }),
            repair: Mutex::new(()),
            asked: AtomicU64::new(0),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How large it is.
    pub(crate) fn size(&self) -> IndexSize {
        let state = self.state();
        let sealed = state.sealed.iter().map(|sealed| sealed.tail.events());
        IndexSize {
            chunks: state.chunks.len() as u64,
            bytes: state.chunks.iter().map(|chunk| chunk.bytes()).sum(),
            tail_events: state.tail.events() + sealed.sum::<u64>(),
        }
    }

    /// Whether the keeper has nothing left to do.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        let state = self.state();
        let files = std::fs::read_dir(self.plan.folder()).map_or(0, Iterator::count);
        state.sealed.is_empty()
            && build::due(&state.chunks).is_none()
            && files == state.chunks.len()
    }

    /// How often a chunk's pages were asked.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The version of a stream, 0 if it does not exist.
    pub(crate) fn version(&self, key: StreamKey) -> Result<u64, ReadError> {
        let chunks = {
            let state = self.state();
            let sealed = state.sealed.iter().rev().map(|sealed| &sealed.tail);
            let mut known = std::iter::once(&state.tail).chain(sealed);
            if let Some(events) = known.find_map(|tail| tail.get(key)) {
                return Ok(events.last_version());
            }
            Arc::clone(&state.chunks)
        };
        for chunk in chunks.iter().rev().filter(|chunk| chunk.may_hold(key)) {
            let version = self.ask(chunk, |chunk| chunk.version(key))?;
            if let Some(version) = version {
                return Ok(version);
            }
        }
        Ok(0)
    }

    /// The positions of at most `limit` events of a stream from a version on, in order.
    pub(crate) fn positions(
        &self,
        key: StreamKey,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<u64>, ReadError> {
        let from = from_version.max(1);
        // From the newest part to the oldest: each begins at the version beside it.
        let mut parts: Vec<(u64, Vec<u64>)> = Vec::new();
        let mut add = |version: u64, positions: Vec<u64>| {
            // What lies beyond the limit is not kept while older parts are looked for.
            parts.retain(|(newer, _)| *newer < from.saturating_add(limit as u64));
            parts.push((version, positions));
        };
        let chunks = {
            let state = self.state();
            let sealed = state.sealed.iter().rev().map(|sealed| &sealed.tail);
            let mut oldest = None;
            for tail in std::iter::once(&state.tail).chain(sealed) {
                let Some(events) = tail.get(key) else {
                    continue;
                };
                add(
                    events.first_version.max(from),
                    tail.positions(key, from, limit),
                );
                oldest = Some(events.first_version);
                if events.first_version <= from {
                    break;
                }
            }
            match oldest {
                Some(oldest) if oldest <= from => None,
                _ => Some(Arc::clone(&state.chunks)),
            }
        };
        let chunks = chunks.iter().flat_map(|chunks| chunks.iter().rev());
        for chunk in chunks.filter(|chunk| chunk.may_hold(key)) {
            let found = self.ask(chunk, |chunk| chunk.positions(key, from, limit))?;
            let Some(found) = found else {
                continue;
            };
            add(found.from_version, found.positions);
            if found.reaches_back {
                break;
            }
        }
        let positions = parts.into_iter().rev().flat_map(|(_, part)| part);
        Ok(positions.take(limit).collect())
    }

    /// Asks a chunk; one that is damaged is made again from the journal first.
    fn ask<T>(
        &self,
        chunk: &Arc<Chunk>,
        question: impl Fn(&Chunk) -> Result<T, Fault>,
    ) -> Result<T, ReadError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let fault = match question(chunk) {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        tracing::warn!(%fault, "a part of the index is made again from the journal");
        let again = self.made_again(chunk)?;
        question(&again).map_err(|fault| ReadError::Io {
            what: "the index".to_owned(),
            error: fault.to_string(),
        })
    }

    /// Makes a chunk again from the journal and puts it in the place of the one that is damaged.
    fn made_again(&self, damaged: &Arc<Chunk>) -> Result<Arc<Chunk>, ReadError> {
        let _one_at_a_time = self.repair.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self
            .state()
            .chunks
            .iter()
            .find(|chunk| chunk.name() == damaged.name() && !Arc::ptr_eq(chunk, damaged))
            .cloned();
        // Somebody was faster.
        if let Some(now) = now {
            return Ok(now);
        }
        let wrong = |what: String| ReadError::Damaged {
            position: damaged.first,
            what,
        };
        let bytes = self.read_again(damaged)?;
        let again = Chunk::of_bytes(bytes.clone()).map_err(|error| wrong(error.to_string()))?;
        let (name, folder) = (again.name(), self.plan.folder());
        let written = self.plan.files.as_ref().and_then(|files| {
            files::write(&**files, &folder, name, &bytes)
                .and_then(|()| again.moved_to(&name.path(&folder)))
                .unwrap_or_else(|error| {
                    tracing::warn!(%error, "a part of the index stays in memory");
                    None
                })
        });
        let again = Arc::new(written.unwrap_or(again));
        let mut state = self.change();
        let replaced = state.chunks.iter().map(|chunk| {
            let same = chunk.name() == name;
            Arc::clone(if same { &again } else { chunk })
        });
        let replaced: Arc<[_]> = replaced.collect();
        let counts = replaced.iter().any(|chunk| Arc::ptr_eq(chunk, &again));
        state.chunks = replaced;
        drop(state);
        if !counts && let Some(files) = &self.plan.files {
            // Merging has taken it away meanwhile.
            if let Err(error) = files::remove(&**files, &name.path(&folder)) {
                tracing::warn!(%error, "a merged file of the index could not be removed");
            }
        }
        Ok(again)
    }

    fn read_again(&self, damaged: &Chunk) -> Result<Bytes, ReadError> {
        let wrong = |position: u64, what: &dyn std::fmt::Display| ReadError::Damaged {
            position,
            what: what.to_string(),
        };
        let mut tail = Tail::from(damaged.first);
        let mut cursor = Cursor::near(&self.places, damaged.first, SEQUENTIAL_BYTES);
        let mut next = damaged.first;
        while next <= damaged.last {
            let (header, block) = cursor.find(next)?;
            let payload = header.payload(block, true).map(Bytes::from);
            let payload = payload.map_err(|error| wrong(next, &error))?;
            let records = crate::block::records(&payload).map_err(|error| wrong(next, &error))?;
            for record in records {
                let commit =
                    record::decode(&payload.slice(record)).map_err(|error| wrong(next, &error))?;
                for event in &commit.events {
                    let key = StreamKey::of(&event.stream);
                    if event.position >= damaged.first
                        && !tail.add(key, event.version, event.position)
                    {
                        let what = format!("version {} is out of order", event.version);
                        return Err(wrong(event.position, &what));
                    }
                }
            }
            next = header.last_position() + 1;
        }
        build::made_anew(&tail, damaged).map_err(|what| wrong(damaged.first, &what))
    }

    /// Takes the events of a group that is durable, as key, version and position; where its blocks
    /// begin; and where the log stands after it. Answers what is to be handed to the keeper.
    pub(crate) fn add_group<'a>(
        &self,
        events: impl IntoIterator<Item = &'a (StreamKey, u64, u64)>,
        blocks: impl Iterator<Item = (u64, Place)>,
        reached: impl FnOnce() -> Option<Reached>,
    ) -> Option<Arc<Sealed>> {
        let mut state = self.change();
        for (first_position, place) in blocks {
            state.tail.mark(first_position, place);
        }
        let mut last = None;
        for (key, version, position) in events {
            let in_order = state.tail.add(*key, *version, *position);
            debug_assert!(in_order, "the sequencer gives versions without gaps");
            last = Some(*position);
        }
        if state.tail.events() < self.plan.chunk_events {
            return None;
        }
        let reached = reached()?;
        let tail = std::mem::replace(&mut state.tail, Tail::from(last? + 1));
        let sealed = Arc::new(Sealed { tail, reached });
        state.sealed.push_back(Arc::clone(&sealed));
        Some(sealed)
    }

    fn folder(&self) -> PathBuf {
        self.plan.folder()
    }

    fn layer(&self) -> Option<&Arc<dyn FileLayer>> {
        self.plan.files.as_ref()
    }
}
