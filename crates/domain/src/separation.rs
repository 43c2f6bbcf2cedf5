//! Separation of duties: nobody checks what they, or who lives with them, gain by.
//!
//! Owns the one rule that says whether two people are far enough apart. Persons are compared, never
//! logins, and a person whose records were merged is one person. Each aggregate says in its own
//! words that somebody is the person concerned.

use crate::envelope::Instant;
use crate::ids::PersonId;
use crate::person::Person;
use crate::refusal::{Refused, Stop, refusals};
use crate::residence::Residence;
use crate::world::World;

refusals! {
    /// Why somebody may not check it.
    SameHousehold = NotAllowed, "person_id", "Nobody checks what somebody gains by with whom they shared a household at the time.";
}

/// Refuses with `same` if the actor is the person concerned, and with `SAME_HOUSEHOLD` if they lived
/// in one household at the time of the activity.
///
/// # Errors
/// See above.
pub fn apart(
    world: &World,
    actor: PersonId,
    concerned: PersonId,
    activity_at: Instant,
    same: impl Into<Refused>,
) -> Result<(), Stop> {
    not_same(world, actor, concerned, same)?;
    if Residence::shared(world, actor, concerned, activity_at)? {
        return Err(Refusal::SameHousehold.into());
    }
    Ok(())
}

/// Refuses with `same` if the actor is the person concerned, also under another record of theirs.
///
/// # Errors
/// See above.
pub fn not_same(
    world: &World,
    actor: PersonId,
    concerned: PersonId,
    same: impl Into<Refused>,
) -> Result<(), Stop> {
    if Person::is_same(world, actor, concerned)? {
        return Err(same.into().into());
    }
    Ok(())
}

#[cfg(test)]
#[path = "separation_tests.rs"]
mod tests;
