use std::sync::Arc;

use domain::hazard::{self, Urgency};
use domain::patrol_shift::Event as E;
use domain::{Event, import_batch, policy_set};
use eventlog::{BoxFuture, Clock, EventLog};

use super::town::{START, Town};
use crate::feed;
use crate::fixture::{
    BATCH, COMMUNITY, History, STATION, ZONE, at, checked_in, happened, id, planned, reported,
};
use crate::submit::{Submission, Submit, SubmitError};
use crate::timers::{Due, DueList, Fired, Time, TimerError, Timers};

fn timers(town: &Town) -> Timers {
    let time = Time::Simulated(town.clock.clone());
    Timers::start(town.log(), Arc::new(town.executor.clone()), time, None)
}

/// The breaches in log order: hazard, due, recorded.
fn breaches(town: &Town) -> Vec<(u128, String, String)> {
    let events = town.events();
    let breaches = events
        .into_iter()
        .filter_map(|(recorded, event)| match event {
            Event::Hazard(hazard::Event::DeadlineBreached { due_at, .. }) => {
                let id = uuid::Uuid::parse_str(recorded.stream.key()).expect("an id");
                let text = |at: domain::Instant| at.format("%m-%dT%H:%M:%S%.6f").to_string();
                Some((
                    id.as_u128(),
                    text(due_at),
                    text(recorded.header.recorded_at),
                ))
            }
            _ => None,
        });
    breaches.collect()
}

#[tokio::test]
async fn what_falls_due_is_recorded_once_in_due_order_just_after_its_instant() {
    let town = Town::born().await;
    for (n, urgency) in [
        (703, Urgency::Blue),
        (701, Urgency::Red),
        (702, Urgency::Yellow),
    ] {
        town.hazard(n, urgency).await;
    }
    let timers = timers(&town);
    let fired = timers
        .advance_to(at("2024-01-01T02:00:00Z"))
        .await
        .expect("fired");
    assert_eq!(
        fired,
        Fired::default(),
        "due at the deadline is not yet after it"
    );
    let fired = timers
        .advance_to(at("2024-01-05T00:00:00Z"))
        .await
        .expect("fired");
    assert_eq!(
        fired,
        Fired {
            taken: 3,
            refused: 0
        }
    );
    let row = |n, due: &str| (n, format!("{due}.000000"), format!("{due}.000001"));
    let expected = [
        row(701, "01-01T02:00:00"),
        row(702, "01-02T00:00:00"),
        row(703, "01-04T00:00:00"),
    ];
    assert_eq!(breaches(&town), expected);
    assert_eq!(town.clock.now(), at("2024-01-05T00:00:00Z"));
    // Neither a repeat nor a second runner that folds anew records anything again.
    timers
        .advance_to(at("2024-01-06T00:00:00Z"))
        .await
        .expect("nothing");
    let second = super::timers::timers(&town);
    second
        .advance_to(at("2024-01-07T00:00:00Z"))
        .await
        .expect("nothing");
    assert_eq!(breaches(&town), expected);
}

#[tokio::test]
async fn one_step_and_many_steps_write_the_same_log() {
    let mut roots = Vec::new();
    for steps in [1, 7, 96] {
        let town = Town::born().await;
        for (n, urgency) in [
            (701, Urgency::Red),
            (702, Urgency::Yellow),
            (703, Urgency::Blue),
        ] {
            town.hazard(n, urgency).await;
        }
        let timers = timers(&town);
        for step in 1..=steps {
            let minutes = 96 * 60 * step / steps;
            let target = at(START) + chrono::Duration::minutes(minutes);
            timers.advance_to(target).await.expect("fired");
        }
        roots.push(town.log().head().root);
    }
    assert_eq!(roots[0], roots[1]);
    assert_eq!(roots[0], roots[2]);
}

#[tokio::test]
async fn a_major_hazard_not_reported_upward_in_time_is_breached_once_beside_its_own_deadline() {
    let town = Town::born().await;
    let hazard = id(701);
    town.run("system:timer", super::town::report(hazard, id(STATION)))
        .await;
    let verify = hazard::Command::VerifyHazard {
        hazard,
        level: hazard::HazardLevel::Major,
        urgency: Urgency::Yellow,
    };
    town.run("admin", verify).await;
    let timers = timers(&town);
    for day in ["2024-01-01T12:00:00Z", "2024-01-05T00:00:00Z"] {
        timers.advance_to(at(day)).await.expect("fired");
    }
    super::timers::timers(&town)
        .advance_to(at("2024-01-07T00:00:00Z"))
        .await
        .expect("nothing");
    let row = |due: &str| (701, format!("{due}.000000"), format!("{due}.000001"));
    let expected = [row("01-01T02:00:00"), row("01-02T00:00:00")];
    assert_eq!(breaches(&town), expected);
}

