//! What the services stand on: the write path, the read models, the clock, the look-up key.
//!
//! Owns what is put together and in which order it starts and stops; decides nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use domain::Instant;
use domain::genesis::{self, Genesis};
use domain::ids::{PersonId, PrincipalId, UnitId};
use domain::person::{Person, RECORDS_MAX};
use domain::principal::Principal;
use eventlog::execute::{ExecuteError, Executor};
use eventlog::{Clock, CloseError, DiskLog, Entropy, EventLog, ReadError, Scrub};
use projections::engine::Options;
use projections::submit::Submit;
use projections::timers::Time;
use projections::{Consequences, Engine, Models, Reactions, Timers};
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
    /// What answers events with commands.
    pub reactions: Reactions,
    /// What records deadlines that pass, and moves a simulated clock.
    pub timers: Timers,
    /// Waits for what follows from a write.
    pub consequences: Consequences,
    /// True if the log was born with a simulated clock.
    pub simulated_clock: bool,
    /// The log, where it is on disk.
    pub disk: Option<Arc<DiskLog>>,
    /// Verifies the log while it is open; absent where it is not on disk.
    pub scrub: Option<Scrub>,
    /// Turns identity numbers into what is stored instead; absent where none is configured.
    pub look_up_key: Option<Arc<LookUpKey>>,
}

/// What a back end is put together from.
pub struct Parts {
    /// The log, open for writing and born.
    pub log: Arc<dyn EventLog>,
    /// Its clock; the log must have been opened with the same one.
    pub time: Time,
    /// The source of ids and salts.
    pub entropy: Entropy,
    /// The log's default zone.
    pub zone: chrono_tz::Tz,
    /// Folder of snapshots and cursors; none are kept if absent.
    pub views: Option<PathBuf>,
    /// How the read models are kept; its folder is `views`.
    pub models: Options,
    /// The same log, where it is on disk.
    pub disk: Option<Arc<DiskLog>>,
    /// Turns identity numbers into what is stored instead.
    pub look_up_key: Option<LookUpKey>,
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
    /// Puts the parts together and starts what runs beside the services. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn start(parts: Parts) -> Result<Self, ReadError> {
        let Parts {
            log,
            time,
            entropy,
            zone,
            views,
            models,
            disk,
            look_up_key,
        } = parts;
        let clock: Arc<dyn Clock> = match &time {
            Time::Real(clock) => Arc::clone(clock),
            Time::Simulated(clock) => Arc::new(clock.clone()),
        };
        let simulated_clock = matches!(time, Time::Simulated(_));
        let executor = Executor::new(Arc::clone(&log), clock, entropy, zone);
        let options = Options {
            views: views.clone(),
            ..models
        };
        let engine = Engine::start(Arc::clone(&log), options).await?;
        let submit: Arc<dyn Submit> = Arc::new(executor.clone());
        let options = projections::reactions::Options {
            views,
            // A seeded run repeats to the same root only if writes come in one order.
            one_by_one: simulated_clock,
        };
        let reactions = Reactions::start_with(Arc::clone(&log), &submit, &options);
        let consequences = Consequences::new(reactions.clone(), Some(engine.clone()));
        let timers = Timers::start(log, submit, time, Some(consequences.clone()));
        let look_up_key = look_up_key.map(Arc::new);
        Ok(Self {
            executor,
            engine,
            reactions,
            timers,
            consequences,
            simulated_clock,
            scrub: disk.as_ref().map(|disk| disk.scrub()),
            disk,
            look_up_key,
        })
    }

    /// Stops what runs beside the services, then closes the log. Nothing acknowledged is lost.
    ///
    /// # Errors
    /// If the log was not closed cleanly; its next opening verifies it.
    pub async fn stop(self) -> Result<(), CloseError> {
        self.timers.stop().await;
        self.reactions.stop().await;
        self.engine.stop().await;
        let log = Arc::clone(self.executor.log());
        tokio::task::spawn_blocking(move || log.close())
            .await
            .unwrap_or_else(|error| Err(CloseError(error.to_string())))
    }

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
        let administrator = match self.acting_person(principal)? {
            None => false,
            Some(person) => self.genesis()?.administrators.contains(&person),
        };
        Ok(Standing::Registered { administrator })
    }

    /// The person that a login acts as: who it is linked to, or the record that stands for them, as
    /// commands take it.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn acting_person(&self, principal: PrincipalId) -> Result<Option<PersonId>, ExecuteError> {
        let Some(mut person) = self.executor.state::<Principal>(principal)?.person else {
            return Ok(None);
        };
        // No chain is longer; see `Person::survivor`.
        for _ in 0..=RECORDS_MAX {
            match self.executor.state::<Person>(person)?.merged_into {
                Some(into) => person = into,
                None => break,
            }
        }
        Ok(Some(person))
    }

    /// The log's genesis.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn genesis(&self) -> Result<Arc<Genesis>, ExecuteError> {
        self.executor.state::<Genesis>(genesis::KEY)
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

/// A unit and all below it at an instant, by its id as sent; `None` (all units) for an empty one.
///
/// # Errors
/// `INVALID_ARGUMENT` if it is no id, `NOT_FOUND` if there is no such unit.
pub fn subtree(
    models: &Models,
    unit_id: &str,
    at: Instant,
) -> Result<Option<BTreeSet<UnitId>>, Status> {
    let unit: Option<UnitId> =
        parse::optional_id("unit_id", unit_id).map_err(|why| status::invalid(&why))?;
    let Some(unit) = unit else { return Ok(None) };
    let build = crate::reading::ready(&models.units)?;
    if build.unit(unit).is_none() {
        return Err(status::refused(
            &domain::unit::Refusal::UnitNotFound.refused(),
        ));
    }
    Ok(Some(build.subtree(unit, at)))
}
