//! Questions on `--data` change no byte of the folder.

use crate::harness::Folder;
use crate::town::{Town, at, volunteer};

/// Asks everything that can be asked of a folder.
fn ask_everything(folder: &Folder) {
    folder.run(&["verify"], &[]).exits(0);
    folder.run(&["replay"], &[]).exits(0);
    let person = volunteer(0).to_string();
    folder.run(&["balance"], &[&person, "--json"]).exits(0);
    folder.run(&["coverage"], &["--json"]).exits(0);
    folder.run(&["log", "info"], &["--json"]).exits(0);
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
