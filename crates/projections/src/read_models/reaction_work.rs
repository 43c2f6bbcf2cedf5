//! `reaction_work`: where each reaction starts, and which of its work stands refused.
//!
//! A partition is a reaction, by name. Says nothing of progress: that is the runner's.

use std::collections::BTreeMap;

use domain::{Event, Instant, Visibility, reaction};
use serde::{Deserialize, Serialize};

use crate::read_model::{Fact, ReadModel, Row, no_index, pairs, row_value};

/// The model.
#[derive(Debug)]
pub struct ReactionWork;

/// Work that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// Name of the refusal.
    pub refusal: String,
    /// Its sentence.
    pub message: String,
    /// Since when.
    pub since: Instant,
    /// It answers an event that is withheld: neither its cause nor its message is shown.
    pub is_withheld: bool,
}

/// One reaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// First position it answers to, once enabled.
    pub from: Option<u64>,
    /// What stands stuck, by causing position and number of the command.
    #[serde(with = "pairs")]
    pub stuck: BTreeMap<(u64, u32), Stuck>,
    /// How much went through after it had been stuck.
    pub resolved: u64,
}

impl Stuck {
    /// Its cause and message as they are shown: of what answers a withheld event 0 and nothing, since
    /// the place alone would tell that there is one.
    pub fn shown(&self, cause: u64) -> (u64, &str) {
        if self.is_withheld {
            (0, "")
        } else {
            (cause, &self.message)
        }
    }
}

impl ReadModel for ReactionWork {
    const NAME: &'static str = "reaction_work";
    const SCHEMA_VERSION: u32 = 2;
    type Key = String;
    type Partition = Work;
    no_index!();

    fn wants(category: &str) -> bool {
        category == "reaction"
    }

    fn partition(fact: &Fact<'_>) -> Option<String> {
        Some(fact.stream.key().to_owned())
    }

    fn apply(work: &mut Work, fact: &Fact<'_>) {
        let Event::Reaction(event) = fact.event else {
            return;
        };
        match event {
            reaction::Event::ReactionEnabled { from } => work.from = Some(*from),
            reaction::Event::ReactionStuck {
                cause,
                n,
                refusal,
                message,
            } => {
                work.stuck.insert(
                    (*cause, *n),
                    Stuck {
                        refusal: refusal.clone(),
                        message: message.clone(),
                        since: fact.recorded_at,
                        is_withheld: fact.envelope.visibility == Visibility::Withheld,
                    },
                );
            }
            reaction::Event::ReactionResolved { cause, n } => {
                work.stuck.remove(&(*cause, *n));
                work.resolved += 1;
            }
        }
    }

    fn rows(key: &String, work: &Work) -> Vec<Row> {
        vec![(key.clone(), row_value(work))]
    }
}
