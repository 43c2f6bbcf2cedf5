//! Genesis: the birth of a log, and who administers it.
//!
//! ```text
//! (nothing) ──LogBorn──> born ──AdministratorAppointed / AdministratorRelieved──> born
//!                             ──EpochStarted──> born, in the next epoch
//! ```
//! Owns the log's origin, zone, clock, its epoch and its administrators; what a new epoch says is in
//! `epoch`. Until a second person is an
//! administrator, the first may approve and grant alone, and those events say `bootstrap`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::{Envelope, Trust};
use crate::ids::{PersonId, PrincipalId};
use crate::personal::Personal;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};
use crate::{person, principal};

mod epoch;
#[cfg(test)]
mod table;

pub use epoch::{EpochReason, Parent};

/// Key of the one stream.
pub const KEY: &str = "log";

/// How the subjects of the system's own principals begin; nobody else's may.
pub const SYSTEM_SUBJECT_PREFIX: &str = "system:";

/// Subjects of the system's own principals, registered at birth.
pub const SYSTEM_SUBJECTS: [&str; 3] = ["system:reaction", "system:timer", "system:import"];

/// What sort of clock a log lives by, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// The machine's.
    Real,
    /// One that the caller moves.
    Simulated,
}

/// State of the genesis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Genesis {
    /// The log's id, once born.
    pub log_id: Option<Uuid>,
    /// The clock it lives by.
    pub clock: Option<ClockKind>,
    /// Its zone.
    pub zone: Option<chrono_tz::Tz>,
    /// Its origin: the name under which checkpoints are signed.
    pub origin: String,
    /// The epoch it is in: 1 from its birth on, 0 before.
    pub epoch: u32,
    /// Tells the epoch from any other of the same number; absent in the first one.
    pub branch: Option<Uuid>,
    /// Persons who hold the administrator role.
    pub administrators: BTreeSet<PersonId>,
}

/// What can be asked of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Be born.
    BearLog {
        /// The log's id.
        log_id: Uuid,
        /// Name under which checkpoints are signed, 1..=200 printable ASCII without blanks or `+`.
        origin: String,
        /// Default zone.
        zone: chrono_tz::Tz,
        /// Clock, for ever.
        clock: ClockKind,
        /// Person id of the first administrator.
        administrator: PersonId,
        /// Their name.
        administrator_name: Personal,
        /// Login subject of the first administrator.
        administrator_subject: String,
    },
    /// Make a person an administrator.
    AppointAdministrator {
        /// Who.
        person: PersonId,
    },
    /// Take the role back.
    RelieveAdministrator {
        /// From whom.
        person: PersonId,
    },
    /// Write the first commit of an epoch that the log has been forked into.
    StartEpoch {
        /// The number of the epoch.
        epoch: u32,
        /// A random id: two forks from the same end differ by it.
        branch: Uuid,
        /// Where it begins.
        parent: Parent,
        /// Why.
        reason: EpochReason,
    },
}

/// What happens to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The log was born.
    LogBorn {
        /// Its id.
        log_id: Uuid,
        /// Its origin.
        origin: String,
        /// Its default zone.
        zone: chrono_tz::Tz,
        /// Its clock.
        clock: ClockKind,
        /// Whether personal fields are sealed.
        sealed: bool,
    },
    /// A person became an administrator.
    AdministratorAppointed {
        /// Who.
        person: PersonId,
        /// True if done by the only administrator there was.
        bootstrap: bool,
    },
    /// A person is no longer an administrator.
    AdministratorRelieved {
        /// Who.
        person: PersonId,
    },
    /// The history was forked: what came after the parent's end is no part of the log any more.
    EpochStarted {
        /// The number of the epoch.
        epoch: u32,
        /// A random id: two forks from the same end differ by it.
        branch: Uuid,
        /// Where it begins.
        #[serde(flatten)]
        parent: Parent,
        /// Why.
        reason: EpochReason,
        /// The administrator who did it.
        by: PersonId,
    },
}

refusals! {
    /// Why it is refused.
    LogAlreadyBorn = AlreadyExists, "", "This log is born already.";
    OriginNotAllowed = Invalid, "origin", "An origin is 1 to 200 printable ASCII characters without blanks or '+'.";
    SubjectIsBlank = Invalid, "administrator_subject", "A login subject must not be blank.";
    ActorIsNoAdministrator = NotAllowed, "", "Only a person who holds the administrator role may do this.";
    PersonNotFound = NotFound, "person_id", "There is no person with this id.";
    AlreadyAdministrator = WrongState, "person_id", "This person is an administrator already.";
    NotAnAdministrator = WrongState, "person_id", "This person is no administrator.";
    LastAdministratorStays = WrongState, "person_id", "A log keeps at least one administrator.";
    EpochDoesNotFollow = WrongState, "epoch", "A new epoch begins after the one the log is in and has a higher number.";
    ParentIsEmpty = Invalid, "parent", "An epoch begins after at least one commit; its root is 64 hexadecimal digits.";
    NotByOneself = NotAllowed, "person_id", "Nobody relieves themselves of the administrator role.";
}

impl Genesis {
    /// The administrator who acts, and whether nobody else could have approved it.
    pub fn administrator(world: &World, cx: &Context) -> Result<(PersonId, bool), Stop> {
        let genesis = world.state::<Self>(KEY)?;
        let person = cx.person()?;
        if genesis.administrators.contains(&person) {
            Ok((person, genesis.administrators.len() == 1))
        } else {
            Err(Refusal::ActorIsNoAdministrator.into())
        }
    }
}

