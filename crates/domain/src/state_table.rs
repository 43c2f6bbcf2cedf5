//! Tables with an answer for each state in turn: checked cell by cell, then listed (`listing`).
//!
//! Owns the check. What stands in a table are the rows of an aggregate's own test.

use crate::aggregates::Command;
use crate::listing::{self, Cell};
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
    // Rows of one command with other contents stay apart.
    let mut table = listing::table("in state", []);
    for row in rows {
        let mut cells = Vec::new();
        assert_eq!(row.answers.len(), states.len(), "{:?}", row.command);
        for (history, expected) in states.iter().zip(&row.answers) {
            let before = place(history);
            let answer = history.outcome(row.command.clone(), &row.cx);
            assert_eq!(answer, *expected, "{:?} in {before}", row.command);
            let then = if history.when(row.command.clone(), &row.cx).is_ok() {
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
            cells.push(Cell {
                command: listing::word(&row.command),
                place: before,
                answer,
                then,
            });
        }
        table += &listing::lines(cells);
    }
    let mut told: Vec<_> = rows.iter().map(|row| listing::word(&row.command)).collect();
    told.sort();
    told.dedup();
    let commands = listing::declared(source, "Command");
    assert_eq!(told, commands, "a row for every command");
    let text = format!(
        "# {noun}: states and commands\n\nWritten by the test of the table \
         (`UPDATE_GOLDEN=1 cargo test -p domain table` writes it anew). {given} A cell names the \
         events and where it stands after them, or the refusal.\n\n{table}"
    );
    let file = format!("{}.md", noun.to_lowercase().replace(' ', "_"));
    listing::check_listing(&file, &text);
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
