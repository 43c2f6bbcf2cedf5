//! One pass over a log that is open. Owns the order of things and what is said of them: segment by
//! segment, each volume of the second copy once all of its blocks were gone over, then the index.
//! How a part is made anew is `repair`.
//!
//! What is looked at is what the files of the right names hold. The newest segment is gone over up
//! to the position that was acknowledged, the newest volume up to the last checkpoint.

use std::fs::File;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::block::BlockHeader;
use crate::carve::carve_paced;
use crate::check::check_blocks;
use crate::files::forget_cached;
use crate::journal::place::{Cursor, SEQUENTIAL_BYTES};
use crate::journal::segment::{self, JOURNAL_DIR};
use crate::sled_copy::{file_path, volume_of};

use super::pace::Pace;
use super::repair::{self, Damaged, NotMade};
use super::{Control, ScrubFinding, ScrubOutcome, ScrubReport, ScrubbedPart, Target};

/// How often the volume that is written to is searched before a block counts as missing: sled moves
/// blocks about.
const SEARCH_TRIES: u32 = 3;

/// How long a pass waits for the second copy to be synced as far as it needs it.
const SYNC_WAIT: Duration = Duration::from_secs(10);

/// How often it looks whether it is.
const SYNC_LOOK: Duration = Duration::from_millis(50);

/// The log was closed: the pass ends.
struct Stopped;

/// The blocks of a volume as the journal has them: their first positions and the fronts of their
/// hashes, which tell them apart; the blocks found were hashed whole.
#[derive(Default)]
struct Expected {
    number: u64,
    blocks: Vec<(u64, [u8; 8])>,
}

/// A pass that runs.
pub(super) struct Pass<'a> {
    target: &'a Target,
    control: &'a Control,
    pace: Pace<'a>,
    begun: Instant,
    /// The last block that was gone over; `None` where nothing is known of it.
    before: Option<BlockHeader>,
    expected: Expected,
    copy_told: bool,
    report: ScrubReport,
}

