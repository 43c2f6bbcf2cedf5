//! A read model with its live build, and what can be done with any of them alike.
//!
//! Owns the fence: a model whose `apply` panics, or that meets an event it cannot read, stops
//! where it is and is served stale with its position; the others go on. Knows no task and no log.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::feed::DecodedCommit;
use crate::read_model::{Build, Checksum, ReadModel, Row};
use crate::snapshot::{self, Belongs};

/// Why a model stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Position of the commit's last event, at which it stopped; nothing of it counts.
    pub position: u64,
    /// What happened.
    pub what: String,
}

#[derive(Debug, Default)]
struct Status {
    fault: Option<Fault>,
    /// The commit at the fault may have been half taken in.
    suspect: bool,
    saved: Option<(u32, u64)>,
    #[cfg(test)]
    panics_at: Option<u64>,
}

/// A model with one build of it.
pub struct Slot<M: ReadModel> {
    build: RwLock<Build<M>>,
    status: Mutex<Status>,
}

impl<M: ReadModel> Default for Slot<M> {
    fn default() -> Self {
        Self::holding(Build::new(1))
    }
}

impl<M: ReadModel> Slot<M> {
    fn holding(build: Build<M>) -> Self {
        Self {
            build: RwLock::new(build),
            status: Mutex::default(),
        }
    }

    /// The build, for queries. While it is held the model stands still, so hold it briefly.
    pub fn read(&self) -> RwLockReadGuard<'_, Build<M>> {
        // A panic in `apply` is caught before the guard goes: a poisoned lock holds no less.
        self.build.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn panic_at(&self, position: u64) {
        self.status().panics_at = Some(position);
    }

    #[cfg(test)]
    fn panics_at(&self) -> Option<u64> {
        self.status().panics_at
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "only tests make a model panic")]
    fn panics_at(&self) -> Option<u64> {
        None
    }
}

fn take_in<M: ReadModel>(
    build: &mut Build<M>,
    commit: &DecodedCommit,
    panics_at: Option<u64>,
) -> Result<(), String> {
    for decoded in &commit.events {
        if !M::wants(decoded.stream().category()) {
            continue;
        }
        let fact = decoded.fact()?;
        assert!(panics_at != Some(fact.position), "made to panic by a test");
        build.apply(&fact);
    }
    Ok(())
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "panic".to_owned(), |text| format!("panic: {text}"))
}

