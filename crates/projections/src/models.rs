//! A read model with its builds, and what can be done with any of them alike.
//!
//! Owns which builds of a model there are in memory and the putting of one in another's place. Knows
//! no task and no log: the engine says when.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use eventlog::EventLog;

use crate::build::{Build, Checksum, Fault, Phase, Step};
use crate::compare::{self, Tally};
use crate::feed::DecodedCommit;
use crate::read_model::{ReadModel, Row};
use crate::views::{self, Belongs};

/// A build that is fed by one and asked by many.
pub struct Held<M: ReadModel>(RwLock<Build<M>>);

impl<M: ReadModel> Held<M> {
    fn new(build: Build<M>) -> Self {
        Self(RwLock::new(build))
    }

    fn read(&self) -> RwLockReadGuard<'_, Build<M>> {
        // A panic in `apply` is caught before the guard goes: a poisoned lock holds no less.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Build<M>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What can be done with a build whatever its model is.
pub trait AnyBuild: Send + Sync {
    /// The name of its model.
    fn name(&self) -> &'static str;
    /// How it does.
    fn standing(&self) -> Standing;
    /// Position up to which it holds.
    fn position(&self) -> u64;
    /// True if it met a fault, and is fed no more.
    fn is_fenced(&self) -> bool;
    /// Who feeds it.
    fn phase(&self) -> Phase;
    /// Says who feeds it.
    fn set_phase(&self, phase: Phase);
    /// Takes commits in; see [`Build::take_in`].
    fn take_in(&self, commits: &[DecodedCommit], parallel: bool);
    /// Writes its snapshot, if it has moved, and tells each step that is done; `true` if it wrote one.
    ///
    /// # Errors
    /// If the system refuses.
    fn save(&self, belongs: Belongs, done: &(dyn Fn(Step) + Sync)) -> io::Result<bool>;
    /// Bytes that are resident, and those of them that no snapshot holds; estimated.
    fn resident_bytes(&self) -> (usize, usize);
    /// Bytes that it would take if every page was resident, estimated.
    fn whole_bytes(&self) -> usize;
    /// Bytes of the stored form of all pages before compression, counted and not estimated; makes
    /// every page resident.
    fn stored_bytes(&self) -> usize;
    /// Lets pages go that nobody used for so many ticks; the bytes that became free.
    fn let_go(&self, ticks: u64) -> usize;
    /// Counts one tick.
    fn tick(&self);
    /// SHA-256 over its rows.
    fn checksum(&self) -> Checksum;
    /// Hands each row over, in canonical order.
    fn rows(&self, each: &mut dyn FnMut(Row));
    /// Itself, as what it is.
    fn as_any(&self) -> &dyn Any;
}

/// How a build does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its number.
    pub id: u32,
    /// The version of its schema.
    pub schema_version: u32,
    /// Who feeds it.
    pub phase: Phase,
    /// Position up to which it holds.
    pub position: u64,
    /// Partitions it has.
    pub partitions: usize,
    /// Position of its last snapshot.
    pub saved: Option<u64>,
    /// Why it stands still, if it does.
    pub fault: Option<Fault>,
    /// What it holds is whole.
    pub whole: bool,
}

