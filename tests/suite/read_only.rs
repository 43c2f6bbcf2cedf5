//! Questions on `--data` change no byte of the folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::damage::Spot;
use crate::harness::{Folder, Ran, run_within};
use crate::town::{Town, at, volunteer};

/// Asks everything that can be asked of a folder.
fn ask_everything(folder: &Folder) {
    folder.run(&["verify"], &[]).exits(0);
    folder.run(&["replay"], &[]).exits(0);
    let person = volunteer(0).to_string();
    folder.run(&["balance"], &[&person, "--json"]).exits(0);
    folder.run(&["coverage"], &["--json"]).exits(0);
    folder.run(&["log", "info"], &["--json"]).exits(0);
    folder.run(&["projections", "status"], &[]).exits(0);
    let to = folder.data().with_file_name("backup");
    let to = to.to_str().expect("temporary folders have plain names");
    folder.run(&["backup"], &["--to", to]).exits(0);
}

/// A town with something in every read model.
async fn busy() -> Town {
    let mut town = Town::with_volunteers(1).await;
    town.report().await;
    let shift = town
        .walk(0, at("2024-07-01T11:00:00Z"), &[volunteer(0)])
        .await;
    town.verify(&shift, volunteer(0)).await;
    town.balance(volunteer(0)).await;
    town
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_change_no_byte_beside_a_service_after_its_end_and_after_a_kill() {
    let mut town = busy().await;
    let before = town.folder.settled_digests().await;
    ask_everything(&town.folder);
    assert_eq!(town.folder.digests(), before, "beside a running service");

    town.restart().await;
    town.report().await;
    town.stop().kill();
    let before = town.folder.digests();
    ask_everything(&town.folder);
    assert_eq!(town.folder.digests(), before, "after a kill");

    town.start().await;
    town.stop().terminate().exits(0);
    let before = town.folder.digests();
    ask_everything(&town.folder);
    assert_eq!(town.folder.digests(), before, "after an end in good order");
}

/// Every question that is answered by the log, with a folder of its own for temporary files.
fn answers(folder: &Folder, case: &str, temporary: &Path) -> Vec<Ran> {
    let person = volunteer(0).to_string();
    let data = folder.data();
    let data = data.to_str().expect("temporary folders have plain names");
    let questions: [&[&str]; 5] = [
        &["replay"],
        &["balance", &person, "--json"],
        &["case", case, "--json"],
        &["coverage", "--json"],
        &["log", "info", "--json"],
    ];
    let ask =
        |question: &&[&str]| run_within(temporary, &[*question, &["--data", data][..]].concat());
    questions.iter().map(ask).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_one_damaged_copy_answers_all_questions_as_before() {
    let mut town = busy().await;
    let case = town.report().await;
    town.stop().terminate().exits(0);
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let temporary = temporary.path();
    let whole = answers(&town.folder, &case, temporary);
    for answer in &whole {
        answer.clone().exits(0);
    }
    let events = whole[4].json()["events"].clone();

    let data = town.folder.data();
    let segment: PathBuf = data.join("journal/00000001.seg");
    let good = fs::read(&segment).expect("a segment");
    let damages: [(&str, &dyn Fn()); 3] = [
        ("flipped", &|| Spot::after(&data, 4).damage_journal()),
        ("cut", &|| {
            fs::write(&segment, &good[..good.len() / 2]).expect("cut");
        }),
        ("deleted", &|| fs::remove_file(&segment).expect("deleted")),
    ];
    for (how, damage) in damages {
        fs::write(&segment, &good).expect("as it was");
        damage();
        let before = town.folder.digests();
        let answers = answers(&town.folder, &case, temporary);
        for (answer, whole) in answers[..4].iter().zip(&whole) {
            let answer = answer.clone().exits(0);
            assert!(answer.stdout == whole.stdout, "{how}: {}", answer.stdout);
            let says = |words: &str| answer.stderr.contains(words);
            let warned = says("segments [1]") && says("second copy") && says("`benniu serve`");
            assert!(warned, "{how}: {}", answer.stderr);
        }
        let told = answers[4].clone().exits(1);
        assert_eq!(told.json()["events"], events, "{how}");
        assert!(told.stderr.contains("segment 1"), "{how}: {}", told.stderr);
        assert_eq!(town.folder.digests(), before, "{how}");
        let left = fs::read_dir(temporary).expect("a folder").count();
        assert_eq!(left, 0, "{how}: nothing is left behind");
    }
}
