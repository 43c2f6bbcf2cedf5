//! The pilot's history, played through the API on a simulated clock.
//!
//! Owns the script: membership from 14 to 481, a month of patrols, hazards found on the way, a
//! dispute found on a visit, leads, 24 publicity waves with the second summer-night campaign among them. All of it is invented but for
//! the figures the pilot published; no real person is in it. Every choice follows from a hash, so
//! that the same version plays the same history.

use std::collections::BTreeMap;

use chrono::{Duration, NaiveDate, TimeZone};
use chrono_tz::Asia::Shanghai;
use domain::Instant;
use domain::ids::{PrincipalId, derived};
use tonic::Status;
use uuid::Uuid;

use super::patrol::{self, Patrols};
use super::{campaigns, disputes, hazards, leads};
use crate::session::{Rpc, Session, timestamp};
use crate::wire;

/// Members at the start (Aug 2022) and at the end, as the pilot published them.
pub(crate) const MEMBERS_FIRST: usize = 14;
/// Members at the end.
pub(crate) const MEMBERS_LAST: usize = 481;
/// Months over which it grew.
const MONTHS: usize = 24;
/// The volunteer who reaches 1,200 points.
pub(crate) const STAR: usize = 0;
/// A patroller with a login, who reports what they find.
pub(crate) const PATROLLER: usize = 1;
/// Volunteers that never leave: they are named by the script.
const STEADY: usize = 9;

/// The drawn zones of the demo's community.
pub(crate) const ZONES: &str = include_str!("../../../../demo/zones.geojson");
/// The pilot's policy set.
const POLICY: &str = include_str!("../../../../policies/pilot.toml");

/// Who acts, by the subject of their login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The log's administrator.
    Admin,
    /// The captain, a police officer.
    Captain,
    /// The instructor, the community's secretary.
    Instructor,
    /// A second officer, who verifies.
    Officer,
    /// Whoever the owner of a hazard sends.
    Rectifier,
    /// Who looks again.
    Inspector,
    /// The volunteer [`PATROLLER`].
    Patroller,
    /// The volunteer [`STAR`].
    Star,
    /// Who hands rewards over.
    Clerk,
}

impl By {
    /// Subject of the login.
    pub(crate) fn subject(self) -> &'static str {
        match self {
            Self::Admin => super::ADMIN,
            Self::Captain => "captain",
            Self::Instructor => "instructor",
            Self::Officer => "officer",
            Self::Rectifier => "rectifier",
            Self::Inspector => "inspector",
            Self::Patroller => "patroller",
            Self::Star => "star",
            Self::Clerk => "clerk",
        }
    }

    /// The person behind it.
    pub(crate) fn person(self) -> Uuid {
        match self {
            Self::Patroller => person(PATROLLER),
            Self::Star => person(STAR),
            _ => derived("demo person", &[&self.subject()]),
        }
    }
}

/// A volunteer by number.
pub(crate) fn person(number: usize) -> Uuid {
    derived("demo person", &[&number])
}

/// The community of the pilot.
pub(crate) fn community() -> Uuid {
    derived("demo unit", &[&"community"])
}

/// An instant in the community's time.
pub(crate) fn local(day: NaiveDate, hour: u32, minute: u32) -> Instant {
    let time = day.and_hms_opt(hour, minute, 0).unwrap_or_default();
    // Shanghai has had one offset since 1991.
    let time = Shanghai.from_local_datetime(&time).earliest();
    time.map(|time| time.to_utc()).unwrap_or_default()
}

/// A day that the script names.
pub(crate) fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

/// A number below `bound` that follows from the words.
pub(crate) fn pick(bound: usize, words: &[&dyn std::fmt::Display]) -> usize {
    let bytes = derived("demo choice", words).into_bytes();
    let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    number as usize % bound.max(1)
}

/// Something that the script does at an instant.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A month's joining and leaving.
    Month(usize),
    /// A step of a publicity wave.
    Campaign(usize, campaigns::Step),
    /// A step of a patrol shift.
    Patrol(patrol::Step),
    /// A step of a hazard found on patrol.
    Hazard(hazards::Step),
    /// A step of the dispute found on a visit.
    Dispute(disputes::Step),
    /// A step of a lead.
    Lead(leads::Step),
}

/// What a reaction answers.
const ANSWERED: &[&str] = &[
    "/VerifyParticipation",
    "/ReverifyShift",
    "/VerifyHelp",
    "/ValidateLead",
];

/// The play: who acts, the clock, what was counted on the way.
pub(crate) struct Pilot {
    session: Session,
    commands: u64,
    now: Instant,
    /// Numbers of the active volunteers.
    pub(crate) active: Vec<usize>,
    left: Vec<usize>,
    registered: usize,
    pub(crate) patrols: Patrols,
    /// Who joined each publicity wave.
    pub(crate) joined: BTreeMap<usize, Vec<usize>>,
    /// Who signed up for each shift.
    pub(crate) crews: BTreeMap<(u32, usize), Vec<usize>>,
}

