//! How a what-if runs: within its bounds, one at a time, and without a trace.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::engine::Pause;
use crate::feed::Decoder;
use crate::fixture::COMMUNITY;
use crate::supposing::{Follows, Supposing};

async fn lively() -> Told {
    let told = Told::born().await;
    for n in 0..40 {
        told.verified(700 + n, STATION, Urgency::Yellow).await;
    }
    told.at(30).await;
    told.claimed(700).await;
    told
}

fn shorter() -> Supposition {
    everywhere(&pilot_with(&[(
        "hazard_yellow_hours = 24",
        "hazard_yellow_hours = 3",
    )]))
}

/// Every file below a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
            found.insert(entry.path(), Vec::new());
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).expect("read"));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_and_nothing_stays_even_where_there_is_no_memory_for_it() {
    let told = lively().await;
    let folder = TempDir::new().expect("a folder");
    let options = |memory_bytes| Options {
        views: Some(folder.path().to_owned()),
        memory_bytes,
        snapshot_every: std::time::Duration::from_hours(1),
        ..Options::default()
    };
    let mut answers = Vec::new();
    for memory_bytes in [1, 512 * 1_024 * 1_024] {
        // The first engine writes the snapshots, so that the next one finds nothing to write.
        for _ in 0..2 {
            let engine = Engine::start(told.town.log(), options(usize::MAX)).await;
            let engine = engine.expect("started");
            let head = told.town.head();
            let wait = std::time::Duration::from_secs(20);
            engine.wait_applied(head, wait).await.expect("caught up");
            engine.stop().await;
        }
        let engine = Engine::start(told.town.log(), options(memory_bytes)).await;
        let engine = engine.expect("started");
        let (root, head) = (told.town.log().head().root, told.town.head());
        let models = || {
            let names = crate::Models::NAMES.iter();
            names.map(|name| engine.checksum(name)).collect::<Vec<_>>()
        };
        let (before, on_disk) = (models(), files(folder.path()));
        let found = found(&engine, asked("case_board", shorter())).await;
        answers.push(found.expect("found"));
        assert_eq!(models(), before);
        assert_eq!(
            (told.town.log().head().root, told.town.head()),
            (root, head)
        );
        assert_eq!(files(folder.path()), on_disk);
        assert_eq!(engine.builds_named("case_board").len(), 1);
        engine.stop().await;
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].found.differing_rows, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_differing_rows_only_so_many_are_named() {
    let told = lively().await;
    let engine = told.engine().await;
    let few = Asked {
        rows: 3,
        ..asked("case_board", shorter())
    };
    let found = found(&engine, few).await.expect("found").found;
    assert_eq!((found.differences.len(), found.differing_rows), (3, 40));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_runs_at_a_time_tells_how_far_it_is_and_ends_when_nobody_wants_it() {
    let told = lively().await;
    let points = TempDir::new().expect("a folder");
    let options = Options {
        pause: Pause {
            folder: Some(points.path().to_owned()),
        },
        ..Options::default()
    };
    let engine = Engine::start(told.town.log(), options)
        .await
        .expect("started");
    let hold = points.path().join("suppose.hold");
    std::fs::write(&hold, b"").expect("written");
    let mut first = engine
        .suppose(asked("case_board", shorter()))
        .expect("begun");
    let progress = first.progress();
    assert_eq!((progress.position, progress.target), (0, told.town.head()));
    let second = engine.suppose(asked("hazard_report", shorter())).err();
    assert_eq!(second, Some(SupposeError::Busy));
    first.cancel();
    std::fs::remove_file(&hold).expect("held");
    assert_eq!(first.found().await, Err(SupposeError::Cancelled));
    // One that is dropped ends too, and leaves room for the next.
    std::fs::write(&hold, b"").expect("written");
    drop(
        engine
            .suppose(asked("case_board", shorter()))
            .expect("begun"),
    );
    std::fs::remove_file(&hold).expect("held");
    let next = loop {
        match engine.suppose(asked("case_board", shorter())) {
            Err(SupposeError::Busy) => tokio::task::yield_now().await,
            next => break next,
        }
    };
    let mut next = next.expect("begun");
    assert_eq!(next.found().await.expect("found").found.differing_rows, 40);
    assert_eq!(next.progress().position, told.town.head());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_refused_by_name() {
    let told = lively().await;
    let engine = told.engine().await;
    let head = told.town.head();
    let zones = || Supposition::Zones {
        community: id(COMMUNITY),
        zones: Vec::new(),
    };
    let range = |from, to| Asked {
        from,
        to: Some(to),
        ..asked("case_board", shorter())
    };
    for (asked, expected) in [
        (asked("unheard_of", shorter()), SupposeError::NoSuchModel),
        (asked("balances", shorter()), SupposeError::NotAsked),
        (
            asked("patrol_coverage", shorter()),
            SupposeError::FollowsOther(Follows::Zones),
        ),
        (
            asked("case_board", zones()),
            SupposeError::FollowsOther(Follows::Policy),
        ),
        (range(0, head), SupposeError::RangeNotInLog { head }),
        (range(5, 4), SupposeError::RangeNotInLog { head }),
        (range(1, head + 1), SupposeError::RangeNotInLog { head }),
    ] {
        assert_eq!(engine.suppose(asked).err(), Some(expected));
    }
    engine.stop().await;
}

#[tokio::test]
async fn a_hazard_is_kept_until_it_has_ended_and_its_timers_with_it() {
    let told = Told::born().await;
    for (n, urgency) in [
        (701, Urgency::Yellow),
        (702, Urgency::Red),
        (703, Urgency::Blue),
    ] {
        told.verified(n, STATION, urgency).await;
    }
    told.at(1).await;
    for n in [701, 702] {
        told.claimed(n).await;
        told.passed(n).await;
        let close = Command::CloseOut { hazard: id(n) };
        assert!(told.tries("admin", close).await);
    }
    let kept = |to| {
        let supposition = everywhere(&pilot_with(&[(
            "hazard_blue_hours = 72",
            "hazard_blue_hours = 60",
        )]));
        let wanted = supposition.clone();
        let mut decoder = Decoder::new(move |category| wanted.wants(category));
        let mut supposing = Supposing::new(supposition, 1);
        for commit in told.town.log().read(1, to) {
            let commit = decoder.decode(commit.expect("readable"));
            supposing.take(vec![commit], &decoder);
        }
        supposing.hazards_kept()
    };
    // The last of them is open, and so is the deadline that the record does not have.
    assert_eq!(kept(u64::MAX), 2);
    told.at(100).await;
    told.claimed(703).await;
    told.passed(703).await;
    let open = told.town.head();
    let close = Command::CloseOut { hazard: id(703) };
    assert!(told.tries("admin", close).await);
    assert_eq!((kept(open), kept(u64::MAX)), (1, 0));
}
