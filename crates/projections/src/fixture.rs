//! A small history for tests: a log in memory, written event by event, without any decider.

pub(crate) mod patrols;
mod spending;

use std::sync::Arc;

use domain::account::{self, Activity};
use domain::ids::{
    BatchId, CampaignId, CheckpointId, DisputeId, HazardId, HouseholdId, LeadId, PersonId, ShiftId,
    TeamId, UnitId, ZoneId,
};
use domain::place::Place;
use domain::policy_set::ActivityFamily;
use domain::unit::{Imported, UnitLevel};
use domain::{
    Aggregate, Channel, Envelope, Event, Instant, Personal, StreamName, Visibility, campaign,
    dispute, genesis, hazard, household, import_batch, lead, member, patrol_shift, reaction, team,
    unit, zone_plan,
};
use eventlog::{CommitDraft, EventDraft, EventLog, HeaderDraft, MemoryLog, SimulatedClock};
use uuid::Uuid;

pub(crate) fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(n))
}

pub(crate) fn at(text: &str) -> Instant {
    text.parse().expect("an instant as in RFC 3339")
}

/// Ids of the history.
pub(crate) const STATION: u128 = 100;
pub(crate) const COMMUNITY: u128 = 101;
pub(crate) const HOUSEHOLD: u128 = 850;
pub(crate) const TEAM: u128 = 860;
pub(crate) const ABROAD: u128 = 102;
pub(crate) const ZONE: u128 = 201;
pub(crate) const OTHER_ZONE: u128 = 202;
pub(crate) const SHIFT: u128 = 301;
pub(crate) const CAMPAIGN: u128 = 401;
pub(crate) const BATCH: u128 = 501;
pub(crate) const LOG: u128 = 0xfeed;

/// What a commit is made of: the stream, the event, when it occurred and in which unit.
pub(crate) struct Happened(StreamName, Event, Instant, Option<UnitId>);

pub(crate) fn happened<A: Aggregate>(
    key: impl std::fmt::Display,
    event: A::Event,
    occurred_at: &str,
    unit: Option<u128>,
) -> Happened
where
    Event: From<A::Event>,
{
    Happened(A::stream(key), event.into(), at(occurred_at), unit.map(id))
}

pub(crate) struct History {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) clock: SimulatedClock,
    commands: u128,
}

impl History {
    pub(crate) fn new() -> Self {
        Self::of_log(id(LOG))
    }

    pub(crate) fn of_log(log_id: Uuid) -> Self {
        let clock = SimulatedClock::new(at("2024-01-01T00:00:00Z"));
        Self {
            log: Arc::new(MemoryLog::new(log_id, Arc::new(clock.clone()))),
            clock,
            commands: 0,
        }
    }

    /// Appends a commit recorded at an instant (at the latest before it, if that is later).
    /// Answers the position of its last event.
    pub(crate) async fn record(&mut self, recorded_at: &str, events: Vec<Happened>) -> u64 {
        self.clock.advance_to(at(recorded_at));
        self.commands += 1;
        let events = events
            .into_iter()
            .map(|Happened(stream, event, occurred_at, unit)| {
                let (type_name, payload) = event.encode();
                let mut envelope = Envelope::at(occurred_at);
                envelope.unit = unit.map(|unit| unit.0);
                EventDraft {
                    stream,
                    type_name: type_name.into(),
                    schema_version: 1,
                    envelope,
                    payload,
                }
            });
        let draft = CommitDraft {
            header: HeaderDraft {
                command_id: Uuid::from_u128(self.commands),
                fingerprint: [0; 32],
                principal: Uuid::from_u128(1),
                acting_for: None,
                role: None,
                channel: Channel::App,
                cause: None,
                correlation: None,
                policy_sets: Vec::new(),
                visibility: Visibility::Open,
            },
            expected: Vec::new(),
            events: events.collect(),
            seed: [7; 16],
            not_before: None,
        };
        self.log.append(draft).await.expect("appended").position
    }

    /// Appends a commit with one event that occurred when it was recorded.
    pub(crate) async fn one<A: Aggregate>(
        &mut self,
        when: &str,
        unit: Option<u128>,
        key: impl std::fmt::Display,
        event: A::Event,
    ) -> u64
    where
        Event: From<A::Event>,
    {
        self.record(when, vec![happened::<A>(key, event, when, unit)])
            .await
    }