#[tokio::test]
async fn a_met_or_ended_deadline_records_nothing() {
    let town = Town::born().await;
    town.hazard(701, Urgency::Red).await;
    town.hazard(702, Urgency::Red).await;
    let owner = "owner".to_owned();
    let assign = hazard::Command::AssignOwner {
        hazard: id(701),
        owner,
    };
    town.run("admin", assign).await;
    let claim = hazard::Command::ClaimRectification {
        hazard: id(701),
        done_at: None,
        photos: Vec::new(),
    };
    town.run("admin", claim).await;
    let reason = "a shadow".to_owned();
    let reject = hazard::Command::RejectHazard {
        hazard: id(702),
        reason,
    };
    town.run("admin", reject).await;
    let timers = timers(&town);
    let fired = timers.advance_to(at("2024-01-03T16:00:00Z")).await;
    let fired = fired.expect("fired");
    assert_eq!(fired, Fired::default(), "the claim awaits re-inspection");
    assert!(breaches(&town).is_empty());
    // Two working days after the claim nobody has looked; that is told once.
    for day in ["2024-01-03T16:00:01Z", "2024-01-09T00:00:00Z"] {
        timers.advance_to(at(day)).await.expect("fired");
    }
    let due = (
        701,
        "01-03T16:00:00.000000".to_owned(),
        "01-03T16:00:00.000001".to_owned(),
    );
    assert_eq!(breaches(&town), [due]);
}

#[tokio::test(start_paused = true)]
async fn on_a_real_clock_they_fire_by_themselves() {
    let town = Town::born().await;
    town.hazard(701, Urgency::Red).await;
    let time = Time::Real(Arc::new(town.clock.clone()));
    let timers = Timers::start(town.log(), Arc::new(town.executor.clone()), time, None);
    let target = at("2024-01-02T00:00:00Z");
    assert!(matches!(
        timers.advance_to(target).await,
        Err(TimerError::ClockIsReal)
    ));
    let mut moved = town.log().watch();
    moved.mark_unchanged();
    town.clock.advance_to(at("2024-01-01T02:00:01Z"));
    moved.changed().await.expect("the breach is recorded");
    assert_eq!(breaches(&town).len(), 1);
    timers.stop().await;
}

fn due_list(history: &History) -> DueList {
    let mut list = DueList::default();
    for commit in history.log.read(1, u64::MAX) {
        for recorded in commit.expect("readable").events {
            let event = feed::decode(&recorded).expect("readable");
            list.apply(&recorded, &event);
        }
    }
    list
}

fn first(history: &History) -> Option<(&'static str, String)> {
    let list = due_list(history);
    let text = |due: &Due| (due.timer, due.at.format("%dT%H:%M").to_string());
    list.first().map(text)
}

#[tokio::test]
async fn timers_hold_still_while_the_import_batch_is_open() {
    let mut history = History::new();
    history.born().await;
    let batch: domain::ids::BatchId = id(BATCH);
    let when = "2024-03-01T00:00:00Z";
    let uploaded = import_batch::Event::BatchUploaded {
        source: "elsewhere".to_owned(),
        files: Vec::new(),
        uploaded_by: id(1),
    };
    history
        .one::<import_batch::ImportBatch>(when, None, batch, uploaded)
        .await;
    for n in [701, 702] {
        history
            .hazard(when, n, reported(Some(&n.to_string())))
            .await;
        history.due(when, n, "2024-03-02T00:00:00Z").await;
    }
    let due_at = at("2024-03-02T00:00:00Z");
    history
        .hazard(
            when,
            702,
            hazard::Event::DeadlineBreached {
                purpose: hazard::Purpose::Rectification,
                due_at,
            },
        )
        .await;
    assert_eq!(first(&history), None);
    let applied = import_batch::Event::BatchApplied {
        rows_applied: 2,
        rows_known: 0,
    };
    history
        .one::<import_batch::ImportBatch>(when, None, batch, applied)
        .await;
    assert_eq!(
        first(&history),
        Some(("hazard_deadline", "02T00:00".to_owned()))
    );
    assert_eq!(due_list(&history).len(), 1);
}

