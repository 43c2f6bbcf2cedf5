//! The check passes what one order explains and nothing else.

use super::*;

/// An append that was acknowledged.
fn appended(
    (called, answered): (u64, u64),
    id: u64,
    expected: &[(Stream, u64)],
    (number, position): (u64, u64),
    versions: &[(Stream, u64)],
) -> Operation {
    let answer = Answer::Appended {
        number,
        position,
        versions: versions.to_vec(),
    };
    append((called, answered), id, expected, answer)
}

fn append(
    (called, answered): (u64, u64),
    id: u64,
    expected: &[(Stream, u64)],
    answer: Answer,
) -> Operation {
    let expected = expected.to_vec();
    let done = Done::Append {
        id,
        expected,
        answer,
    };
    Operation {
        called,
        answered,
        done,
    }
}

fn read(called: u64, answered: u64, done: Done) -> Operation {
    Operation {
        called,
        answered,
        done,
    }
}

fn version(called: u64, answered: u64, stream: Stream, version: u64) -> Operation {
    read(called, answered, Done::Version { stream, version })
}

fn recorded(id: u64, first_position: u64, written: &[Stream]) -> Recorded {
    Recorded {
        id,
        first_position,
        written: written.to_vec(),
    }
}

/// Two commits on streams 0 and 1 that ran at the same time: [20, 50] and [30, 60].
fn log() -> Vec<Recorded> {
    vec![recorded(7, 1, &[0, 1]), recorded(8, 3, &[1, 1])]
}

fn appends() -> Vec<Operation> {
    vec![
        appended((20, 50), 7, &[(0, 0), (2, 0)], (0, 2), &[(0, 1), (1, 1)]),
        appended((30, 60), 8, &[(1, 1)], (1, 4), &[(1, 3)]),
    ]
}

fn with(more: impl IntoIterator<Item = Operation>) -> Vec<Operation> {
    let mut operations = appends();
    operations.extend(more);
    operations
}

#[track_caller]
fn passes(operations: &[Operation]) {
    assert_eq!(check(operations, &log(), Views::One), Ok(()));
}

#[track_caller]
fn fails(operations: &[Operation], why: &str) {
    fails_with(operations, &log(), why);
}

#[track_caller]
fn fails_with(operations: &[Operation], log: &[Recorded], why: &str) {
    let found = check(operations, log, Views::One);
    assert!(
        found.as_ref().is_err_and(|found| found.contains(why)),
        "{found:?}"
    );
}

fn conflict(stream: Stream, actual: u64) -> Answer {
    Answer::Conflict { stream, actual }
}

#[test]
fn what_ran_at_the_same_time_may_have_been_in_any_order() {
    passes(&appends());
    for (stream, seen) in [(1, 0), (1, 1), (1, 3), (0, 1), (9, 0)] {
        passes(&with([version(35, 65, stream, seen)]));
    }
    passes(&with([version(31, 32, 0, 1), version(33, 34, 1, 1)]));
    passes(&with([read(
        10,
        11,
        Done::Head {
            position: 0,
            commits: 0,
        },
    )]));
    passes(&with([read(
        70,
        71,
        Done::Head {
            position: 4,
            commits: 2,
        },
    )]));
    let positions = vec![2, 3, 4];
    passes(&with([read(
        40,
        41,
        Done::Stream {
            stream: 1,
            positions,
        },
    )]));
    for (from, ids) in [(1, &[7, 8][..]), (2, &[7, 8]), (3, &[8]), (5, &[])] {
        let ids = ids.to_vec();
        passes(&with([read(70, 71, Done::Range { from, ids })]));
    }
    passes(&with([read(
        35,
        36,
        Done::Range {
            from: 3,
            ids: Vec::new(),
        },
    )]));
    passes(&with([read(
        70,
        71,
        Done::Followed {
            before: 1,
            ids: vec![8],
        },
    )]));
    passes(&with([append(
        (21, 90),
        9,
        &[(0, 1), (1, 2)],
        conflict(1, 3),
    )]));
    passes(&with([append((21, 90), 9, &[(1, 3)], conflict(1, 0))]));
    passes(&with([append((1, 2), 9, &[], Answer::Refused)]));
}

