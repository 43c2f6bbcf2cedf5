//! `benniu import boston-311`: whole, repeatable, and honest about rows that cannot go in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Folder, Ran, repository, run};

/// The shipped file with the fewest rows.
const SHIPPED: &str = "demo/boston-311-2015/egress.csv";
/// Where `OnTime_Status` stands in a row.
const ON_TIME: usize = 4;

fn shipped() -> String {
    std::fs::read_to_string(repository().join(SHIPPED)).expect("the shipped file")
}

/// The header and the first rows of the shipped file.
fn some_rows(rows: usize) -> Vec<String> {
    shipped()
        .lines()
        .take(rows + 1)
        .map(str::to_owned)
        .collect()
}

fn import(folder: &Folder, files: &[&PathBuf]) -> Ran {
    let data = folder.data();
    let files = files.iter().map(|file| file.as_os_str());
    let mut args: Vec<_> = ["import", "boston-311"].map(std::ffi::OsStr::new).to_vec();
    args.extend(files);
    args.push("--data".as_ref());
    args.push(data.as_os_str());
    run(&args)
}

/// For each imported hazard: its events' types and times, and the deadlines that stand breached.
fn figures(folder: &Folder) -> BTreeMap<String, Vec<(String, String)>> {
    let mut figures: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in folder.replay(&[]) {
        let text = |name: &str| event[name].as_str().expect("a text").to_owned();
        let stream = text("stream");
        if stream.starts_with("hazard/") {
            figures
                .entry(stream)
                .or_default()
                .push((text("type"), text("occurred_at")));
        }
    }
    figures
}

fn count(figures: &BTreeMap<String, Vec<(String, String)>>, kind: &str) -> usize {
    let of = |events: &Vec<(String, String)>| events.iter().any(|(name, _)| name == kind);
    figures.values().filter(|events| of(events)).count()
}

#[test]
fn a_file_goes_in_whole_and_a_second_time_appends_nothing_and_says_so() {
    let folder = Folder::empty();
    let file = repository().join(SHIPPED);
    import(&folder, &[&file]).exits(0);
    let figures_before = figures(&folder);
    let rows = shipped().lines().count() - 1;
    assert_eq!(count(&figures_before, "HazardReported"), rows);
    let closed = shipped()
        .lines()
        .filter(|line| line.contains(",Closed,"))
        .count();
    assert_eq!(count(&figures_before, "ClosedBySource"), closed);
    let verified = folder.run(&["verify"], &[]).exits(0).stdout;

    let again = import(&folder, &[&file]).exits(0);
    let said = format!("{}{}", again.stdout, again.stderr).to_lowercase();
    assert!(
        said.contains("nothing"),
        "it says that nothing was appended: {said}"
    );
    assert_eq!(
        folder.run(&["verify"], &[]).exits(0).stdout,
        verified,
        "nothing was appended"
    );
    assert_eq!(figures(&folder), figures_before);
}

