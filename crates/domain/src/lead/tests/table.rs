//! Every command in every state: as a row says it by hand, and as the listing in the docs shows it.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

/// A command, by whom in words, who gives it when, its answer in some states, and that in all others.
type Row<'a> = (
    Command,
    &'a str,
    Context,
    &'a [(&'a [LeadState], &'a str)],
    &'a str,
);

/// `snake_case`, as stored.
fn name(state: LeadState) -> String {
    let value = serde_json::to_value(state).expect("a state");
    value.as_str().expect("a text").to_owned()
}

#[rustfmt::skip]
fn rows() -> Vec<Row<'static>> {
    use LeadState as S;
    const UNKNOWN: (&[S], &str) = (&[S::Unknown], "LEAD_NOT_FOUND");
    const SUBMITTED: (&[S], &str) = (&[S::Submitted], "LEAD_NOT_TRIAGED");
    const FOREIGN: (&[S], &str) = (&[S::UnderReview], "LEAD_REVIEWED_BY_ANOTHER");
    let mine = "its reviewer";
    let other = "another officer";
    vec![
        (submit(700), "a resident", late(3), &[(&[S::Unknown], "LeadSubmitted + OpenLeadCounted")], "LEAD_ALREADY_SUBMITTED"),
        (triage(700), mine, late(2), &[UNKNOWN, (&[S::Submitted], "LeadTriaged"), (&[S::UnderReview], "LEAD_IS_YOURS")], "LEAD_NOT_OPEN"),
        (triage(700), other, late(7), &[(&[S::Submitted, S::UnderReview], "LeadTriaged")], "LEAD_NOT_FOUND"),
        (access(700), mine, late(2), &[UNKNOWN, SUBMITTED], "LeadAccessed"),
        (access(700), other, late(7), &[SUBMITTED, FOREIGN], "LEAD_NOT_FOUND"),
        (validate(700, 901), mine, late(2), &[UNKNOWN, SUBMITTED, (&[S::UnderReview], "LeadValidated + Claimed + OpenLeadSettled"), (&[S::Transferred], "LeadValidated + Claimed")], "LEAD_NOT_DECIDED"),
        (validate(700, 901), other, late(7), &[SUBMITTED, FOREIGN], "LEAD_NOT_FOUND"),
        (reject(700), mine, late(2), &[UNKNOWN, SUBMITTED, (&[S::UnderReview], "LeadRejected + InvalidLeadCounted + OpenLeadSettled"), (&[S::Transferred], "LeadRejected + InvalidLeadCounted")], "LEAD_NOT_DECIDED"),
        (reject(700), other, late(7), &[SUBMITTED, FOREIGN], "LEAD_NOT_FOUND"),
        (transfer(700), mine, late(2), &[UNKNOWN, SUBMITTED, (&[S::UnderReview], "LeadTransferred + OpenLeadSettled")], "LEAD_NOT_UNDER_REVIEW"),
        (transfer(700), other, late(7), &[SUBMITTED, FOREIGN], "LEAD_NOT_FOUND"),
        (outcome(700), mine, late(2), &[UNKNOWN, SUBMITTED, (&[S::Valid, S::Transferred], "LeadOutcomeRecorded")], "LEAD_NOT_USEFUL"),
        (outcome(700), other, late(7), &[SUBMITTED, FOREIGN], "LEAD_NOT_FOUND"),
        (archive(700), mine, late(2), &[UNKNOWN, SUBMITTED,
            (&[S::UnderReview], "LEAD_NOT_CLOSED"),
            (&[S::Valid, S::Used], "LeadArchived + Released"),
            (&[S::Invalid, S::Duplicate, S::Transferred], "LeadArchived")], "LEAD_ALREADY_ARCHIVED"),
        (archive(700), other, late(7), &[SUBMITTED, FOREIGN], "LEAD_NOT_FOUND"),
    ]
}

#[test]
fn every_command_in_every_state_has_its_answer() {
    for (command, by, cx, answers, otherwise) in rows() {
        for history in states() {
            let state = state(&history, 700);
            let mut answers = answers.iter();
            let expected = answers
                .find(|(states, _)| states.contains(&state))
                .map_or(otherwise, |(_, answer)| answer);
            let outcome = history.outcome(command.clone(), &cx);
            assert_eq!(outcome, expected, "{:?} by {by} in {state:?}", command.ask);
        }
    }
}

#[test]
fn the_table_has_a_row_for_every_command() {
    let source = include_str!("../command.rs");
    let asks = source.split("pub enum Ask {\n").nth(1).expect("the asks");
    let asks = asks.split("\n}\n").next().expect("their end").lines();
    let declared: std::collections::BTreeSet<_> = asks
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .map(|line| line.trim_end_matches([' ', '{', ',']).to_owned())
        .collect();
    let told: std::collections::BTreeSet<_> =
        rows().iter().map(|(command, ..)| word(command)).collect();
    assert_eq!(told, declared);
}