#[tokio::test]
async fn a_shift_is_missed_or_checked_out_by_the_policy_at_its_start() {
    let mut history = History::new();
    history.born().await;
    let shift = planned(ZONE, "2024-03-05T12:00:00Z", "2024-03-05T14:00:00Z");
    history.shift("2024-03-01T00:00:00Z", shift).await;
    assert_eq!(first(&history), None, "no policy set, no timer");
    let policy = policy_set::Event::PolicySetEffective {
        unit: id(STATION),
        reference: "pilot/1".to_owned(),
        text: include_str!("../../../../policies/pilot.toml").to_owned(),
        effective_from: at("2024-03-01T00:00:00Z"),
        adopted_by: id(1),
        bootstrap: true,
    };
    let key: domain::ids::UnitId = id(STATION);
    let when = "2024-03-02T00:00:00Z";
    history
        .record(
            when,
            vec![happened::<policy_set::PolicySets>(
                key,
                policy,
                when,
                Some(COMMUNITY),
            )],
        )
        .await;
    assert_eq!(
        first(&history),
        Some(("shift_missed", "05T12:30".to_owned()))
    );
    history.shift("2024-03-05T12:00:00Z", checked_in(11)).await;
    history
        .shift("2024-03-05T12:00:00Z", E::ShiftStarted {})
        .await;
    assert_eq!(
        first(&history),
        Some(("check_out_overdue", "05T14:30".to_owned()))
    );
    let completed = E::ShiftCompleted {
        minutes: Vec::new(),
        hit: 0,
        skipped: 0,
        missed: 0,
    };
    history.shift("2024-03-05T14:00:00Z", completed).await;
    assert_eq!(first(&history), None);
}

#[tokio::test]
async fn what_is_held_for_a_redemption_falls_due_until_it_ends() {
    use domain::ids::{PersonId, RedemptionId};
    use domain::redemption::{CodeHash, Event as E, Redemption};
    let mut history = History::new();
    history.born().await;
    let key: RedemptionId = id(811);
    let timer = |until: &str| Some(("redemption_hold", until.to_owned()));
    let when = "2024-05-04T00:00:00Z";
    let person: PersonId = id(12);
    let requested = E::RedemptionRequested {
        item: id(701),
        person,
        community: id(COMMUNITY),
    };
    history.one::<Redemption>(when, None, key, requested).await;
    assert_eq!(first(&history), None);
    let reserved = E::RedemptionReserved {
        points: 20,
        held_until: at("2024-05-04T00:15:00Z"),
        basis: "pilot/1".to_owned(),
    };
    history.one::<Redemption>(when, None, key, reserved).await;
    assert_eq!(first(&history), timer("04T00:15"));
    let readied = E::PickupReadied {
        code: CodeHash::of(key, "0000-0000-0000"),
        held_until: at("2024-05-11T00:00:00Z"),
        basis: "pilot/1".to_owned(),
    };
    history.one::<Redemption>(when, None, key, readied).await;
    assert_eq!(first(&history), timer("11T00:00"));
    let fulfilled = E::RedemptionFulfilled {
        fulfilled_by: id(1),
    };
    history.one::<Redemption>(when, None, key, fulfilled).await;
    assert_eq!(first(&history), None);
}

#[test]
fn every_refusal_that_only_says_not_now_puts_a_timer_off() {
    use domain::{dispute, hazard, patrol_shift, redemption};
    let all = [
        dispute::Refusal::ALL
            .iter()
            .map(|it| it.refused().name)
            .collect::<Vec<_>>(),
        hazard::Refusal::ALL
            .iter()
            .map(|it| it.refused().name)
            .collect(),
        patrol_shift::Refusal::ALL
            .iter()
            .map(|it| it.refused().name)
            .collect(),
        redemption::Refusal::ALL
            .iter()
            .map(|it| it.refused().name)
            .collect(),
    ]
    .concat();
    let ends = [
        "_NOT_DUE",
        "_NOT_EXPIRED",
        "_NOT_OVER",
        "_NOT_OVERDUE",
        "_NOT_MISSED_YET",
        "_STILL_OPEN",
    ];
    let said: std::collections::BTreeSet<_> = all
        .iter()
        .map(String::as_str)
        .filter(|name| ends.iter().any(|end| name.ends_with(end)))
        .collect();
    assert_eq!(said, crate::timers::NOT_NOW.iter().copied().collect());
}

