use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::reactions::Reaction;
use domain::{Command, Event, Refused, StreamName, Visibility, reaction, unit};
use eventlog::BoxFuture;
use tempfile::TempDir;

use super::town::{Town, hazard_for, report};
use crate::consequences::{Consequences, NotFollowed};
use crate::engine::{Engine, Options};
use crate::fixture::id;
use crate::reactions::{self, Reactions, RetryError};
use crate::submit::{Submission, Submit, SubmitError};

const SOON: Duration = Duration::from_secs(20);
/// A unit that does not exist at first.
const LATER: u128 = 999;

fn founded(event: &Event) -> bool {
    matches!(event, Event::Unit(unit::Event::UnitFounded { .. }))
}

/// Reports a hazard in every unit that is founded.
const INSPECT: Reaction = Reaction {
    name: "inspect",
    settled_by: &["AWARD_ALREADY_GRANTED"],
    react: |stream, event, _| {
        let unit = uuid::Uuid::parse_str(stream.key()).unwrap_or_default();
        let answer = || report(hazard_for(stream), unit.into()).into();
        founded(event).then(answer).into_iter().collect()
    },
};

/// Reports a hazard in a unit that is not there yet, for every unit that is founded.
const HASTY: Reaction = Reaction {
    name: "hasty",
    settled_by: &[],
    react: |stream, event, _| {
        let answer = || Command::from(report(hazard_for(stream), id(LATER)));
        founded(event).then(answer).into_iter().collect()
    },
};

fn start(town: &Town, these: &[Reaction], views: Option<&TempDir>) -> Reactions {
    let submit: Arc<dyn Submit> = Arc::new(town.executor.clone());
    let options = reactions::Options {
        views: views.map(|views| views.path().to_owned()),
        one_by_one: false,
    };
    Reactions::start_these(these, town.log(), &submit, &options)
}

async fn settled(reactions: &Reactions, position: u64) -> (u64, Vec<&'static str>) {
    let consequences = Consequences::new(reactions.clone(), None);
    let followed = consequences.wait(position, SOON).await.expect("followed");
    (followed.position, followed.stuck)
}

fn count(town: &Town, which: impl Fn(&Event) -> bool) -> usize {
    town.events()
        .iter()
        .filter(|(_, event)| which(event))
        .count()
}

