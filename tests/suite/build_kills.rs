//! A kill at any moment of a rebuild, comparison, switch, rollback or snapshot leaves one of the two
//! builds live, whole, and right once it has caught up.
//!
//! Owns where the kills fall. The load and what must be true of its commands are `load`'s. Each kill
//! is observed inside its phase: the service says that it stands at a named point of it, and is
//! killed there, or goes on and is killed a random moment later. How much later follows from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant as Stopwatch};

use api::session::Session;
use api::wire;
use domain::ids::derived;
use tempfile::TempDir;
use tonic::Status;

use crate::harness::{ADMIN, Server};
use crate::load::{Load, VOLUNTEERS, gone};
use crate::town::Town;

/// The model that is rebuilt: the load's hazards move it.
const MODEL: &str = "case_board";
/// Commands of each of the eight clients before the first round: more than one batch of a rebuild,
/// and more partitions than one step of a comparison.
const COMMANDS_BEFORE: usize = 160;
/// Rounds of each phase in the suite.
const ROUNDS: usize = 1;
/// Rounds of each phase in the longer test.
const MANY_ROUNDS: usize = 12;
/// From what the moments follow.
const SEED: u64 = 611;
/// Set it to let the longer test follow from another seed.
const SEED_VARIABLE: &str = "TESTS_SEED";
/// A kill falls up to this much after its point.
const LATER_US_MAX: u128 = 30_000;
/// The same for snapshots: all models write theirs one after the other.
const SNAPSHOTS_US_MAX: u128 = 150_000;
/// Longest wait for a point; only a hang takes that long.
const POINT_TIME_MAX: Duration = Duration::from_mins(1);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What is under way at the kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Rebuild,
    Compare,
    Switch,
    RollBack,
    Snapshot,
}

const PHASES: [Phase; 5] = [
    Phase::Rebuild,
    Phase::Compare,
    Phase::Switch,
    Phase::RollBack,
    Phase::Snapshot,
];

impl Phase {
    /// The point at which it is observed, in a round.
    fn point(self, round: usize) -> String {
        match self {
            Self::Rebuild => "rebuild".to_owned(),
            Self::Compare => "compare".to_owned(),
            Self::Switch | Self::RollBack => "switch".to_owned(),
            Self::Snapshot => match round % 3 {
                0 => format!("packed.{MODEL}"),
                1 => format!("named.{MODEL}"),
                _ => "snapshot".to_owned(),
            },
        }
    }
}

/// When the kill falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// While the service stands at the point.
    At,
    /// So much after it went on.
    After(Duration),
    /// So much after the command was sent, wherever that is.
    Blind(Duration),
}

/// A command about builds that may have to be sent again.
#[derive(Debug, Clone)]
enum Ask {
    Start(wire::StartRebuildRequest),
    Compare(wire::CompareBuildsRequest),
    Switch(wire::SwitchBuildRequest),
    RollBack(wire::RollBackBuildRequest),
    Cancel(wire::CancelRebuildRequest),
    Retire(wire::RetireBuildRequest),
}

impl Ask {
    fn start(town: &Town) -> Self {
        Self::Start(wire::StartRebuildRequest {
            command_id: town.id(),
            model: MODEL.to_owned(),
            build: 0,
        })
    }

    fn compare(town: &Town, build: u32) -> Self {
        Self::Compare(wire::CompareBuildsRequest {
            command_id: town.id(),
            model: MODEL.to_owned(),
            build,
            differences_max: 3,
        })
    }

    fn switch(town: &Town, build: u32) -> Self {
        Self::Switch(wire::SwitchBuildRequest {
            command_id: town.id(),
            model: MODEL.to_owned(),
            build,
        })
    }

    fn roll_back(town: &Town) -> Self {
        Self::RollBack(wire::RollBackBuildRequest {
            command_id: town.id(),
            model: MODEL.to_owned(),
        })
    }

    fn cancel(town: &Town, build: u32) -> Self {
        Self::Cancel(wire::CancelRebuildRequest {
            command_id: town.id(),
            model: MODEL.to_owned(),
            build,
        })
    }

    fn retire(town: &Town, build: u32) -> Self {
        Self::Retire(wire::RetireBuildRequest {
            command_id: town.id(),
            model: MODEL.to_owned(),
            build,
        })
    }

