//! What is said to be rectified is looked at again within some working days, and a breach of that is
//! recorded once.

use super::*;

/// Claimed on Friday, 2 February, 04:00 in the zone: the end of Tuesday.
const LOOK_DUE: &str = "2024-02-06T16:00:00Z";
const LOOK_LATE: &str = "2024-02-07T01:00:00Z";

fn breach_of(due_at: &str) -> Command {
    Command::RecordBreach {
        hazard: id(70),
        purpose: Purpose::Reinspection,
        due_at: at(due_at),
    }
}

fn look(passed: bool, inspected_at: &str) -> Command {
    Command::Reinspect {
        hazard: id(70),
        passed,
        reason: (!passed).then(|| "still blocked".to_owned()),
        inspected_at: Some(at(inspected_at)),
    }
}

fn just_after() -> Context {
    by_system(at("2024-02-06T16:00:01Z"))
}

/// The timer has recorded the breach.
fn missed() -> History {
    rectified().then(breach_of(LOOK_DUE), &just_after())
}

fn adopt(text: &str) -> crate::policy_set::Command {
    crate::policy_set::Command::AdoptPolicySet {
        unit: id(101),
        text: text.to_owned(),
        effective_from: None,
    }
}

/// Claimed under another text of the policy set.
fn rectified_under(text: &str) -> History {
    base()
        .then(adopt(text), &by(id(1), at("2024-02-01T07:00:00Z")))
        .then(report(70), &on_1_february(3, 8))
        .then(verify_yellow(), &on_1_february(4, 9))
        .then(assign(), &on_1_february(4, 10))
        .then(claim_done(None), &on_1_february(5, 20))
}

#[test]
fn a_claim_sets_the_deadline_to_look_again_in_working_days_of_the_policy() {
    let due = |history: &History| hazard(history).reinspection_running();
    assert_eq!(due(&rectified()), Some(at(LOOK_DUE)));
    let pilot = include_str!("../../../../../policies/pilot.toml");
    let holidays = pilot.replace("holidays = []", "holidays = [\"2024-02-05\"]");
    let later = at("2024-02-07T16:00:00Z");
    assert_eq!(due(&rectified_under(&holidays)), Some(later));
    let without = pilot.replace("hazard_reinspection_working_days = 2\n", "");
    assert_eq!(due(&rectified_under(&without)), None);
    // Who claims it late, dated back, does not shorten the time to look at it.
    let dated_back = rectifying().then(claim_done(Some(DUE)), &by(id(5), at(LOOK_DUE)));
    assert_eq!(due(&dated_back), Some(at("2024-02-09T16:00:00Z")));
}

#[test]
fn the_timer_asks_for_it_once_and_only_while_nobody_looked() {
    let due = |history: &History| hazard(history).next_due(id(70));
    let asked = Some((at(LOOK_DUE), breach_of(LOOK_DUE)));
    assert_eq!(due(&rectified()), asked);
    let on_time = by_system(at(LOOK_DUE));
    rectified().refuses(breach_of(LOOK_DUE), &on_time, Refusal::DeadlineNotDue);
    let other = breach_of("2024-02-05T16:00:00Z");
    rectified().refuses(other, &just_after(), Refusal::DeadlineReplaced);
    assert_eq!(due(&missed()), None);
    let again = breach_of(LOOK_DUE);
    missed().refuses(again.clone(), &just_after(), Refusal::BreachAlreadyRecorded);
    for looked in [pass(), fail()] {
        let history = rectified().then(looked, &on_1_february(6, 21));
        let purpose = Purpose::Reinspection;
        assert!(due(&history).is_none_or(|due| {
            !matches!(due.1, Command::RecordBreach { purpose: of, .. } if of == purpose)
        }));
        history.refuses(again.clone(), &just_after(), Refusal::LookedAtAgain);
    }
}

#[test]
fn a_look_too_late_is_a_breach_whoever_finds_it_first() {
    let late = by(id(6), at(LOOK_LATE));
    assert_eq!(
        rectified().outcome(pass(), &late),
        "DeadlineBreached + ReinspectionPassed"
    );
    let breached = ("DeadlineBreached".to_owned(), at(LOOK_DUE), Trust::System);
    assert_eq!(told(&rectified(), &pass(), &late)[0], breached);
    assert_eq!(missed().outcome(pass(), &late), "ReinspectionPassed");
    let looked = missed().then(pass(), &late);
    assert!(
        hazard(&looked).reinspection_breach.is_some(),
        "too late stays so"
    );
}

#[test]
fn a_breach_is_withdrawn_when_it_was_looked_at_in_time_after_all() {
    let late = by(id(6), at(LOOK_LATE));
    let withdrawn = Event::BreachWithdrawn {
        purpose: Purpose::Reinspection,
        due_at: at(LOOK_DUE),
        fact: None,
    };
    for passed in [true, false] {
        let events = missed().when(look(passed, LOOK_DUE), &late).expect("taken");
        assert_eq!(events[1], withdrawn.clone().into());
        let looked = missed().then(look(passed, LOOK_DUE), &late);
        assert!(hazard(&looked).reinspection_breach.is_none());
    }
    // One second later it was not.
    let outcome = missed().outcome(look(true, "2024-02-06T16:00:01Z"), &late);
    assert_eq!(outcome, "ReinspectionPassed");
}

#[test]
fn it_is_looked_at_after_the_claim_and_not_in_the_future() {
    let late = by(id(6), at(LOOK_LATE));
    let early = look(true, "2024-02-01T19:59:59Z");
    rectified().refuses(early, &late, Refusal::TimeBeforeClaim);
    let future = look(true, "2024-02-07T01:00:01Z");
    rectified().refuses(future, &late, Refusal::TimeInTheFuture);
    let looked = look(true, "2024-02-01T20:00:00Z");
    assert_eq!(rectified().outcome(looked, &late), "ReinspectionPassed");
}

#[test]
fn each_claim_is_looked_at_on_its_own() {
    let again = missed()
        .then(fail(), &by(id(6), at(LOOK_LATE)))
        .then(claim_done(None), &by(id(5), at(LOOK_LATE)));
    let state = hazard(&again);
    assert!(state.reinspection_breach.is_none());
    assert_eq!(
        state.reinspection_running(),
        Some(at("2024-02-09T16:00:00Z"))
    );
}

#[test]
fn what_was_imported_where_no_policy_set_is_in_force_is_claimed_without_such_a_deadline() {
    let bare = crate::unit::Command::FoundUnit {
        unit: id(900),
        level: crate::unit::UnitLevel::City,
        name: "elsewhere".to_owned(),
        parent: None,
        zone: None,
        imported: None,
    };
    let mut command = import(None, None);
    if let Command::ImportHazard { unit, .. } = &mut command {
        *unit = id(900);
    }
    let history = base()
        .then(bare, &by(id(1), at("2024-02-01T07:00:00Z")))
        .then(command, &late(7));
    assert_eq!(
        history.outcome(claim_done(None), &late(5)),
        "RectificationClaimed"
    );
}
