//! What was acknowledged survives a kill, exactly once; what was not can be sent again.
//!
//! Owns the kills; the load and what must be true after it are `load`'s.

use std::collections::BTreeSet;

use crate::harness::Server;
use crate::load::{Load, VOLUNTEERS, gone};
use crate::town::Town;

/// Kills of the service in the suite.
const ROUNDS: usize = 6;
/// Kills of the service in the longer test.
const MANY_ROUNDS: usize = 200;
/// From what the moments of the kills follow.
const SEED: u64 = 311;
/// Set it to let the longer test follow from another seed.
const SEED_VARIABLE: &str = "TESTS_SEED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_command_is_there_exactly_once_after_six_kills() {
    let mut town = Town::with_volunteers(VOLUNTEERS).await;
    let mut load = Load::new(SEED, gone);
    for _ in 0..ROUNDS {
        load.round(&mut town, async |server: Server| server.kill())
            .await;
    }
    load.check(&mut town, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; see CONTRIBUTING.md"]
async fn every_acknowledged_command_is_there_exactly_once_after_two_hundred_kills() {
    let seed = std::env::var(SEED_VARIABLE).map_or(SEED, |seed| seed.parse().expect("a number"));
    let mut town = Town::with_volunteers(VOLUNTEERS).await;
    let mut load = Load::new(seed, gone);
    for _ in 0..MANY_ROUNDS {
        load.round(&mut town, async |server: Server| server.kill())
            .await;
    }
    load.check(&mut town, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_before_the_first_command_and_two_kills_in_a_row_are_borne() {
    let mut town = Town::with_volunteers(0).await;
    let before = town.log().await;
    for _ in 0..2 {
        town.stop().kill();
        town.folder.run(&["verify"], &[]).exits(0);
        town.start().await;
        let after = town.log().await;
        assert_eq!(
            (after.position, &after.root),
            (before.position, &before.root)
        );
    }
    let events = town.folder.replay(&[]);
    let positions: BTreeSet<_> = events
        .iter()
        .filter_map(|e| e["position"].as_u64())
        .collect();
    assert_eq!(positions, (1..=before.position).collect());
}
