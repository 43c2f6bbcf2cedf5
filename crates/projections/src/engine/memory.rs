//! The memory budget: which pages are let go. Owns when, and how hard; a page says itself whether the
//! snapshot holds it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Shared, locked};
use crate::models::{AnyBuild, AnyModel};

/// Time between two looks at what is resident.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks for which a page was not used, in the order in which more is let go.
const UNUSED_LOOKS: [u64; 4] = [64, 16, 4, 1];
/// The share of the budget, in percent, that changed pages must take for a snapshot to be written for
/// their sake; and what is left resident then.
const CHANGED_SHARE_MAX: usize = 50;

/// Lets pages go, those first that were not used for the longest, until no more than `wanted` are
/// resident; what then is.
fn let_go(builds: &[Arc<dyn AnyBuild>], mut resident: usize, wanted: usize) -> usize {
    for looks in UNUSED_LOOKS {
        for build in builds {
            resident = resident.saturating_sub(build.let_go(looks));
        }
        if resident <= wanted {
            break;
        }
    }
    resident
}

impl Shared {
    /// Every build in memory, those that renew a live one included.
    fn resident(&self) -> Vec<Arc<dyn AnyBuild>> {
        let mut builds = self.builds();
        let models = self.models.all().into_iter();
        builds.extend(models.filter_map(AnyModel::renewal));
        builds
    }

    /// Bytes that all builds keep resident, estimated.
    pub(super) fn resident_bytes(&self) -> usize {
        let builds = self.resident();
        builds.iter().map(|build| build.resident_bytes().0).sum()
    }

    /// Lets pages go if the builds are beyond their budget.
    pub(super) fn keep_within_memory(&self) {
        if self.options.views.is_none() {
            return;
        }
        {
            let mut upkeep = locked(&self.upkeep);
            if upkeep.looked_at.elapsed() < LOOK_EVERY {
                return;
            }
            upkeep.looked_at = Instant::now();
        }
        let builds = self.resident();
        for build in &builds {
            build.tick();
        }
        let budget = self.options.memory_bytes;
        let resident = builds.iter().map(|build| build.resident_bytes().0).sum();
        if resident <= budget {
            return;
        }
        let resident = let_go(&builds, resident, budget);
        if resident <= budget {
            return;
        }
        // What renews a live build has no snapshot before it takes its place.
        let saved = self.builds();
        let changed: usize = saved.iter().map(|build| build.resident_bytes().1).sum();
        // A snapshot writes every page that changed, and pages that changed are soon read again: so
        // late, and then so that there is room for a while.
        if changed > budget / 100 * CHANGED_SHARE_MAX {
            self.save();
            let_go(&builds, resident, budget / 100 * CHANGED_SHARE_MAX);
        }
    }
}
