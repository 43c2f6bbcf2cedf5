use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eventlog::EventLog;
use tempfile::TempDir;

use super::folded;
use crate::fixture::History;
use crate::models::AnyModel as _;
use crate::read_models::balances::Balances;
use crate::read_models::case_board::CaseBoard;
use crate::read_models::case_board::list::Filter;
use crate::read_models::members::Members;
use crate::views::{self, Belongs};
use crate::{Models, ReadModel};

/// The models of a history folded with a home for snapshots, and saved there.
async fn saved() -> (TempDir, History, Models) {
    let folder = TempDir::new().expect("a folder");
    let history = History::whole().await;
    let models = settled(folder.path(), &history);
    let mut decoder = crate::feed::Decoder::new(Models::wants);
    for commit in history.log.read(1, u64::MAX) {
        let commit = [decoder.decode(commit.expect("readable"))];
        for model in models.all() {
            model.live().take_in(&commit, false);
        }
    }
    let belongs = Belongs::to(&*history.log);
    for model in models.all() {
        assert!(model.live().save(belongs, &|_| {}).expect("saved"));
    }
    (folder, history, models)
}

fn settled(folder: &Path, history: &History) -> Models {
    let log: Arc<dyn EventLog> = history.log.clone();
    let models = Models::default();
    for model in models.all() {
        model.settle(Some(folder), &log);
    }
    models
}

fn loaded(folder: &Path, history: &History, belongs: Belongs) -> Models {
    let models = settled(folder, history);
    for model in models.all() {
        model.load_live(1, belongs);
    }
    models
}

fn home<M: ReadModel>(folder: &Path) -> PathBuf {
    views::folder(folder, M::NAME, 1, M::SCHEMA_VERSION)
}

#[tokio::test]
async fn every_model_comes_back_from_its_snapshot_as_it_was() {
    let (folder, history, models) = saved().await;
    let belongs = Belongs::to(&*history.log);
    let again = loaded(folder.path(), &history, belongs);
    let (was, is) = (models.case_board.read(), again.case_board.read());
    let all = Filter::default();
    assert_eq!(was.totals(&all), is.totals(&all), "the index is made again");
    assert_eq!(
        is.partitions.resident_bytes(),
        0,
        "from the entries alone: no partition was read"
    );
    drop((was, is));
    for (was, is) in models.all().into_iter().zip(again.all()) {
        assert_eq!(
            was.live().checksum(),
            is.live().checksum(),
            "{}",
            was.name()
        );
        assert!(is.live().position() > 0);
        let moved = is.live().save(belongs, &|_| {}).expect("no need");
        assert!(!moved, "not moved");
    }
}

/// Damages a file in every way and looks whether the answers are those of the log.
fn any_damage(path: &Path, check: &dyn Fn(&str)) {
    let good = fs::read(path).expect("a file of the snapshot");
    let write = |bytes: &[u8], what: &str| {
        fs::write(path, bytes).expect("written");
        check(what);
    };
    for length in [0, 7, 8, 11, 12, 40, good.len() / 2, good.len() - 1] {
        write(&good[..length], &format!("cut to {length}"));
    }
    for offset in 0..good.len() {
        let mut bad = good.clone();
        bad[offset] ^= 0x10;
        write(&bad, &format!("bit flipped at {offset}"));
    }
    let half = good.len() / 2;
    write(&[&good[half..], &good[..half]].concat(), "halves exchanged");
    fs::remove_file(path).expect("removed");
    check("missing");
    fs::write(path, &good).expect("put back");
}

#[tokio::test]
async fn a_damaged_manifest_is_ignored_and_touches_no_other_model() {
    let (folder, history, _) = saved().await;
    let belongs = Belongs::to(&*history.log);
    any_damage(&home::<Balances>(folder.path()).join("manifest"), &|what| {
        let models = loaded(folder.path(), &history, belongs);
        assert_eq!(models.balances.read().position, 0, "{what}");
        assert!(models.members.read().position > 0, "{what}");
    });
}

#[tokio::test]
async fn a_damaged_or_missing_page_is_folded_again_and_changes_no_answer() {
    let (folder, history, models) = saved().await;
    let belongs = Belongs::to(&*history.log);
    let right = models.case_board.live().checksum();
    let totals = models.case_board.read().totals(&Filter::default());
    any_damage(
        &home::<CaseBoard>(folder.path()).join("00000001.pack"),
        &|what| {
            let models = loaded(folder.path(), &history, belongs);
            let build = models.case_board.read();
            assert_eq!(build.totals(&Filter::default()), totals, "{what}");
            assert_eq!(build.checksum(), right, "{what}");
            assert!(build.is_whole(), "{what}");
        },
    );
}

