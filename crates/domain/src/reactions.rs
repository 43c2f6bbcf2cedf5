//! Reactions: code that answers an event with commands. Pure; `projections` runs them.
//!
//! A reaction is a function and a line in [`ALL`].

use crate::aggregates::{Command, Event};
use crate::stream::StreamName;
use crate::world::Stamp;

/// A reaction by name.
#[derive(Debug, Clone, Copy)]
pub struct Reaction {
    /// Its name, also that of its stream.
    pub name: &'static str,
    /// The commands that answer an event, in order; most events have none.
    pub react: fn(&StreamName, &Event, &Stamp) -> Vec<Command>,
}

/// Every reaction there is.
pub const ALL: &[Reaction] = &[Reaction {
    name: "award_points",
    react: award_points,
}];

/// A verified participation brings its award.
fn award_points(stream: &StreamName, event: &Event, stamp: &Stamp) -> Vec<Command> {
    use crate::account::{self, Activity};
    use crate::policy_set::ActivityFamily;
    use crate::{campaign, patrol_shift};
    let Ok(id) = uuid::Uuid::parse_str(stream.key()) else {
        return Vec::new();
    };
    let (family, person, unit, minutes, verified_by) = match event {
        Event::PatrolShift(patrol_shift::Event::ParticipationVerified {
            person,
            community,
            minutes,
            verified_by,
            ..
        }) => (
            ActivityFamily::Patrol,
            *person,
            *community,
            *minutes,
            *verified_by,
        ),
        Event::Campaign(campaign::Event::ParticipationVerified {
            person,
            community,
            minutes,
            verified_by,
            ..
        }) => (
            ActivityFamily::Publicity,
            *person,
            *community,
            *minutes,
            *verified_by,
        ),
        _ => return Vec::new(),
    };
    let occurred_at = stamp.occurred_at;
    let fact = stamp.position;
    let activity = Activity {
        family,
        id,
        fact,
        occurred_at,
        unit,
        minutes,
        verified_by,
    };
    vec![account::Command::GrantAward { person, activity }.into()]
}
