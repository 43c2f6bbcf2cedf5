use proptest::prelude::*;

use super::*;
use crate::policy_set::{Command as Policy, PolicySets};
use crate::state_table::{check, one_of_each, row};
use crate::testing::{History, any_history, at, by, community, id, team};

const NOW: &str = "2024-02-01T00:00:00Z";
const MARCH: &str = "2024-03-01T00:00:00Z";
const APRIL: &str = "2024-04-01T00:00:00Z";

fn found(unit: u128, level: UnitLevel, parent: Option<u128>) -> Command {
    Command::FoundUnit {
        unit: id(unit),
        level,
        name: format!("unit {unit}"),
        parent: parent.map(id),
        zone: None,
        imported: None,
    }
}

fn rename(unit: u128, name: &str, from: Option<&str>) -> Command {
    Command::RenameUnit {
        unit: id(unit),
        name: name.to_owned(),
        effective_from: from.map(at),
    }
}

fn put(unit: u128, parent: u128, from: Option<&str>) -> Command {
    Command::MoveUnit {
        unit: id(unit),
        parent: Some(id(parent)),
        effective_from: from.map(at),
    }
}

fn withdraw(unit: u128, change: UnitChange, from: &str) -> Command {
    Command::WithdrawUnitChange {
        unit: id(unit),
        change,
        effective_from: at(from),
    }
}

fn split(unit: u128, into: &[u128], from: Option<&str>) -> Command {
    Command::SplitUnit {
        unit: id(unit),
        into: into.iter().map(|n| id(*n)).collect(),
        rest: id(into[0]),
        effective_from: from.map(at),
    }
}

fn merge(units: &[u128], into: u128, from: Option<&str>) -> Command {
    Command::MergeUnits {
        units: units.iter().map(|n| id(*n)).collect(),
        into: id(into),
        effective_from: from.map(at),
    }
}

fn admin(now: &str) -> crate::Context {
    by(id(1), at(now))
}

/// Two stations 100 and 200 below the district 10; communities 101 to 104 below 100.
fn county() -> History {
    let cx = admin("2024-01-01T00:00:00Z");
    [
        found(10, UnitLevel::District, None),
        put(100, 10, None),
        found(200, UnitLevel::Station, Some(10)),
        found(102, UnitLevel::Community, Some(100)),
        found(103, UnitLevel::Community, Some(100)),
        found(104, UnitLevel::Community, Some(100)),
    ]
    .into_iter()
    .fold(team(), |history, command| history.then(command, &cx))
}

fn path(history: &History, unit: u128, day: &str) -> Vec<UnitId> {
    Unit::path(&history.world(), id(unit), at(day)).expect("a whole world")
}

fn ids(ns: &[u128]) -> Vec<UnitId> {
    ns.iter().map(|n| id(*n)).collect()
}

fn unit(history: &History, n: u128) -> std::sync::Arc<Unit> {
    history.state::<Unit>(id::<UnitId>(n))
}

