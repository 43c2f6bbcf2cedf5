//! Person: a real person, with all identity fields.
//!
//! ```text
//! (nothing) ──Registered──> exists
//! ```
//! Owns the fields that tell who somebody is; everything else names the random id.

use serde::{Deserialize, Serialize};

use crate::claim::{self, Claim, Kind};
use crate::envelope::Envelope;
use crate::ids::PersonId;
use crate::personal::Personal;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// State of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Was registered.
    pub exists: bool,
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
}

refusals! {
    /// Why it is refused.
    PersonAlreadyRegistered = AlreadyExists, "person_id", "A person with this id is registered already.";
    IdentityAlreadyRegistered = AlreadyExists, "identity_number", "A person with this identity number is registered already.";
    NameIsBlank = Invalid, "name", "A name must not be blank.";
    FieldTooLong = Invalid, "name", "A personal field holds at most 4,000 bytes.";
}

impl Aggregate for Person {
    const CATEGORY: &'static str = "person";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        let Command::RegisterPerson { person, .. } = command;
        Self::stream(person)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let Command::RegisterPerson {
            person,
            name,
            phone,
            identity_claim,
        } = command;
        if world.state::<Self>(person)?.exists {
            return Err(Refusal::PersonAlreadyRegistered.into());
        }
        if name.is_blank() {
            return Err(Refusal::NameIsBlank.into());
        }
        if name.is_too_long() || phone.as_ref().is_some_and(Personal::is_too_long) {
            return Err(Refusal::FieldTooLong.into());
        }
        let mut decision = Decision::new().with::<Self>(
            person,
            Event::PersonRegistered {
                name: name.clone(),
                phone: phone.clone(),
                identity_claim: identity_claim.clone(),
            },
            Envelope::at(cx.now),
        );
        if let Some(identity) = identity_claim {
            let key = Kind::Identity.key(identity);
            if world.state::<Claim>(&key)?.holder.is_some() {
                return Err(Refusal::IdentityAlreadyRegistered.into());
            }
            let event = claim::Event::Claimed { holder: person.0 };
            decision.push::<Claim>(&key, event, Envelope::at(cx.now));
        }
        Ok(decision)
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        match event {
            Event::PersonRegistered { .. } => self.exists = true,
        }
    }
}
