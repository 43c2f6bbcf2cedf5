//! A build: the content of a model up to a position, as one of possibly several builds of it.
//!
//! Owns taking commits in, whole, in order and by page; the fence around a model's code; the index;
//! saving and loading. A build whose `apply` panics, or that meets an event it cannot read, stops
//! where it is. Knows no task; the engine says when.

use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use eventlog::EventLog;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use sha2::{Digest, Sha256};

use crate::feed::DecodedCommit;
use crate::pace;
use crate::pages::{Change, Page, Pages};
use crate::read_model::{Fact, ReadModel, Row};
use crate::views::{Belongs, Manifest, Pack, Place, Source, Written};

/// Events from which on a batch is shared out over the threads at hand.
const PARALLEL_FACTS_MIN: usize = 256;

/// Why a build stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Position of the commit's last event, at which it stopped; nothing of it counts.
    pub position: u64,
    /// What happened.
    pub what: String,
}

/// Who feeds a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A thread of its own, until it has reached the others.
    Building,
    /// The engine's loop, with the others.
    Following,
}

/// The content of a model up to a position.
pub struct Build<M: ReadModel> {
    /// Which build of the model it is, from 1.
    pub id: u32,
    /// The version of the schema it was begun by.
    pub schema_version: u32,
    /// Its partitions, in the order of their keys.
    pub partitions: Pages<M>,
    /// Position of the last event it has taken in, wanted or not.
    pub position: u64,
    /// Why it stands still, if it does.
    pub fault: Option<Fault>,
    /// It stopped within a batch, so what it holds is not whole: nobody may be answered from it
    /// until it was folded again up to its position.
    pub suspect: bool,
    /// Who feeds it.
    pub phase: Phase,
    /// Position of its last snapshot.
    pub saved: Option<u64>,
    index: OnceLock<M::Index>,
    source: Option<Arc<Source>>,
    next_pack: u64,
    #[cfg(test)]
    pub(crate) panics_at: Option<u64>,
}

/// An event on its way into a partition, and the commit it came in.
struct Item<'a, M: ReadModel> {
    key: M::Key,
    fact: Fact<'a>,
    commit: usize,
}

/// Where and why taking in ended early: the commit, and what happened.
type Stop = (usize, String);

/// What taking a page's events in came to.
struct Taken<M: ReadModel> {
    changes: Vec<Change<M>>,
    stop: Option<Stop>,
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "panic".to_owned(), |text| format!("panic: {text}"))
}

fn earlier(one: Option<Stop>, other: Option<Stop>) -> Option<Stop> {
    [one, other]
        .into_iter()
        .flatten()
        .min_by_key(|(commit, _)| *commit)
}

impl<M: ReadModel> Build<M> {
    /// An empty build without snapshots.
    pub fn new(id: u32) -> Self {
        Self::holding(id, None, Pages::new(None))
    }

    /// An empty build whose snapshots go below `views`.
    pub(crate) fn begun(id: u32, views: Option<&Path>, log: &Arc<dyn EventLog>) -> Self {
        let source = Source::new::<M>(views, id, M::SCHEMA_VERSION, Arc::clone(log));
        let source = Arc::new(source);
        Self::holding(id, Some(Arc::clone(&source)), Pages::new(Some(source)))
    }

    /// An empty build of a what-if, whose pages go below `folder` where there is no room for them in
    /// memory. It is nobody's snapshot.
    pub(crate) fn apart(id: u32, folder: Option<&Path>, log: &Arc<dyn EventLog>) -> Self {
        let source = Source::new::<M>(folder, id, M::SCHEMA_VERSION, Arc::clone(log));
        let source = Arc::new(source.apart());
        Self::holding(id, Some(Arc::clone(&source)), Pages::new(Some(source)))
    }

    fn holding(id: u32, source: Option<Arc<Source>>, partitions: Pages<M>) -> Self {
        Self {
            id,
            schema_version: M::SCHEMA_VERSION,
            partitions,
            position: 0,
            fault: None,
            suspect: false,
            phase: Phase::Following,
            saved: None,
            index: OnceLock::new(),
            source,
            next_pack: 1,
            #[cfg(test)]
            panics_at: None,
        }
    }

    /// The build of a snapshot, if there is one of this schema version, or of one that is still
    /// read, that belongs to the log. Reads no partition.
    pub(crate) fn load(
        id: u32,
        views: &Path,
        log: &Arc<dyn EventLog>,
        belongs: Belongs,
    ) -> Option<Self> {
        let versions = std::iter::once(M::SCHEMA_VERSION).chain(M::READS.iter().copied());
        versions
            .into_iter()
            .find_map(|version| Self::load_version(id, version, views, log, belongs))
    }

