//! A log written through the real deciders: an administrator, a station, its policy set.

use std::sync::Arc;

use domain::ids::{HazardId, PrincipalId, UnitId};
use domain::unit::UnitLevel;
use domain::{Command, Event, Personal, genesis, hazard, policy_set, reaction, unit};
use eventlog::execute::{Executor, Request};
use eventlog::{Entropy, EventLog, MemoryLog, SimulatedClock};
use uuid::Uuid;

use crate::feed;
use crate::fixture::{LOG, STATION, at, id};

pub(super) const START: &str = "2024-01-01T00:00:00Z";

pub(super) struct Town {
    pub(super) clock: SimulatedClock,
    pub(super) executor: Executor,
}

impl Town {
    pub(super) async fn born() -> Self {
        let clock = SimulatedClock::new(at(START));
        let log = Arc::new(MemoryLog::new(id(LOG), Arc::new(clock.clone())));
        let zone = chrono_tz::Asia::Shanghai;
        let executor = Executor::new(log, Arc::new(clock.clone()), Entropy::seeded(1), zone);
        let town = Self { clock, executor };
        let birth = genesis::Command::BearLog {
            log_id: id(LOG),
            origin: "test.example/log".to_owned(),
            zone,
            clock: genesis::ClockKind::Simulated,
            administrator: id(1),
            administrator_name: Personal::new("administrator"),
            administrator_subject: "admin".to_owned(),
        };
        town.run("admin", birth).await;
        town.found(STATION).await;
        let policy = policy_set::Command::AdoptPolicySet {
            unit: id(STATION),
            text: include_str!("../../../../policies/pilot.toml").to_owned(),
            effective_from: None,
        };
        town.run("admin", policy).await;
        town
    }

    pub(super) fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(self.executor.log())
    }

    pub(super) fn head(&self) -> u64 {
        self.log().head().position
    }

    pub(super) async fn run(&self, subject: &str, command: impl Into<Command>) -> u64 {
        let principal = PrincipalId::of_subject(subject);
        let command_id = self.executor.entropy().uuid();
        let request = Request::new(command, command_id, principal);
        self.executor
            .execute(request)
            .await
            .expect("accepted")
            .position
    }

    pub(super) async fn found(&self, n: u128) -> u64 {
        let command = unit::Command::FoundUnit {
            unit: id(n),
            level: UnitLevel::Station,
            name: format!("unit {n}"),
            parent: None,
            zone: None,
            imported: None,
        };
        self.run("admin", command).await
    }

    pub(super) async fn enable(&self, name: &str) -> u64 {
        let name = name.to_owned();
        let enable = reaction::Command::EnableReaction { name, from: 1 };
        self.run("system:reaction", enable).await
    }

    /// A verified hazard whose deadline runs from now on.
    pub(super) async fn hazard(&self, n: u128, urgency: hazard::Urgency) {
        let hazard: HazardId = id(n);
        self.run("system:timer", report(hazard, id(STATION))).await;
        let verify = hazard::Command::VerifyHazard {
            hazard,
            level: hazard::HazardLevel::General,
            urgency,
        };
        self.run("admin", verify).await;
    }

    /// Every event of the log with its position and the time it was recorded.
    pub(super) fn events(&self) -> Vec<(eventlog::RecordedEvent, Event)> {
        let commits = self.log().read(1, u64::MAX);
        commits
            .flat_map(|commit| commit.expect("readable").events)
            .map(|recorded| {
                let event = feed::decode(&recorded).expect("readable");
                (recorded, event)
            })
            .collect()
    }
}

pub(super) fn report(hazard: HazardId, unit: UnitId) -> hazard::Command {
    hazard::Command::ReportHazard {
        hazard,
        unit,
        kind: "blocked exit".to_owned(),
        place: None,
        description: None,
        photos: Vec::new(),
        seen_at: None,
    }
}

/// The id of the hazard that tests report for a stream.
pub(super) fn hazard_for(stream: &domain::StreamName) -> HazardId {
    HazardId(domain::ids::derived("test hazard", &[stream]))
}

#[tokio::test]
async fn the_town_stands() {
    let town = Town::born().await;
    assert_eq!(town.executor.log().log_id(), Uuid::from_u128(LOG));
    assert!(town.head() > 5);
}
