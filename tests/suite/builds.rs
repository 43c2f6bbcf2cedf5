//! Read models are rebuilt while they answer: made, watched, compared, switched, rolled back and
//! retired, by administrators alone, and the log says by whom.

use api::wire;
use serde_json::Value;
use tonic::Code;

use crate::harness::{ADMIN, Ran, run};
use crate::town::{CAPTAIN, Town, at, refused, volunteer};

/// The model that the tests rebuild.
const MODEL: &str = "balances";

/// A town in which somebody has points.
async fn town() -> Town {
    let mut town = Town::with_volunteers(2).await;
    let walker = volunteer(0);
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[walker, volunteer(1)])
        .await;
    town.verify(&shift, walker).await;
    town.balance(walker).await;
    town
}

fn start(town: &Town) -> wire::StartRebuildRequest {
    wire::StartRebuildRequest {
        command_id: town.id(),
        model: MODEL.to_owned(),
        build: 0,
    }
}

fn compare(town: &Town, build: u32) -> wire::CompareBuildsRequest {
    wire::CompareBuildsRequest {
        command_id: town.id(),
        model: MODEL.to_owned(),
        build,
        differences_max: 0,
    }
}

fn switch(town: &Town, build: u32) -> wire::SwitchBuildRequest {
    wire::SwitchBuildRequest {
        command_id: town.id(),
        model: MODEL.to_owned(),
        build,
    }
}

fn roll_back(town: &Town) -> wire::RollBackBuildRequest {
    wire::RollBackBuildRequest {
        command_id: town.id(),
        model: MODEL.to_owned(),
    }
}

fn cancel(town: &Town, build: u32) -> wire::CancelRebuildRequest {
    wire::CancelRebuildRequest {
        command_id: town.id(),
        model: MODEL.to_owned(),
        build,
    }
}

fn retire(town: &Town, build: u32) -> wire::RetireBuildRequest {
    wire::RetireBuildRequest {
        command_id: town.id(),
        model: MODEL.to_owned(),
        build,
    }
}

/// Watches a candidate to its end: what was told.
async fn watch(town: &Town, build: u32) -> Vec<wire::WatchRebuildResponse> {
    let request = wire::WatchRebuildRequest {
        model: MODEL.to_owned(),
        build,
    };
    let mut told = town.by(ADMIN).watch(request).await.expect("a stream");
    let mut answers = Vec::new();
    while let Some(answer) = told.message().await.expect("it goes on to its end") {
        answers.push(answer);
    }
    answers
}

/// The builds of the model as somebody is told of them.
async fn builds(town: &Town, subject: &str) -> Vec<wire::ProjectionBuild> {
    let request = wire::ListProjectionsRequest {
        model: MODEL.to_owned(),
    };
    town.done(subject, request).await.builds
}

/// Number, role and whether it was compared.
fn roles(builds: &[wire::ProjectionBuild]) -> Vec<(u32, wire::BuildRole, bool)> {
    let role = |build: &wire::ProjectionBuild| (build.build, build.role(), build.compared);
    builds.iter().map(role).collect()
}

/// The build that answers questions about a balance.
async fn answering(town: &Town) -> String {
    let request = wire::GetBalanceRequest {
        person_id: volunteer(0).to_string(),
        consistency: Some(wire::ReadConsistency {
            at_least: None,
            with_consequences: true,
        }),
        ..Default::default()
    };
    let answer = town.done(ADMIN, request).await;
    let balance = answer.balance.expect("a balance");
    assert_eq!(balance.granted, 50, "every build says so");
    answer.read_point.expect("a read point").build
}

