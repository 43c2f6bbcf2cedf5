//! Reaction: code that answers an event with commands, and what became of it.
//!
//! ```text
//! (nothing) ──Enabled{from}──> enabled; per cause and n: ──Stuck──> stuck ──Resolved──> done
//! ```
//! Owns the record of where a reaction starts and which of its commands were refused. What a
//! reaction does stands in [`crate::reactions`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, Trust, Visibility};
use crate::refusal::{RefusalKind, Refused, Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// State of a reaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaction {
    /// First position it answers to, once enabled.
    pub from: Option<u64>,
    /// Work that stands refused: (causing position, number of the command).
    pub stuck: BTreeSet<(u64, u32)>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Let it answer to every event from a position on.
    EnableReaction {
        /// Its name.
        name: String,
        /// First position it answers to.
        from: u64,
    },
    /// Note that a command of it was refused.
    RecordStuck {
        /// Its name.
        name: String,
        /// The event it answered.
        cause: u64,
        /// Which of its commands, from 0.
        n: u32,
        /// Name of the refusal.
        refusal: String,
        /// Its sentence.
        message: String,
        /// Who may see it: whoever may see the event it answered. Follows from the cause, so it is no
        /// part of the content.
        #[serde(skip)]
        visibility: Visibility,
    },
    /// Note that stuck work went through after all.
    RecordResolved {
        /// Its name.
        name: String,
        /// The event it answered.
        cause: u64,
        /// Which of its commands, from 0.
        n: u32,
        /// Who may see it: whoever may see the event it answered. Follows from the cause, so it is no
        /// part of the content.
        #[serde(skip)]
        visibility: Visibility,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It answers from here on.
    ReactionEnabled {
        /// First position it answers to.
        from: u64,
    },
    /// A command of it was refused.
    ReactionStuck {
        /// The event it answered.
        cause: u64,
        /// Which of its commands, from 0.
        n: u32,
        /// Name of the refusal.
        refusal: String,
        /// Its sentence.
        message: String,
    },
    /// Stuck work went through.
    ReactionResolved {
        /// The event it answered.
        cause: u64,
        /// Which of its commands, from 0.
        n: u32,
    },
}

refusals! {
    /// Why it is refused.
    ReactionAlreadyEnabled = AlreadyExists, "name", "This reaction is enabled already.";
    ReactionNotEnabled = NotFound, "name", "This reaction is not enabled.";
    WorkNotStuck = WrongState, "cause", "No work of this reaction stands stuck for this cause.";
    WorkAlreadyStuck = WrongState, "cause", "This work stands stuck already.";
}

/// Refuses unless one of the system's own principals acts.
pub fn require_system(cx: &Context) -> Result<(), Stop> {
    if cx.actor.system {
        return Ok(());
    }
    Err(Refused {
        name: "ACTOR_IS_NOT_THE_SYSTEM".to_owned(),
        kind: RefusalKind::NotAllowed,
        field: "".into(),
        message: "Only the system itself does this.".into(),
    }
    .into())
}

impl Aggregate for Reaction {
    const CATEGORY: &'static str = "reaction";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match command {
            Command::EnableReaction { name, .. }
            | Command::RecordStuck { name, .. }
            | Command::RecordResolved { name, .. } => Self::stream(name),
        }
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        require_system(cx)?;
        let primary = Self::primary(command);
        let state = world.state::<Self>(primary.key())?;
        let event = match (state.from, command) {
            (None, Command::EnableReaction { from, .. }) => Event::ReactionEnabled { from: *from },
            (Some(_), Command::EnableReaction { .. }) => {
                return Err(Refusal::ReactionAlreadyEnabled.into());
            }
            (None, _) => return Err(Refusal::ReactionNotEnabled.into()),
            (
                Some(_),
                Command::RecordStuck {
                    cause,
                    n,
                    refusal,
                    message,
                    ..
                },
            ) => {
                if state.stuck.contains(&(*cause, *n)) {
                    return Err(Refusal::WorkAlreadyStuck.into());
                }
                Event::ReactionStuck {
                    cause: *cause,
                    n: *n,
                    refusal: refusal.clone(),
                    message: message.clone(),
                }
            }
            (Some(_), Command::RecordResolved { cause, n, .. }) => {
                if !state.stuck.contains(&(*cause, *n)) {
                    return Err(Refusal::WorkNotStuck.into());
                }
                Event::ReactionResolved {
                    cause: *cause,
                    n: *n,
                }
            }
        };
        let mut envelope = Envelope::at(cx.now);
        envelope.trust = Trust::System;
        let (Command::RecordStuck { visibility, .. } | Command::RecordResolved { visibility, .. }) =
            command
        else {
            return Ok(Decision::new().with::<Self>(primary.key(), event, envelope));
        };
        // Where it answers what is withheld its place would tell of that; and so would its header.
        envelope.visibility = *visibility;
        let mut decision = Decision::new().with::<Self>(primary.key(), event, envelope);
        decision.visibility = *visibility;
        Ok(decision)
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        match event {
            Event::ReactionEnabled { from } => self.from = Some(*from),
            Event::ReactionStuck { cause, n, .. } => {
                self.stuck.insert((*cause, *n));
            }
            Event::ReactionResolved { cause, n } => {
                self.stuck.remove(&(*cause, *n));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_table::{check, row};
    use crate::testing::{History, at, by, by_system, id};

    const NAME: &str = "award_points";

    fn enable() -> Command {
        Command::EnableReaction {
            name: NAME.to_owned(),
            from: 5,
        }
    }

    fn stuck(n: u32) -> Command {
        Command::RecordStuck {
            name: NAME.to_owned(),
            cause: 7,
            n,
            refusal: "NO_POLICY_SET".to_owned(),
            message: "No policy set is in force.".to_owned(),
            visibility: Visibility::Open,
        }
    }

    fn resolved() -> Command {
        Command::RecordResolved {
            name: NAME.to_owned(),
            cause: 7,
            n: 0,
            visibility: Visibility::Open,
        }
    }

    #[test]
    fn the_table_of_every_command_in_every_state_of_a_reaction() {
        let now = at("2024-07-01T00:00:00Z");
        let (system, person) = (by_system(now), by(id(1), now));
        let enabled = History::default().then(enable(), &system);
        let stands = enabled.clone().then(stuck(0), &system);
        let states = [History::default(), enabled, stands];
        let place = |history: &History| {
            let reaction = history.state::<Reaction>(NAME);
            match (reaction.from, reaction.stuck.len()) {
                (None, _) => "not enabled".to_owned(),
                (Some(_), 0) => "enabled".to_owned(),
                (Some(_), count) => format!("{count} stuck"),
            }
        };
        let (unknown, nobody) = ("REACTION_NOT_ENABLED", "ACTOR_IS_NOT_THE_SYSTEM");
        #[rustfmt::skip]
        let rows = [
            row(enable(), system, ["ReactionEnabled", "REACTION_ALREADY_ENABLED", "REACTION_ALREADY_ENABLED"]),
            row(enable(), person, [nobody, nobody, nobody]),
            row(stuck(0), system, [unknown, "ReactionStuck", "WORK_ALREADY_STUCK"]),
            row(stuck(1), system, [unknown, "ReactionStuck", "ReactionStuck"]),
            row(stuck(0), person, [nobody, nobody, nobody]),
            row(resolved(), system, [unknown, "WORK_NOT_STUCK", "ReactionResolved"]),
            row(resolved(), person, [nobody, nobody, nobody]),
        ];
        let given = "The rows of each command are: by the system, of the work that stands stuck and of \
            other work of the same cause, and by a person.";
        let source = include_str!("reaction.rs");
        check("Reaction", given, source, &states, &rows, place);
    }
}
