use proptest::prelude::*;

use super::*;
use crate::state_table::{check, one_of_each, row};
use crate::testing::{History, any_history, at, by, id, team};

const NOW: &str = "2024-02-01T00:00:00Z";

fn admin() -> Context {
    by(id(1), at(NOW))
}

fn register(person: u128, identity: Option<&str>) -> Command {
    Command::RegisterPerson {
        person: id(person),
        name: Personal::new("somebody"),
        phone: None,
        identity_claim: identity.map(str::to_owned),
    }
}

fn correct(person: u128, identity: Option<&str>) -> Command {
    Command::CorrectPerson {
        person: id(person),
        name: Some(Personal::new("somebody else")),
        phone: None,
        identity_claim: identity.map(str::to_owned),
        clear_identity: false,
    }
}

fn clear(person: u128) -> Command {
    Command::CorrectPerson {
        person: id(person),
        name: None,
        phone: None,
        identity_claim: None,
        clear_identity: true,
    }
}

fn merge(person: u128, duplicate: u128) -> Command {
    Command::MergePersons {
        person: id(person),
        duplicate: id(duplicate),
    }
}

fn holder(history: &History, identity: &str) -> Option<uuid::Uuid> {
    history.state::<Claim>(Kind::Identity.key(identity)).holder
}

#[test]
fn the_table_of_every_command_in_every_state() {
    let active = team().then(register(20, None), &admin());
    let merged = active.clone().then(merge(5, 20), &admin());
    let states = [team(), active, merged];
    let place = |history: &History| {
        let person = history.state::<Person>(id::<PersonId>(20));
        let place = match (person.exists, person.merged_into) {
            (false, _) => "unknown",
            (true, None) => "active",
            (true, Some(_)) => "merged",
        };
        place.to_owned()
    };
    let known = "PERSON_ALREADY_REGISTERED";
    #[rustfmt::skip]
    let rows = [
        row(register(20, None), admin(), ["PersonRegistered", known, known]),
        row(correct(20, None), admin(), ["PERSON_NOT_FOUND", "PersonCorrected", "PERSON_IS_MERGED"]),
        row(merge(20, 6), admin(), ["PERSON_NOT_FOUND", "PersonsMerged + RecordsTakenOver", "PERSON_IS_MERGED"]),
        row(merge(5, 20), admin(), ["DUPLICATE_NOT_FOUND", "PersonsMerged + RecordsTakenOver", "DUPLICATE_IS_MERGED"]),
    ];
    let given = "Each command is given by an administrator. MergePersons stands twice: as the record \
        that stands, and as the duplicate.";
    check(
        "Person",
        given,
        include_str!("mod.rs"),
        &states,
        &rows,
        place,
    );
}

#[test]
fn an_identity_has_one_active_record_and_goes_to_the_one_that_stands() {
    let history = team().then(register(20, Some("aa")), &admin());
    history.refuses(
        register(21, Some("aa")),
        &admin(),
        Refusal::IdentityAlreadyRegistered,
    );
    let merged = history.then(merge(5, 20), &admin());
    assert_eq!(holder(&merged, "aa"), Some(id::<PersonId>(5).0));
    merged.refuses(
        register(21, Some("aa")),
        &admin(),
        Refusal::IdentityAlreadyRegistered,
    );
    let stands = merged.state::<Person>(id::<PersonId>(5));
    assert_eq!(stands.identity_claim.as_deref(), Some("aa"));
}

#[test]
fn a_corrected_identity_is_released_and_can_be_claimed_again() {
    let history = team()
        .then(register(20, Some("aa")), &admin())
        .then(correct(20, Some("bb")), &admin());
    assert_eq!(
        (holder(&history, "aa"), holder(&history, "bb")),
        (None, Some(id::<PersonId>(20).0))
    );
    let again = history.then(register(21, Some("aa")), &admin());
    again.refuses(
        correct(20, Some("aa")),
        &admin(),
        Refusal::IdentityAlreadyRegistered,
    );
    // Corrected to what it is: nothing is released.
    let same = again
        .when(correct(20, Some("bb")), &admin())
        .expect("taken");
    assert_eq!(same.len(), 1);
}

#[test]
fn two_identities_are_two_persons() {
    let history = team()
        .then(register(20, Some("aa")), &admin())
        .then(register(21, Some("bb")), &admin());
    history.refuses(merge(20, 21), &admin(), Refusal::IdentitiesDiffer);
}

