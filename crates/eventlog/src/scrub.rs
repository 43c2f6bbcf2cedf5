//! Verifying a log again while it is open, in the background. Owns when a pass runs and what is told
//! of it; what a pass looks at is `pass`, how fast `pace`, and how a damaged part is made anew
//! `repair`. Never holds up the writer: it reads files by their names and puts whole ones in their
//! places.
//!
//! Opening a log that was closed cleanly looks at its newest part only, so a pass begins with every
//! opening, then one in every interval, and one when a reading has met damage.

use std::io;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::checkpoint::Monitor;
use crate::files::FileLayer;
use crate::writer;

mod pace;
mod pass;
mod repair;

#[cfg(test)]
mod tests;

use pass::Pass;

/// Bytes a second that a pass reads at most, unless something else is set.
pub const SCRUB_BYTES_PER_SECOND: NonZeroU64 = NonZeroU64::new(16 * 1024 * 1024).unwrap();

/// The time between the beginnings of two passes, unless something else is set.
pub const SCRUB_EVERY: Duration = Duration::from_hours(24);

/// Findings of one pass that are kept in words, what was not put right first; others are counted only.
const FINDINGS_MAX: usize = 100;

/// How often it is looked whether a reading has met damage.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The least time between passes that begin because a reading has met damage.
const NOTICED_EVERY: Duration = Duration::from_mins(1);

/// How a log is verified again while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubOptions {
    /// Bytes a second that a pass reads at most; `None`: as fast as it can.
    pub bytes_per_second: Option<NonZeroU64>,
    /// How often a pass begins by itself, the first one with the opening; `None`: only when asked.
    pub every: Option<Duration>,
}

impl Default for ScrubOptions {
    /// Only when asked, at [`SCRUB_BYTES_PER_SECOND`].
    fn default() -> Self {
        Self {
            bytes_per_second: Some(SCRUB_BYTES_PER_SECOND),
            every: None,
        }
    }
}

/// What part of a log something was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrubbedPart {
    /// The journal.
    Journal,
    /// The second copy.
    SecondCopy,
    /// The index.
    Index,
}

impl ScrubbedPart {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Journal, Self::SecondCopy, Self::Index];
}

/// What became of something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScrubOutcome {
    /// It was put right, as the words say.
    Healed(String),
    /// It stays as it is for the reason given; a later pass or the next opening tries again.
    Unhealed(String),
    /// The block that holds this position is whole in neither copy.
    Lost {
        /// The first position that is lost.
        position: u64,
    },
}

/// Something that was not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubFinding {
    /// Where.
    pub part: ScrubbedPart,
    /// What was found, in words.
    pub what: String,
    /// What became of it.
    pub outcome: ScrubOutcome,
}

/// What came of one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubReport {
    /// Its number, from 1 with the opening of the log.
    pub number: u64,
    /// Whether it went over everything; false if the log was closed meanwhile.
    pub complete: bool,
    /// The last position that it went over.
    pub position: u64,
    /// Bytes that it read.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
    /// How many findings were put right.
    pub healed: u64,
    /// How many were not.
    pub unhealed: u64,
    /// How many blocks were found lost in both copies.
    pub lost: u64,
    /// What it found; of more than 100 those that were not put right first.
    pub findings: Vec<ScrubFinding>,
}

impl ScrubFinding {
    /// Whether it was not put right.
    pub(crate) fn stands(&self) -> bool {
        !matches!(self.outcome, ScrubOutcome::Healed(_))
    }
}

impl ScrubReport {
    /// Keeps a finding while there is room; what was not put right takes the place of what was.
    fn keep(&mut self, finding: ScrubFinding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else if finding.stands()
            && let Some(place) = self.findings.iter().rposition(|kept| !kept.stands())
        {
            self.findings.remove(place);
            self.findings.push(finding);
        }
    }
}

/// How far a pass has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubProgress {
    /// Its number.
    pub number: u64,
    /// The last position that it went over in the journal.
    pub position: u64,
    /// Bytes that it read.
    pub bytes: u64,
}

