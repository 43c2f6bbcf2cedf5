//! Nothing is answered before it is on disk: the order of the service's own system calls shows it.

use std::fs;
use std::time::{Duration, Instant as Stopwatch};

use api::wire;
use domain::ids::derived;
use uuid::Uuid;

use crate::strace;
use crate::town::{CAPTAIN, INSPECTOR, INSTRUCTOR, OFFICER, Town};

/// Commands of each client, one after the other.
const COMMANDS: usize = 12;
/// How long the tracer may take to write down the end.
const TRANSCRIPT_WAIT_MAX: Duration = Duration::from_secs(30);

/// Reports hazards one after the other; gives the ids of the commands.
async fn report(town: &Town, subject: &str) -> Vec<Uuid> {
    let session = town.by(subject);
    let mut ids = Vec::new();
    for number in 0..COMMANDS {
        let id = derived("durable command", &[&subject, &number]);
        let request = wire::ReportHazardRequest {
            command_id: id.to_string(),
            hazard_id: derived("durable hazard", &[&subject, &number]).to_string(),
            ..town.hazard("")
        };
        session.call(request).await.expect("a report is taken");
        ids.push(id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reply_comes_after_the_sync_of_what_was_written_for_it() {
    if let Some(reason) = strace::unavailable() {
        println!("skipped: {reason}");
        return;
    }
    let mut town = Town::with_volunteers(0).await;
    town.stop().terminate().exits(0);
    let transcript = town.folder.file("transcript", "");
    town.start_under(strace::front(&transcript)).await;
    // Alone, so that each command is a group, then together, so that groups hold several.
    let mut commands = report(&town, CAPTAIN).await;
    let (first, second, third) = tokio::join!(
        report(&town, INSTRUCTOR),
        report(&town, OFFICER),
        report(&town, INSPECTOR),
    );
    commands.extend([first, second, third].concat());
    town.stop().terminate().exits(0);

    let started = Stopwatch::now();
    let read = || fs::read_to_string(&transcript).expect("the transcript");
    let mut text = read();
    while !strace::is_whole(&text) {
        assert!(
            started.elapsed() < TRANSCRIPT_WAIT_MAX,
            "the transcript has no end"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
        text = read();
    }
    let proof = strace::prove(&text, &commands).unwrap_or_else(|what| panic!("{what}"));
    assert_eq!(proof.commands, 4 * COMMANDS);
    println!("{proof:?} in {} lines", text.lines().count());
}
