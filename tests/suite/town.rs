//! A small community with a service of its own, set up through the API.
//!
//! Owns who lives there, where its zones and checkpoints are, and the plain course of a shift, a
//! campaign and a hazard. Time stands still but where a test moves it.

use std::sync::atomic::{AtomicU64, Ordering};

use api::session::{Rpc, Session, reason, timestamp};
use api::wire;
use chrono::Duration;
use domain::Instant;
use domain::ids::{PrincipalId, derived};
use serde_json::Value;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::harness::{ADMIN, BIRTH, Folder, Server, repository};

/// Subjects of the staff's logins.
pub(crate) const CAPTAIN: &str = "captain";
/// The instructor: the community's secretary.
pub(crate) const INSTRUCTOR: &str = "instructor";
/// A second officer, who verifies.
pub(crate) const OFFICER: &str = "officer";
/// Whoever the owner of a hazard sends.
pub(crate) const RECTIFIER: &str = "rectifier";
/// Who looks again.
pub(crate) const INSPECTOR: &str = "inspector";
/// Checkpoints in each zone.
const STOPS: usize = 2;
/// Minutes that a shift takes.
pub(crate) const SHIFT_MINUTES: i64 = 120;

/// The community and its service.
pub(crate) struct Town {
    /// Where its log is.
    pub(crate) folder: Folder,
    /// What its service is started with beside the folder.
    arguments: Vec<String>,
    server: Option<Server>,
    session: Option<Session>,
    now: Instant,
    ids: AtomicU64,
    zones: Vec<Zone>,
}

/// A zone as drawn in `demo/zones.geojson`.
struct Zone {
    id: String,
    /// Its corners: longitude and latitude, in degrees.
    corners: Vec<(f64, f64)>,
}

/// An instant as written.
#[track_caller]
pub(crate) fn at(text: &str) -> Instant {
    text.parse().expect("an instant")
}

/// The person behind a login of the staff.
pub(crate) fn staff(subject: &str) -> Uuid {
    derived("e2e staff", &[&subject])
}

/// A volunteer by number.
pub(crate) fn volunteer(number: usize) -> Uuid {
    derived("e2e volunteer", &[&number])
}

/// Login of a volunteer.
pub(crate) fn volunteer_login(number: usize) -> String {
    format!("volunteer-{number}")
}

/// The community.
pub(crate) fn community() -> Uuid {
    unit("community")
}

/// A unit by name: `city`, `district`, `station`, `community`.
pub(crate) fn unit(name: &str) -> Uuid {
    derived("e2e unit", &[&name])
}

/// A checkpoint of a zone.
pub(crate) fn checkpoint(zone: usize, stop: usize) -> Uuid {
    derived("e2e checkpoint", &[&zone, &stop])
}

/// What the tag of a checkpoint says.
pub(crate) fn tag(zone: usize, stop: usize) -> String {
    format!("TAG-{zone}-{stop}")
}

/// Insists on a refusal: its code and its stable reason.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, name: &str) {
    let status = answer.expect_err(name);
    assert_eq!(
        (status.code(), reason(&status).as_deref()),
        (code, Some(name)),
        "{status:?}"
    );
}

impl Town {
    /// A town with some volunteers, on a simulated clock that stands at [`BIRTH`].
    pub(crate) async fn with_volunteers(volunteers: usize) -> Self {
        Self::in_folder(Folder::born(), volunteers).await
    }

    /// The same on a log that was born like that.
    pub(crate) async fn in_folder(folder: Folder, volunteers: usize) -> Self {
        let plan = std::fs::read_to_string(repository().join("demo/zones.geojson"));
        let plan = plan.expect("the drawn zones");
        let mut town = Self {
            folder,
            arguments: Vec::new(),
            server: None,
            session: None,
            now: at(BIRTH),
            ids: AtomicU64::new(0),
            zones: zones(&plan),
        };
        town.start().await;
        town.found(&plan).await;
        for number in 0..volunteers {
            town.settle(
                volunteer(number),
                &volunteer_login(number),
                wire::MemberKind::Volunteer,
            )
            .await;
        }
        town
    }

    /// Starts its service again, or for the first time.
    pub(crate) async fn start(&mut self) {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let server = Server::start_with(&self.folder.data(), &arguments).await;
        self.session = Some(server.session(ADMIN).await);
        self.server = Some(server);
    }

