//! What a policy set says of leads.

use serde::{Deserialize, Serialize};

use super::PERIOD_DAYS_MAX;
use crate::lead_source::INVALID_MAX;

/// How leads are kept from being misused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leads {
    /// Leads found invalid within `invalid_days` after which a person submits none for a while.
    pub invalid_max: u32,
    /// Days that an invalid lead counts.
    pub invalid_days: u32,
    /// Days from its closing until a lead may be archived and its matter told anew.
    pub archive_days: u32,
}

impl Leads {
    /// Every bound holds.
    pub(super) fn check(self) -> Result<(), String> {
        if !(1..=INVALID_MAX).contains(&(self.invalid_max as usize)) {
            return Err(format!("leads: invalid_max: 1 to {INVALID_MAX}"));
        }
        for (name, days) in [
            ("invalid_days", self.invalid_days),
            ("archive_days", self.archive_days),
        ] {
            if days > PERIOD_DAYS_MAX {
                return Err(format!("leads: {name}: at most {PERIOD_DAYS_MAX}"));
            }
        }
        Ok(())
    }
}
