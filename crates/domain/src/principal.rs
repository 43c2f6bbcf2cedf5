//! Principal: a login of a person or of a system.
//!
//! ```text
//! (nothing) ──Registered──> active ⇄ suspended
//!                           linked to a person at most once
//! ```
//! Owns who may call at all. What a person may do is decided by roles, never here.

use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::genesis::Genesis;
use crate::ids::{PersonId, PrincipalId, subject_hash};
use crate::person::Person;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// State of a principal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principal {
    /// It was registered.
    pub exists: bool,
    /// It is a system, not a person.
    pub system: bool,
    /// The person it is linked to.
    pub person: Option<PersonId>,
    /// It may not call.
    pub suspended: bool,
}

/// What can be asked of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Register a login.
    RegisterPrincipal {
        /// Its subject, as the certificate, token or metadata key gives it; 1..=256 bytes.
        subject: String,
        /// True for a system.
        system: bool,
    },
    /// Link a login to its person, once.
    LinkPrincipal {
        /// Which login.
        principal: PrincipalId,
        /// Whose it is.
        person: PersonId,
    },
    /// Refuse its calls from now on.
    SuspendPrincipal {
        /// Which login.
        principal: PrincipalId,
    },
    /// Take its calls again.
    ReinstatePrincipal {
        /// Which login.
        principal: PrincipalId,
    },
}

/// What happens to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A login was registered.
    PrincipalRegistered {
        /// SHA-256 of its subject, in hexadecimal.
        subject_hash: String,
        /// True for a system.
        system: bool,
    },
    /// It belongs to this person.
    PrincipalLinked {
        /// Whose it is.
        person: PersonId,
    },
    /// Its calls are refused.
    PrincipalSuspended {},
    /// Its calls are taken again.
    PrincipalReinstated {},
}

refusals! {
    /// Why it is refused.
    SubjectNotAllowed = Invalid, "subject", "A subject is 1 to 256 bytes and not blank.";
    SubjectIsReserved = Invalid, "subject", "Subjects that begin with 'system:' are the system's own.";
    PrincipalAlreadyRegistered = AlreadyExists, "subject", "This subject is registered already.";
    PrincipalNotFound = NotFound, "principal_id", "There is no principal with this id.";
    PersonNotFound = NotFound, "person_id", "There is no person with this id, or their record was merged into another.";
    SystemHasNoPerson = WrongState, "principal_id", "A system is not linked to a person.";
    PrincipalAlreadyLinked = WrongState, "principal_id", "This principal is linked to a person already.";
    PrincipalAlreadySuspended = WrongState, "principal_id", "This principal is suspended already.";
    PrincipalNotSuspended = WrongState, "principal_id", "This principal is not suspended.";
    NotOneself = NotAllowed, "principal_id", "Nobody suspends the login they are using.";
}

impl Principal {
    /// Adds the registration of a subject to a decision.
    pub(crate) fn register(
        decision: &mut Decision,
        subject: &str,
        system: bool,
        envelope: &Envelope,
    ) {
        decision.push::<Self>(
            PrincipalId::of_subject(subject),
            Event::PrincipalRegistered {
                subject_hash: subject_hash(subject),
                system,
            },
            envelope.clone(),
        );
    }
}

