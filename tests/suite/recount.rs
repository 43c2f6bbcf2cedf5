//! Balances and coverage counted again from the replayed events alone.
//!
//! Owns a second opinion: what lies between the events and the figures here is plain code that
//! uses none of the project's crates (only the play that makes the events does).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::town::{CAPTAIN, OFFICER, Town, at, staff, volunteer};

/// Seconds that Shanghai is ahead of UTC.
const SHANGHAI: i64 = 8 * 3_600;
/// Points of a patrol or a wave of publicity.
const POINTS: u64 = 50;
/// Most points for patrols that somebody gets on a day.
const PATROL_POINTS_A_DAY: u64 = 100;
/// Least minutes of a patrol.
const PATROL_MINUTES: u64 = 30;
/// Days until points can be spent.
const VESTING_SECONDS: i64 = 7 * 86_400;

/// Seconds since 1970 of an instant as the events write it (`2024-07-01T11:00:00Z`).
fn seconds(value: &Value) -> i64 {
    let text = value.as_str().expect("an instant");
    let time: chrono::DateTime<chrono::Utc> = text.parse().expect("an instant");
    time.timestamp()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A person's points.
#[derive(Debug, Default, PartialEq, Eq)]
struct Points {
    granted: u64,
    forgone: u64,
    pending: u64,
    spendable: u64,
    reversed: u64,
}

/// By the facts and the rules: what each verified part is worth.
fn points_by_rules(events: &[Value], now: i64) -> BTreeMap<String, Points> {
    let mut points: BTreeMap<String, Points> = BTreeMap::new();
    let mut patrols_of_day: BTreeMap<(String, i64), u64> = BTreeMap::new();
    // Award ids of an award, to take it back by.
    let mut awards: BTreeMap<String, (String, u64, i64)> = BTreeMap::new();
    for event in events {
        let (kind, payload) = (text(&event["type"]), &event["payload"]);
        let stream = text(&event["stream"]);
        if kind == "ParticipationVerified" {
            let (person, occurred_at) = (text(&payload["person"]), seconds(&event["occurred_at"]));
            let minutes = payload["minutes"].as_u64().expect("minutes");
            let (granted, forgone) = if stream.starts_with("campaign/") {
                (POINTS, 0)
            } else if minutes < PATROL_MINUTES {
                (0, 0)
            } else {
                let day = (occurred_at + SHANGHAI).div_euclid(86_400);
                let earned = patrols_of_day.entry((person.clone(), day)).or_default();
                let granted = POINTS.min(PATROL_POINTS_A_DAY - *earned);
                *earned += granted;
                (granted, POINTS - granted)
            };
            let points = points.entry(person).or_default();
            points.granted += granted;
            points.forgone += forgone;
            if now < occurred_at + VESTING_SECONDS {
                points.pending += granted;
            } else {
                points.spendable += granted;
            }
        } else if kind == "AwardGranted" {
            let person = text(&payload["person"]);
            let granted = payload["granted"].as_u64().expect("points");
            let vests_at = seconds(&payload["vests_at"]);
            awards.insert(text(&payload["award"]), (person, granted, vests_at));
        } else if kind == "AwardReversed" {
            let (person, granted, vests_at) = &awards[&text(&payload["award"])];
            let points = points.entry(person.clone()).or_default();
            points.reversed += granted;
            if now < *vests_at {
                points.pending -= granted;
            } else {
                points.spendable -= granted;
            }
        }
    }
    points
}

/// Which zone, local day (as days since 1970) and local hour.
type CellKey = (String, i64, i64);

/// A cell of the coverage.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Cell {
    planned_seconds: i64,
    done_seconds: i64,
    verified_seconds: i64,
    checkpoints_hit: u64,
    checkpoints_missed: u64,
}

fn key(zone: &str, at: i64) -> CellKey {
    let local = at + SHANGHAI;
    (
        zone.to_owned(),
        local.div_euclid(86_400),
        local.rem_euclid(86_400) / 3_600,
    )
}

/// The seconds of `from..until` in each cell.
fn by_hour(zone: &str, from: i64, until: i64) -> BTreeMap<CellKey, i64> {
    let mut cells = BTreeMap::new();
    for second in from..until {
        *cells.entry(key(zone, second)).or_default() += 1;
    }
    cells
}

/// A shift as its events tell it.
#[derive(Default)]
struct Shift {
    zone: String,
    from: i64,
    until: i64,
    came: BTreeMap<String, i64>,
    hit: Vec<String>,
}

