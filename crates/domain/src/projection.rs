//! Projection: the builds of a read model, and which of them answers (读模型的版本).
//!
//! ```text
//! (nothing) ──RebuildStarted──> candidate ──BuildsCompared──> compared ──BuildSwitched──> live
//!                                   └──────RebuildCancelled──────┴──> (gone)                │
//!                     live ──BuildSwitched to another, BuildRolledBack──> kept ──BuildRolledBack
//!                                                                          └──BuildRetired──> (gone)
//! ```
//! Owns which build of a model is live, which are candidates, and which are kept for a rollback.
//! There is always exactly one live build; before anything is rebuilt it is the first. Which models
//! there are, and what their builds hold, is not known here: the engine follows this stream.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::genesis::Genesis;
use crate::ids::PersonId;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Most candidates of a model at a time: each costs the memory of the model once more.
pub const CANDIDATES_MAX: usize = 2;
/// Most builds of a model that are kept for a rollback.
pub const KEPT_MAX: usize = 2;
/// Longest name of a model, in bytes.
pub const MODEL_BYTES_MAX: usize = 64;

/// State of a model's builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    live: u32,
    next: u32,
    candidates: BTreeMap<u32, bool>,
    kept: Vec<u32>,
}

impl Default for Projection {
    fn default() -> Self {
        Self {
            live: 1,
            next: 2,
            candidates: BTreeMap::new(),
            kept: Vec::new(),
        }
    }
}

impl Projection {
    /// The build that answers questions.
    pub fn live(&self) -> u32 {
        self.live
    }

    /// The number that the next rebuild gets; numbers are never given twice.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// The builds that are being made or stand ready; true for one that was compared with the
    /// present live build.
    pub fn candidates(&self) -> &BTreeMap<u32, bool> {
        &self.candidates
    }

    /// The builds that were live and are kept, in the order in which they were live last.
    pub fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// The candidate that is meant: the one named, or the only one.
    ///
    /// # Errors
    /// The refusal where that is none, or not one.
    pub fn candidate(&self, named: Option<u32>) -> Result<u32, Refusal> {
        let mut all = self.candidates.keys().copied();
        match (named, all.next(), all.next()) {
            (Some(build), ..) if self.candidates.contains_key(&build) => Ok(build),
            (Some(_), ..) => Err(Refusal::BuildIsNoCandidate),
            (None, None, _) => Err(Refusal::NoCandidate),
            (None, Some(build), None) => Ok(build),
            (None, Some(_), Some(_)) => Err(Refusal::BuildNotNamed),
        }
    }

    /// The kept build that is meant: the one named, or the only one.
    fn kept_build(&self, named: Option<u32>) -> Result<u32, Refusal> {
        match (named, self.kept.as_slice()) {
            (Some(build), kept) if kept.contains(&build) => Ok(build),
            (Some(_), _) => Err(Refusal::BuildIsNotKept),
            (None, []) => Err(Refusal::NothingKept),
            (None, [build]) => Ok(*build),
            (None, _) => Err(Refusal::BuildNotNamed),
        }
    }

    /// Another build is live: what was compared with the old one must be compared again.
    fn make_live(&mut self, from: u32, to: u32) {
        self.candidates.remove(&to);
        self.kept.retain(|build| *build != to && *build != from);
        self.kept.push(from);
        self.live = to;
        self.candidates
            .values_mut()
            .for_each(|compared| *compared = false);
    }
}

/// What a comparison of two builds of a model at one position found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// The position that both held.
    pub position: u64,
    /// Partitions that one of them has.
    pub partitions: u64,
    /// Partitions that differ.
    pub differing: u64,
    /// Rows that one of them has.
    pub rows: u64,
    /// Rows that differ, also in what the schema's change declared.
    pub differing_rows: u64,
    /// Rows of these that differ only in columns that the schema's change declared.
    pub declared: u64,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Build the model anew beside the live build, from the first event on.
    StartRebuild {
        /// Name of the model.
        model: String,
        /// The number that it must get; none: whichever is next.
        build: Option<u32>,
        /// Version of the schema that the code has; no part of what the caller asks.
        #[serde(skip)]
        schema_version: u32,
    },
    /// Give a candidate up, whatever its progress.
    CancelRebuild {
        /// Name of the model.
        model: String,
        /// Which; none: the only candidate.
        build: Option<u32>,
    },
    /// Note what a comparison of a candidate with the live build found.
    RecordComparison {
        /// Name of the model.
        model: String,
        /// The candidate.
        build: u32,
        /// The build that was live; no part of what the caller asks.
        #[serde(skip)]
        live: u32,
        /// What was found; no part of what the caller asks.
        #[serde(skip)]
        found: Findings,
    },
    /// Make a candidate that was compared with the live build the live one; the old one is kept.
    SwitchBuild {
        /// Name of the model.
        model: String,
        /// Which; none: the only candidate.
        build: Option<u32>,
    },
    /// Make the kept build that was live last the live one again; the present one is kept.
    RollBackBuild {
        /// Name of the model.
        model: String,
    },
    /// Drop a kept build.
    RetireBuild {
        /// Name of the model.
        model: String,
        /// Which; none: the only one kept.
        build: Option<u32>,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A candidate is being built.
    RebuildStarted {
        /// Its number.
        build: u32,
        /// Version of the schema that it is built with.
        schema_version: u32,
        /// The administrator who did it.
        by: PersonId,
    },
    /// A candidate was given up.
    RebuildCancelled {
        /// Its number.
        build: u32,
        /// The administrator who did it.
        by: PersonId,
    },
    /// A candidate was compared with the live build.
    BuildsCompared {
        /// The build that was live.
        live: u32,
        /// The candidate.
        build: u32,
        /// What was found.
        #[serde(flatten)]
        found: Findings,
        /// The administrator who did it.
        by: PersonId,
    },
    /// A candidate is live.
    BuildSwitched {
        /// The build that was live, kept from now on.
        from: u32,
        /// The one that is live.
        to: u32,
        /// The administrator who did it.
        by: PersonId,
    },
    /// A kept build is live again.
    BuildRolledBack {
        /// The build that was live, kept from now on.
        from: u32,
        /// The one that is live.
        to: u32,
        /// The administrator who did it.
        by: PersonId,
    },
    /// A kept build is no more.
    BuildRetired {
        /// Its number.
        build: u32,
        /// The administrator who did it.
        by: PersonId,
    },
}

