//! City service requests of Boston's 311 line: from CSV rows to hazards as their source tells them.
//!
//! Owns the columns, the times (local, `America/New_York`) and what makes a row unusable. Never
//! writes anything and never judges lateness: `OnTime_Status` is not read, the log's own deadlines
//! say what was late.

use std::path::Path;

use chrono::{NaiveDateTime, TimeZone};
use chrono_tz::America::New_York;
use domain::Instant;
use domain::place::Place;

/// Name of this source in import batches and claims.
pub const SOURCE: &str = "boston-311";
/// Most rows of one file.
pub const ROWS_MAX: usize = 1_000_000;
/// Form of the times.
const TIME_FORM: &str = "%m/%d/%Y %I:%M:%S %p";

/// A service request that can become a hazard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `CASE_ENQUIRY_ID`, unique in the source.
    pub external_id: String,
    /// `OPEN_DT`.
    pub opened_at: Instant,
    /// `TARGET_DT`, where it has one.
    pub due_at: Option<Instant>,
    /// `CLOSED_DT`, where it is closed.
    pub closed_at: Option<Instant>,
    /// `CASE_STATUS`.
    pub status: String,
    /// `CLOSURE_REASON`, free text.
    pub closure_reason: String,
    /// `TYPE`.
    pub kind: String,
    /// `Department`.
    pub department: String,
    /// `neighborhood`; blank in some rows.
    pub neighbourhood: String,
    /// `LATITUDE` and `LONGITUDE`.
    pub place: Place,
}

/// A row that cannot go in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct BadRow {
    /// The file's name, without folders.
    pub file: String,
    /// The line it begins on, from 1.
    pub line: u64,
    /// What is wrong, naming the column.
    pub reason: String,
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Rows that can go in.
    pub rows: Vec<Row>,
    /// Rows that cannot.
    pub bad: Vec<BadRow>,
}

/// Where each column stands in the file.
struct Columns {
    external_id: usize,
    opened_at: usize,
    due_at: usize,
    closed_at: usize,
    status: usize,
    closure_reason: usize,
    kind: usize,
    department: usize,
    neighbourhood: usize,
    latitude: usize,
    longitude: usize,
}

impl Columns {
    fn find(headers: &csv::ByteRecord) -> Result<Self, String> {
        let find = |name: &str| {
            headers
                .iter()
                .position(|header| header.trim_ascii() == name.as_bytes())
                .ok_or_else(|| format!("column {name} is missing"))
        };
        Ok(Self {
            external_id: find("CASE_ENQUIRY_ID")?,
            opened_at: find("OPEN_DT")?,
            due_at: find("TARGET_DT")?,
            closed_at: find("CLOSED_DT")?,
            status: find("CASE_STATUS")?,
            closure_reason: find("CLOSURE_REASON")?,
            kind: find("TYPE")?,
            department: find("Department")?,
            neighbourhood: find("neighborhood")?,
            latitude: find("LATITUDE")?,
            longitude: find("LONGITUDE")?,
        })
    }
}

/// Reads the rows of a file; bad ones are listed with line and reason, the good ones kept.
pub fn parse(path: &Path, bytes: &[u8]) -> Parsed {
    let file = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into());
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let mut parsed = Parsed::default();
    let bad = |line, reason| BadRow {
        file: file.clone(),
        line,
        reason,
    };
    let headers = match reader.byte_headers() {
        Ok(headers) => headers.clone(),
        Err(error) => {
            parsed.bad.push(bad(1, error.to_string()));
            return parsed;
        }
    };
    let columns = match Columns::find(&headers) {
        Ok(columns) => columns,
        Err(reason) => {
            parsed.bad.push(bad(1, reason));
            return parsed;
        }
    };
    let mut record = csv::ByteRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(false) => return parsed,
            Ok(true) if parsed.rows.len() + parsed.bad.len() == ROWS_MAX => {
                parsed
                    .bad
                    .push(bad(line, format!("more than {ROWS_MAX} rows")));
                return parsed;
            }
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                match row(&record, headers.len(), &columns) {
                    Ok(row) => parsed.rows.push(row),
                    Err(reason) => parsed.bad.push(bad(line, reason)),
                }
            }
            Err(error) => {
                parsed.bad.push(bad(line, error.to_string()));
                return parsed;
            }
        }
    }
}

