//! Household: who lives together, with dates.
//!
//! ```text
//! (nothing) ──HouseholdFormed──> formed ⟲ PersonJoinedHousehold, PersonLeftHousehold
//! ```
//! Owns who lives in a household and since when. A person lives in one household at a time: their
//! stays are held by their own stream ([`Residence`]), which no two households can write at once. It
//! matters to separation of duties, so dates count as of the activity, and who is concerned does
//! not record them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, Instant};
use crate::ids::{HouseholdId, PersonId, UnitId};
use crate::member::Member;
use crate::person::Person;
use crate::policy_set::PolicySets;
use crate::refusal::{Stop, refusals};
use crate::residence::{self, Residence};
use crate::separation;
use crate::stream::StreamName;
use crate::unit::Unit;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Most people in a household.
pub const PERSONS_MAX: usize = 50;

/// State of a household.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Household {
    /// The community it was formed in.
    pub community: Option<UnitId>,
    /// Who lives there, and since when.
    pub persons: BTreeMap<PersonId, Instant>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Record a household.
    FormHousehold {
        /// A random id, given by the caller.
        household: HouseholdId,
        /// Where.
        community: UnitId,
        /// Who lives there: 1..=50 persons, none of them in another household.
        persons: Vec<PersonId>,
        /// Since when; now if absent.
        from: Option<Instant>,
    },
    /// Record that somebody moved in.
    JoinHousehold {
        /// Where.
        household: HouseholdId,
        /// Who.
        person: PersonId,
        /// Since when; now if absent.
        from: Option<Instant>,
    },
    /// Record that somebody moved out.
    LeaveHousehold {
        /// From where.
        household: HouseholdId,
        /// Who.
        person: PersonId,
        /// Since when; now if absent.
        at: Option<Instant>,
    },
    /// Record that some of a household live apart as one of their own.
    SplitHousehold {
        /// The household they leave.
        household: HouseholdId,
        /// A random id for theirs, given by the caller.
        into: HouseholdId,
        /// Who leaves: at least one, and not everybody.
        persons: Vec<PersonId>,
        /// Since when; now if absent.
        at: Option<Instant>,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A household was recorded.
    HouseholdFormed {
        /// Where.
        community: UnitId,
        /// The household that its people left, if they lived in one.
        split_from: Option<HouseholdId>,
        /// Who recorded it.
        recorded_by: PersonId,
    },
    /// Somebody moved in (at the envelope's `occurred_at`).
    PersonJoinedHousehold {
        /// Who.
        person: PersonId,
        /// Who recorded it.
        recorded_by: PersonId,
    },
    /// Somebody moved out (at the envelope's `occurred_at`).
    PersonLeftHousehold {
        /// Who.
        person: PersonId,
        /// Who recorded it.
        recorded_by: PersonId,
    },
}

refusals! {
    /// Why it is refused.
    HouseholdAlreadyFormed = AlreadyExists, "household_id", "A household with this id is recorded already.";
    HouseholdNotFound = NotFound, "household_id", "There is no household with this id.";
    PersonNotFound = NotFound, "person_id", "There is no person with this id, or their record was merged into another.";
    PersonsNotAllowed = Invalid, "person_ids", "A household has 1 to 50 persons, each named once.";
    PersonHasHousehold = WrongState, "person_id", "This person lives in a household at that time; a person lives in one at a time.";
    PersonNotInHousehold = WrongState, "person_id", "This person does not live in this household.";
    LeftBeforeJoining = Invalid, "at", "Nobody moves out before they moved in.";
    NobodyStays = Invalid, "person_ids", "A household is split only while somebody stays in it.";
    TimeInTheFuture = Invalid, "at", "What happened cannot have happened later than now.";
    BackDatedTooFar = NotAllowed, "at", "It lies further back than the policy's window.";
    ActorIsConcerned = NotAllowed, "person_id", "Nobody records with whom they themselves live.";
    TooManyStays = WrongState, "person_id", "A person's record keeps at most 100 stays.";
}

/// What a decision about a household needs: who records it, where and since when.
struct Case<'a> {
    household: HouseholdId,
    community: UnitId,
    recorded_by: PersonId,
    at: Instant,
    world: &'a World,
}

impl<'a> Case<'a> {
    /// Who leads the community records it, dated within the policy's window.
    fn new(
        household: HouseholdId,
        community: UnitId,
        at: Option<Instant>,
        world: &'a World,
        cx: &Context,
    ) -> Result<Self, Stop> {
        // A household outlives the unit it was formed in.
        let community = Unit::responsible(world, community, cx.now)?;
        let (recorded_by, _) = Member::approver(world, community, cx)?;
        let at = at.unwrap_or(cx.now);
        if at > cx.now {
            return Err(Refusal::TimeInTheFuture.into());
        }
        if at < cx.now && !PolicySets::within_back_date_window(world, community, at, cx)? {
            return Err(Refusal::BackDatedTooFar.into());
        }
        Ok(Self {
            household,
            community,
            recorded_by,
            at,
            world,
        })
    }

    fn envelope(&self) -> Envelope {
        let mut envelope = Envelope::at(self.at);
        envelope.unit = Some(self.community.0);
        envelope
    }

    /// Refuses a recorder who lives in the household, or did at that time, under whichever of
    /// their records: with whom somebody lives is not theirs to record, whoever moves.
    fn check_outsider(&self, state: &Household) -> Result<(), Stop> {
        for record in Person::records(self.world, self.recorded_by)? {
            let then = self.world.state::<Residence>(record)?.at(self.at);
            if state.persons.contains_key(&record) || then == Some(self.household) {
                return Err(Refusal::ActorIsConcerned.into());
            }
        }
        Ok(())
    }