#[test]
fn the_table_of_every_command_in_every_state() {
    let unknown = county();
    let cx = admin(NOW);
    let stands = unknown
        .clone()
        .then(found(105, UnitLevel::Community, Some(100)), &cx);
    let ending = stands
        .clone()
        .then(split(105, &[102, 103], Some(MARCH)), &cx);
    let ended = stands.clone().then(merge(&[105], 102, None), &cx);
    let renaming = stands.clone().then(rename(105, "new", Some(MARCH)), &cx);
    let place = |history: &History| {
        let unit = unit(history, 105);
        let place = match (unit.level, &unit.end) {
            (None, _) => "unknown",
            (Some(_), None) if unit.names.len() > 1 => "to be renamed",
            (Some(_), None) => "stands",
            (Some(_), Some(end)) if end.at > at(NOW) => "ending",
            (Some(_), Some(_)) => "ended",
        };
        place.to_owned()
    };
    let (unknown_unit, unknown_change) = ("UNIT_NOT_FOUND", "CHANGE_NOT_FOUND");
    let later = "EFFECTIVE_BEFORE_LATEST";
    #[rustfmt::skip]
    let rows = [
        row(found(105, UnitLevel::Community, Some(100)), cx, ["UnitFounded", "UNIT_ALREADY_FOUNDED", "UNIT_ALREADY_FOUNDED", "UNIT_ALREADY_FOUNDED", "UNIT_ALREADY_FOUNDED"]),
        row(rename(105, "new", None), cx, [unknown_unit, "UnitRenamed", later, "UnitRenamed", "UNIT_HAS_ENDED"]),
        row(put(105, 200, None), cx, [unknown_unit, "UnitMoved", "UnitMoved", "UnitMoved", "UNIT_HAS_ENDED"]),
        row(withdraw(105, UnitChange::Name, MARCH), cx, [unknown_unit, unknown_change, "UnitChangeWithdrawn", unknown_change, unknown_change]),
        row(split(105, &[102, 103], None), cx, [unknown_unit, "UnitSplit + UnitsTakenIn + UnitsTakenIn", later, "UNIT_HAS_ENDED", "UNIT_HAS_ENDED"]),
        row(merge(&[105], 102, None), cx, [unknown_unit, "UnitsTakenIn + UnitsMerged", later, "UNIT_HAS_ENDED", "UNIT_HAS_ENDED"]),
    ];
    let given = "Each command is given by an administrator on 1 February 2024, to take effect at once; \
        `to be renamed` is a unit whose new name holds from 1 March on, \
        which is what is withdrawn; `ending` is one whose split takes effect then. Cells of MergeUnits are those of a unit \
        that is merged into another.";
    let states = [unknown, stands, renaming, ending, ended];
    check("Unit", given, include_str!("mod.rs"), &states, &rows, place);
}

#[test]
fn only_an_administrator_changes_the_tree() {
    let cx = by(id(2), at(NOW));
    let refusal = crate::genesis::Refusal::ActorIsNoAdministrator;
    for command in [
        rename(101, "x", None),
        put(101, 200, None),
        withdraw(101, UnitChange::Name, MARCH),
        split(101, &[102, 103], None),
        merge(&[101], 102, None),
    ] {
        county().refuses(command, &cx, refusal);
    }
}

#[test]
fn names_and_parents_are_those_of_the_date() {
    let history = county()
        .then(rename(101, "east", Some(MARCH)), &admin(NOW))
        .then(put(101, 200, Some(APRIL)), &admin(NOW));
    let state = unit(&history, 101);
    assert_eq!(state.name(at(NOW)), Some("community"));
    assert_eq!(state.name(at(MARCH)), Some("east"));
    assert_eq!(
        path(&history, 101, "2024-03-31T23:59:59Z"),
        ids(&[101, 100, 10])
    );
    assert_eq!(path(&history, 101, APRIL), ids(&[101, 200, 10]));
    // What an import brings from before the founding stands below the first parent.
    assert_eq!(
        path(&history, 101, "2015-01-01T00:00:00Z"),
        ids(&[101, 100, 10])
    );
}

#[test]
fn a_change_is_withdrawn_until_it_takes_effect_and_what_held_before_goes_on() {
    let history = county()
        .then(rename(101, "east", Some(MARCH)), &admin(NOW))
        .then(put(101, 200, Some(APRIL)), &admin(NOW));
    let (name, parent) = (
        withdraw(101, UnitChange::Name, MARCH),
        withdraw(101, UnitChange::Parent, APRIL),
    );
    let before = admin("2024-02-29T23:59:59Z");
    let back = history
        .clone()
        .then(name.clone(), &before)
        .then(parent, &before);
    let state = unit(&back, 101);
    assert_eq!(state.name(at(APRIL)), Some("community"));
    assert_eq!(path(&back, 101, APRIL), ids(&[101, 100, 10]));
    // Nothing is left of it: earlier changes can be decided, and it is withdrawn once.
    back.refuses(name.clone(), &before, Refusal::ChangeNotFound);
    let sooner = split(101, &[102, 103], Some(MARCH));
    let outcome = back.outcome(sooner, &before);
    assert_eq!(outcome, "UnitSplit + UnitsTakenIn + UnitsTakenIn");
    // What holds stays, also what held from the founding on.
    history.refuses(name, &admin(MARCH), Refusal::ChangeInEffect);
    let founding = withdraw(101, UnitChange::Name, "2024-01-01T00:00:00Z");
    history.refuses(founding, &before, Refusal::ChangeInEffect);
    let other = withdraw(101, UnitChange::Parent, MARCH);
    history.refuses(other, &before, Refusal::ChangeNotFound);
}