/// What all passes since the opening have come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubTotals {
    /// Passes that went over everything.
    pub passes: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Findings that were put right.
    pub healed: u64,
    /// Findings that were not, each as often as it was found.
    pub unhealed: u64,
    /// Findings of blocks that both copies have lost, each as often as it was found.
    pub lost: u64,
}

/// How often something was found, by what became of it; each as often as it was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubCounts {
    /// It was put right.
    pub healed: u64,
    /// It was not.
    pub unhealed: u64,
    /// Both copies have lost it.
    pub lost: u64,
}

/// How the scrub of a log stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrubStatus {
    /// The pass that is running.
    pub running: Option<ScrubProgress>,
    /// The pass that ended last.
    pub last: Option<ScrubReport>,
    /// All passes since the opening.
    pub totals: ScrubTotals,
    /// What the last complete pass found and did not put right; empty when both copies and the index
    /// are whole as far as is known.
    pub standing: Vec<ScrubFinding>,
    /// How long ago the last complete pass ended; without one, how long the log is open.
    pub age: Duration,
    /// What was found since the opening, by part; a running pass is counted as it goes.
    found: [ScrubCounts; ScrubbedPart::ALL.len()],
}

impl ScrubStatus {
    /// What was found in a part since the opening; a running pass is counted as it goes.
    pub fn found(&self, part: ScrubbedPart) -> ScrubCounts {
        self.found[part as usize]
    }
}

/// A log as its scrub sees it.
pub(crate) struct Target {
    pub(crate) dir: PathBuf,
    pub(crate) log_id: Uuid,
    pub(crate) files: Arc<dyn FileLayer>,
    pub(crate) segment_bytes: u64,
    pub(crate) volume_events: u64,
    pub(crate) shared: Arc<writer::Shared>,
    pub(crate) copy: Monitor,
}

#[derive(Default)]
struct State {
    /// When the last complete pass ended, or the log was opened.
    verified: Option<Instant>,
    /// The number of the last pass that somebody wants.
    asked: u64,
    /// The number of the last pass that has ended.
    ended: u64,
    stop: bool,
    status: ScrubStatus,
}

/// What the thread and those who ask share.
struct Control {
    copy: Monitor,
    state: Mutex<State>,
    changed: Condvar,
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for some time; false as soon as the log is closed.
    fn pause(&self, time: Duration) -> bool {
        let goes_on = |state: &mut State| !state.stop;
        let waited = self
            .changed
            .wait_timeout_while(self.state(), time, goes_on)
            .unwrap_or_else(PoisonError::into_inner);
        !waited.0.stop
    }
}

/// The scrub of an open log, for asking; cheap to clone. Once the log is closed it only tells.
#[derive(Clone)]
pub struct Scrub(Arc<Control>);

impl std::fmt::Debug for Scrub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Scrub")
            .field(&self.status())
            .finish()
    }
}

impl Scrub {
    /// Asks for a pass that begins now, or as soon as the one that runs has ended. Answers its
    /// number. Asked again before it has begun, it is the same one.
    pub fn start(&self) -> u64 {
        let mut state = self.0.state();
        let running = u64::from(state.status.running.is_some());
        state.asked = state.ended + running + 1;
        let number = state.asked;
        drop(state);
        self.0.changed.notify_all();
        number
    }

    /// How it stands.
    pub fn status(&self) -> ScrubStatus {
        let state = self.0.state();
        ScrubStatus {
            age: state.verified.map_or(Duration::ZERO, |at| at.elapsed()),
            ..state.status.clone()
        }
    }

    /// Why nothing more goes into the second copy until the log is opened again, if so.
    pub fn second_copy_fault(&self) -> Option<String> {
        self.0.copy.bad()
    }

    /// Whether both copies and the index are whole, as far as is known.
    pub fn is_whole(&self) -> bool {
        self.0.copy.bad().is_none() && self.0.state().status.standing.is_empty()
    }

