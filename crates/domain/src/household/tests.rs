use proptest::prelude::*;

use super::*;
use crate::state_table::{check, one_of_each, row};
use crate::testing::{History, any_history, at, by, id, team};

const NOW: &str = "2024-02-01T00:00:00Z";
const LATER: &str = "2024-02-10T00:00:00Z";

fn form(household: u128, persons: &[u128]) -> Command {
    Command::FormHousehold {
        household: id(household),
        community: id(101),
        persons: persons.iter().map(|n| id(*n)).collect(),
        from: None,
    }
}

fn join(household: u128, person: u128, from: Option<&str>) -> Command {
    Command::JoinHousehold {
        household: id(household),
        person: id(person),
        from: from.map(at),
    }
}

fn leave(household: u128, person: u128, from: Option<&str>) -> Command {
    Command::LeaveHousehold {
        household: id(household),
        person: id(person),
        at: from.map(at),
    }
}

fn split(household: u128, into: u128, persons: &[u128]) -> Command {
    Command::SplitHousehold {
        household: id(household),
        into: id(into),
        persons: persons.iter().map(|n| id(*n)).collect(),
        at: None,
    }
}

fn captain(now: &str) -> Context {
    by(id(2), at(now))
}

/// Persons 3, 4 and 5 live in household 800.
fn home() -> History {
    team().then(form(800, &[3, 4, 5]), &captain(NOW))
}

fn lives(history: &History, person: u128, day: &str) -> Option<HouseholdId> {
    history
        .state::<Residence>(id::<PersonId>(person))
        .at(at(day))
}

#[test]
fn the_table_of_every_command_in_every_state() {
    let alone = team().then(form(800, &[3]), &captain(NOW));
    let empty = alone.clone().then(leave(800, 3, None), &captain(NOW));
    let states = [team(), empty, alone, home()];
    let place = |history: &History| {
        let household = history.state::<Household>(id::<HouseholdId>(800));
        let place = match (household.community, household.persons.len()) {
            (None, _) => "unknown",
            (Some(_), 0) => "empty",
            (Some(_), 1) => "one person",
            (Some(_), _) => "several persons",
        };
        place.to_owned()
    };
    let cx = captain(LATER);
    let (none, formed) = ("HOUSEHOLD_NOT_FOUND", "HOUSEHOLD_ALREADY_FORMED");
    #[rustfmt::skip]
    let rows = [
        row(form(800, &[6]), cx, ["HouseholdFormed + PersonJoinedHousehold + StayBegan", formed, formed, formed]),
        row(join(800, 6, None), cx, [none, "PersonJoinedHousehold + StayBegan", "PersonJoinedHousehold + StayBegan", "PersonJoinedHousehold + StayBegan"]),
        row(leave(800, 3, None), cx, [none, "PERSON_NOT_IN_HOUSEHOLD", "PersonLeftHousehold + StayEnded", "PersonLeftHousehold + StayEnded"]),
        row(split(800, 801, &[3]), cx, [none, "PERSON_NOT_IN_HOUSEHOLD", "NOBODY_STAYS", "PersonLeftHousehold + StayEnded + HouseholdFormed + PersonJoinedHousehold + StayBegan"]),
    ];
    let given = "Each command is given by the captain of the community on 10 February 2024; person 3 \
        lives there where somebody does.";
    check(
        "Household",
        given,
        include_str!("mod.rs"),
        &states,
        &rows,
        place,
    );
}

#[test]
fn a_household_splits_and_each_date_has_its_own_answer() {
    let history = home().then(split(800, 801, &[4, 5]), &captain(LATER));
    let before = "2024-02-09T23:59:59Z";
    for person in [3, 4, 5] {
        assert_eq!(lives(&history, person, "2024-01-31T00:00:00Z"), None);
        assert_eq!(lives(&history, person, before), Some(id(800)));
    }
    assert_eq!(lives(&history, 3, LATER), Some(id(800)));
    assert_eq!(lives(&history, 4, LATER), Some(id(801)));
    let world = history.world();
    let shared = |day| Residence::shared(&world, id(3), id(4), at(day)).expect("whole");
    assert!(shared(before) && !shared(LATER));
    assert!(Residence::shared(&world, id(4), id(5), at(LATER)).expect("whole"));
}

#[test]
fn a_person_lives_in_one_household_at_a_time() {
    let history = home();
    history.refuses(
        form(801, &[5, 6]),
        &captain(LATER),
        Refusal::PersonHasHousehold,
    );
    let gone = history.then(leave(800, 5, None), &captain(LATER));
    let other = form(801, &[5, 6]);
    assert!(gone.when(other.clone(), &captain(LATER)).is_ok());
    let moved = gone.then(other, &captain(LATER));
    // Not even for a while in the past.
    let past = join(800, 5, Some("2024-02-09T00:00:00Z"));
    moved.refuses(
        past,
        &captain("2024-02-11T00:00:00Z"),
        Refusal::PersonHasHousehold,
    );
}

