use std::collections::BTreeMap;

use domain::Personal;
use domain::dispute::{Dispute, DisputeKind, Event as E, Form, Panel, Source};
use domain::ids::DisputeId;

use crate::fixture::{COMMUNITY, History, at, id};
use crate::read_models::mediation_report::funnel::{Filter, Funnel, GroupBy};
use crate::tests::folded;

fn registered(kind: DisputeKind) -> E {
    E::DisputeRegistered {
        community: id(COMMUNITY),
        source: Source::Visit {
            visit: uuid::Uuid::from_u128(1),
        },
        kind,
        parties: vec![id(12), id(13)],
        subject: Personal::new("a wet wall"),
        relapse_of: None,
        registered_by: id(11),
    }
}

fn agreed() -> E {
    E::AgreementReached {
        form: Form::Oral,
        terms: None,
        obligations: Vec::new(),
        recorded_by: id(11),
    }
}

fn panel(office: &str) -> E {
    E::PanelFormed {
        panel: Panel {
            lead: id(21),
            lead_office: office.to_owned(),
            officer: id(22),
            justice_office: id(23),
            legal_service: id(24),
            members: Vec::new(),
        },
        formed_by: id(1),
    }
}

async fn tell(history: &mut History, n: u128, life: Vec<(&str, E)>) {
    let key: DisputeId = id(n);
    for (when, event) in life {
        history
            .one::<Dispute>(when, Some(COMMUNITY), key, event)
            .await;
    }
}

/// Ten that agreed after one to ten days, one that failed, one that a party left.
async fn history() -> History {
    let mut history = History::new();
    history.born().await;
    let begin = "2024-03-01T00:00:00Z";
    for n in 1..=12_u128 {
        let kind = if n <= 6 {
            DisputeKind::Neighbour
        } else {
            DisputeKind::Consumer
        };
        tell(&mut history, n, vec![(begin, registered(kind))]).await;
    }
    tell(
        &mut history,
        12,
        vec![(begin, E::MediationWithdrawn { party: id(12) })],
    )
    .await;
    for n in 1..=11_u128 {
        let office = if n % 2 == 0 { "justice" } else { "police" };
        let accepted = E::DisputeAccepted { accepted_by: id(1) };
        let life = vec![(begin, accepted), (begin, panel(office))];
        tell(&mut history, n, life).await;
    }
    for n in 1..=10_u128 {
        let day = format!("2024-03-{:02}T00:00:00Z", n + 1);
        tell(&mut history, n, vec![(&day, agreed())]).await;
    }
    let failed = E::MediationFailed {
        reason: "no terms".to_owned(),
        remedies: Vec::new(),
        ended_by: id(1),
    };
    tell(&mut history, 11, vec![("2024-03-12T00:00:00Z", failed)]).await;
    for (n, day) in [(1, 20), (2, 21), (3, 22)] {
        let when = format!("2024-03-{day}T00:00:00Z");
        tell(&mut history, n, vec![(&when, E::AgreementEffective {})]).await;
    }
    tell(
        &mut history,
        1,
        vec![("2024-03-25T00:00:00Z", E::AgreementPerformed {})],
    )
    .await;
    let relapse = E::RelapseLinked {
        relapse: id(99),
        linked_by: id(1),
    };
    tell(&mut history, 2, vec![("2024-03-26T00:00:00Z", relapse)]).await;
    history
}

fn groups(history: &History, filter: &Filter, by: GroupBy) -> BTreeMap<String, Funnel> {
    folded(history).mediation_report.read().funnel(filter, by)
}

fn as_of(text: &str) -> Filter {
    Filter {
        as_of: at(text),
        ..Filter::default()
    }
}

#[tokio::test]
async fn each_stage_counts_those_that_reached_it_and_times_are_exact() {
    let history = history().await;
    let end = as_of("2024-04-01T00:00:00Z");
    let all = groups(&history, &end, GroupBy::Nothing);
    let funnel = &all[""];
    assert_eq!(
        (funnel.registered, funnel.accepted, funnel.agreed),
        (12, 11, 10)
    );
    assert_eq!(
        (funnel.effective, funnel.performed, funnel.relapsed),
        (3, 1, 1)
    );
    assert_eq!(
        (funnel.failed, funnel.withdrawn, funnel.terminated),
        (1, 1, 0)
    );
    let days = |percent| funnel.percentile(percent).map(|seconds| seconds / 86_400);
    let percentiles = [50, 90, 91, 99, 100].map(days);
    assert_eq!(percentiles, [5, 9, 10, 10, 10].map(Some));
    assert_eq!(Funnel::default().percentile(50), None);
}

#[tokio::test]
async fn the_funnel_as_of_a_day_knows_nothing_of_what_came_later() {
    let history = history().await;
    let early = groups(&history, &as_of("2024-03-05T12:00:00Z"), GroupBy::Nothing);
    let funnel = &early[""];
    assert_eq!(
        (funnel.registered, funnel.agreed, funnel.failed),
        (12, 4, 0)
    );
    let before = groups(&history, &as_of("2024-02-01T00:00:00Z"), GroupBy::Nothing);
    assert!(before.is_empty());
}

#[tokio::test]
async fn disputes_are_put_together_by_month_kind_office_and_unit() {
    let history = history().await;
    let end = as_of("2024-04-01T00:00:00Z");
    let registered = |by| {
        let groups = groups(&history, &end, by);
        let counts = groups
            .into_iter()
            .map(|(name, funnel)| (name, funnel.registered));
        counts.collect::<Vec<_>>()
    };
    let named = |pairs: &[(&str, u64)]| {
        let pairs = pairs
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        pairs.collect::<Vec<_>>()
    };
    assert_eq!(registered(GroupBy::Month), named(&[("2024-03", 12)]));
    let kinds = named(&[("consumer", 6), ("neighbour", 6)]);
    assert_eq!(registered(GroupBy::Kind), kinds);
    let offices = named(&[("", 1), ("justice", 5), ("police", 6)]);
    assert_eq!(registered(GroupBy::LeadOffice), offices);
    let unit = id::<domain::ids::UnitId>(COMMUNITY).to_string();
    assert_eq!(registered(GroupBy::Unit), named(&[(&unit, 12)]));
    let justice = Filter {
        lead_office: Some("justice".to_owned()),
        kind: Some(DisputeKind::Neighbour),
        ..end
    };
    assert_eq!(
        groups(&history, &justice, GroupBy::Nothing)[""].registered,
        3
    );
}
