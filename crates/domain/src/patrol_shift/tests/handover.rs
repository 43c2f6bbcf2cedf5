//! Hand-over: who may, what is handed over, and whose minutes are whose.

use super::*;

fn handed_over() -> History {
    in_state(ShiftState::HandedOver)
}

fn with_items(items: Vec<HazardId>) -> Command {
    edited(hand_over(3, 5), |command| {
        if let Command::HandOver { open_items, .. } = command {
            *open_items = items;
        }
    })
}

#[test]
fn who_walks_it_or_who_answers_for_the_community_hands_it_over() {
    let history = in_progress();
    for actor in [3, CAPTAIN, OFFICER, 1] {
        history
            .clone()
            .then(hand_over(3, 5), &person(actor, "12:40:00"));
    }
    for actor in [4, 5, OUTSIDER] {
        let cx = person(actor, "12:40:00");
        history.refuses(hand_over(3, 5), &cx, Refusal::HandoverNotAllowed);
    }
}

#[test]
fn what_is_handed_over_exists_is_open_and_stands_once() {
    let cx = person(3, "12:40:00");
    let history = in_progress();
    let twice = vec![id(500), id(500)];
    history.refuses(with_items(twice), &cx, Refusal::OpenItemsNotAllowed);
    let many = (0..101).map(|n| id(1_000 + n)).collect();
    history.refuses(with_items(many), &cx, Refusal::OpenItemsNotAllowed);
    history.refuses(with_items(vec![id(999)]), &cx, Refusal::ItemNotOpen);
    let reject = hazard::Command::RejectHazard {
        hazard: id(500),
        reason: "a shadow".to_owned(),
    };
    let closed = history.then(reject, &captain("12:30:00"));
    closed.refuses(with_items(vec![id(500)]), &cx, Refusal::ItemNotOpen);
    assert_eq!(
        outcome(&closed, &with_items(Vec::new()), &cx),
        "ShiftHandedOver"
    );
}

#[test]
fn a_successor_is_an_active_member_without_a_part_in_the_shift() {
    let cx = person(3, "12:40:00");
    let history = in_progress();
    let stranger = member::Refusal::MemberNotActive;
    history.refuses(hand_over(3, OUTSIDER), &cx, stranger);
    history.refuses(hand_over(3, 3), &cx, Refusal::SuccessorOnShift);
    history.refuses(
        hand_over(4, 5),
        &captain("12:40:00"),
        Refusal::PersonNotCheckedIn,
    );
    // Who has signed up and not come may take over as well.
    let signed_up = history.then(hand_over(3, 4), &cx);
    let answer = outcome(
        &signed_up,
        &accept_by(4, "12:50:00"),
        &person(4, "12:50:00"),
    );
    let taken = "HandoverAccepted + PatrollerCheckedOut + PatrollerCheckedIn + Released + Claimed";
    assert_eq!(answer, taken);
}

#[test]
fn only_the_named_successor_accepts_or_declines() {
    let history = handed_over();
    for actor in [3, 4, CAPTAIN] {
        let cx = person(actor, "12:50:00");
        history.refuses(accept("12:50:00"), &cx, Refusal::HandoverNotYours);
        history.refuses(decline(), &cx, Refusal::HandoverNotYours);
    }
    let declined = history.then(decline(), &person(5, "12:50:00"));
    assert_eq!(shift(&declined).state, ShiftState::InProgress);
    declined.refuses(
        accept("12:55:00"),
        &person(5, "12:55:00"),
        Refusal::ShiftNotHandedOver,
    );
}

#[test]
fn minutes_of_who_goes_end_and_those_of_the_successor_begin_when_it_is_accepted() {
    let history = handed_over()
        .then(accept("13:00:00"), &person(5, "13:00:00"))
        .then(check_out(5, None), &person(5, "13:45:00"));
    let state = shift(&history);
    assert_eq!(state.state, ShiftState::Completed);
    let within = |person: u128| {
        let part = &state.crew[&id(person)];
        (part.checked_in, part.checked_out)
    };
    assert_eq!(
        within(3),
        (Some(clock("12:00:00")), Some(clock("13:00:00")))
    );
    assert_eq!(
        within(5),
        (Some(clock("13:00:00")), Some(clock("13:45:00")))
    );
    let verified = history
        .then(verify(3), &captain("15:00:00"))
        .then(verify(5), &captain("15:00:00"));
    let counted = |person: u128| {
        let part = shift(&verified).crew[&id(person)].counted.clone();
        part.iter()
            .map(|(from, until)| (*until - *from).num_minutes())
            .sum::<i64>()
    };
    assert_eq!((counted(3), counted(5)), (60, 45));
}

#[test]
fn the_open_shift_moves_from_who_goes_to_the_successor() {
    let holder = |history: &History, person: u128| {
        let key = Kind::OpenShift.key(id::<PersonId>(person));
        history.state::<Claim>(&key).holder
    };
    let offered = handed_over();
    assert_eq!(holder(&offered, 3), Some(id(SHIFT)));
    let accepted = offered.then(accept("13:00:00"), &person(5, "13:00:00"));
    assert_eq!(holder(&accepted, 3), None);
    assert_eq!(holder(&accepted, 5), Some(id(SHIFT)));
}