/// What only part of a state allows: where, in words; a history; the command, who and when; what
/// comes of it.
type Situation = (&'static str, History, Command, Context, &'static str);

#[rustfmt::skip]
fn situations() -> Vec<Situation> {
    vec![
        ("under_review, matter told before", under_review(), validate(700, 900), march(2, 2, 10), "LeadLinkedAsDuplicate + OpenLeadSettled"),
        ("transferred, matter told before", transferred(), validate(700, 900), march(2, 2, 11), "LeadLinkedAsDuplicate"),
        ("under_review, entered by an officer", base().then(of(700, submission(Source::Person(id(3)))), &march(7, 1, 8)).then(triage(700), &march(2, 1, 9)), reject(700), march(2, 2, 10), "LeadRejected"),
        ("under_review, matter held by one submitted later", overtaking(), validate(700, 902), march(2, 4, 10), "LeadOvertaken + Released + LeadValidated + Claimed + OpenLeadSettled"),
        ("valid, closed a moment ago", valid(), archive(700), march(2, 2, 11), "ARCHIVED_TOO_EARLY"),
        ("submitted by the officer", base().then(submit(700), &march(2, 1, 8)), triage(700), march(2, 1, 9), "REVIEWER_IS_SOURCE"),
        ("unknown, twenty leads of the person open", open_leads(), submit(700), march(3, 7, 8), "TOO_MANY_OPEN_LEADS"),
        ("unknown, three leads invalid within a month", invalid_on(&[1, 5, 6]), submit(700), march(3, 7, 8), "LEADS_THROTTLED"),
    ]
}

#[test]
fn what_only_part_of_a_state_allows_goes_through_there() {
    for (place, history, command, cx, expected) in situations() {
        assert_eq!(history.outcome(command, &cx), expected, "{place}");
    }
}

/// The name of what is asked.
fn word(command: &Command) -> String {
    let text = format!("{:?}", command.ask);
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

/// The state after a command, if it was taken.
fn after(history: &History, command: &Command, cx: &Context) -> String {
    if history.when(command.clone(), cx).is_err() {
        return String::new();
    }
    let before = state(history, 700);
    let after = state(&history.clone().then(command.clone(), cx), 700);
    if after == before {
        "same".to_owned()
    } else {
        name(after)
    }
}

/// The listing: for each command what comes of it where, states with one answer on one line.
fn listing() -> String {
    let mut text = "# Lead: states and commands\n\n\
        Written by the test `the_listing_in_the_docs_is_that_of_the_rules` (`UPDATE_GOLDEN=1` writes \
        it anew). Each command is given on 1 June 2024 in the life that \
        `crates/domain/src/lead/tests.rs` tells; a cell names the events and where the lead stands \
        after them, or the refusal. Whoever is no officer of the community is answered \
        `LEAD_NOT_FOUND` whatever they ask, administrators too.\n\n\
        | command | by | in state | answer | then |\n|---|---|---|---|---|\n"
        .to_owned();
    for (command, by, cx, ..) in rows() {
        let mut answers: Vec<(String, String, Vec<String>)> = Vec::new();
        for history in states() {
            let place = name(state(&history, 700));
            let outcome = history.outcome(command.clone(), &cx);
            let after = after(&history, &command, &cx);
            let known = answers
                .iter_mut()
                .find(|it| it.0 == outcome && it.1 == after);
            match known {
                Some((.., states)) => states.push(place),
                None => answers.push((outcome, after, vec![place])),
            }
        }
        let word = word(&command);
        for (outcome, after, states) in answers {
            let states = states.join(", ");
            let _ = writeln!(text, "| {word} | {by} | {states} | {outcome} | {after} |");
        }
    }
    text += "\n## What only part of a state allows\n\n\
        | command | where | answer | then |\n|---|---|---|---|\n";
    for (place, history, command, cx, _) in situations() {
        let outcome = history.outcome(command.clone(), &cx);
        let after = after(&history, &command, &cx);
        let word = word(&command);
        let _ = writeln!(text, "| {word} | {place} | {outcome} | {after} |");
    }
    text
}

#[test]
fn the_listing_in_the_docs_is_that_of_the_rules() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state-machines/lead.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(docs.parent().expect("a folder")).expect("a folder");
        std::fs::write(&docs, listing()).expect("written");
    }
    let written = std::fs::read_to_string(&docs).unwrap_or_default();
    assert!(
        written == listing(),
        "{} is not what the rules say",
        docs.display()
    );
}
