//! The rules of redemption that a policy set gives.

use serde::{Deserialize, Serialize};

use crate::policy_set::PERIOD_DAYS_MAX;

/// How long things are held, and how long they can come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedemptionRules {
    /// Minutes to confirm a reservation, from 1.
    pub hold_minutes: u32,
    /// Days to pick it up after that, from 1.
    pub pickup_days: u32,
    /// Days to return it after the hand-over.
    pub return_days: u32,
}

impl RedemptionRules {
    /// Every bound holds.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, value, least, most) in [
            ("hold_minutes", self.hold_minutes, 1, 24 * 60),
            ("pickup_days", self.pickup_days, 1, PERIOD_DAYS_MAX),
            ("return_days", self.return_days, 0, PERIOD_DAYS_MAX),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("redemption: {name}: {least} to {most}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_which_nobody_can_act_is_refused_and_no_return_at_all_is_not() {
        let rules = |hold_minutes, pickup_days, return_days| RedemptionRules {
            hold_minutes,
            pickup_days,
            return_days,
        };
        assert_eq!(rules(1, 1, 0).check(), Ok(()));
        assert_eq!(
            rules(1440, PERIOD_DAYS_MAX, PERIOD_DAYS_MAX).check(),
            Ok(())
        );
        for out in [
            rules(0, 7, 14),
            rules(15, 0, 14),
            rules(1441, 7, 14),
            rules(15, PERIOD_DAYS_MAX + 1, 14),
            rules(15, 7, PERIOD_DAYS_MAX + 1),
        ] {
            assert!(out.check().is_err(), "{out:?}");
        }
    }
}