#[test]
fn a_rule_chosen_by_the_day_of_a_deed_walks_the_path_of_that_day() {
    let other = include_str!("../../../../policies/pilot.toml").replacen(
        "name = \"pilot\"",
        "name = \"other\"",
        1,
    );
    let adopt = Policy::AdoptPolicySet {
        unit: id(200),
        text: other,
        effective_from: Some(at("2024-01-01T00:00:00Z")),
    };
    let history = county()
        .then(adopt, &admin(NOW))
        .then(put(101, 200, Some(MARCH)), &admin(NOW));
    let world = history.world();
    let set = |day| {
        let set = PolicySets::in_force(&world, id(101), at(day)).expect("a set");
        set.name.clone()
    };
    assert_eq!(set("2024-02-29T23:59:59Z"), "pilot");
    assert_eq!(set(MARCH), "other");
}

#[test]
fn a_change_takes_effect_from_now_on_and_after_those_before_it() {
    let history = county().then(put(101, 200, Some(APRIL)), &admin(NOW));
    let past = put(101, 100, Some("2024-01-31T23:59:59Z"));
    history.refuses(past, &admin(NOW), Refusal::EffectiveInThePast);
    let between = put(101, 100, Some(MARCH));
    history.refuses(between, &admin(NOW), Refusal::EffectiveBeforeLatest);
    let early = split(101, &[102, 103], Some(MARCH));
    history.refuses(early, &admin(NOW), Refusal::EffectiveBeforeLatest);
    history.refuses(
        put(101, 200, Some(APRIL)),
        &admin(NOW),
        Refusal::ParentUnchanged,
    );
    history.refuses(
        rename(101, "community", None),
        &admin(NOW),
        Refusal::NameUnchanged,
    );
    history.refuses(
        rename(101, " ", None),
        &admin(NOW),
        Refusal::UnitNameNotAllowed,
    );
}

#[test]
fn levels_stay_in_order_and_no_parent_has_ended() {
    let history = county().then(merge(&[200], 100, Some(MARCH)), &admin(NOW));
    history.refuses(put(100, 101, None), &admin(NOW), Refusal::ParentNotAbove);
    history.refuses(put(101, 102, None), &admin(NOW), Refusal::ParentNotAbove);
    history.refuses(put(101, 999, None), &admin(NOW), Refusal::ParentNotFound);
    history.refuses(
        put(101, 200, Some(MARCH)),
        &admin(NOW),
        Refusal::ParentHasEnded,
    );
    let below = found(105, UnitLevel::Community, Some(200));
    history.refuses(below.clone(), &admin(MARCH), Refusal::ParentHasEnded);
    assert_eq!(history.outcome(below, &admin(NOW)), "UnitFounded");
}

