//! `LeadSource`: how many leads that a person submitted are open, and how often some were invalid.
//!
//! ```text
//! (nothing) ──InvalidLeadCounted──> counted, each with its instant
//! open: one more ──OpenLeadCounted──, one less ──OpenLeadSettled──
//! ```
//! Owns the counts by which the policy, and the limit of open leads, slow lead spam down. It names no lead, and its events are
//! withheld as those of leads are. It has no commands: a lead's decision writes it.

use serde::{Deserialize, Serialize};

use crate::envelope::Instant;
use crate::refusal::Stop;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Most invalid leads that are remembered, the latest: a policy can ask for no more.
pub const INVALID_MAX: usize = 100;

/// Most leads of a source that are open at a time, of those that it submitted itself.
pub const OPEN_LEADS_MAX: u32 = 20;

/// State of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadSource {
    /// When its latest leads were found invalid, oldest first.
    pub invalid: Vec<Instant>,
    /// How many of its leads are open. One that was submitted before this was counted makes the
    /// count at most smaller.
    pub open: u32,
}

impl LeadSource {
    /// How many leads were found invalid from an instant on, of those remembered.
    pub fn invalid_since(&self, since: Instant) -> usize {
        self.invalid.iter().filter(|at| **at >= since).count()
    }
}

/// A source has no commands of its own.
#[derive(Debug, Clone, Serialize)]
pub enum Command {}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A lead that the person submitted was found invalid.
    InvalidLeadCounted {},
    /// The person submitted a lead.
    OpenLeadCounted {},
    /// A lead that the person submitted is open no more.
    OpenLeadSettled {},
}

impl Aggregate for LeadSource {
    const CATEGORY: &'static str = "lead_source";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match *command {}
    }

    fn decide(command: &Command, _: &World, _: &Context) -> Result<Decision, Stop> {
        match *command {}
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        match event {
            Event::InvalidLeadCounted {} => {
                self.invalid.push(stamp.occurred_at);
                if self.invalid.len() > INVALID_MAX {
                    self.invalid.remove(0);
                }
            }
            Event::OpenLeadCounted {} => self.open = self.open.saturating_add(1),
            Event::OpenLeadSettled {} => self.open = self.open.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_history;

    proptest! {
        #[test]
        fn any_order_is_borne_and_what_is_remembered_is_bounded(
            history in any_history(vec![
                Event::InvalidLeadCounted {},
                Event::OpenLeadCounted {},
                Event::OpenLeadSettled {},
            ]),
            repeats in 1_usize..20,
        ) {
            let mut source = LeadSource::default();
            for (event, stamp) in std::iter::repeat_n(&history, repeats).flatten() {
                source.evolve(event, stamp);
            }
            let invalid = history.iter();
            let invalid = invalid.filter(|(event, _)| *event == Event::InvalidLeadCounted {});
            let counted = (invalid.count() * repeats).min(INVALID_MAX);
            prop_assert_eq!(source.invalid_since(Instant::UNIX_EPOCH), counted);
        }
    }
}
