use std::cmp::Reverse;

use proptest::prelude::*;

use super::{Need, divided, is_too_much};

const BUDGET: usize = 1_000;

fn need(bytes: usize) -> Need {
    Need {
        live: false,
        resident: bytes,
        whole: bytes,
    }
}

#[test]
fn builds_are_divided_once_they_are_about_to_come_to_more_than_their_share() {
    // Of (bytes of each build, position, target): whether it is too much.
    let cases: &[(&[usize], u64, u64, bool)] = &[
        (&[100, 100], 100, 1_000, true),
        // Enough room for what they come to.
        (&[100, 100], 100, 300, false),
        // One alone cannot be divided.
        (&[200], 100, 1_000, false),
        // Too early to tell.
        (&[70, 70], 1, 1_000, false),
        (&[400, 400], 1_000, 1_000, true),
    ];
    for (bytes, position, target, too_much) in cases {
        let needs: Vec<_> = bytes.iter().copied().map(need).collect();
        assert_eq!(
            is_too_much(&needs, *position, *target, BUDGET),
            *too_much,
            "{bytes:?}, {position} of {target}"
        );
    }
}

#[test]
fn small_builds_are_folded_first_and_a_large_one_alone() {
    let needs = [30, 90, 10, 20].map(need);
    assert_eq!(
        divided(&needs, 100, 1_000, BUDGET),
        [vec![0, 3, 2], vec![1]]
    );
}

#[test]
fn live_builds_are_folded_before_those_that_nobody_waits_for() {
    let live = Need {
        live: true,
        ..need(90)
    };
    let needs = [need(20), need(20), live];
    assert_eq!(divided(&needs, 100, 1_000, BUDGET), [vec![2], vec![0, 1]]);
}

#[test]
fn what_is_resident_does_not_say_what_a_build_comes_to() {
    let let_go = Need {
        resident: 0,
        ..need(400)
    };
    let needs = [let_go, need(200), need(200)];
    assert!(is_too_much(&needs, 100, 100, BUDGET));
    assert_eq!(divided(&needs, 100, 100, BUDGET), [vec![0, 1], vec![2]]);
}

proptest! {
    #[test]
    fn each_build_is_in_one_round_that_fits_or_holds_it_alone_and_is_not_divided_again(
        bytes in prop::collection::vec(0_usize..2_000, 1..25),
        position in 1_u64..1_000,
        more in 0_u64..1_000,
    ) {
        let needs: Vec<_> = bytes.iter().copied().map(need).collect();
        let target = position + more;
        let rounds = divided(&needs, position, target, BUDGET);
        let mut places: Vec<_> = rounds.iter().flatten().copied().collect();
        places.sort_unstable();
        prop_assert_eq!(places, (0..bytes.len()).collect::<Vec<_>>());
        prop_assert!(rounds.is_sorted_by_key(|round| Reverse(round.len())));
        for round in &rounds {
            let own: Vec<_> = round.iter().map(|place| needs[*place]).collect();
            prop_assert!(!is_too_much(&own, position, target, BUDGET));
        }
    }
}
