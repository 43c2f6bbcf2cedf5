//! When two records turn out to be of one person.
//!
//! The identity number, its claim and the past go to the record that stands; the duplicate takes no
//! part in anything any more. Nothing that was recorded under its id is rewritten.

use std::sync::Arc;

use super::{Event, Person, RECORDS_MAX, Refusal, claim_identity, release_identity};
use crate::claim::{Claim, Kind};
use crate::envelope::Envelope;
use crate::genesis::{self, Genesis};
use crate::ids::PersonId;
use crate::refusal::Stop;
use crate::residence::Residence;
use crate::world::{Context, Decision, World};

/// The person, who must be registered and stand for themself.
pub(super) fn standing(world: &World, person: PersonId) -> Result<Arc<Person>, Stop> {
    let state = world.state::<Person>(person)?;
    if !state.exists {
        return Err(Refusal::PersonNotFound.into());
    }
    if state.merged_into.is_some() {
        return Err(Refusal::PersonIsMerged.into());
    }
    Ok(state)
}

pub(super) fn merge(
    person: PersonId,
    duplicate: PersonId,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    let (merged_by, alone) = Genesis::administrator(world, cx)?;
    let stands = standing(world, person)?;
    let other = world.state::<Person>(duplicate)?;
    if !other.exists {
        return Err(Refusal::DuplicateNotFound.into());
    }
    if person == duplicate {
        return Err(Refusal::DuplicateIsItself.into());
    }
    if other.merged_into.is_some() {
        return Err(Refusal::DuplicateIsMerged.into());
    }
    if (merged_by == person || merged_by == duplicate) && !alone {
        return Err(Refusal::ActorIsConcerned.into());
    }
    check_free(duplicate, world, cx)?;
    if stands.duplicates.len() + other.duplicates.len() >= RECORDS_MAX {
        return Err(Refusal::TooManyRecords.into());
    }
    let mut duplicates = vec![duplicate];
    duplicates.extend(&other.duplicates);
    let merged = Event::PersonsMerged {
        into: person,
        merged_by,
    };
    let transferred = match (&stands.identity_claim, &other.identity_claim) {
        (Some(_), Some(_)) => return Err(Refusal::IdentitiesDiffer.into()),
        (_, theirs) => theirs.clone(),
    };
    let taken = Event::RecordsTakenOver {
        duplicates,
        identity_claim: transferred.clone(),
        merged_by,
    };
    let now = Envelope::at(cx.now);
    let mut decision = Decision::new()
        .with::<Person>(duplicate, merged, now.clone())
        .with::<Person>(person, taken, now);
    if let Some(identity) = transferred {
        let held = world.state::<Claim>(Kind::Identity.key(&identity))?;
        if held.holder == Some(duplicate.0) {
            release_identity(duplicate, &identity, &mut decision, cx);
            let claimed = crate::claim::Event::Claimed { holder: person.0 };
            let key = Kind::Identity.key(&identity);
            decision.push::<Claim>(key, claimed, Envelope::at(cx.now));
        } else {
            claim_identity(person, &identity, &mut decision, world, cx)?;
        }
    }
    Ok(decision)
}

/// Refuses while the duplicate holds something that only one record of a person may hold.
fn check_free(duplicate: PersonId, world: &World, cx: &Context) -> Result<(), Stop> {
    let administrators = &world.state::<Genesis>(genesis::KEY)?.administrators;
    if administrators.contains(&duplicate) {
        return Err(Refusal::DuplicateIsAdministrator.into());
    }
    if world.state::<Residence>(duplicate)?.is_taken_from(cx.now) {
        return Err(Refusal::DuplicateHasHousehold.into());
    }
    let shift = world.state::<Claim>(Kind::OpenShift.key(duplicate))?;
    if shift.holder.is_some() {
        return Err(Refusal::DuplicateOnShift.into());
    }
    Ok(())
}
