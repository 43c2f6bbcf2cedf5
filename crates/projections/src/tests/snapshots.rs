use std::fs;
use std::path::Path;

use eventlog::EventLog;
use tempfile::TempDir;

use super::folded;
use crate::fixture::History;
use crate::models::AnyModel;
use crate::read_models::balances::Balances;
use crate::read_models::case_board::list::Filter;
use crate::snapshot::{self, Belongs};
use crate::{Models, ReadModel};

fn belongs(history: &History) -> Belongs {
    let head = history.log.head();
    Belongs {
        log_id: history.log.log_id(),
        epoch: head.epoch,
        head: head.position,
    }
}

async fn saved() -> (TempDir, History, Models) {
    let folder = TempDir::new().expect("a folder");
    let history = History::whole().await;
    let models = folded(&history);
    for model in models.all() {
        assert!(model.save(folder.path(), belongs(&history)).expect("saved"));
    }
    (folder, history, models)
}

fn loaded(folder: &Path, belongs: Belongs) -> Models {
    let models = Models::default();
    models
        .all()
        .into_iter()
        .for_each(|model| model.load(folder, belongs));
    models
}

#[tokio::test]
async fn every_model_comes_back_from_its_snapshot_as_it_was() {
    let (folder, history, models) = saved().await;
    let again = loaded(folder.path(), belongs(&history));
    for (was, is) in models.all().into_iter().zip(again.all()) {
        assert_eq!(was.checksum(), is.checksum(), "{}", was.name());
        assert!(is.position() > 0);
        assert!(
            !is.save(folder.path(), belongs(&history)).expect("no need"),
            "not moved"
        );
    }
    let (was, is) = (models.case_board.read(), again.case_board.read());
    let all = Filter::default();
    assert_eq!(was.totals(&all), is.totals(&all), "the index is made again");
}

#[tokio::test]
async fn any_damage_makes_a_snapshot_be_ignored() {
    let (folder, history, _) = saved().await;
    let path = snapshot::path(folder.path(), Balances::NAME, 1);
    let good = fs::read(&path).expect("a snapshot");
    let check = |bytes: &[u8], what: String| {
        fs::write(&path, bytes).expect("written");
        let models = loaded(folder.path(), belongs(&history));
        assert_eq!(models.balances.position(), 0, "{what}");
        assert!(models.members.position() > 0, "the others are as they were");
    };
    for length in [0, 7, 8, 11, 12, 40, good.len() - 1] {
        check(&good[..length], format!("cut to {length}"));
    }
    for offset in 0..good.len() {
        let mut bad = good.clone();
        bad[offset] ^= 0x10;
        check(&bad, format!("bit flipped at {offset}"));
    }
    check(&[&good[..], &good[..]].concat(), "twice".to_owned());
    fs::remove_file(&path).expect("removed");
    assert_eq!(
        loaded(folder.path(), belongs(&history)).balances.position(),
        0
    );
}

#[tokio::test]
async fn a_snapshot_of_another_log_epoch_or_future_is_ignored() {
    let (folder, history, _) = saved().await;
    let ours = belongs(&history);
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
        for model in loaded(folder.path(), foreign).all() {
            assert_eq!(model.position(), 0, "{} {foreign:?}", model.name());
        }
    }
    // A file under the name of another model is that other model's.
    let from = snapshot::path(folder.path(), "members", 1);
    fs::copy(from, snapshot::path(folder.path(), "balances", 1)).expect("copied");
    assert_eq!(loaded(folder.path(), ours).balances.position(), 0);
}
