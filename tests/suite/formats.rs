//! Every format on disk still opens: a log and its backup, as the version that is named wrote them,
//! with all events byte-equal.
//!
//! Owns the archive `fixtures/v1.tar.zst`, which is written anew only while formats may still change:
//! journal, second copy, head, snapshots, cursors, look-up key, the backup with its manifest, and
//! what the log was said to hold. The index of so short a log has no file; its golden file is in
//! `eventlog`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::harness::{ADMIN, Folder, Server, repository, run_on};
use crate::town::{Town, at, volunteer};

/// Set it to write the archive anew.
const WRITE_GOLDEN: &str = "BENNIU_WRITE_GOLDEN";
/// Most bytes that the archive may have: it is in every copy of the repository.
const ARCHIVE_BYTES_MAX: u64 = 96 * 1024;
/// The strongest compression: most of it is zeros.
const LEVEL: i32 = 19;
/// Folders and files in the archive.
const DATA: &str = "data";
const BACKUP: &str = "backup";
const EVENTS: &str = "events.jsonl";
const INFO: &str = "info.json";

fn archive() -> PathBuf {
    repository().join("tests/fixtures/v1.tar.zst")
}

/// Makes a log of every kind of thing that a town does, and puts it into the archive.
async fn write() {
    let mut town = Town::with_volunteers(2).await;
    let crew = [volunteer(0), volunteer(1)];
    let shift = town.walk(0, at("2024-07-01T01:00:00Z"), &crew).await;
    town.verify(&shift, crew[0]).await;
    let hazard = town.report().await;
    town.assign(&hazard).await;
    town.restart().await;
    town.report().await;
    town.stop().terminate().exits(0);
    let folder = &town.folder;
    let backup = folder.data().with_file_name(BACKUP);
    let to = backup.to_str().expect("temporary folders have plain names");
    folder.run(&["backup"], &["--to", to]).exits(0);
    let events = folder.run(&["replay"], &["--reveal"]).exits(0).stdout;
    let info = folder.run(&["log", "info"], &["--json"]).exits(0).stdout;

    let path = archive();
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of fixtures");
    let file = File::create(path).expect("a file");
    let mut compressed = zstd::Encoder::new(file, LEVEL)
        .expect("a level")
        .auto_finish();
    let mut tar = tar::Builder::new(&mut compressed);
    tar.mode(tar::HeaderMode::Deterministic);
    tar.append_dir_all(DATA, folder.data()).expect("archived");
    tar.append_dir_all(BACKUP, &backup).expect("archived");
    for (name, text) in [(EVENTS, events), (INFO, info)] {
        let path = folder.file(name, text);
        tar.append_path_with_name(path, name).expect("archived");
    }
    tar.finish().expect("archived");
}

/// What the archive says the log holds.
struct Told {
    events: String,
    info: serde_json::Value,
}

fn unpack() -> (Folder, Told) {
    let folder = Folder::empty();
    let place = folder.data().parent().expect("a place").to_owned();
    let file = File::open(archive()).expect("the archive");
    let tar = zstd::Decoder::new(file).expect("it is compressed");
    tar::Archive::new(tar).unpack(&place).expect("an archive");
    let text = |name: &str| fs::read_to_string(place.join(name)).expect("a text");
    let told = Told {
        events: text(EVENTS),
        info: serde_json::from_str(&text(INFO)).expect("JSON"),
    };
    (folder, told)
}

/// Insists that a folder holds the log: every event, and the root that covers every stored byte.
#[track_caller]
fn holds(data: &Path, told: &Told) {
    let run = |name: &[&str], args: &[&str]| run_on(data, name, args).exits(0);
    run(&["verify"], &[]);
    let info = run(&["log", "info"], &["--json"]).json();
    for key in ["log_id", "events", "commits", "root", "epochs", "finding"] {
        assert_eq!(info[key], told.info[key], "{key}");
    }
    assert!(
        run(&["replay"], &["--reveal"]).stdout == told.events,
        "other events"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_the_first_formats_opens_heals_and_goes_on() {
    if std::env::var_os(WRITE_GOLDEN).is_some() {
        write().await;
    }
    let size = fs::metadata(archive()).expect("the archive").len();
    assert!(size <= ARCHIVE_BYTES_MAX, "{size} bytes");
    let (folder, told) = unpack();
    holds(&folder.data(), &told);
    // The second copy alone, too.
    fs::remove_file(folder.data().join("journal/00000001.seg")).expect("a segment");
    let server = Server::start(&folder.data()).await;
    let ended = server.terminate().exits(0);
    assert!(ended.stderr.contains("anew"), "{}", ended.stderr);
    holds(&folder.data(), &told);
}

#[test]
fn a_backup_of_the_first_formats_is_restored() {
    if std::env::var_os(WRITE_GOLDEN).is_some() {
        // The archive is just being written.
        return;
    }
    let (folder, told) = unpack();
    let backup = folder.data().with_file_name(BACKUP);
    let restored = folder.data().with_file_name("restored");
    let from = backup.to_str().expect("temporary folders have plain names");
    // In the same epoch, so that not one commit is added.
    let args = ["--from", from, "--as", ADMIN, "--moved"];
    run_on(&restored, &["restore"], &args).exits(0);
    holds(&restored, &told);
}