#[tokio::test]
async fn a_page_of_another_log_changes_no_answer() {
    let (folder, history, models) = saved().await;
    let (other, _) = {
        let other = TempDir::new().expect("a folder");
        let mut foreign = History::of_log(uuid::Uuid::from_u128(0xabad));
        foreign.born().await;
        foreign.reported("2024-05-01T00:00:00Z", 600).await;
        let models = settled(other.path(), &foreign);
        let mut decoder = crate::feed::Decoder::new(Models::wants);
        for commit in foreign.log.read(1, u64::MAX) {
            let commit = [decoder.decode(commit.expect("readable"))];
            models.case_board.live().take_in(&commit, false);
        }
        let belongs = Belongs::to(&*foreign.log);
        assert!(
            models
                .case_board
                .live()
                .save(belongs, &|_| {})
                .expect("saved")
        );
        (other, foreign)
    };
    let pack = |folder: &TempDir| home::<CaseBoard>(folder.path()).join("00000001.pack");
    fs::copy(pack(&other), pack(&folder)).expect("copied");
    let belongs = Belongs::to(&*history.log);
    let again = loaded(folder.path(), &history, belongs);
    assert_eq!(
        again.case_board.live().checksum(),
        models.case_board.live().checksum()
    );
    let manifest = |folder: &TempDir| home::<CaseBoard>(folder.path()).join("manifest");
    fs::copy(manifest(&other), manifest(&folder)).expect("copied");
    let again = loaded(folder.path(), &history, belongs);
    assert_eq!(again.case_board.read().position, 0);
}

#[tokio::test]
async fn a_snapshot_of_a_log_with_the_same_id_and_another_history_is_ignored() {
    let (folder, history, _) = saved().await;
    let head = history.log.head().position;
    let mut other = History::new();
    other.born().await;
    for n in 0.. {
        other.reported("2024-05-01T00:00:00Z", 600 + n).await;
        if other.log.head().position >= head {
            break;
        }
    }
    assert_eq!(other.log.log_id(), history.log.log_id());
    let belongs = Belongs::to(&*other.log);
    for model in loaded(folder.path(), &other, belongs).all() {
        assert_eq!(model.live().position(), 0, "{}", model.name());
    }
}

#[tokio::test]
async fn a_snapshot_of_another_log_epoch_or_future_is_ignored() {
    let (folder, history, _) = saved().await;
    let ours = Belongs::to(&*history.log);
    for foreign in [
        Belongs {
            log_id: uuid::Uuid::nil(),
            ..ours
        },
        Belongs {
            epoch: ours.epoch + 1,
            ..ours
        },
        Belongs {
            head: ours.head - 1,
            ..ours
        },
    ] {
        for model in loaded(folder.path(), &history, foreign).all() {
            assert_eq!(model.live().position(), 0, "{} {foreign:?}", model.name());
        }
    }
    // A folder under the name of another model is that other model's.
    let members = home::<Members>(folder.path());
    fs::copy(
        members.join("manifest"),
        home::<Balances>(folder.path()).join("manifest"),
    )
    .expect("copied");
    let models = loaded(folder.path(), &history, ours);
    assert_eq!(models.balances.read().position, 0);
}

#[tokio::test]
async fn what_changes_after_a_snapshot_goes_into_the_next_and_dead_packs_go() {
    let (folder, mut history, models) = saved().await;
    let from = history.log.head().position + 1;
    let mut decoder = crate::feed::Decoder::new(Models::wants);
    for commit in history.log.read(1, from - 1) {
        decoder.decode(commit.expect("readable"));
    }
    for round in 0..40_u32 {
        history
            .reported("2024-05-02T00:00:00Z", 70_000 + u128::from(round))
            .await;
        let position = history.log.head().position;
        for commit in history.log.read(position, position) {
            let commit = [decoder.decode(commit.expect("readable"))];
            models.case_board.live().take_in(&commit, false);
        }
        let belongs = Belongs::to(&*history.log);
        assert!(
            models
                .case_board
                .live()
                .save(belongs, &|_| {})
                .expect("saved")
        );
        let again = loaded(folder.path(), &history, belongs);
        assert_eq!(
            again.case_board.live().checksum(),
            models.case_board.live().checksum(),
            "round {round}"
        );
    }
    let packs = fs::read_dir(home::<CaseBoard>(folder.path())).expect("a folder");
    assert!(packs.count() <= 4, "packs do not pile up");
    let whole = folded(&history);
    assert_eq!(
        whole.case_board.live().checksum(),
        models.case_board.live().checksum()
    );
}
