//! Builds that do not fit into memory together: folded in rounds, whatever happens meanwhile.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::projection;
use eventlog::EventLog;
use tempfile::TempDir;

use super::engine::{SOON, all_follow, engine, equals_a_fold, ready, started, switched, until};
use crate::Models;
use crate::build::Phase;
use crate::engine::{BuildHealth, CompareError, Engine, Options, Pause};
use crate::fixture::{History, id};

/// The folders of an engine that folds in rounds, and the points at which it waits.
struct Folders {
    views: TempDir,
    points: TempDir,
}

impl Folders {
    fn new() -> Self {
        let folder = || TempDir::new().expect("a folder");
        Self {
            views: folder(),
            points: folder(),
        }
    }

    /// So little memory that what is folded is divided, and nothing is near enough to be followed.
    fn options(&self) -> Options {
        Options {
            views: Some(self.views.path().to_owned()),
            pause: Pause {
                folder: Some(self.points.path().to_owned()),
            },
            memory_bytes: 100_000,
            follow_events: 1,
            divide_events: 500,
            ..Options::default()
        }
    }

    fn point(&self, name: &str, what: &str) -> PathBuf {
        self.points.path().join(format!("rebuild.{name}.{what}"))
    }

    /// A round has the name of its first build. All builds are together in the first round; holds
    /// every other one.
    fn hold_divided(&self) {
        for name in Models::NAMES.iter().skip(1) {
            std::fs::write(self.point(name, "hold"), b"").expect("written");
        }
    }

    fn is_held(&self) -> bool {
        let mut names = Models::NAMES.iter();
        names.any(|name| self.point(name, "reached").exists())
    }

    fn let_go(&self) {
        for name in Models::NAMES {
            for what in ["hold", "reached"] {
                let _none = std::fs::remove_file(self.point(name, what));
            }
        }
    }

    async fn start(&self, history: &History) -> Engine {
        let log: Arc<dyn EventLog> = history.log.clone();
        let started = Engine::start(log, self.options()).await;
        started.expect("started")
    }

    /// An engine that has divided what it folds, and waits in one of the rounds.
    async fn start_until_divided(&self, history: &History) -> Engine {
        self.hold_divided();
        let engine = self.start(history).await;
        until(|| self.is_held()).await;
        engine
    }
}

async fn long_history() -> History {
    let mut history = History::whole().await;
    for n in 0..3_000_u128 {
        history.reported("2024-05-02T00:00:00Z", 90_000 + n).await;
    }
    history
}

fn waiting(engine: &Engine) -> Vec<BuildHealth> {
    let mut builds = engine.builds();
    builds.retain(|build| build.phase == Phase::Building);
    builds
}

fn positions(builds: &[BuildHealth]) -> BTreeSet<u64> {
    builds.iter().map(|build| build.position).collect()
}