#[tokio::test]
async fn the_withdrawal_of_a_breach_after_the_end_keeps_nothing_of_a_hazard() {
    let mut history = History::new();
    history.born().await;
    let when = "2024-03-01T00:00:00Z";
    let (purpose, due_at) = (hazard::Purpose::Rectification, at("2024-03-02T00:00:00Z"));
    history.reported(when, 701).await;
    history.due(when, 701, "2024-03-02T00:00:00Z").await;
    let closed = hazard::SourceClosing {
        closed_at: at(when),
        status: "Closed".to_owned(),
        reason: None,
    };
    for event in [
        hazard::Event::DeadlineBreached { purpose, due_at },
        hazard::Event::ClosedBySource { closed },
        hazard::Event::BreachWithdrawn {
            purpose,
            due_at,
            fact: None,
        },
    ] {
        history.hazard("2024-03-03T00:00:00Z", 701, event).await;
    }
    assert_eq!(due_list(&history).hazards_kept(), 0);
}

/// Refuses so many commands by a name, then hands them to the executor.
struct Stubborn {
    refusals: std::sync::atomic::AtomicUsize,
    executor: eventlog::execute::Executor,
}

impl Stubborn {
    fn of(town: &Town, refusals: usize) -> Arc<Self> {
        Arc::new(Self {
            refusals: refusals.into(),
            executor: town.executor.clone(),
        })
    }
}

impl Submit for Stubborn {
    fn submit(&self, submission: Submission) -> BoxFuture<'_, Result<u64, SubmitError>> {
        use std::sync::atomic::Ordering;
        let left = self.refusals.load(Ordering::Relaxed);
        if left == 0 {
            return self.executor.submit(submission);
        }
        self.refusals.store(left - 1, Ordering::Relaxed);
        let refused = domain::account::Refusal::AccountNotConserved.refused();
        Box::pin(async move { Err(SubmitError::Refused(Box::new(refused))) })
    }
}

#[tokio::test]
async fn a_timer_that_is_refused_while_its_deadline_runs_stands_stuck_and_is_tried_again() {
    let town = Town::born().await;
    town.hazard(701, Urgency::Red).await;
    town.hazard(702, Urgency::Yellow).await;
    let time = Time::Simulated(town.clock.clone());
    let timers = Timers::start(town.log(), Stubborn::of(&town, 3), time, None);
    let fired = timers
        .advance_to(at("2024-01-01T04:30:00Z"))
        .await
        .expect("fired");
    // Due at 2, refused then, at 3 and at 4.
    assert_eq!((fired.taken, fired.refused), (0, 3));
    let health = timers.health();
    let [stuck] = &health.stuck[..] else {
        panic!("one: {health:?}");
    };
    assert_eq!(stuck.refusal, "ACCOUNT_NOT_CONSERVED");
    assert_eq!(
        (stuck.timer, stuck.due_at, health.stuck_timers),
        ("hazard_deadline", at("2024-01-01T02:00:00Z"), 1)
    );
    assert!(breaches(&town).is_empty());
    timers
        .advance_to(at("2024-01-03T00:00:00Z"))
        .await
        .expect("fired");
    assert_eq!(timers.health().stuck, [], "it went through");
    let recorded: Vec<_> = breaches(&town).into_iter().map(|it| (it.0, it.2)).collect();
    assert_eq!(recorded.len(), 2, "and the other one was not held up");
    assert!(recorded[0].1.starts_with("01-01T05:00:00"), "{recorded:?}");
}

#[tokio::test]
async fn a_stuck_timer_whose_deadline_ends_is_told_no_more() {
    let town = Town::born().await;
    town.hazard(701, Urgency::Red).await;
    let time = Time::Simulated(town.clock.clone());
    let timers = Timers::start(town.log(), Stubborn::of(&town, 1_000), time, None);
    timers
        .advance_to(at("2024-01-01T02:30:00Z"))
        .await
        .expect("fired");
    assert_eq!(timers.health().stuck_timers, 1);
    let reason = "a shadow".to_owned();
    let reject = hazard::Command::RejectHazard {
        hazard: id(701),
        reason,
    };
    town.run("admin", reject).await;
    let fired = timers
        .advance_to(at("2024-01-02T00:00:00Z"))
        .await
        .expect("nothing");
    assert_eq!(fired, Fired::default());
    assert_eq!(timers.health().stuck_timers, 0);
}
