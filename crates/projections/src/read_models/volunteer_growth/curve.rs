//! The growth curve and the retention of those who joined in one month.
//!
//! Active is who is a member and did something that was verified within [`ACTIVE_DAYS`] days.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, TimeZone as _};
use domain::Instant;
use domain::ids::PersonId;

use super::Community;
use crate::read_models::members::{Month, Record};

/// Within how many days, the last one included, somebody must have done something to be active.
pub const ACTIVE_DAYS: u64 = 30;
/// Most months that one question covers: twenty years.
pub const MONTHS_MAX: usize = 240;
/// Most months that are looked through for the last of them: a century.
const HISTORY_MONTHS_MAX: usize = 1_200;
/// Months for which those who joined in one month are followed, that month included.
pub const RETENTION_MONTHS_MAX: usize = 60;

/// A month of the curve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Growth {
    /// Taken in during it.
    pub joined: u64,
    /// Left during it.
    pub left: u64,
    /// Members at its end, or at the date of the report if that is earlier; what `active` is of.
    pub members: u64,
    /// Of those, who is active then.
    pub active: u64,
}

impl Growth {
    /// Adds another community.
    pub fn add(&mut self, other: &Self) {
        self.joined += other.joined;
        self.left += other.left;
        self.members += other.members;
        self.active += other.active;
    }
}

/// Those who joined for the first time in one month, at the end of a later one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retained {
    /// Still, or again, members.
    pub members: u64,
    /// Of those, active.
    pub active: u64,
}

/// Those who joined for the first time in one month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cohort {
    /// How many; what every number of `months` is of.
    pub joined: u64,
    /// At the end of that month and of each after it, at most [`RETENTION_MONTHS_MAX`].
    pub months: Vec<Retained>,
}

impl Cohort {
    /// Adds those of another community.
    pub fn add(&mut self, other: &Self) {
        self.joined += other.joined;
        let longer = self.months.len().max(other.months.len());
        self.months.resize(longer, Retained::default());
        for (mine, theirs) in self.months.iter_mut().zip(&other.months) {
            mine.members += theirs.members;
            mine.active += theirs.active;
        }
    }
}

/// What is asked: months, both included, as of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The first month; the first in which somebody joined if absent, at most [`MONTHS_MAX`] back.
    pub from: Option<Month>,
    /// The last month; that of `as_of` if absent or later.
    pub until: Option<Month>,
    /// What happened later is left out.
    pub as_of: Instant,
}

/// The first instant of a month in a zone of time.
fn begin(month: Month, zone: chrono_tz::Tz) -> Option<Instant> {
    let midnight = NaiveDate::from_ymd_opt(month.year, month.month, 1)?.and_hms_opt(0, 0, 0)?;
    // Where a clock is put forward at midnight, the day begins an hour later.
    let local = zone.from_local_datetime(&midnight).earliest();
    let local = local.or_else(|| {
        let later = midnight + chrono::Duration::hours(1);
        zone.from_local_datetime(&later).earliest()
    });
    local.map(|local| local.to_utc())
}

/// When a member joined and left, told by turns, rising: joined first.
fn turns(record: &Record, as_of: Instant) -> Vec<Instant> {
    let mut turns = Vec::new();
    for (at, standing, _) in &record.history {
        // An odd number of turns means that they are in.
        if *at <= as_of && standing.is_member() == turns.len().is_multiple_of(2) {
            turns.push(*at);
        }
    }
    turns
}

fn is_in(turns: &[Instant], at: Instant) -> bool {
    !turns.partition_point(|turn| *turn <= at).is_multiple_of(2)
}

impl Community {
    fn is_active(&self, person: PersonId, last: NaiveDate) -> bool {
        let first = last.checked_sub_days(Days::new(ACTIVE_DAYS - 1));
        let first = first.unwrap_or(NaiveDate::MIN);
        let acts = self.acts.get(&person);
        acts.is_some_and(|acts| acts.0.range(first..=last).next().is_some())
    }

    /// The curve by month, without gaps, and those who joined in each month, both within what is
    /// asked. At most [`MONTHS_MAX`] months.
    pub fn curve(&self, asked: &Asked) -> (BTreeMap<Month, Growth>, BTreeMap<Month, Cohort>) {
        let (mut curve, mut cohorts) = (BTreeMap::new(), BTreeMap::<Month, Cohort>::new());
        let Some(zone) = self.zone else {
            return (curve, cohorts);
        };
        let records = self.membership.records.iter();
        let people: Vec<_> = records
            .map(|(person, record)| (*person, turns(record, asked.as_of)))
            .filter(|(_, turns)| !turns.is_empty())
            .collect();
        let earliest = people.iter().filter_map(|(_, turns)| turns.first()).min();
        let Some(earliest) = earliest.map(|at| Month::of(*at, zone)) else {
            return (curve, cohorts);
        };
        let present = Month::of(asked.as_of, zone);
        let first = asked.from.unwrap_or(earliest);
        let last = asked.until.map_or(present, |until| until.min(present));
        let months = std::iter::successors(Some(first), |month| Some(month.next()));
        let mut months: Vec<_> = months
            .take_while(|month| *month <= last)
            .take(HISTORY_MONTHS_MAX)
            .collect();
        if asked.from.is_some() {
            months.truncate(MONTHS_MAX);
        } else {
            months.drain(..months.len().saturating_sub(MONTHS_MAX));
        }
        let end = |month: Month| {
            let end =
                begin(month.next(), zone).map(|next| next - chrono::Duration::microseconds(1));
            end.map_or(asked.as_of, |end| end.min(asked.as_of))
        };
        let ends: Vec<_> = months
            .iter()
            .map(|month| {
                let end = end(*month);
                (*month, end, end.with_timezone(&zone).date_naive())
            })
            .collect();
        curve.extend(months.iter().map(|month| (*month, Growth::default())));
        for (person, turns) in &people {
            for (n, turn) in turns.iter().enumerate() {
                if let Some(growth) = curve.get_mut(&Month::of(*turn, zone)) {
                    growth.joined += u64::from(n % 2 == 0);
                    growth.left += u64::from(n % 2 == 1);
                }
            }
            for (month, end, day) in &ends {
                if let Some(growth) = curve.get_mut(month).filter(|_| is_in(turns, *end)) {
                    growth.members += 1;
                    growth.active += u64::from(self.is_active(*person, *day));
                }
            }
            let joined = turns.first().map(|at| Month::of(*at, zone));
            let Some(joined) = joined.filter(|month| curve.contains_key(month)) else {
                continue;
            };
            let cohort = cohorts.entry(joined).or_default();
            cohort.joined += 1;
            let followed = ends.iter().filter(|(month, ..)| *month >= joined);
            for (n, (_, end, day)) in followed.take(RETENTION_MONTHS_MAX).enumerate() {
                if cohort.months.len() == n {
                    cohort.months.push(Retained::default());
                }
                if let Some(retained) = cohort.months.get_mut(n).filter(|_| is_in(turns, *end)) {
                    retained.members += 1;
                    retained.active += u64::from(self.is_active(*person, *day));
                }
            }
        }
        (curve, cohorts)
    }
}
