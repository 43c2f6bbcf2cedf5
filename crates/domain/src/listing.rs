//! Tables of states and commands, as the tests check them and the docs show them.
//!
//! Owns how a listing in `docs/state-machines/` is written and compared.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::aggregates::Command;
use crate::testing::History;
use crate::world::Context;

/// A command, who gives it when, its answer in some states, and the answer in all others.
pub(crate) type Row<'a> = (Command, Context, &'a [(&'a [&'a str], &'a str)], &'a str);

/// The name of what is asked: of an `Ask`, or of a command that is one itself.
pub(crate) fn word(command: &Command) -> String {
    let text = format!("{command:?}");
    let text = text.split_once("ask: ").map_or_else(
        || text.split_once('(').map_or("", |(_, rest)| rest).to_owned(),
        |(_, ask)| ask.to_owned(),
    );
    let end = |letter: char| !letter.is_ascii_alphanumeric();
    text.split(end).next().unwrap_or_default().to_owned()
}

/// Insists that every command in every state has the answer that its row says.
#[track_caller]
pub(crate) fn check_rows(rows: &[Row<'_>], states: &[(&str, History)]) {
    for (command, cx, answers, otherwise) in rows {
        for (state, history) in states {
            let mut answers = answers.iter();
            let expected = answers
                .find(|(states, _)| states.contains(state))
                .map_or(*otherwise, |(_, answer)| *answer);
            let outcome = history.outcome(command.clone(), cx);
            assert_eq!(outcome, expected, "{} in {state}", word(command));
        }
    }
}

/// The commands that an enum of this name declares in a source, in order of their names.
pub(crate) fn declared(source: &str, name: &str) -> Vec<String> {
    let head = format!("pub enum {name} {{\n");
    let body = source.split(&head).nth(1).expect("the enum");
    let lines = body.split("\n}\n").next().expect("its end").lines();
    let mut names: Vec<_> = lines
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .map(|line| line.trim_end_matches([' ', '{', ',']).to_owned())
        .collect();
    names.sort();
    names
}

/// The commands that rows are about, in order of their names.
pub(crate) fn told(rows: &[Row<'_>]) -> Vec<String> {
    let mut names: Vec<_> = rows.iter().map(|(command, ..)| word(command)).collect();
    names.sort();
    names.dedup();
    names
}

/// The listing: for each command what comes of it where, states with one answer on one line.
/// `word_of` names a command, `state_of` says where a history stands after it.
pub(crate) fn listing(
    head: &str,
    rows: &[Row<'_>],
    states: &[(&str, History)],
    word_of: &dyn Fn(&Command) -> String,
    state_of: &dyn Fn(&History) -> String,
) -> String {
    let mut text = format!(
        "{head}\n\nWritten by the test `the_listing_in_the_docs_is_that_of_the_rules` \
         (`UPDATE_GOLDEN=1` writes it anew); a cell names the events, or the refusal.\n\n\
         | command | in state | answer | then |\n|---|---|---|---|\n"
    );
    for (command, cx, ..) in rows {
        let mut answers: Vec<(String, String, Vec<&str>)> = Vec::new();
        for (state, history) in states {
            let outcome = history.outcome(command.clone(), cx);
            // Nothing changes where it is refused.
            let after = if history.when(command.clone(), cx).is_ok() {
                state_of(&history.clone().then(command.clone(), cx))
            } else {
                String::new()
            };
            let known = answers
                .iter_mut()
                .find(|it| it.0 == outcome && it.1 == after);
            match known {
                Some((.., states)) => states.push(state),
                None => answers.push((outcome, after, vec![state])),
            }
        }
        let by = if cx.actor.system { " (system)" } else { "" };
        for (outcome, after, states) in answers {
            let states = states.join(", ");
            let word = word_of(command);
            let _ = writeln!(text, "| {word}{by} | {states} | {outcome} | {after} |");
        }
    }
    text
}

/// Insists that the docs say what the rules say.
#[track_caller]
pub(crate) fn check_listing(file: &str, listing: &str) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state-machines");
    let file = docs.join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(&docs).expect("a folder");
        std::fs::write(&file, listing).expect("written");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == listing,
        "{} is not what the rules say",
        file.display()
    );
}

/// What comes of a command somewhere.
pub(crate) struct Cell {
    /// The command, by its name.
    pub(crate) command: String,
    /// In which state, or where in words.
    pub(crate) place: String,
    /// Names of the events, or of the refusal.
    pub(crate) answer: String,
    /// The state after it; empty where it is refused.
    pub(crate) then: String,
}

/// `snake_case`, as stored.
pub(crate) fn name(state: impl Serialize) -> String {
    let value = serde_json::to_value(state).expect("a state");
    value.as_str().expect("a text").to_owned()
}

/// The head of a table and its lines.
pub(crate) fn table(place: &str, cells: impl IntoIterator<Item = Cell>) -> String {
    let head = format!("| command | {place} | answer | then |\n|---|---|---|---|\n");
    head + &lines(cells)
}

/// One line for each answer of a command, all places with that answer on it. Cells of a command
/// stand together.
pub(crate) fn lines(cells: impl IntoIterator<Item = Cell>) -> String {
    let mut lines: Vec<Cell> = Vec::new();
    let mut begins = 0;
    for cell in cells {
        if lines
            .last()
            .is_some_and(|last| last.command != cell.command)
        {
            begins = lines.len();
        }
        let known = lines[begins..]
            .iter_mut()
            .find(|line| line.answer == cell.answer && line.then == cell.then);
        match known {
            Some(line) => {
                let _ = write!(line.place, ", {}", cell.place);
            }
            None => lines.push(cell),
        }
    }
    let mut text = String::new();
    for line in lines {
        let Cell {
            command,
            place,
            answer,
            then,
        } = line;
        let _ = writeln!(text, "| {command} | {place} | {answer} | {then} |");
    }
    text
}