#[test]
fn rows_that_cannot_go_in_are_reported_by_file_and_line_and_the_good_ones_go_in() {
    let folder = Folder::empty();
    let rows = some_rows(8);
    let cells = |row: usize| -> Vec<String> { rows[row].split(',').map(str::to_owned).collect() };
    let with = |row: usize, column: usize, text: &str| {
        let mut cells = cells(row);
        text.clone_into(&mut cells[column]);
        cells.join(",")
    };
    let header = cells(0);
    let column = |name: &str| {
        header
            .iter()
            .position(|column| column == name)
            .expect("a column of the source")
    };
    let mut bytes = Vec::new();
    for line in [
        rows[0].clone(),
        rows[1].clone(),
        with(2, column("OPEN_DT"), "02/30/2015 10:00:00 AM"),
        with(3, column("LATITUDE"), "142.3547"),
        with(4, column("LONGITUDE"), "far out"),
        rows[5].clone(),
        format!("{},one column too many", rows[6]),
    ] {
        bytes.extend(line.bytes());
        bytes.push(b'\n');
    }
    let broken = with(7, column("TYPE"), "Egr\u{1}ss");
    bytes.extend(
        broken
            .bytes()
            .map(|byte| if byte == 1 { 0xff } else { byte }),
    );
    bytes.extend(format!("\n{}\n", rows[8]).bytes());
    let bad_rows = folder.file("bad-rows.csv", bytes);
    let missing = rows.join("\n").replacen("TARGET_DT", "DUE", 1);
    let missing_column = folder.file("missing-column.csv", missing);

    let ran = import(&folder, &[&bad_rows, &missing_column]).exits(1);
    for (place, reason) in [
        ("bad-rows.csv:3", "OPEN_DT"),
        ("bad-rows.csv:4", "LATITUDE"),
        ("bad-rows.csv:5", "LONGITUDE"),
        ("bad-rows.csv:7", "columns"),
        ("bad-rows.csv:8", "UTF-8"),
        ("missing-column.csv:1", "TARGET_DT"),
    ] {
        let line = ran
            .stderr
            .lines()
            .find(|line| line.contains(&format!("{place}: ")));
        let line = line.unwrap_or_else(|| panic!("{place} is not in: {}", ran.stderr));
        assert!(line.contains(reason), "{line} should say {reason}");
    }
    assert_eq!(
        count(&figures(&folder), "HazardReported"),
        3,
        "rows 2, 6 and 9 are good"
    );
    folder.run(&["verify"], &[]).exits(0);
}

#[test]
fn what_the_source_calls_on_time_changes_no_figure() {
    let rows = some_rows(40);
    let with_status = |status: &dyn Fn(&str) -> String| {
        let line = |(number, row): (usize, &String)| {
            if number == 0 {
                return row.clone();
            }
            let mut cells: Vec<_> = row.split(',').map(str::to_owned).collect();
            cells[ON_TIME] = status(&cells[ON_TIME]);
            cells.join(",")
        };
        rows.iter()
            .enumerate()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let flipped = |status: &str| match status {
        "ONTIME" => "OVERDUE".to_owned(),
        _ => "ONTIME".to_owned(),
    };
    let variants = [
        with_status(&|status| status.to_owned()),
        with_status(&|_| String::new()),
        with_status(&flipped),
    ];
    let figures = variants.map(|text| {
        let folder = Folder::empty();
        let file = folder.file("some.csv", text);
        import(&folder, &[&file]).exits(0);
        figures(&folder)
    });
    assert_eq!(count(&figures[0], "HazardReported"), 40);
    assert_eq!(figures[1], figures[0], "without it");
    assert_eq!(figures[2], figures[0], "with the opposite of it");
}

#[test]
fn a_closing_that_a_later_file_brings_is_taken_over() {
    let folder = Folder::empty();
    let rows = some_rows(3);
    let mut open: Vec<_> = rows[1].split(',').map(str::to_owned).collect();
    open[3].clear();
    "Open".clone_into(&mut open[5]);
    let first = [&rows[0], &open.join(","), &rows[2]]
        .map(String::as_str)
        .join("\n");
    let first = folder.file("first.csv", first);
    let second = folder.file("second.csv", rows.join("\n"));
    import(&folder, &[&first]).exits(0);
    assert_eq!(count(&figures(&folder), "ClosedBySource"), 1);
    import(&folder, &[&second]).exits(0);
    let figures = figures(&folder);
    assert_eq!(count(&figures, "HazardReported"), 3);
    assert_eq!(count(&figures, "ClosedBySource"), 3);
}

#[test]
fn a_file_that_is_not_there_could_not_be_imported() {
    let folder = Folder::empty();
    let missing = folder.data().with_file_name("missing.csv");
    let ran = import(&folder, &[&missing]).exits(3);
    assert!(ran.stderr.contains("missing.csv"), "{}", ran.stderr);
    let text: Value = Value::String(ran.stdout);
    assert_eq!(text, "", "nothing was done");
}
