//! What is above the communities: city, districts, stations, the policy set. Founded one after the
//! other through [`Executor`], before any community lives.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ids::{PrincipalId, UnitId};
use domain::unit::UnitLevel;
use domain::{Command, policy_set, unit};
use eventlog::execute::{Executor, Request};
use eventlog::{Clock, Entropy, EventLog};
use projections::feed;
use projections::timers::{DueList, Time};

use super::dice::Dice;
use super::{ADMIN, Plan, SimulateError};

/// Communities below one station. Assumed: a station of some 100,000 people.
const COMMUNITIES_PER_STATION: u32 = 10;
/// Stations in one district: 28 of 10 communities make a county (`domain.md` §7).
const STATIONS_PER_DISTRICT: u32 = 28;
/// The policy set of the pilot.
const POLICY: &str = include_str!("../../../../policies/pilot.toml");

/// What the communities have above them.
pub(super) struct Town {
    /// The stations, in order.
    stations: Vec<UnitId>,
    /// What falls due, with the units and policy sets that it needs to know.
    pub(super) due: DueList,
    /// Events before any community lived, by category and type.
    pub(super) by_type: BTreeMap<String, BTreeMap<String, u64>>,
    /// The log's default zone.
    pub(super) zone: chrono_tz::Tz,
}

impl Town {
    /// The station of a community.
    pub(super) fn station(&self, community: u32) -> UnitId {
        let station = (community / COMMUNITIES_PER_STATION) as usize;
        let last = self.stations.last().copied();
        let station = self.stations.get(station).copied().or(last);
        station.unwrap_or(UnitId(uuid::Uuid::nil()))
    }
}

/// Founds it.
pub(super) async fn found(
    plan: &Plan,
    log: &Arc<dyn EventLog>,
    time: Time,
    entropy: Entropy,
    zone: chrono_tz::Tz,
) -> Result<Town, SimulateError> {
    let clock: Arc<dyn Clock> = match time {
        Time::Simulated(clock) => Arc::new(clock),
        Time::Real(clock) => clock,
    };
    let founder = Founder {
        executor: Executor::new(Arc::clone(log), clock, entropy, zone),
        dice: Dice::of(plan.seed, "town", 0),
    };
    let city = founder
        .unit(UnitLevel::City, "city".to_owned(), None)
        .await?;
    let policy = policy_set::Command::AdoptPolicySet {
        unit: city,
        text: POLICY.to_owned(),
        effective_from: None,
    };
    founder.execute(policy).await?;
    let mut stations = Vec::new();
    let mut district = city;
    for station in 0..plan.communities.div_ceil(COMMUNITIES_PER_STATION) {
        if station % STATIONS_PER_DISTRICT == 0 {
            let name = format!("district {}", station / STATIONS_PER_DISTRICT + 1);
            district = founder.unit(UnitLevel::District, name, Some(city)).await?;
        }
        let name = format!("station {}", station + 1);
        stations.push(
            founder
                .unit(UnitLevel::Station, name, Some(district))
                .await?,
        );
    }
    let mut due = DueList::default();
    let mut by_type: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for commit in log.read(1, log.head().position) {
        for recorded in commit?.events {
            let event = feed::decode(&recorded).map_err(SimulateError::Fault)?;
            due.apply(&recorded, &event);
            let types = by_type.entry(recorded.stream.category().to_owned());
            let count = types.or_default().entry(recorded.type_name.to_string());
            *count.or_default() += 1;
        }
    }
    Ok(Town {
        stations,
        due,
        by_type,
        zone,
    })
}

struct Founder {
    executor: Executor,
    dice: Dice,
}

impl Founder {
    async fn execute(&self, command: impl Into<Command>) -> Result<(), SimulateError> {
        let admin = PrincipalId::of_subject(ADMIN);
        let request = Request::new(command, self.dice.uuid(), admin);
        self.executor.execute(request).await?;
        Ok(())
    }

    async fn unit(
        &self,
        level: UnitLevel,
        name: String,
        parent: Option<UnitId>,
    ) -> Result<UnitId, SimulateError> {
        let id = UnitId(self.dice.uuid());
        let zone = parent.is_none().then_some(chrono_tz::Asia::Shanghai);
        self.execute(unit::Command::FoundUnit {
            unit: id,
            level,
            name,
            parent,
            zone,
            imported: None,
        })
        .await?;
        Ok(id)
    }
}