fn coverage(events: &[Value]) -> BTreeMap<CellKey, Cell> {
    let mut cells: BTreeMap<CellKey, Cell> = BTreeMap::new();
    let mut shifts: BTreeMap<String, Shift> = BTreeMap::new();
    for event in events {
        let stream = text(&event["stream"]);
        if !stream.starts_with("patrol_shift/") {
            continue;
        }
        let (payload, at) = (&event["payload"], seconds(&event["occurred_at"]));
        let shift = shifts.entry(stream).or_default();
        match event["type"].as_str().expect("a type") {
            "ShiftPlanned" => {
                shift.zone = text(&payload["zone"]);
                shift.from = seconds(&payload["from"]);
                shift.until = seconds(&payload["until"]);
                let crew = payload["crew_min"].as_i64().expect("a number");
                for (key, seconds) in by_hour(&shift.zone, shift.from, shift.until) {
                    cells.entry(key).or_default().planned_seconds += seconds * crew;
                }
            }
            "PatrollerCheckedIn" => {
                shift.came.insert(text(&payload["person"]), at);
            }
            "PatrollerCheckedOut" | "AutoCheckedOut" => {
                let came = shift.came[&text(&payload["person"])].max(shift.from);
                for (key, seconds) in by_hour(&shift.zone, came, at.min(shift.until)) {
                    cells.entry(key).or_default().done_seconds += seconds;
                }
            }
            "CheckpointScanned" => {
                let checkpoint = text(&payload["checkpoint"]);
                if !shift.hit.contains(&checkpoint) {
                    shift.hit.push(checkpoint);
                    let zone = text(&payload["zone"]);
                    cells.entry(key(&zone, at)).or_default().checkpoints_hit += 1;
                }
            }
            "CheckpointMissed" => {
                let zone = text(&payload["zone"]);
                let last = key(&zone, shift.until - 1);
                cells.entry(last).or_default().checkpoints_missed += 1;
            }
            "ParticipationVerified" => {
                for interval in payload["intervals"].as_array().expect("intervals") {
                    let (from, until) = (seconds(&interval[0]), seconds(&interval[1]));
                    for (key, seconds) in by_hour(&text(&payload["zone"]), from, until) {
                        cells.entry(key).or_default().verified_seconds += seconds;
                    }
                }
            }
            _ => {}
        }
    }
    cells
}

