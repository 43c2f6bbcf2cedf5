//! What holds in every history: nobody is out twice, no minute counts twice, and what is settled
//! is settled by others than those who walked.

use proptest::prelude::*;

use super::*;

/// On either of two shifts that overlap.
fn on_both(moves: impl Fn() -> Vec<(u128, Command)>) -> Vec<(u128, Command)> {
    let on = |shift| {
        let moves = moves().into_iter();
        moves.map(move |(actor, command)| {
            (actor, edited(command, |command| set_shift(command, shift)))
        })
    };
    on(SHIFT).chain(on(OTHER_SHIFT)).collect()
}

/// What those who walk may try.
fn walking() -> Vec<(u128, Command)> {
    on_both(|| {
        let mut moves = Vec::new();
        for person in [3, 4, 5] {
            let mut there = capture(person, None, clock("12:00:00"));
            there.device_at = None;
            moves.push((person, sign_up(person)));
            moves.push((person, check_in_with(person, there.clone())));
            moves.push((
                person,
                Command::AcceptHandover {
                    shift: id(SHIFT),
                    capture: there,
                },
            ));
            moves.push((person, check_out(person, None)));
        }
        for (from, to) in [(3, 4), (4, 5), (5, 3)] {
            moves.push((from, hand_over(from, to)));
        }
        moves
    })
}

/// Everybody goes, and every part is settled.
fn settling() -> Vec<(u128, Command)> {
    on_both(|| {
        let gone = [3, 4, 5].map(|person| (person, check_out(person, None)));
        let found = [3, 4, 5].map(|person| (CAPTAIN, verify(person)));
        gone.into_iter().chain(found).collect()
    })
}

/// What may be tried afterwards.
fn disputing() -> Vec<(u128, Command)> {
    on_both(|| {
        let mut moves = vec![(7, dispute()), (7, dispute()), (7, dispute())];
        for arbiter in [OFFICER, INSTRUCTOR, 1] {
            moves.push((arbiter, void()));
            for crew in [
                vec![3],
                vec![4],
                vec![5],
                vec![3, 4],
                vec![3, 5],
                vec![4, 5],
                vec![3, 4, 5],
            ] {
                let all = crew.iter().map(|person| counts(*person)).collect();
                let first_not = crew.iter().enumerate().map(|(place, person)| {
                    if place == 0 {
                        counts_not(*person)
                    } else {
                        counts(*person)
                    }
                });
                moves.push((arbiter, reverify(all)));
                moves.push((arbiter, reverify(first_not.collect())));
            }
        }
        moves
    })
}

fn set_shift(command: &mut Command, to: u128) {
    match command {
        Command::SignUp { shift, .. }
        | Command::CheckIn { shift, .. }
        | Command::HandOver { shift, .. }
        | Command::AcceptHandover { shift, .. }
        | Command::CheckOut { shift, .. }
        | Command::VerifyParticipation { shift, .. }
        | Command::RejectParticipation { shift, .. }
        | Command::DisputeShift { shift, .. }
        | Command::ReverifyShift { shift, .. }
        | Command::VoidShift { shift, .. } => *shift = id(to),
        _ => {}
    }
}

type Steps = Vec<((u128, Command), i64)>;

/// A walk, its end, and then what may be tried.
fn steps() -> impl Strategy<Value = (Steps, Steps)> {
    let walk = (proptest::sample::select(walking()), 0_i64..8);
    let after = (proptest::sample::select(disputing()), 1_i64..30);
    (
        proptest::collection::vec(walk, 10..60),
        proptest::collection::vec(after, 20..80),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nobody_is_out_twice_and_no_minute_counts_twice((walk, after) in steps()) {
        let mut history = team()
            .then(plan(), &captain("08:00:00"))
            .then(plan_of(OTHER_SHIFT, clock("12:00:00"), clock("14:00:00")), &captain("08:00:00"));
        let mut now = clock("11:50:00");
        let settling = settling().into_iter().map(|step| (step, 0));
        for ((actor, command), minutes) in walk.into_iter().chain(settling).chain(after) {
            now += Duration::minutes(minutes);
            let cx = by(id(actor), now);
            if history.when(command.clone(), &cx).is_ok() {
                history = history.then(command, &cx);
            }
        }
        let shifts = [SHIFT, OTHER_SHIFT]
            .map(|n| history.state::<PatrolShift>(id::<ShiftId>(n)));
        for person in [3, 4, 5] {
            let person: PersonId = id(person);
            let out: Vec<_> = shifts
                .iter()
                .zip([SHIFT, OTHER_SHIFT])
                .filter(|(shift, _)| shift.crew.get(&person).is_some_and(Part::is_open))
                .map(|(_, n)| uuid::Uuid::from_u128(n))
                .collect();
            let claim = history.state::<Claim>(Kind::OpenShift.key(person));
            prop_assert!(out.len() <= 1);
            prop_assert_eq!(claim.holder, out.first().copied());

            let mut counted: Vec<_> = shifts
                .iter()
                .filter_map(|shift| shift.crew.get(&person))
                .flat_map(|part| part.counted.clone())
                .collect();
            counted.sort_unstable();
            prop_assert!(counted.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{:?}", counted);
            let day = "2024-07-01".parse().expect("a date");
            let day = history.state::<PersonDay>(PersonDay::key(person, day));
            let mut held: Vec<_> = day.held.iter().map(|held| (held.from, held.until)).collect();
            held.sort_unstable();
            prop_assert_eq!(held, counted, "what counts is held, and nothing else");
        }
        for shift in &shifts {
            prop_assert!(shift.settled_by.iter().all(|who| !shift.crew.contains_key(who)));
            let pending = shift.handover.as_ref();
            prop_assert_eq!(pending.is_some(), shift.state == ShiftState::HandedOver);
            if shift.state == ShiftState::Voided {
                prop_assert!(shift.crew.values().all(|part| part.accepted != Some(true)));
            }
        }
    }
}
