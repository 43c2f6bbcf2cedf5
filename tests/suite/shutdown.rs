//! An end by SIGTERM is graceful: exit 0, nothing acknowledged lost, a clean log.

use std::sync::Arc;

use domain::ids::derived;
use tokio::sync::Semaphore;

use crate::harness::{Folder, Server};
use crate::town::{CAPTAIN, Town};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_under_load_loses_nothing_that_was_acknowledged() {
    let mut town = Town::with_volunteers(0).await;
    let answered = Arc::new(Semaphore::new(0));
    let sending = (0..8).map(|client| {
        let (session, template) = (town.by(CAPTAIN), town.hazard(""));
        let answered = Arc::clone(&answered);
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0.. {
                let mut request = template.clone();
                request.command_id = derived("end command", &[&client, &n]).to_string();
                request.hazard_id = derived("end hazard", &[&client, &n]).to_string();
                let stream = format!("hazard/{}", request.hazard_id);
                let Ok(answer) = session.call(request).await else {
                    break;
                };
                acknowledged.push((stream, answer.receipt.expect("a receipt").position));
                answered.add_permits(1);
            }
            acknowledged
        })
    });
    let sending: Vec<_> = sending.collect();
    let enough = answered.acquire_many(100).await;
    enough.expect("it is never closed").forget();
    let server = town.stop();
    let ended = tokio::task::block_in_place(|| server.terminate());
    ended.exits(0);
    let mut acknowledged = Vec::new();
    for client in sending {
        acknowledged.extend(client.await.expect("no client panics"));
    }
    town.folder.run(&["verify"], &[]).exits(0);
    let there: std::collections::BTreeSet<_> = town
        .folder
        .replay(&["--type", "HazardReported"])
        .iter()
        .map(|event| {
            let stream = event["stream"].as_str().expect("a stream").to_owned();
            (stream, event["position"].as_u64().expect("a position"))
        })
        .collect();
    assert!(acknowledged.len() >= 100);
    for (stream, position) in acknowledged {
        assert!(
            there.contains(&(stream, position)),
            "position {position} is lost"
        );
    }

    town.start().await;
    town.report_by(CAPTAIN).await;
    town.stop().terminate().exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_service_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let town = Town::with_volunteers(0).await;
    let refused = Server::refuses_to_start(&town.folder.data()).exits(3);
    assert!(!refused.stderr.trim().is_empty(), "it says why");
    town.report_by(CAPTAIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_a_caller_ends_at_once() {
    let folder = Folder::born();
    Server::start(&folder.data()).await.terminate().exits(0);
    folder.run(&["verify"], &[]).exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_on_an_empty_folder_makes_a_development_log_and_keeps_it() {
    let folder = Folder::empty();
    let server = Server::start(&folder.data()).await;
    let request = api::wire::GetLogRequest::default();
    let admin = server.session(crate::harness::ADMIN).await;
    let born = admin.call(request).await.expect("the log");
    let ended = server.terminate().exits(0);
    assert!(ended.stdout.contains("development log"), "{}", ended.stdout);

    let server = Server::start(&folder.data()).await;
    let admin = server.session(crate::harness::ADMIN).await;
    let again = admin.call(request).await.expect("the log");
    assert_eq!((again.log_id, again.position), (born.log_id, born.position));
    server.terminate().exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_asked_to_end_as_soon_as_it_says_its_address_ends_well() {
    let folder = Folder::born();
    for _ in 0..5 {
        Server::announced(&folder.data()).terminate().exits(0);
    }
}
