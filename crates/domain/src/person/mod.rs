//! Person: a real person, with all identity fields.
//!
//! ```text
//! (nothing) ──Registered──> active ──PersonsMerged{into}──> merged
//!                            ⟲ PersonCorrected, RecordsTakenOver
//! ```
//! Owns the fields that tell who somebody is, and which records are of one and the same person;
//! everything else names the random id. What others recorded under a merged id stays there: whoever
//! compares persons asks [`Person::is_same`].

mod merge;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::claim::{self, Claim, Kind};
use crate::envelope::Envelope;
use crate::genesis::Genesis;
use crate::ids::PersonId;
use crate::personal::Personal;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Most other records that are merged into one.
pub const RECORDS_MAX: usize = 20;

/// State of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Was registered.
    pub exists: bool,
    /// Keyed hash of the identity number, where one is known.
    pub identity_claim: Option<String>,
    /// The record that stands for this person, if this one was a duplicate.
    pub merged_into: Option<PersonId>,
    /// Records that were found to be of this person, those merged into them before included.
    pub duplicates: BTreeSet<PersonId>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Register a person.
    RegisterPerson {
        /// A random id, given by the caller.
        person: PersonId,
        /// Their name.
        name: Personal,
        /// Their phone number.
        phone: Option<Personal>,
        /// Keyed hash of the identity number, made at the rim; the number itself never enters.
        identity_claim: Option<String>,
    },
    /// Correct who somebody is; what is absent stays as it is.
    CorrectPerson {
        /// Who.
        person: PersonId,
        /// Their name.
        name: Option<Personal>,
        /// Their phone number.
        phone: Option<Personal>,
        /// Keyed hash of the identity number; the claim on the one before is released.
        identity_claim: Option<String>,
        /// The identity number that stands there is not theirs, and theirs is not recorded: the
        /// claim is released. Excludes `identity_claim`.
        clear_identity: bool,
    },
    /// Find that two records are of one person.
    MergePersons {
        /// The record that stands.
        person: PersonId,
        /// The other one.
        duplicate: PersonId,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A person was registered.
    PersonRegistered {
        /// Their name.
        name: Personal,
        /// Their phone number.
        phone: Option<Personal>,
        /// Keyed hash of the identity number.
        identity_claim: Option<String>,
    },
    /// What was recorded of them was wrong; what is absent stays as it was.
    PersonCorrected {
        /// Their name.
        name: Option<Personal>,
        /// Their phone number.
        phone: Option<Personal>,
        /// Keyed hash of the identity number.
        identity_claim: Option<String>,
        /// The identity number that stood there is not theirs, and none does from now on.
        identity_cleared: bool,
        /// The administrator who corrected it.
        corrected_by: PersonId,
    },
    /// This record is of a person who has another one.
    PersonsMerged {
        /// The record that stands.
        into: PersonId,
        /// The administrator who found it.
        merged_by: PersonId,
    },
    /// This record stands for other ones too.
    RecordsTakenOver {
        /// The others, those merged into them before included.
        duplicates: Vec<PersonId>,
        /// Keyed hash of the identity number, if it was the duplicate's.
        identity_claim: Option<String>,
        /// The administrator who found it.
        merged_by: PersonId,
    },
}

refusals! {
    /// Why it is refused.
    PersonAlreadyRegistered = AlreadyExists, "person_id", "A person with this id is registered already.";
    IdentityAlreadyRegistered = AlreadyExists, "identity_number", "A person with this identity number is registered already.";
    NameIsBlank = Invalid, "name", "A name must not be blank.";
    FieldTooLong = Invalid, "name", "A personal field holds at most 4,000 bytes.";
    PersonNotFound = NotFound, "person_id", "There is no person with this id.";
    PersonIsMerged = WrongState, "person_id", "This record was merged into another one.";
    NothingToCorrect = Invalid, "", "At least one field must be given.";
    IdentityNotCleared = Invalid, "clear_identity_number", "An identity number is cleared where one stands, and none is given in its place.";
    DuplicateNotFound = NotFound, "duplicate_id", "There is no person with this id to be the duplicate.";
    DuplicateIsMerged = WrongState, "duplicate_id", "This record is merged already.";
    DuplicateIsItself = Invalid, "duplicate_id", "A record is no duplicate of itself.";
    IdentitiesDiffer = WrongState, "duplicate_id", "The records have different identity numbers; one of them is corrected or cleared first.";
    DuplicateHasHousehold = WrongState, "duplicate_id", "The duplicate still lives in a household; it leaves that first.";
    DuplicateOnShift = WrongState, "duplicate_id", "The duplicate is on a shift; it checks out first.";
    DuplicateIsAdministrator = WrongState, "duplicate_id", "The duplicate is an administrator; it is relieved first.";
    ActorIsConcerned = NotAllowed, "duplicate_id", "Nobody merges records of their own.";
    TooManyRecords = WrongState, "duplicate_id", "At most 20 records are merged into one.";
}

impl Person {
    /// True if it is registered and stands for itself.
    pub const fn is_active(&self) -> bool {
        self.exists && self.merged_into.is_none()
    }

    /// The record that stands for a person: their own, or the one it was merged into, in turn.
    pub fn survivor(world: &World, person: PersonId) -> Result<PersonId, Stop> {
        let mut here = person;
        // Records are merged into ones that stand, at most 20 into one: no chain is longer.
        for _ in 0..=RECORDS_MAX {
            match world.state::<Self>(here)?.merged_into {
                Some(into) => here = into,
                None => break,
            }
        }
        Ok(here)
    }