#[test]
fn successors_are_of_the_same_level_and_stand_themselves() {
    let history = county().then(merge(&[104], 102, Some(MARCH)), &admin(NOW));
    for (into, refusal) in [
        (&[102][..], Refusal::SuccessorsNotAllowed),
        (&[102, 102], Refusal::SuccessorsNotAllowed),
        (&[102, 101], Refusal::SuccessorIsItself),
        (&[102, 200], Refusal::SuccessorOfOtherLevel),
        (&[102, 999], Refusal::SuccessorNotFound),
        (&[102, 104], Refusal::SuccessorHasEnded),
    ] {
        history.refuses(split(101, into, None), &admin(NOW), refusal);
    }
    let mut elsewhere = split(101, &[102, 103], None);
    if let Command::SplitUnit { rest, .. } = &mut elsewhere {
        *rest = id(104);
    }
    history.refuses(elsewhere, &admin(NOW), Refusal::RestNotAmongSuccessors);
    history.refuses(
        merge(&[], 102, None),
        &admin(NOW),
        Refusal::MergedNotAllowed,
    );
    history.refuses(
        merge(&[102], 102, None),
        &admin(NOW),
        Refusal::SuccessorIsItself,
    );
    history.refuses(
        merge(&[200], 102, None),
        &admin(NOW),
        Refusal::SuccessorOfOtherLevel,
    );
    history.refuses(
        merge(&[101], 104, None),
        &admin(NOW),
        Refusal::SuccessorHasEnded,
    );
}

#[test]
fn a_unit_takes_nothing_new_from_the_day_of_its_end() {
    let history = county().then(split(101, &[102, 103], Some(MARCH)), &admin(NOW));
    let world = history.world();
    let taking = |day| Unit::taking(&world, id(101), at(day)).is_ok();
    assert!(taking("2024-02-29T23:59:59Z"));
    assert!(!taking(MARCH));
    let apply = crate::member::Command::ApplyForMembership {
        community: id(101),
        person: id(5),
        kind: crate::member::MemberKind::Volunteer,
        under_14: false,
        guardian_consent: None,
        applied_at: None,
    };
    assert_eq!(
        history.outcome(apply.clone(), &by(id(5), at(NOW))),
        "MemberApplied"
    );
    history.refuses(apply, &by(id(5), at(MARCH)), Refusal::UnitHasEnded);
    let report = crate::hazard::Command::ReportHazard {
        hazard: id(500),
        unit: id(101),
        kind: "blocked exit".to_owned(),
        place: None,
        description: None,
        photos: Vec::new(),
        seen_at: Some(at("2024-02-29T00:00:00Z")),
    };
    // Also what was seen before: it would be an open item of nobody.
    history.refuses(report, &by(id(5), at(MARCH)), Refusal::UnitHasEnded);
}

#[test]
fn who_was_below_a_unit_that_ended_is_below_who_answers_for_it() {
    let history = county()
        .then(found(300, UnitLevel::Station, Some(10)), &admin(NOW))
        .then(found(301, UnitLevel::Station, Some(10)), &admin(NOW))
        .then(merge(&[100], 200, Some(MARCH)), &admin(NOW))
        .then(split(200, &[300, 301], Some(APRIL)), &admin(NOW));
    assert_eq!(path(&history, 101, NOW), ids(&[101, 100, 10]));
    assert_eq!(path(&history, 101, MARCH), ids(&[101, 200, 10]));
    assert_eq!(path(&history, 101, APRIL), ids(&[101, 300, 10]));
    let world = history.world();
    let answers = |day| Unit::responsible(&world, id(100), at(day)).expect("a whole world");
    assert_eq!(answers(NOW), id(100));
    assert_eq!(answers(MARCH), id(200));
    assert_eq!(answers(APRIL), id(300));
}

/// Any of the commands that change a tree of twelve units.
fn any_change() -> impl Strategy<Value = Command> {
    let unit = || prop_oneof![Just(10_u128), 100..104_u128, 200..206_u128];
    let months = || prop_oneof![Just(None), (2..13_u32).prop_map(Some)];
    let from = |month: Option<u32>| month.map(|month| format!("2024-{month:02}-01T00:00:00Z"));
    prop_oneof![
        (unit(), unit(), months())
            .prop_map(move |(unit, parent, month)| { put(unit, parent, from(month).as_deref()) }),
        (unit(), unit(), unit(), months()).prop_map(move |(unit, one, other, month)| {
            split(unit, &[one, other], from(month).as_deref())
        }),
        (unit(), unit(), months())
            .prop_map(move |(unit, into, month)| { merge(&[unit], into, from(month).as_deref()) }),
    ]
}