/// Everything follows, takes in what comes, and says what the log says.
async fn comes_to_the_same(engine: &Engine, history: &mut History) {
    until(|| all_follow(engine)).await;
    let position = history.reported("2024-05-02T00:00:00Z", 777).await;
    engine.wait_applied(position, SOON).await.expect("applied");
    equals_a_fold(engine, history);
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_that_do_not_fit_into_memory_together_are_folded_in_rounds_and_say_the_same() {
    let (folders, mut history) = (Folders::new(), long_history().await);
    let engine = folders.start_until_divided(&history).await;
    let builds = waiting(&engine);
    assert!(positions(&builds).len() > 1, "{builds:?}");
    for build in builds {
        let progress = build.progress.expect("of a build under way or waiting");
        assert_eq!(progress.position, build.position);
        assert!(progress.position < progress.target);
    }
    folders.let_go();
    comes_to_the_same(&engine, &mut history).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_rounds_goes_on_in_rounds() {
    let (folders, mut history) = (Folders::new(), long_history().await);
    let engine = folders.start_until_divided(&history).await;
    let go_on = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        folders.let_go();
    };
    // The stop is asked for first, and waits for what is held.
    tokio::join!(biased; engine.stop(), go_on);
    let engine = folders.start_until_divided(&history).await;
    let builds = waiting(&engine);
    assert!(positions(&builds).len() > 1, "{builds:?}");
    assert!(builds.iter().all(|build| build.position > 0), "{builds:?}");
    folders.let_go();
    comes_to_the_same(&engine, &mut history).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_right_after_dividing_nobody_waits_for_what_is_folded_in_rounds() {
    let (folders, mut history) = (Folders::new(), long_history().await);
    let engine = folders.start_until_divided(&history).await;
    // As a kill leaves it: every live build has a snapshot of the moment of dividing.
    let copy = Folders::new();
    copied(folders.views.path(), copy.views.path());
    copy.hold_divided();
    let after = copy.start(&history).await;
    let head = history.log.head().position;
    assert_eq!(after.health().head, head);
    let builds = waiting(&after);
    assert!(!builds.is_empty());
    assert!(builds.iter().all(|build| build.progress.is_some()));
    folders.let_go();
    copy.let_go();
    engine.stop().await;
    comes_to_the_same(&after, &mut history).await;
    after.stop().await;
}

fn copied(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("copied");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_has_joined_is_dropped_and_the_rounds_behind_it_are_not_disturbed() {
    let (folders, mut history) = (Folders::new(), long_history().await);
    history.acts("members", started(2)).await;
    folders.hold_divided();
    let engine = folders.start(&history).await;
    // Round by round, until the candidate has joined.
    loop {
        until(|| folders.is_held() || all_follow(&engine)).await;
        let candidate = engine.build("members", 2).expect("asked for");
        if candidate.phase == Phase::Following {
            break;
        }
        let names = Models::NAMES.iter();
        for name in names.filter(|name| folders.point(name, "reached").exists()) {
            for what in ["hold", "reached"] {
                let _none = std::fs::remove_file(folders.point(name, what));
            }
        }
    }
    let cancelled = projection::Event::RebuildCancelled {
        build: 2,
        by: id(1),
    };
    let before = engine.applied();
    history.acts("members", cancelled).await;
    let mut lowest = before;
    until(|| {
        lowest = lowest.min(engine.applied());
        engine.build("members", 2).is_none()
    })
    .await;
    assert_eq!(lowest, before, "nobody who was answered waits anew");
    assert!(!waiting(&engine).is_empty());
    folders.let_go();
    comes_to_the_same(&engine, &mut history).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_build_that_is_folded_is_not_compared_and_goes_on_beside_when_another_takes_its_place()
 {
    let (folders, mut history) = (Folders::new(), long_history().await);
    let options = Options {
        memory_bytes: 100_000_000,
        ..folders.options()
    };
    let whole = engine(
        &history,
        Options {
            follow_events: 50_000,
            ..options.clone()
        },
    )
    .await;
    history.acts("case_board", started(2)).await;
    ready(&whole, "case_board", 2).await;
    whole.stop().await;
    // The snapshot of the live build alone is lost.
    let lost = crate::views::stored_builds(folders.views.path(), "case_board");
    let (live, schema) = lost
        .into_iter()
        .find(|(build, _)| *build == 1)
        .expect("stored");
    crate::views::remove(folders.views.path(), "case_board", live, schema);
    std::fs::write(folders.point("case_board", "hold"), b"").expect("written");
    let log: Arc<dyn EventLog> = history.log.clone();
    let engine = Engine::start(log, options).await.expect("started");
    until(|| folders.is_held()).await;
    let early = engine.compare("case_board", 2, 10).await;
    assert!(matches!(early, Err(CompareError::NotReady(_))), "{early:?}");
    history.acts("case_board", switched(1, 2)).await;
    // What is folded ends for the exchange, and begins anew beside.
    tokio::time::sleep(Duration::from_millis(1)).await;
    folders.let_go();
    until(|| {
        engine
            .builds_named("case_board")
            .first()
            .is_some_and(|live| live.build == 2)
    })
    .await;
    ready(&engine, "case_board", 1).await;
    let compared = engine.compare("case_board", 1, 10).await.expect("ready");
    assert!(compared.is_equal());
    comes_to_the_same(&engine, &mut history).await;
    engine.stop().await;
}