fn bear(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::BearLog {
        log_id,
        origin,
        zone,
        clock,
        administrator,
        administrator_name,
        administrator_subject,
    } = command
    else {
        return Ok(Decision::new());
    };
    let good_origin = (1..=200).contains(&origin.len())
        && origin
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'+');
    if world.state::<Genesis>(KEY)?.log_id.is_some() {
        return Err(Refusal::LogAlreadyBorn.into());
    }
    if !good_origin {
        return Err(Refusal::OriginNotAllowed.into());
    }
    if administrator_subject.trim().is_empty() {
        return Err(Refusal::SubjectIsBlank.into());
    }
    let mut envelope = Envelope::at(cx.now);
    envelope.trust = Trust::System;
    let born = Event::LogBorn {
        log_id: *log_id,
        origin: origin.clone(),
        zone: *zone,
        clock: *clock,
        sealed: false,
    };
    let mut decision = Decision::new()
        .with::<Genesis>(KEY, born, envelope.clone())
        .with::<person::Person>(
            administrator,
            person::Event::PersonRegistered {
                name: administrator_name.clone(),
                phone: None,
                identity_claim: None,
            },
            envelope.clone(),
        )
        .with::<Genesis>(
            KEY,
            Event::AdministratorAppointed {
                person: *administrator,
                bootstrap: true,
            },
            envelope.clone(),
        );
    let first = PrincipalId::of_subject(administrator_subject);
    principal::Principal::register(&mut decision, administrator_subject, false, &envelope);
    decision.push::<principal::Principal>(
        first,
        principal::Event::PrincipalLinked {
            person: *administrator,
        },
        envelope.clone(),
    );
    for subject in SYSTEM_SUBJECTS {
        principal::Principal::register(&mut decision, subject, true, &envelope);
    }
    Ok(decision)
}

impl Aggregate for Genesis {
    const CATEGORY: &'static str = "genesis";
    type Command = Command;
    type Event = Event;

    fn primary(_: &Command) -> StreamName {
        Self::stream(KEY)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let envelope = Envelope::at(cx.now);
        match command {
            Command::BearLog { .. } => bear(command, world, cx),
            Command::AppointAdministrator { person } => {
                let (_, alone) = Self::administrator(world, cx)?;
                if !world.state::<person::Person>(person)?.is_active() {
                    return Err(Refusal::PersonNotFound.into());
                }
                if world.state::<Self>(KEY)?.administrators.contains(person) {
                    return Err(Refusal::AlreadyAdministrator.into());
                }
                let event = Event::AdministratorAppointed {
                    person: *person,
                    bootstrap: alone,
                };
                Ok(Decision::new().with::<Self>(KEY, event, envelope))
            }
            Command::RelieveAdministrator { person } => {
                let (actor, alone) = Self::administrator(world, cx)?;
                if !world.state::<Self>(KEY)?.administrators.contains(person) {
                    return Err(Refusal::NotAnAdministrator.into());
                }
                if alone {
                    return Err(Refusal::LastAdministratorStays.into());
                }
                if actor == *person {
                    return Err(Refusal::NotByOneself.into());
                }
                let event = Event::AdministratorRelieved { person: *person };
                Ok(Decision::new().with::<Self>(KEY, event, envelope))
            }
            Command::StartEpoch {
                epoch,
                branch,
                parent,
                reason,
            } => {
                let (by, _) = Self::administrator(world, cx)?;
                let present = world.state::<Self>(KEY)?.epoch;
                if *epoch <= present || parent.parent_epoch != present {
                    return Err(Refusal::EpochDoesNotFollow.into());
                }
                if !parent.is_possible() {
                    return Err(Refusal::ParentIsEmpty.into());
                }
                let event = Event::EpochStarted {
                    epoch: *epoch,
                    branch: *branch,
                    parent: parent.clone(),
                    reason: reason.clone(),
                    by,
                };
                Ok(Decision::new().with::<Self>(KEY, event, envelope))
            }
        }
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        match event {
            Event::LogBorn {
                log_id,
                origin,
                zone,
                clock,
                ..
            } => {
                self.log_id = Some(*log_id);
                self.origin.clone_from(origin);
                self.zone = Some(*zone);
                self.clock = Some(*clock);
                self.epoch = 1;
            }
            Event::EpochStarted { epoch, branch, .. } => {
                self.epoch = *epoch;
                self.branch = Some(*branch);
            }
            Event::AdministratorAppointed { person, .. } => {
                self.administrators.insert(*person);
            }
            Event::AdministratorRelieved { person } => {
                self.administrators.remove(person);
            }
        }
    }
}

/// A log that lives from `now` on, with one administrator: what tests start from.
#[cfg(test)]
pub(crate) fn birth(
    clock: ClockKind,
    administrator: PersonId,
    now: crate::Instant,
) -> Vec<crate::NewEvent> {
    let cx = Context {
        now,
        actor: crate::world::Actor {
            principal: PrincipalId::of_subject("admin"),
            person: Some(administrator),
            system: false,
        },
        channel: crate::Channel::Genesis,
        zone: chrono_tz::Asia::Shanghai,
    };
    let command = Command::BearLog {
        log_id: Uuid::nil(),
        origin: "test.example/log".to_owned(),
        zone: chrono_tz::Asia::Shanghai,
        clock,
        administrator,
        administrator_name: Personal::new("administrator"),
        administrator_subject: "admin".to_owned(),
    };
    Genesis::decide(&command, &World::whole(), &cx)
        .expect("a first birth")
        .events
}