#[test]
fn a_person_comes_back_to_a_household() {
    let history = home()
        .then(leave(800, 5, None), &captain("2024-02-05T00:00:00Z"))
        .then(join(800, 5, None), &captain(LATER));
    assert_eq!(lives(&history, 5, "2024-02-04T00:00:00Z"), Some(id(800)));
    assert_eq!(lives(&history, 5, "2024-02-07T00:00:00Z"), None);
    assert_eq!(lives(&history, 5, LATER), Some(id(800)));
}

#[test]
fn dates_lie_within_the_window_and_in_order() {
    let history = home();
    let cx = captain(LATER);
    history.refuses(
        join(800, 6, Some("2024-02-10T00:00:01Z")),
        &cx,
        Refusal::TimeInTheFuture,
    );
    history.refuses(
        join(800, 6, Some("2024-02-02T00:00:00Z")),
        &cx,
        Refusal::BackDatedTooFar,
    );
    let early = leave(800, 5, Some("2024-01-31T00:00:00Z"));
    history.refuses(early, &captain(NOW), Refusal::LeftBeforeJoining);
}

#[test]
fn persons_are_known_and_named_once() {
    let cx = captain(NOW);
    team().refuses(form(800, &[]), &cx, Refusal::PersonsNotAllowed);
    team().refuses(form(800, &[3, 3]), &cx, Refusal::PersonsNotAllowed);
    let crowd: Vec<_> = (3..=3 + PERSONS_MAX as u128).collect();
    team().refuses(form(800, &crowd), &cx, Refusal::PersonsNotAllowed);
    team().refuses(form(800, &[99]), &cx, Refusal::PersonNotFound);
    let full: Vec<_> = (100..100 + PERSONS_MAX as u128).collect();
    let registered = full.iter().fold(team(), |history, n| {
        let register = crate::person::Command::RegisterPerson {
            person: id(*n),
            name: crate::Personal::new("one of many"),
            phone: None,
            identity_claim: None,
        };
        history.then(register, &cx)
    });
    let history = registered.then(form(800, &full), &cx);
    history.refuses(join(800, 5, None), &cx, Refusal::PersonsNotAllowed);
}

#[test]
fn only_who_leads_the_community_records_it_and_never_their_own() {
    let refusal = crate::member::Refusal::ActorIsNoApprover;
    team().refuses(form(800, &[4, 5]), &by(id(3), at(NOW)), refusal);
    let own = Refusal::ActorIsConcerned;
    team().refuses(form(800, &[2, 5]), &captain(NOW), own);
    home().refuses(join(800, 2, None), &captain(NOW), own);
    let admin = by(id(1), at(NOW));
    let mine = home().then(join(800, 2, None), &admin);
    mine.refuses(leave(800, 2, None), &captain(NOW), own);
    mine.refuses(split(800, 801, &[2]), &captain(NOW), own);
    // Nor that those they live with, or lived with at the time, move.
    mine.refuses(
        leave(800, 5, Some("2024-02-05T00:00:00Z")),
        &captain(LATER),
        own,
    );
    mine.refuses(split(800, 801, &[5]), &captain(NOW), own);
    mine.refuses(join(800, 6, None), &captain(NOW), own);
    let out = mine.then(leave(800, 2, None), &by(id(1), at("2024-02-05T00:00:00Z")));
    out.refuses(
        leave(800, 5, Some("2024-02-04T00:00:00Z")),
        &captain(LATER),
        own,
    );
    assert!(out.when(leave(800, 5, None), &captain(LATER)).is_ok());
    let nowhere = Command::FormHousehold {
        household: id(800),
        community: id(100),
        persons: vec![id(3)],
        from: None,
    };
    team().refuses(nowhere, &admin, crate::member::Refusal::CommunityNotFound);
}

proptest! {
    #[test]
    fn any_order_of_events_is_borne(
        history in any_history(one_of_each::<Event>("household")),
        stays in any_history(one_of_each::<crate::residence::Event>("residence"))
    ) {
        let mut household = Household::default();
        for (event, stamp) in &history {
            household.evolve(event, stamp);
        }
        let mut residence = Residence::default();
        for (event, stamp) in &stays {
            residence.evolve(event, stamp);
            let _ = residence.at(stamp.occurred_at);
        }
    }
}
