use domain::ids::{ShiftId, UnitId};
use domain::patrol_shift::{Event as E, MissedCheckpoint, PatrolShift};

use crate::Build;
use crate::fixture::{ABROAD, COMMUNITY, History, ZONE, at, id, planned};
use crate::read_models::missed_alarms::{Answer, Filter, Kind, Missed, MissedAlarms};
use crate::tests::folded;

async fn shift(history: &mut History, n: u128, when: &str, events: Vec<E>) {
    let key: ShiftId = id(n);
    for event in events {
        history
            .one::<PatrolShift>(when, Some(COMMUNITY), key, event)
            .await;
    }
}

fn checkpoint(n: u128) -> E {
    E::CheckpointMissed {
        checkpoint: id(n),
        zone: None,
    }
}

/// Three shifts: nobody came to one, one missed two checkpoints, one was ended by the system.
async fn history() -> History {
    let mut history = History::new();
    history.born().await;
    let plan = || planned(ZONE, "2024-03-01T12:00:00Z", "2024-03-01T14:00:00Z");
    shift(&mut history, 31, "2024-02-01T00:00:00Z", vec![plan()]).await;
    shift(&mut history, 32, "2024-02-01T00:00:00Z", vec![plan()]).await;
    shift(&mut history, 33, "2024-02-01T00:00:00Z", vec![plan()]).await;
    shift(
        &mut history,
        31,
        "2024-03-01T12:30:00Z",
        vec![E::ShiftMissed {}],
    )
    .await;
    let missed = vec![checkpoint(601), checkpoint(602)];
    shift(&mut history, 32, "2024-03-01T14:00:00Z", missed).await;
    let forgotten = vec![E::AutoCheckedOut { person: id(11) }];
    shift(&mut history, 33, "2024-03-01T14:30:00Z", forgotten).await;
    history
}

fn all(build: &Build<MissedAlarms>, filter: &Filter, size: usize) -> Vec<(u128, Missed)> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let (page, more) = build.list(filter, size, after);
        for (shift, _, alarm) in page {
            found.push((shift.0.as_u128(), alarm.missed));
            after = Some((alarm.at, (alarm.position, shift)));
        }
        if !more {
            return found;
        }
    }
}

#[tokio::test]
async fn alarms_stand_newest_first_and_pages_of_any_size_show_each_once() {
    let models = folded(&history().await);
    let build = models.missed_alarms.read();
    let expected = [
        (33, Missed::CheckOut(id(11))),
        (32, Missed::Checkpoint(id(602))),
        (32, Missed::Checkpoint(id(601))),
        (31, Missed::Shift),
    ];
    for size in 1..=5 {
        assert_eq!(all(&build, &Filter::default(), size), expected, "{size}");
    }
}

#[tokio::test]
async fn alarms_are_found_by_unit_sort_and_time() {
    let models = folded(&history().await);
    let build = models.missed_alarms.read();
    let count = |filter: &Filter| all(&build, filter, 2).len();
    let units = |unit| Filter {
        units: Some([id::<UnitId>(unit)].into()),
        ..Filter::default()
    };
    assert_eq!((count(&units(COMMUNITY)), count(&units(ABROAD))), (4, 0));
    for (kind, expected) in [(Kind::Shift, 1), (Kind::Checkpoint, 2), (Kind::CheckOut, 1)] {
        let filter = Filter {
            kind: Some(kind),
            ..Filter::default()
        };
        assert_eq!(count(&filter), expected, "{kind:?}");
    }
    let within = |from: &str, until: &str| Filter {
        from: Some(at(from)),
        until: Some(at(until)),
        ..Filter::default()
    };
    let hours = within("2024-03-01T14:00:00Z", "2024-03-01T14:30:00Z");
    assert_eq!(count(&hours), 2, "from is included, until is not");
}

#[tokio::test]
async fn only_later_events_of_the_shift_answer_an_alarm() {
    let mut history = history().await;
    let counted = E::LateScanCounted {
        checkpoint: id(601),
        zone: id(ZONE),
        missed: Some(MissedCheckpoint {
            checkpoint: id(601),
            zone: id(ZONE),
        }),
        until: at("2024-03-01T14:00:00Z"),
    };
    let settled = E::ShiftVerified {
        accepted: 1,
        rejected: 0,
    };
    let when = "2024-03-02T00:00:00Z";
    shift(&mut history, 32, when, vec![counted, settled]).await;
    let models = folded(&history);
    let build = models.missed_alarms.read();
    let (page, _) = build.list(&Filter::default(), 10, None);
    let answers: Vec<_> = page
        .iter()
        .map(|(.., alarm)| alarm.answer.map(|(answer, _)| answer))
        .collect();
    let expected = [None, Some(Answer::Settled), Some(Answer::Scanned), None];
    assert_eq!(answers, expected);
    let open = Filter {
        unanswered_only: true,
        ..Filter::default()
    };
    assert_eq!(all(&build, &open, 1).len(), 2);
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_alarms_come_in_and_are_answered() {
    let mut history = history().await;
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let more = {
            let models = folded(&history);
            let build = models.missed_alarms.read();
            let (page, more) = build.list(&Filter::default(), 1, after);
            for (shift, _, alarm) in page {
                found.push((shift.0.as_u128(), alarm.missed));
                after = Some((alarm.at, (alarm.position, shift)));
            }
            more
        };
        if !more {
            break;
        }
        // Between two pages a newer alarm comes in, and an old one is answered.
        let late = vec![checkpoint(700 + found.len() as u128)];
        shift(&mut history, 33, "2024-03-02T00:00:00Z", late).await;
        let settled = E::ShiftVerified {
            accepted: 0,
            rejected: 1,
        };
        shift(&mut history, 32, "2024-03-02T00:00:00Z", vec![settled]).await;
    }
    let expected = [
        (33, Missed::CheckOut(id(11))),
        (32, Missed::Checkpoint(id(602))),
        (32, Missed::Checkpoint(id(601))),
        (31, Missed::Shift),
    ];
    assert_eq!(found, expected);
}