    fn load_version(
        id: u32,
        schema_version: u32,
        views: &Path,
        log: &Arc<dyn EventLog>,
        belongs: Belongs,
    ) -> Option<Self> {
        let source = Source::new::<M>(Some(views), id, schema_version, Arc::clone(log));
        let source = Arc::new(source);
        let manifest: Manifest<M> = match source.manifest(belongs) {
            Ok(manifest) => manifest,
            Err(why) => {
                tracing::info!(model = M::NAME, build = id, %why, "no snapshot is used");
                return None;
            }
        };
        let (position, places) = (manifest.position, manifest.places);
        let pages = Pages::stored(places, position, Arc::clone(&source));
        Some(Self {
            schema_version,
            position,
            saved: Some(position),
            next_pack: manifest.next_pack,
            ..Self::holding(id, Some(source), pages)
        })
    }

    /// The roll-up over the partitions.
    pub fn index(&self) -> &M::Index {
        self.index.get_or_init(|| {
            let mut index = M::Index::default();
            self.partitions
                .entries(|key, entry| M::reindex(&mut index, key, None, entry));
            index
        })
    }

    /// True if what it holds is whole: somebody may be answered from it.
    pub fn is_whole(&self) -> bool {
        !self.suspect && !self.partitions.is_lost()
    }

    /// Takes commits in; those it holds already are passed over, and it stops at a gap and at a
    /// fault. With `parallel` the threads of the current pool share the pages.
    pub(crate) fn take_in(&mut self, commits: &[DecodedCommit], parallel: bool) {
        if self.fault.is_some() {
            return;
        }
        let first = commits.partition_point(|commit| commit.last_position() <= self.position);
        let mut next = self.position + 1;
        let mut ready = commits.get(first..).unwrap_or_default();
        let gap = ready.iter().position(|commit| {
            let gap = commit.header.first_position > next;
            next = commit.last_position() + 1;
            gap
        });
        ready = ready.get(..gap.unwrap_or(ready.len())).unwrap_or_default();
        let (items, unreadable) = self.items(ready);
        let taken = self.take_items(items, parallel);
        let partly = taken.is_some() || self.partitions.is_lost();
        let stop = earlier(unreadable, taken);
        let whole = stop.as_ref().map_or(ready.len(), |(commit, _)| *commit);
        if let Some(last) = ready.get(..whole).and_then(<[_]>::last) {
            self.position = last.last_position();
            self.partitions.set_position(self.position);
        }
        if let Some((commit, what)) = stop {
            let position = ready
                .get(commit)
                .map_or(self.position, DecodedCommit::last_position);
            tracing::error!(
                model = M::NAME,
                build = self.id,
                position,
                what,
                "a read model is fenced"
            );
            self.fault = Some(Fault { position, what });
            self.suspect |= partly;
        }
    }

    /// The events that concern the model, up to the first commit that cannot be read.
    fn items<'a>(&self, commits: &'a [DecodedCommit]) -> (Vec<Item<'a, M>>, Option<Stop>) {
        let mut items = Vec::new();
        for (commit, decoded) in commits.iter().enumerate() {
            pace::step();
            let before = items.len();
            for event in &decoded.events {
                if !M::wants(event.stream().category()) {
                    continue;
                }
                let found = event.fact().map_err(str::to_owned).and_then(|fact| {
                    let key = catch_unwind(AssertUnwindSafe(|| M::partition(&fact)));
                    key.map_err(|panic| words(&*panic)).map(|key| (key, fact))
                });
                match found {
                    Ok((Some(key), fact)) if fact.position > self.position => {
                        items.push(Item { key, fact, commit });
                    }
                    Ok(_) => {}
                    Err(why) => {
                        items.truncate(before);
                        return (items, Some((commit, why)));
                    }
                }
            }
        }
        (items, None)
    }

    fn take_items(&mut self, items: Vec<Item<'_, M>>, parallel: bool) -> Option<Stop> {
        let parallel = parallel && items.len() >= PARALLEL_FACTS_MIN;
        let mut by_page: BTreeMap<M::Key, Vec<Item<'_, M>>> = BTreeMap::new();
        for item in items {
            let bound = self.partitions.bound_of(&item.key);
            by_page.entry(bound).or_default().push(item);
        }
        let (bounds, items): (Vec<_>, Vec<_>) = by_page.into_iter().unzip();
        let panics_at = self.panics_at();
        let pages = self.partitions.pages_mut(&bounds);
        let work = pages.into_iter().zip(items);
        let take = |(page, items): (&mut Page<M>, Vec<Item<'_, M>>)| {
            pace::step();
            take_page(page, items, panics_at)
        };
        let taken: Vec<Taken<M>> = if parallel {
            let work: Vec<_> = work.collect();
            work.into_par_iter().map(take).collect()
        } else {
            work.map(take).collect()
        };
        let mut stop = None;
        for page in taken {
            stop = earlier(stop, page.stop);
            let Some(index) = self.index.get_mut() else {
                continue;
            };
            let reindex = || {
                for (key, old, new) in &page.changes {
                    M::reindex(index, key, old.as_ref(), new);
                }
            };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(reindex)) {
                stop = Some((0, words(&*panic)));
            }
        }
        if stop.is_some() {
            self.index = OnceLock::new();
        }
        self.partitions.split(&bounds);
        stop
    }

    #[cfg(test)]
    fn panics_at(&self) -> Option<u64> {
        self.panics_at
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "only tests make a model panic")]
    fn panics_at(&self) -> Option<u64> {
        None
    }

    /// All rows in canonical order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.partitions
            .iter()
            .flat_map(|(key, partition)| M::rows(key, partition))
    }

    /// SHA-256 over the canonical rows: equal for builds that say the same.
    pub fn checksum(&self) -> Checksum {
        let mut hasher = Sha256::new();
        let mut rows = 0_u64;
        for (key, value) in self.rows() {
            let value = value.to_string();
            for part in [&key, &value] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part.as_bytes());
            }
            rows += 1;
        }
        Checksum {
            position: self.position,
            rows,
            sha256: domain::ids::hex(&hasher.finalize()),
        }
    }
}

