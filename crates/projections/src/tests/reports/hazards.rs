use domain::hazard::{Event as E, HazardLevel, Urgency};
use domain::ids::UnitId;

use crate::fixture::{ABROAD, COMMUNITY, History, at, id};
use crate::read_models::hazard_report::tally::{Filter, Tally};
use crate::tests::folded;

fn verified(level: HazardLevel) -> E {
    E::HazardVerified {
        level,
        urgency: Urgency::Yellow,
        verified_by: id(1),
    }
}

fn failed() -> E {
    E::ReinspectionFailed {
        reinspected_by: id(12),
        reason: "still there".to_owned(),
    }
}

fn passed() -> E {
    E::ReinspectionPassed {
        reinspected_by: id(12),
    }
}

fn claimed() -> E {
    E::RectificationClaimed {
        rectified_by: id(13),
    }
}

/// One that came back after it was closed, one overdue and major, one claimed in time, one that was
/// none.
async fn history() -> History {
    let mut history = History::new();
    history.born().await;
    for n in [701, 702, 703, 704] {
        history.reported("2024-03-01T00:00:00Z", n).await;
    }
    let due = "2024-03-05T00:00:00Z";
    for (n, level) in [
        (701, HazardLevel::General),
        (702, HazardLevel::Major),
        (703, HazardLevel::General),
    ] {
        history
            .hazard("2024-03-02T00:00:00Z", n, verified(level))
            .await;
        history.due("2024-03-02T00:00:00Z", n, due).await;
    }
    let rejected = E::HazardRejected {
        reason: "a shadow".to_owned(),
        rejected_by: id(1),
    };
    history.hazard("2024-03-02T00:00:00Z", 704, rejected).await;
    for (when, n, event) in [
        ("2024-03-03T00:00:00Z", 701, claimed()),
        ("2024-03-03T01:00:00Z", 701, failed()),
        ("2024-03-04T00:00:00Z", 701, claimed()),
        ("2024-03-04T00:00:00Z", 703, claimed()),
        ("2024-03-04T01:00:00Z", 701, passed()),
        (
            "2024-03-04T02:00:00Z",
            701,
            E::HazardClosedOut { closed_by: id(1) },
        ),
        (
            "2024-03-20T00:00:00Z",
            701,
            E::HazardRecurred {
                reported_by: id(11),
            },
        ),
    ] {
        history.hazard(when, n, event).await;
    }
    history
}

fn tallied(history: &History, filter: &Filter) -> Tally {
    let models = folded(history);
    let mut sum = Tally::default();
    for tally in models.hazard_report.read().tally(filter).values() {
        sum.add(tally);
    }
    sum
}

fn as_of(text: &str) -> Filter {
    Filter {
        as_of: at(text),
        ..Filter::default()
    }
}

#[tokio::test]
async fn every_rate_has_its_numerator_and_its_denominator() {
    let history = history().await;
    let tally = tallied(&history, &as_of("2024-03-25T12:00:00Z"));
    assert_eq!(tally.reported, 3, "what was none is not counted");
    assert_eq!(
        (tally.open_general, tally.open_major, tally.open_unverified),
        (1, 1, 1),
        "one that came back must be verified anew"
    );
    assert_eq!(
        (tally.overdue, tally.open_with_deadline),
        (1, 2),
        "a claim in time waits for its re-inspection"
    );
    assert_eq!((tally.reinspections_failed, tally.reinspections), (1, 2));
    assert_eq!(
        (tally.recurred, tally.closed, tally.closed_by_source),
        (1, 1, 0)
    );
    let end = at("2024-03-25T12:00:00Z");
    assert_eq!(tally.recurrence_free_days(end), Some(5));
    assert_eq!(tally.days_since_seen(end), Some(5));
}

#[tokio::test]
async fn a_recurrence_that_was_none_takes_nothing_of_what_came_before() {
    let mut history = history().await;
    let before = tallied(&history, &as_of("2024-03-19T00:00:00Z"));
    let rejected = E::HazardRejected {
        reason: "another one".to_owned(),
        rejected_by: id(1),
    };
    history.hazard("2024-03-21T00:00:00Z", 701, rejected).await;
    let tally = tallied(&history, &as_of("2024-03-25T12:00:00Z"));
    assert_eq!((tally.reported, tally.recurred), (before.reported, 0));
    assert_eq!((tally.closed, tally.open()), (1, before.open()));
    assert_eq!(tally.last_seen, before.last_seen);
}

#[tokio::test]
async fn the_report_as_of_a_day_knows_nothing_of_what_came_later() {
    let history = history().await;
    let tally = tallied(&history, &as_of("2024-03-04T12:00:00Z"));
    assert_eq!((tally.open(), tally.overdue, tally.recurred), (2, 0, 0));
    assert_eq!(
        tally.recurrence_free_days(at("2024-03-04T12:00:00Z")),
        Some(3),
        "none ever came back: since the first was seen"
    );
    let early = tallied(&history, &as_of("2024-03-01T12:00:00Z"));
    assert_eq!((early.open_unverified, early.reported), (4, 4));
    let before = tallied(&history, &as_of("2024-02-01T00:00:00Z"));
    assert_eq!(before, Tally::default());
}

#[tokio::test]
async fn what_happened_before_the_period_is_not_of_it() {
    let history = history().await;
    let filter = Filter {
        from: Some(at("2024-03-04T00:00:00Z")),
        ..as_of("2024-03-25T00:00:00Z")
    };
    let tally = tallied(&history, &filter);
    assert_eq!((tally.reported, tally.reinspections), (0, 1));
    assert_eq!((tally.reinspections_failed, tally.closed), (0, 1));
    assert_eq!(tally.open(), 3, "open is of the date alone");
}

#[tokio::test]
async fn hazards_are_counted_by_unit_and_kind() {
    let history = history().await;
    let models = folded(&history);
    let build = models.hazard_report.read();
    let rows = build.tally(&as_of("2024-03-25T00:00:00Z"));
    let keys: Vec<_> = rows.keys().cloned().collect();
    assert_eq!(keys, [(id::<UnitId>(COMMUNITY), "blocked exit".to_owned())]);
    for filter in [
        Filter {
            units: Some([id::<UnitId>(ABROAD)].into()),
            ..as_of("2024-03-25T00:00:00Z")
        },
        Filter {
            kind: Some("fire".to_owned()),
            ..as_of("2024-03-25T00:00:00Z")
        },
        Filter {
            source: Some("elsewhere".to_owned()),
            ..as_of("2024-03-25T00:00:00Z")
        },
    ] {
        assert!(build.tally(&filter).is_empty(), "{filter:?}");
    }
}