    /// Appends an event that no version knows, to a stream of a category that models want.
    pub(crate) async fn unreadable(&mut self, stream: StreamName) -> u64 {
        self.commands += 1;
        let draft = CommitDraft {
            header: HeaderDraft {
                command_id: Uuid::from_u128(self.commands),
                fingerprint: [0; 32],
                principal: Uuid::from_u128(1),
                acting_for: None,
                role: None,
                channel: Channel::App,
                cause: None,
                correlation: None,
                policy_sets: Vec::new(),
                visibility: Visibility::Open,
            },
            expected: Vec::new(),
            events: vec![EventDraft {
                stream,
                type_name: "NeverHeardOf".into(),
                schema_version: 1,
                envelope: Envelope::at(at("2024-01-01T00:00:00Z")),
                payload: b"{}".to_vec(),
            }],
            seed: [7; 16],
            not_before: None,
        };
        self.log.append(draft).await.expect("appended").position
    }

    /// A log is born in Shanghai; a station, a community, and one community abroad.
    pub(crate) async fn born(&mut self) {
        let when = "2024-01-01T00:00:00Z";
        let born = genesis::Event::LogBorn {
            log_id: id(LOG),
            origin: "test.example/log".to_owned(),
            zone: chrono_tz::Asia::Shanghai,
            clock: genesis::ClockKind::Simulated,
            sealed: false,
        };
        self.one::<genesis::Genesis>(when, None, genesis::KEY, born)
            .await;
        for (n, level, parent, zone) in [
            (STATION, UnitLevel::Station, None, None),
            (COMMUNITY, UnitLevel::Community, Some(STATION), None),
            (
                ABROAD,
                UnitLevel::Community,
                Some(STATION),
                Some(chrono_tz::America::New_York),
            ),
        ] {
            let founded = unit::Event::UnitFounded {
                level,
                name: format!("unit {n}"),
                parent: parent.map(id),
                zone,
                imported: None,
            };
            self.one::<unit::Unit>(when, Some(n), id::<UnitId>(n), founded)
                .await;
        }
        let plan = zone_plan::Event::ZonePlanAdopted {
            community: id(COMMUNITY),
            version: 1,
            zones: [(ZONE, "gate"), (OTHER_ZONE, "market")]
                .map(|(zone, name)| zone_plan::Zone {
                    zone: id(zone),
                    name: name.to_owned(),
                    rings: Vec::new(),
                })
                .to_vec(),
            effective_from: at(when),
            adopted_by: id(1),
        };
        let key: UnitId = id(COMMUNITY);
        self.one::<zone_plan::ZonePlans>(when, Some(COMMUNITY), key, plan)
            .await;
    }

    pub(crate) async fn joins(&mut self, when: &str, person: u128) {
        let key = format!("{}/{}", id::<UnitId>(COMMUNITY), id::<PersonId>(person));
        let unit = Some(COMMUNITY);
        let applied = member::Event::MemberApplied {
            community: id(COMMUNITY),
            person: id(person),
            kind: member::MemberKind::Volunteer,
            under_14: false,
        };
        let approved = member::Event::MemberApproved {
            approved_by: id(1),
            bootstrap: false,
        };
        self.one::<member::Member>(when, unit, &key, applied).await;
        self.one::<member::Member>(when, unit, &key, approved).await;
    }

    pub(crate) async fn shift(&mut self, when: &str, event: patrol_shift::Event) -> u64 {
        let key: ShiftId = id(SHIFT);
        self.one::<patrol_shift::PatrolShift>(when, Some(COMMUNITY), key, event)
            .await
    }

    /// Grants 50 points for an activity, pending for a week after `recorded`.
    pub(crate) async fn award(
        &mut self,
        recorded: &str,
        person: u128,
        activity: u128,
        occurred: &str,
        expires: Option<&str>,
    ) -> u64 {
        let event = account::Event::AwardGranted {
            award: Uuid::from_u128(activity * 1_000 + person),
            person: id(person),
            activity: Activity {
                family: ActivityFamily::Patrol,
                id: id(activity),
                fact: 1,
                occurred_at: at(occurred),
                unit: id(COMMUNITY),
                minutes: 90,
                verified_by: id(1),
            },
            rule: "PATROL".to_owned(),
            policy_set: "pilot/1".to_owned(),
            computed: 60,
            granted: 50,
            forgone: 10,
            why: "50 for a patrol".to_owned(),
            vests_at: at(recorded) + chrono::Duration::days(7),
            expires_at: expires.map(at),
        };
        let key: PersonId = id(person);
        let when = happened::<account::Account>(key, event, occurred, Some(COMMUNITY));
        self.record(recorded, vec![when]).await
    }

    pub(crate) async fn reverses(&mut self, when: &str, person: u128, activity: u128, points: u32) {
        let event = account::Event::AwardReversed {
            award: Uuid::from_u128(activity * 1_000 + person),
            points,
            reason: Personal::new("counted twice"),
            reversed_by: id(2),
        };
        let key: PersonId = id(person);
        self.one::<account::Account>(when, Some(COMMUNITY), key, event)
            .await;
    }