    /// Says what its service is started with from now on.
    pub(crate) fn start_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
    }

    /// Starts its service again behind a command that watches it.
    pub(crate) async fn start_under(&mut self, front: std::process::Command) {
        let server = Server::start_under(front, &self.folder.data()).await;
        self.session = Some(server.session(ADMIN).await);
        self.server = Some(server);
    }

    /// Takes its service, to end it in some way.
    pub(crate) fn stop(&mut self) -> Server {
        self.session = None;
        self.server.take().expect("the service runs")
    }

    /// Whether its service was started and not stopped.
    pub(crate) fn runs(&self) -> bool {
        self.server.is_some()
    }

    /// Ends its service as an administrator would, then starts it again.
    pub(crate) async fn restart(&mut self) {
        self.stop().terminate().exits(0);
        self.start().await;
    }

    /// Where its service listens.
    pub(crate) fn url(&self) -> &str {
        self.server.as_ref().expect("the service runs").url()
    }

    /// A client in somebody's name, over one connection.
    pub(crate) fn by(&self, subject: &str) -> Session {
        let session = self.session.as_ref().expect("the service runs");
        session
            .in_the_name_of(subject)
            .expect("a subject of plain letters")
    }

    /// An id that this town has not used.
    pub(crate) fn id(&self) -> String {
        derived("e2e id", &[&self.ids.fetch_add(1, Ordering::Relaxed)]).to_string()
    }

    /// Where its clock stands.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Moves the clock.
    pub(crate) async fn advance(&mut self, to: Instant) {
        if to > self.now {
            self.now = to;
            let request = wire::AdvanceClockRequest {
                command_id: self.id(),
                to: Some(timestamp(to)),
            };
            self.done(ADMIN, request).await;
        }
    }

    /// Calls in somebody's name and insists on an answer.
    pub(crate) async fn done<R: Rpc>(&self, subject: &str, request: R) -> R::Response {
        let answer = self.by(subject).call(request).await;
        answer.unwrap_or_else(|status| panic!("{} by {subject}: {status:?}", R::PATH))
    }

    /// The log as it stands.
    pub(crate) async fn log(&self) -> wire::GetLogResponse {
        self.done(ADMIN, wire::GetLogRequest::default()).await
    }

    /// A person's balance, once it shows what follows from all that was recorded.
    pub(crate) async fn balance(&self, person: Uuid) -> wire::Balance {
        let request = wire::GetBalanceRequest {
            person_id: person.to_string(),
            consistency: Some(wire::ReadConsistency {
                at_least: None,
                with_consequences: true,
            }),
            ..Default::default()
        };
        self.done(ADMIN, request).await.balance.expect("a balance")
    }

    async fn found(&self, plan: &str) {
        use wire::UnitLevel::{City, Community, District, Station};
        let levels = [
            (City, "city"),
            (District, "district"),
            (Station, "station"),
            (Community, "community"),
        ];
        let mut parent_id = String::new();
        for (level, name) in levels {
            let unit_id = unit(name).to_string();
            let request = wire::FoundUnitRequest {
                command_id: self.id(),
                unit_id: unit_id.clone(),
                level: level.into(),
                name: name.to_owned(),
                parent_id,
                ..Default::default()
            };
            self.done(ADMIN, request).await;
            parent_id = unit_id;
        }
        let text = std::fs::read_to_string(repository().join("policies/pilot.toml"));
        let request = wire::AdoptPolicySetRequest {
            command_id: self.id(),
            unit_id: unit("city").to_string(),
            text: text.expect("the pilot's rules"),
            effective_from: None,
        };
        self.done(ADMIN, request).await;
        for (subject, kind, role) in [
            (
                CAPTAIN,
                wire::MemberKind::CommunityWorker,
                Some(wire::Role::Captain),
            ),
            (
                INSTRUCTOR,
                wire::MemberKind::CommunityWorker,
                Some(wire::Role::Instructor),
            ),
            (
                OFFICER,
                wire::MemberKind::CommunityWorker,
                Some(wire::Role::Officer),
            ),
            (RECTIFIER, wire::MemberKind::PropertyStaff, None),
            (INSPECTOR, wire::MemberKind::SecurityGuard, None),
        ] {
            self.settle(staff(subject), subject, kind).await;
            if let Some(role) = role {
                self.grant(staff(subject), role).await;
            }
        }
        let request = wire::AdoptZonePlanRequest {
            command_id: self.id(),
            community_id: community().to_string(),
            geojson: plan.to_owned(),
            effective_from: None,
        };
        self.done(CAPTAIN, request).await;
        for zone in 0..self.zones.len() {
            for stop in 0..STOPS {
                let request = wire::InstallCheckpointRequest {
                    command_id: self.id(),
                    checkpoint_id: checkpoint(zone, stop).to_string(),
                    community_id: community().to_string(),
                    name: format!("checkpoint {zone}-{stop}"),
                    tag: tag(zone, stop),
                    place: Some(self.place(zone, stop)),
                    radius_m: 50,
                };
                self.done(CAPTAIN, request).await;
            }
        }
    }

    /// Registers a person with a login and takes them in.
    async fn settle(&self, person: Uuid, subject: &str, kind: wire::MemberKind) {
        let person_id = person.to_string();
        let request = wire::RegisterPersonRequest {
            command_id: self.id(),
            person_id: person_id.clone(),
            name: subject.to_owned(),
            ..Default::default()
        };
        self.done(ADMIN, request).await;
        let request = wire::RegisterPrincipalRequest {
            command_id: self.id(),
            subject: subject.to_owned(),
            system: false,
        };
        self.done(ADMIN, request).await;
        let request = wire::LinkPrincipalRequest {
            command_id: self.id(),
            principal_id: PrincipalId::of_subject(subject).to_string(),
            person_id: person_id.clone(),
        };
        self.done(ADMIN, request).await;
        let request = wire::ApplyForMembershipRequest {
            command_id: self.id(),
            community_id: community().to_string(),
            person_id: person_id.clone(),
            kind: kind.into(),
            ..Default::default()
        };
        self.done(ADMIN, request).await;
        let request = wire::ApproveMemberRequest {
            command_id: self.id(),
            community_id: community().to_string(),
            person_id,
        };
        self.done(ADMIN, request).await;
    }

    /// Gives somebody a role.
    pub(crate) async fn grant(&self, person: Uuid, role: wire::Role) {
        let request = wire::GrantRoleRequest {
            command_id: self.id(),
            community_id: community().to_string(),
            person_id: person.to_string(),
            role: role.into(),
            from: Some(timestamp(self.now)),
            until: None,
            appointment: "appointment of the test".to_owned(),
        };
        self.done(ADMIN, request).await;
    }

    /// A place inside a zone: on the way from its middle to one of its corners.
    pub(crate) fn place(&self, zone: usize, stop: usize) -> wire::Place {
        let corners = &self.zones[zone].corners;
        let (lon, lat) = corners[stop];
        let (far_lon, far_lat) = corners[stop + 2];
        let between = |near: f64, far: f64| near * 0.6 + far * 0.4;
        let place =
            domain::place::Place::from_degrees(between(lat, far_lat), between(lon, far_lon));
        let place = place.expect("a place on the earth");
        wire::Place {
            lat_e7: place.lat_e7,
            lon_e7: place.lon_e7,
        }
    }

    /// Id of a zone.
    pub(crate) fn zone(&self, zone: usize) -> &str {
        &self.zones[zone].id
    }

    /// A plan for a shift of two hours.
    pub(crate) fn plan(
        &self,
        shift_id: &str,
        zone: usize,
        from: Instant,
    ) -> wire::PlanShiftRequest {
        wire::PlanShiftRequest {
            command_id: self.id(),
            shift_id: shift_id.to_owned(),
            community_id: community().to_string(),
            zone_id: self.zone(zone).to_owned(),
            route: (0..STOPS)
                .map(|stop| checkpoint(zone, stop).to_string())
                .collect(),
            from: Some(timestamp(from)),
            until: Some(timestamp(from + Duration::minutes(SHIFT_MINUTES))),
            crew_min: 2,
        }
    }

    /// What a phone sends with a check-in or scan.
    pub(crate) fn capture(&self, person: Uuid, place: Option<wire::Place>) -> wire::Capture {
        wire::Capture {
            method: wire::CaptureMethod::Nfc.into(),
            place,
            device: format!("phone of {person}"),
            device_at: Some(timestamp(self.now)),
            sent_at: Some(timestamp(self.now)),
        }
    }

    /// Plans a shift and has the crew sign up.
    pub(crate) async fn sign_up(&self, zone: usize, from: Instant, crew: &[Uuid]) -> String {
        let shift_id = self.id();
        self.done(CAPTAIN, self.plan(&shift_id, zone, from)).await;
        for person in crew {
            let request = wire::SignUpRequest {
                command_id: self.id(),
                shift_id: shift_id.clone(),
                person_id: person.to_string(),
            };
            self.done(CAPTAIN, request).await;
        }
        shift_id
    }

    /// Checks somebody in.
    pub(crate) fn check_in(&self, shift_id: &str, person: Uuid) -> wire::CheckInRequest {
        wire::CheckInRequest {
            command_id: self.id(),
            shift_id: shift_id.to_owned(),
            person_id: person.to_string(),
            capture: Some(self.capture(person, None)),
        }
    }

    /// Scans a checkpoint of a zone.
    pub(crate) async fn scan(&self, shift_id: &str, person: Uuid, zone: usize, stop: usize) {
        let request = wire::ScanCheckpointRequest {
            command_id: self.id(),
            shift_id: shift_id.to_owned(),
            person_id: person.to_string(),
            tag: tag(zone, stop),
            capture: Some(self.capture(person, Some(self.place(zone, stop)))),
        };
        self.done(CAPTAIN, request).await;
    }

    /// Ends somebody's part now.
    pub(crate) async fn check_out(&self, shift_id: &str, person: Uuid) {
        let request = wire::CheckOutRequest {
            command_id: self.id(),
            shift_id: shift_id.to_owned(),
            person_id: person.to_string(),
            at: None,
        };
        self.done(CAPTAIN, request).await;
    }

    /// A whole shift from its plan to the last check-out, with a scan of each checkpoint.
    pub(crate) async fn walk(&mut self, zone: usize, from: Instant, crew: &[Uuid]) -> String {
        let shift_id = self.sign_up(zone, from, crew).await;
        self.advance(from).await;
        for person in crew {
            self.done(CAPTAIN, self.check_in(&shift_id, *person)).await;
        }
        for stop in 0..STOPS {
            self.advance(from + Duration::minutes(20 + 50 * i64::try_from(stop).unwrap_or(0)))
                .await;
            self.scan(&shift_id, crew[stop % crew.len()], zone, stop)
                .await;
        }
        self.advance(from + Duration::minutes(SHIFT_MINUTES)).await;
        for person in crew {
            self.check_out(&shift_id, *person).await;
        }
        shift_id
    }

    /// What verifies somebody's part of a shift.
    pub(crate) fn verification(
        &self,
        shift_id: &str,
        person: Uuid,
    ) -> wire::PatrolServiceVerifyParticipationRequest {
        wire::PatrolServiceVerifyParticipationRequest {
            command_id: self.id(),
            shift_id: shift_id.to_owned(),
            person_id: person.to_string(),
        }
    }

    /// Verifies somebody's part of a shift, by the officer.
    pub(crate) async fn verify(&self, shift_id: &str, person: Uuid) -> wire::Receipt {
        let request = self.verification(shift_id, person);
        self.done(OFFICER, request)
            .await
            .receipt
            .expect("a receipt")
    }

    /// A whole wave of publicity with a door each, but for the verification.
    pub(crate) async fn campaign(&mut self, from: Instant, people: &[Uuid]) -> String {
        let campaign_id = self.id();
        let until = from + Duration::minutes(120);
        let request = wire::PlanCampaignRequest {
            command_id: self.id(),
            campaign_id: campaign_id.clone(),
            community_id: community().to_string(),
            // A wave of a name is planned once: each campaign has a name of its own.
            name: format!("Door-to-door against fraud {campaign_id}"),
            wave: 1,
            from: Some(timestamp(from)),
            until: Some(timestamp(until)),
        };
        self.done(CAPTAIN, request).await;
        for person in people {
            let request = wire::JoinCampaignRequest {
                command_id: self.id(),
                campaign_id: campaign_id.clone(),
                person_id: person.to_string(),
            };
            self.done(CAPTAIN, request).await;
        }
        self.advance(from + Duration::minutes(30)).await;
        for (door, person) in people.iter().enumerate() {
            let request = wire::VisitDoorRequest {
                command_id: self.id(),
                campaign_id: campaign_id.clone(),
                person_id: person.to_string(),
                door: format!("building 1-{door}"),
                result: wire::DoorResult::Absent.into(),
                visited_at: None,
                sent_at: None,
            };
            self.done(CAPTAIN, request).await;
        }
        self.advance(until).await;
        let request = wire::EndCampaignRequest {
            command_id: self.id(),
            campaign_id: campaign_id.clone(),
        };
        self.done(CAPTAIN, request).await;
        campaign_id
    }

    /// What verifies somebody's part of a wave.
    pub(crate) fn campaign_verification(
        &self,
        campaign_id: &str,
        person: Uuid,
    ) -> wire::CampaignServiceVerifyParticipationRequest {
        wire::CampaignServiceVerifyParticipationRequest {
            command_id: self.id(),
            campaign_id: campaign_id.to_owned(),
            person_id: person.to_string(),
            minutes: 90,
        }
    }

    /// A hazard as somebody reports it.
    pub(crate) fn hazard(&self, hazard_id: &str) -> wire::ReportHazardRequest {
        wire::ReportHazardRequest {
            command_id: self.id(),
            hazard_id: hazard_id.to_owned(),
            unit_id: community().to_string(),
            kind: "loose manhole cover".to_owned(),
            description: "beside the path".to_owned(),
            ..Default::default()
        }
    }

    /// Reports a hazard, in a volunteer's name.
    pub(crate) async fn report(&self) -> String {
        self.report_by(&volunteer_login(0)).await
    }

    /// Reports a hazard, in somebody's name.
    pub(crate) async fn report_by(&self, subject: &str) -> String {
        let hazard_id = self.id();
        self.done(subject, self.hazard(&hazard_id)).await;
        hazard_id
    }

    /// Confirms a reported hazard and gives it an owner: it is due within a day.
    pub(crate) async fn assign(&self, hazard_id: &str) {
        let request = wire::VerifyHazardRequest {
            command_id: self.id(),
            hazard_id: hazard_id.to_owned(),
            level: wire::HazardLevel::General.into(),
            urgency: wire::Urgency::Yellow.into(),
        };
        self.done(OFFICER, request).await;
        let request = wire::AssignOwnerRequest {
            command_id: self.id(),
            hazard_id: hazard_id.to_owned(),
            owner: "property company".to_owned(),
        };
        self.done(OFFICER, request).await;
    }

    /// Takes a reported hazard to where somebody says that it is rectified.
    pub(crate) async fn rectify(&self, hazard_id: &str) {
        self.assign(hazard_id).await;
        let request = wire::ClaimRectificationRequest {
            command_id: self.id(),
            hazard_id: hazard_id.to_owned(),
            ..Default::default()
        };
        self.done(RECTIFIER, request).await;
    }

    /// Looks at a hazard again: it is well.
    pub(crate) fn reinspection(&self, hazard_id: &str) -> wire::ReinspectRequest {
        wire::ReinspectRequest {
            command_id: self.id(),
            hazard_id: hazard_id.to_owned(),
            passed: true,
            ..Default::default()
        }
    }

    /// Closes a hazard.
    pub(crate) fn close_out(&self, hazard_id: &str) -> wire::CloseOutRequest {
        wire::CloseOutRequest {
            command_id: self.id(),
            hazard_id: hazard_id.to_owned(),
        }
    }
}

fn zones(plan: &str) -> Vec<Zone> {
    let plan: Value = serde_json::from_str(plan).expect("GeoJSON");
    let features = plan["features"].as_array().expect("features");
    let zone = |feature: &Value| {
        let ring = feature["geometry"]["coordinates"][0]
            .as_array()
            .expect("a ring");
        let corner = |point: &Value| {
            (
                point[0].as_f64().expect("a longitude"),
                point[1].as_f64().expect("a latitude"),
            )
        };
        let id = feature["properties"]["zone"]
            .as_str()
            .expect("an id")
            .to_owned();
        Zone {
            id,
            corners: ring.iter().map(corner).collect(),
        }
    };
    features.iter().map(zone).collect()
}
