//! What becomes of every command in every state of the genesis.

use uuid::Uuid;

use super::*;
use crate::state_table::{check, row};
use crate::testing::{History, at, by, id};

const BORN: &str = "2024-07-01T00:00:00Z";
const LATER: &str = "2024-07-02T00:00:00Z";

fn bear(origin: &str) -> Command {
    Command::BearLog {
        log_id: Uuid::nil(),
        origin: origin.to_owned(),
        zone: chrono_tz::Asia::Shanghai,
        clock: ClockKind::Real,
        administrator: id(1),
        administrator_name: Personal::new("administrator"),
        administrator_subject: "admin".to_owned(),
    }
}

fn appoint(person: u128) -> Command {
    Command::AppointAdministrator { person: id(person) }
}

fn relieve(person: u128) -> Command {
    Command::RelieveAdministrator { person: id(person) }
}

fn start(epoch: u32, parent_epoch: u32, parent_commits: u64) -> Command {
    Command::StartEpoch {
        epoch,
        branch: Uuid::from_u128(7),
        parent: Parent {
            parent_epoch,
            parent_position: 12,
            parent_commits,
            parent_root: "0f".repeat(32),
            claimed_position: None,
        },
        reason: EpochReason::AcceptedLoss {
            finding: "a block is lost".to_owned(),
        },
    }
}

/// Born with person 1 as administrator; persons 2 and 3 are registered.
fn born() -> History {
    let birth = birth(ClockKind::Real, id(1), at(BORN));
    (2..=3).fold(History::given(birth), |history, n| {
        let register = person::Command::RegisterPerson {
            person: id(n),
            name: Personal::new(format!("person {n}")),
            phone: None,
            identity_claim: None,
        };
        history.then(register, &by(id(1), at(BORN)))
    })
}

fn place(history: &History) -> String {
    let genesis = history.state::<Genesis>(KEY);
    match genesis.administrators.len() {
        0 => "not born".to_owned(),
        1 => format!("epoch {} with one administrator", genesis.epoch),
        count => format!("epoch {} with {count} administrators", genesis.epoch),
    }
}

#[test]
fn the_table_of_every_command_in_every_state_of_the_genesis() {
    let (admin, nobody) = (by(id(1), at(LATER)), by(id(3), at(LATER)));
    let two = born().then(appoint(2), &admin);
    let next = born().then(start(2, 1, 3), &admin);
    let states = [History::default(), born(), two, next];
    let birth = "LogBorn + PersonRegistered + AdministratorAppointed + PrincipalRegistered + \
        PrincipalLinked + PrincipalRegistered + PrincipalRegistered + PrincipalRegistered";
    let (known, none) = ("LOG_ALREADY_BORN", "ACTOR_IS_NO_ADMINISTRATOR");
    let (other, last) = ("EPOCH_DOES_NOT_FOLLOW", "LAST_ADMINISTRATOR_STAYS");
    #[rustfmt::skip]
    let rows = [
        row(bear("test.example/log"), admin, [birth, known, known, known]),
        row(bear("with blanks"), admin, ["ORIGIN_NOT_ALLOWED", known, known, known]),
        row(appoint(2), admin, [none, "AdministratorAppointed", "ALREADY_ADMINISTRATOR", "AdministratorAppointed"]),
        row(appoint(9), admin, [none, "PERSON_NOT_FOUND", "PERSON_NOT_FOUND", "PERSON_NOT_FOUND"]),
        row(appoint(2), nobody, [none, none, none, none]),
        row(relieve(2), admin, [none, "NOT_AN_ADMINISTRATOR", "AdministratorRelieved", "NOT_AN_ADMINISTRATOR"]),
        row(relieve(1), admin, [none, last, "NOT_BY_ONESELF", last]),
        row(relieve(1), nobody, [none, none, none, none]),
        row(start(2, 1, 3), admin, [none, "EpochStarted", "EpochStarted", other]),
        row(start(3, 2, 3), admin, [none, other, other, "EpochStarted"]),
        row(start(2, 1, 0), admin, [none, "PARENT_IS_EMPTY", "PARENT_IS_EMPTY", other]),
        row(start(2, 1, 3), nobody, [none, none, none, none]),
    ];
    let given = "The rows of each command are: to be born with an origin that is allowed and one that \
        is not; to appoint a second person, one who is not registered, and by who is no administrator; \
        to relieve the second, oneself, and by who is none; to start epoch 2 and epoch 3 each after \
        the one before, after nothing, and by who is none.";
    let source = include_str!("../genesis.rs");
    check("Genesis", given, source, &states, &rows, place);
}
