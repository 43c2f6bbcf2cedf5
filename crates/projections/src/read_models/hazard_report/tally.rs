//! Counting hazards: what each rate is of, and how the days since a kind was seen are told.

use std::collections::{BTreeMap, BTreeSet};

use domain::Instant;
use domain::hazard::HazardLevel;
use domain::ids::UnitId;

use super::{HazardReport, Life, Step};
use crate::build::Build;
use crate::read_models::units::Succession;

/// Which hazards, and as of when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these units; all if absent.
    pub units: Option<BTreeSet<UnitId>>,
    /// Who took over from units that ended.
    pub succession: Succession,
    /// Of exactly this kind.
    pub kind: Option<String>,
    /// Imported from this source.
    pub source: Option<String>,
    /// What happened counts from then on; open and overdue are of `as_of` alone.
    pub from: Option<Instant>,
    /// What happened later is left out.
    pub as_of: Instant,
}

impl Filter {
    fn asks_for(&self, life: &Life) -> bool {
        self.kind.as_ref().is_none_or(|kind| *kind == life.kind)
            && self
                .source
                .as_ref()
                .is_none_or(|source| life.source.as_ref() == Some(source))
    }

    fn in_period(&self, at: Instant) -> bool {
        self.from.is_none_or(|from| from <= at)
    }
}

/// The counts of some hazards. Every rate stands as its numerator and its denominator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Reported in the period, duplicates and those found to be none left out.
    pub reported: u64,
    /// Open and verified as general.
    pub open_general: u64,
    /// Open and verified as major.
    pub open_major: u64,
    /// Open and not verified.
    pub open_unverified: u64,
    /// Open with a deadline; what `overdue` is of.
    pub open_with_deadline: u64,
    /// Of those, the deadline has passed and nobody had claimed by then that it is rectified.
    pub overdue: u64,
    /// Re-inspections in the period; what `reinspections_failed` is of.
    pub reinspections: u64,
    /// Of those, the ones that failed.
    pub reinspections_failed: u64,
    /// Closings in the period, of either sort; what `recurred` is of.
    pub closed: u64,
    /// Of those, the ones that the source of an import did.
    pub closed_by_source: u64,
    /// Of the closings, those after which the hazard was there again by the date of the report.
    pub recurred: u64,
    /// When one of the kind was last seen, reported or there again.
    pub last_seen: Option<Instant>,
    /// When one that had been closed was last there again.
    pub last_recurred: Option<Instant>,
    /// When one was first seen.
    pub first_seen: Option<Instant>,
}

impl Tally {
    /// Open in all.
    pub fn open(&self) -> u64 {
        self.open_general + self.open_major + self.open_unverified
    }

    /// Whole days without recurrence at an instant: since the last one, or since the first hazard
    /// was seen if none ever came back.
    pub fn recurrence_free_days(&self, as_of: Instant) -> Option<u64> {
        days(self.last_recurred.or(self.first_seen), as_of)
    }

    /// Whole days since one of the kind was last seen.
    pub fn days_since_seen(&self, as_of: Instant) -> Option<u64> {
        days(self.last_seen, as_of)
    }

    /// Adds other hazards.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.reported, other.reported),
            (&mut self.open_general, other.open_general),
            (&mut self.open_major, other.open_major),
            (&mut self.open_unverified, other.open_unverified),
            (&mut self.open_with_deadline, other.open_with_deadline),
            (&mut self.overdue, other.overdue),
            (&mut self.reinspections, other.reinspections),
            (&mut self.reinspections_failed, other.reinspections_failed),
            (&mut self.closed, other.closed),
            (&mut self.closed_by_source, other.closed_by_source),
            (&mut self.recurred, other.recurred),
        ] {
            *mine += theirs;
        }
        self.last_seen = self.last_seen.max(other.last_seen);
        self.last_recurred = self.last_recurred.max(other.last_recurred);
        self.first_seen = match (self.first_seen, other.first_seen) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
    }
}

