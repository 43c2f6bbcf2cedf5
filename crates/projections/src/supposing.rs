//! What-if: the commits of a log as they would stand under another policy set or zone plan.
//!
//! Owns which model can be asked what, and the walk over the commits in their order. What people
//! reported, claimed, scanned and closed is never changed; only what the rules made of it is.
//! [`hazards`] makes deadlines, breaches and withdrawals anew, [`zones`] the zone of each scan.
//! Writes nothing, and knows no task.

mod hazards;
mod zones;

use std::sync::Arc;

use domain::ids::UnitId;
use domain::policy_set::PolicySet;
use domain::zone_plan::Zone;

use crate::feed::{DecodedCommit, Decoder};
use hazards::Hazards;
use zones::Zones;

/// What is supposed.
#[derive(Debug, Clone)]
pub enum Supposition {
    /// Another policy set.
    Policy {
        /// The set.
        set: Arc<PolicySet>,
        /// In place of the sets of this unit, so also for those below it that have none of their
        /// own; in place of every unit's if absent.
        unit: Option<UnitId>,
    },
    /// Another zone plan.
    Zones {
        /// The community it divides.
        community: UnitId,
        /// Its zones.
        zones: Vec<Zone>,
    },
}

/// What a model's rows follow from that can be supposed to be otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// The policy set, by the deadlines it gives to hazards.
    Policy,
    /// The zone plan, by the zone of each scan.
    Zones,
}

/// The models that can be asked, and what they follow from. Of the others no row follows from a
/// deadline of a hazard or the drawing of a zone.
pub const ASKED: &[(&str, Follows)] = &[
    ("case_board", Follows::Policy),
    ("hazard_report", Follows::Policy),
    ("missed_alarms", Follows::Zones),
    ("patrol_coverage", Follows::Zones),
    ("zones", Follows::Zones),
];

/// What the rows of a model follow from, if it can be asked.
pub fn follows(model: &str) -> Option<Follows> {
    let asked = ASKED.iter().find(|(name, _)| *name == model);
    asked.map(|(_, follows)| *follows)
}

impl Supposition {
    /// What it is about.
    pub fn follows(&self) -> Follows {
        match self {
            Self::Policy { .. } => Follows::Policy,
            Self::Zones { .. } => Follows::Zones,
        }
    }

    /// True if it must see events of this category, whatever the model sees.
    pub(crate) fn wants(&self, category: &str) -> bool {
        match self {
            Self::Policy { .. } => {
                matches!(category, "hazard" | "import_batch" | "policy_set")
            }
            Self::Zones { .. } => {
                matches!(category, "patrol_shift" | "checkpoint" | "zone_plan")
            }
        }
    }
}

enum Part {
    Hazards(Box<Hazards>),
    Zones(Zones),
}

/// Makes the supposed commits, one after the other.
pub(crate) struct Supposing {
    /// What is recorded before it is taken as it is.
    from: u64,
    part: Part,
}

impl Supposing {
    /// Supposes something of what is recorded from a position on; a commit that begins before it is
    /// taken as it is.
    pub(crate) fn new(supposition: Supposition, from: u64) -> Self {
        let part = match supposition {
            Supposition::Policy { set, unit } => Part::Hazards(Box::new(Hazards::new(set, unit))),
            Supposition::Zones { community, zones } => Part::Zones(Zones::new(community, zones)),
        };
        Self { from, part }
    }

    /// How many hazards and timers are kept.
    #[cfg(test)]
    pub(crate) fn hazards_kept(&self) -> usize {
        match &self.part {
            Part::Hazards(hazards) => hazards.kept(),
            Part::Zones(_) => 0,
        }
    }

    /// The next commits as they would stand. All commits of the log must come, from its first one
    /// on, with the events of the categories that [`Supposition::wants`]; `decoder` has seen them.
    pub(crate) fn take(
        &mut self,
        commits: Vec<DecodedCommit>,
        decoder: &Decoder,
    ) -> Vec<DecodedCommit> {
        let each = commits.into_iter().map(|commit| {
            let supposes = commit.header.first_position >= self.from;
            match &mut self.part {
                Part::Hazards(hazards) => hazards.take(commit, supposes, decoder),
                Part::Zones(zones) => zones.take(commit, supposes),
            }
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Models;

    #[test]
    fn every_model_that_can_be_asked_is_one() {
        for (name, _) in ASKED {
            assert!(Models::NAMES.contains(name), "{name}");
        }
        assert_eq!(follows("balances"), None);
        assert_eq!(follows("case_board"), Some(Follows::Policy));
    }
}