    pub(crate) async fn hazard(&mut self, when: &str, n: u128, event: hazard::Event) -> u64 {
        let key: HazardId = id(n);
        self.one::<hazard::Hazard>(when, Some(COMMUNITY), key, event)
            .await
    }

    pub(crate) async fn reported(&mut self, when: &str, n: u128) -> u64 {
        self.hazard(when, n, reported(None)).await
    }

    pub(crate) async fn due(&mut self, when: &str, n: u128, due_at: &str) -> u64 {
        let deadline = hazard::Deadline {
            due_at: at(due_at),
            basis: "pilot/1".to_owned(),
        };
        self.hazard(
            when,
            n,
            hazard::Event::DeadlineSet {
                purpose: hazard::Purpose::Rectification,
                deadline,
            },
        )
        .await
    }

    /// Everything above once, and some of what goes wrong: for goldens and comparisons.
    pub(crate) async fn whole() -> Self {
        let mut history = Self::new();
        history.born().await;
        history.joins("2024-01-31T15:59:59Z", 11).await;
        history.joins("2024-01-31T16:00:00Z", 12).await;
        history.patrol().await;
        history.campaign().await;
        history
            .award(
                "2024-03-02T00:00:00Z",
                11,
                SHIFT,
                "2024-03-01T12:30:00Z",
                None,
            )
            .await;
        let expires = Some("2024-06-01T00:00:00Z");
        history
            .award(
                "2024-03-03T00:00:00Z",
                12,
                CAMPAIGN,
                "2024-03-02T01:00:00Z",
                expires,
            )
            .await;
        history
            .reverses("2024-03-20T00:00:00Z", 11, SHIFT, 50)
            .await;
        history.hazards().await;
        history.reactions().await;
        let key = format!("{}/{}", id::<UnitId>(COMMUNITY), id::<PersonId>(12));
        let left = member::Event::MemberLeft {};
        history
            .one::<member::Member>("2024-05-01T00:00:00Z", Some(COMMUNITY), key, left)
            .await;
        history.disputes().await;
        history.leads().await;
        history.spending().await;
        history.unclear_and_referred().await;
        history.people().await;
        history.patrols().await;
        history
    }

    /// A household that one of two leaves, and a team whose captain does.
    async fn people(&mut self) {
        let (begin, end) = ("2024-05-10T00:00:00Z", "2024-05-20T00:00:00Z");
        let unit = Some(COMMUNITY);
        let recorded_by = id(1);
        let formed = household::Event::HouseholdFormed {
            community: id(COMMUNITY),
            split_from: None,
            recorded_by,
        };
        let joined = |person| household::Event::PersonJoinedHousehold {
            person: id(person),
            recorded_by,
        };
        let left = household::Event::PersonLeftHousehold {
            person: id(12),
            recorded_by,
        };
        let stays = [
            (begin, formed),
            (begin, joined(11)),
            (begin, joined(12)),
            (end, left),
        ];
        for (when, event) in stays {
            let key = id::<HouseholdId>(HOUSEHOLD);
            self.one::<household::Household>(when, unit, key, event)
                .await;
        }
        let formed = team::Event::TeamFormed {
            community: id(COMMUNITY),
            name: "team".to_owned(),
            formed_by: id(1),
        };
        let joined = team::Event::MemberJoinedTeam {
            person: id(11),
            kind: member::MemberKind::CommunityWorker,
            taken_in_by: id(1),
        };
        let appointed = team::Event::CaptainAppointed {
            person: id(11),
            appointed_by: id(1),
        };
        let left = team::Event::MemberLeftTeam { person: id(11) };
        let events = [
            (begin, formed),
            (begin, joined),
            (begin, appointed),
            (end, left),
        ];
        for (when, event) in events {
            self.one::<team::Team>(when, unit, id::<TeamId>(TEAM), event)
                .await;
        }
    }

