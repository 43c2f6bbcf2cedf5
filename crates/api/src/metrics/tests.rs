use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::folder::{self, Birth, Keeping};

/// What a fresh service tells.
async fn rendered() -> String {
    let dir = tempfile::tempdir().unwrap();
    let birth = Birth {
        origin: "test.example/log".to_owned(),
        zone: chrono_tz::UTC,
        administrator: "admin".to_owned(),
        simulated: None,
        reactions_enabled: true,
        segment_bytes: Some(eventlog::SEGMENT_BYTES_MIN),
    };
    folder::bear(dir.path(), &birth).await.unwrap();
    let metrics = Metrics::new().unwrap();
    let keeping = Keeping {
        measures: metrics.measures(),
        ..Keeping::default()
    };
    let (backend, _) = folder::open_and_keep(dir.path(), keeping).await.unwrap();
    let (told, of) = (metrics.clone(), backend.clone());
    let text = tokio::task::spawn_blocking(move || told.render(&of));
    let text = text.await.unwrap();
    backend.stop().await.unwrap();
    text
}

/// The kinds, names and labels of a text, without its values and buckets.
fn series(text: &str) -> BTreeSet<&str> {
    let line = |line: &'_ str| !line.is_empty() && !line.starts_with("# HELP");
    let lines = text.lines().filter(|it| line(it));
    lines
        .filter(|line| !line.contains("le=\""))
        .map(|line| match line.strip_prefix("# TYPE ") {
            Some(kind) => kind,
            None => line.rsplit_once(' ').map_or(line, |(name, _)| name),
        })
        .collect()
}

#[tokio::test]
async fn the_series_of_a_service_are_those_of_the_golden_list() {
    let text = rendered().await;
    let found: String = series(&text).iter().flat_map(|line| [line, "\n"]).collect();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/metrics.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&golden).unwrap());
}

#[tokio::test]
async fn every_series_is_told_described_and_documented_and_no_other() {
    let text = rendered().await;
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let documented: BTreeSet<&str> = docs
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next())
        .collect();
    let told: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let listed: BTreeSet<&str> = SERIES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(told, listed);
    assert_eq!(documented, listed);
    for (name, kind, unit, says) in SERIES {
        let kind = match kind {
            Gauge => "gauge",
            Counter => "counter",
            Histogram => "histogram",
        };
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
        assert!(text.contains(&format!("# HELP {name} {says}\n")), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        let unit = match unit {
            Unit::Bytes => name.contains("_bytes"),
            Unit::Seconds => name.ends_with("_seconds"),
            _ => true,
        };
        assert!(unit, "{name} names its unit");
    }
}

#[tokio::test]
async fn no_label_and_no_value_is_a_name_from_the_log() {
    let text = rendered().await;
    let labels = text.split('"').skip(1).step_by(2);
    for label in labels {
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        let bound = label == "+Inf" || label.parse::<f64>().is_ok();
        assert!(bound || label.chars().all(plain), "{label}");
    }
}