    /// The event that it is recorded as.
    fn event(&self) -> &'static str {
        match self {
            Self::Start(_) => "RebuildStarted",
            Self::Compare(_) => "BuildsCompared",
            Self::Switch(_) => "BuildSwitched",
            Self::RollBack(_) => "BuildRolledBack",
            Self::Cancel(_) => "RebuildCancelled",
            Self::Retire(_) => "BuildRetired",
        }
    }

    /// Sends it. Answers the receipt and the build that the answer names; a comparison that finds
    /// anything is a failure of the test.
    async fn send(&self, session: &Session) -> Result<(wire::Receipt, u32), Status> {
        let (receipt, build) = match self.clone() {
            Self::Start(request) => {
                let answer = session.call(request).await?;
                (answer.receipt, answer.build)
            }
            Self::Compare(request) => {
                let answer = session.call(request).await?;
                let differing = (answer.differing_partitions, answer.differing_rows);
                assert_eq!(differing, (0, 0), "not whole, or not right: {answer:?}");
                assert!(answer.rows > 0, "{answer:?}");
                (answer.receipt, answer.build)
            }
            Self::Switch(request) => {
                let answer = session.call(request).await?;
                (answer.receipt, answer.to)
            }
            Self::RollBack(request) => {
                let answer = session.call(request).await?;
                (answer.receipt, answer.to)
            }
            Self::Cancel(request) => {
                let answer = session.call(request).await?;
                (answer.receipt, answer.build)
            }
            Self::Retire(request) => {
                let answer = session.call(request).await?;
                (answer.receipt, answer.build)
            }
        };
        Ok((receipt.expect("a receipt"), build))
    }
}

/// Which builds there are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Builds {
    live: u32,
    candidates: BTreeSet<u32>,
    kept: BTreeSet<u32>,
}

impl Builds {
    /// As the events say.
    fn by_log(town: &Town) -> Self {
        let mut builds = Self {
            live: 1,
            candidates: BTreeSet::new(),
            kept: BTreeSet::new(),
        };
        let stream = format!("projection/{MODEL}");
        for event in town.folder.replay(&["--stream", &stream]) {
            let number = |name: &str| {
                let number = event["payload"][name].as_u64().expect("a number");
                u32::try_from(number).expect("a small number")
            };
            match event["type"].as_str().expect("a type") {
                "RebuildStarted" => {
                    builds.candidates.insert(number("build"));
                }
                "RebuildCancelled" => {
                    builds.candidates.remove(&number("build"));
                }
                "BuildSwitched" | "BuildRolledBack" => {
                    builds.live = number("to");
                    builds.candidates.remove(&builds.live);
                    builds.kept.remove(&builds.live);
                    builds.kept.insert(number("from"));
                }
                "BuildRetired" => {
                    builds.kept.remove(&number("build"));
                }
                other => assert_eq!(other, "BuildsCompared"),
            }
        }
        builds
    }

    /// As the service tells.
    async fn told(town: &Town) -> Self {
        let request = wire::ListProjectionsRequest {
            model: MODEL.to_owned(),
        };
        let told = town.done(ADMIN, request).await.builds;
        assert!(told.iter().all(|build| build.fault_position == 0));
        let of = |role: wire::BuildRole| {
            let builds = told.iter().filter(move |build| build.role() == role);
            builds.map(|build| build.build)
        };
        let live: Vec<_> = of(wire::BuildRole::Live).collect();
        assert_eq!(live.len(), 1, "{told:?}");
        Self {
            live: live[0],
            candidates: of(wire::BuildRole::Candidate).collect(),
            kept: of(wire::BuildRole::Kept).collect(),
        }
    }
}

/// What a round came to.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    at: usize,
    after: usize,
    blind: usize,
    /// Of these, how many times the log held the command already that was cut off.
    taken: usize,
    /// Of these, how many times it did not.
    not_taken: usize,
}

/// A town whose service is killed.
struct Kills {
    seed: u64,
    town: Town,
    load: Load,
    pauses: TempDir,
    counts: BTreeMap<Phase, Count>,
    /// Commands about builds that were acknowledged, by event.
    acknowledged: BTreeMap<&'static str, usize>,
}

impl Kills {
    async fn new(seed: u64) -> Self {
        let pauses = TempDir::with_prefix("benniu-pauses-").expect("a temporary folder");
        let folder = pauses.path().to_str().expect("a plain name").to_owned();
        let mut town = Town::with_volunteers(VOLUNTEERS).await;
        town.start_with(&["--pause-dir", &folder, "--build-share", "100"]);
        town.restart().await;
        let mut load = Load::new(seed, gone).of_commands_alone();
        load.fill(&town, COMMANDS_BEFORE).await;
        Self {
            seed,
            town,
            load,
            pauses,
            counts: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
        }
    }

    fn chance(&self, what: &str, phase: Phase, round: usize) -> u128 {
        let phase = format!("{phase:?}");
        derived(what, &[&self.seed, &phase, &round]).as_u128()
    }

    fn later(&self, phase: Phase, round: usize) -> Duration {
        let most = match phase {
            Phase::Snapshot => SNAPSHOTS_US_MAX,
            _ => LATER_US_MAX,
        };
        let later = self.chance("delay of a kill of a build", phase, round) % most;
        Duration::from_micros(u64::try_from(later).expect("a small number"))
    }