    /// One settled dispute and one that a party left.
    async fn disputes(&mut self) {
        use dispute::Event as E;
        let when = "2024-05-02T00:00:00Z";
        let registered = || E::DisputeRegistered {
            community: id(COMMUNITY),
            source: dispute::Source::Visit {
                visit: Uuid::from_u128(901),
            },
            kind: dispute::DisputeKind::Neighbour,
            parties: vec![id(12), id(13)],
            subject: Personal::new("a wet wall"),
            relapse_of: None,
            registered_by: id(11),
        };
        let settled = [
            registered(),
            E::DisputeAccepted { accepted_by: id(1) },
            E::SessionHeld {
                session_type: dispute::SessionType::Joint,
                parties: vec![id(12), id(13)],
                mediators: vec![id(11)],
            },
            E::AgreementReached {
                form: dispute::Form::Oral,
                terms: None,
                obligations: vec![dispute::Obligation {
                    number: 1,
                    debtor: id(12),
                    creditor: id(13),
                    what: Personal::new("paint it"),
                    due_at: at("2024-05-20T00:00:00Z"),
                }],
                recorded_by: id(11),
            },
            E::AgreementEffective {},
            E::ObligationOverdue {
                obligation: 1,
                due_at: at("2024-05-20T00:00:00Z"),
            },
        ];
        let left = [registered(), E::MediationWithdrawn { party: id(13) }];
        for (n, events) in [(801_u128, settled.to_vec()), (802, left.to_vec())] {
            for event in events {
                let key = id::<DisputeId>(n);
                self.one::<dispute::Dispute>(when, Some(COMMUNITY), key, event)
                    .await;
            }
        }
    }

    /// One valid lead and one that nobody has looked at; both of person 13.
    async fn leads(&mut self) {
        use lead::Event as E;
        let when = "2024-05-03T00:00:00Z";
        let submitted = E::LeadSubmitted {
            community: id(COMMUNITY),
            kind: lead::LeadKind::Rental,
            body: Personal::new("flat 502 is let to strangers"),
            source: Some(id(13)),
            contact: None,
            entered_by: None,
        };
        let officer = id(1);
        let valid = [
            submitted.clone(),
            E::LeadTriaged { officer },
            E::LeadAccessed {
                officer,
                purpose: Personal::new("to visit the flat"),
            },
            E::LeadValidated {
                community: id(COMMUNITY),
                officer,
                matter: id(911),
                effect: Personal::new("four tenants registered"),
                reward: Some(lead::Reward {
                    person: id(13),
                    contribution: id(912),
                }),
            },
        ];
        for (n, events) in [(811_u128, valid.to_vec()), (812, vec![submitted])] {
            for event in events {
                let key = id::<LeadId>(n);
                self.one::<lead::Lead>(when, Some(COMMUNITY), key, event)
                    .await;
            }
        }
    }

    async fn patrol(&mut self) {
        use patrol_shift::Event as E;
        self.shift(
            "2024-02-20T00:00:00Z",
            planned(ZONE, "2024-03-01T12:30:00Z", "2024-03-01T14:00:00Z"),
        )
        .await;
        self.shift("2024-03-01T12:20:00Z", checked_in(11)).await;
        self.shift("2024-03-01T12:20:00Z", E::ShiftStarted {}).await;
        self.shift("2024-03-01T13:10:00Z", scanned(11, 601, Some(OTHER_ZONE)))
            .await;
        self.shift("2024-03-01T13:20:00Z", scanned(11, 601, Some(OTHER_ZONE)))
            .await;
        self.shift(
            "2024-03-01T14:10:00Z",
            E::PatrollerCheckedOut { person: id(11) },
        )
        .await;
        let missed = E::CheckpointMissed {
            checkpoint: id(602),
            zone: Some(id(ZONE)),
        };
        self.shift("2024-03-01T14:10:00Z", missed).await;
        let verified = E::ParticipationVerified {
            person: id(11),
            community: id(COMMUNITY),
            zone: id(ZONE),
            intervals: vec![(at("2024-03-01T12:30:00Z"), at("2024-03-01T13:30:00Z"))],
            minutes: 60,
            verified_by: id(1),
        };
        self.shift("2024-03-02T00:00:00Z", verified).await;
    }

    async fn campaign(&mut self) {
        let planned = campaign::Event::CampaignPlanned {
            community: id(COMMUNITY),
            name: "summer nights".to_owned(),
            wave: 2,
            from: at("2024-03-02T00:00:00Z"),
            until: at("2024-03-02T04:00:00Z"),
        };
        let key: CampaignId = id(CAMPAIGN);
        let unit = Some(COMMUNITY);
        self.one::<campaign::Campaign>("2024-03-02T00:00:00Z", unit, key, planned)
            .await;
    }

