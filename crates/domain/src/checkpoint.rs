//! Checkpoint: a tag at a place that a patrol scans.
//!
//! ```text
//! (nothing) ──Installed──> installed ──Moved / TagReplaced──> installed ──Retired──> retired
//! ```
//! Owns place, radius and tag. A tag maps to one checkpoint at a time: a claim holds it.

use serde::{Deserialize, Serialize};

use crate::claim::{self, Claim, Kind};
use crate::envelope::Envelope;
use crate::ids::{CheckpointId, UnitId};
use crate::member::Member;
use crate::place::Place;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

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

/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 100;
/// Longest text of a tag, in bytes.
pub const TAG_BYTES_MAX: usize = 100;
/// Widest radius, in metres.
pub const RADIUS_M_MAX: u32 = 1_000;

/// State of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where it belongs.
    pub community: Option<UnitId>,
    /// Its name.
    pub name: String,
    /// What its tag says, the last one if retired.
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

refusals! {
    /// Why it is refused.
    CheckpointAlreadyInstalled = AlreadyExists, "checkpoint_id", "A checkpoint with this id is installed already.";
    CheckpointNotFound = NotFound, "checkpoint_id", "There is no checkpoint with this id.";
    CheckpointRetired = WrongState, "checkpoint_id", "This checkpoint was taken down; install a new one.";
    NameNotAllowed = Invalid, "name", "A checkpoint's name is 1 to 100 bytes.";
    TagNotAllowed = Invalid, "tag", "A tag says 1 to 100 bytes.";
    TagAlreadyInUse = AlreadyExists, "tag", "This tag is at a checkpoint already; one tag is at one checkpoint at a time.";
    PlaceNotOnEarth = Invalid, "place", "Latitude must lie in -90..=90 and longitude in -180..=180 degrees.";
    RadiusNotAllowed = Invalid, "radius_m", "A radius is 1 to 1,000 metres.";
}

/// Refuses a tag that is no text for one, or that a checkpoint has already.
fn require_free(tag: &str, world: &World) -> Result<(), Stop> {
    if tag.trim().is_empty() || tag.len() > TAG_BYTES_MAX {
        return Err(Refusal::TagNotAllowed.into());
    }
    if world.state::<Claim>(Kind::Tag.key(tag))?.holder.is_some() {
        return Err(Refusal::TagAlreadyInUse.into());
    }
    Ok(())
}

fn install(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::InstallCheckpoint {
        checkpoint,
        community,
        name,
        tag,
        place,
        radius_m,
    } = command
    else {
        return Ok(Decision::new());
    };
    Member::require_community(world, *community, cx.now)?;
    Member::approver(world, *community, cx)?;
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Refusal::NameNotAllowed.into());
    }
    if !place.is_on_earth() {
        return Err(Refusal::PlaceNotOnEarth.into());
    }
    if !(1..=RADIUS_M_MAX).contains(radius_m) {
        return Err(Refusal::RadiusNotAllowed.into());
    }
    require_free(tag, world)?;
    let mut envelope = Envelope::at(cx.now);
    envelope.unit = Some(community.0);
    let installed = Event::CheckpointInstalled {
        community: *community,
        name: name.clone(),
        tag: tag.clone(),
        place: *place,
        radius_m: *radius_m,
    };
    let holder = checkpoint.0;
    Ok(Decision::new()
        .with::<Checkpoint>(checkpoint, installed, envelope.clone())
        .with::<Claim>(
            Kind::Tag.key(tag),
            claim::Event::Claimed { holder },
            envelope,
        ))
}