    /// Sends a command about builds and insists on its answer: the build it names.
    async fn act(&mut self, ask: Ask) -> u32 {
        let sent = ask.send(&self.town.by(ADMIN)).await;
        let (_, build) = sent.unwrap_or_else(|status| panic!("{ask:?}: {status:?}"));
        *self.acknowledged.entry(ask.event()).or_default() += 1;
        build
    }

    /// Waits until a build has reached the others.
    async fn follows(&self, build: u32) {
        let request = wire::WatchRebuildRequest {
            model: MODEL.to_owned(),
            build,
        };
        let told = self.town.by(ADMIN).watch(request).await;
        let mut told = told.expect("a stream");
        let mut last = None;
        while let Some(answer) = told.message().await.expect("it goes on to its end") {
            last = Some(answer.phase());
        }
        assert_eq!(last, Some(wire::BuildPhase::Following));
    }

    /// Makes a candidate and waits for it.
    async fn rebuilt(&mut self) -> u32 {
        let build = self.act(Ask::start(&self.town)).await;
        self.follows(build).await;
        build
    }

    /// Makes a candidate and lets it answer.
    async fn switched(&mut self) -> u32 {
        let build = self.rebuilt().await;
        self.act(Ask::compare(&self.town, build)).await;
        self.act(Ask::switch(&self.town, build)).await
    }

    /// Insists that the live build says what a fold from the first event on says.
    async fn prove(&mut self) {
        let build = self.rebuilt().await;
        self.act(Ask::compare(&self.town, build)).await;
        self.act(Ask::cancel(&self.town, build)).await;
    }

    /// What leads to a phase: the command that begins it, if it is one, and the build that may be
    /// live after it.
    async fn prepare(&mut self, phase: Phase, round: usize) -> (Option<Ask>, Option<u32>) {
        match phase {
            Phase::Rebuild => (Some(Ask::start(&self.town)), None),
            Phase::Compare => {
                let build = self.rebuilt().await;
                (Some(Ask::compare(&self.town, build)), None)
            }
            Phase::Switch => {
                let build = self.rebuilt().await;
                self.act(Ask::compare(&self.town, build)).await;
                (Some(Ask::switch(&self.town, build)), Some(build))
            }
            Phase::RollBack => {
                let was = Builds::told(&self.town).await.live;
                self.switched().await;
                (Some(Ask::roll_back(&self.town)), Some(was))
            }
            Phase::Snapshot => {
                // Beside the live build, a candidate or a kept one is written too.
                if round.is_multiple_of(2) {
                    self.rebuilt().await;
                } else {
                    self.switched().await;
                }
                (None, None)
            }
        }
    }

    /// One kill in a phase, and what must be true after it.
    async fn round(&mut self, phase: Phase, round: usize, moment: Moment) {
        let (ask, other) = self.prepare(phase, round).await;
        let before = Builds::told(&self.town).await;
        assert_eq!(before, Builds::by_log(&self.town));
        let point = self.pauses.path().join(phase.point(round));
        let mut answered = None;
        self.load
            .round(&mut self.town, async |server: Server| {
                answered = cut(server, point, ask.clone(), moment).await;
            })
            .await;

        let by_log = Builds::by_log(&self.town);
        let allowed = [Some(before.live), other];
        assert!(
            allowed.contains(&Some(by_log.live)),
            "{before:?} {by_log:?}"
        );
        assert_eq!(
            Builds::told(&self.town).await,
            by_log,
            "{phase:?} {moment:?}"
        );
        for build in by_log.candidates.iter().chain(&by_log.kept) {
            self.follows(*build).await;
        }
        let count = self.counts.entry(phase).or_default();
        match moment {
            Moment::At => count.at += 1,
            Moment::After(_) => count.after += 1,
            Moment::Blind(_) => count.blind += 1,
        }
        if let Some(ask) = ask {
            let session = self.town.by(ADMIN);
            let sent = ask.send(&session).await;
            let (receipt, _) = sent.unwrap_or_else(|status| panic!("{ask:?}: {status:?}"));
            if receipt.replayed {
                count.taken += 1;
            } else {
                count.not_taken += 1;
            }
            if let Some(first) = answered {
                let replayed = wire::Receipt {
                    replayed: true,
                    ..first
                };
                assert_eq!(receipt, replayed, "it was acknowledged before the kill");
            }
            let (again, _) = ask.send(&session).await.expect("a repeat is answered");
            assert!(again.replayed && again.position == receipt.position);
            *self.acknowledged.entry(ask.event()).or_default() += 1;
        }
        self.settle().await;
    }

