//! Award: what a rule gives for an activity. Pure, integers only, so that a what-if can ask it too.
//!
//! Owns the arithmetic of caps and the calendar periods they hold for. Never knows an account.

use chrono::{Datelike, NaiveDate};

use crate::account::Activity;
use crate::policy_set::{Period, Rule};

/// What a rule gives, what of it is granted, and what a cap kept back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awarded {
    /// What the rule gives.
    pub computed: u32,
    /// What is granted.
    pub granted: u32,
    /// What a cap kept back.
    pub forgone: u32,
    /// In a sentence.
    pub why: String,
}

/// What a rule gives for an activity. `already_granted` says how much this person was granted by
/// the rule in the period of this kind in which the activity lies.
pub fn award(rule: &Rule, activity: &Activity, already_granted: impl Fn(Period) -> u32) -> Awarded {
    let (code, minutes) = (&rule.code, activity.minutes);
    if minutes < rule.minutes_min {
        let least = rule.minutes_min;
        return Awarded {
            computed: 0,
            granted: 0,
            forgone: 0,
            why: format!("{code} needs {least} verified minutes; this has {minutes}."),
        };
    }
    let computed = rule.points;
    let room = |cap: &crate::policy_set::Cap| {
        let left = cap.points.saturating_sub(already_granted(cap.period));
        (left, *cap)
    };
    let tightest = rule.caps.iter().map(room).min_by_key(|(left, _)| *left);
    match tightest {
        Some((left, cap)) if left < computed => Awarded {
            computed,
            granted: left,
            forgone: computed - left,
            why: format!(
                "{code} gives {computed}; the cap of {} a {} left {left}.",
                cap.points,
                name(cap.period)
            ),
        },
        _ => Awarded {
            computed,
            granted: computed,
            forgone: 0,
            why: format!("{code} gives {computed}."),
        },
    }
}

fn name(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
        Period::Year => "year",
    }
}

/// The period in which a day of the unit's zone lies: `2024-07-01`, `2024-W27` (weeks of ISO 8601,
/// from Monday), `2024-07`, `2024`.
pub fn period_key(period: Period, day: NaiveDate) -> String {
    match period {
        Period::Day => day.to_string(),
        Period::Week => {
            let week = day.iso_week();
            format!("{}-W{:02}", week.year(), week.week())
        }
        Period::Month => format!("{}-{:02}", day.year(), day.month()),
        Period::Year => day.year().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_set::{ActivityFamily, Cap};
    use crate::testing::{at, id};

    fn rule(points: u32, minutes_min: u32, caps: &[(Period, u32)]) -> Rule {
        let cap = |(period, points): &(Period, u32)| Cap {
            period: *period,
            points: *points,
        };
        Rule {
            code: "PATROL".to_owned(),
            family: ActivityFamily::Patrol,
            points,
            minutes_min,
            vesting_days: 7,
            expiry_months: None,
            who_may_earn: Vec::new(),
            caps: caps.iter().map(cap).collect(),
        }
    }

    fn activity(minutes: u32) -> Activity {
        Activity {
            family: ActivityFamily::Patrol,
            id: id(1),
            fact: 1,
            occurred_at: at("2024-07-01T12:00:00Z"),
            unit: id(101),
            minutes,
            verified_by: id(2),
        }
    }

    #[track_caller]
    fn check(
        rule: &Rule,
        minutes: u32,
        already: &[(Period, u32)],
        expected: (u32, u32, u32, &str),
    ) {
        let granted = |period| {
            let found = already.iter().find(|(other, _)| *other == period);
            found.map_or(0, |(_, points)| *points)
        };
        let awarded = award(rule, &activity(minutes), granted);
        let (computed, granted, forgone, why) = expected;
        let expected = Awarded {
            computed,
            granted,
            forgone,
            why: why.to_owned(),
        };
        assert_eq!(awarded, expected);
    }

    #[test]
    fn a_rule_gives_its_points_from_the_least_minutes_on() {
        let needs_30 = rule(50, 30, &[]);
        let short = "PATROL needs 30 verified minutes; this has 29.";
        check(&needs_30, 29, &[], (0, 0, 0, short));
        check(&needs_30, 30, &[], (50, 50, 0, "PATROL gives 50."));
        check(&rule(50, 0, &[]), 0, &[], (50, 50, 0, "PATROL gives 50."));
    }

    #[test]
    fn the_least_room_of_all_caps_is_granted_and_the_rest_is_forgone() {
        use Period::{Day, Month, Week, Year};
        let capped = rule(
            50,
            0,
            &[(Day, 100), (Week, 200), (Month, 500), (Year, 1_000)],
        );
        let whole = "PATROL gives 50.";
        check(&capped, 0, &[], (50, 50, 0, whole));
        check(&capped, 0, &[(Day, 50), (Week, 150)], (50, 50, 0, whole));
        let day = "PATROL gives 50; the cap of 100 a day left 20.";
        check(&capped, 0, &[(Day, 80)], (50, 20, 30, day));
        let week = "PATROL gives 50; the cap of 200 a week left 10.";
        check(&capped, 0, &[(Day, 80), (Week, 190)], (50, 10, 40, week));
        let month = "PATROL gives 50; the cap of 500 a month left 0.";
        check(&capped, 0, &[(Month, 500)], (50, 0, 50, month));
        let year = "PATROL gives 50; the cap of 1000 a year left 0.";
        check(&capped, 0, &[(Year, 1_200)], (50, 0, 50, year));
    }

    #[test]
    fn weeks_begin_on_monday_and_belong_to_the_year_of_their_thursday() {
        let keys = |year, month, day| {
            let day = NaiveDate::from_ymd_opt(year, month, day).expect("a date");
            [Period::Day, Period::Week, Period::Month, Period::Year]
                .map(|period| period_key(period, day))
        };
        let sunday = ["2024-06-30", "2024-W26", "2024-06", "2024"];
        assert_eq!(keys(2024, 6, 30), sunday);
        let monday = ["2024-07-01", "2024-W27", "2024-07", "2024"];
        assert_eq!(keys(2024, 7, 1), monday);
        let new_year = ["2024-12-30", "2025-W01", "2024-12", "2024"];
        assert_eq!(keys(2024, 12, 30), new_year);
    }
}
