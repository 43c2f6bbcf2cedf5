//! Every command in every state: as a row says it by hand, and as the listing in the docs shows it.

use std::collections::BTreeSet;

use super::*;
use crate::listing::{self, Cell, name};

/// A command, who gives it when, its answer in some states, and the answer in all others.
type Row = (
    Command,
    Context,
    Vec<(&'static [HazardState], &'static str)>,
    &'static str,
);

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    use HazardState as S;
    const OPEN: &[S] = &[S::Reported, S::Verified, S::BoundaryUnclear, S::Rectifying, S::Rectified, S::Reinspected];
    const BEFORE_CLAIM: &[S] = &[S::Verified, S::BoundaryUnclear, S::Rectifying];
    const NEW: &[S] = &[S::Reported, S::Verified];
    let unknown = (&[S::Unknown][..], "HAZARD_NOT_FOUND");
    let linked = "HazardLinkedAsDuplicate + DuplicateLinked";
    let imported = "HazardReported + Claimed + OwnerAssigned";
    let noon = on_1_february(5, 12);
    vec![
        (report(70), late(3), vec![(&[S::Unknown], "HazardReported")], "HAZARD_ALREADY_REPORTED"),
        (verify_yellow(), late(2), vec![unknown, (&[S::Reported], "HazardVerified + DeadlineSet")], "HAZARD_NOT_REPORTED"),
        (reject(), late(2), vec![unknown, (NEW, "HazardRejected")], "HAZARD_NOT_REPORTED"),
        (link(71), late(2), vec![unknown, (NEW, linked)], "HAZARD_NOT_REPORTED"),
        (assign(), late(2), vec![unknown, (&[S::Verified, S::Rectifying], "OwnerAssigned"), (&[S::BoundaryUnclear], "BOUNDARY_NOT_RULED")], "HAZARD_NOT_VERIFIED"),
        (unclear(), late(2), vec![unknown, (&[S::Verified, S::Rectifying], "BoundaryUnclearRaised")], "HAZARD_NOT_VERIFIED"),
        (rule(), late(2), vec![unknown, (&[S::BoundaryUnclear], "JointOwnerRuled")], "BOUNDARY_NOT_UNCLEAR"),
        (refer(), late(2), vec![unknown, (BEFORE_CLAIM, "DeadlineBreached + HazardReferred")], "HAZARD_NOT_REFERABLE"),
        (give_back(), late(2), vec![unknown, (&[S::Referred], "ReferralReturned + DeadlineSet")], "HAZARD_NOT_REFERRED"),
        (plan("2024-02-02T08:00:00Z"), noon, vec![unknown, (&[S::Rectifying], "RectificationPlanned")], "HAZARD_NOT_RECTIFYING"),
        (extend("2024-02-04T00:00:00Z"), late(2), vec![unknown, (&[S::Rectifying], "ExtensionGranted")], "HAZARD_NOT_RECTIFYING"),
        (interim(), late(2), vec![unknown, (OPEN, "InterimMeasureTaken")], "HAZARD_NOT_OPEN"),
        (report_up(), late(2), vec![unknown, (OPEN, "HAZARD_NOT_MAJOR")], "HAZARD_NOT_OPEN"),
        (claim_done(None), late(2), vec![unknown, (&[S::Rectifying], "RectificationClaimed + DeadlineSet")], "HAZARD_NOT_RECTIFYING"),
        (pass(), late(2), vec![unknown, (&[S::Rectified], "ReinspectionPassed")], "HAZARD_NOT_RECTIFIED"),
        (fail(), late(2), vec![unknown, (&[S::Rectified], "ReinspectionFailed + DeadlineBreached")], "HAZARD_NOT_RECTIFIED"),
        (close(), late(2), vec![unknown, (&[S::Reinspected], "HazardClosedOut")], "HAZARD_NOT_REINSPECTED"),
        (recur(), late(2), vec![unknown, (&[S::ClosedOut, S::ClosedBySource], "HazardRecurred")], "HAZARD_NOT_CLOSED"),
        (breach(DUE), timer(), vec![
            unknown,
            (&[S::Reported], "NO_DEADLINE"),
            (BEFORE_CLAIM, "DeadlineBreached"),
            (&[S::Rectified], "RECTIFICATION_AWAITS_REINSPECTION"),
            (&[S::Reinspected], "DEADLINE_MET"),
        ], "HAZARD_NOT_OPEN"),
        (breach(DUE), late(2), vec![unknown], "ACTOR_IS_NOT_THE_SYSTEM"),
        (import(None, None), late(7), vec![(&[S::Unknown], imported), (&[S::ClosedBySource], "HAZARD_ALREADY_IMPORTED")], "HAZARD_ALREADY_REPORTED"),
        (close_by_source(LATE), late(7), vec![unknown, (&[S::ClosedBySource], "HAZARD_NOT_OPEN")], "HAZARD_NOT_IMPORTED"),
    ]
}

/// The name of what is asked.
fn word(command: &Command) -> String {
    listing::word(&command.clone().into())
}

