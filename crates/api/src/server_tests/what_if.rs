//! A what-if that is under way: what is told of it, what is refused meanwhile, and its ends.

use projections::Engine;
use projections::engine::{Options, Pause};

use super::*;

/// Longest wait for what must come; only a hang takes that long.
const TIME_MAX: Duration = Duration::from_mins(1);

fn asked() -> wire::WhatIfRequest {
    wire::WhatIfRequest {
        model: "case_board".to_owned(),
        text: include_str!("../../../../policies/pilot.toml").to_owned(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_is_told_at_a_time_and_ends_with_its_stream_and_with_the_server() {
    use wire::what_if_response::Told;
    let mut backend = backend().await;
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        pause: Pause {
            folder: Some(folder.path().to_owned()),
        },
        ..Options::default()
    };
    backend.engine.stop().await;
    let log = Arc::clone(backend.executor.log());
    let end = log.head().position;
    backend.engine = Engine::start(log, options).await.unwrap();
    backend.engine.wait_applied(end, TIME_MAX).await.unwrap();
    let hold = folder.path().join("suppose.hold");
    std::fs::write(&hold, b"").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server::run(listener, backend.clone(), async {
        stopped.await.ok();
    }));
    let session = Session::connect(&url, ADMIN).await.unwrap();

    let mut told = session.watch(asked()).await.unwrap();
    for _ in 0..2 {
        let Some(Told::Progress(progress)) = told.message().await.unwrap().unwrap().told else {
            panic!("it is held");
        };
        assert_eq!((progress.position, progress.target), (0, end));
    }
    let second = session.watch(asked()).await.map(|_| ());
    check(second, Code::ResourceExhausted, "WHAT_IF_RUNS");

    // Nobody listens any more: it ends, and the next one may run.
    drop(told);
    std::fs::remove_file(&hold).unwrap();
    let mut told = loop {
        match session.watch(asked()).await {
            Ok(told) => break told,
            Err(busy) => check::<()>(Err(busy), Code::ResourceExhausted, "WHAT_IF_RUNS"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let found = loop {
        if let Some(Told::Found(found)) = told.message().await.unwrap().unwrap().told {
            break found;
        }
    };
    assert_eq!((found.from, found.position), (1, end));
    assert_eq!(told.message().await.unwrap(), None);

    std::fs::write(&hold, b"").unwrap();
    let mut told = loop {
        match session.watch(asked()).await {
            Ok(told) => break told,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
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