/// The events about builds: type and payload.
fn recorded(town: &Town) -> Vec<(String, Value)> {
    let stream = format!("projection/{MODEL}");
    let events = town.folder.replay(&["--stream", &stream]);
    let event = |event: Value| {
        let name = event["type"].as_str().expect("a type").to_owned();
        (name, event["payload"].clone())
    };
    events.into_iter().map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_model_is_compared_switched_rolled_back_and_retired_and_the_log_says_by_whom() {
    use wire::BuildRole::{Candidate, Kept, Live};
    let town = town().await;
    assert!(answering(&town).await.ends_with("/1"));

    let started = town.done(ADMIN, start(&town)).await;
    assert_eq!(started.build, 2);
    let told = watch(&town, 2).await;
    let last = told.last().expect("something is told");
    assert_eq!((last.build, last.phase()), (2, wire::BuildPhase::Following));
    let watched_again = watch(&town, 0).await;
    assert_eq!(watched_again.len(), 1, "it follows already");
    let now = builds(&town, ADMIN).await;
    assert_eq!(roles(&now), [(1, Live, false), (2, Candidate, false)]);
    assert!(now.iter().all(|build| build.partitions == 1));

    let request = compare(&town, 2);
    let found = town.done(ADMIN, request.clone()).await;
    assert_eq!((found.live, found.build, found.partitions), (1, 2, 1));
    assert_eq!((found.differing_partitions, found.differing_rows), (0, 0));
    assert!(found.rows == 2 && found.differences.is_empty(), "{found:?}");
    let repeat = town.done(ADMIN, request).await;
    let receipt = repeat.receipt.clone().expect("a receipt");
    assert!(receipt.replayed && repeat.rows == found.rows);
    let now = builds(&town, ADMIN).await;
    assert_eq!(roles(&now), [(1, Live, false), (2, Candidate, true)]);

    let request = switch(&town, 0);
    let switched = town.done(ADMIN, request.clone()).await;
    assert_eq!((switched.from, switched.to), (1, 2));
    assert!(answering(&town).await.ends_with("/2"));
    let repeat = town.done(ADMIN, request).await;
    assert!(repeat.receipt.expect("a receipt").replayed && repeat.to == 2);

    let back = town.done(ADMIN, roll_back(&town)).await;
    assert_eq!((back.from, back.to), (2, 1));
    assert!(answering(&town).await.ends_with("/1"));
    let now = builds(&town, ADMIN).await;
    assert_eq!(roles(&now), [(1, Live, false), (2, Kept, false)]);

    assert_eq!(town.done(ADMIN, retire(&town, 0)).await.build, 2);
    assert_eq!(roles(&builds(&town, ADMIN).await), [(1, Live, false)]);

    let events = recorded(&town);
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "RebuildStarted",
            "BuildsCompared",
            "BuildSwitched",
            "BuildRolledBack",
            "BuildRetired"
        ]
    );
    let by = &events[0].1["by"];
    assert!(by.is_string());
    assert!(events.iter().all(|(_, payload)| payload["by"] == *by));
    assert_eq!(events[1].1["rows"], found.rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_live_and_what_is_a_candidate_outlives_a_restart() {
    use wire::BuildRole::{Candidate, Kept, Live};
    let mut town = town().await;
    for _ in 0..2 {
        town.done(ADMIN, start(&town)).await;
    }
    watch(&town, 2).await;
    town.done(ADMIN, compare(&town, 2)).await;
    town.done(ADMIN, switch(&town, 2)).await;
    let before = builds(&town, ADMIN).await;
    let expected = [(1, Kept, false), (2, Live, false), (3, Candidate, false)];
    assert_eq!(roles(&before), expected);
    town.restart().await;
    assert_eq!(roles(&builds(&town, ADMIN).await), expected);
    assert!(answering(&town).await.ends_with("/2"));
    watch(&town, 3).await;
    let found = town.done(ADMIN, compare(&town, 3)).await;
    assert_eq!((found.live, found.differing_rows), (2, 0));
    town.stop().kill();
    town.start().await;
    assert_eq!(roles(&builds(&town, ADMIN).await)[2], (3, Candidate, true));
    watch(&town, 1).await;
    let back = town.done(ADMIN, roll_back(&town)).await;
    assert_eq!((back.from, back.to), (2, 1));
    assert!(answering(&town).await.ends_with("/1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_with_builds_is_refused_by_name() {
    let town = town().await;
    let admin = town.by(ADMIN);
    let state = Code::FailedPrecondition;
    refused(admin.call(switch(&town, 0)).await, state, "NO_CANDIDATE");
    refused(admin.call(roll_back(&town)).await, state, "NOTHING_KEPT");
    refused(admin.call(retire(&town, 0)).await, state, "NOTHING_KEPT");
    let missing = "BUILD_IS_NO_CANDIDATE";
    refused(admin.call(compare(&town, 2)).await, Code::NotFound, missing);
    refused(admin.call(cancel(&town, 7)).await, Code::NotFound, missing);
    let malformed = "FIELD_MALFORMED";
    refused(
        admin.call(compare(&town, 0)).await,
        Code::InvalidArgument,
        malformed,
    );
    let request = wire::CompareBuildsRequest {
        differences_max: 101,
        ..compare(&town, 2)
    };
    refused(admin.call(request).await, Code::InvalidArgument, malformed);
    let watch = |model: &str, build| wire::WatchRebuildRequest {
        model: model.to_owned(),
        build,
    };
    let answer = admin.watch(watch(MODEL, 0)).await;
    refused(answer.map(|_| ()), state, "NO_CANDIDATE");
    let told = admin.watch(watch(MODEL, 9)).await;
    let first = told.expect("a stream").message().await;
    refused(first, Code::NotFound, missing);

    let unknown = "READ_MODEL_NOT_FOUND";
    let request = wire::StartRebuildRequest {
        model: "unheard_of".to_owned(),
        ..start(&town)
    };
    refused(admin.call(request).await, Code::NotFound, unknown);
    let answer = admin.watch(watch("unheard_of", 1)).await;
    refused(answer.map(|_| ()), Code::NotFound, unknown);
    let request = wire::ListProjectionsRequest {
        model: "unheard_of".to_owned(),
    };
    refused(admin.call(request).await, Code::NotFound, unknown);

    let wrong = wire::StartRebuildRequest {
        build: 5,
        ..start(&town)
    };
    refused(admin.call(wrong).await, state, "BUILD_IS_NOT_NEXT");
    town.done(ADMIN, start(&town)).await;
    refused(
        admin.call(switch(&town, 2)).await,
        state,
        "BUILD_NOT_COMPARED",
    );
    town.done(ADMIN, start(&town)).await;
    refused(admin.call(start(&town)).await, state, "TOO_MANY_CANDIDATES");
    refused(admin.call(cancel(&town, 0)).await, state, "BUILD_NOT_NAMED");
    assert_eq!(town.done(ADMIN, cancel(&town, 2)).await.build, 2);
    assert_eq!(town.done(ADMIN, cancel(&town, 0)).await.build, 3);
    let names: Vec<_> = recorded(&town).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "RebuildStarted",
            "RebuildStarted",
            "RebuildCancelled",
            "RebuildCancelled"
        ],
        "refusals are not recorded"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_administrators_change_builds_and_others_see_how_the_models_do() {
    let town = town().await;
    town.done(ADMIN, start(&town)).await;
    watch(&town, 2).await;
    let captain = town.by(CAPTAIN);
    let (denied, name) = (Code::PermissionDenied, "ACTOR_IS_NO_ADMINISTRATOR");
    refused(captain.call(start(&town)).await, denied, name);
    refused(captain.call(compare(&town, 2)).await, denied, name);
    refused(captain.call(switch(&town, 2)).await, denied, name);
    refused(captain.call(roll_back(&town)).await, denied, name);
    refused(captain.call(cancel(&town, 2)).await, denied, name);
    refused(captain.call(retire(&town, 1)).await, denied, name);
    let request = wire::WatchRebuildRequest {
        model: MODEL.to_owned(),
        build: 2,
    };
    refused(captain.watch(request).await.map(|_| ()), denied, name);
    let told = builds(&town, CAPTAIN).await;
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|build| build.position > 0));
    // How many accounts or leads there are is for administrators alone.
    let counts = told
        .iter()
        .map(|build| build.partitions + build.resident_bytes);
    assert_eq!(counts.sum::<u64>(), 0);
}

fn on_server(town: &Town, verb: &str, args: &[&str]) -> Ran {
    run(&[&["projections", verb, MODEL, "--server", town.url()], args].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_rebuilds_on_a_server() {
    let town = town().await;
    let json = &["--json"][..];
    let none = on_server(&town, "compare", &[]).exits(3);
    assert!(
        none.stderr.contains("benniu projections rebuild"),
        "{}",
        none.stderr
    );
    let rebuilt = on_server(&town, "rebuild", json).exits(0).json();
    assert_eq!(
        (&rebuilt["build"], &rebuilt["phase"]),
        (&2.into(), &"following".into())
    );
    let again = on_server(&town, "rebuild", &["--resume", "--json"]).exits(0);
    assert_eq!(again.json()["build"], 2);
    let found = on_server(&town, "compare", json).exits(0).json();
    assert_eq!(
        (&found["live"], &found["differing_rows"]),
        (&1.into(), &0.into())
    );
    let text = on_server(&town, "compare", &[]).exits(0).stdout;
    assert!(text.contains("all say the same"), "{text}");
    let switched = on_server(&town, "switch", json).exits(0).json();
    assert_eq!((&switched["from"], &switched["to"]), (&1.into(), &2.into()));
    let back = on_server(&town, "rollback", &[]).exits(0).stdout;
    assert!(back.contains("build 1 is live"), "{back}");
    let table = on_server(&town, "status", &[]).exits(0).stdout;
    assert!(
        table.contains("kept") && table.contains("following"),
        "{table}"
    );
    let retired = on_server(&town, "retire", json).exits(0).json();
    assert_eq!(retired["build"], 2);
    on_server(&town, "rebuild", &[]).exits(0);
    let cancelled = on_server(&town, "cancel", json).exits(0).json();
    assert_eq!(cancelled["build"], 3);

    let refused = on_server(&town, "retire", &[]).exits(3);
    assert!(
        refused.stderr.contains("NOTHING_KEPT"),
        "{}",
        refused.stderr
    );
    let captain = on_server(&town, "rebuild", &["--as", CAPTAIN]).exits(3);
    let why = &captain.stderr;
    assert!(why.contains("ACTOR_IS_NO_ADMINISTRATOR"), "{why}");
    let unknown = [
        "projections",
        "rebuild",
        "unheard_of",
        "--server",
        town.url(),
    ];
    let unknown = run(&unknown).exits(3);
    assert!(unknown.stderr.contains("READ_MODEL_NOT_FOUND"));
    let all = run(&["projections", "status", "--json", "--server", town.url()]);
    let all = all.exits(0).json();
    let models = all["builds"].as_array().expect("a list").len();
    assert!(models >= 15, "{all}");
}

fn on_folder(town: &Town, verb: &str, args: &[&str]) -> Ran {
    let args = [&[MODEL], args].concat();
    town.folder.run(&["projections", verb], &args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_rebuilds_on_a_folder_and_status_changes_no_byte() {
    let mut town = town().await;
    town.stop().terminate().exits(0);
    let json = &["--json"][..];
    assert_eq!(
        on_folder(&town, "rebuild", json).exits(0).json()["build"],
        2
    );
    let stored = town.folder.digests();
    let status = on_folder(&town, "status", json).exits(0).json();
    let builds = status["builds"].as_array().expect("a list");
    assert_eq!(builds.len(), 2);
    assert_eq!(
        (&builds[1]["role"], &builds[1]["phase"]),
        (&"candidate".into(), &Value::Null)
    );
    assert!(
        on_folder(&town, "status", &[])
            .exits(0)
            .stdout
            .contains("stored")
    );
    assert_eq!(town.folder.digests(), stored);
    assert_eq!(
        on_folder(&town, "compare", json).exits(0).json()["differing_rows"],
        0
    );
    assert_eq!(on_folder(&town, "switch", json).exits(0).json()["to"], 2);
    assert_eq!(on_folder(&town, "rollback", json).exits(0).json()["to"], 1);
    assert_eq!(on_folder(&town, "retire", json).exits(0).json()["build"], 2);
    assert_eq!(recorded(&town).len(), 5);

    town.start().await;
    // A service holds the folder: it is asked instead.
    on_folder(&town, "rebuild", &[]).exits(3);
    on_folder(&town, "status", &[]).exits(0);
    assert!(answering(&town).await.ends_with("/1"));
}

#[test]
fn wrong_usage_of_projections_exits_2() {
    for args in [
        &["projections"][..],
        &["projections", "status"],
        &["projections", "rebuild", "--data", "d"],
        &["projections", "rebuild", MODEL],
        &[
            "projections",
            "rebuild",
            MODEL,
            "--data",
            "d",
            "--server",
            "s",
        ],
        &[
            "projections",
            "rebuild",
            MODEL,
            "--data",
            "d",
            "--build",
            "2",
        ],
        &[
            "projections",
            "switch",
            MODEL,
            "--data",
            "d",
            "--build",
            "0",
        ],
        &[
            "projections",
            "compare",
            MODEL,
            "--data",
            "d",
            "--limit",
            "101",
        ],
    ] {
        let ran = run(args).exits(2);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}