#[test]
fn every_command_in_every_state_has_its_answer() {
    for (command, cx, answers, otherwise) in rows() {
        for history in states() {
            let state = hazard(&history).state;
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
    let states_declared: BTreeSet<_> =
        listing::declared(include_str!("../terms.rs"), "HazardState")
            .into_iter()
            .collect();
    let reached: BTreeSet<_> = states()
        .iter()
        .map(|history| format!("{:?}", hazard(history).state))
        .collect();
    assert_eq!(reached, states_declared);
}

/// What only part of a state allows: where, in words; a history; the command, who and when; what
/// comes of it.
type Situation = (&'static str, History, Command, Context, &'static str);

#[rustfmt::skip]
fn situations() -> Vec<Situation> {
    let ten = on_1_february(4, 10);
    let major = || major().then(assign(), &ten);
    let safe = || major().then(interim(), &ten);
    let told = || safe().then(report_up(), &ten);
    let missed = || major().then(breach_up(), &by_system(at("2024-02-01T12:00:00Z")));
    let ruled = verified().then(unclear(), &ten).then(rule(), &on_1_february(2, 11));
    let open = || base().then(import(Some(DUE), None), &on_1_february(7, 10));
    let noon = on_1_february(5, 12);
    vec![
        ("reported", reported(), verify(HazardLevel::Major, Urgency::Red), on_1_february(4, 9), "HazardVerified + DeadlineSet + DeadlineSet"),
        ("rectifying, a council ruled the owners", ruled.clone(), assign(), noon, "OWNERS_RULED"),
        ("rectifying, a council ruled the owners", ruled, unclear(), noon, "BoundaryUnclearRaised"),
        ("verified, before the deadline", verified(), refer(), noon, "HazardReferred"),
        ("referred, major and not told upward", major().then(refer(), &ten), give_back(), noon, "ReferralReturned + DeadlineSet + DeadlineSet"),
        ("rectifying, major, in time", major(), report_up(), ten, "MajorHazardReportedUp"),
        ("rectifying, major, too late", major(), report_up(), noon, "DeadlineBreached + MajorHazardReportedUp"),
        ("rectifying, major, told upward", told(), report_up(), noon, "MajorHazardReportedUp"),
        ("rectifying, major, breached, told in time after all", missed(), report_up_at("2024-02-01T10:30:00Z"), noon, "MajorHazardReportedUp + BreachWithdrawn"),
        ("rectifying, major, too late", major(), breach_up(), timer(), "DeadlineBreached"),
        ("rectifying, major, breached", missed(), breach_up(), timer(), "BREACH_ALREADY_RECORDED"),
        ("rectifying, major, told upward", told(), breach_up(), timer(), "REPORTED_UP_ALREADY"),
        ("rectifying, major", major(), claim_done(None), noon, "INTERIM_MEASURE_MISSING"),
        ("rectifying, major, made safe", safe(), claim_done(None), noon, "NOT_REPORTED_UP"),
        ("rectifying, major, made safe and told upward", told(), claim_done(None), noon, "RectificationClaimed + DeadlineSet"),
        ("rectified too late", rectifying().then(claim_done(None), &late(5)), pass(), late(6), "DeadlineBreached + ReinspectionPassed"),
        ("rectified in time, breach recorded", rectifying().then(breach(DUE), &timer()).then(claim_done(Some("2024-02-02T08:00:00Z")), &late(5)), pass(), late(6), "ReinspectionPassed + BreachWithdrawn"),
        ("rectifying, imported and open", open(), close_by_source("2024-02-02T08:00:00Z"), late(7), "ClosedBySource"),
        ("imported and referred", open().then(refer(), &noon), close_by_source("2024-02-02T08:00:00Z"), late(7), "ClosedBySource"),
        ("imported and referred, its deadline passed since", open().then(refer(), &noon), close_by_source(LATE), late(7), "ClosedBySource"),
        ("imported and referred after its deadline", open().then(refer(), &late(4)), close_by_source("2024-02-02T08:00:00Z"), late(7), "ClosedBySource + BreachWithdrawn"),
        ("rectifying, imported and open, past its deadline", open(), close_by_source(LATE), late(7), "DeadlineBreached + ClosedBySource"),
    ]
}

#[test]
fn what_only_part_of_a_state_allows_goes_through_there() {
    for (place, history, command, cx, expected) in situations() {
        assert_eq!(history.outcome(command, &cx), expected, "{place}");
    }
}

fn cell(place: String, history: &History, command: &Command, cx: &Context) -> Cell {
    let before = hazard(history).state;
    let goes = history.when(command.clone(), cx).is_ok();
    let then = goes.then(|| hazard(&history.clone().then(command.clone(), cx)).state);
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
    let mut text = "# Hazard: states and commands\n\n\
        Written by the test `the_listing_in_the_docs_is_that_of_the_rules` (`UPDATE_GOLDEN=1` writes \
        it anew). Each command is given by somebody who may, on 3 February 2024 after the deadline \
        (the plan on 1 February), in the life that `crates/domain/src/hazard/tests.rs` tells; a cell \
        names the events and where the hazard stands after them, or the refusal.\n\n"
        .to_owned();
    let cells = rows().into_iter().flat_map(|(command, cx, ..)| {
        states()
            .into_iter()
            .map(move |history| cell(name(hazard(&history).state), &history, &command, &cx))
    });
    text += &listing::table("in state", cells);
    text += "\n## What only part of a state allows\n\n";
    let cells = situations().into_iter();
    let cells = cells
        .map(|(place, history, command, cx, _)| cell(place.to_owned(), &history, &command, &cx));
    text += &listing::table("where", cells);
    listing::check_listing("hazard.md", &text);
}
