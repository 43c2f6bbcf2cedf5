use std::sync::Arc;
use std::time::Duration;

use eventlog::EventLog;
use tempfile::TempDir;

use super::folded;
use crate::engine::{Engine, Options, RebuildError};
use crate::fixture::{COMMUNITY, History, id};
use crate::models::AnyModel;

const SOON: Duration = Duration::from_secs(20);

async fn engine(history: &History, options: Options) -> Engine {
    let log: Arc<dyn EventLog> = history.log.clone();
    let engine = Engine::start(log, options).await.expect("started");
    let head = history.log.head().position;
    engine.wait_applied(head, SOON).await.expect("caught up");
    engine
}

#[track_caller]
fn equals_a_fold(engine: &Engine, history: &History) {
    for (live, fold) in engine.models().all().into_iter().zip(folded(history).all()) {
        assert_eq!(live.checksum(), fold.checksum(), "{}", live.name());
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
    for model in again.models().all() {
        assert_eq!(model.saved(), Some(stopped_at), "{}", model.name());
    }
    // A member of a unit founded before the snapshot still falls into its local month.
    history.joins("2024-05-31T16:00:00Z", 13).await;
    let head = history.log.head().position;
    again.wait_applied(head, SOON).await.expect("applied");
    equals_a_fold(&again, &history);
    again.stop().await;
    // One file damaged: that model is folded anew, the others are not.
    let file = crate::snapshot::path(options.views.as_deref().expect("set"), "members", 1);
    std::fs::write(&file, b"BNVIEW01 and then nothing").expect("written");
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
    let fault = engine.models().balances.fault().expect("fenced");
    assert_eq!(fault.position, bad);
    assert!(fault.what.contains("made to panic"), "{}", fault.what);
    while engine.models().balances.is_suspect() {
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
    let rebuilt = engine.rebuild("balances", |_| {}).await.expect("rebuilt");
    assert!(rebuilt.switched && rebuilt.is_equal());
    equals_a_fold(&engine, &history);
    assert_eq!(engine.models().balances.fault(), None);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_event_fences_only_the_models_that_want_it() {
    let mut history = History::whole().await;
    let engine = engine(&history, Options::default()).await;
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
        assert_eq!(model.fault().is_some(), fenced, "{}", model.name());
    }
    let outcome = engine.rebuild("activities", |_| {}).await;
    assert!(
        matches!(outcome, Err(RebuildError::Fault(_))),
        "as long as the event is unreadable"
    );
    assert!(engine.models().activities.fault().is_some());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_from_the_start_equals_the_live_model() {
    let history = History::whole().await;
    let engine = engine(&history, Options::default()).await;
    for name in crate::Models::NAMES {
        let rebuilt = engine.rebuild(name, |_| {}).await.expect("rebuilt");
        assert!(rebuilt.is_equal() && !rebuilt.switched, "{name}");
        assert!(rebuilt.differences.is_empty());
    }
    assert!(engine.rebuild("nothing", |_| {}).await.is_err());
    engine.stop().await;
}

impl History {
    async fn joins_one(&mut self) -> u64 {
        self.joins("2024-05-04T00:00:00Z", COMMUNITY + 1_000).await;
        self.log.head().position
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
