//! Every command in every state: as a row says it by hand, and as the listing in the docs shows it.

use super::*;
use crate::listing::{self, Cell, name};

/// A command, who gives it when, its answer in some states, and the answer in all others.
type Row = (
    Command,
    Context,
    Vec<(&'static [ShiftState], &'static str)>,
    &'static str,
);

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    use ShiftState as S;
    const WALKED: &[S] = &[S::InProgress, S::HandedOver];
    let unknown = (&[S::Unknown][..], "SHIFT_NOT_FOUND");
    let gone = "PatrollerCheckedOut + CheckpointMissed + CheckpointMissed + CheckpointMissed + ShiftCompleted + Released";
    let forgot = "AutoCheckedOut + CheckpointMissed + CheckpointMissed + CheckpointMissed + ShiftCompleted + Released";
    let taken = "PatrollerSignedUp + HandoverAccepted + PatrollerCheckedOut + PatrollerCheckedIn + Released + Claimed";
    let again = "LateScanCounted + ParticipationReverified + MinutesReleased + MinutesClaimed + ShiftVerified";
    let officer = person(OFFICER, "17:00:00");
    let during = person(3, "12:30:00");
    vec![
        (plan(), captain("08:00:00"), vec![(&[S::Unknown], "ShiftPlanned")], "SHIFT_ALREADY_PLANNED"),
        (file_one(), person(5, "16:00:00"), vec![(&[S::Unknown], "LateShiftFiled")], "SHIFT_ALREADY_PLANNED"),
        (sign_up(7), person(7, "12:30:00"), vec![unknown, (&[S::Planned, S::InProgress, S::HandedOver], "PatrollerSignedUp")], "SHIFT_NOT_OPEN"),
        (check_in(4, "12:05:00"), person(4, "12:05:00"), vec![unknown, (&[S::Planned], "PatrollerCheckedIn + ShiftStarted + Claimed"), (WALKED, "PatrollerCheckedIn + Claimed")], "SHIFT_NOT_OPEN"),
        (scan(3, 0, "12:30:00"), during, vec![unknown, (WALKED, "CheckpointScanned"), (&[S::Completed, S::Verified, S::Disputed], "LateScanRecorded")], "SHIFT_NOT_IN_PROGRESS"),
        (skip(3, 1), during, vec![unknown, (WALKED, "CheckpointSkipped")], "SHIFT_NOT_IN_PROGRESS"),
        (finding(3), during, vec![unknown, (WALKED, "FindingRaised")], "SHIFT_NOT_IN_PROGRESS"),
        (hand_over(3, 5), person(3, "12:40:00"), vec![unknown, (WALKED, "ShiftHandedOver")], "SHIFT_NOT_IN_PROGRESS"),
        (accept("13:00:00"), person(5, "13:00:00"), vec![unknown, (&[S::HandedOver], taken)], "SHIFT_NOT_HANDED_OVER"),
        (decline(), person(5, "13:00:00"), vec![unknown, (&[S::HandedOver], "HandoverDeclined")], "SHIFT_NOT_HANDED_OVER"),
        (check_out(3, None), person(3, "13:30:00"), vec![unknown, (WALKED, gone)], "SHIFT_NOT_IN_PROGRESS"),
        (auto_check_out(), by_system(clock("14:30:00")), vec![unknown, (WALKED, forgot)], "SHIFT_NOT_IN_PROGRESS"),
        (cancel(), captain("09:00:00"), vec![unknown, (&[S::Planned], "ShiftCancelled")], "SHIFT_NOT_PLANNED"),
        (missed(), by_system(clock("12:30:00")), vec![unknown, (&[S::Planned], "ShiftMissed")], "SHIFT_NOT_PLANNED"),
        (verify(3), captain("15:00:00"), vec![unknown, (&[S::Completed], "ParticipationVerified + MinutesClaimed + ShiftVerified"), (&[S::Verified], "PARTICIPATION_ALREADY_SETTLED")], "SHIFT_NOT_COMPLETED"),
        (reject(3), captain("15:00:00"), vec![unknown, (&[S::Completed], "ParticipationRejected + ShiftVerified"), (&[S::Verified], "PARTICIPATION_ALREADY_SETTLED")], "SHIFT_NOT_COMPLETED"),
        (dispute(), person(4, "16:00:00"), vec![unknown, (&[S::Verified], "ShiftDisputed")], "SHIFT_NOT_VERIFIED"),
        (reverify(vec![counts(3)]), officer, vec![unknown, (&[S::Disputed], again)], "SHIFT_NOT_DISPUTED"),
        (void(), officer, vec![unknown, (&[S::Disputed], "ShiftVoided + MinutesReleased")], "SHIFT_NOT_DISPUTED"),
        (approve(), captain("17:00:00"), vec![unknown, (&[S::Filed], "LateShiftApproved + ShiftCompleted")], "SHIFT_NOT_FILED"),
        (reject_filing(), captain("17:00:00"), vec![unknown, (&[S::Filed], "LateShiftRejected")], "SHIFT_NOT_FILED"),
    ]
}

/// The name of what is asked.
fn word(command: &Command) -> String {
    listing::word(&command.clone().into())
}