    /// Proves every build that there is, until one is left.
    async fn settle(&mut self) {
        let builds = Builds::told(&self.town).await;
        self.answers_from(builds.live).await;
        for build in &builds.candidates {
            self.follows(*build).await;
            self.act(Ask::compare(&self.town, *build)).await;
            self.act(Ask::cancel(&self.town, *build)).await;
        }
        self.prove().await;
        if let Some(kept) = builds.kept.first() {
            assert_eq!(builds.kept.len(), 1);
            self.act(Ask::roll_back(&self.town)).await;
            self.answers_from(*kept).await;
            self.prove().await;
            self.act(Ask::retire(&self.town, builds.live)).await;
        }
    }

    /// Insists that a question is answered from a build.
    async fn answers_from(&self, build: u32) {
        let request = wire::ListHazardsRequest {
            page_size: 1,
            ..Default::default()
        };
        let answer = self.town.done(ADMIN, request).await;
        assert_eq!(answer.hazards.len(), 1);
        let from = answer.read_point.expect("a read point").build;
        assert!(from.ends_with(&format!("/{build}")), "{from}");
    }

    /// Insists that every command was taken once, and tells what was done.
    async fn end(mut self) {
        self.load.check(&mut self.town, 10).await;
        let stream = format!("projection/{MODEL}");
        let mut recorded: BTreeMap<String, usize> = BTreeMap::new();
        for event in self.town.folder.replay(&["--stream", &stream]) {
            let name = event["type"].as_str().expect("a type").to_owned();
            *recorded.entry(name).or_default() += 1;
        }
        let acknowledged = self.acknowledged.into_iter();
        let acknowledged = acknowledged.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(recorded, acknowledged.collect());
        for (phase, count) in self.counts {
            eprintln!(
                "{phase:?}: {} kills observed inside it ({} at its point, {} after it) and {} at any \
                 moment; of the commands cut off the log held {}, and {} not",
                count.at + count.after,
                count.at,
                count.after,
                count.blind,
                count.taken,
                count.not_taken,
            );
        }
    }
}

/// Begins what a phase is about and kills the service in it; the receipt of the command that began
/// it, if it was answered before the kill.
async fn cut(
    server: Server,
    point: PathBuf,
    ask: Option<Ask>,
    moment: Moment,
) -> Option<wire::Receipt> {
    let (hold, reached) = (with(&point, "hold"), with(&point, "reached"));
    let session = server.session(ADMIN).await;
    let blind = matches!(moment, Moment::Blind(_));
    if !blind {
        fs::write(&hold, b"").expect("a file that holds");
    }
    let asked = if let Some(ask) = ask {
        Some(tokio::spawn(async move { ask.send(&session).await }))
    } else {
        server.ask_to_end();
        None
    };
    let started = Stopwatch::now();
    while !blind && !reached.exists() {
        assert!(
            started.elapsed() < POINT_TIME_MAX,
            "{} is not reached",
            point.display()
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
    match moment {
        Moment::At => {}
        Moment::After(later) => {
            fs::remove_file(&hold).expect("it holds");
            // Finer than the runtime's own timers.
            tokio::task::block_in_place(|| std::thread::sleep(later));
        }
        Moment::Blind(later) => tokio::task::block_in_place(|| std::thread::sleep(later)),
    }
    server.kill();
    for file in [hold, reached] {
        // One that is not there any more holds nothing.
        let _ = fs::remove_file(file);
    }
    let answer = asked?.await.expect("no client panics");
    match answer {
        Ok((receipt, _)) => Some(receipt),
        Err(status) => {
            assert!(gone(&status), "{status:?}");
            None
        }
    }
}

fn with(point: &std::path::Path, ending: &str) -> PathBuf {
    let mut name = point.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_each_phase_of_a_build_leaves_the_live_model_whole_and_right() {
    let mut kills = Kills::new(SEED).await;
    for round in 0..ROUNDS {
        for phase in PHASES {
            let at_once = kills.chance("moment of a kill of a build", phase, round);
            let moment = match at_once % 2 {
                0 => Moment::At,
                _ => Moment::After(kills.later(phase, round)),
            };
            kills.round(phase, round, moment).await;
        }
    }
    kills.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; see CONTRIBUTING.md"]
async fn many_kills_in_each_phase_of_a_build_leave_the_live_model_whole_and_right() {
    let seed = std::env::var(SEED_VARIABLE).map_or(SEED, |seed| seed.parse().expect("a number"));
    let mut kills = Kills::new(seed).await;
    for round in 0..MANY_ROUNDS {
        for phase in PHASES {
            let later = kills.later(phase, round);
            let moment = match round % 4 {
                0 => Moment::At,
                _ => Moment::After(later),
            };
            kills.round(phase, round, moment).await;
            if round % 4 == 3 {
                kills.round(phase, round, Moment::Blind(later)).await;
            }
        }
    }
    kills.end().await;
}
