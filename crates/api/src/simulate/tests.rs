//! A simulated history repeats, is whole, and can be gone on with.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use domain::account::Account;
use domain::aggregates::CATEGORIES;
use domain::ids::PersonId;
use eventlog::{EventLog as _, ReadLog, VerifyOptions};
use uuid::Uuid;

use super::*;

fn plan(dir: &Path, communities: u32, days: u32, seed: u64, threads: u32) -> Plan {
    Plan {
        data: dir.join("log"),
        communities,
        days,
        seed,
        threads,
    }
}

/// Simulates into a fresh folder.
async fn simulated(communities: u32, days: u32, seed: u64, threads: u32) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), communities, days, seed, threads);
    run(&plan, &mut |_| ()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_gives_the_same_root_whatever_the_number_of_threads() {
    let one = simulated(2, 5, 11, 1).await;
    for threads in [2, 7] {
        assert_eq!(simulated(2, 5, 11, threads).await, one, "{threads} threads");
    }
    let other = simulated(2, 5, 12, 2).await;
    assert_ne!(other.root, one.root, "another seed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_go_on_from_each_other() {
    let short = simulated(1, 3, 5, 1).await;
    let dir = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let plan = plan(dir.path(), 1, 4, 5, 1);
    let long = run(&plan, &mut |progress| told.push(progress))
        .await
        .unwrap();
    let third = told.iter().filter(|progress| progress.days == 3);
    let events = third.map(|progress| progress.events).min();
    assert_eq!(events, Some(short.events), "the first three days");
    let last = told.last().map(|progress| (progress.days, progress.events));
    assert_eq!(last, Some((4, long.events)));
}

/// Categories of streams that no simulated activity writes: nothing is imported, and no unit ends.
const NOT_SIMULATED: [&str; 2] = ["import_batch", "open_item"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_is_whole_has_every_category_and_a_service_finds_nothing_left_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), 3, 24, 3, 2);
    let outcome = run(&plan, &mut |_| ()).await.unwrap();
    let verified = eventlog::verify(&plan.data, VerifyOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(verified.findings, []);
    assert_eq!(
        (verified.events, verified.commits),
        (outcome.events, outcome.commits)
    );
    assert_eq!(verified.root, outcome.root);

    let found: BTreeSet<&str> = outcome.by_type.keys().map(String::as_str).collect();
    let all = CATEGORIES.iter().copied();
    let expected: BTreeSet<&str> = all.filter(|it| !NOT_SIMULATED.contains(it)).collect();
    assert_eq!(found, expected);
    let counted: u64 = outcome.by_type.values().flat_map(BTreeMap::values).sum();
    assert_eq!(counted, outcome.events, "every event is counted");
    assert_eq!(
        outcome.refused,
        BTreeMap::new(),
        "the script keeps the rules"
    );

    let log = ReadLog::open(&plan.data).unwrap();
    let mut earners = BTreeSet::new();
    for commit in log.read(1, log.head().position) {
        let streams = commit.unwrap().events.into_iter().map(|event| event.stream);
        let accounts = streams.filter(|stream| stream.category() == "account");
        earners.extend(accounts.map(|stream| Uuid::parse_str(stream.key()).unwrap()));
    }
    drop(log);
    assert!(earners.len() > 20, "{} accounts", earners.len());

    // Without their cursors, reactions ask for everything again.
    std::fs::remove_dir_all(plan.data.join("views")).unwrap();
    let (backend, report) = folder::open(&plan.data).await.unwrap();
    assert!(report.clean);
    let minute = Duration::from_mins(1);
    let followed = backend
        .consequences
        .wait(outcome.events, minute)
        .await
        .unwrap();
    assert_eq!(followed.stuck, Vec::<&str>::new());
    let now = backend.executor.now();
    let fired = backend.timers.advance_to(now).await.unwrap();
    assert_eq!(
        (fired.taken, backend.executor.log().head().position),
        (0, outcome.events)
    );
    for model in backend.engine.health().models {
        assert_eq!(
            (model.fault, model.position),
            (None, outcome.events),
            "{}",
            model.name
        );
    }
    for person in earners.into_iter().map(PersonId) {
        let account = backend.executor.state::<Account>(person).unwrap();
        assert!(account.is_conserved(), "{person}");
        let models = backend.engine.models();
        let build = models.balances.read();
        let told = build.partitions.get(&person).unwrap().balance(now, None);
        let totals = account.totals;
        assert_eq!(
            (told.granted, told.revised),
            (totals.granted, totals.revised),
            "{person}"
        );
        let places = [
            told.pending,
            told.spendable,
            told.held,
            told.spent,
            told.expired,
        ];
        let places = places.iter().sum::<u64>() + told.reversed;
        let granted = i128::from(told.granted) + i128::from(told.revised);
        assert_eq!(
            granted,
            i128::from(places) - i128::from(told.debt),
            "{person}"
        );
    }
    backend.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactions_go_on_from_where_the_simulation_answered_them() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), 1, 2, 8, 1);
    let outcome = run(&plan, &mut |_| ()).await.unwrap();
    let cursor = plan.data.join("views/reaction-award_points.cursor");
    let text = std::fs::read_to_string(cursor).unwrap();
    assert!(
        text.contains(&format!("\"handled\":{}", outcome.events)),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_holds_something_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), 1, 1, 1, 1);
    std::fs::create_dir(&plan.data).unwrap();
    std::fs::write(plan.data.join("note"), "mine").unwrap();
    let error = run(&plan, &mut |_| ()).await.unwrap_err();
    assert!(error.to_string().ends_with("is not empty"), "{error}");
    assert_eq!(std::fs::read_dir(&plan.data).unwrap().count(), 1);
}
