use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::state_table::{check, one_of_each, row};
use crate::testing::{History, any_history, at, by, id, team};

const NOW: &str = "2024-02-01T00:00:00Z";
const MODEL: &str = "balances";

fn admin() -> Context {
    by(id(1), at(NOW))
}

fn start(build: Option<u32>) -> Command {
    Command::StartRebuild {
        model: MODEL.to_owned(),
        build,
        schema_version: 3,
    }
}

fn cancel(build: Option<u32>) -> Command {
    Command::CancelRebuild {
        model: MODEL.to_owned(),
        build,
    }
}

fn record(live: u32, build: u32) -> Command {
    Command::RecordComparison {
        model: MODEL.to_owned(),
        build,
        live,
        found: Findings {
            position: 9,
            partitions: 2,
            rows: 2,
            ..Findings::default()
        },
    }
}

fn switch(build: Option<u32>) -> Command {
    Command::SwitchBuild {
        model: MODEL.to_owned(),
        build,
    }
}

fn roll_back() -> Command {
    Command::RollBackBuild {
        model: MODEL.to_owned(),
    }
}

fn retire(build: Option<u32>) -> Command {
    Command::RetireBuild {
        model: MODEL.to_owned(),
        build,
    }
}

fn after(commands: impl IntoIterator<Item = Command>) -> History {
    let first = team();
    let all = commands.into_iter();
    all.fold(first, |history, command| history.then(command, &admin()))
}

fn place(history: &History) -> String {
    let state = history.state::<Projection>(MODEL);
    let mut text = format!("live {}", state.live());
    for (build, compared) in state.candidates() {
        let word = if *compared { "compared" } else { "candidate" };
        let _ = write!(text, " {word} {build}");
    }
    for build in state.kept() {
        let _ = write!(text, " kept {build}");
    }
    text
}

#[test]
fn the_table_of_every_command_in_every_state() {
    let switched = [start(None), record(1, 2), switch(None)];
    let full = [start(None), record(2, 3), switch(None)];
    let states = [
        team(),
        after([start(None)]),
        after([start(None), record(1, 2)]),
        after([start(None), record(1, 2), start(None)]),
        after(switched.clone()),
        after(
            switched
                .into_iter()
                .chain(full)
                .chain([start(None), record(3, 4)]),
        ),
    ];
    let (started, cancelled, compared) = ("RebuildStarted", "RebuildCancelled", "BuildsCompared");
    let (switched, rolled, retired) = ("BuildSwitched", "BuildRolledBack", "BuildRetired");
    let (not_next, many) = ("BUILD_IS_NOT_NEXT", "TOO_MANY_CANDIDATES");
    let (none, other, unnamed) = ("NO_CANDIDATE", "BUILD_IS_NO_CANDIDATE", "BUILD_NOT_NAMED");
    let (moved, uncompared) = ("LIVE_BUILD_HAS_MOVED", "BUILD_NOT_COMPARED");
    let (kept, nothing, not_kept) = ("TOO_MANY_KEPT", "NOTHING_KEPT", "BUILD_IS_NOT_KEPT");
    #[rustfmt::skip]
    let rows = [
        row(start(None), admin(), [started, started, started, many, started, started]),
        row(start(Some(3)), admin(), [not_next, started, started, not_next, started, not_next]),
        row(cancel(None), admin(), [none, cancelled, cancelled, unnamed, none, cancelled]),
        row(cancel(Some(2)), admin(), [other, cancelled, cancelled, cancelled, other, other]),
        row(record(1, 2), admin(), [other, compared, compared, compared, other, other]),
        row(record(9, 2), admin(), [other, moved, moved, moved, other, other]),
        row(switch(None), admin(), [none, uncompared, switched, unnamed, none, kept]),
        row(switch(Some(3)), admin(), [other, other, other, uncompared, other, other]),
        row(switch(Some(2)), admin(), [other, uncompared, switched, switched, other, other]),
        row(roll_back(), admin(), [nothing, nothing, nothing, nothing, rolled, rolled]),
        row(retire(None), admin(), [nothing, nothing, nothing, nothing, retired, unnamed]),
        row(retire(Some(1)), admin(), [not_kept, not_kept, not_kept, not_kept, retired, retired]),
    ];
    let given = "Each command is given by an administrator and is about the model `balances`; where \
                 a row stands twice for one command, it names another build, or none.";
    check(
        "Projection",
        given,
        include_str!("projection.rs"),
        &states,
        &rows,
        place,
    );
}