#[test]
fn a_mistyped_identity_is_cleared_so_that_the_records_can_be_merged() {
    let history = team()
        .then(register(20, Some("aa")), &admin())
        .then(register(21, Some("ab")), &admin());
    history.refuses(merge(20, 21), &admin(), Refusal::IdentitiesDiffer);
    let merged = history
        .then(clear(21), &admin())
        .then(merge(20, 21), &admin());
    assert_eq!(holder(&merged, "aa"), Some(id::<PersonId>(20).0));
    // Whose number it is in truth can be registered.
    assert!(merged.when(register(22, Some("ab")), &admin()).is_ok());
}

#[test]
fn an_identity_is_cleared_only_where_one_stands_and_none_is_given() {
    team().refuses(clear(5), &admin(), Refusal::IdentityNotCleared);
    let history = team().then(register(20, Some("aa")), &admin());
    let mut both = correct(20, Some("bb"));
    if let Command::CorrectPerson { clear_identity, .. } = &mut both {
        *clear_identity = true;
    }
    history.refuses(both, &admin(), Refusal::IdentityNotCleared);
}

#[test]
fn records_merged_one_after_the_other_are_of_one_person() {
    let history = team()
        .then(merge(7, 8), &admin())
        .then(merge(6, 7), &admin());
    let world = history.world();
    for (one, other, same) in [
        (8, 6, true),
        (8, 7, true),
        (6, 8, true),
        (8, 5, false),
        (5, 5, true),
    ] {
        let answer = Person::is_same(&world, id(one), id(other)).expect("whole");
        assert_eq!(answer, same, "{one} and {other}");
    }
    let records = Person::records(&world, id(8)).expect("whole");
    assert_eq!(records, BTreeSet::from([id(6), id(7), id(8)]));
}

#[test]
fn what_only_one_record_may_hold_is_given_up_first() {
    let household = crate::household::Command::FormHousehold {
        household: id(800),
        community: id(101),
        persons: vec![id(5)],
        from: None,
    };
    let history = team().then(household, &admin());
    history.refuses(merge(6, 5), &admin(), Refusal::DuplicateHasHousehold);
    team().refuses(merge(6, 1), &admin(), Refusal::DuplicateIsAdministrator);
    team().refuses(merge(6, 6), &admin(), Refusal::DuplicateIsItself);
    let claimed = crate::claim::Event::Claimed { holder: id(400) };
    let on_shift = team().and::<Claim>(Kind::OpenShift.key(id::<PersonId>(5)), claimed, at(NOW));
    on_shift.refuses(merge(6, 5), &admin(), Refusal::DuplicateOnShift);
}

#[test]
fn nobody_merges_their_own_records() {
    let appoint = crate::genesis::Command::AppointAdministrator { person: id(2) };
    let history = team().then(appoint, &admin());
    history.refuses(merge(1, 5), &admin(), Refusal::ActorIsConcerned);
    assert!(history.when(merge(1, 5), &by(id(2), at(NOW))).is_ok());
    let refusal = crate::genesis::Refusal::ActorIsNoAdministrator;
    history.refuses(merge(6, 5), &by(id(3), at(NOW)), refusal);
    history.refuses(correct(5, None), &by(id(3), at(NOW)), refusal);
}

#[test]
fn at_most_twenty_records_are_merged_into_one() {
    let history = (20..=40).fold(team(), |history, n| {
        history.then(register(n, None), &admin())
    });
    let full = (20..40).fold(history, |history, n| history.then(merge(5, n), &admin()));
    full.refuses(merge(5, 40), &admin(), Refusal::TooManyRecords);
}

#[test]
fn a_correction_says_something_and_names_are_not_blank() {
    let nothing = Command::CorrectPerson {
        person: id(5),
        name: None,
        phone: None,
        identity_claim: None,
        clear_identity: false,
    };
    team().refuses(nothing, &admin(), Refusal::NothingToCorrect);
    let mut blank = correct(5, None);
    if let Command::CorrectPerson { name, .. } = &mut blank {
        *name = Some(Personal::new(" "));
    }
    team().refuses(blank, &admin(), Refusal::NameIsBlank);
}

proptest! {
    #[test]
    fn any_order_of_events_is_borne(history in any_history(one_of_each::<Event>("person"))) {
        let mut person = Person::default();
        for (event, stamp) in &history {
            person.evolve(event, stamp);
        }
        prop_assert!(!person.is_active() || person.exists);
    }
}
