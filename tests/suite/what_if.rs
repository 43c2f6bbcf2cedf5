//! What another policy set or zone plan would have made of what is recorded is asked over the API and
//! the command line, by administrators alone, and leaves no trace.

use api::wire;
use api::wire::what_if_response::Told;
use chrono::Duration;
use serde_json::Value;
use tonic::Code;

use crate::harness::{ADMIN, Folder, repository, run, run_on};
use crate::town::{CAPTAIN, INSPECTOR, Town, at, community, refused, unit, volunteer};

fn pilot() -> String {
    std::fs::read_to_string(repository().join("policies/pilot.toml")).expect("a policy set")
}

/// Three hours for what has a day.
fn shorter() -> String {
    let text = pilot().replacen("version = 1", "version = 2", 1);
    let day = "hazard_yellow_hours = 24";
    assert!(text.contains(day));
    text.replacen(day, "hazard_yellow_hours = 3", 1)
}

/// The zones of the demo, with the first two changing places.
fn swapped() -> String {
    let drawn = std::fs::read_to_string(repository().join("demo/zones.geojson")).expect("zones");
    let [first, second] = [1, 2].map(|n| format!("5a0e0000-0000-8000-8000-00000000000{n}"));
    assert!(drawn.contains(&first) && drawn.contains(&second));
    let drawn = drawn.replace(&first, "elsewhere").replace(&second, &first);
    drawn.replace("elsewhere", &second)
}

fn asked(model: &str) -> wire::WhatIfRequest {
    wire::WhatIfRequest {
        model: model.to_owned(),
        ..Default::default()
    }
}

fn with_policy(model: &str, text: String) -> wire::WhatIfRequest {
    wire::WhatIfRequest {
        text,
        ..asked(model)
    }
}

fn with_zones(model: &str, geojson: String) -> wire::WhatIfRequest {
    wire::WhatIfRequest {
        geojson,
        unit_id: community().to_string(),
        ..asked(model)
    }
}

/// Asks to the end: what was found, after only progress was told.
async fn found(town: &Town, request: wire::WhatIfRequest) -> wire::WhatIfFound {
    let mut told = town.by(ADMIN).watch(request).await.expect("a stream");
    let mut last = None;
    while let Some(answer) = told.message().await.expect("it goes on to its end") {
        assert!(!matches!(last, Some(Told::Found(_))), "nothing follows");
        last = answer.told;
    }
    match last {
        Some(Told::Found(found)) => found,
        other => panic!("{other:?}"),
    }
}

