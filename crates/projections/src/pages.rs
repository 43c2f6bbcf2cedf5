//! The partitions of a build, in pages: key ranges that are read from the snapshot when somebody
//! asks for them, and let go again when memory is short.
//!
//! Owns which page a key lies in, the splitting of pages, and what is resident. A page that cannot
//! be read, or is not what was written, is folded again from the log: a snapshot never changes an
//! answer. Never decides when to save or to let go; never sees an event.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::read_model::ReadModel;
use crate::views::{Place, Source, stored_bytes};

/// Most partitions of a page; one that grows beyond is split.
pub const PAGE_PARTITIONS_MAX: usize = 512;
/// Most bytes of a page in its stored form before compression; one that grows beyond is split if it
/// has more than one partition.
pub const PAGE_BYTES_MAX: usize = 512 * 1_024;
/// What one event adds to a page, in stored bytes, before a snapshot of the model has told: on the
/// safe side of the means of the models.
const FACT_BYTES_FIRST: usize = 256;
/// The least and the most that an event is taken to add, whatever snapshots told: a model may grow
/// by none of its events for a long time, and then by all.
const FACT_BYTES: std::ops::RangeInclusive<usize> = 8..=1_024;
/// Events that a snapshot must have taken in to tell what an event adds.
const FACTS_TOLD_MIN: usize = 256;
/// Resident bytes for each stored byte: on the safe side of what `benniu bench rebuild` measures of all
/// models together (1.13 of a simulated log), since single models differ.
pub const RESIDENT_PER_STORED: usize = 2;

/// The partitions of a page.
pub type Rows<M> = BTreeMap<<M as ReadModel>::Key, <M as ReadModel>::Partition>;

/// A range of keys.
pub(crate) struct Page<M: ReadModel> {
    /// Empty while they are only in the snapshot.
    rows: OnceLock<Rows<M>>,
    /// How many partitions there are, resident or not.
    len: usize,
    /// Where the last snapshot of it lies.
    stored: Option<Place>,
    /// Changes since the build began; the snapshot is whole if it was made at this count.
    version: u64,
    stored_version: u64,
    /// Its size in stored form, when a snapshot told it last.
    measured: usize,
    /// Events taken in since then.
    facts: usize,
    used: AtomicU64,
}

/// A change of what the index must know of a partition: its key, the old and the new entry.
pub(crate) type Change<M> = (
    <M as ReadModel>::Key,
    Option<<M as ReadModel>::Entry>,
    <M as ReadModel>::Entry,
);

/// The partitions of a build.
pub struct Pages<M: ReadModel> {
    /// By the lowest key of each; the first takes what is lower still.
    ranges: BTreeMap<M::Key, Page<M>>,
    source: Option<Arc<Source>>,
    /// Position that the pages on file and in memory hold alike.
    position: u64,
    /// Set once a page could be had neither from its snapshot nor from the log.
    lost: AtomicBool,
    clock: AtomicU64,
    /// Stored bytes that an event adds, as the snapshots told.
    fact_bytes: usize,
}

impl<M: ReadModel> Page<M> {
    fn resident(rows: Rows<M>) -> Self {
        let len = rows.len();
        Self {
            rows: OnceLock::from(rows),
            len,
            stored: None,
            version: 1,
            stored_version: 0,
            measured: 0,
            facts: len,
            used: AtomicU64::new(0),
        }
    }

    fn stored(place: Place) -> Self {
        Self {
            rows: OnceLock::new(),
            len: place.partitions,
            measured: place.bytes,
            facts: 0,
            stored: Some(place),
            version: 0,
            stored_version: 0,
            used: AtomicU64::new(0),
        }
    }

    /// The partitions for changing; they must be resident.
    pub(crate) fn rows_mut(&mut self) -> Option<&mut Rows<M>> {
        self.rows.get_mut()
    }

    /// Tells that so many events were taken in.
    pub(crate) fn changed(&mut self, facts: usize) {
        self.version += 1;
        self.len = self.rows.get().map_or(self.len, BTreeMap::len);
        self.facts += facts;
    }

    fn is_too_large(&self) -> bool {
        let is_large = self.measured > PAGE_BYTES_MAX && self.len > 1;
        self.len > PAGE_PARTITIONS_MAX || is_large
    }

    fn is_clean(&self) -> bool {
        self.stored.is_some() && self.version == self.stored_version
    }

    /// Its size in stored form, if an event adds so many bytes.
    fn bytes(&self, fact_bytes: usize) -> usize {
        self.measured + self.facts * fact_bytes
    }

    fn resident_bytes(&self, fact_bytes: usize) -> usize {
        match self.rows.get() {
            Some(_) => self.whole_bytes(fact_bytes),
            None => 0,
        }
    }

