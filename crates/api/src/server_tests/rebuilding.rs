//! A rebuild that is under way: what is told of it, what is refused meanwhile, and a shutdown.

use projections::Engine;
use projections::engine::{Options, Pause};

use super::*;

/// Persons that are registered: more events than a build takes in while the others wait for it.
const PERSONS: u128 = 1_200;
/// Longest wait for what must come; only a hang takes that long.
const TIME_MAX: Duration = Duration::from_mins(1);

/// A back end in which many persons were registered.
async fn grown() -> Backend {
    let backend = backend().await;
    for number in 0..PERSONS {
        let command = domain::person::Command::RegisterPerson {
            person: PersonId(Uuid::from_u128(number)),
            name: Personal::new("A person"),
            phone: None,
            identity_claim: None,
        };
        let id = Uuid::from_u128(number);
        let request = Request::new(command, id, PrincipalId::of_subject(ADMIN));
        backend.executor.execute(request).await.unwrap();
    }
    backend
}

/// Runs it with another engine, once that holds everything which does not come from far behind.
async fn restarted(backend: &mut Backend, options: Options) {
    backend.engine.stop().await;
    let log = Arc::clone(backend.executor.log());
    let end = log.head().position;
    backend.engine = Engine::start(log, options).await.unwrap();
    backend.engine.wait_applied(end, TIME_MAX).await.unwrap();
}

/// A back end whose engine holds every rebuild while a file is there.
async fn held() -> (Backend, tempfile::TempDir, std::path::PathBuf) {
    let mut backend = grown().await;
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        pause: Pause {
            folder: Some(folder.path().to_owned()),
        },
        ..Options::default()
    };
    restarted(&mut backend, options).await;
    let hold = folder.path().join("rebuild.hold");
    std::fs::write(&hold, b"").unwrap();
    (backend, folder, hold)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_under_way_is_told_and_a_shutdown_ends_its_watching() {
    let (backend, _folder, hold) = held().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server::run(listener, backend.clone(), async {
        stopped.await.ok();
    }));
    let session = Session::connect(&url, ADMIN).await.unwrap();
    let model = || "balances".to_owned();
    let request = wire::StartRebuildRequest {
        command_id: id("start"),
        model: model(),
        build: 0,
    };
    assert_eq!(session.call(request).await.unwrap().build, 2);

    let request = wire::WatchRebuildRequest {
        model: model(),
        build: 2,
    };
    let mut told = session.watch(request).await.unwrap();
    for _ in 0..3 {
        let answer = told.message().await.unwrap().unwrap();
        let progress = answer.progress.unwrap();
        assert_eq!(answer.phase(), wire::BuildPhase::Building);
        assert!(progress.target >= 1_200 && progress.position <= progress.target);
    }
    let request = wire::ListProjectionsRequest { model: model() };
    let builds = session.call(request).await.unwrap().builds;
    let candidate = &builds[1];
    assert_eq!(candidate.role(), wire::BuildRole::Candidate);
    assert_eq!(candidate.phase(), wire::BuildPhase::Building);
    assert_eq!(builds[0].phase(), wire::BuildPhase::Following);
    let request = wire::CompareBuildsRequest {
        command_id: id("compare"),
        model: model(),
        build: 2,
        differences_max: 0,
    };
    let compared = session.call(request).await;
    check(compared, Code::Unavailable, "BUILD_NOT_READY");

    // A watch would hold the server for as long as the rebuild takes.
    stop.send(()).unwrap();
    let ended = loop {
        match told.message().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    check(ended, Code::Unavailable, "SERVER_STOPPING");
    let served = tokio::time::timeout(TIME_MAX, serving).await.unwrap();
    served.unwrap().unwrap();
    std::fs::remove_file(hold).unwrap();
    backend.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_model_that_comes_from_far_behind_says_so_alone_and_the_others_answer_meanwhile() {
    let mut backend = grown().await;
    let folder = tempfile::tempdir().unwrap();
    let (views, pauses) = (folder.path().join("views"), folder.path().join("pauses"));
    std::fs::create_dir(&pauses).unwrap();
    let options = Options {
        views: Some(views.clone()),
        follow_events: 500,
        pause: Pause {
            folder: Some(pauses.clone()),
        },
        ..Options::default()
    };
    // Nothing is far behind here, so that all of it is in the snapshots; then one of them is lost.
    let near = Options {
        follow_events: 50_000,
        ..options.clone()
    };
    restarted(&mut backend, near).await;
    backend.engine.stop().await;
    std::fs::remove_dir_all(views.join("balances")).unwrap();
    let hold = pauses.join("rebuild.hold");
    std::fs::write(&hold, b"").unwrap();
    restarted(&mut backend, options).await;
    while !pauses.join("rebuild.reached").exists() {
        tokio::task::yield_now().await;
    }
    let health = backend.engine.health();
    let building = health.models.iter().filter(|it| it.building.is_some());
    let building: Vec<_> = building.map(|it| it.name).collect();
    assert_eq!((building, health.applied), (vec!["balances"], health.head));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server::run(listener, backend.clone(), async {
        stopped.await.ok();
    }));
    let session = Session::connect(&url, ADMIN).await.unwrap();
    let balance = || wire::GetBalanceRequest {
        person_id: id("administrator"),
        ..Default::default()
    };
    let building = session.call(balance()).await;
    check(building, Code::Unavailable, "READ_MODEL_BUILDING");
    // Commands go on, and what they say is there for whoever asks another model.
    let receipt = session.call(found("here")).await.unwrap().receipt.unwrap();
    let units = wire::ListUnitsRequest {
        consistency: Some(wire::ReadConsistency {
            at_least: Some(wire::LogPosition {
                epoch: receipt.epoch,
                position: receipt.position,
            }),
            with_consequences: false,
        }),
        ..Default::default()
    };
    let answer = session.call(units).await.unwrap();
    assert_eq!(answer.units[0].name, "here");
    let building = session.call(balance()).await;
    check(building, Code::Unavailable, "READ_MODEL_BUILDING");
    std::fs::remove_file(hold).unwrap();
    let answer = loop {
        match session.call(balance()).await {
            Ok(answer) => break answer,
            still => check(still, Code::Unavailable, "READ_MODEL_BUILDING"),
        }
    };
    assert!(answer.read_point.unwrap().position >= receipt.position);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    backend.stop().await.unwrap();
}
