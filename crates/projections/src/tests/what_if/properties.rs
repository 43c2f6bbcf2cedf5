//! Over any history: supposing the set in force changes nothing, and supposing another one gives what
//! the rules would have recorded under it.

use std::collections::BTreeMap;

use domain::hazard::{Command, HazardLevel, Urgency};
use domain::ids::HazardId;
use eventlog::Clock as _;
use proptest::prelude::*;
use serde_json::Value;

use super::{PILOT, STATION, Supposition, Told, claim, everywhere, extend, id, look, pilot_with};
use crate::tests::town::report;

/// Who does what to a hazard.
type Move = (&'static str, fn(HazardId, domain::Instant) -> Command);

const MOVES: &[Move] = &[
    ("admin", |hazard, _| {
        verify(hazard, HazardLevel::General, Urgency::Red)
    }),
    ("admin", |hazard, _| {
        verify(hazard, HazardLevel::General, Urgency::Yellow)
    }),
    ("admin", |hazard, _| {
        verify(hazard, HazardLevel::General, Urgency::Blue)
    }),
    ("admin", |hazard, _| {
        verify(hazard, HazardLevel::Major, Urgency::Yellow)
    }),
    ("admin", |hazard, _| {
        verify(hazard, HazardLevel::Major, Urgency::Red)
    }),
    ("admin", assign),
    ("admin", assign),
    ("admin", assign),
    ("admin", |hazard, _| {
        extend(hazard.0.as_u128(), "2024-06-01T00:00:00Z")
    }),
    ("admin", |hazard, _| Command::TakeInterimMeasure {
        hazard,
        measure: domain::Personal::new("a rope"),
    }),
    ("admin", |hazard, now| report_up(hazard, now, 0)),
    ("admin", |hazard, now| report_up(hazard, now, 1)),
    ("worker", |hazard, _| claim(hazard.0.as_u128(), None)),
    ("worker", |hazard, _| claim(hazard.0.as_u128(), None)),
    ("worker", |hazard, now| {
        claim(hazard.0.as_u128(), Some(now - chrono::Duration::hours(3)))
    }),
    ("inspector", |hazard, _| look(hazard.0.as_u128(), true)),
    ("inspector", |hazard, _| look(hazard.0.as_u128(), true)),
    ("inspector", |hazard, _| look(hazard.0.as_u128(), false)),
    ("inspector", |hazard, now| Command::Reinspect {
        hazard,
        passed: true,
        reason: None,
        inspected_at: Some(now - chrono::Duration::hours(2)),
    }),
    ("admin", |hazard, _| Command::CloseOut { hazard }),
    ("admin", |hazard, _| Command::RecordRecurrence {
        hazard,
        seen_at: None,
    }),
    ("admin", |hazard, _| Command::ReferHazard {
        hazard,
        authority: "works".to_owned(),
        external_id: None,
        reason: "not ours".to_owned(),
    }),
    ("admin", |hazard, _| Command::ReturnReferral {
        hazard,
        reason: "ours after all".to_owned(),
    }),
];

fn verify(hazard: HazardId, level: HazardLevel, urgency: Urgency) -> Command {
    Command::VerifyHazard {
        hazard,
        level,
        urgency,
    }
}

fn assign(hazard: HazardId, _: domain::Instant) -> Command {
    Command::AssignOwner {
        hazard,
        owner: "owner".to_owned(),
    }
}

fn report_up(hazard: HazardId, now: domain::Instant, hours_ago: i64) -> Command {
    Command::ReportUp {
        hazard,
        to: None,
        authority: "bureau".to_owned(),
        reported_at: Some(now - chrono::Duration::hours(hours_ago)),
    }
}

/// A move on one of three hazards, after some hours; without timers they come by only later.
type Step = (usize, u128, i64, bool);

fn story() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..MOVES.len(), 701_u128..704, 0_i64..20, any::<bool>());
    prop::collection::vec(step, 1..90)
}

