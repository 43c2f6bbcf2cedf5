//! Work that stands still, told until somebody moves it. What a sort of case brings is tested with that
//! case; here is what asks, and shifts.

use api::wire;
use chrono::Duration;

use crate::town::{CAPTAIN, SHIFT_MINUTES, Town, community, volunteer};

impl Town {
    /// What stands still of a sort: the case and why.
    pub(crate) async fn stuck(&self, kind: wire::StuckWorkKind) -> Vec<(String, String)> {
        let request = wire::ListStuckWorkRequest {
            kind: kind.into(),
            unit_id: community().to_string(),
            consistency: Some(wire::ReadConsistency {
                at_least: None,
                with_consequences: true,
            }),
            ..Default::default()
        };
        let work = self.done(CAPTAIN, request).await.work;
        work.into_iter().map(|row| (row.id, row.reason)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_that_nobody_settles_in_a_day_stands_among_stuck_work_until_it_is_settled() {
    let mut town = Town::with_volunteers(2).await;
    let from = town.now() + Duration::hours(2);
    let shift = town.walk(0, from, &[volunteer(0)]).await;
    let until = from + Duration::minutes(SHIFT_MINUTES);
    town.advance(until + Duration::days(1)).await;
    assert_eq!(town.stuck(wire::StuckWorkKind::Shift).await, []);
    town.advance(until + Duration::days(1) + Duration::seconds(1))
        .await;
    let stuck = town.stuck(wire::StuckWorkKind::Shift).await;
    assert_eq!(stuck, [(shift.clone(), "COMPLETED".to_owned())]);
    town.verify(&shift, volunteer(0)).await;
    assert_eq!(town.stuck(wire::StuckWorkKind::Shift).await, []);
}
