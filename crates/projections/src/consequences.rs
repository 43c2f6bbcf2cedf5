//! Waiting for what follows from a write: the reactions, what they wrote, and the read models.
//!
//! Owns no state: it asks the runners and the engine. Nothing is waited for without a bound.

use std::time::Duration;

use crate::engine::{Engine, Lagging};
use crate::reactions::Reactions;

/// Most rounds of answers to answers that are waited for.
pub const ROUNDS_MAX: usize = 4;

/// What followed from a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Position of the last consequence; the read models hold it.
    pub position: u64,
    /// Reactions with work stuck for a cause up to there; they count as handled.
    pub stuck: Vec<&'static str>,
}

/// The consequences are not all there yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFollowed {
    /// A reaction has not come that far.
    #[error("the reaction {reaction} has handled position {handled}, not yet {wanted}")]
    Reaction {
        /// Which.
        reaction: &'static str,
        /// How far it has come.
        handled: u64,
        /// What was waited for.
        wanted: u64,
    },
    /// The read models have not come that far.
    #[error(transparent)]
    Models(#[from] Lagging),
}

/// Waits for consequences; cheap to clone.
#[derive(Clone)]
pub struct Consequences {
    reactions: Reactions,
    engine: Option<Engine>,
}

impl Consequences {
    /// Of these reactions, seen in these read models (or in none).
    pub fn new(reactions: Reactions, engine: Option<Engine>) -> Self {
        Self { reactions, engine }
    }

    /// Waits until every enabled reaction has handled the events up to `position`, then those it
    /// wrote, at most [`ROUNDS_MAX`] times, and the read models hold all of it.
    ///
    /// # Errors
    /// [`NotFollowed`] if that takes longer than `timeout`, naming who lags.
    pub async fn wait(&self, position: u64, timeout: Duration) -> Result<Followed, NotFollowed> {
        let deadline = tokio::time::Instant::now() + timeout;
        let mut target = position;
        for _ in 0..ROUNDS_MAX {
            self.wait_handled(target, deadline).await?;
            let wrote = self.reactions.wrote(target);
            if wrote <= target {
                break;
            }
            target = wrote;
        }
        if let Some(engine) = &self.engine {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            engine.wait_applied(target, left).await?;
        }
        Ok(Followed {
            position: target,
            stuck: self.reactions.stuck(target),
        })
    }

    async fn wait_handled(
        &self,
        wanted: u64,
        deadline: tokio::time::Instant,
    ) -> Result<(), NotFollowed> {
        for (reaction, mut handled) in self.reactions.handled() {
            let reached = handled.wait_for(|handled| handled.position >= wanted);
            let outcome = tokio::time::timeout_at(deadline, reached).await;
            if !matches!(outcome, Ok(Ok(_))) {
                drop(outcome);
                return Err(NotFollowed::Reaction {
                    reaction,
                    handled: handled.borrow().position,
                    wanted,
                });
            }
        }
        Ok(())
    }
}
