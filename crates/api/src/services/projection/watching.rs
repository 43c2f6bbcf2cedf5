//! A rebuild as it is watched: told several times a second, until the build follows the log.
//!
//! Owns the bounds. Only the present is told, never a backlog: whoever reads slowly misses what was
//! in between, and whoever does not read at all is told so and dropped.

use std::sync::Arc;
use std::time::Duration;

use domain::projection::{Projection, Refusal};
use projections::build::Phase;
use projections::engine::BuildHealth;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::{health, role, stands_still};
use crate::services::Services;
use crate::{status, wire};

/// Most rebuilds that are watched at once.
pub const WATCHES_MAX: usize = 64;
/// How often a watcher is told.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// A watcher who reads nothing for this time is dropped.
const UNREAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Answers that wait for a watcher; the last place is for the parting word.
const ANSWERS_MAX: usize = 4;

type Answer = Result<wire::WatchRebuildResponse, Status>;

/// What a look at a build found.
enum Look {
    /// It is being built.
    Going(wire::WatchRebuildResponse),
    /// Nothing more will be told.
    Over(Answer),
}

/// Begins to tell of a build.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` if enough are watched.
pub(super) fn start(
    services: &Services,
    model: String,
    build: u32,
) -> Result<ReceiverStream<Answer>, Status> {
    let slot = Arc::clone(&services.watches).try_acquire_owned();
    let slot = slot.map_err(|_| {
        let message = "Enough rebuilds are watched; try again soon.";
        status::overloaded("TOO_MANY_WATCHES", message)
    })?;
    let (sender, receiver) = mpsc::channel(ANSWERS_MAX);
    let (services, ending) = (services.clone(), services.ending.clone());
    tokio::spawn(async move {
        let _slot = slot;
        let look = || {
            let state = match services.projection(&model) {
                Ok(state) => state,
                Err(status) => return Look::Over(Err(status)),
            };
            let end = services.backend.executor.log().head().position;
            let found = services.backend.engine.build(&model, build);
            self::look(build, &state, found.as_ref(), end)
        };
        tell(sender, ending, look).await;
    });
    Ok(ReceiverStream::new(receiver))
}

fn look(build: u32, state: &Projection, found: Option<&BuildHealth>, end: u64) -> Look {
    if role(state, build).is_none() {
        let gone = Refusal::BuildIsNoCandidate.refused();
        return Look::Over(Err(status::refused(&gone)));
    }
    let Some(found) = found else {
        // Recorded, and the engine has not looked at the record yet.
        return Look::Going(wire::WatchRebuildResponse {
            build,
            phase: wire::BuildPhase::Building.into(),
            progress: Some(wire::RebuildProgress {
                target: end,
                ..Default::default()
            }),
        });
    };
    if found.fault.is_some() {
        return Look::Over(Err(stands_still()));
    }
    let answer = wire::WatchRebuildResponse {
        build,
        phase: health::phase(found.phase).into(),
        progress: Some(found.progress.as_ref().map_or_else(
            || wire::RebuildProgress {
                position: found.position,
                target: end.max(found.position),
                ..Default::default()
            },
            health::progress,
        )),
    };
    match found.phase {
        Phase::Building => Look::Going(answer),
        Phase::Following => Look::Over(Ok(answer)),
    }
}

/// Tells what a look finds until it is over, the watcher is gone or does not read, or the server ends.
async fn tell(
    sender: mpsc::Sender<Answer>,
    mut ending: watch::Receiver<bool>,
    mut look: impl FnMut() -> Look,
) {
    let mut ticks = tokio::time::interval(TELL_EVERY);
    let mut read_at = tokio::time::Instant::now();
    let last = loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = sender.closed() => return,
            _ = ending.wait_for(|ends| *ends) => break Err(stopping()),
        }
        match look() {
            Look::Over(last) => break last,
            Look::Going(answer) if sender.capacity() > 1 => {
                read_at = tokio::time::Instant::now();
                // There is room for it, and nobody else sends.
                let _ = sender.try_send(Ok(answer));
            }
            Look::Going(_) if read_at.elapsed() >= UNREAD_TIME_MAX => break Err(too_slow()),
            Look::Going(_) => {}
        }
    };
    // The last place was kept for it; a watcher who is gone misses nothing.
    let _ = sender.try_send(last);
}

fn stopping() -> Status {
    status::status(
        Code::Unavailable,
        "SERVER_STOPPING",
        "The server is shutting down; the rebuild goes on when it is back. Watch again then.",
    )
}

fn too_slow() -> Status {
    status::status(
        Code::ResourceExhausted,
        "WATCHER_TOO_SLOW",
        "Nothing was read for 30 seconds, so nothing more is told; watch again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn going(position: u64) -> Look {
        Look::Going(wire::WatchRebuildResponse {
            build: 2,
            phase: wire::BuildPhase::Building.into(),
            progress: Some(wire::RebuildProgress {
                position,
                target: 100,
                ..Default::default()
            }),
        })
    }

    fn reason(answer: Answer) -> String {
        crate::session::reason(&answer.unwrap_err()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_told_so_at_the_end_of_a_short_queue() {
        let (sender, mut receiver) = mpsc::channel(ANSWERS_MAX);
        let (_serving, ending) = watch::channel(false);
        let mut looks = 0;
        tell(sender, ending, || {
            looks += 1;
            going(looks)
        })
        .await;
        let mut told = Vec::new();
        while let Some(answer) = receiver.recv().await {
            told.push(answer);
        }
        assert_eq!(told.len(), ANSWERS_MAX);
        assert_eq!(reason(told.pop().unwrap()), "WATCHER_TOO_SLOW");
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_is_told_of_the_end_and_the_stream_ends() {
        let (sender, mut receiver) = mpsc::channel(ANSWERS_MAX);
        let (_serving, ending) = watch::channel(false);
        let telling = tokio::spawn(async move {
            let mut looks = 0;
            tell(sender, ending, move || {
                looks += 1;
                if looks < 500 {
                    return going(looks);
                }
                Look::Over(Ok(wire::WatchRebuildResponse {
                    phase: wire::BuildPhase::Following.into(),
                    ..Default::default()
                }))
            })
            .await;
        });
        let mut told = 0;
        let mut last = None;
        while let Some(answer) = receiver.recv().await {
            told += 1;
            last = Some(answer.unwrap().phase());
        }
        assert_eq!((told, last), (500, Some(wire::BuildPhase::Following)));
        telling.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_and_a_server_that_ends_stop_the_telling() {
        let (sender, receiver) = mpsc::channel(ANSWERS_MAX);
        let (serving, ending) = watch::channel(false);
        drop(receiver);
        tell(sender, ending.clone(), || going(1)).await;

        let (sender, mut receiver) = mpsc::channel(ANSWERS_MAX);
        serving.send_replace(true);
        tell(sender, ending, || going(1)).await;
        let mut last = None;
        while let Some(answer) = receiver.recv().await {
            last = Some(answer);
        }
        assert_eq!(reason(last.unwrap()), "SERVER_STOPPING");
    }

    #[test]
    fn a_build_that_is_no_more_ends_the_telling_by_name() {
        let Look::Over(over) = look(5, &Projection::default(), None, 9) else {
            panic!("it goes on");
        };
        assert_eq!(reason(over), "BUILD_IS_NO_CANDIDATE");
        // Recorded, not yet begun by the engine.
        assert!(matches!(
            look(1, &Projection::default(), None, 9),
            Look::Going(_)
        ));
    }
}