/// A hazard that was rectified after five hours and looked at after six, and a walk in the first zone.
async fn town() -> Town {
    let mut town = Town::with_volunteers(2).await;
    let start = at("2024-07-01T02:00:00Z");
    town.advance(start).await;
    let hazard_id = town.report().await;
    town.assign(&hazard_id).await;
    town.advance(start + Duration::hours(5)).await;
    let claim = wire::ClaimRectificationRequest {
        command_id: town.id(),
        hazard_id: hazard_id.clone(),
        ..Default::default()
    };
    town.done(crate::town::RECTIFIER, claim).await;
    town.advance(start + Duration::hours(6)).await;
    town.done(INSPECTOR, town.reinspection(&hazard_id)).await;
    town.walk(0, start + Duration::hours(9), &[volunteer(0), volunteer(1)])
        .await;
    town
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_rules_are_supposed_over_the_api_and_nothing_is_recorded() {
    let town = town().await;
    let before = town.log().await;
    let same = found(&town, with_policy("case_board", pilot())).await;
    assert_eq!((same.rows, same.differing_rows), (1, 0));
    assert_eq!((same.from, same.position), (1, before.position));

    let stricter = found(&town, with_policy("case_board", shorter())).await;
    assert_eq!((stricter.differing_rows, stricter.withheld_rows), (1, 0));
    let row = &stricter.differences[0];
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let (recorded, supposed) = (json(&row.live_json), json(&row.rebuilt_json));
    assert_eq!(recorded["deadline"], "2024-07-02T02:00:00Z");
    assert_eq!(supposed["deadline"], "2024-07-01T05:00:00Z");
    assert_eq!(recorded["breaches"].as_array().map(Vec::len), Some(0));
    assert_eq!(supposed["breaches"][0]["due_at"], "2024-07-01T05:00:00Z");
    let nowhere = wire::WhatIfRequest {
        from: before.position,
        ..with_policy("case_board", shorter())
    };
    assert_eq!(found(&town, nowhere).await.differing_rows, 0);

    let moved = found(&town, with_zones("patrol_coverage", swapped())).await;
    assert!(moved.differing_rows >= 2, "{moved:?}");
    let drawn = std::fs::read_to_string(repository().join("demo/zones.geojson")).expect("zones");
    let same = found(&town, with_zones("patrol_coverage", drawn)).await;
    assert!(same.rows > 0 && same.differing_rows == 0, "{same:?}");

    let after = town.log().await;
    assert_eq!((after.position, after.root), (before.position, before.root));
    let request = wire::ListProjectionsRequest::default();
    let builds = town.done(ADMIN, request).await.builds;
    assert!(
        builds
            .iter()
            .all(|build| build.role() == wire::BuildRole::Live)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_supposed_is_refused_by_name() {
    let town = town().await;
    let admin = town.by(ADMIN);
    let ask = async |request| admin.watch(request).await.map(|_| ());
    let invalid = Code::InvalidArgument;
    let captain = town.by(CAPTAIN);
    let captain = captain.watch(with_policy("case_board", pilot())).await;
    let captain = captain.map(|_| ());
    refused(captain, Code::PermissionDenied, "ACTOR_IS_NO_ADMINISTRATOR");
    let unknown = with_policy("unheard_of", pilot());
    refused(ask(unknown).await, Code::NotFound, "READ_MODEL_NOT_FOUND");
    let balances = ask(with_policy("balances", pilot())).await;
    let told = balances
        .as_ref()
        .map_err(|status| status.message().to_owned());
    let told = told.expect_err("refused");
    assert!(
        told.contains("case_board") && told.contains("patrol_coverage"),
        "{told}"
    );
    refused(balances, invalid, "MODEL_CANNOT_BE_ASKED");
    for (request, code, name) in [
        (
            with_policy("patrol_coverage", pilot()),
            invalid,
            "MODEL_FOLLOWS_ZONES",
        ),
        (
            with_zones("case_board", swapped()),
            invalid,
            "MODEL_FOLLOWS_POLICY",
        ),
        (asked("case_board"), invalid, "FIELD_MALFORMED"),
        (
            with_policy("case_board", "name = 1".to_owned()),
            invalid,
            "POLICY_SET_UNREADABLE",
        ),
        (
            with_zones("patrol_coverage", "{}".to_owned()),
            invalid,
            "ZONE_PLAN_UNREADABLE",
        ),
        (
            wire::WhatIfRequest {
                unit_id: String::new(),
                ..with_zones("patrol_coverage", swapped())
            },
            invalid,
            "FIELD_MALFORMED",
        ),
        (
            wire::WhatIfRequest {
                unit_id: town.id(),
                ..with_zones("patrol_coverage", swapped())
            },
            Code::NotFound,
            "COMMUNITY_NOT_FOUND",
        ),
        (
            wire::WhatIfRequest {
                unit_id: unit("nowhere").to_string(),
                ..with_policy("case_board", pilot())
            },
            Code::NotFound,
            "UNIT_NOT_FOUND",
        ),
        (
            wire::WhatIfRequest {
                from: 9,
                to: 8,
                ..with_policy("case_board", pilot())
            },
            invalid,
            "FIELD_MALFORMED",
        ),
        (
            wire::WhatIfRequest {
                differences_max: 101,
                ..with_policy("case_board", pilot())
            },
            invalid,
            "FIELD_MALFORMED",
        ),
    ] {
        let model = request.model.clone();
        let answer = ask(request).await;
        assert!(answer.is_err(), "{model} should be refused by {name}");
        refused(answer, code, name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_shows_what_would_differ_of_a_server_and_of_a_folder() {
    let mut town = town().await;
    let policy = town.folder.file("shorter.toml", shorter());
    let zones = town.folder.file("zones.geojson", swapped());
    let policy = policy.to_str().expect("a plain name");
    let zones = zones.to_str().expect("a plain name");
    let url = town.url().to_owned();
    let server = |model: &str, args: &[&str]| {
        run(&[&["projections", "what-if", model, "--server", &url], args].concat())
    };
    let text = server("case_board", &["--policy", policy]).exits(0).stdout;
    for word in [
        "recorded",
        "supposed",
        "breaches",
        "1 in 1 partitions would differ",
        "Nothing was recorded",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let community = community().to_string();
    let args = [
        "--zones", zones, "--unit", &community, "--rows", "1", "--json",
    ];
    let json = server("patrol_coverage", &args).exits(0).json();
    assert_eq!(json["differences"].as_array().map(Vec::len), Some(1));
    assert!(json["differing_rows"].as_u64() >= Some(2), "{json}");
    let why = server("balances", &["--policy", policy]).exits(3).stderr;
    assert!(why.contains("MODEL_CANNOT_BE_ASKED"), "{why}");
    server("case_board", &[]).exits(2);
    server("case_board", &["--policy", "/nowhere/at/all"]).exits(2);

    let before = town.log().await;
    town.stop().terminate().exits(0);
    let on_folder = town.folder.run(
        &["projections", "what-if"],
        &[
            "hazard_report",
            "--policy",
            policy,
            "--to",
            &before.position.to_string(),
            "--json",
        ],
    );
    assert_eq!(on_folder.exits(0).json()["differing_rows"], 1);
    town.start().await;
    assert_eq!(town.log().await.root, before.root);
}

#[test]
fn over_a_simulated_history_supposing_the_set_in_force_changes_nothing() {
    let folder = Folder::empty();
    let args = ["--communities", "2", "--days", "20", "--seed", "5"];
    run_on(&folder.data(), &["simulate"], &args).exits(0);
    let policy = repository().join("policies/pilot.toml");
    let policy = policy.to_str().expect("a plain name");
    for model in ["case_board", "hazard_report"] {
        let args = [model, "--policy", policy, "--json"];
        let found = folder
            .run(&["projections", "what-if"], &args)
            .exits(0)
            .json();
        assert_eq!(found["differing_rows"], 0, "{found}");
        assert!(found["rows"].as_u64() > Some(0), "{found}");
    }
    let strict = folder.file("shorter.toml", shorter());
    let strict = strict.to_str().expect("a plain name");
    let args = ["case_board", "--policy", strict, "--json"];
    let found = folder
        .run(&["projections", "what-if"], &args)
        .exits(0)
        .json();
    assert!(found["differing_rows"].as_u64() > Some(0), "{found}");
}