/// What can be done with a model whatever it is.
pub trait AnyModel: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// The version of its schema.
    fn schema_version(&self) -> u32;
    /// The live build's number.
    fn build(&self) -> u32;
    /// Position up to which it holds.
    fn position(&self) -> u64;
    /// Why it stands still, if it does.
    fn fault(&self) -> Option<Fault>;
    /// True if it stopped within a commit, so that it must be folded again up to its position.
    fn is_suspect(&self) -> bool;
    /// Takes commits in; those it holds already are passed over, and it stops at a gap.
    fn apply(&self, commits: &[DecodedCommit]);
    /// How many partitions it has.
    fn partitions(&self) -> usize;
    /// SHA-256 over its rows.
    fn checksum(&self) -> Checksum;
    /// Hands each row over, in canonical order.
    fn rows(&self, each: &mut dyn FnMut(Row));
    /// Writes its snapshot, if it has moved; `true` if it wrote one.
    ///
    /// # Errors
    /// If the system refuses.
    fn save(&self, views: &Path, belongs: Belongs) -> io::Result<bool>;
    /// Position of its last snapshot.
    fn saved(&self) -> Option<u64>;
    /// Takes its newest usable snapshot.
    fn load(&self, views: &Path, belongs: Belongs);
    /// An empty build of the same model, beside this one.
    fn candidate(&self) -> Box<dyn AnyModel>;
    /// Puts a candidate's build in place of the live one; the fault goes unless `keep_fault`.
    /// Answers `false` if it is a build of another model.
    fn switch(&self, candidate: Box<dyn AnyModel>, keep_fault: bool) -> bool;
    /// For [`AnyModel::switch`].
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<M: ReadModel> AnyModel for Slot<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn schema_version(&self) -> u32 {
        M::SCHEMA_VERSION
    }

    fn build(&self) -> u32 {
        self.read().id
    }

    fn position(&self) -> u64 {
        self.read().position
    }

    fn fault(&self) -> Option<Fault> {
        self.status().fault.clone()
    }

    fn is_suspect(&self) -> bool {
        self.status().suspect
    }

    fn apply(&self, commits: &[DecodedCommit]) {
        if self.fault().is_some() {
            return;
        }
        let panics_at = self.panics_at();
        let mut build = self.build.write().unwrap_or_else(PoisonError::into_inner);
        for commit in commits {
            let position = commit.last_position();
            if position <= build.position {
                continue;
            }
            // A build that was switched in falls behind the batch: the next look at the log
            // begins where it stands.
            if commit.header.first_position > build.position + 1 {
                return;
            }
            let taken = catch_unwind(AssertUnwindSafe(|| take_in(&mut *build, commit, panics_at)));
            let what = match taken {
                Ok(Ok(())) => {
                    build.position = position;
                    continue;
                }
                Ok(Err(why)) => why,
                Err(panic) => words(&*panic),
            };
            tracing::error!(model = M::NAME, position, what, "a read model is fenced");
            let mut status = self.status();
            status.fault = Some(Fault { position, what });
            status.suspect = true;
            return;
        }
    }

    fn partitions(&self) -> usize {
        self.read().partitions.len()
    }

    fn checksum(&self) -> Checksum {
        self.read().checksum()
    }

    fn rows(&self, each: &mut dyn FnMut(Row)) {
        self.read().rows().for_each(each);
    }

    fn save(&self, views: &Path, belongs: Belongs) -> io::Result<bool> {
        let (bytes, id, position) = {
            let build = self.read();
            let mark = Some((build.id, build.position));
            let status = self.status();
            if status.suspect || status.saved == mark || build.position > belongs.head {
                return Ok(false);
            }
            drop(status);
            (
                snapshot::encode(&*build, belongs)?,
                build.id,
                build.position,
            )
        };
        snapshot::write(&snapshot::path(views, M::NAME, id), &bytes)?;
        snapshot::remove_others::<M>(views, id);
        self.status().saved = Some((id, position));
        Ok(true)
    }

    fn saved(&self) -> Option<u64> {
        self.status().saved.map(|(_, position)| position)
    }

    fn load(&self, views: &Path, belongs: Belongs) {
        if let Some(build) = snapshot::newest::<M>(views, belongs) {
            self.status().saved = Some((build.id, build.position));
            *self.build.write().unwrap_or_else(PoisonError::into_inner) = build;
        }
    }

    fn candidate(&self) -> Box<dyn AnyModel> {
        Box::new(Self::holding(Build::new(self.build() + 1)))
    }

    fn switch(&self, candidate: Box<dyn AnyModel>, keep_fault: bool) -> bool {
        let Ok(candidate) = candidate.into_any().downcast::<Self>() else {
            return false;
        };
        let build = candidate
            .build
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        *self.build.write().unwrap_or_else(PoisonError::into_inner) = build;
        let mut status = self.status();
        status.suspect = false;
        if !keep_fault {
            status.fault = None;
        }
        true
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Declares [`Models`](crate::Models): one line for each model.
macro_rules! read_models {
    ($($field:ident: $model:ty,)+) => {
        /// Every read model, each with its live build.
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
    /// Folds commits into models, without an engine: for questions on a folder.
    ///
    /// # Errors
    /// The first commit that cannot be read. A model that met a fault says so by
    /// [`AnyModel::fault`].
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
                .for_each(|model| model.apply(&commit));
        }
        Ok(models)
    }
}