    /// True if two records are of one person.
    pub fn is_same(world: &World, one: PersonId, other: PersonId) -> Result<bool, Stop> {
        Ok(one == other || Self::survivor(world, one)? == Self::survivor(world, other)?)
    }

    /// All records of a person, by any of them.
    pub fn records(world: &World, person: PersonId) -> Result<BTreeSet<PersonId>, Stop> {
        let survivor = Self::survivor(world, person)?;
        let mut records = world.state::<Self>(survivor)?.duplicates.clone();
        records.insert(survivor);
        Ok(records)
    }
}

/// Refuses fields that a person cannot have.
fn check_fields(name: Option<&Personal>, phone: Option<&Personal>) -> Result<(), Stop> {
    if name.is_some_and(Personal::is_blank) {
        return Err(Refusal::NameIsBlank.into());
    }
    if name.is_some_and(Personal::is_too_long) || phone.is_some_and(Personal::is_too_long) {
        return Err(Refusal::FieldTooLong.into());
    }
    Ok(())
}

/// Adds the claim of an identity, which nobody may hold.
fn claim_identity(
    person: PersonId,
    identity: &str,
    decision: &mut Decision,
    world: &World,
    cx: &Context,
) -> Result<(), Stop> {
    let key = Kind::Identity.key(identity);
    if world.state::<Claim>(&key)?.holder.is_some() {
        return Err(Refusal::IdentityAlreadyRegistered.into());
    }
    let event = claim::Event::Claimed { holder: person.0 };
    decision.push::<Claim>(&key, event, Envelope::at(cx.now));
    Ok(())
}

/// Adds the release of an identity.
fn release_identity(holder: PersonId, identity: &str, decision: &mut Decision, cx: &Context) {
    let event = claim::Event::Released { holder: holder.0 };
    decision.push::<Claim>(Kind::Identity.key(identity), event, Envelope::at(cx.now));
}

impl Aggregate for Person {
    const CATEGORY: &'static str = "person";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match command {
            Command::RegisterPerson { person, .. }
            | Command::CorrectPerson { person, .. }
            | Command::MergePersons { person, .. } => Self::stream(person),
        }
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        match command {
            Command::RegisterPerson {
                person,
                name,
                phone,
                identity_claim,
            } => {
                if world.state::<Self>(person)?.exists {
                    return Err(Refusal::PersonAlreadyRegistered.into());
                }
                check_fields(Some(name), phone.as_ref())?;
                let event = Event::PersonRegistered {
                    name: name.clone(),
                    phone: phone.clone(),
                    identity_claim: identity_claim.clone(),
                };
                let mut decision =
                    Decision::new().with::<Self>(person, event, Envelope::at(cx.now));
                if let Some(identity) = identity_claim {
                    claim_identity(*person, identity, &mut decision, world, cx)?;
                }
                Ok(decision)
            }
            Command::CorrectPerson {
                person,
                name,
                phone,
                identity_claim,
                clear_identity,
            } => {
                let (corrected_by, _) = Genesis::administrator(world, cx)?;
                let state = merge::standing(world, *person)?;
                let cleared = state.identity_claim.as_ref().filter(|_| *clear_identity);
                if *clear_identity && (identity_claim.is_some() || cleared.is_none()) {
                    return Err(Refusal::IdentityNotCleared.into());
                }
                let given = name.is_some() || phone.is_some() || identity_claim.is_some();
                if !given && !*clear_identity {
                    return Err(Refusal::NothingToCorrect.into());
                }
                check_fields(name.as_ref(), phone.as_ref())?;
                let event = Event::PersonCorrected {
                    name: name.clone(),
                    phone: phone.clone(),
                    identity_claim: identity_claim.clone(),
                    identity_cleared: *clear_identity,
                    corrected_by,
                };
                let mut decision =
                    Decision::new().with::<Self>(person, event, Envelope::at(cx.now));
                if let Some(before) = cleared {
                    release_identity(*person, before, &mut decision, cx);
                }
                if let Some(identity) = identity_claim
                    && state.identity_claim.as_ref() != Some(identity)
                {
                    if let Some(before) = &state.identity_claim {
                        release_identity(*person, before, &mut decision, cx);
                    }
                    claim_identity(*person, identity, &mut decision, world, cx)?;
                }
                Ok(decision)
            }
            Command::MergePersons { person, duplicate } => {
                merge::merge(*person, *duplicate, world, cx)
            }
        }
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        match event {
            Event::PersonRegistered { identity_claim, .. } => {
                self.exists = true;
                self.identity_claim.clone_from(identity_claim);
            }
            Event::PersonCorrected {
                identity_claim,
                identity_cleared,
                ..
            } => {
                if identity_claim.is_some() || *identity_cleared {
                    self.identity_claim.clone_from(identity_claim);
                }
            }
            Event::PersonsMerged { into, .. } => {
                self.merged_into = Some(*into);
                self.identity_claim = None;
            }
            Event::RecordsTakenOver {
                duplicates,
                identity_claim,
                ..
            } => {
                self.duplicates.extend(duplicates);
                if identity_claim.is_some() {
                    self.identity_claim.clone_from(identity_claim);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