impl Aggregate for Principal {
    const CATEGORY: &'static str = "principal";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match command {
            Command::RegisterPrincipal { subject, .. } => {
                Self::stream(PrincipalId::of_subject(subject))
            }
            Command::LinkPrincipal { principal, .. }
            | Command::SuspendPrincipal { principal }
            | Command::ReinstatePrincipal { principal } => Self::stream(principal),
        }
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        Genesis::administrator(world, cx)?;
        let envelope = Envelope::at(cx.now);
        let existing = |id: &PrincipalId| {
            let principal = world.state::<Self>(id)?;
            if principal.exists {
                Ok(principal)
            } else {
                Err(Stop::from(Refusal::PrincipalNotFound))
            }
        };
        match command {
            Command::RegisterPrincipal { subject, system } => {
                if subject.trim().is_empty() || subject.len() > 256 {
                    return Err(Refusal::SubjectNotAllowed.into());
                }
                if world
                    .state::<Self>(PrincipalId::of_subject(subject))?
                    .exists
                {
                    return Err(Refusal::PrincipalAlreadyRegistered.into());
                }
                let mut decision = Decision::new();
                Self::register(&mut decision, subject, *system, &envelope);
                Ok(decision)
            }
            Command::LinkPrincipal { principal, person } => {
                let state = existing(principal)?;
                if state.system {
                    return Err(Refusal::SystemHasNoPerson.into());
                }
                if state.person.is_some() {
                    return Err(Refusal::PrincipalAlreadyLinked.into());
                }
                if !world.state::<Person>(person)?.is_active() {
                    return Err(Refusal::PersonNotFound.into());
                }
                let event = Event::PrincipalLinked { person: *person };
                Ok(Decision::new().with::<Self>(principal, event, envelope))
            }
            Command::SuspendPrincipal { principal } => {
                if existing(principal)?.suspended {
                    return Err(Refusal::PrincipalAlreadySuspended.into());
                }
                if *principal == cx.actor.principal {
                    return Err(Refusal::NotOneself.into());
                }
                let event = Event::PrincipalSuspended {};
                Ok(Decision::new().with::<Self>(principal, event, envelope))
            }
            Command::ReinstatePrincipal { principal } => {
                if !existing(principal)?.suspended {
                    return Err(Refusal::PrincipalNotSuspended.into());
                }
                let event = Event::PrincipalReinstated {};
                Ok(Decision::new().with::<Self>(principal, event, envelope))
            }
        }
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        match event {
            Event::PrincipalRegistered { system, .. } => {
                self.exists = true;
                self.system = *system;
            }
            Event::PrincipalLinked { person } => self.person = Some(*person),
            Event::PrincipalSuspended {} => self.suspended = true,
            Event::PrincipalReinstated {} => self.suspended = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::state_table::{check, one_of_each, row};
    use crate::testing::{History, any_history, at, by, id, team};

    const NOW: &str = "2024-02-01T00:00:00Z";

    fn admin() -> Context {
        by(id(1), at(NOW))
    }

    fn register(subject: &str, system: bool) -> Command {
        Command::RegisterPrincipal {
            subject: subject.to_owned(),
            system,
        }
    }

    fn link(subject: &str, person: u128) -> Command {
        Command::LinkPrincipal {
            principal: PrincipalId::of_subject(subject),
            person: id(person),
        }
    }

    fn suspend(subject: &str) -> Command {
        Command::SuspendPrincipal {
            principal: PrincipalId::of_subject(subject),
        }
    }

    fn reinstate(subject: &str) -> Command {
        Command::ReinstatePrincipal {
            principal: PrincipalId::of_subject(subject),
        }
    }

    #[test]
    fn the_table_of_every_command_in_every_state() {
        let registered = team().then(register("one", false), &admin());
        let linked = registered.clone().then(link("one", 5), &admin());
        let suspended = linked.clone().then(suspend("one"), &admin());
        let system = team().then(register("one", true), &admin());
        let place = |history: &History| {
            let principal = history.state::<Principal>(PrincipalId::of_subject("one"));
            let place = match (principal.exists, principal.suspended, principal.system) {
                (false, ..) => "unknown",
                (true, true, _) => "suspended",
                (true, false, true) => "system",
                (true, false, false) if principal.person.is_some() => "linked",
                (true, false, false) => "registered",
            };
            place.to_owned()
        };
        let (none, known) = ("PRINCIPAL_NOT_FOUND", "PRINCIPAL_ALREADY_REGISTERED");
        let (once, free) = ("PRINCIPAL_ALREADY_LINKED", "PRINCIPAL_NOT_SUSPENDED");
        #[rustfmt::skip]
        let rows = [
            row(register("one", false), admin(), ["PrincipalRegistered", known, known, known, known]),
            row(link("one", 5), admin(), [none, "PrincipalLinked", once, once, "SYSTEM_HAS_NO_PERSON"]),
            row(suspend("one"), admin(), [none, "PrincipalSuspended", "PrincipalSuspended", "PRINCIPAL_ALREADY_SUSPENDED", "PrincipalSuspended"]),
            row(reinstate("one"), admin(), [none, free, free, "PrincipalReinstated", free]),
        ];
        let given = "Each command is given by an administrator; the suspended login is linked.";
        let states = [team(), registered, linked, suspended, system];
        check(
            "Principal",
            given,
            include_str!("principal.rs"),
            &states,
            &rows,
            place,
        );
    }

    #[test]
    fn a_login_is_linked_only_to_a_person_who_stands() {
        let merge = crate::person::Command::MergePersons {
            person: id(5),
            duplicate: id(6),
        };
        let history = team()
            .then(register("one", false), &admin())
            .then(merge, &admin());
        history.refuses(link("one", 99), &admin(), Refusal::PersonNotFound);
        history.refuses(link("one", 6), &admin(), Refusal::PersonNotFound);
        assert_eq!(history.outcome(link("one", 5), &admin()), "PrincipalLinked");
    }

    #[test]
    fn only_an_administrator_decides_who_may_call_and_not_about_the_own_login() {
        let refusal = crate::genesis::Refusal::ActorIsNoAdministrator;
        team().refuses(register("one", false), &by(id(2), at(NOW)), refusal);
        // The login that `by` uses.
        let own = id::<PersonId>(1).to_string();
        let history = team().then(register(&own, false), &admin());
        history.refuses(suspend(&own), &admin(), Refusal::NotOneself);
    }

    #[test]
    fn subjects_are_bounded() {
        for subject in [String::new(), " ".to_owned(), "x".repeat(257)] {
            team().refuses(
                register(&subject, false),
                &admin(),
                Refusal::SubjectNotAllowed,
            );
        }
    }

    proptest! {
        #[test]
        fn any_order_of_events_is_borne(history in any_history(one_of_each::<Event>("principal"))) {
            let mut principal = Principal::default();
            for (event, stamp) in &history {
                principal.evolve(event, stamp);
            }
        }
    }
}
