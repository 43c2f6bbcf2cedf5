use domain::Personal;
use domain::ids::ShiftId;
use domain::patrol_shift::{Event as E, PatrolShift, ShiftState};
use domain::{Aggregate as _, Stamp};

use super::folded;
use crate::Models;
use crate::fixture::patrols::{DISPUTED_SHIFT, VOIDED_SHIFT};
use crate::fixture::{COMMUNITY, History, SHIFT, ZONE, at, checked_in, id, planned};
use crate::read_models::shifts::{Filter, Record};

fn shift(models: &Models) -> Record {
    let build = models.shifts.read();
    let slot = build.partitions.get(&id::<ShiftId>(SHIFT));
    slot.cloned().flatten().expect("on the board")
}

fn completed() -> E {
    E::ShiftCompleted {
        minutes: Vec::new(),
        hit: 0,
        skipped: 0,
        missed: 0,
    }
}

#[tokio::test]
async fn a_shift_stands_on_the_board_as_the_rules_see_it_after_each_event() {
    let handed = |to| E::ShiftHandedOver {
        from: id(11),
        to: id(to),
        open_items: vec![id(700 + to)],
        handed_by: id(11),
    };
    let out = |person| E::PatrollerCheckedOut { person: id(person) };
    let settled = || E::ShiftVerified {
        accepted: 1,
        rejected: 0,
    };
    let disputed = || E::ShiftDisputed {
        disputed_by: id(13),
        reason: Personal::new("nobody was there"),
    };
    let life = [
        planned(ZONE, "2024-03-01T12:00:00Z", "2024-03-01T14:00:00Z"),
        E::PatrollerSignedUp { person: id(11) },
        checked_in(11),
        E::ShiftStarted {},
        handed(12),
        E::HandoverDeclined {
            from: id(11),
            to: id(12),
            reason: Personal::new("is ill"),
        },
        handed(13),
        E::HandoverAccepted {
            from: id(11),
            to: id(13),
            open_items: Vec::new(),
        },
        out(11),
        checked_in(13),
        handed(14),
        out(13),
        completed(),
        settled(),
        disputed(),
        settled(),
        disputed(),
        E::ShiftVoided {
            reason: Personal::new("nobody was there"),
            voided_by: id(2),
            community: id(COMMUNITY),
            zone: id(ZONE),
            until: at("2024-03-01T14:00:00Z"),
            parts: Vec::new(),
            hits: Vec::new(),
            missed: Vec::new(),
        },
    ];
    let mut history = History::new();
    history.born().await;
    let mut rules = PatrolShift::default();
    let when = "2024-03-01T12:00:00Z";
    for (position, event) in (1..).zip(life) {
        let stamp = Stamp {
            position,
            version: position,
            occurred_at: at(when),
            recorded_at: at(when),
        };
        rules.evolve(&event, &stamp);
        history.shift(when, event.clone()).await;
        let board = shift(&folded(&history));
        assert_eq!(board.state, rules.state, "{event:?}");
        let pending = |from, to| (from, to);
        assert_eq!(
            board.pending.as_ref().map(|it| pending(it.from, it.to)),
            rules.handover.as_ref().map(|it| pending(it.from, it.to)),
            "{event:?}"
        );
        assert_eq!(
            board.open_items(),
            rules.items_not_taken_over(),
            "{event:?}"
        );
        assert_eq!(board.disputes, rules.disputes);
    }
    // Those declined and those that waited as their giver went; none was taken over.
    let left = shift(&folded(&history)).left;
    assert_eq!(
        left.into_iter().collect::<Vec<_>>(),
        [id(712), id(713), id(714)]
    );
}

#[tokio::test]
async fn shifts_are_found_by_unit_state_and_person_and_paged_from_the_last_start() {
    let mut history = History::whole().await;
    for n in 0..5_u128 {
        let start = format!("2024-04-0{}T12:00:00Z", n + 1);
        let end = format!("2024-04-0{}T13:00:00Z", n + 1);
        let key = uuid::Uuid::from_u128(900 + n);
        let event = planned(ZONE, &start, &end);
        history
            .one::<PatrolShift>("2024-03-20T00:00:00Z", Some(COMMUNITY), key, event)
            .await;
        let person = E::PatrollerSignedUp { person: id(20 + n) };
        history
            .one::<PatrolShift>("2024-03-20T00:00:00Z", Some(COMMUNITY), key, person)
            .await;
    }
    let models = folded(&history);
    let build = models.shifts.read();
    let ids = |filter: &Filter, size, after| {
        let (page, more) = build.list(filter, size, after);
        let found: Vec<_> = page.iter().map(|(id, _)| id.0.as_u128()).collect();
        let last = page.last().map(|(id, record)| (record.from, *id));
        (found, more, last)
    };
    let all = Filter::default();
    let (first, more, last) = ids(&all, 4, None);
    assert_eq!((first, more), (vec![904, 903, 902, 901], true));
    assert_eq!(
        ids(&all, 4, last).0,
        [900, SHIFT, DISPUTED_SHIFT, VOIDED_SHIFT]
    );
    let planned_only = Filter {
        state: Some(ShiftState::Planned),
        ..Filter::default()
    };
    assert_eq!(ids(&planned_only, 10, None).0.len(), 5);
    let somebodys = Filter {
        person: Some(id(22)),
        ..Filter::default()
    };
    assert_eq!(ids(&somebodys, 10, None).0, [902]);
    let elsewhere = Filter {
        units: Some([id(1)].into()),
        ..Filter::default()
    };
    assert!(ids(&elsewhere, 10, None).0.is_empty());
}
