//! Cells by weekday and hour: what was found there in some days, and in as many days before.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike as _, Days, NaiveDate};
use domain::ids::{UnitId, ZoneId};

use super::{GRID_E7, GridCell, HotSpots, Hour, Sums};
use crate::build::Build;

/// Side of a cell where the caller does not say, in 1e-7 degree: 0.005°, some 556 m.
pub const CELL_E7_DEFAULT: i32 = 50_000;
/// Longest side of a cell, in 1e-7 degree: 1°.
pub const CELL_E7_MAX: i32 = 10_000_000;
/// Most days of a period.
pub const PERIOD_DAYS_MAX: u64 = 3_660;

/// Which days, both included, and how large cells are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    first: NaiveDate,
    last: NaiveDate,
    before: NaiveDate,
    cells: i32,
}

/// Why a question is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAsked {
    /// The last day is before the first, or there are more than [`PERIOD_DAYS_MAX`].
    Period,
    /// The side is no multiple of [`GRID_E7`] from that to [`CELL_E7_MAX`].
    CellSize,
}

impl Asked {
    /// Days from the first to the last, and cells of this side in 1e-7 degree.
    ///
    /// # Errors
    /// [`NotAsked`] names what is wrong.
    pub fn new(first: NaiveDate, last: NaiveDate, cell_e7: i32) -> Result<Self, NotAsked> {
        let days = u64::try_from((last - first).num_days()).map_err(|_| NotAsked::Period)? + 1;
        let before = first.checked_sub_days(Days::new(days));
        let before = before.filter(|_| days <= PERIOD_DAYS_MAX);
        if cell_e7 % GRID_E7 != 0 || !(GRID_E7..=CELL_E7_MAX).contains(&cell_e7) {
            return Err(NotAsked::CellSize);
        }
        Ok(Self {
            first,
            last,
            before: before.ok_or(NotAsked::Period)?,
            cells: cell_e7 / GRID_E7,
        })
    }

    /// The last day.
    pub const fn last(&self) -> NaiveDate {
        self.last
    }

    /// The first day of the period before, which is as long and ends the day before the first.
    pub const fn before(&self) -> NaiveDate {
        self.before
    }

    /// Whether a day is of the period (`Some(true)`), of the one before, or of neither.
    fn period(&self, day: NaiveDate) -> Option<bool> {
        (day <= self.last && day >= self.before).then_some(day >= self.first)
    }

    fn coarse(&self, cell: GridCell) -> GridCell {
        GridCell {
            north: cell.north.div_euclid(self.cells) * self.cells,
            east: cell.east.div_euclid(self.cells) * self.cells,
        }
    }
}

/// An hour of a weekday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeekHour {
    /// 1 is Monday, 7 Sunday.
    pub weekday: u8,
    /// The local hour, 0..=23.
    pub hour: u8,
}

impl WeekHour {
    fn of(hour: Hour) -> Self {
        Self {
            weekday: u8::try_from(hour.day.weekday().number_from_monday()).unwrap_or_default(),
            hour: hour.hour,
        }
    }
}

/// A cell at an hour of a weekday in a unit. The cell is its south-west corner, in sides of
/// [`GRID_E7`].
pub type SpotKey = (UnitId, GridCell, WeekHour);

/// How much there was in the period and in the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// In the period.
    pub now: u64,
    /// In the one before.
    pub before: u64,
}

impl Amount {
    fn add(&mut self, of_period: bool, amount: u64) {
        let sum = if of_period {
            &mut self.now
        } else {
            &mut self.before
        };
        *sum += amount;
    }
}

/// What was found, and what was patrolled.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heat {
    /// Hazards, by unit, cell, weekday and hour.
    pub spots: BTreeMap<SpotKey, Amount>,
    /// Hazards in all whose place is not known.
    pub nowhere: Amount,
    /// Person-seconds of verified patrol, by community, weekday, hour and zone. Patrols are known by
    /// zone and not by cell: which zones a cell touches, their drawing says.
    pub patrolled: BTreeMap<(UnitId, WeekHour), BTreeMap<ZoneId, Amount>>,
}

impl Heat {
    fn take(&mut self, unit: UnitId, sums: &Sums, asked: &Asked) {
        let from = Hour {
            day: asked.before,
            hour: 0,
        };
        let first = GridCell {
            north: i32::MIN,
            east: i32::MIN,
        };
        for ((hour, cell), count) in sums.hazards.range((from, first)..) {
            let Some(of_period) = asked.period(hour.day) else {
                break;
            };
            let key = (unit, asked.coarse(*cell), WeekHour::of(*hour));
            self.spots.entry(key).or_default().add(of_period, *count);
        }
        for (hour, count) in sums.nowhere.range(from..) {
            let Some(of_period) = asked.period(hour.day) else {
                break;
            };
            self.nowhere.add(of_period, *count);
        }
        let zone = ZoneId(uuid::Uuid::nil());
        for ((hour, zone), seconds) in sums.patrolled.range((from, zone)..) {
            let Some(of_period) = asked.period(hour.day) else {
                break;
            };
            let zones = self.patrolled.entry((unit, WeekHour::of(*hour)));
            let sum = zones.or_default().entry(*zone).or_default();
            sum.add(of_period, *seconds);
        }
    }
}

impl Build<HotSpots> {
    /// What was found in these units (all if absent).
    pub fn heat(&self, units: Option<&BTreeSet<UnitId>>, asked: &Asked) -> Heat {
        let mut heat = Heat::default();
        for (unit, sums) in &self.index().0 {
            if units.is_none_or(|units| units.contains(unit)) {
                heat.take(*unit, sums, asked);
            }
        }
        heat
    }
}