impl Pilot {
    /// A play that begins now, through this connection.
    pub(crate) fn new(session: &Session, now: Instant) -> Self {
        Self {
            session: session.clone(),
            commands: 0,
            now,
            active: Vec::new(),
            left: Vec::new(),
            registered: 0,
            patrols: Patrols::drawn(),
            joined: BTreeMap::new(),
            crews: BTreeMap::new(),
        }
    }

    /// Who signed up for a shift.
    pub(crate) fn crew(&self, date: u32, shift: usize) -> Vec<usize> {
        self.crews.get(&(date, shift)).cloned().unwrap_or_default()
    }

    /// The simulated instant.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Commands sent so far.
    pub(crate) fn commands(&self) -> u64 {
        self.commands
    }

    /// Sends a command in somebody's name; `build` is given the command id.
    pub(crate) async fn send<R: Rpc>(
        &mut self,
        by: By,
        build: impl FnOnce(String) -> R,
    ) -> Result<R::Response, Status> {
        self.commands += 1;
        let request = build(derived("demo command", &[&self.commands]).to_string());
        let session = self.session_of(by)?;
        let answer = session.call(request).await.map_err(|status| {
            let message = format!("{} at {}: {}", R::PATH, self.now, status.message());
            Status::with_details(status.code(), message, status.details().to_vec().into())
        })?;
        if ANSWERED.iter().any(|rpc| R::PATH.ends_with(rpc)) {
            self.followed().await?;
        }
        Ok(answer)
    }

    /// Waits until what follows is in the log, so that it stands at the same place in every run.
    async fn followed(&self) -> Result<(), Status> {
        let request = wire::ListTeamsRequest {
            page_size: 1,
            consistency: Some(super::after_all()),
            ..Default::default()
        };
        self.session.call(request).await.map(drop)
    }

    /// A client in somebody's name.
    pub(crate) fn session_of(&self, by: By) -> Result<Session, Status> {
        self.session
            .in_the_name_of(by.subject())
            .map_err(|error| Status::internal(error.to_string()))
    }

    /// Moves the clock; timers fire on the way.
    pub(crate) async fn advance(&mut self, to: Instant) -> Result<(), Status> {
        if to > self.now {
            self.now = to;
            self.send(By::Admin, |command_id| wire::AdvanceClockRequest {
                command_id,
                to: Some(timestamp(to)),
            })
            .await?;
        }
        Ok(())
    }

    /// Plays everything; `progress` is told (steps done, steps in all).
    pub(crate) async fn play(
        &mut self,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), Status> {
        self.advance(local(day(2022, 8, 1), 9, 0)).await?;
        self.found().await?;
        let mut script: Vec<(Instant, Step)> = (0..MONTHS)
            .map(|month| (local(month_day(month), 9, 0), Step::Month(month)))
            .collect();
        script.extend(campaigns::script());
        script.extend(Patrols::script());
        script.extend(hazards::script());
        script.extend(disputes::script());
        script.extend(leads::script());
        // Stable: steps of one instant stay in the order the script names them.
        script.sort_by_key(|(at, _)| *at);
        let steps = script.len();
        for (done, (at, step)) in script.into_iter().enumerate() {
            self.advance(at).await?;
            match step {
                Step::Month(month) => self.month(month).await?,
                Step::Campaign(wave, step) => campaigns::run(self, wave, &step).await?,
                Step::Patrol(step) => patrol::run(self, &step).await?,
                Step::Hazard(step) => hazards::run(self, &step).await?,
                Step::Dispute(step) => disputes::run(self, &step).await?,
                Step::Lead(step) => leads::run(self, &step).await?,
            }
            progress(done + 1, steps);
        }
        // Past the notice of the last award, so that the points can be spent.
        self.advance(local(day(2024, 8, 31), 9, 0)).await
    }

    /// Units, policy set, the staff and their roles, zones and checkpoints.
    async fn found(&mut self) -> Result<(), Status> {
        use wire::UnitLevel::{City, Community, District, Station};
        let mut parent = String::new();
        for (level, name) in [
            (City, "city"),
            (District, "district"),
            (Station, "station"),
            (Community, "community"),
        ] {
            let unit_id = derived("demo unit", &[&name]).to_string();
            self.send(By::Admin, |command_id| wire::FoundUnitRequest {
                command_id,
                unit_id: unit_id.clone(),
                level: level.into(),
                name: format!("pilot {name}"),
                parent_id: parent.clone(),
                time_zone: if parent.is_empty() {
                    Shanghai.name().into()
                } else {
                    String::new()
                },
                imported: None,
            })
            .await?;
            parent = unit_id;
        }
        self.send(By::Admin, |command_id| wire::AdoptPolicySetRequest {
            command_id,
            unit_id: derived("demo unit", &[&"city"]).to_string(),
            text: POLICY.to_owned(),
            effective_from: None,
        })
        .await?;
        for by in [
            By::Captain,
            By::Instructor,
            By::Officer,
            By::Rectifier,
            By::Inspector,
        ] {
            self.staff(by).await?;
        }
        self.send(By::Captain, |command_id| wire::AdoptZonePlanRequest {
            command_id,
            community_id: community().to_string(),
            geojson: ZONES.to_owned(),
            effective_from: None,
        })
        .await?;
        for request in self.patrols.checkpoints() {
            self.send(By::Captain, |command_id| wire::InstallCheckpointRequest {
                command_id,
                ..request
            })
            .await?;
        }
        Ok(())
    }

