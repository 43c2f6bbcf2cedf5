//! A service heals what is damaged under it, and stops taking commits where it cannot.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::session::{Session, reason};
use api::wire;
use domain::ids::{derived, hex};
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::damage::Spot;
use crate::harness::{ADMIN, Folder, Ran, Server, repository, run};

/// Small segments, so that a few commits fill some; no pass that was not asked for.
const SETTINGS: &[&str] = &["--segment-kib", "256", "--scrub-rate", "0"];
/// How often something awaited is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn city() -> String {
    derived("e2e scrub", &[&"city"]).to_string()
}

/// A rule set with so much that does not compress that a few of them fill a segment.
fn rules(number: u64) -> wire::AdoptPolicySetRequest {
    let pilot = fs::read_to_string(repository().join("policies/pilot.toml"));
    let version = format!("version = {}", number + 1);
    let mut text = pilot
        .expect("the pilot's rules")
        .replacen("version = 1", &version, 1);
    for line in 0..800_u64 {
        let noise = Sha256::digest([number.to_be_bytes(), line.to_be_bytes()].concat());
        text.extend(["# ", &hex(&noise), "\n"]);
    }
    wire::AdoptPolicySetRequest {
        command_id: derived("e2e scrub", &[&"rules", &number]).to_string(),
        unit_id: city(),
        text,
        effective_from: None,
    }
}

/// A service of a log of four segments and more, both copies synced.
async fn filled(folder: &Folder) -> (Server, Session) {
    let server = Server::start_with(&folder.data(), SETTINGS).await;
    let session = server.session(ADMIN).await;
    let request = wire::FoundUnitRequest {
        command_id: derived("e2e scrub", &[&"found"]).to_string(),
        unit_id: city(),
        level: wire::UnitLevel::City.into(),
        name: "city".to_owned(),
        ..Default::default()
    };
    session.call(request).await.expect("a city is founded");
    let mut number = 0;
    // The segment after the one that is written to is made ahead.
    while !segment(&folder.data(), 5).exists() {
        session
            .call(rules(number))
            .await
            .expect("rules are adopted");
        number += 1;
    }
    loop {
        let info = folder.run(&["log", "info"], &["--json"]).exits(0).json();
        if info["head"]["synced_position"] == info["events"] {
            return (server, session);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn segment(data: &Path, number: u64) -> PathBuf {
    data.join(format!("journal/{number:08}.seg"))
}

fn flip_in_the_middle(path: &Path) {
    let mut bytes = fs::read(path).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(path, bytes).expect("it can be written");
}

fn scrub(server: &Server, args: &[&str]) -> Ran {
    run(&[&["log", "scrub", "--server", server.url()], args].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_flipped_under_a_running_service_is_healed_and_told() {
    let folder = Folder::empty();
    let (server, session) = filled(&folder).await;
    let path = segment(&folder.data(), 2);
    let good = fs::read(&path).expect("a segment");
    let events = folder.replay(&[]);
    flip_in_the_middle(&path);
    let damaged = fs::read(&path).expect("a segment");

    let told = scrub(&server, &["--json"]).exits(0).json();
    assert_eq!(
        (&told["healed"], &told["complete"]),
        (&1.into(), &true.into()),
        "{told}"
    );
    let finding = &told["findings"][0];
    assert_eq!(
        (&finding["part"], &finding["outcome"]),
        (&"journal".into(), &"healed".into())
    );
    assert!(
        told["bytes"].as_u64().expect("bytes") > 4 * 256 * 1024,
        "{told}"
    );
    assert!(
        fs::read(&path).expect("a segment") == good,
        "equal to the last byte"
    );
    let aside = folder.data().join("journal/set-aside/0001-00000002.seg");
    assert!(fs::read(aside).expect("the old file is set aside") == damaged);
    assert!(folder.replay(&[]) == events);

    let stands = session
        .call(wire::GetScrubRequest {})
        .await
        .expect("an answer");
    assert_eq!(
        (stands.passes, stands.healed, stands.unhealed, stands.lost),
        (1, 1, 0, 0)
    );
    assert_eq!(stands.standing, []);
    assert_eq!(server.serves("log.copies").await, Some(true));
    let table = scrub(&server, &[]).exits(0).stdout;
    assert!(
        table.contains("bytes a second") && table.contains("gone over"),
        "{table}"
    );
    assert!(
        !table.contains("journal:"),
        "nothing is found any more: {table}"
    );
    session.call(rules(1_000)).await.expect("the log goes on");
    let ended = server.terminate().exits(0);
    assert!(
        ended.stderr.contains("the scrub healed the log"),
        "{}",
        ended.stderr
    );
    folder.run(&["verify"], &[]).exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_damaged_in_both_copies_ends_acknowledging_by_name() {
    let folder = Folder::empty();
    let (server, session) = filled(&folder).await;
    let spot = Spot::after(&folder.data(), 4);
    spot.damage_journal();
    spot.damage_copy();
    assert_eq!(
        server.serves("").await,
        Some(true),
        "nobody has noticed yet"
    );

    let told = scrub(&server, &["--json"]).exits(1);
    let report = told.json();
    assert_eq!(report["lost"], 1, "{report}");
    let lost = &report["findings"][0];
    let position = lost["lost_position"].as_u64().expect("a position");
    assert!(
        lost["detail"]
            .as_str()
            .expect("words")
            .contains(&position.to_string())
    );
    server.wait_until("", false).await;
    server.wait_until("log.copies", false).await;
    let refused = session
        .call(rules(1_001))
        .await
        .expect_err("nothing is taken");
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(reason(&refused).is_some());
    session
        .call(wire::GetLogRequest::default())
        .await
        .expect("questions go on");
    server.terminate().exits(0);
    let refused = Server::refuses_to_start(&folder.data()).exits(3);
    assert!(refused.stderr.contains("position"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_nobody_serves_is_scrubbed_and_one_that_is_served_is_refused() {
    let folder = Folder::empty();
    let (server, _) = filled(&folder).await;
    let refused = folder.run(&["log", "scrub"], &[]).exits(3);
    assert!(refused.stderr.contains("in use"), "{}", refused.stderr);
    server.terminate().exits(0);

    let path = segment(&folder.data(), 1);
    let good = fs::read(&path).expect("a segment");
    flip_in_the_middle(&path);
    let told = folder.run(&["log", "scrub"], &["--json"]).exits(0).json();
    // A log as short as this is verified whole by its opening, which heals it.
    let opening = told["healed_by_opening"].as_array().expect("a list").len();
    let healed = told["healed"].as_u64().expect("a number");
    assert_eq!((opening, healed), (1, 0), "{told}");
    assert!(fs::read(&path).expect("a segment") == good);
    let told = folder.run(&["log", "scrub"], &["--json", "--rate", "1000"]);
    let told = told.exits(0).json();
    assert_eq!(
        (&told["findings"], &told["complete"]),
        (&serde_json::json!([]), &true.into())
    );
    folder.run(&["verify"], &[]).exits(0);
}
