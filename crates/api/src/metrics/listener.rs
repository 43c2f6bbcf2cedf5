//! Serves the numbers over HTTP, on a listener given from outside. Owns its bounds; knows no series.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::Metrics;
use crate::backend::Backend;

/// Where they are.
const PATH: &str = "/metrics";

/// The text format of Prometheus, as it names itself.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Most connections at a time; a further one is closed at once.
pub const CONNECTIONS_MAX: usize = 8;
/// Largest head of a request, in bytes; the least that the library takes.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Longest time from a connection to its end; each carries one request.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// How often what was measured is put into its buckets.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(1);
/// Wait before connections are taken again after one could not be.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Answers for ever; to be dropped.
pub async fn serve(listener: TcpListener, metrics: Metrics, backend: Backend) -> Infallible {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut upkeep = interval(UPKEEP_EVERY);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = upkeep.tick() => {
                metrics.keep_up();
                continue;
            }
        };
        match accepted {
            Ok((stream, _)) => {
                if let Ok(permit) = Arc::clone(&room).try_acquire_owned() {
                    tokio::spawn(answer_one(stream, permit, metrics.clone(), backend.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics could not be taken");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn answer_one(
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
    metrics: Metrics,
    backend: Backend,
) {
    let service = service_fn(|request| answer(request, metrics.clone(), backend.clone()));
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(REQUEST_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(REQUEST_TIME_MAX, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request for metrics failed"),
        Err(_) => tracing::debug!("a request for metrics took too long"),
    }
}

async fn answer(
    request: Request<Incoming>,
    metrics: Metrics,
    backend: Backend,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != PATH {
        return Ok(refused(StatusCode::NOT_FOUND));
    }
    if request.method() != Method::GET {
        let mut response = refused(StatusCode::METHOD_NOT_ALLOWED);
        let allowed = HeaderValue::from_static("GET");
        response.headers_mut().insert(ALLOW, allowed);
        return Ok(response);
    }
    let rendered = tokio::task::spawn_blocking(move || metrics.render(&backend)).await;
    Ok(rendered.map_or_else(
        |_| refused(StatusCode::INTERNAL_SERVER_ERROR),
        |text| {
            let mut response = Response::new(Full::from(text));
            response.headers_mut().insert(CONTENT_TYPE, TEXT);
            response
        },
    ))
}

/// An answer without a body.
fn refused(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