/// Tells a story under a policy set; which of its moves the rules took.
async fn tell(text: &str, story: &[Step], punctual: bool) -> (Told, Vec<bool>) {
    let told = Told::born().await;
    if text != PILOT {
        told.adopts(STATION, text, Some("2024-01-01T00:00:01Z"))
            .await;
    }
    let mut now = 1;
    told.at(now).await;
    for n in 701..704 {
        told.town
            .run("system:timer", report(id(n), id(STATION)))
            .await;
    }
    let mut taken = Vec::new();
    for (step, hazard, hours, fires) in story {
        now += hours;
        if punctual || *fires {
            told.at(now).await;
        } else {
            let target = super::at(super::START) + chrono::Duration::hours(now);
            told.town.clock.advance_to(target);
        }
        let (subject, command) = MOVES[*step];
        let command = command(id(*hazard), told.town.clock.now());
        taken.push(told.tries(subject, command).await);
    }
    // Deadlines count up to what the log recorded last: all that are told end at one instant.
    told.at(now + 1).await;
    let last = report(id(799), id(STATION));
    told.town.run("system:timer", last).await;
    (told, taken)
}

const MODELS: [&str; 2] = ["case_board", "hazard_report"];

/// A row without what only tells where in the log it was said, and by which text.
fn told_apart(mut row: Value) -> Value {
    for name in ["position", "version", "deadline_basis"] {
        if let Some(row) = row.as_object_mut() {
            row.remove(name);
        }
    }
    for breach in row
        .get_mut("breaches")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(breach) = breach.as_object_mut() {
            breach.remove("position");
        }
    }
    row
}

fn others() -> Vec<String> {
    let all = |red: &str, yellow: &str, blue: &str, up: &str, days: &str| {
        pilot_with(&[
            ("hazard_red_hours = 2", &format!("hazard_red_hours = {red}")),
            (
                "hazard_yellow_hours = 24",
                &format!("hazard_yellow_hours = {yellow}"),
            ),
            (
                "hazard_blue_hours = 72",
                &format!("hazard_blue_hours = {blue}"),
            ),
            (
                "hazard_report_up_hours = 2",
                &format!("hazard_report_up_hours = {up}"),
            ),
            (
                "hazard_reinspection_working_days = 2",
                &format!("hazard_reinspection_working_days = {days}"),
            ),
        ])
    };
    let none = pilot_with(&[
        ("hazard_report_up_hours = 2\n", ""),
        ("hazard_reinspection_working_days = 2\n", ""),
    ]);
    vec![
        all("1", "1", "5", "1", "0"),
        all("48", "200", "500", "30", "5"),
        all("1", "200", "72", "2", "1"),
        none,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn supposing_the_set_in_force_changes_nothing_however_late_the_timers_were(story in story()) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let (told, _) = tell(PILOT, &story, false).await;
            for model in MODELS {
                let found = told.supposed(model, everywhere(PILOT)).await;
                assert_eq!(found.found.differences, [], "{model}");
                assert_eq!(found.found.rows, 4, "{model}");
            }
        });
    }

    #[test]
    fn supposing_another_set_gives_what_would_have_been_recorded_under_it(
        story in story(),
        other in prop::sample::select(others()),
    ) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let (told, taken) = tell(PILOT, &story, true).await;
            let (otherwise, taken_otherwise) = tell(&other, &story, true).await;
            assert_eq!(taken, taken_otherwise, "the same facts");
            for model in MODELS {
                let supposition: Supposition = everywhere(&other);
                let found = told.supposed(model, supposition).await;
                let mut rows: BTreeMap<_, _> = told.rows(model);
                for difference in found.found.differences {
                    let row = difference.rebuilt.expect("a row");
                    rows.insert(difference.key, row);
                }
                let expected = otherwise.rows(model);
                for (key, row) in rows {
                    let expected = told_apart(expected[&key].clone());
                    assert_eq!(told_apart(row), expected, "{model} {key}");
                }
            }
        });
    }
}
