//! Units, households and teams as of each date.

use domain::ids::{HouseholdId, TeamId, UnitId};
use domain::open_item::Item;
use domain::{Instant, open_item, unit};

use super::folded;
use crate::fixture::{COMMUNITY, HOUSEHOLD, History, STATION, TEAM, at, id};
use crate::read_models::case_board::list::Filter;

const EAST: u128 = 121;
const WEST: u128 = 122;
const OTHER_STATION: u128 = 200;
const JULY: &str = "2024-07-01T00:00:00Z";
const AUGUST: &str = "2024-08-01T00:00:00Z";

fn ids(units: &[u128]) -> std::collections::BTreeSet<UnitId> {
    units.iter().map(|n| id(*n)).collect()
}

/// The community moves to another station in July and is split in August.
async fn changed() -> History {
    let mut history = History::whole().await;
    let when = "2024-06-01T00:00:00Z";
    for (n, level, parent) in [
        (OTHER_STATION, unit::UnitLevel::Station, None),
        (EAST, unit::UnitLevel::Community, Some(OTHER_STATION)),
        (WEST, unit::UnitLevel::Community, Some(OTHER_STATION)),
    ] {
        let founded = unit::Event::UnitFounded {
            level,
            name: format!("unit {n}"),
            parent: parent.map(id),
            zone: None,
            imported: None,
        };
        history
            .one::<unit::Unit>(when, Some(n), id::<UnitId>(n), founded)
            .await;
    }
    let moved = unit::Event::UnitMoved {
        parent: Some(id(OTHER_STATION)),
        effective_from: at(JULY),
        by: id(1),
    };
    let split = unit::Event::UnitSplit {
        into: vec![id(EAST), id(WEST)],
        rest: id(EAST),
        effective_from: at(AUGUST),
        by: id(1),
    };
    for event in [moved, split] {
        let key = id::<UnitId>(COMMUNITY);
        history
            .one::<unit::Unit>(when, Some(COMMUNITY), key, event)
            .await;
    }
    let item = Item::Hazard(id(701));
    let given = open_item::Event::OpenItemReassigned {
        item,
        from: id(COMMUNITY),
        to: id(WEST),
        effective_from: at(AUGUST),
        reassigned_by: id(1),
    };
    history
        .one::<open_item::OpenItem>(when, Some(COMMUNITY), item, given)
        .await;
    history
}

#[tokio::test]
async fn the_tree_rolls_up_as_of_each_date() {
    let models = folded(&changed().await);
    let units = models.units.read();
    let below = |root: u128, day: &str| units.subtree(id(root), at(day));
    assert!(below(STATION, "2024-06-30T23:59:59Z").contains(&id(COMMUNITY)));
    assert!(!below(STATION, JULY).contains(&id(COMMUNITY)));
    assert_eq!(
        below(OTHER_STATION, JULY),
        ids(&[OTHER_STATION, EAST, WEST, COMMUNITY])
    );
    // What was filed in a unit that ended counts with whoever answers for it.
    assert_eq!(below(EAST, JULY), ids(&[EAST]));
    assert_eq!(below(EAST, AUGUST), ids(&[EAST, COMMUNITY]));
    assert_eq!(below(WEST, AUGUST), ids(&[WEST]));
    assert_eq!(
        units.path(id(COMMUNITY), at("2024-01-15T00:00:00Z")),
        [id(COMMUNITY), id(STATION)]
    );
    assert_eq!(
        units.path(id(COMMUNITY), at(JULY)),
        [id(COMMUNITY), id(OTHER_STATION)]
    );
}

#[tokio::test]
async fn an_open_item_is_listed_by_its_owner_as_of_each_date() {
    let models = folded(&changed().await);
    let board = models.case_board.read();
    let totals = |unit: u128, day: &str| {
        let (units, day): (_, Instant) = (models.units.read(), at(day));
        let filter = Filter {
            units: Some(units.subtree(id(unit), day)),
            succession: units.succession(day),
            ..Filter::default()
        };
        board.totals(&filter).total
    };
    assert_eq!(
        (
            totals(COMMUNITY, JULY),
            totals(EAST, JULY),
            totals(WEST, JULY)
        ),
        (4, 0, 0)
    );
    // One was given to the second successor, the others go with the rest.
    assert_eq!((totals(EAST, AUGUST), totals(WEST, AUGUST)), (3, 1));
    assert_eq!(
        (totals(OTHER_STATION, AUGUST), totals(STATION, AUGUST)),
        (4, 0)
    );
}

#[tokio::test]
async fn a_household_and_a_team_are_those_of_the_date() {
    let models = folded(&History::whole().await);
    let households = models.households.read();
    let household = &households.partitions[&id::<HouseholdId>(HOUSEHOLD)];
    let lived = |day: &str| household.at(at(day)).count();
    let days = [
        "2024-05-09T00:00:00Z",
        "2024-05-10T00:00:00Z",
        "2024-05-20T00:00:00Z",
    ];
    assert_eq!(days.map(lived), [0, 2, 1]);
    let teams = models.teams.read();
    let team = &teams.partitions[&id::<TeamId>(TEAM)];
    let state = |day: &str| {
        (
            team.at(at(day)).count(),
            team.captains.at(at(day)).copied().flatten(),
        )
    };
    let [_, begin, end] = days;
    assert_eq!([begin, end].map(state), [(1, Some(id(11))), (0, None)]);
    assert_eq!(team.at(at("2024-05-09T00:00:00Z")).count(), 0);
}
