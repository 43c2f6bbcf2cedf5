//! Checkpoint: a tag at a place that a patrol scans.
//!
//! ```text
//! (nothing) ──Installed──> installed ──Moved / TagReplaced──> installed ──Retired──> retired
//! ```
//! Owns place, radius and tag. A tag maps to one checkpoint at a time: a claim holds it.

use serde::{Deserialize, Serialize};

use crate::ids::{CheckpointId, UnitId};
use crate::place::Place;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Put a checkpoint up.
    InstallCheckpoint {
        /// A random id, given by the caller.
        checkpoint: CheckpointId,
        /// Where it belongs.
        community: UnitId,
        /// Its name, 1..=100 bytes.
        name: String,
        /// What its tag says, 1..=100 bytes.
        tag: String,
        /// Where it is.
        place: Place,
        /// Metres within which a scan is at the place, 1..=1,000.
        radius_m: u32,
    },
    /// Move it.
    MoveCheckpoint {
        /// Which.
        checkpoint: CheckpointId,
        /// Where it is now.
        place: Place,
    },
    /// Give it another tag.
    ReplaceTag {
        /// Which.
        checkpoint: CheckpointId,
        /// What the new tag says.
        tag: String,
    },
    /// Take it down.
    RetireCheckpoint {
        /// Which.
        checkpoint: CheckpointId,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A checkpoint was put up.
    CheckpointInstalled {
        /// Where it belongs.
        community: UnitId,
        /// Its name.
        name: String,
        /// What its tag says.
        tag: String,
        /// Where it is.
        place: Place,
        /// Metres within which a scan is at the place.
        radius_m: u32,
    },
    /// It was moved.
    CheckpointMoved {
        /// Where it is now.
        place: Place,
    },
    /// It has another tag.
    TagReplaced {
        /// What the old tag said.
        old: String,
        /// What the new tag says.
        new: String,
    },
    /// It was taken down.
    CheckpointRetired {},
}

// STUB-BEGIN
/// State.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where it belongs.
    pub community: Option<UnitId>,
    /// Its name.
    pub name: String,
    /// What its tag says.
    pub tag: String,
    /// Where it is.
    pub place: Option<Place>,
    /// Metres within which a scan is at the place.
    pub radius_m: u32,
    /// Was put up.
    pub installed: bool,
    /// Was taken down.
    pub retired: bool,
}

impl crate::world::Aggregate for Checkpoint {
    const CATEGORY: &'static str = "checkpoint";
    type Command = Command;
    type Event = Event;
    fn primary(_: &Command) -> crate::stream::StreamName {
        Self::stream("stub")
    }
    fn decide(
        _: &Command,
        _: &crate::world::World,
        _: &crate::world::Context,
    ) -> Result<crate::world::Decision, crate::refusal::Stop> {
        Ok(crate::world::Decision::new())
    }
    fn evolve(&mut self, event: &Event, _: &crate::world::Stamp) {
        match event {
            Event::CheckpointInstalled {
                community,
                name,
                tag,
                place,
                radius_m,
            } => {
                self.community = Some(*community);
                self.name.clone_from(name);
                self.tag.clone_from(tag);
                self.place = Some(*place);
                self.radius_m = *radius_m;
                self.installed = true;
            }
            Event::CheckpointMoved { place } => self.place = Some(*place),
            Event::TagReplaced { new, .. } => self.tag.clone_from(new),
            Event::CheckpointRetired {} => self.retired = true,
        }
    }
}
// STUB-END