    /// Its size as if it was resident.
    fn whole_bytes(&self, fact_bytes: usize) -> usize {
        self.bytes(fact_bytes) * RESIDENT_PER_STORED
    }
}

/// A page that the next snapshot must hold anew.
pub(crate) struct Dirty<'a, M: ReadModel> {
    /// The lowest key it takes.
    pub(crate) bound: &'a M::Key,
    /// Its partitions.
    pub(crate) rows: &'a Rows<M>,
    /// Its count of changes.
    pub(crate) version: u64,
}

impl<M: ReadModel> Pages<M> {
    pub(crate) fn new(source: Option<Arc<Source>>) -> Self {
        Self {
            ranges: BTreeMap::new(),
            source,
            position: 0,
            lost: AtomicBool::new(false),
            clock: AtomicU64::new(1),
            fact_bytes: FACT_BYTES_FIRST,
        }
    }

    /// Pages of a snapshot, none of them resident.
    pub(crate) fn stored(
        places: impl IntoIterator<Item = (M::Key, Place)>,
        position: u64,
        source: Arc<Source>,
    ) -> Self {
        let pages = places.into_iter();
        Self {
            ranges: pages
                .map(|(key, place)| (key, Page::stored(place)))
                .collect(),
            position,
            ..Self::new(Some(source))
        }
    }

    /// How many partitions there are.
    pub fn len(&self) -> usize {
        self.ranges.values().map(|page| page.len).sum()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A partition.
    pub fn get<Q>(&self, key: &Q) -> Option<&M::Partition>
    where
        M::Key: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let (bound, page) = self.page_of(key)?;
        self.rows(bound, page).get(key)
    }

    /// The partition with the lowest key.
    pub fn first(&self) -> Option<(&M::Key, &M::Partition)> {
        self.iter().next()
    }

