use domain::ids::UnitId;

use super::folded;
use crate::fixture::{COMMUNITY, History, at, id};
use crate::read_models::members::Month;

#[tokio::test]
async fn growth_is_counted_in_local_months_without_gaps() {
    let models = folded(&History::whole().await);
    let build = models.members.read();
    let community = &build.partitions[&id::<UnitId>(COMMUNITY)];
    // The second one joined at midnight of 1 February in Shanghai.
    let growth: Vec<_> = community
        .growth(None, None)
        .iter()
        .map(|month| (month.month.month, month.joined, month.left, month.members))
        .collect();
    assert_eq!(
        growth,
        [
            (1, 1, 0, 1),
            (2, 1, 0, 2),
            (3, 0, 0, 2),
            (4, 0, 0, 2),
            (5, 0, 1, 1)
        ]
    );
    let counts = |day: Option<&str>| {
        let counts = community.counts(day.map(at));
        (counts.members, counts.active)
    };
    assert_eq!(counts(None), (1, 1));
    let days = [
        "2024-01-31T15:59:58Z",
        "2024-02-01T00:00:00Z",
        "2024-05-01T00:00:00Z",
    ];
    assert_eq!(days.map(|day| counts(Some(day))), [(0, 0), (2, 2), (1, 1)]);
    let month = |month| Some(Month { year: 2024, month });
    let part = community.growth(month(2), month(3));
    assert_eq!(
        part.iter().map(|month| month.members).collect::<Vec<_>>(),
        [2, 2]
    );
}

#[tokio::test]
async fn a_person_who_comes_back_is_counted_again() {
    let mut history = History::new();
    history.born().await;
    history.joins("2024-02-01T00:00:00Z", 11).await;
    let key = format!(
        "{}/{}",
        id::<UnitId>(COMMUNITY),
        id::<domain::ids::PersonId>(11)
    );
    let left = domain::member::Event::MemberLeft {};
    let unit = Some(COMMUNITY);
    for _ in 0..2 {
        let left = left.clone();
        history
            .one::<domain::member::Member>("2024-03-01T00:00:00Z", unit, &key, left)
            .await;
    }
    history.joins("2024-04-01T00:00:00Z", 11).await;
    let models = folded(&history);
    let build = models.members.read();
    let community = &build.partitions[&id::<UnitId>(COMMUNITY)];
    let members: Vec<_> = community
        .growth(None, None)
        .iter()
        .map(|m| m.members)
        .collect();
    assert_eq!(members, [1, 0, 1]);
}