    fn check_person(&self, person: PersonId) -> Result<(), Stop> {
        separation::not_same(
            self.world,
            self.recorded_by,
            person,
            Refusal::ActorIsConcerned,
        )
    }

    /// Adds that somebody moves into a household.
    fn join(
        &self,
        household: HouseholdId,
        person: PersonId,
        decision: &mut Decision,
    ) -> Result<(), Stop> {
        self.check_person(person)?;
        if !self.world.state::<Person>(person)?.is_active() {
            return Err(Refusal::PersonNotFound.into());
        }
        if self.world.state::<Residence>(person)?.stays.len() >= residence::STAYS_MAX {
            return Err(Refusal::TooManyStays.into());
        }
        let recorded_by = self.recorded_by;
        let joined = Event::PersonJoinedHousehold {
            person,
            recorded_by,
        };
        decision.push::<Household>(household, joined, self.envelope());
        let began = residence::Event::StayBegan { household };
        decision.push::<Residence>(person, began, self.envelope());
        Ok(())
    }

    /// Adds that somebody moves out of the household.
    fn leave(
        &self,
        state: &Household,
        person: PersonId,
        decision: &mut Decision,
    ) -> Result<(), Stop> {
        self.check_person(person)?;
        let Some(from) = state.persons.get(&person) else {
            return Err(Refusal::PersonNotInHousehold.into());
        };
        if self.at < *from {
            return Err(Refusal::LeftBeforeJoining.into());
        }
        let recorded_by = self.recorded_by;
        let left = Event::PersonLeftHousehold {
            person,
            recorded_by,
        };
        decision.push::<Household>(self.household, left, self.envelope());
        let household = self.household;
        let ended = residence::Event::StayEnded { household };
        decision.push::<Residence>(person, ended, self.envelope());
        Ok(())
    }

    /// Refuses if somebody lives anywhere at that time.
    fn check_free(&self, person: PersonId) -> Result<(), Stop> {
        if self
            .world
            .state::<Residence>(person)?
            .is_taken_from(self.at)
        {
            return Err(Refusal::PersonHasHousehold.into());
        }
        Ok(())
    }

    /// Adds a new household.
    fn form(
        &self,
        household: HouseholdId,
        split_from: Option<HouseholdId>,
        decision: &mut Decision,
    ) -> Result<(), Stop> {
        if self
            .world
            .state::<Household>(household)?
            .community
            .is_some()
        {
            return Err(Refusal::HouseholdAlreadyFormed.into());
        }
        let formed = Event::HouseholdFormed {
            community: self.community,
            split_from,
            recorded_by: self.recorded_by,
        };
        decision.push::<Household>(household, formed, self.envelope());
        Ok(())
    }
}

fn check_persons(persons: &[PersonId]) -> Result<(), Stop> {
    let distinct: std::collections::BTreeSet<_> = persons.iter().collect();
    if !(1..=PERSONS_MAX).contains(&persons.len()) || distinct.len() < persons.len() {
        return Err(Refusal::PersonsNotAllowed.into());
    }
    Ok(())
}

impl Aggregate for Household {
    const CATEGORY: &'static str = "household";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match command {
            Command::FormHousehold { household, .. }
            | Command::JoinHousehold { household, .. }
            | Command::LeaveHousehold { household, .. }
            | Command::SplitHousehold { household, .. } => Self::stream(household),
        }
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let mut decision = Decision::new();
        let existing = |household: &HouseholdId, at: &Option<Instant>| {
            let state = world.state::<Self>(household)?;
            let community = state.community.ok_or(Refusal::HouseholdNotFound)?;
            let case = Case::new(*household, community, *at, world, cx)?;
            case.check_outsider(&state)?;
            Ok::<_, Stop>((case, state))
        };
        match command {
            Command::FormHousehold {
                household,
                community,
                persons,
                from,
            } => {
                Member::require_community(world, *community, cx.now)?;
                let case = Case::new(*household, *community, *from, world, cx)?;
                check_persons(persons)?;
                case.form(*household, None, &mut decision)?;
                for person in persons {
                    case.check_free(*person)?;
                    case.join(*household, *person, &mut decision)?;
                }
            }
            Command::JoinHousehold {
                household,
                person,
                from,
            } => {
                let (case, state) = existing(household, from)?;
                if state.persons.len() >= PERSONS_MAX {
                    return Err(Refusal::PersonsNotAllowed.into());
                }
                case.check_free(*person)?;
                case.join(*household, *person, &mut decision)?;
            }
            Command::LeaveHousehold {
                household,
                person,
                at,
            } => {
                let (case, state) = existing(household, at)?;
                case.leave(&state, *person, &mut decision)?;
            }
            Command::SplitHousehold {
                household,
                into,
                persons,
                at,
            } => {
                let (case, state) = existing(household, at)?;
                check_persons(persons)?;
                for person in persons {
                    case.leave(&state, *person, &mut decision)?;
                }
                if persons.len() >= state.persons.len() {
                    return Err(Refusal::NobodyStays.into());
                }
                case.form(*into, Some(*household), &mut decision)?;
                for person in persons {
                    case.join(*into, *person, &mut decision)?;
                }
            }
        }
        Ok(decision)
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        match event {
            Event::HouseholdFormed { community, .. } => self.community = Some(*community),
            Event::PersonJoinedHousehold { person, .. } => {
                self.persons.insert(*person, stamp.occurred_at);
            }
            Event::PersonLeftHousehold { person, .. } => {
                self.persons.remove(person);
            }
        }
    }
}

#[cfg(test)]
mod tests;