fn row(record: &csv::ByteRecord, width: usize, columns: &Columns) -> Result<Row, String> {
    if record.len() != width {
        return Err(format!("{} columns instead of {width}", record.len()));
    }
    let text = |index: usize, name: &str| {
        let bytes = record.get(index).unwrap_or_default();
        std::str::from_utf8(bytes)
            .map(|text| text.trim().to_owned())
            .map_err(|_| format!("{name} is not UTF-8"))
    };
    let needed = |index: usize, name: &str| {
        let text = text(index, name)?;
        if text.is_empty() {
            Err(format!("{name} is blank"))
        } else {
            Ok(text)
        }
    };
    let time = |index: usize, name: &str| -> Result<Option<Instant>, String> {
        let text = text(index, name)?;
        if text.is_empty() {
            Ok(None)
        } else {
            local(&text, name).map(Some)
        }
    };
    let opened_at = time(columns.opened_at, "OPEN_DT")?.ok_or("OPEN_DT is blank")?;
    let closed_at = time(columns.closed_at, "CLOSED_DT")?;
    let status = needed(columns.status, "CASE_STATUS")?;
    match (status.as_str(), closed_at) {
        ("Closed", None) => return Err("CASE_STATUS is Closed but CLOSED_DT is blank".to_owned()),
        ("Open", Some(_)) => return Err("CASE_STATUS is Open but CLOSED_DT is given".to_owned()),
        ("Open" | "Closed", _) => {}
        _ => return Err(format!("CASE_STATUS '{status}' is neither Open nor Closed")),
    }
    let due_at = time(columns.due_at, "TARGET_DT")?;
    if closed_at.is_some_and(|at| at < opened_at) {
        return Err("CLOSED_DT lies before OPEN_DT".to_owned());
    }
    if due_at.is_some_and(|at| at < opened_at) {
        return Err("TARGET_DT lies before OPEN_DT".to_owned());
    }
    Ok(Row {
        external_id: needed(columns.external_id, "CASE_ENQUIRY_ID")?,
        opened_at,
        due_at,
        closed_at,
        status,
        closure_reason: text(columns.closure_reason, "CLOSURE_REASON")?,
        kind: needed(columns.kind, "TYPE")?,
        department: needed(columns.department, "Department")?,
        neighbourhood: text(columns.neighbourhood, "neighborhood")?,
        place: place(
            &needed(columns.latitude, "LATITUDE")?,
            &needed(columns.longitude, "LONGITUDE")?,
        )?,
    })
}

fn local(text: &str, column: &str) -> Result<Instant, String> {
    let naive = NaiveDateTime::parse_from_str(text, TIME_FORM)
        .map_err(|_| format!("{column} '{text}' is no time of the form MM/DD/YYYY hh:mm:ss AM"))?;
    // Of the hour that comes twice in autumn the first is taken; the hour left out in spring is
    // no time at all.
    New_York
        .from_local_datetime(&naive)
        .earliest()
        .map(|time| time.to_utc())
        .ok_or_else(|| format!("{column} '{text}' does not exist in Boston (clocks went forward)"))
}