fn front(hash: &[u8; 32]) -> [u8; 8] {
    let mut front = [0; 8];
    front.copy_from_slice(&hash[..8]);
    front
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        target: &'a Target,
        control: &'a Control,
        bytes_per_second: Option<std::num::NonZeroU64>,
        number: u64,
    ) -> Self {
        Self {
            target,
            control,
            pace: Pace::new(control, bytes_per_second),
            begun: Instant::now(),
            before: None,
            expected: Expected::default(),
            copy_told: false,
            report: ScrubReport {
                number,
                complete: false,
                position: 0,
                bytes: 0,
                took: Duration::ZERO,
                healed: 0,
                unhealed: 0,
                lost: 0,
                findings: Vec::new(),
            },
        }
    }

    /// Goes over everything, or until the log is closed.
    pub(super) fn run(mut self) -> ScrubReport {
        tracing::debug!(number = self.report.number, "a scrub begins");
        self.report.complete = self.all().is_ok();
        self.report.bytes = self.pace.bytes();
        self.report.took = self.begun.elapsed();
        let ScrubReport {
            number,
            complete,
            position,
            bytes,
            took,
            healed,
            unhealed,
            lost,
            ..
        } = self.report;
        tracing::info!(
            number,
            complete,
            position,
            bytes,
            ?took,
            healed,
            unhealed,
            lost,
            "a scrub has ended"
        );
        self.report
    }

    fn all(&mut self) -> Result<(), Stopped> {
        let mut last = 0;
        while let Some((number, first, to)) = self.target.shared.view.places.next_segment(last) {
            let acknowledged = *self.target.shared.published.borrow();
            // Where a group goes on in another segment, its blocks are known before it is
            // acknowledged: until then the segment counts as the one that is written to.
            let full = to.is_some_and(|to| to <= acknowledged);
            let range = first..=to.unwrap_or(acknowledged).min(acknowledged);
            if range.is_empty() {
                break;
            }
            self.report.position = *range.end();
            self.segment(number, range, full)?;
            if !full {
                break;
            }
            last = number;
        }
        self.volume(None)?;
        self.index()
    }

    fn found(&mut self, part: ScrubbedPart, what: String, outcome: ScrubOutcome) {
        {
            let mut state = self.control.state();
            let counts = &mut state.status.found[part as usize];
            *match outcome {
                ScrubOutcome::Healed(_) => &mut counts.healed,
                ScrubOutcome::Unhealed(_) => &mut counts.unhealed,
                ScrubOutcome::Lost { .. } => &mut counts.lost,
            } += 1;
        }
        match &outcome {
            ScrubOutcome::Healed(done) => {
                self.report.healed += 1;
                tracing::warn!(?part, what, done, "the scrub healed the log");
            }
            ScrubOutcome::Unhealed(why) => {
                self.report.unhealed += 1;
                self.target.shared.view.distrust();
                tracing::error!(
                    ?part,
                    what,
                    why,
                    "the scrub found damage and did not heal it"
                );
            }
            ScrubOutcome::Lost { position } => {
                self.report.lost += 1;
                self.target.shared.view.distrust();
                tracing::error!(?part, what, position, "a block is lost in both copies");
            }
        }
        self.report.keep(ScrubFinding {
            part,
            what,
            outcome,
        });
    }

    // The journal.

    fn segment(
        &mut self,
        number: u64,
        range: RangeInclusive<u64>,
        full: bool,
    ) -> Result<(), Stopped> {
        let before = self.before;
        let Err(what) = self.look_at(number, &range, full)? else {
            return Ok(());
        };
        let damaged = Damaged {
            number,
            range: range.clone(),
            before,
        };
        let made = if !self.wait_for_copy(*range.end())? {
            let why = "the second copy is not synced that far yet";
            Err(NotMade::Failed(why.to_owned()))
        } else if full {
            repair::full_segment(self.target, &damaged, &mut self.pace)
        } else if segment::path(&self.target.dir.join(JOURNAL_DIR), number).exists() {
            repair::newest_segment(self.target, &damaged, &mut self.pace)
        } else {
            Err(NotMade::Failed(self.removed(number)))
        };
        self.before = before;
        let outcome = match made {
            Err(NotMade::Stopped) => return Err(Stopped),
            Err(NotMade::Lost(position)) => {
                self.before = None;
                self.lost(position);
                ScrubOutcome::Lost { position }
            }
            Err(NotMade::Failed(why)) => {
                self.before = None;
                ScrubOutcome::Unhealed(why)
            }
            Ok(()) => match self.look_at(number, &range, full)? {
                Ok(()) => ScrubOutcome::Healed(format!(
                    "made the blocks of segment {number} whole, positions {} to {}; the file as \
                     it was is in {JOURNAL_DIR}/{}",
                    range.start(),
                    range.end(),
                    crate::heal::stage::ASIDE_DIR
                )),
                Err(still) => {
                    self.before = None;
                    ScrubOutcome::Unhealed(format!("made anew, {still}"))
                }
            },
        };
        self.found(ScrubbedPart::Journal, what, outcome);
        Ok(())
    }

    /// Goes over a segment; answers what is wrong with it.
    fn look_at(
        &mut self,
        number: u64,
        range: &RangeInclusive<u64>,
        full: bool,
    ) -> Result<Result<(), String>, Stopped> {
        let journal = self.target.dir.join(JOURNAL_DIR);
        let opened = segment::open(&segment::path(&journal, number), number, self.target.log_id);
        let (file, _) = match opened {
            Ok(opened) => opened,
            Err(what) => return Ok(Err(what)),
        };
        if full {
            forget_cached(&file);
        }
        let places = &self.target.shared.view.places;
        let mut cursor = Cursor::anew(places, *range.start(), SEQUENTIAL_BYTES);
        let mut before = self.before;
        let mut blocks = Vec::new();
        let (pace, control, pass) = (&mut self.pace, self.control, self.report.number);
        let checked = check_blocks(&mut cursor, range, &mut before, &mut |header| {
            blocks.push((header.first_position, front(&header.hash)));
            let goes_on = pace.step(header.block_bytes() as u64);
            if let Some(running) = &mut control.state().status.running {
                running.position = header.last_position();
                running.bytes = pace.bytes();
            }
            goes_on
        });
        match checked {
            Err(error) => return Ok(Err(format!("segment {number} of the journal: {error}"))),
            Ok(reached) if reached < *range.end() => return Err(Stopped),
            Ok(_) => {}
        }
        if let Some(end) = cursor.place().filter(|_| full) {
            let behind = segment::not_zero(&file, end.offset)
                .map_err(|error| format!("segment {number} of the journal: {error}"));
            match behind {
                Err(what) => return Ok(Err(what)),
                Ok(Some((from, _))) => {
                    let what = format!(
                        "segment {number} of the journal holds something behind its last block, \
                         at byte {from}"
                    );
                    return Ok(Err(what));
                }
                Ok(None) => {}
            }
        }
        tracing::trace!(pass, number, "a segment is whole");
        self.before = before;
        self.expect(&blocks)?;
        Ok(Ok(()))
    }

    /// Waits until the second copy is synced up to a position, or bad, which is to say that it will
    /// not hold more than it does. False if it takes too long.
    fn wait_for_copy(&self, position: u64) -> Result<bool, Stopped> {
        let begun = Instant::now();
        let copy = &self.target.copy;
        while copy.synced() < position && copy.bad().is_none() {
            if begun.elapsed() >= SYNC_WAIT {
                return Ok(false);
            }
            if !self.pace.pause(SYNC_LOOK) {
                return Err(Stopped);
            }
        }
        Ok(true)
    }

    /// Ends acknowledging: what would be acknowledged from here on could only be given up together
    /// with the block that is lost.
    fn lost(&self, position: u64) {
        self.target.shared.view.distrust();
        self.target.shared.poison(&format!(
            "the block at position {position} is damaged in both copies; restore a backup, or go on \
             without it with `benniu log accept-loss`"
        ));
    }

    /// Ends acknowledging, and says why: what is appended goes to a file without a name.
    fn removed(&self, number: u64) -> String {
        let why = format!(
            "segment {number} of the journal was removed while the log writes to it; open it again"
        );
        self.target.shared.view.distrust();
        self.target.shared.poison(&why);
        why
    }

    // The second copy.

    /// Takes blocks of the journal that a volume must hold. Once the next volume begins, the one
    /// before it is looked at.
    fn expect(&mut self, blocks: &[(u64, [u8; 8])]) -> Result<(), Stopped> {
        for block in blocks {
            let number = volume_of(block.0, self.target.volume_events);
            if number != self.expected.number {
                self.volume(Some(block.0))?;
                self.expected.number = number;
            }
            // Each block once, in order, whatever was gone over again.
            if self
                .expected
                .blocks
                .last()
                .is_none_or(|last| last.0 < block.0)
            {
                self.expected.blocks.push(*block);
            }
        }
        Ok(())
    }

    /// Looks at the volume of the expected blocks; `next` is the first position of the one after it.
    fn volume(&mut self, next: Option<u64>) -> Result<(), Stopped> {
        let Expected { number, blocks } = std::mem::take(&mut self.expected);
        if blocks.is_empty() {
            return Ok(());
        }
        if let Some(reason) = self.target.copy.bad()
            && !self.copy_told
        {
            self.copy_told = true;
            let why = "it is made anew when the log is opened next";
            self.found(
                ScrubbedPart::SecondCopy,
                format!("the second copy is bad: {reason}"),
                ScrubOutcome::Unhealed(why.to_owned()),
            );
        }
        if let Some(next) = next {
            self.wait_for_copy(next)?;
        }
        // Once a block of the next one is synced, nothing writes to a volume any more.
        let closed = next.is_some_and(|next| self.target.copy.synced() >= next);
        let lacking = self.lacking(number, blocks.clone(), closed)?;
        let (Some(first), Some(last)) = (lacking.first(), lacking.last()) else {
            return Ok(());
        };
        let what = format!(
            "volume {number} of the second copy lacks {} blocks between positions {} and {}",
            lacking.len(),
            first.0,
            last.0
        );
        if !closed && self.target.copy.bad().is_some() {
            return Ok(());
        }
        let made = if closed {
            repair::closed_volume(self.target, number, &mut self.pace)
        } else {
            repair::newest_volume(self.target, number, &lacking, &mut self.pace)
        };
        let why = match made {
            Err(NotMade::Stopped) => return Err(Stopped),
            Err(NotMade::Failed(why)) => Some(why),
            Err(NotMade::Lost(position)) => Some(format!("position {position} is lost")),
            Ok(()) => match self.lacking(number, blocks, closed)?.len() {
                0 => None,
                still => {
                    if !closed {
                        // What goes into it goes nowhere.
                        self.target.copy.mark_bad(&what);
                    }
                    Some(format!("filled again, it lacks {still} blocks"))
                }
            },
        };
        let outcome = match why {
            None if closed => ScrubOutcome::Healed(format!(
                "made volume {number} anew from the journal; the old one is in {}",
                crate::open::ASIDE_DIR
            )),
            None => {
                // Opening it, sled may drop what follows the damaged place in its file.
                self.target.shared.view.distrust();
                ScrubOutcome::Healed("put them in again from the journal".to_owned())
            }
            Some(why) => ScrubOutcome::Unhealed(why),
        };
        self.found(ScrubbedPart::SecondCopy, what, outcome);
        Ok(())
    }

    /// The blocks that a volume does not hold, of those that are synced.
    fn lacking(
        &mut self,
        number: u64,
        mut wanted: Vec<(u64, [u8; 8])>,
        closed: bool,
    ) -> Result<Vec<(u64, [u8; 8])>, Stopped> {
        let synced = self.target.copy.synced();
        if !closed {
            // The last of these may reach beyond what is synced.
            let count = wanted.partition_point(|block| block.0 <= synced);
            wanted.truncate(count);
            if synced < self.report.position {
                wanted.pop();
            }
        }
        let path = file_path(&self.target.dir, number);
        if closed && let Ok(file) = File::open(&path) {
            forget_cached(&file);
        }
        for _ in 0..if closed { 1 } else { SEARCH_TRIES } {
            let mut found = vec![false; wanted.len()];
            let pace = &mut self.pace;
            let carved = carve_paced(&path, &mut |bytes| pace.step(bytes), &mut |header, _, _| {
                let block = (header.first_position, front(&header.hash));
                if let Ok(number) = wanted.binary_search(&block) {
                    found[number] = true;
                }
            });
            match carved {
                Ok(true) => {}
                Ok(false) => return Err(Stopped),
                Err(error) => tracing::warn!(%error, number, "a volume cannot be read"),
            }
            let mut found = found.into_iter();
            wanted.retain(|_| found.next() != Some(true));
            if wanted.is_empty() {
                break;
            }
        }
        Ok(wanted)
    }

    // The index.

    fn index(&mut self) -> Result<(), Stopped> {
        let pace = &mut self.pace;
        let index = &self.target.shared.view.index;
        let Some(findings) = index.check_files(&mut |bytes| pace.step(bytes)) else {
            return Err(Stopped);
        };
        for (what, made) in findings {
            let outcome = match made {
                Ok(()) => ScrubOutcome::Healed("made it again from the journal".to_owned()),
                Err(error) => ScrubOutcome::Unhealed(error.to_string()),
            };
            self.found(ScrubbedPart::Index, what, outcome);
        }
        Ok(())
    }
}