fn twelve() -> History {
    let cx = admin("2024-01-01T00:00:00Z");
    let district = [found(10, UnitLevel::District, None)];
    let stations = (102..104).map(|n| found(n, UnitLevel::Station, Some(10)));
    let communities = (200..206).map(|n| found(n, UnitLevel::Community, Some(100 + n % 2 * 2)));
    let all = district.into_iter().chain(stations).chain(communities);
    all.fold(community(), |history, command| history.then(command, &cx))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_unit_has_one_path_up_and_one_that_answers_whatever_was_changed(
        changes in proptest::collection::vec(any_change(), 0..30)
    ) {
        let mut history = twelve();
        let cx = admin("2024-01-15T00:00:00Z");
        for change in changes {
            if history.when(change.clone(), &cx).is_ok() {
                history = history.then(change, &cx);
            }
        }
        let world = history.world();
        for month in 1..=12 {
            let day = at(&format!("2024-{month:02}-20T00:00:00Z"));
            for unit in [10, 100, 101, 102, 103, 200, 201, 202, 203, 204, 205] {
                let answers = Unit::responsible(&world, id(unit), day).expect("whole");
                let state = world.state::<Unit>(answers).expect("whole");
                prop_assert!(state.ended(day).is_none(), "who answers stands");
                let path = Unit::path(&world, answers, day).expect("whole");
                let levels: Vec<_> = path
                    .iter()
                    .map(|unit| world.state::<Unit>(unit).expect("whole").level.expect("founded"))
                    .collect();
                prop_assert!(levels.is_sorted_by(|below, above| below > above), "{levels:?}");
            }
        }
    }

    #[test]
    fn any_order_of_events_is_borne(history in any_history(one_of_each::<Event>("unit"))) {
        let mut unit = Unit::default();
        for (event, stamp) in &history {
            unit.evolve(event, stamp);
            let _ = (unit.parent(stamp.occurred_at), unit.name(stamp.recorded_at), unit.ended(stamp.recorded_at));
        }
    }
}

#[test]
fn who_did_not_move_yet_counts_with_every_unit_that_theirs_was_split_or_merged_into() {
    use crate::member::{self, Member};
    let history = county()
        .then(split(101, &[102, 103], Some(MARCH)), &admin(NOW))
        .then(merge(&[102], 104, Some(APRIL)), &admin(MARCH));
    let counts = |history: &History, unit: u128, person: u128, day: &str| {
        let found = Member::counted(&history.world(), id(unit), id(person), at(day));
        found.is_ok()
    };
    let day_before = "2024-02-29T23:59:59Z";
    for successor in [102, 103] {
        assert!(!counts(&history, successor, 3, day_before));
        assert!(counts(&history, successor, 3, MARCH));
    }
    assert!(!counts(&history, 104, 3, MARCH));
    assert!(counts(&history, 104, 3, APRIL), "over two successions");
    // Who is known in the unit itself is what that says; who was none before is none after.
    let suspended = history
        .clone()
        .and_member(id(8), crate::member::MemberKind::Volunteer, None)
        .and::<Member>(
            Member::key(id(103), id(8)),
            member::Event::MemberApplied {
                community: id(103),
                person: id(8),
                kind: crate::member::MemberKind::Volunteer,
                under_14: false,
            },
            at(MARCH),
        );
    assert!(counts(&suspended, 102, 8, MARCH));
    assert!(!counts(&suspended, 103, 8, MARCH));
    assert!(!counts(&history, 102, 9, MARCH));
    // Roles do not go along: the captain of the unit that ended leads neither successor.
    let captain = by(id(2), at(MARCH));
    let found = Member::approver(&history.world(), id(102), &captain);
    assert!(found.is_err());
}