#[test]
fn whoever_is_out_on_another_shift_cannot_take_over() {
    let in_other = |command: Command| {
        edited(command, |command| match command {
            Command::SignUp { shift, .. } | Command::CheckIn { shift, .. } => {
                *shift = id(OTHER_SHIFT);
            }
            _ => {}
        })
    };
    let other = plan_of(OTHER_SHIFT, clock("12:00:00"), clock("15:00:00"));
    let history = handed_over()
        .then(other, &captain("12:00:00"))
        .then(in_other(sign_up(5)), &person(5, "12:00:00"))
        .then(in_other(check_in(5, "12:10:00")), &person(5, "12:10:00"));
    let cx = person(5, "13:00:00");
    history.refuses(accept("13:00:00"), &cx, Refusal::PersonHasOpenShift);
}

#[test]
fn nobody_takes_over_before_it_was_offered_nor_after_the_end() {
    // The device says 12:10, the offer was made at 12:40.
    let early = handed_over().then(accept("12:10:00"), &person(5, "12:50:00"));
    let came = shift(&early).crew[&id(5)].checked_in;
    assert_eq!(came, Some(clock("12:40:00")));
    let cx = person(5, "14:00:00");
    handed_over().refuses(accept("14:00:00"), &cx, Refusal::ShiftAlreadyEnded);
    in_progress().refuses(
        hand_over(3, 5),
        &person(3, "14:00:00"),
        Refusal::ShiftAlreadyEnded,
    );
}

#[test]
fn who_has_named_a_successor_may_name_another_one_or_go() {
    let other = handed_over().then(hand_over(3, 7), &person(3, "12:45:00"));
    let cx = person(5, "12:50:00");
    other.refuses(accept("12:50:00"), &cx, Refusal::HandoverNotYours);
    // With somebody else still there, going ends the hand-over and not the shift.
    let gone = handed_over()
        .then(check_in(4, "12:45:00"), &person(4, "12:45:00"))
        .then(check_out(3, None), &person(3, "12:50:00"));
    assert_eq!(shift(&gone).state, ShiftState::InProgress);
    assert_eq!(shift(&gone).handover, None);
}

#[test]
fn a_hand_over_that_nobody_accepted_ends_with_the_forgotten_check_out() {
    let history = handed_over().then(auto_check_out(), &by_system(clock("14:30:00")));
    let state = shift(&history);
    assert_eq!(
        (state.state, &state.handover),
        (ShiftState::Completed, &None)
    );
    assert_eq!(state.crew[&id(3)].checked_out, Some(clock("14:00:00")));
}

fn left(history: &History) -> Vec<HazardId> {
    shift(history).items_not_taken_over().into_iter().collect()
}

#[test]
fn what_nobody_took_over_stays_open_with_the_shift_until_somebody_does() {
    let offered = handed_over();
    assert_eq!(left(&offered), [id(500)]);
    let declined = offered.clone().then(decline(), &person(5, "12:50:00"));
    assert_eq!(left(&declined), [id(500)]);
    // Who offered it goes; somebody else is still there.
    let other = offered.then(check_in(4, "12:45:00"), &person(4, "12:45:00"));
    let gone = other.then(check_out(3, None), &person(3, "12:50:00"));
    assert_eq!(shift(&gone).handover, None);
    assert_eq!(left(&gone), [id(500)]);
    // They hand it over in their turn, and it is taken over.
    let again = edited(hand_over(4, 5), |command| {
        if let Command::HandOver { open_items, .. } = command {
            *open_items = vec![id(500)];
        }
    });
    let taken = gone
        .clone()
        .then(again, &person(4, "13:00:00"))
        .then(accept("13:05:00"), &person(5, "13:05:00"));
    assert_eq!(left(&taken), []);
    // Nobody does: it is there when the shift is over.
    let over = gone.then(check_out(4, None), &person(4, "13:30:00"));
    assert_eq!(shift(&over).state, ShiftState::Completed);
    assert_eq!(left(&over), [id(500)]);
}

#[test]
fn what_is_named_anew_takes_the_place_of_the_offer_and_what_is_forgotten_is_kept() {
    let anew = handed_over().then(with_items(Vec::new()), &person(3, "12:45:00"));
    assert_eq!(left(&anew), []);
    let forgotten = handed_over().then(auto_check_out(), &by_system(clock("14:30:00")));
    assert_eq!(left(&forgotten), [id(500)]);
}

#[test]
fn a_shift_is_handed_over_a_bounded_number_of_times() {
    let cx = person(3, "12:40:00");
    let handed = |history: History| history.then(hand_over(3, 5), &cx);
    let history = (0..HANDOVERS_MAX).fold(in_progress(), |history, _| handed(history));
    history.refuses(hand_over(3, 5), &cx, Refusal::TooManyHandovers);
}

#[test]
fn a_suspended_successor_cannot_accept() {
    let suspended = handed_over().and::<member::Member>(
        member::Member::key(id(101), id(5)),
        member::Event::MemberSuspended {
            reason: Personal::new("complaint"),
        },
        clock("12:45:00"),
    );
    let refusal = member::Refusal::MemberNotActive;
    suspended.refuses(accept("12:50:00"), &person(5, "12:50:00"), refusal);
}
