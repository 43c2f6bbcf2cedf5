//! `log info` says of a log what is so, in whatever state it finds it.

use serde_json::Value;

use crate::harness::Folder;
use crate::town::Town;

fn info(folder: &Folder) -> Value {
    folder.run(&["log", "info"], &["--json"]).exits(0).json()
}

#[track_caller]
fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// What it must say in every state.
#[track_caller]
fn agrees(info: &Value, state: &str, log: &api::wire::GetLogResponse) {
    assert_eq!(info["state"], state);
    assert_eq!(info["log_id"], log.log_id);
    assert_eq!(info["events"], log.position);
    assert_eq!(info["commits"], log.commit_count);
    assert_eq!(info["root"], domain::ids::hex(&log.root));
    assert_eq!(
        info["epochs"],
        serde_json::json!([{"epoch": 1, "first_position": 1}])
    );
    assert_eq!(info["head"]["position"], log.position);
    assert_eq!(info["finding"], Value::Null);
    let blocks = number(&info["blocks"]);
    assert!(blocks > 1 && blocks <= log.commit_count, "{blocks}");
    let segments = info["segments"].as_array().expect("segments");
    let first = &segments[0];
    assert_eq!(
        (&first["number"], &first["blocks"]),
        (&1.into(), &blocks.into())
    );
    assert!(number(&first["used"]) > 512 && number(&first["used"]) <= number(&first["size"]));
    assert!(number(&info["bytes"]["journal"]) >= number(&first["size"]));
    assert!(number(&info["bytes_per_event"]["journal_used"]) > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_described_while_it_is_served_after_a_kill_and_when_it_is_closed() {
    let mut town = Town::with_volunteers(1).await;
    for _ in 0..10 {
        town.report().await;
    }
    let log = town.log().await;
    agrees(&info(&town.folder), "running", &log);
    town.stop().kill();
    agrees(&info(&town.folder), "not_closed", &log);
    town.start().await;
    let log = town.log().await;
    town.stop().terminate().exits(0);
    let closed = info(&town.folder);
    agrees(&closed, "closed", &log);
    assert_eq!(closed["head"]["synced_position"], log.position);
    assert!(number(&closed["bytes"]["second_copy"]) > 0);
    assert_eq!(closed["volumes"][0]["number"], 1);
    assert_eq!(closed["set_aside"], serde_json::json!([]));

    let table = town.folder.run(&["log", "info"], &[]).exits(0).stdout;
    for said in ["closed", &log.log_id, "segment 1:", "bytes on disk"] {
        assert!(table.contains(said), "{said} is missing in:\n{table}");
    }
}
