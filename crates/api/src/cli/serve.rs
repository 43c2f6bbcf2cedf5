//! `benniu serve`: the service.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use eventlog::Measures;
use projections::engine;
use serde::Deserialize;
use tokio::net::TcpListener;

use super::Failure;
use crate::folder::{self, Birth, Keeping};
use crate::metrics::{self, Metrics};
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
    /// Address and port at which /metrics tells the service's numbers as Prometheus reads them; off
    /// if absent
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
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
    /// MiB that the read models together may keep in memory; what is beyond is read from their
    /// snapshots when somebody asks for it [default: 512]
    #[arg(long, value_name = "MIB")]
    model_mib: Option<u64>,
    /// Threads that fold a read model anew beside the live one [default: half of the machine's]
    #[arg(long, value_name = "N")]
    build_threads: Option<u64>,
    /// Percent of the time in which these threads work; the rest is left to commands [default: 60]
    #[arg(long, value_name = "PERCENT")]
    build_share: Option<u64>,
    /// Folder in which tests hold builds at named points
    #[arg(long, value_name = "DIR", hide = true)]
    pause_dir: Option<PathBuf>,
}

/// The settings that a file may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    /// As `--listen`.
    listen: Option<SocketAddr>,
    /// As `--metrics-listen`.
    metrics_listen: Option<SocketAddr>,
    /// As `--scrub-rate`.
    scrub_rate: Option<u64>,
    /// As `--scrub-hours`.
    scrub_hours: Option<u64>,
    /// As `--segment-kib`.
    segment_kib: Option<u64>,
    /// As `--min-free-mib`.
    min_free_mib: Option<u32>,
    /// As `--model-mib`.
    model_mib: Option<u64>,
    /// As `--build-threads`.
    build_threads: Option<u64>,
    /// As `--build-share`.
    build_share: Option<u64>,
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

/// Fewest and most MiB that the read models may keep in memory.
const MODEL_MIB: RangeInclusive<u64> = 16..=1024 * 1024;

/// Fewest and most threads that fold a build.
const BUILD_THREADS: RangeInclusive<u64> = 1..=256;

/// Least and greatest share of the time for builds, in percent.
const BUILD_SHARE: RangeInclusive<u64> = 1..=100;

fn within(
    name: &str,
    value: Option<u64>,
    bounds: RangeInclusive<u64>,
) -> Result<Option<u64>, Failure> {
    match value {
        Some(value) if !bounds.contains(&value) => Err(Failure::Usage(format!(
            "{name} must be {} to {}, not {value}",
            bounds.start(),
            bounds.end()
        ))),
        value => Ok(value),
    }
}

/// How the read models are kept, as the flags say and then the file.
fn models(args: &Args, file: &File) -> Result<engine::Options, Failure> {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let mib = within("model-mib", args.model_mib.or(file.model_mib), MODEL_MIB)?;
    let threads = args.build_threads.or(file.build_threads);
    let threads = within("build-threads", threads, BUILD_THREADS)?;
    let share = args.build_share.or(file.build_share);
    let share = within("build-share", share, BUILD_SHARE)?;
    let usual = engine::Options::default();
    Ok(engine::Options {
        memory_bytes: mib.map_or(usual.memory_bytes, |mib| number(mib * MIB)),
        build_threads: threads.map_or(usual.build_threads, number),
        build_share: share.map_or(usual.build_share, |share| {
            u32::try_from(share).unwrap_or(usual.build_share)
        }),
        pause: engine::Pause {
            folder: args.pause_dir.clone(),
        },
        ..usual
    })
}

/// How the log is kept, as the flags say and then the file.
fn keeping(args: &Args, file: &File) -> Result<Keeping, Failure> {
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
        measures: Measures::default(),
        models: models(args, file)?,
    })
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let mut out = io::stdout();
    let file = File::read(args.config.as_deref())?;
    let mut keeping = keeping(&args, &file)?;
    let listener = bind(args.listen.or(file.listen).unwrap_or(LISTEN)).await?;
    let metrics = match args.metrics_listen.or(file.metrics_listen) {
        None => None,
        Some(address) => {
            let metrics = Metrics::new().map_err(Failure::could_not)?;
            keeping.measures = metrics.measures();
            Some((bind(address).await?, metrics))
        }
    };
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
    let telling = match metrics {
        None => None,
        Some((listener, metrics)) => {
            let address = listener.local_addr()?;
            writeln!(out, "Metrics on http://{address}/metrics")?;
            Some(tokio::spawn(metrics::serve(
                listener,
                metrics,
                backend.clone(),
            )))
        }
    };
    out.flush()?;
    let served = server::run(listener, backend.clone(), ended).await;
    if let Some(telling) = telling {
        telling.abort();
    }
    backend.stop().await.map_err(Failure::could_not)?;
    served.map_err(Failure::could_not)
}

/// Listens on an address of this machine.
async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    if !address.ip().is_loopback() {
        return Err(Failure::Usage(ServeError::NotLoopback(address).to_string()));
    }
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::CouldNot(format!("{address}: {error}")))
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
        let file = read("metrics-listen = \"127.0.0.1:8\"").expect("settings");
        assert_eq!(
            file.metrics_listen,
            Some("127.0.0.1:8".parse().expect("an address"))
        );
        let file = read(
            "scrub-rate = 4\nscrub-hours = 2\nsegment-kib = 1024\nmin-free-mib = 9\n\
             model-mib = 64\nbuild-threads = 3\nbuild-share = 20",
        )
        .expect("settings");
        let args = Args {
            data: PathBuf::new(),
            listen: None,
            metrics_listen: None,
            min_free_mib: None,
            config: None,
            scrub_rate: Some(0),
            scrub_hours: None,
            segment_kib: None,
            model_mib: Some(16),
            build_threads: None,
            build_share: None,
            pause_dir: None,
        };
        let kept = keeping(&args, &file).expect("they lie within their bounds");
        assert_eq!(kept.segment_bytes, Some(1024 * 1024));
        assert_eq!(kept.low_space_bytes, Some(9 * MIB));
        assert_eq!(kept.scrub.every, None, "the flag goes before the file");
        assert_eq!(
            (
                kept.models.memory_bytes,
                kept.models.build_threads,
                kept.models.build_share
            ),
            (16 * 1024 * 1024, 3, 20),
        );
        let file = read("build-share = 101").expect("a number");
        assert!(
            matches!(keeping(&args, &file), Err(Failure::Usage(why)) if why.contains("build-share"))
        );
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