    async fn hazards(&mut self) {
        use hazard::Event as E;
        self.reported("2024-03-21T00:00:00Z", 701).await;
        self.due("2024-03-21T01:00:00Z", 701, "2024-03-22T00:00:00Z")
            .await;
        let owner = "property company".to_owned();
        self.hazard("2024-03-21T02:00:00Z", 701, E::OwnerAssigned { owner })
            .await;
        let due_at = at("2024-03-22T00:00:00Z");
        self.hazard(
            "2024-03-22T00:00:01Z",
            701,
            E::DeadlineBreached {
                purpose: hazard::Purpose::Rectification,
                due_at,
            },
        )
        .await;
        let when = "2024-04-01T00:00:00Z";
        let uploaded = import_batch::Event::BatchUploaded {
            source: "elsewhere".to_owned(),
            files: Vec::new(),
            uploaded_by: id(1),
        };
        let batch: BatchId = id(BATCH);
        self.one::<import_batch::ImportBatch>(when, None, batch, uploaded)
            .await;
        let key: HazardId = id(702);
        let unit = Some(COMMUNITY);
        let closed = hazard::SourceClosing {
            closed_at: at("2024-02-03T00:00:00Z"),
            status: "Closed".to_owned(),
            reason: None,
        };
        let imported = reported(Some("702"));
        let events = vec![
            happened::<hazard::Hazard>(key, imported, "2024-02-01T00:00:00Z", unit),
            happened::<hazard::Hazard>(key, E::ClosedBySource { closed }, when, unit),
        ];
        self.record(when, events).await;
    }

    /// A hazard that several own after a ruling, and one that another authority has.
    async fn unclear_and_referred(&mut self) {
        use hazard::Event as E;
        let when = "2024-05-03T00:00:00Z";
        let both = || vec!["property company".to_owned(), "water works".to_owned()];
        let ruled = [
            E::BoundaryUnclearRaised {
                candidates: both(),
                reason: "the pipe runs under both".to_owned(),
                raised_by: id(11),
            },
            E::JointOwnerRuled {
                lead: "property company".to_owned(),
                joint: vec!["water works".to_owned()],
                council_meeting: "week 12 of 2024".to_owned(),
                ruled_by: id(1),
            },
            E::InterimMeasureTaken {
                measure: Personal::new("a fence"),
            },
        ];
        let referred = [E::HazardReferred {
            authority: "market supervision".to_owned(),
            external_id: Some("17".to_owned()),
            reason: "theirs by law".to_owned(),
            referred_by: id(1),
        }];
        for (n, events) in [(703, ruled.to_vec()), (704, referred.to_vec())] {
            self.reported(when, n).await;
            for event in events {
                self.hazard(when, n, event).await;
            }
        }
    }

    async fn reactions(&mut self) {
        let when = "2024-04-02T00:00:00Z";
        let enabled = reaction::Event::ReactionEnabled { from: 1 };
        self.one::<reaction::Reaction>(when, None, "award_points", enabled)
            .await;
        let stuck = reaction::Event::ReactionStuck {
            cause: 20,
            n: 0,
            refusal: "NO_POLICY_SET".to_owned(),
            message: "No policy set is in force here at this time.".to_owned(),
        };
        self.one::<reaction::Reaction>(when, None, "award_points", stuck)
            .await;
    }
}

pub(crate) fn reported(external_id: Option<&str>) -> hazard::Event {
    hazard::Event::HazardReported {
        unit: id(COMMUNITY),
        kind: "blocked exit".to_owned(),
        place: Place::from_degrees(32.0012, 120.0048),
        description: Some(Personal::new("a bicycle")),
        reporter: Some(id(11)),
        imported: external_id.map(|external_id| Imported {
            batch: id(BATCH),
            source: "elsewhere".to_owned(),
            external_id: external_id.to_owned(),
        }),
    }
}

pub(crate) fn planned(zone: u128, from: &str, until: &str) -> patrol_shift::Event {
    patrol_shift::Event::ShiftPlanned {
        community: id(COMMUNITY),
        zone: id::<ZoneId>(zone),
        zone_plan_version: 1,
        route: vec![id(601), id(602)],
        from: at(from),
        until: at(until),
        crew_min: 2,
    }
}

fn capture() -> patrol_shift::Capture {
    patrol_shift::Capture {
        method: patrol_shift::Method::Nfc,
        place: None,
        device: None,
        device_at: None,
        sent_at: None,
    }
}

pub(crate) fn checked_in(person: u128) -> patrol_shift::Event {
    patrol_shift::Event::PatrollerCheckedIn {
        person: id(person),
        capture: capture(),
        anomalies: Vec::new(),
    }
}

pub(crate) fn scanned(person: u128, checkpoint: u128, zone: Option<u128>) -> patrol_shift::Event {
    patrol_shift::Event::CheckpointScanned {
        person: id(person),
        checkpoint: id::<CheckpointId>(checkpoint),
        zone: zone.map(id),
        tag: "04A1".to_owned(),
        capture: capture(),
        distance_m: None,
        anomalies: Vec::new(),
    }
}
