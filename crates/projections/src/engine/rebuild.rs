//! Folding a model again from position 1 beside the live build, and comparing the two.
//!
//! The log is the truth: a build that differs, or one that is fenced, is replaced by the one
//! folded anew; an equal one is left in place. Never stops the log or other models.

use std::collections::BTreeMap;
use std::sync::Arc;

use eventlog::ReadError;
use serde_json::Value;

use super::{BATCH_COMMITS_MAX, Engine, Shared};
use crate::models::{AnyModel, Fault};
use crate::read_model::Checksum;

/// Most differing rows that are named.
pub const DIFFERENCES_MAX: usize = 20;

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Position it has reached.
    pub position: u64,
    /// Position it goes to.
    pub target: u64,
}

/// A row that the two builds do not agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its key.
    pub key: String,
    /// What the live build said.
    pub live: Option<Value>,
    /// What the log says.
    pub rebuilt: Option<Value>,
}

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The model.
    pub model: &'static str,
    /// The live build as it was.
    pub live: Checksum,
    /// The build folded anew, at the same position.
    pub rebuilt: Checksum,
    /// Rows they do not agree on, at most [`DIFFERENCES_MAX`].
    pub differences: Vec<Difference>,
    /// True if the new build took the place of the live one.
    pub switched: bool,
}

impl Rebuilt {
    /// True if both builds say the same.
    pub fn is_equal(&self) -> bool {
        self.live == self.rebuilt
    }
}

/// Why a rebuild ended without result.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is no such model.
    #[error("there is no read model '{0}'")]
    NoSuchModel(String),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new build met a fault too.
    #[error("position {}: {}", .0.position, .0.what)]
    Fault(Fault),
    /// The task ended early.
    #[error("the rebuild was cut short: {0}")]
    CutShort(String),
}

impl Engine {
    /// Folds a model again from position 1 and compares it with the live build at its position.
    /// A fenced model is tried again from there on.
    ///
    /// # Errors
    /// See [`RebuildError`]; the live build then stays.
    pub async fn rebuild(
        &self,
        name: &str,
        mut progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Rebuilt, RebuildError> {
        let (shared, name) = (Arc::clone(&self.shared), name.to_owned());
        tokio::task::spawn_blocking(move || shared.rebuild(&name, &mut progress))
            .await
            .map_err(|error| RebuildError::CutShort(error.to_string()))?
    }

    /// SHA-256 over the rows of a model.
    pub fn checksum(&self, name: &str) -> Option<Checksum> {
        self.models().named(name).map(AnyModel::checksum)
    }
}

impl Shared {
    fn rebuild(
        self: &Arc<Self>,
        name: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Rebuilt, RebuildError> {
        let model = self
            .models
            .named(name)
            .ok_or_else(|| RebuildError::NoSuchModel(name.to_owned()))?;
        let live = model.checksum();
        let candidate = model.candidate();
        self.fold_to(&*candidate, live.position, progress)?;
        sound(&*candidate)?;
        let rebuilt = candidate.checksum();
        let mut outcome = Rebuilt {
            model: model.name(),
            differences: Vec::new(),
            switched: false,
            live,
            rebuilt,
        };
        if outcome.is_equal() && model.fault().is_none() {
            return Ok(outcome);
        }
        if !outcome.is_equal() {
            outcome.differences = differences(model, &*candidate);
        }
        self.fold_to(&*candidate, self.log.head().position, progress)?;
        sound(&*candidate)?;
        outcome.switched = model.switch(candidate, false);
        self.catch_up_unless(&|| false)?;
        self.save();
        Ok(outcome)
    }

    /// Folds a fenced model again up to the commit before the fault, so that what is served
    /// stale is whole. Runs beside the engine: the others must not wait.
    pub(super) fn restore(self: &Arc<Self>, name: &'static str) {
        let shared = Arc::clone(self);
        let work = move || {
            let Some(model) = shared.models.named(name) else {
                return;
            };
            let candidate = model.candidate();
            match shared.fold_to(&*candidate, model.position(), &mut |_| {}) {
                Ok(()) if candidate.fault().is_none() => {
                    model.switch(candidate, true);
                }
                Ok(()) => tracing::error!(name, "a fenced model cannot be folded again"),
                Err(error) => tracing::error!(name, %error, "a fenced model is not restored"),
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name(format!("restore {name}"))
            .spawn(work)
        {
            tracing::error!(name, %error, "a fenced model is not restored");
        }
    }

    fn fold_to(
        &self,
        candidate: &dyn AnyModel,
        target: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), ReadError> {
        let from = candidate.position() + 1;
        if from > target {
            return Ok(());
        }
        let mut decoder = self.progress().decoder.clone();
        let mut commits = self.log.read(from, target);
        loop {
            let mut batch = Vec::new();
            for commit in commits.by_ref().take(BATCH_COMMITS_MAX) {
                batch.push(decoder.decode(commit?));
            }
            if batch.is_empty() {
                return Ok(());
            }
            candidate.apply(&batch);
            progress(Progress {
                position: candidate.position(),
                target,
            });
        }
    }
}

fn sound(candidate: &dyn AnyModel) -> Result<(), RebuildError> {
    candidate
        .fault()
        .map_or(Ok(()), |fault| Err(RebuildError::Fault(fault)))
}

fn differences(live: &dyn AnyModel, rebuilt: &dyn AnyModel) -> Vec<Difference> {
    let mut rows: BTreeMap<String, Value> = BTreeMap::new();
    live.rows(&mut |(key, value)| {
        rows.insert(key, value);
    });
    let mut found = Vec::new();
    rebuilt.rows(&mut |(key, value)| {
        let live = rows.remove(&key);
        if live.as_ref() != Some(&value) && found.len() < DIFFERENCES_MAX {
            found.push(Difference {
                key,
                live,
                rebuilt: Some(value),
            });
        }
    });
    let gone = rows.into_iter().map(|(key, live)| Difference {
        key,
        live: Some(live),
        rebuilt: None,
    });
    found.extend(gone.take(DIFFERENCES_MAX - found.len()));
    found
}
