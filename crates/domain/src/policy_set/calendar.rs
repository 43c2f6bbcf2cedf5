//! Working days: which days are, and when a number of them has passed.

use chrono::{Datelike as _, NaiveDate, NaiveTime, Weekday};
use serde::{Deserialize, Serialize};

use crate::envelope::Instant;

/// Longest time that a policy set may name in working days.
pub const WORKING_DAYS_MAX: u32 = 366;

/// Which days are working days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Days off beside weekends (`YYYY-MM-DD`).
    #[serde(default)]
    pub holidays: Vec<NaiveDate>,
    /// Weekend days that are worked.
    #[serde(default)]
    pub working_weekends: Vec<NaiveDate>,
}

impl Calendar {
    /// True if it is worked on this day. What is named as both a holiday and worked is off.
    pub fn is_working(&self, day: NaiveDate) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        !self.holidays.contains(&day) && (!weekend || self.working_weekends.contains(&day))
    }

    /// The end of the last of so many whole working days after the day of `from` in a zone: the day
    /// itself does not count. A count beyond [`WORKING_DAYS_MAX`] is taken as that.
    pub fn working_days_after(&self, from: Instant, count: u32, zone: chrono_tz::Tz) -> Instant {
        let mut day = from.with_timezone(&zone).date_naive();
        let mut left = count.min(WORKING_DAYS_MAX);
        // Nothing is due beyond the last day there is.
        while let Some(next) = day.succ_opt() {
            if left == 0 {
                return midnight(next, zone);
            }
            day = next;
            left -= u32::from(self.is_working(day));
        }
        midnight(day, zone)
    }
}

/// The instant at which a day begins in a zone; a midnight that the zone leaves out is taken in
/// UTC.
pub(crate) fn midnight(day: NaiveDate, zone: chrono_tz::Tz) -> Instant {
    let midnight = day.and_time(NaiveTime::MIN);
    let local = midnight.and_local_timezone(zone).earliest();
    local.map_or_else(|| midnight.and_utc(), |at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    /// National Day of 2024: off from Tuesday 1 to Monday 7 October, worked on Sunday 29 September
    /// and Saturday 12 October.
    fn october() -> Calendar {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
        Calendar {
            holidays: (1..=7).map(|n| day(&format!("2024-10-0{n}"))).collect(),
            working_weekends: vec![day("2024-09-29"), day("2024-10-12")],
        }
    }

    #[test]
    fn working_days_leave_out_weekends_and_holidays_and_take_in_worked_weekends() {
        let zone = chrono_tz::Asia::Shanghai;
        for (from, count, due) in [
            // A Wednesday: Thursday, Friday.
            ("2024-02-07T02:00:00Z", 2, "2024-02-09T16:00:00Z"),
            // A Friday: Monday, Tuesday.
            ("2024-02-02T02:00:00Z", 2, "2024-02-06T16:00:00Z"),
            // Still the Friday in UTC, but the Saturday in the zone.
            ("2024-02-02T20:00:00Z", 1, "2024-02-05T16:00:00Z"),
            // The day itself, whatever it is.
            ("2024-02-02T02:00:00Z", 0, "2024-02-02T16:00:00Z"),
            // The Friday before: the worked Sunday and the Monday.
            ("2024-09-27T02:00:00Z", 2, "2024-09-30T16:00:00Z"),
            // The Monday before: the Tuesday and the Wednesday after the holidays.
            ("2024-09-30T02:00:00Z", 2, "2024-10-09T16:00:00Z"),
            // The worked Saturday.
            ("2024-10-11T02:00:00Z", 1, "2024-10-12T16:00:00Z"),
        ] {
            let found = october().working_days_after(at(from), count, zone);
            assert_eq!(found, at(due), "{count} after {from}");
        }
    }

    #[test]
    fn a_calendar_without_any_working_day_ends() {
        let from = at("2024-02-02T02:00:00Z");
        let zone = chrono_tz::UTC;
        let day = |n: u64| from.date_naive() + chrono::Days::new(n);
        let off = Calendar {
            holidays: (0..3_000).map(day).collect(),
            working_weekends: Vec::new(),
        };
        let due = off.working_days_after(from, 1, zone);
        assert!(due > from + chrono::Duration::days(3_000));
    }
}