    /// True if there is a partition with this key.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        M::Key: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.get(key).is_some()
    }

    /// All partitions, in the order of their keys. Makes every page resident.
    pub fn iter(&self) -> impl Iterator<Item = (&M::Key, &M::Partition)> {
        let pages = self.ranges.iter();
        pages.flat_map(|(bound, page)| self.rows(bound, page).iter())
    }

    /// The keys, in order. Makes every page resident.
    pub fn keys(&self) -> impl Iterator<Item = &M::Key> {
        self.iter().map(|(key, _)| key)
    }

    /// All partitions without their keys, in the order of the keys. Makes every page resident.
    pub fn values(&self) -> impl Iterator<Item = &M::Partition> {
        self.iter().map(|(_, partition)| partition)
    }

    /// The partitions of a range of keys, in order.
    pub fn range(
        &self,
        range: (Bound<M::Key>, Bound<M::Key>),
    ) -> impl Iterator<Item = (&M::Key, &M::Partition)> {
        let first = match &range.0 {
            Bound::Included(key) | Bound::Excluded(key) => self.page_of(key),
            Bound::Unbounded => None,
        };
        let start = first.map_or(Bound::Unbounded, |(bound, _)| {
            Bound::Included(bound.clone())
        });
        let pages = self.ranges.range((start, Bound::Unbounded));
        let before = range.1.clone();
        pages
            .take_while(move |(bound, _)| match &before {
                // The first page takes lower keys than its bound says.
                Bound::Included(key) => *bound <= key || self.is_first(bound),
                Bound::Excluded(key) => *bound < key || self.is_first(bound),
                Bound::Unbounded => true,
            })
            .flat_map(|(bound, page)| self.rows(bound, page))
            .filter(move |(key, _)| range.contains(*key))
    }

    /// True if a page could be had neither from its snapshot nor from the log.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    fn is_first(&self, bound: &M::Key) -> bool {
        self.ranges.keys().next() == Some(bound)
    }

    fn page_of<Q>(&self, key: &Q) -> Option<(&M::Key, &Page<M>)>
    where
        M::Key: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.ranges
            .range::<Q, _>((Bound::Unbounded, Bound::Included(key)))
            .next_back()
            .or_else(|| self.ranges.iter().next())
    }

    fn rows<'a>(&'a self, bound: &M::Key, page: &'a Page<M>) -> &'a Rows<M> {
        page.used
            .store(self.clock.load(Ordering::Relaxed), Ordering::Relaxed);
        page.rows.get_or_init(|| self.fetch(bound, page))
    }

    /// Reads a page, or folds it again.
    fn fetch(&self, bound: &M::Key, page: &Page<M>) -> Rows<M> {
        let (Some(source), Some(place)) = (&self.source, &page.stored) else {
            self.lost.store(true, Ordering::Release);
            return Rows::<M>::new();
        };
        match source.page::<M>(place) {
            Ok(rows) => return rows,
            Err(why) => tracing::warn!(
                model = M::NAME,
                %why,
                "a page of a snapshot is not usable; it is folded again from the log"
            ),
        }
        let from = (!self.is_first(bound)).then_some(bound);
        let after = self
            .ranges
            .range((Bound::Excluded(bound), Bound::Unbounded))
            .next();
        let folded = source.fold::<M>(self.position, from, after.map(|(bound, _)| bound));
        folded.unwrap_or_else(|error| {
            tracing::error!(model = M::NAME, %error, "a page is lost until the log can be read");
            self.lost.store(true, Ordering::Release);
            Rows::<M>::new()
        })
    }

    /// The bound of the page that a key lies in or comes into.
    pub(crate) fn bound_of(&mut self, key: &M::Key) -> M::Key {
        if let Some((bound, _)) = self.page_of(key) {
            return bound.clone();
        }
        self.ranges
            .insert(key.clone(), Page::resident(Rows::<M>::new()));
        key.clone()
    }

    /// Pages for changing, by their bounds in ascending order; all become resident.
    pub(crate) fn pages_mut(&mut self, bounds: &[M::Key]) -> Vec<&mut Page<M>> {
        for bound in bounds {
            if let Some(page) = self.ranges.get(bound) {
                self.rows(bound, page);
            }
        }
        let mut wanted = bounds.iter().peekable();
        let mut found = Vec::with_capacity(bounds.len());
        if let [only] = bounds {
            found.extend(self.ranges.get_mut(only));
            return found;
        }
        for (bound, page) in &mut self.ranges {
            if wanted.peek() == Some(&bound) {
                wanted.next();
                found.push(page);
            }
        }
        found
    }

    /// Splits pages, just changed, with too many partitions, or too large when they were last
    /// stored: those must be stored anew in any case.
    pub(crate) fn split(&mut self, bounds: &[M::Key]) {
        for bound in bounds {
            let mut bound = bound.clone();
            while self.ranges.get(&bound).is_some_and(Page::is_too_large) {
                match self.halve(bound) {
                    Some(upper) => bound = upper,
                    None => break,
                }
            }
        }
    }

    /// Splits a page and answers the bound of its upper part.
    fn halve(&mut self, bound: M::Key) -> Option<M::Key> {
        let is_last = self.ranges.keys().next_back() == Some(&bound);
        let is_first = self.is_first(&bound);
        let mut page = self.ranges.remove(&bound)?;
        let (measured, facts) = (page.measured, page.facts);
        let upper = page.rows.get_mut().and_then(|rows| {
            let len = rows.len();
            // Ids rise with time: what is last stays full, so that pages are not left half empty.
            let keep = if is_last && len > PAGE_PARTITIONS_MAX {
                PAGE_PARTITIONS_MAX
            } else {
                len / 2
            };
            let middle = rows.keys().nth(keep.max(1)).cloned()?;
            let upper = rows.split_off(&middle);
            // The first page may hold keys below its bound; from now on it says so, for the upper
            // part's bound may lie below the old one.
            let lowest = rows.keys().next().filter(|_| is_first).cloned();
            Some((lowest.unwrap_or_else(|| bound.clone()), middle, upper, len))
        });
        let Some((lowest, middle, upper, len)) = upper else {
            self.ranges.insert(bound, page);
            return None;
        };
        page.len = len - upper.len();
        page.version += 1;
        page.measured = measured / len.max(1) * page.len;
        page.facts = facts / len.max(1) * page.len;
        let mut upper = Page::resident(upper);
        upper.measured = measured - page.measured;
        upper.facts = facts - page.facts;
        // Its key may have been another page's: a snapshot of that one must not count as its own.
        upper.version = page.version;
        self.ranges.insert(lowest, page);
        self.ranges.insert(middle.clone(), upper);
        Some(middle)
    }

    /// Sets the position that the pages hold.
    pub(crate) fn set_position(&mut self, position: u64) {
        self.position = position;
    }

    /// What the next snapshot must hold anew.
    pub(crate) fn dirty(&self) -> impl Iterator<Item = Dirty<'_, M>> {
        let dirty = self.ranges.iter().filter(|(_, page)| !page.is_clean());
        dirty.filter_map(|(bound, page)| {
            Some(Dirty {
                bound,
                rows: page.rows.get()?,
                version: page.version,
            })
        })
    }

    /// Bytes of pages that no snapshot holds, as they are resident.
    pub(crate) fn dirty_bytes(&self) -> usize {
        let dirty = self.ranges.values().filter(|page| !page.is_clean());
        dirty.map(|page| page.resident_bytes(self.fact_bytes)).sum()
    }

    /// Every page that the snapshot holds as it is: its bound and place.
    pub(crate) fn clean(&self) -> impl Iterator<Item = (&M::Key, &Place)> {
        let clean = self.ranges.iter().filter(|(_, page)| page.is_clean());
        clean.filter_map(|(bound, page)| Some((bound, page.stored.as_ref()?)))
    }

    /// Tells where pages lie after a snapshot, as of their counts of changes.
    pub(crate) fn saved(&mut self, places: Vec<(M::Key, u64, Place)>) {
        let (mut grown, mut facts) = (0, 0);
        for (bound, version, place) in places {
            let Some(page) = self.ranges.get_mut(&bound) else {
                continue;
            };
            if page.version == version {
                grown += place.bytes.saturating_sub(page.measured);
                facts += page.facts;
                page.measured = place.bytes;
                page.facts = 0;
                page.stored_version = version;
                page.stored = Some(place);
            }
        }
        if facts >= FACTS_TOLD_MIN {
            let told = grown.div_ceil(facts);
            self.fact_bytes = told.clamp(*FACT_BYTES.start(), *FACT_BYTES.end());
        }
    }

    /// Moves places, after their bytes were copied to another file.
    pub(crate) fn moved(&mut self, places: Vec<(M::Key, Place)>) {
        for (bound, place) in places {
            if let Some(page) = self.ranges.get_mut(&bound)
                && page.is_clean()
            {
                page.stored = Some(place);
            }
        }
    }

    /// Bytes that are resident, estimated.
    pub(crate) fn resident_bytes(&self) -> usize {
        let pages = self.ranges.values();
        pages.map(|page| page.resident_bytes(self.fact_bytes)).sum()
    }

    /// Bytes that all pages would take if they were resident, estimated.
    pub(crate) fn whole_bytes(&self) -> usize {
        let pages = self.ranges.values();
        pages.map(|page| page.whole_bytes(self.fact_bytes)).sum()
    }

    /// Bytes of the stored form of all pages, counted.
    pub(crate) fn stored_bytes(&self) -> usize {
        let pages = self.ranges.iter();
        pages
            .map(|(bound, page)| stored_bytes::<M>(self.rows(bound, page)))
            .sum()
    }

    /// Lets pages go that the snapshot holds and nobody used for `ticks`; bytes that became free.
    pub(crate) fn let_go(&mut self, ticks: u64) -> usize {
        let now = *self.clock.get_mut();
        let mut freed = 0;
        for page in self.ranges.values_mut() {
            let unused = now.saturating_sub(*page.used.get_mut()) >= ticks;
            if unused && page.is_clean() && page.rows.get().is_some() {
                freed += page.resident_bytes(self.fact_bytes);
                page.rows = OnceLock::new();
            }
        }
        freed
    }

    /// Moves the clock by which unused pages are told.
    pub(crate) fn tick(&self) {
        self.clock.fetch_add(1, Ordering::Relaxed);
    }

    /// Hands each partition's entry over, without making its page resident.
    pub(crate) fn entries(&self, mut each: impl FnMut(&M::Key, &M::Entry)) {
        for (bound, page) in &self.ranges {
            if page.rows.get().is_none()
                && let (Some(source), Some(place)) = (&self.source, &page.stored)
            {
                match source.entries::<M>(place) {
                    Ok(entries) => {
                        for (key, entry) in &entries {
                            each(key, entry);
                        }
                        continue;
                    }
                    Err(why) => tracing::warn!(
                        model = M::NAME,
                        %why,
                        "entries of a snapshot are not usable; the page is read"
                    ),
                }
            }
            for (key, partition) in self.rows(bound, page) {
                each(key, &M::entry(key, partition));
            }
        }
    }
}

#[cfg(test)]
impl<M: ReadModel> std::ops::Index<&M::Key> for Pages<M> {
    type Output = M::Partition;

    fn index(&self, key: &M::Key) -> &M::Partition {
        self.get(key).expect("a partition with this key")
    }
}

impl<M: ReadModel> FromIterator<(M::Key, M::Partition)> for Pages<M> {
    fn from_iter<I: IntoIterator<Item = (M::Key, M::Partition)>>(rows: I) -> Self {
        let mut pages = Self::new(None);
        let rows: Rows<M> = rows.into_iter().collect();
        if let Some(bound) = rows.keys().next().cloned() {
            pages.ranges.insert(bound.clone(), Page::resident(rows));
            pages.split(std::slice::from_ref(&bound));
        }
        pages
    }
}

#[cfg(test)]
mod tests;
