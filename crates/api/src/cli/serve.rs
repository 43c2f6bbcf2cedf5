//! `benniu serve`: the service.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::net::TcpListener;

use super::Failure;
use crate::folder::{self, Birth, Keeping};
use crate::scrub;
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
    /// MiB a second that the background verification of the log reads at most; 0 turns it off, then
    /// it runs only for `benniu log scrub` [default: 16]
    #[arg(long, value_name = "MIB")]
    scrub_rate: Option<u64>,
    /// Hours between the beginnings of two background verifications, the first of which begins with
    /// the service [default: 24]
    #[arg(long, value_name = "HOURS")]
    scrub_hours: Option<u64>,
    /// KiB of the files of the journal that are made from now on [default: 65536]
    #[arg(long, value_name = "KIB")]
    segment_kib: Option<u64>,
}

/// The settings that a file may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    /// As `--listen`.
    listen: Option<SocketAddr>,
    /// As `--scrub-rate`.
    scrub_rate: Option<u64>,
    /// As `--scrub-hours`.
    scrub_hours: Option<u64>,
    /// As `--segment-kib`.
    segment_kib: Option<u64>,
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

/// Fewest and most KiB of a file of the journal.
const SEGMENT_KIB: RangeInclusive<u64> = eventlog::SEGMENT_BYTES_MIN / 1024..=1024 * 1024;

/// How the log is kept, as the flags say and then the file.
fn keeping(args: &Args, file: &File) -> Result<Keeping, Failure> {
    let within = |name: &str, value: Option<u64>, bounds: RangeInclusive<u64>| match value {
        Some(value) if !bounds.contains(&value) => Err(Failure::Usage(format!(
            "{name} must be {} to {}, not {value}",
            bounds.start(),
            bounds.end()
        ))),
        value => Ok(value),
    };
    let rate = args.scrub_rate.or(file.scrub_rate);
    let hours = args.scrub_hours.or(file.scrub_hours);
    let segment = args.segment_kib.or(file.segment_kib);
    let min_free = args.min_free_mib.or(file.min_free_mib);
    Ok(Keeping {
        scrub: scrub::options(
            within("scrub-rate", rate, 0..=scrub::RATE_MIB_MAX)?,
            within("scrub-hours", hours, 1..=scrub::EVERY_HOURS_MAX)?,
        ),
        segment_bytes: within("segment-kib", segment, SEGMENT_KIB)?.map(|kib| kib * 1024),
        low_space_bytes: min_free.map(|mib| u64::from(mib) * MIB),
    })
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let mut out = io::stdout();
    let file = File::read(args.config.as_deref())?;
    let keeping = keeping(&args, &file)?;
    let listen = args.listen.or(file.listen).unwrap_or(LISTEN);
    if !listen.ip().is_loopback() {
        return Err(Failure::Usage(ServeError::NotLoopback(listen).to_string()));
    }
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| Failure::CouldNot(format!("{listen}: {error}")))?;
    if folder::is_empty(&args.data) {
        let birth = Birth {
            segment_bytes: keeping.segment_bytes,
            ..development()
        };
        folder::bear(&args.data, &birth).await?;
        writeln!(
            out,
            "A development log was born; its administrator's login is {DEVELOPMENT_ADMIN}. \
             For one to keep, use benniu init."
        )?;
    }
    let (backend, report) = folder::open_and_keep(&args.data, keeping).await?;
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
        segment_bytes: None,
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
        let file = read("scrub-rate = 4\nscrub-hours = 2\nsegment-kib = 1024\nmin-free-mib = 9")
            .expect("settings");
        let args = Args {
            data: PathBuf::new(),
            listen: None,
            min_free_mib: None,
            config: None,
            scrub_rate: Some(0),
            scrub_hours: None,
            segment_kib: None,
        };
        let kept = keeping(&args, &file).expect("they lie within their bounds");
        assert_eq!(kept.segment_bytes, Some(1024 * 1024));
        assert_eq!(kept.low_space_bytes, Some(9 * MIB));
        assert_eq!(kept.scrub.every, None, "the flag goes before the file");
        let file = read("segment-kib = 255").expect("settings");
        assert!(
            matches!(keeping(&args, &file), Err(Failure::Usage(why)) if why.contains("segment-kib"))
        );
        assert!(matches!(read("port = 7"), Err(Failure::Usage(why)) if why.contains("port")));
        let missing = dir.path().join("none.toml");
        assert!(matches!(
            File::read(Some(&missing)),
            Err(Failure::CouldNot(_))
        ));
    }
}