fn place(latitude: &str, longitude: &str) -> Result<Place, String> {
    let degrees = |text: &str, column: &str| {
        text.parse::<f64>()
            .map_err(|_| format!("{column} '{text}' is no number"))
    };
    let lat = degrees(latitude, "LATITUDE")?;
    let lon = degrees(longitude, "LONGITUDE")?;
    Place::from_degrees(lat, lon)
        .ok_or_else(|| format!("LATITUDE {latitude}, LONGITUDE {longitude} is not on the earth"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "CASE_ENQUIRY_ID,OPEN_DT,TARGET_DT,CLOSED_DT,OnTime_Status,CASE_STATUS,\
        CLOSURE_REASON,TYPE,Department,neighborhood,ward,police_district,LATITUDE,LONGITUDE,Source";

    fn check(row: &str) -> Result<Row, String> {
        let text = format!("{HEAD}\n{row}\n");
        let mut parsed = parse(Path::new("some/file.csv"), text.as_bytes());
        match (parsed.rows.pop(), parsed.bad.pop()) {
            (Some(row), None) => Ok(row),
            (None, Some(bad)) => {
                assert_eq!((bad.file.as_str(), bad.line), ("file.csv", 2));
                Err(bad.reason)
            }
            both => panic!("one row gives one result, not {both:?}"),
        }
    }

    const GOOD: &str = "101,01/02/2015 10:39:18 AM,12/22/2016 10:39:17 AM,,ONTIME,Open,,Egress,ISD,\
        ,Ward 21,D14,42.3547,-71.1307,Self Service";

    #[test]
    fn a_row_is_read_in_the_time_of_boston() {
        let row = check(GOOD).expect("a good row");
        assert_eq!(row.opened_at.to_rfc3339(), "2015-01-02T15:39:18+00:00");
        assert_eq!(
            row.place,
            Place {
                lat_e7: 423_547_000,
                lon_e7: -711_307_000
            }
        );
        assert_eq!(row.neighbourhood, "");
    }

    #[test]
    fn on_time_status_is_not_read() {
        assert_eq!(check(GOOD), check(&GOOD.replace("ONTIME", "")));
        assert_eq!(check(GOOD), check(&GOOD.replace("ONTIME", "OVERDUE")));
    }

    #[test]
    fn a_bad_row_is_reported_with_its_reason() {
        for (from, to, reason) in [
            (
                "01/02/2015 10:39:18 AM",
                "02/30/2015 10:39:18 AM",
                "OPEN_DT",
            ),
            (
                "01/02/2015 10:39:18 AM",
                "03/08/2015 02:30:00 AM",
                "clocks went forward",
            ),
            ("12/22/2016", "12/22/2014", "TARGET_DT lies before"),
            ("42.3547", "142.3547", "not on the earth"),
            ("42.3547", "north", "is no number"),
            ("Open", "Closed", "CLOSED_DT is blank"),
            ("Egress", " ", "TYPE is blank"),
            (",Self Service", "", "columns instead of"),
        ] {
            let refused = check(&GOOD.replacen(from, to, 1)).expect_err(reason);
            assert!(refused.contains(reason), "{refused} should say {reason}");
        }
    }

    #[test]
    fn what_is_not_utf8_is_one_bad_row_and_the_next_goes_in() {
        let mut bytes = format!("{HEAD}\n{GOOD}\n").into_bytes();
        bytes.extend(
            GOOD.replace("Egress", "Egr\u{1}ss").bytes().map(
                |byte| {
                    if byte == 1 { 0xff } else { byte }
                },
            ),
        );
        bytes.extend(format!("\n{GOOD}\n").bytes());
        let parsed = parse(Path::new("f.csv"), &bytes);
        assert_eq!(parsed.rows.len(), 2);
        assert_eq!(parsed.bad[0].to_string(), "f.csv:3: TYPE is not UTF-8");
    }

    #[test]
    fn a_missing_column_is_named() {
        let parsed = parse(
            Path::new("f.csv"),
            HEAD.replace("TARGET_DT", "DUE").as_bytes(),
        );
        assert_eq!(
            parsed.bad[0].to_string(),
            "f.csv:1: column TARGET_DT is missing"
        );
    }

    #[test]
    fn all_rows_of_the_shipped_files_are_good() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/boston-311-2015");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("the demo's files") {
            let path = entry.expect("an entry").path();
            let parsed = parse(&path, &std::fs::read(&path).expect("a file"));
            assert_eq!(parsed.bad, []);
            count += parsed.rows.len();
        }
        assert_eq!(count, 2_401);
    }
}
