use std::collections::BTreeSet;
use std::convert::Infallible;

use domain::ids::UnitId;
use domain::lead::LeadState;

use super::folded;
use crate::fixture::{ABROAD, COMMUNITY, History, at, id};
use crate::read_models::leads::{Filter, Record};

#[tokio::test]
async fn the_board_says_where_a_lead_stands_and_nothing_of_what_was_told() {
    let models = folded(&History::whole().await);
    let board = models.leads.read();
    let valid = board.lead(id(811)).expect("a lead");
    assert_eq!(valid.state, LeadState::Valid);
    assert_eq!(valid.officer, Some(id(1)));
    assert_eq!(valid.accesses, 1);
    assert_eq!(valid.closed_at, Some(at("2024-05-03T00:00:00Z")));
    let open = board.lead(id(812)).expect("a lead");
    assert_eq!((open.state, open.closed_at), (LeadState::Submitted, None));
    // Neither who tipped (person 13) nor what was told is in any row.
    let rows: Vec<_> = board.rows().collect();
    let text = format!("{rows:?}");
    for hidden in [id::<uuid::Uuid>(13).to_string(), "let to".to_owned()] {
        assert!(!text.contains(&hidden), "{hidden} in {text}");
    }
}

#[tokio::test]
async fn pages_show_every_lead_that_matches_and_may_be_known_once() {
    let models = folded(&History::whole().await);
    let board = models.leads.read();
    let check = |filter: &Filter, known: &dyn Fn(&Record) -> bool, expected: &[u128]| {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let known = |record: &Record| Ok::<_, Infallible>(known(record));
            let (page, more) = board.list(filter, known, 1, after).expect("never fails");
            for (lead, record) in page {
                found.push(lead.0.as_u128());
                after = Some((record.submitted_at, lead));
            }
            if !more {
                break;
            }
        }
        assert_eq!(found, expected);
    };
    let all = Filter::default();
    check(&all, &|_| true, &[811, 812]);
    check(&all, &|_| false, &[]);
    check(&all, &|record| record.state.is_open(), &[812]);
    let open = Filter {
        open_only: true,
        ..Filter::default()
    };
    check(&open, &|_| true, &[812]);
    let valid = Filter {
        state: Some(LeadState::Valid),
        ..Filter::default()
    };
    check(&valid, &|_| true, &[811]);
    let within = |unit| Filter {
        units: Some(BTreeSet::from([id::<UnitId>(unit)])),
        ..Filter::default()
    };
    check(&within(COMMUNITY), &|_| true, &[811, 812]);
    check(&within(ABROAD), &|_| true, &[]);
}

#[tokio::test]
async fn a_lead_that_an_earlier_one_overtakes_is_a_duplicate_closed_since_when_it_was() {
    let mut history = History::whole().await;
    let overtaken = domain::lead::Event::LeadOvertaken {
        community: id(COMMUNITY),
        officer: id(1),
        matter: id(911),
        first: id(812),
        reward: None,
    };
    let key = id::<domain::ids::LeadId>(811);
    let when = "2024-05-09T00:00:00Z";
    history
        .one::<domain::lead::Lead>(when, Some(COMMUNITY), key, overtaken)
        .await;
    let models = folded(&history);
    let board = models.leads.read();
    let lead = board.lead(key).expect("a lead");
    assert_eq!(lead.state, LeadState::Duplicate);
    assert_eq!(lead.closed_at, Some(at("2024-05-03T00:00:00Z")));
}
