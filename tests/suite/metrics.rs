//! The numbers that a service tells move with what happens to it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::str::FromStr;
use std::time::Duration;

use api::wire;
use domain::ids::derived;

use crate::harness::{ADMIN, Folder, Server, run, run_on};

/// Longest wait for an answer; only a hang takes that long.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Sends one request and gives the head and the body of the answer.
fn ask(address: &str, method: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream
        .set_read_timeout(Some(ANSWER_TIME_MAX))
        .expect("a timeout can be set");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"
    )
    .expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// The value of a series.
fn value<T: FromStr>(text: &str, series: &str) -> T {
    let of = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    text.lines()
        .find_map(of)
        .unwrap_or_else(|| panic!("no {series} of this kind in {text}"))
}

/// The value of a series that counts.
fn count(text: &str, series: &str) -> u64 {
    value(text, series)
}

fn found_unit(number: u64) -> wire::FoundUnitRequest {
    let id = |kind: &str| derived("e2e metrics", &[&kind, &number]).to_string();
    wire::FoundUnitRequest {
        command_id: id("command"),
        unit_id: id("unit"),
        level: wire::UnitLevel::City.into(),
        name: format!("city {number}"),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_numbers_of_a_service_move_with_what_happens_to_it() {
    let folder = Folder::empty();
    let settings = folder.data().with_extension("toml");
    fs::write(&settings, "metrics-listen = \"127.0.0.1:0\"\n").expect("it can be written");
    let settings = settings
        .to_str()
        .expect("temporary folders have plain names");
    let args = ["--config", settings, "--scrub-rate", "0"];
    let server = Server::start_with(&folder.data(), &args).await;
    let address = server.metrics_address();
    let (head, before) = ask(&address, "GET", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(count(&before, "eventlog_writable"), 1);
    assert_eq!(count(&before, "eventlog_scrub_passes_total"), 0);

    let session = server.session(ADMIN).await;
    for number in 0..3 {
        session.call(found_unit(number)).await.expect("a city");
    }
    let (_, after) = ask(&address, "GET", "/metrics");
    let moved = |series: &str| count(&after, series) - count(&before, series);
    assert_eq!(moved("eventlog_appended_commits_total"), 3, "{after}");
    assert_eq!(moved("eventlog_append_seconds_count"), 3);
    assert!(value::<f64>(&after, "eventlog_append_seconds_sum") > 0.0);
    assert!(moved("eventlog_group_commits_sum") >= 3);
    assert!(moved("eventlog_head_position") >= 3);

    let journal = folder.data().join("journal/00000001.seg");
    let mut bytes = fs::read(&journal).expect("a segment");
    bytes[700] ^= 0x20;
    fs::write(&journal, bytes).expect("it can be written");
    run(&["log", "scrub", "--server", server.url()]).exits(0);
    let (_, text) = ask(&address, "GET", "/metrics");
    let healed = "eventlog_scrub_findings_total{part=\"journal\",outcome=\"healed\"}";
    assert_eq!(count(&after, healed), 0);
    assert_eq!(count(&text, healed), 1);
    assert_eq!(count(&text, "eventlog_scrub_passes_total"), 1);
    assert!(count(&text, "eventlog_scrub_read_bytes_total") > 700);
    let standing = "eventlog_scrub_standing_findings{part=\"journal\"}";
    assert_eq!(count(&text, standing), 0);
    assert!(count(&text, "eventlog_disk_used_bytes{part=\"set_aside\"}") > 0);

    for (method, path, status) in [
        ("GET", "/", "404"),
        ("GET", "/metrics/", "404"),
        ("POST", "/metrics", "405"),
    ] {
        let (head, body) = ask(&address, method, path);
        let expected = format!("HTTP/1.1 {status}");
        assert!(head.starts_with(&expected) && body.is_empty(), "{head}");
    }
    server.terminate().exits(0);
}

#[test]
fn an_address_that_others_can_reach_and_one_that_is_taken_are_refused() {
    let folder = Folder::empty();
    let listen = ["--listen", "127.0.0.1:0", "--metrics-listen"];
    let serve = |address: &str| {
        run_on(
            &folder.data(),
            &["serve"],
            &[&listen[..], &[address]].concat(),
        )
    };
    let refused = serve("0.0.0.0:0").exits(2);
    assert!(refused.stderr.contains("0.0.0.0:0"), "{}", refused.stderr);
    assert!(serve("9464").exits(2).stderr.contains("--metrics-listen"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    assert!(serve(&address).exits(3).stderr.contains(&address));
    assert!(!folder.data().exists(), "no log was born");
}
