//! The rules of redemption that a policy set gives.

use serde::{Deserialize, Serialize};

use crate::policy_set::PERIOD_DAYS_MAX;

/// How long things are held, and how long they can come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedemptionRules {
    /// Minutes to confirm a reservation.
    pub hold_minutes: u32,
    /// Days to pick it up after that.
    pub pickup_days: u32,
    /// Days to return it after the hand-over.
    pub return_days: u32,
}

impl RedemptionRules {
    /// Every bound holds.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, value, most) in [
            ("hold_minutes", self.hold_minutes, 24 * 60),
            ("pickup_days", self.pickup_days, PERIOD_DAYS_MAX),
            ("return_days", self.return_days, PERIOD_DAYS_MAX),
        ] {
            if value > most {
                return Err(format!("redemption: {name}: at most {most}"));
            }
        }
        Ok(())
    }
}