fn take_page<M: ReadModel>(
    page: &mut Page<M>,
    items: Vec<Item<'_, M>>,
    panics_at: Option<u64>,
) -> Taken<M> {
    let mut taken = Taken {
        changes: Vec::new(),
        stop: None,
    };
    page.changed(0);
    let facts = items.len();
    let at = Cell::new(0);
    let outcome = page.rows_mut().map(|rows| {
        catch_unwind(AssertUnwindSafe(|| {
            for Item { key, fact, commit } in items {
                at.set(commit);
                assert!(panics_at != Some(fact.position), "made to panic by a test");
                let mut old = None;
                let partition = rows
                    .entry(key.clone())
                    .and_modify(|partition| old = Some(M::entry(&key, partition)))
                    .or_default();
                M::apply(partition, &fact);
                let new = M::entry(&key, partition);
                if old.as_ref() != Some(&new) {
                    taken.changes.push((key, old, new));
                }
            }
        }))
    });
    page.changed(facts);
    if let Some(Err(panic)) = outcome {
        taken.stop = Some((at.get(), words(&*panic)));
    }
    taken
}

/// A step of writing a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The pages that changed are in a new pack that no manifest names yet.
    Packed,
    /// The manifest names the new pack; packs that hold nothing any more are still there.
    Named,
}

/// What saving wrote, to be told to the build once nobody reads it.
pub(crate) struct Save<M: ReadModel> {
    written: Vec<Written<M>>,
    moved: Vec<(M::Key, Place)>,
    position: u64,
    next_pack: u64,
    alive: BTreeSet<u64>,
}

impl<M: ReadModel> Build<M> {
    /// Writes its snapshot, if it has moved since the last one, and tells each [`Step`] that is done.
    /// [`Build::saved`] must follow.
    ///
    /// # Errors
    /// If the system refuses; the snapshot is then what it was.
    pub(crate) fn save(
        &self,
        belongs: Belongs,
        done: &dyn Fn(Step),
    ) -> io::Result<Option<Save<M>>> {
        let Some(source) = &self.source else {
            return Ok(None);
        };
        if !self.is_whole() || self.saved == Some(self.position) || self.position > belongs.head {
            return Ok(None);
        }
        let (dirty, clean): (Vec<_>, Vec<_>) = (
            self.partitions.dirty().collect(),
            self.partitions.clean().collect(),
        );
        let mut next_pack = self.next_pack;
        let (mut written, mut moved) = (Vec::new(), Vec::new());
        if !dirty.is_empty() {
            Pack { written, moved } = source.write_pack(next_pack, &dirty, &clean)?;
            next_pack += 1;
            done(Step::Packed);
        }
        let clean = clean
            .into_iter()
            .map(|(bound, place)| (bound.clone(), place.clone()));
        let mut places: BTreeMap<M::Key, Place> = clean.collect();
        places.extend(moved.iter().cloned());
        places.extend(
            written
                .iter()
                .map(|(bound, _, place)| (bound.clone(), place.clone())),
        );
        let manifest = Manifest::<M> {
            position: self.position,
            next_pack,
            places: places.into_iter().collect(),
        };
        source.write_manifest(belongs, &manifest)?;
        done(Step::Named);
        Ok(Some(Save {
            alive: manifest
                .places
                .iter()
                .map(|(_, place)| place.pack())
                .collect(),
            written,
            moved,
            position: self.position,
            next_pack,
        }))
    }

    /// Takes note of what [`Build::save`] wrote.
    pub(crate) fn saved(&mut self, save: Save<M>) {
        self.saved = Some(save.position);
        self.next_pack = save.next_pack;
        self.partitions.moved(save.moved);
        self.partitions.saved(save.written);
        if let Some(source) = &self.source {
            source.remove_dead(&save.alive);
        }
    }
}

/// What a build says, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// Position up to which it holds.
    pub position: u64,
    /// How many rows there are.
    pub rows: u64,
    /// SHA-256 over the canonical rows, in hexadecimal.
    pub sha256: String,
}
