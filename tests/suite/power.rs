//! What was acknowledged survives a power cut, exactly once; what was not can be sent again.
//!
//! Owns the cuts; the load and what must be true after it are `load`'s, the disk is `disk`'s.

use crate::disk::Disk;
use crate::harness::Server;
use crate::load::{Load, VOLUNTEERS, gone};
use crate::town::Town;

/// Power cuts in the suite.
const ROUNDS: usize = 3;
/// Power cuts in the longer test.
const MANY_ROUNDS: usize = 30;
/// Room for the journal, its reserve, and what is kept free.
const DISK_MIB: u64 = 768;
/// From what the moments of the cuts follow.
const SEED: u64 = 12_345;
/// Set it to let the longer test follow from another seed.
const SEED_VARIABLE: &str = "TESTS_SEED";

async fn cut_off(seed: u64, rounds: usize, step: usize) {
    if let Some(reason) = Disk::cannot_be_cut() {
        eprintln!("skipped: {reason}");
        return;
    }
    let Some(disk) = Disk::of_mib(DISK_MIB) else {
        return;
    };
    let mut town = Town::in_folder(disk.folder(), VOLUNTEERS).await;
    let mut load = Load::new(seed, gone);
    for _ in 0..rounds {
        load.round(&mut town, async |server: Server| {
            disk.cut();
            server.kill();
            disk.power_up();
        })
        .await;
    }
    load.check(&mut town, step).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_command_is_there_exactly_once_after_three_power_cuts() {
    cut_off(SEED, ROUNDS, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; see CONTRIBUTING.md"]
async fn every_acknowledged_command_is_there_exactly_once_after_thirty_power_cuts() {
    let seed = std::env::var(SEED_VARIABLE).map_or(SEED, |seed| seed.parse().expect("a number"));
    cut_off(seed, MANY_ROUNDS, 1).await;
}