impl Aggregate for Checkpoint {
    const CATEGORY: &'static str = "checkpoint";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        Self::stream(command.checkpoint())
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let key = command.checkpoint();
        let state = world.state::<Self>(key)?;
        let community = match (state.community, command) {
            (None, Command::InstallCheckpoint { .. }) => return install(command, world, cx),
            (Some(_), Command::InstallCheckpoint { .. }) => {
                return Err(Refusal::CheckpointAlreadyInstalled.into());
            }
            (None, _) => return Err(Refusal::CheckpointNotFound.into()),
            (Some(_), _) if state.retired => return Err(Refusal::CheckpointRetired.into()),
            (Some(community), _) => community,
        };
        Member::approver(world, community, cx)?;
        let mut envelope = Envelope::at(cx.now);
        envelope.unit = Some(community.0);
        let mut decision = Decision::new();
        let event = match command {
            Command::MoveCheckpoint { place, .. } => {
                if !place.is_on_earth() {
                    return Err(Refusal::PlaceNotOnEarth.into());
                }
                Event::CheckpointMoved { place: *place }
            }
            Command::ReplaceTag { tag, .. } => {
                require_free(tag, world)?;
                Event::TagReplaced {
                    old: state.tag.clone(),
                    new: tag.clone(),
                }
            }
            Command::RetireCheckpoint { .. } => Event::CheckpointRetired {},
            Command::InstallCheckpoint { .. } => return Ok(decision),
        };
        decision.push::<Self>(key, event, envelope.clone());
        let holder = key.0;
        if let Command::ReplaceTag { .. } | Command::RetireCheckpoint { .. } = command {
            let released = claim::Event::Released { holder };
            decision.push::<Claim>(Kind::Tag.key(&state.tag), released, envelope.clone());
        }
        if let Command::ReplaceTag { tag, .. } = command {
            let claimed = claim::Event::Claimed { holder };
            decision.push::<Claim>(Kind::Tag.key(tag), claimed, envelope);
        }
        Ok(decision)
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        match event {
            Event::CheckpointInstalled {
                community,
                name,
                tag,
                place,
                radius_m,
            } => {
                *self = Self {
                    community: Some(*community),
                    name: name.clone(),
                    tag: tag.clone(),
                    place: Some(*place),
                    radius_m: *radius_m,
                    installed: true,
                    retired: false,
                }
            }
            Event::CheckpointMoved { place } => self.place = Some(*place),
            Event::TagReplaced { new, .. } => self.tag.clone_from(new),
            Event::CheckpointRetired {} => self.retired = true,
        }
    }
}