    /// Blocks until this pass has ended; `None` if the log was closed before it began.
    pub fn wait_for(&self, number: u64) -> Option<ScrubReport> {
        let waits = |state: &mut State| {
            state.ended < number && (!state.stop || state.status.running.is_some())
        };
        let state = self
            .0
            .changed
            .wait_while(self.0.state(), waits)
            .unwrap_or_else(PoisonError::into_inner);
        let last = state.status.last.clone();
        last.filter(|last| last.number >= number)
    }
}

/// The thread that verifies an open log.
pub(crate) struct Scrubber {
    control: Arc<Control>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Scrubber {
    /// Starts the thread.
    pub(crate) fn start(target: Target, options: ScrubOptions) -> io::Result<Self> {
        let control = Arc::new(Control {
            copy: target.copy.clone(),
            state: Mutex::new(State {
                verified: Some(Instant::now()),
                ..State::default()
            }),
            changed: Condvar::new(),
        });
        let for_thread = Arc::clone(&control);
        let thread = std::thread::Builder::new()
            .name("scrub".to_owned())
            .spawn(move || run(&target, options, &for_thread))?;
        Ok(Self {
            control,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// For asking it from elsewhere.
    pub(crate) fn handle(&self) -> Scrub {
        Scrub(Arc::clone(&self.control))
    }

    /// Ends the pass that runs at its next step, and the thread.
    pub(crate) fn stop(&self) {
        self.control.state().stop = true;
        self.control.changed.notify_all();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // A panic there was reported when it happened, and what it left staged is worth nothing.
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the scrub panicked");
        }
    }
}

impl Drop for Scrubber {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Lets nobody wait for a pass that panicked.
struct PanicGuard<'a>(&'a Control);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.state();
            state.stop = true;
            state.status.running = None;
            drop(state);
            self.0.changed.notify_all();
        }
    }
}

fn run(target: &Target, options: ScrubOptions, control: &Control) {
    let _guard = PanicGuard(control);
    let mut begun: Option<Instant> = None;
    let mut noticed = 0;
    while wait(target, options, control, begun, noticed) {
        begun = Some(Instant::now());
        noticed = target.shared.view.noticed_count();
        let number = {
            let mut state = control.state();
            let number = state.ended + 1;
            state.status.running = Some(ScrubProgress {
                number,
                position: 0,
                bytes: 0,
            });
            number
        };
        let report = Pass::new(target, control, options.bytes_per_second, number).run();
        end(control, report);
    }
}

/// Waits until a pass is to begin; false if the log is closed instead.
fn wait(
    target: &Target,
    options: ScrubOptions,
    control: &Control,
    begun: Option<Instant>,
    noticed: u64,
) -> bool {
    let due = || {
        options
            .every
            .is_some_and(|every| begun.is_none_or(|begun| begun.elapsed() >= every))
    };
    let met_damage = || {
        options.every.is_some()
            && target.shared.view.noticed_count() > noticed
            && begun.is_none_or(|begun| begun.elapsed() >= NOTICED_EVERY)
    };
    let mut state = control.state();
    loop {
        if state.stop {
            return false;
        }
        if state.asked > state.ended || due() || met_damage() {
            return true;
        }
        let waited = control.changed.wait_timeout(state, LOOK_EVERY);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn end(control: &Control, report: ScrubReport) {
    let mut state = control.state();
    let status = &mut state.status;
    status.running = None;
    status.totals.bytes += report.bytes;
    status.totals.passes += u64::from(report.complete);
    status.totals.healed += report.healed;
    status.totals.unhealed += report.unhealed;
    status.totals.lost += report.lost;
    if report.complete {
        let stands = |finding: &&ScrubFinding| finding.stands();
        status.standing = report.findings.iter().filter(stands).cloned().collect();
        state.verified = Some(Instant::now());
    }
    state.status.last = Some(report);
    state.ended += 1;
    drop(state);
    control.changed.notify_all();
}