#[test]
fn an_append_without_an_answer_may_stand_or_not() {
    let mut operations = appends();
    operations[1] = append((30, u64::MAX), 8, &[(1, 1)], Answer::Unknown);
    passes(&operations);
    assert_eq!(check(&operations, &log()[..1], Views::One), Ok(()));
    operations[1] = append((30, u64::MAX), 8, &[(1, 0)], Answer::Unknown);
    fails(&operations, "its condition was false");
}

#[test]
fn an_old_view_after_an_answer_fails() {
    let over = "was over when it was called";
    fails(&with([version(51, 52, 0, 0)]), over);
    fails(&with([version(61, 62, 1, 1)]), over);
    fails(
        &with([read(
            61,
            62,
            Done::Head {
                position: 2,
                commits: 1,
            },
        )]),
        over,
    );
    fails(
        &with([read(
            61,
            62,
            Done::Range {
                from: 1,
                ids: vec![7],
            },
        )]),
        over,
    );
    fails(
        &with([read(
            61,
            62,
            Done::Range {
                from: 3,
                ids: Vec::new(),
            },
        )]),
        over,
    );
    let positions = vec![2];
    fails(
        &with([read(
            61,
            62,
            Done::Stream {
                stream: 1,
                positions,
            },
        )]),
        over,
    );
    fails(
        &with([append((61, 62), 9, &[(1, 0)], conflict(1, 1))]),
        over,
    );
}

#[test]
fn a_view_that_goes_back_fails() {
    let back = [version(35, 36, 1, 3), version(37, 38, 1, 1)];
    fails(&with(back.clone()), "was over");
    let [new, old] = back;
    let overlapping = Operation { called: 35, ..old };
    passes(&with([new, overlapping]));
}

#[test]
fn a_view_of_what_was_not_called_yet_fails() {
    let known = "before what was known";
    fails(&with([version(10, 15, 0, 1)]), known);
    fails(
        &with([read(
            25,
            26,
            Done::Head {
                position: 4,
                commits: 2,
            },
        )]),
        known,
    );
    fails(
        &with([read(
            25,
            26,
            Done::Followed {
                before: 0,
                ids: vec![7, 8],
            },
        )]),
        known,
    );
    fails(
        &with([append((10, 15), 9, &[(1, 0)], conflict(1, 3))]),
        known,
    );
}

#[test]
fn views_by_position_may_lag_behind_those_by_stream_only_if_that_is_allowed() {
    let lagging = with([
        version(35, 36, 1, 3),
        read(
            37,
            38,
            Done::Head {
                position: 0,
                commits: 0,
            },
        ),
    ]);
    fails(&lagging, "was over");
    assert_eq!(check(&lagging, &log(), Views::StreamsLead), Ok(()));
    let other_way = with([
        read(
            35,
            36,
            Done::Head {
                position: 4,
                commits: 2,
            },
        ),
        version(37, 38, 1, 1),
    ]);
    assert!(check(&other_way, &log(), Views::StreamsLead).is_err());
    let after_an_answer = with([read(
        61,
        62,
        Done::Head {
            position: 2,
            commits: 1,
        },
    )]);
    assert!(check(&after_an_answer, &log(), Views::StreamsLead).is_err());
}

#[test]
fn a_false_condition_that_was_acknowledged_fails() {
    for expected in [&[(0, 1)][..], &[(1, 0), (0, 1)], &[(9, 1)]] {
        let mut operations = appends();
        let versions = [(0, 1), (1, 1)];
        operations[0] = appended((20, 50), 7, expected, (0, 2), &versions);
        fails(&operations, "its condition was false");
    }
}