fn days(since: Option<Instant>, as_of: Instant) -> Option<u64> {
    u64::try_from((as_of - since?).num_days()).ok()
}

/// Where a hazard stands while its life is told.
#[derive(Default)]
struct Told {
    open: bool,
    dismissed: bool,
    level: Option<HazardLevel>,
    due: Option<Instant>,
    claimed: Option<Instant>,
    /// The last closing counts in the period and nothing has come after it.
    closing_counts: bool,
}

/// The counts of one hazard.
fn told(life: &Life, filter: &Filter) -> Tally {
    let mut tally = Tally::default();
    let mut now = Told::default();
    let mut reported_in_period = false;
    // The counts before it was there again, and whether its last closing counts.
    let mut before: Option<(Tally, bool)> = None;
    let steps = life.steps.iter();
    for &(at, step) in steps.take_while(|(at, _)| *at <= filter.as_of) {
        let counts = filter.in_period(at);
        match step {
            Step::Reported => {
                now.open = true;
                reported_in_period = counts;
                tally.first_seen = Some(at);
                tally.last_seen = Some(at);
            }
            Step::Verified(level) => now.level = Some(level),
            Step::Dismissed => {
                if let Some((counted, closing_counts)) = before.take() {
                    // It was not there again: what came before stays.
                    tally = counted;
                    now = Told {
                        closing_counts,
                        ..Told::default()
                    };
                } else {
                    (now.open, now.dismissed) = (false, true);
                }
            }
            Step::Referred => now.open = false,
            Step::Returned => {
                now.open = true;
                // A deadline that passed while another authority had it is none of ours.
                now.due = now.due.filter(|due| *due >= at);
            }
            Step::Due(due) => now.due = Some(due),
            Step::Claimed => now.claimed = Some(at),
            Step::Passed | Step::Failed => {
                tally.reinspections += u64::from(counts);
                if step == Step::Failed {
                    tally.reinspections_failed += u64::from(counts);
                    now.claimed = None;
                }
            }
            Step::ClosedOut | Step::ClosedBySource => {
                now.open = false;
                now.closing_counts = counts;
                tally.closed += u64::from(counts);
                tally.closed_by_source += u64::from(counts && step == Step::ClosedBySource);
            }
            Step::Recurred => {
                before = Some((tally, now.closing_counts));
                tally.recurred += u64::from(now.closing_counts);
                tally.last_recurred = Some(at);
                tally.last_seen = Some(at);
                now = Told {
                    open: true,
                    ..Told::default()
                };
            }
        }
    }
    if now.dismissed {
        // It was none: it is counted nowhere, and nothing was seen.
        return Tally::default();
    }
    tally.reported = u64::from(reported_in_period);
    if now.open {
        match now.level {
            Some(HazardLevel::General) => tally.open_general = 1,
            Some(HazardLevel::Major) => tally.open_major = 1,
            None => tally.open_unverified = 1,
        }
        if let Some(due) = now.due {
            tally.open_with_deadline = 1;
            let in_time = now.claimed.is_some_and(|claimed| claimed <= due);
            tally.overdue = u64::from(due < filter.as_of && !in_time);
        }
    }
    tally
}

impl Build<HazardReport> {
    /// The counts of the hazards asked for, by the unit that answers for them and by kind.
    pub fn tally(&self, filter: &Filter) -> BTreeMap<(UnitId, String), Tally> {
        let mut rows = BTreeMap::<(UnitId, String), Tally>::new();
        let slots = self.partitions.iter();
        for (_, slot) in slots {
            let Some(life) = slot.as_ref().filter(|life| filter.asks_for(life)) else {
                continue;
            };
            let owner = filter.succession.owner(&life.given, life.unit);
            let units = filter.units.as_ref();
            if !units.is_none_or(|units| units.contains(&owner)) {
                continue;
            }
            let counted = told(life, filter);
            if counted != Tally::default() {
                let row = rows.entry((owner, life.kind.clone())).or_default();
                row.add(&counted);
            }
        }
        rows
    }
}
