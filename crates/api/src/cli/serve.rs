//! `benniu serve`: the service.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::TcpListener;

use super::Failure;
use crate::folder::{self, Birth};
use crate::server::{self, ServeError};

/// Login subject of the administrator of a development log.
const DEVELOPMENT_ADMIN: &str = "admin";

/// Serve a log over gRPC
///
/// Serves on a loopback address only, since this version has no identity: callers name their login
/// in the metadata key benniu-principal. An empty folder becomes a development log, whose
/// administrator's login is `admin`. Ends on SIGINT or SIGTERM after the requests in work.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the log
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let mut out = io::stdout();
    if !args.listen.ip().is_loopback() {
        return Err(Failure::Usage(
            ServeError::NotLoopback(args.listen).to_string(),
        ));
    }
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| Failure::CouldNot(format!("{}: {error}", args.listen)))?;
    if folder::is_empty(&args.data) {
        folder::bear(&args.data, &development()).await?;
        writeln!(
            out,
            "A development log was born; its administrator's login is {DEVELOPMENT_ADMIN}. \
             For one to keep, use benniu init."
        )?;
    }
    let (backend, report) = folder::open(&args.data).await?;
    for healed in &report.healed {
        tracing::warn!("healed: {healed}");
    }
    let address = listener.local_addr()?;
    writeln!(
        out,
        "Serving on http://{address} without identity, for this machine only"
    )?;
    out.flush()?;
    let served = server::run(listener, backend.clone(), ended()).await;
    backend.stop().await.map_err(Failure::could_not)?;
    served.map_err(Failure::could_not)
}

/// How a development log is born.
pub(super) fn development() -> Birth {
    Birth {
        origin: "development.example/log".to_owned(),
        zone: chrono_tz::Asia::Shanghai,
        administrator: DEVELOPMENT_ADMIN.to_owned(),
        simulated: None,
        reactions_enabled: true,
    }
}

/// Resolves when the process is asked to end.
async fn ended() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if interrupted.await.is_err() {
        // Without a handler the process ends at once; nothing acknowledged is lost by that.
        std::future::pending::<()>().await;
    }
}
