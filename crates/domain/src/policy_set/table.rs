//! What becomes of adopting a policy set, whatever a unit has already.

use super::*;
use crate::state_table::{check, row};
use crate::testing::{History, at, by, community, id};

const JANUARY: &str = "2024-01-10T00:00:00Z";
const FEBRUARY: &str = "2024-02-01T00:00:00Z";
const MARCH: &str = "2024-03-01T00:00:00Z";
const APRIL: &str = "2024-04-01T00:00:00Z";

/// The pilot's set under another version.
fn text(version: u32) -> String {
    let pilot = include_str!("../../../../policies/pilot.toml");
    pilot.replacen("version = 1", &format!("version = {version}"), 1)
}

fn adopt_in(unit: u128, text: String, from: Option<&str>) -> Command {
    Command::AdoptPolicySet {
        unit: id(unit),
        text,
        effective_from: from.map(at),
    }
}

fn adopt(version: u32, from: Option<&str>) -> Command {
    adopt_in(101, text(version), from)
}

fn place(history: &History) -> String {
    let sets = history.state::<PolicySets>(id::<UnitId>(101));
    let sets = sets.versions.iter();
    let told: Vec<_> = sets
        .map(|version| {
            format!(
                "{} from {}",
                version.set.reference(),
                version.from.date_naive()
            )
        })
        .collect();
    if told.is_empty() {
        "none of its own".to_owned()
    } else {
        told.join(" + ")
    }
}

#[test]
fn the_table_of_adopting_a_policy_set_in_every_state_of_a_unit() {
    let (admin, nobody) = (by(id(1), at(FEBRUARY)), by(id(2), at(FEBRUARY)));
    let in_force = community().then(adopt(2, None), &by(id(1), at(JANUARY)));
    let to_come = in_force.clone().then(adopt(3, Some(MARCH)), &admin);
    let states = [community(), in_force, to_come];
    let (taken, known) = ("PolicySetEffective", "POLICY_SET_ALREADY_ADOPTED");
    let (falling, past) = ("POLICY_SET_VERSION_NOT_RISING", "EFFECTIVE_IN_THE_PAST");
    let (unreadable, none) = ("POLICY_SET_UNREADABLE", "ACTOR_IS_NO_ADMINISTRATOR");
    #[rustfmt::skip]
    let rows = [
        row(adopt(1, None), admin, [taken, falling, falling]),
        row(adopt(2, None), admin, [taken, known, known]),
        row(adopt(3, None), admin, [taken, taken, known]),
        row(adopt(4, None), admin, [taken, taken, "EFFECTIVE_BEFORE_LATEST"]),
        row(adopt(4, Some(APRIL)), admin, [taken, taken, taken]),
        row(adopt(4, Some(JANUARY)), admin, [taken, past, past]),
        row(adopt_in(101, "name = 1".to_owned(), None), admin, [unreadable, unreadable, unreadable]),
        row(adopt_in(199, text(4), None), admin, ["UNIT_NOT_FOUND", "UNIT_NOT_FOUND", "UNIT_NOT_FOUND"]),
        row(adopt(4, Some(APRIL)), nobody, [none, none, none]),
    ];
    let given = "On 1 February an administrator adopts versions 1, 2, 3 and 4 from now on, version 4 \
        from 1 April on and from 10 January on, a text that is none, a set for a unit there is not; at \
        last somebody else does.";
    let source = include_str!("../policy_set.rs");
    check("Policy set", given, source, &states, &rows, place);
}
