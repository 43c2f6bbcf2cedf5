//! To whom a redemption is shown.
//!
//! Owns the one check, asked with the rules' own words. Whoever may not know a redemption is answered
//! as if there were none.

use std::collections::{BTreeSet, HashMap};

use domain::genesis::Genesis;
use domain::ids::{PersonId, UnitId};
use domain::member::Member;
use domain::person::Person;
use domain::redemption::Redemption;
use domain::unit::{Unit, tree};
use eventlog::execute::{ExecuteError, Executor};
use projections::read_models::redemptions::Record;
use tonic::Status;

use crate::backend::Backend;
use crate::gate::Caller;
use crate::status;

/// Who asks: the person behind a login, as commands take it.
pub(super) struct Viewer {
    /// Every record of the person; none for a system, which redeems nothing and hands nothing over.
    records: BTreeSet<PersonId>,
    /// The record that stands.
    person: Option<PersonId>,
    /// An administrator of the log.
    administrator: bool,
    /// To look the person's roles up.
    executor: Executor,
    /// Where the person was found to hand over or not, for one answer.
    clerk_in: HashMap<UnitId, bool>,
}

impl Viewer {
    /// The person behind a caller.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(super) fn of(backend: &Backend, caller: Caller) -> Result<Self, Status> {
        let executor = backend.executor.clone();
        let read = || -> Result<_, ExecuteError> {
            let Some(person) = backend.acting_person(caller.principal)? else {
                return Ok((None, BTreeSet::new(), false));
            };
            let stands = executor.state::<Person>(person)?;
            let records = stands.duplicates.iter().copied().chain([person]).collect();
            let genesis: std::sync::Arc<Genesis> = backend.genesis()?;
            let administrator = genesis.administrators.contains(&person);
            Ok((Some(person), records, administrator))
        };
        let (person, records, administrator) =
            read().map_err(|error| status::of_execute(&error))?;
        Ok(Self {
            records,
            person,
            administrator,
            executor,
            clerk_in: HashMap::new(),
        })
    }

    /// Whether they may know that there is this redemption: whose points it takes, who may hand it
    /// over or take it back, and administrators.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(super) fn knows(&mut self, record: &Record) -> Result<bool, Status> {
        if self.administrator || self.records.contains(&record.person) {
            return Ok(true);
        }
        let Some(person) = self.person else {
            return Ok(false);
        };
        if let Some(known) = self.clerk_in.get(&record.community) {
            return Ok(*known);
        }
        let clerk = self
            .is_clerk(person, record.community)
            .map_err(|error| status::of_execute(&error))?;
        self.clerk_in.insert(record.community, clerk);
        Ok(clerk)
    }

    /// Whether the person hands over for the community now, or for whoever took it over.
    fn is_clerk(&self, person: PersonId, community: UnitId) -> Result<bool, ExecuteError> {
        let now = self.executor.now();
        let look_up = |unit: UnitId| self.executor.state::<Unit>(unit).map(Some);
        let unit = tree::responsible(community, now, &look_up)?;
        let member = self.executor.state::<Member>(Member::key(unit, person))?;
        Ok(Redemption::is_handed_over_by(&member, now))
    }
}
