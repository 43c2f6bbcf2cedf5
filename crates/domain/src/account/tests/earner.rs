//! Who earns: one person under several records, and who belongs to a successor only.

use super::*;
use crate::member::{self, Member};
use crate::person::{Event as PersonEvent, Person};
use crate::unit::{Command as UnitCommand, UnitLevel};

/// Another record of the volunteer.
const AGAIN: u128 = 9;

/// The volunteer is known by two ids, both of them of members.
fn found_to_be_one(history: History) -> History {
    let now = at("2025-01-01T00:00:00Z");
    let merged = PersonEvent::PersonsMerged {
        into: id(VOLUNTEER),
        merged_by: id(1),
    };
    let taken = PersonEvent::RecordsTakenOver {
        duplicates: vec![id(AGAIN)],
        identity_claim: None,
        merged_by: id(1),
    };
    history
        .and::<Person>(id::<PersonId>(AGAIN), merged, now)
        .and::<Person>(id::<PersonId>(VOLUNTEER), taken, now)
}

fn two_records() -> History {
    team().and_member(id(AGAIN), MemberKind::Volunteer, None)
}

fn patrol_of(person: u128, n: u128) -> Command {
    let done = at("2024-07-01T12:00:00Z");
    grant_to(person, activity(n, ActivityFamily::Patrol, done))
}

#[test]
fn an_activity_brings_a_person_one_award_under_whichever_record() {
    let cx = system("2025-06-01T00:00:00Z");
    let before = two_records().then(patrol_of(VOLUNTEER, 1), &cx);
    assert_eq!(before.outcome(patrol_of(AGAIN, 1), &cx), "AwardGranted");
    let merged = found_to_be_one(before.clone());
    merged.refuses(patrol_of(AGAIN, 1), &cx, Refusal::AwardAlreadyGranted);
    // Also the other way round.
    let other = found_to_be_one(two_records().then(patrol_of(AGAIN, 1), &cx));
    other.refuses(patrol_of(VOLUNTEER, 1), &cx, Refusal::AwardAlreadyGranted);
}

#[test]
fn a_cap_holds_for_a_person_over_all_their_records() {
    let cx = system("2025-06-01T00:00:00Z");
    let patrolled = two_records()
        .then(patrol_of(VOLUNTEER, 1), &cx)
        .then(patrol_of(AGAIN, 2), &cx);
    // The pilot's day gives 100 points.
    let third = |history: History| {
        let after = history.then(patrol_of(VOLUNTEER, 3), &cx);
        account(&after).totals.granted
    };
    assert_eq!(third(patrolled.clone()), 100);
    // 50 of them stand in the account of the other record.
    assert_eq!(third(found_to_be_one(patrolled)), 50);
}

#[test]
fn who_belongs_to_the_successor_only_earns_for_what_was_filed_before_the_split() {
    let now = at("2024-06-01T00:00:00Z");
    let admin = by(id(1), now);
    let found = |unit| UnitCommand::FoundUnit {
        unit: id(unit),
        level: UnitLevel::Community,
        name: format!("successor {unit}"),
        parent: Some(id(100)),
        zone: None,
        imported: None,
    };
    let split = UnitCommand::SplitUnit {
        unit: id(101),
        into: vec![id(102), id(103)],
        rest: id(102),
        effective_from: None,
    };
    let newcomer = |history: History, unit| {
        let applied = member::Event::MemberApplied {
            community: id(unit),
            person: id(20),
            kind: MemberKind::Volunteer,
            under_14: false,
        };
        history.and::<Member>(Member::key(id(unit), id(20)), applied, now)
    };
    let history = team().then(found(102), &admin).then(found(103), &admin);
    let cx = system("2024-07-03T00:00:00Z");
    // While the community stands, only its own members earn there.
    let whole = newcomer(history.clone(), 102);
    whole.refuses(patrol_of(20, 1), &cx, Refusal::KindEarnsNothing);
    let history = history.then(split, &admin);
    let after = newcomer(history.clone(), 102);
    assert_eq!(after.outcome(patrol_of(20, 1), &cx), "AwardGranted");
    // The successor that does not answer for it gives no membership in it.
    let elsewhere = newcomer(history, 103);
    elsewhere.refuses(patrol_of(20, 1), &cx, Refusal::KindEarnsNothing);
}
