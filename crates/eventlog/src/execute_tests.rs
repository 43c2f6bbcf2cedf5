//! The write path on the log in memory: repeats, conflicts, refusals, who may call.

use domain::genesis::{self, ClockKind, SYSTEM_SUBJECTS};
use domain::ids::{UnitId, derived};
use domain::personal::Personal;
use domain::principal::Principal;
use domain::unit::{self, UnitLevel};
use domain::{person, principal};

use super::*;
use crate::{MemoryLog, SimulatedClock};

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn admin() -> PrincipalId {
    PrincipalId::of_subject("admin")
}

async fn born() -> Executor {
    let start = "2024-01-01T00:00:00Z".parse().expect("an instant");
    let clock = Arc::new(SimulatedClock::new(start));
    let log = Arc::new(MemoryLog::new(
        uuid(1),
        Arc::<SimulatedClock>::clone(&clock),
    ));
    let executor = Executor::new(log, clock, Entropy::seeded(1), chrono_tz::Asia::Shanghai);
    let birth = genesis::Command::BearLog {
        log_id: uuid(1),
        origin: "test.example".to_owned(),
        zone: chrono_tz::Asia::Shanghai,
        clock: ClockKind::Simulated,
        administrator: PersonId(uuid(2)),
        administrator_name: Personal::new("administrator"),
        administrator_subject: "admin".to_owned(),
    };
    let request = Request::new(birth, uuid(3), admin()).through(Channel::Genesis);
    executor.execute(request).await.expect("a birth");
    executor
}

fn found(n: u128, name: &str) -> unit::Command {
    unit::Command::FoundUnit {
        unit: UnitId(uuid(n)),
        level: UnitLevel::Station,
        name: name.to_owned(),
        parent: None,
        zone: None,
        imported: None,
    }
}

fn register(n: u128, name: &str, identity: Option<&str>) -> person::Command {
    person::Command::RegisterPerson {
        person: PersonId(uuid(n)),
        name: Personal::new(name),
        phone: None,
        identity_claim: identity.map(str::to_owned),
    }
}

#[tokio::test]
async fn a_repeat_gets_the_first_receipt_and_appends_nothing() {
    let executor = born().await;
    let request = Request::new(found(10, "station"), uuid(11), admin());
    let first = executor.execute(request.clone()).await.expect("founded");
    let head = executor.log().head();
    let again = executor.execute(request).await.expect("the same answer");
    assert_eq!(
        again,
        Receipt {
            replayed: true,
            ..first
        }
    );
    assert_eq!(executor.log().head().position, head.position);
}

#[tokio::test]
async fn other_content_under_a_used_command_id_is_refused() {
    let executor = born().await;
    let first = Request::new(found(10, "station"), uuid(11), admin());
    executor.execute(first).await.expect("founded");
    let other = executor
        .execute(Request::new(found(10, "other"), uuid(11), admin()))
        .await;
    assert!(
        matches!(other, Err(ExecuteError::OtherContent)),
        "{other:?}"
    );
}

#[tokio::test]
async fn a_personal_field_that_differs_is_other_content_too() {
    let executor = born().await;
    let send =
        |name: &str| executor.execute(Request::new(register(20, name, None), uuid(21), admin()));
    send("somebody").await.expect("registered");
    assert!(send("somebody").await.expect("the same").replayed);
    assert!(matches!(
        send("else").await,
        Err(ExecuteError::OtherContent)
    ));
}

