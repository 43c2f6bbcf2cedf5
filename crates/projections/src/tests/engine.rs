use std::sync::Arc;
use std::time::Duration;

use domain::projection::{self, Projection};
use eventlog::EventLog;
use proptest::prelude::*;
use tempfile::TempDir;

use super::folded;
use crate::ReadModel as _;
use crate::build::Phase;
use crate::engine::{BuildHealth, CompareError, Engine, FOLLOW_EVENTS, Options, Pause, Role};
use crate::fixture::{COMMUNITY, History, id};
use crate::read_models::members::Members;

pub(super) const SOON: Duration = Duration::from_secs(20);
/// What takes so long on any machine does not come.
const NEVER: Duration = Duration::from_mins(2);

pub(super) async fn engine(history: &History, options: Options) -> Engine {
    let log: Arc<dyn EventLog> = history.log.clone();
    let engine = Engine::start(log, options).await.expect("started");
    let head = history.log.head().position;
    engine.wait_applied(head, SOON).await.expect("caught up");
    engine
}

#[track_caller]
pub(super) fn equals_a_fold(engine: &Engine, history: &History) {
    for (live, fold) in engine.models().all().into_iter().zip(folded(history).all()) {
        assert_eq!(
            live.live().checksum(),
            fold.live().checksum(),
            "{}",
            live.name()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_models_equal_a_fold_of_the_log() {
    let mut history = History::whole().await;
    let engine = engine(&history, Options::default()).await;
    equals_a_fold(&engine, &history);
    let position = history.reported("2024-05-02T00:00:00Z", 777).await;
    engine.wait_applied(position, SOON).await.expect("applied");
    equals_a_fold(&engine, &history);
    let health = engine.health();
    assert_eq!(
        (health.applied, health.head, health.lag_seconds),
        (position, position, 0)
    );
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_what_is_not_there_ends_with_the_lag() {
    let history = History::whole().await;
    let engine = engine(&history, Options::default()).await;
    let head = history.log.head().position;
    let lagging = engine
        .wait_applied(head + 1, Duration::from_secs(3))
        .await
        .expect_err("never");
    assert_eq!((lagging.applied, lagging.wanted), (head, head + 1));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_from_the_snapshots() {
    let folder = TempDir::new().expect("a folder");
    let options = Options {
        views: Some(folder.path().join("views")),
        ..Options::default()
    };
    let mut history = History::whole().await;
    engine(&history, options.clone()).await.stop().await;
    let stopped_at = history.log.head().position;
    let again = engine(&history, options.clone()).await;
    for health in again.health().models {
        assert_eq!(health.saved, Some(stopped_at), "{}", health.name);
    }
    // A member of a unit founded before the snapshot still falls into its local month.
    history.joins("2024-05-31T16:00:00Z", 13).await;
    let head = history.log.head().position;
    again.wait_applied(head, SOON).await.expect("applied");
    equals_a_fold(&again, &history);
    again.stop().await;
    // One file damaged: that model is folded anew, the others are not.
    let views = options.views.as_deref().expect("set");
    let folder = crate::views::folder(views, Members::NAME, 1, Members::SCHEMA_VERSION);
    std::fs::write(folder.join("manifest"), b"BNVIEW02 and then nothing").expect("written");
    let healed = engine(&history, options).await;
    equals_a_fold(&healed, &history);
    healed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_panics_is_fenced_and_stops_no_other() {
    let folder = TempDir::new().expect("a folder");
    let options = Options {
        views: Some(folder.path().to_owned()),
        ..Options::default()
    };
    let mut history = History::whole().await;
    let engine = engine(&history, options).await;
    let before = engine.checksum("balances").expect("a model");
    let bad = history.log.head().position + 1;
    engine.models().balances.panic_at(bad);
    history
        .award("2024-05-03T00:00:00Z", 11, 9, "2024-05-02T00:00:00Z", None)
        .await;
    let head = history.joins_one().await;
    engine
        .wait_applied(head, SOON)
        .await
        .expect("the others go on");
    let fault = engine
        .models()
        .balances
        .read()
        .fault
        .clone()
        .expect("fenced");
    assert_eq!(fault.position, bad);
    assert!(fault.what.contains("made to panic"), "{}", fault.what);
    while !engine.models().balances.read().is_whole() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        engine.checksum("balances"),
        Some(before),
        "served stale and whole"
    );
    let health = engine.health();
    let stale = health
        .models
        .iter()
        .find(|model| model.name == "balances")
        .expect("listed");
    assert_eq!(stale.lag_events, health.head - (bad - 1));
    // A rebuild with code that no longer panics puts it right.
    history.acts("balances", started(2)).await;
    let caught_up = ready(&engine, "balances", 2).await;
    assert_eq!(caught_up.role, Role::Candidate);
    let comparison = engine.compare("balances", 2, 10).await.expect("ready");
    assert!(!comparison.is_equal(), "the live one lacks what came after");
    history.acts("balances", switched(1, 2)).await;
    while engine.models().balances.read().id != 2 {
        tokio::task::yield_now().await;
    }
    equals_a_fold(&engine, &history);
    assert_eq!(engine.models().balances.read().fault, None);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_event_fences_only_the_models_that_want_it() {
    let mut history = History::whole().await;
    let folder = TempDir::new().expect("a folder");
    let options = Options {
        views: Some(folder.path().to_owned()),
        ..Options::default()
    };
    let engine = engine(&history, options.clone()).await;
    let key: domain::ids::CampaignId = id(9);
    history
        .unreadable(domain::StreamName::new("campaign", key))
        .await;
    let head = history.joins_one().await;
    engine
        .wait_applied(head, SOON)
        .await
        .expect("the others go on");
    for model in engine.models().all() {
        let fenced = matches!(model.name(), "activities" | "volunteer_growth");
        assert_eq!(
            model.live().standing().fault.is_some(),
            fenced,
            "{}",
            model.name()
        );
    }
    history.acts("activities", started(2)).await;
    let found = loop {
        let health = engine.build("activities", 2);
        match health.and_then(|health| health.fault) {
            Some(fault) => break fault,
            None => tokio::task::yield_now().await,
        }
    };
    let compared = engine.compare("activities", 2, 10).await;
    assert_eq!(
        compared,
        Err(CompareError::Fault(found)),
        "as long as the event is unreadable"
    );
    assert!(engine.models().activities.read().fault.is_some());
    let stale = engine.models().activities.read().position;
    engine.stop().await;
    let again = self::engine(&history, options).await;
    until(|| again.models().activities.read().fault.is_some()).await;
    until(|| again.models().activities.read().phase == Phase::Following).await;
    assert_eq!(
        again.models().activities.read().position,
        stale,
        "served stale after a restart too"
    );
    again.stop().await;
}

pub(super) fn started(build: u32) -> projection::Event {
    projection::Event::RebuildStarted {
        build,
        schema_version: 1,
        by: id(1),
    }
}

pub(super) fn switched(from: u32, to: u32) -> projection::Event {
    projection::Event::BuildSwitched {
        from,
        to,
        by: id(1),
    }
}

pub(super) async fn ready(engine: &Engine, model: &str, build: u32) -> BuildHealth {
    let follows = |health: &BuildHealth| health.phase == Phase::Following;
    let found = || engine.build(model, build).filter(follows);
    until(|| found().is_some()).await;
    found().expect("ready")
}

pub(super) fn all_follow(engine: &Engine) -> bool {
    let builds = engine.builds().into_iter();
    builds
        .map(|build| build.phase)
        .all(|phase| phase == Phase::Following)
}

pub(super) async fn until(mut reached: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !reached() {
        assert!(began.elapsed() < NEVER, "waited for what never comes");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_folded_again_beside_the_live_one_says_the_same() {
    let mut history = History::whole().await;
    let engine = engine(&history, Options::default()).await;
    for name in crate::Models::NAMES {
        history.acts(name, started(2)).await;
    }
    for name in crate::Models::NAMES {
        ready(&engine, name, 2).await;
        let comparison = engine.compare(name, 2, 10).await.expect("ready");
        assert!(comparison.is_equal(), "{name}");
        assert_eq!((comparison.live, comparison.build), (1, 2));
        assert!(comparison.found.rows > 0, "{name}");
    }
    assert_eq!(
        engine.compare("nothing", 2, 10).await,
        Err(CompareError::NoSuchModel)
    );
    assert_eq!(
        engine.compare("balances", 9, 10).await,
        Err(CompareError::NoSuchBuild)
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_are_switched_rolled_back_and_retired_as_the_log_says_also_over_a_restart() {
    let folder = TempDir::new().expect("a folder");
    let options = Options {
        views: Some(folder.path().join("views")),
        ..Options::default()
    };
    let home = |build| {
        let views = folder.path().join("views");
        crate::views::folder(&views, Members::NAME, build, Members::SCHEMA_VERSION)
    };
    let mut history = History::whole().await;
    let first = engine(&history, options.clone()).await;
    history.acts("members", started(2)).await;
    ready(&first, "members", 2).await;
    history.acts("members", switched(1, 2)).await;
    until(|| first.models().members.read().id == 2).await;
    assert_eq!(first.build("members", 1).expect("kept").role, Role::Kept);
    first.stop().await;
    history.joins_one().await;
    let again = engine(&history, options.clone()).await;
    assert_eq!(again.models().members.read().id, 2, "live by the log");
    equals_a_fold(&again, &history);
    let kept = ready(&again, "members", 1).await;
    assert_eq!((kept.role, kept.position), (Role::Kept, again.applied()));
    let back = projection::Event::BuildRolledBack {
        from: 2,
        to: 1,
        by: id(1),
    };
    history.acts("members", back).await;
    until(|| again.models().members.read().id == 1).await;
    equals_a_fold(&again, &history);
    let retired = projection::Event::BuildRetired {
        build: 2,
        by: id(1),
    };
    history.acts("members", retired).await;
    until(|| again.build("members", 2).is_none()).await;
    until(|| !home(2).exists()).await;
    again.stop().await;
    assert!(home(1).exists());
    let last = engine(&history, options).await;
    assert_eq!(last.build("members", 2), None);
    equals_a_fold(&last, &history);
    last.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_cancelled_goes_with_its_snapshot() {
    let folder = TempDir::new().expect("a folder");
    let options = Options {
        views: Some(folder.path().to_owned()),
        ..Options::default()
    };
    let mut history = History::whole().await;
    let engine = engine(&history, options).await;
    history.acts("members", started(2)).await;
    ready(&engine, "members", 2).await;
    let cancelled = projection::Event::RebuildCancelled {
        build: 2,
        by: id(1),
    };
    history.acts("members", cancelled).await;
    until(|| engine.build("members", 2).is_none()).await;
    engine.stop().await;
    let home = crate::views::folder(folder.path(), Members::NAME, 2, Members::SCHEMA_VERSION);
    assert!(!home.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_budget_pages_are_let_go_and_what_comes_is_taken_into_those_read_again() {
    let folder = TempDir::new().expect("a folder");
    let options = Options {
        views: Some(folder.path().to_owned()),
        memory_bytes: 1,
        ..Options::default()
    };
    let mut history = History::whole().await;
    let engine = engine(&history, options).await;
    assert!(engine.health().resident_bytes > 1);
    until(|| engine.health().resident_bytes == 0).await;
    history.joins_one().await;
    let position = history.reported("2024-05-02T00:00:00Z", 777).await;
    engine.wait_applied(position, SOON).await.expect("applied");
    equals_a_fold(&engine, &history);
    until(|| engine.health().resident_bytes == 0).await;
    equals_a_fold(&engine, &history);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_builds_that_are_folded_together_one_is_cancelled_and_the_others_go_on() {
    let points = TempDir::new().expect("a folder");
    let options = Options {
        pause: Pause {
            folder: Some(points.path().to_owned()),
        },
        ..Options::default()
    };
    let point = |name: &str| points.path().join(name);
    let mut history = History::whole().await;
    for n in 0..2_500_u128 {
        history.reported("2024-05-02T00:00:00Z", 90_000 + n).await;
    }
    let engine = engine(&history, options).await;
    let [first, second, third] =
        ["members", "case_board", "balances"].map(|model| point(&format!("rebuild.{model}.hold")));
    for hold in [&first, &second, &third] {
        std::fs::write(hold, b"").expect("written");
    }
    // The first is held under way; the two others wait for it.
    history.acts("members", started(2)).await;
    until(|| point("rebuild.members.reached").exists()).await;
    history.acts("case_board", started(2)).await;
    history.acts("balances", started(2)).await;
    until(|| engine.build("balances", 2).is_some()).await;
    let waiting = engine.build("balances", 2).expect("asked for");
    assert_eq!((waiting.progress, waiting.position), (None, 0));
    std::fs::remove_file(&first).expect("held");
    ready(&engine, "members", 2).await;
    // Now both are folded together, under the name of one of them.
    let together = || {
        let mut models = ["case_board", "balances"].into_iter();
        models.any(|model| point(&format!("rebuild.{model}.reached")).exists())
    };
    until(together).await;
    let together = engine.build("balances", 2).expect("under way");
    assert!(together.progress.is_some() && together.position > 0);
    let cancelled = projection::Event::RebuildCancelled {
        build: 2,
        by: id(1),
    };
    history.acts("case_board", cancelled).await;
    std::fs::remove_file(&second).expect("held");
    std::fs::remove_file(&third).expect("held");
    until(|| engine.build("case_board", 2).is_none()).await;
    for name in ["members", "balances"] {
        ready(&engine, name, 2).await;
        let compared = engine.compare(name, 2, 10).await.expect("ready");
        assert!(compared.is_equal(), "{name}");
    }
    engine.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_batches_threads_snapshots_memory_and_restarts_the_models_equal_a_naive_fold(
        schedule in prop::collection::vec(
            (1_u64..40, any::<bool>(), 0_usize..3, 0_u64..30, prop::option::of(0_u64..200)),
            1..4,
        ),
    ) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let folder = TempDir::new().expect("a folder");
            let mut history = History::whole().await;
            let (mut more, mut build) = (0_u128, 2);
            for (snapshot_events, rebuild, memory, grow, follow_events) in schedule {
                let options = Options {
                    views: Some(folder.path().to_owned()),
                    snapshot_events,
                    memory_bytes: memory * 2_000,
                    build_threads: 1 + memory,
                    // Behind by more, builds are folded in rounds by jobs.
                    follow_events: follow_events.unwrap_or(FOLLOW_EVENTS),
                    divide_events: 50,
                    ..Options::default()
                };
                let engine = engine(&history, options).await;
                for _ in 0..grow {
                    more += 1;
                    history.reported("2024-05-02T00:00:00Z", 90_000 + more).await;
                }
                if rebuild {
                    history.acts("case_board", started(build)).await;
                    ready(&engine, "case_board", build).await;
                    until(|| all_follow(&engine)).await;
                    let compared = engine.compare("case_board", build, 10).await.expect("ready");
                    assert!(compared.is_equal());
                    history.acts("case_board", switched(build - 1, build)).await;
                    build += 1;
                }
                let head = history.log.head().position;
                engine.wait_applied(head, SOON).await.expect("caught up");
                until(|| all_follow(&engine)).await;
                equals_a_fold(&engine, &history);
                engine.stop().await;
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_shared_by_several_threads_says_what_one_event_after_the_other_says() {
    let mut history = History::whole().await;
    for n in 0..2_000_u128 {
        history
            .reported("2024-05-02T00:00:00Z", 90_000 + (n * 7_919) % 2_000)
            .await;
    }
    let engine = engine(&history, Options::default()).await;
    equals_a_fold(&engine, &history);
    assert!(engine.models().case_board.read().partitions.len() > crate::pages::PAGE_PARTITIONS_MAX);
    engine.stop().await;
}

impl History {
    async fn joins_one(&mut self) -> u64 {
        self.joins("2024-05-04T00:00:00Z", COMMUNITY + 1_000).await;
        self.log.head().position
    }

    pub(super) async fn acts(&mut self, model: &str, event: projection::Event) {
        self.one::<Projection>("2024-05-05T00:00:00Z", None, model, event)
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_is_read_again() {
    let mut history = History::whole().await;
    let engine = engine(&history, Options::default()).await;
    history.log.inject(eventlog::memory::Fault::FailRead);
    let head = history.joins_one().await;
    engine
        .wait_applied(head, SOON)
        .await
        .expect("after a while");
    equals_a_fold(&engine, &history);
    engine.stop().await;
}
