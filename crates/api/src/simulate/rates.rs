//! How often things happen: the one table, with where each number comes from.
//!
//! The source is the volume model of a mature community with 481 volunteers (`domain.md` §7): items
//! a year, events of each, events a day. What it has and this version has no aggregates for is left
//! out: 110 incidents, 12345 tickets, councils, desk requests, care visits, duty rosters, together
//! some 130 of its 490 events a day.

use domain::Instant;

/// What happens by itself in a mature community, each with its items a year.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rate {
    /// Patrol shifts: 6 a day with 3 people and 12 checkpoints; 24 events each.
    Shifts,
    /// Hazards: 3 a day; 8 events each.
    Hazards,
    /// Disputes: twice the national rate; 18 events each.
    Disputes,
    /// Leads: 1 a day; 5 events each.
    Leads,
    /// Campaigns: 3 a week; with [`PARTS`] parts of 4 events each.
    Campaigns,
    /// Redemptions; 5 events each.
    Redemptions,
    /// Volunteers who leave. Assumed: a tenth in a year.
    Leavers,
    /// Trainings that are recorded. Assumed: every second volunteer once a year.
    Trainings,
    /// Households in which volunteers live together. Assumed.
    Households,
}

impl Rate {
    /// Items a year.
    pub(super) const fn a_year(self) -> u64 {
        match self {
            Self::Shifts => 2_190,
            Self::Hazards => 1_095,
            Self::Disputes => 206,
            Self::Leads => 365,
            Self::Campaigns => 156,
            Self::Redemptions => 1_500,
            Self::Leavers => 48,
            Self::Trainings => 240,
            Self::Households => 40,
        }
    }

    /// Thousandths of an item on a day in a community with so many volunteers.
    pub(super) fn today(self, volunteers: usize) -> u64 {
        // A young team is keener than its size: it never does less than a tenth.
        let volunteers = (volunteers as u64).max(MEMBERS_LAST / 10);
        self.a_year() * 1_000 * volunteers / MEMBERS_LAST / 365
    }
}

/// Parts in a campaign of a mature community: 6,926 other volunteer actions in 156 campaigns.
pub(super) const PARTS: usize = 44;
/// People on a shift.
pub(super) const CREW: usize = 3;
/// Thousandths of volunteers on a shift: 9 of the 18 people of a day; the others are on paid duty.
pub(super) const VOLUNTEERS_ON_SHIFT: u64 = 1_500;
/// Checkpoints on the route of a shift.
pub(super) const STOPS: usize = 12;

/// Volunteers at the start (Aug 2022), as the pilot published them.
pub(super) const MEMBERS_FIRST: u64 = 14;
/// Volunteers after two years.
pub(super) const MEMBERS_LAST: u64 = 481;
/// Days over which the pilot grew so.
const GROWTH_DAYS: u64 = 730;
/// Months that a community can have behind it when the simulation begins; the first has none.
pub(super) const MONTHS_BEHIND_MAX: usize = 24;

/// Volunteers of a community on a day of its life: slow at first, as such schemes grow.
pub(super) fn members_at(day: u64) -> u64 {
    let day = day.min(GROWTH_DAYS);
    MEMBERS_FIRST + (MEMBERS_LAST - MEMBERS_FIRST) * day * day / (GROWTH_DAYS * GROWTH_DAYS)
}

/// The first day.
pub(super) fn first_day() -> chrono::NaiveDate {
    chrono::NaiveDate::from_ymd_opt(2023, 1, 1).unwrap_or_default()
}

/// When the log is born: midnight in the communities' zone.
pub(super) fn begins_at() -> Instant {
    super::local(first_day(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_grows_from_14_to_481_in_two_years() {
        assert_eq!(members_at(0), 14);
        assert_eq!(members_at(365), 130);
        assert_eq!(members_at(730), 481);
        assert_eq!(members_at(9_999), 481);
    }

    #[test]
    fn a_mature_community_walks_six_shifts_a_day() {
        assert_eq!(Rate::Shifts.today(481), 6_000);
        assert_eq!(Rate::Shifts.today(0), Rate::Shifts.today(48));
    }
}