refusals! {
    /// Why it is refused.
    ModelNameNotAllowed = Invalid, "model", "The name of a read model is 1 to 64 lower-case letters, digits and underscores.";
    BuildIsNotNext = WrongState, "build", "The next build of this model gets another number.";
    TooManyCandidates = WrongState, "model", "A model has at most 2 candidates; switch to one of them or cancel it first.";
    NoCandidate = WrongState, "build", "This model has no candidate; start a rebuild first.";
    BuildIsNoCandidate = NotFound, "build", "This build is no candidate of this model.";
    BuildNotNamed = WrongState, "build", "More than one build can be meant; name one.";
    LiveBuildHasMoved = WrongState, "build", "Another build became live while these were compared; compare again.";
    BuildNotCompared = WrongState, "build", "Compare this build with the live one first.";
    TooManyKept = WrongState, "model", "At most 2 builds of a model are kept; retire one of them first.";
    NothingKept = WrongState, "build", "No build of this model is kept.";
    BuildIsNotKept = NotFound, "build", "This build of this model is not kept.";
}

impl Aggregate for Projection {
    const CATEGORY: &'static str = "projection";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match command {
            Command::StartRebuild { model, .. }
            | Command::CancelRebuild { model, .. }
            | Command::RecordComparison { model, .. }
            | Command::SwitchBuild { model, .. }
            | Command::RollBackBuild { model }
            | Command::RetireBuild { model, .. } => Self::stream(model),
        }
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let (by, _) = Genesis::administrator(world, cx)?;
        let primary = Self::primary(command);
        let model = primary.key();
        let good = model
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !good || !(1..=MODEL_BYTES_MAX).contains(&model.len()) {
            return Err(Refusal::ModelNameNotAllowed.into());
        }
        let state = world.state::<Self>(model)?;
        let event = match command {
            Command::StartRebuild {
                build,
                schema_version,
                ..
            } => {
                if build.is_some_and(|build| build != state.next) {
                    return Err(Refusal::BuildIsNotNext.into());
                }
                if state.candidates.len() >= CANDIDATES_MAX {
                    return Err(Refusal::TooManyCandidates.into());
                }
                Event::RebuildStarted {
                    build: state.next,
                    schema_version: *schema_version,
                    by,
                }
            }
            Command::CancelRebuild { build, .. } => Event::RebuildCancelled {
                build: state.candidate(*build)?,
                by,
            },
            Command::RecordComparison {
                build, live, found, ..
            } => {
                let build = state.candidate(Some(*build))?;
                if *live != state.live {
                    return Err(Refusal::LiveBuildHasMoved.into());
                }
                Event::BuildsCompared {
                    live: *live,
                    build,
                    found: *found,
                    by,
                }
            }
            Command::SwitchBuild { build, .. } => {
                let to = state.candidate(*build)?;
                if state.candidates.get(&to) != Some(&true) {
                    return Err(Refusal::BuildNotCompared.into());
                }
                if state.kept.len() >= KEPT_MAX {
                    return Err(Refusal::TooManyKept.into());
                }
                let from = state.live;
                Event::BuildSwitched { from, to, by }
            }
            Command::RollBackBuild { .. } => {
                let to = *state.kept.last().ok_or(Refusal::NothingKept)?;
                let from = state.live;
                Event::BuildRolledBack { from, to, by }
            }
            Command::RetireBuild { build, .. } => Event::BuildRetired {
                build: state.kept_build(*build)?,
                by,
            },
        };
        Ok(Decision::new().with::<Self>(model, event, Envelope::at(cx.now)))
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        match event {
            Event::RebuildStarted { build, .. } => {
                self.candidates.insert(*build, false);
                self.next = self.next.max(build.saturating_add(1));
            }
            Event::RebuildCancelled { build, .. } => {
                self.candidates.remove(build);
            }
            Event::BuildsCompared { live, build, .. } => {
                if let Some(compared) = self.candidates.get_mut(build) {
                    *compared = *live == self.live;
                }
            }
            Event::BuildSwitched { from, to, .. } | Event::BuildRolledBack { from, to, .. } => {
                self.make_live(*from, *to);
            }
            Event::BuildRetired { build, .. } => self.kept.retain(|kept| kept != build),
        }
    }
}

#[cfg(test)]
#[path = "projection_tests.rs"]
mod tests;