    /// Registers one of the staff, with login, membership and role.
    pub(crate) async fn staff(&mut self, by: By) -> Result<(), Status> {
        self.register(by.person(), by.subject()).await?;
        self.login(by).await?;
        let (kind, role) = match by {
            By::Captain => (wire::MemberKind::CommunityWorker, Some(wire::Role::Captain)),
            By::Instructor => (
                wire::MemberKind::CommunityWorker,
                Some(wire::Role::Instructor),
            ),
            By::Officer => (wire::MemberKind::CommunityWorker, Some(wire::Role::Officer)),
            By::Clerk => (wire::MemberKind::CommunityWorker, Some(wire::Role::Clerk)),
            By::Rectifier => (wire::MemberKind::PropertyStaff, None),
            _ => (wire::MemberKind::SecurityGuard, None),
        };
        self.join(by.person(), kind, By::Admin).await?;
        if let Some(role) = role {
            let now = self.now;
            self.send(By::Admin, |command_id| wire::GrantRoleRequest {
                command_id,
                community_id: community().to_string(),
                person_id: by.person().to_string(),
                role: role.into(),
                from: Some(timestamp(now)),
                until: None,
                appointment: format!("appointment of the {}", by.subject()),
            })
            .await?;
        }
        Ok(())
    }

    /// Registers a person.
    pub(crate) async fn register(&mut self, person: Uuid, name: &str) -> Result<(), Status> {
        self.send(By::Admin, |command_id| wire::RegisterPersonRequest {
            command_id,
            person_id: person.to_string(),
            name: name.to_owned(),
            ..Default::default()
        })
        .await
        .map(drop)
    }

    /// Registers somebody's login.
    pub(crate) async fn login(&mut self, by: By) -> Result<(), Status> {
        self.send(By::Admin, |command_id| wire::RegisterPrincipalRequest {
            command_id,
            subject: by.subject().to_owned(),
            system: false,
        })
        .await?;
        self.send(By::Admin, |command_id| wire::LinkPrincipalRequest {
            command_id,
            principal_id: PrincipalId::of_subject(by.subject()).to_string(),
            person_id: by.person().to_string(),
        })
        .await
        .map(drop)
    }

    async fn join(&mut self, person: Uuid, kind: wire::MemberKind, by: By) -> Result<(), Status> {
        self.send(by, |command_id| wire::ApplyForMembershipRequest {
            command_id,
            community_id: community().to_string(),
            person_id: person.to_string(),
            kind: kind.into(),
            ..Default::default()
        })
        .await?;
        self.send(by, |command_id| wire::ApproveMemberRequest {
            command_id,
            community_id: community().to_string(),
            person_id: person.to_string(),
        })
        .await
        .map(drop)
    }

    /// A month: some leave, some of those who left return, others join, up to the curve.
    async fn month(&mut self, month: usize) -> Result<(), Status> {
        let leavers = if month < 3 { 0 } else { 1 + month / 6 };
        for _ in 0..leavers {
            let index = STEADY + pick(self.active.len() - STEADY, &[&"leaves", &self.commands]);
            let number = self.active.remove(index);
            self.send(By::Captain, |command_id| wire::LeaveMembershipRequest {
                command_id,
                community_id: community().to_string(),
                person_id: person(number).to_string(),
            })
            .await?;
            self.left.push(number);
        }
        for _ in 0..(month / 8).min(self.left.len()) {
            let number = self.left.remove(0);
            self.join(person(number), wire::MemberKind::Volunteer, By::Captain)
                .await?;
            self.active.push(number);
        }
        while self.active.len() < members_at(month) {
            let number = self.registered;
            self.registered += 1;
            self.register(person(number), &format!("resident {number}"))
                .await?;
            if number == PATROLLER {
                self.login(By::Patroller).await?;
            }
            self.join(person(number), wire::MemberKind::Volunteer, By::Captain)
                .await?;
            self.active.push(number);
        }
        Ok(())
    }
}

/// The day of a month of growth on which people join and leave.
fn month_day(month: usize) -> NaiveDate {
    let months = u32::try_from(month).unwrap_or_default();
    day(2022, 8, 5) + chrono::Months::new(months)
}

/// Members after a month: slow at first, as such schemes grow.
fn members_at(month: usize) -> usize {
    let last = MONTHS - 1;
    MEMBERS_FIRST + (MEMBERS_LAST - MEMBERS_FIRST) * month * month / (last * last)
}

/// Minutes as a duration.
pub(crate) fn minutes(count: i64) -> Duration {
    Duration::minutes(count)
}