#[tokio::test]
async fn a_refusal_appends_nothing_and_leaves_the_command_id_free() {
    let executor = born().await;
    let head = executor.log().head().position;
    let refused = executor
        .execute(Request::new(found(10, ""), uuid(11), admin()))
        .await;
    let Err(ExecuteError::Refused(refused)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(refused.name, "UNIT_NAME_NOT_ALLOWED");
    assert_eq!(executor.log().head().position, head);
    executor
        .execute(Request::new(found(10, "station"), uuid(11), admin()))
        .await
        .expect("free");
}

#[tokio::test]
async fn unregistered_and_suspended_principals_are_refused() {
    let executor = born().await;
    let stranger = PrincipalId::of_subject("stranger");
    let refused = executor
        .execute(Request::new(register(20, "a", None), uuid(21), stranger))
        .await;
    assert!(
        matches!(refused, Err(ExecuteError::PrincipalNotRegistered)),
        "{refused:?}"
    );
    let register_login = principal::Command::RegisterPrincipal {
        subject: "stranger".to_owned(),
        system: false,
    };
    executor
        .execute(Request::new(register_login, uuid(22), admin()))
        .await
        .expect("registered");
    let suspend = principal::Command::SuspendPrincipal {
        principal: stranger,
    };
    executor
        .execute(Request::new(suspend, uuid(23), admin()))
        .await
        .expect("suspended");
    let refused = executor
        .execute(Request::new(register(20, "a", None), uuid(21), stranger))
        .await;
    assert!(
        matches!(refused, Err(ExecuteError::PrincipalSuspended)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn of_many_claims_on_one_key_at_once_exactly_one_goes_through() {
    let executor = born().await;
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let executor = executor.clone();
            let command = register(100 + n, "somebody", Some("the same number"));
            tokio::spawn(async move {
                executor
                    .execute(Request::new(command, uuid(1_000 + n), admin()))
                    .await
            })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(_) => taken += 1,
            Err(ExecuteError::Refused(refused)) => {
                assert_eq!(refused.name, "IDENTITY_ALREADY_REGISTERED");
            }
            Err(ExecuteError::Conflict) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(taken, 1);
}

#[tokio::test]
async fn the_same_command_sent_many_times_at_once_is_taken_once() {
    let executor = born().await;
    let before = executor.log().head().commits;
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let executor = executor.clone();
            let request = Request::new(found(10, "station"), uuid(11), admin());
            tokio::spawn(async move { executor.execute(request).await })
        })
        .collect();
    let mut first = 0;
    for task in tasks {
        first += usize::from(!task.await.expect("no panic").expect("a receipt").replayed);
    }
    assert_eq!((first, executor.log().head().commits), (1, before + 1));
}

#[tokio::test]
async fn the_systems_own_logins_are_there_from_birth() {
    let executor = born().await;
    for subject in SYSTEM_SUBJECTS {
        let state = executor
            .state::<Principal>(PrincipalId::of_subject(subject))
            .expect("read");
        assert!(state.exists && state.system && state.person.is_none());
    }
    let own = PrincipalId::of_subject(SYSTEM_SUBJECTS[0]);
    assert_ne!(
        own.0,
        derived("principal", &[&SYSTEM_SUBJECTS[0]]),
        "named by the hash"
    );
}

#[tokio::test]
async fn foreseeing_tells_the_answer_and_appends_nothing() {
    let executor = born().await;
    let head = executor.log().head().position;
    let request = Request::new(found(10, "station"), uuid(11), admin());
    assert_eq!(
        executor.foresee(&request).expect("it would go through"),
        None
    );
    let refused = executor.foresee(&Request::new(found(10, ""), uuid(12), admin()));
    assert!(
        matches!(refused, Err(ExecuteError::Refused(_))),
        "{refused:?}"
    );
    assert_eq!(executor.log().head().position, head);
    let receipt = executor.execute(request.clone()).await.expect("founded");
    let first = executor
        .foresee(&request)
        .expect("a repeat")
        .expect("the first receipt");
    assert_eq!(
        first,
        Receipt {
            replayed: true,
            ..receipt
        }
    );
    let other = executor.foresee(&Request::new(found(10, "other"), uuid(11), admin()));
    assert!(
        matches!(other, Err(ExecuteError::OtherContent)),
        "{other:?}"
    );
}

/// Where a log stands: what the next commit builds on.
fn end(executor: &Executor) -> (u64, Instant) {
    let head = executor.log().head();
    (head.position, head.recorded_at.expect("it was born"))
}

#[tokio::test]
async fn what_is_decided_ahead_is_what_is_executed() {
    let (executed, decided) = (born().await, born().await);
    let (_, now) = end(&executed);
    let requests = [
        Request::new(found(10, "station"), uuid(11), admin()),
        Request::new(register(20, "somebody", None), uuid(21), admin()),
        Request::new(rename(10, "post"), uuid(12), admin()),
    ];
    let mut ahead = Ahead::new(Arc::clone(decided.log()), chrono_tz::Asia::Shanghai);
    let (mut position, _) = end(&decided);
    let mut appending = Vec::new();
    for request in requests {
        let mut request = request;
        request.not_before = Some(now);
        executed.execute(request.clone()).await.expect("taken");
        // Nothing is waited for before the next one is decided.
        let seed = decided.entropy().seed();
        let planned = ahead.decide(&request, seed).expect("decided");
        let count = planned.draft.events.len() as u64;
        appending.push(decided.log().append(planned.draft));
        let taken = ahead
            .take_in(planned.events, position + 1, now)
            .expect("taken in");
        assert_eq!(
            taken.first().map(|it| it.stamp.position),
            Some(position + 1)
        );
        position += count;
    }
    for appending in appending {
        appending.await.expect("appended where it was foretold");
    }
    assert_eq!(decided.log().head(), executed.log().head());
    let state = ahead
        .state::<unit::Unit>(UnitId(uuid(10)))
        .expect("a state");
    assert_eq!(
        state,
        executed
            .state::<unit::Unit>(UnitId(uuid(10)))
            .expect("a state")
    );
    ahead.let_go(0);
    ahead.let_go(0);
    assert_eq!(ahead.streams(), 0);
    let again = ahead
        .state::<unit::Unit>(UnitId(uuid(10)))
        .expect("read from the log");
    assert_eq!(again, state);
}

fn rename(n: u128, name: &str) -> unit::Command {
    unit::Command::RenameUnit {
        unit: UnitId(uuid(n)),
        name: name.to_owned(),
        effective_from: None,
    }
}

#[tokio::test]
async fn a_second_writer_ends_what_is_decided_ahead_in_a_conflict() {
    let executor = born().await;
    let (_, now) = end(&executor);
    let mut ahead = Ahead::new(Arc::clone(executor.log()), chrono_tz::Asia::Shanghai);
    let mut request = Request::new(found(10, "station"), uuid(11), admin());
    request.not_before = Some(now);
    let planned = ahead.decide(&request, [1; 16]).expect("decided");
    let other = Request::new(found(10, "other"), uuid(12), admin());
    executor.execute(other).await.expect("taken");
    let refused = executor.log().append(planned.draft).await;
    assert!(
        matches!(refused, Err(AppendError::Conflict { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_is_decided_ahead_needs_an_instant_and_keeps_the_rules() {
    let executor = born().await;
    let mut ahead = Ahead::new(Arc::clone(executor.log()), chrono_tz::Asia::Shanghai);
    let mut request = Request::new(rename(10, "post"), uuid(11), admin());
    let timeless = ahead.decide(&request, [1; 16]).map(|_| ());
    assert!(
        matches!(timeless, Err(ExecuteError::Fault(_))),
        "{timeless:?}"
    );
    request.not_before = Some(end(&executor).1);
    let refused = ahead.decide(&request, [1; 16]).map(|_| ());
    let Err(ExecuteError::Refused(refused)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(refused.name, "UNIT_NOT_FOUND");
}