#[test]
fn every_command_in_every_state_has_its_answer() {
    for (command, cx, answers, otherwise) in rows() {
        for state in STATES {
            let history = in_state(state);
            assert_eq!(shift(&history).state, state);
            let mut answers = answers.iter();
            let expected = answers
                .find(|(states, _)| states.contains(&state))
                .map_or(otherwise, |(_, answer)| answer);
            let outcome = history.outcome(command.clone(), &cx);
            assert_eq!(outcome, expected, "{command:?} in {state:?}");
        }
    }
}

#[test]
fn the_table_has_a_row_for_every_command_and_a_history_for_every_state() {
    let commands: BTreeSet<_> = listing::declared(include_str!("../command.rs"), "Command")
        .into_iter()
        .collect();
    let told: BTreeSet<_> = rows().iter().map(|(command, ..)| word(command)).collect();
    assert_eq!(told, commands);
    let states: BTreeSet<_> = listing::declared(include_str!("../mod.rs"), "ShiftState")
        .into_iter()
        .collect();
    let reached: BTreeSet<_> = STATES.iter().map(|state| format!("{state:?}")).collect();
    assert_eq!(reached, states);
}

/// What only part of a state allows: where, in words; a history; the command, who and when; what
/// comes of it.
type Situation = (&'static str, History, Command, Context, &'static str);

#[rustfmt::skip]
fn situations() -> Vec<Situation> {
    let two = || in_progress().then(check_in(4, "12:05:00"), &person(4, "12:05:00"));
    let both_gone = || two().then(check_out(3, None), &person(3, "13:00:00")).then(check_out(4, None), &person(4, "13:00:00"));
    let on_time = || completed().then(verify(3), &captain("15:00:00")).then(dispute(), &person(4, "16:00:00"));
    let officer = person(OFFICER, "17:00:00");
    vec![
        ("in_progress, two are there", two(), check_out(3, None), person(3, "13:00:00"), "PatrollerCheckedOut + Released"),
        ("in_progress, two are there", two(), hand_over(3, 4), person(3, "13:00:00"), "SUCCESSOR_ON_SHIFT"),
        ("handed_over by another", two().then(hand_over(3, 5), &person(3, "12:40:00")), hand_over(4, 7), person(4, "13:00:00"), "HANDOVER_PENDING"),
        ("completed, two parts", both_gone(), verify(3), captain("15:00:00"), "ParticipationVerified + MinutesClaimed"),
        ("disputed, no scan came late", on_time(), reverify(vec![counts(3)]), officer, "ParticipationReverified + MinutesReleased + MinutesClaimed + ShiftVerified"),
        ("disputed, found not to count", on_time(), reverify(vec![counts_not(3)]), officer, "ParticipationReverified + MinutesReleased + ShiftVerified"),
        ("disputed, rejected before", completed().then(reject(3), &captain("15:00:00")).then(dispute(), &person(4, "16:00:00")), reverify(vec![counts(3)]), officer, "ParticipationReverified + MinutesClaimed + ShiftVerified"),
        ("verified, after the days", completed().then(verify(3), &captain("15:00:00")), dispute(), by(id(4), at("2024-07-08T15:00:01Z")), "DISPUTE_TOO_LATE"),
    ]
}

#[test]
fn what_only_part_of_a_state_allows_goes_through_there() {
    for (place, history, command, cx, expected) in situations() {
        assert_eq!(history.outcome(command, &cx), expected, "{place}");
    }
}

fn cell(place: String, history: &History, command: &Command, cx: &Context) -> Cell {
    let before = shift(history).state;
    let goes = history.when(command.clone(), cx).is_ok();
    let then = goes.then(|| shift(&history.clone().then(command.clone(), cx)).state);
    Cell {
        command: if cx.actor.system {
            format!("{} (timer)", word(command))
        } else {
            word(command)
        },
        place,
        answer: history.outcome(command.clone(), cx),
        then: match then {
            None => String::new(),
            Some(after) if after == before => "same".to_owned(),
            Some(after) => name(after),
        },
    }
}

#[test]
fn the_listing_in_the_docs_is_that_of_the_rules() {
    let mut text = "# Patrol shift: states and commands\n\n\
        Written by the test `the_listing_in_the_docs_is_that_of_the_rules` (`UPDATE_GOLDEN=1` writes \
        it anew). Each command is given by somebody who may, on 1 July 2024, in the life that \
        `crates/domain/src/patrol_shift/tests.rs` tells; a cell names the events and where the shift \
        stands after them, or the refusal.\n\n"
        .to_owned();
    let cells = rows().into_iter().flat_map(|(command, cx, ..)| {
        STATES
            .into_iter()
            .map(move |state| cell(name(state), &in_state(state), &command, &cx))
    });
    text += &listing::table("in state", cells);
    text += "\n## What only part of a state allows\n\n";
    let cells = situations().into_iter();
    let cells = cells
        .map(|(place, history, command, cx, _)| cell(place.to_owned(), &history, &command, &cx));
    text += &listing::table("where", cells);
    listing::check_listing("patrol_shift.md", &text);
}