impl Command {
    fn checkpoint(&self) -> CheckpointId {
        match self {
            Self::InstallCheckpoint { checkpoint, .. }
            | Self::MoveCheckpoint { checkpoint, .. }
            | Self::ReplaceTag { checkpoint, .. }
            | Self::RetireCheckpoint { checkpoint } => *checkpoint,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{History, any_history, at, by, id, team};

    fn captain() -> Context {
        by(id(2), at("2024-02-01T00:00:00Z"))
    }

    fn place(lat: f64, lon: f64) -> Place {
        Place::from_degrees(lat, lon).expect("on earth")
    }

    fn install(checkpoint: u128, tag: &str) -> Command {
        Command::InstallCheckpoint {
            checkpoint: id(checkpoint),
            community: id(101),
            name: "east gate".to_owned(),
            tag: tag.to_owned(),
            place: place(32.5, 120.1),
            radius_m: 50,
        }
    }

    fn relocate() -> Command {
        Command::MoveCheckpoint {
            checkpoint: id(50),
            place: place(32.6, 120.2),
        }
    }

    fn replace(tag: &str) -> Command {
        Command::ReplaceTag {
            checkpoint: id(50),
            tag: tag.to_owned(),
        }
    }

    fn retire() -> Command {
        Command::RetireCheckpoint { checkpoint: id(50) }
    }

    fn installed() -> History {
        team().then(install(50, "04A1"), &captain())
    }

    fn holder(history: &History, tag: &str) -> Option<uuid::Uuid> {
        history.state::<Claim>(Kind::Tag.key(tag)).holder
    }

    #[test]
    fn every_command_in_every_state_has_its_answer() {
        let states = [team(), installed(), installed().then(retire(), &captain())];
        #[rustfmt::skip]
        let table = [
            (install(50, "04B2"), ["CheckpointInstalled + Claimed", "CHECKPOINT_ALREADY_INSTALLED", "CHECKPOINT_ALREADY_INSTALLED"]),
            (relocate(),          ["CHECKPOINT_NOT_FOUND", "CheckpointMoved", "CHECKPOINT_RETIRED"]),
            (replace("04B2"),     ["CHECKPOINT_NOT_FOUND", "TagReplaced + Released + Claimed", "CHECKPOINT_RETIRED"]),
            (retire(),            ["CHECKPOINT_NOT_FOUND", "CheckpointRetired + Released", "CHECKPOINT_RETIRED"]),
        ];
        for (command, expected) in table {
            for (history, expected) in states.iter().zip(expected) {
                let outcome = history.outcome(command.clone(), &captain());
                assert_eq!(outcome, expected, "{command:?}");
            }
        }
    }

    #[test]
    fn the_state_follows_what_happened() {
        let history = installed()
            .then(relocate(), &captain())
            .then(replace("04B2"), &captain());
        let expected = Checkpoint {
            community: Some(id(101)),
            name: "east gate".to_owned(),
            tag: "04B2".to_owned(),
            place: Some(place(32.6, 120.2)),
            radius_m: 50,
            installed: true,
            retired: false,
        };
        assert_eq!(
            *history.state::<Checkpoint>(id::<CheckpointId>(50)),
            expected
        );
    }

    #[test]
    fn a_tag_is_at_one_checkpoint_at_a_time() {
        let history = installed();
        let checkpoint: CheckpointId = id(50);
        assert_eq!(holder(&history, "04A1"), Some(checkpoint.0));
        history.refuses(install(51, "04A1"), &captain(), Refusal::TagAlreadyInUse);
        history.refuses(replace("04A1"), &captain(), Refusal::TagAlreadyInUse);
    }

    #[test]
    fn a_replaced_tag_can_go_to_another_checkpoint() {
        let history = installed().then(replace("04B2"), &captain());
        assert_eq!(holder(&history, "04A1"), None);
        let history = history.then(install(51, "04A1"), &captain());
        let checkpoint: CheckpointId = id(51);
        assert_eq!(holder(&history, "04A1"), Some(checkpoint.0));
    }

    #[test]
    fn the_tag_of_a_retired_checkpoint_can_be_used_again() {
        let history = installed()
            .then(replace("04B2"), &captain())
            .then(retire(), &captain());
        assert_eq!(holder(&history, "04B2"), None);
        let again = install(51, "04B2");
        assert_eq!(
            history.outcome(again, &captain()),
            "CheckpointInstalled + Claimed"
        );
    }

    #[test]
    fn only_an_administrator_a_captain_or_an_instructor_touches_checkpoints() {
        let now = captain().now;
        for command in [install(51, "04B2"), relocate(), replace("04B2"), retire()] {
            let refusal = crate::member::Refusal::ActorIsNoApprover;
            installed().refuses(command.clone(), &by(id(3), now), refusal);
            installed().then(command, &by(id(1), now));
        }
    }

    #[test]
    fn a_checkpoint_belongs_to_a_community() {
        let mut command = install(50, "04A1");
        if let Command::InstallCheckpoint { community, .. } = &mut command {
            *community = id(100);
        }
        let refusal = crate::member::Refusal::CommunityNotFound;
        team().refuses(command, &by(id(1), captain().now), refusal);
    }

    #[test]
    fn what_is_written_on_it_is_bounded() {
        let off_earth = Place {
            lat_e7: 900_000_001,
            lon_e7: 0,
        };
        let here = place(32.5, 120.1);
        let long = "x".repeat(101);
        for (name, tag, place, radius_m, expected) in [
            (" ", "04A1", here, 50, "NAME_NOT_ALLOWED"),
            (&*long, "04A1", here, 50, "NAME_NOT_ALLOWED"),
            ("gate", " ", here, 50, "TAG_NOT_ALLOWED"),
            ("gate", &*long, here, 50, "TAG_NOT_ALLOWED"),
            ("gate", "04A1", off_earth, 50, "PLACE_NOT_ON_EARTH"),
            ("gate", "04A1", here, 0, "RADIUS_NOT_ALLOWED"),
            ("gate", "04A1", here, 1_001, "RADIUS_NOT_ALLOWED"),
            ("gate", "04A1", here, 1, "CheckpointInstalled + Claimed"),
            ("gate", "04A1", here, 1_000, "CheckpointInstalled + Claimed"),
        ] {
            let command = Command::InstallCheckpoint {
                checkpoint: id(50),
                community: id(101),
                name: name.to_owned(),
                tag: tag.to_owned(),
                place,
                radius_m,
            };
            let outcome = team().outcome(command.clone(), &captain());
            assert_eq!(outcome, expected, "{command:?}");
        }
        for bad in [" ", &long] {
            installed().refuses(replace(bad), &captain(), Refusal::TagNotAllowed);
        }
        let moved = Command::MoveCheckpoint {
            checkpoint: id(50),
            place: off_earth,
        };
        installed().refuses(moved, &captain(), Refusal::PlaceNotOnEarth);
    }

    #[test]
    fn everything_lies_in_the_community() {
        let history = installed();
        for command in [relocate(), replace("04B2"), retire()] {
            let decision = Checkpoint::decide(&command, &history.world(), &captain());
            let events = decision.expect("a captain may").events;
            let community: UnitId = id(101);
            assert!(
                events
                    .iter()
                    .all(|event| event.envelope.unit == Some(community.0))
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_order_of_events_is_borne(history in any_history(vec![
            Event::CheckpointInstalled {
                community: id(101),
                name: String::new(),
                tag: String::new(),
                place: Place { lat_e7: i32::MAX, lon_e7: i32::MIN },
                radius_m: u32::MAX,
            },
            Event::CheckpointMoved { place: Place { lat_e7: 0, lon_e7: 0 } },
            Event::TagReplaced { old: "a".to_owned(), new: "b".to_owned() },
            Event::CheckpointRetired {},
        ])) {
            let mut checkpoint = Checkpoint::default();
            for (event, stamp) in &history {
                checkpoint.evolve(event, stamp);
            }
            prop_assert_eq!(checkpoint.installed, checkpoint.community.is_some());
        }
    }
}
