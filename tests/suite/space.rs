//! A disk that fills up: commands are refused while queries and health go on, the stop is clean,
//! nothing acknowledged is lost, and with room again the service goes on.

use std::time::{Duration, Instant as Stopwatch};

use api::session::Session;
use api::wire;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::disk::Disk;
use crate::harness::{ADMIN, Server};
use crate::load::{Load, VOLUNTEERS, gone};
use crate::town::{CAPTAIN, Town, refused};

/// Room for the journal, the reserve, and what must be free.
const DISK_MIB: u64 = 768;
/// Less than must be free, and more than the log would need to fill it.
const LITTLE_MIB: u64 = 100;
/// What is left of the disk in each round under load: nothing, and what checkpoints, segments of the
/// second copy and the reserve would just use up.
const LEFT_MIB: [u64; 6] = [0, 0, 1, 8, 24, 40];
const SEED: u64 = 28;
/// Longest that a change of the room may take to be noticed.
const NOTICED_MAX: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

async fn refusal(admin: &Session) -> String {
    let log = admin.call(wire::GetLogRequest::default()).await;
    log.expect("queries are answered").commands_refused
}

/// Waits until commands are refused, or taken again; gives why.
async fn until_refused(admin: &Session, wanted: bool) -> String {
    let started = Stopwatch::now();
    loop {
        let why = refusal(admin).await;
        if why.is_empty() != wanted {
            return why;
        }
        assert!(started.elapsed() < NOTICED_MAX, "nobody notices: {why}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Insists on what health says of a name, which it may take a moment to say.
async fn health(url: &str, service: &str, wanted: ServingStatus) {
    let channel = Endpoint::from_shared(url.to_owned()).expect("a URL");
    let channel = channel.connect().await;
    let mut client = HealthClient::new(channel.expect("the service takes connections"));
    let started = Stopwatch::now();
    loop {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = client.check(request).await.expect("health answers");
        if answer.get_ref().status() == wanted {
            return;
        }
        assert!(started.elapsed() < NOTICED_MAX, "{service:?}: {answer:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn low(status: &Status) -> bool {
    let info = status.get_details_error_info();
    status.code() == Code::ResourceExhausted && info.is_some_and(|i| i.reason == "LOG_SPACE_LOW")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_little_room_commands_are_refused_by_name_and_taken_again_without_a_restart() {
    let Some(disk) = Disk::of_mib(DISK_MIB) else {
        return;
    };
    let mut town = Town::in_folder(disk.folder(), 0).await;
    let admin = town.by(ADMIN);
    let hazard = town.report_by(CAPTAIN).await;
    health(town.url(), "commands", ServingStatus::Serving).await;

    disk.fill(LITTLE_MIB);
    let why = until_refused(&admin, true).await;
    assert!(why.contains("no restart is needed"), "{why}");
    let again = town.hazard(&town.id());
    let answer = town.by(CAPTAIN).call(again.clone()).await;
    refused(answer, Code::ResourceExhausted, "LOG_SPACE_LOW");
    health(town.url(), "commands", ServingStatus::NotServing).await;
    health(town.url(), "", ServingStatus::Serving).await;
    let request = wire::GetHazardRequest {
        hazard_id: hazard,
        consistency: None,
    };
    town.done(CAPTAIN, request).await;

    disk.clear();
    until_refused(&admin, false).await;
    town.done(CAPTAIN, again).await;
    health(town.url(), "commands", ServingStatus::Serving).await;
    town.stop().terminate().exits(0);
    town.folder.run(&["verify"], &[]).exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_load_loses_nothing_and_the_stop_on_it_is_clean() {
    let Some(disk) = Disk::of_mib(DISK_MIB) else {
        return;
    };
    let mut town = Town::in_folder(disk.folder(), VOLUNTEERS).await;
    let mut load = Load::new(SEED, |status| gone(status) || low(status));
    let data = town.folder.data();
    for left in LEFT_MIB {
        load.round(&mut town, async |server: Server| {
            disk.fill(left);
            until_refused(&server.session(ADMIN).await, true).await;
            server.terminate().exits(0);
            let info = crate::harness::run_on(&data, &["log", "info"], &["--json"]);
            assert_eq!(info.exits(0).json()["state"], "closed", "{left} MiB left");
            disk.clear();
        })
        .await;
    }
    load.check(&mut town, 1).await;
}
