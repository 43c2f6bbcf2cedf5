//! Tables of states and commands: checked cell by cell, and written to `docs/state-machines/`.
//!
//! Owns how such a listing looks. What stands in it are the rows of an aggregate's own test.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::aggregates::Command;
use crate::testing::History;
use crate::world::Context;

/// A command with its answer in each state, in the order of the states.
pub(crate) struct Row {
    command: Command,
    cx: Context,
    answers: Vec<&'static str>,
}

/// A row of a table.
pub(crate) fn row<const N: usize>(
    command: impl Into<Command>,
    cx: Context,
    answers: [&'static str; N],
) -> Row {
    Row {
        command: command.into(),
        cx,
        answers: answers.to_vec(),
    }
}

/// The name of what is asked: the innermost variant before its fields.
fn word(command: &Command) -> String {
    let text = format!("{command:?}");
    let inner = text.split_once('(').map_or(&*text, |(_, inner)| inner);
    let end = inner.find([' ', '{', ')']).unwrap_or(inner.len());
    inner[..end].to_owned()
}

/// The variants of a command enum, read from its source.
fn declared(source: &str) -> BTreeSet<String> {
    let body = source
        .split("pub enum Command {\n")
        .nth(1)
        .expect("commands");
    let lines = body.split("\n}\n").next().expect("their end").lines();
    lines
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .map(|line| line.trim_end_matches([' ', '{', ',']).to_owned())
        .collect()
}

/// Checks every cell, that no command of the source is left out, and the listing in the docs.
/// `place` says where the aggregate stands in a history.
#[track_caller]
pub(crate) fn check(
    noun: &str,
    given: &str,
    source: &str,
    states: &[History],
    rows: &[Row],
    place: impl Fn(&History) -> String,
) {
    let mut text = format!(
        "# {noun}: states and commands\n\nWritten by the test of the table \
         (`UPDATE_GOLDEN=1 cargo test -p domain table` writes it anew). {given} A cell names the \
         events and where it stands after them, or the refusal.\n\n\
         | command | in state | answer | then |\n|---|---|---|---|\n"
    );
    for row in rows {
        assert_eq!(row.answers.len(), states.len(), "{:?}", row.command);
        let mut answers: Vec<(String, String, Vec<String>)> = Vec::new();
        for (history, expected) in states.iter().zip(&row.answers) {
            let before = place(history);
            let outcome = history.outcome(row.command.clone(), &row.cx);
            assert_eq!(outcome, *expected, "{:?} in {before}", row.command);
            let after = if history.when(row.command.clone(), &row.cx).is_ok() {
                let after = place(&history.clone().then(row.command.clone(), &row.cx));
                if after == before {
                    "same".to_owned()
                } else {
                    after
                }
            } else {
                // Nothing changes where it is refused.
                String::new()
            };
            match answers
                .iter_mut()
                .find(|it| it.0 == outcome && it.1 == after)
            {
                Some((.., places)) => places.push(before),
                None => answers.push((outcome, after, vec![before])),
            }
        }
        let word = word(&row.command);
        for (outcome, after, places) in answers {
            let places = places.join(", ");
            let _ = writeln!(text, "| {word} | {places} | {outcome} | {after} |");
        }
    }
    let told: BTreeSet<_> = rows.iter().map(|row| word(&row.command)).collect();
    assert_eq!(told, declared(source), "a row for every command");
    let file = format!(
        "../../docs/state-machines/{}.md",
        noun.to_lowercase().replace(' ', "_")
    );
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&docs, &text).expect("written");
    }
    let written = std::fs::read_to_string(&docs).unwrap_or_default();
    assert!(
        written == text,
        "{} is not what the rules say",
        docs.display()
    );
}

/// One event of each type of a category, from the goldens; of whichever stream.
pub(crate) fn one_of_each<E: serde::de::DeserializeOwned + serde::Serialize>(
    category: &str,
) -> Vec<E> {
    let golden = include_str!("../golden/events.jsonl");
    let lines = golden.lines().map(|line| -> serde_json::Value {
        serde_json::from_str(line).expect("a golden line is JSON")
    });
    let mine = lines.filter(|line| line["category"] == category);
    mine.map(|line| {
        let name = line["type"].as_str().expect("a text");
        let payload = serde_json::to_vec(&line["payload"]).expect("JSON");
        crate::encoding::decode(name, &payload).expect("a golden event")
    })
    .collect()
}
