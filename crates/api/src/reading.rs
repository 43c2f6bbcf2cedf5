//! What an answer must have seen, and what it has.
//!
//! Owns the waiting for a position and the read point of an answer. The read models answer, never
//! this file.

use std::sync::RwLockReadGuard;
use std::time::Duration;

use projections::Slot;
use projections::build::{Build, Phase};
use projections::consequences::NotFollowed;
use projections::engine::Lagging;
use projections::read_model::ReadModel;
use projections::read_models::reaction_work::Stuck;
use tonic::{Code, Status};

use crate::backend::Backend;
use crate::{status, wire};

/// Longest wait for a position that an answer must have seen.
pub const READ_WAIT_MAX: Duration = Duration::from_secs(10);

/// What the read models hold by now, at least.
#[derive(Debug)]
pub struct Waited {
    epoch: u32,
    /// What the caller must see.
    position: u64,
    /// The log's end at the start: nobody is sent back in time by a restart.
    opened_at: u64,
    simulated_clock: bool,
    stuck_reactions: Vec<wire::StuckReaction>,
}

impl Backend {
    /// Waits until the read models hold what the caller must see.
    ///
    /// # Errors
    /// `UNAVAILABLE` naming the lag if that takes too long, `FAILED_PRECONDITION` for a position
    /// of another epoch.
    pub async fn wait(&self, consistency: Option<wire::ReadConsistency>) -> Result<Waited, Status> {
        let consistency = consistency.unwrap_or_default();
        let head = self.executor.log().head();
        let asked = match consistency.at_least {
            Some(at_least) if at_least.epoch != head.epoch => {
                return Err(status::status(
                    Code::FailedPrecondition,
                    "EPOCH_IS_ANOTHER",
                    "The position is of another epoch: the log's history was forked since.",
                ));
            }
            Some(at_least) => at_least.position,
            None if consistency.with_consequences => head.position,
            None => 0,
        };
        let position = asked.max(self.engine.opened_at());
        let mut waited = Waited {
            epoch: head.epoch,
            position: asked,
            opened_at: self.engine.opened_at(),
            simulated_clock: self.simulated_clock,
            stuck_reactions: Vec::new(),
        };
        if consistency.with_consequences {
            let followed = self.consequences.wait(position, READ_WAIT_MAX).await;
            waited.position = followed.map_err(|behind| not_followed(&behind))?.position;
            waited.stuck_reactions = self.stuck(waited.position);
        } else {
            let applied = self.engine.wait_applied(position, READ_WAIT_MAX).await;
            applied.map_err(behind)?;
        }
        Ok(waited)
    }

    /// What stands stuck for causes up to a position.
    fn stuck(&self, position: u64) -> Vec<wire::StuckReaction> {
        let build = self.engine.models().reaction_work.read();
        let stuck = build.partitions.iter().flat_map(|(name, work)| {
            work.stuck
                .range(..=(position, u32::MAX))
                .map(move |((cause, number), stuck)| stuck_reaction(name, *cause, *number, stuck))
        });
        stuck.collect()
    }
}

/// Stuck work as it is shown.
pub(crate) fn stuck_reaction(
    name: &str,
    cause: u64,
    number: u32,
    stuck: &Stuck,
) -> wire::StuckReaction {
    let (cause, message) = stuck.shown(cause);
    wire::StuckReaction {
        name: name.to_owned(),
        cause,
        number,
        refusal: stuck.refusal.clone(),
        message: message.to_owned(),
    }
}

fn behind(lag: Lagging) -> Status {
    let events = lag.wanted.saturating_sub(lag.applied);
    lagging(&format!(
        "The read models are {events} events behind what was asked for."
    ))
}

/// What a caller sees when consequences are not there in time.
pub fn not_followed(error: &NotFollowed) -> Status {
    match error {
        NotFollowed::Models(lag) => behind(*lag),
        NotFollowed::Reaction {
            reaction,
            handled,
            wanted,
        } => {
            let events = wanted.saturating_sub(*handled);
            let message = format!("The reaction {reaction} is {events} events behind.");
            status::status(Code::Unavailable, "REACTION_BEHIND", &message)
        }
    }
}

/// The live build of a model, if somebody may be answered from it.
///
/// # Errors
/// `UNAVAILABLE` if the model is being folded from the log or is not whole.
pub fn ready<M: ReadModel>(slot: &Slot<M>) -> Result<RwLockReadGuard<'_, Build<M>>, Status> {
    let build = slot.read();
    if !build.is_whole() {
        return Err(not_whole::<M>());
    }
    if build.phase == Phase::Building {
        let (name, position) = (M::NAME, build.position);
        let message = format!(
            "The read model {name} is being folded from the log and holds position {position}; \
             `benniu projections status` shows how far it is."
        );
        return Err(status::status(
            Code::Unavailable,
            "READ_MODEL_BUILDING",
            &message,
        ));
    }
    Ok(build)
}

fn not_whole<M: ReadModel>() -> Status {
    let message = format!("The read model {} is being folded again.", M::NAME);
    status::status(Code::Unavailable, "READ_MODEL_BUILDING", &message)
}

fn standing_still() -> Status {
    lagging("This read model stands still; `benniu` health says why.")
}

fn lagging(message: &str) -> Status {
    status::status(Code::Unavailable, "READ_MODEL_BEHIND", message)
}

impl Waited {
    /// The live build of a model, for an answer.
    ///
    /// # Errors
    /// `UNAVAILABLE` if the model is being folded from the log, is not whole, or is fenced before the
    /// position that was asked for.
    pub fn read<'a, M: ReadModel>(
        &self,
        slot: &'a Slot<M>,
    ) -> Result<RwLockReadGuard<'a, Build<M>>, Status> {
        let build = ready(slot)?;
        // A fenced model is served stale, with its position, to whoever asks for none.
        let least = match build.fault {
            Some(_) => self.position,
            None => self.position.max(self.opened_at),
        };
        if build.position < least {
            return Err(standing_still());
        }
        Ok(build)
    }

    /// What an answer of this build has seen.
    ///
    /// # Errors
    /// `UNAVAILABLE` if the model is fenced before the position that was asked for.
    pub fn point<M: ReadModel>(self, build: &Build<M>) -> Result<wire::ReadPoint, Status> {
        if !build.is_whole() {
            return Err(not_whole::<M>());
        }
        let name = format!("{}/{}/{}", M::NAME, build.schema_version, build.id);
        self.at_least(build.position, name)
    }

    /// What an answer has seen that stands at this position.
    ///
    /// # Errors
    /// `UNAVAILABLE` if that is before the position that was asked for.
    pub fn at_least(self, position: u64, build: String) -> Result<wire::ReadPoint, Status> {
        if position < self.position {
            return Err(standing_still());
        }
        Ok(self.at(position, build))
    }

    /// What an answer that was read from the log itself has seen.
    pub fn at(self, position: u64, build: String) -> wire::ReadPoint {
        wire::ReadPoint {
            epoch: self.epoch,
            position,
            build,
            simulated_clock: self.simulated_clock,
            stuck_reactions: self.stuck_reactions,
        }
    }
}