#[test]
fn a_refusal_whose_condition_held_all_the_time_fails() {
    let never = "no state in which it had to be refused so";
    fails(
        &with([append((1, 90), 9, &[(0, 1)], conflict(0, 1))]),
        never,
    );
    fails(
        &with([append((1, 90), 9, &[(0, 1)], conflict(0, 2))]),
        never,
    );
    fails(
        &with([append((1, 90), 9, &[(0, 5)], conflict(1, 0))]),
        never,
    );
    // The stream before it had moved already.
    fails(
        &with([append((1, 90), 9, &[(0, 0), (1, 0)], conflict(1, 3))]),
        never,
    );
    fails(
        &with([append((61, 62), 9, &[(1, 3)], conflict(1, 1))]),
        "was over",
    );
}

#[test]
fn appends_that_stand_in_another_order_than_they_ran_fail() {
    let mut operations = appends();
    (operations[0].called, operations[0].answered) = (70, 80);
    fails(&operations, "before what was known");
}

#[test]
fn a_log_that_lost_doubled_or_invented_a_commit_fails() {
    fails_with(&appends(), &log()[..1], "acknowledged and is lost");
    fails_with(&appends()[..1], &log(), "nobody appended 8");
    let twice = [log(), vec![recorded(8, 5, &[1, 1])]].concat();
    fails_with(&appends(), &twice, "stands in the log twice");
    let refused = with([append((1, 90), 9, &[(0, 7)], conflict(0, 1))]);
    let longer = [log(), vec![recorded(9, 5, &[2])]].concat();
    fails_with(&refused, &longer, "refused and stands in the log");
    for first in [2, 4] {
        let moved = [recorded(7, 1, &[0, 1]), recorded(8, first, &[1, 1])];
        fails_with(&appends(), &moved, "position 3 is missing or there twice");
    }
    fails(
        &[appends(), appends()].concat(),
        "two appends have the id 7",
    );
}

#[test]
fn a_wrong_receipt_fails() {
    let receipts = [(1, 2, 1), (0, 3, 1), (0, 2, 2)];
    for (number, position, version) in receipts {
        let mut operations = appends();
        let versions = [(0, version), (1, 1)];
        operations[0] = appended((20, 50), 7, &[], (number, position), &versions);
        fails(&operations, "its receipt says something else");
    }
}

#[test]
fn a_part_of_a_commit_or_another_one_fails() {
    fails(&with([version(1, 90, 1, 2)]), "inside a commit");
    fails(&with([version(1, 90, 1, 4)]), "inside a commit");
    let stream = |positions: &[u64]| {
        let positions = positions.to_vec();
        with([read(
            1,
            90,
            Done::Stream {
                stream: 1,
                positions,
            },
        )])
    };
    fails(&stream(&[2, 3]), "a part of a commit");
    fails(&stream(&[2, 4]), "not the first events");
    fails(&stream(&[2, 3, 4, 5]), "not the first events");
    for (position, commits) in [(1, 1), (2, 0), (2, 2), (3, 1), (4, 3)] {
        let head = Done::Head { position, commits };
        fails(&with([read(1, 90, head)]), "never ended there");
    }
    for (from, ids) in [(1, vec![8]), (1, vec![8, 7]), (3, vec![7])] {
        let range = Done::Range { from, ids };
        fails(&with([read(70, 90, range)]), "other commits");
    }
    for (before, ids) in [(0, vec![8]), (1, vec![7])] {
        let followed = Done::Followed { before, ids };
        fails(&with([read(70, 90, followed)]), "other commits");
    }
    let more = Done::Followed {
        before: 1,
        ids: vec![8, 9],
    };
    fails(&with([read(70, 90, more)]), "more than there is");
    let nothing = Done::Followed {
        before: 2,
        ids: Vec::new(),
    };
    fails(&with([read(70, 90, nothing)]), "nothing was given");
}
