//! `benniu serve`: the service.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use eventlog::LOW_SPACE_BYTES;
use serde::Deserialize;
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
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Fewest MiB that must be free on the disk of the log: with less, commands are refused and
    /// queries go on [default: 256]
    #[arg(long, value_name = "N")]
    min_free_mib: Option<u32>,
    /// Settings as TOML, each named as its flag; a flag goes before the file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The settings that a file may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    /// As `--listen`.
    listen: Option<SocketAddr>,
    /// As `--min-free-mib`.
    min_free_mib: Option<u32>,
}

impl File {
    fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::CouldNot(format!("{}: {error}", path.display())))?;
        toml::from_str(&text)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
    }
}

/// Bytes of a mebibyte.
const MIB: u64 = 1024 * 1024;

/// Where a service listens if nothing says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_051);

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let mut out = io::stdout();
    let file = File::read(args.config.as_deref())?;
    let listen = args.listen.or(file.listen).unwrap_or(LISTEN);
    if !listen.ip().is_loopback() {
        return Err(Failure::Usage(ServeError::NotLoopback(listen).to_string()));
    }
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| Failure::CouldNot(format!("{listen}: {error}")))?;
    if folder::is_empty(&args.data) {
        folder::bear(&args.data, &development()).await?;
        writeln!(
            out,
            "A development log was born; its administrator's login is {DEVELOPMENT_ADMIN}. \
             For one to keep, use benniu init."
        )?;
    }
    let min_free = args.min_free_mib.or(file.min_free_mib);
    let min_free = min_free.map_or(LOW_SPACE_BYTES, |mib| u64::from(mib) * MIB);
    let (backend, report) = folder::open_with(&args.data, min_free).await?;
    for healed in &report.healed {
        tracing::warn!("healed: {healed}");
    }
    // Before anybody can know that it serves: whoever does may ask it to end.
    let ended = ended()?;
    let address = listener.local_addr()?;
    writeln!(
        out,
        "Serving on http://{address} without identity, for this machine only"
    )?;
    out.flush()?;
    let served = server::run(listener, backend.clone(), ended).await;
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

/// Listens for the signals to end, from now on; resolves when one comes.
#[cfg(unix)]
fn ended() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Listens for the signal to end; resolves when it comes.
#[cfg(not(unix))]
fn ended() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the process ends at once; nothing acknowledged is lost by that.
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_settings_names_them_as_the_flags_do() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("settings.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            File::read(Some(&path))
        };
        let file = read("listen = \"127.0.0.1:7\"").expect("settings");
        assert_eq!(
            file.listen,
            Some("127.0.0.1:7".parse().expect("an address"))
        );
        let file = read("min-free-mib = 9").expect("settings");
        assert_eq!((file.listen, file.min_free_mib), (None, Some(9)));
        assert!(matches!(read("port = 7"), Err(Failure::Usage(why)) if why.contains("port")));
        let missing = dir.path().join("none.toml");
        assert!(matches!(
            File::read(Some(&missing)),
            Err(Failure::CouldNot(_))
        ));
    }
}
