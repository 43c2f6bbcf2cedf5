//! The main job in one run: a fresh log, a real server, real input and a pilot's history through the
//! API; then balances, cases, coverage, a rebuild, a verification, and whether all of it is right.
//!
//! Owns the order of the show and what it holds itself to ([`checks`]). It only speaks to the API,
//! but for the recount and the verification, which read the log's files.

mod boston;
mod campaigns;
mod checks;
mod disputes;
mod hazards;
mod leads;
mod patrol;
mod pilot;
mod points;
mod rebuild;
mod recount;
mod report;
mod spending;
mod turns;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eventlog::{EventLog as _, ReadLog};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::Status;

use crate::backend::Backend;
use crate::folder::{self, Birth};
use crate::session::Session;
use crate::{server, wire};
use checks::Checks;
use pilot::{Pilot, STAR, community, day, local, person};
use recount::Recount;

/// Subject of the demo's administrator.
pub(crate) const ADMIN: &str = "admin";
/// Seed of the demo's log: the same version plays the same history, but for who wins the race for
/// the last umbrella, with which it ends.
const SEED: u64 = 20_230_809;
/// Most points that the star's actions come to: 24 publicity actions of 50 points.
const STAR_POINTS: u64 = 1_200;

/// Something broken on purpose: the demo must notice and exit 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// One cell of the imported files says something else.
    AlteredCell,
    /// The first verified activity gets no award.
    DroppedAward,
    /// One byte of a stored event differs, in both copies.
    ChangedEvent,
}

/// How the demo is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keep the log here, in a folder that is missing or empty; else it is temporary.
    pub data: Option<PathBuf>,
    /// Break something on purpose.
    pub sabotage: Option<Sabotage>,
}

/// Why the demo could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] folder::FolderError),
    /// A call of the API.
    #[error("the API refused: {} ({:?})", .0.message(), .0.code())]
    Status(Box<Status>),
    /// No connection to the demo's own server.
    #[error(transparent)]
    Session(#[from] crate::session::NoSession),
    /// Reading the log again.
    #[error(transparent)]
    Read(#[from] eventlog::ReadError),
    /// Opening the log again.
    #[error(transparent)]
    Open(#[from] eventlog::OpenError),
    /// A file or the output.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server or the log did not end as it should.
    #[error("{0}")]
    Ended(String),
}

impl From<Status> for DemoError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// Runs the demo; true if every check holds.
///
/// # Errors
/// [`DemoError`] if it could not be run to its end.
pub async fn run(options: &Options, out: &mut dyn Write) -> Result<bool, DemoError> {
    let temporary = match options.data {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("benniu-demo-").tempdir()?),
    };
    let dir = match (&options.data, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(dir)) => dir.path().to_owned(),
        (None, None) => return Err(DemoError::Ended("there is no folder".to_owned())),
    };
    writeln!(
        out,
        "benniu: a system of record for community policing teams"
    )?;
    writeln!(
        out,
        "A fresh log in {}, served on a free port of this machine.",
        dir.display()
    )?;
    let dropped = options.sabotage == Some(Sabotage::DroppedAward);
    let birth = Birth {
        origin: "benniu.example/demo".to_owned(),
        zone: chrono_tz::Asia::Shanghai,
        administrator: ADMIN.to_owned(),
        simulated: Some((boston::stands_at(), SEED)),
        reactions_enabled: !dropped,
        segment_bytes: None,
    };
    folder::bear(&dir, &birth).await?;
    let (backend, _) = folder::open(&dir).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server::run(listener, backend.clone(), async {
        // A dropped sender ends serving too.
        let _ = stopped.await;
    }));
    let mut show = Show {
        dir,
        backend,
        checks: Checks::default(),
        dropped,
        out,
    };
    let shown = show.acts(&url, options.sabotage).await;
    drop(stop);
    serving
        .await
        .map_err(|error| DemoError::Ended(error.to_string()))?
        .map_err(|error| DemoError::Ended(error.to_string()))?;
    show.backend
        .clone()
        .stop()
        .await
        .map_err(|error| DemoError::Ended(error.to_string()))?;
    shown?;
    if options.sabotage == Some(Sabotage::ChangedEvent) {
        change_an_event(&show.dir)?;
    }
    show.verify()?;
    report::title(show.out, "What the demo holds itself to")?;
    show.checks.print(show.out)?;
    show.how_to_go_on(options.data.is_some())?;
    Ok(show.checks.wrong() == 0)
}

/// The demo while it runs.
struct Show<'a> {
    dir: PathBuf,
    backend: Backend,
    checks: Checks,
    /// Reactions are enabled late, so that the first award is missing.
    dropped: bool,
    out: &'a mut dyn Write,
}