#[test]
fn only_an_administrator_decides_about_builds() {
    let refusal = crate::genesis::Refusal::ActorIsNoAdministrator;
    let history = after([start(None), record(1, 2)]);
    let captain = by(id(2), at(NOW));
    for command in [
        start(None),
        cancel(None),
        record(1, 2),
        switch(None),
        roll_back(),
        retire(None),
    ] {
        history.refuses(command, &captain, refusal);
    }
}

#[test]
fn the_name_of_a_model_is_bounded() {
    let long = "x".repeat(MODEL_BYTES_MAX + 1);
    for model in ["", "Balances", "a b", "a/b", "点", &long] {
        let command = Command::RollBackBuild {
            model: model.to_owned(),
        };
        team().refuses(command, &admin(), Refusal::ModelNameNotAllowed);
    }
}

#[test]
fn the_numbers_in_the_refusals_are_the_bounds() {
    for (refusal, bound) in [
        (Refusal::TooManyCandidates, CANDIDATES_MAX),
        (Refusal::TooManyKept, KEPT_MAX),
        (Refusal::ModelNameNotAllowed, MODEL_BYTES_MAX),
    ] {
        let message = refusal.refused().message;
        assert!(message.contains(&format!(" {bound} ")), "{message}");
    }
}

#[test]
fn a_comparison_holds_only_while_the_build_it_was_made_with_is_live() {
    let both = after([
        start(None),
        start(None),
        record(1, 2),
        record(1, 3),
        switch(Some(2)),
    ]);
    assert_eq!(place(&both), "live 2 candidate 3 kept 1");
    both.refuses(switch(None), &admin(), Refusal::BuildNotCompared);
    let again = both
        .then(record(2, 3), &admin())
        .then(switch(None), &admin());
    assert_eq!(place(&again), "live 3 kept 1 kept 2");
}

#[test]
fn a_rollback_goes_to_the_build_that_was_live_last_and_back_again() {
    let switched = [start(None), record(1, 2), switch(None)];
    let twice = [start(None), record(2, 3), switch(None)];
    let history = after(switched.into_iter().chain(twice).chain([roll_back()]));
    assert_eq!(place(&history), "live 2 kept 1 kept 3");
    let back = history.then(roll_back(), &admin());
    assert_eq!(place(&back), "live 3 kept 1 kept 2");
}

#[test]
fn the_number_of_a_build_that_was_given_up_is_not_given_again() {
    let history = after([start(None), cancel(None), start(None)]);
    assert_eq!(place(&history), "live 1 candidate 3");
    assert_eq!(history.state::<Projection>(MODEL).next(), 4);
}

#[test]
fn what_the_server_found_is_no_part_of_what_was_asked() {
    // A repeat after the log moved, or after another version was installed, has the same content.
    let content = |command: Command| serde_json::to_value(command).expect("JSON");
    assert_eq!(content(record(1, 2)), content(record(5, 2)));
    assert_ne!(content(record(1, 2)), content(record(1, 3)));
}

proptest! {
    #[test]
    fn any_order_of_events_is_borne(history in any_history(one_of_each::<Event>("projection"))) {
        let mut projection = Projection::default();
        for (event, stamp) in &history {
            projection.evolve(event, stamp);
        }
    }

    #[test]
    fn the_live_build_is_neither_candidate_nor_kept_and_the_bounds_hold(
        picks in proptest::collection::vec((0_usize..6, 1_u32..8, any::<bool>()), 0..40),
    ) {
        let mut history = team();
        for (kind, build, named) in picks {
            let live = history.state::<Projection>(MODEL).live();
            let some = named.then_some(build);
            let command = match kind {
                0 => start(None),
                1 => cancel(some),
                2 => record(live, build),
                3 => switch(some),
                4 => roll_back(),
                _ => retire(some),
            };
            if history.when(command.clone(), &admin()).is_ok() {
                history = history.then(command, &admin());
            }
            let state = history.state::<Projection>(MODEL);
            prop_assert!(!state.candidates().contains_key(&state.live()));
            prop_assert!(!state.kept().contains(&state.live()));
            prop_assert!(state.candidates().len() <= CANDIDATES_MAX);
            prop_assert!(state.kept().len() <= KEPT_MAX);
            prop_assert!(state.candidates().keys().all(|build| !state.kept().contains(build)));
            prop_assert!(state.candidates().keys().all(|build| *build < state.next()));
        }
    }
}