impl<M: ReadModel> AnyBuild for Held<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn standing(&self) -> Standing {
        let build = self.read();
        Standing {
            id: build.id,
            schema_version: build.schema_version,
            phase: build.phase,
            position: build.position,
            partitions: build.partitions.len(),
            saved: build.saved,
            fault: build.fault.clone(),
            whole: build.is_whole(),
        }
    }

    fn position(&self) -> u64 {
        self.read().position
    }

    fn is_fenced(&self) -> bool {
        self.read().fault.is_some()
    }

    fn phase(&self) -> Phase {
        self.read().phase
    }

    fn set_phase(&self, phase: Phase) {
        self.write().phase = phase;
    }

    fn take_in(&self, commits: &[DecodedCommit], parallel: bool) {
        self.write().take_in(commits, parallel);
    }

    fn save(&self, belongs: Belongs, done: &(dyn Fn(Step) + Sync)) -> io::Result<bool> {
        let Some(save) = self.read().save(belongs, done)? else {
            return Ok(false);
        };
        self.write().saved(save);
        Ok(true)
    }

    fn resident_bytes(&self) -> (usize, usize) {
        let build = self.read();
        (
            build.partitions.resident_bytes(),
            build.partitions.dirty_bytes(),
        )
    }

    fn whole_bytes(&self) -> usize {
        self.read().partitions.whole_bytes()
    }

    fn stored_bytes(&self) -> usize {
        self.read().partitions.stored_bytes()
    }

    fn let_go(&self, ticks: u64) -> usize {
        self.write().partitions.let_go(ticks)
    }

    fn tick(&self) {
        self.read().partitions.tick();
    }

    fn checksum(&self) -> Checksum {
        self.read().checksum()
    }

    fn rows(&self, each: &mut dyn FnMut(Row)) {
        self.read().rows().for_each(each);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A model with its builds.
pub struct Slot<M: ReadModel> {
    live: Arc<Held<M>>,
    beside: Mutex<BTreeMap<u32, Arc<Held<M>>>>,
    /// Folded anew to take the place of the live build under the same number.
    renewal: Mutex<Option<Arc<Held<M>>>>,
    home: Mutex<Home>,
}

/// Where the snapshots of a model go, and the log behind it.
#[derive(Clone, Default)]
struct Home {
    views: Option<PathBuf>,
    log: Option<Arc<dyn EventLog>>,
}

impl<M: ReadModel> Default for Slot<M> {
    fn default() -> Self {
        Self {
            live: Arc::new(Held::new(Build::new(1))),
            beside: Mutex::default(),
            renewal: Mutex::default(),
            home: Mutex::default(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: ReadModel> Slot<M> {
    /// The live build, for queries. While it is held the model stands still, so hold it briefly.
    pub fn read(&self) -> RwLockReadGuard<'_, Build<M>> {
        self.live.read()
    }

    #[cfg(test)]
    pub(crate) fn panic_at(&self, position: u64) {
        self.live.write().panics_at = Some(position);
    }

    fn begun(&self, id: u32) -> Build<M> {
        let home = locked(&self.home).clone();
        match &home.log {
            Some(log) => Build::begun(id, home.views.as_deref(), log),
            None => Build::new(id),
        }
    }

    fn stored(&self, id: u32, belongs: Belongs) -> Option<Build<M>> {
        let home = locked(&self.home).clone();
        Build::load(id, home.views.as_deref()?, home.log.as_ref()?, belongs)
    }

    fn held(&self, id: u32) -> Option<Arc<Held<M>>> {
        if self.read().id == id {
            return Some(Arc::clone(&self.live));
        }
        locked(&self.beside).get(&id).cloned()
    }
}

/// What can be done with a model whatever it is.
pub trait AnyModel: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// The version of its schema, as this code folds it.
    fn schema_version(&self) -> u32;
    /// Tells whether events of a category concern it.
    fn wants(&self) -> fn(&str) -> bool;
    /// Says where its snapshots go and which log is behind it.
    fn settle(&self, views: Option<&Path>, log: &Arc<dyn EventLog>);
    /// The live build.
    fn live(&self) -> Arc<dyn AnyBuild>;
    /// A build by number.
    fn build(&self, id: u32) -> Option<Arc<dyn AnyBuild>>;
    /// The builds beside the live one, by number.
    fn beside(&self) -> Vec<Arc<dyn AnyBuild>>;
    /// The build that is folded to renew the live one, if there is one.
    fn renewal(&self) -> Option<Arc<dyn AnyBuild>>;
    /// Takes the snapshot of a build as the live one; `false` if none is usable, and it begins empty.
    fn load_live(&self, id: u32, belongs: Belongs) -> bool;
    /// Takes a build beside the live one, from its snapshot if one is usable.
    fn add(&self, id: u32, belongs: Belongs) -> Arc<dyn AnyBuild>;
    /// Drops a build beside the live one, with its snapshot.
    fn drop_build(&self, id: u32);
    /// Begins an empty build to renew the live one.
    fn renew(&self) -> Arc<dyn AnyBuild>;
    /// Puts the renewal in the place of the live build. The live one's fault stays if `keep_fault`.
    fn put_renewal(&self, keep_fault: bool);
    /// Gives the renewal up.
    fn drop_renewal(&self);
    /// Makes a build beside the live one live, and the live one one beside; `false` if there is no
    /// such build.
    fn switch(&self, id: u32) -> bool;
    /// Removes snapshots of builds that are not in memory.
    fn remove_stray(&self);
    /// Begins an empty build that belongs to nobody, for a what-if; its pages go below `folder`.
    fn apart(&self, id: u32, folder: Option<&Path>, log: &Arc<dyn EventLog>) -> Arc<dyn AnyBuild>;
    /// The next keys of two builds from one on, as [`AnyModel::compare`]; `false` also if one of them
    /// is of another model.
    fn compare_apart(
        &self,
        builds: [&dyn AnyBuild; 2],
        from: &mut compare::Cursor,
        tally: &mut Tally,
    ) -> bool;
    /// The next keys from one on, in canonical form, at most so many; see [`compare`].
    fn compare(&self, id: u32, from: &mut compare::Cursor, tally: &mut Tally) -> bool;
}

impl<M: ReadModel> AnyModel for Slot<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn schema_version(&self) -> u32 {
        M::SCHEMA_VERSION
    }

    fn wants(&self) -> fn(&str) -> bool {
        M::wants
    }

    fn settle(&self, views: Option<&Path>, log: &Arc<dyn EventLog>) {
        *locked(&self.home) = Home {
            views: views.map(Path::to_owned),
            log: Some(Arc::clone(log)),
        };
        let id = self.read().id;
        let begun = self.begun(id);
        *self.live.write() = begun;
    }

    fn live(&self) -> Arc<dyn AnyBuild> {
        Arc::clone(&self.live) as Arc<dyn AnyBuild>
    }

    fn build(&self, id: u32) -> Option<Arc<dyn AnyBuild>> {
        self.held(id).map(|held| held as Arc<dyn AnyBuild>)
    }

    fn beside(&self) -> Vec<Arc<dyn AnyBuild>> {
        let beside = locked(&self.beside);
        let builds = beside.values().map(Arc::clone);
        builds.map(|held| held as Arc<dyn AnyBuild>).collect()
    }

    fn renewal(&self) -> Option<Arc<dyn AnyBuild>> {
        let renewal = locked(&self.renewal).clone();
        renewal.map(|held| held as Arc<dyn AnyBuild>)
    }

    fn load_live(&self, id: u32, belongs: Belongs) -> bool {
        let stored = self.stored(id, belongs);
        let found = stored.is_some();
        let build = stored.unwrap_or_else(|| self.begun(id));
        *self.live.write() = build;
        found
    }

    fn add(&self, id: u32, belongs: Belongs) -> Arc<dyn AnyBuild> {
        let build = self
            .stored(id, belongs)
            .filter(|build| build.schema_version == M::SCHEMA_VERSION);
        let mut build = build.unwrap_or_else(|| self.begun(id));
        build.phase = Phase::Building;
        let held = Arc::new(Held::new(build));
        locked(&self.beside).insert(id, Arc::clone(&held));
        held
    }

    fn drop_build(&self, id: u32) {
        let dropped = locked(&self.beside).remove(&id);
        let views = locked(&self.home).views.clone();
        if let (Some(dropped), Some(views)) = (dropped, views) {
            views::remove(&views, M::NAME, id, dropped.read().schema_version);
        }
    }

    fn renew(&self) -> Arc<dyn AnyBuild> {
        let mut build = self.begun(self.read().id);
        build.phase = Phase::Building;
        let held = Arc::new(Held::new(build));
        *locked(&self.renewal) = Some(Arc::clone(&held));
        held
    }

    fn put_renewal(&self, keep_fault: bool) {
        let Some(renewal) = locked(&self.renewal).take() else {
            return;
        };
        let mut live = self.live.write();
        let mut renewal = renewal.write();
        if live.id != renewal.id {
            return;
        }
        if keep_fault {
            renewal.fault = live.fault.take();
        }
        std::mem::swap(&mut *live, &mut *renewal);
    }

    fn drop_renewal(&self) {
        *locked(&self.renewal) = None;
    }

    fn switch(&self, id: u32) -> bool {
        let mut beside = locked(&self.beside);
        let Some(other) = beside.remove(&id) else {
            return false;
        };
        {
            let mut live = self.live.write();
            std::mem::swap(&mut *live, &mut *other.write());
        }
        let was = other.read().id;
        beside.insert(was, other);
        true
    }

    fn remove_stray(&self) {
        let Some(views) = locked(&self.home).views.clone() else {
            return;
        };
        for (id, schema) in views::stored_builds(&views, M::NAME) {
            let held = self.held(id);
            if held.is_none_or(|held| held.read().schema_version != schema) {
                views::remove(&views, M::NAME, id, schema);
            }
        }
    }

    fn apart(&self, id: u32, folder: Option<&Path>, log: &Arc<dyn EventLog>) -> Arc<dyn AnyBuild> {
        Arc::new(Held::new(Build::<M>::apart(id, folder, log)))
    }

    fn compare_apart(
        &self,
        builds: [&dyn AnyBuild; 2],
        from: &mut compare::Cursor,
        tally: &mut Tally,
    ) -> bool {
        let held = builds.map(|build| build.as_any().downcast_ref::<Held<M>>());
        let [Some(one), Some(other)] = held else {
            return false;
        };
        compare::step(&one.read(), &other.read(), from, tally)
    }

    fn compare(&self, id: u32, from: &mut compare::Cursor, tally: &mut Tally) -> bool {
        let Some(other) = self.held(id) else {
            return false;
        };
        compare::step(&self.read(), &other.read(), from, tally)
    }
}

/// Declares [`Models`](crate::Models): one line for each model.
macro_rules! read_models {
    ($($field:ident: $model:ty,)+) => {
        /// Every read model, each with its builds.
        #[derive(Default)]
        pub struct Models {
            $( #[doc = concat!("See [`", stringify!($model), "`].")]
               pub $field: $crate::models::Slot<$model>, )+
        }

        impl Models {
            /// The names of all models.
            pub const NAMES: &'static [&'static str] =
                &[$(<$model as $crate::read_model::ReadModel>::NAME,)+];

            /// All of them, whatever they are.
            pub fn all(&self) -> Vec<&dyn $crate::models::AnyModel> {
                vec![$(&self.$field,)+]
            }

            /// The one with this name.
            pub fn named(&self, name: &str) -> Option<&dyn $crate::models::AnyModel> {
                self.all().into_iter().find(|model| model.name() == name)
            }

            /// True if some model wants events of this category.
            pub fn wants(category: &str) -> bool {
                $(<$model as $crate::read_model::ReadModel>::wants(category))||+
            }
        }
    };
}
pub(crate) use read_models;

impl crate::Models {
    /// Folds a log into models as it is, without an engine: for questions on a folder.
    ///
    /// # Errors
    /// The first commit that cannot be read. A model that met a fault says so by its standing.
    pub fn of(log: &dyn EventLog) -> Result<Self, eventlog::ReadError> {
        let models = Self::default();
        let threads =
            std::thread::available_parallelism().unwrap_or(std::num::NonZero::<usize>::MIN);
        crate::engine::fold(log, &models, Self::NAMES, threads)?;
        Ok(models)
    }

    /// Folds commits into models, one after the other.
    ///
    /// # Errors
    /// The first commit that cannot be read. A model that met a fault says so by its standing.
    pub fn fold(
        commits: impl Iterator<Item = Result<eventlog::Commit, eventlog::ReadError>>,
    ) -> Result<Self, eventlog::ReadError> {
        let models = Self::default();
        let mut decoder = crate::feed::Decoder::new(Self::wants);
        for commit in commits {
            let commit = [decoder.decode(commit?)];
            models
                .all()
                .into_iter()
                .for_each(|model| model.live().take_in(&commit, false));
        }
        Ok(models)
    }
}
