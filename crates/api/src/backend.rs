//! What the services stand on: the write path, the read models, the clock, the look-up key.
//!
//! Owns nothing but the bundle; decides nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::genesis::{self, Genesis};
use domain::ids::{PrincipalId, UnitId};
use domain::principal::Principal;
use eventlog::SimulatedClock;
use eventlog::execute::{ExecuteError, Executor};
use projections::Engine;
use tonic::Status;

use crate::lookup::LookUpKey;
use crate::{parse, status};

/// The parts behind the services; cheap to clone.
#[derive(Clone)]
pub struct Backend {
    /// The one write path.
    pub executor: Executor,
    /// The read models and what feeds them.
    pub engine: Engine,
    /// The clock of a log that was born with a simulated one.
    pub simulated_clock: Option<SimulatedClock>,
    /// Turns identity numbers into what is stored instead; absent where none is configured.
    pub look_up_key: Option<Arc<LookUpKey>>,
}

/// What a login is allowed, as far as the access table asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody registered it.
    Unregistered,
    /// It may not call.
    Suspended,
    /// It may call.
    Registered {
        /// The person it is linked to is an administrator.
        administrator: bool,
    },
}

impl Backend {
    /// How a login stands as recorded now.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn standing(&self, principal: PrincipalId) -> Result<Standing, ExecuteError> {
        let state = self.executor.state::<Principal>(principal)?;
        if !state.exists {
            return Ok(Standing::Unregistered);
        }
        if state.suspended {
            return Ok(Standing::Suspended);
        }
        let administrator = match state.person {
            None => false,
            Some(person) => self.genesis()?.administrators.contains(&person),
        };
        Ok(Standing::Registered { administrator })
    }

    /// The log's genesis.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn genesis(&self) -> Result<Arc<Genesis>, ExecuteError> {
        self.executor.state::<Genesis>(genesis::KEY)
    }

    /// A unit and all below it, by its id as sent; `None` (all units) for an empty one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if it is no id, `NOT_FOUND` if there is no such unit.
    pub fn subtree(&self, unit_id: &str) -> Result<Option<BTreeSet<UnitId>>, Status> {
        let unit: Option<UnitId> =
            parse::optional_id("unit_id", unit_id).map_err(|why| status::invalid(&why))?;
        let Some(unit) = unit else { return Ok(None) };
        let build = self.engine.models().units.read();
        if build.unit(unit).is_none() {
            return Err(status::refused(
                &domain::unit::Refusal::UnitNotFound.refused(),
            ));
        }
        Ok(Some(build.subtree(unit)))
    }

    /// What is stored instead of an identity number; `None` for an empty one.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` where no look-up key is configured.
    pub fn identity_claim(&self, number: &str) -> Result<Option<String>, Status> {
        if number.is_empty() {
            return Ok(None);
        }
        let key = self.look_up_key.as_ref().ok_or_else(|| {
            status::status(
                tonic::Code::FailedPrecondition,
                "LOOK_UP_KEY_MISSING",
                "This server has no look-up key, so it takes no identity numbers.",
            )
        })?;
        Ok(Some(key.claim(number)))
    }
}