/// A month with patrols early and late, over midnight, half walked, unverified, taken back.
async fn played() -> Town {
    let mut town = Town::with_volunteers(4).await;
    let people: Vec<_> = (0..4).map(volunteer).collect();
    let early = town.walk(0, at("2024-07-02T11:00:00Z"), &people[..2]).await;
    let late = town.walk(1, at("2024-07-02T15:20:00Z"), &people[..3]).await;
    for (shift, person) in [(&early, 0), (&early, 1), (&late, 0), (&late, 2)] {
        town.verify(shift, people[person]).await;
    }
    // Three patrols of a day, the last beyond the cap; one of them without its second checkpoint.
    for start in ["2024-07-03T01:00:00Z", "2024-07-03T04:00:00Z"] {
        let shift = town.walk(2, at(start), &people[3..]).await;
        town.verify(&shift, people[3]).await;
    }
    let from = at("2024-07-03T07:30:00Z");
    let half = town.sign_up(2, from, &people[3..]).await;
    town.advance(from + chrono::Duration::minutes(5)).await;
    town.done(CAPTAIN, town.check_in(&half, people[3])).await;
    town.scan(&half, people[3], 2, 0).await;
    town.advance(from + chrono::Duration::minutes(95)).await;
    town.check_out(&half, people[3]).await;
    town.verify(&half, people[3]).await;
    // Too short for points.
    let from = at("2024-07-04T11:00:00Z");
    let short = town.sign_up(0, from, &people[..1]).await;
    town.advance(from).await;
    town.done(CAPTAIN, town.check_in(&short, people[0])).await;
    town.advance(from + chrono::Duration::minutes(20)).await;
    town.check_out(&short, people[0]).await;
    town.verify(&short, people[0]).await;
    let campaign = town
        .campaign(at("2024-07-05T10:00:00Z"), &people[..2])
        .await;
    for person in &people[..2] {
        town.done(OFFICER, town.campaign_verification(&campaign, *person))
            .await;
    }
    // Past the vesting of the first ones; the last patrol is pending still.
    let last = town
        .walk(3, at("2024-07-09T11:00:00Z"), &people[1..3])
        .await;
    town.verify(&last, people[1]).await;
    town.verify(&last, people[2]).await;
    // One award is taken back.
    town.balance(people[2]).await;
    let request = api::wire::GetStatementRequest {
        person_id: people[2].to_string(),
        ..Default::default()
    };
    let lines = town.done(CAPTAIN, request).await.lines;
    let pending = lines
        .iter()
        .rfind(|line| line.kind() == api::wire::StatementLineKind::Granted);
    let request = api::wire::ReverseAwardRequest {
        command_id: town.id(),
        person_id: people[2].to_string(),
        award_id: pending.expect("an award").award_id.clone(),
        reason: "counted wrongly".to_owned(),
        mode: api::wire::ReversalMode::PendingOnly.into(),
    };
    town.done(CAPTAIN, request).await;
    town.advance(at("2024-07-10T02:00:00Z")).await;
    town
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_balance_and_four_cells_agree_with_a_plain_count_of_the_events() {
    let mut town = played().await;
    town.balance(volunteer(0)).await;
    town.stop().terminate().exits(0);
    let events = town.folder.replay(&[]);
    let now = events
        .iter()
        .map(|event| seconds(&event["recorded_at"]))
        .max()
        .expect("events");

    let points = points_by_rules(&events, now);
    assert_eq!(points.len(), 4, "four people earned something");
    for (person, expected) in &points {
        let balance = town
            .folder
            .run(&["balance"], &[person, "--json"])
            .exits(0)
            .json();
        let number = |name: &str| {
            balance[name]
                .as_u64()
                .unwrap_or_else(|| panic!("{name} in {balance}"))
        };
        let found = Points {
            granted: number("granted"),
            forgone: number("forgone"),
            pending: number("pending"),
            spendable: number("spendable"),
            reversed: number("reversed"),
        };
        assert_eq!(found, *expected, "balance of {person}");
        assert_eq!(number("expired"), 0);
    }
    let of = |person| &points[&volunteer(person).to_string()];
    assert_eq!(
        (of(3).granted, of(3).forgone),
        (100, 50),
        "the cap kept the third patrol back"
    );
    assert_eq!(
        (of(2).reversed, of(2).spendable),
        (50, 50),
        "one of two was taken back"
    );
    let captain = staff(CAPTAIN).to_string();
    let balance = town
        .folder
        .run(&["balance"], &[&captain, "--json"])
        .exits(0)
        .json();
    assert_eq!(balance["granted"], 0, "who walked nothing has nothing");

    let expected = coverage(&events);
    let answer = town.folder.run(&["coverage"], &["--json"]).exits(0).json();
    let mut found = BTreeMap::new();
    for cell in cells(&answer) {
        let day: chrono::NaiveDate = text(&cell["day"]).parse().expect("a day");
        let epoch = chrono::NaiveDate::default();
        let hour = cell["hour"].as_i64().expect("an hour");
        let key = (text(&cell["zone"]), (day - epoch).num_days(), hour);
        let number = |name: &str| {
            cell[name]
                .as_u64()
                .unwrap_or_else(|| panic!("{name} in {cell}"))
        };
        let seconds = |name: &str| i64::try_from(number(name)).expect("few seconds");
        let cell = Cell {
            planned_seconds: seconds("planned_seconds"),
            done_seconds: seconds("done_seconds"),
            verified_seconds: seconds("verified_seconds"),
            checkpoints_hit: number("checkpoints_hit"),
            checkpoints_missed: number("checkpoints_missed"),
        };
        assert_eq!(found.insert(key, cell), None, "a cell stands there twice");
    }
    // 2 July: the early patrol's first hour, the late one's hour after midnight; 3 July: the
    // second patrol's second hour, and the last hour of the one that missed a checkpoint.
    let named = [
        (0, "2024-07-02T11:30:00Z", (14_400 / 2, 7_200, 7_200, 1, 0)),
        (1, "2024-07-02T16:30:00Z", (7_200, 10_800, 7_200, 1, 0)),
        (2, "2024-07-03T05:30:00Z", (7_200, 3_600, 3_600, 1, 0)),
        (2, "2024-07-03T09:10:00Z", (3_600, 300, 300, 0, 1)),
    ];
    for (zone, when, (planned, done, verified, hit, missed)) in named {
        let key = key(town.zone(zone), at(when).timestamp());
        let by_hand = Cell {
            planned_seconds: planned,
            done_seconds: done,
            verified_seconds: verified,
            checkpoints_hit: hit,
            checkpoints_missed: missed,
        };
        assert_eq!(
            expected.get(&key),
            Some(&by_hand),
            "by the events, zone {zone} at {when}"
        );
        assert_eq!(
            found.get(&key),
            Some(&by_hand),
            "by the model, zone {zone} at {when}"
        );
    }
    assert_eq!(found, expected, "all other cells agree too");
}

/// The cells in the answer of `coverage --json`.
fn cells(answer: &Value) -> &Vec<Value> {
    answer["cells"]
        .as_array()
        .unwrap_or_else(|| panic!("cells in {answer}"))
}