impl Show<'_> {
    /// Everything that is shown while the server runs.
    async fn acts(&mut self, url: &str, sabotage: Option<Sabotage>) -> Result<(), DemoError> {
        let admin = Session::connect(url, ADMIN).await?;
        self.boston(&admin, sabotage == Some(Sabotage::AlteredCell))
            .await?;
        let mut pilot = Pilot::new(&admin, boston::stands_at());
        self.deadlines_fall_due(&mut pilot).await?;
        report::title(
            self.out,
            "The pilot's history: 481 volunteers, a month of patrols",
        )?;
        let bar = progress("playing");
        let mut late = self.dropped.then(|| self.backend.executor.clone());
        pilot
            .play(&mut |done, all| {
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            })
            .await?;
        bar.finish_and_clear();
        if let Some(executor) = late.take() {
            // Too late for the first verified activity, in time for all others.
            folder::enable_reactions(&executor, self.after_first_fact()?).await?;
        }
        writeln!(
            self.out,
            "{} commands went through the API.",
            pilot.commands()
        )?;
        self.members(&admin).await?;
        self.coverage(&admin, &pilot).await?;
        self.cases(&admin).await?;
        self.mediation(&admin).await?;
        self.leads(&admin).await?;
        self.turns(&admin, &mut pilot).await?;
        self.points(&admin).await?;
        self.spending(&admin, &mut pilot).await?;
        self.rebuild(&admin).await
    }

    async fn boston(&mut self, admin: &Session, altered: bool) -> Result<(), DemoError> {
        report::title(
            self.out,
            "Boston's 311 line, 2015: hazards as their source tells them",
        )?;
        let bar = progress("importing");
        let mut tell = |done: usize, all: usize| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        };
        let imported = boston::import(admin, altered, &mut tell).await?;
        bar.finish_and_clear();
        let units = boston::totals_by_unit(admin).await?;
        report::hazards_by_unit(self.out, &units)?;
        let totals = boston::totals(admin).await?;
        let recount = self.recount()?;
        let (breached, closed_late) = recount.breaches();
        writeln!(
            self.out,
            "As of 2016-01-12 00:00 in Boston: hazards {}, closed {} of them {} after the deadline, \
             open {} of them {} past the deadline.",
            grouped(totals.total),
            grouped(totals.closed),
            grouped(totals.closed_late),
            grouped(totals.open),
            grouped(totals.open_breached),
        )?;
        let checks = &mut self.checks;
        checks.expect(
            "files shipped are those of the source",
            true,
            boston::files_are_whole(altered),
        );
        checks.expect("rows imported", 2_401, imported.applied);
        checks.expect("units of the import", 22, units.len());
        checks.expect("hazards", 2_401, totals.total);
        checks.expect("closed", 2_139, totals.closed);
        checks.expect("closed after the deadline", 1_228, totals.closed_late);
        checks.expect("open", 262, totals.open);
        checks.expect("open past the deadline", 245, totals.open_breached);
        checks.expect("breaches in the events, closed", 1_228, closed_late);
        checks.expect("breaches in the events, open", 245, breached - closed_late);
        checks.expect("hazards in the events", 2_401, recount.imported);
        checks.expect("closings in the events", 2_139, recount.closed_by_source);
        Ok(())
    }

    async fn deadlines_fall_due(&mut self, pilot: &mut Pilot) -> Result<(), DemoError> {
        pilot.advance(local(day(2018, 1, 1), 0, 0)).await?;
        let (breached, _) = self.recount()?.breaches();
        writeln!(
            self.out,
            "The clock moves on to 2018: {} more deadlines fall due, and timers record them.",
            breached - 1_473.min(breached),
        )?;
        self.checks
            .expect("breaches after the clock moved on", 1_473 + 14, breached);
        Ok(())
    }

    async fn members(&mut self, admin: &Session) -> Result<(), DemoError> {
        report::title(self.out, "Membership")?;
        let request = wire::GetMembershipCountsRequest {
            unit_id: community().to_string(),
            consistency: Some(after_all()),
            ..Default::default()
        };
        let answer = admin.call(request).await?;
        report::growth(self.out, &answer.months)?;
        let volunteers = answer
            .active_by_kind
            .iter()
            .find(|count| count.kind() == wire::MemberKind::Volunteer)
            .map_or(0, |count| count.count);
        writeln!(
            self.out,
            "Members {volunteers} volunteers (and {} staff), from {} at the start.",
            answer.active - volunteers,
            pilot::MEMBERS_FIRST
        )?;
        let recounted = self.recount()?.volunteers();
        self.checks
            .expect("members", pilot::MEMBERS_LAST, volunteers);
        self.checks
            .expect("members in the events", pilot::MEMBERS_LAST, recounted);
        Ok(())
    }

    async fn coverage(&mut self, admin: &Session, pilot: &Pilot) -> Result<(), DemoError> {
        report::title(self.out, "Patrol coverage, July 2024: zone by hour")?;
        let mut cells = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = wire::GetPatrolCoverageRequest {
                unit_id: community().to_string(),
                day_from: "2024-07-01".to_owned(),
                day_until: "2024-07-31".to_owned(),
                page_size: 1_000,
                page_token,
                consistency: Some(after_all()),
                ..Default::default()
            };
            let mut answer = admin.call(request).await?;
            cells.append(&mut answer.cells);
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let zones: Vec<_> = pilot
            .patrols
            .zones()
            .map(|(id, name)| (id.to_owned(), name.to_owned()))
            .collect();
        report::coverage(self.out, &zones, &cells)?;
        let recount = self.recount()?;
        let verified: u64 = cells.iter().map(|cell| cell.verified_seconds).sum();
        let missed: u64 = cells
            .iter()
            .map(|cell| u64::from(cell.checkpoints_missed))
            .sum();
        let count = |name: &str| recount.types.get(name).copied().unwrap_or_default();
        writeln!(
            self.out,
            "{} scans of which {} marks say that something was odd; {} shifts missed, {} check-outs \
             made by the timer, {} filed late.",
            grouped(count("CheckpointScanned")),
            recount.anomalies,
            count("ShiftMissed"),
            count("AutoCheckedOut"),
            count("LateShiftFiled"),
        )?;
        let checks = &mut self.checks;
        checks.expect("verified patrol seconds", recount.patrol_seconds, verified);
        checks.expect("checkpoints missed", count("CheckpointMissed"), missed);
        checks.expect("shifts that nobody came to", 1, count("ShiftMissed"));
        checks.expect("forgotten check-outs", 1, count("AutoCheckedOut"));
        checks.expect(
            "late filings approved by an outsider",
            1,
            count("LateShiftApproved"),
        );
        Ok(())
    }

    /// The log's files, whole or not.
    fn verify(&mut self) -> Result<(), DemoError> {
        report::title(self.out, "The log, verified block by block, in both copies")?;
        match eventlog::verify(&self.dir, eventlog::VerifyOptions::default(), &mut |_| ()) {
            Ok(found) => {
                let root = domain::ids::hex(&found.root);
                writeln!(
                    self.out,
                    "verify: events={} commits={} root={root}",
                    found.events, found.commits
                )?;
                for finding in &found.findings {
                    writeln!(self.out, "verify: {finding:?}")?;
                }
                self.checks
                    .expect("findings of the verification", 0, found.findings.len());
            }
            Err(error) => {
                writeln!(self.out, "verify: {error}")?;
                self.checks
                    .expect("findings of the verification", "0", error);
            }
        }
        Ok(())
    }

    fn how_to_go_on(&mut self, kept: bool) -> io::Result<()> {
        let wrong = self.checks.wrong();
        if wrong > 0 {
            return writeln!(self.out, "\n{wrong} checks are WRONG.");
        }
        writeln!(self.out, "\nAll checks hold. How to go on:\n")?;
        let program = std::env::args()
            .next()
            .unwrap_or_else(|| "benniu".to_owned());
        let dir = if kept {
            self.dir.display().to_string()
        } else {
            "DIR".to_owned()
        };
        if !kept {
            writeln!(
                self.out,
                "  {program} demo --data {dir}      # keeps the log in a folder"
            )?;
        }
        writeln!(
            self.out,
            "  {program} serve --data {dir}     # serves it on 127.0.0.1:50051"
        )?;
        writeln!(
            self.out,
            "  {program} balance --data {dir} {}",
            person(STAR)
        )?;
        writeln!(
            self.out,
            "  grpcurl -plaintext -H 'benniu-principal: {ADMIN}' -d '{{\"person_id\":\"{}\"}}' \
             127.0.0.1:50051 benniu.v1.PointsService/GetBalance",
            person(STAR)
        )
    }

    /// The events of the log so far, counted by plain code from its files.
    fn recount(&self) -> Result<Recount, DemoError> {
        let log = ReadLog::open(&self.dir)?;
        let mut recount = Recount::default();
        for commit in log.read(1, log.head().position) {
            commit?.events.iter().for_each(|event| recount.take(event));
        }
        Ok(recount)
    }

    /// The position after the first verified activity.
    fn after_first_fact(&self) -> Result<u64, DemoError> {
        let log = Arc::clone(self.backend.executor.log());
        for commit in log.read(1, log.head().position) {
            for event in commit?.events {
                if &*event.type_name == "ParticipationVerified" {
                    return Ok(event.position + 1);
                }
            }
        }
        Err(DemoError::Ended("no activity was verified".to_owned()))
    }
}

/// Waits for what follows from everything written before.
fn after_all() -> wire::ReadConsistency {
    wire::ReadConsistency {
        at_least: None,
        with_consequences: true,
    }
}

/// A bar on standard error, shown only where a person looks.
pub(crate) fn progress(what: &'static str) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(1);
    let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
    bar.set_message(what);
    bar
}

/// `2401` as `2,401`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Flips a bit in the middle of what each copy of the log stores.
fn change_an_event(dir: &Path) -> io::Result<()> {
    let mut changed = 0;
    let mut folders = vec![dir.join("journal"), dir.join("log")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = fs::read(&path)?;
            let used = bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .unwrap_or_default();
            // Small files tell how a copy is laid out, not what happened.
            if used > 100_000 {
                bytes[used / 2] ^= 1;
                fs::write(&path, bytes)?;
                changed += 1;
            }
        }
    }
    if changed == 0 {
        return Err(io::Error::other("no file of the log was found to change"));
    }
    Ok(())
}