fn hazards(town: &Town) -> usize {
    count(town, |event| matches!(event, Event::Hazard(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_cursor_and_a_second_runner_change_nothing() {
    let town = Town::born().await;
    let views = TempDir::new().expect("a folder");
    let reactions = start(&town, &[INSPECT], Some(&views));
    assert_eq!(
        settled(&reactions, town.head()).await,
        (town.head(), vec![]),
        "not enabled"
    );
    let enabled = town.enable("inspect").await;
    settled(&reactions, enabled).await;
    assert_eq!(
        hazards(&town),
        1,
        "the station was founded before, and `from` is 1"
    );
    let mut last = 0;
    for n in 801..805 {
        last = town.found(n).await;
    }
    let (position, stuck) = settled(&reactions, last).await;
    assert!(position > last && stuck.is_empty());
    assert_eq!(hazards(&town), 5);
    reactions.stop().await;
    let cursor = views.path().join("reaction-inspect.cursor");
    let text = std::fs::read_to_string(&cursor).expect("a cursor");
    let head = town.head();
    for damage in [
        None,
        Some(text.replace("handled\":", "handled\":9")),
        Some(text.clone()),
    ] {
        match damage {
            Some(text) => std::fs::write(&cursor, text).expect("written"),
            None => std::fs::remove_file(&cursor).expect("removed"),
        }
        let (one, two) = (
            start(&town, &[INSPECT], Some(&views)),
            start(&town, &[INSPECT], None),
        );
        settled(&one, head).await;
        settled(&two, head).await;
        one.stop().await;
        two.stop().await;
        assert_eq!(town.head(), head, "no event was written again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_work_stands_stuck_until_somebody_asks_for_it_again() {
    let town = Town::born().await;
    let reactions = start(&town, &[HASTY], None);
    let enabled = town.enable("hasty").await;
    let (_, stuck) = settled(&reactions, enabled).await;
    assert_eq!((hazards(&town), stuck), (0, vec!["hasty"]));
    let (cause, n) = reactions.health()[0].stuck[0];
    let refused = reactions
        .retry("hasty", cause, n)
        .await
        .expect_err("still no such unit");
    assert!(matches!(refused, RetryError::Refused(refused) if refused.name == "UNIT_NOT_FOUND"));
    reactions.stop().await;
    // A rerun from the start leaves what stands stuck alone.
    let head = town.head();
    let again = start(&town, &[HASTY], None);
    settled(&again, head).await;
    assert_eq!(town.head(), head);
    // Now it can go through.
    let founded = town.found(LATER).await;
    settled(&again, founded).await;
    assert_eq!(hazards(&town), 1, "of the new unit itself");
    again.retry("hasty", cause, n).await.expect("resolved");
    assert_eq!(hazards(&town), 2);
    assert!(again.health()[0].stuck.is_empty());
    assert!(matches!(
        again.retry("hasty", cause, n).await,
        Err(RetryError::NotStuck)
    ));
    let (_, stuck) = settled(&again, town.head()).await;
    assert!(stuck.is_empty());
    again.stop().await;
    let head = town.head();
    let third = start(&town, &[HASTY], None);
    settled(&third, head).await;
    assert_eq!(town.head(), head);
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consequences_are_in_the_read_models_when_the_wait_ends() {
    let town = Town::born().await;
    let engine = Engine::start(town.log(), Options::default())
        .await
        .expect("started");
    let reactions = start(&town, &[INSPECT, HASTY], None);
    town.enable("inspect").await;
    town.enable("hasty").await;
    let consequences = Consequences::new(reactions.clone(), Some(engine.clone()));
    let position = town.found(801).await;
    let followed = consequences.wait(position, SOON).await.expect("followed");
    assert_eq!(followed.stuck, ["hasty"]);
    assert_eq!(hazards(&town), 2);
    {
        let board = engine.models().case_board.read();
        assert_eq!(
            board
                .totals(&crate::read_models::case_board::list::Filter::default())
                .open,
            2
        );
        let work = engine.models().reaction_work.read();
        assert_eq!(work.partitions[&"hasty".to_owned()].stuck.len(), 2);
    }
    reactions.stop().await;
    engine.stop().await;
}

/// Reports a hazard in a unit that is not there yet, for work of `inspect` that stands stuck.
const CONFIDED: Reaction = Reaction {
    name: "confided",
    settled_by: &[],
    react: |stream, event, _| {
        let answer = || Command::from(report(hazard_for(stream), id(LATER)));
        let stuck = matches!(
            event,
            Event::Reaction(reaction::Event::ReactionStuck { .. })
        );
        let answers = stuck && stream.key() == "inspect";
        answers.then(answer).into_iter().collect()
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn work_stuck_for_a_withheld_event_is_recorded_withheld_and_shown_without_its_cause() {
    let town = Town::born().await;
    let engine = Engine::start(town.log(), Options::default())
        .await
        .expect("started");
    let reactions = start(&town, &[CONFIDED], None);
    town.enable("inspect").await;
    town.enable("confided").await;
    let consequences = Consequences::new(reactions.clone(), Some(engine.clone()));
    for (cause, visibility) in [(1, Visibility::Open), (2, Visibility::Withheld)] {
        let stuck = reaction::Command::RecordStuck {
            name: "inspect".to_owned(),
            cause,
            n: 0,
            refusal: "NO_POLICY_SET".to_owned(),
            message: "None is in force.".to_owned(),
            visibility,
        };
        let position = town.run("system:reaction", stuck).await;
        let followed = consequences.wait(position, SOON).await.expect("followed");
        assert_eq!(followed.stuck, ["confided"]);
        let (record, _) = town.events().pop().expect("an event");
        assert_eq!(record.envelope.visibility, visibility);
        let commit = town.log().commit_at(record.position).expect("readable");
        let header = commit.expect("a commit").header;
        assert_eq!(header.visibility, visibility);
        let work = engine.models().reaction_work.read();
        let stuck = &work.partitions[&"confided".to_owned()].stuck[&(position, 0)];
        let (shown, message) = stuck.shown(position);
        let is_open = visibility == Visibility::Open;
        assert_eq!((shown == position, !message.is_empty()), (is_open, is_open));
        assert!(is_open || shown == 0);
    }
    reactions.stop().await;
    engine.stop().await;
}

/// Answers what the test says, in order, and keeps what was handed in.
struct Script {
    answers: Mutex<Vec<Result<u64, SubmitError>>>,
    seen: Mutex<Vec<(Submission, tokio::time::Instant)>>,
}

impl Script {
    fn of(mut answers: Vec<Result<u64, SubmitError>>) -> Arc<Self> {
        answers.reverse();
        Arc::new(Self {
            answers: Mutex::new(answers),
            seen: Mutex::default(),
        })
    }

    fn ids(&self) -> Vec<uuid::Uuid> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|(seen, _)| seen.command_id)
            .collect()
    }
}

impl Submit for Script {
    fn submit(&self, submission: Submission) -> BoxFuture<'_, Result<u64, SubmitError>> {
        self.seen
            .lock()
            .unwrap()
            .push((submission, tokio::time::Instant::now()));
        let answer = self.answers.lock().unwrap().pop().unwrap_or(Ok(1));
        Box::pin(async move { answer })
    }
}

fn refusal(name: &str) -> SubmitError {
    SubmitError::Refused(Box::new(Refused {
        name: name.to_owned(),
        kind: domain::RefusalKind::WrongState,
        field: "".into(),
        message: "refused".into(),
    }))
}

async fn scripted(answers: Vec<Result<u64, SubmitError>>) -> (Arc<Script>, Reactions) {
    let town = Town::born().await;
    town.enable("inspect").await;
    let script = Script::of(answers);
    let submit: Arc<dyn Submit> = script.clone();
    let reactions = Reactions::start_these(
        &[INSPECT],
        town.log(),
        &submit,
        &reactions::Options::default(),
    );
    let consequences = Consequences::new(reactions.clone(), None);
    let _ = consequences.wait(town.head(), SOON).await;
    (script, reactions)
}

#[tokio::test(start_paused = true)]
async fn what_is_done_already_is_no_failure() {
    for answer in [
        Err(refusal("AWARD_ALREADY_GRANTED")),
        Err(SubmitError::OtherContent),
    ] {
        let (script, reactions) = scripted(vec![answer]).await;
        assert_eq!(script.ids().len(), 1, "nothing is recorded as stuck");
        assert!(reactions.health()[0].error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn overload_is_waited_out_ever_more_slowly_under_the_same_id() {
    let busy = || Err(SubmitError::Busy("full".to_owned()));
    let (script, reactions) = scripted(vec![busy(), busy(), busy(), Ok(7)]).await;
    let seen = script.seen.lock().unwrap();
    let waits: Vec<_> = seen.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    assert_eq!(waits.len(), 3);
    assert!(waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
    assert!(
        seen.iter()
            .all(|(submission, _)| submission.command_id == seen[0].0.command_id)
    );
    assert!(reactions.health()[0].error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_executed_is_recorded_as_stuck() {
    let (script, _) = scripted(vec![Err(SubmitError::Faulty("no".to_owned())), Ok(9)]).await;
    let seen = script.seen.lock().unwrap();
    let (stuck, _) = seen.get(1).expect("a record");
    let Command::Reaction(reaction::Command::RecordStuck { refusal, n, .. }) = &stuck.command
    else {
        panic!("{stuck:?}");
    };
    assert_eq!((refusal.as_str(), *n), ("EXECUTION_FAULT", 0));
    assert_ne!(stuck.command_id, seen[0].0.command_id);
}

#[tokio::test(start_paused = true)]
async fn a_closed_log_ends_the_reaction_and_the_wait_names_it() {
    let town = Town::born().await;
    town.enable("inspect").await;
    let submit: Arc<dyn Submit> = Script::of(vec![Err(SubmitError::Over("closed".to_owned()))]);
    let reactions = Reactions::start_these(
        &[INSPECT],
        town.log(),
        &submit,
        &reactions::Options::default(),
    );
    let consequences = Consequences::new(reactions.clone(), None);
    let outcome = consequences.wait(town.head(), SOON).await;
    assert!(matches!(
        outcome,
        Err(NotFollowed::Reaction {
            reaction: "inspect",
            ..
        })
    ));
    assert_eq!(reactions.health()[0].error.as_deref(), Some("closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_for_one_stream_keep_the_order_of_their_causes() {
    const ONE_STREAM: Reaction = Reaction {
        name: "inspect",
        settled_by: &[],
        react: |_: &StreamName, event, stamp| {
            let unit = uuid::Uuid::from_u128(u128::from(stamp.position));
            let answer = || Command::from(report(id(1), unit.into()));
            founded(event).then(answer).into_iter().collect()
        },
    };
    let town = Town::born().await;
    for n in 801..850 {
        town.found(n).await;
    }
    town.enable("inspect").await;
    let script = Script::of(Vec::new());
    let submit: Arc<dyn Submit> = script.clone();
    let reactions = Reactions::start_these(
        &[ONE_STREAM],
        town.log(),
        &submit,
        &reactions::Options::default(),
    );
    settled(&reactions, town.head()).await;
    let seen = script.seen.lock().unwrap();
    let causes: Vec<_> = seen
        .iter()
        .map(|(submission, _)| submission.cause)
        .collect();
    assert_eq!(causes.len(), 50);
    assert!(causes.is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_by_one_a_run_writes_the_same_log_again() {
    let mut roots = Vec::new();
    for _ in 0..3 {
        let town = Town::born().await;
        for n in 801..840 {
            town.found(n).await;
        }
        town.enable("inspect").await;
        let submit: Arc<dyn Submit> = Arc::new(town.executor.clone());
        let options = reactions::Options {
            views: None,
            one_by_one: true,
        };
        let reactions = Reactions::start_these(&[INSPECT], town.log(), &submit, &options);
        settled(&reactions, town.head()).await;
        reactions.stop().await;
        roots.push(town.log().head().root);
    }
    assert!(roots.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(start_paused = true)]
async fn work_that_stands_stuck_is_tried_again_by_itself_after_the_named_wait() {
    let town = Town::born().await;
    let reactions = start(&town, &[HASTY], None);
    town.enable("hasty").await;
    town.found(801).await;
    let stuck = || reactions.health()[0].stuck.len();
    let until = |wanted: usize| async move {
        for _ in 0..1_000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if stuck() == wanted {
                return;
            }
        }
        panic!("{} stand stuck", stuck());
    };
    until(2).await;
    town.found(LATER).await;
    tokio::time::sleep(crate::reactions::STUCK_RETRY).await;
    until(0).await;
    reactions.stop().await;
}
