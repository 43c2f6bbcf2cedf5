//! What another policy set or zone plan would have made of what is recorded.

mod properties;
mod running;
mod zones;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::hazard::{Command, HazardLevel, Urgency};
use domain::ids::{HazardId, PersonId, PrincipalId, UnitId};
use domain::policy_set::{self, PolicySet};
use domain::{Instant, Personal, person, principal};
use eventlog::execute::Request;
use serde_json::{Value, json};

use super::town::{START, Town, report};
use crate::compare::Difference;
use crate::engine::{Asked, Engine, Options, SupposeError, Supposed};
use crate::fixture::{STATION, at, id};
use crate::supposing::Supposition;
use crate::timers::{Time, Timers};

const PILOT: &str = include_str!("../../../../policies/pilot.toml");
/// Another station.
const ELSEWHERE: u128 = 190;

/// The pilot's set with other lines.
fn pilot_with(changes: &[(&str, &str)]) -> String {
    let mut text = PILOT.replacen("version = 1", "version = 2", 1);
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

fn everywhere(text: &str) -> Supposition {
    Supposition::Policy {
        set: Arc::new(PolicySet::parse(text).expect("a policy set")),
        unit: None,
    }
}

fn in_unit(text: &str, unit: u128) -> Supposition {
    Supposition::Policy {
        set: Arc::new(PolicySet::parse(text).expect("a policy set")),
        unit: Some(id(unit)),
    }
}

fn asked(model: &str, supposition: Supposition) -> Asked {
    Asked {
        model: model.to_owned(),
        supposition,
        from: 1,
        to: None,
        rows: 100,
    }
}

async fn found(engine: &Engine, asked: Asked) -> Result<Supposed, SupposeError> {
    engine.suppose(asked)?.found().await
}

/// A town with the people that a hazard's life takes, and the timers that go by its clock.
struct Told {
    town: Town,
    timers: Timers,
}

impl Told {
    async fn born() -> Self {
        let town = Town::born().await;
        for (n, subject) in [(21_u128, "worker"), (22, "inspector")] {
            let person: PersonId = id(n);
            let registered = person::Command::RegisterPerson {
                person,
                name: Personal::new(subject),
                phone: None,
                identity_claim: None,
            };
            town.run("admin", registered).await;
            let login = principal::Command::RegisterPrincipal {
                subject: subject.to_owned(),
                system: false,
            };
            town.run("admin", login).await;
            let principal = PrincipalId::of_subject(subject);
            let linked = principal::Command::LinkPrincipal { principal, person };
            town.run("admin", linked).await;
        }
        let time = Time::Simulated(town.clock.clone());
        let timers = Timers::start(town.log(), Arc::new(town.executor.clone()), time, None);
        Self { town, timers }
    }

    async fn adopts(&self, unit: u128, text: &str, effective_from: Option<&str>) {
        let command = policy_set::Command::AdoptPolicySet {
            unit: id(unit),
            text: text.to_owned(),
            effective_from: effective_from.map(at),
        };
        self.town.run("admin", command).await;
    }

    /// Lets the timers work up to so many hours after the start.
    async fn at(&self, hours: i64) {
        let target = at(START) + chrono::Duration::hours(hours);
        self.timers.advance_to(target).await.expect("fired");
    }

    /// Hands a command in; `false` if the rules refuse it.
    async fn tries(&self, subject: &str, command: Command) -> bool {
        let executor = &self.town.executor;
        let principal = PrincipalId::of_subject(subject);
        let request = Request::new(command, executor.entropy().uuid(), principal);
        executor.execute(request).await.is_ok()
    }

    /// Reported and verified now, in a unit.
    async fn verified(&self, n: u128, unit: u128, urgency: Urgency) {
        let hazard: HazardId = id(n);
        let unit: UnitId = id(unit);
        self.town.run("system:timer", report(hazard, unit)).await;
        let verify = Command::VerifyHazard {
            hazard,
            level: HazardLevel::General,
            urgency,
        };
        self.town.run("admin", verify).await;
        let owner = "owner".to_owned();
        let assign = Command::AssignOwner { hazard, owner };
        self.town.run("admin", assign).await;
    }

    async fn claimed(&self, n: u128) {
        self.town.run("worker", claim(n, None)).await;
    }

    async fn passed(&self, n: u128) {
        self.town.run("inspector", look(n, true)).await;
    }

    async fn engine(&self) -> Engine {
        let engine = Engine::start(self.town.log(), Options::default()).await;
        engine.expect("started")
    }

    async fn supposed(&self, model: &str, supposition: Supposition) -> Supposed {
        let engine = self.engine().await;
        let found = found(&engine, asked(model, supposition)).await;
        engine.stop().await;
        found.expect("found")
    }

    /// The rows of a model as recorded.
    fn rows(&self, model: &str) -> BTreeMap<String, Value> {
        let models = crate::Models::fold(self.town.log().read(1, u64::MAX)).expect("readable");
        let mut rows = BTreeMap::new();
        let model = models.named(model).expect("a model");
        model.live().rows(&mut |(key, value)| {
            rows.insert(key, value);
        });
        rows
    }
}

fn claim(n: u128, done_at: Option<Instant>) -> Command {
    Command::ClaimRectification {
        hazard: id(n),
        done_at,
        photos: Vec::new(),
    }
}

fn look(n: u128, passed: bool) -> Command {
    Command::Reinspect {
        hazard: id(n),
        passed,
        reason: (!passed).then(|| "still blocked".to_owned()),
        inspected_at: None,
    }
}

fn extend(n: u128, until: &str) -> Command {
    Command::GrantExtension {
        hazard: id(n),
        until: at(until),
        reason: "parts are ordered".to_owned(),
    }
}

/// `hazard deadline [breaches]` of one side of each difference.
fn lines(differences: &[Difference], side: fn(&Difference) -> &Option<Value>) -> Vec<String> {
    let line = |difference: &Difference| {
        let row = side(difference).as_ref().expect("a row");
        let hazard = uuid::Uuid::parse_str(&difference.key).expect("an id");
        let breaches = row["breaches"].as_array().expect("breaches").iter();
        let breaches: Vec<_> = breaches
            .map(|breach| format!("{} {}", text(&breach["purpose"]), text(&breach["due_at"])))
            .collect();
        format!(
            "{} {} {breaches:?}",
            hazard.as_u128(),
            text(&row["deadline"])
        )
    };
    differences.iter().map(line).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("none")
}

fn recorded(found: &Supposed) -> Vec<String> {
    lines(&found.found.differences, |difference| &difference.live)
}

fn would_stand(found: &Supposed) -> Vec<String> {
    lines(&found.found.differences, |difference| &difference.rebuilt)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_time_to_rectify_makes_the_breach_that_it_would_have_been_and_no_other() {
    let told = Told::born().await;
    told.verified(701, STATION, Urgency::Yellow).await;
    told.verified(702, STATION, Urgency::Blue).await;
    told.at(5).await;
    told.claimed(701).await;
    told.at(6).await;
    told.passed(701).await;
    let shorter = pilot_with(&[("hazard_yellow_hours = 24", "hazard_yellow_hours = 3")]);
    let found = told.supposed("case_board", everywhere(&shorter)).await;
    assert_eq!(recorded(&found), ["701 2024-01-02T00:00:00Z []"]);
    let breach = "701 2024-01-01T03:00:00Z [\"rectification 2024-01-01T03:00:00Z\"]";
    assert_eq!(would_stand(&found), [breach]);
    assert_eq!((found.found.rows, found.position), (2, told.town.head()));
    let report = told.supposed("hazard_report", everywhere(&shorter)).await;
    assert_eq!(report.found.differing_rows, 1);
    let due = &report.found.differences[0].rebuilt.as_ref().expect("a row")["steps"][2];
    assert_eq!(
        *due,
        json!(["2024-01-01T00:00:00Z", { "due": "2024-01-01T03:00:00Z" }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_is_supposed_at_its_instant_and_withdrawn_by_a_claim_that_was_made_in_time() {
    let told = Told::born().await;
    told.verified(701, STATION, Urgency::Yellow).await;
    told.at(5).await;
    // Told late: it was done after two hours.
    let done = at(START) + chrono::Duration::hours(2);
    told.town.run("worker", claim(701, Some(done))).await;
    let shorter = pilot_with(&[("hazard_yellow_hours = 24", "hazard_yellow_hours = 3")]);
    let breach = "701 2024-01-01T03:00:00Z [\"rectification 2024-01-01T03:00:00Z\"]";
    let found = told.supposed("case_board", everywhere(&shorter)).await;
    assert_eq!(would_stand(&found), [breach], "until it is looked at");
    told.passed(701).await;
    let found = told.supposed("case_board", everywhere(&shorter)).await;
    assert_eq!(would_stand(&found), ["701 2024-01-01T03:00:00Z []"]);
    let row = found.found.differences[0].rebuilt.clone().expect("a row");
    assert_eq!(row["breaches_withdrawn"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_time_takes_recorded_breaches_away_also_that_of_the_time_to_look_again() {
    let told = Told::born().await;
    told.verified(701, STATION, Urgency::Red).await;
    told.at(5).await;
    told.claimed(701).await;
    // Claimed on a Monday, to be looked at by the end of Wednesday, looked at on Friday.
    told.at(4 * 24 + 1).await;
    told.passed(701).await;
    let row = told
        .rows("case_board")
        .remove(&id::<HazardId>(701).to_string());
    let row = row.expect("a case");
    assert_eq!(row["breaches"].as_array().expect("breaches").len(), 2);
    for (red, days, stands) in [
        (
            4,
            2,
            "701 2024-01-01T04:00:00Z [\"rectification 2024-01-01T04:00:00Z\", \"reinspection 2024-01-03T16:00:00Z\"]",
        ),
        (
            6,
            2,
            "701 2024-01-01T06:00:00Z [\"reinspection 2024-01-03T16:00:00Z\"]",
        ),
        (6, 5, "701 2024-01-01T06:00:00Z []"),
        (
            2,
            5,
            "701 2024-01-01T02:00:00Z [\"rectification 2024-01-01T02:00:00Z\"]",
        ),
        (
            2,
            1,
            "701 2024-01-01T02:00:00Z [\"rectification 2024-01-01T02:00:00Z\", \"reinspection 2024-01-02T16:00:00Z\"]",
        ),
    ] {
        let (red, days) = (
            format!("hazard_red_hours = {red}"),
            format!("hazard_reinspection_working_days = {days}"),
        );
        let other = pilot_with(&[
            ("hazard_red_hours = 2", &red),
            ("hazard_reinspection_working_days = 2", &days),
        ]);
        let found = told.supposed("case_board", everywhere(&other)).await;
        assert_eq!(would_stand(&found), [stands], "{red}, {days}");
    }
    let none = pilot_with(&[("hazard_reinspection_working_days = 2\n", "")]);
    let found = told.supposed("case_board", everywhere(&none)).await;
    let row = found.found.differences[0].rebuilt.clone().expect("a row");
    assert_eq!(
        row["handling"],
        Value::Null,
        "there is no time to look again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_stands_and_never_shortens_the_time_there_would_be() {
    let told = Told::born().await;
    told.verified(701, STATION, Urgency::Yellow).await;
    told.at(20).await;
    let until = "2024-01-02T06:00:00Z";
    assert!(told.tries("admin", extend(701, until)).await);
    told.at(40).await;
    told.claimed(701).await;
    let yellow = |hours: u32| {
        let line = format!("hazard_yellow_hours = {hours}");
        everywhere(&pilot_with(&[("hazard_yellow_hours = 24", &line)]))
    };
    let found = told.supposed("case_board", yellow(10)).await;
    let both = "701 2024-01-02T06:00:00Z [\"rectification 2024-01-01T10:00:00Z\", \"rectification 2024-01-02T06:00:00Z\"]";
    assert_eq!(
        would_stand(&found),
        [both],
        "missed before it was extended, and after"
    );
    let found = told.supposed("case_board", yellow(39)).await;
    let longer = "701 2024-01-02T15:00:00Z [\"rectification 2024-01-02T15:00:00Z\"]";
    assert_eq!(would_stand(&found), [longer]);
    let found = told.supposed("case_board", yellow(41)).await;
    assert_eq!(would_stand(&found), ["701 2024-01-02T17:00:00Z []"]);
    let found = told.supposed("case_board", yellow(24)).await;
    assert_eq!(
        found.found.differing_rows, 0,
        "but for its name it is the set in force"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_is_concerned_with_those_below_it_that_have_no_set_of_their_own() {
    let told = Told::born().await;
    told.town.found(ELSEWHERE).await;
    told.adopts(ELSEWHERE, PILOT, None).await;
    for (n, level, parent) in [
        (191_u128, domain::unit::UnitLevel::Community, STATION),
        (192, domain::unit::UnitLevel::Community, STATION),
    ] {
        let founded = domain::unit::Command::FoundUnit {
            unit: id(n),
            level,
            name: format!("unit {n}"),
            parent: Some(id(parent)),
            zone: None,
            imported: None,
        };
        told.town.run("admin", founded).await;
    }
    told.adopts(192, PILOT, None).await;
    for (n, unit) in [(701, STATION), (702, 191), (703, 192), (704, ELSEWHERE)] {
        told.verified(n, unit, Urgency::Yellow).await;
    }
    let other = pilot_with(&[("hazard_yellow_hours = 24", "hazard_yellow_hours = 48")]);
    for (supposition, hazards) in [
        (everywhere(&other), &["701", "702", "703", "704"][..]),
        (in_unit(&other, STATION), &["701", "702"]),
        (in_unit(&other, 191), &["702"]),
        (in_unit(&other, 192), &["703"]),
        (in_unit(&other, ELSEWHERE), &["704"]),
    ] {
        let found = told.supposed("case_board", supposition.clone()).await;
        let lines = would_stand(&found);
        let concerned: Vec<_> = lines
            .iter()
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(concerned, hazards, "{supposition:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_before_the_range_stands_and_what_comes_after_it_is_left_out() {
    let told = Told::born().await;
    told.verified(701, STATION, Urgency::Yellow).await;
    let first = told.town.head();
    told.verified(702, STATION, Urgency::Yellow).await;
    let second = told.town.head();
    told.verified(703, STATION, Urgency::Yellow).await;
    told.at(5).await;
    told.claimed(702).await;
    let shorter = pilot_with(&[("hazard_yellow_hours = 24", "hazard_yellow_hours = 3")]);
    let engine = told.engine().await;
    for (from, to, hazards, breached) in [
        (1, None, &["701", "702", "703"][..], true),
        (first + 1, None, &["702", "703"], true),
        (second + 1, None, &["703"], true),
        // Up to there the clock has not moved.
        (1, Some(second), &["701", "702"], false),
        (first + 1, Some(second), &["702"], false),
    ] {
        let range = Asked {
            from,
            to,
            ..asked("case_board", everywhere(&shorter))
        };
        let found = found(&engine, range).await.expect("found");
        let lines = would_stand(&found);
        let concerned: Vec<_> = lines
            .iter()
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(concerned, hazards, "{from} {to:?}");
        assert!(
            lines.iter().all(|line| line.ends_with("[]") != breached),
            "{lines:?}"
        );
        assert_eq!(found.position, to.unwrap_or_else(|| told.town.head()));
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_stated_stands_and_nothing_falls_due_while_its_batch_is_open() {
    use domain::{hazard, import_batch};

    use crate::fixture::{BATCH, COMMUNITY, History, happened, reported};

    let mut history = History::new();
    history.born().await;
    let (batch, key): (domain::ids::BatchId, HazardId) = (id(BATCH), id(701));
    let uploaded = import_batch::Event::BatchUploaded {
        source: "elsewhere".to_owned(),
        files: Vec::new(),
        uploaded_by: id(1),
    };
    let friday = "2024-03-01T02:00:00Z";
    history
        .one::<import_batch::ImportBatch>(friday, None, batch, uploaded)
        .await;
    let stated = hazard::Event::DeadlineSet {
        purpose: hazard::Purpose::Rectification,
        deadline: hazard::Deadline {
            due_at: at("2024-03-20T00:00:00Z"),
            basis: "elsewhere".to_owned(),
        },
    };
    let owner = "works".to_owned();
    let imported = [
        reported(Some("701")),
        hazard::Event::OwnerAssigned { owner },
        stated,
    ];
    let imported =
        imported.map(|event| happened::<hazard::Hazard>(key, event, friday, Some(COMMUNITY)));
    history.record(friday, imported.into()).await;
    let claimed = hazard::Event::RectificationClaimed {
        rectified_by: id(21),
    };
    history.hazard(friday, 701, claimed).await;
    // To be looked at by the end of Tuesday, says the supposed set.
    let supposed = |history: &History| {
        let log: Arc<dyn eventlog::EventLog> = history.log.clone();
        async move {
            let engine = Engine::start(log, Options::default())
                .await
                .expect("started");
            let found = found(&engine, asked("case_board", everywhere(PILOT))).await;
            engine.stop().await;
            would_stand(&found.expect("found"))
        }
    };
    history.joins("2024-03-08T00:00:00Z", 11).await;
    assert_eq!(supposed(&history).await, ["701 2024-03-20T00:00:00Z []"]);
    let applied = import_batch::Event::BatchApplied {
        rows_applied: 1,
        rows_known: 0,
    };
    let when = "2024-03-09T00:00:00Z";
    history
        .one::<import_batch::ImportBatch>(when, None, batch, applied)
        .await;
    history.joins("2024-03-10T00:00:00Z", 12).await;
    let missed = "701 2024-03-20T00:00:00Z [\"reinspection 2024-03-05T16:00:00Z\"]";
    assert_eq!(supposed(&history).await, [missed]);
}
